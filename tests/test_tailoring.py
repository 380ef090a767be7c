"""Grown sleeves are sewn on: no white at the armhole, a seam there, and a hem at the other end."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amgan.editing import tailoring
from amgan.editing.grown import Grown, find_grown
from amgan.editing.main_colour import lab_of, main_colour, sleeves_colour
from amgan.editing.own_cloth import in_own_cloth
from amgan.editing.shapes import find_ground
from amgan.editing.tailoring import HEM, find_gaps, find_lines, hem_light, seam_light
from tests.test_own_cloth import HOOD, PLAIN, SIZE, SLEEVES, TORSO, garment, pixels, with_blotches


def grown(parts: tuple) -> Grown:
    x = garment()
    made = with_blotches(x, parts)
    before = pixels(x.float()).astype(np.float32)
    edit = find_grown(before, pixels(made.image).astype(np.float32), made.mask[0, 0].numpy(), *looked_at(before))
    assert edit is not None
    return edit


def looked_at(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Its ground, and a response as high everywhere."""
    return find_ground(picture), np.ones((SIZE, SIZE), np.float32)


def test_a_sleeve_has_a_hem_near_its_end_and_a_hood_has_none():
    x = garment()
    made = pixels(in_own_cloth(x, with_blotches(x)).image).mean(2)
    for rows, columns in SLEEVES:
        middle = made[rows, columns][:, 6:-6].mean(1)
        darkest = rows.start + 20 + int(middle[20:-2].argmin())
        assert abs(darkest - (rows.stop - 0.5 - HEM)) <= 1
        assert middle[20:-2].min() < 0.98 * np.median(middle)
    assert grown(HOOD).lines is None


def test_a_bent_sleeve_is_hemmed_across_its_lower_half():
    sleeve = np.zeros((SIZE, SIZE), bool)
    for step in range(30):  # down, then to the right
        sleeve[20 + step, 30:44] = True
        sleeve[50 + step, 30 + step : 44 + step] = True
    lines = find_lines(sleeve, np.zeros((SIZE, SIZE)), np.zeros((SIZE, SIZE)), [(slice(16, 84), slice(26, 78))])
    y, x = np.nonzero(sleeve & (np.abs(lines.end + HEM) < 0.7))
    assert len(y) >= 8 and y.min() > 68
    down, right = np.gradient(lines.end + HEM)
    assert down[y, x] == pytest.approx(right[y, x], abs=0.25)  # at right angles to where it points
    assert not (hem_light(lines, 4)[20:48] < 1 - 1e-4).any()


@pytest.mark.parametrize("scale", [1, 3, 8])
def test_a_line_takes_as_much_light_at_any_size(scale):
    distance = (np.arange(20 * scale) + 0.5) / scale - 10
    lost = tailoring._line(distance, 0.2, scale).sum() / scale
    assert lost == pytest.approx(0.2 * tailoring.STITCH * np.sqrt(2 * np.pi), rel=0.02)


def test_the_seam_is_where_the_sleeve_meets_the_garment_and_nowhere_else():
    repainted = np.zeros((SIZE, SIZE), np.float32)
    repainted[20:60, :50] = 1
    inside = np.zeros_like(repainted)
    inside[20:100, 40:90] = 1
    light = seam_light(find_lines(np.zeros((SIZE, SIZE), bool), repainted, inside, []), 1)
    rows = light[30:50]
    assert set(rows.argmin(1)) <= {49, 50} and rows.min() < 0.97
    assert (light[:, :40] == 1).all() and (light[:, 56:] > 0.999).all() and (light[66:, 50:] > 0.999).all()


@pytest.mark.parametrize(("top", "filled"), [(32, True), (64, False)])
def test_white_between_a_sleeve_and_a_shoulder_is_cloth(top, filled):
    x = garment()
    gap = (slice(top, top + 12), slice(38, 42))
    made = with_blotches(x)
    made.mask[0, 0][gap] = 0
    made.image[0][:, *gap] = made.raw[0][:, *gap] = 1
    after = pixels(in_own_cloth(x, made).image)[gap][2:-2, 1:-1]
    assert (np.abs(after - PLAIN).max() < 0.1) if filled else (after.min() > 0.9)


def test_a_gap_touches_the_sleeve():
    cover, ground, new = np.zeros((SIZE, SIZE), np.float32), np.ones((SIZE, SIZE), bool), np.zeros((SIZE, SIZE), bool)
    cover[TORSO], ground[TORSO] = 1, False
    hole = (slice(30, 34), slice(60, 64))  # in the garment, as a keyhole neckline
    cover[hole], ground[hole] = 0, True
    new[SLEEVES[0]] = True
    assert not find_gaps(np.maximum(cover, new), ground, new)[hole].any()
    assert not find_gaps(cover * 0, np.ones_like(ground), new & False).any()  # no garment at all


def test_sleeves_have_the_sides_colour_as_light_as_all_of_it():
    def cloth(colour: tuple[float, ...], count: int) -> np.ndarray:
        return np.tile(np.float32(colour), (count, 1))

    ground, shade, printed = (0.7, 0.68, 0.72), (0.6, 0.58, 0.62), (0.45, 0.7, 0.72)
    sides = cloth(shade, 300)
    of_print = sleeves_colour(np.concatenate([cloth(printed, 700), sides]), sides)
    assert of_print == pytest.approx(lab_of(np.float32(shade)), abs=0.5)
    darker = sleeves_colour(np.concatenate([cloth(ground, 700), sides]), sides)
    all_of_it = main_colour(np.concatenate([cloth(ground, 700), sides]))
    assert darker[0] == all_of_it[0] and darker[1:] == pytest.approx(lab_of(np.float32(shade))[1:], abs=0.5)
    assert sleeves_colour(sides, sides[:3]) == pytest.approx(main_colour(sides))
    mixed = np.random.default_rng(0).random((500, 3), np.float32)
    assert sleeves_colour(mixed, mixed) is None


def test_no_line_is_drawn_on_white():
    x = garment()
    made = in_own_cloth(x, with_blotches(x))
    white = torch.from_numpy(find_ground(pixels(made.image).astype(np.float32)))
    assert (x[0].permute(1, 2, 0)[white] == 1).all() and white.sum() > 0.4 * SIZE**2
