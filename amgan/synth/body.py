"""The garment's cut and how it lies: every length that follows from the seed alone, whatever its attributes are.

Coordinates: x = 0 is the garment's axis, y = 0 the neck points where collar and shoulder meet, one unit the picture's
side. ``Body.scale`` and ``Body.top`` put it into the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from amgan.synth.draw import Points, curve, mirror, points, ribbon, stream

Pose = Literal["flat", "hanging", "ghost"]

# Share of the arm that a sleeve covers.
SLEEVE_LENGTH = {"extra short": 0.1, "short": 0.31, "elbow": 0.5, "3/4": 0.72, "long": 1.0, "extra long": 1.17}

# Degrees from straight down: the upper arm's least and most, and about how much less the forearm's is.
ARM_ANGLES = {"flat": (19, 40, 16), "hanging": (9, 19, 5), "ghost": (14, 27, 12)}


@dataclass(frozen=True)
class Arm:
    """One arm of the garment, drawn on the side of positive x.

    Attributes:
        upper, lower: directions of upper arm and forearm, radians from straight down, outwards.
        length: shoulder to wrist.
        armhole: where the sleeve is set in, shoulder tip and armpit, (2, 2).
        wrist: width of the sleeve there.
    """

    upper: float
    lower: float
    length: float
    armhole: Points
    wrist: float

    def axis(self, t: np.ndarray) -> Points:
        """The line down the middle of the sleeve, at shares of the arm."""
        fine = np.linspace(min(t[0], 0.0), max(t[-1], 0.0), 48)
        # Direction turns smoothly at the elbow.
        bend = np.clip((fine - 0.35) / 0.3, 0, 1)
        angle = self.upper + (self.lower - self.upper) * bend * bend * (3 - 2 * bend)
        step = (fine[1] - fine[0]) * self.length
        x, y = (np.cumsum(part(angle)) * step for part in (np.sin, np.cos))
        x, y = (np.interp(t, fine, v) - np.interp(0.0, fine, v) for v in (x, y))
        return np.stack([x, y], axis=1) + self.armhole.mean(0)

    def width(self, t: np.ndarray, flare: float = 0.0) -> np.ndarray:
        """Width of the sleeve at shares of the arm."""
        top = np.hypot(*(self.armhole[0] - self.armhole[1]))
        t = np.asarray(t, np.float64)
        return top + (self.wrist - top) * np.clip(t, 0, 1) ** 0.7 + flare * t

    def edges(self, t: np.ndarray, flare: float = 0.0) -> tuple[Points, Points]:
        """Outer and inner edge of the sleeve at shares of the arm; they leave the armhole at its two ends."""
        path = self.axis(t)
        band = ribbon(path, self.width(t, flare))
        left, right = band[: len(t)], band[len(t) :][::-1]
        shift = path - self.armhole.mean(0)
        outer, inner = (self.armhole[i] + shift for i in (0, 1))
        if np.hypot(*(left[0] - outer[0])) > np.hypot(*(right[0] - outer[0])):
            left, right = right, left
        # At the armhole the edge is the shoulder's seam, not square to the arm.
        blend = np.clip(t / 0.22, 0, 1)[:, None]
        blend = blend * blend * (3 - 2 * blend)
        return outer + (left - outer) * blend, inner + (right - inner) * blend

    def sleeve(self, share: float, flare: float = 0.0) -> Points:
        """Outline of a sleeve that covers a share of the arm."""
        outer, inner = self.edges(np.linspace(0.0, share, 14), flare)
        return np.vstack([outer, inner[::-1]])

    def cut(self, share: float, width: float, flare: float = 0.0) -> Points:
        """A band around the sleeve that ends at a share of the arm: cuff, hem, rib."""
        outer, inner = self.edges(np.linspace(share - width / self.length, share, 5), flare)
        grow = (outer - inner) * 0.015
        return np.vstack([outer + grow, (inner - grow)[::-1]])


@dataclass(frozen=True)
class Body:
    """The cut of a garment and its pose, all lengths in units.

    Attributes:
        neck, shoulder, chest, waist, hem: half widths; ``shoulder_y``, ``armpit_y``, ``waist_y``, ``hem_y`` their
            heights.
        strap: half width where a sleeveless garment's shoulder ends.
        arms: of the right and the left side of the picture (the latter to be mirrored).
        scale, top: units of the picture for one of these, and where y = 0 lies in it.
        turn: rotation of the whole garment, radians.
    """

    pose: Pose
    neck: float
    shoulder: float
    shoulder_y: float
    strap: float
    chest: float
    armpit_y: float
    waist: float
    waist_y: float
    hem: float
    hem_y: float
    hem_curve: float
    arms: tuple[Arm, Arm]
    scale: float
    top: float
    turn: float

    @classmethod
    def draw(cls, seed: int) -> Body:
        g = stream(seed, "body")

        def between(low: float, high: float) -> float:
            return float(g.uniform(low, high))

        pose: Pose = ("flat", "flat", "hanging", "ghost")[g.integers(4)]  # type: ignore[assignment]
        cut = ("slim", "regular", "regular", "boxy", "a-line")[g.integers(5)]
        length = ("cropped", "regular", "regular", "regular", "long")[g.integers(5)]
        chest = {"slim": 0.17, "regular": 0.195, "boxy": 0.228, "a-line": 0.18}[cut] * between(0.94, 1.06)
        hem_y = {"cropped": 0.43, "regular": 0.57, "long": 0.66}[length] * between(0.95, 1.05)
        taper = {"slim": 0.9, "regular": 0.98, "boxy": 1.0, "a-line": 1.08}[cut] * between(0.97, 1.03)
        shoulder = min(chest * between(0.86, 0.98), chest - 0.012)
        shoulder_y = between(0.028, 0.058)
        armpit_y = shoulder_y + between(0.135, 0.165)
        waist = chest * taper * between(0.95, 1.0)
        hem = waist * {"slim": 1.04, "regular": 1.02, "boxy": 1.0, "a-line": 1.18}[cut] * between(0.98, 1.04)
        low, high, bend = ARM_ANGLES[pose]
        angle, elbow = between(low, high), between(0.3, 1.3) * bend
        arms = []
        for _ in range(2):
            upper = angle + between(-3, 3)
            arms.append(
                Arm(
                    np.radians(upper),
                    np.radians(max(2.0, upper - elbow + between(-4, 4))),
                    0.0,
                    points((shoulder, shoulder_y), (chest, armpit_y)),
                    0.0,
                )
            )
        reach, wrist = between(0.45, 0.5), between(0.07, 0.105)
        arms = [Arm(a.upper, a.lower, reach, a.armhole, wrist) for a in arms]
        # The frame is the same whatever the sleeves are: it has room for the longest.
        ends = np.vstack([a.sleeve(SLEEVE_LENGTH["extra long"]) for a in arms])
        wide = 0.47 / max(float(np.abs(ends[:, 0]).max()), hem)
        tall = 0.80 / max(hem_y, float(ends[:, 1].max()))
        scale = min(1.45, wide, tall) * between(0.93, 1.0)
        return cls(
            pose=pose,
            neck=between(0.062, 0.082),
            shoulder=shoulder,
            shoulder_y=shoulder_y,
            strap=shoulder * between(0.62, 0.92),
            chest=chest,
            armpit_y=armpit_y,
            waist=waist,
            waist_y=hem_y * between(0.55, 0.7),
            hem=hem,
            hem_y=hem_y,
            hem_curve=between(0.0, 0.012) if g.random() < 0.7 else between(0.02, 0.05),
            arms=(arms[0], arms[1]),
            scale=scale,
            top=between(0.15, 0.17),
            turn=np.radians(between(-3.5, 3.5)) if pose == "flat" else np.radians(between(-1, 1)),
        )

    def with_usual_arms(self, seen: bool) -> Body:
        """The same garment with arms as they mostly are: what an edit that adds sleeves cannot know of this one.

        Args:
            seen: whether the upper arms' direction is known, from short sleeves.
        """
        low, high, bend = ARM_ANGLES[self.pose]
        arms = []
        for arm in self.arms:
            upper = np.degrees(arm.upper) if seen else (low + high) / 2
            while True:
                usual = replace(
                    arm,
                    upper=np.radians(upper),
                    lower=np.radians(max(2.0, upper - 0.8 * bend)),
                    length=0.475,
                    wrist=0.0875,
                )
                # The frame was made for this garment's own arms; the usual ones keep within it.
                if seen or upper < 2 or np.abs(usual.sleeve(1.0)[:, 0]).max() * self.scale < 0.47:
                    break
                upper -= 1
            arms.append(usual)
        return replace(self, arms=(arms[0], arms[1]))

    def place(self, shape: Points) -> Points:
        """From the garment's coordinates to the picture's."""
        c, s = np.cos(self.turn) * self.scale, np.sin(self.turn) * self.scale
        x, y = shape[:, 0], shape[:, 1]
        return np.stack([0.5 + c * x - s * y, self.top + s * x + c * y], axis=1)

    # --- Outlines ---------------------------------------------------------------------------------------------------

    def side(self) -> Points:
        """From the armpit down to the hem, right side."""
        return curve(
            [(self.chest, self.armpit_y), (self.waist, self.waist_y), (self.hem, self.hem_y - self.hem_curve * 0.6)], 8
        )

    def lower_edge(self) -> Points:
        """The hem, right to left."""
        h, y, c = self.hem, self.hem_y, self.hem_curve
        return curve([(h, y - c * 0.6), (h * 0.5, y), (0, y + c * 0.3), (-h * 0.5, y), (-h, y - c * 0.6)], 6)

    def armhole(self, sleeve: str) -> Points:
        """From shoulder tip to armpit, right side. Without sleeves the cloth ends there, cut inwards."""
        inwards = self.strap if sleeve == "sleeveless" else self.shoulder
        drop = self.shoulder_y * (inwards - self.neck) / (self.shoulder - self.neck)
        hollow = 0.55 if sleeve == "sleeveless" else 0.22
        middle = (
            inwards + (self.chest - inwards) * (0.5 - hollow * 0.6),
            drop + (self.armpit_y - drop) * (0.5 + hollow * 0.25),
        )
        return curve([(inwards, drop), middle, (self.chest, self.armpit_y)], 8)

    def bare_top(self, sleeve: str) -> Points:
        """Upper edge of a garment without shoulders, left to right."""
        y = self.armpit_y - (0.045 if sleeve == "strapless" else 0.06)
        side, dip = self.chest * 0.97, 0.018 if sleeve == "strapless" else 0.035
        peak = (self.chest * 0.5, y - 0.012)
        right = curve([(0, y + dip), (self.chest * 0.25, y + dip * 0.3), peak, (side, self.armpit_y - 0.012)], 6)
        return np.vstack([mirror(right)[::-1], right[1:]])

    def straps(self) -> list[Points]:
        """Spaghetti straps, right side first."""
        top = self.bare_top("spaghetti")
        peak = top[np.argmin(np.hypot(top[:, 0] - self.chest * 0.5, top[:, 1] - top[:, 1].min()))]
        right = curve([peak + (0, 0.006), (self.chest * 0.48, peak[1] * 0.5), (self.neck + 0.012, 0.004)], 6)
        return [ribbon(right, 0.011), ribbon(mirror(right), 0.011)]

    def torso(self, sleeve: str, neckline: Points) -> Points:
        """Outline of front and back together, clockwise from the neckline's left end.

        Args:
            neckline: from the left neck point to the right one.
        """
        side = self.side()
        if sleeve in ("strapless", "spaghetti"):
            return np.vstack([self.bare_top(sleeve), side, self.lower_edge(), mirror(side)[::-1]])
        # Under a sleeve the cloth goes straight on to where the sleeve begins.
        hole = self.armhole(sleeve) if sleeve == "sleeveless" else self.arms[0].armhole
        return np.vstack([neckline, hole, side[1:], self.lower_edge(), mirror(side)[::-1], mirror(hole)[::-1][1:]])
