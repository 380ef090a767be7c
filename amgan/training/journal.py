"""What a run writes down: losses, and in snapshots scores on the validation split, a sheet of edits to look at, state
and weights."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from amgan.data.garments import Garments
from amgan.lessons.batches import drawable
from amgan.models.amgan.generator import Generator
from amgan.models.classifier import AttributeClassifier
from amgan.models.interface import Generated, make_condition
from amgan.pixels import to_float, to_uint8
from amgan.training.loop import StatsFile, autocast
from amgan.training.state import save_state
from amgan.weights import save_critics, save_generator

if TYPE_CHECKING:
    from amgan.models.amgan.method import Amgan

EDITS = 240  # per attribute and validation


def _edit(network: Generator, images: Tensor, wanted: Tensor, edited: Tensor) -> Generated:
    """Edit uint8 pictures (B, 3, S, S) on the network's device, in batches."""
    device = next(network.parameters()).device
    parts = []
    for i in range(0, len(images), 32):
        x = to_float(images[i : i + 32].to(device)).contiguous(memory_format=torch.channels_last)
        condition = make_condition(network.schema, wanted[i : i + 32].to(device), edited[i : i + 32].to(device))
        with autocast(device, True):
            parts.append(network(x, condition))
    return Generated(*(torch.cat([p[k].cpu() for p in parts]) for k in range(3)))


@torch.inference_mode()
def validate(network: Generator, judge: AttributeClassifier, val: Garments) -> dict[str, float]:
    """Per attribute: share of edits that the judge accepts (averaged over wanted values), share that keeps the judge's
    view of the other attributes, mean change outside the garment, IoU of alpha with the garment. ``score`` sums it
    up."""
    schema = network.schema
    generator = torch.Generator().manual_seed(0)
    before = judge.predict(val.images)
    scores: dict[str, float] = {}
    total = []
    for i, (name, part) in enumerate(zip(schema.names, schema.slices, strict=True)):
        known = (val.labels[:, i] >= 0).nonzero()[:, 0]
        if len(known) == 0:
            continue
        index = known[torch.randint(len(known), (min(EDITS, 4 * len(known)),), generator=generator)]
        values = drawable(schema)[i]
        wanted = val.labels[index].clone()
        noise = torch.rand(len(index), len(values), generator=generator)
        wanted[:, i] = values[noise.masked_fill(values[None] == wanted[:, i, None], -1).argmax(1)]
        edited = torch.zeros_like(wanted, dtype=torch.bool)
        edited[:, i] = True
        result = _edit(network, val.images[index], wanted, edited)
        after = judge.predict(to_uint8(result.image))
        right = (after[:, part].argmax(1) == wanted[:, i]).float()
        accepted = torch.stack([right[wanted[:, i] == v].mean() for v in wanted[:, i].unique()]).mean()
        kept = [
            (after[:, p].argmax(1) == before[index][:, p].argmax(1)).float().mean()
            for j, p in enumerate(schema.slices)
            if j != i
        ]
        garment = val.masks[index]
        change = (result.image - to_float(val.images[index])).abs().mean(1, keepdim=True) / 2
        scores[name] = float(accepted)
        if kept:
            scores[f"{name}_kept"] = float(torch.stack(kept).mean())
        scores[f"{name}_outside"] = float((change * ~garment).sum() / (~garment).sum())
        alpha = result.mask > 0.5
        scores[f"{name}_iou"] = float(
            ((alpha & garment).sum((1, 2, 3)) / (alpha | garment).sum((1, 2, 3)).clamp(min=1)).mean()
        )
        total.append(scores[name] + 0.5 * scores.get(f"{name}_kept", 0))
    scores["score"] = sum(total) / max(1, len(total))
    return scores


@torch.inference_mode()
def draw_sheet(network: Generator, val: Garments, path: Path, rows: int = 8) -> None:
    """Edits and masks of the first garments by SHA-256 of their names: each row a garment, then its edits above their
    masks."""
    order = sorted(range(len(val)), key=lambda i: hashlib.sha256(val.item_ids[i].encode()).hexdigest())[:rows]
    schema = network.schema
    strips = []
    settings = []
    for i, values in enumerate(drawable(schema)):
        step = max(1, len(values) // 5)
        settings += [(i, int(v)) for v in values[::step][:6]]
    for item in order:
        count = len(settings)
        wanted = val.labels[item].expand(count, -1).clone()
        edited = torch.zeros_like(wanted, dtype=torch.bool)
        for k, (i, v) in enumerate(settings):
            wanted[k, i], edited[k, i] = v, True
        images = val.images[item].expand(count, -1, -1, -1)
        result = _edit(network, images, wanted, edited)
        top = torch.cat([val.images[item : item + 1], to_uint8(result.image)])
        masks = (result.mask * 255).to(torch.uint8).expand(-1, 3, -1, -1)
        bottom = torch.cat([torch.full_like(val.images[item : item + 1], 255), masks])
        strips += [torch.cat(list(top), dim=2), torch.cat(list(bottom), dim=2)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(torch.cat(strips, dim=1).permute(1, 2, 0).numpy()).save(path)


class Journal:
    """Statistics, TensorBoard, sheets, states, and the weights of the best snapshot, of a run of AMGAN.

    Attributes:
        best: the best validation score so far.
    """

    def __init__(
        self,
        out: Path,
        model: Amgan,
        judge: AttributeClassifier,
        val: Garments,
        about: dict[str, Any],
        best: float,
        seconds: float,
    ) -> None:
        self.out, self.run = out, out / "editor-run"
        self.model, self.judge, self.val, self.about = model, judge, val, about
        self.best = best
        self.started = time.monotonic() - seconds
        self.stats = StatsFile(self.run)
        self.board = SummaryWriter(str(self.run / "tensorboard"))

    def _kimg(self, step: int) -> float:
        return step * self.model.config.batch / 1000

    def losses(self, step: int, values: dict[str, float]) -> None:
        """Write down one step's losses."""
        self.stats.write(step=step, kimg=self._kimg(step), seconds=time.monotonic() - self.started, **values)
        for k, v in values.items():
            self.board.add_scalar(k, v, step)

    def snapshot(self, step: int) -> str:
        """Validate, draw, save; returns a line that says how it went."""
        average, kimg = self.model.average, self._kimg(step)
        scores = validate(average, self.judge, self.val)
        for k, v in scores.items():
            self.board.add_scalar(f"val/{k}", v, step)
        self.stats.write(step=step, kimg=kimg, **{f"val_{k}": v for k, v in scores.items()})
        draw_sheet(average, self.val, self.run / "sheets" / f"{step:08d}.png")
        seconds = time.monotonic() - self.started
        if scores["score"] >= self.best:
            self.best = scores["score"]
            facts = {**self.about, "kimg": kimg, "seconds": round(seconds), "validation": scores}
            save_generator(self.out, average, self.model.config, facts)
            save_critics(self.out, self.model.helpers(), average.schema)
        save_state(self.run, step, self.model.tensors(), {"best": self.best, "seconds": seconds})
        return f"{kimg:.1f} kimg: " + ", ".join(f"{k} {v:.3f}" for k, v in scores.items())

    def close(self) -> None:
        self.board.close()
