"""StarGAN (Choi et al., CVPR 2018): one generator for all domains, which paints the whole picture anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from amgan.config import setting
from amgan.models.interface import EditBatch, Generated, Terms
from amgan.models.rivals.encoder_decoder import EncoderDecoder
from amgan.models.rivals.rival import Rival, RivalConfig, detached
from amgan.schema import AttributeSchema


@dataclass(frozen=True)
class StarganLosses:
    """Weights of L_G (equation 6)."""

    cls: float = setting(1.0, low=0)  # in L_D too
    cyc: float = setting(10.0, low=0)  # lambda_rec


@dataclass(frozen=True)
class StarganConfig(RivalConfig):
    """Training of StarGAN."""

    losses: StarganLosses = field(default_factory=StarganLosses)


class StarganGenerator(nn.Module):
    """Pictures and conditions to pictures. There is no mask: everything is edited, alpha = 1."""

    def __init__(self, schema: AttributeSchema, channels: int = 64, blocks: int = 6, inner_stride: int = 1) -> None:
        super().__init__()
        self.schema, self.inner_stride = schema, inner_stride
        self.body = EncoderDecoder(
            schema.n_values + schema.n_attributes, (3,), channels, blocks, inner_stride=inner_stride
        )

    def forward(self, x: Tensor, condition: Tensor) -> Generated:
        """Pictures in [-1, 1], float (B, 3, S, S), and conditions (B, N + M) of ``make_condition``."""
        (picture,) = self.body(x, condition)
        image = torch.tanh(picture)
        return Generated(image, torch.ones_like(image[:, :1]), image)


class Stargan(Rival):
    """StarGAN in training."""

    name: ClassVar[str] = "stargan"
    Config: ClassVar[type] = StarganConfig
    Generator: ClassVar[type[nn.Module]] = StarganGenerator

    def generator_loss(self, batch: EditBatch, edited: Generated) -> tuple[Tensor, Terms]:
        """L_G = L_adv + λ_cls L_cls(m; x*) + λ_rec ‖x − G(x*, m')‖₁."""
        w = self.config.losses
        adv, wanted = self.critic_terms(batch, edited)
        cls = w.cls * wanted
        cyc = w.cyc * self.reconstruction(batch, self.way_back(batch, edited))
        loss = adv + cls + cyc
        return loss, detached({"G/adv": adv, "G/cls": cls, "G/cyc": cyc})
