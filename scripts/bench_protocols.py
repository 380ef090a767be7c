"""How long protocols A, B and C take at their full size, features given: every row, every interval.

    python scripts/bench_protocols.py                         # 2,000 queries, a gallery of 20,000: ten of each garment
    python scripts/bench_protocols.py --plain 20              # and 20 queries by plain loops, which must agree

Labels are those of drawn garments, their edits and siblings; features are a low-rank cloud of unit vectors with a
centre for each combination of labels and something of each garment's own: time does not depend on how good they are.
Networks, renders and pictures are left out.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from amgan.commandline import run
from amgan.errors import UserError
from scripts.benching import NOISE, RANK, Cloud

if TYPE_CHECKING:  # --help must not wait for torch
    from retrieval.evaluation.found import Found
    from retrieval.evaluation.rows import QueryFeatures

REFERENCES = 2000

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def measure(
    queries: Annotated[int, typer.Option(help="Garments, each edited once.", min=2)] = 2000,
    dimensions: Annotated[int, typer.Option(help="Length of a feature.", min=4)] = 512,
    rounds: Annotated[int, typer.Option(help="Bootstrap draws for the intervals.", min=0)] = 1000,
    plain: Annotated[int, typer.Option(help="Check so many queries against plain loops.", min=0)] = 0,
    limit: Annotated[float | None, typer.Option(help="Seconds: longer is a failure.", min=0)] = None,
) -> None:
    from amgan.evaluation.counterfactuals import draw_edit, draw_siblings
    from amgan.evaluation.edits import EditPlan
    from amgan.evaluation.exact import Gallery
    from amgan.synth import SCHEMA, draw_item
    from amgan.synth.values import edited_labels
    from retrieval.evaluation import protocol_a, protocol_b, protocol_c
    from retrieval.evaluation.found import search_all
    from retrieval.evaluation.rows import QueryFeatures
    from retrieval.query import QueryWeights

    given, edits = [], []
    for seed in range(queries):
        item = draw_item(seed)
        edit = draw_edit(item)
        edits.append(next(iter(edit.items())))
        case = (item.labels, edited_labels(item.labels, edit), *draw_siblings(item, edit))
        given.append([SCHEMA.encode(labels) for labels in case])
    labels = np.array(given)  # (queries, 10, M)
    places = np.arange(labels.shape[0] * labels.shape[1]).reshape(labels.shape[:2])
    attribute = np.array([SCHEMA.index(a) for a, _ in edits])
    value = np.array([SCHEMA.values(a).index(v) for a, v in edits])
    plan = EditPlan(SCHEMA, np.arange(queries), attribute, value, {})
    rng = np.random.default_rng(0)
    cloud, own = Cloud(SCHEMA, dimensions, rng), NOISE * rng.standard_normal((queries, RANK), np.float32)
    everything, of_each = labels.reshape(-1, SCHEMA.n_attributes), own.repeat(labels.shape[1], axis=0)
    gallery = Gallery(cloud.features(everything, of_each), cloud.predictions(everything), everything)
    reference = labels[:REFERENCES, -1]
    features = QueryFeatures(
        cloud.features(labels[:, 1], own), gallery.features[places[:, 0]], gallery.predictions[places[:, 0]],
        cloud.features(reference), reference, truth=cloud.features(labels[:, 1], own),
    )  # fmt: skip

    seconds: dict[str, float] = {}
    start, began = time.perf_counter(), time.process_time()
    found = search_all(plan, features, labels[:, 0], QueryWeights(), gallery, places[:, 1])
    seconds["search"] = time.perf_counter() - start
    exact = protocol_c.evaluate(plan, found, places, len(gallery), rounds)
    seconds["C"] = time.perf_counter() - start - sum(seconds.values())
    protocol_a.evaluate(plan, found, labels[:, 0], gallery.labels, places[:, 0], rounds)
    seconds["A"] = time.perf_counter() - start - sum(seconds.values())
    protocol_b.evaluate(plan, found, labels[:, 0], gallery.labels, rounds)
    seconds["B"] = time.perf_counter() - start - sum(seconds.values())
    total = sum(seconds.values())
    report: dict[str, Any] = {
        "queries": queries,
        "gallery": len(gallery),
        "dimensions": dimensions,
        "rows": len(exact.table["rows"]),
        "bootstrap_rounds": rounds,
        "processors": os.cpu_count(),
        "seconds": {k: round(s, 1) for k, s in {**seconds, "all": total}.items()},
        "processor_seconds": round(time.process_time() - began, 1),
        "top-10 by the edited picture": exact.table["rows"]["edited"]["hit"]["10"]["mean"],
    }
    if plain:
        start = time.perf_counter()
        check_ranks(found, features, gallery.features, places[:, 1], plain)
        report["plain loops"] = {"queries": plain, "agree": True, "seconds": round(time.perf_counter() - start, 1)}
    print(json.dumps(report, indent=1))
    if limit is not None and total > limit:
        raise UserError(f"The protocols took {total:.0f} s, and {limit:g} s are allowed.")


def check_ranks(found: Found, features: QueryFeatures, gallery: np.ndarray, truth: np.ndarray, count: int) -> None:
    """Ranks of the truth by the edited picture alone, one pair at a time. Raises UserError where they differ by more
    than rounding: no item between the two has a score that differs from the truth's by 1e-5."""
    for q in range(count):
        scores = [float(np.dot(features.edited[q].astype(np.float64), item)) for item in gallery]
        own = scores[truth[q]]
        above = sum(s > own + 1e-5 for s in scores)
        not_below = sum(s > own - 1e-5 for s in scores)
        if not above < found.ranks["edited"][q] <= not_below:
            raise UserError(f"Query {q}: rank {found.ranks['edited'][q]}, by plain loops {above + 1} to {not_below}.")


if __name__ == "__main__":
    run(app)
