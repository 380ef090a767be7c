"""SaGAN (Zhang et al., "Generative Adversarial Network with Spatial Attention for Face Attribute Editing", ECCV 2018):
an attribute manipulation network paints, and a spatial attention network says where.

Its mask says what is edited, as everywhere in this project. Its authors train one model for each attribute. AMGAN's
comparison has one for all, so both networks see the condition here: where to edit depends on what is edited.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from amgan.config import setting
from amgan.models.interface import EditBatch, Generated, Terms
from amgan.models.rivals.encoder_decoder import EncoderDecoder, start_small
from amgan.models.rivals.rival import BodyConfig, CriticConfig, Rival, RivalConfig, detached
from amgan.models.training_config import OptimisationConfig
from amgan.schema import AttributeSchema


@dataclass(frozen=True)
class SaganLosses:
    """Weights of L_G."""

    cls: float = setting(1.0, low=0)  # in L_D too
    cyc: float = setting(20.0, low=0)  # lambda_1, of the way back
    own: float = setting(100.0, low=0)  # lambda_2, of the edit to what is there


@dataclass(frozen=True)
class SaganConfig(RivalConfig):
    """Training of SaGAN. Its rates stay constant."""

    HALVINGS: ClassVar[int] = 3

    generator: BodyConfig = field(default_factory=lambda: BodyConfig(channels=32, blocks=4))
    critics: CriticConfig = field(
        default_factory=lambda: CriticConfig(critic_channels=32, critic_cap=1024, critic_steps=3)
    )
    losses: SaganLosses = field(default_factory=SaganLosses)
    optimisation: OptimisationConfig = field(
        default_factory=lambda: OptimisationConfig(lr=2e-4, critic_lr=2e-4, decay_from=1.0)
    )


class SaganGenerator(nn.Module):
    """AMN, the attribute manipulation network, and SAN, the spatial attention network."""

    def __init__(self, schema: AttributeSchema, channels: int = 32, blocks: int = 4, inner_stride: int = 1) -> None:
        super().__init__()
        self.schema, self.inner_stride = schema, inner_stride
        planes, halvings = schema.n_values + schema.n_attributes, SaganConfig.HALVINGS
        self.amn = EncoderDecoder(planes, (3,), channels, blocks, halvings, True, inner_stride)
        self.san = EncoderDecoder(planes, (1,), channels, blocks, halvings, True, inner_stride)
        start_small(self)

    def forward(self, x: Tensor, condition: Tensor) -> Generated:
        """Pictures in [-1, 1], float (B, 3, S, S), and conditions (B, N + M) of ``make_condition``."""
        (picture,), (attention,) = self.amn(x, condition), self.san(x, condition)
        raw, mask = torch.tanh(picture), torch.sigmoid(attention)
        return Generated.blended(x.float(), mask, raw)


class Sagan(Rival):
    """SaGAN in training."""

    name: ClassVar[str] = "sagan"
    Config: ClassVar[type] = SaganConfig
    Generator: ClassVar[type[nn.Module]] = SaganGenerator
    SLOPE: ClassVar[float] = 0.2
    HEAD_BIAS: ClassVar[bool] = True

    def generator_loss(self, batch: EditBatch, edited: Generated) -> tuple[Tensor, Terms]:
        """L_G = L_adv + λ_cls L_cls(m; x*) + λ_1 ‖x − G(x*, m')‖₁ + λ_2 ‖x − G(x, m')‖₁."""
        w = self.config.losses
        adv, wanted = self.critic_terms(batch, edited)
        cls = w.cls * wanted
        cyc = w.cyc * self.reconstruction(batch, self.way_back(batch, edited))
        own = w.own * self.reconstruction(batch, self._edit_to_own(batch))
        loss = adv + cls + cyc + own
        terms = {"G/adv": adv, "G/cls": cls, "G/cyc": cyc, "G/own": own}
        return loss, detached(terms) | {"G/alpha": edited.mask.detach().mean()}

    def _edit_to_own(self, batch: EditBatch) -> Generated | None:
        """G(x, m') of the rows whose edited attributes can be asked for as they are; None where there is none."""
        rows = batch.cycle_rows
        return self.edit(batch.source[rows], batch.labels[rows], batch.edited[rows]) if len(rows) else None
