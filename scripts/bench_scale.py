"""What a garment costs, from which docs/SCALE.md reckons what millions need.

python scripts/bench_scale.py garments --photos 200 --count 20000 --count 80000 --to out/scale

Photographs of the folder are opened, cut out (without their masks, where it has any) and embedded in this process, one
thread each: processor seconds a garment by stage, which other work on the machine does not change. Their vectors,
perturbed until there are as many as asked for, then fill a folder's store of each size: processor seconds a garment to
store and to build the graph, bytes on disk by what they hold, memory of a process that has searched it a while, and
processor milliseconds of a search. Last, what the process that starts a run remembers of each garment.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from amgan.commandline import run
from amgan.errors import UserError
from scripts.benching import kilobytes

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
SEARCHES, TOP, TOGETHER = 200, 10, 8
SOURCE = "photographs"


@app.command(help=__doc__)
def bench(
    folder: Annotated[Path, typer.Argument(help="A catalogue.")],
    to: Annotated[Path, typer.Option(help="An empty folder, for the stores.")],
    count: Annotated[list[int], typer.Option(help="Garments of a store; repeat for several.", min=100)],
    photos: Annotated[int, typer.Option(help="How many photographs.", min=2)] = 200,
    weights: Annotated[str, typer.Option(help="The networks.")] = "photos",
) -> None:
    import torch

    from retrieval.stores import connect

    torch.set_num_threads(1)
    location = connect(to)
    if location.collections():
        raise UserError(f"{to} holds collections already; name an empty folder.")
    report: dict[str, Any] = {"ms a garment": embedded(folder, location, photos, weights)}
    for garments in count:
        report[f"{garments} garments"] = stored(location, to, garments) | in_a_process(to, garments)
    report["bytes remembered a garment"] = remembered(max(count))
    print(json.dumps(report, indent=1))


@contextmanager
def spent(into: dict[str, float], stage: str) -> Iterator[None]:
    """Adds processor seconds of this process, all its threads together."""
    start = time.process_time()
    yield
    into[stage] = into.get(stage, 0.0) + time.process_time() - start


def embedded(folder: Path, location: Any, photos: int, weights: str) -> dict[str, float]:
    """Fill the collection ``SOURCE``; processor milliseconds by stage."""
    from dataclasses import replace

    from indexer.catalogue import Catalogue, Item
    from indexer.pipeline import points_of
    from indexer.prepare import Prepared, Settings, prepare_several
    from retrieval.representation import Representation

    encoder = Representation(weights)
    settings, seconds = Settings(encoder.image_size, segmenter=encoder.segmenter), dict[str, float]()
    found = (replace(e, mask_file_name=None) for e in Catalogue(folder, encoder.schema) if isinstance(e, Item))
    items = list(islice(found, photos + TOGETHER))
    store, taken, garments = location.create(SOURCE, encoder.identity, encoder.schema), 0, 0
    for first in range(0, len(items), TOGETHER):
        outcomes, clock = [], dict[str, float]()
        with spent(clock, "both"):
            outcomes, walls = prepare_several([(i, None) for i in items[first : first + TOGETHER]], settings)
        ready = [o for o in outcomes if isinstance(o, Prepared)]
        with spent(clock, "embedding"):
            points = points_of(ready, encoder) if ready else []
        store.upsert(points)
        if first == 0:
            continue  # the first ones load and compile
        for stage in ("reading", "cutting out"):  # prepare_several times by the clock: its shares of what was spent
            seconds[stage] = seconds.get(stage, 0.0) + clock["both"] * walls[stage] / sum(walls.values())
        seconds["embedding"] = seconds.get("embedding", 0.0) + clock["embedding"]
        taken, garments = taken + len(outcomes), garments + len(ready)
    store.finalize()
    store.close()
    return {stage: round(1000 * s / taken, 2) for stage, s in seconds.items()} | {"taken": taken, "cut out": garments}


def stored(location: Any, to: Path, garments: int) -> dict[str, Any]:
    """Fill a collection of so many."""
    import numpy as np

    from scripts.bench_search import BATCH, perturbed, points

    source = location.open(SOURCE)
    records = list(source.scroll(vectors=True))
    stack = np.stack([r.vector for r in records])
    vectors = perturbed(source, stack, garments, 0.2, np.random.default_rng(0))
    target, seconds = location.create(f"of.{garments}", source.identity, source.schema), dict[str, float]()
    source.close()
    with spent(seconds, "storing"):
        for first in range(0, garments, BATCH):
            target.upsert(list(points(vectors, [r.payload for r in records], first)))
        target.flush()
    with spent(seconds, "graph"):
        target.finalize()
    target.close()
    return {
        "dimensions": vectors.shape[1],
        "ms to store one": round(1000 * seconds["storing"] / garments, 3),
        "ms to build the graph, for one": round(1000 * seconds["graph"] / garments, 3),
        "bytes on disk for one": on_disk(to / f"of.{garments}", garments),
    }


def on_disk(home: Path, garments: int) -> dict[str, int]:
    """By the folders of the engine's segments; blocks that are taken, as its files have holes."""
    kinds: dict[str, int] = {}
    for path in home.rglob("*"):
        if path.is_file():
            parts = path.relative_to(home).parts  # v1/segments/UUID/vector_storage/…
            kind = parts[3] if len(parts) > 4 else "others"
            if any(part.startswith("graph") or part.startswith("links") for part in parts):
                kind = "graph"
            kinds[kind] = kinds.get(kind, 0) + path.stat().st_blocks * 512
    total = {"all": round(sum(kinds.values()) / garments)}
    return total | {kind: round(size / garments) for kind, size in sorted(kinds.items())}


def in_a_process(to: Path, garments: int) -> dict[str, Any]:
    """Searches, and what memory they take, in a process that has nothing else."""
    command = [sys.executable, "-c", "from scripts.bench_scale import search; search()", str(to), str(garments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def search() -> None:
    """In the process that ``in_a_process`` starts: what it took, as JSON."""
    import numpy as np

    from retrieval.stores import connect

    to, garments = sys.argv[1], int(sys.argv[2])
    small = connect(to).open(SOURCE)  # what the engine itself takes is no garment's
    small.search(np.ones(small.identity.dimensions, np.float32), TOP)
    before = memory()
    store = connect(to).open(f"of.{garments}")
    records = list(islice(store.scroll([], vectors=True, batch=256), SEARCHES))
    queries, took = [r.vector for r in records if r.vector is not None], []
    for query in queries:
        start = time.process_time()
        store.search(query, TOP)
        took.append(1000 * (time.process_time() - start))
    after = memory()
    grown = {kind: round((after[kind] - before[kind]) / garments) for kind in after}
    print(json.dumps({"ms of a search": round(float(np.median(took)), 2), "bytes in memory for one": grown}))


def memory() -> dict[str, int]:
    """Bytes of this process: its own, and of files that it reads as memory; 0 where the system does not say."""
    own, files = (kilobytes("self", key) * 1024 for key in ("RssAnon", "RssFile"))
    return {"own": own, "files": files}


def remembered(garments: int) -> int:
    """Of the ids that a run has seen and of those that stay, which are two sets of the same texts in one process; with
    a cluster they lie in two processes."""
    from retrieval.stores.base import point_id

    before = memory()["own"]
    seen = {point_id(f"{i}.jpg") for i in range(garments)}
    stay = set(seen)
    return round((memory()["own"] - before) / len(stay))


if __name__ == "__main__":
    run(app)
