"""The rows of a retrieval table: what each asks with, and how it scores the gallery.

Scores are inner products of unit features, so higher is better, and they are made for a few queries at a time: the
whole of a query x gallery matrix may not fit into memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from amgan.evaluation.edits import EditPlan, predicted_labels
from amgan.evaluation.exact import Gallery
from amgan.schema import UNKNOWN, AttributeSchema
from retrieval.attributes import attribute_block
from retrieval.evaluation import ranking
from retrieval.query import QueryWeights, target_probabilities, value_weights, weighted_attributes

FUSED = "edited + wanted + kept"
HALF = "half of the picture's weight on the twins, where the weights leave them out"

# Row -> what the query is.
ROWS = {
    "edited": "the edited picture alone",
    "edited + wanted": "the edited picture fused with the wanted attributes",
    "edited + kept": "the edited picture fused with the kept attributes",
    FUSED: "the edited picture fused with the wanted and the kept attributes: what a search asks",
    f"{FUSED}, filtered": "as that, items predicted to have the wanted value first, then the rest",
    "unedited": "the photo as it is",
    "unedited + wanted": "the photo as it is, fused with the wanted attributes",
    "unedited + wanted + kept": "the photo as it is, fused with the wanted and the kept attributes",
    "wanted alone": "the wanted attributes alone, against the predicted ones",
    "kept alone": "the kept attributes alone, against the predicted ones",
    "wanted + kept alone": "the wanted and the kept attributes alone, against the predicted ones",
    "prototype": "the mean feature of the reference photos labelled as wanted (kept attributes as predicted); no edit",
    "arithmetic": "the unedited photo's feature, less the mean of reference photos that have its predicted value of "
    "the edited attribute, plus the mean of those that have the wanted one; no edit",
    "filter": "items predicted to be as wanted first, then the rest, both by likeness to the unedited photo",
    "chance": "a random order (exact)",
    "given labels": f"as '{FUSED}', with the given labels in place of predictions on both sides",
}
TWIN_ROWS = {
    "edited, twins alone": "the edited picture against the gallery's twins: its garments as the editor draws them with "
    "the attributes that they are predicted to have",
    "edited, with twins": f"the edited picture against pictures and twins; {HALF}",
    f"{FUSED}, with twins": f"as '{FUSED}', against pictures and twins; {HALF}",
}
TEXT_ROWS = {
    "text alone": "a sentence of the wanted and the kept attributes, read by the embedder's text tower",
    f"{FUSED} + text": f"as '{FUSED}', fused with that sentence",
}
TRUE_ROWS = {
    "truth": "the true picture of the edit, in the source's frame: what a perfect editor would ask with, the ceiling",
    "truth + wanted": "the true picture fused with the wanted attributes: the ceiling of 'edited + wanted'",
    "truth + kept": "the true picture fused with the kept attributes",
    "truth + wanted + kept": "the true picture with wanted and kept attributes: the ceiling of what a search asks",
}
ALL_ROWS = {**ROWS, **TWIN_ROWS, **TEXT_ROWS, **TRUE_ROWS}
# Those that an editor has part in.
EDITED_ROWS = (*(row for row in ALL_ROWS if row.startswith("edited")), "given labels")

# What is added -> a row with it, and the same row without it.
ADDED = {
    "the edit, to the picture alone": ("edited", "unedited"),
    "the edit, to all": (FUSED, "unedited + wanted + kept"),
    "the edited picture, to the attributes": (FUSED, "wanted + kept alone"),
    "the wanted attributes": (FUSED, "edited + kept"),
    "the kept attributes": (FUSED, "edited + wanted"),
    "the filter": (f"{FUSED}, filtered", FUSED),
    "twins, to the picture alone": ("edited, with twins", "edited"),
    "twins": (f"{FUSED}, with twins", FUSED),
    "text": (f"{FUSED} + text", FUSED),
}


def row_name(row: str) -> str:
    """A row's name in tables and plots: what is no fair query says so."""
    if row in TRUE_ROWS:
        return f"{row} (ceiling)"
    return f"{row} (upper bound)" if row == "given labels" else row


@dataclass(frozen=True)
class QueryFeatures:
    """What queries are made of: one embedder's unit features, float32, and a classifier's predictions.

    Attributes:
        edited: features of the edited pictures (Q, D), in the plan's order.
        photos: features of the photos (n, D), for the unedited queries.
        predictions: attribute probabilities of the photos (n, N).
        reference, reference_labels: features (R, D) and given labels (R, M) of photos outside the split, for
            prototypes.
        truth: features of the true pictures (Q, D), in the plan's order, where they are known.
        text: features of sentences of what is asked for (Q, D), in the plan's order, where the embedder reads text.
    """

    edited: np.ndarray
    photos: np.ndarray
    predictions: np.ndarray
    reference: np.ndarray
    reference_labels: np.ndarray
    truth: np.ndarray | None = None
    text: np.ndarray | None = None

    def part(self, q: np.ndarray) -> QueryFeatures:
        """Those of some queries of the plan, int64 (k,)."""
        truth, text = (None if rows is None else rows[q] for rows in (self.truth, self.text))
        return replace(self, edited=self.edited[q], truth=truth, text=text)


def row_scores(
    plan: EditPlan,
    features: QueryFeatures,
    labels: np.ndarray,
    weights: QueryWeights,
    gallery: Gallery,
    edited_only: bool = False,
) -> Iterator[tuple[str, np.ndarray]]:
    """Each row and its scores of every gallery item, (Q, G). Only few of these are in memory at a time.

    labels (n, M) are the given ones of the photos. Rows that cannot be had (no reference photos, no truths), and
    chance, which has no scores, are left out; with ``edited_only`` also all but ``EDITED_ROWS``.
    """
    schema, pictures = plan.schema, gallery.features.T
    target = wanted_attributes(plan, features.predictions)
    catalogue = attribute_block(gallery.predictions, schema).T
    w = weights
    likeliest, predicted = predicted_labels(schema, target), predicted_labels(schema, gallery.predictions)

    def attributes(wanted: float, kept: float, asked: np.ndarray = target, items: np.ndarray = catalogue) -> np.ndarray:
        """The attributes' part of the sum of a query's score, before it is divided by the sum of the weights. Summed in
        float64, so that equal sums are equal, however many queries are asked at once."""
        queries = weighted_attributes(asked, plan_weights(plan, wanted, kept), schema).astype(np.float64)
        return (queries @ items.astype(np.float64)).astype(np.float32)

    def asked_with(name: str, picture: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """The picture alone, and the inner products with `compose`d queries."""
        yield name, picture
        for row, wanted, kept in (
            (f"{name} + wanted", w.wanted, 0.0),
            (f"{name} + kept", 0.0, w.kept),
            (f"{name} + wanted + kept", w.wanted, w.kept),
        ):
            if (total := w.picture + wanted + kept) and (row in ALL_ROWS):
                yield row, (w.picture * picture + attributes(wanted, kept)) / total

    def without_editor() -> Iterator[tuple[str, np.ndarray]]:
        yield "wanted alone", attributes(1, 0)
        yield "kept alone", attributes(0, 1)
        if w.wanted + w.kept:
            yield "wanted + kept alone", attributes(w.wanted, w.kept) / (w.wanted + w.kept)
        unedited = features.photos[plan.photo] @ pictures
        yield from asked_with("unedited", unedited)
        yield "filter", first(ranking.relevance(likeliest, predicted), unedited)
        del unedited
        if len(features.reference):
            reference, given = features.reference, features.reference_labels
            yield "prototype", prototypes(likeliest, plan.attribute, reference, given) @ pictures
            current = predicted_labels(schema, features.predictions)[plan.photo, plan.attribute]
            moved = features.photos[plan.photo] + steps(plan, current, reference, given)
            yield "arithmetic", unit(moved) @ pictures
        if features.text is not None:
            yield "text alone", features.text @ pictures
        if features.truth is not None:
            yield from asked_with("truth", features.truth @ pictures)

    if not edited_only:
        yield from without_editor()
    edited = features.edited @ pictures
    yield from asked_with("edited", edited)
    fused = w.picture * edited + attributes(w.wanted, w.kept)  # not divided yet
    as_wanted = plan.value[:, None] == predicted[:, plan.attribute].T
    yield f"{FUSED}, filtered", first(as_wanted, fused / w.total())
    if gallery.twins is not None:
        twins, share = features.edited @ gallery.twins.T, w.twin / w.picture if w.twin else 0.5
        yield "edited, twins alone", twins
        yield "edited, with twins", (1 - share) * edited + share * twins
        yield f"{FUSED}, with twins", (fused + share * w.picture * (twins - edited)) / w.total()
    if features.text is not None:
        yield f"{FUSED} + text", (fused + w.text * (features.text @ pictures)) / w.total(text=True)
    required = one_hot(schema, ranking.required_labels(labels[plan.photo], plan.attribute, plan.value))
    given = attribute_block(one_hot(schema, gallery.labels), schema).T
    yield "given labels", (w.picture * edited + attributes(w.wanted, w.kept, required, given)) / w.total()


def first(such: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Scores that rank what is ``such``, bool (Q, G), before the rest, and both by ``scores`` (Q, G), which differ by 2
    at most. In float64: float32 would lose digits that ranks depend on."""
    return scores.astype(np.float64) + 4.0 * such


def plan_weights(plan: EditPlan, wanted: float, kept: float) -> np.ndarray:
    """What each attribute counts in each query, float32 (Q, N), see ``value_weights``."""
    weights = QueryWeights(1.0, wanted, kept)
    by_attribute = np.stack([value_weights([name], plan.schema, weights) for name in plan.schema.names])
    return by_attribute[plan.attribute]


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


def steps(plan: EditPlan, current: np.ndarray, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """From the mean feature of the reference photos that have the ``current`` value, int64 (Q,), of the edited
    attribute to the mean of those that have the wanted one, (Q, D); a value that no reference photo has gives no step.
    """
    out = np.zeros((len(plan), features.shape[1]), dtype=np.float32)
    asked = np.stack([plan.attribute, current, plan.value], axis=1)
    for m, before, after in np.unique(asked, axis=0):
        has = [labels[:, m] == v for v in (before, after)]
        if all(h.any() for h in has):
            here = (asked == (m, before, after)).all(axis=1)
            out[here] = features[has[1]].mean(axis=0) - features[has[0]].mean(axis=0)
    return out


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of unit length; a row of zeros stays zero."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
