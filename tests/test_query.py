"""The query vector against its formula."""

from __future__ import annotations

import math

import numpy as np
import pytest

from amgan.errors import UserError
from amgan.schema import AttributeSchema
from retrieval.attributes import attribute_block
from retrieval.query import DEFAULT_WEIGHTS, NOTE, QueryWeights, compose, query_parts, target_probabilities

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


EDITS = [(), ("sleeve",), ("color",), ("sleeve", "color")]


@pytest.mark.parametrize("edited", EDITS)
@pytest.mark.parametrize(("image", "wanted", "kept"), [(1, 1, 1), (0.3, 0.7, 2), (5, 0, 0), (0, 2, 0.5), (0, 0, 1)])
def test_a_score_is_the_weighted_mean_of_the_similarities(
    image: float, wanted: float, kept: float, edited: tuple[str, ...]
) -> None:
    rng = np.random.default_rng(1)
    f, g = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 8)).astype(np.float32))
    p, q = distributions(2, seed=2)
    stored = np.concatenate([g, attribute_block(q, SCHEMA)])
    query = compose(query_parts(f, p, edited, SCHEMA, QueryWeights(image, wanted, kept)))
    assert query.shape == (13,)
    assert query.dtype == np.float32
    cosines = {"sleeve": cosine(p[:3], q[:3]), "color": cosine(p[3:], q[3:])}
    asked, stays = [[c for n, c in cosines.items() if (n in edited) is side] for side in (True, False)]
    if asked and stays:
        attributes = wanted * np.mean(asked) + kept * np.mean(stays)
    else:  # a part without attributes leaves its weight to the other
        attributes = (wanted + kept) * np.mean(asked or stays)
    assert query @ stored == pytest.approx((image * (f @ g) + attributes) / (image + wanted + kept), abs=1e-6)
    tripled = compose(query_parts(f, p, edited, SCHEMA, QueryWeights(3 * image, 3 * wanted, 3 * kept)))
    np.testing.assert_allclose(query, tripled, rtol=1e-5, atol=1e-7)


def test_twins_and_words_have_parts_of_their_own() -> None:
    rng = np.random.default_rng(3)
    f, g, twin, words = (v / np.linalg.norm(v) for v in rng.normal(size=(4, 8)).astype(np.float32))
    p, q = distributions(2, seed=4)
    stored = np.concatenate([g, twin, attribute_block(q, SCHEMA)])
    weights = QueryWeights(0.4, 1.0, 0.7, twin=0.6, text=0.3)
    attributes = 1.0 * cosine(p[:3], q[:3]) + 0.7 * cosine(p[3:], q[3:])
    edited = compose(query_parts(f, p, ("sleeve",), SCHEMA, weights, twins=True, text=words))
    expected = 0.4 * f @ g + 0.6 * f @ twin + 0.3 * words @ g + attributes
    assert edited @ stored == pytest.approx(expected / 3.0, abs=1e-6)
    # A photograph is compared with photographs: its twins' weight goes to the pictures.
    photo = compose(query_parts(f, p, (), SCHEMA, weights, twins=True))
    attributes = 1.7 * (cosine(p[:3], q[:3]) + cosine(p[3:], q[3:])) / 2
    assert photo @ stored == pytest.approx((1.0 * f @ g + attributes) / 2.7, abs=1e-6)
    # So it does in an index without twins.
    plain = compose(query_parts(f, p, ("sleeve",), SCHEMA, weights))
    without = compose(query_parts(f, p, ("sleeve",), SCHEMA, QueryWeights(1.0, 1.0, 0.7)))
    np.testing.assert_allclose(plain, without, atol=1e-7)


def test_weights_travel_in_an_indexs_notes() -> None:
    fitted = QueryWeights(0.25, 2, 1, 0.75, 0.1)
    assert QueryWeights.of_notes({NOTE: fitted.to_note()}) == fitted
    assert QueryWeights.of_notes({"catalogue": "/shop"}) == DEFAULT_WEIGHTS
    assert fitted.with_picture(2) == QueryWeights(0.5, 2, 1, 1.5, 0.1)
    assert QueryWeights(0, 1, 1).with_picture(2) == QueryWeights(2, 1, 1)


@pytest.mark.parametrize(
    "note", ["", "7", "[1]", '{"image": "much"}', '{"colour": 1}', '{"image": 1e999}', '{"image": -1}', "[" * 100_000]
)
def test_a_note_that_holds_no_weights_is_a_sentence(note: str) -> None:
    with pytest.raises(UserError, match="weight"):
        QueryWeights.of_notes({NOTE: note})


@pytest.mark.parametrize("weights", [(0, 0, 0), (-1, 2, 1), (math.nan, 1, 1), (1, math.inf, 1), (1, 1, -0.5)])
def test_weights_that_weigh_nothing_are_refused(weights: tuple[float, float, float]) -> None:
    with pytest.raises(UserError, match="weight"):
        QueryWeights(*weights)
