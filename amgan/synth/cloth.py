"""Cloth: colour, pattern and weave, laid flat; the garment's parts are cut from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amgan.synth.draw import Array, fill_into, noise, rectangle, stream, wave
from amgan.synth.palette import Colour, Palette, draw_palette
from amgan.synth.patterns import REPEATS, draw_photo, draw_print, grid

MATERIALS = ("jersey", "jersey", "rib", "knit", "poplin", "denim", "fleece", "satin", "linen")

# --- Weave ------------------------------------------------------------------------------------------------------------


def relief(material: str, size: int, g: np.random.Generator) -> Array:
    """Brightness factor (size, size) of the weave or knit, about 1."""
    x, y = grid(size)
    fine = noise(g, 128, size)
    if material == "rib":
        return 1 + 0.07 * wave(x / 0.0165) + 0.02 * fine
    if material == "knit":
        pitch = 0.034
        slant = np.abs(x / pitch - np.floor(x / pitch) - 0.5)
        return 1 + 0.1 * wave(y / (pitch * 0.7) + slant * 1.6) + 0.05 * (0.25 - slant) + 0.03 * fine
    if material == "denim":
        return 1 + 0.05 * wave((x + y) / 0.012) + 0.09 * fine + 0.07 * noise(g, (10, 6), size)
    if material == "fleece":
        return 1 + 0.08 * noise(g, 64, size) + 0.05 * fine
    if material == "linen":
        return 1 + 0.05 * noise(g, (160, 20), size) + 0.05 * noise(g, (20, 160), size)
    return 1 + {"poplin": 0.015, "satin": 0.0}.get(material, 0.03) * fine


@dataclass(frozen=True)
class Cloth:
    """What the parts are cut from.

    Attributes:
        torso, sleeve, trim: uint8 (size, size, 3), the axis at x = 0.5 and the neck points at y = 0; trim is for
            collars and cuffs.
        contrast_trim: its colour where it is not the cloth's own.
    """

    torso: np.ndarray
    sleeve: np.ndarray
    trim: np.ndarray
    palette: Palette
    material: str
    contrast_trim: Colour | None


# Collars and cuffs are cut from such cloth too; of the others they are plain.
ALL_OVER = {n for n in REPEATS if n not in ("camouflage", "colour gradient", "colourful")}


def make_cloth(seed: int, colour: str, pattern: str, size: int, style: int) -> Cloth:
    """The cloth of a seed in a named colour and pattern.

    Args:
        style: the seed that decides the pattern's details.
    """
    palette = draw_palette(seed, colour)
    inks = palette if style == seed else draw_palette(seed, colour, style)
    g = stream(seed, "cloth")
    material = MATERIALS[g.integers(len(MATERIALS))]
    ringer = g.random() < 0.15
    weave = relief(material, size, stream(seed, "weave"))

    def plain(colour: Colour) -> np.ndarray:
        return np.full((size, size, 3), np.rint(colour), np.uint8)

    torso, sleeve, trim = plain(palette.base), plain(palette.base), plain(palette.base)
    motif = stream(style, f"pattern {pattern}")
    if pattern in REPEATS:
        REPEATS[pattern](torso, inks, motif)
        sleeve = torso.copy()
    elif len(palette.blocks) > 1:  # colour blocking
        edge = motif.uniform(0.16, 0.3)
        fill_into(torso, rectangle(0, edge, 1, 1), palette.blocks[1])
        if motif.random() < 0.6:
            fill_into(torso, rectangle(0, edge + 0.14, 1, 1), palette.blocks[2])
        sleeve = plain(palette.blocks[3])
        fill_into(sleeve, rectangle(0, edge, 1, 1), palette.blocks[1])
    if pattern in ("print", "photo"):
        picture, cover = (draw_print if pattern == "print" else draw_photo)(size, inks, motif)
        torso = np.where(cover[..., None] > 0, _blend(torso, picture, cover), torso)
    contrast = palette.others[0] if ringer else None
    if contrast is not None:
        trim = plain(contrast)
    elif pattern in ALL_OVER:
        trim = sleeve
    factor = weave[..., None]
    torso, sleeve, trim = (np.clip(t * factor + 0.5, 0, 255).astype(np.uint8) for t in (torso, sleeve, trim))
    return Cloth(torso, sleeve, trim, palette, material, contrast)


def _blend(under: np.ndarray, over: np.ndarray, cover: np.ndarray) -> np.ndarray:
    share = cover[..., None].astype(np.float32) / 255
    return np.clip(under + share * (over.astype(np.float32) - under) + 0.5, 0, 255).astype(np.uint8)
