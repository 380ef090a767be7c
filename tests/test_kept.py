"""What the first ten hits have of what was asked for and of what was to stay, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from amgan.evaluation.edits import plan_edits
from amgan.schema import UNKNOWN, AttributeSchema
from retrieval.evaluation import kept

SCHEMA = AttributeSchema.from_dict({"sleeve": ["none", "short", "long"], "color": ["red", "blue"], "fit": ["a", "b"]})


def drawn(n: int) -> np.ndarray:
    rng = np.random.default_rng(n)
    labels = np.stack([rng.integers(0, len(a.values), n) for a in SCHEMA.attributes], axis=1)
    labels[rng.random(labels.shape) < 0.15] = UNKNOWN
    return labels


@pytest.mark.parametrize("n", [4, 30])
def test_shares_are_those_that_loops_count(n: int) -> None:
    labels = drawn(n)
    plan = plan_edits(SCHEMA, labels)
    rng = np.random.default_rng(1)
    places = min(kept.TOP, n - 1)
    first = np.full((len(plan), kept.TOP), -1)
    for q in range(len(plan)):
        first[q, :places] = rng.permutation([i for i in range(n) if i != plan.photo[q]])[:places]
    found = kept.shares(plan, labels, {"some row": first})
    for m, edited in enumerate(SCHEMA.names):
        for other, name in enumerate(SCHEMA.names):
            by_value: dict[int, list[list[float]]] = {}
            for q in np.flatnonzero(plan.attribute == m):
                source = plan.photo[q]
                asked = plan.value[q] if other == m else labels[source, other]
                if asked == UNKNOWN:
                    continue
                hits = sum(labels[i, other] == asked for i in first[q] if i >= 0) / places
                right = sum(labels[i, other] == asked for i in range(n) if i != source)
                by_value.setdefault(int(asked), []).append([hits, right / (n - 1), min(right, places) / places])
            expected = np.mean([np.mean(v, axis=0) for v in by_value.values()], axis=0)
            for row, value in zip(("some row", kept.CHANCE, kept.BEST), expected, strict=True):
                entry = found[edited]["rows"][row]
                assert (entry["wanted"] if other == m else entry["kept"][name]) == pytest.approx(value)
        assert found[edited]["queries"] == int((plan.attribute == m).sum())


def test_what_nobody_knows_is_not_reported() -> None:
    labels = np.array([[0, 0, UNKNOWN], [1, 1, UNKNOWN], [2, 0, UNKNOWN]])
    plan = plan_edits(SCHEMA, labels)
    found = kept.shares(plan, labels, {})
    assert set(found) == {"sleeve", "color"}
    assert set(found["sleeve"]["rows"][kept.CHANCE]["kept"]) == {"color"}
