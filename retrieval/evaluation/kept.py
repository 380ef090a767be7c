"""Does a search find what was asked for, and keep what was not? Shares of the first ten, by what was edited.

Of each edited attribute: the share of the first ten hits whose given label is the wanted value, averaged over the
wanted values; and, of every other attribute, the share that has the given label of the query's photo, averaged over
those labels. So a rare value counts as much as a common one, and a search that only knows the common one does not pass.
An unknown label of a hit is no match; queries whose own label is unknown are left out of that attribute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from amgan.evaluation import metrics
from amgan.evaluation.edits import EditPlan
from amgan.schema import UNKNOWN

TOP = 10
CHANCE, BEST = "chance", "best possible"
REFERENCES = {
    CHANCE: "a random order (exact)",
    BEST: "as many of the first ten as the gallery has: the ceiling of each figure by itself, not of all together",
}


def shares(plan: EditPlan, labels: np.ndarray, first: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The wanted and the kept share of each row, by edited attribute.

    Args:
        labels: the photos' given ones, int64 (n, M); the photos are the gallery, a query's own left out.
        first: by row, the gallery positions of each query's first hits, int64 (Q, TOP), -1 where there is none.

    Returns:
        ``{edited: {"queries", "rows": {row: {"wanted": share, "kept": {attribute: share}}}}}``, with the rows
        ``CHANCE`` and ``BEST`` after those of ``first``.
    """
    places = max(1, min(TOP, len(labels) - 1))
    by_row = {name: _shares_found(plan, labels, ranking, places) for name, ranking in first.items()}
    others = _others(plan, labels)  # (Q, M)
    by_row[CHANCE] = others / max(1, len(labels) - 1)
    by_row[BEST] = np.minimum(others, places) / places
    out: dict[str, Any] = {}
    for m, name in enumerate(plan.schema.names):
        mine = plan.attribute == m
        if mine.any():
            rows = {row: _means(plan, labels, share, m) for row, share in by_row.items()}
            out[name] = {"queries": int(mine.sum()), "rows": rows}
    return out


def _asked(plan: EditPlan, labels: np.ndarray) -> np.ndarray:
    """The label that a hit should have, int64 (Q, M): the wanted value, else that of the query's photo."""
    asked = labels[plan.photo]
    asked[np.arange(len(plan)), plan.attribute] = plan.value
    return asked


def _shares_found(plan: EditPlan, labels: np.ndarray, ranking: np.ndarray, places: int) -> np.ndarray:
    """Float (Q, M): the share of the first hits that have the label asked for."""
    found = np.where(ranking[..., None] >= 0, labels[ranking], UNKNOWN)  # (Q, TOP, M)
    asked = _asked(plan, labels)[:, None]
    return ((found == asked) & (asked != UNKNOWN)).sum(axis=1) / places


def _others(plan: EditPlan, labels: np.ndarray) -> np.ndarray:
    """Float (Q, M): how many other photos have the label asked for."""
    asked = _asked(plan, labels)
    counts = np.zeros(asked.shape, dtype=np.int64)
    for m, column in enumerate(labels.T):
        values = np.bincount(column[column != UNKNOWN], minlength=max(asked[:, m].max(initial=0), 0) + 1)
        counts[:, m] = np.where(asked[:, m] == UNKNOWN, 0, values[asked[:, m]])
    return counts - (labels[plan.photo] == asked)


def _means(plan: EditPlan, labels: np.ndarray, share: np.ndarray, edited: int) -> dict[str, Any]:
    mine = plan.attribute == edited
    asked = _asked(plan, labels)[mine]
    kept: dict[str, float] = {}
    for m, name in enumerate(plan.schema.names):
        known = asked[:, m] != UNKNOWN
        if m != edited and known.any():
            kept[name] = _macro(share[mine, m][known], asked[known, m])
    return {"wanted": _macro(share[mine, edited], asked[:, edited]), "kept": kept}


def _macro(share: np.ndarray, value: np.ndarray) -> float:
    return float(np.mean(list(metrics.grouped_mean(share, value).values())))
