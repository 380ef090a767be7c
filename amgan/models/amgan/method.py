"""Training of AMGAN: setup, then steps of critics and generator, with snapshots that validate, save and draw a
sheet."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from amgan.attributes import kind
from amgan.config import AmganConfig
from amgan.data.garments import Garments, balance_weights
from amgan.errors import Interrupted, UserError
from amgan.lessons.batches import BatchMaker
from amgan.models.amgan.attention import cam_target, mask_target, needs_cam, true_target
from amgan.models.amgan.critics import Losses, Maps, make_critics
from amgan.models.amgan.encoder import PairEncoder, code_divergence
from amgan.models.amgan.generator import Generator, Told
from amgan.models.amgan.losses import (
    attention_loss,
    cycle_consistency,
    detail_loss,
    pair_loss,
    perceptual_loss,
    region_weight,
)
from amgan.models.blocks import laid_out_as
from amgan.models.classifier import AttributeClassifier
from amgan.models.interface import EditBatch, Generated, make_condition
from amgan.training import parallel
from amgan.training.journal import Journal
from amgan.training.loop import autocast, claim_run, console, interruptible, progress_bar, seed_step
from amgan.training.state import load_state, pack, pack_optimizer, unpack, unpack_optimizer
from amgan.weights import load_classifier, load_critics, load_generator
from amgan.weights.transfer import transfer_generator

LOG_EVERY = 50  # steps


class Around(NamedTuple):
    """The teacher's features of what a batch brings, where they are asked for.

    Attributes:
        reference: of the references.
        real: of ``critics.real_pictures``.
        source_last: the last map of the sources, of the rows ``EditBatch.untrue`` alone.
    """

    reference: Maps | None = None
    real: Maps | None = None
    source_last: Tensor | None = None


class Amgan:
    """Everything that training moves: G, its average, critics, and their optimisers; and the frozen teacher."""

    def __init__(self, schema: Any, config: AmganConfig, teacher: AttributeClassifier, device: torch.device) -> None:
        self.schema, self.config, self.device = schema, config, device
        torch.manual_seed(config.seed)

        def placed(network: torch.nn.Module) -> Any:
            layout = torch.channels_last if config.channels_last else torch.contiguous_format
            return network.to(device, memory_format=layout)  # type: ignore[call-overload]

        c = config
        self.teacher: AttributeClassifier = placed(teacher).eval().requires_grad_(False)
        self.generator: Generator = placed(Generator.from_config(schema, c))
        self.critics = make_critics(self.teacher, c)
        for critic in self.critics.networks().values():
            placed(critic)
        # What is differentiated twice, the critics, is never compiled: that loses the penalty's gradients.
        self.generate = torch.compile(self.generator) if c.compile else self.generator
        self.features = torch.compile(self.teacher.features) if c.compile else self.teacher.features
        self.average: Generator = copy.deepcopy(self.generator).eval().requires_grad_(False)
        critics = [p for network in self.critics.networks().values() for p in network.parameters()]
        self.encoder: PairEncoder | None = placed(PairEncoder(c.code)) if c.code else None
        moved = [*self.generator.parameters(), *(self.encoder.parameters() if self.encoder is not None else ())]
        self.g_optimizer = torch.optim.Adam(moved, lr=c.lr, betas=(0.5, 0.999), fused=True)
        self.d_optimizer = torch.optim.Adam(critics, lr=c.critic_lr, betas=(0.5, 0.999), fused=True)

    def networks(self) -> dict[str, torch.nn.Module]:
        return {"generator": self.generator, "average": self.average} | self.helpers()

    def helpers(self) -> dict[str, torch.nn.Module]:
        """What only training needs: critics, and the encoder of pairs."""
        own: dict[str, torch.nn.Module] = {"encoder": self.encoder} if self.encoder is not None else {}
        return own | self.critics.networks()

    def tensors(self) -> dict[str, Tensor]:
        out: dict[str, Tensor] = {}
        for name, network in self.networks().items():
            out |= pack(name, network.state_dict())
        return out | pack_optimizer("g_optimizer", self.g_optimizer) | pack_optimizer("d_optimizer", self.d_optimizer)

    def load(self, tensors: dict[str, Tensor]) -> None:
        for name, network in self.networks().items():
            network.load_state_dict(unpack(name, tensors))
        unpack_optimizer("g_optimizer", self.g_optimizer, tensors)
        unpack_optimizer("d_optimizer", self.d_optimizer, tensors)

    @property
    def uses_critics(self) -> bool:
        """What has no weight is not computed."""
        return self.config.adv > 0 or self.config.cls > 0

    def autocast(self) -> torch.autocast:
        return autocast(self.device, self.config.bf16)

    def edit(self, batch: EditBatch) -> tuple[Generated, Losses]:
        """x*, alpha and z of a batch; and the divergence of its codes, where there are any."""
        condition = make_condition(self.schema, batch.wanted, batch.edited)
        if self.encoder is None:
            with self.autocast():
                return self.generate(batch.source, condition), {}
        with self.autocast():
            mean, spread = self.encoder(batch.source, batch.reference)
            # Half of the rows are drawn as edits will be, at what is to be expected; and so is a mere change of colour,
            # lest the condition be read off the code.
            known = (batch.paired > 0) & (batch.mix < 0.5) & (self.same_detail(batch) == 0)
            edited = self.generate(batch.source, condition, Told(mean, spread, known, batch.noise))
        divergence = code_divergence(mean, spread, edited.prior)
        return edited, {"kl": self.config.kl * (divergence * known).mean()}

    # --- Critics ------------------------------------------------------------------------------------------------------

    def look(self, edited: Generated) -> Maps | None:
        """The teacher's features of edited pictures, where any loss asks for them."""
        c = self.config
        if not (c.percep > 0 or (self.uses_critics and c.critics == "features")):
            return None
        with self.autocast():
            return self.features(edited.image)

    def look_around(self, batch: EditBatch) -> Around:
        """The teacher's features of the pictures that a batch brings, each once."""
        c, untrue = self.config, batch.untrue
        cams = needs_cam(self.schema, c.attention) and len(untrue) > 0
        if not (c.percep > 0 or cams):
            return Around()
        told = self.uses_critics and c.critics == "features"
        # Where source and reference are alike no map is needed, and the reference is what the critic takes for real.
        # Elsewhere that is the photograph, and the photograph is the source.
        sources = len(untrue) if cams or told else 0
        with self.autocast(), torch.no_grad():
            pictures = torch.cat([batch.reference, batch.source[untrue]]) if sources else batch.reference
            maps = self.features(laid_out_as(pictures, batch.source))
        reference = {k: v[: len(v) - sources] for k, v in maps.items()}
        source = {k: v[len(v) - sources :] for k, v in maps.items()} if sources else None
        real = reference if told else None
        if told and source is not None:
            real = {name: of.index_copy(0, untrue, source[name]) for name, of in reference.items()}
        return Around(reference, real, source["last"] if cams and source is not None else None)

    def critic_step(
        self, batch: EditBatch, edited: Generated, seen: Maps | None, real: Maps | None, step: int
    ) -> Losses:
        """One step of the critics on a batch and what G made of it."""
        if not self.uses_critics:
            return {}
        total, logged = self.critics.loss(batch, edited, seen, real, step)
        self.d_optimizer.zero_grad(set_to_none=True)
        total.backward()
        parallel.average_gradients(self.d_optimizer.param_groups[0]["params"])
        self.d_optimizer.step()
        return logged

    # --- Generator ----------------------------------------------------------------------------------------------------

    def generator_step(
        self, batch: EditBatch, edited: Generated, seen: Maps | None, around: Around, own: Losses
    ) -> Losses:
        """One step of G and of its average; ``own`` are losses of its making that ``edit`` gave."""
        total, logged = self.generator_loss(batch, edited, seen, around, own)
        self.g_optimizer.zero_grad(set_to_none=True)
        total.backward()
        moved = self.g_optimizer.param_groups[0]["params"]
        parallel.average_gradients(moved)
        if self.config.clip > 0:
            torch.nn.utils.clip_grad_norm_(moved, self.config.clip)
        self.g_optimizer.step()
        self._update_average()
        return logged

    def generator_loss(
        self, batch: EditBatch, edited: Generated, seen: Maps | None, around: Around, own: Losses
    ) -> tuple[Tensor, Losses]:
        """L_G = L_adv + l_cls L_cls + l_cyc L_cyc + l_a L_a + l_p L_p (+ l_pair L_pair)."""
        c = self.config
        losses: Losses = dict(own)
        if self.uses_critics:
            # Critics are only looked through here: their own gradients are not wanted.
            critics = self.critics.networks().values()
            for network in critics:
                network.requires_grad_(False)
            losses |= self.critics.view(batch, edited, seen)
            for network in critics:
                network.requires_grad_(True)
        way_back = batch.way_back
        if c.cyc > 0 and len(way_back):
            condition = make_condition(self.schema, batch.labels[way_back], batch.edited[way_back])
            with self.autocast():
                back: Generated = self.generate(edited.image[way_back], condition)
            share = len(way_back) / len(batch.source)
            losses["cyc"] = c.cyc * share * cycle_consistency(batch.source[way_back], back.image)

        if c.percep > 0:
            assert seen is not None and around.reference is not None
            losses["percep"] = c.percep * perceptual_loss(seen, around.reference, c.percep_maps, batch.paired)
        target = self.attention_target(batch, around)
        weight = region_weight(target) if c.balanced else None
        losses["att"] = c.att * attention_loss(edited.mask, target, batch.region, weight, c.mask_loss)
        if c.pairs > 0:
            losses["pair"] = c.pair * pair_loss(edited.image, batch.reference, batch.paired, weight)
        if c.detail > 0:
            losses["detail"] = c.detail * detail_loss(
                edited.image, batch.source, batch.source_mask, self.same_detail(batch)
            )
        total = torch.stack(list(losses.values())).sum()
        return total, {f"G/{k}": v.detach() for k, v in losses.items()} | {"G/alpha": edited.mask.detach().mean()}

    def same_detail(self, batch: EditBatch) -> Tensor:
        """Float (B,), 1 where every edited attribute leaves folds and prints alone."""
        changes = torch.tensor([not kind(name).recoloured for name in self.schema.names], device=self.device)
        return (~(batch.edited & changes).any(1)).float()

    @torch.no_grad()
    def attention_target(self, batch: EditBatch, around: Around) -> Tensor:
        """alpha*, float (B, 1, S, S)."""
        untrue, cams = batch.untrue, None
        if not len(untrue):
            return true_target(batch.source, batch.reference)
        edited = batch.edited[untrue]
        if around.source_last is not None and around.reference is not None:
            source_cam = self.teacher.cam(around.source_last, batch.labels[untrue])
            reference_cam = self.teacher.cam(around.reference["last"][untrue], batch.wanted[untrue])
            cams = cam_target(
                source_cam, reference_cam, edited, self.config.image_size, self.config.attention != "source"
            )
        if self.config.attention == "masks":
            masks = batch.source_mask[untrue], batch.reference_mask[untrue]
            target = mask_target(self.schema, *masks, edited, cams)
        else:
            assert cams is not None
            target = cams
        if len(untrue) == len(batch.source):
            return target
        return true_target(batch.source, batch.reference).index_copy(0, untrue, target)

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = 0.5 ** (self.config.batch / max(self.config.ema_kimg * 1000, 1e-8))
        averaged: list[Tensor] = list(self.average.parameters())
        current: list[Tensor] = list(self.generator.parameters())
        torch._foreach_lerp_(averaged, current, 1 - decay)


def decay(config: AmganConfig, step: int, steps: int) -> float:
    """Factor of the learning rates: constant, then linear to zero; the first hundred steps warm up where nothing is at
    stake."""
    start = config.decay_from * steps
    return min(1.0, (step + 1) / 100, max(0.0, (steps - step) / max(1.0, steps - start)))


def train_amgan(
    train: Garments,
    val: Garments,
    config: AmganConfig,
    out: Path,
    device: torch.device,
    about: dict[str, Any],
    warm_start: str | None = None,
    extra: Garments | None = None,
) -> None:
    """Train and write ``out/editor/`` (the averaged generator), ``out/editor-run/`` (state, statistics, TensorBoard,
    sheets).

    Args:
        extra: garments of the same schema with true edits, drawn for a share ``config.extra`` of each batch.
    """
    if config.batch % parallel.world():
        raise UserError(f"A batch of {config.batch} cannot be shared by {parallel.world()} processes evenly.")
    run, first = out / "editor-run", parallel.rank() == 0
    if first:
        claim_run(run, config, {k: about[k] for k in ("data", "preset", "extra") if k in about})
    parallel.wait_for_all()
    teacher, judge = load_classifier(out, "teacher"), load_classifier(out, "judge")
    teacher.schema.require_same(train.schema, "the teacher", "the data")
    model = Amgan(train.schema, config, teacher, device)
    steps = max(1, round(config.kimg * 1000 / config.batch))
    every = max(1, round(config.snapshot_kimg * 1000 / config.batch))
    step, best, seconds = 0, -1.0, 0.0
    if (saved := load_state(run)) is not None:
        model.load(saved[0])
        step, best, seconds = saved[1]["step"], saved[1]["best"], saved[1]["seconds"]
        console.print(f"Resuming at {step * config.batch / 1000:.1f} of {config.kimg:g} kimg")
    elif warm_start is not None:
        _start_from(model, warm_start)

    batches = make_batches(train, extra, teacher, config, device)
    journal = Journal(out, model, judge, val, about, best, seconds) if first else None
    with interruptible() as interrupted, progress_bar(visible=first) as bar:
        task = bar.add_task("Training AMGAN", total=steps, completed=step)
        stop = False
        while step < steps and not stop:
            losses = one_step(model, batches, step, steps)
            step += 1
            bar.update(task, completed=step)
            # Asking all processes costs a wait, so only one in ten steps does.
            if not parallel.active() or step % 10 == 0:
                stop = parallel.any_process(bool(interrupted))
            if step % LOG_EVERY == 0 or step == 1:  # the only place where the loop waits for the device
                values = {k: float(parallel.mean_over_processes(v)) for k, v in losses.items()}
                if journal is not None:
                    journal.losses(step, values)
            if journal is not None and (step % every == 0 or step == steps or stop):
                bar.update(task, description="Validating")
                bar.console.print(journal.snapshot(step))
                bar.update(task, description="Training AMGAN")
    parallel.wait_for_all()
    if journal is not None:
        journal.close()
    if stop and step < steps:
        raise Interrupted
    if journal is not None:
        console.print(f"Done: {out / 'editor'}, best validation score {journal.best:.3f}. Sheets in {run / 'sheets'}.")


def make_batches(
    train: Garments, extra: Garments | None, teacher: AttributeClassifier, config: AmganConfig, device: torch.device
) -> BatchMaker:
    own, weights = len(train), balance_weights(train.labels, config.balance)
    if extra is not None:
        weights = torch.cat(
            [(1 - config.extra) * weights, config.extra * balance_weights(extra.labels, config.balance)]
        )
        train = train.joined(extra)
    train = train.to(device)
    return BatchMaker(train, teacher.embed(train.images).to(device), weights, config, own)


def one_step(model: Amgan, batches: BatchMaker, step: int, steps: int) -> Losses:
    """Critic steps and one generator step, all draws from the seed of this step."""
    config = model.config
    generator = seed_step(config.seed, step)
    factor = decay(config, step, steps)
    for optimizer, lr in ((model.g_optimizer, config.lr), (model.d_optimizer, config.critic_lr)):
        for group in optimizer.param_groups:
            group["lr"] = lr * factor
    losses: Losses = {}
    for _ in range(config.critic_steps - 1):
        batch = batches.draw(generator, parallel.my_rows())
        with torch.no_grad():
            edited, _ = model.edit(batch)
            seen = model.look(edited)
        losses |= model.critic_step(batch, edited, seen, None, step)
    # The generator does not move before its own step, so the last critic step and it share one batch and one forward
    # pass.
    batch = batches.draw(generator, parallel.my_rows())
    edited, own = model.edit(batch)
    seen = model.look(edited)
    around = model.look_around(batch)
    losses |= model.critic_step(batch, edited, seen, around.real, step)
    losses |= model.generator_step(batch, edited, seen, around, own)
    if step == 0 and not all(math.isfinite(float(v)) for v in losses.values()):
        raise UserError("The first step's losses are not finite; lower the learning rate, or train with -c bf16=false.")
    return losses


def _start_from(model: Amgan, weights: str) -> None:
    """Copy what fits of other weights' editor into generator and average, and of what trained it, where the weights
    have that; the rest starts fresh."""
    other, _, _ = load_generator(weights)
    copied, count = transfer_generator(model.generator, other), len(model.generator.state_dict())
    if copied < count // 2:
        raise UserError(
            f"Only {copied} of {count} tensors of the editor of {weights} fit; "
            "use the same channels, blocks, skips and context."
        )
    model.average.load_state_dict(model.generator.state_dict())
    helpers = "".join(f", {name}" for name in load_critics(weights, model.helpers(), model.schema))
    console.print(f"Warm start: {copied} of {count} tensors{helpers} from {weights}")
