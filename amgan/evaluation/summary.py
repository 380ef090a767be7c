"""From one row per edit to the tables of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from amgan.data.garments import Garments
from amgan.evaluation import metrics
from amgan.evaluation.edits import COLOR, EditScores, predicted_labels
from amgan.photos.colour_names import MULTI, PALETTE_NAMES
from amgan.schema import UNKNOWN


def summarise(scores: EditScores, rounds: int = 1000) -> dict[str, Any]:
    """Per attribute: every column macro-averaged over the wanted values with its 95 % interval, and each value's means.

    ``{attribute: {"edits", "photos", "unknown", "macro": {column: {"mean", "low", "high"}},
    "values": {value: {"edits", column: mean}}, "confusion": {"values", "matrix"}}}``; the last counts
    edits by wanted value and by what the judge sees, where its predictions are known.
    A column that does not apply to an attribute is missing there. With ``rounds=0`` no interval is drawn.
    """
    plan, out = scores.plan, {}
    for m, attribute in enumerate(plan.schema.attributes):
        mine = plan.attribute == m
        if not mine.any():
            continue
        values = {
            name: {"edits": int((mine & (plan.value == v)).sum())}
            for v, name in enumerate(attribute.values)
            if (mine & (plan.value == v)).any()
        }
        macro: dict[str, dict[str, float]] = {}
        for column in scores.columns:
            x = scores.columns[column][mine]
            if np.isnan(x).all():
                continue
            macro[column] = interval(x, plan.attribute[mine], plan.value[mine], plan.photo[mine], rounds)
            for v, mean in metrics.grouped_mean(x, plan.value[mine]).items():
                values[attribute.values[v]][column] = mean  # type: ignore[assignment]
        out[attribute.name] = {
            "edits": int(mine.sum()),
            "photos": len(np.unique(plan.photo[mine])),
            "unknown": plan.unknown[attribute.name],
            "macro": macro,
            "values": values,
        }
        if "judge" in scores.predictions:
            seen = predicted_labels(plan.schema, scores.predictions["judge"][mine])[:, m]
            matrix = metrics.confusion(plan.value[mine], seen, len(attribute.values))
            out[attribute.name]["confusion"] = {"values": list(attribute.values), "matrix": matrix.tolist()}
    return out


def overall(scores: EditScores, rounds: int = 1000) -> dict[str, dict[str, float]]:
    """Every column's macro mean over the attributes that it applies to, of their means over the wanted values, with
    its 95 % interval."""
    plan = scores.plan
    known = {c: x for c, x in scores.columns.items() if not np.isnan(x).all()}
    return {c: interval(x, plan.attribute, plan.value, plan.photo, rounds) for c, x in known.items()}


def interval(
    scores: np.ndarray, outer: np.ndarray, inner: np.ndarray, photos: np.ndarray, rounds: int
) -> dict[str, float]:
    """``{"mean", "low", "high"}`` of the macro mean; the mean alone where ``rounds`` is 0."""
    out = {"mean": metrics.macro_mean(scores, outer, inner)}
    if rounds:
        out["low"], out["high"] = metrics.bootstrap_interval(scores, outer, inner, photos, rounds)
    return out


def intervals(
    scores: Mapping[str, np.ndarray], outer: np.ndarray, inner: np.ndarray, photos: np.ndarray, rounds: int
) -> dict[str, dict[str, float]]:
    """``interval`` of several scores of the same edits, by name, drawn once; each has NaN where the others have."""
    out = {name: {"mean": metrics.macro_mean(x, outer, inner)} for name, x in scores.items()}
    if rounds:
        ends = metrics.bootstrap_intervals(np.stack(list(scores.values()), axis=1), outer, inner, photos, rounds)
        for entry, (low, high) in zip(out.values(), ends.tolist(), strict=True):
            entry["low"], entry["high"] = low, high
    return out


def classifier_accuracy(items: Garments, predicted: np.ndarray) -> dict[str, Any]:
    """How often predictions int64 (n, M) agree with the known labels, with a confusion matrix, per attribute."""
    labels, out = items.labels.cpu().numpy(), {}
    for m, attribute in enumerate(items.schema.attributes):
        matrix = metrics.confusion(labels[:, m], predicted[:, m], len(attribute.values))
        out[attribute.name] = {
            "photos": int(matrix.sum()),
            "accuracy": metrics.accuracy(matrix),
            "balanced_accuracy": metrics.balanced_accuracy(matrix),
            "values": list(attribute.values),
            "confusion": matrix.tolist(),
        }
    return out


def colour_agreement(items: Garments, colours: np.ndarray) -> dict[str, Any] | None:
    """How often the colour from pixels, a position in PALETTE_NAMES int64 (n,), is the given label: the accuracy of
    that measure itself. None without an attribute for colours."""
    if COLOR not in items.schema.names:
        return None
    given = items.labels[:, items.schema.index(COLOR)].cpu().numpy()
    values = items.schema.values(COLOR)
    shared = np.array([v in PALETTE_NAMES for v in values])
    usable = np.flatnonzero((given != UNKNOWN) & shared[np.maximum(given, 0)])
    wanted = np.array([PALETTE_NAMES.index(values[given[i]]) for i in usable], dtype=np.int64)
    matrix = metrics.confusion(wanted, colours[usable], len(PALETTE_NAMES))
    single = wanted != PALETTE_NAMES.index(MULTI)
    return {
        "photos": int(matrix.sum()),
        "accuracy": metrics.accuracy(matrix),
        "accuracy_without_multi": float((wanted == colours[usable])[single].mean()) if single.any() else float("nan"),
        "balanced_accuracy": metrics.balanced_accuracy(matrix),
        "values": list(PALETTE_NAMES),
        "confusion": matrix.tolist(),
    }
