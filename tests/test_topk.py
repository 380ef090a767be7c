"""Retrieval tables in chunks against the same from whole query x gallery matrices, and the memory that they take."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from amgan.evaluation import metrics
from amgan.evaluation.edits import EditPlan, plan_edits
from amgan.evaluation.exact import Gallery
from amgan.schema import UNKNOWN, AttributeSchema
from retrieval.evaluation import ranking, topk
from retrieval.evaluation.rows import QueryFeatures, one_hot, row_scores
from retrieval.query import QueryWeights

# Four attributes: their blocks' length, 1 / sqrt(4), has no rounding, so equal items have exactly equal scores.
SCHEMA = AttributeSchema.from_dict(
    {"sleeve": ["short", "long"], "color": ["red", "blue", "multi"], "collar": ["v", "o"], "fit": ["slim", "wide"]}
)


def draw(n: int, edits: int, seed: int = 0) -> tuple[EditPlan, QueryFeatures, np.ndarray]:
    """Photos with features of few small whole numbers, so that ties are many and exact, and edits of them."""
    rng = np.random.default_rng(seed)
    labels = np.stack([rng.integers(-1, len(a.values), n) for a in SCHEMA.attributes], axis=1)
    everything = plan_edits(SCHEMA, labels)
    plan = everything.part(np.sort(rng.choice(len(everything), edits, replace=False)))

    def features(rows: int) -> np.ndarray:
        return rng.integers(-1, 2, (rows, 3)).astype(np.float32)

    predictions = one_hot(SCHEMA, np.stack([rng.integers(0, len(a.values), n) for a in SCHEMA.attributes], axis=1))
    return plan, QueryFeatures(features(edits), features(n), predictions, features(15), labels[:15]), labels


def plain(plan: EditPlan, features: QueryFeatures, labels: np.ndarray, weights: QueryWeights) -> dict[str, Any]:
    """Every row's hit rates and precision as ``evaluate`` once made them: whole matrices, whole rows sorted."""
    source, gallery = plan.photo, Gallery(features.photos, features.predictions, labels)
    right = ranking.relevance(ranking.required_labels(labels[source], plan.attribute, plan.value), labels, source)
    use = right.any(axis=1)
    attribute, value, out = plan.attribute[use], plan.value[use], {}
    for name, scores in row_scores(plan, features, labels, weights, gallery):
        scores = scores.astype(np.float64)
        scores[np.arange(len(plan)), source] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, : min(max(topk.KS), len(labels) - 1)]
        hits = np.take_along_axis(right, order, axis=1)
        out[name] = {
            k: (
                metrics.macro_mean(hits[use, :k].any(axis=1).astype(float), attribute, value),
                metrics.macro_mean(hits[use, :k].sum(axis=1) / k, attribute, value),
            )
            for k in topk.KS
        }
    return {"queries": int(use.sum()), "right_items_mean": float(right.sum(axis=1)[use].mean()), "rows": out}


@pytest.mark.parametrize(("photos", "edits"), [(20, 60), (150, 300)])
def test_chunks_give_what_whole_matrices_give(photos: int, edits: int) -> None:
    plan, features, labels = draw(photos, edits)
    weights = QueryWeights(1, 0.5)
    expected = plain(plan, features, labels, weights)
    tables = [
        topk.evaluate(plan, features, labels, weights, rounds=0, chunk_bytes=queries * photos * topk.PER_SCORE)
        for queries in (0, 7, edits)
    ]
    assert tables[0] == tables[1] == tables[2]
    table = tables[0]
    assert (table["queries"], table["right_items_mean"]) == (expected["queries"], expected["right_items_mean"])
    assert set(table["rows"]) == {*expected["rows"], "chance"}
    for name, by_k in expected["rows"].items():
        row = table["rows"][name]
        found = {k: (row["hit"][str(k)]["mean"], row["precision"][str(k)]["mean"]) for k in topk.KS}
        assert found == by_k, name


def test_memory_stays_within_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, features, labels = draw(1200, 1500)  # one row of scores: 7 MB, all of them with their ranking: over 80
    tracemalloc.start()
    try:
        topk.evaluate(plan, features, labels, QueryWeights(), rounds=0, chunk_bytes=4 << 20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


def test_left_out_edits_are_counted_by_value() -> None:
    labels = np.array([[0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, UNKNOWN]])
    plan = plan_edits(SCHEMA, labels)
    same = np.ones((4, 2), np.float32)
    features = QueryFeatures(np.ones((len(plan), 2), np.float32), same, one_hot(SCHEMA, labels), same[:0], labels[:0])
    table = topk.evaluate(plan, features, labels, QueryWeights(), rounds=0)
    # Right are only: short to long (the third), and the third to short (two); the fourth's fit is unknown, so it may
    # become red and find the first two.
    assert table["queries"] == 2 + 1 + 1
    assert table["left_out"] == len(plan) - 4
    left = table["left_out_by_value"]
    assert left["sleeve"] == {"long": 1}
    assert left["color"] == {"blue": 3}
    assert sum(n for values in left.values() for n in values.values()) == table["left_out"]


# --- figures that say nothing -----------------------------------------------------------------------------------------


def table_of(gallery: int, right: int) -> dict[str, Any]:
    one, size = np.array([right]), np.array([gallery])
    hit = {str(k): {"mean": float(ranking.chance_hit_at(one, size, k)[0])} for k in topk.KS}
    return {"queries": 9, "gallery": gallery, "rows": {"chance": {"hit": hit}}}


def test_a_chance_that_reaches_the_figures_is_said() -> None:
    assert topk.chance_warning(table_of(400, 5)) is None
    small = topk.chance_warning(table_of(7, 1))
    assert small is not None
    assert "gallery of 7 pictures" in small
    assert "top 10, 20, 30 of" in small
    nothing_wrong = topk.chance_warning(table_of(7, 7))
    assert nothing_wrong is not None
    assert "top 1, 5, 10, 20, 30 of" in nothing_wrong
    unanswered = topk.chance_warning({"queries": 0, "gallery": 1, "rows": {}})
    assert unanswered is not None
    assert "No edit has a right garment" in unanswered
