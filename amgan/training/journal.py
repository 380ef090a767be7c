"""What a run writes down: losses, and in snapshots scores on the validation split, a sheet of edits, state and weights.

Checkpoints are chosen by the functions that reports use (``amgan.evaluation``).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from amgan.data.garments import Garments
from amgan.editing.editor import NetworkEditor
from amgan.editing.plain_first import lays_designs
from amgan.editing.runtimes import eager
from amgan.evaluation.edits import first_by_hash, subset
from amgan.evaluation.sheet import make_sheet, sheet_edits
from amgan.evaluation.validation import validation_scores
from amgan.models.classifier import AttributeClassifier
from amgan.models.interface import Method
from amgan.training.run import Run
from amgan.weights import save_critics, save_generator

SHEET_ROWS, SHEET_EDITS = 8, 12


class InTraining(Protocol):
    """The trainer, as far as it is written down."""

    method: Method
    average: nn.Module

    def tensors(self) -> dict[str, Tensor]: ...
    def helpers(self) -> dict[str, nn.Module]: ...


@dataclass
class Progress:
    """The best validation score so far, the seconds that earlier parts of the run took, and its first step: 0, or where
    the training that it goes on with had come to."""

    best: float = -1.0
    seconds: float = 0.0
    step: int = 0


class Journal:
    """See ``amgan.training.loop.Keeper``.

    Args:
        out: where the weights of the best snapshot go.
        about: facts for their card.
    """

    def __init__(
        self,
        run: Run,
        out: Path,
        trainer: InTraining,
        judge: AttributeClassifier,
        val: Garments,
        about: dict[str, Any],
        progress: Progress,
    ) -> None:
        self.run, self.out, self.trainer, self.judge, self.val = run, out, trainer, judge, val
        self.about, self.progress = about, progress
        self.started = time.monotonic() - progress.seconds
        self.board = SummaryWriter(str(run.folder / "tensorboard"))

    def _kimg(self, step: int) -> float:
        return step * self.trainer.method.config.optimisation.batch / 1000

    def losses(self, step: int, values: dict[str, float]) -> None:
        """Write down one step's losses."""
        self.run.write_statistics(step=step, kimg=self._kimg(step), seconds=time.monotonic() - self.started, **values)
        for k, v in values.items():
            self.board.add_scalar(k, v, step)

    def snapshot(self, step: int) -> str:
        """Validate, draw, save; returns a line that says how it went."""
        method, average, kimg = self.trainer.method, self.trainer.average, self._kimg(step)
        tensors = self.trainer.tensors()
        self.run.require_finite(step, tensors)
        size, device = method.config.image_size, next(average.parameters()).device
        designs = lays_designs(average)
        editor = NetworkEditor(eager(average), method.schema, size, f"step {step}", device=device, designs=designs)
        training = average.training
        average.eval()  # batch normalisation must neither see the photos of validation nor normalise by them
        scores = validation_scores(editor, self.judge, self.val)
        for k, v in scores.items():
            self.board.add_scalar(f"val/{k}", v, step)
        self.board.flush()
        self.run.write_statistics(step=step, kimg=kimg, **{f"val_{k}": v for k, v in scores.items()})
        self._draw_sheet(editor, step)
        average.train(training)
        seconds = time.monotonic() - self.started
        if scores["score"] >= self.progress.best:
            self.progress.best = scores["score"]
            facts = {**self.about, "kimg": kimg, "seconds": round(seconds), "validation": scores}
            save_generator(self.out, average, method.config, facts, method.name)
            save_critics(self.out, self.trainer.helpers(), method.schema)
        self.run.save(step, tensors, {"best": self.progress.best, "seconds": seconds})
        return f"{kimg:.1f} kimg: " + ", ".join(f"{k} {v:.3f}" for k, v in scores.items())

    def _draw_sheet(self, editor: NetworkEditor, step: int) -> None:
        """Edits and masks of the first garments by the SHA-256 of their names."""
        items = subset(self.val, first_by_hash(self.val.item_ids, SHEET_ROWS))
        path = self.run.folder / "sheets" / f"{step:08d}.png"
        path.parent.mkdir(exist_ok=True)
        make_sheet(editor, items, sheet_edits(items.schema, SHEET_EDITS)).save(path)

    def close(self) -> None:
        self.board.close()
