"""The main job from end to end: index a catalogue, edit one of its garments, find what matches the edit.

python scripts/demo.py --out demo-out                             # what `make demo` runs, on 1,000 drawn garments
python scripts/demo.py --catalogue FOLDER --out demo-out          # what `make demo CATALOGUE=FOLDER` runs
"""

from __future__ import annotations

import hashlib
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amgan.commandline import run
from amgan.errors import UserError
from amgan.schema import AttributeSchema, Edit
from indexer.cli import index_catalog

if TYPE_CHECKING:  # --help must not wait for torch
    from retrieval.results import SearchResult
    from retrieval.search import Searcher
    from retrieval.stores.base import Payload

COLLECTION = "demo"
DRAWN = 1000
SIDE = 256  # of drawn garments, in pixels: an edit is shown at the size of the photo
WISHES = {"sleeve": ("long", "short"), "color": ("red", "blue")}  # the second where the garment has the first already
TRIES = 50

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def demo(
    catalogue: Annotated[
        Path | None,
        typer.Option(help="Folder of garment photos, with or without metadata; garments are drawn without."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the index and the picture go.")] = Path("demo-out"),
    weights: Annotated[
        str | None,
        typer.Option(help="A shipped name, a folder, or hf-hub:org/name; photos, or synthetic for drawn garments."),
    ] = None,
    count: Annotated[int, typer.Option(help="How many garments to draw without a catalogue.", min=50)] = DRAWN,
) -> None:
    times: dict[str, float] = {}
    weights = weights or ("photos" if catalogue else "synthetic")
    if catalogue is None:
        from amgan.synth.command import synth_command

        catalogue = out / "catalogue"
        with timed("draw garments", times):
            synth_command(
                count, catalogue, seed=0, size=SIDE, counterfactuals=0, usual=False, split="test", workers=None
            )
    with timed("index", times):
        index_catalog(catalogue, store=str(out / "index"), collection=COLLECTION, weights=weights)
    with timed("open the index", times):
        from retrieval.catalogue import open_catalogue

        searcher = open_catalogue(out / "index", COLLECTION)
    try:
        with timed("choose, edit and search", times):
            payload, result = first_edited(searcher, held_back(catalogue))
        with timed("draw", times):
            from retrieval.sheet import save_picture, search_sheet

            save_picture(search_sheet(result), out / "demo.png")
    finally:
        searcher.close()
    report(payload["item_id"], result, times)
    print(f"\nThe query, its edit and what was found: {out / 'demo.png'}")
    query = [str(catalogue / payload["file_name"]), *(f"--set={name}={value}" for name, value in result.edit.items())]
    if payload["mask_file_name"]:
        query += ["--mask", str(catalogue / payload["mask_file_name"])]
    print("\nNext, with .venv/bin/ before each command:")
    print(" ", shlex.join(["search-catalog", *query, "--store", str(out / "index"), "--collection", COLLECTION]))
    print(" ", shlex.join(["amgan", "edit", *query, "--weights", weights, "--out", str(out / "edited")]))
    print("  make ui  (without .venv/bin/)")


@contextmanager
def timed(part: str, times: dict[str, float]) -> Iterator[None]:
    start = time.perf_counter()
    yield
    times[part] = time.perf_counter() - start


def held_back(catalogue: Path) -> set[str]:
    """Names of the photos marked as test split, which no shipped weights have seen; empty where none are marked."""
    from amgan.data.metadata import find_metadata, metadata_rows

    metadata = find_metadata(catalogue)
    rows = (row.cells for row in metadata_rows(metadata)) if metadata else ()
    return {cells["file_name"].strip() for cells in rows if cells.get("split") == "test"}


def first_edited(searcher: Searcher, among: set[str]) -> tuple[Payload, SearchResult]:
    """The first garment, by the SHA-256 of its id and so not chosen by eye, that the edit changes; and what is found.

    Returns what the index knows of the garment, and the search. Raises UserError when none of the first 50 is changed.
    """
    payloads = [record.payload for record in searcher.store.scroll(keys=["item_id", "file_name", "mask_file_name"])]
    payloads = [p for p in payloads if p["file_name"] in among] or payloads
    payloads.sort(key=lambda p: hashlib.sha256(p["item_id"].encode()).digest())
    for payload in payloads[:TRIES]:
        cutout = searcher.item_cutout(payload, keep_source=True)
        if not cutout.trusted:
            continue
        predicted = searcher.find_similar(cutout, k=1).predicted
        result = searcher.find_similar(cutout, wish(searcher.schema, predicted), exclude=[payload["item_id"]])
        before = result.cutout.image.astype(int)  # (H, W, 3)
        after = result.edited.image[0].permute(1, 2, 0).numpy().astype(int)
        if abs(after - before).mean() >= 1:  # of 255
            return payload, result
    raise UserError(f"These weights change none of the first {min(TRIES, len(payloads))} garments; try other weights.")


def wish(schema: AttributeSchema, predicted: Edit) -> Edit:
    """What the demo asks for: another sleeve and another colour than the garment has."""
    return {
        name: first if predicted[name] != first else second
        for name, (first, second) in WISHES.items()
        if name in schema.editable
    }


def report(item_id: str, result: SearchResult, times: dict[str, float]) -> None:
    """Print what was asked for, how many of the hits are that, with and without the edit, and the times."""

    def right(hits: list) -> str:
        return f"{sum(all(h.predicted.get(n) == v for n, v in result.edit.items()) for h in hits)} of {len(hits)}"

    print(f"\nGarment {item_id}: {', '.join(result.predicted.values())}")
    print(f"Edited to: {', '.join(result.edit.values())}")
    print(f"Found with the edit: {right(result.hits)} are that; without it: {right(result.unedited_hits)}")
    print("Time: " + ", ".join(f"{part} {seconds:.1f} s" for part, seconds in times.items()))


if __name__ == "__main__":
    run(app)
