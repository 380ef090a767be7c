"""The losses of AMGAN (ICCV 2019, section 3), in the paper's order and with its names.

Each returns a scalar tensor, or ``(loss, {name: tensor})`` where several are summed; none waits for the device.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from amgan.config import AmganConfig
from amgan.networks.classifier import classification_loss
from amgan.networks.discriminator import Discriminator
from amgan.schema import UNKNOWN, AttributeSchema

# --- Adversarial loss ------------------------------------------------------------------------------------------------


def critic_adversarial(objective: str, real: Tensor, fake: Tensor) -> Tensor:
    """L_adv of D_I or D_C, from realness maps (B, 1, h, w)."""
    if objective == "wgan-gp":
        return fake.mean() - real.mean()
    return F.softplus(fake).mean() + F.softplus(-real).mean()


def generator_adversarial(objective: str, fake: Tensor) -> Tensor:
    """L_adv^G of one critic."""
    return -fake.mean() if objective == "wgan-gp" else F.softplus(-fake).mean()


def gradient_penalty(critic: Discriminator, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
    """WGAN-GP (Gulrajani et al. 2017, equation 3): (|grad D(x^)| - 1)^2 at random points between real and fake, (B, 3, H, W)."""
    mix = torch.rand(len(real), 1, 1, 1, generator=generator).to(real.device)
    between = (mix * real + (1 - mix) * fake).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between)[0].sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def r1_penalty(critic: Discriminator, real: Tensor) -> Tensor:
    """R1 (Mescheder et al. 2018): |grad D(x)|^2 at real pictures; callers weight it by gamma / 2."""
    real = real.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(real)[0].sum(), real, create_graph=True)
    return gradient.flatten(1).square().sum(1).mean()


# --- Classification loss ---------------------------------------------------------------------------------------------


def wanted_classification(schema: AttributeSchema, logits: Tensor, wanted: Tensor, edited: Tensor) -> Tensor:
    """L_cls^G: the critic's class head must see the wanted values of the edited attributes.

    Args:
        logits: (B, N).
        wanted: int64 (B, M).
        edited: bool (B, M).
    """
    return classification_loss(schema, logits, torch.where(edited, wanted, UNKNOWN))


# --- Cycle consistency, attention, perceptual ------------------------------------------------------------------------


def cycle_consistency(x: Tensor, back: Tensor) -> Tensor:
    """L_cyc = |x - G(G(x, m), m')|_1, pictures (B, 3, S, S)."""
    return (x - back).abs().mean()


def attention_loss(alpha: Tensor, target: Tensor) -> Tensor:
    """L_a = |alpha - alpha*|_1, masks (B, 1, S, S)."""
    return (alpha - target).abs().mean()


def perceptual_loss(features: dict[str, Tensor], reference: dict[str, Tensor], maps: bool, paired: Tensor) -> Tensor:
    """L_p: distance of the teacher's features between x* and the reference.

    Pooled features always; with ``maps`` the last feature map too (the paper's conv5). Where the reference is aligned with x*
    (``paired``), the earlier maps are compared as well.

    Args:
        features, reference: of ``AttributeClassifier.features``.
        paired: float (B,), 1 where the reference is aligned.
    """
    loss = (features["pooled"] - reference["pooled"]).abs().mean()
    if maps:
        loss = loss + (features["last"] - reference["last"]).abs().mean()
        for name in ("early", "middle"):
            distance = (features[name] - reference[name]).abs().mean((1, 2, 3))
            loss = loss + (distance * paired).mean()
    return loss


def pair_loss(image: Tensor, reference: Tensor, paired: Tensor) -> Tensor:
    """|x* - x_ref|_1 where the reference is a constructed pair's other half."""
    return ((image - reference).abs().mean((1, 2, 3)) * paired).sum() / paired.sum().clamp(min=1)


# --- Sums ------------------------------------------------------------------------------------------------------------


def critic_loss(
    config: AmganConfig,
    schema: AttributeSchema,
    name: str,
    real: tuple[Tensor, Tensor],
    fake: Tensor,
    labels: Tensor,
) -> tuple[Tensor, dict[str, Tensor]]:
    """L_D of one critic without its penalty: adversarial, and classification of real pictures' own attributes m'.

    Args:
        name: ``I`` or ``C``.
        real: realness and class logits of real pictures.
        fake: realness of generated ones.
        labels: int64 (B, M) of the real ones.
    """
    adv = critic_adversarial(config.objective, real[0], fake)
    cls = classification_loss(schema, real[1], labels)
    return adv + config.cls * cls, {f"D_{name}/adv": adv.detach(), f"D_{name}/cls": cls.detach()}
