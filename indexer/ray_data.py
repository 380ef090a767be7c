"""The stages of ``index-catalog`` on Ray Data: as many processes of each as the cluster has room for.

Parts of the catalogue stream through ``Prepare``, ``Embed`` and ``Upsert`` (``indexer.stages``); what comes out is
counted here, as ``indexer.pipeline`` does it in one process. A process that dies is started again, and what it had is
done again; a part that comes out twice counts once, and a run that has not had each of them fails.
"""

from __future__ import annotations

import logging
import math
import os
import queue
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from amgan.errors import UserError
from indexer.catalogue import Catalogue
from indexer.cluster import first_line
from indexer.opening import open_photo
from indexer.parts import Networks, Part, Plan, Reader
from indexer.pipeline import Encoder, Fill, Hooks, Tally
from indexer.prepare import Settings
from indexer.stages import Embed, Prepare, Upsert
from retrieval.stores.base import VectorStore

_BLOCKS = 100_000  # Ray keeps books on each; beyond so many parts, several go in one
_TO_EMBED = 0.25  # of the processors, where they embed; see docs/SCALE.md
_TURN = 0.2  # seconds


def on_ray(ray: ModuleType, store: str, networks: Networks, device: str, workers: int | None) -> Fill:
    """What fills a collection of a server with the cluster that ``ray`` is connected to.

    Args:
        ray: as ``indexer.cluster.joined`` gives it.
        store: the server's URL.
        networks: what the encoder was made from, which each machine makes again.
        device: ``cpu``; ``cuda``, graphics cards of the cluster; ``auto``, those where there are any.
        workers: processes that decode and cut out; None means what the processors allow.

    Raises:
        UserError: the device is none, or the cluster has none such.
    """
    pools = _Pools.of(ray.cluster_resources(), device, workers)

    def fill(
        catalogue: Catalogue,
        target: VectorStore,
        encoder: Encoder,
        settings: Settings,
        batch: int,
        threads: int,
        hooks: Hooks,
    ) -> Tally:
        plan = _plan(catalogue, store, target.name, encoder, settings, batch, networks, pools.device)
        parts = max(1, math.ceil(catalogue.count() / batch))
        reader = ray.remote(Reader).options(num_cpus=0, max_restarts=-1, max_task_retries=-1).remote(plan, parts)
        tally, had = Tally(), set[int]()
        for part in _streamed(lambda: _rows(ray, plan, reader, parts, pools), hooks):
            if part.problem is not None:
                raise UserError(part.problem)
            if part.number not in had:
                had.add(part.number)
                _count(part, tally, hooks)
        if hooks.stop():
            tally.interrupted = True
        elif len(had) < parts:
            raise UserError(f"The Ray cluster lost {parts - len(had)} of {parts} parts; run the same command again.")
        else:
            catalogue.noticed = ray.get(reader.noticed.remote())
        with tally.timed("storing"):
            target.flush()
        return tally

    return fill


class _Pools:
    """How many processes there are of each stage, and what each takes of the cluster."""

    def __init__(self, prepare: int, embed: int, device: str, processors: float) -> None:
        self.device = device
        on_card = device == "cuda"
        # All actors together fit: one that waits for room that others hold would wait for ever.
        share = min(1.0, math.floor(100 * processors / (prepare + (0 if on_card else embed))) / 100)
        self.prepare = {"num_cpus": share, "size": prepare}
        self.embed = {"num_gpus": 1, "num_cpus": 0, "size": embed} if on_card else {"num_cpus": share, "size": embed}
        self.upsert = {"num_cpus": 0, "size": max(1, prepare // 16)}

    @classmethod
    def of(cls, resources: dict[str, float], device: str, workers: int | None) -> _Pools:
        """Raises UserError on a device that is none, or that the cluster has not."""
        processors, cards = resources.get("CPU", 1.0), resources.get("GPU", 0.0)
        if device not in ("cpu", "cuda", "auto"):
            raise UserError(f"Device {device!r} is none of a cluster; valid: cpu, cuda, auto.")
        if device == "cuda" and not cards:
            raise UserError("The Ray cluster has no graphics card; valid: --device cpu.")
        if device != "cpu" and cards:
            return cls(workers or max(1, int(processors)), int(cards), "cuda", processors)
        embed = max(1, round(_TO_EMBED * processors))
        return cls(workers or max(1, int(processors) - embed), embed, "cpu", processors)


def _plan(
    catalogue: Catalogue,
    store: str,
    physical: str,
    encoder: Encoder,
    settings: Settings,
    batch: int,
    networks: Networks,
    device: str,
) -> Plan:
    file = catalogue.a_file()
    return Plan(
        here=Path.cwd(),
        folder=catalogue.source,
        attributes=catalogue.attributes,
        schema=catalogue.schema,
        a_file=(file.absolute(), file.stat().st_size) if file else None,
        store=store,
        physical=physical,
        environment={name: value for name, value in os.environ.items() if name.startswith("QDRANT_")},
        networks=networks,
        device=device,
        identity=encoder.identity,
        settings=replace(settings, segmenter=None, opener=open_photo),
        batch=batch,
    )


def _rows(ray: ModuleType, plan: Plan, reader: Any, parts: int, pools: _Pools) -> Iterator[dict[str, Any]]:
    """Each part as it comes out of the last stage."""
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)

    def stage(room: dict[str, Any], *arguments: Any) -> dict[str, Any]:
        room = dict(room)
        pool = ray.data.ActorPoolStrategy(size=room.pop("size"))
        return {"fn_constructor_args": (plan, begin, *arguments), "compute": pool, **room}

    def begin(stage: str, number: int) -> Any:
        return ray.get(reader.begin.remote(stage, number))

    def ask(number: int) -> Any:
        return ray.get(reader.part.remote(number))

    rows: Any = ray.data.from_items([{"number": n} for n in range(parts)], override_num_blocks=min(parts, _BLOCKS))
    rows = rows.map(Prepare, **stage(pools.prepare, ask))
    rows = rows.map(Embed, **stage(pools.embed)).map(Upsert, **stage(pools.upsert))
    yield from rows.iter_rows()


def _streamed(rows: Any, hooks: Hooks) -> Iterator[Part]:
    """The parts, until there is none left or the run is told to stop, which a cluster that hangs does not hinder."""
    waiting: queue.SimpleQueue[Part | BaseException | None] = queue.SimpleQueue()
    over = threading.Event()

    def work() -> None:
        try:
            for row in rows():
                waiting.put(row["part"])
                if over.is_set():
                    break
            waiting.put(None)
        except BaseException as error:  # handed to the thread that waits
            waiting.put(error)

    threading.Thread(target=work, name="ray", daemon=True).start()
    try:
        while not hooks.stop():
            try:
                part = waiting.get(timeout=_TURN)
            except queue.Empty:
                continue
            if part is None:
                return
            if isinstance(part, BaseException):
                raise UserError(f"The Ray cluster gave the run up: {first_line(part)} Run the same command again.")
            yield part
    finally:
        over.set()


def _count(part: Part, tally: Tally, hooks: Hooks) -> None:
    for refusal in part.refusals:
        tally.refused[refusal.reason] += 1
        hooks.refused(refusal)
    tally.unread |= part.unread
    tally.indexed += len(part.indexed)
    tally.updated += len(part.changes)
    tally.unchanged += len(part.unchanged)
    tally.keep.update(part.indexed, part.changes, part.unchanged)
    for stage, seconds in part.seconds.items():
        tally.seconds[stage] += seconds
    hooks.progress(tally)
