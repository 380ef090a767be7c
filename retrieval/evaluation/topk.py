"""Does the edited picture find the right garments? Top-k retrieval over the photos of a split.

The gallery of a query is the split without the query's own photo. An item is right when its given labels hold the
wanted value and every other label that the query's photo is known to have; an unknown label never counts as a match,
and what is unknown of the query is not required. Queries without any right item are counted and left out. The given
labels only decide what is right: ranking uses pictures and predicted attributes, except in the row that is marked as an
upper bound.

Of synthetic garments the one right answer is known (``evaluate_one``): the true picture of the edit, in a gallery that
holds, for every seed, the source, that truth, and siblings that differ from the source in other ways. The source stays
in the gallery: it is a wrong answer that resembles the right one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from amgan.evaluation import metrics
from amgan.evaluation.edits import EditPlan
from amgan.evaluation.exact import Gallery
from amgan.evaluation.summary import interval
from retrieval.evaluation import kept, ranking
from retrieval.evaluation.rows import ROWS, TRUE_ROWS, QueryFeatures, row_scores
from retrieval.query import QueryWeights

KS = (1, 5, 10, 20, 30)
KINDS = ("source", "truth", "sibling", "another garment")
CHUNK_BYTES = 256 << 20  # what the scores of one chunk of queries may take
PER_SCORE = 48  # bytes for each pair of query and gallery item: a few rows of scores, their ranking, what is right
CHANCE_TOO_HIGH = 0.95


def evaluate(
    plan: EditPlan,
    features: QueryFeatures,
    labels: np.ndarray,
    weights: QueryWeights,
    rounds: int = 1000,
    chunk_bytes: int = CHUNK_BYTES,
) -> dict[str, Any]:
    """The retrieval table of one embedder. The photos are the gallery, and labels int64 (n, M) their given ones.

    Returns:
        ``{"queries", "left_out", "gallery", "rows": {row: {"hit": {k: {"mean", "low", "high"}}, "precision": {k: …},
        "attributes": {attribute: {"hit": {k: {"mean"}}, "values": {value: {"queries", k: mean}}}}}},
        "left_out_by_value", "first ten": see ``kept.shares``}``; means are macro-averaged over wanted values, then over
        attributes.
    """
    n_right, hits, first = _hits(plan, features, labels, weights, chunk_bytes)
    answerable = n_right > 0
    first_ten = kept.shares(plan, labels, first)
    if not answerable.any():
        empty = {"queries": 0, "left_out": len(plan), "gallery": len(labels) - 1, "rows": {}}
        return {**empty, "first ten": first_ten}
    rows = {}
    for name in ROWS:
        if name == "chance":
            size = np.full(len(plan), len(labels) - 1)
            hit = {k: ranking.chance_hit_at(n_right, size, k) for k in KS}
            precision = dict.fromkeys(KS, n_right / size)
        elif name in hits:
            hit = {k: ranking.hit_at(hits[name], k) for k in KS}
            precision = {k: ranking.precision_at(hits[name], k) for k in KS}
        else:
            continue
        rows[name] = _row(plan, answerable, hit, rounds)
        attribute, value = plan.attribute[answerable], plan.value[answerable]
        rows[name]["precision"] = {
            str(k): {"mean": metrics.macro_mean(p[answerable], attribute, value)} for k, p in precision.items()
        }
    return {
        "queries": int(answerable.sum()),
        "left_out": int((~answerable).sum()),
        "left_out_by_value": _count_by_value(plan, ~answerable),
        "gallery": len(labels) - 1,
        "right_items_mean": float(n_right[answerable].mean()),
        "rows": rows,
        "first ten": first_ten,
    }


def _hits(
    plan: EditPlan, features: QueryFeatures, labels: np.ndarray, weights: QueryWeights, chunk_bytes: int
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """How many items are right for each query, int64 (Q,), and per row which of the first are, bool (Q, max(KS)), and
    which the first ten are, int64 (Q, 10)."""
    gallery = Gallery(features.photos, features.predictions, labels)
    n_right = np.zeros(len(plan), dtype=np.int64)
    hits: dict[str, np.ndarray] = {}
    first: dict[str, np.ndarray] = {}
    for q in _chunks(len(plan), len(gallery), chunk_bytes):
        part = plan.part(q)
        required = ranking.required_labels(labels[part.photo], part.attribute, part.value)
        right = ranking.relevance(required, labels, part.photo)
        n_right[q] = right.sum(axis=1)
        for name, scores in row_scores(part, features.part(q), labels, weights, gallery):
            ranked = ranking.rank(scores, part.photo, max(KS))
            found = ranking.hits_in_ranking(ranked, right)
            hits.setdefault(name, np.zeros((len(plan), max(KS)), dtype=bool))[q] = found
            first.setdefault(name, np.zeros((len(plan), kept.TOP), dtype=np.int64))[q] = ranked[:, : kept.TOP]
    return n_right, hits, first


def evaluate_one(
    plan: EditPlan,
    features: QueryFeatures,
    labels: np.ndarray,
    gallery: Gallery,
    places: np.ndarray,
    weights: QueryWeights,
    rounds: int = 1000,
    chunk_bytes: int = CHUNK_BYTES,
) -> dict[str, Any]:
    """The retrieval table of one embedder where one gallery item is right.

    Args:
        places: int64 (Q, 2 + siblings), where in the gallery each query's source, its truth and its siblings are.

    Returns:
        As ``evaluate``, without ``left_out_by_value`` and precision; each row also has ``"median_rank"`` of the truth
        and ``"first"``, the share of queries whose first hit is of each kind of ``KINDS``. Ties count against the
        truth.
    """
    ranks: dict[str, np.ndarray] = {}
    kinds: dict[str, np.ndarray] = {}
    for q in _chunks(len(plan), len(gallery), chunk_bytes):
        for name, scores in row_scores(plan.part(q), features.part(q), labels, weights, gallery):
            ranks.setdefault(name, np.zeros(len(plan), dtype=np.int64))[q] = ranking.rank_of_one(scores, places[q, 1])
            kinds.setdefault(name, np.zeros(len(plan), dtype=np.int64))[q] = _kind(scores.argmax(axis=1), places[q])
    everything, rows = np.ones(len(plan), dtype=bool), {}
    for name in (*ROWS, *TRUE_ROWS):
        if name == "chance":
            one, size = np.ones(len(plan)), np.full(len(plan), len(gallery))
            rows[name] = _row(plan, everything, {k: ranking.chance_hit_at(one, size, k) for k in KS}, rounds=0)
            rows[name]["median_rank"] = (len(gallery) + 1) / 2
        elif name in ranks:
            rank, kind = ranks[name], kinds[name]
            rows[name] = _row(plan, everything, {k: (rank <= k).astype(float) for k in KS}, rounds)
            rows[name]["median_rank"] = float(np.median(rank))
            rows[name]["first"] = {n: float((kind == i).mean()) for i, n in enumerate(KINDS)}
    return {"queries": len(plan), "left_out": 0, "gallery": len(gallery), "right_items_mean": 1.0, "rows": rows}


def chance_warning(table: dict[str, Any]) -> str | None:
    """A sentence where a table's figures say nothing, since chance reaches them too; None where they do."""
    gallery = f"the gallery of {table['gallery']:,} pictures"
    if not table["queries"]:
        return f"No edit has a right garment in {gallery}, so there are no retrieval figures; measure more photos."
    chance = table["rows"]["chance"]["hit"]
    high = [str(k) for k in KS if chance[str(k)]["mean"] >= CHANCE_TOO_HIGH]
    if not high:
        return None
    return (
        f"In {gallery} a random order has a right garment in the top {', '.join(high)} of nearly every query (chance "
        f"{CHANCE_TOO_HIGH} or more), so retrieval figures there say nothing; measure more photos."
    )


def _chunks(queries: int, gallery: int, chunk_bytes: int) -> Iterator[np.ndarray]:
    """Queries int64 (k,) in order, so many at a time that their scores stay within so many bytes; one at least."""
    step = max(1, chunk_bytes // (PER_SCORE * max(1, gallery)))
    starts = range(0, queries, step)
    title = f"Searching {gallery:,} pictures {queries:,} times"
    for start in track(starts, title, console=Console(stderr=True), disable=len(starts) < 2):
        yield np.arange(start, min(start + step, queries))


def _count_by_value(plan: EditPlan, chosen: np.ndarray) -> dict[str, dict[str, int]]:
    """``{attribute: {value: chosen edits}}``, values without any left out."""
    counts: dict[str, dict[str, int]] = {}
    for m, a in enumerate(plan.schema.attributes):
        n = np.bincount(plan.value[chosen & (plan.attribute == m)], minlength=len(a.values))
        counts[a.name] = {v: int(n[i]) for i, v in enumerate(a.values) if n[i]}
    return counts


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
