"""Which weights of a query find what is wanted and keep the rest: a grid, measured on edits of validation photos.

A query's score is a sum of parts, each times its weight, so the parts are computed once and weighed in every way. Of
each way two shares of the first ten hits are measured (``kept.py``): those that have the wanted value, and those that
have the photo's other given labels. What the ways are ranked by is their mean, each as a share of what the gallery
allows, half wanted, half kept, over the attributes that are edited.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from amgan.evaluation.edits import EditPlan
from amgan.evaluation.exact import Gallery
from retrieval.attributes import attribute_block
from retrieval.evaluation import kept, ranking
from retrieval.evaluation.found import CHUNK_BYTES, chunks
from retrieval.evaluation.rows import QueryFeatures, plan_weights, wanted_attributes
from retrieval.query import QueryWeights, weighted_attributes

PICTURE, WANTED = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0), (0.25, 0.5, 1.0, 2.0, 4.0)  # beside 1 for what is kept
TWIN_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the picture's weight, where there are twins


@dataclass(frozen=True)
class Weighed:
    """One way to weigh, and how well it does.

    Attributes:
        shares: ``{edited: {"wanted": share, "kept": {attribute: share}}}``, as ``kept.shares`` has them.
        score: what it is ranked by, 0 to 1.
    """

    weights: QueryWeights
    shares: dict[str, Any]
    score: float


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
) -> list[Weighed]:
    """Every way, the best first.

    Args:
        labels: given ones of the gallery, int64 (G, M), whose first rows are the queries' photos.
    """
    found = {str(i): np.full((len(plan), kept.TOP), -1, np.int64) for i in range(len(ways))}
    for q in chunks(len(plan), len(gallery), CHUNK_BYTES):
        part = plan.part(q)
        for i, scores in enumerate(_scores(part, features.part(q), gallery, ways)):
            found[str(i)][q] = ranking.rank(scores, part.photo, kept.TOP)
    table = kept.shares(plan, labels, found)
    weighed = [_weighed(way, str(i), table) for i, way in enumerate(ways)]
    return sorted(weighed, key=lambda w: -w.score)


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


def _weighed(way: QueryWeights, row: str, table: dict[str, Any]) -> Weighed:
    scores, shares = [], {}
    for edited, t in table.items():
        mine, best = t["rows"][row], t["rows"][kept.BEST]
        parts = [mine["kept"][n] / best["kept"][n] for n in mine["kept"] if best["kept"][n]]
        halves = [mine["wanted"] / best["wanted"]] if best["wanted"] else []
        scores += [float(np.mean([*halves, *([float(np.mean(parts))] if parts else [])]))]
        shares[edited] = mine
    return Weighed(way, shares, float(np.mean(scores)))
