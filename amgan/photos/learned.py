"""Garment masks by a network, with the classical segmenter as its referee.

The network says where the garment is and how much of that it expects to be right. A plain light background is still
taken away by comparing every pixel with it, where the network sees the same garment: no mask is more exact. Where the
network is unsure, GrabCut is asked; two ways that find the same outline are believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np

from amgan.errors import PhotoError
from amgan.photos.classical import background_mask, garment_mask, whole
from amgan.photos.framing import binary, shrink
from amgan.photos.guided import upsample_share
from amgan.photos.judging import judge
from amgan.photos.letterbox import letterbox, unletterbox
from amgan.photos.segmenter import LEARNED, TRUST, WHITE, WORKING_SIDE, Segmentation, judged

VERSION = 1  # count up when any mask or confidence changes with the same weights; tests/test_learned_segmenter.py
SURE = 0.8  # expected overlap from which a mask is believed: such cut-outs need no touching up
SAME = 0.9  # overlap from which two masks are of the same garment
LARGEST = 512  # pixels of the longer side up to which an outline is found again in the photo's own pixels
LEAST = 0.003  # of the photo that a garment covers


class Network(Protocol):
    """What finds the garment: squares uint8 (B, S, S, 3) to shares float32 (B, S, S) and expected overlaps (B,)."""

    def __call__(self, squares: np.ndarray, /) -> tuple[np.ndarray, np.ndarray]: ...


class Learned:
    """The segmenter with learned weights.

    Args:
        network: see ``Network``.
        side: of its squares in pixels.
        weights_hash: of its weights; part of the identity.
    """

    name = LEARNED

    def __init__(self, network: Network, side: int, weights_hash: str) -> None:
        self._network, self._side = network, side
        self.identity = f"{LEARNED} ({VERSION}, {weights_hash})"

    def segment(self, photo: np.ndarray) -> Segmentation:
        """See ``Segmenter``."""
        found = self.segment_batch([photo])[0]
        if isinstance(found, PhotoError):
            raise found
        return found

    def segment_batch(self, photos: Sequence[np.ndarray]) -> list[Segmentation | PhotoError]:
        """Of several photos, as ``segment`` gives it or raises it."""
        shares, expected = self._network(np.stack([letterbox(photo, self._side) for photo in photos]))
        return [
            self._decided(photo, unletterbox(share, photo.shape), float(overlap))
            for photo, share, overlap in zip(photos, shares, expected, strict=True)
        ]

    def _decided(self, photo: np.ndarray, share: np.ndarray, overlap: float) -> Segmentation | PhotoError:
        """The network's mask, or that of a plain background, with how far to trust it."""
        mask = whole(binary(upsample_share(share, shrink(photo, LARGEST)) * 255))
        small = shrink(photo, WORKING_SIDE)
        working = binary(cv2.resize(mask, small.shape[1::-1], interpolation=cv2.INTER_AREA))
        if np.mean(working > 0) < LEAST:
            return PhotoError("no-garment", "No garment was found in the photo; it should be all in view.")
        plain = background_mask(small)
        if plain is not None and overlap_of(plain, working) >= SAME:
            return judged(photo, plain, WHITE, small)
        factor, problems = judge(small, working, LEARNED)
        if overlap < SURE:
            rival = garment_mask(small)
            agreement = overlap_of(rival, working)
            if agreement >= SAME:
                overlap = max(overlap, agreement)
            else:
                problems = (_unsure(overlap), *problems)
        # What would have a classical mask asked about has this one asked about too.
        return Segmentation(mask, min(overlap, SURE * factor / TRUST), LEARNED, problems, SURE)


def _unsure(overlap: float) -> str:
    return f"The outline found is expected to cover the garment to {overlap:.0%} only; a plainer background would help."


def overlap_of(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of masks (H, W), bool or uint8 of 0 and 255; 0 where both are empty."""
    return float(np.count_nonzero(a & b) / max(1, np.count_nonzero(a | b)))
