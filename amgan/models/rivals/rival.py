"""What the three rivals have in common: groups of settings, one critic of the whole picture, the way back.

They learn from unpaired photographs, and are asked for edits in the same words as AMGAN: N value planes and M attribute
planes, the condition of StarGAN's mask vector. Where their authors ask yes or no for each attribute, values exclude
each other here, so every class head has a softmax within each attribute, as AMGAN's comparison on its data needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from amgan.config import setting
from amgan.errors import UserError
from amgan.models.amgan.discriminators import Discriminator
from amgan.models.amgan.losses import (
    critic_adversarial,
    critic_penalty,
    cycle_consistency,
    generator_adversarial,
    wanted_classification,
)
from amgan.models.classifier import AttributeClassifier, classification_loss
from amgan.models.interface import EditBatch, Generated, Terms, make_condition
from amgan.models.precision import autocast
from amgan.models.training_config import LessonsConfig, OptimisationConfig
from amgan.schema import AttributeSchema

# --- Settings ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BodyConfig:
    """The generator; the defaults are StarGAN's and GANimation's."""

    channels: int = setting(64, low=1, high=2048)  # of the first layer
    blocks: int = setting(6, low=0, high=256)  # residual blocks
    inner_stride: Literal[1, 2] = 1  # 2: folds 2x2 pixels into channels and works at half the resolution, see AMGAN's


@dataclass(frozen=True)
class CriticConfig:
    """The critic; the defaults are StarGAN's and GANimation's."""

    critic_channels: int = setting(64, low=1)
    critic_cap: int = setting(2048, low=1)  # widest layer; 2,048 is what 64 become in six layers
    critic_layers: int = setting(6, low=1, high=10)
    objective: Literal["wgan-gp", "ns-r1"] = "wgan-gp"  # see amgan/models/amgan/losses.py
    critic_steps: int = setting(5, low=1)  # per generator step
    gp: float = setting(10.0, low=0)  # lambda_gp of WGAN-GP; gamma of R1
    r1_every: int = setting(16, low=1)  # steps; R1 is taken lazily


@dataclass(frozen=True)
class RivalConfig:
    """Training of a rival; each adds its ``losses``."""

    HALVINGS: ClassVar[int] = 2  # of the generator
    code_size: ClassVar[int] = 0  # numbers of a code, and real garments, that batches bring: see ``Method``
    wants_real: ClassVar[bool] = False

    image_size: int = setting(128, low=16, high=1024)
    generator: BodyConfig = field(default_factory=BodyConfig)
    critics: CriticConfig = field(default_factory=CriticConfig)
    lessons: LessonsConfig = field(default_factory=LessonsConfig)
    optimisation: OptimisationConfig = field(default_factory=OptimisationConfig)

    def __post_init__(self) -> None:
        step, layers = self.generator.inner_stride * 2**self.HALVINGS, self.critics.critic_layers
        if self.image_size % step:
            raise UserError(f"Setting image_size cannot be {self.image_size}: it must be a multiple of {step}.")
        if self.image_size < 2**layers:
            raise UserError(
                f"Setting critic_layers cannot be {layers}: a critic that halves a picture of {self.image_size} pixels "
                f"so often needs image_size={2**layers} at least."
            )
        if self.lessons.pairs:
            raise UserError(
                "Setting pairs must be 0 for this model: it learns from unpaired photographs, and no loss of its own "
                "knows an exact result."
            )

    def idle(self) -> dict[str, str]:
        """See ``amgan.config.idle_settings``."""
        out = dict.fromkeys(("pairs", "patterned", "dyed"), "this model learns from unpaired photographs")
        if self.critics.objective == "wgan-gp":
            out["r1_every"] = "WGAN-GP pays its penalty in every step"
        return out if self.lessons.extra else out | {"extra": "there are no --extra garments"}


# --- Training ---------------------------------------------------------------------------------------------------------


class Rival:
    """See ``amgan.models.interface.Method``. A rival adds its name, configuration, generator, and L_G."""

    name: ClassVar[str]
    Config: ClassVar[type]
    Generator: ClassVar[type[nn.Module]]
    SLOPE: ClassVar[float] = 0.01  # of the critic's leaky ReLU
    HEAD_BIAS: ClassVar[bool] = False  # whether the critic's heads have biases

    def __init__(
        self, schema: AttributeSchema, config: Any, teacher: AttributeClassifier, device: torch.device
    ) -> None:
        self.schema, self.config, self.device, c = schema, config, device, config.critics
        # No loss asks the teacher: it finds references for whoever wants them, and names the attributes of edits.
        self.teacher: AttributeClassifier = teacher.to(device).eval().requires_grad_(False)
        self.generator = self.make_generator(schema, config)
        self.critic = Discriminator(
            schema, config.image_size, c.critic_channels, c.critic_layers, c.critic_cap, self.SLOPE, self.HEAD_BIAS
        )
        self.critic_steps: int = c.critic_steps
        layout = torch.channels_last if config.optimisation.channels_last else torch.contiguous_format
        for network in (self.teacher, self.generator, self.critic):
            network.to(device, memory_format=layout)  # type: ignore[call-overload]
        # The critic is differentiated twice, so it is never compiled: that loses the penalty's gradients.
        self.generate = torch.compile(self.generator) if config.optimisation.compile else self.generator

    @classmethod
    def make_generator(cls, schema: AttributeSchema, config: Any) -> nn.Module:
        g = config.generator
        return cls.Generator(schema, g.channels, g.blocks, g.inner_stride)

    def generator_networks(self) -> dict[str, nn.Module]:
        return {}

    def critic_networks(self) -> dict[str, nn.Module]:
        return {"critic_i": self.critic}

    def autocast(self) -> torch.autocast:
        return autocast(self.device, self.config.optimisation.bf16)

    def edit(self, x: Tensor, labels: Tensor, edited: Tensor) -> Generated:
        """G(x, m), where m asks for the labels, int64 (B, M), of the edited attributes, bool (B, M)."""
        with self.autocast():
            return self.generate(x, make_condition(self.schema, labels, edited))

    def forward(self, batch: EditBatch) -> Generated:
        """x* = G(x, m)."""
        return self.edit(batch.source, batch.wanted, batch.edited)

    def critic_loss(self, batch: EditBatch, edited: Generated, step: int) -> tuple[Tensor, Terms]:
        """L_D = L_adv + λ_gp L_gp + λ_cls L_cls(m'; x). With WGAN-GP L_adv = E D(x*) − E D(x) and
        L_gp = E (‖∇D(x̂)‖₂ − 1)²; see ``critic_adversarial`` and ``critic_penalty``."""
        x, fake = batch.photos, edited.image.detach()
        with self.autocast():
            (real_source, classes), (fake_source, _) = self.critic(x), self.critic(fake)
        c = self.config.critics
        adv = critic_adversarial(c.objective, real_source, fake_source)
        # Differentiated twice: in full precision.
        penalty = critic_penalty(c, lambda p: self.critic(p)[0], x, fake, batch.mix, step)
        cls = self.config.losses.cls * classification_loss(self.schema, classes, batch.labels, batch.counts.labels)
        loss = adv + cls if penalty is None else adv + cls + penalty
        return loss, detached({"D/adv": adv, "D/penalty": penalty, "D/cls": cls})

    def generator_loss(self, batch: EditBatch, edited: Generated) -> tuple[Tensor, Terms]:
        raise NotImplementedError

    # --- Terms of L_G that all have -----------------------------------------------------------------------------------

    def critic_terms(self, batch: EditBatch, edited: Generated) -> tuple[Tensor, Tensor]:
        """L_adv^G, with WGAN-GP −E D(x*), and L_cls^G = L_cls(m; x*). The critic's own gradients are not wanted."""
        self.critic.requires_grad_(False)
        with self.autocast():
            source, classes = self.critic(edited.image)
        self.critic.requires_grad_(True)
        cls = wanted_classification(self.schema, classes, batch.wanted, batch.edited, batch.counts.wanted)
        return generator_adversarial(self.config.critics.objective, source), cls

    def way_back(self, batch: EditBatch, edited: Generated) -> Generated | None:
        """G(x*, m') of the rows from which there is a way back (``EditBatch.cycle_rows``); None where there is none."""
        rows = batch.cycle_rows
        return self.edit(edited.image[rows], batch.labels[rows], batch.edited[rows]) if len(rows) else None

    def reconstruction(self, batch: EditBatch, made: Generated | None) -> Tensor:
        """‖x − x'‖₁ of those rows, by their share of the batch."""
        if made is None:
            return batch.source.new_zeros(())  # logged too: every process has to log the same losses
        rows = batch.cycle_rows
        return len(rows) / len(batch.source) * cycle_consistency(batch.source[rows], made.image)


def detached(terms: dict[str, Tensor | float | None]) -> Terms:
    """Terms for the journal; those that this step or batch does not have are left out."""
    return {name: v.detach() for name, v in terms.items() if isinstance(v, Tensor)}
