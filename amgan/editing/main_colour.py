"""The colour that most of a garment has: its ground under a print."""

from __future__ import annotations

import cv2
import numpy as np

BIN = 8  # side of the cells of Lab in which it is looked for
ALIKE = 16.0  # distance from which on colours are others
LIGHTNESS = 0.7  # what its difference counts: folds are no other colour
MOST = 0.55  # share of the garment; of two stripes each has half
SHADE, LEAST_SHADE = 0.9, 1.0  # quantile of what cloth's light and shade are off its colour, in Lab; never less than
FEWEST = 50  # pixels that say anything


def main_colour(pixels: np.ndarray) -> np.ndarray | None:
    """By mean shift (Comaniciu and Meer, 2002) from the fullest cell.

    Args:
        pixels: float32 (n, 3), RGB in [0, 1].

    Returns:
        Lab, (3,); None where no colour is most of them.
    """
    if len(pixels) < FEWEST:
        return None
    lab = cv2.cvtColor(pixels[None], cv2.COLOR_RGB2LAB)[0] * (LIGHTNESS, 1, 1)
    corner = lab.min(0)
    places = np.floor((lab - corner) / BIN).astype(np.int64)
    shape = places.max(0) + 1
    numbers, counts = np.unique(np.ravel_multi_index(tuple(places.T), tuple(shape)), return_counts=True)
    cells = np.stack(np.unravel_index(numbers, tuple(shape)), axis=1)
    around = np.linalg.norm(cells[:, None] - cells, axis=2) < 1.1  # a cell and its six neighbours
    colour = (cells[(around @ counts).argmax()] + 0.5) * BIN + corner
    for _ in range(5):
        near = np.linalg.norm(lab - colour, axis=1) < ALIKE
        if not near.any():
            return None
        colour = lab[near].mean(0)
    return colour / (LIGHTNESS, 1, 1) if near.mean() > MOST else None


def sleeves_colour(all_of_it: np.ndarray, sides: np.ndarray) -> np.ndarray | None:
    """The main colour of sleeves that a garment would have: its sides', which have less of a print and more of the
    shade; so as light as all of it, where that is not another colour.

    Args:
        all_of_it, sides: pixels, float32 (n, 3), RGB in [0, 1].

    Returns:
        Lab, (3,); None where no colour is most of either.
    """
    whole, side = main_colour(all_of_it), main_colour(sides)
    if whole is None or side is None:
        return side if whole is None else whole
    if np.linalg.norm((whole - side) * (LIGHTNESS, 1, 1)) < ALIKE:
        side[0] = whole[0]
    return side


def moved(picture: np.ndarray, by: np.ndarray) -> np.ndarray:
    """A picture, float32 (h, w, 3), RGB in [0, 1], whose colours are moved by so much of Lab, (3,)."""
    lab = cv2.cvtColor(np.clip(picture, 0, 1), cv2.COLOR_RGB2LAB)
    return cv2.cvtColor(lab + by.astype(np.float32), cv2.COLOR_LAB2RGB)


def lab_of(colour: np.ndarray) -> np.ndarray:
    """Of one colour, RGB (3,) in [0, 1]."""
    return cv2.cvtColor(colour.astype(np.float32)[None, None], cv2.COLOR_RGB2LAB)[0, 0]


def as_even(picture: np.ndarray, colour: np.ndarray, like: np.ndarray) -> np.ndarray:
    """A picture of cloth of one colour, no lighter, no darker and of no other tint than other cloth of it usually is.

    Args:
        picture: float32 (h, w, 3), RGB in [0, 1].
        colour: its main one, Lab, (3,).
        like: pixels of the other cloth, float32 (n, 3), RGB in [0, 1].
    """
    usual = cv2.cvtColor(like[None], cv2.COLOR_RGB2LAB)[0] - colour
    usual = usual[_alike(usual)]
    light, tint = usual[:, 0], np.linalg.norm(usual[:, 1:], axis=1)
    lab = cv2.cvtColor(np.clip(picture, 0, 1), cv2.COLOR_RGB2LAB)
    off = lab - colour.astype(np.float32)
    lighter, size = off[..., 0], cv2.magnitude(off[..., 1], off[..., 2])
    limit = np.where(lighter > 0, np.float32(_most(light[light > 0])), np.float32(_most(-light[light < 0])))
    off[..., 0] = limit * np.tanh(lighter / limit)
    limit = _most(tint)
    off[..., 1:] *= (limit * np.tanh(size / limit) / np.maximum(size, 1e-6))[..., None]
    return cv2.cvtColor(off + colour.astype(np.float32), cv2.COLOR_LAB2RGB)


def of_colour(picture: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Which pixels of a picture, float32 (h, w, 3), RGB in [0, 1], are of that colour, Lab (3,), if in another light:
    bool (h, w)."""
    return _alike(cv2.cvtColor(picture, cv2.COLOR_RGB2LAB) - colour)


def _alike(off: np.ndarray) -> np.ndarray:
    """Whether colours so far apart in Lab, (..., 3), are one in other lights: bool (...)."""
    return np.linalg.norm(off * (LIGHTNESS, 1, 1), axis=-1) < ALIKE


def _most(off: np.ndarray) -> float:
    """How far cloth mostly is off its colour, (n,)."""
    return max(LEAST_SHADE, float(np.quantile(off, SHADE)) if len(off) else 0)
