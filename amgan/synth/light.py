"""Folds and light: brightness factors for the cloth, and what the camera adds.

Folds are a height field; light from a direction brightens the slopes that face it and darkens the others. All of it is
made on one grid of ``GRID`` pixels whatever the picture's size, so that a garment has the same folds at every size.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from amgan.synth.body import Body
from amgan.synth.draw import Array, Mask, Points, curve, fill_into, mirror, noise, points, ribbon, soften, stream

GRID = 256


@dataclass(frozen=True)
class Light:
    """Where light comes from, and how it falls.

    Attributes:
        towards: unit vector (x, y) in the picture, pointing to the light.
        contrast: how deep folds look.
        torso, sleeves: brightness factors float32 (GRID, GRID) of the folds of either.
        bend: float32 (2, GRID, GRID), how far folds shift the pattern on the cloth, in units (x, y).
    """

    towards: tuple[float, float]
    contrast: float
    torso: Array
    sleeves: Array
    bend: Array

    @classmethod
    def draw(cls, seed: int, body: Body, sheen: float, sleeve_folds: int) -> Light:
        g = stream(seed, "light")
        angle, contrast = g.uniform(-2.6, -0.55), g.uniform(0.55, 1.2)
        towards = (float(np.cos(angle)), float(np.sin(angle)))
        folds = stream(seed, "folds")
        torso = _torso_height(folds, body)
        sleeves = _sleeve_height(stream(sleeve_folds, "sleeve folds"), body)
        bend = np.stack([noise(folds, 4, GRID), noise(folds, 4, GRID)]) * 0.006
        return cls(
            towards,
            contrast,
            _lit(torso, towards, contrast, sheen),
            _lit(sleeves, towards, contrast, sheen),
            bend,
        )


def _lit(height: Array, towards: tuple[float, float], contrast: float, sheen: float) -> Array:
    """Brightness factor of a height field: slopes, hollows, and on shiny cloth the glints of steep slopes."""
    dx = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3) * (GRID / 8)
    dy = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3) * (GRID / 8)
    slope = -(dx * towards[0] + dy * towards[1])
    hollow = height - cv2.GaussianBlur(height, (0, 0), GRID * 0.02)
    factor = 1 + contrast * (1.15 * slope + 14 * np.minimum(hollow, 0))
    if sheen:
        factor += sheen * np.clip(slope - 0.06, 0, 0.25) * 2.2
    return np.clip(factor, 0.5, 1.4)


def _crease(canvas: Mask, path: Points, width: float, depth: float) -> None:
    """A fold: widest in the middle, nothing at its ends."""
    t = np.linspace(-1, 1, len(path))
    fill_into(canvas, ribbon(path, width * (1 - t * t) + 0.0015), 255 * depth)


def _torso_height(g: np.random.Generator, body: Body) -> Array:
    canvas = np.zeros((GRID, GRID), np.uint8)
    sides = [points, lambda *xy: mirror(points(*xy))]
    for side in sides:
        for _ in range(int(g.integers(1, 5))):  # drawn from the armpit towards the belly
            start = np.array([body.chest * g.uniform(0.75, 0.97), body.armpit_y + g.uniform(-0.03, 0.06)])
            reach, angle = g.uniform(0.08, 0.26), g.uniform(0.1, 1.2)
            end = start + reach * np.array([-np.cos(angle), np.sin(angle)])
            middle = (start + end) / 2 + g.normal(0, 0.02, 2)
            _crease(canvas, body.place(curve(side(start, middle, end), 6)), g.uniform(0.008, 0.02), g.uniform(0.3, 1))
        for _ in range(int(g.integers(0, 4))):  # across the waist, from the side
            y = g.uniform(body.armpit_y + 0.06, body.hem_y - 0.03)
            start = np.array([body.waist * g.uniform(0.6, 1), y])
            end = start + (-g.uniform(0.06, 0.2), g.uniform(-0.05, 0.05))
            middle = (start + end) / 2 + (0, g.uniform(-0.03, 0.035))
            _crease(canvas, body.place(curve(side(start, middle, end), 6)), g.uniform(0.006, 0.016), g.uniform(0.3, 1))
    for _ in range(int(g.integers(2, 7)) if body.pose == "hanging" else int(g.integers(0, 3))):  # hanging down
        x, y = g.uniform(-0.85, 0.85) * body.waist, g.uniform(0.2, 0.5) * body.hem_y
        path = curve(points((x, y), (x * 1.03 + g.normal(0, 0.018), (y + body.hem_y) / 2), (x * 1.08, body.hem_y)), 6)
        _crease(canvas, body.place(path), g.uniform(0.012, 0.03), g.uniform(0.3, 0.9))
    strokes = soften(canvas, 0.0035).astype(np.float32) / 255
    cells = (3, 8) if body.pose == "hanging" else (5, 5)
    ridges = 1 - np.abs(noise(g, (6, 5), GRID)) * 2
    drape = 0.016 * noise(g, cells, GRID) + 0.004 * ridges + 0.003 * noise(g, 14, GRID)
    return drape * float(g.uniform(0.4, 1.1)) + float(g.uniform(0.0025, 0.0055)) * strokes


def _sleeve_height(g: np.random.Generator, body: Body) -> Array:
    canvas = np.zeros((GRID, GRID), np.uint8)
    for k, arm in enumerate(body.arms):
        for _ in range(int(g.integers(4, 10))):
            # Most folds lie at the elbow and at the armhole, slanting across the arm.
            t = float(g.choice([g.normal(0.52, 0.09), g.normal(0.16, 0.07), g.uniform(0.05, 1.1)]))
            t = float(np.clip(t, 0.03, 1.15))
            path = arm.axis(np.linspace(t, t + g.uniform(0.02, 0.09), 5))
            side = g.uniform(-0.5, 0.5) + np.linspace(-0.5, 0.5, 5) * g.uniform(0.3, 0.9) * g.choice([-1, 1])
            across = np.array([np.cos(arm.upper), -np.sin(arm.upper)])
            path = path + side[:, None] * across * arm.width(np.array(t))
            path = mirror(path) if k else path
            _crease(canvas, body.place(path), g.uniform(0.006, 0.016), g.uniform(0.35, 1))
    strokes = soften(canvas, 0.0035).astype(np.float32) / 255
    return 0.008 * noise(g, 8, GRID) + 0.003 * noise(g, 16, GRID) + float(g.uniform(0.003, 0.0055)) * strokes


def rounding(mask: Mask, radius: float, depth: float) -> Array:
    """Brightness factor that falls off towards the edge of a part, as cloth that bends away does."""
    inside = cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 3) / (radius * mask.shape[1])
    edge = 1 - np.minimum(inside, 1)
    return 1 - depth * edge * edge


@dataclass(frozen=True)
class Camera:
    """Exposure, colour cast, uneven light, a little blur and noise; and how the whole garment lies askew."""

    seed: int
    exposure: float
    cast: tuple[float, float, float]
    gradient: tuple[float, float]
    background: float
    shadow: float
    blur: float
    noise: float
    askew: float

    @classmethod
    def draw(cls, seed: int) -> Camera:
        g = stream(seed, "camera")
        studio = g.random() < 0.6
        wide = 0.4 if studio else 1.0
        return cls(
            seed,
            exposure=1 + wide * float(g.uniform(-0.14, 0.06)),
            cast=tuple(1 + wide * float(v) for v in g.uniform(-0.03, 0.03, 3)),  # type: ignore[arg-type]
            gradient=tuple(wide * float(v) for v in g.uniform(-0.2, 0.2, 2)),  # type: ignore[arg-type]
            background=float(g.uniform(246, 255) if studio else g.uniform(228, 252)),
            shadow=float(g.uniform(0.08, 0.35)),
            blur=float(g.uniform(0.0, 0.0014 if studio else 0.0028)),
            noise=float(g.uniform(0.2, 1.0 if studio else 2.2)),
            askew=float(g.uniform(0.2, 1.0)) * 0.011,
        )

    def warp(self, size: int) -> tuple[Array, Array]:
        """Where each pixel looks, in pixels (x, y): cloth never lies quite as it was cut."""
        g = stream(self.seed, "askew")
        shift = cv2.resize(
            np.dstack([noise(g, 3, GRID), noise(g, 3, GRID)]) * self.askew, (size, size), interpolation=cv2.INTER_LINEAR
        )
        along = np.arange(size, dtype=np.float32)
        return along[None] + shift[..., 0] * size, along[:, None] + shift[..., 1] * size

    def develop(self, picture: Array) -> np.ndarray:
        """From float (S, S, 3) of 0..255 to the photograph, uint8."""
        size = len(picture)
        if self.blur * size > 0.25:
            picture = cv2.GaussianBlur(picture, (0, 0), self.blur * size)
        along = np.linspace(-0.5, 0.5, size, dtype=np.float32)
        light = self.exposure * (1 + along[None, :, None] * self.gradient[0] + along[:, None, None] * self.gradient[1])
        grain = stream(self.seed, f"grain {size}").standard_normal((size, size, 1), np.float32) * self.noise
        return np.clip(picture * (light * np.asarray(self.cast, np.float32)) + grain + 0.5, 0, 255).astype(np.uint8)
