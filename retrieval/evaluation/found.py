"""What every query finds: one pass over queries and gallery, from which all protocols are then counted.

    protocol_a.py   AMGAN's: an item is right when it has all attributes that photo and edit require
    protocol_b.py   ADDE's: all labels must match; NDCG
    protocol_c.py   exact, for drawn garments: the one true garment

Rankings hold the query's own photo, the source, wherever the gallery does; what it counts for, each protocol says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from amgan.evaluation import metrics
from amgan.evaluation.edits import EditPlan
from amgan.evaluation.exact import Gallery
from amgan.evaluation.summary import intervals
from retrieval.evaluation import ranking
from retrieval.evaluation.rows import EDITED_ROWS, QueryFeatures, row_scores
from retrieval.query import QueryWeights

KS = (1, 5, 10, 20, 30, 40, 50)
DEPTH = KS[-1]
CHUNK_BYTES = 256 << 20  # what the scores of one chunk of queries may take
PER_SCORE = 48  # bytes for each pair of query and gallery item: a few rows of scores and their ranking


@dataclass(frozen=True)
class Found:
    """By row of ``rows.ALL_ROWS``:

    Attributes:
        first: gallery positions of each query's first hits, int32 (Q, DEPTH + 1), ties by position, -1 beyond the end:
            one more than is counted, for those protocols that leave the source out.
        ranks: the rank from 1 of each query's one true item, int64 (Q,), ties against it; empty where none is known.
    """

    first: dict[str, np.ndarray]
    ranks: dict[str, np.ndarray]


@dataclass(frozen=True)
class Scored:
    """A protocol's table, and what it was made from: one score for each query, NaN where it is left out.

    Attributes:
        table: for the report.
        columns: by row and measure, float64 (Q,): what paired differences between methods are made from.
    """

    table: dict[str, Any]
    columns: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)


def search_all(
    plan: EditPlan,
    features: QueryFeatures,
    labels: np.ndarray,
    weights: QueryWeights,
    gallery: Gallery,
    truth: np.ndarray | None = None,
    others: Found | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> Found:
    """Rank the gallery for every row of every query, exactly.

    Args:
        labels: the photos' given ones, int64 (n, M).
        truth: int64 (Q,), where in the gallery the one true item of each query is.
        others: what another editor's search of the same plan found: rows that no editor has part in are taken from it.
    """
    first: dict[str, np.ndarray] = {}
    ranks: dict[str, np.ndarray] = {}
    nobody, depth = np.full(len(plan), -1), DEPTH + 1
    for q in chunks(len(plan), len(gallery), chunk_bytes):
        rows = row_scores(plan.part(q), features.part(q), labels, weights, gallery, edited_only=others is not None)
        for name, scores in rows:
            if truth is not None:
                ranks.setdefault(name, np.zeros(len(plan), np.int64))[q] = ranking.rank_of_one(scores, truth[q])
            best = ranking.rank(scores, nobody[q], depth)
            first.setdefault(name, np.zeros((len(plan), depth), np.int32))[q] = best
    if others is not None:
        first = {**{n: r for n, r in others.first.items() if n not in EDITED_ROWS}, **first}
        ranks = {**{n: r for n, r in others.ranks.items() if n not in EDITED_ROWS}, **ranks}
    return Found(first, ranks)


def without_source(first: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Rankings (Q, k + 1) without each query's own photo, (Q, k). source (Q,) is its gallery position, or -1."""
    keep = (first != source[:, None]) | (source < 0)[:, None]
    keep[keep.all(axis=1), -1] = False
    return first[keep].reshape(len(first), first.shape[1] - 1)


def chunks(queries: int, gallery: int, chunk_bytes: int) -> Iterator[np.ndarray]:
    """Queries int64 (k,) in order, so many at a time that their scores stay within so many bytes; one at least."""
    step = max(1, chunk_bytes // (PER_SCORE * max(1, gallery)))
    starts = range(0, queries, step)
    title = f"Searching {gallery:,} pictures {queries:,} times"
    for start in track(starts, title, console=Console(stderr=True), disable=len(starts) < 2):
        yield np.arange(start, min(start + step, queries))


def macro_row(plan: EditPlan, hit: dict[int, np.ndarray], rounds: int) -> dict[str, Any]:
    """A row of a top-k table: macro means over wanted values, then over attributes, with intervals; by attribute; by
    value.

    Args:
        hit: by k, float64 (Q,), NaN where a query is left out.

    Returns:
        ``{"hit": {k: {"mean", "low", "high"}}, "attributes": {attribute: {"queries", "hit": {k: …}, "values": {value:
        {"queries", k: mean}}}}}``.
    """
    attribute, value, photo = plan.attribute, plan.value, plan.photo
    used = ~np.isnan(hit[KS[0]])
    out: dict[str, Any] = {
        "hit": intervals({str(k): hit[k] for k in KS}, attribute, value, photo, rounds),
        "attributes": {},
    }
    for m, a in enumerate(plan.schema.attributes):
        mine = used & (attribute == m)
        if not mine.any():
            continue
        values: dict[str, dict[str, float]] = {
            a.values[v]: {"queries": int((mine & (value == v)).sum())} for v in np.unique(value[mine])
        }
        for k in KS:
            for v, mean in metrics.grouped_mean(hit[k][mine], value[mine]).items():
                values[a.values[v]][str(k)] = mean
        out["attributes"][a.name] = {
            "queries": int(mine.sum()),
            "hit": intervals({str(k): hit[k][mine] for k in KS}, attribute[mine], value[mine], photo[mine], rounds),
            "values": values,
        }
    return out
