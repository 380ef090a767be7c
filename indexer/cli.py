"""``index-catalog``: fill an index with a catalogue's garments, and keep it up to date."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from amgan.commandline import HELP, SEGMENTER, Json, Version, print_json, run
from amgan.errors import UserError
from amgan.files import writable_file, writable_folder
from indexer import maintenance

if TYPE_CHECKING:
    from indexer.build import Summary
    from indexer.parts import Networks
    from indexer.pipeline import Fill, Tally

EPILOG = """
Examples:

index-catalog photos/ --store out/index --collection shop

index-catalog photos/ --store http://localhost:6333 --collection shop --embedder ViT-B-32

index-catalog /mnt/photos --store http://qdrant:6333 --collection shop --ray 10.0.0.5:6379

FOLDER holds photos at any depth, or metadata.csv (.jsonl, .parquet) with file_name, and where there are any
mask_file_name and one column per attribute. In its place may stand such a file of any name, or WebDataset shards (.tar,
not compressed), one or a folder of them: 17.jpg, 17.json with the columns, 17.mask.png. A file_name (or image_link,
image_url, image, photo, as product feeds call it) may be a web address: the photo is fetched, at most 32 MB in 30 s
and not from inside the own network, and kept in FOLDER/.fetched, so that the same command goes on where it stopped;
after a day the server is asked whether it changed.

Run the same command again to go on after an interruption, or to bring the index up to date: only photos whose bytes or
mask changed are embedded again, changed labels and other columns are told to the index, and what left the catalogue
leaves it. What only cannot be read now stays as it was: no permission, a failing or full disk, a link that leads
nowhere, a server that does not answer, a decoder that took too long or died. With other weights a new index is filled
beside the old one, which serves until the new one is whole and verified: its garments are counted, and searches of it
held to exact ones. The old one is kept: index-catalog rollback goes back to it, index-catalog status and index-catalog
verify look at what serves (each with its own --help).

--ray spreads the work over the machines of a Ray cluster, which all see FOLDER at the same path and reach the server;
a process or a machine that dies is replaced, and its photos are done again (docs/SCALE.md).

Columns that are no attributes travel with the index and come back with the hits. Name (or title), brand, price,
currency and url (or link) are known by such usual names.

Exit status: 0 done, even if some photos were refused; 1 some were refused and --strict was given; 2 wrong usage,
nothing usable, or the store failed; 130 interrupted.
"""

_LINE_SECONDS = 30

app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)


@app.command(epilog=EPILOG, context_settings=HELP)
def index_catalog(
    folder: Annotated[Path, typer.Argument(help="The catalogue: photos, or metadata and photos.", show_default=False)],
    store: Annotated[
        str,
        typer.Option(
            help="The index: a folder, or a Qdrant server's URL (its key: QDRANT_API_KEY).", envvar="AMGAN_STORE"
        ),
    ],
    collection: Annotated[str, typer.Option(help="The name to search it by.", envvar="AMGAN_COLLECTION")],
    weights: Annotated[str, typer.Option(help="Shipped name, weights folder or hf-hub:org/name.")] = "photos",
    embedder: Annotated[
        str | None,
        typer.Option(help="Embed with this instead of the weights' own embedder (or teacher), for example ViT-B-32."),
    ] = None,
    twins: Annotated[
        bool,
        typer.Option(
            "--twins",
            help="Store of each garment, too, how the editor draws it as it is; see docs/QUERY.md.",
        ),
    ] = False,
    segmenter: Annotated[str | None, typer.Option(help=SEGMENTER)] = None,
    attributes: Annotated[
        Path | None,
        typer.Option(help="JSON of the label columns and their values; default: attributes.json in FOLDER."),
    ] = None,
    batch: Annotated[int, typer.Option(help="Photos embedded at once.", min=1, max=1024)] = 64,
    threads: Annotated[
        int | None,
        typer.Option(
            help="Processes that decode photos, and as many threads that cut them out; default: one per core. With "
            "--ray: processes of the cluster that do both.",
            min=1,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="Where the networks run: cpu, cuda, auto.")] = "cpu",
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Do the work on a Ray cluster: host:6379, auto (this machine's), or local (one started here).",
        ),
    ] = None,
    keep_uncertain: Annotated[
        bool, typer.Option("--keep-uncertain", help="Index photos too whose cut-out looks wrong.")
    ] = False,
    allow_private: Annotated[
        bool,
        typer.Option("--allow-private", help="Fetch photos from inside the own network too."),
    ] = False,
    failures: Annotated[
        Path | None,
        typer.Option(
            help="List of the refused, as JSON lines, written as they come, and at the end beside it the same as "
            "Parquet (CSV without pyarrow); default: COLLECTION.failures.jsonl, in the store's folder, or, where the "
            "store is no folder, in the current one."
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with status 1 when any photo was refused.")] = False,
    json_: Json = False,
    version: Version = False,
) -> None:
    """Index a catalogue of garments, so that search-catalog and the page find them."""
    from indexer.catalogue import require_catalogue

    require_catalogue(folder)
    if ray is not None and "://" not in store:
        raise UserError(
            f"Many machines cannot write in {store}: with --ray the store is a Qdrant server by its URL, "
            "http://localhost:6333. Name one, or leave --ray out."
        )
    listed = failures or _failures_path(store, collection)
    if not _is_service(store):
        writable_folder(Path(store).expanduser(), "--store")
    writable_file(listed, "--failures" if failures else "--store")
    # Networks take seconds to import; --help and typing errors need not wait.
    from amgan.devices import pick_device
    from indexer.build import index
    from indexer.catalogue import Catalogue
    from indexer.decoders import Decoders
    from indexer.fetching import Fetcher
    from indexer.interrupt import stop_on_signal
    from indexer.parts import Networks
    from indexer.pipeline import Hooks
    from indexer.prepare import Settings
    from indexer.refusals import RefusalsFile
    from retrieval.representation import Representation
    from retrieval.stores import connect
    from retrieval.stores.base import check_name
    from retrieval.stores.stopping import stop_when

    console = Console(stderr=True)
    check_name(collection)
    location, networks = connect(store), Networks(weights, embedder, segmenter, twins)
    with _filling(ray, store, networks, device, threads) as fill:
        here = "cpu" if ray else str(pick_device(device))
        with console.status("Loading the networks …"):
            encoder = Representation(weights, embedder, here, segmenter=segmenter, twins=twins)
        catalogue = Catalogue(folder, encoder.schema, attributes)
        with stop_on_signal() as stop, stop_when(stop.is_set), _progress(console) as progress:
            total = catalogue.count()
            task = progress.add_task("Indexing", total=total)
            with RefusalsFile(listed) as refusals:
                said = _Lines(total)

                def tell(tally: Tally) -> None:
                    progress.update(task, completed=tally.done)
                    if not console.is_terminal:
                        said.tell(tally.done)

                hooks = Hooks(refusals.add, tell, stop.is_set)
                count = threads or os.cpu_count() or 1
                with Decoders(count) as decoders:
                    settings = Settings(
                        encoder.image_size, keep_uncertain, segmenter=encoder.segmenter, opener=decoders
                    )
                    settings = replace(settings, fetcher=Fetcher(private=allow_private))
                    summary = index(catalogue, location, collection, encoder, settings, batch, count, hooks, fill)
    location.close()
    for sentence in summary.warnings:
        print(sentence, file=sys.stderr)
    if json_:
        where = {"store": store, "failures": str(listed), "identity": encoder.identity.to_dict()}
        print_json(summary.to_dict() | where)
    else:
        _print(summary, store, listed, "processes of the cluster" if ray else "threads")
    if summary.interrupted:
        raise typer.Exit(130)
    if strict and summary.refused:
        raise typer.Exit(1)


@contextmanager
def _filling(ray: str | None, store: str, networks: Networks, device: str, threads: int | None) -> Iterator[Fill]:
    """What does the work: this process, or a cluster, which is joined while the block runs."""
    if ray is None:
        from indexer.pipeline import fill

        yield fill
        return
    from indexer.cluster import joined

    with joined(ray) as module:
        from indexer.ray_data import on_ray

        yield on_ray(module, store, networks, device, threads)


def _failures_path(store: str, collection: str) -> Path:
    folder = Path.cwd() if _is_service(store) else Path(store).expanduser()
    return folder / f"{collection}.failures.jsonl"


def _is_service(store: str) -> bool:
    """Whether the store is no folder."""
    return "://" in store or store == ":memory:"


class _Rate(ProgressColumn):
    """Photos per second, over the whole run."""

    def render(self, task: Task) -> Text:
        elapsed = task.elapsed or 0
        return Text(f"{task.completed / elapsed:.1f}/s" if elapsed > 0 else "", style="cyan")


class _Lines:
    """Progress for a log: a line on standard error every half minute."""

    def __init__(self, total: int) -> None:
        self._total, self._start = total, time.monotonic()
        self._next = self._start + _LINE_SECONDS

    def tell(self, done: int) -> None:
        now = time.monotonic()
        if now < self._next or not done:
            return
        self._next = now + _LINE_SECONDS
        rate = done / (now - self._start)
        left = timedelta(seconds=round((self._total - done) / rate))
        print(f"{done} of {self._total}, {rate:.1f} a second, {left} left", file=sys.stderr, flush=True)


def _progress(console: Console) -> Progress:
    text = TextColumn("{task.description}")
    return Progress(text, BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn(), console=console)


def _print(summary: Summary, store: str, listed: Path, workers: str) -> None:
    refused = sum(summary.refused.values())
    told = f" {summary.updated} updated," if summary.updated else ""
    total = summary.seconds["total"]
    print(
        f"{summary.indexed} indexed,{told} {summary.unchanged} unchanged, {summary.removed} removed, {refused} refused "
        f"of {summary.total} in {total:.1f} s ({summary.total / max(total, 1e-9):.1f} a second)"
    )
    for reason, count in summary.refused.items():
        print(f"  {count:6} refused: {reason}")
    if summary.verified and not summary.interrupted:
        print(
            f"Verified: {summary.verified.points} garments, recall {summary.verified.recall:.3f} "
            f"of {summary.verified.canaries} exact searches"
        )
    if summary.kept:
        print(f"  {summary.kept:6} kept: not readable now, in the index as they were")
    print(f"Each with a sentence in {listed}" if refused else f"The list of failures, {listed}, is empty")
    for label, count in summary.unknown_labels.items():
        print(f"  {count:6} labels left out, unknown to the weights: {label}")
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in summary.seconds.items() if stage != "total")
    summed = "the work is" if workers != "threads" else "reading and cutting out are"
    print(f"Time: {stages} ({summed} summed over {workers})")
    if summary.interrupted:
        print("Interrupted. What was indexed is kept; run the same command again to go on.", file=sys.stderr)
    else:
        print(f"Search it: search-catalog PHOTO --set sleeve=long --store {store} --collection {summary.collection}")


def main() -> None:
    """The console script. A folder that is named like a command is a folder still."""
    if len(sys.argv) > 1 and sys.argv[1] in maintenance.COMMANDS and not Path(sys.argv[1]).is_dir():
        run(maintenance.app)
    run(app)


if __name__ == "__main__":
    main()
