"""What is plain of a garment that is made plain stays as the photo shows it; and what is not is painted in its light.

To take a print off, a generator paints all of the garment in one flat colour, and folds and shading go with the print.
But what it painted says where the print is: there photo and picture differ in more than light, or the photo has detail
that the picture lacks. Only that is painted, with as much light and tint added as the cloth around it has. Where a
pattern is all over, or cloth is creased, the generator's work stays, but for its colour: where the photo has a main
one, it is that, lit as the photo is at large.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from amgan.editing.main_colour import LIGHTNESS, main_colour
from amgan.editing.shapes import WHITE, blur_within, dilate, disc, find_ground, opened, touching, whiteness
from amgan.models.interface import Generated
from amgan.pixels import to_arrays

WEIGHTS = np.array([LIGHTNESS, 1, 1], np.float32)  # of Lab
WIDE, ROUNDS = 7.0, 4  # pixels over which light is even, and how often it is told from the print
SEEN = 0.7  # pixels: what is finer is no print
ALIKE, OTHER = 8.0, 15.0  # distance in Lab to which cloth is the garment's; from which a print is sure
MOST = 0.5  # of the garment, that a print covers
PRINT = 0.02  # of the garment: less is none
FINE, CALM = 2.0, 1.4  # pixels; of what is finer the cloth has as much of Lab, on the mean, or it has a pattern
FAR, DETAILED = (3.0, 6.0), (1.2, 1.8)  # distance in Lab, and detail, of the usual: below, the photo stays; above not
RIM = 4  # pixels from the outline, where collars and hems are
AROUND, BETWEEN = 5, 5  # pixels: a print's edge is in its neighbours too; and between two letters is no cloth
STILL_WHITE = 0.9  # where the photo is white and the picture so light, nothing is to be painted
LITTLE = 0.2  # of the mask: where there is less, the photo says how light the cloth is
REACHES = (16.0, 8.0, 4.0, 2.0)  # pixels over which light goes on, from the middle of a print to its edge
SAME, GROUND = 8.0, 0.35  # distance in Lab to which cloth is of the main colour; share of the garment that is
AT_LARGE = REACHES[:2]  # what is finer might be a pattern


def taken_off_in_place(x: Tensor, made: Generated) -> Generated:
    """Garments made plain, those that bear a print as they were but for the print, others of the colour that they were.

    Args:
        x: pictures (B, 3, H, W) in [-1, 1], garments on white.
        made: their edits.
    """
    before, after, raw = (to_arrays(a) for a in (x, made.image, made.raw))  # (B, H, W, 3)
    alpha = made.mask.float().permute(0, 2, 3, 1).cpu().numpy()
    rows, found = [], []
    for row, pictures in enumerate(zip(before, after, raw, alpha, strict=True)):
        changed = _without(*pictures[:2]) or _of_its_colour(*pictures)
        if changed is not None:
            rows.append(row)
            found.append(changed)
    if not rows:
        return made
    raws, masks = (torch.from_numpy(np.stack(a)).permute(0, 3, 1, 2).to(x) for a in zip(*found, strict=True))
    at = torch.tensor(rows, device=x.device)
    return made.with_rows(at, Generated.blended(x[at], masks, 2 * raws - 1))


def _without(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """What is painted, float32 (h, w, 3), and how far it is, (h, w, 1); None where a pattern is all over, or nothing.

    Args:
        x, y: the photo and the same made plain, float32 (h, w, 3), RGB in [0, 1], on white.
    """
    garment = _garment(x, y)
    cloth = cv2.erode(garment, disc(3)) > 0
    inner = cv2.erode(garment, disc(2 * RIM + 1)) > 0
    if not inner.any():
        return None
    off = (cv2.cvtColor(x, cv2.COLOR_RGB2LAB) - cv2.cvtColor(y, cv2.COLOR_RGB2LAB)) * WEIGHTS
    seen, plain, far = blur_within(off, cloth, SEEN), cloth, np.zeros(cloth.shape, np.float32)
    for _ in range(ROUNDS):
        far = np.linalg.norm(seen - blur_within(seen, plain, WIDE), axis=2) * cloth
        plain = cloth & (far < ALIKE)
        if plain.sum() <= (1 - MOST) * cloth.sum():
            return None
    fine = np.linalg.norm(off - blur_within(off, cloth, FINE), axis=2)
    sure = touching(far > ALIKE, (far > OTHER) & inner)
    rest = inner & ~(dilate(sure, AROUND) > 0)
    if (sure & inner).sum() < PRINT * cloth.sum() or not rest.any() or fine[rest].mean() > CALM:
        return None
    detail = np.sqrt(cv2.GaussianBlur(fine**2 * cloth, (0, 0), FINE))
    usual = float(np.median(detail[rest]))
    detailed = _step(detail, (DETAILED[0] * usual + 0.5, DETAILED[1] * usual + 1))
    painted = np.maximum(np.maximum(_step(far, FAR), detailed) * inner, sure)
    painted = cv2.morphologyEx(dilate(painted, AROUND), cv2.MORPH_CLOSE, disc(BETWEEN)) * cloth
    mask = cv2.GaussianBlur(painted, (0, 0), SEEN) * cloth
    light = _carried(x - y, plain & (mask < LITTLE) & (cv2.erode(garment, disc(5)) > 0))
    return np.clip(y + light, 0, 1), mask[..., None]


def _of_its_colour(
    x: np.ndarray, y: np.ndarray, raw: np.ndarray, alpha: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """What is painted where the generator's work stays, and how far, as in ``_without``; None where no colour is most
    of the garment.

    Args:
        raw, alpha: what the generator painted, float32 (h, w, 3), and how far it is, (h, w, 1).
    """
    inner = cv2.erode(_garment(x, y), disc(RIM + 1)) > 0
    main = main_colour(x[inner])
    if main is None:
        return None
    off = (cv2.cvtColor(x, cv2.COLOR_RGB2LAB) - main.astype(np.float32)) * WEIGHTS
    ground = opened(inner & (np.linalg.norm(off, axis=2) < SAME), 3)
    if ground.sum() < GROUND * inner.sum():
        return None
    return np.clip(raw + _carried(x - y, ground, AT_LARGE), 0, 1), alpha


def _garment(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where there is cloth in photo or picture, uint8 (h, w) of 0 and 1."""
    bare = (whiteness(x) >= WHITE) & (whiteness(y) >= STILL_WHITE)  # as between a sleeve and the side
    return (~find_ground(x) & ~bare).astype(np.uint8)


def _step(a: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    return np.clip((a - ends[0]) / (ends[1] - ends[0]), 0, 1).astype(np.float32)


def _carried(picture: np.ndarray, known: np.ndarray, reaches: Sequence[float] = REACHES) -> np.ndarray:
    """A picture, (h, w, 3), carried on from where it is known, bool (h, w), to everywhere, blurred as the least of the
    reaches is wide."""
    out = np.full_like(picture, picture[known].mean(0) if known.any() else 0)
    for reach in reaches:
        near = np.clip(4 * cv2.GaussianBlur(known.astype(np.float32), (0, 0), reach), 0, 1)[..., None]
        out += near * (blur_within(picture, known, reach) - out)
    return out
