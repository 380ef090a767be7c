"""What finds the garment in a photo: the ``Segmenter`` contract, and what every implementation answers.

A new segmenter is one file with a class that fulfils the contract, and one line: an entry point of the group
``amgan.segmenters`` (see `load_segmenter`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from amgan.errors import PhotoError
from amgan.photos.framing import binary, shrink
from amgan.photos.judging import judge

WORKING_SIDE = 160  # pixels; masks are judged, and classical ones are found, on photos shrunk to this
GIVEN, WHITE, GRABCUT, LEARNED = "given", "white", "grabcut", "learned"
TRUST = 0.5  # confidence from which a mask is served without asking, where its segmenter has no other


@dataclass(frozen=True)
class Segmentation:
    """Where the garment is, and how far to trust that.

    Attributes:
        mask: uint8 (h, w) of 0 and 255, not empty; of any size in the photo's proportions.
        confidence: 0 to 1; of ``"learned"`` masks the overlap with the true one that is to be expected.
        method: ``"given"``, ``"white"`` (a plain light background was taken away), ``"grabcut"``, ``"learned"``, or the
            name of another segmenter. Shots on white may keep their own edges.
        problems: sentences for the user on what speaks against the mask, the gravest first.
        trust: confidence below which the user is asked first.
    """

    mask: np.ndarray
    confidence: float
    method: str
    problems: tuple[str, ...] = ()
    trust: float = TRUST


@runtime_checkable
class Segmenter(Protocol):
    """Finds one garment in a photo; the same photo gives the same answer every time, in any thread.

    Attributes:
        identity: ``NAME (VERSION)``. ``load_segmenter(NAME)`` gives the same one again; the version changes whenever
            any mask or confidence does. Indexes and caches compare it.
    """

    identity: str

    def segment(self, photo: np.ndarray) -> Segmentation:
        """Segment an upright photo, uint8 (H, W, 3), which `cut_out` has shrunk to four times the frame.

        Raises:
            PhotoError: "no-garment", or a reason of the segmenter's own.
        """
        ...


@runtime_checkable
class Several(Protocol):
    """What a segmenter may offer besides: to see several photos at once."""

    def segment_batch(self, photos: Sequence[np.ndarray]) -> Sequence[Segmentation | PhotoError]:
        """Of each photo what ``segment`` gives, or raises."""
        ...


def segment_several(segmenter: Segmenter, photos: Sequence[np.ndarray]) -> Sequence[Segmentation | PhotoError]:
    """Of each photo what the segmenter finds, or why it finds nothing; at once where it can."""
    if isinstance(segmenter, Several):
        return segmenter.segment_batch(photos) if photos else []
    found: list[Segmentation | PhotoError] = []
    for photo in photos:
        try:
            found.append(segmenter.segment(photo))
        except PhotoError as error:
            found.append(error)
    return found


def judged(photo: np.ndarray, mask: np.ndarray, method: str, small: np.ndarray | None = None) -> Segmentation:
    """A mask with the confidence that colours and outline give it, for segmenters that have no better measure.

    Args:
        photo: uint8 (H, W, 3).
        mask: uint8 (h, w) of 0 and 255, of any size in the photo's proportions.
        method: as in `Segmentation`.
        small: the photo shrunk to ``WORKING_SIDE``, where it is at hand.

    Raises:
        PhotoError: "no-garment" for an empty mask.
    """
    working = binary(shrink(fitted(mask, photo.shape[:2], method), WORKING_SIDE))
    if not working.any():
        raise PhotoError("no-garment", "No garment was found in the photo; it should lie in the middle, all in view.")
    confidence, problems = judge(shrink(photo, WORKING_SIDE) if small is None else small, working, method)
    return Segmentation(mask, confidence, method, problems)


def fitted(mask: np.ndarray, shape: tuple[int, ...], method: str) -> np.ndarray:
    """A mask uint8 (h, w) brought to the photo's size, uint8 (H, W) of 0 and 255."""
    if method == GIVEN:
        return cv2.resize(mask, shape[::-1], interpolation=cv2.INTER_NEAREST)
    # Linear, then halved: the outline stays smooth where nearest would draw stairs.
    return binary(cv2.resize(mask, shape[::-1], interpolation=cv2.INTER_LINEAR))
