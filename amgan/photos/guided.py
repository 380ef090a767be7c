"""Joint upsampling: what was made of a small picture, carried to the large one by the large one's own pixels.

In a window of every pixel of the small pair a colour transform A x + b is fitted to what became of x, as in the guided
filter (He, Sun and Tang, 2013, equations 5 and 6, with a colour guide). The transform is smooth where the picture is
sharp, so it is A and b that are enlarged, and applied to the large picture (fast guided filter, He and Sun, 2015;
before them joint bilateral upsampling, Kopf et al., 2007): weave, print and edges come out as sharp as they are in the
photo. The remainder, target - (A x + b), is enlarged smoothly and added. Where the small picture was painted anew, the
remainder is all there is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

RIDGE = 1e-3  # colour variance, of [0, 1]^2, below which a window says little about A and the wider window counts
DOUBT = 3e-4  # variance of the target that is too small to doubt A by
GREY = np.array([0.299, 0.587, 0.114], np.float32)
BINOMIAL = np.array([0.25, 0.5, 0.25], np.float32)  # low-pass that removes generators' chequerboards
NEXT_TO_NOTHING = 1e-3  # a pixel's least weight
FULL_WEIGHT = 0.1  # a weight from which a pixel's remainder is taken as it is


class Transform(NamedTuple):
    """Per pixel, target = sum_i gain_i x_i + offset: ``gain`` float32 (h, w, 3, C), ``offset`` float32 (h, w, C)."""

    gain: np.ndarray
    offset: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.einsum("hwi,hwic->hwc", x, self.gain) + self.offset


def joint_upsample(
    small: np.ndarray, target: np.ndarray, large: np.ndarray, weight: np.ndarray, radii: tuple[int, ...]
) -> np.ndarray:
    """What `target` is to `small`, for `large`.

    Args:
        small: guide, float32 (h, w, 3) in [0, 1].
        target: float32 (h, w, C) in [0, 1].
        large: guide at the wanted size, float32 (H, W, 3) in [0, 1]; of the same scene as `small`.
        weight: float32 (h, w), 0 to 1; how much each pixel of `target` matters.
        radii: of the windows that transforms are fitted in, in pixels of `small`, from wide to narrow.

    Returns:
        float32 (H, W, C) in [0, 1].
    """
    return enlarge(fit(small, target, weight, radii), small, target, large, weight)


def enlarge(
    transform: Transform, small: np.ndarray, target: np.ndarray, large: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """See ``joint_upsample``: with the transform of each pixel that ``fit`` found."""
    weight = np.maximum(weight, NEXT_TO_NOTHING)
    remainder = target - transform(small)
    # A pixel without weight says nothing, and must not bleed into its neighbours when enlarged.
    mean = _box(remainder * weight[..., None], 2) / _box(weight, 2)[..., None]
    remainder = mean + (remainder - mean) * np.minimum(weight / FULL_WEIGHT, 1)[..., None]
    remainder = cv2.sepFilter2D(remainder, -1, BINOMIAL, BINOMIAL).reshape(target.shape)
    size = large.shape[1::-1]
    channels = []
    for c in range(target.shape[2]):  # one at a time: four planes at full size are in memory, not twelve
        gain = cv2.resize(np.ascontiguousarray(transform.gain[..., c]), size, interpolation=cv2.INTER_LINEAR)
        rest = cv2.resize(transform.offset[..., c], size, interpolation=cv2.INTER_LINEAR)
        rest += cv2.resize(np.ascontiguousarray(remainder[..., c]), size, interpolation=cv2.INTER_CUBIC)
        gain *= large
        rest += cv2.transform(gain, np.ones((1, 3), np.float32))
        channels.append(rest)
    return np.clip(cv2.merge(channels).reshape(*large.shape[:2], -1), 0, 1)


def fit(x: np.ndarray, target: np.ndarray, weight: np.ndarray, radii: tuple[int, ...]) -> Transform:
    """The transform of each pixel, from wide windows to narrow ones.

    Wide windows hold enough folds to say how strongly shading comes through; narrow ones tell sleeve and torso apart.
    So ridge regression draws each window's A towards that of the next wider one, and the widest's towards zero.
    """
    weight = np.maximum(weight, NEXT_TO_NOTHING)
    gain = np.zeros((*x.shape[:2], 3, target.shape[2]), np.float32)
    offset = np.zeros(target.shape, np.float32)
    for radius in radii:
        gain, offset = _fit(x, target, weight, radius, gain)
    return Transform(gain, offset)


def response(transform: Transform, small: np.ndarray, target: np.ndarray) -> np.ndarray:
    """How far the brightness of `target` follows that of `small`: float32 (h, w), 0 not at all, 1 as under one light.

    Args:
        transform: from `small` to `target`, both float32 (h, w, 3) in [0, 1].
    """
    from_grey = transform.gain.sum(2) @ GREY  # of a step of grey
    before, after = (cv2.blur(p @ GREY, (9, 9)) for p in (small, target))
    return np.clip(from_grey / np.clip(after / np.maximum(before, 0.05), 0.1, 1), 0, 1)


def _fit(
    x: np.ndarray, t: np.ndarray, weight: np.ndarray, radius: int, prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One size of window. Arrays are planes in here, (..., h, w): numpy loops over many pixels, not a few numbers of
    one."""
    n, mean = _windows(weight, radius)
    xs, ts, before = (np.ascontiguousarray(np.moveaxis(a, (0, 1), (-2, -1))) for a in (x, t, prior))
    mx, mt = mean(xs), mean(ts)
    rows, columns = np.triu_indices(3)
    xx = mean(xs[rows] * xs[columns]) - mx[rows] * mx[columns]  # (6, h, w), the upper triangle
    xt = mean(xs[:, None] * ts) - mx[:, None] * mt  # (3, C, h, w)
    tt = np.maximum(mean(ts * ts) - mt * mt, 0).sum(0)  # (h, w)
    xx[rows == columns] += RIDGE
    gain = _solved(xx, xt + RIDGE * before)
    # Where A x + b does not explain the target, the photo's detail has no business in it: A fades, smoothly. The
    # solution above satisfies (xx) A = xt + ridge (prior - A), so of the target's variance tt it leaves
    #     tt - 2 A'xt + A'(xx)A = tt - A'(xt - ridge (prior - A)).
    left = tt - (gain * (xt - RIDGE * (before - gain))).sum((0, 1))
    gain *= np.clip(1 - left / (tt + DOUBT), 0, 1)
    offset = mt - (mx[:, None] * gain).sum(0)
    # Every pixel lies in many windows; their transforms are averaged (equation 6), by how much each had to go by.
    _, mean = _windows(n, radius)
    gain, offset = (np.ascontiguousarray(np.moveaxis(mean(a), (-2, -1), (0, 1))) for a in (gain, offset))
    return gain, offset


def _windows(weight: np.ndarray, radius: int) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """The windows' mean weight, (h, w), and the weighted mean over them of planes (..., h, w)."""
    n = _box(weight, radius)

    def mean(planes: np.ndarray) -> np.ndarray:
        weighted = planes * weight
        for plane in weighted.reshape(-1, *n.shape):
            plane[:] = _box(plane, radius)
        weighted /= n
        return weighted

    return n, mean


def _solved(upper: np.ndarray, right: np.ndarray) -> np.ndarray:
    """S of M S = ``right``, (3, C, h, w), by Cramer's rule, where LAPACK takes ten times as long for a pixel. Of M,
    which is symmetric, the upper triangle, (6, h, w)."""
    a, b, c, d, e, f = upper.astype(np.float64)
    inverse = np.array(
        [
            [d * f - e * e, c * e - b * f, b * e - c * d],
            [c * e - b * f, a * f - c * c, b * c - a * e],
            [b * e - c * d, b * c - a * e, a * d - b * b],
        ]
    )
    inverse /= a * inverse[0, 0] + b * inverse[0, 1] + c * inverse[0, 2]
    inverse = inverse.astype(np.float32)[:, :, None]
    return inverse[:, 0] * right[0] + inverse[:, 1] * right[1] + inverse[:, 2] * right[2]


def _box(a: np.ndarray, radius: int) -> np.ndarray:
    """Mean over (2 radius + 1)^2 pixels, of (h, w) or (h, w, C)."""
    side = 2 * min(radius, min(a.shape[:2]) // 2 - 1) + 1
    return cv2.blur(a, (side, side), borderType=cv2.BORDER_REFLECT).reshape(a.shape)


# --- One plane, quickly -----------------------------------------------------------------------------------------------

OUTLINE_RADIUS, OUTLINE_RIDGE = 3, 0.02  # pixels of the small plane; variance of a guide whose own is about 1


def upsample_share(share: np.ndarray, large: np.ndarray) -> np.ndarray:
    """A garment's share of each pixel carried to a larger photo, whose edges it then follows.

    The fast guided filter (He and Sun, 2015) with one guide in the place of three colours: colour along the axis that
    parts garment and ground best (Fisher, 1936), two milliseconds instead of twelve.

    Args:
        share: float32 (h, w) in [0, 1].
        large: photo, uint8 (H, W, 3), of the same proportions.

    Returns:
        float32 (H, W), about [0, 1].
    """
    size = large.shape[1::-1]
    small = cv2.resize(large, share.shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    axis = _parting_axis(small, share > 0.5)
    if axis is None:
        return cv2.resize(share, size, interpolation=cv2.INTER_LINEAR)
    guide = cv2.transform(small, axis[None])
    mean_guide, mean_share = _box(guide, OUTLINE_RADIUS), _box(share, OUTLINE_RADIUS)
    variance = _box(guide * guide, OUTLINE_RADIUS) - mean_guide * mean_guide
    gain = (_box(guide * share, OUTLINE_RADIUS) - mean_guide * mean_share) / (variance + OUTLINE_RIDGE)
    offset = _box(mean_share - gain * mean_guide, OUTLINE_RADIUS)
    gain = _box(gain, OUTLINE_RADIUS)
    gain, offset = (cv2.resize(p, size, interpolation=cv2.INTER_LINEAR) for p in (gain, offset))
    return gain * cv2.transform(large.astype(np.float32), axis[None] / 255) + offset


def _parting_axis(small: np.ndarray, inside: np.ndarray) -> np.ndarray | None:
    """Fisher's linear discriminant of the colours inside and outside, float32 (3,), of unit variance; None where one
    side is empty."""
    colours, inside = small.reshape(-1, 3), inside.reshape(-1)
    if not inside.any() or inside.all():
        return None
    garment, ground = colours[inside], colours[~inside]
    within = np.cov(garment, rowvar=False, bias=True) + np.cov(ground, rowvar=False, bias=True)
    axis = np.linalg.solve(within + RIDGE * np.eye(3), garment.mean(0) - ground.mean(0))
    return (axis / max(float((colours @ axis).std()), 1e-6)).astype(np.float32)
