"""Colour from pixels: plain colours have their names, and on real photos the name agrees with the given label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from amgan.data.imagefolder import read_imagefolder
from amgan.evaluation.stray import stray_share
from amgan.photos import cut_out, read_image, read_mask
from amgan.photos.colour_names import MULTI, PALETTE_NAMES, name_colour, name_points, named_shares

PLAIN = {
    "black": (22, 22, 24),
    "white": (238, 238, 236),
    "gray": (128, 128, 128),
    "navy": (24, 30, 66),
    "blue": (40, 100, 190),
    "red": (195, 30, 40),
    "pink": (236, 150, 175),
    "purple": (105, 55, 140),
    "green": (45, 125, 60),
    "yellow": (238, 210, 60),
    "beige": (215, 198, 165),
    "brown": (108, 74, 48),
}


def cloth(colour: tuple[int, int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A shaded, slightly noisy patch on white, and its mask."""
    rng = np.random.default_rng(seed)
    image = np.full((128, 128, 3), 255, np.uint8)
    shade = np.linspace(0.9, 1.08, 80)[None, :, None] * np.array(colour) + rng.normal(0, 3, (80, 80, 3))
    image[24:104, 24:104] = np.clip(shade, 0, 255).astype(np.uint8)
    mask = np.zeros((128, 128), np.uint8)
    mask[24:104, 24:104] = 255
    return image, mask


@pytest.mark.parametrize("name", PLAIN)
def test_plain_cloth_has_its_name(name: str) -> None:
    colour = name_colour(*cloth(PLAIN[name]))
    assert colour.name == name
    assert colour.share > 0.9


def test_every_value_but_multi_is_in_the_palette() -> None:
    assert set(PLAIN) | {MULTI} == set(PALETTE_NAMES)


def test_shares_decide_and_no_half_is_multi() -> None:
    image, mask = cloth(PLAIN["red"])
    image[24:104, 24:50] = PLAIN["blue"]
    colour = name_colour(image, mask)
    assert colour.name == "red"
    assert colour.share == pytest.approx(0.68, abs=0.06)
    assert set(colour.shares) == {"red", "blue"}
    image[24:104, 50:76] = PLAIN["green"]
    colour = name_colour(image, mask)
    assert colour.name == MULTI
    assert sum(colour.shares.values()) == pytest.approx(1)


def test_of_a_garment_on_white_colours_have_shares_and_multi_is_half_where_none_is_most() -> None:
    image, _ = cloth(PLAIN["red"])
    assert named_shares(image) == {"red": pytest.approx(1)}
    image[24:104, 24:50] = PLAIN["blue"]
    shares = named_shares(image)
    assert shares == {"red": pytest.approx(0.68, abs=0.06), "blue": pytest.approx(0.32, abs=0.06)}
    image[24:104, 50:76] = PLAIN["green"]
    shares = named_shares(image)
    assert shares[MULTI] == 0.5 and set(shares) == {"red", "blue", "green", MULTI}
    assert sum(shares.values()) == pytest.approx(1)
    assert named_shares(cloth(PLAIN["white"])[0])["white"] > 0.9
    assert named_shares(np.full((64, 64, 3), 255, np.uint8)) == {"white": pytest.approx(1)}


def test_only_the_mask_counts_and_its_edge_does_not() -> None:
    image, mask = cloth(PLAIN["green"])
    image[mask == 0] = PLAIN["red"]
    image[24, 24:104] = image[103, 24:104] = PLAIN["yellow"]
    assert name_colour(image, mask).shares == {"green": pytest.approx(1)}


def test_small_and_empty_masks() -> None:
    image, _ = cloth(PLAIN["red"])
    mask = np.zeros((128, 128), np.uint8)
    with pytest.raises(ValueError, match="empty mask"):
        name_colour(image, mask)
    mask[60, 60] = 255
    assert name_colour(image, mask).name == "red"


def test_the_name_never_varies() -> None:
    image, mask = cloth(PLAIN["beige"], seed=5)
    assert name_colour(image, mask) == name_colour(image.copy(), mask.copy())


def test_nearest_point_is_a_loop() -> None:
    from amgan.photos.colour_names import PALETTE

    rng = np.random.default_rng(1)
    lab = np.stack([rng.uniform(0, 100, 200), rng.uniform(-60, 60, 200), rng.uniform(-60, 60, 200)], axis=1).astype(
        np.float32
    )
    for point, index in zip(lab, name_points(lab), strict=True):
        light, a, b = (float(v) for v in point)
        if (a * a + b * b) ** 0.5 < 6:
            expected = "white" if light >= 66 else "black" if light <= 26 else "gray"
        else:
            expected = min(
                PALETTE, key=lambda p: (0.6 * (light - p[1][0])) ** 2 + (a - p[1][1]) ** 2 + (b - p[1][2]) ** 2
            )[0]
        assert PALETTE_NAMES[index] == expected


def test_stray_paint_is_neither_white_nor_cloth() -> None:
    before, mask = cloth(PLAIN["blue"])
    garment, painted = mask > 0, np.zeros((128, 128), dtype=bool)
    assert np.isnan(stray_share(before, before, garment, painted))
    painted[30:60, 4:44] = True  # half on the cloth, half next to it
    shaded, halo, erased = before.copy(), before.copy(), before.copy()
    shaded[painted] = (34, 86, 165)
    halo[30:60, 4:24] = PLAIN["green"]
    erased[painted] = 253
    assert stray_share(before, before, garment, painted) < 0.02
    assert stray_share(before, shaded, garment, painted) == 0
    assert stray_share(before, erased, garment, painted) == 0
    assert stray_share(before, halo, garment, painted) == pytest.approx(0.5, abs=0.02)


def test_agreement_with_the_given_labels_of_real_photos(garments: Path) -> None:
    """Validation photos, which the palette was not fitted on, cut out at 128 px as they are measured."""
    folder = read_imagefolder(garments)
    column = folder.schema.index("color")
    right = []
    for record in folder.split("val")[:60]:
        given = folder.schema.values("color")[record.labels[column]]
        cut = cut_out(read_image(garments / record.file_name), read_mask(garments / record.mask_file_name), 128)
        right.append(name_colour(cut.image, cut.mask).name == given)
    assert np.mean(right) >= 0.8
