"""Garments cut out of drawn photos: where the outline runs, and that a doubtful cut is never trusted."""

import csv
import threading

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from amgan.errors import PhotoError
from amgan.photos import CutOut, cut_out, read_image, read_mask
from amgan.photos.classical import SURE, first_guess, garment_mask, grabcut, quick_mask, thorough_mask
from amgan.photos.framing import resample, shrink
from amgan.photos.judging import doubt
from amgan.photos.segmenter import WORKING_SIDE

WHITE, FLOOR, RED, GREEN = (255, 255, 255), (150, 120, 90), (180, 40, 50), (40, 110, 60)
_SHORT = [(-0.1, -0.5), (0.1, -0.5), (0.2, -0.48), (0.48, -0.2), (0.36, -0.08), (0.22, -0.15), (0.24, 0.5)]


def scene(ground=FLOOR, color=RED, scale=0.75, at=(0.5, 0.5), size=(240, 320), grain=8.0):
    """A T-shirt lying on a ground, and its true mask."""
    width, height = size
    points = _SHORT + [(-x, y) for x, y in reversed(_SHORT)]
    reach = scale * min(size)
    outline = [(2 * (at[0] * width + x * reach), 2 * (at[1] * height + y * reach)) for x, y in points]
    truth = Image.new("L", (2 * width, 2 * height))
    ImageDraw.Draw(truth).polygon(outline, fill=255)
    soft = np.asarray(truth.resize(size, Image.Resampling.LANCZOS)).astype(float)[..., None] / 255
    cloth = np.full((height, width, 3), color, float)
    random = np.random.default_rng(1)
    weave = cv2.GaussianBlur(random.normal(0, 1, (2, height, width)).transpose(1, 2, 0), (0, 0), 1.5)
    weave *= grain / weave.std()
    ground_pixels = np.full((height, width, 3), ground, float) + weave[..., :1]
    pixels = ground_pixels * (1 - soft) + (cloth + weave[..., 1:]) * soft
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), (soft[..., 0] > 0.5)


def overlap(cutout: CutOut, truth: np.ndarray) -> float:
    """IoU in the frame with the true mask, put there by the cut-out's own placement."""
    wanted = resample(truth.astype(np.float32), cutout.placement, 0) > 0.5
    found = cutout.mask > 0
    return float((wanted & found).sum() / (wanted | found).sum())


def test_a_flat_lay_is_found_and_trusted():
    photo, truth = scene()
    cutout = cut_out(photo)
    assert cutout.method == "grabcut"
    assert cutout.trusted
    assert cutout.problems == ()
    assert overlap(cutout, truth) > 0.93
    assert cutout.image.shape == (128, 128, 3)
    assert cutout.mask.shape == (128, 128)
    assert set(np.unique(cutout.mask)) == {0, 255}
    far = cv2.dilate(cutout.mask, np.ones((7, 7))) == 0
    assert (cutout.image[far] == 255).all()


# Training photos whose sleeves or dark cloth the plain recipe leaves out, and what share the garment covers.
LEFT_OUT = {
    "f292247a-3e20-42e1-826e-92539ab39823": 0.39,
    "ec196957-56c2-4ebf-acfe-c13b620f79cc": 0.71,
    "d5b1e9a8-331c-48ee-a019-eb89ca55e607": 0.42,
}


@pytest.mark.parametrize("item", LEFT_OUT)
def test_the_second_try_brings_back_what_was_left_out(garments, item):
    rgb = shrink(np.asarray(read_image(garments / "images" / f"{item}.jpg")), WORKING_SIDE)
    first = grabcut(rgb, first_guess(rgb.shape[:2]), rounds=5)
    kept = garment_mask(rgb)
    assert np.mean(first > 0) < 0.75 * LEFT_OUT[item]
    assert np.mean(kept > 0) == pytest.approx(LEFT_OUT[item], abs=0.04)
    assert doubt(rgb, kept) < doubt(rgb, first) / 2


@pytest.mark.thorough
def test_a_quick_mask_is_kept_where_it_is_as_good_as_a_thorough_one(garments):
    kept = []
    for file in sorted((garments / "images").iterdir())[:40]:
        rgb = shrink(np.asarray(read_image(file)), WORKING_SIDE)
        quick = quick_mask(rgb)
        if doubt(rgb, quick) > SURE:
            if len(kept) < 3:
                assert np.array_equal(garment_mask(rgb), thorough_mask(rgb))
            continue
        assert np.array_equal(garment_mask(rgb), quick)
        thorough = thorough_mask(rgb) > 0
        kept.append((thorough & (quick > 0)).sum() / (thorough | (quick > 0)).sum())
        if len(kept) == 12:
            break
    assert len(kept) == 12 and min(kept) > 0.85 and np.median(kept) > 0.98


@pytest.mark.parametrize("shape", [(160, 16), (16, 160), (40, 30)])
def test_small_and_narrow_photos_have_quick_masks_too(shape):
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    mask = quick_mask(rgb)
    assert mask.shape == shape and set(np.unique(mask)) <= {0, 255}


@pytest.mark.parametrize("color", [RED, (25, 25, 28), (238, 238, 235), (247, 247, 246)])
def test_a_shot_on_white_keeps_its_pixels(color):
    photo, truth = scene(ground=WHITE, color=color, grain=0)
    cutout = cut_out(photo)
    assert cutout.method == "white"
    assert cutout.trusted
    assert overlap(cutout, truth) > 0.93
    plain = resample(np.asarray(photo).astype(np.float32), cutout.placement, 255)
    assert np.abs(cutout.image - plain).max() <= 1


def test_a_shot_on_light_grey_comes_out_on_white():
    photo, truth = scene(ground=(236, 236, 238), grain=0.5)
    cutout = cut_out(photo)
    assert cutout.method == "white"
    assert overlap(cutout, truth) > 0.93
    assert (cutout.image[:, 0] == 255).all()


def test_a_given_mask_is_taken_at_any_size():
    photo, truth = scene()
    for size in (photo.size, (120, 160), (480, 640)):
        mask = Image.fromarray(truth.astype(np.uint8) * 255).resize(size, Image.Resampling.NEAREST)
        for given in (mask, np.asarray(mask)):
            cutout = cut_out(photo, given)
            assert cutout.method == "given"
            assert cutout.confidence == 1.0
            assert overlap(cutout, truth) > 0.97


def test_impossible_masks_are_refused():
    photo, truth = scene()
    for mask, reason in (
        (np.zeros((320, 240), np.uint8), "empty-mask"),
        (np.zeros((0, 0), np.uint8), "empty-mask"),
        (np.full((320, 240), 255, np.uint8), "full-mask"),
        (truth.T.astype(np.uint8) * 255, "other-mask"),
    ):
        with pytest.raises(PhotoError) as caught:
            cut_out(photo, mask)
        assert caught.value.reason == reason


def test_the_placement_leads_back_to_the_photo_at_any_resolution():
    small, truth = scene(ground=WHITE, grain=0)
    large = small.resize((1200, 1600), Image.Resampling.BICUBIC)
    one, five = cut_out(small).placement, cut_out(large).placement
    assert five.scale == pytest.approx(5 * one.scale, rel=0.02)
    assert np.allclose(np.array(five.offset) / 5, one.offset, atol=2.0)
    assert overlap(cut_out(large), np.kron(truth, np.ones((5, 5)))) > 0.95


def test_the_same_photo_gives_the_same_cut_in_every_thread():
    photo, _ = scene(color=GREEN)
    first = cut_out(photo)
    cv2.setRNGSeed(99)
    others: list[CutOut] = []
    threads = [threading.Thread(target=lambda: others.append(cut_out(photo))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(others) == 3
    for other in others:
        assert (other.mask == first.mask).all()
        assert other.confidence == first.confidence


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 160, 3), dtype=np.uint8))


def person() -> Image.Image:
    photo = Image.new("RGB", (300, 500), (200, 205, 210))
    draw = ImageDraw.Draw(photo)
    draw.ellipse((120, 30, 180, 110), fill=(225, 180, 150))
    draw.polygon(
        [(90, 115), (210, 115), (240, 260), (215, 265), (200, 180), (200, 290), (100, 290), (100, 180)], fill=GREEN
    )
    draw.rectangle((100, 290, 145, 470), fill=(40, 40, 50))
    draw.rectangle((155, 290, 200, 470), fill=(40, 40, 50))
    return photo


def two_shirts() -> Image.Image:
    left, right = scene(WHITE, RED, 0.35, (0.28, 0.5), grain=0)[0], scene(WHITE, GREEN, 0.35, (0.75, 0.5), grain=0)[0]
    return Image.fromarray(np.minimum(np.asarray(left), np.asarray(right)))


@pytest.mark.parametrize(
    "photo",
    [
        pytest.param(noise(), id="noise"),
        pytest.param(Image.new("RGB", (200, 200), "black"), id="black"),
        pytest.param(Image.new("RGB", (300, 200), (128, 128, 128)), id="grey"),
        pytest.param(scene(scale=0.1)[0], id="tiny"),
        pytest.param(scene(ground=WHITE, scale=0.1, grain=0)[0], id="tiny on white"),
        pytest.param(scene(scale=1.5)[0], id="fills the photo"),
        pytest.param(scene(at=(0.5, 0.8))[0], id="cut off at the hem"),
        pytest.param(scene(ground=WHITE, at=(0.5, 0.8), grain=0)[0], id="cut off at the hem on white"),
        pytest.param(scene(at=(0.1, 0.2))[0], id="in the corner"),
        pytest.param(scene(color=(150, 121, 92))[0], id="as the floor"),
        pytest.param(person(), id="person"),
        pytest.param(two_shirts(), id="two on white"),
    ],
)
def test_what_cannot_be_cut_out_is_not_trusted_and_says_why(photo):
    cutout = cut_out(photo)
    assert not cutout.trusted
    assert 0 <= cutout.confidence < 0.5
    assert cutout.problems
    assert all(sentence.endswith(".") for sentence in cutout.problems)


@pytest.mark.parametrize(
    ("photo", "reason"),
    [
        (Image.new("RGB", (200, 200), "white"), "no-garment"),
        (Image.new("RGB", (200, 200), (240, 239, 236)), "no-garment"),
        (Image.new("RGB", (3000, 20), "red"), "too-narrow"),
    ],
)
def test_what_holds_no_garment_is_refused(photo, reason):
    with pytest.raises(PhotoError) as caught:
        cut_out(photo)
    assert caught.value.reason == reason


@pytest.mark.parametrize("size", [(16, 16), (17, 160), (40, 64), (2000, 300)])
def test_odd_sizes_come_through(size):
    random = np.random.default_rng(3)
    photo = Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    try:
        cutout = cut_out(photo, size=64)
    except PhotoError:
        return
    assert cutout.image.shape == (64, 64, 3)
    assert not cutout.trusted


def test_real_photos_are_cut_as_their_masks_say(garments):
    with (garments / "metadata.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "val"][:16]
    scores, trusted = [], []
    for row in rows:
        photo = read_image(garments / row["file_name"])
        cutout = cut_out(photo)
        truth = cv2.resize(read_mask(garments / row["mask_file_name"]), photo.size, interpolation=cv2.INTER_NEAREST) > 0
        trusted.append(cutout.trusted)
        scores.append(overlap(cutout, truth))
    # The masks are GrabCut's own, right nine times in ten; where the second try differs it is mostly the better one.
    assert np.mean(trusted) > 0.8
    assert np.median(np.array(scores)[trusted]) > 0.95
