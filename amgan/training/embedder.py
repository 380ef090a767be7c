"""Training of the garment embedder: attributes, and garments that are alike before garments of the same colour.

A batch holds two pictures of each of its garments. The first is the photo; the second the photo recoloured, edited by
shipped weights, drawn otherwise (of garments that were drawn), or the photo again; both are shifted, scaled, turned and
flipped apart. Both are labelled, and the two shall be nearest to each other (``same_garment_loss``), then to garments
that agree in what is not colour.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from amgan.attributes import where
from amgan.config import setting, to_dict
from amgan.data.augment import random_affine, warp
from amgan.data.garments import Garments, balance_weights
from amgan.editing.editor import Editor, load_editor
from amgan.lessons.siblings import Siblings, edited_labels, possible_edits
from amgan.models.classifier import classification_loss
from amgan.models.embedder import GarmentEmbedder, near_targets, same_garment_loss
from amgan.models.interface import Terms
from amgan.models.precision import autocast
from amgan.pixels import to_float
from amgan.training.classifier import accuracy_of, freeze_first, learning_rate, macro_mean, require_labels
from amgan.training.loop import fit, seed_step
from amgan.training.precision import settle_precision
from amgan.training.run import Run, load_state, pack, pack_optimizer, say, steps_of, unpack, unpack_optimizer
from amgan.weights import save_embedder

NONE = "none"
NEAREST = 10


@dataclass(frozen=True)
class EmbedderConfig:
    """Training of a garment embedder. Progress is counted in thousands of garments, of each two pictures (kimg)."""

    backbone: str = "efficientnet_lite0"
    pretrained: bool = True  # start from ImageNet weights
    frozen: int = setting(3, low=0)  # so many first stages, and all its norms' statistics: networks of timm's
    image_size: int = setting(160, low=16, high=1024)  # cut-outs are enlarged, as ImageNet's were larger
    dimensions: int = setting(256, low=2, high=1024)
    kimg: float = setting(16.0, above=0)
    batch: int = setting(16, low=2)
    lr: float = setting(6e-4, low=0, high=1)  # peak, of the backbone
    head_lr: float = setting(2e-3, low=0, high=1)  # peak, of what starts from nothing
    weight_decay: float = setting(0.02, low=0)
    smoothing: float = setting(0.05, low=0, high=1)  # label smoothing
    balance: float = setting(0.5, low=0, high=1)  # 0 draws as the data are, 1 every value equally often
    from_pixels: float = setting(0.5, low=0, high=1)  # share of what a colour is called that the pixels say
    same: float = setting(0.25, low=0)  # weight of the loss that puts pictures of a garment together
    alike: float = setting(0.3, low=0, high=1)  # share of that which other garments get that agree in attributes
    recoloured: float = setting(0.45, low=0, high=1)  # share of second pictures
    edited: float = setting(0.2, low=0, high=1)  # likewise; with recoloured at most 1
    editor: str = "photos"  # weights that edit; none for no edits
    extra: float = setting(0.0, low=0, high=1)  # share of the batch that is --extra garments
    ema_kimg: float = setting(0.5, low=0)  # half-life of the average that is validated and kept
    seed: int = setting(0, low=0)
    bf16: bool = False  # slower where convolutions are depthwise, as EfficientNet's are
    snapshot_kimg: float = setting(2.0, above=0)  # how often to validate and save

    def idle(self) -> dict[str, str]:
        out = {}
        if self.editor == NONE:
            out["edited"] = "there is no editor"
        if not self.edited:
            out["editor"] = "edited is 0"
        if not self.extra:
            out["extra"] = "it is the share of --extra garments, and there are none"
        if self.same == 0:
            out["alike"] = "same is 0"
        return out


@torch.inference_mode()
def validation_scores(network: GarmentEmbedder, garments: Garments) -> dict[str, float]:
    """Of each attribute the share of right answers among known labels, plain and averaged over values
    (``_macro``), and, averaged likewise, the share of the ten nearest pictures that have the same label
    (``_near``)."""
    probabilities, vectors = network.predict_and_embed(garments.images)
    near = (vectors @ vectors.T).fill_diagonal_(-2).topk(min(NEAREST, len(garments) - 1)).indices
    labels = garments.labels.cpu()
    scores = accuracy_of(network.schema, probabilities, labels)
    for name, truth in zip(network.schema.names, labels.T, strict=True):
        if name in scores:
            scores[f"{name}_near"] = macro_mean((truth[near] == truth[:, None]).float().mean(1), truth)
    return scores


def train_embedder(
    train: Garments,
    val: Garments,
    config: EmbedderConfig,
    out: Path,
    device: torch.device,
    about: dict[str, Any],
    extra: Garments | None = None,
) -> dict[str, float]:
    """Train, validate, and write ``out/embedder/`` (the weights) and ``out/embedder-run/`` (state, statistics).

    Args:
        about: goes into the weights' config.json (data, command …); data and preset must be the same on resuming.
        extra: drawn garments with true edits, in the same schema.

    Returns:
        The validation scores of the best snapshot, which is the one that is kept.

    Raises:
        UserError: no labels, no such editor, another training in the folder, or the run diverged.
        Interrupted, TimeIsUp: told to stop, or out of time; what was done is saved.
    """
    require_labels(train, "train")
    require_labels(val, "val")
    config = settle_precision(config, out / "embedder-run", device)
    editor = load_editor(config.editor, "eager") if config.edited and config.editor != NONE else None
    with Run(out / "embedder-run", config, {k: about[k] for k in ("data", "preset", "extra") if k in about}) as run:
        torch.manual_seed(config.seed)
        trainer = _Trainer(train, extra, config, device, editor)
        keeper = _Keeper(run, trainer, val, out, about)
        run.saved = load_state(run.folder, keeper.load)
        if run.saved is not None:
            say(f"Resuming the embedder at {keeper.kimg(run.saved):.1f} of {config.kimg:g} kimg")
        steps = steps_of(config.kimg, config.batch)
        every = steps_of(config.snapshot_kimg, config.batch)
        fit("Training the embedder", run, range(run.saved or 0, steps), every, trainer.step, keeper)
    return keeper.best


class _Trainer:
    """The network in training, and its batches."""

    def __init__(
        self,
        train: Garments,
        extra: Garments | None,
        config: EmbedderConfig,
        device: torch.device,
        editor: Editor | None,
    ) -> None:
        self.config, self.device, self.editor = config, device, editor
        self.garments = train if extra is None else train.joined(extra)
        self.garments = self.garments.to(device)
        self.siblings = Siblings(self.garments)
        self.weights = balance_weights(train.labels.cpu(), config.balance)
        if extra is not None:
            others = balance_weights(extra.labels.cpu(), config.balance)
            self.weights = torch.cat([(1 - config.extra) * self.weights, config.extra * others])
        self.network = GarmentEmbedder(
            train.schema,
            config.backbone,
            config.image_size,
            config.dimensions,
            config.pretrained,
            config.from_pixels,
        ).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        freeze_first(self.network.backbone, config.backbone, config.frozen, config.pretrained)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        backbone = [p for p in self.network.backbone.parameters() if p.requires_grad]
        rest = [p for n, p in self.network.named_parameters() if not n.startswith("backbone.")]
        groups = [{"params": backbone, "peak": config.lr}, {"params": rest, "peak": config.head_lr}]
        self.optimizer = torch.optim.AdamW(groups, lr=config.lr, weight_decay=config.weight_decay)
        self.shape = [
            m for m in range(train.schema.n_attributes) if m not in where(train.schema, "recoloured")
        ]  # what is not colour
        self.edits = possible_edits(train.schema, editor.schema) if editor is not None else []

    def second_pictures(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Another picture of each garment, floats in [-1, 1], and its labels."""
        images, labels = to_float(self.garments.images[rows]), self.garments.labels[rows].clone()
        chance = torch.rand(len(rows), generator=generator)
        recoloured = (chance < self.config.recoloured).nonzero()[:, 0]
        if len(recoloured):
            images[recoloured], labels[recoloured] = self.siblings.recoloured(rows[recoloured], generator)
        edited = ((chance >= self.config.recoloured) & (chance < self.config.recoloured + self.config.edited)).nonzero()
        edited = edited[:, 0]
        if self.editor is not None and self.edits and len(edited):
            edits = [self._draw_edit(generator) for _ in edited]
            asked = [edit for _, _, edit in edits]
            images[edited] = to_float(self.editor.edit(self.garments.images[rows[edited]], asked).image.to(self.device))
            labels[edited] = edited_labels(labels[edited], edits)
        drawn, pictures, their_labels = self.siblings.drawn_otherwise(rows, generator)
        images[drawn], labels[drawn] = pictures, their_labels
        return images, labels

    def _draw_edit(self, generator: torch.Generator) -> tuple[int, int, dict[str, str]]:
        def drawn(count: int) -> int:
            return int(torch.randint(count, (1,), generator=generator))

        edits = self.edits[drawn(len(self.edits))]
        return edits[drawn(len(edits))]

    def step(self, step: int, progress: float) -> Terms:
        """One optimiser step; returns the losses without waiting for the device."""
        config, generator = self.config, seed_step(self.config.seed, step)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(group["peak"], progress)
        rows = torch.multinomial(self.weights, config.batch, replacement=True, generator=generator)
        second, second_labels = self.second_pictures(rows, generator)
        images = torch.cat([to_float(self.garments.images[rows]), second])
        labels = torch.cat([self.garments.labels[rows], second_labels])
        theta = random_affine(len(images), generator, shift=0.06, scale=0.15, degrees=10)
        images = warp(images, theta.to(self.device)).contiguous(memory_format=torch.channels_last)
        self.network.train()
        with autocast(self.device, config.bf16):
            logits, vectors = self.network(images)
        attributes = classification_loss(self.network.schema, logits, labels, smoothing=config.smoothing)
        targets = near_targets(rows.repeat(2).to(self.device), labels, self.shape, config.alike)
        same = same_garment_loss(vectors, targets)
        loss = attributes + config.same * same
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self._update_average(step)
        return {"loss": loss.detach(), "attributes": attributes.detach(), "same": same.detach()}

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        # At the start the average is over the few steps that there are.
        decay = 0.5 ** (self.config.batch / (self.config.ema_kimg * 1000)) if self.config.ema_kimg else 0.0
        decay = min(decay, (step + 1) / (step + 11))
        for mean, now in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
            mean.lerp_(now, 1 - decay) if mean.is_floating_point() else mean.copy_(now)

    def tensors(self) -> dict[str, Tensor]:
        networks = pack("network", self.network.state_dict()) | pack("average", self.average.state_dict())
        return networks | pack_optimizer("optimizer", self.optimizer)

    def load(self, tensors: dict[str, Tensor]) -> None:
        self.network.load_state_dict(unpack("network", tensors))
        self.average.load_state_dict(unpack("average", tensors))
        unpack_optimizer("optimizer", self.optimizer, tensors)


class _Keeper:
    """What an embedder's run writes down, see ``amgan.training.loop.Keeper``."""

    def __init__(self, run: Run, trainer: _Trainer, val: Garments, out: Path, about: dict[str, Any]) -> None:
        self.run, self.trainer, self.val, self.out, self.about = run, trainer, val, out, about
        self.best: dict[str, float] = {"score": -1.0}
        self.started = time.monotonic()

    def kimg(self, step: int) -> float:
        return step * self.trainer.config.batch / 1000

    def load(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        best, seconds = {k: float(v) for k, v in meta["best"].items()}, float(meta["seconds"])
        self.trainer.load(tensors)
        self.best, self.started = best, time.monotonic() - seconds

    def losses(self, step: int, values: dict[str, float]) -> None:
        self.run.write_statistics(step=step, kimg=self.kimg(step), **values)

    def snapshot(self, step: int) -> str:
        tensors = self.trainer.tensors()
        self.run.require_finite(step, tensors)
        scores = validation_scores(self.trainer.average, self.val)
        score = score_of(scores, [self.val.schema.names[m] for m in self.trainer.shape])
        self.run.write_statistics(step=step, kimg=self.kimg(step), **{f"val_{k}": v for k, v in scores.items()})
        if score > self.best["score"]:
            self.best = {"score": score, "kimg": self.kimg(step), **scores}
            training = to_dict(self.trainer.config)
            seconds = time.monotonic() - self.started
            facts = {"training": training, "validation": self.best, "seconds": round(seconds), **self.about}
            save_embedder(self.out, self.trainer.average, facts)
        self.run.save(step, tensors, {"best": self.best, "seconds": time.monotonic() - self.started})
        shown = ", ".join(f"{k} {v:.3f}" for k, v in scores.items() if k.endswith(("_macro", "_near")))
        return f"Embedder {self.kimg(step):.1f} kimg, validation {shown}"


def score_of(scores: dict[str, float], shape: list[str]) -> float:
    """What a snapshot is chosen by: the mean over attributes of the macro accuracy, by which wanted and kept values are
    found, and of what the nearest keep where it is not colour."""
    accuracies = [v for k, v in scores.items() if k.endswith("_macro")]
    near = [scores[f"{name}_near"] for name in shape if f"{name}_near" in scores]
    return sum(accuracies) / len(accuracies) + (sum(near) / len(near) if near else 0.0)
