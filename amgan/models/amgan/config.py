"""What there is to choose in AMGAN's training. The defaults are the paper's (ICCV 2019) wherever it gives a value."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from amgan.config import setting
from amgan.errors import UserError
from amgan.models.training_config import LessonsConfig, OptimisationConfig


@dataclass(frozen=True)
class GeneratorConfig:
    """The paper's generator is StarGAN's body at the picture's own resolution; the rest is ours."""

    channels: int = setting(64, low=1, high=2048)  # of the first layer
    blocks: int = setting(6, low=0, high=256)  # residual blocks
    inner_stride: Literal[1, 2] = 1  # 2: the stem folds 2x2 pixels into channels and works at half the resolution
    skips: bool = False  # carry encoder features to the decoder: prints and folds survive
    context: bool = False  # pooled features and the cloth's colour reach every pixel: grown sleeves match the shirt
    blank: float = setting(0.0, low=0)  # how readily new cloth starts from the garment's colour on white
    code: int = setting(0, low=0, high=1024)  # numbers for what an edit leaves open, learnt from pairs (BicycleGAN)
    motifs: int = setting(0, low=0, high=1024)  # learned pictures that lie on the garment: stripes, zips (motifs.py)
    motifs_for: Literal["edits", "patterns", "designs"] = "edits"  # nothing of them in edits of others; see Generator
    cam: str = ""  # an ablation: the teacher, BACKBONE or BACKBONE@SIDE, whose class activation map is the mask


@dataclass(frozen=True)
class CriticsConfig:
    """``pixels``: the paper's D_I and D_C. ``features``: one critic of the teacher's feature maps. ``eye``: critics of
    the maps of a network trained on ImageNet, one of the whole picture and one of the crop around the edit. The last
    two have a hinge loss."""

    critics: Literal["pixels", "features", "eye"] = "pixels"
    critic_channels: int = setting(64, low=1)
    critic_cap: int = setting(512, low=1)  # widest layer; the original's 2,048 make 45 M weights
    critic_layers: int = setting(6, low=3, high=10)  # of D_I; D_C has two fewer
    objective: Literal["wgan-gp", "ns-r1", "r3gan"] = "wgan-gp"  # of pixel critics, see losses.py
    critic_steps: int = setting(5, low=1)  # per generator step
    gp: float = setting(10.0, low=0)  # lambda_gp of WGAN-GP; gamma of R1 and R2
    r1_every: int = setting(16, low=1)  # steps; R1 and R2 are taken lazily
    eye: str = "efficientnet_lite1"  # a network of timm's, trained on ImageNet, of critics and of eye_percep
    eye_size: int = setting(128, low=32)  # side in pixels at which it sees the whole picture, and the crop
    crops: bool = True  # D_C beside D_I
    mixing: bool = True  # of channels and scales, at random (Projected GAN)
    jitter: float = setting(0.06, low=0, high=0.5)  # how far views are moved, real and edited alike, in shares


@dataclass(frozen=True)
class LossConfig:
    """Weights of L_G (paper: 1, 1, 10, 10, 20), and what its terms compare."""

    adv: float = setting(1.0, low=0)
    cls: float = setting(1.0, low=0)  # in L_D too
    cyc: float = setting(10.0, low=0)
    att: float = setting(10.0, low=0)
    percep: float = setting(20.0, low=0)
    percep_maps: bool = True  # last feature map and pooled features; False: pooled only, as on Shopping100k
    attention: Literal["source", "union", "masks"] = "source"  # target of alpha, see attention.py; paper: source
    mask_loss: Literal["l1", "bce"] = "l1"  # of alpha against its target
    balanced: bool = False  # lift small attention targets in the attention and pair losses
    pair: float = setting(10.0, low=0)  # pixel loss of aligned pairs
    pair_blur: float = setting(0.0, low=0)  # pixels: pairs are compared blurred where their detail is open
    eye_percep: float = setting(0.0, low=0)  # distance of the eye's maps from the exact result, where there is one
    detail: float = setting(0.0, low=0)  # detail kept where only the colour is edited
    kl: float = setting(0.005, low=0)  # divergence of the code from its prior


@dataclass(frozen=True)
class AmganConfig:
    """Training of AMGAN."""

    image_size: int = setting(128, low=16, high=1024)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    critics: CriticsConfig = field(default_factory=CriticsConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    lessons: LessonsConfig = field(default_factory=LessonsConfig)
    optimisation: OptimisationConfig = field(default_factory=OptimisationConfig)

    def __post_init__(self) -> None:
        g, c = self.generator, self.critics
        step = 4 * g.inner_stride
        if self.image_size % step:
            raise UserError(
                f"Setting image_size cannot be {self.image_size}: with inner_stride={g.inner_stride} it must be a "
                f"multiple of {step}."
            )
        if self.has_critics and c.critics == "pixels" and self.image_size < 2**c.critic_layers:
            raise UserError(
                f"Setting critic_layers cannot be {c.critic_layers}: critics that halve a picture of "
                f"{self.image_size} pixels so often need image_size={2**c.critic_layers} at least."
            )
        if g.cam and not re.fullmatch(r"[^@]+(@\d+)?", g.cam):
            raise UserError(f"Setting cam cannot be {g.cam!r}: it is a backbone, or a backbone and its side: NAME@96.")
        for name, missing in (
            ("code", not g.skips),
            ("motifs", not g.skips),
            ("blank", not g.context),
            ("context", not g.skips),
        ):
            if getattr(g, name) and missing:
                raise UserError(f"Setting {name} needs {'context' if name == 'blank' else 'skips'}=true.")

    @property
    def cam_teacher(self) -> tuple[str, int] | None:
        """Backbone of the teacher whose map is the mask, and the side in pixels at which it sees."""
        backbone, _, side = self.generator.cam.partition("@")
        return (backbone, int(side or self.image_size)) if backbone else None

    @property
    def has_critics(self) -> bool:
        """Whether anything asks a critic: what has no weight is not computed."""
        return self.losses.adv > 0 or self.losses.cls > 0

    @property
    def teaches_mask(self) -> bool:
        """Whether there is an attention loss."""
        return self.losses.att > 0 and not self.generator.cam

    @property
    def code_size(self) -> int:
        """Normal numbers that each row of a batch brings for the code."""
        return self.generator.code

    @property
    def critics_of_eye(self) -> bool:
        return self.has_critics and self.critics.critics == "eye"

    @property
    def has_eye(self) -> bool:
        return self.critics_of_eye or (self.losses.eye_percep > 0 and self.lessons.pairs > 0)

    @property
    def wants_real(self) -> bool:
        """Whether batches bring real garments with the wanted values, besides references."""
        return self.has_eye

    @property
    def critics_of_features(self) -> bool:
        return self.has_critics and self.critics.critics == "features"

    def idle(self) -> dict[str, str]:
        """See ``amgan.config.idle_settings``."""
        g, c, w, d = self.generator, self.critics, self.losses, self.lessons
        rules = {
            "blank": (not g.context, "it needs context=true"),
            "context": (not g.skips, "it needs skips=true"),
            "code": (not g.skips, "it needs skips=true"),
            "motifs": (not g.skips, "it needs skips=true"),
            "motifs_for": (not g.motifs, "there are no motifs (motifs is 0)"),
            "kl": (not g.code, "there is no code"),
            "percep_maps": (not w.percep, "percep is 0"),
            "cam": (not g.cam, "no backbone is named"),
            "att": (bool(g.cam), "the mask is a class activation map (cam)"),
            "attention": (not self.teaches_mask and not w.balanced, "att is 0, or the mask is a class activation map"),
            "mask_loss": (not self.teaches_mask, "att is 0, or the mask is a class activation map"),
            "pair": (not d.pairs, "there are no pairs (pairs is 0)"),
            "pair_blur": (not d.pairs or not w.pair, "there are no pairs, or pair is 0"),
            "eye_percep": (not d.pairs, "there are no pairs (pairs is 0)"),
            "patterned": (not d.pairs, "there are no pairs (pairs is 0)"),
            "dyed": (not d.pairs, "there are no pairs (pairs is 0)"),
            "extra": (not d.extra, "there are no --extra garments"),
            "balanced": (not self.teaches_mask and not (w.pair and d.pairs), "att and pair are 0"),
            "r1_every": (c.objective == "wgan-gp", "WGAN-GP pays its penalty in every step"),
        }
        of_critics = ("critics", "critic_channels", "critic_steps", "critic_lr")
        of_pixels = ("critic_cap", "critic_layers", "objective", "gp", "r1_every")
        if c.critics != "pixels":
            rules |= dict.fromkeys(of_pixels, (True, f"critics={c.critics} has a hinge loss of its own"))
        if not self.critics_of_eye:
            rules["mixing"] = (True, "it needs critics=eye")
        if not self.has_eye:
            of_eye = ("eye", "eye_size", "jitter")
            rules |= dict.fromkeys(of_eye, (True, "nothing looks through the eye (critics=eye, eye_percep)"))
            rules["crops"] = (self.critics_of_features, "a critic of features sees no crops")
        if not self.has_critics:
            none = (*of_critics, *of_pixels, *(() if self.has_eye else ("crops",)))
            rules |= dict.fromkeys(none, (True, "adv and cls are 0, so there are no critics"))
        return {name: why for name, (does_nothing, why) in rules.items() if does_nothing}
