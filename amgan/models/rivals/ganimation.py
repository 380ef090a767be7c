"""GANimation (Pumarola et al., ECCV 2018): colour and attention regression.

Beware of the sense of its mask. Its A says what is *kept*, x* = A x + (1 − A) C, with the colours C; everywhere else in
this project a mask says what is *edited*. So what leaves the generator as alpha is 1 − A; the regularisation is of A.
Its action units were continuous, with a squared error; in the place of that AMGAN's comparison has classification.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from amgan.config import setting
from amgan.models.interface import EditBatch, Generated, Terms
from amgan.models.rivals.encoder_decoder import EncoderDecoder, start_small
from amgan.models.rivals.rival import Rival, RivalConfig, detached
from amgan.models.training_config import OptimisationConfig
from amgan.schema import AttributeSchema


@dataclass(frozen=True)
class GanimationLosses:
    """Weights of L_G. ``smooth`` is the product of the paper's lambda_A = 0.1 and lambda_TV = 0.0001."""

    cls: float = setting(1.0, low=0)  # in L_D too; the paper's 4,000 is of a squared error
    cyc: float = setting(10.0, low=0)  # lambda_idt
    mask: float = setting(0.1, low=0)  # lambda_A: of how much is kept, which would come to be all
    smooth: float = setting(1e-5, low=0)  # of the mask's total variation


@dataclass(frozen=True)
class GanimationConfig(RivalConfig):
    """Training of GANimation. Rates are constant for 20 of its 30 epochs."""

    losses: GanimationLosses = field(default_factory=GanimationLosses)
    optimisation: OptimisationConfig = field(default_factory=lambda: OptimisationConfig(decay_from=2 / 3))


class GanimationGenerator(nn.Module):
    """StarGAN's body with a head for the colours C and one for the attention A."""

    def __init__(self, schema: AttributeSchema, channels: int = 64, blocks: int = 6, inner_stride: int = 1) -> None:
        super().__init__()
        self.schema, self.inner_stride = schema, inner_stride
        self.body = EncoderDecoder(
            schema.n_values + schema.n_attributes, (3, 1), channels, blocks, inner_stride=inner_stride
        )
        start_small(self)

    def forward(self, x: Tensor, condition: Tensor) -> Generated:
        """Pictures in [-1, 1], float (B, 3, S, S), and conditions (B, N + M) of ``make_condition``."""
        colours, attention = self.body(x, condition)
        colours, kept = torch.tanh(colours), torch.sigmoid(attention)
        return Generated(kept * x.float() + (1 - kept) * colours, 1 - kept, colours)


class Ganimation(Rival):
    """GANimation in training."""

    name: ClassVar[str] = "ganimation"
    Config: ClassVar[type] = GanimationConfig
    Generator: ClassVar[type[nn.Module]] = GanimationGenerator

    def generator_loss(self, batch: EditBatch, edited: Generated) -> tuple[Tensor, Terms]:
        """L_G = L_adv + λ_cls L_cls(m; x*) + λ_idt ‖x − G(x*, m')‖₁ + Σ_A (λ_A E A + λ_A λ_TV TV(A)), where A is the
        attention of the edit, and that of the way back."""
        w = self.config.losses
        adv, wanted = self.critic_terms(batch, edited)
        back = self.way_back(batch, edited)
        cls = w.cls * wanted
        cyc = w.cyc * self.reconstruction(batch, back)
        kept = [(1.0, 1 - edited.mask)]  # what share of the batch's rows, and their A
        if back is not None:
            kept.append((len(batch.cycle_rows) / len(batch.source), 1 - back.mask))
        mask = w.mask * torch.stack([share * a.mean() for share, a in kept]).sum()
        smooth = w.smooth * torch.stack([share * total_variation(a) for share, a in kept]).sum()
        loss = adv + cls + cyc + mask + smooth
        terms = {"G/adv": adv, "G/cls": cls, "G/cyc": cyc, "G/mask": mask, "G/smooth": smooth}
        return loss, detached(terms) | {"G/alpha": edited.mask.detach().mean()}


def total_variation(mask: Tensor) -> Tensor:
    """Differences of neighbouring pixels of masks (B, 1, S, S), summed over a mask, averaged over masks; absolute ones,
    as the published code has them, where the paper squares."""
    down = (mask[:, :, 1:] - mask[:, :, :-1]).abs().sum((1, 2, 3))
    across = (mask[..., 1:] - mask[..., :-1]).abs().sum((1, 2, 3))
    return (down + across).mean()
