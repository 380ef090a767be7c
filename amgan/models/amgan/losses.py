"""The losses of AMGAN (ICCV 2019, section 3), in the paper's order and with its names; at the end their sums, L_D and
L_G.

Nothing here waits for the device or talks to other processes: a loss over some rows of a batch takes the count that it
is divided by (see ``BatchCounts``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from amgan.models.amgan.config import LossConfig
from amgan.models.classifier import classification_loss
from amgan.models.interface import Terms
from amgan.pixels import blurred, dilate
from amgan.schema import UNKNOWN, AttributeSchema

AROUND = 12  # of the picture's side: a region's surroundings reach so far

# --- Adversarial loss -----------------------------------------------------------------------------------------------


def critic_adversarial(objective: str, real: Tensor, fake: Tensor) -> Tensor:
    """L_adv of a critic, from realness maps (B, 1, h, w).

    ``wgan-gp`` is the paper's; ``hinge`` (Lim and Ye 2017); ``r3gan``, relativistic pairing (Huang et al. 2024,
    equation 2); ``ns-r1``, non-saturating (Goodfellow et al. 2014).
    """
    if objective == "wgan-gp":
        return fake.mean() - real.mean()
    if objective == "hinge":
        return F.relu(1 + fake).mean() + F.relu(1 - real).mean()
    if objective == "r3gan":
        return F.softplus(fake - real).mean()
    return F.softplus(fake).mean() + F.softplus(-real).mean()


def generator_adversarial(objective: str, fake: Tensor, real: Tensor | None = None) -> Tensor:
    """L_adv^G of one critic; ``r3gan`` compares with the realness of real pictures."""
    if objective == "r3gan":
        assert real is not None
        return F.softplus(real - fake).mean()
    return F.softplus(-fake).mean() if objective == "ns-r1" else -fake.mean()


Realness = Callable[[Tensor], Tensor]  # pictures (B, 3, H, W) to realness maps


def gradient_penalty(realness: Realness, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """WGAN-GP (Gulrajani et al. 2017, equation 3): E (‖∇D(x̂)‖₂ − 1)² at points x̂ between real and fake, (B, 3, H, W).

    Args:
        mix: (B,), uniform in [0, 1): how much of the real picture there is in each point.
    """
    mix = mix[:, None, None, None]
    between = (mix * real + (1 - mix) * fake).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(realness(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def r1_penalty(realness: Realness, pictures: Tensor) -> Tensor:
    """R1 (Mescheder et al. 2018): E ‖∇D(x)‖² at real pictures, or R2 at generated ones; its weight is gamma / 2."""
    pictures = pictures.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(realness(pictures).sum(), pictures, create_graph=True)
    return gradient.flatten(1).square().sum(1).mean()


class PenaltySettings(Protocol):
    """What ``critic_penalty`` asks of the settings of critics."""

    @property
    def objective(self) -> str: ...
    @property
    def gp(self) -> float: ...
    @property
    def r1_every(self) -> int: ...


def critic_penalty(
    c: PenaltySettings, realness: Realness, real: Tensor, fake: Tensor, mix: Tensor, step: int
) -> Tensor | None:
    """λ_gp L_gp, the weighted penalty of one pixel critic in this step; None in steps without one (R1 and R2 are lazy:
    every ``r1_every`` steps, and weigh so much more)."""
    if c.objective == "wgan-gp":
        return c.gp * gradient_penalty(realness, real, fake, mix)
    if step % c.r1_every:
        return None
    penalty = r1_penalty(realness, real)
    if c.objective == "r3gan":
        penalty = penalty + r1_penalty(realness, fake)
    return 0.5 * c.gp * c.r1_every * penalty


# --- Classification loss -------------------------------------------------------------------------------------------


def wanted_classification(
    schema: AttributeSchema, logits: Tensor, wanted: Tensor, edited: Tensor, count: float | None = None
) -> Tensor:
    """L_cls^G: the critic's class head must see the wanted values of the edited attributes.

    Args:
        logits: (B, N).
        wanted: int64 (B, M).
        edited: bool (B, M).
        count: what the sum is divided by; the number of wanted values here when not given.
    """
    return classification_loss(schema, logits, torch.where(edited, wanted, UNKNOWN), count)


# --- Cycle consistency, attention, perceptual ----------------------------------------------------------------------


def cycle_consistency(x: Tensor, back: Tensor) -> Tensor:
    """L_cyc = ‖x − G(G(x, m), m')‖₁, pictures (B, 3, S, S)."""
    return (x - back).abs().mean()


def region_weight(target: Tensor) -> Tensor:
    """Weights (B, 1, S, S) that lift a small attention target: it, and what lies around it, counts by the root of the
    rest's area to its own.

    A sleeve covers a twelfth of the frame. L1 asks for the median of an uncertain target, and there that is nothing.
    What lies around counts as much as the inside: where it counted a third, what is a sleeve in one of four cases was
    painted as one, and sleeves grew thick, with round ends.
    """
    lifted = dilate(target, target.shape[-1] // AROUND)
    share = lifted.mean((1, 2, 3), keepdim=True).clamp(0.01, 0.99)
    return 1 + lifted * (((1 - share) / share).sqrt().clamp(min=1) - 1)


def _weighted_mean(distance: Tensor, weight: Tensor | None) -> Tensor:
    """Mean over all but the first dimension, (B,)."""
    if weight is None:
        return distance.mean((1, 2, 3))
    return (weight * distance).mean((1, 2, 3)) / weight.mean((1, 2, 3))


def attention_loss(
    alpha: Tensor, target: Tensor, counted: Tensor, weight: Tensor | None = None, kind: str = "l1"
) -> Tensor:
    """L_a = ‖α − α*‖₁, masks (B, 1, S, S), over the items that are ``counted`` (float (B,)).

    ``bce`` takes the cross-entropy instead. Through the sigmoid the gradient of L1 dies where alpha is near 0, and
    there a small region that ought to be edited starts.
    """
    if kind == "bce":
        distance = F.binary_cross_entropy(alpha, target, reduction="none")
    else:
        distance = (alpha - target).abs()
    return (_weighted_mean(distance, weight) * counted).mean()


def perceptual_loss(features: dict[str, Tensor], reference: dict[str, Tensor], maps: bool, aligned: Tensor) -> Tensor:
    """L_p: distance of the teacher's features between x* and the reference.

    Pooled features always; with ``maps`` the last feature map too (the paper's conv5). Where the reference is aligned
    with x* (``aligned``), the earlier maps are compared as well.

    Args:
        features, reference: of ``AttributeClassifier.features``.
        aligned: float (B,), 1 where the reference is the exact result.
    """
    loss = (features["pooled"] - reference["pooled"]).abs().mean()
    if maps:
        loss = loss + (features["last"] - reference["last"]).abs().mean()
        for name in ("early", "middle"):
            distance = (features[name] - reference[name]).abs().mean((1, 2, 3))
            loss = loss + (distance * aligned).mean()
    return loss


def eye_distance(
    edited: Mapping[str, Sequence[Tensor]],
    reference: Mapping[str, Sequence[Tensor]],
    aligned: Tensor,
    count: float,
    texture: Tensor | None = None,
) -> Tensor:
    """How far the eye sees x* from the exact result, over the ``count`` rows that have one (``aligned``, float (B,)):
    LPIPS (Zhang et al. 2018, equation 1) with every channel weighted alike, averaged over views and depths.

    In the rows of ``texture``, bool (B,), stripes need not lie where those of the result lie, only look like them: it
    is the distance of the maps' Gram matrices there (Gatys et al. 2016, equation 4).

    Args:
        edited, reference: by view, maps (B, C, h, w) from the shallowest on. The deepest is left out: it says what
            there is, not how it looks.
    """
    terms = []
    for view, maps in edited.items():
        for a, b in list(zip(maps, reference[view], strict=True))[:-1]:
            a, b = F.normalize(a.float(), dim=1), F.normalize(b.float(), dim=1)
            distance = (a - b).square().sum(1).mean((1, 2))  # (B,)
            if texture is not None:
                distance = torch.where(texture, (_gram(a) - _gram(b)).square().sum((1, 2)).add(1e-6).sqrt(), distance)
            terms.append(distance)
    return (torch.stack(terms).mean(0) * aligned).sum() / count


def _gram(maps: Tensor) -> Tensor:
    """How channels go together, wherever they do: (B, C, C), the mean over places of maps (B, C, h, w)."""
    flat = maps.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def pair_loss(
    image: Tensor,
    reference: Tensor,
    aligned: Tensor,
    count: float,
    weight: Tensor | None = None,
    open_detail: Tensor | None = None,
    blur: float = 0.0,
) -> Tensor:
    """L_pair = ‖x* − x_ref‖₁ over the ``count`` rows whose reference is the exact result (``aligned``, float (B,)).

    A pixel loss answers what is open with the average of all answers, which is a blur. So where the detail is open
    (bool (B, 1, S, S)) only the blurred pictures are compared, ``blur`` the standard deviation in pixels: place and
    colour are held, and detail is left to those who see it, the eye and the critics.
    """
    difference = image - reference
    if blur and open_detail is not None:
        difference = torch.where(open_detail, blurred(difference, blur), difference)
    return (_weighted_mean(difference.abs(), weight) * aligned).sum() / count


def detail_loss(image: Tensor, source: Tensor, mask: Tensor, recoloured: Tensor, count: float) -> Tensor:
    """One minus the correlation of high-pass luminance before and after, inside the garment: prints and folds shall
    survive.

    Args:
        image, source: (B, 3, S, S).
        mask: garment in 0..1, (B, 1, S, S); its edge is left out.
        recoloured: float (B,), 1 where an edit changes the colour alone; ``count`` of them.
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
    return ((1 - correlation) * recoloured).sum() / count


# --- Sums -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CriticTerms:
    """What L_D sums of one critic. ``cls`` is None where it has no class head, ``penalty`` in steps without one.
    ``right``, for the journal: how often it takes real for real, and edited for edited, from 0 to 1."""

    adv: Tensor
    cls: Tensor | None = None
    penalty: Tensor | None = None  # weighted already, see ``critic_penalty``
    right: Tensor | None = None


def discriminator_loss(w: LossConfig, critics: Mapping[str, CriticTerms]) -> tuple[Tensor, Terms]:
    """L_D = Σ_d L_adv^d + λ_gp L_gp^d + λ_cls L_cls^d over the critics d, in the paper D_I and D_C."""
    total, logged = torch.zeros(()), {}
    for d, t in critics.items():
        adv, cls, penalty = t.adv, 0.0 if t.cls is None else w.cls * t.cls, 0.0 if t.penalty is None else t.penalty
        total = total.to(adv.device) + adv + penalty + cls
        named = {"adv": adv, "cls": cls, "penalty": penalty, "right": t.right}
        logged |= {f"D_{d}/{name}": v.detach() for name, v in named.items() if isinstance(v, Tensor)}
    return total, logged


@dataclass
class GeneratorTerms:
    """What L_G sums; 0 where a term has no weight and is not computed. ``adv`` and ``cls`` are by critic."""

    adv: Mapping[str, Tensor]
    cls: Mapping[str, Tensor]
    cyc: Tensor | float = 0.0
    att: Tensor | float = 0.0
    percep: Tensor | float = 0.0
    pair: Tensor | float = 0.0
    eye: Tensor | float = 0.0
    detail: Tensor | float = 0.0
    kl: Tensor | float = 0.0


def generator_loss(w: LossConfig, t: GeneratorTerms) -> tuple[Tensor, Terms]:
    """The paper's L_G = Σ_d L_adv^d + λ_cls Σ_d L_cls^d + λ_cyc L_cyc + λ_a L_a + λ_p L_p, and ours:
    + λ_pair L_pair + λ_eye L_eye + λ_detail L_detail + λ_kl L_kl."""
    adv, cls = w.adv * sum(t.adv.values()), w.cls * sum(t.cls.values())
    cyc, att, percep = w.cyc * t.cyc, w.att * t.att, w.percep * t.percep
    pair, eye, detail, kl = w.pair * t.pair, w.eye_percep * t.eye, w.detail * t.detail, w.kl * t.kl
    total = adv + cls + cyc + att + percep + pair + eye + detail + kl
    assert isinstance(total, Tensor), "every weight of L_G is 0"
    logged = {f"G/adv_{d}": w.adv * v for d, v in t.adv.items()} | {f"G/cls_{d}": w.cls * v for d, v in t.cls.items()}
    logged |= {
        "G/cyc": cyc,
        "G/att": att,
        "G/percep": percep,
        "G/pair": pair,
        "G/eye": eye,
        "G/detail": detail,
        "G/kl": kl,
    }
    return total, {name: v.detach() for name, v in logged.items() if isinstance(v, Tensor)}
