"""Drawing with OpenCV in unit coordinates: x to the right and y down, both 0..1 over the picture.

OpenCV fills polygons in fixed-point arithmetic with soft edges, so a shape has the same pixels on every machine; and
whatever trains networks here has it installed already.
"""

from __future__ import annotations

import zlib

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating]  # float32 where it covers pixels
Mask = NDArray[np.uint8]
Points = NDArray[np.float64]  # (n, 2), unit coordinates

SUBPIXEL = 4  # bits of a pixel that OpenCV keeps of a corner's position


def stream(seed: int, name: str) -> np.random.Generator:
    """Random numbers for one concern of one garment. What another concern draws never shifts them: this is why a
    counterfactual differs in the edited attribute alone."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(name.encode())])))


def points(*xy: ArrayLike) -> Points:
    return np.asarray(xy, np.float64).reshape(-1, 2)


def mirror(shape: Points) -> Points:
    """The other side of the body, whose axis is x = 0."""
    return shape * (-1, 1)


def curve(through: ArrayLike, steps: int = 8) -> Points:
    """A smooth open curve (Catmull-Rom) through points (n, 2), ``steps`` points per piece."""
    p = np.asarray(through, np.float64)
    p = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    t = (np.arange(steps) / steps)[None, :, None]
    a, b, c, d = (p[i : len(p) - 3 + i, None] for i in range(4))
    pieces = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.vstack([pieces.reshape(-1, 2), p[-2:-1]])


def ribbon(path: Points, width: ArrayLike) -> Points:
    """The outline of a band along a path (n, 2), ``width`` one number or one per point."""
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.hypot(along[:, :1], along[:, 1:]), 1e-9)
    across = along[:, ::-1] * (-1, 1) * (np.broadcast_to(width, len(path))[:, None] / 2)
    return np.vstack([path + across, (path - across)[::-1]])


def ellipse(centre: ArrayLike, radii: ArrayLike, turn: float = 0.0, corners: int = 24) -> Points:
    angle = np.arange(corners) * (2 * np.pi / corners)
    x, y = radii[0] * np.cos(angle), radii[1] * np.sin(angle)  # type: ignore[index]
    return np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], axis=1) + np.asarray(
        centre
    )


def rectangle(left: float, top: float, right: float, bottom: float) -> Points:
    return points((left, top), (right, top), (right, bottom), (left, bottom))


def fill(size: int, *shapes: Points) -> Mask:
    """Coverage (size, size), 0..255, of polygons."""
    canvas = np.zeros((size, size), np.uint8)
    for shape in shapes:
        fill_into(canvas, shape, 255)
    return canvas


def fill_into(canvas: np.ndarray, shape: Points, colour: float | tuple[float, ...]) -> None:
    """Paint one polygon onto a picture uint8 (H, W[, C]) whose width is one unit."""
    # OpenCV counts from pixel centres.
    corners = np.rint((shape * canvas.shape[1] - 0.5) * (1 << SUBPIXEL)).astype(np.int32)
    cv2.fillPoly(canvas, [corners], colour, cv2.LINE_AA, SUBPIXEL)


def soften(mask: Mask, sigma: float) -> Mask:
    """Gaussian blur, ``sigma`` in units. The kernel is cut off early: shadows need no tails."""
    return cv2.GaussianBlur(mask, (0, 0), max(sigma * mask.shape[1], 0.3))


def noise(generator: np.random.Generator, cells: int | tuple[int, int], size: int) -> Array:
    """Smooth random field (size, size) in about -1..1 with so many ``cells`` (rows, columns) over the picture."""
    rows, columns = (cells, cells) if isinstance(cells, int) else cells
    coarse = generator.random((rows + 2, columns + 2), np.float32) * 2 - 1
    # Cubic as far as it shows, then linear: a field of few cells costs little at any size.
    middle = min(8 * max(rows, columns), size)
    for side, how in ((middle, cv2.INTER_CUBIC), (size, cv2.INTER_LINEAR)):
        shape = (round(side * (columns + 2) / columns), round(side * (rows + 2) / rows))
        fine = coarse = coarse if coarse.shape == shape[::-1] else cv2.resize(coarse, shape, interpolation=how)
    top, left = (fine.shape[0] - size) // 2, (fine.shape[1] - size) // 2
    return fine[top : top + size, left : left + size]


def smoothstep(x: Array, low: float, high: float) -> Array:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def wave(phase: Array) -> Array:
    """A sine of period 1, nearly, from arithmetic that every processor rounds alike."""
    triangle = 4 * np.abs(phase - np.floor(phase) - 0.5) - 1
    return triangle * (1.5 - 0.5 * triangle * triangle)
