"""Does the edited picture find the right garments? Top-k retrieval over the photos of a split.

The gallery of a query is the split without the query's own photo. An item is right when its given labels hold the
wanted value and every other label that the query's photo is known to have; an unknown label never counts as a match,
and what is unknown of the query is not required. Queries without any right item are counted and left out. The given
labels only decide what is right: ranking sees pictures and predicted attributes, except in the row that is marked as an
upper bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from amgan.schema import UNKNOWN, AttributeSchema
from retrieval.evaluation import metrics
from retrieval.evaluation.edits import EditPlan, predicted_labels
from retrieval.evaluation.summary import interval
from retrieval.query import QueryWeights, target_probabilities
from retrieval.representation import attribute_block

KS = (1, 5, 10, 20, 30)

# Row -> what the query is.
ROWS = {
    "edited": "the edited picture alone",
    "edited + wanted": "the edited picture fused with the wanted attributes",
    "unedited": "the photo as it is",
    "unedited + wanted": "the photo as it is, fused with the wanted attributes",
    "wanted alone": "the wanted attributes alone, against the predicted ones",
    "prototype": "the mean feature of the reference photos labelled as wanted (kept attributes as predicted); no edit",
    "filter": "items predicted to be as wanted first, then the rest, both by likeness to the unedited photo",
    "chance": "a random order (exact)",
    "given labels": "as 'edited + wanted', with the given labels in place of predictions on both sides",
}


def row_name(row: str) -> str:
    """As a reader sees it: what is no fair query says so."""
    return f"{row} (upper bound)" if row == "given labels" else row


@dataclass(frozen=True)
class Seen:
    """What one embedder, and the classifier beside it, make of the pictures. Features are unit float32.

    Attributes:
        edited: features of the edited pictures (Q, D), in the plan's order.
        photos: features of the photos (n, D): the gallery, and the unedited queries.
        predictions: attribute probabilities of the photos (n, N).
        reference, reference_labels: features (R, D) and given labels (R, M) of photos outside the split, for
        prototypes.
    """

    edited: np.ndarray
    photos: np.ndarray
    predictions: np.ndarray
    reference: np.ndarray
    reference_labels: np.ndarray


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of unit length; a row of zeros stays zero."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def wanted_attributes(plan: EditPlan, predictions: np.ndarray) -> np.ndarray:
    """What each query wants, float32 (Q, N): as predicted from the photo, the edited attribute one-hot."""
    rows = [target_probabilities(predictions[plan.photo[q]], plan.edit(q), plan.schema) for q in range(len(plan))]
    return np.array(rows, dtype=np.float32).reshape(-1, plan.schema.n_values)


def one_hot(schema: AttributeSchema, labels: np.ndarray) -> np.ndarray:
    """Labels int64 (n, M) to float32 (n, N); an unknown label's slice is zero."""
    out = np.zeros((len(labels), schema.n_values), dtype=np.float32)
    for m, part in enumerate(schema.slices):
        known = np.flatnonzero(labels[:, m] != UNKNOWN)
        out[known, part.start + labels[known, m]] = 1
    return out


def prototypes(wanted: np.ndarray, attribute: np.ndarray, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean unit feature of the reference photos labelled as wanted, (Q, D).

    wanted int64 (Q, M) for all attributes; where no reference photo has them all, those that have the edited
    attribute's value serve, and where there is none either, all.
    """
    means: dict[tuple[int, ...], np.ndarray] = {}
    out = np.zeros((len(wanted), features.shape[1]), dtype=np.float32)
    for q, row in enumerate(wanted):
        key = (int(attribute[q]), *row.tolist())
        if key not in means:
            edited_only = np.full_like(row, UNKNOWN)
            edited_only[attribute[q]] = row[attribute[q]]
            nothing = np.full_like(row, UNKNOWN)
            right = metrics.relevance(np.stack([row, edited_only, nothing]), labels)
            means[key] = features[next(r for r in right if r.any())].mean(axis=0)
        out[q] = means[key]
    return unit(out)


def score_rows(plan: EditPlan, seen: Seen, labels: np.ndarray, weights: QueryWeights) -> dict[str, np.ndarray]:
    """The scores (Q, n) of every gallery photo for every query, per row; higher is better."""
    schema = plan.schema
    gallery, photos = seen.photos, seen.photos[plan.photo]
    wanted = wanted_attributes(plan, seen.predictions)
    attributes = attribute_block(wanted, schema) @ attribute_block(seen.predictions, schema).T
    edited, unedited = seen.edited @ gallery.T, photos @ gallery.T
    likeliest = predicted_labels(schema, wanted)
    passes = metrics.relevance(likeliest, predicted_labels(schema, seen.predictions))

    def fused(picture: np.ndarray, attribute: np.ndarray) -> np.ndarray:  # the inner product with `compose`d queries
        return (weights.image * picture + weights.wanted * attribute) / (weights.image + weights.wanted)

    known = one_hot(schema, metrics.required_labels(labels[plan.photo], plan.attribute, plan.value))
    rows = {
        "edited": edited,
        "edited + wanted": fused(edited, attributes),
        "unedited": unedited,
        "unedited + wanted": fused(unedited, attributes),
        "wanted alone": attributes,
        "filter": unedited + 4.0 * passes,  # inner products of unit vectors differ by 2 at most
        "given labels": fused(
            edited, attribute_block(known, schema) @ attribute_block(one_hot(schema, labels), schema).T
        ),
    }
    if len(seen.reference):
        rows["prototype"] = prototypes(likeliest, plan.attribute, seen.reference, seen.reference_labels) @ gallery.T
    return {name: rows[name] for name in ROWS if name in rows}


def evaluate(
    plan: EditPlan, seen: Seen, labels: np.ndarray, weights: QueryWeights, rounds: int = 1000
) -> dict[str, Any]:
    """The retrieval table of one embedder.

    Returns ``{"queries", "left_out", "gallery", "rows": {row: {"hit": {k: {"mean", "low", "high"}}, "precision": {k:
    …}, "attributes": {attribute: {"hit": {k: {"mean"}}, "values": {value: {"queries", k: mean}}}}}},
    "left_out_by_value"}``; means are macro-averaged over wanted values, then over attributes.
    """
    source = plan.photo
    right = metrics.relevance(metrics.required_labels(labels[source], plan.attribute, plan.value), labels, source)
    n_right = right.sum(axis=1)
    answerable = n_right > 0
    if not answerable.any():
        return {"queries": 0, "left_out": len(plan), "gallery": len(labels) - 1, "rows": {}}
    rows = {}
    scores = score_rows(plan, seen, labels, weights)
    for name in ROWS:
        if name == "chance":
            size = np.full(len(plan), len(labels) - 1)
            hit = {k: metrics.chance_hit_at(n_right, size, k) for k in KS}
            precision = dict.fromkeys(KS, n_right / size)
        elif name in scores:
            hits = metrics.hits_in_ranking(metrics.rank(scores[name], source, max(KS)), right)
            hit = {k: metrics.hit_at(hits, k) for k in KS}
            precision = {k: metrics.precision_at(hits, k) for k in KS}
        else:
            continue
        rows[name] = _row(plan, answerable, hit, precision, rounds)
    left = {
        a.name: {
            v: int((~answerable & (plan.attribute == m) & (plan.value == i)).sum()) for i, v in enumerate(a.values)
        }
        for m, a in enumerate(plan.schema.attributes)
    }
    return {
        "queries": int(answerable.sum()),
        "left_out": int((~answerable).sum()),
        "left_out_by_value": {a: {v: n for v, n in vs.items() if n} for a, vs in left.items()},
        "gallery": len(labels) - 1,
        "right_items_mean": float(n_right[answerable].mean()),
        "rows": rows,
    }


def _row(
    plan: EditPlan, use: np.ndarray, hit: dict[int, np.ndarray], precision: dict[int, np.ndarray], rounds: int
) -> dict[str, Any]:
    attribute, value, photo = plan.attribute[use], plan.value[use], plan.photo[use]
    out: dict[str, Any] = {
        "hit": {str(k): interval(hit[k][use], attribute, value, photo, rounds) for k in KS},
        "precision": {str(k): interval(precision[k][use], attribute, value, photo, 0) for k in KS},
        "attributes": {},
    }
    for m, a in enumerate(plan.schema.attributes):
        mine = attribute == m
        if not mine.any():
            continue
        values: dict[str, dict[str, float]] = {
            a.values[v]: {"queries": int((mine & (value == v)).sum())} for v in np.unique(value[mine])
        }
        for k in KS:
            for v, mean in metrics.grouped_mean(hit[k][use][mine], value[mine]).items():
                values[a.values[v]][str(k)] = mean
        out["attributes"][a.name] = {
            "queries": int(mine.sum()),
            "hit": {str(k): interval(hit[k][use][mine], attribute[mine], value[mine], photo[mine], rounds) for k in KS},
            "values": values,
        }
    return out
