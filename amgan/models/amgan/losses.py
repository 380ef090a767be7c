"""The losses of AMGAN (ICCV 2019, section 3), in the paper's order and with its names.

Each returns a scalar tensor, or ``(loss, {name: tensor})`` where several are summed; none waits for the device.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from amgan.config import AmganConfig
from amgan.models.amgan.discriminators import Discriminator
from amgan.models.classifier import classification_loss
from amgan.schema import UNKNOWN, AttributeSchema
from amgan.training.parallel import count_of_whole_batch

# --- Adversarial loss ------------------------------------------------------------------------------------------------


def critic_adversarial(objective: str, real: Tensor, fake: Tensor) -> Tensor:
    """L_adv of a critic, from realness maps (B, 1, h, w)."""
    if objective == "wgan-gp":
        return fake.mean() - real.mean()
    if objective == "hinge":
        return F.relu(1 + fake).mean() + F.relu(1 - real).mean()
    if objective == "r3gan":  # relativistic pairing (Huang et al. 2024, equation 2)
        return F.softplus(fake - real).mean()
    return F.softplus(fake).mean() + F.softplus(-real).mean()


def generator_adversarial(objective: str, fake: Tensor, real: Tensor | None = None) -> Tensor:
    """L_adv^G of one critic; ``r3gan`` compares with the realness of real pictures."""
    if objective == "r3gan":
        assert real is not None
        return F.softplus(real - fake).mean()
    return F.softplus(-fake).mean() if objective == "ns-r1" else -fake.mean()


def gradient_penalty(critic: Discriminator, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """WGAN-GP (Gulrajani et al. 2017, equation 3): (|grad D(x^)| - 1)^2 at points between real and fake, (B, 3, H, W).

    Args:
        mix: (B,), uniform in [0, 1): how much of the real picture there is in each point.
    """
    mix = mix[:, None, None, None]
    between = (mix * real + (1 - mix) * fake).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between)[0].sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def r1_penalty(critic: Discriminator, pictures: Tensor) -> Tensor:
    """R1 (Mescheder et al. 2018): |grad D(x)|^2 at real pictures, or R2 at generated ones; callers weight it by gamma /
    2."""
    pictures = pictures.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(pictures)[0].sum(), pictures, create_graph=True)
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


def region_weight(target: Tensor) -> Tensor:
    """Weights (B, 1, S, S) that lift a small attention target: its inside counts by the root of outside to inside area.

    A sleeve covers a twelfth of the frame. L1 asks for the median of an uncertain target, and there that is nothing.
    """
    inside = target.mean((1, 2, 3), keepdim=True).clamp(0.01, 0.99)
    return 1 + target * (((1 - inside) / inside).sqrt().clamp(min=1) - 1)


def _weighted_mean(distance: Tensor, weight: Tensor | None) -> Tensor:
    """Mean over all but the first dimension, (B,)."""
    if weight is None:
        return distance.mean((1, 2, 3))
    return (weight * distance).mean((1, 2, 3)) / weight.mean((1, 2, 3))


def attention_loss(
    alpha: Tensor, target: Tensor, counted: Tensor, weight: Tensor | None = None, kind: str = "l1"
) -> Tensor:
    """L_a = |alpha - alpha*|_1, masks (B, 1, S, S), over the items that are ``counted`` (float (B,)).

    ``bce`` takes the cross-entropy instead. Through the sigmoid the gradient of L1 dies where alpha is near 0, and
    there a small region that ought to be edited starts.
    """
    if kind == "bce":
        distance = F.binary_cross_entropy(alpha, target, reduction="none")
    else:
        distance = (alpha - target).abs()
    return (_weighted_mean(distance, weight) * counted).mean()


def perceptual_loss(features: dict[str, Tensor], reference: dict[str, Tensor], maps: bool, paired: Tensor) -> Tensor:
    """L_p: distance of the teacher's features between x* and the reference.

    Pooled features always; with ``maps`` the last feature map too (the paper's conv5). Where the reference is aligned
    with x* (``paired``), the earlier maps are compared as well.

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


def pair_loss(image: Tensor, reference: Tensor, paired: Tensor, weight: Tensor | None = None) -> Tensor:
    """|x* - x_ref|_1 where the reference is a constructed pair's other half."""
    return (_weighted_mean((image - reference).abs(), weight) * paired).sum() / count_of_whole_batch(paired.sum())


def detail_loss(image: Tensor, source: Tensor, mask: Tensor, counted: Tensor) -> Tensor:
    """One minus the correlation of high-pass luminance before and after, inside the garment: prints and folds shall
    survive.

    Args:
        image, source: (B, 3, S, S).
        mask: garment in 0..1, (B, 1, S, S); its edge is left out.
        counted: float (B,), 1 where an edit changes no outline.
    """
    # Means of 7 x 7 pixels as matrix products: pooling of one channel takes a CPU five times as long.
    at = torch.arange(mask.shape[-1], device=mask.device)
    near = ((at - at[:, None]).abs() <= 3).float()
    inside = (near @ mask @ near / 49 > 0.99).float()
    mean = near / near.sum(1, keepdim=True)  # of those inside of the picture

    def detail(x: Tensor) -> Tensor:
        luminance = x.mean(1, keepdim=True)
        return (luminance - mean @ luminance @ mean.T) * inside

    a, b = detail(image), detail(source)
    # Plain cloth has nothing to keep: the constant lets its noise count for little.
    floor = 1e-4 * inside.sum((1, 2, 3)) + 1e-6
    correlation = (a * b).sum((1, 2, 3)) / (
        (a.square().sum((1, 2, 3)) + floor) * (b.square().sum((1, 2, 3)) + floor)
    ).sqrt()
    return ((1 - correlation) * counted).sum() / count_of_whole_batch(counted.sum())


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
