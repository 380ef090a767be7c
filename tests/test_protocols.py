"""Protocols A and B against plain loops over whole rankings, and by hand; the memory that a search takes."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from amgan.evaluation.edits import EditPlan, plan_edits
from amgan.evaluation.exact import Gallery
from amgan.schema import UNKNOWN, AttributeSchema
from retrieval.evaluation import found, protocol_a, protocol_b, ranking
from retrieval.evaluation.rows import QueryFeatures, one_hot, row_scores, steps, unit
from retrieval.query import QueryWeights
from tests.memory import peak_memory

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


def searched(plan: EditPlan, features: QueryFeatures, labels: np.ndarray, **more: Any) -> found.Found:
    gallery = Gallery(features.photos, features.predictions, labels)
    return found.search_all(plan, features, labels, QueryWeights(1, 0.5), gallery, **more)


def rankings(plan: EditPlan, features: QueryFeatures, labels: np.ndarray) -> dict[str, list[list[int]]]:
    """Every row's whole ranking, source included, by whole matrices and sorts of whole rows."""
    gallery = Gallery(features.photos, features.predictions, labels)
    rows = row_scores(plan, features, labels, QueryWeights(1, 0.5), gallery)
    return {n: np.argsort(-s.astype(np.float64), axis=1, kind="stable").tolist() for n, s in rows}


@pytest.mark.parametrize(("photos", "edits"), [(20, 60), (70, 90)])
@pytest.mark.parametrize("with_source", [False, True])
def test_protocol_a_is_a_loop_over_rankings(photos: int, edits: int, with_source: bool) -> None:
    plan, features, labels = draw(photos, edits)
    orders = rankings(plan, features, labels)
    tables = []
    for queries in (0, 7, edits):  # in chunks of so many
        first = searched(plan, features, labels, chunk_bytes=queries * photos * found.PER_SCORE)
        tables.append(protocol_a.evaluate(plan, first, labels, labels, plan.photo, 0, with_source).table)
    assert tables[0] == tables[1] == tables[2]
    table = tables[0]
    assert set(table["rows"]) == {*orders, "chance"}
    assert table["gallery"] == photos - (not with_source)
    for name, order in orders.items():
        by_value: dict[tuple[int, int], list[list[float]]] = {}
        by_attribute: dict[int, list[list[float]]] = {}
        for q, (p, m, v) in enumerate(zip(plan.photo, plan.attribute, plan.value, strict=True)):
            required = {i: x for i, x in enumerate(labels[p]) if x != UNKNOWN} | {m: v}
            right = {g for g in range(photos) if all(labels[g, i] == x for i, x in required.items())} - {p}
            ranked = [g for g in order[q] if with_source or g != p]
            hits = [float(any(g in right for g in ranked[:k])) for k in found.KS]
            precision = [sum(g in right for g in ranked[:k]) / k for k in found.KS]
            by_attribute.setdefault(m, []).append(hits)
            if right:
                by_value.setdefault((m, v), []).append([*hits, *precision])
        attributes: dict[int, list[np.ndarray]] = {}
        for (m, _), scores in by_value.items():
            attributes.setdefault(m, []).append(np.mean(scores, axis=0))
        macro = np.mean([np.mean(means, axis=0) for means in attributes.values()], axis=0)
        plain = np.mean([np.mean(scores, axis=0) for scores in by_attribute.values()], axis=0)
        row, ks = table["rows"][name], [str(k) for k in found.KS]
        assert [*(row["hit"][k]["mean"] for k in ks), *(row["precision"][k]["mean"] for k in ks)] == pytest.approx(
            macro.tolist()
        ), name
        assert [row["plain"][k]["mean"] for k in ks] == pytest.approx(plain.tolist()), name


def test_the_source_is_in_the_way_when_it_may_be() -> None:
    labels = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    plan = EditPlan(SCHEMA, np.array([0]), np.array([0]), np.array([1]), {})  # short to long: the second alone is right
    first = found.Found({"edited": np.array([[0, 1, 2, *[-1] * (found.DEPTH - 2)]], np.int32)}, {})
    tops = [
        protocol_a.evaluate(plan, first, labels, labels, plan.photo, 0, switch).table["rows"]["edited"]["hit"]["1"]
        for switch in (False, True)
    ]
    assert [t["mean"] for t in tops] == [1.0, 0.0]


@pytest.mark.parametrize("photos", [20, 70])
def test_protocol_b_is_a_loop_over_rankings(photos: int) -> None:
    plan, features, labels = draw(photos, 40, seed=3)
    table = protocol_b.evaluate(plan, searched(plan, features, labels), labels, labels, rounds=0).table
    discounts = [1 / math.log(r + 1) for r in range(1, protocol_b.NDCG_AT + 1)]

    def ndcg(rels: list[float]) -> float:
        return sum((2**rel - 1) * d for rel, d in zip(rels, discounts, strict=False)) / sum(discounts)

    orders, expected = rankings(plan, features, labels), {}
    for q, (p, m, v) in enumerate(zip(plan.photo, plan.attribute, plan.value, strict=True)):
        target = labels[p].tolist()
        target[m] = v

        def rel(g: int, which: list[int], target: list[int] = target) -> float:
            return sum(labels[g, i] == target[i] for i in which) / len(which)

        parts = [[0, 1, 2, 3], [m], [i for i in range(4) if i != m]]
        for name, order in orders.items():
            hits = [float(any(rel(g, parts[0]) == 1 for g in order[q][:k])) for k in found.KS]
            scores = [ndcg([rel(g, part) for g in order[q]]) for part in parts]
            expected.setdefault(name, []).append([*hits, *scores])
        best = [ndcg(sorted((rel(g, part) for g in range(photos)), reverse=True)) for part in parts]
        can = float(any(rel(g, parts[0]) == 1 for g in range(photos)))
        expected.setdefault(protocol_b.BEST, []).append([*[can] * len(found.KS), *best])
    assert set(table["rows"]) == {*expected, "chance"}
    for name, scores in expected.items():
        row = table["rows"][name]
        got = [*(row["hit"][str(k)]["mean"] for k in found.KS), *(row[m]["mean"] for m in protocol_b.MEASURES)]
        assert got == pytest.approx(np.mean(scores, axis=0).tolist()), name


def test_ndcg_worked_by_hand() -> None:
    # Three attributes; short red v to long red v. The first has all, the second the target alone, the third two others.
    gallery = np.array([[1, 0, 0], [1, 1, UNKNOWN], [0, 0, 0]])
    target, edited = np.array([[1, 0, 0]]), np.array([0])
    whole, of_target, others = protocol_b.relevances(target, edited, gallery, np.array([[0, 1, 2, -1]]))
    assert whole.tolist() == [[1, 1 / 3, 2 / 3, 0]]
    assert of_target.tolist() == [[1, 1, 0, 0]]
    assert others.tolist() == [[1, 0, 1, 0]]
    d = [1 / math.log(2), 1 / math.log(3), 1 / math.log(4), 1 / math.log(5)]
    assert protocol_b.ndcg(of_target)[0] == pytest.approx((d[0] + d[1]) / sum(d))
    assert protocol_b.ndcg(whole)[0] == pytest.approx(
        (d[0] + (2 ** (1 / 3) - 1) * d[1] + (2 ** (2 / 3) - 1) * d[2]) / sum(d)
    )
    unknown = protocol_b.relevances(np.array([[1, 1, UNKNOWN]]), edited, gallery, np.array([[1]]))
    assert unknown[0].tolist() == [[1]]  # unknown is what unknown has to be


def test_chance_of_protocol_b_is_the_mean_of_all_orders() -> None:
    labels = np.array([[0, 0, 0, 0], [1, 0, 0, UNKNOWN], [1, 0, 0, 0], [0, 1, 1, 1]])
    plan = EditPlan(SCHEMA, np.array([0]), np.array([0]), np.array([1]), {})
    scores = []
    for order in permutations(range(4)):
        ranked = np.array([[*order, *[-1] * (found.DEPTH - 3)]])
        first = found.Found({"edited": ranked.astype(np.int32)}, {})
        row = protocol_b.evaluate(plan, first, labels, labels, rounds=0).table["rows"]
        scores.append([row["edited"]["hit"]["1"]["mean"], *(row["edited"][m]["mean"] for m in protocol_b.MEASURES)])
        best = row[protocol_b.BEST]
        chance = row["chance"]
    assert chance["hit"]["1"]["mean"] == pytest.approx(np.mean(scores, axis=0)[0])
    assert [best[m]["mean"] for m in protocol_b.MEASURES] == pytest.approx(np.max(scores, axis=0)[1:].tolist())


def test_another_editor_shares_what_no_editor_has_part_in() -> None:
    plan, features, labels = draw(30, 40)
    other = replace(features, edited=features.edited[::-1].copy())
    first = searched(plan, features, labels)
    shared, alone = searched(plan, other, labels, others=first), searched(plan, other, labels)
    assert set(shared.first) == set(alone.first)
    for name, ranked in alone.first.items():
        np.testing.assert_array_equal(shared.first[name], ranked, err_msg=name)
    assert (first.first["edited"] != shared.first["edited"]).any()


def test_a_ranking_without_its_source() -> None:
    first = np.array([[4, 2, 7], [4, 2, 7], [2, 4, 7], [4, -1, -1]])
    assert found.without_source(first, np.array([2, 9, 2, -1])).tolist() == [[4, 7], [4, 2], [4, 7], [4, -1]]


def test_arithmetic_worked_by_hand() -> None:
    labels = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [0, 2, 1, 1]])
    features = np.array([[1, 0], [0, 1], [0, 3], [3, 0]], np.float32)
    plan = EditPlan(SCHEMA, np.array([0, 0, 0]), np.array([0, 1, 1]), np.array([1, 2, 0]), {})
    got = steps(plan, np.array([0, 0, 1]), features, labels)
    # short to long: (0, 2) - (2, 0); red to multi: (3, 0) - (0.5, 0.5); blue to red: (0.5, 0.5) - (0, 3)
    assert got.tolist() == [[-2, 2], [2.5, -0.5], [0.5, -2.5]]
    nobody = steps(plan, np.array([0, 0, 1]), features, np.where(labels == 1, UNKNOWN, labels))
    assert nobody.tolist() == [[0, 0], [2.5, -0.5], [0, 0]]


def test_rows_without_an_editor_are_loops() -> None:
    plan, drawn, labels = draw(40, 30, seed=5)
    rng = np.random.default_rng(8)
    photos, reference = (unit(rng.normal(size=(n, 6)).astype(np.float32)) for n in (40, 15))
    features = replace(drawn, photos=photos, edited=photos[:30], reference=reference)
    gallery = Gallery(photos, features.predictions, labels)
    scores = dict(row_scores(plan, features, labels, QueryWeights(), gallery))
    predicted = np.stack([features.predictions[:, s].argmax(axis=1) for s in SCHEMA.slices], axis=1).tolist()
    for q, (p, m, v) in enumerate(zip(plan.photo, plan.attribute, plan.value, strict=True)):
        likeness = [float(photos[p] @ item) for item in photos]
        assert scores["unedited"][q] == pytest.approx(likeness, abs=1e-5)
        wanted = list(predicted[p])
        wanted[m] = int(v)
        order = sorted(range(40), key=lambda g: (predicted[g] != wanted, -likeness[g]))
        assert np.argsort(-scores["filter"][q], kind="stable").tolist() == order
        means = []
        for value in (predicted[p][m], int(v)):
            having = [reference[i] for i in range(15) if features.reference_labels[i, m] == value]
            means.append(np.mean(having, axis=0) if having else None)
        moved = photos[p] if any(mean is None for mean in means) else photos[p] + means[1] - means[0]
        moved = moved / np.linalg.norm(moved)
        assert scores["arithmetic"][q] == pytest.approx([float(moved @ item) for item in photos], abs=1e-5)
        alike = [reference[i] for i in range(15) if features.reference_labels[i].tolist() == wanted]
        alike = alike or [reference[i] for i in range(15) if features.reference_labels[i, m] == v]
        mean = np.mean(alike, axis=0)
        mean /= np.linalg.norm(mean)
        assert scores["prototype"][q] == pytest.approx([float(mean @ item) for item in photos], abs=1e-5)


def test_memory_stays_within_the_chunk() -> None:
    drawn = draw(1200, 1500)  # one row of scores: 7 MB, all of them with their ranking: over 80
    assert peak_memory(search_in_chunks, *drawn) < 10 << 20  # of which 4 are the rankings


def search_in_chunks(*drawn: Any) -> None:
    searched(*drawn, chunk_bytes=4 << 20)


def test_left_out_edits_are_counted_by_value() -> None:
    labels = np.array([[0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, UNKNOWN]])
    plan = plan_edits(SCHEMA, labels)
    same = np.ones((4, 2), np.float32)
    features = QueryFeatures(np.ones((len(plan), 2), np.float32), same, one_hot(SCHEMA, labels), same[:0], labels[:0])
    table = protocol_a.evaluate(plan, searched(plan, features, labels), labels, labels, plan.photo, rounds=0).table
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
    hit = {str(k): {"mean": float(ranking.chance_hit_at(one, size, k)[0])} for k in found.KS}
    return {"queries": 9, "gallery": gallery, "rows": {"chance": {"hit": hit}}}


def test_a_chance_that_reaches_the_figures_is_said() -> None:
    assert protocol_a.chance_warning(table_of(400, 5)) is None
    small = protocol_a.chance_warning(table_of(7, 1))
    assert small is not None
    assert "gallery of 7 pictures" in small
    assert "top 10, 20, 30, 40, 50 of" in small
    nothing_wrong = protocol_a.chance_warning(table_of(7, 7))
    assert nothing_wrong is not None
    assert "top 1, 5, 10, 20, 30, 40, 50 of" in nothing_wrong
    unanswered = protocol_a.chance_warning({"queries": 0, "gallery": 1, "rows": {}})
    assert unanswered is not None
    assert "No edit has a right garment" in unanswered
