"""Training of any ``Method``: its optimisers and average, one training step, and the run from start to end."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from amgan.data.garments import Garments
from amgan.errors import UserError
from amgan.lessons.batches import BatchMaker
from amgan.models.interface import Method, Terms
from amgan.models.training_config import OptimisationConfig
from amgan.training import parallel
from amgan.training.classifier import require_labels
from amgan.training.journal import Journal, Progress
from amgan.training.loop import fit, seed_step
from amgan.training.precision import settle_precision
from amgan.training.run import Run, load_state, pack, pack_optimizer, say, steps_of, unpack, unpack_optimizer
from amgan.training.supply import Drawn, Supply
from amgan.weights import load_classifier, load_critics, load_generator
from amgan.weights.transfer import transfer_generator


class Trainer:
    """A method with all that moves beside its networks.

    Attributes:
        average: the generator averaged over steps (Karras et al. 2018), which is validated and kept; the generator
            itself where ``ema_kimg`` is 0.
        batches: that a step draws.
        first_step: of the run, with which learning rates warm up.
    """

    def __init__(self, method: Method, first_step: int = 0) -> None:
        self.method, o = method, method.config.optimisation
        self.average: nn.Module = method.generator
        if o.ema_kimg:
            self.average = copy.deepcopy(method.generator).eval().requires_grad_(False)
        self.batches, self.first_step = max(1, method.critic_steps), first_step
        self.g_optimizer = _adam([method.generator, *method.generator_networks().values()], o.lr)
        self.d_optimizer = _adam(list(method.critic_networks().values()), o.critic_lr)

    def step(self, batches: BatchMaker, step: int, progress: float) -> Terms:
        """One training step: critics, then the generator. All draws are seeded by the step; learning rates follow the
        progress of the run, in [0, 1]."""
        method, o = self.method, self.method.config.optimisation
        draws = seed_step(o.seed, step)
        factor = learning_rate_factor(o, step - self.first_step, progress)
        terms: Terms = {}
        for left in reversed(range(self.batches)):
            batch = batches.draw(draws, parallel.my_rows())
            # The generator does not move before its own step, so the last critic step and it share one batch and one
            # forward pass; the passes before need no gradient.
            with torch.set_grad_enabled(left == 0):
                outputs = method.forward(batch)
            if method.critic_steps:
                loss, own = method.critic_loss(batch, outputs, step)
                _descend(self.d_optimizer, loss, o.critic_lr * factor)
                terms |= own
            if left == 0:
                loss, own = method.generator_loss(batch, outputs)
                _descend(self.g_optimizer, loss, o.lr * factor, o.clip)
                terms |= own
        self._update_average()
        return terms

    @torch.no_grad()
    def _update_average(self) -> None:
        o = self.method.config.optimisation
        if o.ema_kimg:
            decay = 0.5 ** (o.batch / (o.ema_kimg * 1000))
            averaged: list[Tensor] = list(self.average.parameters())
            current: list[Tensor] = list(self.method.generator.parameters())
            torch._foreach_lerp_(averaged, current, 1 - decay)
            # Statistics of batch normalisation are averages already.
            for mine, theirs in zip(self.average.buffers(), self.method.generator.buffers(), strict=True):
                mine.copy_(theirs)

    # --- States -------------------------------------------------------------------------------------------------------

    def helpers(self) -> dict[str, nn.Module]:
        """Networks that only training needs."""
        return self.method.generator_networks() | self.method.critic_networks()

    def _networks(self) -> dict[str, nn.Module]:
        average = {"average": self.average} if self.average is not self.method.generator else {}
        return {"generator": self.method.generator} | average | self.helpers()

    def tensors(self) -> dict[str, Tensor]:
        out: dict[str, Tensor] = {}
        for name, network in self._networks().items():
            out |= pack(name, network.state_dict())
        return out | pack_optimizer("g_optimizer", self.g_optimizer) | pack_optimizer("d_optimizer", self.d_optimizer)

    def load(self, tensors: dict[str, Tensor]) -> None:
        """What ``tensors`` gave. Raises RuntimeError or ValueError where something is missing or of another shape."""
        for name, network in self._networks().items():
            network.load_state_dict(unpack(name, tensors))
        unpack_optimizer("g_optimizer", self.g_optimizer, tensors)
        unpack_optimizer("d_optimizer", self.d_optimizer, tensors)

    def start_from(self, weights: str) -> None:
        """Copy what fits of other weights' editor into generator and average, and of what trained it, where the weights
        have that; the rest starts fresh. Raises UserError where too little fits."""
        other, _, _ = load_generator(weights)
        generator = self.method.generator
        copied, count = transfer_generator(generator, other), len(generator.state_dict())
        if copied < count // 2:
            raise UserError(
                f"Only {copied} of {count} tensors of the editor of {weights} fit; "
                "use the same channels, blocks, skips and context."
            )
        self.average.load_state_dict(generator.state_dict())
        helpers = "".join(f", {name}" for name in load_critics(weights, self.helpers(), self.method.schema))
        say(f"Warm start: {copied} of {count} tensors{helpers} from {weights}")


def _adam(networks: list[nn.Module], lr: float) -> torch.optim.Adam | None:
    parameters = [p for network in networks for p in network.parameters() if p.requires_grad]
    return torch.optim.Adam(parameters, lr=lr, betas=(0.5, 0.999), fused=True) if parameters else None


def _descend(optimizer: torch.optim.Adam | None, loss: Tensor, lr: float, clip: float = 0.0) -> None:
    """One step of an optimiser, with the gradient of the whole batch, shortened to ``clip`` where that is not 0."""
    assert optimizer is not None
    (group,) = optimizer.param_groups
    group["lr"] = lr
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    parallel.average_gradients(group["params"])
    if clip:
        torch.nn.utils.clip_grad_norm_(group["params"], clip)
    optimizer.step()


def learning_rate_factor(o: OptimisationConfig, step: int, progress: float) -> float:
    """Of the learning rates: a warm-up, constant, then linear to zero."""
    left = (1 - progress) / (1 - o.decay_from) if o.decay_from < 1 else 1.0
    return min(1.0, (step + 1) / max(1, o.warm_up), left)


# --- The run ----------------------------------------------------------------------------------------------------------


def train(
    kind: type[Method],
    garments: Garments | Drawn,
    val: Garments,
    config: Any,
    out: Path,
    device: torch.device,
    about: dict[str, Any],
    classifiers: Path | None = None,
    warm_start: str | None = None,
    extra: Garments | Drawn | None = None,
    begun: Progress | None = None,
) -> None:
    """Train and write ``out/editor/`` (the averaged generator) and ``out/editor-run/`` (state, statistics, TensorBoard,
    sheets).

    Args:
        kind: the method.
        about: facts for the weights' card; data, preset, stage, extra and edit must be the same when the run is
            resumed.
        classifiers: the folder of teacher and judge; ``out`` when not given.
        warm_start: weights to start from.
        extra: garments of the same schema with true edits, drawn for a share ``config.lessons.extra`` of each batch.
            These, or the garments, may be ones that are drawn as training goes on.
        begun: how far the training of the weights that it starts from had come, where images are counted on.

    Raises:
        UserError: the data do not do, the run folder is another's, the run diverged.
        Interrupted, TimeIsUp: told to stop, or out of time; what was done is saved.
    """
    config = settle_precision(config, out / "editor-run", device)
    o = config.optimisation
    if o.batch % parallel.world():
        raise UserError(f"A batch of {o.batch} cannot be shared by {parallel.world()} processes evenly.")
    if isinstance(garments, Garments):
        if len(garments) < 2:
            raise UserError("The split train has a single usable garment; its reference must be another: add some.")
        require_labels(garments, "train")
    require_labels(val, "val")
    first = parallel.rank() == 0
    same = {k: about[k] for k in ("data", "preset", "stage", "extra", "edit") if k in about}
    run = Run(out / "editor-run", config, same) if first else None
    journal, supply, tell = None, None, say if first else lambda _: None
    try:
        parallel.wait_for_all()
        teacher, judge = (load_classifier(classifiers or out, role) for role in ("teacher", "judge"))
        teacher.schema.require_same(val.schema, "the teacher", "the data")
        torch.manual_seed(o.seed)
        progress = replace(begun) if begun is not None else Progress()
        trainer = Trainer(kind(val.schema, config, teacher, device), progress.step)
        steps = steps_of(o.kimg, o.batch)

        def accept(tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
            trainer.load(tensors)
            progress.best, progress.seconds = float(meta["best"]), float(meta["seconds"])

        done = load_state(out / "editor-run", accept)
        if run is not None:
            run.saved = done
        if done is not None and done >= steps:
            tell(f"{out / 'editor'} is trained; a larger kimg goes on.")
            return
        if done is not None:
            tell(f"Resuming at {done * o.batch / 1000:.1f} of {o.kimg:g} kimg")
        elif warm_start is not None:
            trainer.start_from(warm_start)
        start = progress.step if done is None else done
        supply = Supply(garments, extra, val, teacher, config, device, start, trainer.batches)
        journal = Journal(run, out, trainer, judge, val, about, progress) if run is not None else None
        fit(
            f"Training {kind.name}",
            run,
            range(start, steps),
            steps_of(o.snapshot_kimg, o.batch),
            lambda step, progress: trainer.step(supply.at(step), step, progress) | supply.terms(step),
            journal,
        )
        if journal is not None:
            best = f"best validation score {progress.best:.3f}"
            say(f"Done: {out / 'editor'}, {best}. Sheets in {out / 'editor-run' / 'sheets'}.")
    finally:
        if supply is not None:
            supply.close()
        if journal is not None:
            journal.close()
        if run is not None:
            run.close()
