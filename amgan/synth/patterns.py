"""Patterns and prints, painted flat onto cloth ``uint8 (size, size, 3)`` whose side is one unit of the garment."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from amgan.synth.draw import (
    Array,
    Points,
    curve,
    ellipse,
    fill,
    fill_into,
    noise,
    points,
    rectangle,
    ribbon,
    smoothstep,
    wave,
)
from amgan.synth.palette import Colour, Palette, colour_distance, lightness, named, shade
from amgan.synth.values import COLOURS, VIVID

# --- Patterns: each paints its motifs onto a canvas of the base colour ------------------------------------------------


def _scatter(generator: np.random.Generator, pitch: float, jitter: float = 0.3) -> Points:
    """Staggered places, ``pitch`` apart, over the cloth and a little beyond."""
    count = int(1 / pitch) + 3
    rows, columns = np.mgrid[-1:count, -1:count]
    places = np.stack([columns + 0.5 * (rows % 2), rows * 0.87], axis=-1).reshape(-1, 2) * pitch
    return places + generator.uniform(-jitter, jitter, places.shape) * pitch


def _mix(canvas: np.ndarray, share: np.ndarray, colour: Colour) -> None:
    """Blend a colour over the canvas by a share (size, size) in 0..1."""
    blended = canvas + share[..., None] * (np.asarray(colour, np.float32) - canvas)
    np.copyto(canvas, np.clip(blended + 0.5, 0, 255).astype(np.uint8))


def grid(size: int) -> tuple[Array, Array]:
    x = ((np.arange(size, dtype=np.float32) + 0.5) / size)[None, :]
    return np.broadcast_to(x, (size, size)), np.broadcast_to(x.T, (size, size))


def _bands(phase: Array, share: float, sharpness: float) -> Array:
    """1 on a share of each period of ``phase``, with soft edges."""
    distance = np.abs(phase - np.floor(phase) - 0.5)
    return np.clip((share / 2 - distance) * sharpness + 0.5, 0, 1)


def striped(canvas: np.ndarray, palette: Palette, g: np.random.Generator) -> None:
    x, y = grid(len(canvas))
    pitch, share, upright = g.uniform(0.045, 0.1), g.uniform(0.3, 0.46), g.random() < 0.15
    along = x if upright else y
    sharp = pitch * len(canvas)
    _mix(canvas, _bands(along / pitch, share, sharp), palette.others[0])
    if g.random() < 0.3 or len(palette.blocks) > 1:
        _mix(canvas, _bands(along / (2 * pitch) + 0.25, share / 3, 2 * sharp), palette.others[1])
        _mix(canvas, _bands(along / (2 * pitch) + 0.75, share / 3, 2 * sharp), palette.others[2])


def pinstriped(canvas: np.ndarray, palette: Palette, g: np.random.Generator) -> None:
    x, _ = grid(len(canvas))
    pitch = g.uniform(0.026, 0.036)
    line = shade(palette.base, 0.75) if lightness(palette.base) < 150 else shade(palette.base, -0.6)
    _mix(canvas, _bands(x / pitch, 0.006 / pitch, pitch * len(canvas)), line)


def checked(canvas: np.ndarray, palette: Palette, g: np.random.Generator) -> None:
    x, y = grid(len(canvas))
    pitch, kind = g.uniform(0.06, 0.11), g.integers(3)
    sharp = pitch * len(canvas)
    if kind == 0:  # gingham
        for along in (x, y):
            _mix(canvas, 0.5 * _bands(along / pitch, 0.5, sharp), palette.others[0])
    elif kind == 1:  # tartan
        for along in (x, y):
            _mix(canvas, 0.5 * _bands(along / pitch, 0.4, sharp), palette.others[0])
            _mix(canvas, 0.8 * _bands(along / pitch + 0.5, 0.08, sharp), palette.others[1])
    else:  # windowpane
        for along in (x, y):
            _mix(canvas, 0.9 * _bands(along / pitch, 0.1, sharp), palette.others[0])


def polka_dot(canvas: np.ndarray, palette: Palette, g: np.random.Generator) -> None:
    pitch = g.uniform(0.05, 0.085)
    radius = pitch * g.uniform(0.24, 0.34)
    for i, place in enumerate(_scatter(g, pitch, 0.0)):
        colour = palette.others[i % 3 if len(palette.blocks) > 1 else 0]
        fill_into(canvas, ellipse(place, (radius, radius), corners=14), colour)


def floral(canvas: np.ndarray, palette: Palette, g: np.random.Generator) -> None:
    pitch = g.uniform(0.085, 0.13)
    leaf = shade(COLOURS["green"], -0.2 if lightness(palette.base) > 110 else 0.3)
    for place in _scatter(g, pitch):
        turn, petal = g.uniform(0, 2 * np.pi), pitch * g.uniform(0.15, 0.21)
        colour = palette.others[int(g.integers(1, 3))]
        for k in range(2):
            angle = turn + 0.6 + k * 2.6
            away = np.array([np.cos(angle), np.sin(angle)]) * petal * 2.1
            fill_into(canvas, ellipse(place + away, (petal * 0.95, petal * 0.38), angle, 10), leaf)
        for k in range(5):
            angle = turn + k * 2 * np.pi / 5
            away = np.array([np.cos(angle), np.sin(angle)]) * petal
            fill_into(canvas, ellipse(place + away, (petal * 0.85, petal * 0.6), angle, 10), colour)
        fill_into(canvas, ellipse(place, (petal * 0.45, petal * 0.45), corners=10), COLOURS["yellow"])


DROP = curve([(0, -1.5), (0.75, -0.5), (0.95, 0.5), (0, 1.1), (-0.95, 0.5), (-0.6, -0.35), (-0.2, -0.9), (0, -1.5)], 4)


def paisley(canvas: np.ndarray, palette: Palette, g: np.random.Generator) -> None:
    pitch = g.uniform(0.095, 0.13)
    for place in _scatter(g, pitch, 0.12):
        turn, size = g.choice([0.6, 2.4, 3.9, 5.4]) + g.uniform(-0.3, 0.3), pitch * g.uniform(0.3, 0.36)
        spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        for share, colour in ((1.0, palette.others[0]), (0.72, palette.base), (0.5, palette.others[1])):
            fill_into(canvas, place + (DROP * share * size) @ spin.T, colour)
        fill_into(canvas, place + ellipse((0, 0.25 * size), (size * 0.16,) * 2, corners=8) @ spin.T, palette.others[0])


def animal(canvas: np.ndarray, palette: Palette, g: np.random.Generator) -> None:
    size = len(canvas)
    dark = shade(palette.base, -0.75) if lightness(palette.base) > 90 else shade(palette.base, 0.55)
    if g.random() < 0.35:  # zebra
        x, y = grid(size)
        bent = y * 11 + 1.1 * noise(g, (5, 3), size) + 1.4 * np.abs(x - 0.5)
        _mix(canvas, smoothstep(wave(bent) + 0.5 * noise(g, 7, size), 0.15, 0.4), dark)
        return
    pitch = g.uniform(0.05, 0.07)
    inner = shade(palette.base, -0.25)
    for place in _scatter(g, pitch, 0.22):  # leopard: open rings around a darker ground
        radius, turn = pitch * g.uniform(0.28, 0.4), g.uniform(0, 2 * np.pi)
        fill_into(canvas, ellipse(place, (radius, radius * 0.8), turn, 10), inner)
        for k in range(3):
            start = turn + k * 2.1 + g.uniform(-0.2, 0.2)
            angle = np.linspace(start, start + g.uniform(0.9, 1.6), 5)
            arc = place + np.stack([np.cos(angle), 0.85 * np.sin(angle)], axis=1) * radius
            fill_into(canvas, ribbon(arc, pitch * 0.17), dark)


def camouflage(canvas: np.ndarray, palette: Palette, g: np.random.Generator) -> None:
    size = len(canvas)
    light = lightness(palette.base) > 128
    tones = (
        shade(palette.base, -0.3 if light else 0.32),
        shade(palette.base, -0.55 if light else -0.6),
        shade(palette.base, 0.5 if not light else -0.75),
    )
    if len(palette.blocks) > 1:
        tones = palette.others
    for tone, above in zip(tones, (0.1, 0.28, 0.42), strict=True):
        field = noise(g, (10, 6), size) + 0.45 * noise(g, (22, 14), size)
        _mix(canvas, smoothstep(field, above, above + 0.06), tone)


def colour_gradient(canvas: np.ndarray, palette: Palette, g: np.random.Generator) -> None:
    _, y = grid(len(canvas))
    low, high = 0.3, g.uniform(0.75, 0.9)  # more than half stays of the cloth's own colour
    light = lightness(palette.base) > 150
    goal = palette.others[1] if g.random() < 0.5 else shade(palette.base, -0.85 if light else 0.85)
    _mix(canvas, smoothstep(y if g.random() < 0.8 else 0.6 - y, low, high) * 0.95, goal)


def colourful(canvas: np.ndarray, palette: Palette, g: np.random.Generator) -> None:
    """Brush strokes in many colours."""
    tints = [named(VIVID[i], g) for i in g.permutation(len(VIVID))[:5]]
    for place in _scatter(g, 0.12, 0.4):
        if g.random() < 0.3:
            continue
        angle, length = g.uniform(0, 2 * np.pi), g.uniform(0.05, 0.12)
        step = np.array([np.cos(angle), np.sin(angle)]) * length
        bend = np.array([-step[1], step[0]]) * g.uniform(-0.4, 0.4)
        path = curve([place - step, place + bend, place + step], 4)
        fill_into(canvas, ribbon(path, g.uniform(0.025, 0.05)), tints[int(g.integers(5))])


def herringbone(canvas: np.ndarray, palette: Palette, g: np.random.Generator) -> None:
    x, y = grid(len(canvas))
    pitch, column = 0.03, g.uniform(0.06, 0.08)
    zigzag = np.abs((x / column) - np.floor(x / column) - 0.5) * 2 * column
    light = lightness(palette.base) > 110
    _mix(
        canvas,
        0.75 * _bands((y + zigzag) / pitch, 0.5, pitch * len(canvas)),
        shade(palette.base, -0.5 if light else 0.5),
    )


def marl(canvas: np.ndarray, palette: Palette, g: np.random.Generator) -> None:
    size = len(canvas)
    flecks = noise(g, (150, 60), size) + 0.7 * noise(g, (60, 24), size)
    light = lightness(palette.base) > 60
    _mix(canvas, smoothstep(flecks, 0.05, 0.6) * 0.7, shade(palette.base, 0.6))
    _mix(
        canvas, smoothstep(-flecks, 0.15, 0.7) * 0.55, shade(palette.base, -0.5) if light else shade(palette.base, 0.3)
    )


REPEATS: dict[str, Callable[[np.ndarray, Palette, np.random.Generator], None]] = {
    "animal": animal,
    "camouflage": camouflage,
    "checked": checked,
    "colour gradient": colour_gradient,
    "colourful": colourful,
    "floral": floral,
    "herringbone": herringbone,
    "marl": marl,
    "paisley": paisley,
    "pinstriped": pinstriped,
    "polka dot": polka_dot,
    "striped": striped,
}


# --- Prints on the chest ----------------------------------------------------------------------------------------------


def draw_print(size: int, palette: Palette, g: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A graphic: a badge, a star, a slogan in blocks. Picture (size, size, 3) and coverage, uint8."""
    picture, cover = np.zeros((size, size, 3), np.uint8), np.zeros((size, size), np.uint8)
    centre, radius = np.array([0.5, g.uniform(0.19, 0.25)]), g.uniform(0.075, 0.105)
    inks = [shade(palette.others[0], 0.0), palette.others[1], palette.others[2]]
    if colour_distance(inks[0], palette.base) < 120:
        inks[0] = COLOURS["black"] if lightness(palette.base) > 128 else COLOURS["white"]
    kind = g.integers(4)

    def ink(shape: Points, which: int) -> None:
        fill_into(picture, shape, inks[which])
        fill_into(cover, shape, 255)

    if kind in (0, 3):
        ink(ellipse(centre, (radius, radius), corners=40), 0)
    if kind == 0:
        ink(ellipse(centre, (radius * 0.8,) * 2, corners=36), 1)
        ink(_star(centre, radius * 0.7, 5, g.uniform(0, 1)), 0)
    elif kind == 1:
        ink(_star(centre, radius * 1.15, int(g.integers(5, 9)), g.uniform(0, 1)), 0)
        ink(ellipse(centre, (radius * 0.4,) * 2, corners=24), 1)
    elif kind == 2:  # a mountain over a line
        left, right = centre - (radius * 1.2, -radius * 0.6), centre + (radius * 1.2, radius * 0.6)
        ink(points(left, centre - (radius * 0.3, radius), centre + (radius * 0.1, 0), right), 0)
        ink(points(centre - (radius * 0.1, -0.6 * radius), centre + (radius * 0.5, -radius * 0.6), right), 1)
    else:
        for k in range(3):
            angle = g.uniform(0, 2 * np.pi)
            away = np.array([np.cos(angle), np.sin(angle)]) * radius * 0.4
            ink(ellipse(centre + away, (radius * 0.5, radius * 0.25), angle, 20), 1 + k % 2)
    if g.random() < 0.75:  # a line of letters, as blocks of uneven width
        y, x = centre[1] + radius * 1.35, centre[0] - radius * 1.25
        while x < centre[0] + radius * 1.2:
            wide = g.uniform(0.25, 0.45) * radius
            ink(rectangle(x, y, x + wide, y + radius * 0.42), 0)
            if g.random() < 0.6:
                hole = rectangle(x + wide * 0.35, y + radius * 0.12, x + wide * 0.7, y + radius * 0.3)
                fill_into(cover, hole, 0)
            x += wide + radius * 0.12
    return picture, cover


def draw_photo(size: int, palette: Palette, g: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A photograph on the chest: sky, sun, hills, in a rectangle. Picture (size, size, 3) and coverage, uint8."""
    half, tall = g.uniform(0.095, 0.125), g.uniform(0.085, 0.12)
    centre = np.array([0.5, g.uniform(0.22, 0.27)])
    _, y = grid(size)
    skies = (((80, 140, 210), (235, 225, 205)), ((235, 120, 60), (90, 60, 120)), ((150, 190, 225), (245, 245, 240)))
    top, bottom = (np.asarray(c, np.float32) for c in skies[g.integers(3)])
    fade = smoothstep(y, centre[1] - tall, centre[1] + tall)[..., None]
    picture = np.clip(top + fade * (bottom - top) + 12 * noise(g, (30, 12), size)[..., None], 0, 255).astype(np.uint8)
    sun = centre + (g.uniform(-0.6, 0.6) * half, -tall * 0.4)
    fill_into(picture, ellipse(sun, (tall * 0.2,) * 2), (252, 240, 190))
    for k in range(3):  # hills, nearer ones darker
        ridge = [
            (centre[0] + s * half, centre[1] + tall * (0.1 + 0.28 * k + g.uniform(-0.22, 0.18)))
            for s in np.linspace(-1.1, 1.1, 6)
        ]
        hill = np.vstack([curve(ridge, 4), [(centre[0] + half * 1.1, 1), (centre[0] - half * 1.1, 1)]])
        fill_into(picture, hill, tuple(np.array([70, 100, 80]) * (1 - 0.28 * k) + g.uniform(-15, 15, 3)))
    frame = rectangle(*(centre - (half, tall)), *(centre + (half, tall)))
    return picture, fill(size, frame)


def _star(centre: np.ndarray, radius: float, rays: int, turn: float) -> Points:
    angle = turn + np.arange(2 * rays) * np.pi / rays
    reach = np.where(np.arange(2 * rays) % 2, 0.45, 1.0) * radius
    return centre + np.stack([np.cos(angle), np.sin(angle)], axis=1) * reach[:, None]
