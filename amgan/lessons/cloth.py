"""The cloth of a garment, to cut new sleeves from: its colour, its grain, and a pattern that covers it all over."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from amgan.lessons.armholes import Fit
from amgan.lessons.real_sleeves import nearest_inside

GRAIN = 0.5  # how much of the torso's own light and shade a sleeve of plain cloth takes over
DIFFERENT = 14.0  # Lab, lightness counted half: so far from its surroundings' usual colour a pixel is another colour
PATTERNED = 0.2  # of the pixels in every part of the torso, from which on the cloth has a pattern all over


@dataclass(frozen=True)
class Cloth:
    """Attributes:
    whole: the garment's picture, continued beyond it, uint8 (S, S, 3).
    plain: the same without prints, float32 (S, S, 3): where it has another colour than the cloth, the cloth's.
    colour: of the cloth, RGB 0..255, float32 (3,).
    patterned: stripes, checks or a print go all over.
    """

    whole: np.ndarray
    plain: np.ndarray
    colour: np.ndarray
    patterned: bool

    @classmethod
    def of(cls, image: np.ndarray, mask: np.ndarray, fits: list[Fit], patterned: bool | None = None) -> Cloth:
        """Of a garment's picture, uint8 (S, S, 3), its mask, bool (S, S), and where its sleeves are set in.

        Args:
            patterned: measured where not known.
        """
        inside = cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8))
        whole = nearest_inside(image, inside)
        rows = slice(int(min(f.arm.armhole[1, 1] for f in fits)), int(0.95 * fits[0].bottom))
        torso = np.zeros_like(inside)
        torso[rows] = inside[rows]
        y = np.arange(len(mask))[:, None]
        for f in fits:
            out = f.side * (np.arange(len(mask))[None] - f.axis)
            torso[out > f.line[y[:, 0]][:, None]] = 0
        pixels = image[torso > 0]
        if not len(pixels):
            pixels = image[mask]
        colour = np.median(pixels, 0).astype(np.float32)
        lab = cv2.cvtColor(whole.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        if patterned is None:
            # Against the usual colour around it, so that shade over half a garment is no pattern.
            usual = cv2.medianBlur(whole, _odd(len(mask) // 5))
            distance = (lab - cv2.cvtColor(usual.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)) * (0.5, 1, 1)
            patterned = _all_over((distance**2).sum(2) > (DIFFERENT / 2) ** 2, torso > 0, fits)
        from_cloth = lab - cv2.cvtColor(colour[None, None] / 255, cv2.COLOR_RGB2LAB)[0, 0]
        printed = ((from_cloth * (0.5, 1, 1)) ** 2).sum(2) > DIFFERENT**2
        printed = cv2.dilate(printed.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        plain = np.where(printed[..., None], colour, whole).astype(np.float32)
        return cls(whole, plain, colour, patterned)

    def at(self, fit: Fit, along: np.ndarray, across: np.ndarray) -> np.ndarray:
        """Cloth for places in a sleeve, cut from the torso's side as it is, thread by thread: float32 (n, 3).

        Args:
            along: pixels from the armhole, (n,); across: from the sleeve's middle, inwards, (n,).
        """
        armpit = fit.arm.armhole[1, 1]
        first, length = armpit + 3, max(fit.bottom - 7 - armpit, 8)
        # Down the side, and up again where the sleeve is longer than that.
        y = first + length - np.abs(np.mod(along, 2 * length) - length)
        side = np.interp(y, np.arange(len(fit.line)), fit.line)
        # The sleeve's middle from the middle of this half of the torso.
        x = fit.axis + fit.side * np.clip(0.52 * side - across, 0, side - 3)
        x, y = x.astype(np.float32)[None], y.astype(np.float32)[None]
        source = self.whole.astype(np.float32) if self.patterned else self.plain
        cut = cv2.remap(source, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
        return cut if self.patterned else self.colour + GRAIN * (cut - self.colour)


def _all_over(other: np.ndarray, torso: np.ndarray, fits: list[Fit]) -> bool:
    """Whether other colours occur in every part of the torso: left and right, above and below, beside the print."""
    rows = np.flatnonzero(torso.any(1))
    if len(rows) < 8:
        return False
    out = np.arange(torso.shape[1])[None]
    shares = []
    for part in np.array_split(rows, 3):
        for f in fits:
            beside = f.side * (out - f.axis)
            place = torso.copy()
            place[: part[0]] = place[part[-1] + 1 :] = False
            place &= (beside > 0.45 * f.line[:, None]) & (beside < 0.92 * f.line[:, None])
            if place.sum() > 8:
                shares.append(other[place].mean())
    return len(shares) >= 4 and float(min(shares)) > PATTERNED


def _odd(value: int) -> int:
    return max(3, value | 1)
