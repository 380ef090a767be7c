"""How far a garment's mask can be trusted, and why not.

Weights and thresholds were set on 300 photos of the training split whose cuts were inspected one by one. What gives a
wrong cut away there: garment colours outside the mask (a sleeve was left out), and an outline with the same colour on
both sides (it runs through the garment). Symmetry and solidity did not help. That somebody wears the garment is
guessed from skin colours at the top and from the height; there are no people among those photos, so how many that
finds is not known.
"""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

_SIDES = ("top", "bottom", "left", "right")


class Evidence:
    """What can be measured of a mask on its photo; each measure is taken when it is first asked for.

    Args:
        rgb: photo, uint8 (H, W, 3), of about 160 px.
        mask: uint8 (H, W) of 0 and 255, neither empty nor full.
    """

    def __init__(self, rgb: np.ndarray, mask: np.ndarray) -> None:
        self._mask = mask
        self._inside = mask > 0
        self._lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        self._y, self._x = np.nonzero(self._inside)
        if self._y.size == 0:
            raise ValueError("an empty mask has nothing to measure")

    @cached_property
    def _like_garment(self) -> np.ndarray:
        return _garment_colours(self._lab, self._inside) > 0.5

    @cached_property
    def area(self) -> float:
        """Share of the photo that the mask covers."""
        return float(self._inside.mean())

    @cached_property
    def left_out(self) -> float:
        """Area outside the mask that has the garment's colours rather than the background's, over the mask's area."""
        return float((self._like_garment & ~self._inside).sum() / self._y.size)

    @cached_property
    def weak_outline(self) -> float:
        """Share of the outline whose two sides differ by less than 8 in CIE Lab, 6 px in and out."""
        return _weak_outline(self._lab, self._mask)

    @cached_property
    def cut(self) -> tuple[float, float, float, float]:
        """For top, bottom, left, right, the share of that side of the photo where the garment runs on to the very
        edge."""
        return _cut(self._like_garment, self._inside)

    @cached_property
    def touching(self) -> tuple[float, float, float, float]:
        """For top, bottom, left, right, the share of that side of the photo that the mask itself touches."""
        m = self._inside
        edges = (m[:2].all(0), m[-2:].all(0), m[:, :2].all(1), m[:, -2:].all(1))
        return tuple(float(edge.mean()) for edge in edges)  # type: ignore[return-value]

    @cached_property
    def centre(self) -> float:
        """Share of the photo's middle that the mask covers."""
        height, width = self._mask.shape
        middle = self._inside[int(0.38 * height) : int(0.62 * height) + 1, int(0.38 * width) : int(0.66 * width) + 1]
        return float(middle.mean())

    @cached_property
    def tallness(self) -> float:
        """Height over width of the mask."""
        return float(np.ptp(self._y) + 1) / float(np.ptp(self._x) + 1)

    @cached_property
    def skin(self) -> float:
        """Share of the mask that is one patch of skin colours at the top of its middle; 0 where the garment itself is
        such."""
        return float(np.count_nonzero(self._skin)) / self._y.size

    @cached_property
    def skin_apart(self) -> float:
        """The same where that patch has another hue than the garment, by 12 in CIE a and b; else 0."""
        if not self._skin.any():
            return 0.0
        patch, garment = (np.median(self._lab[where][:, 1:], axis=0) for where in (self._skin, self._inside))
        return self.skin if np.linalg.norm(patch - garment) > 12 else 0.0

    @cached_property
    def _skin(self) -> np.ndarray:
        return _skin_at_the_top(self._lab, self._inside)

    @cached_property
    def others(self) -> float:
        """Area outside that differs from the background's median colour, over the mask's area."""
        return _others(self._lab, self._mask)

    @cached_property
    def raggedness(self) -> float:
        """Squared length of the outline over the area; 13 for a disc, 17 to 40 for garments."""
        return _raggedness(self._mask)


def doubt(rgb: np.ndarray, mask: np.ndarray) -> float:
    """How likely the mask misses garment or takes in background: 0 for a perfect cut, above 4 for most bad ones."""
    return _doubt(Evidence(rgb, mask)) if mask.any() else float("inf")


def _doubt(evidence: Evidence) -> float:
    return float(8.5 * np.sqrt(evidence.left_out) + 3.5 * np.sqrt(evidence.weak_outline))


def judge(rgb: np.ndarray, mask: np.ndarray, method: str) -> tuple[float, tuple[str, ...]]:
    """Confidence 0 to 1 in a mask found by `method`, and sentences on what speaks against it, the gravest first.

    Likeness of colours counts against GrabCut alone, which goes by colours: a mask that somebody gave may well separate
    white from white, and on a plain background every pixel was compared with the background.
    """
    evidence = Evidence(rgb, mask)
    found: list[tuple[float, str]] = []  # factor of the confidence, sentence

    low, high = (0.15, 0.80) if method == "grabcut" else (0.03, 0.95)
    if not low <= evidence.area <= high:
        usual = f"{low:.0%} to {high:.0%}"
        found.append((0.4, f"The garment found covers {evidence.area:.0%} of the photo; {usual} is usual."))
    # A network's masks reach the edge where the garment does. On 539 photos all masks that touched it were right, so a
    # sleeve or corner beyond it is borne, and a hem is not.
    learned = method == "learned"
    start, stop = (0.1, 0.8) if learned else (0.05, 0.6)
    for side, share in zip(_SIDES, evidence.touching if learned else evidence.cut, strict=True):
        if share > start:
            found.append((1 - _ramp(share, start, stop), f"The photo cuts the garment off at the {side}."))
    if evidence.centre < 0.3:
        found.append((0.6, "The garment found does not lie in the middle of the photo."))
    if method != "given" and not learned and evidence.tallness > 2.05:
        found.append(
            (0.4, "What was found is taller than garments are; it may be a person or only a part of the garment.")
        )
    if method != "given" and (evidence.skin_apart if learned else evidence.skin) > 0.02:
        found.append(
            (0.4, "The top of what was found has the colours of skin; the garment should be photographed unworn.")
        )
    if method == "white" and evidence.others > 0.08:
        found.append((0.4, "There is more than one thing in the photo; it should show one garment."))
    if method == "white" and evidence.raggedness > 60:
        found.append((0.4, "The outline is ragged; the garment may be as white as its background."))
    if method == "grabcut":
        # Every twelfth training photo comes out below one half; most wrong cuts are among them.
        factor = float(1 / (1 + np.exp(0.9 * (_doubt(evidence) - 4.4))))
        if evidence.left_out > 0.12:
            found.append(
                (factor, "Much around the garment has its colours; a part of it may be missing or too much taken.")
            )
        elif evidence.weak_outline > 0.12 or factor < 0.5:
            found.append((factor, "The outline is hard to see in places; garment and background look alike there."))
        else:
            found.append((factor, ""))
    confidence = float(np.prod([factor for factor, _ in found]))
    return confidence, tuple(sentence for _, sentence in sorted(found) if sentence)


def _ramp(value: float, start: float, stop: float) -> float:
    return float(np.clip((value - start) / (stop - start), 0, 1))


def _garment_colours(lab: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Float (H, W), 0 to 1: how much more often a pixel's colour occurs inside the mask than outside."""
    bins = np.stack([lab[..., 0] / 8, (lab[..., 1] + 64) / 8, (lab[..., 2] + 64) / 8], axis=-1)
    bins = np.clip(bins, 0, 15).astype(np.int64)
    colour = (bins[..., 0] * 16 + bins[..., 1]) * 16 + bins[..., 2]

    def density(where: np.ndarray) -> np.ndarray:
        counts = np.bincount(colour[where], minlength=4096).reshape(16, 16, 16).astype(np.float32)
        for axis in range(3):  # neighbouring bins are neighbouring shades
            padded = np.pad(counts, [(1, 1) if a == axis else (0, 0) for a in range(3)])
            counts = 0.5 * counts + 0.25 * np.take(padded, range(16), axis) + 0.25 * np.take(padded, range(2, 18), axis)
        return counts / max(counts.sum(), 1e-9)

    garment, ground = density(inside), density(~inside)
    share = (garment / (garment + ground + 1e-9)).reshape(-1)[colour]
    return cv2.GaussianBlur(share.astype(np.float32), (0, 0), 1.5)


def _weak_outline(lab: np.ndarray, mask: np.ndarray) -> float:
    smooth = cv2.GaussianBlur(lab, (0, 0), 2.0)
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 5) - cv2.distanceTransform(255 - mask, cv2.DIST_L2, 5)
    inward_y, inward_x = np.gradient(cv2.GaussianBlur(depth, (0, 0), 2))
    ys, xs = np.nonzero((mask > 0) & (cv2.erode(mask, np.ones((3, 3), np.uint8)) == 0))
    if ys.size == 0:
        return 0.0
    normal = np.stack([inward_y[ys, xs], inward_x[ys, xs]])
    normal /= np.linalg.norm(normal, axis=0) + 1e-6

    def colours(steps: int) -> np.ndarray:
        y = np.clip(np.round(ys + steps * normal[0]).astype(int), 0, mask.shape[0] - 1)
        x = np.clip(np.round(xs + steps * normal[1]).astype(int), 0, mask.shape[1] - 1)
        return smooth[y, x]

    return float(np.mean(np.linalg.norm(colours(6) - colours(-6), axis=1) < 8))


def _cut(like_garment: np.ndarray, inside: np.ndarray) -> tuple[float, float, float, float]:
    """GrabCut's masks stop a margin short of the edge, so the edge's own pixels must have the garment's colours."""
    margin = max(1, int(0.03 * max(inside.shape))) + 2
    shares = []
    for turned_mask, turned_colours in (
        (inside, like_garment),
        (inside[::-1], like_garment[::-1]),
        (inside.T, like_garment.T),
        (inside.T[::-1], like_garment.T[::-1]),
    ):
        reaches = turned_mask[:margin].any(axis=0)
        shares.append(float((reaches & turned_colours[:2].all(axis=0)).mean()))
    return shares[0], shares[1], shares[2], shares[3]


def _skin_at_the_top(lab: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Bool (H, W): the largest patch."""
    lightness, chroma = lab[..., 0], np.hypot(lab[..., 1], lab[..., 2])
    hue = np.degrees(np.arctan2(lab[..., 2], lab[..., 1]))
    skin = inside & (lightness > 25) & (lightness < 92) & (chroma > 12) & (chroma < 45) & (hue > 25) & (hue < 75)
    skin = cv2.morphologyEx(skin.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    area = int(inside.sum())
    if skin.sum() > 0.25 * area:  # a beige or brown garment
        return np.zeros_like(inside)
    ys, xs = np.nonzero(inside)
    skin[ys.min() + int(0.3 * (np.ptp(ys) + 1)) :] = 0
    axis, reach = np.median(xs), 0.15 * (np.ptp(xs) + 1)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(skin)
    central = set(np.unique(labels[:, max(0, int(axis - reach)) : int(axis + reach) + 1])) - {0}
    pieces = [piece for piece in range(1, count) if piece in central]
    largest = max(pieces, key=lambda piece: stats[piece, cv2.CC_STAT_AREA], default=-1)
    return labels == largest


def _others(lab: np.ndarray, mask: np.ndarray) -> float:
    outside = cv2.dilate(mask, np.ones((9, 9), np.uint8)) == 0
    if not outside.any():
        return 0.0
    ground = np.median(lab[outside], axis=0)
    # A soft shadow is darker by less than 20.
    return float((outside & (np.linalg.norm(lab - ground, axis=2) > 20)).sum() / (mask > 0).sum())


def _raggedness(mask: np.ndarray) -> float:
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return float(sum(cv2.arcLength(outline, True) for outline in outlines) ** 2 / (mask > 0).sum())
