"""What the renderer knows of a synthetic garment: its true picture after an edit, and siblings that are easily mistaken
for it.

Nothing but seeds and labels is read from the folder: truths and siblings are rendered again, in several processes, and
framed as a catalogue would frame them.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import cv2
import numpy as np

from amgan.attributes import NEVER_ASKED
from amgan.data.imagefolder import Record
from amgan.errors import UserError
from amgan.photos.framing import frame, frame_at, place, resample
from amgan.schema import AttributeSchema, Edit
from amgan.synth import SCHEMA, Item, possible_edits, render, true_region
from amgan.synth.values import edited_labels

SIBLINGS = 8
FEW = 8  # cases that are rendered sooner than processes start


@dataclass(frozen=True)
class Case:
    """One garment and the edit that is asked of it.

    Attributes:
        item: seed and labels.
        edit: one attribute, another value.
        siblings: labels of other edits of one or two attributes, none equal to the item's or the truth's.
        rendered_at: side in pixels of the folder's pictures.
        size: side in pixels of the frame.
    """

    item: Item
    edit: Edit
    siblings: tuple[dict[str, str], ...]
    rendered_at: int
    size: int

    @property
    def labels(self) -> list[dict[str, str]]:
        """Of what the gallery holds of this seed, in order: the garment itself, the truth, the siblings."""
        return [self.item.labels, edited_labels(self.item.labels, self.edit), *self.siblings]


@dataclass(frozen=True)
class RenderedCase:
    """A case's pictures.

    Attributes:
        gallery: uint8 (2 + siblings, 3, S, S), in the order of ``Case.labels``, each framed by its own mask.
        truth: uint8 (3, S, S), the true picture framed as the source is: what a perfect edit of the source looks like.
        region: bool (S, S), where the two truly differ, in the source's frame.
    """

    gallery: np.ndarray
    truth: np.ndarray
    region: np.ndarray


def make_cases(records: Sequence[Record], schema: AttributeSchema, rendered_at: int, size: int) -> list[Case]:
    """One case per record, drawn by its seed alone. Raises UserError where a seed is missing or a label is not one of
    the renderer's."""
    SCHEMA.require_same(schema, "the renderer", "the folder")
    cases = []
    for record in records:
        text = record.extra.get("seed", "")
        if not text.isdigit():
            raise UserError(f"{record.file_name} has seed {text!r} in the metadata; a synthetic garment has a number.")
        item = Item(int(text), schema.decode(record.labels))
        edit = draw_edit(item)
        cases.append(Case(item, edit, draw_siblings(item, edit), rendered_at, size))
    return cases


def draw_edit(item: Item) -> Edit:
    """The edit asked of a garment: uniform over the attributes that it has, then over the values that it can be given;
    the same for a seed every time."""
    edits = {
        a: [v for v in values if v not in NEVER_ASKED] for a, values in possible_edits(item).items() if a in item.labels
    }
    rng = _stream(item.seed, "edit")
    attribute = str(rng.choice([a for a, values in edits.items() if values]))
    return {attribute: str(rng.choice(edits[attribute]))}


def draw_siblings(item: Item, edit: Edit, count: int = SIBLINGS) -> tuple[dict[str, str], ...]:
    """Labels of other edits of a garment, by turns of one attribute and of two; all different, none the item's own or
    the truth's."""
    rng = _stream(item.seed, "siblings")
    out: list[dict[str, str]] = [item.labels, edited_labels(item.labels, edit)]
    for n in range(count):
        labels = item.labels
        while labels in out:
            first = _any_edit(rng, item, ())
            labels = edited_labels(item.labels, first)
            if n % 2:
                second = _any_edit(rng, Item(item.seed, labels), tuple(first))
                labels = edited_labels(labels, second)
        out.append(labels)
    return tuple(out[2:])


def _any_edit(rng: np.random.Generator, item: Item, without: tuple[str, ...]) -> Edit:
    edits = possible_edits(item)
    attribute = str(rng.choice([a for a in edits if a not in without]))
    return {attribute: str(rng.choice(edits[attribute]))}


def _stream(seed: int, purpose: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def render_case(case: Case) -> RenderedCase:
    """Render and frame everything of a case."""
    rendered = [render(case.item.seed, labels, case.rendered_at) for labels in case.labels]
    source, truth = rendered[:2]
    placement = place(source.mask, case.size)
    region = resample(true_region(source, truth).astype(np.float32), placement, 0) > 127
    return RenderedCase(
        np.stack([_channels_first(frame(r.image, r.mask, case.size).image) for r in rendered]),
        _channels_first(frame_at(truth.image, truth.mask, placement).image),
        region,
    )


def _channels_first(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture.transpose(2, 0, 1))


def render_cases(cases: Sequence[Case], processes: int | None = None) -> Iterator[RenderedCase]:
    """``render_case`` of every case, in order, in so many processes (one per core where None).

    No more than a few cases per process wait to be asked for: pictures of a whole gallery would fill the memory.
    """
    processes = processes or os.cpu_count() or 1
    if processes == 1 or len(cases) <= FEW:
        yield from map(render_case, cases)
        return
    # Spawned, since a copy of a process whose networks run in threads may hang.
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        waiting: deque[Future[RenderedCase]] = deque()
        try:
            for case in cases:
                waiting.append(pool.submit(render_case, case))
                if len(waiting) > 8 * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
