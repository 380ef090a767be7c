"""How fast a catalogue without masks is indexed, by what cuts its photos out.

python scripts/bench_index.py garments --segmenter classical --segmenter learned --photos 200

The same photos are indexed into memory by each segmenter in turn, several rounds; medians over the rounds. Reading and
cutting out are summed over threads, the rest is by the clock. "of CPU" is the share of what the processors allow: the
stages' processor time, of decoders and all threads, spread over the processors without a gap, by the time that the run
took. Other work on the machine lowers it. With --plain a loop without any of this takes its turns, too: Pillow, a
DataLoader of as many processes, and the same network; it cuts nothing out and stores nothing. With --copies each photo
is there so many times, to see that memory does not grow: "peak MB" is this process's and the largest decoder's.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from amgan.commandline import run

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
STAGES = {  # what is measured, by how it is shown
    **{f"{s} s": s for s in ("reading", "cutting out", "waiting", "embedding", "storing", "total")},
    "of CPU": "of CPU",
    "peak MB": "peak MB",
}
PLAIN = "plain Pillow and DataLoader"


@app.command(help=__doc__)
def bench(
    folder: Annotated[Path, typer.Argument(help="Photos with metadata.csv.")],
    segmenter: Annotated[list[str], typer.Option(help="Repeat for several.")],
    weights: Annotated[str, typer.Option(help="Whose teacher, and whose learned segmenter.")] = "photos",
    split: Annotated[str, typer.Option(help="The split.")] = "train",
    photos: Annotated[int, typer.Option(help="How many.", min=1)] = 200,
    rounds: Annotated[int, typer.Option(help="Rounds.", min=1)] = 3,
    threads: Annotated[int, typer.Option(help="That cut out, and processes that decode.", min=1)] = 2,
    copies: Annotated[int, typer.Option(help="Of each photo.", min=1)] = 1,
    plain: Annotated[bool, typer.Option("--plain", help="Also measure a plain loop.")] = False,
) -> None:
    # Imported here, because torch takes seconds, which --help need not wait for.
    from amgan.data.metadata import find_metadata, metadata_rows
    from indexer.build import index
    from indexer.catalogue import Catalogue
    from indexer.decoders import Decoders
    from indexer.prepare import Settings
    from retrieval.representation import Representation
    from retrieval.stores.memory import MemoryLocation

    metadata = find_metadata(folder)
    if metadata is None:
        raise typer.BadParameter(f"{folder} holds no metadata.csv.")
    names = [row.cells["file_name"] for row in metadata_rows(metadata) if row.cells.get("split") == split][:photos]
    encoders = {name: Representation(weights, segmenter=name) for name in segmenter}
    seconds: dict[str, list[dict[str, float]]] = {name: [] for name in [*segmenter, *([PLAIN] if plain else [])]}
    refused: dict[str, int] = dict.fromkeys(seconds, 0)
    with tempfile.TemporaryDirectory() as scratch:
        shop = Path(scratch)
        for i, name in enumerate(names * copies):
            (shop / f"{i:06d}{Path(name).suffix}").symlink_to((folder / name).resolve())
        files = sorted(shop.iterdir())
        for _ in range(rounds):
            for name, encoder in encoders.items():
                location = MemoryLocation()

                def work(encoder: Any = encoder, location: MemoryLocation = location) -> Any:
                    with Decoders(threads) as decoders:
                        settings = Settings(encoder.image_size, segmenter=encoder.segmenter, opener=decoders)
                        catalogue = Catalogue(shop, encoder.schema, None)
                        return index(catalogue, location, "shop", encoder, settings, threads=threads)

                summary, spent = measured(work)
                seconds[name].append(summary.seconds | spent)
                refused[name] = sum(summary.refused.values())
            if plain:
                encoder = encoders[segmenter[0]]
                seconds[PLAIN].append(measured(lambda encoder=encoder: plain_loop(files, encoder, threads))[1])
    print(f"{len(files)} photos, {threads} threads, {os.cpu_count()} processors, medians of {rounds} rounds")
    print(f"| cut out by | photos a second | refused | {' | '.join(STAGES)} |")
    print(f"| --- | ---: | ---: |{' ---: |' * len(STAGES)}")
    for name, found in seconds.items():
        medians = {s: statistics.median(f.get(s, 0.0) for f in found) for s in STAGES.values()}
        shown = " | ".join(f"{medians[s]:.2f}" for s in STAGES.values())
        print(f"| {name} | {len(files) / medians['total']:.1f} | {refused[name]} | {shown} |")


def measured(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What some work returns, with the seconds it took, its share of the processors' time, and the peak of memory."""
    import resource

    before, start = os.times(), time.perf_counter()
    result = work()
    total, after = time.perf_counter() - start, os.times()
    processor = sum(after[:4]) - sum(before[:4])  # children that have ended included
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    return result, {"total": total, "of CPU": processor / total / (os.cpu_count() or 1), "peak MB": peak}


def plain_loop(files: list[Path], encoder: Any, workers: int) -> None:
    """What one would write first: decode, resize, embed."""
    import numpy as np
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    class Photos(Dataset[torch.Tensor]):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, index: int) -> torch.Tensor:
            with Image.open(files[index]) as picture:
                small = picture.convert("RGB").resize((encoder.image_size,) * 2, Image.Resampling.BILINEAR)
            return torch.from_numpy(np.array(small)).permute(2, 0, 1)

    for batch in DataLoader(Photos(), batch_size=64, num_workers=workers):
        encoder.encode(batch)


if __name__ == "__main__":
    run(app)
