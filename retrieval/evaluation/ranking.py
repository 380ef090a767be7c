"""Ranking and what is counted in it, as pure functions of arrays. Each has a twin of plain loops in the tests.

Labels are ``int64``, unknown is ``UNKNOWN`` (-1).
"""

from __future__ import annotations

import numpy as np
import torch

from amgan.schema import UNKNOWN


def required_labels(labels: np.ndarray, attributes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What a right answer to each edit must be labelled as.

    labels (Q, M) of the edited photos; attributes (Q,) and values (Q,) say what each edit sets. Returns (Q, M): the
    edited attribute's wanted value, every other known label as it was, UNKNOWN where nothing is required.
    """
    required = labels.copy()
    required[np.arange(len(labels)), attributes] = values
    return required


def relevance(required: np.ndarray, gallery: np.ndarray, source: np.ndarray | None = None) -> np.ndarray:
    """Which gallery items answer which query: bool (Q, G).

    required (Q, M); gallery labels (G, M). An unknown gallery label never matches where something is required. source
    (Q,) is the gallery position of each query's own photo, which is no answer; -1 where it is not in the gallery.
    """
    right = np.ones((len(required), len(gallery)), dtype=bool)
    for m in range(required.shape[1]):
        wanted = required[:, m : m + 1]
        right &= (wanted == UNKNOWN) | (wanted == gallery[None, :, m])
    if source is not None:
        inside = np.flatnonzero(source >= 0)
        right[inside, source[inside]] = False
    return right


def count_right(required: np.ndarray, gallery: np.ndarray, cells: int = 1 << 24) -> np.ndarray:
    """How many gallery items answer each query, int64 (Q,); so many pairs are compared at once."""
    asked, back = np.unique(required, axis=0, return_inverse=True)
    step = max(1, cells // max(1, len(gallery)))
    counts = [relevance(asked[i : i + step], gallery).sum(axis=1) for i in range(0, len(asked), step)]
    return np.concatenate(counts)[back.reshape(-1)] if counts else np.zeros(0, np.int64)


def matches(required: np.ndarray, gallery: np.ndarray, ranking: np.ndarray) -> np.ndarray:
    """bool (Q, k): does the item at that rank answer the query, as `relevance` has it? Rank -1 (no item) does not."""
    right = ranking >= 0
    for m in range(required.shape[1]):
        wanted = required[:, m : m + 1]
        right &= (wanted == UNKNOWN) | (wanted == gallery[ranking, m])
    return right


def rank(scores: np.ndarray, source: np.ndarray, depth: int) -> np.ndarray:
    """The best gallery positions of each query, int64 (Q, depth), ties by position, the query's own photo left out.

    scores float (Q, G); source as in `relevance`. Positions beyond the end of a small gallery are -1, and so are items
    whose score is NaN.
    """
    scores = np.where(np.isnan(scores), -np.inf, scores)
    inside = np.flatnonzero(source >= 0)
    scores[inside, source[inside]] = -np.inf
    positions = _best(scores, min(depth, scores.shape[1]))
    best = np.take_along_axis(scores, positions, axis=1)
    order = np.argsort(-best, axis=1, kind="stable")
    ranking = np.take_along_axis(positions, order, axis=1)
    ranking[np.take_along_axis(best, order, axis=1) == -np.inf] = -1
    return np.pad(ranking, ((0, 0), (0, depth - ranking.shape[1])), constant_values=-1)


def _best(scores: np.ndarray, k: int) -> np.ndarray:
    """Positions of the k highest scores of each row, ascending, int64 (Q, k); of equal ones the first."""
    lowest = torch.from_numpy(scores).topk(k, dim=1, sorted=False).values.amin(dim=1, keepdim=True).numpy()
    chosen, tied = scores > lowest, scores == lowest
    missing = k - np.count_nonzero(chosen, axis=1)
    crowded = np.count_nonzero(tied, axis=1) > missing
    tied[crowded] &= tied[crowded].cumsum(axis=1, dtype=np.int32) <= missing[crowded, None]
    return np.nonzero(chosen | tied)[1].reshape(len(scores), k)


def rank_of_one(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The rank of the one right item of each query, int64 (Q,) from 1; ties count against it.

    scores (Q, G); right (Q,), its gallery position.
    """
    own = np.take_along_axis(scores, right[:, None], axis=1)
    return (scores >= own).sum(axis=1)


def hit_at(hits: np.ndarray, k: int) -> np.ndarray:
    """float (Q,): 1 where any of the first k is right."""
    return np.any(hits[:, :k], axis=1).astype(np.float64)


def precision_at(hits: np.ndarray, k: int) -> np.ndarray:
    """float (Q,): the share of the first k that is right."""
    return hits[:, :k].sum(axis=1) / k


def chance_hit_at(n_right: np.ndarray, gallery_size: np.ndarray, k: int) -> np.ndarray:
    """float (Q,): P(at least one right among k drawn without replacement) = 1 - C(G-R, k) / C(G, k).

    n_right R (Q,), gallery_size G (Q,), without the query's own photo.
    """
    wrong, size = (gallery_size - n_right).astype(np.float64), gallery_size.astype(np.float64)
    miss = np.ones(len(n_right))
    for drawn in range(k):  # the product form of the ratio of binomials stays finite for any G
        left = size - drawn
        miss *= np.where(left > 0, np.maximum(wrong - drawn, 0) / np.maximum(left, 1), 1.0)
    return 1.0 - miss
