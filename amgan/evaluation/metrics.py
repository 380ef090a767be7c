"""The numbers of a report as pure functions of arrays. Each has a twin written with plain loops in the tests.

Labels are ``int64``, unknown is ``UNKNOWN`` (-1). A mean over nothing is NaN, never 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np

from amgan.schema import UNKNOWN

DRAWN_BYTES = 64 << 20  # how much of the bootstrap's draws is in memory at a time, as float64


def grouped_mean(scores: np.ndarray, groups: np.ndarray) -> dict[int, float]:
    """The mean score of each group (for example wanted value), NaN scores left out, groups without a score too."""
    valid = ~np.isnan(scores)
    return {int(g): float(scores[valid & (groups == g)].mean()) for g in np.unique(groups[valid])}


def macro_mean(scores: np.ndarray, outer: np.ndarray, inner: np.ndarray) -> float:
    """The mean over `outer` groups (attributes) of the mean over `inner` groups (values) of the mean score."""
    means = [list(grouped_mean(scores[outer == o], inner[outer == o]).values()) for o in np.unique(outer)]
    filled = [float(np.mean(m)) for m in means if m]
    return float(np.mean(filled)) if filled else float("nan")


def bootstrap_interval(
    scores: np.ndarray, outer: np.ndarray, inner: np.ndarray, photos: np.ndarray, rounds: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of `macro_mean` when source photos are drawn anew with replacement.

    Whole photos are drawn, because the edits of one photo succeed and fail together. Groups absent from a draw are
    left out of it.
    """
    ((low, high),) = bootstrap_intervals(scores[:, None], outer, inner, photos, rounds, seed)
    return float(low), float(high)


def bootstrap_intervals(
    scores: np.ndarray, outer: np.ndarray, inner: np.ndarray, photos: np.ndarray, rounds: int = 1000, seed: int = 0
) -> np.ndarray:
    """`bootstrap_interval` of several scores of the same edits, float64 (Q, K), from the same draws: (K, 2). An edit
    has NaN in all of them or in none."""
    valid = ~np.isnan(scores).any(axis=1)
    scores, outer, inner, photos = scores[valid], outer[valid], inner[valid], photos[valid]
    kinds = scores.shape[1]
    if not len(scores):
        return np.full((kinds, 2), np.nan)
    _, photo = np.unique(photos, return_inverse=True)
    n_photos = int(photo.max()) + 1
    counts, totals, group_of = [], [], []
    for o in np.unique(outer):
        for i in np.unique(inner[outer == o]):
            mine = (outer == o) & (inner == i)
            counts.append(np.bincount(photo[mine], minlength=n_photos).astype(np.float64))
            totals += [np.bincount(photo[mine], weights=column, minlength=n_photos) for column in scores[mine].T]
            group_of.append(o)
    groups = np.array(group_of)
    count, total = np.stack(counts, axis=1), np.stack(totals, axis=1)  # (photos, groups), (photos, groups * K)
    drawn, means = drawn_photos(n_photos, rounds, seed), []
    step = max(1, DRAWN_BYTES // (8 * n_photos))
    for start in range(0, rounds, step):
        times = drawn[start : start + step].astype(np.float64)  # (rounds, photos)
        n = (times @ count).T[:, :, None]  # (groups, rounds, 1)
        sums = (times @ total).reshape(len(times), len(groups), kinds).transpose(1, 0, 2)
        per_inner = np.where(n > 0, sums / np.maximum(n, 1), np.nan)
        means.append(_nanmean(np.stack([_nanmean(per_inner[groups == o]) for o in np.unique(outer)])))
    return np.nanpercentile(np.concatenate(means), [2.5, 97.5], axis=0).T


@lru_cache(maxsize=8)  # the rows of a report ask for one or two for each attribute, a hundred times over
def drawn_photos(n_photos: int, rounds: int, seed: int) -> np.ndarray:
    """How often each photo is drawn when ``n_photos`` are drawn with replacement, uint8 (rounds, n_photos).

    One byte will do: that one of many photos is drawn more than 255 times has no chance.
    """
    rng, share = np.random.default_rng(seed), np.full(n_photos, 1 / n_photos)
    step = max(1, DRAWN_BYTES // (8 * n_photos))
    sizes = [min(step, rounds - start) for start in range(0, rounds, step)]
    drawn = np.concatenate([rng.multinomial(n_photos, share, size=n).astype(np.uint8) for n in sizes])
    drawn.flags.writeable = False  # it is handed out again
    return drawn


def _nanmean(rows: np.ndarray) -> np.ndarray:
    known = ~np.isnan(rows)
    n = known.sum(axis=0)
    return np.where(n > 0, np.where(known, rows, 0).sum(axis=0) / np.maximum(n, 1), np.nan)


def confusion(true: np.ndarray, predicted: np.ndarray, n: int) -> np.ndarray:
    """int64 (n, n): rows the given label, columns the prediction; unknown given labels are left out."""
    known = true != UNKNOWN
    return np.bincount(true[known] * n + predicted[known], minlength=n * n).reshape(n, n)


def accuracy(matrix: np.ndarray) -> float:
    return float(np.trace(matrix) / matrix.sum()) if matrix.sum() else float("nan")


def balanced_accuracy(matrix: np.ndarray) -> float:
    """The mean recall over the values that occur."""
    support = matrix.sum(axis=1)
    occurs = support > 0
    return float((np.diag(matrix)[occurs] / support[occurs]).mean()) if occurs.any() else float("nan")


def mask_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """float (B,): intersection over union of bool masks (B, H, W); NaN where both are empty."""
    both = (a & b).sum(axis=(1, 2))
    either = (a | b).sum(axis=(1, 2))
    return np.where(either > 0, both / np.maximum(either, 1), np.nan)


def mean_change(before: np.ndarray, after: np.ndarray, where: np.ndarray) -> np.ndarray:
    """float (B,), 0..1: mean absolute change of uint8 (B, 3, H, W) pictures over the pixels `where` (B, H, W)."""
    change = np.abs(before.astype(np.float32) - after.astype(np.float32)).mean(axis=1) / 255
    n = where.sum(axis=(1, 2))
    return np.where(n > 0, (change * where).sum(axis=(1, 2)) / np.maximum(n, 1), np.nan)


def detail_kept(before: np.ndarray, after: np.ndarray, where: np.ndarray, sigma: float = 2.0) -> np.ndarray:
    """float (B,), -1..1: correlation of high-pass luminance of uint8 (B, 3, H, W) pictures over `where` (B, H, W).

    High-pass is luminance minus its Gaussian mean over the pixels of `where`: the step to the background would
    otherwise correlate by itself. A picture without any detail left has correlation 0.
    """
    out = np.full(len(before), np.nan)
    for b in range(len(before)):
        if where[b].sum() < 2:
            continue
        x, y = (_high_pass(p[b], where[b], sigma) for p in (before, after))
        x, y = x - x.mean(), y - y.mean()
        flat = min(x.std(), y.std()) < 0.1  # of 255: less than rounding leaves
        out[b] = 0.0 if flat else float((x * y).mean() / (x.std() * y.std()))
    return out


def _luminance(picture: np.ndarray) -> np.ndarray:
    return np.tensordot(np.array([0.299, 0.587, 0.114], np.float32), picture.astype(np.float32), axes=1)


def _high_pass(picture: np.ndarray, where: np.ndarray, sigma: float) -> np.ndarray:
    luminance, inside = _luminance(picture), where.astype(np.float32)
    total, weight = (cv2.GaussianBlur(p, (0, 0), sigma)[where] for p in (luminance * inside, inside))
    return luminance[where] - total / weight


def sharpness(picture: np.ndarray, where: np.ndarray, fewest: int = 20) -> float:
    """The median gradient of luminance over the pixels `where` (H, W) of uint8 (3, H, W), 0..255 per pixel.

    Blur lowers it, noise raises it; being a median, it is about the cloth's weave and folds, not about the few strong
    edges of a print, a seam or a fringe. NaN where fewer than `fewest` pixels are asked for.
    """
    return float(np.median(gradient(picture)[where])) if where.sum() >= fewest else float("nan")


def ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b, NaN where b is 0 or NaN."""
    return np.divide(a, b, out=np.full(len(a), np.nan), where=b > 0)


def gradient(picture: np.ndarray) -> np.ndarray:
    """float32 (H, W), 0..255: how steep the luminance of uint8 (3, H, W) is, by central differences."""
    luminance = _luminance(picture)
    across, down = (cv2.Sobel(luminance, cv2.CV_32F, *d, ksize=1, scale=0.5) for d in ((1, 0), (0, 1)))
    return np.hypot(across, down)


def erode(masks: np.ndarray, pixels: int) -> np.ndarray:
    """bool (B, H, W) masks made smaller by so many pixels on every side."""
    return _morph(masks, pixels, cv2.erode)


def dilate(masks: np.ndarray, pixels: int) -> np.ndarray:
    """bool (B, H, W) masks made larger by so many pixels on every side."""
    return _morph(masks, pixels, cv2.dilate)


def _morph(masks: np.ndarray, pixels: int, operation: Callable[..., np.ndarray]) -> np.ndarray:
    if pixels == 0:
        return masks
    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return np.stack([operation(m.astype(np.uint8), kernel) > 0 for m in masks]) if len(masks) else masks
