"""How much memory a report's retrieval tables, realism and intervals take at the size of a large catalogue.

    python scripts/bench_report_memory.py --queries 110000 --gallery 20000

The features are a low-rank cloud of unit vectors with a centre for each combination of labels: time and memory do not
depend on how good they are. Pictures are left out: at 128 pixels 20,000 photos with masks take 1.3 GB besides.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from amgan.attributes import askable
from amgan.commandline import run
from amgan.schema import AttributeSchema
from scripts.benching import Cloud

if TYPE_CHECKING:  # --help must not wait for torch
    from amgan.evaluation.edits import EditPlan

COLOURS = "black, white, gray, navy, blue, red, pink, purple, green, yellow, beige, brown, multi"
SCHEMA = AttributeSchema.from_dict({"sleeve": ["sleeveless", "short", "long"], "color": COLOURS.split(", ")})
REFERENCES = 2000

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def measure(
    queries: Annotated[int, typer.Option(help="Edits.", min=100)] = 110_000,
    gallery: Annotated[int, typer.Option(help="Photos, which are the gallery.", min=50)] = 20_000,
    dimensions: Annotated[int, typer.Option(help="Length of a feature.", min=4)] = 144,
    rounds: Annotated[int, typer.Option(help="Bootstrap draws for the intervals.", min=0)] = 1000,
    chunk: Annotated[int, typer.Option(help="Megabytes for the scores of one chunk of queries.", min=1)] = 256,
) -> None:
    from amgan.evaluation import realism
    from amgan.evaluation.edits import plan_edits
    from amgan.evaluation.exact import Gallery
    from retrieval.evaluation import protocol_a
    from retrieval.evaluation.found import search_all
    from retrieval.evaluation.rows import QueryFeatures
    from retrieval.query import QueryWeights

    rng = np.random.default_rng(0)
    cloud = Cloud(SCHEMA, dimensions, rng)

    def drawn(n: int) -> np.ndarray:
        return np.stack([rng.choice(values, n) for values in askable(SCHEMA)], axis=1).astype(np.int64)

    labels = drawn(gallery)
    everything = plan_edits(SCHEMA, labels)
    rows = rng.choice(len(everything), min(queries, len(everything)), replace=False)
    plan = everything.part(np.sort(rows))
    wanted = labels[plan.photo]
    wanted[np.arange(len(plan)), plan.attribute] = plan.value
    reference = drawn(REFERENCES)
    features = QueryFeatures(
        cloud.features(wanted), cloud.features(labels), cloud.predictions(labels), cloud.features(reference), reference
    )
    report: dict[str, object] = {"queries": len(plan), "gallery": gallery, "dimensions": dimensions, "rounds": rounds}
    report["before"] = gigabytes()

    def timed(name: str, work: Callable[[], object]) -> None:
        start = time.perf_counter()
        work()
        report[name] = {"seconds": round(time.perf_counter() - start, 1), "peak_gb_so_far": gigabytes()}

    answers = {"edited": features.edited, "no edit": features.photos[plan.photo]}
    timed("realism", lambda: realism.kernel_distances(plan, labels, answers, features.photos))
    timed("edits' intervals", lambda: edit_tables(plan, rng, rounds))
    items = Gallery(features.photos, features.predictions, labels)
    found = {}

    def search() -> None:
        found["all"] = search_all(plan, features, labels, QueryWeights(), items, chunk_bytes=chunk << 20)

    timed("search", search)
    timed("protocol A", lambda: protocol_a.evaluate(plan, found["all"], labels, labels, plan.photo, rounds))
    report["peak_gb"] = gigabytes()
    print(json.dumps(report, indent=1))


def edit_tables(plan: EditPlan, rng: np.random.Generator, rounds: int) -> None:
    """The tables of two columns; a report has about a dozen."""
    from amgan.evaluation.edits import EditScores
    from amgan.evaluation.summary import overall, summarise

    scores = EditScores(plan, {"accepted": (rng.random(len(plan)) < 0.9) * 1.0, "detail_kept": rng.random(len(plan))})
    summarise(scores, rounds)
    overall(scores, rounds)


def gigabytes() -> float:
    """The most memory that this process has held so far (Linux counts kibibytes)."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2)


if __name__ == "__main__":
    run(app)
