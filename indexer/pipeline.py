"""From catalogue entries to points in a store: photos are opened (in processes of their own, ``indexer.decoders``) and
cut out in threads while the networks embed earlier ones.

At most a few batches are in memory at any time, whatever the size of the catalogue; only the ids seen are kept to the
end, so that what left the catalogue can leave the index.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import numpy as np
import torch

from amgan.schema import AttributeSchema
from indexer.catalogue import Catalogue, Item
from indexer.prepare import COMPARED, Outcome, Prepared, Settings, Unchanged, not_readable_now, prepare_several, said_of
from indexer.refusals import Refusal
from indexer.timing import Timed
from retrieval.identity import IndexIdentity
from retrieval.stores.base import Payload, Point, VectorStore

_FLUSH_SECONDS = 2.0  # at most this much work is done again after a power cut
_AHEAD = 3  # batches of photos read before their turn
_TOGETHER = 8  # photos that a thread reads and cuts out at once


_Reading = Future[tuple[list[Outcome], dict[str, float]]]  # of a few photos


class Encoder(Protocol):
    """What is asked of ``retrieval.representation.Representation``; see there."""

    schema: AttributeSchema
    image_size: int
    identity: IndexIdentity

    def encode(self, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]: ...

    def describe(self, probabilities: np.ndarray) -> tuple[dict[str, str], dict[str, float]]: ...


@dataclass
class Tally(Timed):
    """What a run did.

    Attributes:
        updated: whose photo and mask are unchanged, but not what the catalogue says of them; told, not embedded again.
        seconds: by stage: reading and cutting out (summed over threads), waiting (for them), embedding, storing.
        keep: ids of the items that the index holds as the catalogue has them.
        unread: ids of the items that could not be read this time, whether the index holds them or not.
    """

    indexed: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    keep: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)
    interrupted: bool = False

    @property
    def done(self) -> int:
        return self.indexed + self.updated + self.unchanged + self.refused.total()


@dataclass(frozen=True)
class Hooks:
    """What the caller wants to hear of: each refusal, each step of progress; and when to stop."""

    refused: Callable[[Refusal], None] = lambda refusal: None
    progress: Callable[[Tally], None] = lambda tally: None
    stop: Callable[[], bool] = lambda: False


SILENT = Hooks()

Fill = Callable[[Catalogue, VectorStore, Encoder, Settings, int, int, Hooks], Tally]
"""What brings a store up to date: ``fill``, or the same on many machines."""


def fill(
    entries: Iterable[Item | Refusal],
    store: VectorStore,
    encoder: Encoder,
    settings: Settings,
    batch: int = 64,
    threads: int = 4,
    hooks: Hooks = SILENT,
) -> Tally:
    """Bring the store up to date with the entries, except for what left the catalogue.

    Returns early, with ``interrupted`` set, when told to stop; what was stored by then is flushed.

    Raises:
        UserError: the catalogue's metadata, the embedder or the store failed.
    """
    tally, last_flush = Tally(), time.monotonic()
    ready: list[Prepared] = []
    changes: dict[str, Payload] = {}
    pool = ThreadPoolExecutor(threads, thread_name_prefix="photo")
    try:
        for outcome in _outcomes(entries, store, settings, pool, batch, tally):
            if hooks.stop():
                tally.interrupted = True
                break
            if isinstance(outcome, Refusal):
                tally.refused[outcome.reason] += 1
                hooks.refused(outcome)
            elif isinstance(outcome, Unchanged):
                if outcome.changes:
                    changes[outcome.item.id] = outcome.changes
                    tally.updated += 1
                else:
                    tally.unchanged += 1
                tally.keep.add(outcome.item.id)
                if len(changes) == batch:
                    _tell(changes, store, tally)
            else:
                ready.append(outcome)
                if len(ready) == batch:
                    _store(ready, store, encoder, tally)
                    ready = []
                    if time.monotonic() - last_flush > _FLUSH_SECONDS:
                        with tally.timed("storing"):
                            store.flush()
                        last_flush = time.monotonic()
            hooks.progress(tally)
        _tell(changes, store, tally)
        if ready and not tally.interrupted:
            _store(ready, store, encoder, tally)
            hooks.progress(tally)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    with tally.timed("storing"):
        store.flush()
    return tally


def _outcomes(
    entries: Iterable[Item | Refusal],
    store: VectorStore,
    settings: Settings,
    pool: ThreadPoolExecutor,
    batch: int,
    tally: Tally,
) -> Iterator[Outcome]:
    """Each entry's outcome in the catalogue's order, with the next batches already being read."""
    entries = iter(entries)
    waiting: deque[Refusal | tuple[Item, _Reading, int]] = deque()
    while True:
        while len(waiting) < _AHEAD * batch and (chunk := list(islice(entries, batch))):
            with tally.timed("storing"):
                known = store.retrieve([e.id for e in chunk if isinstance(e, Item)], COMPARED)
            waiting.extend(_begun(chunk, known, settings, pool))
        if not waiting:
            return
        head = waiting.popleft()
        if isinstance(head, Refusal):
            yield head
            continue
        item, reading, place = head
        with tally.timed("waiting"):
            outcomes, seconds = reading.result()
        if place == 0:
            for stage, taken in seconds.items():
                tally.seconds[stage] += taken
        outcome = outcomes[place]
        if isinstance(outcome, Refusal) and not_readable_now(item, outcome):
            tally.unread.add(item.id)
        yield outcome


def _begun(
    chunk: Sequence[Item | Refusal], known: Mapping[str, Payload], settings: Settings, pool: ThreadPoolExecutor
) -> Iterator[Refusal | tuple[Item, _Reading, int]]:
    """Of each entry its refusal, or what will hold its outcome, and where in that."""
    items = [e for e in chunk if isinstance(e, Item)]
    places: list[tuple[Item, _Reading, int]] = []
    for start in range(0, len(items), _TOGETHER):
        part = items[start : start + _TOGETHER]
        reading = pool.submit(prepare_several, [(item, known.get(item.id)) for item in part], settings)
        places += [(item, reading, i) for i, item in enumerate(part)]
    begun = iter(places)
    for entry in chunk:
        yield entry if isinstance(entry, Refusal) else next(begun)


def _tell(changes: dict[str, Payload], store: VectorStore, tally: Tally) -> None:
    """Write the changed payloads, and forget them."""
    if changes:
        with tally.timed("storing"):
            store.set_payload(changes)
        changes.clear()


def _store(ready: list[Prepared], store: VectorStore, encoder: Encoder, tally: Tally) -> None:
    with tally.timed("embedding"):
        points = points_of(ready, encoder)
    with tally.timed("storing"):
        store.upsert(points)
    tally.indexed += len(ready)
    tally.keep.update(p.item.id for p in ready)


def points_of(ready: Sequence[Prepared], encoder: Encoder) -> list[Point]:
    """Embed together what is ready, one garment at least."""
    pictures = np.stack([p.cutout.image for p in ready])  # (B, H, W, 3)
    vectors, probabilities = encoder.encode(torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous())
    return [
        Point(p.item.id, vector, payload_of(p, *encoder.describe(row)))
        for p, vector, row in zip(ready, vectors, probabilities, strict=True)
    ]


def payload_of(prepared: Prepared, predicted: dict[str, str], confidence: dict[str, float]) -> Payload:
    """What an index knows of a garment beside its vector."""
    item, cutout = prepared.item, prepared.cutout
    return {
        "item_id": item.item_id,
        "file_name": item.file_name,
        "sha256": prepared.sha256,
        "mask_sha256": prepared.mask_sha256,
        "predicted": predicted,
        "confidence": confidence,
        **said_of(item),
        "cutout": {
            "method": cutout.method,
            "confidence": round(float(cutout.confidence), 4),
            "trusted": cutout.trusted,
            "problems": list(cutout.problems),
        },
    }
