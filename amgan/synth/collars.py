"""Collars and necklines. Each collar has a neckline, which the torso is cut along, and what is sewn onto it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from amgan.synth.body import Body
from amgan.synth.canvas import Canvas
from amgan.synth.draw import Points, curve, mirror, points, ribbon, stream, wave
from amgan.synth.palette import shade

RIB = 0.006  # period of ribbed trim


@dataclass(frozen=True)
class Neck:
    """A neckline.

    Attributes:
        right: from its lowest point, on the axis, up to the right neck point.
        depth: y of the lowest point, where a fastening begins.
    """

    right: Points
    depth: float

    @property
    def whole(self) -> Points:
        """From the left neck point to the right one."""
        return np.vstack([mirror(self.right)[::-1], self.right[1:]])

    def inside(self) -> Points:
        """The back's inner side that shows above the front's neckline."""
        x = self.right[-1, 0]
        return np.vstack([self.whole, curve([(x, 0), (x * 0.6, 0.011), (0, 0.014), (-x * 0.6, 0.011), (-x, 0)], 5)])


def _round(body: Body, depth: float) -> Neck:
    n = body.neck
    return Neck(curve([(0, depth), (0.5 * n, depth * 0.86), (0.86 * n, depth * 0.45), (n, 0)], 6), depth)


def _v(body: Body, depth: float, bow: float = 0.0) -> Neck:
    n = body.neck
    return Neck(curve([(0, depth), (0.5 * n + bow, depth * 0.5), (n, 0)], 6), depth)


def neck(seed: int, body: Body, collar: str) -> Neck:
    """The neckline of a collar."""
    g = stream(seed, "neckline")
    small, large = g.uniform(0, 1), g.uniform(0, 1)
    if collar == "round":
        return _round(body, 0.036 + 0.04 * small)
    if collar == "v-neck":
        return _v(body, 0.115 + 0.05 * small, -0.004)
    if collar in ("lapel", "shawl"):
        return _v(body, 0.185 + 0.06 * small)
    if collar in ("shirt", "cutaway", "polo"):
        return _v(body, 0.04 + (0.03 * large if small < 0.4 else 0.0), 0.006)
    if collar == "hood":
        return _v(body, 0.06 + 0.02 * small, 0.01)
    return _round(body, 0.03 + 0.008 * small)


def _ribbed(canvas: Canvas, strength: float = 0.1) -> np.ndarray:
    """Brightness factor of ribbed knit that runs around the neck."""
    angle = np.arctan2(canvas.x, 0.1 + np.abs(canvas.y))
    return 1 + strength * wave(angle / (RIB / 0.09))


def _band(canvas: Canvas, path: Points, width: float, tone: float = 0.93) -> None:
    """A band along the neckline, both sides."""
    whole = np.vstack([mirror(path)[::-1], path[1:]])
    canvas.paint(
        "collar", [ribbon(whole, width)], tone=tone, lift=0.002, folds=None, factor=_ribbed(canvas), edge=(0.005, 0.15)
    )
    canvas.tone([ribbon(whole + (0, width * 0.5), 0.003)], 0.8)


def _leaves(canvas: Canvas, leaf: Points, tone: float = 1.0, lift: float = 0.006) -> None:
    """Two halves of a turned-down collar, and a stitched line inside their edges."""
    for side in (leaf, mirror(leaf)):
        canvas.paint("collar", [side], tone=tone, lift=lift, folds="torso", edge=(0.014, 0.22))
        canvas.tone([ribbon(np.vstack([side, side[:1]]), 0.004)], 0.84)


def _stand(canvas: Canvas, height: float, tone: float = 0.8) -> None:
    """The back of a collar, seen from inside."""
    n = canvas.body.neck
    top = curve([(-0.95 * n, -height * 0.7), (0, -height), (0.95 * n, -height * 0.7)], 8)
    low = curve([(1.02 * n, 0.004), (0, 0.02), (-1.02 * n, 0.004)], 8)
    canvas.paint("collar", [np.vstack([top, low])], tone=tone, folds=None, edge=(0.01, 0.2))


def round_(canvas: Canvas, neck: Neck, g: np.random.Generator) -> None:
    _band(canvas, neck.right, g.uniform(0.012, 0.021))


def shirt(canvas: Canvas, neck: Neck, g: np.random.Generator) -> None:
    n, d = canvas.body.neck, neck.depth
    _stand(canvas, 0.03)
    tip = (n * g.uniform(0.72, 0.9), d + g.uniform(0.045, 0.06))
    leaf = points((0.004, d), (n * 0.6, d * 0.35), (n * 0.93, -0.024), (n + 0.028, 0.012), tip)
    _leaves(canvas, leaf)


def cutaway(canvas: Canvas, neck: Neck, g: np.random.Generator) -> None:
    n, d = canvas.body.neck, neck.depth
    _stand(canvas, 0.032)
    tip = (n + g.uniform(0.045, 0.06), d * 0.5 + g.uniform(0.04, 0.05))
    leaf = points((0.003, d + 0.002), (n * 0.6, d * 0.3), (n * 0.93, -0.026), (n + 0.03, 0.008), tip)
    _leaves(canvas, leaf, lift=0.008)


def polo(canvas: Canvas, neck: Neck, g: np.random.Generator) -> None:
    n, d = canvas.body.neck, neck.depth
    _stand(canvas, 0.022)
    outer = curve([(n + 0.026, 0.012), (n * 0.98, d * 0.6 + 0.03), (n * 0.52, d + 0.036), (0.012, d + 0.004)], 6)
    leaf = np.vstack([points((0.004, d), (n * 0.62, d * 0.3), (n * 0.93, -0.018)), outer])
    canvas.tone([ribbon(points((0, d), (0, d + 0.09)), 0.026)], 0.93)  # the short placket
    canvas.tone([ribbon(points((0.013, d), (0.013, d + 0.09), (-0.013, d + 0.09), (-0.013, d)), 0.004)], 0.72)
    for side in (leaf, mirror(leaf)):
        canvas.paint(
            "collar", [side], tone=0.97, lift=0.004, folds=None, factor=_ribbed(canvas, 0.05), edge=(0.016, 0.3)
        )
    if canvas.cloth.contrast_trim is None and g.random() < 0.35:  # tipping
        light = shade(canvas.cloth.palette.base, 0.7)
        canvas.paint("collar", [ribbon(outer, 0.005), ribbon(mirror(outer), 0.005)], light, folds=None, edge=(0.01, 0))


def peter_pan(canvas: Canvas, neck: Neck, g: np.random.Generator) -> None:
    n, d, wide = canvas.body.neck, neck.depth, g.uniform(0.046, 0.062)
    inner = neck.right[:-1]
    outer = curve(
        [
            (n + 0.006, -0.008),
            (n + wide * 0.95, 0.03),
            (n * 0.85 + wide * 0.6, d + wide * 0.8),
            (n * 0.42, d + wide),
            (0.012, d + wide * 0.55),
            (0.002, d),
        ],
        6,
    )
    white = (238.0, 237.0, 234.0)
    contrast = g.random() < 0.3 and sum(canvas.cloth.palette.base) < 560
    for side in (np.vstack([inner, outer]), mirror(np.vstack([inner, outer]))):
        canvas.paint("collar", [side], white if contrast else "trim", tone=1.03, lift=0.005, edge=(0.014, 0.22))
        canvas.tone([ribbon(np.vstack([side, side[:1]]), 0.004)], 0.8)


def mandarin(canvas: Canvas, neck: Neck, g: np.random.Generator) -> None:
    n, d, tall = canvas.body.neck, neck.depth, g.uniform(0.026, 0.036)
    _stand(canvas, tall, 0.72)
    low = neck.right[1:]
    high = curve([(n * 0.92, -tall * 0.95), (n * 0.62, d * 0.35 - tall * 0.55), (0.007, d - tall * 0.9)], 6)
    half = np.vstack([points((0.004, d)), low, high])
    for side in (half, mirror(half)):
        canvas.paint("collar", [side], tone=0.98, folds=None, edge=(0.01, 0.22))
        canvas.tone([ribbon(np.vstack([side, side[:1]]), 0.004)], 0.74)


def high(canvas: Canvas, neck: Neck, g: np.random.Generator) -> None:
    n, tall, rolled = canvas.body.neck, g.uniform(0.066, 0.085), g.random() < 0.6
    side = curve([(n * 1.02, 0.012), (n * 0.95, -tall * 0.45), (n * 0.93, -tall)], 5)
    top = curve([(n * 0.93, -tall), (0, -tall * 1.04), (-n * 0.93, -tall)], 6)
    low = curve([(-n * 1.02, 0.012), (0, 0.036), (n * 1.02, 0.012)], 6)
    ribs = 1 + 0.09 * wave(canvas.x / 0.0115)
    canvas.paint(
        "collar",
        [np.vstack([low, side, top, mirror(side)[::-1]])],
        tone=0.98,
        lift=0.004,
        folds=None,
        factor=ribs,
        edge=(0.03, 0.34),
    )
    hole = curve([(-n * 0.84, -tall * 0.99), (0, -tall * 0.84), (n * 0.84, -tall * 0.99)], 6)
    canvas.tone([np.vstack([hole, top])], 0.62)
    if rolled:
        fold = curve([(-n, -tall * 0.2), (0, -tall * 0.02), (n, -tall * 0.2)], 6)
        canvas.tone([ribbon(fold, 0.005)], 0.68)
        canvas.tone([ribbon(fold - (0, 0.006), 0.006)], 1.12)


def hood_back(canvas: Canvas, neck: Neck, g: np.random.Generator) -> None:
    """The hood lies above the shoulders; painted before the torso, which covers its lower edge."""
    n, tall, wide = canvas.body.neck, g.uniform(0.105, 0.125), g.uniform(0.1, 0.122)
    outline = curve(
        [
            (n + 0.03, 0.03),
            (wide, -tall * 0.3),
            (wide * 0.9, -tall * 0.8),
            (wide * 0.4, -tall * 1.04),
            (0, -tall * 1.06),
        ],
        6,
    )
    canvas.paint("collar", [np.vstack([outline, mirror(outline)[::-1]])], "sleeve", edge=(0.035, 0.3))
    canvas.tone([ribbon(points((0, -tall), (0, -tall * 0.6)), 0.004)], 0.75)
    rim = curve(
        [
            (0.0, neck.depth),
            (n * 0.62, neck.depth * 0.2),
            (n * 0.78, -tall * 0.32),
            (n * 0.5, -tall * 0.7),
            (0, -tall * 0.82),
        ],
        6,
    )
    opening = np.vstack([rim, mirror(rim)[::-1]])
    canvas.paint("inside", [opening], canvas.cloth.palette.base, tone=0.5, folds=None, edge=(0.03, 0.35))


def hood_front(canvas: Canvas, neck: Neck, g: np.random.Generator) -> None:
    n, d, tall = canvas.body.neck, neck.depth, g.uniform(0.105, 0.125)
    rim = curve(
        [
            (0.002, d + 0.004),
            (n * 0.66, d * 0.25),
            (n * 0.82, -tall * 0.32),
            (n * 0.52, -tall * 0.72),
            (0, -tall * 0.84),
        ],
        6,
    )
    for side in (rim, mirror(rim)):
        canvas.paint("collar", [ribbon(side, 0.02)], "sleeve", tone=1.02, lift=0.004, folds=None, edge=(0.008, 0.22))
    cord = (235.0, 234.0, 230.0) if g.random() < 0.6 else shade(canvas.cloth.palette.base, -0.4)
    for k in (1, -1):
        hang, sway = g.uniform(0.085, 0.14), g.uniform(-0.012, 0.012)
        path = curve([(k * 0.016, d), (k * 0.021 + sway * 0.5, d + hang * 0.5), (k * 0.02 + sway, d + hang)], 5)
        canvas.paint("collar", [ribbon(path, 0.0075)], cord, lift=0.003, folds=None, edge=(0.004, 0.2))


def lapel(canvas: Canvas, neck: Neck, g: np.random.Generator) -> None:
    n, d, wide = canvas.body.neck, neck.depth, g.uniform(0.092, 0.118)
    _stand(canvas, 0.026)
    upper = points(
        (n * 0.55, d * 0.42), (n * 0.93, -0.022), (n + 0.034, 0.02), (wide * 0.92, 0.056), (wide * 0.66, 0.078)
    )
    lower = np.vstack(
        [
            points((0.001, d), (n * 0.52, d * 0.46), (wide * 0.62, 0.08), (wide * 1.04, 0.07)),
            curve([(wide * 1.04, 0.07), (wide * 0.72, d * 0.6), (0.004, d + 0.006)], 6),
        ]
    )
    for half in (upper, lower):
        for side in (half, mirror(half)):
            canvas.paint("collar", [side], tone=0.98 if half is upper else 1.03, lift=0.005, edge=(0.014, 0.2))
            canvas.tone([ribbon(np.vstack([side, side[:1]]), 0.0042)], 0.72)


def shawl(canvas: Canvas, neck: Neck, g: np.random.Generator) -> None:
    n, d, wide = canvas.body.neck, neck.depth, g.uniform(0.038, 0.056)
    _stand(canvas, 0.028)
    inner = curve([(0.001, d), (n * 0.5, d * 0.48), (n * 0.95, -0.024)], 6)
    outer = curve(
        [(n + wide * 0.75, 0.012), (n * 0.72 + wide, d * 0.42), (n * 0.42 + wide * 0.6, d * 0.74), (0.003, d + 0.012)],
        6,
    )
    half = np.vstack([inner, outer])
    for side in (half, mirror(half)):
        canvas.paint("collar", [side], tone=1.02, lift=0.006, edge=(0.022, 0.32))
        canvas.tone([ribbon(mirror(outer) if side is not half else outer, 0.004)], 0.75)


def volant(canvas: Canvas, neck: Neck, g: np.random.Generator) -> None:
    """A ruffle: cloth gathered along the neckline, its free edge in waves."""
    wide, count, phase = g.uniform(0.058, 0.075), int(g.integers(7, 10)), g.uniform(0, 1)
    path = curve(neck.whole, 4)
    path = path[np.linspace(0, len(path) - 1, 96).round().astype(int)]
    t = np.linspace(0, 1, len(path))
    # Outwards from a point above the neckline's middle.
    out = path - (0, -0.03)
    out /= np.maximum(np.hypot(out[:, :1], out[:, 1:]), 1e-9)
    swing = np.sin(2 * np.pi * (count * t + phase))
    edge = path + out * (wide + 0.008 * swing)[:, None]
    pleats = 1 + 0.16 * np.interp(np.arange(97) / 96, t, swing)
    angle = np.arctan2(canvas.x, canvas.y + 0.03)
    ends = np.arctan2(out[:, 0], out[:, 1])
    factor = np.interp(angle, ends, pleats[:96]).astype(np.float32)
    canvas.paint(
        "collar", [np.vstack([path, edge[::-1]])], tone=1.03, lift=0.009, folds=None, edge=(0.008, 0.2), factor=factor
    )
    canvas.tone([ribbon(edge, 0.005)], 0.72)
    _band(canvas, neck.right, 0.009, 0.9)


BEHIND: dict[str, Callable[[Canvas, Neck, np.random.Generator], None]] = {"hood": hood_back}
FRONT: dict[str, Callable[[Canvas, Neck, np.random.Generator], None]] = {
    "round": round_,
    "v-neck": round_,
    "shirt": shirt,
    "cutaway": cutaway,
    "polo": polo,
    "peter pan": peter_pan,
    "mandarin": mandarin,
    "high": high,
    "hood": hood_front,
    "lapel": lapel,
    "shawl": shawl,
    "volant": volant,
}
