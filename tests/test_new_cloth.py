"""What an edit paints anew, at the photo's own size: a sharp outline, the garment's own texture, nothing else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from amgan import at_source_size, cut_out
from amgan.editing import pieces
from amgan.editing.cloth import Cloth, quilt, sample
from amgan.editing.editor import EditResult
from amgan.editing.main_colour import main_colour
from amgan.editing.shapes import find_ground
from amgan.editing.source_size import Enlarged, enlarge_edit
from amgan.photos import CutOut
from tests.hand_made import hand_made, pixels

SIDE, SMALL = 768, 128
COLOUR = np.array([60, 110, 190])
SLEEVE = (slice(52, 108), slice(8, 30))  # of the small picture


def drawn(weave: np.ndarray) -> CutOut:
    """A bare rectangle of cloth on white, of a weave (SIDE, SIDE) about 1."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[140:620, 240:530] = 255
    cloth = np.where(mask[..., None] > 0, COLOUR * weave[..., None], 255).clip(0, 255).astype(np.uint8)
    return cut_out(Image.fromarray(cloth), mask, SMALL, keep_source=True)


def knit() -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE]
    return (
        1
        + 0.1 * np.sin(x * 2 * np.pi / 7) * np.sin(y * 2 * np.pi / 7)
        + np.random.default_rng(0).normal(0, 0.02, x.shape)
    )


def with_sleeve(cutout: CutOut, colour: np.ndarray, soft: float = 1.2) -> EditResult:
    """A long patch beside the garment, haze around it, as generators paint: colour (h, w, 3) or (3,), 0 to 255."""
    alpha = np.zeros((SMALL, SMALL), np.float32)
    alpha[SLEEVE] = 1
    cover = cv2.GaussianBlur(alpha, (0, 0), soft)[..., None]
    raw = 1 + cover * (np.broadcast_to(colour, (SMALL, SMALL, 3)) / 255 - 1)
    return hand_made(cutout, cv2.dilate(alpha, np.ones((7, 7))), raw)


def blurred(result: EditResult, cutout: CutOut) -> Enlarged:
    return enlarge_edit(result, *(p.astype(np.float32) / 255 for p in (cutout.image, cutout.source.image)))


def detail(picture: np.ndarray, where: tuple[slice, slice]) -> float:
    grey = picture.astype(np.float32).mean(2)
    return float((grey - cv2.GaussianBlur(grey, (0, 0), 6))[where].std())


def outline(picture: np.ndarray) -> float:
    """Pixels from a tenth to nine tenths of the way across the sleeve's outer outline."""
    scale = picture.shape[0] / SMALL
    rows = picture[round(65 * scale) : round(95 * scale), : round(19 * scale)].astype(np.float32).mean(2)
    dark = 255 - rows.mean(0)
    return float(((dark > 0.1 * dark.max()) & (dark < 0.9 * dark.max())).sum())


@pytest.fixture(scope="module")
def cutout() -> CutOut:
    return drawn(knit())


@pytest.fixture(scope="module")
def boxes(cutout) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Well inside the sleeve, and well inside the garment."""
    scale = cutout.source.image.shape[0] / SMALL
    return tuple(
        tuple(slice(round(a * scale), round(b * scale)) for a, b in box)
        for box in (((60, 100), (13, 25)), ((50, 90), (56, 72)))
    )


def test_a_grown_sleeve_has_the_cloths_detail_and_its_colour(cutout, boxes):
    result = with_sleeve(cutout, COLOUR * 0.9 + 12)
    shown, before = pixels(at_source_size(result, cutout).image), blurred(result, cutout).image * 255
    sleeve, own = boxes
    there = detail(cutout.source.image, own)
    assert detail(before, sleeve) < 0.1 * there
    assert 0.7 * there < detail(shown, sleeve) < 1.3 * there
    assert np.abs(shown[sleeve].mean((0, 1)) - cutout.source.image[own].mean((0, 1))).max() < 3


def of_two(second: np.ndarray, where: np.ndarray) -> CutOut:
    """Cloth of a second colour where that is, bool (SIDE, SIDE)."""
    weave = np.where(where[..., None], second / COLOUR, 1.0)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[140:620, 240:530] = 255
    cloth = np.where(mask[..., None] > 0, COLOUR * weave, 255).clip(0, 255).astype(np.uint8)
    return cut_out(Image.fromarray(cloth), mask, SMALL, keep_source=True)


def test_of_a_print_a_sleeve_has_the_ground(boxes):
    y, x = np.mgrid[:SIDE, :SIDE]
    printed = of_two(np.array([230, 200, 40]), (abs(x - 385) < 90) & (abs(y - 330) < 130))
    sleeve, _ = boxes
    average = 0.7 * COLOUR + 0.3 * np.array([230, 200, 40])  # what a generator paints
    shown = pixels(at_source_size(with_sleeve(printed, average), printed).image)
    assert np.abs(shown[sleeve].mean((0, 1)) - COLOUR).max() < 6
    assert detail(shown, sleeve) < 6  # nothing of the print


def test_wide_stripes_go_on_in_a_sleeve(boxes):
    """Wider than detail: the sleeve was painted in one colour, their average."""
    pale = np.array([225, 215, 220])
    striped = of_two(pale, np.mgrid[:SIDE, :SIDE][0] % 60 < 30)
    sleeve, own = boxes
    shown = pixels(at_source_size(with_sleeve(striped, (COLOUR + pale) / 2), striped).image)
    assert shown[sleeve].std(0).mean() > 0.6 * striped.source.image[own].std(0).mean()
    assert np.abs(shown[sleeve].mean((0, 1)) - (COLOUR + pale) / 2).max() < 15  # no stripe is the ground


@pytest.mark.parametrize("aside", [False, True])
def test_a_print_on_the_front_does_not_go_on_in_a_sleeve(boxes, monkeypatch, aside):
    """Large letters: the piece that a sleeve would be cut from ends below them, or beside them."""
    y, x = np.mgrid[:SIDE, :SIDE]
    letters = (y % 100 < 60) & ((abs(x - 385) < 85) if aside else (y < 400))
    printed = of_two(np.array([235, 205, 40]), letters)
    sleeve, _ = boxes
    plain = detail(pixels(at_source_size(with_sleeve(printed, COLOUR), printed).image), sleeve)
    monkeypatch.setattr(pieces, "CONTRAST", -1.0)
    without = detail(pixels(at_source_size(with_sleeve(printed, COLOUR), printed).image), sleeve)
    assert plain < 2 and without > 4


def test_a_zip_in_stripes_does_not_go_on_in_a_sleeve(monkeypatch):
    zipped = of_two(np.array([225, 215, 220]), np.mgrid[:SIDE, :SIDE][0] % 40 < 20)
    source = zipped.source.image
    source[:, abs(np.arange(len(source)) - len(source) / 2) < 6] //= 8
    rows, columns = (
        slice(round(a * len(source) / SMALL), round(b * len(source) / SMALL)) for a, b in ((56, 104), (10, 28))
    )
    for front, goes_on in ((pieces.FRONT, False), (-1, True)):
        monkeypatch.setattr(pieces, "FRONT", front)
        shown = pixels(at_source_size(with_sleeve(zipped, COLOUR), zipped).image)[rows, columns]
        assert (shown.mean(2).min() < 40) == goes_on


def test_checks_lie_in_a_sleeve_as_they_do_on_the_garment(boxes):
    """A line is as long as the sleeve is wide, and comes again after as many pixels."""
    y, x = np.mgrid[:SIDE, :SIDE]
    checked = of_two(np.array([235, 225, 215]), (x % 50 < 14) | (y % 80 < 14))
    shown = pixels(at_source_size(with_sleeve(checked, COLOUR), checked).image).astype(np.float64)
    sleeve, own = boxes
    for axis in (0, 1):  # means down and across
        assert 0.7 < shown[sleeve].mean(2).mean(axis).std() / checked.source.image[own].mean(2).mean(axis).std() < 1.3
    period, down = 80, shown[sleeve].mean(2).mean(1)
    lags = np.arange(round(0.6 * period), round(1.4 * period))
    alike = [np.corrcoef(down[:-k], down[k:])[0, 1] for k in lags]
    assert abs(lags[int(np.argmax(alike))] - period) < 3


def test_dots_go_on_in_a_sleeve_on_their_own_ground(boxes):
    y, x = np.mgrid[:SIDE, :SIDE] % 60 - 30
    dotted = of_two(np.array([230, 200, 40]), x * x + y * y < 15**2)
    sleeve, own = boxes
    mean = dotted.source.image[own].mean((0, 1))
    shown = pixels(at_source_size(with_sleeve(dotted, mean), dotted).image)
    assert shown[sleeve].std(0).mean() > 0.6 * dotted.source.image[own].std(0).mean()
    assert np.abs(np.median(shown[sleeve], axis=(0, 1)) - COLOUR).max() < 14
    assert np.abs(shown[sleeve].mean((0, 1)) - mean).max() < 12


def test_the_main_colour_is_that_of_most_of_the_pixels():
    teal, yellow = np.float32([0.3, 0.6, 0.55]), np.float32([0.9, 0.8, 0.2])
    noise = np.random.default_rng(0).normal(0, 0.02, (1000, 3)).astype(np.float32)

    def mixed(share: float) -> np.ndarray:
        return (np.where(np.arange(1000)[:, None] < 1000 * share, teal, yellow) + noise).clip(0, 1)

    found = main_colour(mixed(0.7))
    assert found is not None
    assert np.linalg.norm(found - cv2.cvtColor(teal[None, None], cv2.COLOR_RGB2LAB)[0, 0]) < 1
    assert main_colour(mixed(0.5)) is None
    assert main_colour(mixed(0.7)[:20]) is None


def test_a_grown_sleeve_that_is_then_recoloured_keeps_the_detail_and_takes_the_colour(cutout, boxes):
    folds = 0.85 + 0.15 * np.sin(np.arange(SMALL) / 2)[:, None, None]
    grown = with_sleeve(cutout, COLOUR * np.broadcast_to(folds, (SMALL, SMALL, 3)))
    y = grown.image[0].permute(1, 2, 0).numpy()
    cloth = cv2.dilate((y.min(2) < 240).astype(np.float32), np.ones((3, 3)))
    red = np.where(cloth[..., None] > 0, y[..., ::-1], 255).astype(np.float32) / 255
    alpha = torch.from_numpy(cloth)[None, None]
    image = torch.from_numpy((255 * red).astype(np.uint8)).permute(2, 0, 1)[None]
    x = torch.from_numpy(np.ascontiguousarray(cutout.image)).permute(2, 0, 1)[None]
    result = at_source_size(EditResult.joined(x, [grown, EditResult(image, alpha, image)]), cutout)
    shown = pixels(result.image)
    sleeve, own = boxes
    assert 0.7 * detail(cutout.source.image, own) < detail(shown, sleeve) < 1.3 * detail(cutout.source.image, own)
    for box in (sleeve, own):
        assert np.abs(shown[box].mean((0, 1)) - COLOUR[::-1]).max() < 12
    assert outline(shown) <= 5


def test_its_outline_is_steep(cutout):
    result = with_sleeve(cutout, COLOUR)
    assert outline(blurred(result, cutout).image * 255) > 12
    assert outline(pixels(at_source_size(result, cutout).image)) <= 4


def test_nothing_else_changes_and_it_comes_out_the_same_every_time(cutout):
    result = with_sleeve(cutout, COLOUR)
    shown, before = at_source_size(result, cutout), blurred(result, cutout)
    right = round(40 / SMALL * before.image.shape[0])
    assert (pixels(shown.image)[:, right:] == cutout.source.image[:, right:]).all()
    unpainted = before.mask[..., 0] == 0
    away = cv2.erode(unpainted.astype(np.uint8), np.ones((25, 25))) > 0  # two pixels of the model
    assert (pixels(shown.image)[away] == cutout.source.image[away]).all()
    again = at_source_size(result, cutout)
    assert all(torch.equal(getattr(shown, n), getattr(again, n)) for n in ("image", "mask", "raw"))
    photo, raw = cutout.source.image.astype(np.float32), pixels(shown.raw).astype(np.float32)
    mask = shown.mask[0, 0].numpy()[..., None]
    assert np.abs(photo + mask * (raw - photo) - pixels(shown.image)).max() <= 2


@pytest.mark.parametrize("rim", [0, 1])
def test_a_colour_edit_is_left_alone(cutout, rim):
    alpha = cv2.dilate((cutout.mask > 0).astype(np.float32), np.ones((2 * rim + 1,) * 2))
    raw = cutout.image[..., ::-1].astype(np.float32) / 255
    raw[cutout.mask == 0] = np.array([190, 110, 60]) / 255  # paints over the outline
    result = hand_made(cutout, alpha, raw)
    assert blurred(result, cutout).grown is None


def test_pale_stripes_at_the_outline_are_cloth(cutout):
    stripes = np.where((np.arange(SMALL) // 5 % 2)[:, None, None] > 0, COLOUR, np.array([225, 225, 230]))
    stripes = np.broadcast_to(stripes, (SMALL, SMALL, 3))
    result = with_sleeve(cutout, stripes)
    shown = pixels(at_source_size(result, cutout).image)
    scale = shown.shape[0] / SMALL
    white = (shown.min(2) >= 250)[round(56 * scale) : round(104 * scale)]
    left = white[:, : round(19 * scale)].argmin(1)  # where the sleeve begins, in each row
    off = np.abs(left - 8 * scale) / scale
    assert np.quantile(off, 0.9) < 0.6 and off.max() < 2  # the rows beside a dark stripe lean towards it


def test_a_short_sleeve_under_it_leaves_no_trace(cutout):
    """Garment that is painted over in one colour, its old outline included."""
    left = int(np.flatnonzero((cutout.mask > 0).any(0))[0])
    alpha = np.zeros((SMALL, SMALL), np.float32)
    alpha[40:80, left - 14 : left + 14] = 1
    raw = np.where(alpha[..., None] > 0, 0.7 * COLOUR / 255, 1).astype(np.float32)
    result = hand_made(cutout, alpha, raw)
    shown = pixels(at_source_size(result, cutout).image).astype(np.float32)
    scale = shown.shape[0] / SMALL
    rows = slice(round(46 * scale), round(74 * scale))
    seam = shown[rows, round((left - 4) * scale) : round((left + 4) * scale)].mean((0, 2))
    assert np.ptp(cv2.GaussianBlur(seam[None], (0, 0), 4)) < 12


def test_cloth_that_is_too_small_or_all_painted_gives_an_outline_alone(cutout):
    assert sample(np.zeros((64, 64, 3), np.float32), np.zeros((64, 64), bool), 4) is None
    assert sample(np.zeros((64, 64, 3), np.float32), np.eye(64, dtype=bool), 4) is None
    everywhere = np.ones((SMALL, SMALL), np.float32)
    raw = with_sleeve(cutout, COLOUR).raw[0].permute(1, 2, 0).numpy() / np.float32(255)
    result = at_source_size(hand_made(cutout, everywhere, raw), cutout)  # the garment itself is gone
    assert outline(pixels(result.image)) <= 4


def test_a_quilt_is_as_strong_as_its_patches_and_stripes_go_on_in_it():
    x = np.mgrid[:400, :400][1].astype(np.float32)
    stripes = 0.5 + 0.2 * np.sign(np.sin(x * 2 * np.pi / 21))
    noise = 0.5 + np.random.default_rng(1).normal(0, 0.05, x.shape)
    for picture, like in ((stripes, 0.9), (noise, 0)):
        cloth = sample(np.repeat(picture[..., None], 3, 2).astype(np.float32), np.ones((400, 400), bool), 8)
        sheet = quilt(cloth, 300, 200)
        assert sheet.shape == (300, 200, 3)
        assert 0.85 < sheet.std() / cloth.patches.std() < 1.15
        down = np.corrcoef(sheet[:150, :, 0].ravel(), sheet[150:, :, 0].ravel())[0, 1]  # a stripe meets itself below
        assert down > 0.5 if like else abs(down) < 0.2


def test_of_a_print_only_its_ground_is_taken():
    """Blots anywhere fit nothing: their edges are cut down to what is between them."""
    rng = np.random.default_rng(2)
    picture = (0.5 + rng.normal(0, 0.01, (400, 400, 1)) + np.zeros(3)).astype(np.float32)
    for x, y in rng.integers(0, 400, (250, 2)):
        cv2.circle(picture, (int(x), int(y)), 9, (0.9, 0.1, 0.2), -1)
    cloth = sample(picture, np.ones((400, 400), bool), 8)
    assert isinstance(cloth, Cloth) and np.abs(cloth.patches).max() < 0.25


def test_ground_is_white_that_reaches_the_border():
    picture = np.ones((40, 40, 3), np.float32)
    picture[8:32, 8:32] = 0.4
    picture[16:24, 16:24] = 1  # a white print
    assert find_ground(picture).sum() == 40 * 40 - 24 * 24


def test_traces_of_a_sleeve_that_did_not_grow_leave_no_haze_on_white(cutout):
    left = int(np.flatnonzero((cutout.mask > 0).any(0))[0])
    alpha = np.zeros((SMALL, SMALL), np.float32)
    alpha[50:70, left - 8 : left + 2] = 1
    raw = np.full((SMALL, SMALL, 3), 0.96, np.float32)  # pale grey
    raw[:, left:] = 0.8 * COLOUR / 255
    source = cutout.source.image
    shown = pixels(at_source_size(hand_made(cutout, alpha, raw), cutout).image)
    white = source.min(2) == 255
    assert (shown[white] >= 252).all()
    assert (shown[~white] != source[~white]).any()
