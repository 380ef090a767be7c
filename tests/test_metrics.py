"""Every metric of a report against the same thing written with plain loops."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from amgan.evaluation import metrics
from amgan.schema import UNKNOWN
from retrieval.evaluation import ranking as rank_metrics


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def draw_labels(rng: np.random.Generator, n: int, sizes: tuple[int, ...] = (3, 4)) -> np.ndarray:
    return np.stack([rng.integers(-1, size, n) for size in sizes], axis=1).astype(np.int64)


def test_required_labels_set_the_wanted_value_and_keep_the_rest() -> None:
    labels = np.array([[0, 2], [1, UNKNOWN], [UNKNOWN, 3]])
    required = rank_metrics.required_labels(labels, np.array([0, 0, 1]), np.array([2, 2, 1]))
    assert required.tolist() == [[2, 2], [2, UNKNOWN], [UNKNOWN, 1]]
    assert labels.tolist() == [[0, 2], [1, UNKNOWN], [UNKNOWN, 3]]


def test_relevance_is_a_loop_over_labels(rng: np.random.Generator) -> None:
    required, gallery = draw_labels(rng, 30), draw_labels(rng, 25)
    source = rng.integers(-1, 25, 30)
    right = rank_metrics.relevance(required, gallery, source)
    for q in range(30):
        for g in range(25):
            same = True
            for m in range(2):
                if required[q, m] != UNKNOWN and required[q, m] != gallery[g, m]:
                    same = False
            assert right[q, g] == (same and g != source[q])


def test_an_unknown_gallery_label_is_never_a_match() -> None:
    right = rank_metrics.relevance(np.array([[1, 2]]), np.array([[1, 2], [1, UNKNOWN], [UNKNOWN, 2]]))
    assert right.tolist() == [[True, False, False]]
    # … but where nothing is required of an attribute, not knowing it does no harm.
    right = rank_metrics.relevance(np.array([[1, UNKNOWN]]), np.array([[1, 2], [1, UNKNOWN], [0, UNKNOWN]]))
    assert right.tolist() == [[True, True, False]]


def test_ranking_hits_and_precision_are_loops(rng: np.random.Generator) -> None:
    scores = rng.integers(0, 6, (20, 9)).astype(np.float32)  # many ties
    source = rng.integers(-1, 9, 20)
    required, gallery = draw_labels(rng, 20), draw_labels(rng, 9)
    right = rank_metrics.relevance(required, gallery)
    assert rank_metrics.count_right(required, gallery, cells=50).tolist() == right.sum(axis=1).tolist()
    ranking = rank_metrics.rank(scores, source, 12)
    hits = rank_metrics.matches(required, gallery, ranking)
    for q in range(20):
        order = sorted((g for g in range(9) if g != source[q]), key=lambda g: (-scores[q, g], g))
        assert ranking[q].tolist() == order + [-1] * (12 - len(order))
        for k in (1, 3, 12):
            found = [right[q, g] for g in order[:k]]
            assert rank_metrics.hit_at(hits, k)[q] == float(any(found))
            assert rank_metrics.precision_at(hits, k)[q] == pytest.approx(sum(found) / k)


@pytest.mark.parametrize("values", [2, 5, 10_000])
def test_the_first_of_a_long_ranking_are_those_of_a_sort(rng: np.random.Generator, values: int) -> None:
    scores = rng.integers(0, values, (40, 300)).astype(np.float32)  # many ties at the last place, few, none
    source = rng.integers(-1, 300, 40)
    scores[3] = -np.inf  # nothing to be found
    scores[4, 5:] = np.nan
    found = rank_metrics.rank(scores, source, 7)
    for q in range(40):
        kept = [g for g in range(300) if g != source[q] and scores[q, g] > -np.inf]
        order = sorted(kept, key=lambda g: (-scores[q, g], g))[:7]
        assert found[q].tolist() == order + [-1] * (7 - len(order))


def test_chance_counts_every_draw() -> None:
    for size, right, k in [(6, 2, 3), (5, 0, 2), (5, 5, 1), (4, 1, 4), (3, 1, 10)]:
        draws = list(combinations(range(size), min(k, size)))
        expected = sum(any(i < right for i in draw) for draw in draws) / len(draws)
        assert rank_metrics.chance_hit_at(np.array([right]), np.array([size]), k)[0] == pytest.approx(expected)


def test_chance_of_a_large_gallery_stays_finite() -> None:
    got = rank_metrics.chance_hit_at(np.array([50]), np.array([100_000]), 30)[0]
    expected = 1 - math.comb(99_950, 30) / math.comb(100_000, 30)
    assert got == pytest.approx(expected, rel=1e-9)


def test_macro_mean_is_a_mean_of_means(rng: np.random.Generator) -> None:
    scores = rng.random(60)
    scores[rng.random(60) < 0.2] = np.nan
    outer, inner = rng.integers(0, 2, 60), rng.integers(0, 5, 60)
    per_outer = []
    for o in (0, 1):
        per_inner = []
        for i in range(5):
            mine = [s for s, a, b in zip(scores, outer, inner, strict=True) if a == o and b == i and not math.isnan(s)]
            if mine:
                per_inner.append(sum(mine) / len(mine))
        per_outer.append(sum(per_inner) / len(per_inner))
    assert metrics.macro_mean(scores, outer, inner) == pytest.approx(sum(per_outer) / 2)
    assert math.isnan(metrics.macro_mean(np.full(3, np.nan), np.zeros(3), np.zeros(3)))


def test_bootstrap_draws_whole_photos(rng: np.random.Generator) -> None:
    photos, inner = np.repeat(np.arange(12), 4), np.tile(np.arange(2), 24)
    scores = (rng.random(48) < 0.6).astype(float)
    outer = np.zeros(48, dtype=int)
    low, high = metrics.bootstrap_interval(scores, outer, inner, photos, rounds=300, seed=3)
    again = np.random.default_rng(3).multinomial(12, np.full(12, 1 / 12), size=300)
    means = []
    for counts in again:
        per_inner = []
        for i in range(2):
            drawn = [s for s, j, p in zip(scores, inner, photos, strict=True) if j == i for _ in range(counts[p])]
            per_inner.append(sum(drawn) / len(drawn))
        means.append(sum(per_inner) / 2)
    assert (low, high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])))
    assert low <= metrics.macro_mean(scores, outer, inner) <= high
    # Edits of one photo that agree say no more than one of them: the interval must not shrink with their number.
    alike = np.repeat((rng.random(12) < 0.5).astype(float), 4)
    one = metrics.bootstrap_interval(alike[::4], outer[::4], outer[::4], photos[::4], rounds=300)
    four = metrics.bootstrap_interval(alike, outer, outer, photos, rounds=300)
    assert one == pytest.approx(four)


def test_intervals_do_not_depend_on_how_many_draws_are_in_memory(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores, photos = rng.random(200), rng.integers(0, 50, 200)
    arguments = (scores, rng.integers(0, 2, 200), rng.integers(0, 4, 200), photos, 90)
    whole = metrics.bootstrap_interval(*arguments)
    monkeypatch.setattr(metrics, "DRAWN_BYTES", 7 * 50 * 8)
    metrics.drawn_photos.cache_clear()
    assert metrics.bootstrap_interval(*arguments) == pytest.approx(whole, abs=1e-12)
    drawn = metrics.drawn_photos(50, 90, 0)
    expected = np.random.default_rng(0).multinomial(50, np.full(50, 1 / 50), size=90)
    np.testing.assert_array_equal(drawn, expected)


def test_confusion_and_accuracies_are_loops(rng: np.random.Generator) -> None:
    true, predicted = rng.integers(-1, 3, 50), rng.integers(0, 3, 50)
    matrix = metrics.confusion(true, predicted, 4)
    expected = [[0] * 4 for _ in range(4)]
    for t, s in zip(true, predicted, strict=True):
        if t >= 0:
            expected[t][s] += 1
    assert matrix.tolist() == expected
    known = [(t, s) for t, s in zip(true, predicted, strict=True) if t >= 0]
    assert metrics.accuracy(matrix) == pytest.approx(sum(t == s for t, s in known) / len(known))
    recalls = [sum(s == v for t, s in known if t == v) / sum(t == v for t, _ in known) for v in range(3)]
    assert metrics.balanced_accuracy(matrix) == pytest.approx(sum(recalls) / 3)
    assert math.isnan(metrics.accuracy(np.zeros((2, 2))))
    assert math.isnan(metrics.balanced_accuracy(np.zeros((2, 2))))


def test_masks_and_changes_are_loops(rng: np.random.Generator) -> None:
    a, b = rng.random((3, 6, 5)) < 0.5, rng.random((3, 6, 5)) < 0.5
    a[2] = b[2] = False
    x, y = (rng.integers(0, 256, (3, 3, 6, 5)).astype(np.uint8) for _ in range(2))
    iou, change = metrics.mask_iou(a, b), metrics.mean_change(x, y, a)
    for i in range(2):
        both = either = total = n = 0.0
        for r in range(6):
            for c in range(5):
                both += bool(a[i, r, c] and b[i, r, c])
                either += bool(a[i, r, c] or b[i, r, c])
                if a[i, r, c]:
                    n += 1
                    total += sum(abs(int(x[i, ch, r, c]) - int(y[i, ch, r, c])) for ch in range(3)) / 3 / 255
        assert iou[i] == pytest.approx(both / either)
        assert change[i] == pytest.approx(total / n, abs=1e-6)
    assert math.isnan(iou[2])
    assert math.isnan(change[2])


def test_detail_survives_a_new_colour_and_not_a_flat_fill(rng: np.random.Generator) -> None:
    cloth = rng.integers(60, 120, (1, 1, 40, 40)).astype(np.uint8).repeat(3, axis=1)
    red = cloth.copy()
    red[:, 0] += 90
    flat = np.full_like(cloth, 130)
    noise = rng.integers(60, 120, cloth.shape).astype(np.uint8)
    where = np.zeros((1, 40, 40), dtype=bool)
    where[:, 5:35, 5:35] = True
    for picture in (cloth, red, flat):
        picture[~where.repeat(3, axis=0)[None]] = 255  # on white, as garments are: the outline must not count as detail
    assert metrics.detail_kept(cloth, cloth, where)[0] == pytest.approx(1)
    assert metrics.detail_kept(cloth, red, where)[0] > 0.99
    assert metrics.detail_kept(cloth, flat, where)[0] == 0
    assert abs(metrics.detail_kept(cloth, noise, where)[0]) < 0.2
    assert metrics.detail_kept(cloth, 255 - cloth, where)[0] < -0.99
    assert math.isnan(metrics.detail_kept(cloth, red, ~where & where)[0])


def test_morphology_is_a_loop_over_neighbours(rng: np.random.Generator) -> None:
    mask = rng.random((1, 9, 9)) < 0.6
    grown, shrunk = metrics.dilate(mask, 1)[0], metrics.erode(mask, 1)[0]
    for r in range(9):
        for c in range(9):
            near = [
                mask[0, i, j] for i in range(max(r - 1, 0), min(r + 2, 9)) for j in range(max(c - 1, 0), min(c + 2, 9))
            ]
            assert grown[r, c] == any(near)
            assert shrunk[r, c] == all(near)
    assert metrics.erode(mask, 0) is mask
