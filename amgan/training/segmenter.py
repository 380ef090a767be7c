"""Training of the network that cuts garments out, from masks of which some are wrong.

Two rounds. In the first the given masks are the truth, and the loss is bounded: a mask that is wrong altogether pulls
no harder than one that is right. In the second the network has cut out every photo itself, in two views. Where it
and the mask agree, their mean is the truth and pixels on which they differ count for nothing; where they do not, its
own cut is, if its views agree with one another, and else the photo is left out. Photos without masks join in the same
way.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from amgan.config import setting, to_dict
from amgan.data.outlines import Mixture, Outline, Sampler, drawn_outlines
from amgan.errors import UserError
from amgan.models.eye import timm_network
from amgan.models.interface import Terms
from amgan.models.segmenter import CutOutNetwork, cut_out_loss, expectation_loss
from amgan.photos.learned import overlap_of
from amgan.photos.letterbox import letterbox, unletterbox
from amgan.pixels import to_float
from amgan.training.agreed import agreed, resized, views
from amgan.training.classifier import follow, learning_rate
from amgan.training.loop import fit, seed_step, step_seed
from amgan.training.run import Run, load_state, pack, pack_optimizer, say, steps_of, unpack, unpack_optimizer
from amgan.weights import save_segmenter

ROLE = "segmenter"
AGREED = "agreed.safetensors"  # the second round's truths, in the run's folder
AVERAGE = 0.995  # of the weights, at every step; the average is what is kept


@dataclass(frozen=True)
class SegmenterConfig:
    """Training of the cut-out network. Progress is counted in thousands of images (kimg)."""

    image_size: int = setting(160, low=32, high=1024)
    pretrained: bool = True  # start from ImageNet's EfficientNet-Lite0
    kimg: float = setting(8.0, above=0)
    second_round: float = setting(0.45, low=0, high=1)  # from this share of the run on its own agreed masks; 1: never
    batch: int = setting(16, low=2)
    lr: float = setting(1.5e-3, low=0, high=1)  # peak of a one-cycle schedule; the pretrained part has a third
    weight_decay: float = setting(0.01, low=0)
    bound: float = setting(0.6, above=0, high=1)  # q of the pixels' loss (1 - p^q) / q: near 0 cross-entropy, 1 bounded
    composed: float = setting(0.3, low=0, high=1)  # share of garments laid on another ground
    drawn: float = setting(0.08, low=0, high=1)  # share of drawn garments
    drawn_count: int = setting(250, low=1)
    agree: float = setting(0.85, low=0, high=1)  # overlap with the given mask from which the two are said to agree
    sure: float = setting(0.92, low=0, high=1)  # overlap of its own views from which they are believed without a mask
    seed: int = setting(0, low=0)
    snapshot_kimg: float = setting(2.0, above=0)

    def idle(self) -> dict[str, str]:
        """See ``amgan.config``."""
        out = {}
        if not self.drawn:
            out["drawn_count"] = "drawn is 0"
        if self.second_round == 1:
            out |= dict.fromkeys(("agree", "sure"), "second_round is 1, so there is none")
        return out


def train_segmenter(
    train: Sequence[Outline],
    val: Sequence[Outline],
    unmasked: Sequence[Outline],
    config: SegmenterConfig,
    out: Path,
    device: torch.device,
    about: dict[str, Any],
) -> dict[str, float]:
    """Train, validate, and write ``out/segmenter/`` (the weights) and ``out/segmenter-run/`` (state, statistics).

    Args:
        train, val: photos with masks; those without are left out of validation, and out of the first round.
        unmasked: more photos without masks, for the second round.
        about: goes into the weights' config.json; data and preset must be the same on resuming.

    Returns:
        The validation scores of the last snapshot, which is the one that is kept.

    Raises:
        UserError: no masks, another training in the folder, or the run diverged.
        Interrupted, TimeIsUp: told to stop, or out of time; what was done is saved.
    """
    masked, val = [o for o in train if o.target is not None], [o for o in val if o.target is not None]
    if not masked or not val:
        raise UserError("The cut-out network needs photos with masks in the splits train and val (mask_file_name).")
    with Run(out / f"{ROLE}-run", config, {k: about[k] for k in ("data", "preset", "extra") if k in about}) as run:
        trainer = _Trainer(run, masked, val, [*train, *unmasked], config, out, device, about)
        run.saved = load_state(run.folder, trainer.load)
        if run.saved is not None:
            say(f"Resuming {ROLE} at {trainer.kimg(run.saved):.1f} of {config.kimg:g} kimg")
        elif config.pretrained:
            trainer.start_from_pretrained()
        every = steps_of(config.snapshot_kimg, config.batch)
        fit(f"Training {ROLE}", run, range(run.saved or 0, trainer.steps), every, trainer.step, trainer)
    return trainer.scores


class _Trainer:
    """The network in training, and what its run writes down; see ``amgan.training.loop.Keeper``."""

    def __init__(
        self,
        run: Run,
        masked: Sequence[Outline],
        val: Sequence[Outline],
        everything: Sequence[Outline],
        config: SegmenterConfig,
        out: Path,
        device: torch.device,
        about: dict[str, Any],
    ) -> None:
        self.run, self.val, self.everything = run, val, everything
        self.config, self.out, self.device, self.about = config, out, device, about
        torch.manual_seed(config.seed)
        self.network, self.average = self._new(), self._new()
        self._freeze_edges()
        self.average.load_state_dict(self.network.state_dict())
        trunk = [p for p in self.network.trunk.parameters() if p.requires_grad]
        others = [p for n, p in self.network.named_parameters() if not n.startswith("trunk.")]
        self.shares = (1 / 3 if config.pretrained else 1.0, 1.0)
        self.optimizer = torch.optim.AdamW(
            [{"params": trunk}, {"params": others}], lr=config.lr, weight_decay=config.weight_decay, fused=True
        )
        self.steps = steps_of(config.kimg, config.batch)
        self.turn = round(self.steps * config.second_round)  # the step that the second round begins with
        self.scores: dict[str, float] = {}
        self.started = time.monotonic()
        self._drawn = drawn_outlines(config.drawn_count) if config.drawn else []
        self._mixture = Mixture(config.composed, config.drawn)
        self._masked = masked
        self.sampler: Sampler | None = None
        self._round = 0

    def _new(self) -> CutOutNetwork:
        network = CutOutNetwork(self.config.image_size)
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _freeze_edges(self) -> None:
        """Pretrained edge filters stay as they are: a third of a step's time goes into learning them anew."""
        self.network.train()
        if self.config.pretrained:
            for part in (self.network.trunk.stem, self.network.trunk.stages[0]):
                part.eval().requires_grad_(False)

    def start_from_pretrained(self) -> None:
        """Raises UserError where ImageNet's weights are not to be had."""
        self.network.trunk.fill(timm_network("efficientnet_lite0", pretrained=True).state_dict().values())
        self.average.load_state_dict(self.network.state_dict())

    def kimg(self, step: int) -> float:
        return step * self.config.batch / 1000

    # --- Steps --------------------------------------------------------------------------------------------------------

    def step(self, k: int, progress: float) -> Terms:
        """One optimiser step; returns losses without waiting for the device."""
        self._enter_round(2 if k >= self.turn else 1)
        assert self.sampler is not None
        seed_step(self.config.seed, k)
        images, target, weight = self._drawn_batch(np.random.default_rng(step_seed(self.config.seed, k)))
        for group, share in zip(self.optimizer.param_groups, self.shares, strict=True):
            group["lr"] = share * learning_rate(self.config.lr, progress)
        # In float32: what bfloat16 wins in the dense layers it loses in the depthwise ones' backward pass.
        logits, expected = self.network(images)
        loss, terms = cut_out_loss(logits, target, weight, self.config.bound)
        expectation = expectation_loss(expected, logits, target, weight)
        self.optimizer.zero_grad(set_to_none=True)
        (loss + 0.2 * expectation).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        follow(self.average, self.network, AVERAGE, k)
        return {"loss": loss.detach(), **terms, "expectation": expectation.detach()}

    def _drawn_batch(self, g: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        assert self.sampler is not None
        images, targets, weights = (torch.from_numpy(a) for a in self.sampler.batch(self.config.batch, g))
        x = to_float(images.permute(0, 3, 1, 2).to(self.device)).contiguous(memory_format=torch.channels_last)
        return x, targets[:, None].to(self.device).float() / 255, (weights[:, None].to(self.device) > 0).float()

    # --- Rounds -------------------------------------------------------------------------------------------------------

    def _enter_round(self, number: int) -> None:
        if self._round == number:
            return
        outlines = list(self._masked) if number == 1 else self._agreed()
        self.sampler = Sampler(outlines, self._drawn, self._mixture, self.config.image_size)
        self._round = number

    def _agreed(self) -> list[Outline]:
        """The second round's truths, from the run's folder where it has them."""
        path = self.run.folder / AGREED
        stored = _read(path) if (self.run.saved or 0) > self.turn else {}
        if stored:
            return [o.with_target(*stored[i]) for i, o in enumerate(self.everything) if i in stored]
        self.average.eval()
        found = [
            agreed(o, views(self.average, o, self.device), self.config.agree, self.config.sure) for o in self.everything
        ]
        kept = {i: o for i, o in enumerate(found) if o is not None}  # two folders may have photos of one name
        if not kept:
            raise UserError(
                "After its first round the network agrees with no mask, nor with itself; give it more -c kimg=…."
            )
        say(f"Second round: {len(kept)} of {len(self.everything)} photos, by masks that were agreed on.")
        tensors = {}
        for i, o in kept.items():
            assert o.target is not None
            tensors |= {f"{i}#target": torch.from_numpy(o.target), f"{i}#weight": torch.from_numpy(o.weight)}
        save_file(tensors, path)
        return list(kept.values())

    # --- Keeper -------------------------------------------------------------------------------------------------------

    def load(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """Take up a saved state."""
        self.network.load_state_dict(unpack("network", tensors))
        self.average.load_state_dict(unpack("average", tensors))
        unpack_optimizer("optimizer", self.optimizer, tensors)
        self.scores = {k: float(v) for k, v in meta["scores"].items()}
        self.started = time.monotonic() - float(meta["seconds"])

    def losses(self, step: int, values: dict[str, float]) -> None:
        """Write down one step's losses."""
        self.run.write_statistics(step=step, kimg=self.kimg(step), seconds=time.monotonic() - self.started, **values)

    def snapshot(self, step: int) -> str:
        """Validate and save; returns a line that says how it went."""
        tensors = (
            pack("network", self.network.state_dict())
            | pack("average", self.average.state_dict())
            | pack_optimizer("optimizer", self.optimizer)
        )
        self.run.require_finite(step, tensors)
        self.scores = {"kimg": self.kimg(step), **validate(self.average, self.val, self.device)}
        self.run.write_statistics(step=step, kimg=self.kimg(step), **{f"val_{k}": v for k, v in self.scores.items()})
        seconds = time.monotonic() - self.started
        # A mask in ten is wrong, so a later snapshot that scores a little less is not a worse one: the last is kept.
        facts = {"training": to_dict(self.config), "seconds": round(seconds), "validation": self.scores, **self.about}
        save_segmenter(self.out, self.average, facts)
        self.run.save(step, tensors, {"scores": self.scores, "seconds": seconds})
        return f"{ROLE} {self.kimg(step):.1f} kimg: " + ", ".join(f"{k} {v:.3f}" for k, v in self.scores.items())


def _read(path: Path) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Targets and weights by the photo's place, none where the file is missing, damaged, or of names, as once."""
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError):
        return {}
    places = [n for k in tensors if k.endswith("#target") and (n := k.removesuffix("#target")).isdecimal()]
    return {int(n): (tensors[f"{n}#target"].numpy(), tensors[f"{n}#weight"].numpy()) for n in places}


@torch.inference_mode()
def validate(network: CutOutNetwork, outlines: Sequence[Outline], device: torch.device) -> dict[str, float]:
    """Overlap with the given masks: median, mean, share below 0.8; and how far the expected overlap is off, for those
    above it. Wrong masks count as errors here, so the median says most."""
    network.eval()
    side, found, expected = network.image_size, [], []
    for start in range(0, len(outlines), 32):
        part = outlines[start : start + 32]
        squares = torch.from_numpy(np.stack([letterbox(o.image, side) for o in part]))
        x = to_float(squares.permute(0, 3, 1, 2).to(device)).contiguous(memory_format=torch.channels_last)
        logits, overlap = network(x)
        expected += overlap.float().sigmoid().tolist()
        for o, plane in zip(part, logits[:, 0].float().cpu().numpy(), strict=True):
            assert o.target is not None
            own = resized(unletterbox(plane, o.image.shape), o.image.shape[:2])
            found.append(overlap_of(own > 0, o.target > 127))
    overlap, expectation = np.array(found), np.array(expected)
    right = overlap >= 0.8
    return {
        "overlap_median": float(np.median(overlap)),
        "overlap_mean": float(overlap.mean()),
        "below_0.8": float((~right).mean()),
        "expected_mean": float(expectation.mean()),
        "expected_error": float(np.abs(overlap - expectation)[overlap >= 0.8].mean())
        if (overlap >= 0.8).any()
        else 1.0,
    }
