"""What the machines of a cluster do for ``index-catalog --ray``, each stage in a process of its own.

    Reader     reads the catalogue, one for all, and hands it out in parts of a few entries (``indexer.parts``)
    Prepare    asks the index what it holds of a part, opens what changed, cuts it out
    Embed      has the networks; on a graphics card where there is one
    Upsert     writes

A part goes through the last three, which keep nothing of it. So one that was with a process that died is done again, by
another, and writes the same points under the same ids. What is wrong with a part's surroundings (the index does not
answer, the machine does not see the catalogue) travels in it as a sentence, and ends the run where it is read.

Nothing in here knows of Ray, and only ``Embed`` needs the networks' libraries.
"""

from __future__ import annotations

import atexit
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from amgan.errors import UserError
from indexer.catalogue import Item
from indexer.decoders import Decoders
from indexer.parts import Part, Plan, settle
from indexer.prepare import COMPARED, Prepared, not_readable_now, prepare_several
from indexer.refusals import Refusal
from retrieval.stores import connect

if TYPE_CHECKING:
    from indexer.pipeline import Encoder

Begin = Callable[[str, int], "str | None"]
"""What a stage says before it begins on a part; the answer is a sentence where it had better not."""


class _Stage:
    """A row is ``{"part": …}``."""

    verb = ""

    def __init__(self, plan: Plan, begin: Begin) -> None:
        self.plan, self._begin, self._is_set_up = plan, begin, False

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        part = self.part_of(row)
        if part.problem is None:
            try:
                if sentence := self._begin(self.verb, part.number):
                    raise UserError(sentence)
                if not self._is_set_up:
                    settle(self.plan)
                    self.set_up()
                    self._is_set_up = True
                self.work(part)
            except UserError as error:
                part = Part(part.number, problem=str(error))
        return {"part": part}

    def part_of(self, row: dict[str, Any]) -> Part:
        return row["part"]

    def set_up(self) -> None:
        """What takes long, once. Raises UserError."""
        raise NotImplementedError

    def work(self, part: Part) -> None:
        """Raises UserError."""
        raise NotImplementedError


class Prepare(_Stage):
    """From a part's number to garments on white; rows are ``{"number": …}``. ``ask`` has a part of the reader."""

    verb = "prepare"

    def __init__(self, plan: Plan, begin: Begin, ask: Callable[[int], list[Item | Refusal] | str]) -> None:
        super().__init__(plan, begin)
        self._ask = ask

    def part_of(self, row: dict[str, Any]) -> Part:
        return Part(int(row["number"]))

    def set_up(self) -> None:
        from amgan.weights.segmenters import find_segmenter

        plan, networks = self.plan, self.plan.networks
        _require_visible(plan)
        segmenter = find_segmenter(networks.segmenter, networks.weights)
        if segmenter.identity != plan.identity.segmenter:
            raise _other_networks("segmenter")
        decoders = Decoders(1)
        atexit.register(decoders.close)
        self._settings = replace(plan.settings, segmenter=segmenter, opener=decoders)
        self._store = connect(plan.store).open(plan.physical)

    def work(self, part: Part) -> None:
        entries = self._ask(part.number)
        if isinstance(entries, str):
            raise UserError(entries)
        part.refusals += [e for e in entries if isinstance(e, Refusal)]
        items = [e for e in entries if isinstance(e, Item)]
        with part.timed("storing"):
            known = self._store.retrieve([item.id for item in items], COMPARED)
        outcomes, seconds = prepare_several([(item, known.get(item.id)) for item in items], self._settings)
        part.seconds |= seconds
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(outcome, Refusal):
                part.refusals.append(outcome)
                if not_readable_now(item, outcome):
                    part.unread.add(item.id)
            elif isinstance(outcome, Prepared):
                part.ready.append(outcome)
            elif outcome.changes:
                part.changes[item.id] = outcome.changes
            else:
                part.unchanged.append(item.id)
        if any(refusal.reason.endswith("missing") for refusal in part.refusals):
            _require_visible(self.plan)  # a disk that is gone must not empty the index


class Embed(_Stage):
    """From garments on white to points."""

    verb = "embed"

    def set_up(self) -> None:
        from retrieval.representation import Representation

        names = self.plan.networks
        encoder = Representation(
            names.weights, names.embedder, self.plan.device, segmenter=names.segmenter, twins=names.twins
        )
        if encoder.identity != self.plan.identity:
            raise _other_networks("embedder")
        self._encoder: Encoder = encoder

    def work(self, part: Part) -> None:
        from indexer.pipeline import points_of

        with part.timed("embedding"):
            part.points = points_of(part.ready, self._encoder) if part.ready else []
        part.ready = []


class Upsert(_Stage):
    """From points to the index."""

    verb = "write"

    def set_up(self) -> None:
        self._store = connect(self.plan.store).open(self.plan.physical, write=True)

    def work(self, part: Part) -> None:
        with part.timed("storing"):
            self._store.upsert(part.points)
            if part.changes:
                self._store.set_payload(part.changes)
        part.indexed = [point.id for point in part.points]
        part.points = []


def _require_visible(plan: Plan) -> None:
    if plan.a_file is None:
        return
    path, size = plan.a_file
    try:
        seen = path.stat().st_size == size
    except OSError:
        seen = False
    if not seen:
        raise UserError(
            f"The machine {socket.gethostname()} does not see {path} as the machine does on which index-catalog was "
            "started; have the catalogue on a file system that all machines of the cluster mount at the same path."
        )


def _other_networks(role: str) -> UserError:
    return UserError(
        f"The machine {socket.gethostname()} has another {role} than the one on which index-catalog was started; "
        "install the same version on both, and have the weights at the same path."
    )
