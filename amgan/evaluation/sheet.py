"""Example sheets: photos down the side, edits across, the generator's own mask below each edit.

Photos are the first by the SHA-256 of their id and edits are the same for all, so nothing on a sheet is chosen.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from amgan.attributes import asked_of
from amgan.data.garments import Garments
from amgan.editing.source_size import at_source_size
from amgan.evaluation.edits import COLOR, SLEEVE, first_by_hash, subset
from amgan.photos import CutOut
from amgan.schema import AttributeSchema, Edit

if TYPE_CHECKING:
    from amgan.editing.editor import Editor
    from amgan.evaluation.exact import Truths

GAP, LABEL = 4, 26
SMALLEST_TILE = 96  # pixels: what is smaller is drawn larger
COLOURS_FIRST = ("red", "blue", "green", "black", "white", "yellow")


def sheet_edits(schema: AttributeSchema, n: int) -> list[Edit]:
    """The n edits of a sheet: every sleeve length, then colours; by turns where a schema has other attributes."""
    values = {a.name: asked_of(a) for a in schema.attributes if a.editable}
    if COLOR in values:
        values[COLOR].sort(key=lambda v: COLOURS_FIRST.index(v) if v in COLOURS_FIRST else len(COLOURS_FIRST))
    if set(values) == {SLEEVE, COLOR}:
        return [{a: v} for a in (SLEEVE, COLOR) for v in values[a]][:n]
    depth = max(len(v) for v in values.values())
    return [{a: v[i]} for i in range(depth) for a, v in values.items() if i < len(v)][:n]


def edit_name(edit: Edit) -> str:
    return ", ".join(f"{a} {v}" if a != COLOR else v for a, v in edit.items())


def first_sheet(editor: Editor, items: Garments, photos: int, edits: int = 8) -> Image.Image:
    """The sheet of a report: ``make_sheet`` of the first photos by the SHA-256 of their id and of ``sheet_edits``."""
    first = subset(items, first_by_hash(items.item_ids, photos))
    return make_sheet(editor, first, sheet_edits(editor.schema, edits))


def make_sheet(
    editor: Editor,
    items: Garments,
    edits: Sequence[Edit],
    masks: bool = True,
    tile: int | None = None,
    cutouts: Sequence[CutOut] | None = None,
) -> Image.Image:
    """One row per photo: the photo with its garment mask, then each edit with its alpha (white = painted) at half size
    below.

    A cell whose edit asks for what the photo already is says so. ``tile`` is the side of a picture in pixels; the
    editor's own size where None. ``cutouts``, one for each photo with its source, show photo and edits at the photo's
    own size (``at_source_size``).
    """
    tile = tile or int(items.images.shape[-1])
    row_height = tile + GAP + (tile // 2 if masks else 0)
    page = Image.new("RGB", (LABEL * 4 + (len(edits) + 1) * (tile + GAP), LABEL + len(items) * row_height), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for c, name in enumerate(["photo", *(edit_name(e) for e in edits)]):
        draw.text((LABEL * 4 + c * (tile + GAP) + 4, 5), name, fill="black", font=font)
    for r in range(len(items)):
        y = LABEL + r * row_height
        known = items.schema.decode(items.labels[r].cpu().numpy())
        lines = [items.item_ids[r].rsplit("/", 1)[-1][:8], *(f"{known.get(a, '?')}" for a in items.schema.names[:5])]
        _write_lines(draw, y, lines)
        result = editor.edit(items.images[r : r + 1].expand(len(edits), -1, -1, -1), list(edits))
        pictures = [items.images[r], *result.image]
        if cutouts is not None:
            shown = [at_source_size(result.rows(slice(k, k + 1)), cutouts[r]).image[0] for k in range(len(edits))]
            source = (cutouts[r].source or cutouts[r]).image
            pictures = [torch.from_numpy(source).permute(2, 0, 1), *shown]
        alphas = [items.masks[r, 0].float(), *result.mask[:, 0]] if masks else []
        already = [False, *(all(known.get(a) == v for a, v in e.items()) for e in edits)]
        for c, picture in enumerate(pictures):
            x = LABEL * 4 + c * (tile + GAP)
            page.paste(_picture(picture.cpu().numpy().transpose(1, 2, 0), tile), (x, y))
            if masks:
                _paste_alpha(page, alphas[c].cpu().numpy(), tile // 2, (x, y + tile))
            if already[c]:
                at = (x + tile // 2 + 4, y + tile + 4) if masks else (x + 4, y + tile - 16)
                draw.text(at, "as it is", fill="gray", font=font)
    return page


def _write_lines(draw: ImageDraw.ImageDraw, y: int, lines: Sequence[str]) -> None:
    """What is left of a row: its id in gray, then more."""
    font = ImageFont.load_default(13)
    for i, line in enumerate(lines):
        draw.text((4, y + 4 + 16 * i), line, fill="black" if i else "gray", font=font)


def _paste_alpha(page: Image.Image, alpha: np.ndarray, side: int, at: tuple[int, int]) -> None:
    """alpha float (H, W), 0..1, with a thin frame."""
    page.paste(_picture((alpha * 255).round().astype(np.uint8), side), at)
    ImageDraw.Draw(page).rectangle((*at, at[0] + side - 1, at[1] + side - 1), outline="lightgray")


def make_true_sheet(editor: Editor, items: Garments, truths: Truths, rows: Sequence[int]) -> Image.Image:
    """One row per case: the source, its edit, the true picture, the editor's alpha, the true region."""
    tile, left = int(items.images.shape[-1]), LABEL * 8
    heads = ("source", "edited", "true", "alpha", "true region")
    page = Image.new("RGB", (left + len(heads) * (tile + GAP), LABEL + len(rows) * (tile + GAP)), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for c, head in enumerate(heads):
        draw.text((left + c * (tile + GAP) + 4, 5), head, fill="black", font=font)
    result = editor.edit(items.images[list(rows)], [truths.cases[r].edit for r in rows])
    alphas = (result.mask[:, 0].float().cpu().numpy() * 255).round().astype(np.uint8)
    for n, r in enumerate(rows):
        y, case = LABEL + n * (tile + GAP), truths.cases[r]
        ((attribute, value),) = case.edit.items()
        change = f"{attribute}: {case.item.labels[attribute]} to {value}"
        _write_lines(draw, y, [f"seed {case.item.seed}", *textwrap.wrap(change, 28)])
        colours = (items.images[r], result.image[n], truths.images[r])
        pictures = [p.cpu().numpy().transpose(1, 2, 0) for p in colours]
        for c, picture in enumerate([*pictures, alphas[n], truths.regions[r].astype(np.uint8) * 255]):
            page.paste(_picture(picture, tile), (left + c * (tile + GAP), y))
    return page


def make_methods_sheet(
    editors: Mapping[str, Editor], items: Garments, edits: Sequence[tuple[int, Edit]], truths: Tensor | None = None
) -> Image.Image:
    """One row per photo and edit: the photo, the true picture where it is known, then every editor's, and below that
    what it painted (white) at half size.

    Args:
        edits: rows of ``items``, each with an edit of one attribute.
        truths: uint8 (n, 3, S, S), of the rows of ``edits``.
    """
    tile, left = max(int(items.images.shape[-1]), SMALLEST_TILE), LABEL * 7
    row_height = tile + tile // 2 + 2 * GAP
    names = ["photo", *(["true"] if truths is not None else []), *editors]
    heads = [textwrap.wrap(name, tile // 8, max_lines=2, placeholder="…") for name in names]
    top = 10 + 16 * max(map(len, heads))
    page = Image.new("RGB", (left + len(heads) * (tile + GAP), top + len(edits) * row_height), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for c, lines in enumerate(heads):
        draw.text((left + c * (tile + GAP) + 4, 5), "\n".join(lines), fill="black", font=font)
    rows = torch.tensor([row for row, _ in edits])
    results = [editor.edit(items.images[rows], [edit for _, edit in edits]) for editor in editors.values()]
    for n, (row, edit) in enumerate(edits):
        y = top + n * row_height
        ((attribute, value),) = edit.items()
        before = items.schema.decode(items.labels[row].cpu().numpy()).get(attribute, "?")
        lines = textwrap.wrap(f"{attribute}: {before} to {value}", 24)
        _write_lines(draw, y, [items.item_ids[row].rsplit("/", 1)[-1][:8], *lines])
        pictures = [items.images[row], *([truths[n]] if truths is not None else []), *(r.image[n] for r in results)]
        for c, picture in enumerate(pictures):
            x = left + c * (tile + GAP)
            page.paste(_picture(picture.cpu().numpy().transpose(1, 2, 0), tile), (x, y))
            if (editor := c - len(pictures) + len(results)) >= 0:
                alpha = results[editor].mask[n, 0].float().cpu().numpy()
                _paste_alpha(page, alpha, tile // 2, (x, y + tile + GAP))
    return page


def stack_sheets(pages: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Sheets of the same photos one below the other, each under its name."""
    width = max(p.width for _, p in pages)
    out = Image.new("RGB", (width, sum(p.height + LABEL for _, p in pages)), "white")
    draw, font, y = ImageDraw.Draw(out), ImageFont.load_default(16), 0
    for name, page in pages:
        draw.text((4, y + 4), name, fill="black", font=font)
        out.paste(page, (0, y + LABEL))
        y += page.height + LABEL
    return out


def _picture(image: np.ndarray, side: int) -> Image.Image:
    if image.shape[0] != side:
        image = cv2.resize(
            image, (side, side), interpolation=cv2.INTER_AREA if side < image.shape[0] else cv2.INTER_CUBIC
        )
    return Image.fromarray(image).convert("RGB")
