"""``amgan edit``: photos in, four pictures each out.

What is wrong with the call, down to a photo that does not exist, ends it before anything is edited. What is wrong with
one photo, which is damaged or cannot be cut out, refuses that one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track

from amgan.editing.editor import EditResult, Region, load_editor
from amgan.editing.source_size import check_size, edit_cut_out
from amgan.errors import UserError
from amgan.files import naming, writable_folder
from amgan.photos import CutOut, Segmenter, cut_out, read_image, read_mask
from amgan.weights.segmenters import find_segmenter

console = Console(stderr=True)


def edit_command(
    photos: Sequence[Path],
    out: Path,
    settings: Sequence[str],
    weights: str,
    only_on: str | None,
    mask: Path | None,
    accept_cutout: bool,
    quiet: bool = False,
    size: str = "model",
    segmenter: str | None = None,
) -> dict[str, Any]:
    """See ``amgan edit --help``.

    Returns:
        ``edited`` (photo to its pictures), ``refused`` (photo to the reason), ``edit`` and ``weights``.

    Raises:
        UserError: a photo or its mask is not there, the edit, the size or the weights are not valid, or the pictures
            cannot be written where they are to go.
    """
    side = check_size(size)
    _check_files(photos, mask, out)
    garment = read_mask(mask) if mask else None
    editor = load_editor(weights, "remembered")
    finder = find_segmenter(segmenter, weights)
    edit = editor.schema.parse_edit(settings)
    region = cast("Region | None", only_on)  # the editor refuses what is no region
    # A wrong region or setting is the user's mistake once, not one per photo.
    blank = torch.full((1, 3, editor.image_size, editor.image_size), 255, dtype=torch.uint8)
    editor.edit(blank, edit, region)
    out.mkdir(parents=True, exist_ok=True)
    edited: dict[str, dict[str, str]] = {}
    refused: dict[str, str] = {}
    for photo in track(photos, "Editing", console=console, disable=quiet or len(photos) < 2):
        try:
            cut = _cut_out(photo, garment, editor.image_size, side == "source", accept_cutout, finder)
        except UserError as error:
            refused[str(photo)] = str(error)
        else:
            result = edit_cut_out(editor, cut, edit, region, side)
            edited[str(photo)] = _save(cut, result, _names(photo, out))
    if not quiet:
        for photo_name, sentence in refused.items():
            console.print(f"Refused {photo_name}: {sentence}", style="red", highlight=False, markup=False)
        console.print(f"Edited {len(edited)} of {len(photos)} photos, in {out}.", highlight=False, markup=False)
    return {"edit": edit, "weights": weights, "edited": edited, "refused": refused}


def _cut_out(
    photo: Path, mask: np.ndarray | None, size: int, keep_source: bool, accept: bool, segmenter: Segmenter
) -> CutOut:
    """The garment of a photo. Raises UserError, also where it is uncertain and uncertain ones are not accepted."""
    cut = cut_out(read_image(photo), mask, size, keep_source, segmenter)
    if not cut.trusted and not accept:
        raise UserError(
            f"{photo.name}: the garment could not be cut out with confidence. {' '.join(cut.problems)} "
            "Give its mask with --mask, or go on with --accept-cutout."
        )
    return cut


def _save(cut: CutOut, result: EditResult, names: Mapping[str, Path]) -> dict[str, str]:
    """Save the four pictures of a photo; returns where each lies."""
    framed = cut.source or cut
    pictures = {
        "input": framed.image,
        "edited": result.image[0].permute(1, 2, 0).numpy(),
        "mask": (result.mask[0, 0].numpy() * 255 + 0.5).astype(np.uint8),
        "garment": framed.mask,
    }
    for kind, pixels in pictures.items():
        with naming(names[kind]):
            Image.fromarray(pixels).save(names[kind])
    return {kind: str(path) for kind, path in names.items()}


def _names(photo: Path, out: Path) -> dict[str, Path]:
    """Where the pictures of a photo go."""
    kinds = {"input": ".input", "edited": "", "mask": ".mask", "garment": ".garment"}
    return {kind: out / f"{photo.stem}{ending}.png" for kind, ending in kinds.items()}


def _check_files(photos: Sequence[Path], mask: Path | None, out: Path) -> None:
    """What the file system alone can say. Raises UserError."""
    if mask is not None and len(photos) != 1:
        raise UserError(f"--mask belongs to one photo; {len(photos)} were given.")
    written = [path for photo in photos for path in _names(photo, out).values()]
    if repeated := [path for path, count in Counter(written).items() if count > 1]:
        raise UserError(f"Several photos would overwrite each other in {repeated[0]}; edit them one by one.")
    given = (*photos, *((mask,) if mask else ()))
    for file in given:
        if not file.exists():
            raise UserError(f"There is no file {file}; nothing was edited.")
        if file.is_dir():
            raise UserError(f"{file} is a folder; name the photos in it, for example {file / '*.jpg'}.")
    writable_folder(out)
    for file in given:
        if any(path.samefile(file) for path in written if path.exists()):
            raise UserError(f"The edit would overwrite {file}; give another --out than the folder it lies in.")
