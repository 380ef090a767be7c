"""The garment cut out of its photo: by a given mask, by a plain background, or by GrabCut, with how far to trust the result.

A wrong cut makes every later step confidently wrong, so each cut-out carries a confidence and, in plain sentences, what speaks
against it. Below one half the user is asked for a better photo or a mask instead of being served.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from amgan.errors import PhotoError
from amgan.photos.framing import Framed, Placement, frame, place, resample
from amgan.photos.judging import judge

WORKING_SIDE = 160  # GrabCut's resolution: 0.07 s a photo on one core
TRUST = 0.5


@dataclass(frozen=True)
class CutOut:
    """A garment on white, framed.

    Attributes:
        image: uint8 (size, size, 3), white outside the garment.
        mask: uint8 (size, size), 255 on the garment, else 0.
        placement: where the frame lies in the photo, in the photo's own pixels.
        confidence: 0 to 1; 1 when nothing speaks against the cut.
        method: "given", "white" or "grabcut".
        problems: sentences for the user, the gravest first.
    """

    image: np.ndarray
    mask: np.ndarray
    placement: Placement
    confidence: float
    method: str
    problems: tuple[str, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether to serve this cut without asking."""
        return self.confidence >= TRUST


def cut_out(image: Image.Image, mask: Image.Image | np.ndarray | None = None, size: int = 128) -> CutOut:
    """Cut the garment out and frame it.

    A given mask is taken at its word; else a photo on a plain light background is separated by that background; else GrabCut
    guesses. The same photo gives the same result every time.

    Args:
        image: upright photo, as `read_image` returns it.
        mask: white on the garment; resized to the photo where it differs in size.
        size: side of the frame in pixels.

    Raises:
        PhotoError: "empty-mask" or "full-mask" for a mask that cannot be one; "no-garment" where nothing was found at all.
    """
    full = np.asarray(image.convert("RGB"))
    # Four times the frame is more than it can show; large photos would only cost time.
    rgb = _shrink(full, 4 * size)
    height, width = rgb.shape[:2]
    if mask is not None:
        method, found = (
            "given",
            _given_mask(np.asarray(mask if isinstance(mask, np.ndarray) else mask.convert("L")), rgb),
        )
    else:
        small = _shrink(rgb, WORKING_SIDE)
        plain = plain_background(small)
        method, found = ("white", plain) if plain is not None else ("grabcut", grabcut(small))
        # Linear, then halved: the outline stays smooth where nearest would draw stairs.
        found = np.where(cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR) > 127, 255, 0).astype(
            np.uint8
        )
        if not found.any():
            raise PhotoError(
                "no-garment", "No garment was found in the photo; it should lie in the middle, all of it in view."
            )
    confidence, problems = judge(_shrink(rgb, WORKING_SIDE), _at(found, WORKING_SIDE), method)
    framed = _untouched(rgb, found, size) if method == "white" and _is_white(rgb, found) else frame(rgb, found, size)
    return CutOut(framed.image, framed.mask, _in_photo(framed.placement, full, rgb), confidence, method, problems)


def grabcut(rgb: np.ndarray) -> np.ndarray:
    """Garment mask uint8 (H, W) of 0 and 255 for a flat-lay photo of about 160 px; empty where nothing is found."""
    height, width = rgb.shape[:2]
    if min(height, width) < 16:
        raise PhotoError("too-narrow", f"The photo is too narrow ({width} : {height}) to find a garment in it.")
    marks = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    marks[_span(height, 0.08, 0.92), _span(width, 0.10, 0.92)] = cv2.GC_PR_FGD
    marks[_span(height, 0.38, 0.62), _span(width, 0.38, 0.66)] = cv2.GC_FGD
    border = max(1, int(0.03 * max(height, width)))
    marks[:border] = marks[-border:] = cv2.GC_BGD
    marks[:, :border] = marks[:, -border:] = cv2.GC_BGD
    cv2.setRNGSeed(0)  # its colour clusters start at random
    cv2.grabCut(rgb, marks, None, np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_MASK)
    found = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8) * 255
    return tidy(found)


def tidy(mask: np.ndarray) -> np.ndarray:
    """Specks opened away, cracks closed, the largest piece kept, its small holes filled."""
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3)))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))
    mask = largest_piece(mask)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(255 - mask, connectivity=4)
    for hole in range(1, count):
        if stats[hole, cv2.CC_STAT_AREA] < 0.01 * mask.size:
            mask[labels == hole] = 255
    return mask


def largest_piece(mask: np.ndarray) -> np.ndarray:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:
        return np.zeros_like(mask)
    return np.where(labels == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA]), 255, 0).astype(np.uint8)


def plain_background(rgb: np.ndarray) -> np.ndarray | None:
    """Garment mask uint8 (H, W) of a product shot on a plain light background, or None for any other photo."""
    height, width = rgb.shape[:2]
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    ring = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    ground = np.median(ring, axis=0)
    off = np.linalg.norm(ring - ground, axis=1)
    # A few pixels of a sleeve may reach the edge; cloth, wood and shadow all over it may not.
    if ground[0] < 88 or np.hypot(*ground[1:]) > 8 or np.mean(off > 4) > 0.05:
        return None
    like_ground = (np.linalg.norm(lab - ground, axis=2) < 5).astype(np.uint8)
    framed = cv2.copyMakeBorder(like_ground, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    cv2.floodFill(framed, None, (0, 0), 2, flags=4)
    mask = np.where(framed[1:-1, 1:-1] == 2, 0, 255).astype(np.uint8)
    return tidy(mask)


def _span(length: int, start: float, stop: float) -> slice:
    return slice(int(start * length), int(stop * length))


def _shrink(rgb: np.ndarray, side: int) -> np.ndarray:
    height, width = rgb.shape[:2]
    ratio = side / max(height, width)
    if ratio >= 1:
        return np.ascontiguousarray(rgb)
    shape = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return cv2.resize(rgb, shape, interpolation=cv2.INTER_AREA)


def _at(mask: np.ndarray, side: int) -> np.ndarray:
    return np.where(_shrink(mask, side) > 127, 255, 0).astype(np.uint8)


def _given_mask(mask: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    mask = np.where(mask > 127, 255, 0).astype(np.uint8)
    share = float(np.mean(mask > 0)) if mask.size else 0.0
    if share < 0.002:
        raise PhotoError(
            "empty-mask", "The garment's mask is empty; it should be white on the garment and black elsewhere."
        )
    if share > 0.995:
        raise PhotoError(
            "full-mask", "The garment's mask covers the whole photo; it should be black outside the garment."
        )
    height, width = rgb.shape[:2]
    return cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)


def _is_white(rgb: np.ndarray, mask: np.ndarray) -> bool:
    outside = rgb[mask == 0]
    return bool(outside.size) and float(np.median(outside)) >= 250


def _untouched(rgb: np.ndarray, mask: np.ndarray, size: int) -> Framed:
    """A shot on white needs no cutting: only the frame is laid over it, and its own soft edges stay."""
    placement = place(mask, size)
    image = resample(rgb.astype(np.float32), placement, 255)
    alpha = resample(mask.astype(np.float32), placement, 0)
    return Framed(
        np.clip(image + 0.5, 0, 255).astype(np.uint8), np.where(alpha > 127, 255, 0).astype(np.uint8), placement
    )


def _in_photo(placement: Placement, full: np.ndarray, rgb: np.ndarray) -> Placement:
    ratio = max(full.shape[:2]) / max(rgb.shape[:2])
    return Placement(
        placement.scale * ratio, (placement.offset[0] * ratio, placement.offset[1] * ratio), placement.size
    )
