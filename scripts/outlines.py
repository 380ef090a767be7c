"""Outlines of garments drawn by hand, and the masks that they enclose.

A file of them is JSON: ``{file name: [polygon, …]}``, a polygon a list of at least three ``[x, y]``, each in shares of
the photo's width and height, 0 to 1 from its upper left corner. Coordinates alone: they say nothing of the picture.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amgan.errors import UserError

if TYPE_CHECKING:
    import numpy as np

Polygon = list[list[float]]


def read_outlines(path: Path) -> dict[str, list[Polygon]]:
    """The outlines of each photo, by its file name.

    Raises:
        UserError: the file cannot be read, or is not as the module says; it names the photo.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as outlines: {error}") from None
    if not isinstance(found, dict) or not found:
        raise UserError(f"{path} must hold an object of file names and their polygons, {{name: [[[x, y], …], …]}}.")
    for name, polygons in found.items():
        if not (isinstance(polygons, list) and polygons and all(map(_is_polygon, polygons))):
            raise UserError(f"{path}: {name!r} needs polygons of three or more points [x, y], each from 0 to 1.")
    return found


def _is_polygon(points: Any) -> bool:
    return isinstance(points, list) and len(points) >= 3 and all(map(_is_point, points))


def _is_point(point: Any) -> bool:
    numbers = isinstance(point, list) and all(type(v) in (int, float) for v in point)
    return numbers and len(point) == 2 and all(0 <= v <= 1 for v in point)


def mask_within(polygons: list[Polygon], height: int, width: int) -> np.ndarray:
    """The mask that polygons enclose: uint8 (height, width), 255 where a pixel's centre lies inside.

    Even-odd rule: a ray from the centre to the left meets the edges of all polygons an odd number of times. So a
    polygon within another is a hole, and it does not matter which way round points go. An edge counts from its upper
    end to above its lower one: where two edges meet, a ray meets one of them.
    """
    import numpy as np

    inside = np.zeros((height, width), bool)
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    for polygon in polygons:
        corners = np.array(polygon, float) * (width, height)
        for (x0, y0), (x1, y1) in pairwise([*corners, corners[0]]):
            met = (y >= min(y0, y1)) & (y < max(y0, y1))
            if met.any():
                crossing = x0 + (y[met] - y0) * (x1 - x0) / (y1 - y0)
                inside[met] ^= x > crossing[:, None]
    return np.where(inside, 255, 0).astype(np.uint8)
