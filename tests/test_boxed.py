"""The garment inside a box that somebody drew."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from amgan.errors import PhotoError
from amgan.photos import cut_out
from amgan.photos.boxed import mask_in_box

GARMENTS = {"left": (40, 60, 140, 240), "right": (260, 60, 360, 240)}


def two_garments() -> Image.Image:
    """Two alike, on a ground that is neither plain nor light."""
    ground = np.random.default_rng(0).normal((150, 120, 90), 12, (300, 400, 3)).clip(0, 255).astype(np.uint8)
    picture = Image.fromarray(ground)
    for box in GARMENTS.values():
        ImageDraw.Draw(picture).rectangle(box, fill=(30, 60, 170))
    return picture


@pytest.mark.parametrize("side", GARMENTS)
def test_only_what_is_in_the_box_is_cut_out(side: str) -> None:
    left, top, right, bottom = GARMENTS[side]
    photo = two_garments()
    box = ((left - 20) / 400, (top - 20) / 300, (right + 20) / 400, (bottom + 20) / 300)
    mask = np.asarray(Image.fromarray(mask_in_box(photo, box)).resize(photo.size))
    true = np.zeros((300, 400), bool)
    true[top : bottom + 1, left : right + 1] = True
    assert (true & (mask > 127)).sum() / (true | (mask > 127)).sum() > 0.9
    cut = cut_out(photo, mask_in_box(photo, box), 64)
    assert cut.method == "given" and cut.trusted
    assert cut.image[32, 32, 2] > 120 and cut.image[2, 2].min() > 250


def test_a_box_with_nothing_in_it_is_a_sentence() -> None:
    photo = Image.new("RGB", (300, 400), (200, 200, 200))
    with pytest.raises(PhotoError, match="No garment was found in the box") as refused:
        mask_in_box(photo, (0.0, 0.0, 0.04, 0.04))
    assert refused.value.reason == "no-garment"
