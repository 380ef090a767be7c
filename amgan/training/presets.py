"""Presets: whole recipes by name. A recipe has one stage or several; a later one starts from the weights of the one
before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from amgan.config import apply, changed, refuse_idle
from amgan.errors import UserError
from amgan.models.amgan.config import AmganConfig
from amgan.models.methods import find_method
from amgan.models.rivals.ganimation import GanimationConfig
from amgan.models.rivals.sagan import SaganConfig
from amgan.models.rivals.stargan import StarganConfig
from amgan.training.classifier import ClassifierConfig
from amgan.training.embedder import EmbedderConfig
from amgan.training.segmenter import SegmenterConfig


@dataclass(frozen=True)
class Preset:
    """Stages by name, in order, and the classifiers and the cut-out network beside them.

    Attributes:
        stages: AMGAN's, or those of the method that ``of`` was asked for.
        rivals: the configurations of other methods, by name; each has one stage.
    """

    stages: dict[str, Any]
    teacher: ClassifierConfig
    judge: ClassifierConfig
    rivals: Mapping[str, Any] = field(default_factory=dict)
    segmenter: SegmenterConfig = field(default_factory=SegmenterConfig)
    embedder: EmbedderConfig = field(default_factory=EmbedderConfig)

    @property
    def amgan(self) -> AmganConfig:
        """The last stage, whose networks are the result."""
        return list(self.stages.values())[-1]

    def of(self, model: str) -> Preset:
        """The same for a method by name: one that has nothing of its own here trains as its configuration has it.
        Raises UserError."""
        method = find_method(model)
        if model == "amgan":
            return self
        return replace(self, stages={"all": self.rivals.get(model) or method.Config()})


PAPER = AmganConfig()

# What we added to the paper: cloth that keeps its prints, silhouettes in the place of CAMs, pairs made by hand.
_OURS = changed(
    PAPER,
    skips=True,
    context=True,
    blank=6.0,
    code=8,
    kl=0.02,
    attention="masks",
    balanced=True,
    pair=20.0,
    detail=1.0,
    several=0.2,
    dyed=0.5,
    outline_weight=2.0,
    balance=0.6,
    warm_up=100,
    clip=10.0,
)
# A quarter of the generator, which works at half the resolution.
_SMALL = changed(_OURS, channels=32, blocks=4, inner_stride=2, snapshot_kimg=4.0)
# Place and colour from pairs; how cloth looks from an eye that ImageNet trained, as critic and as distance.
_WITH_EYE = {
    "critics": "eye",
    "critic_steps": 1,
    "adv": 1.0,
    "cls": 0.9,
    "percep": 0.1,
    "eye_percep": 10.0,
    "pair": 6.0,
    "pair_blur": 1.5,
    "lr": 3e-4,
    "critic_lr": 5e-4,
}
_PAIRS_ALONE = {"adv": 0.0, "cls": 0.0, "cyc": 0.0, "percep": 0.0, "pairs": 1.0}

# The rivals: layers, losses and weights of their papers (see amgan/models/rivals), and AMGAN's budget of images.
_RIVALS = {"stargan": StarganConfig(), "ganimation": GanimationConfig(), "sagan": SaganConfig()}


def _each_rival(**settings: Any) -> dict[str, Any]:
    """The rivals with some settings changed; SaGAN, with two generators and a narrow critic, has half the channels."""
    half = {k: settings[k] // 2 for k in ("channels", "critic_channels") if k in settings}
    return {name: changed(c, **settings | (half if name == "sagan" else {})) for name, c in _RIVALS.items()}


# Drawn as AMGAN's garments and edits are: what differs is the method.
_DRAWN_ALIKE = {"outline_weight": 2.0, "balance": 0.6, "warm_up": 100}

# What two CPU cores train of the paper's model and of its rivals, in thousands and not in millions of images. WGAN-GP
# needs more: at its highest stable rate, 2e-4, StarGAN changes no colour in 1,500 steps; with ``ns-r1`` it changes
# nearly all in 500.
_AT_64 = {
    **_DRAWN_ALIKE,
    "image_size": 64,
    "channels": 24,
    "blocks": 4,
    "inner_stride": 2,
    "critic_channels": 16,
    "critic_cap": 128,
    "critic_steps": 1,
    "objective": "ns-r1",
    "gp": 1.0,
    "lr": 1e-3,
    "critic_lr": 1e-3,
    "kimg": 24.0,
    "ema_kimg": 1.0,
    "snapshot_kimg": 8.0,
}


def _rivals_at_64() -> dict[str, Any]:
    """The rivals at that size, SaGAN's two generators with half the channels each.

    With a class loss of 1 the cycles of GANimation and SaGAN shut their masks before a critic knows the classes, and
    nothing is edited ever after: theirs weighs 10. SaGAN's weights of what stays as it is, 20 and 100, are 10 and 5.
    """
    rivals = _each_rival(**_AT_64)
    rivals["ganimation"] = changed(rivals["ganimation"], cls=10.0)
    half = {"channels": _AT_64["channels"] // 2}
    rivals["sagan"] = changed(SaganConfig(), **_AT_64 | half, cls=10.0, cyc=10.0, own=5.0)
    return rivals


def _fine_tuned(backbone: str, frozen: int, seed: int) -> ClassifierConfig:
    """From ImageNet, for one to a few thousand photos: they are too few to learn from scratch how cloth looks."""
    return ClassifierConfig(
        backbone=backbone,
        pretrained=True,
        frozen=frozen,
        kimg=40,
        batch=16,
        lr=8e-4,
        weight_decay=0.05,
        ema_kimg=0.6,
        prior=0.5,
        seed=seed,
        bf16=False,  # depthwise convolutions run backward slower in it
        snapshot_kimg=2,
    )


PRESETS = {
    # The paper, to the letter where it gives a value (DeepFashion-Synthesis); for a GPU.
    "paper": Preset(
        {"all": PAPER},
        ClassifierConfig(backbone="resnet50"),
        ClassifierConfig(backbone="convnext_tiny", seed=1),
        _RIVALS,
    ),
    # The paper's size with what we added to it; for a GPU.
    "ours": Preset(
        {"all": changed(_OURS, **_WITH_EYE, pairs=0.8, kimg=800.0, ema_kimg=2.0)},
        ClassifierConfig(backbone="resnet50"),
        ClassifierConfig(backbone="convnext_tiny", seed=1),
        _each_rival(**_DRAWN_ALIKE, kimg=800.0, ema_kimg=2.0),
    ),
    # The recipe of the shipped weights ``photos``, for two CPU cores: first pairs alone, which give place and colour,
    # then all losses.
    "small": Preset(
        {
            "pairs": changed(_SMALL, **_PAIRS_ALONE, kimg=72.0, lr=6e-4, decay_from=0.6, ema_kimg=2.0),
            "all": changed(_SMALL, **_WITH_EYE, pairs=0.9, kimg=16.0, decay_from=0.3, ema_kimg=1.0),
        },
        _fine_tuned("efficientnet_lite0", frozen=3, seed=0),
        _fine_tuned("efficientnet_lite2", frozen=4, seed=1),
        _each_rival(
            **_DRAWN_ALIKE,
            channels=32,
            blocks=4,
            inner_stride=2,
            critic_channels=32,
            critic_cap=256,
            critic_steps=1,
            lr=3e-4,
            critic_lr=3e-4,
            kimg=88.0,
            ema_kimg=1.0,
            snapshot_kimg=4.0,
        ),
    ),
    # The paper's losses and weights at 64 px, with critics that learn in thousands of images: docs/RESULTS.md.
    "paper-64": Preset(
        {"all": changed(PAPER, **_AT_64)},
        _fine_tuned("efficientnet_lite0", frozen=3, seed=0),
        _fine_tuned("efficientnet_lite2", frozen=4, seed=1),
        _rivals_at_64(),
    ),
    # For tests and dry runs: seconds, and no use otherwise.
    "tiny": Preset(
        {
            "all": changed(
                PAPER,
                image_size=32,
                channels=8,
                blocks=1,
                critic_channels=8,
                critic_cap=32,
                critic_layers=4,
                objective="ns-r1",
                critic_steps=1,
                r1_every=2,
                pairs=0.5,
                attention="masks",
                several=0.2,
                balance=0.6,
                warm_up=100,
                ema_kimg=2.0,
                batch=4,
                kimg=0.016,
                snapshot_kimg=0.008,
                bf16=False,
            )
        },
        ClassifierConfig(backbone="small-4", image_size=32, kimg=0.032, batch=8, snapshot_kimg=0.016, bf16=False),
        ClassifierConfig(
            backbone="small-6", image_size=32, kimg=0.032, batch=8, snapshot_kimg=0.016, seed=1, bf16=False
        ),
        _each_rival(
            image_size=32,
            channels=8,
            blocks=1,
            critic_channels=8,
            critic_cap=32,
            critic_layers=4,
            critic_steps=1,
            ema_kimg=2.0,
            batch=4,
            kimg=0.016,
            snapshot_kimg=0.008,
            bf16=False,
        ),
        SegmenterConfig(image_size=64, pretrained=False, kimg=0.032, batch=4, drawn_count=2, snapshot_kimg=0.016),
        EmbedderConfig(
            backbone="small-4",
            pretrained=False,
            frozen=0,
            image_size=32,
            dimensions=16,
            kimg=0.032,
            batch=8,
            edited=0.0,
            snapshot_kimg=0.016,
        ),
    ),
}


def preset(name: str) -> Preset:
    """A preset by name. Raises UserError."""
    if name not in PRESETS:
        raise UserError(f"Unknown preset {name!r}. Valid: {', '.join(PRESETS)}.")
    return PRESETS[name]


def override_stages(stages: dict[str, AmganConfig], settings: list[str]) -> dict[str, AmganConfig]:
    """Change stages by texts ``name=value``, for all of them, or ``STAGE:name=value``, for one.

    Raises:
        UserError: see ``amgan.config.override``; a setting for all need only do something in one of them.
    """
    texts: dict[str, list[str]] = {stage: [] for stage in stages}
    for text in settings:
        stage, colon, _ = text.partition("=")[0].partition(":")
        if colon and stage not in stages:
            raise UserError(f"Unknown stage {stage!r} in {text!r}. Valid: {', '.join(stages)}.")
        for name in [stage] if colon else stages:
            texts[name].append(text.removeprefix(f"{stage}:") if colon else text)
    out, idle = {}, []
    for stage, config in stages.items():
        out[stage], does_nothing = apply(config, texts[stage])
        idle.append(does_nothing)
    refuse_idle({name: why for name, why in idle[0].items() if all(name in other for other in idle)})
    for stage, does_nothing in zip(stages, idle, strict=True):
        own = {t.partition("=")[0].rpartition(":")[2] for t in settings if t.startswith(f"{stage}:")}
        refuse_idle({name: why for name, why in does_nothing.items() if name in own})
    return out
