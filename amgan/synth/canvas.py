"""A picture in the making: parts of a garment, painted from back to front, with shade and shadow."""

from __future__ import annotations

import cv2
import numpy as np

from amgan.synth.body import Arm, Body
from amgan.synth.cloth import Cloth
from amgan.synth.draw import Array, Mask, Points, fill, mirror, ribbon, smoothstep
from amgan.synth.light import Light, rounding
from amgan.synth.palette import Colour

PARTS = ("torso", "sleeves", "collar", "fastening", "inside", "pocket")
LINES = 0.72  # how strong seams and outlines are
MARGIN = 3  # pixels around a part that its soft edge may reach


class Canvas:
    """Paints shapes given in the garment's coordinates.

    Attributes:
        picture: float32 (S, S, 3), 0..255.
        cover: uint8 (S, S), where there is garment.
        part: uint8 (S, S), the index into ``PARTS`` plus one of what is seen at a pixel.
    """

    def __init__(self, size: int, body: Body, cloth: Cloth, light: Light, background: float) -> None:
        self.size, self.body, self.cloth, self.light = size, body, cloth, light
        self.picture = np.full((size, size, 3), background, np.float32)
        self.cover = np.zeros((size, size), np.uint8)
        self.part = np.zeros((size, size), np.uint8)
        # The garment's coordinates of every pixel, moved by the folds.
        pixel = ((np.arange(size, dtype=np.float32) + 0.5) / size)[None, :]
        x, y = pixel - np.float32(0.5), pixel.T - np.float32(body.top)
        c, s = np.float32(np.cos(body.turn) / body.scale), np.float32(np.sin(body.turn) / body.scale)
        bend = self._fit(np.moveaxis(light.bend, 0, -1))
        self.x = c * x + s * y + bend[..., 0]
        self.y = -s * x + c * y + bend[..., 1]
        self.folds = {"torso": self._fit(light.torso), "sleeves": self._fit(light.sleeves)}

    def _fit(self, field: Array) -> Array:
        if len(field) == self.size:
            return field
        return cv2.resize(field, (self.size, self.size), interpolation=cv2.INTER_LINEAR)

    def mask(self, *shapes: Points) -> Mask:
        return fill(self.size, *(self.body.place(s) for s in shapes))

    def sheet(self, which: str, x: Array, y: Array) -> Array:
        """Cloth at coordinates: picture float32 (h, w, 3)."""
        source = getattr(self.cloth, which)
        size = len(source)
        mapped = cv2.remap(
            source,
            (x + 0.5) * size - 0.5,
            y * size - 0.5,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        return mapped.astype(np.float32)

    def paint(
        self,
        part: str,
        shapes: list[Points],
        look: str | Colour = "trim",
        tone: float = 1.0,
        lift: float = 0.0,
        folds: str | None = "torso",
        edge: tuple[float, float] = (0.012, 0.16),
        factor: Array | None = None,
        arm: tuple[Arm, bool] | None = None,
        within: Mask | None = None,
    ) -> Mask:
        """Paint shapes as one part.

        Args:
            look: the cloth to cut them from (``torso``, ``sleeve``, ``trim``), or a colour.
            tone: brightness factor.
            lift: how far the part lies above what is under it, which it shades, in units.
            folds: whose folds run through it; None for none.
            edge: radius and depth of the darkening along its edge.
            factor: another brightness factor (S, S).
            arm: the pattern runs along this arm; True: of the left side.
            within: paint only there.

        Returns:
            Its coverage, uint8 (S, S).
        """
        mask = self.mask(*shapes)
        if within is not None:
            mask = np.minimum(mask, within)
        x0, y0, w, h = cv2.boundingRect(mask)
        if w == 0:
            return mask
        if lift:
            self.cast(mask, lift)
        box = np.s_[max(0, y0 - MARGIN) : y0 + h + MARGIN, max(0, x0 - MARGIN) : x0 + w + MARGIN]
        x, y = self.x[box], self.y[box]
        if arm is not None:
            x, y = along_arm(*arm, x, y)
        colour = self.sheet(look, x, y) if isinstance(look, str) else np.asarray(look, np.float32)
        shade = tone * rounding(mask[box], *edge)
        if folds is not None:
            shade = shade * self.folds[folds][box]
        if factor is not None:
            shade = shade * factor[box]
        share = (mask[box].astype(np.float32) / 255)[..., None]
        self.picture[box] += share * (lit(colour, shade) - self.picture[box])
        self.cover[box] = np.maximum(self.cover[box], mask[box])
        self.part[box][mask[box] > 127] = PARTS.index(part) + 1
        return mask

    def cast(self, mask: Mask, lift: float, strength: float = 0.45) -> None:
        """Shade what lies under a part: a soft shadow away from the light."""
        size, towards = self.size, self.light.towards
        blur = 0.5 * lift + 0.002
        x0, y0, w, h = cv2.boundingRect(mask)
        reach = int((3 * blur + lift) * size) + 2
        box = np.s_[max(0, y0 - reach) : y0 + h + reach, max(0, x0 - reach) : x0 + w + reach]
        near = np.ascontiguousarray(mask[box])
        shadow = cv2.GaussianBlur(near, (0, 0), max(blur * size, 0.3))
        move = np.array([[1, 0, -towards[0] * lift * size], [0, 1, -towards[1] * lift * size]], np.float32)
        shadow = cv2.warpAffine(shadow, move, near.shape[::-1])
        # On the background a shadow falls softly once, under the whole garment: not here.
        under = shadow.astype(np.float32) * self.cover[box] * (strength / 255**2)
        self.picture[box] *= 1 - under[..., None]

    def tone(self, shapes: list[Points], factor: float, within: Mask | None = None) -> None:
        """Darken (below 1) or brighten what is there: seams, stitches, hollows."""
        mask = np.minimum(self.mask(*shapes), self.cover if within is None else within)
        x0, y0, w, h = cv2.boundingRect(mask)
        box = np.s_[y0 : y0 + h, x0 : x0 + w]
        share = mask[box].astype(np.float32) * (LINES * (factor - 1) / 255)
        self.picture[box] *= 1 + share[..., None]

    def seam(self, path: Points, factor: float = 0.72, width: float = 0.0035, both: bool = True) -> None:
        """A sewn line, and a faint ridge of light beside it; on both sides of the body unless told otherwise."""
        for side in (path, mirror(path)) if both else (path,):
            self.tone([ribbon(side, width)], factor)
            self.tone([ribbon(side + (0, -width), width)], 1 + (1 - factor) * 0.25)


def lit(colour: Array, shade: Array) -> Array:
    """Cloth under a brightness factor: darker by multiplying, brighter towards white, so that black cloth shows folds
    and white cloth does not burn out."""
    shade = shade[..., None]
    bright = np.maximum(shade - 1, 0)
    return colour * np.minimum(shade, 1) + bright * (0.28 * (255 - colour) + 0.5 * colour)


def along_arm(arm: Arm, left: bool, x: Array, y: Array) -> tuple[Array, Array]:
    """Coordinates across and along a sleeve, from the garment's."""
    x = -x if left else x
    m = arm.armhole.mean(0).astype(np.float32)
    half = arm.length / 2
    up, low = (np.array([np.sin(a), np.cos(a)], np.float32) for a in (arm.upper, arm.lower))
    elbow = m + up * half
    t1, s1 = (x - m[0]) * up[0] + (y - m[1]) * up[1], (x - m[0]) * up[1] - (y - m[1]) * up[0]
    t2, s2 = (x - elbow[0]) * low[0] + (y - elbow[1]) * low[1] + half, (x - elbow[0]) * low[1] - (y - elbow[1]) * low[0]
    w = smoothstep(t1, 0.7 * half, 1.3 * half)
    return s1 + w * (s2 - s1), t1 + w * (t2 - t1)
