"""Protocol A, AMGAN's (Ak et al., ICCV 2019, section 4): does the edited picture find a garment as wanted?

Definition. Every photo of the test split is edited to every value of every attribute but its own (see
``amgan.evaluation.edits``). Two figures are measured:

    accuracy    the share of edits in whose picture the judge, a classifier that no generator learnt from, sees the
                wanted value of the edited attribute: the column ``accepted`` of the edits' table (the paper's judge is
                a ResNet-50: ``amgan train --model classifier --role judge -c backbone=resnet50``)
    top-k       the share of edits whose picture, as a query, has at least one right item among the first k of the
                gallery, k to 50, by inner product of unit features

The gallery is the split's real photos. An item is right when its given labels hold the wanted value and every other
label that the query's photo is known to have; an unknown label never counts as a match, and what is unknown of the
query is not required. The paper does not say whether the photo itself, the source, is in the gallery: here it is not,
and with ``with_source`` it is, where it is always wrong and mostly near. Of drawn garments the gallery is that of
protocol C.

Means. ``hit``: over wanted values, then attributes, of the queries that have a right item in the gallery; the others
are counted. ``plain``, the paper's: over attributes of the mean over all queries, those without a right item being
misses. Given labels only decide what is right: ranking uses pictures and predicted attributes, except in the row that
is marked as an upper bound.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from amgan.evaluation import metrics
from amgan.evaluation.edits import EditPlan
from amgan.evaluation.summary import intervals
from retrieval.evaluation import ranking
from retrieval.evaluation.added import what_each_adds
from retrieval.evaluation.found import DEPTH, KS, Found, Scored, macro_row, without_source
from retrieval.evaluation.rows import ALL_ROWS

CHANCE_TOO_HIGH = 0.95


def evaluate(
    plan: EditPlan,
    found: Found,
    labels: np.ndarray,
    gallery: np.ndarray,
    source: np.ndarray,
    rounds: int = 1000,
    with_source: bool = False,
) -> Scored:
    """The top-k table of one embedder.

    Args:
        labels: the photos' given ones, int64 (n, M).
        gallery: the gallery's given labels, int64 (G, M).
        source: int64 (Q,), where in the gallery each query's photo is.
        with_source: leave it there.

    Returns:
        A table ``{"queries", "left_out", "left_out_by_value", "gallery", "source_in_gallery", "right_items_mean",
        "rows": {row: {**macro_row, "plain": {k: {"mean", "low", "high"}}, "precision": {k: {"mean"}}}}, "added": see
        added.py}``, and the columns ``(row, "top-k")`` and ``(row, "precision@10")``.
    """
    required = ranking.required_labels(labels[plan.photo], plan.attribute, plan.value)
    n_right = ranking.count_right(required, gallery)
    answerable = n_right > 0
    size = len(gallery) - (not with_source)
    table: dict[str, Any] = {
        "queries": int(answerable.sum()),
        "left_out": int((~answerable).sum()),
        "left_out_by_value": _count_by_value(plan, ~answerable),
        "gallery": size,
        "source_in_gallery": with_source,
        "right_items_mean": float(n_right[answerable].mean()) if answerable.any() else 0.0,
        "rows": {},
    }
    columns: dict[tuple[str, str], np.ndarray] = {}
    if not answerable.any():
        return Scored(table)
    for name in ALL_ROWS:
        if name == "chance":
            sizes = np.full(len(plan), size)
            hit = {k: ranking.chance_hit_at(n_right, sizes, k) for k in KS}
            precision = dict.fromkeys(KS, n_right / size)
        elif name in found.first:
            first = found.first[name]
            ranked = first[:, :DEPTH] if with_source else without_source(first, source)
            right = ranking.matches(required, gallery, ranked)
            hit = {k: ranking.hit_at(right, k) for k in KS}
            precision = {k: ranking.precision_at(right, k) for k in KS}
        else:
            continue
        answered = {k: np.where(answerable, h, np.nan) for k, h in hit.items()}
        columns |= {(name, f"top-{k}"): h for k, h in answered.items()}
        columns[name, "precision@10"] = np.where(answerable, precision[10], np.nan)
        everyone = np.zeros(len(plan), np.int64)
        table["rows"][name] = {
            **macro_row(plan, answered, rounds if name != "chance" else 0),
            "plain": intervals({str(k): h for k, h in hit.items()}, plan.attribute, everyone, plan.photo, rounds),
            "precision": {
                str(k): {"mean": metrics.macro_mean(np.where(answerable, p, np.nan), plan.attribute, plan.value)}
                for k, p in precision.items()
            },
        }
    table["added"] = what_each_adds(plan, columns, rounds)
    return Scored(table, columns)


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


def _count_by_value(plan: EditPlan, chosen: np.ndarray) -> dict[str, dict[str, int]]:
    """``{attribute: {value: chosen edits}}``, values without any left out."""
    counts: dict[str, dict[str, int]] = {}
    for m, a in enumerate(plan.schema.attributes):
        n = np.bincount(plan.value[chosen & (plan.attribute == m)], minlength=len(a.values))
        counts[a.name] = {v: int(n[i]) for i, v in enumerate(a.values) if n[i]}
    return counts
