"""The query vector against its formula."""

from __future__ import annotations

import math

import numpy as np
import pytest

from amgan.errors import UserError
from amgan.schema import AttributeSchema
from retrieval.attributes import attribute_block
from retrieval.query import QueryWeights, compose, target_probabilities

SCHEMA = AttributeSchema.from_dict({"sleeve": ["none", "short", "long"], "color": ["red", "blue"]})


def distributions(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.dirichlet([0.5] * 3, n), rng.dirichlet([0.5] * 2, n)], axis=1).astype(np.float32)


def cosine(p: np.ndarray, q: np.ndarray) -> float:
    return float(p @ q / np.linalg.norm(p) / np.linalg.norm(q))


def test_attribute_blocks_compare_by_the_mean_cosine_over_attributes() -> None:
    p, q = distributions(2)
    a, b = attribute_block(p, SCHEMA), attribute_block(q, SCHEMA)
    assert np.linalg.norm(a) == pytest.approx(1, abs=1e-6)
    assert a @ b == pytest.approx((cosine(p[:3], q[:3]) + cosine(p[3:], q[3:])) / 2, abs=1e-6)
    np.testing.assert_array_equal(attribute_block(np.stack([p, q]), SCHEMA), np.stack([a, b]))


def test_the_target_is_the_wish_where_edited_and_the_prediction_where_kept() -> None:
    predicted = np.array([0.7, 0.2, 0.1, 0.4, 0.6], np.float32)
    target = target_probabilities(predicted, {"sleeve": "long"}, SCHEMA)
    np.testing.assert_allclose(target, [0, 0, 1, 0.4, 0.6])
    assert target_probabilities(predicted, {}, SCHEMA) == pytest.approx(predicted)
    assert predicted[0] == np.float32(0.7)  # the input stays as it was


@pytest.mark.parametrize(("image", "wanted"), [(1, 1), (0.3, 0.7), (5, 0), (0, 2)])
def test_a_score_is_the_weighted_mean_of_the_two_similarities(image: float, wanted: float) -> None:
    rng = np.random.default_rng(1)
    f, g = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 8)).astype(np.float32))
    p, q = distributions(2, seed=2)
    stored = np.concatenate([g, attribute_block(q, SCHEMA)])
    query = compose(f, p, SCHEMA, QueryWeights(image, wanted))
    assert query.shape == (13,)
    assert query.dtype == np.float32
    expected = (image * (f @ g) + wanted * (attribute_block(p, SCHEMA) @ attribute_block(q, SCHEMA))) / (image + wanted)
    assert query @ stored == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(query, compose(f, p, SCHEMA, QueryWeights(3 * image, 3 * wanted)), rtol=1e-6)


@pytest.mark.parametrize(("image", "wanted"), [(0, 0), (-1, 2), (math.nan, 1), (1, math.inf)])
def test_weights_that_weigh_nothing_are_refused(image: float, wanted: float) -> None:
    with pytest.raises(UserError, match="weight"):
        QueryWeights(image, wanted)
