"""Real sleeves, found and carried over; how sewn ones end; and cloth that goes on into them."""

import cv2
import numpy as np
import pytest
import torch

from amgan.lessons import sewing
from amgan.lessons.cut import cut_sleeves, shorten
from amgan.lessons.real_sleeves import RealSleeve, find_sleeves
from amgan.lessons.sewing import bare, sew
from amgan.pixels import to_float, to_hwc, to_uint8
from tests.golden_sewn import LENGTHS, SIZE, real_sleeves, shirt

CLOTH = (60, 110, 170)


def striped(sleeve: str, period: int = 6) -> tuple[np.ndarray, np.ndarray]:
    image, mask = shirt(sleeve, CLOTH)
    picture, inside = to_hwc(image).copy(), mask[0].numpy()
    stripe = inside & ((np.arange(SIZE) // (period // 2)) % 2 == 0)[:, None]
    picture[stripe] = (235, 235, 230)
    return picture, inside


def grown(picture: np.ndarray, mask: np.ndarray, **more) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """With long sleeves after real ones: the picture, its mask, and what is new of that."""
    sewn = sew(picture, mask, True, "long", **more)
    assert sewn is not None
    return *sewn, sewn[1] & ~mask


def luminance(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)


def test_the_sleeves_of_a_drawn_shirt_are_found():
    sleeves = real_sleeves()
    assert len(sleeves) == 2
    true = shirt("long", CLOTH)[1][0].numpy()
    _, torso = shirt("sleeveless", CLOTH)
    true &= ~torso[0].numpy()
    found = np.zeros((SIZE, SIZE), np.uint8)
    for s in sleeves:
        k = 43  # of PLACES: where the length is reached
        cv2.fillPoly(found, [np.round(np.vstack([s.outer[:k], s.inner[:k][::-1]])).astype(np.int32)], 1)
    assert ((found > 0) & true).sum() > 0.8 * ((found > 0) | true).sum()


def test_what_has_no_free_sleeves_gives_none():
    for sleeve in ("sleeveless", "short"):
        image, mask = shirt(sleeve, CLOTH)
        assert not find_sleeves(to_hwc(image), mask[0].numpy(), long=True)
    nothing = np.zeros((SIZE, SIZE), bool)
    assert not find_sleeves(np.zeros((SIZE, SIZE, 3), np.uint8), nothing, long=True)
    assert not find_sleeves(np.zeros((SIZE, SIZE, 3), np.uint8), nothing, long=False)


def test_a_sewn_sleeve_has_the_light_of_the_real_one_and_an_end_of_its_own():
    """The real sleeve is dark below its elbow."""
    real, *_ = real_sleeves()
    image, mask = shirt("short", CLOTH)
    plain, plain_mask, new = grown(to_hwc(image), mask[0].numpy(), real=real)
    dark = RealSleeve(np.where(np.arange(SIZE)[:, None] > 50, 0.6, real.light), real.outer, real.inner)
    darker, covered, _ = grown(to_hwc(image), mask[0].numpy(), real=dark)
    assert np.array_equal(covered, plain_mask)
    row, last = np.arange(SIZE)[:, None], np.flatnonzero(new.any(1))[-1]
    lower, upper, end = new & (row > 55) & (row < last - 12), new & (row < 45), new & (row > last - 2)
    assert luminance(darker)[lower].mean() < 0.75 * luminance(plain)[lower].mean()
    assert abs(luminance(darker)[upper].mean() - luminance(plain)[upper].mean()) < 4
    assert abs(luminance(darker)[end].mean() - luminance(plain)[end].mean()) < 4


def test_a_sewn_sleeve_ends_in_a_hem(monkeypatch):
    image, mask = shirt("short", CLOTH)
    hemmed, _, new = grown(to_hwc(image), mask[0].numpy())
    monkeypatch.setattr(sewing, "STITCH", 0.0)
    without, _, _ = grown(to_hwc(image), mask[0].numpy())
    seam = new & (luminance(hemmed) < 0.92 * luminance(without))
    assert 8 < seam.sum() < 0.1 * new.sum()
    rows = np.nonzero(seam)[0]
    last = np.flatnonzero(new.any(1))[-1]
    assert last - 12 < rows.min() and rows.max() < last
    assert (new & (np.arange(SIZE)[:, None] > rows.max())).sum() > 8  # the hem itself


def test_a_sewn_sleeve_ends_straight():
    """As wide in its last two pixels as a little before: a round end would be half as wide."""
    image, mask = shirt("short", CLOTH)
    _, _, new = grown(to_hwc(image), mask[0].numpy())
    for side in (slice(0, SIZE // 2), slice(SIZE // 2, SIZE)):
        ys, xs = np.nonzero(new[:, side])
        low = ys > ys.max() - 24
        places = np.stack([xs, ys], 1)[low].astype(np.float64)
        _, _, axes = np.linalg.svd(places - places.mean(0), full_matrices=False)
        along, across = ((places - places.mean(0)) @ axes.T).T
        along = along * np.sign(axes[0, 1])  # downwards
        width = [np.ptp(across[(along <= along.max() - a) & (along > along.max() - a - 2)]) for a in (0.5, 7)]
        assert width[0] > 0.75 * width[1]


@pytest.mark.parametrize("after_real", [False, True])
def test_sewn_sleeves_have_no_pale_edge(after_real):
    """The ring inside of the outline is as light as the rest of the sleeve, though photographs end in white."""
    image, mask = shirt("short", CLOTH)
    real = real_sleeves()[0] if after_real else None
    picture, covered, new = grown(to_hwc(image), mask[0].numpy(), real=real)
    deep = cv2.erode(covered.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    ring = (cv2.erode(covered.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~deep & new
    inner = deep & new
    assert ring.sum() > 40 and inner.sum() > 100
    assert np.median(luminance(picture)[ring]) < np.median(luminance(picture)[inner]) + 6


def test_cut_off_sleeves_leave_no_pale_edge():
    image, mask = shirt("long", CLOTH)
    short = shirt("short", CLOTH)[1]
    out, kept = cut_sleeves(to_float(image[None]), mask[None].float(), short[None].float())
    picture, covered = to_hwc(to_uint8(out)[0]), kept[0, 0].numpy() > 0.5
    deep = cv2.erode(covered.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    ring = (cv2.erode(covered.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~deep
    assert np.median(luminance(picture)[ring]) < np.median(luminance(picture)[deep]) + 6
    outside = ~(cv2.dilate(covered.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0)
    assert (picture[outside] > 250).all()


def test_stripes_go_on_into_the_sleeves():
    picture, mask = striped("short")
    sewn, _, new = grown(picture, mask, real=real_sleeves()[0])
    torso = mask.copy()
    torso[:, :34] = torso[:, 62:] = False
    spread = luminance(sewn)[cv2.erode(new.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0].std()
    assert 0.6 < spread / luminance(picture)[torso].std() < 1.3
    # One label says otherwise: the cloth's one colour, then.
    plain, _, new = grown(picture, mask, real=real_sleeves()[0], patterned=False)
    assert luminance(plain)[new].std() < 0.6 * spread


def test_a_print_on_the_chest_does_not_go_on_into_the_sleeves():
    image, mask = shirt("short", CLOTH)
    picture = to_hwc(image).copy()
    picture[36:60, 38:58] = (240, 220, 40)
    sewn, _, new = grown(picture, mask[0].numpy(), real=real_sleeves()[0])
    assert np.abs(np.median(sewn[new], 0) - np.median(picture[65:80, 38:58], (0, 1))).max() < 30
    yellow = (sewn[..., 0] > 180) & (sewn[..., 2] < 90)
    assert (yellow & new).sum() < 0.03 * new.sum()


def test_short_sleeves_go_and_the_torso_s_sides_stay():
    image, mask = shirt("short", CLOTH)
    made = bare(to_hwc(image), mask[0].numpy())
    assert made is not None
    picture, covered = made
    torso = shirt("sleeveless", CLOTH)[1][0].numpy()
    arms = mask[0].numpy() & ~torso
    arms[:, 28:68] = False
    assert (covered & arms).sum() < 0.1 * arms.sum() and (picture[arms & ~covered] > 180).all()
    below = torso & (np.arange(SIZE) > 45)[:, None]
    assert covered[below].all() and np.array_equal(picture[below], to_hwc(image)[below])
    assert bare(to_hwc(image), np.zeros((SIZE, SIZE), bool)) is None


def test_sleeves_are_shortened_where_they_lie():
    image, mask = shirt("long", CLOTH)
    short = shirt("short", CLOTH)[1]
    made = shorten(to_float(image[None]), mask[None].float(), short[None].float(), 0.72)
    assert made is not None
    picture, covered = to_hwc(to_uint8(made[0])[0]), made[1][0, 0].numpy() > 0.5
    before = mask[0].numpy()
    _, bare = shirt("sleeveless", CLOTH)
    sleeves = before & ~bare[0].numpy()
    left = (covered & sleeves).sum() / sleeves.sum()
    assert 0.55 < left < 0.9 and (covered <= before).all()
    # All but the ends is as it was: the torso, and the upper half of the sleeves.
    same = np.abs(picture.astype(int) - to_hwc(image).astype(int)).max(2) <= 1
    assert same[bare[0].numpy()].all() and same[:40].all()


def test_a_sleeve_that_does_not_lie_free_is_not_shortened():
    image, mask = shirt("sleeveless", CLOTH)
    wide = torch.zeros_like(mask)
    wide[:, 15:80, 20:76] = True  # all in one
    short = shirt("short", CLOTH)[1]
    for whole in (mask, wide):
        assert shorten(to_float(image[None]), whole[None].float(), short[None].float(), 0.72) is None
    assert set(LENGTHS) == {"sleeveless", "short", "long"}
