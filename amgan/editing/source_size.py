"""Edits at the photo's own size: 128 pixels are what networks and search see, and too few to look at.

What the generator changed is carried up by ``joint_upsample``: its mask along the photo's edges, its picture as a
change of the photo's colours. What it painted anew, a grown sleeve, gets a sharp outline and the cloth's own texture.
Nothing but the generator's output says what changes, and where.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from amgan.editing.editor import Editor, EditResult, Region
from amgan.editing.filled import Filled, find_filled
from amgan.editing.grown import Grown, Laid, find_grown, find_laid
from amgan.editing.painting import account, clear_haze, crispen, cut_away, paint_grown, weave
from amgan.editing.shapes import WHITE, dilate, find_ground, large_box, whiteness
from amgan.editing.taken import Taken, clean_ground, find_taken
from amgan.errors import UserError
from amgan.photos import CutOut
from amgan.photos.framing import Framed
from amgan.photos.guided import enlarge, fit, joint_upsample, response

Size = Literal["model", "source"]
SIZES: tuple[Size, ...] = ("model", "source")


def edit_cut_out(
    editor: Editor, cutout: CutOut, edit: Mapping[str, str], only_on: Region | None = None, size: Size = "model"
) -> EditResult:
    """Edit one garment.

    Args:
        editor: any; its ``image_size`` is the cut-out's.
        cutout: for ``size="source"`` made with ``keep_source=True``.
        edit: wanted values, ``{"color": "red"}``.
        only_on: see ``Editor.edit``.
        size: ``"model"``, the editor's own, which searches with an edit need; or ``"source"``, see ``at_source_size``.

    Returns:
        One picture, (1, 3, S, S), with its mask (1, 1, S, S).

    Raises:
        UserError: the edit, the region or the size is not valid, or the cut-out kept no source.
    """
    check_size(size)
    image = torch.from_numpy(np.ascontiguousarray(cutout.image)).permute(2, 0, 1)[None]  # (1, 3, H, W)
    result = editor.edit(image, edit, only_on)
    return at_source_size(result, cutout) if size == "source" else result


def check_size(size: str) -> Size:
    """Raises UserError for what is no size."""
    for valid in SIZES:
        if size == valid:
            return valid
    raise UserError(f"Unknown size {size!r}. Valid: {', '.join(SIZES)}.")


def at_source_size(edited: EditResult, cutout: CutOut) -> EditResult:
    """An edit of a cut-out, carried to the size of ``cutout.source``: about the photo's own, 2,048 pixels at most.

    Where the mask is 0 the photo's pixels stay as they are. Photos with fewer pixels than the frame give ``edited``.
    Of new cloth the mask's outline is as sharp as the picture's.

    Args:
        edited: what the editor made of ``cutout.image``: one picture.
        cutout: made with ``keep_source=True``.

    Raises:
        UserError: the cut-out kept no source, or the edit is not of this cut-out.
    """
    if cutout.source is None:
        raise UserError("This cut-out kept no source pixels. cut_out(photo, keep_source=True) keeps them.")
    if edited.image.shape != (1, 3, *cutout.image.shape[:2]):
        raise UserError(
            f"The edit is {tuple(edited.image.shape)} and the cut-out {cutout.image.shape}; "
            "an edit is carried to source size with the cut-out that it was made of, one at a time."
        )
    if cutout.source.image.shape == cutout.image.shape:
        return edited
    if len(steps := [step for step in edited.steps if step.mask.any()]) > 1:
        return _in_turn(steps, cutout, cutout.source)
    enlarged = enlarge_edit(edited, _unit(cutout.image), _unit(cutout.source.image))
    _paint(enlarged)
    mask = torch.from_numpy(np.moveaxis(enlarged.mask, 2, 0)[None])
    return EditResult(_tensor(enlarged.image), mask, _tensor(enlarged.raw))


def _in_turn(steps: Sequence[EditResult], cutout: CutOut, source: Framed) -> EditResult:
    """Each step with the picture that the one before left, at both sizes. Only the first may paint on white, as the
    generator saw haze in later ones that is gone from the large picture."""
    made: list[EditResult] = []
    image, large = cutout.image, source.image
    for step in steps:
        if made:
            small = cv2.resize(large, image.shape[1::-1], interpolation=cv2.INTER_AREA)
            ground = torch.from_numpy(find_ground(_unit(small)))[None, None]
            image = np.where(ground[0, 0, ..., None], small, image)
            step = EditResult(torch.where(ground, 255, step.image), step.mask * ~ground, step.raw)
        made.append(at_source_size(step, replace(cutout, image=image, source=replace(source, image=large))))
        image, large = _pixels(step.image), _pixels(made[-1].image)
    before = torch.from_numpy(source.image).permute(2, 0, 1)[None]
    return EditResult.joined(before, made)


class Enlarged(NamedTuple):
    """Photo, edited picture, alpha and generator's picture at the photo's size, float32 (S, S, 3 or 1) in [0, 1], where
    new cloth is still blurred and what was taken away has left haze; and both, at the model's size."""

    photo: np.ndarray
    image: np.ndarray
    mask: np.ndarray
    raw: np.ndarray
    grown: Grown | None
    taken: Taken | None
    laid: Laid | None
    filled: Filled | None


def enlarge_edit(edited: EditResult, small: np.ndarray, large: np.ndarray) -> Enlarged:
    """One edit by joint upsampling alone; the photo is float32 in [0, 1] at both sizes."""
    ground = find_ground(small)
    alpha = edited.mask[0, 0].float().cpu().numpy()  # (h, w)
    picture, cleaned = clean_ground(small, _unit(_pixels(edited.image)), alpha, ground)
    traces, alpha = cleaned < alpha, cleaned
    mask = _mask(small, alpha, large)  # (S, S, 1)
    if traces.any():  # none of them comes back beyond the outline
        mask[(_enlarged(dilate(traces, 5), large) > 0.5) & (whiteness(large) >= WHITE)] = 0
    target = _unit(_pixels(edited.raw))
    transform = fit(small, target, alpha, radii=(16, 3, 1))
    raw = enlarge(transform, small, target, large, alpha)
    image = large + mask * (raw - large)
    seen = (small, picture, alpha, ground, response(transform, small, target))
    laid = find_laid(*seen)
    if laid is not None:  # a pale stripe of it on white looks as if cloth had gone, and is none that came
        return Enlarged(large, image, mask, raw, None, None, laid, None)
    grown, taken = find_grown(*seen), find_taken(*seen[:4])
    filled = find_filled(*seen) if grown is None and taken is None else None
    return Enlarged(large, image, mask, raw, grown, taken, None, filled)


def _paint(enlarged: Enlarged) -> None:
    """New cloth, and clean outlines, in place; image = photo + mask (raw - photo) goes on to hold."""
    photo, image, mask, raw, grown, taken, laid, filled = enlarged
    if laid is not None:
        crispen(laid, photo, image)
    if filled is not None:
        weave(filled, photo, image)
    if taken is not None:
        clear_haze(taken, photo, image)
    if grown is not None:
        for box, pixels, share in paint_grown(grown, photo, image):
            image[box], mask[box] = pixels, np.maximum(mask[box], share)
    if taken is not None:
        cut_away(taken, image, mask)
    boxes = [
        large_box(b, len(photo) / len(part.near), len(photo)) for part in (grown, taken) if part for b in part.boxes
    ]
    if filled is not None:
        boxes = [large_box(filled.box, len(photo) / len(filled.plain), len(photo))]
    if laid is not None:
        boxes = [(slice(None), slice(None))]
    for box in boxes:
        account(photo[box], image[box], mask[box], raw[box])


def _mask(small: np.ndarray, alpha: np.ndarray, large: np.ndarray) -> np.ndarray:
    """Alpha along the photo's edges, float32 (S, S, 1), never beyond what it is in the nearest pixels of the small
    one: a print or a seam inside the mask is no edge of it."""
    mask = joint_upsample(small, alpha[..., None], large, np.ones_like(alpha), radii=(3,))
    near = np.ones((3, 3), np.uint8)
    least, most = (_enlarged(f(alpha, near), large) for f in (cv2.erode, cv2.dilate))
    return np.clip(mask, least[..., None], most[..., None])


def _enlarged(a: np.ndarray, large: np.ndarray) -> np.ndarray:
    return cv2.resize(a, large.shape[1::-1])


def _pixels(image: Tensor) -> np.ndarray:
    return np.ascontiguousarray(image[0].permute(1, 2, 0).cpu().numpy())


def _unit(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / 255


def _tensor(image: np.ndarray) -> Tensor:
    """Float32 (S, S, 3) in [0, 1] to uint8 (1, 3, S, S)."""
    return torch.from_numpy(cv2.convertScaleAbs(image, alpha=255)).permute(2, 0, 1)[None].contiguous()
