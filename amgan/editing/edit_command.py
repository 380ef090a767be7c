"""``amgan edit``: photos in, four pictures each out.

What is wrong with the call, down to a photo that does not exist, ends it before anything is edited. What is wrong with
one photo, which is damaged or cannot be cut out, refuses that one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track

from amgan.editing.editor import Region, load_editor
from amgan.editing.source_size import check_size, edit_cut_out
from amgan.errors import UserError
from amgan.files import naming, writable_folder
from amgan.photos import cut_out, read_image, read_mask

console = Console(stderr=True)

PICTURES = ("input", "edited", "mask", "garment")


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
    edit = editor.schema.parse_edit(settings)
    # A wrong region or setting is the user's mistake once, not one per photo.
    blank = torch.full((1, 3, editor.image_size, editor.image_size), 255, dtype=torch.uint8)
    editor.edit(blank, edit, _region(only_on))
    out.mkdir(parents=True, exist_ok=True)
    edited: dict[str, dict[str, str]] = {}
    refused: dict[str, str] = {}
    for photo in track(photos, "Editing", console=console, disable=quiet or len(photos) < 2):
        try:
            cut = cut_out(read_image(photo), garment, editor.image_size, side == "source")
        except UserError as error:
            refused[str(photo)] = str(error)
            continue
        if not cut.trusted and not accept_cutout:
            refused[str(photo)] = (
                f"{photo.name}: the garment could not be cut out with confidence. {' '.join(cut.problems)} "
                "Give its mask with --mask, or go on with --accept-cutout."
            )
            continue
        result = edit_cut_out(editor, cut, edit, _region(only_on), side)
        framed = cut.source or cut
        pictures = {
            "input": framed.image,
            "edited": result.image[0].permute(1, 2, 0).numpy(),
            "mask": (result.mask[0, 0].numpy() * 255 + 0.5).astype(np.uint8),
            "garment": framed.mask,
        }
        names = _names(photo, out)
        for k, pixels in pictures.items():
            with naming(names[k]):
                Image.fromarray(pixels).save(names[k])
        edited[str(photo)] = {k: str(v) for k, v in names.items()}
    if not quiet:
        for photo_name, sentence in refused.items():
            console.print(f"Refused {photo_name}: {sentence}", style="red", highlight=False, markup=False)
        console.print(f"Edited {len(edited)} of {len(photos)} photos, in {out}.", highlight=False)
    return {"edit": edit, "weights": weights, "edited": edited, "refused": refused}


def _names(photo: Path, out: Path) -> dict[str, Path]:
    """Where the pictures of a photo go."""
    return {k: out / f"{photo.stem}{'' if k == 'edited' else '.' + k}.png" for k in PICTURES}


def _check_files(photos: Sequence[Path], mask: Path | None, out: Path) -> None:
    """What the file system alone can say. Raises UserError."""
    if mask is not None and len(photos) != 1:
        raise UserError(f"--mask belongs to one photo; {len(photos)} were given.")
    for file in (*photos, *((mask,) if mask else ())):
        if not file.exists():
            raise UserError(f"There is no file {file}; nothing was edited.")
        if file.is_dir():
            raise UserError(f"{file} is a folder; name the photos in it, for example {file / '*.jpg'}.")
    stems = [p.stem for p in photos]
    if repeated := sorted({s for s in stems if stems.count(s) > 1}):
        raise UserError(
            f"Several photos are called {repeated[0]!r} and would overwrite each other in {out}; edit them one by one."
        )
    writable_folder(out)
    written = [path for photo in photos for path in _names(photo, out).values() if path.exists()]
    for file in (*photos, *((mask,) if mask else ())):
        if any(path.samefile(file) for path in written):
            raise UserError(f"The edit would overwrite {file}; give another --out than the folder it lies in.")


def _region(text: str | None) -> Region | None:
    if text is None or text == "sleeve" or text == "torso":
        return text
    raise UserError(f"Unknown region {text!r}. Valid: sleeve, torso.")
