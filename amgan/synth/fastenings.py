"""What closes the front, from the neckline down. All of it is painted on the finished torso."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from amgan.synth.body import Body
from amgan.synth.canvas import Canvas
from amgan.synth.draw import curve, ellipse, mirror, points, rectangle, ribbon
from amgan.synth.palette import Colour, lightness, shade


def _end(body: Body, start: float, g: np.random.Generator, short: bool) -> float:
    """Where the closure ends: at the hem, or, on what is pulled over the head, below the neck."""
    whole = g.random() < 0.65
    reach = g.uniform(0.13, 0.17)
    return start + reach if short or not whole else body.hem_y + body.hem_curve * 0.3


def _trim(canvas: Canvas, g: np.random.Generator) -> Colour:
    """Of buttons: pearl, horn, or the cloth's own tone, whichever stands out."""
    base = canvas.cloth.palette.base
    kinds: list[Colour] = [(238.0, 234.0, 226.0), (58.0, 44.0, 36.0), shade(base, -0.55)]
    pick = kinds[int(g.integers(3))]
    return pick if abs(lightness(pick) - lightness(base)) > 60 else kinds[0 if lightness(base) < 128 else 1]


def _placket(canvas: Canvas, top: float, end: float, half: float = 0.016) -> None:
    canvas.paint("fastening", [rectangle(-half, top, half, end)], "sleeve", tone=1.02, lift=0.002, edge=(0.01, 0.1))
    for x in (-half, half):
        canvas.tone([ribbon(points((x, top), (x, end)), 0.0045)], 0.66)


def button(canvas: Canvas, top: float, g: np.random.Generator, short: bool) -> None:
    end, colour = _end(canvas.body, top, g, short), _trim(canvas, g)
    _placket(canvas, top, end)
    radius, pitch = g.uniform(0.0085, 0.0115), g.uniform(0.062, 0.085)
    count = max(2, int((end - top) / pitch))
    for k in range(count):
        place = np.array([0, top + (k + 0.5) * (end - top) / count])
        canvas.paint(
            "fastening",
            [ellipse(place, (radius, radius), corners=16)],
            colour,
            lift=0.0035,
            folds=None,
            edge=(0.006, 0.3),
        )
        for dx, dy in ((-0.3, -0.3), (0.3, -0.3), (-0.3, 0.3), (0.3, 0.3)):
            canvas.tone([ellipse(place + (dx * radius, dy * radius), (radius * 0.16,) * 2, corners=6)], 0.5)


def zip_(canvas: Canvas, top: float, g: np.random.Generator, short: bool) -> None:
    end = _end(canvas.body, top, g, short)
    tape = shade(canvas.cloth.palette.base, -0.45) if g.random() < 0.6 else (40.0, 40.0, 44.0)
    metal = (196.0, 198.0, 202.0) if g.random() < 0.75 else (206.0, 172.0, 96.0)
    canvas.paint("fastening", [rectangle(-0.0105, top, 0.0105, end)], tape, folds="torso", edge=(0.004, 0.1))
    teeth = 1 + 0.3 * np.sign(((canvas.y / 0.009) % 1) - 0.5).astype(np.float32)
    canvas.paint(
        "fastening", [rectangle(-0.0045, top, 0.0045, end)], metal, folds=None, edge=(0.004, 0.15), factor=teeth
    )
    slider = top + g.uniform(0.004, 0.02)
    pull = [ellipse((0, slider), (0.009, 0.011), corners=12), rectangle(-0.0045, slider, 0.0045, slider + 0.034)]
    canvas.paint("fastening", pull, metal, tone=0.9, lift=0.003, folds=None, edge=(0.004, 0.3))
    for x in (-0.0175, 0.0175):
        canvas.tone([ribbon(points((x, top), (x, end)), 0.0035)], 0.76)


def covered(canvas: Canvas, top: float, g: np.random.Generator, short: bool) -> None:
    """A placket that hides its buttons: a wide strip with one free edge."""
    end, half = _end(canvas.body, top, g, short), g.uniform(0.021, 0.027)
    canvas.paint("fastening", [rectangle(-half, top, half, end)], "sleeve", tone=1.03, lift=0.006, edge=(0.01, 0.12))
    canvas.tone([ribbon(points((half, top), (half, end)), 0.006)], 0.5)
    canvas.tone([ribbon(points((-half, top), (-half, end)), 0.004)], 0.68)
    canvas.tone([ribbon(points((half * 0.6, top), (half * 0.6, end)), 0.0025)], 0.8)


def laces(canvas: Canvas, top: float, g: np.random.Generator, short: bool) -> None:
    """A slit at the neck, laced crosswise through eyelets."""
    end = top + g.uniform(0.13, 0.17)
    wide = g.uniform(0.018, 0.026)
    slit = np.vstack(
        [
            curve([(wide, top), (wide * 0.8, (top + end) / 2), (0, end)], 5),
            curve([(0, end), (-wide * 0.8, (top + end) / 2), (-wide, top)], 5),
        ]
    )
    canvas.paint("inside", [slit], body_inside(canvas), tone=0.55, folds=None, edge=(0.012, 0.3))
    cord: Colour = (240.0, 238.0, 230.0) if lightness(canvas.cloth.palette.base) < 165 else (60.0, 46.0, 38.0)
    count = 4
    rows = np.linspace(top + 0.012, end - 0.014, count)
    reach = np.linspace(wide + 0.013, 0.014, count)
    for k in range(count):
        for s in (-1, 1):
            canvas.paint(
                "fastening",
                [ellipse((s * reach[k], rows[k]), (0.0058, 0.0058), corners=10)],
                (150.0, 150.0, 152.0),
                folds=None,
            )
        if k + 1 < count:
            for s in (-1, 1):
                strand = points((s * reach[k], rows[k]), (-s * reach[k + 1], rows[k + 1]))
                canvas.paint("fastening", [ribbon(strand, 0.0068)], cord, lift=0.002, folds=None, edge=(0.003, 0.2))
    for s in (-1, 1):  # loose ends
        fall = g.uniform(0.07, 0.11)
        end_ = curve(
            [
                (s * reach[0], rows[0]),
                (s * (reach[0] + 0.022), rows[0] + fall * 0.5),
                (s * (reach[0] + 0.012), rows[0] + fall),
            ],
            5,
        )
        canvas.paint("fastening", [ribbon(end_, 0.0068)], cord, lift=0.003, folds=None, edge=(0.003, 0.2))


def belt(canvas: Canvas, top: float, g: np.random.Generator, short: bool) -> None:
    """A belt at the waist, with a buckle or tied."""
    body = canvas.body
    y, tall = body.waist_y + g.uniform(-0.02, 0.03), g.uniform(0.034, 0.046)
    half = float(np.interp(y, body.side()[:, 1], body.side()[:, 0])) + 0.006
    base = canvas.cloth.palette.base
    tied, leather = g.random() < 0.5, g.random() < 0.5
    look: Colour = (88.0, 56.0, 36.0) if leather and not tied else shade(base, -0.4 if lightness(base) > 90 else 0.35)
    band = np.vstack(
        [
            curve([(-half, y), (0, y + 0.007), (half, y)], 6),
            curve([(half, y + tall), (0, y + tall + 0.007), (-half, y + tall)], 6),
        ]
    )
    canvas.paint("fastening", [band], look, lift=0.004, edge=(0.012, 0.25))
    middle = y + tall / 2 + 0.007
    if tied:
        for s, drop in ((1, g.uniform(0.1, 0.15)), (-1, g.uniform(0.08, 0.13))):
            tail = curve([(0, middle), (s * 0.022, middle + drop * 0.5), (s * 0.03, middle + drop)], 5)
            canvas.paint("fastening", [ribbon(tail, tall * 0.55)], look, lift=0.004, folds=None, edge=(0.008, 0.2))
            loop = ellipse((s * 0.034, middle - 0.004), (0.032, 0.014), s * -0.35)
            canvas.paint("fastening", [loop], look, tone=1.06, lift=0.003, folds=None, edge=(0.01, 0.35))
        canvas.paint(
            "fastening",
            [ellipse((0, middle), (0.013, 0.016))],
            look,
            tone=0.9,
            lift=0.003,
            folds=None,
            edge=(0.01, 0.3),
        )
    else:
        metal: Colour = (205.0, 205.0, 208.0) if g.random() < 0.5 else (206.0, 172.0, 96.0)
        ring = points(
            (-0.026, middle - tall * 0.66),
            (0.026, middle - tall * 0.66),
            (0.026, middle + tall * 0.66),
            (-0.026, middle + tall * 0.66),
            (-0.026, middle - tall * 0.66),
        )
        canvas.paint("fastening", [ribbon(ring, 0.009)], metal, lift=0.003, folds=None, edge=(0.004, 0.3))
        canvas.paint(
            "fastening",
            [rectangle(-0.024, middle - 0.003, 0.004, middle + 0.003)],
            metal,
            folds=None,
            edge=(0.003, 0.2),
        )
    for x in (-0.6 * half, 0.6 * half):
        canvas.tone([rectangle(x - 0.004, y - 0.004, x + 0.004, y + tall + 0.01)], 0.7)


def front(canvas: Canvas, top: float, g: np.random.Generator, short: bool) -> None:
    """A front that stands open: the back's inner side shows between its edges, and the floor below the back's hem."""
    body = canvas.body
    gap_top, gap = g.uniform(0.006, 0.014), g.uniform(0.05, 0.085)
    edge = curve([(gap_top, top), (gap * 0.55, (top + body.hem_y) / 2), (gap, body.hem_y + body.hem_curve * 0.4)], 6)
    opening = np.vstack([edge, mirror(edge)[::-1]])
    within = canvas.mask(opening)
    canvas.paint(
        "inside",
        [opening],
        body_inside(canvas),
        tone=0.6,
        folds="torso",
        edge=(0.02, 0.3),
        within=np.minimum(within, canvas.cover),
    )
    for side in (edge, mirror(edge)):
        canvas.paint(
            "fastening",
            [ribbon(side, 0.016)],
            "sleeve",
            tone=1.02,
            lift=0.003,
            edge=(0.008, 0.2),
            within=canvas.cover.copy(),
        )
        canvas.tone([ribbon(side, 0.004)], 0.66)


def body_inside(canvas: Canvas) -> Colour:
    return canvas.cloth.palette.base


FASTEN: dict[str, Callable[[Canvas, float, np.random.Generator, bool], None]] = {
    "button": button,
    "zip": zip_,
    "covered": covered,
    "laces": laces,
    "belt": belt,
    "front": front,
}
