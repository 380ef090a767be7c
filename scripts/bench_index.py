"""How fast a catalogue without masks is indexed, by what cuts its photos out.

python scripts/bench_index.py garments --segmenter classical --segmenter learned --photos 200
python scripts/bench_index.py drawn --segmenter learned --embedder ViT-B-32:vit.safetensors --plain --bare \\
    --clip-retrieval site

The same photos are indexed into memory by each segmenter in turn, several rounds; medians over the rounds. Reading and
cutting out are summed over threads, the rest is by the clock. "of CPU" is the share of what the processors allow: the
stages' processor time, of decoders and all threads, spread over the processors without a gap, by the time that the run
took. Other work on the machine lowers it. With --copies each photo is there so many times, to see that memory does not
grow: "peak MB" is this process's and the largest decoder's, "own MB" the most that this process and its decoders have
for themselves, without files that the system shares, in each half of a run. With --to a folder's store is filled in
place of memory, which holds the index itself.

Others take their turns where asked for. --plain: a loop without any of this, Pillow, a DataLoader of as many processes,
and the same networks; it cuts nothing out and stores nothing. --bare: the networks alone, on garments that were cut out
before; with an embedder of its own also that one alone, without the network that predicts attributes. --clip-retrieval:
the inference of clip-retrieval (pip install --no-deps --target site clip-retrieval all_clip braceexpand fire termcolor
webdataset), loaded before, with the weights of --embedder ARCHITECTURE:FILE.
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Self
from unittest.mock import MagicMock

import typer

from amgan.commandline import run
from amgan.errors import UserError
from scripts.benching import children, own_memory

if TYPE_CHECKING:
    import torch

    from retrieval.representation import Representation
    from retrieval.stores.base import StoreLocation

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
STAGES = {  # what is measured, by how it is shown
    **{f"{s} s": s for s in ("reading", "cutting out", "waiting", "embedding", "storing", "total")},
    "of CPU": "of CPU",
    "peak MB": "peak MB",
    "own MB, first half": "first half",
    "second half": "second half",
}
BATCH = 64
LOOK = 0.25  # seconds from one look at memory to the next

Work = Callable[[], dict[str, float]]  # one round: seconds and the like, by the names of STAGES, and "refused"


@app.command(help=__doc__)
def bench(
    folder: Annotated[Path, typer.Argument(help="Photos with metadata.csv.")],
    segmenter: Annotated[list[str], typer.Option(help="Repeat for several.")],
    weights: Annotated[str, typer.Option(help="Whose networks, and whose learned segmenter.")] = "photos",
    embedder: Annotated[str | None, typer.Option(help="In place of the weights' own.")] = None,
    split: Annotated[str, typer.Option(help="The split.")] = "train",
    photos: Annotated[int, typer.Option(help="How many.", min=1)] = 200,
    rounds: Annotated[int, typer.Option(help="Rounds.", min=1)] = 3,
    threads: Annotated[int, typer.Option(help="That cut out, and processes that decode.", min=1)] = 2,
    copies: Annotated[int, typer.Option(help="Of each photo.", min=1)] = 1,
    to: Annotated[Path | None, typer.Option(help="An empty folder, for stores; else they are in memory.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Also measure a plain loop.")] = False,
    bare: Annotated[bool, typer.Option("--bare", help="Also measure the networks alone.")] = False,
    clip_retrieval: Annotated[Path | None, typer.Option(help="Where it is installed; measured too.")] = None,
) -> None:
    # Imported here, because torch takes seconds, which --help need not wait for.
    from amgan.data.metadata import find_metadata, metadata_rows
    from retrieval.representation import Representation
    from retrieval.stores import connect
    from retrieval.stores.memory import MemoryLocation

    metadata = find_metadata(folder)
    if metadata is None:
        raise UserError(f"{folder} holds no metadata.csv.")
    names = [row.cells["file_name"] for row in metadata_rows(metadata) if row.cells.get("split") == split][:photos]
    if not names:
        raise UserError(f"{folder} has no photos of the split {split}; --split names another.")
    encoders = {name: Representation(weights, embedder, segmenter=name) for name in segmenter}
    first = encoders[segmenter[0]]
    with tempfile.TemporaryDirectory() as scratch:
        shop = Path(scratch) / "photos"
        shop.mkdir()
        for i, name in enumerate(names * copies):
            (shop / f"{i:06d}{Path(name).suffix}").symlink_to((folder / name).resolve())
        files = sorted(shop.iterdir())
        stores = MemoryLocation if to is None else numbered(to, connect)
        ways: dict[str, Work] = {n: partial(indexed, shop, e, threads, stores) for n, e in encoders.items()}
        if plain:
            ways["plain Pillow and DataLoader"] = partial(measured, partial(plain_loop, files, first, threads))
        if bare:
            garments = cut_out_before(files, first)
            ways["networks alone"] = partial(measured, partial(in_batches, garments, first.encode))
            if first.embedder is not first.predictor:
                ways["embedder alone"] = partial(measured, partial(in_batches, garments, first.embedder.embed))
        if clip_retrieval is not None:
            run_once = clip_retrieval_loop(clip_retrieval, shop, Path(scratch) / "out", str(embedder), threads)
            ways["clip-retrieval"] = partial(measured, run_once)
        spent: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, work in ways.items():
                spent[name].append(work())
    print(f"{len(files)} photos, {threads} threads, {os.cpu_count()} processors, medians of {rounds} rounds")
    print(f"| way | photos a second | refused | {' | '.join(STAGES)} |")
    print(f"| --- | ---: | ---: |{' ---: |' * len(STAGES)}")
    for name, found in spent.items():
        medians = {s: statistics.median(f.get(s, 0.0) for f in found) for s in (*STAGES.values(), "refused")}
        shown = " | ".join(f"{medians[s]:.2f}" for s in STAGES.values())
        print(f"| {name} | {len(files) / medians['total']:.1f} | {medians['refused']:.0f} | {shown} |")


def numbered(to: Path, connect: Callable[[str], StoreLocation]) -> Callable[[], StoreLocation]:
    """Stores in a folder, each in one of its own. Raises UserError where it is not empty."""
    if to.exists() and any(to.iterdir()):
        raise UserError(f"{to} is not empty; name another folder.")
    numbers = itertools.count()
    return lambda: connect(str(to / str(next(numbers))))


class Looks:
    """Megabytes that this process and its children have for themselves, while a block runs: the most in each half of
    its time; 0 where the system does not say."""

    def __init__(self) -> None:
        self._seen: list[float] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def halves(self) -> dict[str, float]:
        middle = len(self._seen) // 2
        return {
            "first half": max(self._seen[:middle], default=0.0),
            "second half": max(self._seen[middle:], default=0.0),
        }

    def _look(self) -> None:
        while not self._ended.wait(LOOK):
            self._seen.append(sum(own_memory(pid) for pid in (os.getpid(), *children(os.getpid()))) / 1e6)


def measured(work: Callable[[], dict[str, float] | None]) -> dict[str, float]:
    """What work says of itself, with the seconds it took, its share of the processors' time, the peaks of memory."""
    import resource

    before, start = os.times(), time.perf_counter()
    with Looks() as looks:
        said = work() or {}
    total, after = time.perf_counter() - start, os.times()
    processor = sum(after[:4]) - sum(before[:4])  # children that have ended included
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    return {
        **said,
        "total": total,
        "of CPU": processor / total / (os.cpu_count() or 1),
        "peak MB": peak,
    } | looks.halves()


def indexed(shop: Path, encoder: Representation, threads: int, stores: Callable[[], StoreLocation]) -> dict[str, float]:
    """One run of the pipeline."""
    from indexer.build import index
    from indexer.catalogue import Catalogue
    from indexer.decoders import Decoders
    from indexer.prepare import Settings

    def work() -> dict[str, float]:
        with Decoders(threads) as decoders:
            settings = Settings(encoder.image_size, segmenter=encoder.segmenter, opener=decoders)
            catalogue = Catalogue(shop, encoder.schema, None)
            summary = index(catalogue, stores(), "shop", encoder, settings, threads=threads)
        return {**summary.seconds, "refused": sum(summary.refused.values())}

    return measured(work)


def plain_loop(files: list[Path], encoder: Representation, workers: int) -> None:
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

    for batch in DataLoader(Photos(), batch_size=BATCH, num_workers=workers):
        encoder.encode(batch)


def cut_out_before(files: list[Path], encoder: Representation) -> torch.Tensor:
    """The garments of the photos as networks get them, uint8 (B, 3, H, W)."""
    import numpy as np
    import torch

    from amgan.photos import cut_out, read_image

    size, segmenter = encoder.image_size, encoder.segmenter
    pictures = [cut_out(read_image(file), size=size, segmenter=segmenter).image for file in files]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def in_batches(pictures: torch.Tensor, network: Callable[[torch.Tensor], object]) -> None:
    for batch in pictures.split(BATCH):
        network(batch)


def clip_retrieval_loop(site: Path, shop: Path, out: Path, embedder: str, workers: int) -> Callable[[], None]:
    """One run of clip-retrieval's reader, network and writer over a folder. What it imports without need is left out.
    Raises UserError where it is not installed there."""
    sys.path.append(str(site))
    for unused in ("wandb", "sentence_transformers", "clip"):
        sys.modules[unused] = MagicMock()
    for package in ("clip_retrieval", "clip_retrieval.clip_inference"):  # whose own imports are its web service's
        sys.modules[package] = ModuleType(package)
        sys.modules[package].__path__ = [str(site / package.replace(".", "/"))]
    try:
        load_clip = import_module("all_clip").load_clip
        mapper, reader, runner, writer = (
            import_module(f"clip_retrieval.clip_inference.{part}") for part in ("mapper", "reader", "runner", "writer")
        )
    except ImportError as error:
        raise UserError(f"clip-retrieval cannot be used from {site}: {error}") from None
    architecture, _, file = embedder.partition(":")
    name = f"open_clip:{architecture}/{Path(file).resolve()}"
    _, preprocess, tokenizer = load_clip(name, use_jit=False, warmup_batch_size=BATCH)
    network = mapper.ClipMapper(True, False, False, False, name, False, "", warmup_batch_size=BATCH)
    run_part = runner.Runner(
        lambda sampler: reader.FilesReader(sampler, preprocess, tokenizer, shop, BATCH, workers, enable_text=False),
        lambda: network,
        lambda part: writer.NumpyWriter(part, str(out), False, True, False, 1),
        lambda part: MagicMock(),
        1,
    )
    return partial(run_part, 0)


if __name__ == "__main__":
    run(app)
