"""Photos with their garments' masks, uncut, for networks that learn to cut: held in memory, turned, lit, and laid on
other grounds.

A garment that was cut out of one photo and laid on another ground has a mask that is right by construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import cv2
import numpy as np

from amgan.data.imagefolder import ImageFolder, Record
from amgan.errors import PhotoError, UserError
from amgan.photos import read_image, read_mask
from amgan.photos.framing import shrink
from amgan.photos.letterbox import GREY
from amgan.synth import draw_item, render
from amgan.synth.folder import TRAINING_SEEDS

SIDE = 224  # pixels of the longer side that photos are kept at
EMPTY = 0.3  # share of either side that ground beside a garment must have, to be used as a ground


@dataclass
class Outline:
    """One photo and what is known of its garment.

    Attributes:
        name: of the photo.
        image: uint8 (h, w, 3).
        target: uint8 (h, w), 255 where the garment is, between where that is doubtful; None where nothing is known.
        weight: uint8 (h, w), 255 where the target counts.
    """

    name: str
    image: np.ndarray
    target: np.ndarray | None = None
    weight: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.uint8))

    def with_target(self, target: np.ndarray, weight: np.ndarray | None = None) -> Outline:
        """Another target; without a weight all of it counts."""
        return Outline(self.name, self.image, target, np.full_like(target, 255) if weight is None else weight)


def load_outlines(folder: ImageFolder, records: Sequence[Record]) -> list[Outline]:
    """Decode photos, and masks where there are any. Those that cannot be read are left out, and the first is named.

    Raises:
        UserError: none can be read.
    """

    def one(record: Record) -> Outline | str:
        try:
            image = np.asarray(read_image(folder.root / record.file_name))
            small = shrink(image, SIDE)
            found = Outline(record.file_name, small)
            if record.mask_file_name is None:
                return found
            mask = read_mask(folder.root / record.mask_file_name)
            return found.with_target(cv2.resize(mask, small.shape[1::-1], interpolation=cv2.INTER_AREA))
        except PhotoError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(one, records))
    refused = [f for f in found if isinstance(f, str)]
    if refused:
        print(f"Left out {len(refused)} of {len(records)} photos; the first: {refused[0]}")
    if len(refused) == len(records):
        raise UserError(f"None of the {len(records)} photos in {folder.root} can be used.")
    return [f for f in found if not isinstance(f, str)]


def drawn_outlines(count: int) -> list[Outline]:
    """Drawn garments of the seeds for training, with exact masks; 0.1 s each."""
    out = []
    for seed in range(TRAINING_SEEDS, TRAINING_SEEDS + count):
        drawn = render(seed, draw_item(seed).labels, 160)
        out.append(Outline(f"drawn {seed}", drawn.image).with_target(drawn.mask))
    return out


# --- Samples ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mixture:
    """Shares of the samples: ``composed`` garments cut out of their photo and laid on another ground, ``drawn`` ones
    laid on a ground; the rest are photos as they are."""

    composed: float
    drawn: float


class Sampler:
    """Augmented samples for training.

    Args:
        outlines: photos with targets.
        drawn: drawn garments, see ``drawn_outlines``.
        side: of a sample in pixels.
    """

    def __init__(self, outlines: Sequence[Outline], drawn: Sequence[Outline], mixture: Mixture, side: int) -> None:
        self.outlines, self.drawn, self.mixture, self.side = list(outlines), list(drawn), mixture, side
        self.grounds = [g for o in self.outlines if (g := ground_of(o)) is not None]

    def batch(self, count: int, g: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images uint8 (B, S, S, 3), targets uint8 (B, S, S), weights uint8 (B, S, S)."""
        samples = [self._one(g) for _ in range(count)]
        images, targets, weights = zip(*samples, strict=True)
        return np.stack(images), np.stack(targets), np.stack(weights)

    def _one(self, g: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        kind = g.random()
        if kind < self.mixture.drawn and self.drawn:
            image, target, weight = self._laid_down(self.drawn[g.integers(len(self.drawn))], g)
        else:
            outline = self.outlines[g.integers(len(self.outlines))]
            if kind < self.mixture.drawn + self.mixture.composed:
                image, target, weight = self._laid_down(outline, g)
            else:
                image, target, weight = warped(outline, motion(outline.image.shape, self.side, g), self.side, GREY)
        return relit(image, g), target, weight

    def _laid_down(self, outline: Outline, g: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A garment on another ground, with a soft shadow of its own on some."""
        image, target, weight = warped(outline, motion(outline.image.shape, self.side, g), self.side, GREY)
        ground = self._ground(g).astype(np.float32)
        # Where the mask is a pixel too wide the old ground would give the garment away.
        sharp = cv2.erode(target, np.ones((3, 3), np.uint8)) if g.random() < 0.7 else target
        cover = cv2.GaussianBlur(sharp, (0, 0), g.uniform(0.4, 0.9)).astype(np.float32)[..., None] / 255
        if g.random() < 0.7:
            away = np.column_stack([np.eye(2), g.uniform(-4, 4, 2)])
            shadow = cv2.warpAffine(cv2.GaussianBlur(sharp, (0, 0), g.uniform(1, 5)), away, (self.side, self.side))
            ground *= 1 - g.uniform(0, 0.5) * shadow[..., None].astype(np.float32) / 255
        tone = g.uniform(0.6, 1.15) if g.random() < 0.5 else 1.0
        laid = image * cover * tone + ground * (1 - cover)
        return np.clip(laid, 0, 255).astype(np.uint8), sharp, np.where(weight > 0, 255, 0).astype(np.uint8)

    def _ground(self, g: np.random.Generator) -> np.ndarray:
        if self.grounds and g.random() < 0.75:
            ground = self.grounds[g.integers(len(self.grounds))]
            ground = np.rot90(ground, int(g.integers(4)))
            s = min(int(self.side * g.uniform(0.6, 1.0)), *ground.shape[:2])
            y, x = g.integers(0, ground.shape[0] - s + 1), g.integers(0, ground.shape[1] - s + 1)
            part = np.ascontiguousarray(ground[y : y + s, x : x + s])
            return cv2.resize(part, (self.side, self.side), interpolation=cv2.INTER_LINEAR)
        return drawn_ground(self.side, g)


def motion(shape: tuple[int, ...], side: int, g: np.random.Generator) -> np.ndarray:
    """A random flip, rotation, scale and shift of a letterboxed photo, float32 (2, 3), from photo to sample."""
    height, width = shape[:2]
    turn = g.normal(0, 9) if g.random() < 0.85 else g.uniform(-180, 180)
    scale = side / max(height, width) * float(np.exp(g.normal(-0.02, 0.16)))
    stretch = float(np.exp(g.normal(0, 0.06)))
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    flip = -1.0 if g.random() < 0.5 else 1.0
    linear = scale * np.array([[cos, -sin], [sin, cos]]) @ np.diag([flip * stretch, 1 / stretch])
    middle = side / 2 + g.normal(0, 0.05, 2) * side
    shift = middle - linear @ np.array([width / 2, height / 2])
    return np.column_stack([linear, shift]).astype(np.float32)


def warped(outline: Outline, matrix: np.ndarray, side: int, fill: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, target and weight of an outline moved into a square; beyond the photo there is no garment for sure."""
    assert outline.target is not None
    size, flags = (side, side), cv2.INTER_LINEAR
    image = cv2.warpAffine(outline.image, matrix, size, flags=flags, borderValue=(fill,) * 3)
    planes = np.dstack([outline.target, 255 - outline.weight])
    planes = cv2.warpAffine(planes, matrix, size, flags=flags)
    return image, np.ascontiguousarray(planes[..., 0]), np.where(planes[..., 1] > 64, 0, 255).astype(np.uint8)


def relit(image: np.ndarray, g: np.random.Generator) -> np.ndarray:
    """Other light, another camera: brightness, contrast, white balance, saturation, blur, noise."""
    x = image.astype(np.float32) / 255
    if g.random() < 0.8:
        gain = np.exp(g.normal(0, 0.18)) * np.exp(g.normal(0, 0.06, 3))
        x = np.clip(x * gain.astype(np.float32), 0, 1)
        x = cv2.pow(x, float(np.exp(g.normal(0, 0.2))))
        grey = x.mean(2, keepdims=True)
        x = grey + (x - grey) * np.float32(np.exp(g.normal(0, 0.35)))
    if g.random() < 0.15:  # cloth and ground of any colour
        x = x[..., g.permutation(3)]
    if g.random() < 0.2:
        x = cv2.GaussianBlur(x, (0, 0), g.uniform(0.4, 1.2))
    if g.random() < 0.3:
        x = x + g.standard_normal(x.shape, np.float32) * np.float32(g.uniform(0.005, 0.04))
    return np.clip(x * 255, 0, 255).astype(np.uint8)


# --- Grounds ----------------------------------------------------------------------------------------------------------


def ground_of(outline: Outline) -> np.ndarray | None:
    """A ground uint8 (SIDE, SIDE, 3) of what lies beside a garment, continued by mirroring; None where too little
    does."""
    if outline.target is None:
        return None
    cells = 20
    free = cv2.dilate(outline.target, np.ones((13, 13), np.uint8))
    free = cv2.resize(free, (cells, cells), interpolation=cv2.INTER_AREA) == 0
    top, left, bottom, right = _largest_rectangle(free)
    if min(bottom - top, right - left) < 3 or (bottom - top) * (right - left) < EMPTY * EMPTY * cells * cells / 2:
        return None
    height, width = outline.image.shape[:2]
    part = outline.image[
        top * height // cells : bottom * height // cells, left * width // cells : right * width // cells
    ]
    scale = max(1.0, 64 / min(part.shape[:2]))
    part = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    while min(part.shape[:2]) < SIDE:
        rows, columns = (min(n - 1, max(0, SIDE - n)) for n in part.shape[:2])
        part = cv2.copyMakeBorder(part, 0, rows, 0, columns, cv2.BORDER_REFLECT_101)
    return np.ascontiguousarray(part[:SIDE, :SIDE])


def _largest_rectangle(free: np.ndarray) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of the largest rectangle of bool (n, n) that is free all over."""
    best, found, heights = 0, (0, 0, 0, 0), np.zeros(free.shape[1], int)
    for y, row in enumerate(free):
        heights = np.where(row, heights + 1, 0)
        for left in range(len(heights)):
            lowest = heights[left]
            for right in range(left, len(heights)):
                lowest = min(lowest, heights[right])
                if lowest == 0:
                    break
                if lowest * (right - left + 1) > best:
                    best = lowest * (right - left + 1)
                    found = (y + 1 - int(lowest), left, y + 1, right + 1)
    return found


def drawn_ground(side: int, g: np.random.Generator) -> np.ndarray:
    """A wall, a sheet, planks, tiles or a print, uint8 (side, side, 3): a colour, a second one in a pattern, light
    that falls off, grain."""
    first = _colour(g)
    second = np.clip(first + g.normal(0, 30, 3), 0, 255) if g.random() < 0.6 else _colour(g)
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    turn = g.uniform(0, np.pi)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    count, kind = g.uniform(3, 25), g.integers(5)
    if kind == 0:
        share = np.zeros((side, side), np.float32)
    elif kind == 1:
        share = (np.sin(u * count * 2 * np.pi) > g.uniform(-0.9, 0.9)).astype(np.float32)
    elif kind == 2:
        share = ((np.floor(u * count) + np.floor(v * count)) % 2).astype(np.float32)
    elif kind == 3:
        share = ((u * count % 1 < 0.07) | (v * count % 1 < 0.07)).astype(np.float32)
    else:
        cells = int(g.integers(4, 40))
        share = cv2.resize(g.random((cells, cells), np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    share = share[..., None] * np.float32(g.uniform(0.2, 1))
    ground = first * (1 - share) + second * share
    light = 1 + (u - u.mean())[..., None] * g.normal(0, 0.25)
    ground = ground * light + g.standard_normal((side, side, 1), np.float32) * g.uniform(0, 8)
    return np.clip(ground, 0, 255).astype(np.uint8)


def _colour(g: np.random.Generator) -> np.ndarray:
    """A third of the grounds are nearly white, as shops like them."""
    if g.random() < 0.35:
        return np.clip(g.normal(246, 8, 3), 0, 255)
    return g.uniform(0, 255) + np.clip(g.normal(0, 30, 3), -80, 80)
