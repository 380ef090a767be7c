"""The whole path, photo to hits, timed stage by stage; part of bench_edit.py."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # --help must not wait for torch
    from amgan.editing.runtimes import Network
    from retrieval.search import Searcher

DRAWN, PHOTO_SIDE, POINTS, WARM_UP = 40, 768, 4000, 2
STAGES = ("read", "cut-out", "edit", "embed", "search")


def whole_path(
    weights: str, rows: Mapping[str, Network], photos: Path | None, folder: Path, searches: int
) -> dict[str, dict[str, Any]]:
    """Median milliseconds of each stage, and in how many searches the ten hits are those of the first row.

    Beside all photos stand those that lie on a plain ground ("white") and those that GrabCut had to cut out.

    Args:
        rows: runtimes, which take turns.
        photos: a folder, or None for drawn garments.
    """
    from amgan.attributes import asked_of
    from amgan.editing.editor import NetworkEditor
    from amgan.photos.listing import list_photos

    files = list_photos(photos) if photos else drawn_photos(folder / "photos")
    searcher, files = index_of(weights, files, folder / "index")
    base = searcher.editor
    designs = getattr(base, "designs", False)
    times: dict[str, list[dict[str, float]]] = {name: [] for name in rows}
    hits: dict[str, list[set[str]]] = {name: [] for name in rows}
    values = [{a.name: v} for a in searcher.schema.attributes for v in asked_of(a)]
    try:
        for turn in range(-WARM_UP, searches):
            for name, network in rows.items():
                searcher.editor = NetworkEditor(network, base.schema, base.image_size, base.identity, designs=designs)
                spent, found, method = one_search(searcher, files[turn % len(files)], values[turn % len(values)])
                if turn >= 0:
                    spent[f"all, {method}"] = spent["all"]
                    times[name].append(spent)
                    hits[name].append(found)
    finally:
        searcher.close()
    first = hits[next(iter(rows))]
    report: dict[str, dict[str, Any]] = {}
    for name in rows:
        stages = [*STAGES, "all", *sorted({stage for t in times[name] for stage in t if stage.startswith("all,")})]
        report[name] = {s: 1000 * statistics.median(t[s] for t in times[name] if s in t) for s in stages}
        same = sum(a == b for a, b in zip(hits[name], first, strict=True))
        report[name]["same hits"] = f"{same} of {searches}"
        common = sum(len(a & b) for a, b in zip(hits[name], first, strict=True))
        report[name]["hits in common"] = f"{common / sum(map(len, first)):.1%}"
    return report


def one_search(searcher: Searcher, photo: Path, edit: Mapping[str, str]) -> tuple[dict[str, float], set[str], str]:
    """Seconds of each stage, the hits, and how the garment was cut out."""
    from amgan.photos import read_image

    start = time.perf_counter()
    picture = read_image(photo)
    opened = time.perf_counter()
    cutout = searcher.cut_out(picture)
    cut = time.perf_counter()
    result = searcher.find_similar(cutout, edit)
    spent = {
        "read": opened - start,
        "cut-out": cut - opened,
        **result.seconds,
        "all": time.perf_counter() - start,
    }
    return spent, {hit.item_id for hit in result.hits}, cutout.method


def index_of(weights: str, photos: list[Path], folder: Path) -> tuple[Searcher, list[Path]]:
    """A catalogue of the photos, filled up with perturbed copies of their vectors, and those that could be cut out."""
    import numpy as np
    import torch

    from amgan.editing.editor import load_editor
    from amgan.errors import UserError
    from amgan.photos import cut_out, read_image
    from retrieval.representation import Representation
    from retrieval.search import Searcher
    from retrieval.stores import connect
    from retrieval.stores.base import Point, point_id

    representation = Representation(weights)
    pictures, kept = [], []
    for photo in photos[:POINTS]:
        try:
            cutout = cut_out(read_image(photo), size=representation.image_size)
        except UserError:
            continue
        if cutout.trusted:
            pictures.append(cutout.image)
            kept.append(photo)
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    vectors = np.concatenate([representation.encode(part)[0] for part in images.split(64)])
    blocks = representation.identity.blocks
    rng = np.random.default_rng(0)
    store = connect(folder).create("bench", representation.identity, representation.schema)
    points = []
    for i in range(max(POINTS, len(vectors))):
        vector = vectors[i % len(vectors)].copy()
        if i >= len(vectors):
            vector += rng.normal(0, 0.5 / len(vector) ** 0.5, vector.shape)
            at = 0
            for block in blocks:
                vector[at : at + block.dimensions] /= np.linalg.norm(vector[at : at + block.dimensions])
                at += block.dimensions
        points.append(Point(point_id(str(i)), vector.astype(np.float32), {"item_id": str(i), "file_name": str(i)}))
    store.upsert(points)
    store.finalize()
    return Searcher(store, representation, load_editor(weights)), kept


def drawn_photos(folder: Path) -> list[Path]:
    from PIL import Image

    from amgan.synth import draw_item, render

    folder.mkdir()
    files = []
    for i in range(DRAWN):
        item = draw_item(900_000 + i)
        files.append(folder / f"{i}.jpg")
        Image.fromarray(render(item.seed, item.labels, PHOTO_SIDE).image).save(files[-1], quality=92)
    return files
