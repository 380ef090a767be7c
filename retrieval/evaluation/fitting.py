"""Which weights of a query find what is wanted and keep the rest: a grid, measured on edits of validation photos.

A query's score is a sum of parts, each times its weight, so the parts are computed once and weighed in every way. Of
each way two shares of the first ten hits are measured (``kept.py``): those that have the wanted value, and those that
have the photo's other given labels. What the ways are ranked by is their mean, each as a share of what the gallery
allows, half wanted, half kept, over the attributes that are edited. Beside it stands how many queries find a garment
that has all of that at once (protocol A): the two do not agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from amgan.evaluation import metrics
from amgan.evaluation.edits import EditPlan
from amgan.evaluation.exact import Gallery
from retrieval.attributes import attribute_block
from retrieval.evaluation import kept, ranking
from retrieval.evaluation.found import CHUNK_BYTES, chunks
from retrieval.evaluation.rows import QueryFeatures, plan_weights, wanted_attributes
from retrieval.query import DEFAULT_WEIGHTS, QueryWeights, weighted_attributes

PICTURE, WANTED = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0), (0.25, 0.5, 1.0, 2.0, 4.0)  # beside 1 for what is kept
ROUNDS = 200  # draws of the bootstrap
TWIN_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the picture's weight, where there are twins


@dataclass(frozen=True)
class Weighed:
    """One way to weigh, and how well it does.

    Attributes:
        shares: ``{edited: {"wanted": share, "kept": {attribute: share}}}``, as ``kept.shares`` has them.
        score: what it is ranked by, 0 to 1.
        right: share of the queries, of those that have one, which find a right garment among the first ten; mean over
            wanted values, then attributes. See ``protocol_a.py``.
    """

    weights: QueryWeights
    shares: dict[str, Any]
    score: float
    right: float


@dataclass(frozen=True)
class Fitted:
    """What came of a fit.

    Attributes:
        ways: all, the best first.
        lead: by how much the best one's score is above that of ``DEFAULT_WEIGHTS``, with the ends of its 95 % interval
            by bootstrap over the photos; None where the default is the best, or was not tried.
    """

    ways: list[Weighed]
    lead: tuple[float, float, float] | None


def grid(twins: bool) -> list[QueryWeights]:
    """The ways that are tried."""
    shares = TWIN_SHARES if twins else (0.0,)
    ways = [
        QueryWeights((1 - share) * picture, wanted, 1.0, share * picture)
        for picture, wanted, share in product(PICTURE, WANTED, shares)
        if picture or not share
    ]
    return ways


def fit(
    plan: EditPlan, features: QueryFeatures, labels: np.ndarray, gallery: Gallery, ways: Sequence[QueryWeights]
) -> Fitted:
    """Every way, and how sure it is that the best one is better than the default.

    Args:
        labels: given ones of the gallery, int64 (G, M), whose first rows are the queries' photos.
    """
    found = {str(i): np.full((len(plan), kept.TOP), -1, np.int64) for i in range(len(ways))}
    for q in chunks(len(plan), len(gallery), CHUNK_BYTES):
        part = plan.part(q)
        for i, scores in enumerate(_scores(part, features.part(q), gallery, ways)):
            found[str(i)][q] = ranking.rank(scores, part.photo, kept.TOP)
    table = kept.shares(plan, labels, found)
    right = _right_found(plan, labels, found)
    weighed = [Weighed(way, *_scored(str(i), table), right[str(i)]) for i, way in enumerate(ways)]
    order = sorted(range(len(ways)), key=lambda i: -weighed[i].score)
    default = next((i for i, way in enumerate(ways) if way == DEFAULT_WEIGHTS), order[0])
    lead = None if default == order[0] else _lead(plan, labels, found[str(order[0])], found[str(default)])
    return Fitted([weighed[i] for i in order], lead)


def _right_found(plan: EditPlan, labels: np.ndarray, found: dict[str, np.ndarray]) -> dict[str, float]:
    """``Weighed.right`` of each row."""
    required = ranking.required_labels(labels[plan.photo], plan.attribute, plan.value)
    there = ranking.count_right(required, labels) > 0  # never the photo itself: another value is asked for than its own
    hits = {row: ranking.matches(required, labels, first).any(axis=1).astype(float) for row, first in found.items()}
    return {
        row: metrics.macro_mean(np.where(there, hit, np.nan), plan.attribute, plan.value) for row, hit in hits.items()
    }


def _lead(plan: EditPlan, labels: np.ndarray, best: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """The best ranking's score less another's, and both ends of its interval."""

    def difference(rows: np.ndarray) -> float:
        table = kept.shares(plan.part(rows), labels, {"best": best[rows], "other": other[rows]})
        return _scored("best", table)[1] - _scored("other", table)[1]

    everything = np.arange(len(plan))
    photos, photo = np.unique(plan.photo, return_inverse=True)
    drawn = metrics.drawn_photos(len(photos), ROUNDS, 0)
    low, high = np.percentile([difference(np.repeat(everything, times[photo])) for times in drawn], [2.5, 97.5])
    return difference(everything), float(low), float(high)


def _scores(
    plan: EditPlan, features: QueryFeatures, gallery: Gallery, ways: Sequence[QueryWeights]
) -> Iterator[np.ndarray]:
    target, catalogue = wanted_attributes(plan, features.predictions), attribute_block(gallery.predictions, plan.schema)
    wanted, stays = (
        weighted_attributes(target, plan_weights(plan, *w), plan.schema) @ catalogue.T for w in ((1.0, 0.0), (0.0, 1.0))
    )
    picture = features.edited @ gallery.features.T
    twin = None if gallery.twins is None else features.edited @ gallery.twins.T
    for way in track(ways, "Weighing", console=Console(stderr=True), transient=True):
        scores = way.wanted * wanted + way.kept * stays
        if twin is None:
            yield scores + way.picture * picture
        else:
            yield scores + way.image * picture + way.twin * twin


def _scored(row: str, table: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """``Weighed.shares`` and ``Weighed.score`` of a row."""
    scores, shares = [], {}
    for edited, t in table.items():
        mine, best = t["rows"][row], t["rows"][kept.BEST]
        parts = [mine["kept"][n] / best["kept"][n] for n in mine["kept"] if best["kept"][n]]
        halves = [mine["wanted"] / best["wanted"]] if best["wanted"] else []
        scores += [float(np.mean([*halves, *([float(np.mean(parts))] if parts else [])]))]
        shares[edited] = mine
    return shares, float(np.mean(scores))
