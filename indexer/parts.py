"""What travels between the machines of a cluster: what to do, and the catalogue in parts of a few entries."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from amgan.errors import UserError
from amgan.schema import AttributeSchema
from indexer.catalogue import Catalogue, Item, Noticed
from indexer.prepare import Prepared, Settings
from indexer.refusals import Refusal
from indexer.timing import Timed
from retrieval.identity import IndexIdentity
from retrieval.stores.base import Payload, Point

_KEPT = 50_000  # entries that the reader can hand out again without reading the catalogue from its beginning
_TRIES = 5  # of a stage at a part, whose process may have been killed for reasons of its own
_COUNTED = 10_000


@dataclass(frozen=True)
class Networks:
    """What ``Representation`` takes, as it was named."""

    weights: str = "photos"
    embedder: str | None = None
    segmenter: str | None = None
    twins: bool = False


@dataclass(frozen=True)
class Plan:
    """What every machine is told.

    Attributes:
        here: the folder in which the command was started; relative names mean what they mean there.
        folder, attributes, schema: of the catalogue, as ``Catalogue`` takes them.
        a_file: a file of the catalogue, and its size in bytes.
        store, physical: the server's URL, and the collection to write in.
        environment: what is set of the server, QDRANT_API_KEY and others.
        device: where ``Embed`` runs its networks.
        identity: which networks they must be.
        settings: without segmenter and opener, which each process has its own of.
        batch: entries of a part.
    """

    here: Path
    folder: Path
    attributes: Path | None
    schema: AttributeSchema
    a_file: tuple[Path, int] | None
    store: str
    physical: str
    environment: dict[str, str]
    networks: Networks
    device: str
    identity: IndexIdentity
    settings: Settings
    batch: int


@dataclass
class Part(Timed):
    """A few entries on their way.

    Attributes:
        unread: ids of what could not be read this time.
        unchanged: ids of what the index holds as it is; ``changes`` what is said otherwise of others, by id.
        ready, points: garments to embed, and to write; empty once that is done.
        indexed: ids of what was written.
        problem: a sentence for a person; the rest is then void.
    """

    number: int
    refusals: list[Refusal] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    unchanged: list[str] = field(default_factory=list)
    changes: dict[str, Payload] = field(default_factory=dict)
    ready: list[Prepared] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    indexed: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    problem: str | None = None


class Reader:
    """The catalogue in parts 0 to ``parts`` - 1. They may be asked for in any order and again, as a part that was lost
    with a machine is; the last one holds all that is left."""

    def __init__(self, plan: Plan, parts: int) -> None:
        settle(plan)
        self._plan, self._parts = plan, parts
        self._tries: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._start()

    def _start(self) -> None:
        self._catalogue = Catalogue(self._plan.folder, self._plan.schema, self._plan.attributes)
        self._entries, self._next = iter(self._catalogue), 0
        self._kept: OrderedDict[int, list[Item | Refusal]] = OrderedDict()

    def part(self, number: int) -> list[Item | Refusal] | str:
        """Its entries, or a sentence that says why the catalogue cannot be read."""
        try:
            if number < self._next and number not in self._kept:
                self._start()
            while self._next <= number:
                size = None if self._next == self._parts - 1 else self._plan.batch
                self._kept[self._next] = list(islice(self._entries, size))
                self._next += 1
                if len(self._kept) > max(2, _KEPT // self._plan.batch):
                    self._kept.popitem(last=False)
        except UserError as error:
            return str(error)
        return self._kept[number]

    def begin(self, stage: str, number: int) -> str | None:
        """Counts; a part that kills whoever takes it up must not go round for ever."""
        key = stage, number
        self._tries[key] = self._tries.get(key, 0) + 1
        if len(self._tries) > _COUNTED:
            self._tries.popitem(last=False)
        if self._tries[key] <= _TRIES:
            return None
        return (
            f"The process that was to {stage} entries {number * self._plan.batch} to "
            f"{(number + 1) * self._plan.batch - 1} of the catalogue ended {_TRIES} times. If its memory was too "
            "small, a smaller --batch takes less."
        )

    def noticed(self) -> Noticed:
        """Of all rows."""
        self.part(self._parts - 1)
        return self._catalogue.noticed


def settle(plan: Plan) -> None:
    """Make this process see what the one sees that started the run."""
    os.environ.update(plan.environment)
    if plan.here.is_dir():
        os.chdir(plan.here)
