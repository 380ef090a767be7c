"""Sleeves of real garments, found on their silhouettes: where they lie, how wide they are, and their light.

What a sewn sleeve looks like in detail, its folds, it takes from one of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from amgan.lessons.armholes import Fit, fit_sleeves

PLACES = 48  # along a sleeve, at which its edges are kept
END = 1.12  # so far beyond its length the edges go on, lest an uneven wrist end be cut off
LENGTHS = (0.55, 1.15), (0.12, 0.5)  # least and most over the garment's height, of long and of short sleeves
UNEVEN = 0.04  # most of a sleeve that may be far darker or lighter than the rest: two cloths, or the ground in a gap


@dataclass(frozen=True)
class RealSleeve:
    """One sleeve of a photographed garment. Coordinates are pixels of its picture, (x, y).

    Attributes:
        light: luminance over the sleeve's median, float32 (S, S), continued beyond the edges.
        outer, inner: its smooth edges at ``PLACES`` even shares of 0..``END`` of its length, (PLACES, 2) each.
    """

    light: np.ndarray
    outer: np.ndarray
    inner: np.ndarray

    def light_at(self, along: np.ndarray, across: np.ndarray) -> np.ndarray:
        """Light at some places of the sleeve, float32 (n,).

        Args:
            along: shares of its length, (n,), 0 at the armhole.
            across: from -1 at the outer edge to 1 at the inner, (n,).
        """
        place = np.clip(along / END, 0, 1) * (PLACES - 1)
        k = np.arange(PLACES)
        outer, inner = (np.stack([np.interp(place, k, e[:, i]) for i in (0, 1)], 1) for e in (self.outer, self.inner))
        xy = (outer + (inner - outer) * ((across + 1) / 2)[:, None]).astype(np.float32)
        columns, rows = xy[None, :, 0], xy[None, :, 1]
        light = cv2.remap(self.light, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
        # Beside the armhole it is the shoulder's light, and the seam's.
        return 1 + (light - 1) * np.clip(along / 0.12, 0, 1)


def most_usual(sleeves: Sequence[RealSleeve]) -> RealSleeve | None:
    """The one whose light is most like the average of all; None of none."""
    if not sleeves:
        return None
    along, across = (a.ravel() for a in np.meshgrid(np.linspace(0, 1, PLACES), np.linspace(-1, 1, PLACES // 3)))
    lights = np.stack([s.light_at(along, across) for s in sleeves])
    lights -= lights.mean(1, keepdims=True)
    alike = lights @ lights.mean(0) / np.maximum(np.linalg.norm(lights, axis=1), 1e-9)
    return sleeves[int(alike.argmax())]


def length_of(outer: np.ndarray, inner: np.ndarray) -> float:
    """Along the middle between a sleeve's edges, as ``RealSleeve`` has them."""
    return float(np.hypot(*np.diff((outer + inner) / 2, axis=0).T).sum()) / END


def find_sleeves(image: np.ndarray, mask: np.ndarray, long: bool) -> list[RealSleeve]:
    """The sleeves of a garment that lie free of its torso, none to two.

    Args:
        image: uint8 (S, S, 3), on white; mask: bool (S, S).
        long: below the elbow; such have to lie beside the torso, with a gap between.
    """
    found = _long_armholes(mask) if long else _short_armholes(mask)
    if not found:
        return []
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    rows = np.flatnonzero(mask.any(1))
    height = float(rows[-1] - rows[0])
    sleeves = []
    for armhole, region in found:
        edges = _follow(region, armhole, height) if long else _straight(region, armhole, height)
        light = _light(gray, region)
        if edges is not None and (np.abs(light[region] - 1) > 0.33).mean() < UNEVEN:
            sleeves.append(RealSleeve(light, *edges))
    return sleeves


Found = tuple[np.ndarray, np.ndarray]  # armhole (2, 2), and the sleeve, bool (S, S)


def _short_armholes(mask: np.ndarray) -> list[Found]:
    return [_beyond(mask, f) for f in fit_sleeves(mask, True) or []]


def _beyond(mask: np.ndarray, fit: Fit) -> Found:
    (across, shoulder), (chest, armpit) = fit.arm.armhole
    size = len(mask)
    y = np.arange(size)
    edge = np.where(y < armpit, np.interp(y, [shoulder, armpit], [across, chest]), fit.line + 0.03 * size)
    out = fit.side * (np.arange(size)[None] - fit.axis)
    armhole = fit.arm.armhole * (fit.side, 1) + (fit.axis, 0)
    region = mask & (out > edge[:, None]) & (y < armpit + 0.2 * size)[:, None]
    return armhole, region


def _long_armholes(mask: np.ndarray) -> list[Found]:
    """Sleeves beside a torso, with a gap between."""
    size = len(mask)
    rows = np.flatnonzero(mask.any(1))
    if len(rows) < size // 3:
        return []
    top, bottom = int(rows[0]), int(rows[-1])
    height = bottom - top
    columns = np.arange(size)
    middle = mask[top + height // 3 : bottom]
    weight = middle.sum(0)
    if not weight.sum():
        return []
    axis = float((weight * columns).sum() / weight.sum())
    found = []
    for side in (1, -1):
        # Outwards from the axis: where the torso ends, and whether more comes after that.
        start = round(axis)
        ray = mask[:, start:] if side > 0 else mask[:, start::-1]
        inside = np.cumprod(ray, 1).sum(1)  # width of the torso's half in each row
        further = (ray & (np.cumsum(~ray, 1) > 0)).sum(1) >= 3
        near = (inside > 0.08 * size) & further
        gaps = np.flatnonzero(near[top + int(0.15 * height) : top + int(0.6 * height)])
        if not len(gaps):
            continue
        armpit = int(gaps[0]) + top + int(0.15 * height)
        rows_below = slice(armpit, min(armpit + int(0.45 * height), size))
        if near[rows_below].mean() < 0.7 or not 0.1 * size < inside[armpit] < 0.4 * size:
            continue
        chest = float(np.median(inside[armpit : armpit + 6]))
        across = 0.9 * chest
        column = int(np.clip(round(axis + side * across), 0, size - 1))
        filled = np.flatnonzero(mask[:armpit, column])
        if not len(filled) or not 0.08 * size < armpit - filled[0] < 0.3 * size:
            continue
        shoulder = float(filled[0])
        y = np.arange(size)
        edge = np.where(y < armpit, np.interp(y, [shoulder, armpit], [across, chest]), inside + 1)
        region = mask & (side * (columns[None] - axis) > edge[:, None])
        count, parts = cv2.connectedComponents(region.astype(np.uint8), connectivity=4)
        if count < 2:
            continue
        region = parts == 1 + np.bincount(parts[parts > 0])[1:].argmax()
        armhole = np.array([(axis + side * across, shoulder), (axis + side * chest, float(armpit))])
        found.append((armhole, region))
    return found


def _follow(region: np.ndarray, armhole: np.ndarray, height: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Walk down the middle of a long sleeve, from the armhole to where it ends.

    Returns:
        Edges as ``RealSleeve`` has them; None where it is no single strip of cloth.
    """
    (least, most), _ = LENGTHS
    opening = float(np.hypot(*(armhole[1] - armhole[0])))
    place = armhole.mean(0)
    ys, xs = np.nonzero(region)
    if len(xs) < opening**2 / 4:
        return None
    near = np.hypot(xs - place[0], ys - place[1]) < 1.2 * opening
    if not near.any():
        return None
    direction = _unit(np.array([xs[near].mean(), ys[near].mean()]) - place)
    soft = region.astype(np.float32)
    offsets = np.arange(-0.9 * opening, 0.9 * opening, 0.5)
    centres, widths = [place], []
    place = place + direction * 2
    for step in range(2, int(most * height) + 2):
        normal = np.array([-direction[1], direction[0]])
        at = (place + offsets[:, None] * normal).astype(np.float32)
        hit = cv2.remap(soft, at[None, :, 0], at[None, :, 1], cv2.INTER_LINEAR)[0] > 0.5
        out = np.flatnonzero(~hit)
        centre = len(offsets) // 2
        if not hit[centre]:
            break
        low = out[out < centre][-1] + 1 if (out < centre).any() else 0
        high = out[out > centre][0] - 1 if (out > centre).any() else len(offsets) - 1
        # Beside the armhole a line across the sleeve meets the shoulder: there nothing is measured.
        if step > 0.45 * opening:
            place = place + normal * 0.5 * (offsets[low] + offsets[high]) / 2
            widths.append((step, offsets[high] - offsets[low]))
        centres.append(place)
        if len(centres) > 10:
            direction = _unit(0.85 * direction + 0.15 * _unit(place - centres[-9]))
        place = place + direction
    path = np.array(centres)
    if len(path) < least * height or len(widths) < 4:
        return None
    return _edges(path, np.array(widths), armhole, region)


def _edges(
    path: np.ndarray, widths: np.ndarray, armhole: np.ndarray, region: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    opening = float(np.hypot(*(armhole[1] - armhole[0])))
    steps = np.arange(len(path))
    window = max(3, len(path) // 6) | 1
    padded = np.pad(path, ((window // 2, window // 2), (0, 0)), "reflect", reflect_type="odd")
    path = np.stack([np.convolve(padded[:, i], np.ones(window) / window, "valid") for i in (0, 1)], 1)
    degree = 2 if len(widths) > 20 else 1
    # The last few cross the wrist end at a slant.
    measured = widths[: max(4, len(widths) - 3)]
    fit = np.polyfit(measured[:, 0], measured[:, 1], degree)
    width = np.polyval(fit, np.clip(steps, measured[0, 0], measured[-1, 0]))
    wrong = np.abs(np.polyval(fit, measured[:, 0]) - measured[:, 1]).mean()
    if wrong > 0.12 * width.mean() or not 0.2 * opening < width.min() <= width.max() < 1.5 * opening:
        return None
    length = float(len(path))
    t = np.linspace(0, END, PLACES) * length
    ahead = _unit(path[-1] - path[-max(4, len(path) // 8)])
    beyond = np.clip(t - steps[-1], 0, None)[:, None]
    path = np.stack([np.interp(t, steps, path[:, i]) for i in (0, 1)], 1) + beyond * ahead
    along = np.gradient(path, axis=0)
    along /= np.hypot(along[:, :1], along[:, 1:])
    half = np.stack([-along[:, 1], along[:, 0]], 1) * np.interp(t, steps, width)[:, None] / 2
    outer, inner = path - half, path + half
    if np.hypot(*(outer[PLACES // 4] - armhole[0])) > np.hypot(*(inner[PLACES // 4] - armhole[0])):
        outer, inner = inner, outer
    # As of ``Arm.edges``: they leave the armhole at its two ends.
    shift = path - armhole.mean(0)
    blend = np.clip(np.linspace(0, END, PLACES) / 0.22, 0, 1)[:, None]
    blend = blend * blend * (3 - 2 * blend)
    outer, inner = (a + shift + (e - a - shift) * blend for a, e in ((armhole[0], outer), (armhole[1], inner)))
    ribbon = np.zeros(region.shape, np.uint8)
    cv2.fillPoly(ribbon, [np.round(np.vstack([outer, inner[::-1]])).astype(np.int32)], 1)
    both = (ribbon > 0) & region
    if both.sum() < 0.85 * region.sum() or both.sum() < 0.7 * ribbon.sum():
        return None
    return outer, inner


def _straight(region: np.ndarray, armhole: np.ndarray, height: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Edges of a short sleeve, straight from the armhole's ends to the hem's; None where there is no such sleeve."""
    ys, xs = np.nonzero(region)
    if len(xs) < np.hypot(*(armhole[1] - armhole[0])) ** 2 / 8:
        return None
    out = np.sign(armhole[1, 0] - armhole[0, 0]) * xs
    # The hem's ends: what sticks out farthest, and what hangs lowest of that.
    ends = [np.array([xs[k], ys[k]], np.float64) for k in ((out - 0.35 * ys).argmax(), (ys + 0.6 * out).argmax())]
    hem, (_, (least, most)) = np.hypot(*(ends[1] - ends[0])) / height, LENGTHS
    lengths = [np.hypot(*(e - a)) / height for e, a in zip(ends, armhole, strict=True)]
    if not least < lengths[0] < most or not 0.02 < lengths[1] < most or not 0.08 < hem < 0.35:
        return None
    t = np.linspace(0, END, PLACES)[:, None]
    outer, inner = (a + (e - a) * t for a, e in zip(armhole, ends, strict=True))
    return outer, inner


def _light(gray: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Luminance over its median in a sleeve; its edge, blended with white, takes that of the cloth beside it."""
    inside = cv2.erode(region.astype(np.uint8), np.ones((3, 3), np.uint8))
    values = gray[inside > 0].astype(np.float32)
    if not len(values):
        return np.ones(gray.shape, np.float32)
    # Black cloth is mostly noise: the constant lets it count for less.
    whole = nearest_inside(gray, inside).astype(np.float32)
    return np.clip((whole + 12) / (float(np.median(values)) + 12), 0.55, 1.35)


def nearest_inside(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """A picture (S, S[, 3]) continued: each pixel outside of ``inside``, uint8 (S, S), takes the nearest within."""
    if not inside.any():
        return image
    _, nearest = cv2.distanceTransformWithLabels(1 - inside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    ys, xs = np.nonzero(inside)
    values = np.zeros((nearest.max() + 1, *image.shape[2:]), image.dtype)
    values[nearest[ys, xs]] = image[ys, xs]
    return values[nearest]


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.hypot(*vector)), 1e-9)
