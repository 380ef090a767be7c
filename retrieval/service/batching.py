"""Edits of callers who wait at the same time go through the network together."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import torch
from torch import Tensor

from amgan.editing.editor import Editor, EditResult, Region, check_edits


@dataclass(frozen=True)
class _Asked:
    """One caller's pictures, uint8 (B, 3, H, W), with an edit each."""

    images: Tensor
    edits: list[dict[str, str]]
    only_on: Region | None
    result: Future[EditResult] = field(default_factory=Future)


class BatchedEditor:
    """An editor for many threads: while one pass is under way the next is gathered, so nobody waits for others to come.

    Args:
        editor: makes the edits; may be exchanged for another of the same weights at any time.
        most: pictures of one pass.
        made: is told the number of pictures of each pass.
    """

    def __init__(self, editor: Editor, most: int, made: Callable[[int], None] = lambda count: None) -> None:
        self.editor, self._most, self._made = editor, most, made
        self.schema, self.image_size, self.identity = editor.schema, editor.image_size, editor.identity
        self._queue: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="edits", daemon=True)
        self._thread.start()

    def edit(
        self, images: Tensor, edits: Mapping[str, str] | Sequence[Mapping[str, str]], only_on: Region | None = None
    ) -> EditResult:
        """See ``Editor.edit``; returns when the pass that these pictures are in has ended."""
        asked = _Asked(images, check_edits(self.schema, len(images), edits, only_on), only_on)
        self._queue.put(asked)
        return asked.result.result()

    def close(self) -> None:
        """Make the edits that were asked for, and no more."""
        self._queue.put(None)
        self._thread.join()

    def _serve(self) -> None:
        first = self._queue.get()
        while first is not None:
            together, following = self._gather(first)
            self._make(together)
            first = following or self._queue.get()

    def _gather(self, first: _Asked) -> tuple[list[_Asked], _Asked | None]:
        """What waits and may go along with the first; and what came next and may not, or nothing."""
        together, count = [first], len(first.images)
        while count < self._most:
            try:
                asked = self._queue.get_nowait()
            except queue.Empty:
                break
            if asked is None:
                self._queue.put(None)  # the end comes after this pass
                break
            if asked.only_on != first.only_on or count + len(asked.images) > self._most:
                return together, asked
            together.append(asked)
            count += len(asked.images)
        return together, None

    def _make(self, together: list[_Asked]) -> None:
        self._made(sum(len(a.images) for a in together))
        try:
            images = torch.cat([a.images for a in together])
            made = self.editor.edit(images, [e for a in together for e in a.edits], together[0].only_on)
        except Exception as error:
            if len(together) == 1:
                together[0].result.set_exception(error)
            for asked in together if len(together) > 1 else []:  # one may be at fault, and the others are not
                self._make([asked])
            return
        start = 0
        for asked in together:
            rows = slice(start, start + len(asked.images))
            asked.result.set_result(made.rows(rows))
            start = rows.stop
