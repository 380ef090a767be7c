"""The exact protocol for synthetic garments: one edit of each, against its true picture and among its siblings.

What a report of photographs can only ask the judge, the renderer knows: the picture that the edit should give, the
region that it should change, and the one garment that it should find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from amgan.data.garments import Garments
from amgan.data.imagefolder import Record
from amgan.editing.editor import EditResult
from amgan.errors import UserError
from amgan.evaluation import likeness, metrics
from amgan.evaluation.counterfactuals import Case, RenderedCase, make_cases, render_cases
from amgan.evaluation.edits import EditPlan, EditScores, ExtraColumns, Network, Unedited, measure_edits, run_networks
from amgan.models.classifier import AttributeClassifier

COLUMNS = {
    "region_iou": "IoU of alpha above 0.5 with the region that truly changes",
    "mae_inside": "mean absolute difference from the true picture inside that region, 0 to 1",
    "mae_outside": "the same outside of it",
    "ssim_inside": "structural similarity with the true picture inside the region (Wang et al. 2004: 11 x 11 Gaussian "
    "window, sigma 1.5, per colour channel), mean of its map; 1 is equal",
    "ssim_outside": "the same outside of it",
    "perceptual_inside": "distance from the true picture on the judge's feature maps inside the region: squared "
    "difference of feature columns of unit length, mean over three layers (LPIPS, Zhang et al. 2018, without learnt "
    "weights), 0 to 4",
    "perceptual_outside": "the same outside of it; receptive fields reach across the border, so what changes inside "
    "counts a little",
    "sharpness_true": "mean luminance gradient over the true picture's, where the region holds cloth in it: below 1 is "
    "blurred",
}
# Of 255, mean difference of a folder's picture from the same rendered again: what another machine may round otherwise.
TOLERATED = 2.0
PER_PASS = 64  # pictures of the gallery that the networks embed at once
# Pictures uint8 (B, 3, S, S), and what each network predicts of them (B, N), to their twins of the same shape.
DrawTwins = Callable[[Tensor, Mapping[str, np.ndarray]], Tensor]


@dataclass(frozen=True)
class Gallery:
    """What is searched: unit features (G, D), predicted probabilities (G, N), given labels (G, M); and unit features of
    twins (G, D), the same garments as an editor draws them, where there are any."""

    features: np.ndarray
    predictions: np.ndarray
    labels: np.ndarray
    twins: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True)
class Truths:
    """What is known of n cases; row i of everything is the edit of photo i.

    Attributes:
        images: the true pictures in the source's frame, uint8 (n, 3, S, S).
        regions: where they differ from the source, bool (n, S, S).
        galleries: what each network makes of the gallery.
        places: int64 (n, 2 + siblings), where in the gallery each source, its truth and its siblings are.
    """

    cases: Sequence[Case]
    images: Tensor
    regions: np.ndarray
    galleries: dict[str, Gallery]
    places: np.ndarray


def kept_cases(items: Garments, records: Sequence[Record], rendered_at: int) -> list[Case]:
    """The cases of the garments that could be loaded, in their order. Raises UserError."""
    by_id = {r.item_id: r for r in records}
    return make_cases([by_id[i] for i in items.item_ids], items.schema, rendered_at, int(items.images.shape[-1]))


def plan_cases(items: Garments, cases: Sequence[Case]) -> EditPlan:
    """Edit i is the one of case i."""
    edits = [next(iter(c.edit.items())) for c in cases]
    attribute = np.array([items.schema.index(a) for a, _ in edits], dtype=np.int64)
    value = np.array([items.schema.values(a).index(v) for a, v in edits], dtype=np.int64)
    return EditPlan(items.schema, np.arange(len(cases)), attribute, value, dict.fromkeys(items.schema.names, 0))


def embed_truths(
    cases: Sequence[Case], items: Garments, networks: Mapping[str, Network], twins: DrawTwins | None = None
) -> Truths:
    """Render every truth and sibling, and run the networks over the gallery, and over its twins where ``twins`` draws
    them.

    Raises:
        UserError: a picture of the folder is not what the renderer draws for its seed and labels.
    """
    images, regions, labels = [], [], []
    outputs: dict[str, list[tuple[np.ndarray, ...]]] = {n: [] for n in networks}
    for first, group in _groups(cases):
        for i, s in enumerate(group, start=first):
            _check_source(s.gallery[0], items, i)
            images.append(s.truth)
            regions.append(s.region)
            labels += [items.schema.encode(known) for known in cases[i].labels]
        pictures = torch.from_numpy(np.concatenate([s.gallery for s in group]))
        predictions, features = run_networks(pictures, networks)
        drawn = run_networks(twins(pictures, predictions), networks)[1] if twins else {}
        for name in networks:
            outputs[name].append((features[name], predictions[name], *([drawn[name]] if twins else [])))
    given, per_case = np.stack(labels), len(cases[0].labels)
    galleries = {}
    for name, parts in outputs.items():
        features, predictions, *more = (np.concatenate(p) for p in zip(*parts, strict=True))
        galleries[name] = Gallery(features, predictions, given, more[0] if more else None)
    places = np.arange(len(given)).reshape(len(cases), per_case)
    return Truths(cases, torch.from_numpy(np.stack(images)), np.stack(regions), galleries, places)


def _groups(cases: Sequence[Case]) -> Iterator[tuple[int, list[RenderedCase]]]:
    """Rendered cases by as many as one pass of the networks takes, and the position of the first."""
    group: list[RenderedCase] = []
    title = f"Rendering a gallery of {sum(len(c.labels) for c in cases):,}"
    for i, rendered in enumerate(track(render_cases(cases), title, total=len(cases), console=Console(stderr=True))):
        group.append(rendered)
        if sum(len(s.gallery) for s in group) >= PER_PASS or i + 1 == len(cases):
            yield i + 1 - len(group), group
            group = []


def _check_source(rendered: np.ndarray, items: Garments, i: int) -> None:
    difference = np.abs(rendered.astype(np.int16) - items.images[i].cpu().numpy()).mean()
    if difference > TOLERATED:
        raise UserError(
            f"{items.item_ids[i]} differs by {difference:.0f} of 255 from what the renderer draws for its seed and "
            "labels; pictures and metadata of a synthetic folder must be as amgan synth wrote them."
        )


def truth_columns(truths: Truths, judge: AttributeClassifier) -> ExtraColumns:
    """The columns of ``COLUMNS``, which compare edits with the truth, for ``measure_edits``."""

    def measure(q: np.ndarray, result: EditResult) -> dict[str, np.ndarray]:
        region = truths.regions[q]
        painted = result.mask[:, 0].float().cpu().numpy() > 0.5
        return {
            "region_iou": metrics.mask_iou(painted, region),
            **likeness.compare(judge, result.image, truths.images[torch.from_numpy(q)], region),
        }

    return measure


def unedited_columns(items: Garments, extra: ExtraColumns, batch: int = 32) -> dict[str, np.ndarray]:
    """The same columns for the sources as they are: how far there is to go."""
    none = torch.zeros(len(items), 1, *items.images.shape[2:])
    parts = []
    for q in np.array_split(np.arange(len(items)), -(-len(items) // batch)):
        parts.append(extra(q, EditResult(items.images[q], none[q], items.images[q])))
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


class _Perfect:
    """An editor that returns the true pictures, asked for in the plan's order."""

    def __init__(self, items: Garments, truths: Truths) -> None:
        self.schema, self.image_size, self.identity = items.schema, int(items.images.shape[-1]), "truth"
        self._truths, self._next = truths, 0

    def edit(
        self, images: Tensor, edits: Mapping[str, str] | Sequence[Mapping[str, str]], only_on: Any = None
    ) -> EditResult:
        rows = slice(self._next, self._next + len(images))
        self._next += len(images)
        mask = torch.from_numpy(self._truths.regions[rows])[:, None].float()
        return EditResult(self._truths.images[rows], mask, self._truths.images[rows])


def measure_truths(
    items: Garments, plan: EditPlan, truths: Truths, networks: Mapping[str, Network], unedited: Unedited
) -> EditScores:
    """The same scores for an editor that returns the truth: the ceiling of every measure."""
    return measure_edits(_Perfect(items, truths), items, plan, networks, unedited)
