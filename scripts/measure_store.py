"""How fast a vector store takes and finds garments, and whether its approximate search still finds the right ones.

    python scripts/measure_store.py out/index shop --count 40000 --to out/measured

The vectors are those of a filled index, perturbed until there are enough, so that they lie as real ones do. Recall is
against exact search (FAISS), at both ends of the query's weights and between; equal scores count as found.
"""

from __future__ import annotations

import json
import time
from typing import Annotated

import numpy as np
import typer

from amgan.commandline import run
from amgan.errors import UserError
from retrieval.stores import connect, open_store
from retrieval.stores.base import Point, VectorStore, point_id
from retrieval.stores.exact import ExactStore

K, QUERIES, BATCH = 10, 100, 64
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
    count: Annotated[int, typer.Option(help="Garments to store.", min=QUERIES)] = 20_000,
    noise: Annotated[float, typer.Option(help="Perturbation, relative to a block's length.", min=0)] = 0.2,
) -> None:
    source = open_store(store, collection)
    rng = np.random.default_rng(0)
    points = perturbed(source, count, noise, rng)
    source.close()
    location = connect(to)
    name = f"measured.{count}"
    if location.describe(name) is not None:
        raise UserError(f"{to} holds {name} already; name an empty folder.")
    target = location.create(name, source.identity, source.schema)
    report: dict[str, object] = {"count": count, "dimensions": source.identity.dimensions, "batch": BATCH}
    start = last = time.perf_counter()
    for i in range(0, count, BATCH):
        target.upsert(points[i : i + BATCH])
        if time.perf_counter() - last > 2:  # as index-catalog does
            target.flush()
            last = time.perf_counter()
    target.flush()
    report["upserts_per_second"] = round(count / (time.perf_counter() - start))
    start = time.perf_counter()
    target.finalize()
    report["finalize_seconds"] = round(time.perf_counter() - start, 2)
    report["indexed"] = target.info().indexed
    report["search"] = searched(target, ExactStore.copy_of(target), points, rng)
    target.close()
    print(json.dumps(report, indent=1))


def perturbed(source: VectorStore, count: int, noise: float, rng: np.random.Generator) -> list[Point]:
    """``count`` points around the stored ones; every block is brought back to unit length."""
    records = [r for r in source.scroll(vectors=True) if r.vector is not None]
    points = []
    for i in range(count):
        record, parts, start = records[i % len(records)], [], 0
        for block in source.identity.blocks:
            part = np.asarray(record.vector)[start : start + block.dimensions]
            part = part + noise * rng.normal(size=part.shape) / np.sqrt(block.dimensions)
            parts.append(part / np.linalg.norm(part))
            start += block.dimensions
        name = f"{i}.jpg"
        vector = np.concatenate(parts).astype(np.float32)
        points.append(Point(point_id(name), vector, record.payload | {"file_name": name}))
    return points


def searched(store: VectorStore, exact: ExactStore, points: list[Point], rng: np.random.Generator) -> dict[str, object]:
    """Recall@10 and milliseconds per query: pictures of some garments with the wanted attributes of others."""
    found: dict[str, object] = {}
    pictures, wanted = rng.choice(len(points), QUERIES), rng.choice(len(points), QUERIES)
    split = store.identity.blocks[0].dimensions
    attribute = store.schema.names[0]
    value = max(store.facet(attribute).items(), key=lambda item: item[1])[0]
    for label, (image_weight, wanted_weight) in WEIGHTS.items():
        queries = [
            np.concatenate([image_weight * points[p].vector[:split], wanted_weight * points[w].vector[split:]])
            for p, w in zip(pictures, wanted, strict=True)
        ]
        for kind, filter in (("all", None), (f"{attribute}={value}", {attribute: value})):
            start = time.perf_counter()
            hits = [store.search(q, K, filter) for q in queries]
            milliseconds = (time.perf_counter() - start) / QUERIES * 1000
            right = [exact.search(q, K, filter) for q in queries]
            recall = [
                sum(h.score >= r[-1].score - 1e-5 for h in hs) / len(r) for hs, r in zip(hits, right, strict=True)
            ]
            found[f"{label}, {kind}"] = {"recall@10": round(float(np.mean(recall)), 4), "ms": round(milliseconds, 2)}
    return found


if __name__ == "__main__":
    run(app)
