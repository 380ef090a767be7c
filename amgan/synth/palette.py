"""Colours of a garment: the cloth's own and those that go with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amgan.synth.draw import stream
from amgan.synth.values import COLOURS, VIVID

Colour = tuple[float, float, float]  # sRGB, 0..255


@dataclass(frozen=True)
class Palette:
    """Four colours, sRGB 0..255: the cloth's own, which covers most of it, and three that go with it."""

    base: Colour
    others: tuple[Colour, Colour, Colour]
    blocks: tuple[Colour, ...]  # multi: colours of the parts of a plain garment


def lightness(colour: Colour) -> float:
    return 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]


def shade(colour: Colour, by: float) -> Colour:
    """Lighter (positive) or darker by a share."""
    goal = 255.0 if by > 0 else 0.0
    return tuple(c + (goal - c) * abs(by) for c in colour)  # type: ignore[return-value]


def named(name: str, generator: np.random.Generator) -> Colour:
    """A colour of that name, a little off, as cloth is."""
    offset = generator.normal(0, 5, 3) + generator.normal(0, 5)
    return tuple(float(np.clip(c + o, 10, 246)) for c, o in zip(COLOURS[name], offset, strict=True))  # type: ignore[return-value]


def draw_palette(seed: int, colour: str, style: int | None = None) -> Palette:
    """The colours of a seed's cloth; its second colours may be another seed's, ``style``."""
    own, partner = stream(seed, "colour"), stream(seed if style is None else style, "second colours")
    order = partner.permutation(len(VIVID))
    vivid = [named(VIVID[i], partner) for i in order]
    tone, mood = float(partner.uniform(0.35, 0.6)), int(partner.integers(3))
    base = named("gray" if colour == "multi" else colour, own)
    if colour == "multi":
        return Palette(vivid[0], (vivid[1], vivid[2], vivid[3]), tuple(vivid[:5]))
    light = lightness(base) > 128
    contrast = named("black" if light else "white", partner) if mood else named("navy" if light else "beige", partner)
    apart = [v for v in vivid if sum(abs(a - b) for a, b in zip(v, base, strict=True)) > 150]
    own_tone = shade(base, -tone if light else tone)
    second = (own_tone, contrast, apart[0])[mood]
    return Palette(base, (second, apart[0], apart[1]), (base,))


def colour_distance(a: Colour, b: Colour) -> float:
    return sum(abs(x - y) for x, y in zip(a, b, strict=True))
