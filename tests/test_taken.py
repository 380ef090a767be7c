"""What an edit takes away, at the photo's own size: the photo's cloth, cut along a sharp outline, on clean white."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from amgan import at_source_size, cut_out
from amgan.editing import grown
from amgan.editing.shapes import find_ground
from amgan.editing.source_size import enlarge_edit
from amgan.editing.taken import find_taken
from amgan.photos import CutOut
from tests.hand_made import hand_made, pixels

SIDE, SMALL = 768, 128
COLOUR = np.array([60, 110, 190])


@pytest.fixture(scope="module")
def cutout() -> CutOut:
    """A woven body with a sleeve on its left, down to the hem's height."""
    y, x = np.mgrid[:SIDE, :SIDE]
    weave = 1 + 0.12 * np.sin(x * 2 * np.pi / 9) * np.sin(y * 2 * np.pi / 9)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[140:620, 260:530] = mask[140:560, 150:260] = 255
    cloth = np.where(mask[..., None] > 0, COLOUR * weave[..., None], 255).clip(0, 255).astype(np.uint8)
    return cut_out(Image.fromarray(cloth), mask, SMALL, keep_source=True)


def half_a_sleeve(cutout: CutOut, softness: float = 3.0) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Alpha that tapers, float32 (h, w), and a picture that is white there but for haze: the sleeve's lower half goes.
    And the row and the column that it ends at."""
    rows, columns = np.nonzero(cutout.mask)
    body = columns.min() + round((260 - 150) / (530 - 150) * np.ptp(columns))
    end = (rows.min() + rows.max()) // 2
    alpha = np.zeros((SMALL, SMALL), np.float32)
    alpha[end:, : body - 1] = 1
    alpha = cv2.GaussianBlur(alpha, (0, 0), softness)
    return alpha, np.full((SMALL, SMALL, 3), 0.97, np.float32), end, body


def unit(picture: np.ndarray) -> np.ndarray:
    return picture.astype(np.float32) / 255


def edge(picture: np.ndarray, cutout: CutOut, end: int, body: int) -> tuple[float, np.ndarray]:
    """Pixels from a tenth to nine tenths of the way across the cut, and the mean darkness of the sleeve's rows."""
    scale = picture.shape[0] / SMALL
    left = int(np.flatnonzero(cutout.mask.any(0))[0])
    strip = 255 - picture[
        round((end - 14) * scale) : round((end + 14) * scale), round((left + 3) * scale) : round((body - 4) * scale)
    ].mean((1, 2))
    cloth = strip[: round(6 * scale)].mean()
    return float(((strip > 0.1 * cloth) & (strip < 0.9 * cloth)).sum()), strip


def test_a_cut_sleeve_ends_sharply_in_the_photos_own_cloth(cutout):
    alpha, raw, end, body = half_a_sleeve(cutout)
    result = hand_made(cutout, alpha, raw)
    blurred = enlarge_edit(result, unit(cutout.image), unit(cutout.source.image)).image * 255
    shown = pixels(at_source_size(result, cutout).image)
    scale = shown.shape[0] / SMALL
    assert edge(blurred, cutout, end, body)[0] > 20
    width, strip = edge(shown, cutout, end, body)
    assert width <= 6  # the weave is in it
    last = np.flatnonzero(strip > strip[: round(6 * scale)].mean() / 2)[-1]
    assert abs(last - 14 * scale) < 3 * scale  # near where alpha is a half
    own = cutout.source.image.astype(np.float32)
    left = int(np.flatnonzero(cutout.mask.any(0))[0])
    inside = (
        slice(round((end - 14) * scale), round((end - 14) * scale) + last - 4),
        slice(round((left + 3) * scale), round((body - 4) * scale)),
    )
    assert np.abs(shown[inside] - own[inside]).mean() < 3
    below = slice(round((end + 6) * scale), None), slice(None, round((body - 4) * scale))
    assert shown[below].min() >= 250


def test_the_result_still_is_the_photo_the_mask_and_what_was_painted(cutout):
    alpha, raw, *_ = half_a_sleeve(cutout)
    shown = at_source_size(hand_made(cutout, alpha, raw), cutout)
    photo, painted = cutout.source.image.astype(np.float32), shown.raw[0].permute(1, 2, 0).numpy()
    mask = shown.mask[0, 0].numpy()[..., None]
    assert np.abs(photo + mask * (painted - photo) - pixels(shown.image)).max() <= 3


def test_cloth_painted_beside_the_garment_goes_where_a_sleeve_is_shortened(cutout):
    alpha, raw, end, _ = half_a_sleeve(cutout)
    left = int(np.flatnonzero(cutout.mask.any(0))[0])
    puff = slice(end - 16, end - 6), slice(left - 8, left)
    alpha[puff] = 1
    raw[puff] = COLOUR / 255
    shown = pixels(at_source_size(hand_made(cutout, alpha, raw), cutout).image)
    assert shown[:, : round((left - 3) * shown.shape[0] / SMALL)].min() >= 250


def test_a_garment_made_white_or_striped_is_not_taken_away(cutout):
    small = unit(cutout.image)
    cloth = (cutout.mask > 0).astype(np.float32)
    white = np.where(cloth[..., None] > 0, 0.9 + 0.1 * small, 1).astype(np.float32)
    striped = np.where((np.arange(SMALL) // 5 % 2)[:, None, None] > 0, small, 1).astype(np.float32)
    for raw in (white, striped):
        large = unit(cutout.source.image)
        assert enlarge_edit(hand_made(cutout, cloth, raw), small, large).taken is None


def test_a_cut_sleeve_of_another_colour_has_that_colour_up_to_its_end(cutout):
    alpha, raw, end, body = half_a_sleeve(cutout)
    gone = alpha.copy()
    red = unit(cutout.image)[..., ::-1]
    y = red + gone[..., None] * (raw - red)
    result = hand_made(cutout, np.ones_like(alpha), y.astype(np.float32))
    shown = pixels(at_source_size(result, cutout).image).astype(np.float32)
    scale = shown.shape[0] / SMALL
    left = int(np.flatnonzero(cutout.mask.any(0))[0])
    near = (
        slice(round((end - 5) * scale), round((end - 3) * scale)),
        slice(round((left + 4) * scale), round((body - 5) * scale)),
    )
    assert np.abs(shown[near].mean((0, 1)) - COLOUR[::-1]).max() < 25


def test_an_edge_that_gives_way_to_a_new_sleeve_leaves_no_haze(cutout):
    rows, columns = np.nonzero(cutout.mask)
    left, right, middle = columns.min(), columns.max(), (rows.min() + rows.max()) // 2
    alpha = np.zeros((SMALL, SMALL), np.float32)
    alpha[rows.min() - 3 : rows.max() + 4, left - 3 : left + 3] = 1  # three pixels of the sleeve's outer edge
    alpha = cv2.GaussianBlur(alpha, (0, 0), 1.2)
    raw = np.full((SMALL, SMALL, 3), 0.98, np.float32)
    sleeve = slice(middle - 20, middle + 20), slice(right + 1, right + 12)
    alpha[sleeve], raw[sleeve] = 1, COLOUR / 255
    shown = pixels(at_source_size(hand_made(cutout, alpha, raw), cutout).image)
    scale = shown.shape[0] / SMALL
    lines = slice(round((middle - 10) * scale), round((middle + 10) * scale))
    strip = 255 - shown[lines, round((left - 6) * scale) : round((left + 14) * scale)].mean((0, 2))
    cloth = strip[-round(4 * scale) :].mean()
    first = np.flatnonzero(strip > cloth / 2)[0]
    assert ((strip > 0.04 * cloth) & (strip < 0.9 * cloth)).sum() <= 8
    assert abs(first - 9 * scale) < 2 * scale  # the edge is gone


def test_a_print_that_goes_from_a_white_shirt_leaves_the_shirt(cutout):
    cloth = cutout.mask > 0
    small = np.full((SMALL, SMALL, 3), 1, np.float32)
    small[cloth] = 0.93
    rows, columns = np.nonzero(cloth)
    middle = (rows.min() + rows.max()) // 2
    printed = slice(middle - 12, middle + 12), slice(columns.max() - 50, columns.max() - 20)
    small[printed] = COLOUR / 255
    alpha = np.zeros((SMALL, SMALL), np.float32)
    alpha[printed] = 1
    raw = np.full((SMALL, SMALL, 3), 0.97, np.float32)
    ground = find_ground(small)
    assert find_taken(small, small + alpha[..., None] * (raw - small), alpha, ground) is None


def test_sleeves_taken_off_are_no_pattern_that_was_laid(monkeypatch):
    """Narrow straps are left, and most of the garment is painted: new edges all over."""
    x = np.ones((128, 128, 3), np.float32)
    x[20:110, 14:114] = (0.3, 0.4, 0.6)
    y = np.ones_like(x)
    y[55:110, 44:84] = y[20:56, 50:54] = y[20:56, 74:78] = (0.3, 0.4, 0.6)
    ground = find_ground(x)
    alpha = (~ground).astype(np.float32)
    assert grown.find_laid(x, y, alpha, ground, np.zeros_like(alpha)) is None
    monkeypatch.setattr(grown, "LAID", 0.02)
    striped = x.copy()
    striped[22:110:12, 14:114] = striped[25:110:12, 14:114] = 1  # white ones, which reach the ground
    assert grown.find_laid(x, striped, alpha, ground, np.zeros_like(alpha)) is not None
    monkeypatch.setattr(grown, "BARE", 127)
    assert grown.find_laid(x, y, alpha, ground, np.zeros_like(alpha)) is not None
