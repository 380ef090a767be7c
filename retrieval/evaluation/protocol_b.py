"""Protocol B, ADDE's (Hou et al., ICCV 2021, "Learning Attribute-Driven Disentangled Representations for Interactive
Fashion Retrieval", and its published evaluation code): are all labels of what is found as they should be?

Definition. A query is a reference photo and a change of one attribute: those of ADDE's own query files (``--queries``,
see ``adde_queries.py``), else the edits of protocol A. Its target labels are the photo's with that change. The gallery
is the whole test split, *the reference photo included*. With M attributes, and as many matches of a found item as its
labels agree with the target's, **unknown agreeing with unknown alone**:

    top-k         is there an item among the first k with M matches? A query without one in the gallery is a miss
    NDCG@k        sum_{r=1..k} (2^rel_r - 1) / ln(r + 1)  over  sum_{r=1..k} 1 / ln(r + 1),    rel = matches / M
    NDCG_target   the same where rel is 1 if the edited attribute matches, else 0
    NDCG_others   the same where rel is the share of the other attributes that match

The divisor takes rel = 1 at all k ranks, whether the gallery has such items or not, so 1 is mostly out of reach: the
row ``best possible`` says what is not, of each measure by itself. Means are plain ones over the queries, as published;
k = 30 for NDCG.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from amgan.evaluation.edits import EditPlan
from amgan.evaluation.summary import intervals
from retrieval.evaluation import ranking
from retrieval.evaluation.found import KS, Found, Scored
from retrieval.evaluation.rows import ALL_ROWS

NDCG_AT = 30
MEASURES = {
    "ndcg": f"NDCG@{NDCG_AT}",
    "ndcg_target": f"NDCG@{NDCG_AT} of the target attribute",
    "ndcg_others": f"NDCG@{NDCG_AT} of the others",
}
BEST = "best possible"
CELLS = 1 << 22  # pairs of query and gallery item that are compared at once


def evaluate(plan: EditPlan, found: Found, labels: np.ndarray, gallery: np.ndarray, rounds: int = 1000) -> Scored:
    """The table of one embedder.

    Args:
        labels: the photos' given ones, int64 (n, M).
        gallery: the gallery's given labels, int64 (G, M), the reference photos among them.

    Returns:
        A table ``{"queries", "gallery", "rows": {row: {"hit": {k: {"mean", "low", "high"}}, "ndcg", "ndcg_target",
        "ndcg_others": {"mean", …}, "attributes": {attribute: {"queries", "hit", "ndcg", …}}}}}`` and the columns
        ``(row, measure)``.
    """
    target = ranking.required_labels(labels[plan.photo], plan.attribute, plan.value)
    measured = dict(_bounds(plan, target, gallery))
    for name in ALL_ROWS:
        if name in found.first:
            first = found.first[name][:, : KS[-1]]
            whole, edited, others = relevances(target, plan.attribute, gallery, first)
            hits = {f"top-{k}": (whole[:, :k] == 1).any(axis=1).astype(float) for k in KS}
            scores = (ndcg(rel[:, :NDCG_AT]) for rel in (whole, edited, others))
            measured[name] = hits | dict(zip(MEASURES, scores, strict=True))
    rows = {
        name: _row(plan, measured[name], rounds if name in found.first else 0)
        for name in (*ALL_ROWS, BEST)
        if name in measured
    }
    columns = {(name, m): x for name, by in measured.items() for m, x in by.items() if name in found.first}
    return Scored({"queries": len(plan), "gallery": len(gallery), "rows": rows}, columns)


def relevances(
    target: np.ndarray, attribute: np.ndarray, gallery: np.ndarray, first: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """rel of all attributes, of the edited one, and of the others, each float64 (Q, k).

    Args:
        target: labels int64 (Q, M), unknown ones included.
        attribute: int64 (Q,), which was edited.
        gallery: labels int64 (G, M).
        first: gallery positions (Q, k); -1, no item, has rel 0.
    """
    n = target.shape[1]
    matches, edited = np.zeros(first.shape), np.zeros(first.shape)
    for m in range(n):
        same = (gallery[first, m] == target[:, m : m + 1]) & (first >= 0)
        matches += same
        mine = attribute == m
        edited[mine] = same[mine]
    others = (matches - edited) / (n - 1) if n > 1 else np.full(first.shape, np.nan)
    return matches / n, edited, others


def ndcg(rel: np.ndarray) -> np.ndarray:
    """float64 (Q,) of rel (Q, k), in the order found."""
    discount = 1 / np.log(np.arange(2, rel.shape[1] + 2))
    return (2.0**rel - 1) @ discount / discount.sum()


def _bounds(plan: EditPlan, target: np.ndarray, gallery: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Every measure of a random order, expected, and of the best order for that measure alone; (Q,) each."""
    asked, back = np.unique(np.column_stack([target, plan.attribute]), axis=0, return_inverse=True)
    back = back.reshape(-1)
    chance = {m: np.zeros(len(asked)) for m in MEASURES}
    best = {m: np.zeros(len(asked)) for m in MEASURES}
    n_right = np.zeros(len(asked), np.int64)
    step = max(1, CELLS // max(1, len(gallery)))
    for start in range(0, len(asked), step):
        u = slice(start, start + step)
        everything = np.broadcast_to(np.arange(len(gallery)), (len(asked[u]), len(gallery)))
        rels = relevances(asked[u, :-1], asked[u, -1], gallery, everything)
        n_right[u] = (rels[0] == 1).sum(axis=1)
        for measure, rel in zip(MEASURES, rels, strict=True):
            chance[measure][u] = (2.0**rel - 1).sum(axis=1) / max(len(gallery), NDCG_AT)
            k = min(NDCG_AT, len(gallery))
            top = -np.sort(np.partition(-rel, k - 1, axis=1)[:, :k], axis=1)
            best[measure][u] = ndcg(np.pad(top, ((0, 0), (0, NDCG_AT - k))))
    right, sizes = n_right[back], np.full(len(plan), len(gallery))
    return {
        "chance": {f"top-{k}": ranking.chance_hit_at(right, sizes, k) for k in KS}
        | {m: x[back] for m, x in chance.items()},
        BEST: {f"top-{k}": (right > 0).astype(float) for k in KS} | {m: x[back] for m, x in best.items()},
    }


def _row(plan: EditPlan, measured: dict[str, np.ndarray], rounds: int) -> dict[str, Any]:
    def figures(mine: np.ndarray | slice, rounds: int) -> dict[str, Any]:
        scores = {m: x[mine] for m, x in measured.items() if not np.isnan(x).any()}
        none = np.zeros(len(plan.photo[mine]), np.int64)
        found = intervals(scores, none, none, plan.photo[mine], rounds)
        nothing = {"mean": float("nan")}  # of the other attributes where there is one alone
        return {
            "hit": {str(k): found[f"top-{k}"] for k in KS},
            **{m: found.get(m, nothing) for m in MEASURES},
        }

    out = figures(slice(None), rounds)
    out["attributes"] = {
        a.name: {"queries": int(mine.sum()), **figures(mine, 0)}
        for m, a in enumerate(plan.schema.attributes)
        if (mine := plan.attribute == m).any()
    }
    return out
