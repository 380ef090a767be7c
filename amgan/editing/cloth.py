"""The garment's own texture, to go on where new cloth is painted: image quilting of the detail of its plainer parts.

Folds, knit, weave, fine stripes and grain are what lies above a Gaussian low-pass of the photo. Patches of it are
laid side by side, each the best of a few drawn ones for the neighbours that lie already (Efros and Freeman, 2001). They
are blended over the overlap, not cut, with their variance kept. This is for garments that have a print on them; others
give cloth by the piece: ``amgan.editing.pieces``.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

CANDIDATES = 24  # patches that each place chooses from
FEWEST = 16  # patches; of fewer one would see that they repeat
KEPT, KEPT_PIXELS = 400, 4_000_000  # patches at most, and pixels of them
PLAIN = 0.4  # share of the cloth, the plainest, that patches come from: prints, seams and buttons are the rest
LIMIT = 3.0  # of the median of what is left, where edges of a print are cut off
FITTING = 0.6  # correlation of neighbours from which patches make up a pattern
SEED = 11


class Grain(NamedTuple):
    """What of cloth is sampled; in pixels of the model.

    Attributes:
        patch: side of a patch.
        low_pass: standard deviation; above it lies what generators do not paint, or cannot.
        most: of that, of 1, root mean square; patches that have more are left out.
    """

    patch: float
    low_pass: float
    most: float


FOLDS = Grain(12, 5.0, 1.0)
WEAVE = Grain(6, 1.5, 0.03)  # and no pattern


class Cloth(NamedTuple):
    """Patches of cloth.

    Attributes:
        patches: of its detail, float32 (n, side, side, 3), each of mean 0.
        means: of the photo there, float32 (n, 3), RGB in [0, 1].
    """

    patches: np.ndarray
    means: np.ndarray


def sample(
    photo: np.ndarray, cloth: np.ndarray, scale: float, grain: Grain = FOLDS, tinted: bool = False
) -> Cloth | None:
    """The detail of a garment's plain cloth.

    Stripes and knit, whose patches fit one another, are kept as they are; of a floral print, whose patches would make
    rubbish, only what its ground shows.

    Args:
        photo: float32 (S, S, 3) in [0, 1].
        cloth: bool (S, S), where it is certainly cloth.
        scale: its pixels for one of the model.
        grain: what of it.
        tinted: the detail is in colours; else it is light and shade.

    Returns:
        None where hardly a patch of cloth is whole.
    """
    cloth_of = _patches(photo, cloth, scale, grain)
    if cloth_of is None:
        return None
    patches = cloth_of.patches
    if _fitting(patches) < FITTING:
        limit = LIMIT * np.median(np.abs(patches[::4, ::2, ::2])) + 1e-3
        patches = limit * np.tanh(patches / limit)
    if not tinted:
        patches = np.repeat(patches.mean(3, keepdims=True), 3, 3)
    return Cloth(patches, cloth_of.means)


def _patches(photo: np.ndarray, cloth: np.ndarray, scale: float, grain: Grain) -> Cloth | None:
    """Patches of what lies above a low-pass, from the plainest of the cloth; None where hardly any is whole."""
    side = max(8, round(grain.patch * scale))
    rows, columns = np.flatnonzero(cloth.any(1)), np.flatnonzero(cloth.any(0))
    if not len(rows):
        return None
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    photo, cloth = photo[box], cloth[box]
    # A corner (y, x) is allowed where the patch that begins there holds cloth only.
    whole = cv2.boxFilter(cloth.astype(np.float32), -1, (side, side), anchor=(0, 0)) > 1 - 0.5 / side**2
    stride = max(2, side // 4)
    corners = np.argwhere(whole[: 1 - side : stride, : 1 - side : stride]) * stride
    detail = photo - low_pass(photo, grain.low_pass * scale)
    power = cv2.boxFilter(detail[..., 1] ** 2, -1, (side, side), anchor=(0, 0))[corners[:, 0], corners[:, 1]]
    corners, power = corners[power <= grain.most**2], power[power <= grain.most**2]
    # Not the very plainest: shade and glare hide the texture that the rest has.
    first = len(corners) // 20
    corners = corners[np.argsort(power, kind="stable")[first : max(first + 1, round(PLAIN * len(corners)))]]
    if len(corners) < FEWEST:
        return None
    kept = min(KEPT, max(CANDIDATES, KEPT_PIXELS // side**2))
    corners = corners[np.random.default_rng(SEED).permutation(len(corners))[:kept]]
    patches = np.stack([detail[y : y + side, x : x + side] for y, x in corners])
    means = np.array([cv2.mean(photo[y : y + side, x : x + side])[:3] for y, x in corners], np.float32)
    return Cloth(patches - patches.mean((1, 2), keepdims=True), means)


def low_pass(photo: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of float32 (H, W, 3), by way of a smaller picture where sigma is large."""
    step = max(1, int(sigma / 2))
    size = photo.shape[1::-1]
    less = cv2.resize(photo, (-(-size[0] // step), -(-size[1] // step)), interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.GaussianBlur(less, (0, 0), sigma / step), size, interpolation=cv2.INTER_LINEAR)


def quilt(cloth: Cloth, height: int, width: int) -> np.ndarray:
    """A sheet of the cloth's detail, float32 (height, width, 3); the same every time."""
    patches, rng = cloth.patches, np.random.default_rng(SEED)
    side, overlap = patches.shape[1], _overlap(patches)
    step = side - overlap
    rows, columns = -(-max(1, height - overlap) // step), -(-max(1, width - overlap) // step)
    sheet = np.empty((rows * step + overlap, columns * step + overlap, 3), np.float32)
    ramp = ((np.arange(overlap, dtype=np.float32) + 0.5) / overlap)[:, None, None]
    for y in range(0, rows * step, step):
        for x in range(0, columns * step, step):
            there = sheet[y : y + side, x : x + side]
            drawn = rng.integers(len(patches), size=CANDIDATES)
            fit = np.zeros(CANDIDATES)
            if y:
                fit += _correlation(patches[drawn, :overlap], there[:overlap])
            if x:
                fit += _correlation(patches[drawn, :, :overlap], there[:, :overlap])
            patch = patches[drawn[fit.argmax()]].copy()
            if y:
                patch[:overlap] = _blend(there[:overlap], patch[:overlap], ramp)
            if x:
                patch[:, :overlap] = _blend(there[:, :overlap], patch[:, :overlap], ramp.transpose(1, 0, 2))
            sheet[y : y + side, x : x + side] = patch
    return sheet[:height, :width]


def _overlap(patches: np.ndarray) -> int:
    return max(2, patches.shape[1] // 4)


def _fitting(patches: np.ndarray) -> float:
    """How well patches find neighbours: the mean correlation, over the overlap, of the best of those drawn."""
    overlap = _overlap(patches)
    found = []
    for first, *drawn in np.random.default_rng(SEED).integers(len(patches), size=(16, CANDIDATES + 1)):
        found.append(_correlation(patches[drawn, :, :overlap], patches[first, :, -overlap:]).max())
        found.append(_correlation(patches[drawn, :overlap], patches[first, -overlap:]).max())
    return float(np.mean(found))


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of each of (n, y, x, 3) with (y, x, 3), whose means are about 0: (n,)."""
    a = a.reshape(len(a), -1)
    b = b.reshape(-1)
    return (a @ b) / np.sqrt((a * a).sum(1) * (b @ b) + 1e-12)


def _blend(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """From a to b as share goes from 0 to 1, with the variance that they have: a mean of unlike things is smoother."""
    alike = max(0.0, float(_correlation(a[None], b)[0]))
    variance = (1 - share) ** 2 + share**2 + 2 * alike * share * (1 - share)
    return ((1 - share) * a + share * b) / np.sqrt(variance)
