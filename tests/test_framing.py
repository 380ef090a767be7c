"""The frame: scaled by the garment's height, torso anchored, white on all sides."""

import numpy as np
import pytest

from amgan.errors import PhotoError
from amgan.photos.framing import BODY_HEIGHT, BODY_TOP, frame, place
from amgan.testing import draw_garment


def torso_rows(mask):
    return np.nonzero(mask[:, mask.shape[1] // 2])[0]


@pytest.mark.parametrize("sleeve", ["sleeveless", "short", "long"])
def test_the_torso_lies_alike_whatever_the_sleeve(sleeve):
    image, mask = draw_garment(sleeve, size=192)
    plain = frame(*draw_garment("sleeveless", size=192), 128)
    framed = frame(image, mask, 128)
    rows, expected = torso_rows(framed.mask), torso_rows(plain.mask)
    assert abs(rows[0] - expected[0]) <= 1 and abs(rows[-1] - expected[-1]) <= 1
    assert abs(len(rows) / 128 - BODY_HEIGHT) < 0.03


def test_what_surrounds_the_garment_is_white_even_on_a_dark_photo():
    image, mask = draw_garment("long", "red", size=192)
    image[mask == 0] = 0
    framed = frame(image, mask, 128)
    grown = framed.mask.copy()
    for axis in (0, 1):
        for step in (-2, -1, 1, 2):
            grown |= np.roll(framed.mask, step, axis)
    assert (framed.image[grown == 0] == 255).all()
    for edge in (framed.mask[0], framed.mask[-1], framed.mask[:, 0], framed.mask[:, -1]):
        assert not edge.any()


def test_a_garment_wider_than_the_frame_is_shrunk_and_not_cut():
    mask = np.zeros((100, 300), np.uint8)
    mask[30:70, 10:290] = 255
    framed = frame(np.full((100, 300, 3), 90, np.uint8), mask, 128)
    columns = np.nonzero(framed.mask.any(0))[0]
    assert columns[0] > 0 and columns[-1] < 127
    assert abs((columns[-1] - columns[0] + 1) / len(np.nonzero(framed.mask.any(1))[0]) - 7) < 0.5


def test_placement_maps_the_frame_onto_the_photo():
    image, mask = draw_garment("short", size=256)
    framed = frame(image, mask, 64)
    rows, columns = np.nonzero(framed.mask)
    centre = framed.placement.matrix() @ np.array([columns.mean(), rows.mean(), 1])
    source_rows, source_columns = np.nonzero(mask)
    assert np.allclose(centre, [source_columns.mean(), source_rows.mean()], atol=2)


def test_an_empty_mask_is_refused():
    with pytest.raises(PhotoError, match="empty"):
        place(np.zeros((20, 20), np.uint8), 32)


def test_the_frame_goes_by_quantiles_of_the_garments_pixels():
    rng = np.random.default_rng(0)
    for _ in range(60):
        height, width = rng.integers(1, 60, 2)
        mask = np.where(rng.random((height, width)) < rng.random(), 255, 0).astype(np.uint8)
        mask[rng.integers(height), rng.integers(width)] = 255
        rows, columns = np.nonzero(mask)
        axis = np.median(columns[rows >= np.median(rows)]) + 0.5
        near = abs(columns + 0.5 - axis) <= max(1, 0.12 * (np.ptp(columns) + 1))
        placement = place(mask, 128)
        assert placement.offset[0] == pytest.approx(axis - placement.scale * 64)
        body = rows[near] if near.any() else rows
        assert placement.offset[1] == pytest.approx(np.quantile(body, 0.005) - placement.scale * BODY_TOP * 128)
