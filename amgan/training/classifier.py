"""Training of an attribute classifier, teacher or judge: setup, fit, validate."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from amgan.config import ClassifierConfig
from amgan.data.augment import random_affine, warp
from amgan.data.garments import Garments, balance_weights
from amgan.errors import Interrupted, UserError
from amgan.models.classifier import AttributeClassifier, classification_loss
from amgan.pixels import to_float
from amgan.training.loop import StatsFile, autocast, claim_run, console, interruptible, progress_bar, seed_step
from amgan.training.state import load_state, pack, pack_optimizer, save_state, unpack, unpack_optimizer
from amgan.weights import load_classifier, save_classifier
from amgan.weights.transfer import transfer_classifier


def learning_rate(config: ClassifierConfig, step: int, steps: int) -> float:
    """One cycle: linear warm-up over a tenth of the run, then a half cosine to zero."""
    warm = max(1, steps // 10)
    if step < warm:
        return config.lr * (step + 1) / warm
    return config.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


@torch.inference_mode()
def accuracy(network: AttributeClassifier, garments: Garments, batch: int = 64) -> dict[str, float]:
    """Share of right answers among known labels, plain and averaged over values, per attribute."""
    was_training = network.training
    network.eval()
    predicted = network.predict(garments.images)
    network.train(was_training)
    scores: dict[str, float] = {}
    for i, (name, part) in enumerate(zip(network.schema.names, network.schema.slices, strict=True)):
        truth = garments.labels[:, i].cpu()
        known = truth >= 0
        if not known.any():
            continue
        right = (predicted[:, part].argmax(1) == truth)[known].float()
        per_value = [right[truth[known] == v].mean() for v in truth[known].unique()]
        scores[name] = float(right.mean())
        scores[f"{name}_macro"] = float(torch.stack(per_value).mean())
    return scores


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
        about: goes into the weights' config.json (data, command …).
        warm_start: weights whose classifier of this role it starts from, as far as it fits.

    Returns:
        The validation scores of the best snapshot, which is the one that is kept.
    """
    run = out / f"{role}-run"
    claim_run(run, config, about)
    torch.manual_seed(config.seed)
    network = AttributeClassifier(train.schema, config.backbone, config.image_size, config.pretrained)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True)
    steps = max(1, round(config.kimg * 1000 / config.batch))
    every = max(1, round(config.snapshot_kimg * 1000 / config.batch))
    step, best, seconds = 0, {"score": -1.0}, 0.0
    if (saved := load_state(run)) is not None:
        tensors, meta = saved
        network.load_state_dict(unpack("network", tensors))
        unpack_optimizer("optimizer", optimizer, tensors)
        step, best, seconds = meta["step"], meta["best"], meta["seconds"]
        console.print(f"Resuming {role} at {step * config.batch / 1000:.1f} of {config.kimg:g} kimg")
    elif warm_start is not None:
        _start_from(network, role, warm_start)

    train = train.to(device)
    weights = balance_weights(train.labels.cpu(), config.balance)
    stats = StatsFile(run)
    started = time.monotonic() - seconds
    network.train()
    with interruptible() as interrupted, progress_bar() as bar:
        task = bar.add_task(f"Training {role}", total=steps, completed=step)
        while step < steps and not interrupted:
            loss = classifier_step(network, optimizer, train, weights, config, step, steps)
            step += 1
            bar.update(task, completed=step)
            if step % every == 0 or step == steps or interrupted:
                scores = accuracy(network, val)
                # The macro average: a classifier that never says "sleeveless" is no use to an edit.
                score = sum(v for k, v in scores.items() if k.endswith("_macro")) / len(scores) * 2
                stats.write(step=step, kimg=step * config.batch / 1000, loss=float(loss), **scores)
                if score > best["score"]:
                    best = {"score": score, "kimg": step * config.batch / 1000, **scores}
                    extra = {"role": role, "training": dataclasses.asdict(config), "validation": best, **about}
                    save_classifier(out, role, network, extra)
                tensors = pack("network", network.state_dict()) | pack_optimizer("optimizer", optimizer)
                save_state(run, step, tensors, {"best": best, "seconds": time.monotonic() - started})
                bar.console.print(
                    f"{role} {step * config.batch / 1000:.1f} kimg, loss {float(loss):.3f}, validation "
                    + ", ".join(f"{k} {v:.3f}" for k, v in scores.items())
                )
    if interrupted and step < steps:
        raise Interrupted
    return best


def _start_from(network: AttributeClassifier, role: str, weights: str) -> None:
    other = load_classifier(weights, role)
    copied, count = transfer_classifier(network, other), len(network.state_dict())
    if copied < count // 2:
        raise UserError(
            f"Only {copied} of {count} tensors of the {role} of {weights} fit; use the same backbone "
            f"({other.backbone_name})."
        )
    console.print(f"Warm start of the {role}: {copied} of {count} tensors from {weights}")


def classifier_step(
    network: AttributeClassifier,
    optimizer: torch.optim.Optimizer,
    train: Garments,
    weights: Tensor,
    config: ClassifierConfig,
    step: int,
    steps: int,
) -> Tensor:
    """One optimiser step on a drawn and augmented batch; returns the loss without waiting for the device."""
    generator = seed_step(config.seed, step)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(config, step, steps)
    index = torch.multinomial(weights, config.batch, replacement=True, generator=generator)
    theta = random_affine(config.batch, generator)
    images = to_float(train.images[index])
    images = warp(images, theta.to(images.device)).contiguous(memory_format=torch.channels_last)
    with autocast(images.device, config.bf16):
        logits = network(images)
    loss = classification_loss(network.schema, logits, train.labels[index], config.smoothing)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.detach()
