"""Edits at the photo's own size: the photo's pixels where nothing was edited, its detail where the edit keeps it."""

from __future__ import annotations

import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from amgan import NoEdit, UserError, at_source_size, cut_out, edit_cut_out, load_editor, read_image, read_mask
from amgan.data.imagefolder import read_imagefolder
from amgan.editing.edit_command import edit_command
from amgan.editing.grown import find_laid
from amgan.editing.shapes import find_ground
from amgan.photos import CutOut
from amgan.photos.framing import LARGEST
from amgan.photos.guided import joint_upsample
from amgan.testing import SCHEMA, draw_garment, tiny_weights
from amgan.weights import shipped
from tests.hand_made import hand_made, pixels


def photo(side: int = 768, ground: int = 255) -> tuple[Image.Image, np.ndarray]:
    """A shirt of folds and a weave that 128 pixels cannot show, and its mask."""
    _, mask = draw_garment("short", "blue", side)
    y, x = np.mgrid[:side, :side] * (768 / side)
    shade = 1 + 0.18 * np.sin(x / 41 + np.sin(y / 60)) + 0.12 * np.sin(x * 2 * np.pi / 5) * np.sin(y * 2 * np.pi / 5)
    cloth = np.array([60, 110, 190]) * shade[..., None]
    return Image.fromarray(np.where(mask[..., None] > 0, cloth, ground).clip(0, 255).astype(np.uint8)), mask


def in_red(picture: np.ndarray) -> np.ndarray:
    """Float32 (h, w, 3) in another colour, shading and weave and all."""
    return picture.mean(2, keepdims=True) * np.array([1.5, 0.35, 0.4], np.float32)


def detail(picture: np.ndarray) -> np.ndarray:
    grey = picture.astype(np.float32).mean(2)
    return grey - cv2.GaussianBlur(grey, (0, 0), 3)


@pytest.fixture(scope="module")
def cutout() -> CutOut:
    cut = cut_out(*photo(), size=128, keep_source=True)
    assert cut.source is not None
    return cut


def inside(cutout: CutOut, margin: int = 25) -> np.ndarray:
    """Where cloth is all around, bool (S, S)."""
    return cv2.erode(cutout.source.mask, np.ones((margin, margin), np.uint8)) > 0


def test_the_source_frame_is_the_models_frame_in_the_photos_own_pixels():
    picture, mask = photo(ground=90)
    cut = cut_out(picture, mask, size=128, keep_source=True)
    assert cut.source.image.shape == (round(128 * cut.placement.scale),) * 2 + (3,)
    assert cut.source.mask.shape == cut.source.image.shape[:2]
    left, top = (round(o) for o in cut.placement.offset)
    assert cut.source.placement.scale == 1 and cut.source.placement.offset == (left, top)
    rows, columns = np.nonzero(inside(cut, 5))
    assert (cut.source.image[rows, columns] == np.asarray(picture)[rows + top, columns + left]).all()
    assert (cut.source.image[cut.source.mask == 0] == 255).all()  # and no grey of the ground
    small = cv2.resize(cut.source.image, (128, 128), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(small - cut.image).mean() < 2
    assert cut_out(picture, mask).source is None


@pytest.mark.parametrize(("side", "expected"), [(24, 32), (96, 92), (2600, LARGEST)])
def test_small_photos_stay_as_they_are_and_large_ones_have_a_limit(side, expected):
    picture, mask = photo(96)
    picture, mask = picture.resize((side, side)), cv2.resize(mask, (side, side), interpolation=cv2.INTER_NEAREST)
    cut = cut_out(picture, mask, size=32, keep_source=True)
    assert cut.source.image.shape[0] == expected
    result = edit_cut_out(NoEdit(SCHEMA, 32), cut, {"color": "red"}, size="source")
    assert pixels(result.image).shape == cut.source.image.shape
    assert result.mask.shape == (1, 1, *cut.source.mask.shape)


def test_a_frame_that_reaches_beyond_the_photo_is_white_there():
    picture, mask = photo()
    box = (150, 130, 620, 660)  # close around the shirt
    cut = cut_out(picture.crop(box), mask[box[1] : box[3], box[0] : box[2]], keep_source=True)
    assert min(cut.source.placement.offset) < 0
    assert (cut.source.image[:, 0] == 255).all() and (cut.source.image[-1] == 255).all()


def test_without_alpha_the_photo_stays_to_the_pixel(cutout):
    result = at_source_size(hand_made(cutout, np.zeros((128, 128), np.float32), np.zeros((128, 128, 3))), cutout)
    assert result.image.dtype == torch.uint8 and result.mask.dtype == torch.float32
    assert (pixels(result.image) == cutout.source.image).all()
    assert (result.mask == 0).all()
    half = np.zeros((128, 128), np.float32)
    half[:, :60] = 1
    result = at_source_size(hand_made(cutout, half, np.zeros((128, 128, 3), np.float32)), cutout)
    beyond = round(63 / 128 * cutout.source.image.shape[1])
    assert (pixels(result.image)[:, beyond:] == cutout.source.image[:, beyond:]).all()


def test_a_colour_edit_keeps_the_weave(cutout):
    small, large = (a.astype(np.float32) / 255 for a in (cutout.image, cutout.source.image))
    mask = (cutout.mask > 0).astype(np.float32)
    result = at_source_size(hand_made(cutout, cv2.dilate(mask, np.ones((3, 3))), in_red(small)), cutout)
    truth, where = in_red(large) * 255, inside(cutout)
    enlarged = cv2.resize(in_red(small) * 255, truth.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    kept, lost = (np.corrcoef(detail(a)[where], detail(truth)[where])[0, 1] for a in (pixels(result.image), enlarged))
    assert kept > 0.95 and lost < 0.5
    assert detail(pixels(result.image))[where].std() > 0.7 * detail(truth)[where].std()
    assert (
        np.abs(pixels(result.image)[where] - truth[where]).mean() < 0.5 * np.abs(enlarged[where] - truth[where]).mean()
    )


def test_a_sleeve_that_is_taken_away_leaves_no_weave(cutout):
    white = np.ones((128, 128, 3), np.float32)
    result = at_source_size(hand_made(cutout, (cutout.mask > 0).astype(np.float32), white), cutout)
    assert (pixels(result.image)[inside(cutout)] >= 254).all()


def test_alpha_follows_an_edge_of_the_photo_where_bilinear_enlargement_blurs_it():
    size, scale = 64, 8
    y, x = np.mgrid[: size * scale, : size * scale]
    shape = (np.hypot(x - 250, (y - 260) * 1.3) < 150).astype(np.float32)  # (S, S), with an edge in all directions
    grain = np.random.default_rng(0).normal(0, 0.02, (*shape.shape, 3))
    large = np.where(shape[..., None] > 0, np.array([0.2, 0.3, 0.6]), 1.0) + grain
    large = large.clip(0, 1).astype(np.float32)
    small, alpha = (cv2.resize(a, (size, size), interpolation=cv2.INTER_AREA) for a in (large, shape))
    ours = joint_upsample(small, alpha[..., None], large, np.ones_like(alpha), radii=(3,))[..., 0]
    plain = cv2.resize(alpha, shape.shape, interpolation=cv2.INTER_LINEAR)
    assert np.abs(ours - shape).mean() < 0.35 * np.abs(plain - shape).mean()


@pytest.mark.parametrize(
    ("size", "cut", "sentence"), [("large", {}, "Valid: model, source"), ("source", {"source": None}, "keep_source")]
)
def test_what_cannot_be_is_a_sentence(cutout, size, cut, sentence):
    with pytest.raises(UserError, match=sentence):
        edit_cut_out(NoEdit(SCHEMA, 128), replace(cutout, **cut), {"color": "red"}, size=size)


def test_an_edit_of_something_else_is_a_sentence(cutout):
    other = NoEdit(SCHEMA, 32).edit(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), {"color": "red"})
    with pytest.raises(UserError, match="one at a time"):
        at_source_size(other, cutout)


def test_the_command_writes_all_four_pictures_at_source_size(tmp_path):
    picture, _ = photo(320)
    picture.save(tmp_path / "shirt.png")
    weights = str(tiny_weights(tmp_path / "weights"))
    for size in ("model", "source"):
        edit_command([tmp_path / "shirt.png"], tmp_path / size, ["color=red"], weights, None, None, False, True, size)
    shapes = {
        size: {Image.open(tmp_path / size / f"shirt{kind}.png").size for kind in ("", ".input", ".mask", ".garment")}
        for size in ("model", "source")
    }
    assert shapes["model"] == {(32, 32)}
    (side, _), *others = shapes["source"]
    assert not others and 250 < side < 350
    with pytest.raises(UserError, match="Valid: model, source"):
        edit_command([], tmp_path, ["color=red"], weights, None, None, False, True, "huge")


def test_the_shipped_weights_recolour_a_photo_with_its_detail(garments):
    if "photos" not in shipped():
        pytest.skip("the weights photos are not there")
    editor = load_editor("photos")
    data = read_imagefolder(garments)
    kept = []
    for record in [r for r in data.records if r.split == "test" and r.mask_file_name][:3]:
        large = read_image(garments / record.file_name)
        mask = read_mask(garments / record.mask_file_name)
        cut = cut_out(large, mask, editor.image_size, keep_source=True)
        shown = pixels(edit_cut_out(editor, cut, {"color": "red"}, size="source").image)
        where = inside(cut, 7)
        kept.append(np.corrcoef(detail(shown)[where], detail(cut.source.image)[where])[0, 1])
    assert min(kept) > 0.8


def test_it_is_fast():
    """Far looser than what one core takes (below 0.1 s), so that a busy machine does not fail."""
    cut = cut_out(*photo(1400), keep_source=True)
    assert cut.source.image.shape[0] > 900
    edited = hand_made(cut, (cut.mask > 0).astype(np.float32), in_red(cut.image.astype(np.float32) / 255).clip(0, 1))
    start = time.process_time()
    at_source_size(edited, cut)
    assert time.process_time() - start < 2


def test_the_outline_of_new_cloth_is_even_where_the_generators_wobbles(cutout):
    small = cutout.image.astype(np.float32) / 255
    size = small.shape[0]
    y, x = np.mgrid[:size, :size]
    right = int(np.flatnonzero((small.min(2) < 0.9)[size // 2]).max())  # the garment's edge, half way down
    reach = right + 10 + 2 * (y % 4 < 2)  # a flap, whose edge goes to and fro every other pixel
    flap = (x > right - 3) & (x < reach) & (abs(y - size // 2) < 16)
    made = hand_made(cutout, flap.astype(np.float32), np.broadcast_to(np.float32([0.25, 0.4, 0.7]), small.shape))
    picture = pixels(at_source_size(made, cutout).image)
    scale = picture.shape[0] / size
    rows = picture[int((size // 2 - 10) * scale) : int((size // 2 + 10) * scale)]
    edge = np.array([np.flatnonzero(row.min(1) < 0.75 * 255).max() for row in rows]) / scale
    assert np.ptp(edge) < 0.8  # of 2 pixels of the model's
    assert abs(np.median(edge) - (right + 11)) < 1


def test_stripes_that_are_laid_on_the_cloth_have_sharp_edges_and_the_cloths_weave(cutout, monkeypatch):
    small, large = (a.astype(np.float32) / 255 for a in (cutout.image, cutout.source.image))
    mask = (cutout.mask > 0).astype(np.float32)
    stripes = (np.arange(128) % 10 < 5).astype(np.float32)
    pale = cv2.GaussianBlur(stripes[:, None], (1, 9), 1.2)[:, 0]  # as a network draws them
    made = hand_made(cutout, mask, small + mask[..., None] * pale[:, None, None] * (0.95 - small))
    result = at_source_size(made, cutout)
    picture, scale = pixels(result.image).astype(np.float32), large.shape[0] / 128
    again = large * 255 + result.mask[0, 0].numpy()[..., None] * (pixels(result.raw) - large * 255)
    assert np.abs(again - picture).max() < 2

    def width(picture: np.ndarray) -> float:
        """Of an edge, in pixels of the photo."""
        middle = cv2.GaussianBlur(picture.mean(2), (31, 1), 0)[int(45 * scale) : int(95 * scale), large.shape[1] // 2]
        dark, light = np.percentile(middle, (10, 90))
        share = (middle - dark) / (light - dark)
        edges = np.count_nonzero(np.diff(share > 0.5))
        assert light - dark > 60 and edges == 10
        return np.count_nonzero((share > 0.25) & (share < 0.75)) / edges

    where = inside(cutout) & (np.interp(np.arange(len(large)) / scale, np.arange(128), pale) < 0.1)[:, None]
    along = [a.mean(2) - cv2.blur(a.mean(2), (15, 1)) for a in (picture, large)]  # the stripe: of the weave alone
    assert np.corrcoef(*(a[where] for a in along))[0, 1] > 0.8
    assert width(picture) < 3.5
    monkeypatch.setattr("amgan.editing.source_size.find_laid", lambda *_: None)
    assert width(pixels(at_source_size(made, cutout).image).astype(np.float32)) > 5


@pytest.mark.parametrize("whole", [True, False], ids=["all the cloth", "the pattern alone"])
def test_checks_stay_checks_whether_all_the_cloth_was_painted_or_the_pattern_alone(cutout, whole):
    small, large = (a.astype(np.float32) / 255 for a in (cutout.image, cutout.source.image))
    mask = (cutout.mask > 0).astype(np.float32)

    def check(side: int) -> np.ndarray:
        line = ((np.arange(side) + 0.5) * 128 / side % 12 < 6).astype(np.float32)
        return (line[:, None] + line) / 2

    share = mask * cv2.GaussianBlur(check(128), (0, 0), 0.6)
    alpha = mask if whole else share
    made = hand_made(cutout, alpha, np.where(whole, small + share[..., None] * (0.95 - small), 0.95).astype(np.float32))
    result = pixels(at_source_size(made, cutout).image).astype(np.float32) / 255
    ideal = check(len(large))
    threads = [result.mean(2)[inside(cutout) & (ideal == level)] for level in (0, 0.5, 1)]
    apart = np.median(threads[2]) - np.median(threads[0])
    assert (
        apart > 0.3 and abs(np.median(threads[1]) - (np.median(threads[0]) + np.median(threads[2])) / 2) < 0.2 * apart
    )
    for level, thread in zip((0, 0.5, 1), threads, strict=True):
        assert (np.abs(thread - np.median(thread)) > apart / 4).mean() < 0.2, level  # half of a cell is beside an edge


def test_white_stripes_are_no_cloth_that_went_and_the_others_none_that_came(cutout):
    """On white, a garment with white stripes once was one that had been cut to pieces, and was painted over."""
    small = cutout.image.astype(np.float32) / 255
    mask = cv2.GaussianBlur((cutout.mask > 0).astype(np.float32), (0, 0), 1)
    stripes = cv2.GaussianBlur((np.arange(128) % 18 < 11).astype(np.float32)[:, None], (1, 9), 1.2)
    made = hand_made(cutout, mask, small + stripes[..., None] * (1 - small))
    result = pixels(at_source_size(made, cutout).image)
    asked = cv2.resize(pixels(made.image), result.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    where = inside(cutout)
    assert np.corrcoef(result.mean(2)[where], asked.mean(2)[where])[0, 1] > 0.9


@pytest.mark.parametrize("edit", ["another colour", "a shorter hem"])
def test_what_lays_no_pattern_is_not_sharpened(cutout, edit):
    small = cutout.image.astype(np.float32) / 255
    alpha = (cutout.mask > 0).astype(np.float32)
    raw = in_red(small)
    if edit == "a shorter hem":
        alpha[:100], raw = 0, np.ones_like(small)
    y = small + alpha[..., None] * (raw - small)
    assert find_laid(small, y, alpha, find_ground(small), np.zeros_like(alpha)) is None
