"""How fast a catalogue without masks is indexed, by what cuts its photos out.

python scripts/bench_index.py garments --segmenter classical --segmenter learned --photos 200

The same photos are indexed into memory by each segmenter in turn, several rounds; medians over the rounds. Reading and
cutting out are summed over threads, the rest is by the clock.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from amgan.commandline import run

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
STAGES = ("reading", "cutting out", "waiting", "embedding", "storing", "total")


@app.command(help=__doc__)
def bench(
    folder: Annotated[Path, typer.Argument(help="Photos with metadata.csv.")],
    segmenter: Annotated[list[str], typer.Option(help="Repeat for several.")],
    weights: Annotated[str, typer.Option(help="Whose teacher, and whose learned segmenter.")] = "photos",
    split: Annotated[str, typer.Option(help="The split.")] = "train",
    photos: Annotated[int, typer.Option(help="How many.", min=1)] = 200,
    rounds: Annotated[int, typer.Option(help="Rounds.", min=1)] = 3,
    threads: Annotated[int, typer.Option(help="That read and cut out.", min=1)] = 2,
) -> None:
    # Imported here, because torch takes seconds, which --help need not wait for.
    from amgan.data.metadata import find_metadata, metadata_rows
    from indexer.build import index
    from indexer.catalogue import Catalogue
    from indexer.prepare import Settings
    from retrieval.representation import Representation
    from retrieval.stores import connect

    metadata = find_metadata(folder)
    if metadata is None:
        raise typer.BadParameter(f"{folder} holds no metadata.csv.")
    names = [row.cells["file_name"] for row in metadata_rows(metadata) if row.cells.get("split") == split][:photos]
    encoders = {name: Representation(weights, segmenter=name) for name in segmenter}
    seconds: dict[str, list[dict[str, float]]] = {name: [] for name in segmenter}
    refused: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as scratch:
        shop = Path(scratch)
        for i, name in enumerate(names):
            (shop / f"{i:05d}{Path(name).suffix}").symlink_to((folder / name).resolve())
        for _ in range(rounds):
            for name, encoder in encoders.items():
                settings = Settings(encoder.image_size, segmenter=encoder.segmenter)
                location = connect(":memory:")
                summary = index(
                    Catalogue(shop, encoder.schema, None), location, "shop", encoder, settings, threads=threads
                )
                seconds[name].append(summary.seconds)
                refused[name] = sum(summary.refused.values())
                location.close()
    print(f"{len(names)} photos, {threads} threads, medians of {rounds} rounds")
    print(f"| cut out by | photos a second | refused | {' | '.join(f'{s} s' for s in STAGES)} |")
    print(f"| --- | ---: | ---: |{' ---: |' * len(STAGES)}")
    for name, found in seconds.items():
        medians = {s: statistics.median(f.get(s, 0.0) for f in found) for s in STAGES}
        shown = " | ".join(f"{medians[s]:.2f}" for s in STAGES)
        print(f"| {name} | {len(names) / medians['total']:.1f} | {refused[name]} | {shown} |")


if __name__ == "__main__":
    run(app)
