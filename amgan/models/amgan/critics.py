"""What tells real from edited while AMGAN trains: the paper's two critics of pixels, one of the teacher's features, or
two of what the eye sees.

Both give the terms of L_D and those of L_G that pass through them; the sums are in losses.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from amgan.models.amgan.config import AmganConfig
from amgan.models.amgan.crop import crop, edit_boxes
from amgan.models.amgan.discriminators import Discriminator, FeatureCritic
from amgan.models.amgan.losses import (
    CriticTerms,
    critic_adversarial,
    critic_penalty,
    generator_adversarial,
    wanted_classification,
)
from amgan.models.amgan.mixing import MapsCritic
from amgan.models.classifier import AttributeClassifier, classification_loss
from amgan.models.eye import Eye
from amgan.models.interface import EditBatch, Generated, make_condition
from amgan.models.precision import autocast
from amgan.schema import AttributeSchema

Maps = dict[str, Tensor]  # the teacher's, of AttributeClassifier.features
EyeMaps = Mapping[str, list[Tensor]]  # the eye's, by view, from the shallowest on
ByCritic = dict[str, Tensor]


class EditOutputs(Protocol):
    """What critics are shown, besides the batch: see ``method.Outputs``.

    Attributes:
        edited: the generator's.
        edited_features: the teacher's features of the edited pictures.
        real_features: the teacher's features of what the critic of features takes for real.
        edited_maps, real_maps: what the eye sees of edited pictures and of ``EditBatch.real``.
    """

    @property
    def edited(self) -> Generated: ...
    @property
    def edited_features(self) -> Maps: ...
    @property
    def real_features(self) -> Maps: ...
    @property
    def edited_maps(self) -> EyeMaps: ...
    @property
    def real_maps(self) -> EyeMaps: ...


class Critics(Protocol):
    """One critic or several."""

    def networks(self) -> dict[str, nn.Module]:
        """By the name under which they are saved."""
        ...

    def critic_terms(self, batch: EditBatch, outputs: EditOutputs, step: int) -> dict[str, CriticTerms]:
        """The terms of L_D by critic; the edited pictures are detached here."""
        ...

    def generator_terms(self, batch: EditBatch, outputs: EditOutputs) -> tuple[ByCritic, ByCritic]:
        """L_adv^G and L_cls^G by critic; the latter empty where its weight is 0."""
        ...


class PixelCritics:
    """The paper's: D_I sees the whole picture, D_C a crop around the edit at half the size; both have a class head."""

    def __init__(self, teacher: AttributeClassifier, config: AmganConfig) -> None:
        c, size, self.schema, self.config = config.critics, config.image_size, teacher.schema, config
        self.critics = {"I": Discriminator(self.schema, size, c.critic_channels, c.critic_layers, c.critic_cap)}
        if c.crops:
            half, fewer = size // 2, c.critic_layers - 2
            self.critics["C"] = Discriminator(self.schema, half, c.critic_channels, fewer, c.critic_cap)

    def networks(self) -> dict[str, nn.Module]:
        return {f"critic_{view.lower()}": critic for view, critic in self.critics.items()}

    def _views(self, mask: Tensor, *pictures: Tensor) -> dict[str, tuple[Tensor, ...]]:
        """What each critic sees of pictures (B, 3, S, S) that were edited by a mask (B, 1, S, S)."""
        views = {"I": pictures}
        if "C" in self.critics:
            boxes = edit_boxes(mask)
            views["C"] = tuple(crop(p, boxes) for p in pictures)
        return views

    def critic_terms(self, batch: EditBatch, outputs: EditOutputs, step: int) -> dict[str, CriticTerms]:
        config, terms = self.config, {}
        for name, (x, x_edited) in self._views(
            outputs.edited.mask, batch.photos, outputs.edited.image.detach()
        ).items():
            critic = self.critics[name]
            with autocast(x.device, config.optimisation.bf16):
                (real, classes), (fake_source, _) = critic(x), critic(x_edited)
            adv = critic_adversarial(config.critics.objective, real, fake_source)
            cls = classification_loss(self.schema, classes, batch.labels, batch.counts.labels)
            # Differentiated twice: in full precision.
            penalty = critic_penalty(config.critics, lambda p, d=critic: d(p)[0], x, x_edited, batch.mix, step)
            terms[name] = CriticTerms(adv, cls, penalty)
        return terms

    def generator_terms(self, batch: EditBatch, outputs: EditOutputs) -> tuple[ByCritic, ByCritic]:
        objective, adv, cls = self.config.critics.objective, {}, {}
        for name, (x, x_edited) in self._views(outputs.edited.mask, batch.photos, outputs.edited.image).items():
            critic = self.critics[name]
            with autocast(x.device, self.config.optimisation.bf16):
                source, classes = critic(x_edited)
                with torch.no_grad():
                    real = critic(x)[0] if objective == "r3gan" else None
            adv[name] = generator_adversarial(objective, source, real)
            cls[name] = wanted_classification(self.schema, classes, batch.wanted, batch.edited, batch.counts.wanted)
        return adv, cls


class FeatureCritics:
    """One critic of the frozen teacher's feature maps (Projected GAN, Sauer et al. 2021): with a trained eye it learns
    in hundreds of steps, from a thousand pictures, what critics of pixels have to discover. It is given the attributes
    that a picture shall show (projection discriminator, Miyato and Koyama 2018), so it judges attributes and realism at
    once. Where a true edit is known it is compared with that, else with a photograph. Classes are the teacher's."""

    def __init__(self, teacher: AttributeClassifier, config: AmganConfig) -> None:
        self.schema, self.config, self.teacher = teacher.schema, config, teacher
        self.f = FeatureCritic(self.schema, teacher.feature_channels, config.critics.critic_channels)

    def networks(self) -> dict[str, nn.Module]:
        return {"critic_f": self.f}

    def critic_terms(self, batch: EditBatch, outputs: EditOutputs, step: int) -> dict[str, CriticTerms]:
        labels = torch.where(batch.difference[:, None] > 0, batch.wanted, batch.labels)
        real, fake = outputs.real_features, {k: v.detach() for k, v in outputs.edited_features.items()}
        with autocast(labels.device, self.config.optimisation.bf16):
            real_maps = self.f(real, _all_known(self.schema, labels))
            fake_maps = self.f(fake, _all_known(self.schema, batch.wanted))
        pairs = zip(real_maps, fake_maps, strict=True)
        return {"F": CriticTerms(torch.stack([critic_adversarial("hinge", r, f) for r, f in pairs]).mean())}

    def generator_terms(self, batch: EditBatch, outputs: EditOutputs) -> tuple[ByCritic, ByCritic]:
        with autocast(batch.wanted.device, self.config.optimisation.bf16):
            maps = self.f(outputs.edited_features, _all_known(self.schema, batch.wanted))
            classes = self.teacher.head(outputs.edited_features["pooled"]).float()
        adv = torch.stack([generator_adversarial("hinge", m) for m in maps]).mean()
        cls = wanted_classification(self.schema, classes, batch.wanted, batch.edited, batch.counts.wanted)
        return {"F": adv}, {"F": cls}


class EyeCritics:
    """Critics of what a network trained on ImageNet sees, at several depths (Projected GAN, Sauer et al. 2021): D_I of
    the whole picture, and D_C of the crop around the edit, enlarged. They compare edits with real garments that have
    the wanted values (``EditBatch.real``), seen in the same place. Classes are the teacher's."""

    def __init__(self, teacher: AttributeClassifier, config: AmganConfig, channels: list[int]) -> None:
        self.schema, self.config, self.teacher, c = teacher.schema, config, teacher, config.critics
        views = ("I", "C") if c.crops else ("I",)
        self.critics = {view: MapsCritic(self.schema, channels, c.critic_channels, c.mixing) for view in views}

    def networks(self) -> dict[str, nn.Module]:
        return {f"critic_{view.lower()}": critic for view, critic in self.critics.items()}

    def critic_terms(self, batch: EditBatch, outputs: EditOutputs, step: int) -> dict[str, CriticTerms]:
        assert batch.real is not None
        terms = {}
        for view, critic in self.critics.items():
            with autocast(batch.wanted.device, self.config.optimisation.bf16):
                reals = critic(outputs.real_maps[view], _all_known(self.schema, batch.real.labels))
                fakes = critic([m.detach() for m in outputs.edited_maps[view]], _all_known(self.schema, batch.wanted))
            pairs = list(zip(reals, fakes, strict=True))
            adv = torch.stack([critic_adversarial("hinge", real, fake) for real, fake in pairs]).mean()
            right = torch.stack([((real > 0).float().mean() + (fake < 0).float().mean()) / 2 for real, fake in pairs])
            terms[view] = CriticTerms(adv, right=right.mean())
        return terms

    def generator_terms(self, batch: EditBatch, outputs: EditOutputs) -> tuple[ByCritic, ByCritic]:
        adv = {}
        for view, critic in self.critics.items():
            with autocast(batch.wanted.device, self.config.optimisation.bf16):
                fakes = critic(outputs.edited_maps[view], _all_known(self.schema, batch.wanted))
            adv[view] = torch.stack([generator_adversarial("hinge", fake) for fake in fakes]).mean()
        if not self.config.losses.cls:
            return adv, {}
        classes = self.teacher.head(outputs.edited_features["pooled"].float())
        cls = wanted_classification(self.schema, classes, batch.wanted, batch.edited, batch.counts.wanted)
        return adv, {"teacher": cls}


def _all_known(schema: AttributeSchema, labels: Tensor) -> Tensor:
    """The condition of what a picture shall show: all known labels, (B, N + M)."""
    return make_condition(schema, labels, labels >= 0)


def make_critics(teacher: AttributeClassifier, config: AmganConfig, eye: Eye | None) -> Critics:
    if config.critics_of_eye:
        assert eye is not None
        return EyeCritics(teacher, config, eye.channels)
    return FeatureCritics(teacher, config) if config.critics.critics == "features" else PixelCritics(teacher, config)
