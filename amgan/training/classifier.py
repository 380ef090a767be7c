"""Training of an attribute classifier, teacher or judge: setup, fit, validate."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from amgan.config import setting, to_dict
from amgan.data.augment import random_affine, warp
from amgan.data.garments import Garments, balance_weights
from amgan.errors import UserError
from amgan.models.backbones import TimmBackbone
from amgan.models.classifier import AttributeClassifier, classification_loss
from amgan.models.eye import PACKAGES, package_weights
from amgan.models.interface import Terms
from amgan.models.precision import autocast
from amgan.pixels import to_float
from amgan.schema import AttributeSchema
from amgan.training.loop import fit, seed_step
from amgan.training.precision import settle_precision
from amgan.training.run import Run, load_state, pack, pack_optimizer, say, steps_of, unpack, unpack_optimizer
from amgan.weights import load_classifier, save_classifier
from amgan.weights.transfer import transfer_classifier

WARM_UP = 0.1  # of a run
RAREST = 5e-3  # shares below it count as so much: of a value with three photos nothing is learnt


class Start(Protocol):
    """Where a training starts from."""

    @property
    def backbone(self) -> str: ...
    @property
    def pretrained(self) -> bool: ...


@dataclass(frozen=True)
class ClassifierConfig:
    """Training of an attribute classifier. Progress is counted in thousands of images (kimg)."""

    backbone: str = "resnet50"
    pretrained: bool = False  # start from ImageNet weights
    frozen: int = setting(0, low=0)  # so many first stages, and all norms' statistics, keep them: networks of timm's
    image_size: int = setting(128, low=16, high=1024)
    kimg: float = setting(400.0, above=0)
    batch: int = setting(64, low=2)  # batch normalisation needs two
    lr: float = setting(1e-3, low=0, high=1)  # peak of a one-cycle schedule
    weight_decay: float = setting(0.02, low=0)
    ema_kimg: float = setting(0.0, low=0)  # half-life of the averaged weights that are validated and kept; 0: none
    smoothing: float = setting(0.05, low=0, high=1)  # label smoothing
    balance: float = setting(0.6, low=0, high=1)  # 0 draws as the data are, 1 every value equally often
    prior: float = setting(0.0, low=0, high=1)  # how much of it is left to the data, not learnt: see ``log_priors``
    seed: int = setting(0, low=0)
    bf16: bool = True  # where it trains faster than float32, which is measured at the start
    snapshot_kimg: float = setting(8.0, above=0)  # how often to validate and save


def require_start(config: Start) -> None:
    """Raises UserError where the weights that it starts from are in a package that is not installed."""
    if config.pretrained and config.backbone in PACKAGES:
        package_weights(config.backbone)


def require_labels(garments: Garments, split: str) -> None:
    """Raises UserError where no label is known."""
    if not bool((garments.labels >= 0).any()):
        names = ", ".join(garments.schema.names)
        raise UserError(f"No garment of the split {split} has a label; fill in the columns {names} of the metadata.")


def log_priors(schema: AttributeSchema, labels: Tensor, weights: Tensor) -> Tensor:
    """Logarithm of the share that each value has among the drawn known labels of its attribute, float32 (N,).

    Added to logits in training alone, it leaves to the logits what the picture says: rare values are then predicted for
    what they look like, though they were seen rarely (logit adjustment, Menon et al., ICLR 2021).

    Args:
        labels: int64 (n, M).
        weights: float64 (n,), how often each item is drawn.
    """
    out = []
    for column, attribute in zip(labels.T, schema.attributes, strict=True):
        known = column >= 0
        share = torch.zeros(len(attribute.values), dtype=torch.float64)
        share.index_add_(0, column[known], weights[known].double())
        out.append((share / share.sum().clamp(min=1e-12)).clamp(min=RAREST).log())
    return torch.cat(out).float()


def learning_rate(peak: float, progress: float) -> float:
    """One cycle: linear warm-up over a tenth of the run, then a half cosine to zero."""
    if progress < WARM_UP:
        return peak * max(progress / WARM_UP, 0.01)
    return peak * 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))


@torch.inference_mode()
def accuracy(network: AttributeClassifier, garments: Garments, batch: int = 64) -> dict[str, float]:
    """Share of right answers among known labels, plain and averaged over values, per attribute."""
    was_training = network.training
    network.eval()
    predicted = network.predict(garments.images)
    network.train(was_training)
    return accuracy_of(network.schema, predicted, garments.labels.cpu())


def accuracy_of(schema: AttributeSchema, predicted: Tensor, labels: Tensor) -> dict[str, float]:
    """As ``accuracy``, of probabilities float (n, N) against labels int64 (n, M)."""
    scores: dict[str, float] = {}
    for i, (name, part) in enumerate(zip(schema.names, schema.slices, strict=True)):
        truth = labels[:, i]
        known = truth >= 0
        if known.any():
            right = (predicted[:, part].argmax(1) == truth).float()
            scores |= {name: float(right[known].mean()), f"{name}_macro": macro_mean(right, truth)}
    return scores


def macro_mean(values: Tensor, truth: Tensor) -> float:
    """The mean over labels of the means of the values (n,) that each has; unknown labels are left out."""
    return float(torch.stack([values[truth == label].mean() for label in truth[truth >= 0].unique()]).mean())


def train_classifier(
    train: Garments,
    val: Garments,
    config: ClassifierConfig,
    role: str,
    out: Path,
    device: torch.device,
    about: dict[str, Any],
    warm_start: str | None = None,
) -> dict[str, float]:
    """Train, validate, and write ``out/ROLE/`` (the weights) and ``out/ROLE-run/`` (state, statistics).

    Args:
        about: goes into the weights' config.json (data, command …); data and preset must be the same on resuming.
        warm_start: weights whose classifier of this role it starts from, as far as it fits.

    Returns:
        The validation scores of the best snapshot, which is the one that is kept.

    Raises:
        UserError: no labels, another training in the folder, or the run diverged.
        Interrupted, TimeIsUp: told to stop, or out of time; what was done is saved.
    """
    require_labels(train, "train")
    require_labels(val, "val")
    config = settle_precision(config, out / f"{role}-run", device)
    with Run(out / f"{role}-run", config, {k: about[k] for k in ("data", "preset") if k in about}) as run:
        torch.manual_seed(config.seed)
        network = AttributeClassifier(train.schema, config.backbone, config.image_size, config.pretrained)
        network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        freeze_first(network.backbone, config.backbone, config.frozen, config.pretrained)
        average = copy.deepcopy(network).eval() if config.ema_kimg else network
        learnt = [p for p in network.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(learnt, lr=config.lr, weight_decay=config.weight_decay, fused=True)
        keeper = _Keeper(run, network, average, optimizer, val, config, role, out, about)
        run.saved = load_state(run.folder, keeper.load)
        if run.saved is not None:
            say(f"Resuming {role} at {keeper.kimg(run.saved):.1f} of {config.kimg:g} kimg")
        elif warm_start is not None:
            _start_from(network, role, warm_start)
            average.load_state_dict(network.state_dict())
        train = train.to(device)
        weights = balance_weights(train.labels.cpu(), config.balance)
        priors = config.prior * log_priors(train.schema, train.labels.cpu(), weights).to(device)
        steps = steps_of(config.kimg, config.batch)
        network.train()

        def step(k: int, progress: float) -> Terms:
            loss = classifier_step(network, optimizer, train, weights, priors, config, k, progress)
            if average is not network:
                follow(average, network, 0.5 ** (config.batch / (config.ema_kimg * 1000)), k)
            return {"loss": loss}

        every = steps_of(config.snapshot_kimg, config.batch)
        fit(f"Training {role}", run, range(run.saved or 0, steps), every, step, keeper)
    return keeper.best


class _Keeper:
    """What a classifier's run writes down, see ``amgan.training.loop.Keeper``."""

    def __init__(
        self,
        run: Run,
        network: AttributeClassifier,
        average: AttributeClassifier,
        optimizer: torch.optim.Optimizer,
        val: Garments,
        config: ClassifierConfig,
        role: str,
        out: Path,
        about: dict[str, Any],
    ) -> None:
        self.run, self.network, self.average, self.optimizer, self.val = run, network, average, optimizer, val
        self.config, self.role, self.out, self.about = config, role, out, about
        self.best: dict[str, float] = {"score": -1.0}
        self.started = time.monotonic()

    def kimg(self, step: int) -> float:
        return step * self.config.batch / 1000

    def load(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        best, seconds = {k: float(v) for k, v in meta["best"].items()}, float(meta["seconds"])
        self.network.load_state_dict(unpack("network", tensors))
        if self.average is not self.network:
            self.average.load_state_dict(unpack("average", tensors))
        unpack_optimizer("optimizer", self.optimizer, tensors)
        self.best, self.started = best, time.monotonic() - seconds

    def losses(self, step: int, values: dict[str, float]) -> None:
        self.run.write_statistics(step=step, kimg=self.kimg(step), **values)

    def snapshot(self, step: int) -> str:
        tensors = pack("network", self.network.state_dict()) | pack_optimizer("optimizer", self.optimizer)
        if self.average is not self.network:
            tensors |= pack("average", self.average.state_dict())
        self.run.require_finite(step, tensors)
        scores = accuracy(self.average, self.val)
        # The macro average: a classifier that never says "sleeveless" is no use to an edit.
        score = sum(v for k, v in scores.items() if k.endswith("_macro")) / len(scores) * 2
        self.run.write_statistics(step=step, kimg=self.kimg(step), **{f"val_{k}": v for k, v in scores.items()})
        if score > self.best["score"]:
            self.best = {"score": score, "kimg": self.kimg(step), **scores}
            facts = {"role": self.role, "training": to_dict(self.config), "validation": self.best, **self.about}
            save_classifier(self.out, self.role, self.average, facts)
        self.run.save(step, tensors, {"best": self.best, "seconds": time.monotonic() - self.started})
        shown = ", ".join(f"{k} {v:.3f}" for k, v in scores.items())
        return f"{self.role} {self.kimg(step):.1f} kimg, validation {shown}"


def freeze_first(backbone: nn.Module, name: str, stages: int, pretrained: bool) -> None:
    """Keep so many first stages as ImageNet taught them. Raises UserError where there are none."""
    if not stages:
        return
    if not pretrained:
        raise UserError("frozen keeps ImageNet weights, and there are none: it needs pretrained=true.")
    if not isinstance(backbone, TimmBackbone):
        raise UserError(f"frozen is for networks of timm's, and {name} is none; leave it out.")
    backbone.freeze(stages)


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """The average a step further; over the first steps a mean, lest the start weigh too much."""
    averaged: list[Tensor] = list(average.parameters())
    current: list[Tensor] = list(network.parameters())
    torch._foreach_lerp_(averaged, current, 1 - min(decay, (step + 1) / (step + 10)))
    for mine, other in zip(average.buffers(), network.buffers(), strict=True):
        mine.copy_(other)


def _start_from(network: AttributeClassifier, role: str, weights: str) -> None:
    other = load_classifier(weights, role)
    copied, count = transfer_classifier(network, other), len(network.state_dict())
    if copied < count // 2:
        raise UserError(
            f"Only {copied} of {count} tensors of the {role} of {weights} fit; use the same backbone "
            f"({other.backbone_name})."
        )
    say(f"Warm start of the {role}: {copied} of {count} tensors from {weights}")


def classifier_step(
    network: AttributeClassifier,
    optimizer: torch.optim.Optimizer,
    train: Garments,
    weights: Tensor,
    priors: Tensor,
    config: ClassifierConfig,
    step: int,
    progress: float,
) -> Tensor:
    """One optimiser step on a drawn and augmented batch; returns the loss without waiting for the device.

    Args:
        weights: float64 (n,), how often each garment is drawn.
        priors: float32 (N,), what is added to the logits.
    """
    generator = seed_step(config.seed, step)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(config.lr, progress)
    index = torch.multinomial(weights, config.batch, replacement=True, generator=generator)
    theta = random_affine(config.batch, generator)
    images = to_float(train.images[index])
    images = warp(images, theta.to(images.device)).contiguous(memory_format=torch.channels_last)
    with autocast(images.device, config.bf16):
        logits = network(images)
    logits = logits.float() + priors
    loss = classification_loss(network.schema, logits, train.labels[index], smoothing=config.smoothing)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.detach()
