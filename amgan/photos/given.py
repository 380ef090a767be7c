"""The mask that comes with a photo: taken at its word, once it can be this photo's."""

from __future__ import annotations

import numpy as np
from PIL import Image

from amgan.errors import PhotoError
from amgan.photos.framing import binary
from amgan.photos.segmenter import GIVEN, Segmentation, judged


class GivenMask:
    """A segmenter for one photo, whose mask is known.

    Args:
        mask: white on the garment, as a picture or uint8 (h, w); of any size, in the photo's proportions.
        photo_shape: height and width of the photo as it was decoded.

    Raises:
        PhotoError: "empty-mask", "full-mask" or "other-mask" where it cannot be this photo's.
    """

    identity = "given mask (1)"  # count up when another cut comes of the same mask; tests/golden_cut_outs.py

    def __init__(self, mask: Image.Image | np.ndarray, photo_shape: tuple[int, int]) -> None:
        self._mask = binary(np.asarray(mask if isinstance(mask, np.ndarray) else mask.convert("L")))
        _check(self._mask, photo_shape)

    def segment(self, photo: np.ndarray) -> Segmentation:
        """The given mask; see `Segmenter`."""
        return judged(photo, self._mask, GIVEN)


def _check(mask: np.ndarray, photo_shape: tuple[int, int]) -> None:
    share = float(np.mean(mask > 0)) if mask.size else 0.0
    if share < 0.002:
        raise PhotoError("empty-mask", "The mask is empty; it should be white on the garment and black elsewhere.")
    if share > 0.995:
        raise PhotoError("full-mask", "The mask covers the whole photo; it should be black outside the garment.")
    height, width = mask.shape
    if abs(np.log(width * photo_shape[0] / (height * photo_shape[1]))) > 0.1:
        raise PhotoError(
            "other-mask",
            f"The mask is {width} x {height} pixels and the photo {photo_shape[1]} x {photo_shape[0]}; "
            "with other proportions it cannot be this photo's mask.",
        )
