"""Protocol C, exact: of drawn garments the true picture of the edit is known, and the query has to find that one.

Definition. Each garment of the split is edited once, by its seed. The gallery holds, for every seed, the source, the
truth (the true picture of the edit) and siblings, which differ from the source in other ways; each is framed by its own
mask, as a catalogue would. Only the truth is right. The source stays in the gallery: it is a wrong answer that
resembles the right one. Measured are the rank of the truth (from 1, ties against it), whether it is among the first k,
and what comes first. Means are over wanted values, then attributes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from amgan.evaluation.edits import EditPlan
from retrieval.evaluation import ranking
from retrieval.evaluation.added import what_each_adds
from retrieval.evaluation.found import KS, Found, Scored, macro_row
from retrieval.evaluation.rows import ALL_ROWS

KINDS = ("source", "truth", "sibling", "another garment")


def evaluate(plan: EditPlan, found: Found, places: np.ndarray, gallery_size: int, rounds: int = 1000) -> Scored:
    """The table of one embedder.

    Args:
        found: with ``ranks``.
        places: int64 (Q, 2 + siblings), where in the gallery each query's source, its truth and its siblings are.

    Returns:
        A table ``{"queries", "gallery", "rows": {row: {**macro_row, "median_rank", "first": {kind: share of the queries
        whose first hit is of it}}}, "added": see added.py}``, and the columns ``(row, "top-k")``.
    """
    table: dict[str, Any] = {"queries": len(plan), "gallery": gallery_size, "rows": {}}
    columns: dict[tuple[str, str], np.ndarray] = {}
    for name in ALL_ROWS:
        if name == "chance":
            one, size = np.ones(len(plan)), np.full(len(plan), gallery_size)
            row = macro_row(plan, {k: ranking.chance_hit_at(one, size, k) for k in KS}, rounds=0)
            table["rows"][name] = {**row, "median_rank": (gallery_size + 1) / 2}
        elif name in found.ranks:
            rank, kind = found.ranks[name], _kind(found.first[name][:, 0], places)
            hit = {k: (rank <= k).astype(float) for k in KS}
            columns |= {(name, f"top-{k}"): h for k, h in hit.items()}
            table["rows"][name] = {
                **macro_row(plan, hit, rounds),
                "median_rank": float(np.median(rank)),
                "first": {n: float((kind == i).mean()) for i, n in enumerate(KINDS)},
            }
    table["added"] = what_each_adds(plan, columns, rounds)
    return Scored(table, columns)


def _kind(first: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Positions in ``KINDS`` of gallery positions (Q,)."""
    column = np.where(places == first[:, None], np.arange(places.shape[1]), len(KINDS) + places.shape[1]).min(axis=1)
    return np.where(column < places.shape[1], np.minimum(column, KINDS.index("sibling")), len(KINDS) - 1)
