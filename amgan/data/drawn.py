"""Pairs of drawn garments and their true edits, straight from the renderer: what ``amgan synth --counterfactuals 1
--usual`` writes to a folder, and reading it cuts out, without the folder.

Light to import: processes that draw need no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from amgan.errors import PhotoError
from amgan.photos import Framed, cut_out, frame_at
from amgan.synth import SCHEMA, draw_item, render
from amgan.synth.folder import TRAINING_SEEDS, SynthFolder
from amgan.synth.values import edited_labels, hidden_details

# Of training and of validation; a run's own pairs come behind all that folders of training garments hold.
FOLDER = SynthFolder(1, TRAINING_SEEDS, counterfactuals=1, usual=True)
RUN_SEEDS = 10**9
# How often an attribute is edited: patterns have the most values, and the most to learn of each.
LESSON_SHARE = {"sleeve": 0.2, "collar": 0.2, "fastening": 0.2, "pattern": 0.25, "color": 0.15}
FINER = 1.25  # drawn so much larger than the frame, which shows less than the whole picture


@dataclass(frozen=True)
class DrawnPairs:
    """k garments and a true edit of each, framed alike.

    Attributes:
        seeds: int64 (k,).
        images, edits: uint8 (k, 3, S, S), on white, before and after the edit.
        masks, edit_masks: bool (k, 1, S, S).
        labels, edit_labels: int64 (k, M), in ``SCHEMA``.
        attribute: int64 (k,), which was edited.
    """

    seeds: np.ndarray
    images: np.ndarray
    masks: np.ndarray
    labels: np.ndarray
    edits: np.ndarray
    edit_masks: np.ndarray
    edit_labels: np.ndarray
    attribute: np.ndarray


def run_seeds(run_seed: int, indices: Iterable[int]) -> list[int]:
    """The seeds of a run's own garments: other ones for every run seed, none of validation's or test's."""
    return [RUN_SEEDS * (1 + run_seed) + i for i in indices]


def validation_seeds(count: int) -> list[int]:
    """The first so many seeds of training folders whose split is val."""
    out: list[int] = []
    seed = TRAINING_SEEDS
    while len(out) < count:
        if FOLDER.split_of(seed) == "val":
            out.append(seed)
        seed += 1
    return out


def draw_pairs(seeds: Sequence[int], size: int) -> DrawnPairs:
    """The pairs of some seeds in frames of ``size`` pixels; one that cannot be framed is left out."""
    pairs = [(seed, pair) for seed in seeds if (pair := _pair(seed, size)) is not None]
    if not pairs:
        raise PhotoError("no-garment", f"No garment of the seeds {list(seeds)} could be framed at {size} px.")
    kept = [p for _, p in pairs]
    return DrawnPairs(
        np.array([seed for seed, _ in pairs]),
        *_stacked([p[0] for p in kept]),
        np.stack([SCHEMA.encode(p[1]) for p in kept]),
        *_stacked([p[2] for p in kept]),
        np.stack([SCHEMA.encode(p[3]) for p in kept]),
        np.array([SCHEMA.index(p[4]) for p in kept]),
    )


def _pair(seed: int, size: int) -> tuple[Framed, dict[str, str], Framed, dict[str, str], str] | None:
    """Garment, its labels, its edit, the labels after it, and the attribute."""
    item, pixels = draw_item(seed), round(FINER * size)
    ((attribute, value),) = FOLDER.edits(item, LESSON_SHARE)
    after = edited_labels(item.labels, {attribute: value})
    source = render(seed, item.labels, pixels)
    try:
        cut = cut_out(Image.fromarray(source.image), source.mask, size)
    except PhotoError:
        return None
    edit = render(seed, after, pixels, hidden_details(item.labels, attribute))
    framed = Framed(cut.image, cut.mask, cut.placement)
    return framed, dict(item.labels), frame_at(edit.image, edit.mask, cut.placement), dict(after), attribute


def _stacked(cuts: Sequence[Framed]) -> tuple[np.ndarray, np.ndarray]:
    """Images (k, 3, S, S) and masks (k, 1, S, S)."""
    images = np.ascontiguousarray(np.stack([c.image for c in cuts]).transpose(0, 3, 1, 2))
    return images, np.stack([c.mask for c in cuts])[:, None] > 127
