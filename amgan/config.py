"""Training configuration: frozen, typed, and strict about names. Presets are values of these classes."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from amgan.errors import UserError

C = TypeVar("C")


def from_dict(cls: type[C], values: Mapping[str, Any]) -> C:
    """A configuration from plain values. Raises UserError on an unknown name or a value of the wrong type."""
    hints = typing.get_type_hints(cls)
    names = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in names:
            raise UserError(f"Unknown setting {name!r}. Valid: {', '.join(names)}.")
        if not _fits(value, hints[name]):
            raise UserError(f"Setting {name} cannot be {value!r}; it needs {_describe(hints[name])}.")
    return cls(**values)


def override(config: C, settings: Iterable[str]) -> C:
    """Change a configuration by ``name=value`` texts. Raises UserError."""
    hints = typing.get_type_hints(type(config))
    changed: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"{setting!r} is not of the form name=value. Valid names: {', '.join(hints)}.")
        if name not in hints:
            raise UserError(f"Unknown setting {name!r}. Valid: {', '.join(hints)}.")
        changed[name] = _parse(text, hints[name], name)
    return from_dict(type(config), {**dataclasses.asdict(config), **changed})  # type: ignore[call-overload]


def _parse(text: str, hint: Any, name: str) -> Any:
    if hint is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        if hint is kind:
            try:
                return kind(text)
            except ValueError:
                raise UserError(f"Setting {name} cannot be {text!r}; it needs {_describe(hint)}.") from None
    return text


def _fits(value: Any, hint: Any) -> bool:
    if typing.get_origin(hint) is Literal:
        return value in typing.get_args(hint)
    if typing.get_origin(hint) is types.UnionType:
        return any(_fits(value, h) for h in typing.get_args(hint))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _describe(hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}.get(hint, str(hint))


@dataclass(frozen=True)
class ClassifierConfig:
    """Training of an attribute classifier. Progress is counted in thousands of images (kimg)."""

    backbone: str = "resnet50"
    pretrained: bool = False  # start from torchvision's ImageNet weights
    image_size: int = 128
    kimg: float = 400
    batch: int = 64
    lr: float = 1e-3  # peak of a one-cycle schedule
    weight_decay: float = 0.02
    smoothing: float = 0.05  # label smoothing
    balance: float = 0.6  # 0 draws as the data are, 1 every value equally often
    seed: int = 0
    bf16: bool = True  # where the device multiplies it faster than float32: GPUs, CPUs with AMX
    snapshot_kimg: float = 8  # how often to validate and save


@dataclass(frozen=True)
class AmganConfig:
    """Training of AMGAN. The defaults are the paper's (ICCV 2019) where it gives a value."""

    image_size: int = 128
    # Generator
    channels: int = 64  # of the first layer
    blocks: int = 6  # residual blocks
    inner_stride: int = 1  # 2: the stem folds 2x2 pixels into channels and works at half the resolution
    skips: bool = False  # carry encoder features to the decoder: prints and folds survive
    context: bool = False  # pooled features and the cloth's colour reach every pixel: grown sleeves match the shirt
    blank: float = 0.0  # how readily new cloth starts from the garment's colour where the picture is white
    code: int = 0  # numbers for what an edit leaves open, learnt from pairs (BicycleGAN); needs skips
    # Critics
    critics: Literal["pixels", "features"] = "pixels"  # features: one critic of the teacher's maps, hinge loss
    critic_channels: int = 64
    critic_cap: int = 512  # widest layer; the original's 2,048 make 45 M weights
    critic_layers: int = 6  # of D_I; D_C has two fewer
    # ns-r1: non-saturating loss, lazy R1; r3gan: relativistic pairing, R1 and R2
    objective: Literal["wgan-gp", "ns-r1", "r3gan"] = "wgan-gp"
    critic_steps: int = 5  # per generator step
    gp: float = 10.0  # lambda_gp of WGAN-GP, gamma of R1
    r1_every: int = 16
    # Generator loss (paper: 1, 10, 10, 20)
    adv: float = 1.0
    cls: float = 1.0
    cyc: float = 10.0
    att: float = 10.0
    percep: float = 20.0
    percep_maps: bool = True  # last feature map and pooled features; False: pooled only, as on Shopping100k
    # What the paper has not
    attention: Literal["source", "union", "masks"] = "union"  # target of alpha, see attention.py
    mask_loss: Literal["l1", "bce"] = "l1"  # of alpha against its target; L1 is the paper's
    pairs: float = 0.0  # share of a batch that trains on constructed pairs, see data/pairs.py
    pair: float = 10.0  # weight of their pixel loss
    kl: float = 0.005  # weight of the code's divergence from its prior
    extra: float = 0.3  # share of a batch from --extra garments, where there are any
    balanced: bool = False  # lift small attention targets in the attention and pair losses
    detail: float = 0.0  # weight of the detail kept where only the colour is edited
    several: float = 0.2  # share of items with more than one attribute edited
    outline_weight: float = 1.0  # how much rather the sleeve is edited than another attribute
    # Optimisation
    batch: int = 16
    kimg: float = 800  # images the generator has seen; paper: 50k iterations of 16 per attribute
    lr: float = 1e-4
    critic_lr: float = 1e-4
    clip: float = 0.0  # longest gradient of the generator; longer ones are shortened to it, 0 leaves all as they are
    decay_from: float = 0.5  # constant until this share of the run, then linear to zero
    ema_kimg: float = 2.0  # half-life of the averaged generator
    balance: float = 0.6
    seed: int = 0
    bf16: bool = True  # where the device multiplies it faster than float32: GPUs, CPUs with AMX
    channels_last: bool = True
    compile: bool = False  # generator and teacher by torch.compile; on a CPU it needs a C++ compiler
    snapshot_kimg: float = 8.0  # how often to save, validate and draw a sheet


@dataclass(frozen=True)
class Preset:
    amgan: AmganConfig
    teacher: ClassifierConfig
    judge: ClassifierConfig


PRESETS = {
    # The paper's size; for a GPU.
    "paper": Preset(
        AmganConfig(),
        ClassifierConfig(backbone="resnet50"),
        ClassifierConfig(backbone="convnext_tiny", seed=1),
    ),
    # What two CPU cores train in about two hours.
    "small": Preset(
        AmganConfig(
            channels=32,
            blocks=4,
            inner_stride=2,
            skips=True,
            context=True,
            blank=6.0,
            code=8,
            kl=0.01,
            critics="features",
            critic_steps=1,
            adv=0.5,
            cls=0.5,
            percep=1.0,
            attention="masks",
            mask_loss="bce",
            att=5.0,
            balanced=True,
            pairs=0.5,
            pair=20.0,
            detail=1.0,
            outline_weight=2.0,
            kimg=49,
            decay_from=0.7,
            clip=10,
            lr=6e-4,
            critic_lr=8e-4,
            snapshot_kimg=4,
        ),
        ClassifierConfig(backbone="small-24", image_size=64, kimg=90, batch=48, lr=2e-3, snapshot_kimg=9),
        ClassifierConfig(backbone="resnet18", image_size=96, kimg=60, batch=48, lr=1e-3, snapshot_kimg=6, seed=1),
    ),
    # For tests and dry runs: seconds, and no use otherwise.
    "tiny": Preset(
        AmganConfig(
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
            batch=4,
            kimg=0.016,
            snapshot_kimg=0.008,
            bf16=False,
        ),
        ClassifierConfig(backbone="small-4", image_size=32, kimg=0.032, batch=8, snapshot_kimg=0.016, bf16=False),
        ClassifierConfig(
            backbone="small-6", image_size=32, kimg=0.032, batch=8, snapshot_kimg=0.016, seed=1, bf16=False
        ),
    ),
}


def preset(name: str) -> Preset:
    """A preset by name. Raises UserError."""
    if name not in PRESETS:
        raise UserError(f"Unknown preset {name!r}. Valid: {', '.join(PRESETS)}.")
    return PRESETS[name]
