"""Where a garment's sleeves are set in and how they lie, found on its silhouette alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amgan.synth.body import SLEEVE_LENGTH, Arm
from amgan.synth.draw import points

# Measured on real garments whose sleeves lie free (medians of 48 long and 823 short sleeves).
LENGTH, WRIST = 0.77, 0.46  # of a long sleeve over the garment's height; its wrist over the armhole
SHORT_HEM = (0.18, 0.10), (0.09, -0.01)  # of a short sleeve over the height, from the shoulder and from the armpit
LEAST_ARMHOLE = 0.23  # over the height: few are smaller

BARE_ANGLE = (30.0, 20.0)  # upper arm and forearm, degrees from straight down, where no sleeve shows the direction


@dataclass(frozen=True)
class Fit:
    """Where one side of a garment's sleeves are set in, in pixels, x outwards from the garment's axis.

    Attributes:
        axis: column of the garment's axis.
        side: 1 for the right side of the picture, -1 for the left.
        arm: the sleeve that it would have, at full length.
        line: offset of the torso's side in every row, (S,).
        bottom: the hem's row.
        height: of the garment.
    """

    axis: float
    side: int
    arm: Arm
    line: np.ndarray
    bottom: int
    height: int

    def sleeve(self, share: float, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Outer and inner edge of the sleeve that covers a share of the arm, at places t of its length, (n, 2) each.

        One that ends above the elbow stands off: it points outwards, where a long one would lie.
        """
        if share >= SLEEVE_LENGTH["elbow"]:
            return self.arm.edges(t * share)
        reach = share / SLEEVE_LENGTH["short"] * self.height
        outer, inner = (a + t[:, None] * reach * np.array(h) for a, h in zip(self.arm.armhole, SHORT_HEM, strict=True))
        return outer, inner


def fit_sleeves(mask: np.ndarray, has_sleeves: bool) -> list[Fit] | None:
    """Find shoulders, armpits and the direction of the sleeves on a silhouette.

    Args:
        mask: bool (S, S), a garment without sleeves or with short ones, framed as ``cut_out`` does.
        has_sleeves: whether it has sleeves.

    Returns:
        Both sides; None where the silhouette is not that of a garment lying straight.
    """
    size = mask.shape[0]
    rows = np.flatnonzero(mask.any(1))
    if len(rows) < size // 3:
        return None
    top, bottom = int(rows[0]), int(rows[-1])
    height = bottom - top
    left = np.where(mask.any(1), mask.argmax(1), size // 2).astype(np.float64)
    right = np.where(mask.any(1), size - 1 - mask[:, ::-1].argmax(1), size // 2).astype(np.float64)
    low = slice(top + int(0.6 * height), top + int(0.95 * height))
    axis = float(np.median((left + right)[low]) / 2)
    fits = []
    for side, edge in ((1, right - axis), (-1, axis - left)):
        fit = _fit_side(mask, has_sleeves, edge, axis, side, top, bottom)
        if fit is None:
            return None
        fits.append(fit)
    a, b = (f.arm for f in fits)
    # One shirt, two sides: where they differ much the silhouette is at fault.
    if abs(a.armhole[1, 0] - b.armhole[1, 0]) > 0.09 * size or abs(a.armhole[0, 1] - b.armhole[0, 1]) > 0.09 * size:
        return None
    return fits


def _fit_side(
    mask: np.ndarray, has_sleeves: bool, edge: np.ndarray, axis: float, side: int, top: int, bottom: int
) -> Fit | None:
    size, height = mask.shape[0], bottom - top
    y = np.arange(size)
    low = slice(top + int(0.55 * height), top + int(0.9 * height))
    slope = float(np.clip(np.polyfit(y[low], edge[low], 1)[0], -0.12, 0.12))
    line = np.median(edge[low] - slope * y[low]) + slope * y
    if not 0.1 * size < line[top + height // 2] < 0.4 * size or np.abs(edge[low] - line[low]).mean() > 0.03 * size:
        return None
    upper = np.arange(top, top + int(0.5 * height))
    if has_sleeves:
        beyond = upper[(edge - line)[upper] > 0.025 * size]
        armpit = float(beyond[-1] + 1) if len(beyond) else top + 0.28 * height
    else:
        within = upper[(edge - line)[upper] < -0.015 * size]
        armpit = float(within[-1] + 1) if len(within) else top + 0.28 * height
    armpit = float(np.clip(armpit, top + 0.2 * height, top + 0.4 * height))
    chest = float(line[int(armpit)])
    # The shoulder: above the chest's edge where there is a sleeve, where the strap ends where there is none.
    if has_sleeves:
        across = 0.93 * chest
    else:
        across = min(float(edge[top : top + int(0.14 * height)].max()), 0.97 * chest) - 1
        if across < 0.6 * chest:
            return None  # narrow straps: there is no shoulder to sew a sleeve to
    column = int(np.clip(round(axis + side * across), 0, size - 1))
    filled = np.flatnonzero(mask[: int(armpit), column])
    if not len(filled):
        return None
    shoulder = float(filled[0])
    armpit = max(armpit, shoulder + LEAST_ARMHOLE * height)
    armhole = points((across, shoulder), (chest, armpit))
    middle = armhole.mean(0)
    upper_angle, lower_angle = BARE_ANGLE
    if has_sleeves:
        ys, xs = np.nonzero(mask)
        out = side * (xs - axis)
        sleeve = (out > np.interp(ys, [shoulder, armpit], [across, chest])) & (ys < armpit) & (out > across)
        if sleeve.sum() > 0.002 * size**2:
            dx, dy = out[sleeve].mean() - middle[0], ys[sleeve].mean() - middle[1]
            shown = np.degrees(np.arctan2(max(dx, 0.0), max(dy, -0.3 * dx)))
            upper_angle = float(np.clip(0.35 * shown + 0.65 * BARE_ANGLE[0], 20, 52))
            lower_angle = 0.62 * upper_angle
    width = float(np.hypot(*(armhole[0] - armhole[1])))
    arm = Arm(np.radians(upper_angle), np.radians(lower_angle), LENGTH * height, armhole, WRIST * width)
    # The frame has room: a sleeve that would leave it is a little shorter.
    reach = np.abs(arm.sleeve(1.0)[:, 0]).max()
    room = (size - 3 - axis if side > 0 else axis - 3) / max(reach, 1.0)
    if room < 1:
        arm = Arm(arm.upper * room**2, arm.lower * room**2, arm.length * max(room, 0.85), armhole, arm.wrist)
    return Fit(axis, side, arm, line, bottom, height)
