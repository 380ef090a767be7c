"""Where a print was, at the photo's own size: the weave of the cloth around it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from amgan import at_source_size
from amgan.editing.source_size import enlarge_edit
from tests.hand_made import hand_made, pixels
from tests.test_new_cloth import COLOUR, SIDE, SMALL, blurred, detail, drawn, knit

PRINT = slice(52, 82), slice(52, 76)  # of the small picture


@pytest.fixture(scope="module")
def cutout():
    return drawn(knit())


def filled(cutout, where=PRINT, paint=COLOUR):
    """An edit that paints one smooth colour there, or a picture."""
    alpha = np.zeros((SMALL, SMALL), np.float32)
    alpha[where] = 1
    alpha *= cv2.erode(cutout.mask.astype(np.uint8), np.ones((3, 3))) > 0
    raw = np.broadcast_to(paint / 255, (SMALL, SMALL, 3)).astype(np.float32)
    return hand_made(cutout, cv2.GaussianBlur(alpha, (0, 0), 0.7), raw)


def test_what_was_painted_smooth_gets_the_weave_of_the_cloth_around_it(cutout):
    edited = filled(cutout)
    at = at_source_size(edited, cutout)
    scale = at.image.shape[-1] / SMALL
    within, beside = (
        tuple(slice(round(a * scale), round(b * scale)) for a, b in box)
        for box in (((57, 77), (56, 72)), ((88, 106), (56, 72)))
    )
    smooth, woven = 255 * blurred(edited, cutout).image, pixels(at.image)
    usual = detail(woven, beside)
    assert detail(smooth, within) < 0.1 * usual
    assert 0.35 * usual < detail(woven, within) < 1.3 * usual  # its strongest threads are taken for a print's
    assert np.abs(woven[within].mean((0, 1)) - COLOUR).max() < 5
    source = cutout.source.image
    assert np.array_equal(woven[beside], source[beside])
    x, z, alpha = (a.astype(np.float32) for a in (source, pixels(at.raw), pixels(at.mask)))
    assert np.abs(x + alpha * (z - x) - woven)[within].mean() < 1.5


def test_none_where_nothing_is_painted_nor_something_that_is_no_plain_cloth_of_the_garment(cutout):
    small, large = (p.astype(np.float32) / 255 for p in (cutout.image, cutout.source.image))
    stripes = np.where(np.arange(SMALL)[:, None, None] % 6 < 3, COLOUR, COLOUR // 2) + np.zeros((SMALL, SMALL, 1))
    for where, paint, found in (
        (PRINT, COLOUR, True),
        ((slice(0, SMALL), slice(0, SMALL)), COLOUR, True),
        ((slice(0, 0), slice(0, 0)), COLOUR, False),
        (PRINT, COLOUR[::-1], False),
        (PRINT, stripes, False),
    ):
        assert (enlarge_edit(filled(cutout, where, paint), small, large).filled is not None) == found


def test_cloth_of_another_colour_keeps_its_own_weave():
    """A colour edit of a part of it, folds and all."""
    y, x = np.mgrid[:SIDE, :SIDE]
    cutout = drawn(1 + 0.2 * np.sin(x / 20 + y / 60))
    small, large = (p.astype(np.float32) / 255 for p in (cutout.image, cutout.source.image))
    alpha = np.zeros((SMALL, SMALL), np.float32)
    alpha[PRINT] = 1
    assert enlarge_edit(hand_made(cutout, alpha, small[..., ::-1].copy()), small, large).filled is None
