"""How fast a vector store takes and finds garments, and whether its approximate search still finds the right ones.

    python scripts/bench_search.py out/index shop --count 20000 --to out/measured

The vectors are those of a filled index, perturbed until there are enough, so that they lie as real ones do. Recall@10
is against exact search (FAISS), at both ends of the query's weights and between; equal scores count as found. A query
is the picture of one garment with the wanted attributes of another. One JSON object is printed.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import faiss
import numpy as np
import typer

from amgan.commandline import run
from amgan.errors import UserError
from retrieval.stores import connect, open_store
from retrieval.stores.base import Payload, Point, VectorStore, point_id
from retrieval.stores.versions import allocated

K, BATCH = 10, 256
WEIGHTS = {
    "image alone": (1, 0),
    "image first": (1, 0.3),
    "equal": (1, 1),
    "attributes first": (0.3, 1),
    "attributes alone": (0, 1),
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def measure(
    store: Annotated[str, typer.Argument(help="A filled index.")],
    collection: Annotated[str, typer.Argument(help="Its name.")],
    to: Annotated[str, typer.Option(help="Where the measured one goes: a folder or a server's URL.")],
    count: Annotated[int, typer.Option(help="Garments to store.", min=1000)] = 20_000,
    noise: Annotated[float, typer.Option(help="Perturbation, relative to a block's length.", min=0)] = 0.2,
    queries: Annotated[int, typer.Option(help="Queries for each weight.", min=10)] = 100,
    again: Annotated[bool, typer.Option("--again", help="Search a store that this command filled before.")] = False,
) -> None:
    source, name = open_store(store, collection), f"measured.{count}"
    records = [r for r in source.scroll(vectors=True) if r.vector is not None]
    payloads, rng = [r.payload for r in records], np.random.default_rng(0)
    vectors = perturbed(source, np.stack([np.asarray(r.vector) for r in records]), count, noise, rng)  # (n, D)
    location = connect(to)
    there = location.describe(name) is not None
    if there and not again:
        raise UserError(f"{to} holds {name} already; name an empty folder, or search it --again.")
    if again and not there:
        raise UserError(f"{to} holds no {name}; without --again it is filled.")
    target = location.open(name) if again else location.create(name, source.identity, source.schema)
    source.close()
    report: dict[str, Any] = {"count": count, "dimensions": source.identity.dimensions, "batch": BATCH}
    if not again:
        report |= filled(target, vectors, payloads)
    report["indexed"] = target.info().indexed
    if Path(to).is_dir():
        report["disk_mb"] = round(allocated(Path(to) / name) / 1e6, 1)
        start = time.perf_counter()
        target.close()
        target = location.open(name)
        report["open_seconds"] = round(time.perf_counter() - start, 3)
    report["search"] = searched(target, vectors, payloads, queries, rng)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes
    report["peak_memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
    report["of_which_referee_mb"] = round(2 * vectors.nbytes / 1e6)
    target.close()
    print(json.dumps(report, indent=1))


def perturbed(
    source: VectorStore, vectors: np.ndarray, count: int, noise: float, rng: np.random.Generator
) -> np.ndarray:
    """``count`` vectors around the stored ones, float32 (n, D); every block is brought back to unit length."""
    found, start = np.empty((count, vectors.shape[1]), np.float32), 0
    for block in source.identity.blocks:
        part = slice(start, start + block.dimensions)
        for first in range(0, count, len(vectors)):
            rows = vectors[: count - first, part]
            moved = rows + noise * rng.normal(size=rows.shape) / np.sqrt(block.dimensions)
            found[first : first + len(rows), part] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        start = part.stop
    return found


def filled(target: VectorStore, vectors: np.ndarray, payloads: list[Payload]) -> dict[str, float]:
    start = last = time.perf_counter()
    for first in range(0, len(vectors), BATCH):
        target.upsert(list(points(vectors, payloads, first)))
        if time.perf_counter() - last > 2:  # as index-catalog does
            target.flush()
            last = time.perf_counter()
    target.flush()
    taken = time.perf_counter() - start
    start = time.perf_counter()
    target.finalize()
    return {
        "upserts_per_second": round(len(vectors) / taken),
        "build_seconds": round(time.perf_counter() - start, 2),
    }


def points(vectors: np.ndarray, payloads: list[Payload], first: int) -> Iterator[Point]:
    for i in range(first, min(first + BATCH, len(vectors))):
        name = f"{i}.jpg"
        yield Point(point_id(name), vectors[i], payloads[i % len(payloads)] | {"file_name": name, "item_id": str(i)})


def searched(
    store: VectorStore, vectors: np.ndarray, payloads: list[Payload], count: int, rng: np.random.Generator
) -> dict[str, dict[str, float]]:
    """Recall@10, and milliseconds per query: median and 95th percentile."""
    found: dict[str, dict[str, float]] = {}
    pictures, wanted = rng.choice(len(vectors), count), rng.choice(len(vectors), count)
    split = store.identity.blocks[0].dimensions
    attribute = store.schema.names[0]
    value = max(store.facet(attribute).items(), key=lambda item: item[1])[0]
    matching = np.array([p["predicted"].get(attribute) == value for p in payloads])
    rows = np.flatnonzero(np.resize(matching, len(vectors)))
    for kind, filter, allowed in (("all", None, vectors), (f"{attribute}={value}", {attribute: value}, vectors[rows])):
        exact = faiss.IndexFlatIP(vectors.shape[1])
        exact.add(np.ascontiguousarray(allowed))
        for label, (image_weight, wanted_weight) in WEIGHTS.items():
            weighed = [image_weight * vectors[pictures, :split], wanted_weight * vectors[wanted, split:]]
            queries = np.concatenate(weighed, axis=1).astype(np.float32)
            tenth = exact.search(queries, K)[0][:, -1]
            recall, milliseconds = [], []
            for query, least in zip(queries, tenth, strict=True):
                start = time.perf_counter()
                hits = store.search(query, K, filter)
                milliseconds.append((time.perf_counter() - start) * 1000)
                recall.append(sum(h.score >= least - 1e-5 for h in hits) / K)
            found[f"{label}, {kind}"] = {
                "recall@10": round(float(np.mean(recall)), 4),
                "p50_ms": round(float(np.median(milliseconds)), 2),
                "p95_ms": round(float(np.percentile(milliseconds, 95)), 2),
            }
    return found


if __name__ == "__main__":
    run(app)
