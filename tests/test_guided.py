"""The guided filter's transforms against their formulas, pixel by pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from amgan.photos.guided import DOUBT, RIDGE, fit


def plain(x: np.ndarray, t: np.ndarray, weight: np.ndarray, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """One size of window, by a loop: the weighted ridge regression of each, and their weighted mean at each pixel. Of
    pixels as far from the border as two windows reach."""
    gains, offsets, weights = {}, {}, {}
    side = len(x)
    for i in range(radius, side - radius):
        for j in range(radius, side - radius):
            window = (slice(i - radius, i + radius + 1), slice(j - radius, j + radius + 1))
            w = weight[window].reshape(-1, 1).astype(np.float64)
            a, b = x[window].reshape(-1, 3).astype(np.float64), t[window].reshape(len(w), -1).astype(np.float64)
            a_mean, b_mean = (w * a).sum(0) / w.sum(), (w * b).sum(0) / w.sum()
            a, b = a - a_mean, b - b_mean
            xx, xt, tt = (a * w).T @ a / w.sum(), (a * w).T @ b / w.sum(), (w * b * b).sum() / w.sum()
            gain = np.linalg.solve(xx + RIDGE * np.eye(3), xt)
            left = (w * (b - a @ gain) ** 2).sum() / w.sum()
            gain *= np.clip(1 - left / (tt + DOUBT), 0, 1)
            gains[i, j], offsets[i, j], weights[i, j] = gain, b_mean - a_mean @ gain, w.sum()
    inner = range(2 * radius, side - 2 * radius)
    mean_gain, mean_offset = [], []
    for i in inner:
        for j in inner:
            near = [(p, q) for p in range(i - radius, i + radius + 1) for q in range(j - radius, j + radius + 1)]
            total = sum(weights[n] for n in near)
            mean_gain.append(sum(gains[n] * weights[n] for n in near) / total)
            mean_offset.append(sum(offsets[n] * weights[n] for n in near) / total)
    shape = (len(inner), len(inner))
    return np.reshape(mean_gain, (*shape, 3, -1)), np.reshape(mean_offset, (*shape, -1))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("radius", [1, 3])
def test_transforms_are_those_of_their_windows(channels, radius):
    rng = np.random.default_rng(channels)
    x = cv2.GaussianBlur(rng.random((20, 20, 3), np.float32), (0, 0), 1)
    mixing = rng.random((3, channels), np.float32)
    t = x @ mixing / 2 + cv2.GaussianBlur(rng.random((20, 20, channels), np.float32), (0, 0), 2).reshape(20, 20, -1) / 4
    weight = 0.1 + 0.9 * rng.random((20, 20), np.float32)
    made = fit(x, t.astype(np.float32), weight, (radius,))
    inner = slice(2 * radius, 20 - 2 * radius)
    for mine, theirs in zip(made, plain(x, t, weight, radius), strict=True):
        assert mine.shape[2:] == theirs.shape[2:]
        np.testing.assert_allclose(mine[inner, inner], theirs, atol=2e-3)
    assert np.abs(made.gain).max() > 0.1


def test_a_flat_guide_gives_the_targets_mean():
    flat = np.full((24, 24, 3), 0.5, np.float32)
    target = np.zeros((24, 24, 1), np.float32)
    target[:, 12:] = 1
    made = fit(flat, target, np.ones((24, 24), np.float32), (16, 2))
    assert np.abs(made.gain).max() < 1e-3 and np.isfinite(made.offset).all()
    assert made.offset[12, 3, 0] == pytest.approx(0, abs=1e-3) and made.offset[12, 20, 0] == pytest.approx(1, abs=1e-3)
