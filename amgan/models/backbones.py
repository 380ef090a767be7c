"""Backbones of classifiers: networks that give feature maps at three depths, ``early``, ``middle`` and ``last``.

Torchvision is imported where one of its networks is made: it brings torch's compiler, 3 seconds and 150 MB that an edit
can do without.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

import torch
from torch import Tensor, nn

from amgan.errors import UserError
from amgan.models.blocks import ResBlock
from amgan.models.eye import PACKAGES, timm_network

T = TypeVar("T", bound=nn.Module)
WIDEST = 1024  # of the small backbone


class SmallBackbone(nn.Module):
    """A residual network whose last maps are fine: 16 x 16 of pictures of 64 or 128 px."""

    def __init__(self, width: int, image_size: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, stride=2, padding=1)
        self.layer1 = ResBlock(width, 2 * width, down=True)
        self.layer2 = nn.Sequential(
            ResBlock(2 * width, 2 * width), ResBlock(2 * width, 4 * width, down=image_size >= 128)
        )
        self.layer3 = nn.Sequential(
            ResBlock(4 * width, 4 * width, dilation=2),
            ResBlock(4 * width, 6 * width, dilation=2),
            nn.BatchNorm2d(6 * width),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        h1 = self.layer1(self.stem(x))  # (B, 2w, H/4, W/4)
        h2 = self.layer2(h1)  # (B, 4w, H/4, W/4), or halved once more
        return {"early": h1, "middle": h2, "last": self.layer3(h2)}


REGNET = {"trunk_output.block2": "early", "trunk_output.block3": "middle", "trunk_output.block4": "last"}


class TorchvisionBackbone(nn.Module):
    """A torchvision network cut at three depths, with ImageNet's input statistics."""

    DEPTHS: ClassVar = {
        "resnet50": {"layer2": "early", "layer3": "middle", "layer4": "last"},
        "resnet18": {"layer2": "early", "layer3": "middle", "layer4": "last"},
        "regnet_x_400mf": REGNET,
        "regnet_y_400mf": REGNET,
        "convnext_tiny": {"features.3": "early", "features.5": "middle", "features.7": "last"},
    }

    def __init__(self, name: str, pretrained: bool) -> None:
        super().__init__()
        import torchvision
        from torchvision.models.feature_extraction import create_feature_extractor

        try:
            network = _anywhere(lambda: torchvision.models.get_model(name, weights="DEFAULT" if pretrained else None))
        except OSError as error:  # urllib's errors are OSErrors
            raise UserError(
                f"The pretrained weights of {name} cannot be downloaded ({error}). Connect once, or leave out "
                "pretrained=true."
            ) from None
        self.body = create_feature_extractor(network, self.DEPTHS[name])
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return self.body(((x + 1) / 2 - self.mean) / self.std)


class TimmBackbone(nn.Module):
    """A network of timm's, its maps at strides 8, 16 and 32.

    Pictures are scaled as its ImageNet weights want them; those of EfficientNet-Lite want them as they are, in [-1, 1].
    """

    def __init__(self, name: str, pretrained: bool) -> None:
        super().__init__()
        options = {"features_only": True, "out_indices": (2, 3, 4)}
        self.name, self.frozen = name, 0
        self.body: Any = _anywhere(lambda: timm_network(name, pretrained, **options))
        statistics = cast(Any, self.body).default_cfg
        mean, std = (torch.tensor(statistics[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
        if name in PACKAGES:
            mean, std = torch.full_like(mean, 0.5), torch.full_like(std, 0.5)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)
        self.train(self.training)

    def freeze(self, stages: int) -> None:
        """Keep the stem, so many of the first stages, and the statistics of all norms as they are.

        Raises:
            UserError: the network has fewer stages, or none.
        """
        blocks = list(getattr(self.body, "blocks", ()))
        if stages > len(blocks):
            raise UserError(f"{self.name} has {len(blocks)} stages that can be frozen; frozen={stages} are too many.")
        self.frozen = stages
        kept = [m for name, m in self.body.named_children() if name != "blocks"] + blocks[:stages]
        for module in kept if stages else ():
            module.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> TimmBackbone:
        super().train(mode)
        if self.frozen:
            for module in self.body.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return dict(zip(("early", "middle", "last"), self.body(((x + 1) / 2 - self.mean) / self.std), strict=True))


def _anywhere(make: Callable[[], T]) -> T:
    """A library's network on the default device. Some take numbers out of tensors while they are built, which has no
    answer on ``meta``, where a network has no memory: those are built on the CPU and moved."""
    try:
        return make()
    except RuntimeError:
        if torch.get_default_device().type != "meta":
            raise
    with torch.device("cpu"):
        network = make()
    return network.to(torch.get_default_device())


def is_fixed(name: str) -> bool:
    """Whether the name alone decides how large a backbone is, and that is no more than some 100 MB."""
    return name in TorchvisionBackbone.DEPTHS or name in PACKAGES


def _small(name: str, image_size: int, pretrained: bool) -> nn.Module:
    if pretrained:
        raise UserError("The small backbone has no pretrained weights; use resnet50 or another of torchvision's.")
    width = name.partition("-")[2] or "32"
    if not width.isascii() or not width.isdigit() or not 1 <= int(width[:5]) <= WIDEST:
        raise UserError(f"The backbone {name!r} needs a width of 1 to {WIDEST}, for example small-24.")
    return SmallBackbone(int(width), image_size)


def _torchvision(name: str, image_size: int, pretrained: bool) -> nn.Module:
    return TorchvisionBackbone(name, pretrained)


def _timm(name: str, image_size: int, pretrained: bool) -> nn.Module:
    return TimmBackbone(name.removeprefix("timm-"), pretrained)


# By name, or by what stands before a hyphen (small-24): (name, image size, pretrained) to the network.
BACKBONES: dict[str, Callable[[str, int, bool], nn.Module]] = {
    "small": _small,
    **dict.fromkeys(TorchvisionBackbone.DEPTHS, _torchvision),
    **dict.fromkeys(PACKAGES, _timm),
    "timm": _timm,
}


def make_backbone(name: str, image_size: int, pretrained: bool = False) -> nn.Module:
    """A backbone by name: ``small``, ``small-W`` (another width), one of torchvision's, ``efficientnet_lite0`` to
    ``2``, or ``timm-NAME``. Raises UserError."""
    make = BACKBONES.get(name) or BACKBONES.get(name.partition("-")[0])
    if make is None:
        raise UserError(f"Unknown backbone {name!r}. Valid: {', '.join(BACKBONES)}.")
    return make(name, image_size, pretrained)
