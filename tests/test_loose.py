"""Pieces of cloth in the air beside a garment: none is left by an edit, and what lay there in the photo stays."""

from __future__ import annotations

import pytest
import torch

from amgan.editing.loose import without_loose
from amgan.models.interface import Generated

SIDE = 64
BODY, CLOTH = (slice(12, 56), slice(22, 42)), -0.4
END = (slice(40, 48), slice(52, 58))  # where a wrist would be
ARM = (slice(14, 48), slice(42, 58))


def garment(*parts: tuple[slice, slice]) -> torch.Tensor:
    """On white, (1, 3, S, S) in [-1, 1]."""
    x = torch.ones(1, 3, SIDE, SIDE)
    for part in (BODY, *parts):
        x[:, :, part[0], part[1]] = CLOTH
    return x


def edit(x: torch.Tensor, after: torch.Tensor) -> Generated:
    """The edit that paints ``after`` where it differs."""
    return Generated.blended(x, (x != after).any(1, keepdim=True).float(), after)


def test_an_end_without_its_sleeve_goes():
    x = garment()
    made = without_loose(x, edit(x, garment(END)))
    assert torch.equal(made.image, x) and not made.mask.any()


def test_an_end_that_stayed_when_its_sleeve_went_goes_too():
    x = garment(ARM)
    made = without_loose(x, edit(x, garment(END)))
    assert torch.equal(made.image, garment()) and made.mask[0, 0][ARM].all() and not made.mask[0, 0][BODY].any()


DUST, STRAP = (slice(60, 61), slice(2, 4)), (slice(2, 8), slice(26, 29))


@pytest.mark.parametrize("after", [garment(ARM), garment(), garment(DUST), garment(STRAP)])
def test_whole_sleeves_none_dust_and_what_is_above_are_left_as_they_are(after):
    x = garment()
    made = edit(x, after)
    assert without_loose(x, made) is made


def test_what_lay_beside_the_garment_in_the_photo_stays():
    x = garment(END)  # a mitten, say
    grown = x.clone()
    grown[:, :, 14:20, 10:22] = CLOTH  # on the other side
    made = edit(x, grown)
    assert without_loose(x, made) is made


def test_a_sleeve_with_a_white_stripe_is_one_piece():
    striped = garment(ARM)
    striped[:, :, 30:33, 42:58] = 1
    x = garment()
    made = edit(x, striped)
    assert without_loose(x, made) is made


def test_pictures_do_not_depend_on_each_other():
    x = torch.cat([garment(), garment(ARM), garment()])
    made = edit(x, torch.cat([garment(ARM), garment(END), garment(END)]))
    together = without_loose(x, made)
    for i in range(3):
        alone = without_loose(x[i : i + 1], made.rows(torch.tensor([i])))
        assert torch.equal(alone.image[0], together.image[i]) and torch.equal(alone.mask[0], together.mask[i])
    again = Generated.blended(x, together.mask, together.raw)
    assert torch.allclose(again.image, together.image)
