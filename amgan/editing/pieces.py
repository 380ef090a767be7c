"""Cloth by the piece: a length of the garment's own side, thread by thread, with its folds.

What stripes, checks and flowers are no patch says as well as the cloth itself. As a tailor does it, a sleeve is cut
with its length along the garment's; where it is longer than the garment the piece goes up again. The cloth has to be
patterned all over, or plain: a print that ends on the way, a button or an emblem does not go into sleeves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from amgan.editing.shapes import Box, blur_within, large_box, middle_and_reach, resized

Side = Literal["left", "right"]  # of the picture

SHADE = 7.0  # low-pass in pixels of the model: what is coarser is light and shade
FINE = 1.5  # the same, above which a pattern is told from folds; and looked at in a picture that is
LOOKED_AT = 2  # times the model's size
CONTRAST = 0.037  # of 1, root mean square: a pattern has it above FINE in every part of the piece
PLAIN = 0.05  # and plain cloth in none
TINT = 3.0  # of Lab, root mean square over a piece: a pattern in another colour has more
PARTS = (4, 3)  # of a piece that are looked at, along and across
FRONT = 0.1  # of the garment's width, from its middle: no piece has zips, buttons and laces
HEM = 0.1  # of its height, from below: nor its hem
NARROWEST, SHORTEST = 8, 16  # pixels of the model that a piece has across and along
BESIDE = 0.5  # of its length's pixels that a piece is worth less for each pixel from the garment's side


class Piece(NamedTuple):
    """Of cloth.

    Attributes:
        detail: what lies above light and shade, float32 (H, W, 3) of mean 0, at the photo's size.
        mean: of the photo there, float32 (3,), RGB in [0, 1].
        like: all of the garment's cloth, float32 (n, 3), RGB in [0, 1].
    """

    detail: np.ndarray
    mean: np.ndarray
    like: np.ndarray

    def sheet(self, height: int, width: int) -> np.ndarray:
        """As much of it as that, turned over at its ends, float32 (height, width, 3)."""
        more = [max(0, wanted - has) for wanted, has in zip((height, width), self.detail.shape, strict=False)]
        across = more[1] // 2, more[1] - more[1] // 2
        return np.pad(self.detail, ((0, more[0]), across, (0, 0)), mode="symmetric")


def cut_pieces(
    photo: np.ndarray, own: np.ndarray, plain: np.ndarray, needed: Iterable[tuple[Side, float, float]]
) -> dict[Side, Piece]:
    """A piece for each side that needs one, be it from the other side; none where the cloth is neither patterned all
    over nor plain.

    Args:
        photo: float32 (S, S, 3) in [0, 1], on white.
        own: bool (h, w), at the model's size: certainly cloth.
        plain: bool (h, w), what of it has the main colour.
        needed: on which side, and the length and width, in pixels of the model.
    """
    sizes: dict[Side, tuple[float, float]] = {}
    for side, length, width in needed:
        so_far = sizes.get(side, (0.0, 0.0))
        sizes[side] = max(so_far[0], length), max(so_far[1], width)
    small, looked_at = resized(photo, own.shape[0]), LOOKED_AT * own.shape[0]
    middle, there = resized(photo, looked_at), resized(own, looked_at)
    fine = middle - blur_within(middle, there, FINE * LOOKED_AT)

    def contrasts(box: Box) -> list[float]:
        return _contrasts(fine[large_box(box, LOOKED_AT, looked_at)])

    found = _places(own, sizes)
    weakest = [max(min(contrasts(box)), 1e-6) for box in found.values()]
    if not found or np.exp(np.log(weakest).mean()) <= CONTRAST:  # not patterned, both sides seen together
        found = {
            side: box
            for side, box in _places(plain, sizes).items()
            if max(contrasts(box)) <= PLAIN and _tint(small[box]) <= TINT
        }
    if not found:
        return {}
    light, cloth = blur_within(small, own, SHADE), small[own]
    cut = {side: _cut(photo, light, box, cloth) for side, box in found.items()}
    return {side: cut.get(side) or next(iter(cut.values())) for side in sizes}


def even(colour: np.ndarray, there: np.ndarray) -> np.ndarray:
    """A generator's colours, float32 (h, w, 3), where there is cloth, bool (h, w), without what it made of folds and
    patterns."""
    return blur_within(colour, there, 2 * FINE)


def _places(own: np.ndarray, sizes: dict[Side, tuple[float, float]]) -> dict[Side, Box]:
    """Of a piece for each side, where there is one."""
    cloth = own & ~_at_the_front(own) & ~_at_the_hem(own)
    boxes = {side: _place(cloth, side, *size) for side, size in sizes.items()}
    return {side: box for side, box in boxes.items() if box is not None}


def _at_the_front(own: np.ndarray) -> np.ndarray:
    """Columns in which a garment may have a zip, buttons or laces, bool (w,)."""
    middle, reach = middle_and_reach(own)
    return np.abs(np.arange(own.shape[1]) - middle) <= FRONT * reach


def _at_the_hem(own: np.ndarray) -> np.ndarray:
    """Rows in which it may have a hem, bool (h, 1)."""
    middle, reach = middle_and_reach(own.T)
    return (np.arange(len(own)) > middle + (0.5 - HEM) * reach)[:, None]


def _place(own: np.ndarray, side: Side, length: float, width: float) -> Box | None:
    """The longest piece near a side; a narrower one where there is none."""
    columns = np.flatnonzero(own.any(0))
    for across in (math.ceil(share * width) for share in (1, 0.75, 0.5)):
        if across < NARROWEST or not len(columns) or across > np.ptp(columns) + 1:
            continue
        there = own[:, columns[0] : columns[-1] + 1]
        lengths, ends = _longest_runs(np.asarray(sliding_window_view(there, across, axis=1).all(2)))
        aside = np.arange(len(lengths)) if side == "left" else np.arange(len(lengths))[::-1]
        worth = np.where(lengths < SHORTEST, -np.inf, np.minimum(lengths, length) - BESIDE * aside)
        best = int(worth.argmax())
        if np.isfinite(worth[best]):
            start = int(columns[0]) + best
            return slice(int(ends[best] - lengths[best]), int(ends[best])), slice(start, start + across)
    return None


def _longest_runs(flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of true ones down each column of bool (h, n): their lengths and where they end, int64 (n,)."""
    so_far = np.cumsum(flags, axis=0)
    run = so_far - np.maximum.accumulate(np.where(flags, 0, so_far), axis=0)
    return run.max(0), run.argmax(0) + 1


def _contrasts(fine: np.ndarray) -> list[float]:
    """Of the parts of a piece (h, w, 3)."""
    power = (fine**2).mean(2)
    down, across = (np.array_split(np.arange(n), k) for n, k in zip(power.shape, PARTS, strict=True))
    return [float(power[np.ix_(rows, columns)].mean() ** 0.5) for rows in down for columns in across]


def _tint(cloth: np.ndarray) -> float:
    """How far apart the tints of a piece are, of RGB (h, w, 3), float32; grain counts little."""
    tint = cv2.cvtColor(cv2.GaussianBlur(cloth, (0, 0), 1), cv2.COLOR_RGB2LAB)[..., 1:]
    return float(np.linalg.norm(tint.std((0, 1))))


def _cut(photo: np.ndarray, light: np.ndarray, box: Box, like: np.ndarray) -> Piece:
    cloth = photo[large_box(box, photo.shape[0] / light.shape[0], photo.shape[0])]
    detail = cloth - cv2.resize(light[box], cloth.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return Piece(detail - detail.mean((0, 1)), cloth.mean((0, 1)), like)
