"""Does the edited picture find the right garments? Top-k retrieval over the photos of a split.

The gallery of a query is the split without the query's own photo. An item is right when its given labels hold the
wanted value and every other label that the query's photo is known to have; an unknown label never counts as a match,
and what is unknown of the query is not required. Queries without any right item are counted and left out. The given
labels only decide what is right: ranking sees pictures and predicted attributes, except in the row that is marked as an
upper bound.

Of synthetic garments the one right answer is known (``evaluate_one``): the true picture of the edit, in a gallery that
holds, for every seed, the source, that truth, and siblings that differ from the source in other ways. The source stays
in the gallery: it is a wrong answer that looks right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from amgan.evaluation import metrics
from amgan.evaluation.edits import EditPlan, predicted_labels
from amgan.evaluation.exact import Gallery
from amgan.evaluation.summary import interval
from amgan.schema import UNKNOWN, AttributeSchema
from retrieval.evaluation import ranking
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
TRUE_ROWS = {
    "truth": "the true picture of the edit, in the source's frame: what a perfect editor would ask with, the ceiling",
    "truth + wanted": "the true picture fused with the wanted attributes: the ceiling of 'edited + wanted'",
}
KINDS = ("source", "truth", "sibling", "another garment")


def row_name(row: str) -> str:
    """As a reader sees it: what is no fair query says so."""
    if row in TRUE_ROWS:
        return f"{row} (ceiling)"
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
        truth: features of the true pictures (Q, D), in the plan's order, where they are known.
    """

    edited: np.ndarray
    photos: np.ndarray
    predictions: np.ndarray
    reference: np.ndarray
    reference_labels: np.ndarray
    truth: np.ndarray | None = None


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
            right = ranking.relevance(np.stack([row, edited_only, nothing]), labels)
            means[key] = features[next(r for r in right if r.any())].mean(axis=0)
        out[q] = means[key]
    return unit(out)


def score_rows(
    plan: EditPlan, seen: Seen, labels: np.ndarray, weights: QueryWeights, gallery: Gallery | None = None
) -> dict[str, np.ndarray]:
    """The scores (Q, G) of every gallery item for every query, per row; higher is better.

    labels (n, M) are the photos'; the photos are the gallery where no other is given.
    """
    gallery = gallery or Gallery(seen.photos, seen.predictions, labels)
    schema, pictures = plan.schema, gallery.features.T
    wanted = wanted_attributes(plan, seen.predictions)
    attributes = attribute_block(wanted, schema) @ attribute_block(gallery.predictions, schema).T
    edited, unedited = seen.edited @ pictures, seen.photos[plan.photo] @ pictures
    likeliest = predicted_labels(schema, wanted)
    passes = ranking.relevance(likeliest, predicted_labels(schema, gallery.predictions))

    def fused(picture: np.ndarray, attribute: np.ndarray) -> np.ndarray:  # the inner product with `compose`d queries
        return (weights.image * picture + weights.wanted * attribute) / (weights.image + weights.wanted)

    known = one_hot(schema, ranking.required_labels(labels[plan.photo], plan.attribute, plan.value))
    rows = {
        "edited": edited,
        "edited + wanted": fused(edited, attributes),
        "unedited": unedited,
        "unedited + wanted": fused(unedited, attributes),
        "wanted alone": attributes,
        "filter": unedited + 4.0 * passes,  # inner products of unit vectors differ by 2 at most
        "given labels": fused(
            edited, attribute_block(known, schema) @ attribute_block(one_hot(schema, gallery.labels), schema).T
        ),
    }
    if len(seen.reference):
        rows["prototype"] = prototypes(likeliest, plan.attribute, seen.reference, seen.reference_labels) @ pictures
    if seen.truth is not None:
        rows["truth"] = seen.truth @ pictures
        rows["truth + wanted"] = fused(rows["truth"], attributes)
    return {name: rows[name] for name in (*ROWS, *TRUE_ROWS) if name in rows}


def evaluate(
    plan: EditPlan, seen: Seen, labels: np.ndarray, weights: QueryWeights, rounds: int = 1000
) -> dict[str, Any]:
    """The retrieval table of one embedder.

    Returns ``{"queries", "left_out", "gallery", "rows": {row: {"hit": {k: {"mean", "low", "high"}}, "precision": {k:
    …}, "attributes": {attribute: {"hit": {k: {"mean"}}, "values": {value: {"queries", k: mean}}}}}},
    "left_out_by_value"}``; means are macro-averaged over wanted values, then over attributes.
    """
    source = plan.photo
    right = ranking.relevance(ranking.required_labels(labels[source], plan.attribute, plan.value), labels, source)
    n_right = right.sum(axis=1)
    answerable = n_right > 0
    if not answerable.any():
        return {"queries": 0, "left_out": len(plan), "gallery": len(labels) - 1, "rows": {}}
    rows = {}
    scores = score_rows(plan, seen, labels, weights)
    for name in ROWS:
        if name == "chance":
            size = np.full(len(plan), len(labels) - 1)
            hit = {k: ranking.chance_hit_at(n_right, size, k) for k in KS}
            precision = dict.fromkeys(KS, n_right / size)
        elif name in scores:
            hits = ranking.hits_in_ranking(ranking.rank(scores[name], source, max(KS)), right)
            hit = {k: ranking.hit_at(hits, k) for k in KS}
            precision = {k: ranking.precision_at(hits, k) for k in KS}
        else:
            continue
        rows[name] = _row(plan, answerable, hit, rounds)
        rows[name]["precision"] = {
            str(k): interval(p[answerable], plan.attribute[answerable], plan.value[answerable], source[answerable], 0)
            for k, p in precision.items()
        }
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


def evaluate_one(
    plan: EditPlan,
    seen: Seen,
    labels: np.ndarray,
    gallery: Gallery,
    places: np.ndarray,
    weights: QueryWeights,
    rounds: int = 1000,
    chunk: int = 256,
) -> dict[str, Any]:
    """The retrieval table of one embedder where one gallery item is right.

    Args:
        places: int64 (Q, 2 + siblings), where in the gallery each query's source, its truth and its siblings are.
        chunk: queries whose scores of the whole gallery are in memory at once.

    Returns:
        As ``evaluate``, without ``left_out_by_value`` and precision; each row also has ``"median_rank"`` of the truth
        and ``"first"``, the share of queries whose first hit is of each kind of ``KINDS``. Ties count against the
        truth.
    """
    ranks: dict[str, list[np.ndarray]] = {}
    kinds: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(plan), chunk):
        q = np.arange(start, min(start + chunk, len(plan)))
        part = replace(seen, edited=seen.edited[q], truth=None if seen.truth is None else seen.truth[q])
        for name, scores in score_rows(plan.part(q), part, labels, weights, gallery).items():
            ranks.setdefault(name, []).append(ranking.rank_of_one(scores, places[q, 1]))
            kinds.setdefault(name, []).append(_kind(scores.argmax(axis=1), places[q]))
    everything, rows = np.ones(len(plan), dtype=bool), {}
    for name in (*ROWS, *TRUE_ROWS):
        if name == "chance":
            one, size = np.ones(len(plan)), np.full(len(plan), len(gallery))
            rows[name] = _row(plan, everything, {k: ranking.chance_hit_at(one, size, k) for k in KS}, rounds=0)
            rows[name]["median_rank"] = (len(gallery) + 1) / 2
        elif name in ranks:
            rank, kind = np.concatenate(ranks[name]), np.concatenate(kinds[name])
            rows[name] = _row(plan, everything, {k: (rank <= k).astype(float) for k in KS}, rounds)
            rows[name]["median_rank"] = float(np.median(rank))
            rows[name]["first"] = {n: float((kind == i).mean()) for i, n in enumerate(KINDS)}
    return {"queries": len(plan), "left_out": 0, "gallery": len(gallery), "right_items_mean": 1.0, "rows": rows}


def _kind(first: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Positions in ``KINDS`` of gallery positions (Q,)."""
    column = np.where(places == first[:, None], np.arange(places.shape[1]), len(KINDS) + places.shape[1]).min(axis=1)
    return np.where(column < places.shape[1], np.minimum(column, KINDS.index("sibling")), len(KINDS) - 1)


def _row(plan: EditPlan, use: np.ndarray, hit: dict[int, np.ndarray], rounds: int) -> dict[str, Any]:
    attribute, value, photo = plan.attribute[use], plan.value[use], plan.photo[use]
    out: dict[str, Any] = {
        "hit": {str(k): interval(hit[k][use], attribute, value, photo, rounds) for k in KS},
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
