"""What tells real from generated while AMGAN trains: the paper's two critics of pixels, or one of the teacher's
features."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from amgan.config import AmganConfig
from amgan.models.amgan.crop import crop, edit_boxes
from amgan.models.amgan.discriminators import Discriminator, FeatureCritic
from amgan.models.amgan.losses import (
    critic_adversarial,
    critic_loss,
    generator_adversarial,
    gradient_penalty,
    r1_penalty,
    wanted_classification,
)
from amgan.models.classifier import AttributeClassifier
from amgan.models.interface import EditBatch, Generated, make_condition
from amgan.training.loop import autocast

Losses = dict[str, Tensor]
Maps = dict[str, Tensor]  # the teacher's, of AttributeClassifier.features


class Critics(Protocol):
    """Critics with their optimiser's parameters."""

    def networks(self) -> dict[str, nn.Module]:
        """By the name under which they are saved."""
        ...

    def loss(
        self, batch: EditBatch, edited: Generated, seen: Maps | None, real: Maps | None, step: int
    ) -> tuple[Tensor, Losses]:
        """L_D, and its terms to log.

        Args:
            seen: the teacher's features of the edited pictures, where those are computed.
            real: of ``real_pictures``, where those are known already.
        """
        ...

    def view(self, batch: EditBatch, edited: Generated, seen: Maps | None) -> Losses:
        """L_adv^G and L_cls^G, weighted."""
        ...


class PixelCritics:
    """The paper's: D_I sees the whole picture, D_C a crop around the edit at half the size; both have a class head."""

    def __init__(self, teacher: AttributeClassifier, config: AmganConfig) -> None:
        c, self.schema, self.config = config, teacher.schema, config
        self.i = Discriminator(self.schema, c.image_size, c.critic_channels, c.critic_layers, c.critic_cap)
        self.c = Discriminator(self.schema, c.image_size // 2, c.critic_channels, c.critic_layers - 2, c.critic_cap)

    def networks(self) -> dict[str, nn.Module]:
        return {"critic_i": self.i, "critic_c": self.c}

    def loss(
        self, batch: EditBatch, edited: Generated, seen: Maps | None, real: Maps | None, step: int
    ) -> tuple[Tensor, Losses]:
        config = self.config
        fake, boxes = edited.image.detach(), edit_boxes(edited.mask)
        pictures = {"I": (batch.photos, fake), "C": (crop(batch.photos, boxes), crop(fake, boxes))}
        total = torch.zeros((), device=fake.device)
        logged: Losses = {}
        for name, critic in (("I", self.i), ("C", self.c)):
            real_pictures, fake_pictures = pictures[name]
            with autocast(fake.device, config.bf16):
                answer, fake_source = critic(real_pictures), critic(fake_pictures)[0]
            loss, terms = critic_loss(config, self.schema, name, answer, fake_source, batch.labels)
            total, logged = total + loss, logged | terms
            # Penalties differentiate twice: in full precision.
            if config.objective == "wgan-gp":
                penalty = gradient_penalty(critic, real_pictures, fake_pictures, batch.mix)
                total, logged[f"D_{name}/gp"] = total + config.gp * penalty, penalty.detach()
            elif step % config.r1_every == 0:
                for kind, at in (("r1", real_pictures), ("r2", fake_pictures)):
                    if kind == "r1" or config.objective == "r3gan":
                        penalty = r1_penalty(critic, at)
                        total = total + 0.5 * config.gp * config.r1_every * penalty
                        logged[f"D_{name}/{kind}"] = penalty.detach()
        return total, logged

    def view(self, batch: EditBatch, edited: Generated, seen: Maps | None) -> Losses:
        c = self.config
        losses: Losses = {}
        boxes = edit_boxes(edited.mask)
        for name, critic in (("I", self.i), ("C", self.c)):
            pictures, photos = edited.image, batch.photos
            if name == "C":
                pictures, photos = crop(pictures, boxes), crop(photos, boxes)
            with autocast(pictures.device, c.bf16):
                source, classes = critic(pictures)
                with torch.no_grad():
                    real = critic(photos)[0] if c.objective == "r3gan" else None
            losses[f"adv_{name}"] = c.adv * generator_adversarial(c.objective, source, real)
            losses[f"cls_{name}"] = c.cls * wanted_classification(self.schema, classes, batch.wanted, batch.edited)
        return losses


def real_pictures(batch: EditBatch) -> Tensor:
    """What the critic of features takes for real, (B, 3, S, S): true edits, else photographs."""
    return torch.where(batch.true[:, None, None, None] > 0, batch.reference, batch.photos)


class FeatureCritics:
    """One critic of the frozen teacher's feature maps (Projected GAN, Sauer et al. 2021): with a trained eye it learns
    in hundreds of steps, from a thousand pictures, what critics of pixels have to discover. What a picture shall be is
    told to it (projection discriminator, Miyato and Koyama 2018), so it judges attributes and realism at once. Where a
    true edit is known it is compared with that, else with a photograph."""

    def __init__(self, teacher: AttributeClassifier, config: AmganConfig) -> None:
        self.schema, self.config, self.teacher = teacher.schema, config, teacher
        self.f = FeatureCritic(self.schema, teacher.feature_channels, config.critic_channels)

    def networks(self) -> dict[str, nn.Module]:
        return {"critic_f": self.f}

    def loss(
        self, batch: EditBatch, edited: Generated, seen: Maps | None, real: Maps | None, step: int
    ) -> tuple[Tensor, Losses]:
        assert seen is not None
        labels = torch.where(batch.true[:, None] > 0, batch.wanted, batch.labels)
        with autocast(labels.device, self.config.bf16):
            if real is None:
                with torch.no_grad():
                    real = self.teacher.features(real_pictures(batch))
            real_source = self.f(real, self._told(labels))
            fake_source = self.f({k: v.detach() for k, v in seen.items()}, self._told(batch.wanted))
        pairs = zip(real_source, fake_source, strict=True)
        loss = torch.stack([critic_adversarial("hinge", r, f) for r, f in pairs]).mean()
        return loss, {"D_F/adv": loss.detach()}

    def view(self, batch: EditBatch, edited: Generated, seen: Maps | None) -> Losses:
        assert seen is not None
        c = self.config
        with autocast(edited.image.device, c.bf16):
            source = self.f(seen, self._told(batch.wanted))
            classes = self.teacher.head(seen["pooled"]).float()
        adversarial = torch.stack([generator_adversarial("hinge", s) for s in source]).mean()
        losses = {"adv_F": c.adv * adversarial}
        if c.cls > 0:
            losses["cls_F"] = c.cls * wanted_classification(self.schema, classes, batch.wanted, batch.edited)
        return losses

    def _told(self, labels: Tensor) -> Tensor:
        return make_condition(self.schema, labels, labels >= 0)


def make_critics(teacher: AttributeClassifier, config: AmganConfig) -> Critics:
    return FeatureCritics(teacher, config) if config.critics == "features" else PixelCritics(teacher, config)
