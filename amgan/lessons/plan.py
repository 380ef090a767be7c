"""What is drawn for a batch, row by row, before any picture is made."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

UNPAIRED = 0  # the place of ``Unpaired`` among the lessons
BACKWARD = 0.5  # share of the rows that go backward, where they can


class Chance(NamedTuple):
    """Uniform numbers in [0, 1), float32 (B,) each: what is left to chance in every row, whichever lesson it gets."""

    pair: Tensor  # below the share of pairs: a lesson with an exact result takes the row, if one serves
    identity: Tensor  # whether to ask for what is there
    backward: Tensor  # whether the photograph is the result rather than the source
    truth: Tensor  # which of the garment's true edits


@dataclass(frozen=True)
class Edits:
    """B edits of training garments, and which lesson makes the pictures of each. On the host.

    Attributes:
        garment: int64 (B,), the photographs.
        labels: theirs, int64 (B, M), UNKNOWN where not known.
        wanted: after the edit, int64 (B, M).
        edited: bool (B, M).
        chance: see ``Chance``.
        lesson: int64 (B,), place in the list of lessons.
        chosen: by name, what lessons have chosen for their rows, int64 (B,), -1 in other rows.
    """

    garment: Tensor
    labels: Tensor
    wanted: Tensor
    edited: Tensor
    chance: Chance
    lesson: Tensor
    chosen: dict[str, Tensor]

    def edits_only(self, attributes: list[int]) -> Tensor:
        """Bool (B,): some of these attributes are edited, and no other."""
        allowed = torch.zeros(self.edited.shape[1], dtype=torch.bool)
        allowed[attributes] = True
        return self.edited.any(1) & ~(self.edited & ~allowed).any(1)

    def given_to(self, lesson: int, rows: Tensor) -> Edits:
        """With these rows, bool (B,), given to a lesson."""
        return replace(self, lesson=torch.where(rows, lesson, self.lesson))

    def choose(self, name: str, rows: Tensor, values: Tensor) -> Edits:
        """With what a lesson chose, int64 (B,), in its rows, bool (B,)."""
        return replace(self, chosen={**self.chosen, name: torch.where(rows, values, -1)})

    def asking(self, rows: Tensor, attribute: int, values: Tensor | int) -> Edits:
        """With other edits in these rows, bool (B,): of this attribute alone, to values, int64 (B,) or one for all."""
        alone = F.one_hot(torch.tensor(attribute), self.edited.shape[1]).bool()
        column = values[:, None] if isinstance(values, Tensor) else values
        return replace(
            self,
            wanted=torch.where(rows[:, None], torch.where(alone, column, self.labels), self.wanted),
            edited=torch.where(rows[:, None], alone, self.edited),
        )

    def rows(self, which: slice | Tensor) -> Edits:
        """Some of the edits."""
        return Edits(
            self.garment[which],
            self.labels[which],
            self.wanted[which],
            self.edited[which],
            Chance(*(c[which] for c in self.chance)),
            self.lesson[which],
            {name: values[which] for name, values in self.chosen.items()},
        )


@dataclass(frozen=True)
class BatchPlan:
    """All that is drawn for a batch, on the host: what follows never waits for the device, and several devices can take
    a part of its rows each.

    Attributes:
        edits: see ``Edits``.
        backward: bool (B,), the photograph is the result and the lesson's picture the source; elsewhere the reverse.
        cycled: bool (B,), the edit is undone again: the cycle of unpaired photographs.
        theta: float32 (B, 2, 3), how all pictures of a row are moved.
        mix: float32 (B,), uniform in [0, 1), for the gradient penalty and the choice of the rows that use their code.
        noise: float32 (B, code), normal, for the code.
        neighbours: float32 (B, NEAREST + M PARTNERS), uniform in [0, 1), for the choice of references and partners.
        jitter: float32 (B, 3), uniform in [-1, 1), see ``RealGarments``.
    """

    edits: Edits
    backward: Tensor
    cycled: Tensor
    theta: Tensor
    mix: Tensor
    noise: Tensor
    neighbours: Tensor
    jitter: Tensor

    def __len__(self) -> int:
        return len(self.backward)

    @property
    def wanted(self) -> Tensor:
        """What the generator is asked for, int64 (B, M): backward, what the photograph has."""
        return torch.where(self.backward[:, None], self.edits.labels, self.edits.wanted)

    def rows(self, which: slice | Tensor) -> BatchPlan:
        """Some of its rows."""
        others = {f.name: getattr(self, f.name)[which] for f in fields(self) if f.name != "edits"}
        return BatchPlan(self.edits.rows(which), **others)
