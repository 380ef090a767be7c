"""How good edits are, without any search: edit photos, let the judge and the pixels say what came out.

Every attribute that can be edited is edited to every value but the one it has and those that nobody asks
for (``amgan.attributes.NEVER_ASKED``). One whose current value is unknown is not edited: the wanted value might
be the one it has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from amgan.attributes import askable, kind
from amgan.data.garments import Garments
from amgan.evaluation import metrics
from amgan.evaluation.stray import stray_share
from amgan.photos.colour_names import PALETTE_NAMES, name_colour
from amgan.schema import UNKNOWN, AttributeSchema

if TYPE_CHECKING:
    from amgan.editing.editor import Editor, EditResult

SLEEVE, COLOR = "sleeve", "color"
BACKGROUND = 245  # a pixel with all channels from here up is taken for the white around an edited garment
EDGE = 2  # pixels at the garment's outline that say nothing about cloth: soft edge, silhouette step

Network = Callable[
    [torch.Tensor], tuple[torch.Tensor, torch.Tensor]
]  # images -> (probabilities (B, N), unit features (B, D))
# Rows of the plan and what the editor made of them -> further columns, (len(rows),) each.
ExtraColumns = Callable[[np.ndarray, "EditResult"], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class EditPlan:
    """Q edits of one attribute each: ``photo`` (Q,) row of the garments, ``attribute`` (Q,), ``value`` (Q,) wanted;
    int64.

    ``unknown`` counts, per attribute, the photos left out because their current value is unknown.
    """

    schema: AttributeSchema
    photo: np.ndarray
    attribute: np.ndarray
    value: np.ndarray
    unknown: dict[str, int]

    def __len__(self) -> int:
        return len(self.photo)

    def edit(self, q: int) -> dict[str, str]:
        a = self.schema.attributes[int(self.attribute[q])]
        return {a.name: a.values[int(self.value[q])]}

    def part(self, rows: np.ndarray) -> EditPlan:
        """Some of its edits, int64 (k,), of the same photos."""
        return replace(self, photo=self.photo[rows], attribute=self.attribute[rows], value=self.value[rows])


def plan_edits(schema: AttributeSchema, labels: np.ndarray, editor: AttributeSchema | None = None) -> EditPlan:
    """Every edit that is scored of photos with labels int64 (n, M).

    Args:
        editor: the schema of what will make them, where it is another one: only what that can be asked for.
    """
    schema = schema if editor is None else schema.edited_by(editor)
    pairs = [(m, v) for m, values in enumerate(askable(schema)) for v in values]
    if editor is not None:
        asked = [(schema.attributes[m].name, schema.attributes[m].values[v]) for m, v in pairs]
        pairs = [
            p for p, (name, v) in zip(pairs, asked, strict=True) if editor.find_value(editor.resolve_attribute(name), v)
        ]
    attribute, value = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    current = labels[:, attribute]  # (n, number of values that may be asked for)
    photo, asked = np.nonzero((current != UNKNOWN) & (current != value))
    unknown = {a.name: int((labels[:, m] == UNKNOWN).sum()) for m, a in enumerate(schema.attributes) if a.editable}
    return EditPlan(schema, photo, attribute[asked], value[asked], unknown)


def first_by_hash(item_ids: tuple[str, ...], n: int | None) -> list[int]:
    """Rows of the first n items (all where None) by the SHA-256 of their id: an order that nobody chose."""
    return sorted(range(len(item_ids)), key=lambda i: hashlib.sha256(item_ids[i].encode()).hexdigest())[:n]


def subset(items: Garments, rows: list[int]) -> Garments:
    at = torch.tensor(rows, dtype=torch.long)
    return Garments(
        items.schema, items.images[at], items.masks[at], items.labels[at], tuple(items.item_ids[i] for i in rows)
    )


@dataclass(frozen=True)
class EditScores:
    """One row per edit of a plan; ``columns`` float64 (Q,), NaN where a measure does not apply.

    ``features`` holds, per network, the edited pictures' features float32 (Q, D); ``predictions`` its probabilities (Q,
    N).
    """

    plan: EditPlan
    columns: dict[str, np.ndarray]
    features: dict[str, np.ndarray] = field(default_factory=dict)
    predictions: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Unedited:
    """What networks and pixels say of the photos themselves: probabilities (n, N), features (n, D), colours (n,), and
    the sharpness of their cloth (n,)."""

    predictions: dict[str, np.ndarray]
    features: dict[str, np.ndarray]
    colours: np.ndarray
    sharpness: np.ndarray


COLUMNS = {
    "accepted": "the judge sees the wanted value",
    "kept": "the judge sees the given label of the attributes that were not edited",
    "kept_own": "the judge sees, in the attributes not edited, what it saw in the unedited photo",
    "colour_pixels": "the dominant colour under the garment's mask is the wanted one (colour edits)",
    "colour_kept_pixels": "the garment's dominant colour is what it was (edits of other attributes)",
    "stray": "painted pixels that are neither white nor of a colour of the garment, share (edits of other attributes)",
    "mask_iou": "IoU of alpha above 0.5 with the garment's mask (colour edits)",
    "change_outside": "mean absolute change outside the garment, 0 to 1 (colour edits)",
    "change_inside": "mean absolute change inside the garment, 0 to 1 (colour edits)",
    "detail_kept": "correlation of high-pass luminance inside the garment before and after (colour edits)",
    "sharpness": "median luminance gradient of the painted cloth (sleeve edits: of new cloth), over real items' that "
    "have the wanted value",
    "sharpness_own": "median luminance gradient of the garment, over the unedited photo's (colour edits)",
    "mask_area": "alpha's mean over the frame",
}


def run_networks(
    images: torch.Tensor, networks: Mapping[str, Network], batch: int = 64
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What every network makes of pictures uint8 (B, 3, H, W): probabilities (B, N) and features (B, D) by name."""
    predictions, features = {}, {}
    for name, network in networks.items():
        parts = [network(part) for part in images.split(batch)]
        predictions[name] = torch.cat([p for p, _ in parts]).float().cpu().numpy()
        features[name] = torch.cat([f for _, f in parts]).float().cpu().numpy()
    return predictions, features


def embed_unedited(items: Garments, networks: Mapping[str, Network], batch: int = 64) -> Unedited:
    """Run every network over the photos as they are, and measure their colours and sharpness."""
    predictions, features = run_networks(items.images, networks, batch)
    images, masks = items.images.cpu().numpy(), items.masks[:, 0].cpu().numpy()
    colours = np.array([_palette_index(images[i], masks[i]) for i in range(len(items))], dtype=np.int64)
    inside = metrics.erode(masks, EDGE)
    sharp = np.array([metrics.sharpness(images[i], inside[i]) for i in range(len(items))])
    return Unedited(predictions, features, colours, sharp)


def measure_edits(
    editor: Editor,
    items: Garments,
    plan: EditPlan,
    networks: Mapping[str, Network],
    unedited: Unedited,
    batch: int = 32,
    progress: bool = False,
    extra: ExtraColumns | None = None,
) -> EditScores:
    """Make every edit of the plan and measure it. Of ``networks``, ``"judge"`` scores; all leave their features.
    ``extra`` adds columns of its own."""
    columns = {name: np.full(len(plan), np.nan) for name in COLUMNS}
    predictions: dict[str, list[np.ndarray]] = {n: [] for n in networks}
    features: dict[str, list[np.ndarray]] = {n: [] for n in networks}
    starts = range(0, len(plan), batch)
    title = f"Editing and measuring {len(plan):,} edits"
    for start in track(starts, title, console=Console(stderr=True), disable=not progress):
        q = np.arange(start, min(start + batch, len(plan)))
        before = items.images[plan.photo[q]]
        result = editor.edit(before, [plan.edit(int(i)) for i in q])
        for name, network in networks.items():
            p, f = network(result.image)
            predictions[name].append(p.float().cpu().numpy())
            features[name].append(f.float().cpu().numpy())
        _pixel_columns(columns, plan, q, before, result, items, unedited)
        for name, values in (extra(q, result) if extra else {}).items():
            columns.setdefault(name, np.full(len(plan), np.nan))[q] = values
    joined = {n: np.concatenate(p) if p else np.zeros((0, plan.schema.n_values)) for n, p in predictions.items()}
    labels = items.labels.cpu().numpy()
    _judge_columns(columns, plan, joined["judge"], labels, unedited.predictions["judge"])
    _relate_sharpness(columns, plan, labels, unedited.sharpness)
    return EditScores(
        plan, columns, {n: np.concatenate(f) if f else np.zeros((0, 1)) for n, f in features.items()}, joined
    )


def score_no_edit(items: Garments, plan: EditPlan, unedited: Unedited) -> EditScores:
    """The same rows for an editor that returns its input, from what is known of the photos already."""
    columns = {name: np.full(len(plan), np.nan) for name in COLUMNS}
    judged = unedited.predictions["judge"][plan.photo]
    _judge_columns(columns, plan, judged, items.labels.cpu().numpy(), unedited.predictions["judge"])
    color = _is_color(plan, np.arange(len(plan)))
    columns["colour_pixels"][color] = _names_match(plan, np.flatnonzero(color), unedited.colours[plan.photo[color]])
    columns["colour_kept_pixels"][~color] = 1.0
    for name, value in (("mask_iou", 0.0), ("change_outside", 0.0), ("change_inside", 0.0), ("detail_kept", 1.0)):
        columns[name][color] = value
    columns["mask_area"][:] = 0.0
    columns["sharpness"][color] = unedited.sharpness[plan.photo[color]]
    _relate_sharpness(columns, plan, items.labels.cpu().numpy(), unedited.sharpness)
    return EditScores(plan, columns)


def predicted_labels(schema: AttributeSchema, probabilities: np.ndarray) -> np.ndarray:
    """Probabilities (B, N) to the likeliest labels, int64 (B, M)."""
    return np.stack([probabilities[:, part].argmax(axis=1) for part in schema.slices], axis=1).astype(np.int64)


def _judge_columns(
    columns: dict[str, np.ndarray], plan: EditPlan, judged: np.ndarray, labels: np.ndarray, own: np.ndarray
) -> None:
    rows = np.arange(len(plan))
    after, before = predicted_labels(plan.schema, judged), predicted_labels(plan.schema, own)[plan.photo]
    columns["accepted"][:] = after[rows, plan.attribute] == plan.value
    for name, reference in (("kept", labels[plan.photo]), ("kept_own", before)):
        others = reference != UNKNOWN
        others[rows, plan.attribute] = False
        n = others.sum(axis=1)
        same = ((after == reference) & others).sum(axis=1)
        columns[name][:] = np.where(n > 0, same / np.maximum(n, 1), np.nan)


def _pixel_columns(
    columns: dict[str, np.ndarray],
    plan: EditPlan,
    q: np.ndarray,
    before: torch.Tensor,
    result: EditResult,
    items: Garments,
    unedited: Unedited,
) -> None:
    x, y = before.cpu().numpy(), result.image.cpu().numpy()
    alpha = result.mask[:, 0].float().cpu().numpy()
    garment = items.masks[plan.photo[q], 0].cpu().numpy()
    columns["mask_area"][q] = alpha.mean(axis=(1, 2))
    color = _is_color(plan, q)
    c = q[color]
    if len(c):
        inside = metrics.erode(garment[color], EDGE)
        # The resampled outline is a mixture of cloth and white; one pixel of it belongs to the garment.
        outside = ~metrics.dilate(garment[color], 1)
        columns["mask_iou"][c] = metrics.mask_iou(alpha[color] > 0.5, garment[color])
        columns["change_outside"][c] = metrics.mean_change(x[color], y[color], outside)
        columns["change_inside"][c] = metrics.mean_change(x[color], y[color], garment[color])
        columns["detail_kept"][c] = metrics.detail_kept(x[color], y[color], inside)
        columns["colour_pixels"][c] = _names_match(
            plan, c, np.array([_palette_index(y[i], garment[i]) for i in np.flatnonzero(color)])
        )
        columns["sharpness"][c] = [metrics.sharpness(y[color][i], inside[i]) for i in range(len(c))]
    for i in np.flatnonzero(~color):  # the silhouette may have changed: measure all that is now garment
        pictures = (x[i].transpose(1, 2, 0), y[i].transpose(1, 2, 0))
        columns["stray"][q[i]] = stray_share(*pictures, garment[i], alpha[i] > 0.5)
        now = (garment[i] | (alpha[i] > 0.5)) & (y[i].min(axis=0) < BACKGROUND)
        if now.any():
            same = _palette_index(y[i], now) == unedited.colours[plan.photo[q[i]]]
            columns["colour_kept_pixels"][q[i]] = float(same)
        painted = now & (alpha[i] > 0.5)
        if kind(plan.schema.names[plan.attribute[q[i]]]).outline:
            painted &= ~garment[i]  # where a sleeve goes there is no cloth to be sharp, only a new outline
        painted = metrics.erode(painted[None], EDGE)[0]
        columns["sharpness"][q[i]] = metrics.sharpness(y[i], painted)


def _relate_sharpness(columns: dict[str, np.ndarray], plan: EditPlan, labels: np.ndarray, own: np.ndarray) -> None:
    """From the edits' own sharpness to ratios: over the photo's (colour edits, whose outline stays), and over the mean
    of the photos that have the wanted value; NaN where there is none."""
    found, color = columns["sharpness"], _is_color(plan, np.arange(len(plan)))
    real = np.full(len(plan), np.nan)
    for m, v in np.unique(np.stack([plan.attribute, plan.value]), axis=1).T:
        items_with_value = own[(labels[:, m] == v) & ~np.isnan(own)]
        if len(items_with_value):
            real[(plan.attribute == m) & (plan.value == v)] = items_with_value.mean()
    columns["sharpness_own"][color] = metrics.ratio(found, own[plan.photo])[color]
    columns["sharpness"] = metrics.ratio(found, real)


def _is_color(plan: EditPlan, q: np.ndarray) -> np.ndarray:
    if COLOR not in plan.schema.names:
        return np.zeros(len(q), dtype=bool)
    return plan.attribute[q] == plan.schema.index(COLOR)


def _palette_index(image: np.ndarray, mask: np.ndarray) -> int:
    name = name_colour(image.transpose(1, 2, 0), mask).name
    return PALETTE_NAMES.index(name)


def _names_match(plan: EditPlan, q: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """float (len(q),): is the palette name the wanted value? NaN for a wanted value that the palette does not know."""
    values = plan.schema.values(COLOR)
    wanted = np.array([PALETTE_NAMES.index(values[v]) if values[v] in PALETTE_NAMES else -1 for v in plan.value[q]])
    return np.where(wanted < 0, np.nan, wanted == colours)
