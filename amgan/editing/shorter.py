"""Sleeves of a length in between, by way of shorter ones.

Few garments have 3/4 sleeves, and a generator that saw few of them leaves long ones as they are, or grows wings beside
them. It takes sleeves away reliably, and grows them from short ones: where the edit did not shorten a garment's sleeves
that an edit to a shorter value does shorten, the two are made in turn.
"""

from __future__ import annotations

from torch import Tensor

from amgan.editing.shapes import WHITE
from amgan.editing.sides import CLOTH
from amgan.models.interface import Generated

SHORTER = {"3/4": "short"}  # of the attribute sleeve: a value in between, and the one by whose way it is reached
SLEEVES = 0.05  # share of a garment that is its sleeves, when the edit to the shorter value takes so much away
SHORTENED = 0.15  # share of that which an edit to the value in between takes away as well


def stayed_long(x: Tensor, edited: Tensor, shorter: Tensor) -> Tensor:
    """Which garments' sleeves an edit should have shortened and did not: bool (B,).

    Args:
        x, edited, shorter: pictures, their edit, and their edit to the shorter value, float (B, 3, H, W) in [-1, 1],
            garments on white.
    """
    cloth = x.amin(1) < 2 * CLOTH - 1  # (B, H, W)
    by_edit, by_shorter = ((cloth & (y.amin(1) >= 2 * WHITE - 1)).flatten(1).sum(1) for y in (edited, shorter))
    return (by_shorter > SLEEVES * cloth.flatten(1).sum(1)) & (by_edit < SHORTENED * by_shorter)


def in_turn(x: Tensor, first: Generated, second: Generated) -> Generated:
    """Two edits, the second of the first one's pictures, as one of ``x``: image = x + mask (raw - x)."""
    mask = 1 - (1 - first.mask) * (1 - second.mask)
    raw = x + (second.image - x) / mask.clamp_min(1e-3)
    return Generated(second.image, mask, raw.clamp(-1, 1))
