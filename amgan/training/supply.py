"""What a run draws its batches from: garments that stay, and those that are drawn while it goes on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

from amgan.data.garments import Garments, balance_weights
from amgan.data.stream import DrawnStream, joined
from amgan.lessons.batches import BatchMaker
from amgan.lessons.descriptors import Descriptors
from amgan.models.classifier import AttributeClassifier
from amgan.models.interface import Terms
from amgan.training.run import say

TELL_EVERY = 600.0  # seconds


@dataclass(frozen=True)
class Drawn:
    """Garments with true edits that are drawn while training goes on, in place of some that are read from a folder.

    Attributes:
        workers: processes that draw.
    """

    workers: int = 1


def make_batches(
    garments: Garments, extra: Garments | None, teacher: AttributeClassifier, config: Any, device: torch.device
) -> BatchMaker:
    """What draws a method's batches from garments and, for a share of each batch, from others with true edits."""
    o = config.optimisation
    own, weights = len(garments), _weights(garments, extra, config)
    garments = (garments if extra is None else garments.joined(extra)).to(device)
    features = teacher.embed(garments.images).to(device)
    return BatchMaker(
        garments, features, weights, config.lessons, o.batch, own, config.code_size, config.wants_real, o.channels_last
    )


def _weights(garments: Garments, extra: Garments | None, config: Any) -> torch.Tensor:
    """How often to draw each garment, float64 (n,)."""
    lessons = config.lessons
    weights = balance_weights(garments.labels.cpu(), lessons.balance)
    if extra is None:
        return weights
    more = balance_weights(extra.labels.cpu(), lessons.balance)
    return torch.cat([(1 - lessons.extra) * weights, lessons.extra * more])


class Supply:
    """Gives each step the maker of its batches. Close it at the end.

    Args:
        garments, extra: see ``train``; one of them may be ``Drawn``.
        val: of validation, whose schema all have.
        step: the one that training begins with.
        batches: that a step draws.
    """

    def __init__(
        self,
        garments: Garments | Drawn,
        extra: Garments | Drawn | None,
        val: Garments,
        teacher: AttributeClassifier,
        config: Any,
        device: torch.device,
        step: int,
        batches: int,
    ) -> None:
        self._own = garments if isinstance(garments, Garments) else None
        self._config, self._device, self._teacher = config, device, teacher
        self._stream: DrawnStream | None = None
        drawn = next((x for x in (garments, extra) if isinstance(x, Drawn)), None)
        if drawn is None:
            assert self._own is not None and not isinstance(extra, Drawn)
            self._maker = make_batches(self._own, extra, teacher, config, device)
            return
        o = config.optimisation
        rows = batches * o.batch * (1.0 if self._own is None else config.lessons.extra) * config.lessons.fresh
        self._stream = DrawnStream(config.image_size, o.seed, rows, step, drawn.workers, val.schema)
        chunks = [(c.number, c.garments) for c in self._stream.chunks if c.garments is not None]
        window = joined(g for _, g in chunks)
        self._maker = make_batches(self._own or window, window if self._own else None, teacher, config, device)
        # What is known of the garments, so that only new ones have to be looked at.
        everything, sizes = self._maker.data, [len(g) for _, g in chunks]
        if self._own is not None:
            own = len(self._own)
            self._own, sizes = self._own.to(device), [own, *sizes]
        parts = everything.descriptors.split(sizes)
        self._own_part = parts.pop(0) if self._own is not None else None
        self._parts = {n: (g.to(device), p) for (n, g), p in zip(chunks, parts, strict=True)}
        self._told = time.monotonic()

    def at(self, step: int) -> BatchMaker:
        """What draws the batches of a step."""
        if self._stream is not None and self._stream.advance(step):
            self._renew(self._stream)
            if time.monotonic() - self._told > TELL_EVERY:
                self._told = time.monotonic()
                share, rate = self._stream.fresh(step)
                say(f"Drawn pairs: {rate:.1f} new ones a second, {share:.0%} of those that it asks for")
        return self._maker

    def terms(self, step: int) -> Terms:
        """For the journal: of the new pairs that training asks for, the share that it gets."""
        if self._stream is None:
            return {}
        return {"fresh": torch.tensor(self._stream.fresh(step)[0], device=self._device)}

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    @torch.no_grad()
    def _renew(self, stream: DrawnStream) -> None:
        old, self._parts = self._parts, {}
        for chunk in stream.chunks:
            if chunk.garments is None:
                continue
            if (part := old.get(chunk.number)) is None:
                garments = chunk.garments.to(self._device)
                features = self._teacher.embed(garments.images).to(self._device)
                part = garments, Descriptors.of(garments, features)
            self._parts[chunk.number] = part
        window = joined(g for g, _ in self._parts.values())
        descriptors = [d for _, d in self._parts.values()]
        if self._own is None or self._own_part is None:
            garments, weights = window, _weights(window, None, self._config)
        else:
            garments, weights = self._own.joined(window), _weights(self._own, window, self._config)
            descriptors = [self._own_part, *descriptors]
        together = Descriptors.joined(descriptors, len(window if self._own is None else self._own))
        self._maker = self._maker.renewed(garments, together, weights)
