"""Prints that are taken off where they are: the cloth around them stays the photo's, and its light goes on."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from amgan.editing.in_place import taken_off_in_place
from amgan.models.interface import Generated

SIDE = 128
COLOUR, FLAT, OTHER = np.float32([0.25, 0.45, 0.6]), np.float32([0.2, 0.38, 0.52]), np.float32([0.9, 0.2, 0.15])
GARMENT = slice(20, 110), slice(24, 104)
PRINT = slice(44, 74), slice(48, 80)


def shirt(kind: str) -> np.ndarray:
    """A garment on white, (S, S, 3) in [0, 1], lighter to the right."""
    picture = np.ones((SIDE, SIDE, 3), np.float32)
    light = np.linspace(0.8, 1.25, SIDE, dtype=np.float32)[None, :, None]
    weave = np.random.default_rng(0).normal(0, 0.006, (SIDE, SIDE, 1)).astype(np.float32)
    picture[GARMENT] = (COLOUR * light + weave)[GARMENT]
    if kind == "print":
        picture[PRINT] = OTHER
    elif kind == "letters":  # of little colour, and beside a print
        picture[PRINT] = OTHER
        picture[82:88, 44:84:4] -= 0.12
    elif kind == "white print":
        picture[PRINT] = 1
    elif kind == "striped":
        picture[GARMENT][::6] = picture[GARMENT][1::6] = OTHER
    elif kind == "camouflage":
        rows, columns = np.indices((SIDE, SIDE))[:, GARMENT[0], GARMENT[1]] // 7
        picture[GARMENT] *= np.float32([[1, 1, 1], [2.4, 0.5, 0.4], [0.3, 1.8, 0.5]])[(rows + columns) % 3]
    return picture


def made_plain(picture: np.ndarray) -> tuple[torch.Tensor, Generated]:
    """The picture, and an edit that paints all of the garment in one flat colour, not quite its own."""
    x = torch.from_numpy(2 * picture - 1).permute(2, 0, 1)[None]
    mask, raw = torch.zeros(1, 1, SIDE, SIDE), x.clone()
    mask[0, 0][GARMENT] = 1
    raw[0][:, GARMENT[0], GARMENT[1]] = torch.from_numpy(2 * FLAT - 1)[:, None, None]
    return x, Generated(mask * raw + (1 - mask) * x, mask, raw)


def unit(a: torch.Tensor) -> np.ndarray:
    return ((a[0].permute(1, 2, 0) + 1) / 2).numpy()


@pytest.mark.parametrize("kind", ["print", "white print", "letters"])
def test_a_print_goes_and_the_cloth_around_it_stays(kind):
    x, made = made_plain(shirt(kind))
    edited = taken_off_in_place(x, made)
    after, plain = unit(edited.image), shirt("plain")
    assert np.abs(after - plain).max() < 0.05, "the garment without the print, in its light"
    beside = slice(98, 106), slice(30, 100)
    assert np.array_equal(after[beside], unit(x)[beside]) and not edited.mask[0, 0][beside].any()
    assert edited.mask[0, 0][PRINT].min() > 0.99
    assert torch.allclose(edited.image, edited.mask * edited.raw + (1 - edited.mask) * x, atol=1e-5)


def test_letters_are_seen_by_their_detail():
    """What is not told by its colour is: the letters are as light as a fold."""
    x, made = made_plain(shirt("letters"))
    assert taken_off_in_place(x, made).mask[0, 0, 82:88, 48:80].mean() > 0.9
    x, made = made_plain(shirt("print"))
    assert taken_off_in_place(x, made).mask[0, 0, 84:88, 48:80].mean() < 0.1


@pytest.mark.parametrize("kind", ["striped", "camouflage", "plain"])
def test_a_pattern_all_over_and_none_are_the_generators_in_the_photos_colour(kind):
    x, made = made_plain(shirt(kind))
    edited, inside = taken_off_in_place(x, made), (slice(32, 98), slice(36, 92))
    assert torch.equal(edited.mask, made.mask)
    plain, before, after = shirt("plain")[inside], unit(made.image)[inside], unit(edited.image)[inside]
    assert np.abs(before - plain).max() > 0.08, "the generator's colour is another, and without light"
    if kind == "camouflage":  # no colour is most of it
        assert torch.equal(edited.image, made.image) and torch.equal(edited.raw, made.raw)
    else:
        assert np.abs(after - plain).max() < 0.06
        assert np.abs(after - cv2.GaussianBlur(after, (0, 0), 2)).max() < 0.01, "nothing of the pattern comes with it"


def test_only_what_the_generator_painted_takes_the_colour():
    x, made = made_plain(shirt("striped"))
    mask = made.mask.clone()
    mask[:, :, 90:] = 0  # the hem, say, was plain
    edited = taken_off_in_place(x, Generated.blended(x, mask, made.raw))
    assert torch.equal(edited.image[:, :, 90:], x[:, :, 90:]) and torch.equal(edited.mask, mask)
    assert np.abs(unit(edited.image) - shirt("plain"))[32:86, 36:92].max() < 0.06


def test_each_picture_by_itself():
    pairs = [made_plain(shirt(kind)) for kind in ("striped", "print", "plain")]
    x = torch.cat([p[0] for p in pairs])
    made = Generated(*(torch.cat([p[1][i] for p in pairs]) for i in range(3)))
    together = taken_off_in_place(x, made)
    for i, (one, edit) in enumerate(pairs):
        alone = taken_off_in_place(one, edit)
        assert torch.equal(together.image[i], alone.image[0]) and torch.equal(together.mask[i], alone.mask[0])
    assert not torch.equal(together.image[1], made.image[1])
