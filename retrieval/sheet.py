"""One picture that shows a search: the query, its edit and mask, and what each of the two found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from amgan.editing.source_size import at_source_size
from amgan.errors import PhotoError, UserError
from amgan.files import refusal
from amgan.photos import read_image
from retrieval.results import Found, SearchResult

INK, QUIET, LINE, PAPER = (28, 30, 34), (112, 117, 125), (222, 225, 229), (255, 255, 255)
MATCH = (11, 110, 79)  # the wanted value, where a hit has it
MASK_TINT = np.array([217, 22, 107], np.float32)
TILE, QUERY, GAP, MARGIN, PER_ROW = 168, 256, 14, 36, 10


def tensor_picture(image: np.ndarray) -> Image.Image:
    """uint8 (3, H, W) to a picture."""
    return Image.fromarray(np.ascontiguousarray(np.moveaxis(image, 0, -1)))


def mask_overlay(image: np.ndarray, mask: np.ndarray) -> Image.Image:
    """Where the editor painted: the picture in grey, tinted by how much of each pixel was replaced.

    Args:
        image: the unedited garment, uint8 (H, W, 3).
        mask: float (H, W), 0 (kept) to 1 (replaced).
    """
    grey = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    grey = (0.45 * grey + 0.55 * 255)[..., None]  # pale, so that the tint carries the meaning
    alpha = np.clip(mask, 0, 1).astype(np.float32)[..., None]
    return Image.fromarray(np.clip(grey * (1 - 0.65 * alpha) + MASK_TINT * 0.65 * alpha + 0.5, 0, 255).astype(np.uint8))


def edit_words(result: SearchResult) -> str:
    """``sleeve: long, color: red``; Pillow's font has no arrow."""
    words = ", ".join(f"{k}: {v}" for k, v in result.edit.items()) or "Similar garments"
    return f"{words}, only on the {result.only_on}" if result.only_on else words


def search_sheet(result: SearchResult) -> Image.Image:
    """Query, edit and mask above the hits of the edited photo, above the hits of the unedited one."""
    rows = max(1, -(-max(len(result.hits), len(result.unedited_hits)) // PER_ROW))
    columns = max(4, min(PER_ROW, max(len(result.hits), len(result.unedited_hits))))
    card = TILE + 24 + 18 * max(1, len(result.predicted))
    section = 46 + rows * (card + GAP) + 20
    width = 2 * MARGIN + max(columns * TILE + (columns - 1) * GAP, 3 * QUERY + 2 * GAP)
    sheet = Image.new("RGB", (width, 2 * MARGIN + 56 + QUERY + 90 + len(_sections(result)) * section - 20), PAPER)
    draw = ImageDraw.Draw(sheet)
    y = MARGIN
    draw.text((MARGIN, y), edit_words(result), INK, font(30))
    y += 56
    y = _query_row(sheet, draw, result, y) + 36
    for title, hits in _sections(result):
        draw.line((MARGIN, y - 8, width - MARGIN, y - 8), LINE, 1)
        draw.text((MARGIN, y + 4), title, INK, font(19))
        y += 46
        for i, found in enumerate(hits):
            x = MARGIN + (i % PER_ROW) * (TILE + GAP)
            _hit(sheet, draw, found, result.wanted, x, y + (i // PER_ROW) * (card + GAP))
        if not hits:
            draw.text((MARGIN, y), "Nothing found.", QUIET, font(15))
        y += rows * (card + GAP) + 20
    return sheet


def _sections(result: SearchResult) -> list[tuple[str, Sequence[Found]]]:
    if not result.edit:
        return [("Found with the photo as it is", result.unedited_hits)]
    return [("Found with the edit", result.hits), ("Found with the photo as it is", result.unedited_hits)]


def _query_row(sheet: Image.Image, draw: ImageDraw.ImageDraw, result: SearchResult, y: int) -> int:
    """The three pictures of the query; returns the y below them."""
    shown = (result.cutout.source or result.cutout).image
    pictures = [("Query", Image.fromarray(shown), ", ".join(result.predicted.values()))]
    if result.edit:
        edited = at_source_size(result.edited, result.cutout) if result.cutout.source else result.edited
        mask = edited.mask[0, 0].float().cpu().numpy()
        pictures.append(("Edit", tensor_picture(edited.image[0].cpu().numpy()), ", ".join(result.edit.values())))
        pictures.append(("Where it was edited", mask_overlay(shown, mask), f"{mask.mean():.0%} of the frame"))
    for i, (title, picture, note) in enumerate(pictures):
        x = MARGIN + i * (QUERY + GAP)
        sheet.paste(picture.resize((QUERY, QUERY), Image.Resampling.LANCZOS), (x, y))
        draw.rectangle((x, y, x + QUERY - 1, y + QUERY - 1), outline=LINE)
        draw.text((x, y + QUERY + 6), _fit(draw, title, font(16), QUERY), INK, font(16))
        draw.text((x, y + QUERY + 28), _fit(draw, note, font(14), QUERY), QUIET, font(14))
    return y + QUERY + 54


def _hit(sheet: Image.Image, draw: ImageDraw.ImageDraw, found: Found, edit: Mapping[str, str], x: int, y: int) -> None:
    picture = thumbnail(found)
    if picture is None:
        draw.text((x + 12, y + TILE // 2), _fit(draw, found.file_name, font(12), TILE - 24), QUIET, font(12))
    else:
        sheet.paste(picture, (x + (TILE - picture.width) // 2, y + (TILE - picture.height) // 2))
    draw.rectangle((x, y, x + TILE - 1, y + TILE - 1), outline=LINE)
    draw.text((x, y + TILE + 4), f"{found.rank}", INK, font(14))
    draw.text((x + TILE, y + TILE + 4), f"{found.score:.3f}", QUIET, font(14), anchor="ra")
    for line, (name, value) in enumerate(found.predicted.items()):
        matches = edit.get(name) == value
        words = f"{name} {value}" + (f"  {found.confidence[name]:.0%}" if name in found.confidence else "")
        draw.text((x, y + TILE + 22 + 18 * line), _fit(draw, words, font(13)), MATCH if matches else QUIET, font(13))


def thumbnail(found: Found, side: int = TILE) -> Image.Image | None:
    """The hit's photo, whole, at most ``side`` pixels a side; None where it cannot be read."""
    try:
        picture = read_image(found.photo) if found.photo else None
    except PhotoError:
        return None
    if picture is not None:
        scale = side / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
    return picture


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The sans-serif that comes with Pillow."""
    return ImageFont.load_default(size)


def _fit(
    draw: ImageDraw.ImageDraw, text: str, face: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int = TILE
) -> str:
    """The text, shortened from the end until it fits."""
    if draw.textlength(text, face) <= width:
        return text
    while text and draw.textlength(text + "…", face) > width:
        text = text[:-1]
    return text + "…"


def save_picture(picture: Image.Image, path: Path) -> None:
    """Save by the ending of the name. Raises UserError where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    except OSError as error:
        raise refusal(error, path) from None
    except ValueError as error:
        raise UserError(f"The picture cannot be saved as {path}: {error}. A valid name is sheet.png.") from None
