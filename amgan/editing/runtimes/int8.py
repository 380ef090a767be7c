"""A rearranged generator in eight-bit whole numbers.

Inputs and weights of the convolutions are rounded as eight bits hold them (``fake_quantize``); a runtime that knows the
pattern, as OpenVINO does, then multiplies whole numbers. What enters the picture is left alone: the stem sees the photo
in full precision, and with skips the last two layers, which change the photo instead of painting it anew, are not
rounded either. That costs little time, and edits then differ from full precision by a tenth as much.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from amgan.editing.runtimes.rearranged import Rearranged


def eight_bit(network: Rearranged, x: Tensor, m: Tensor) -> nn.Module:
    """A rounded copy, its ranges those that pictures (B, 3, S, S) and conditions (B, N + M) bring about."""
    spared = {network.stem, *((network.heads.conv, network.generator.head) if network.generator.skips else ())}
    chosen = {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer not in spared
    }
    ranges: dict[str, tuple[float, float]] = {}

    def watch(name: str) -> object:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            low, high = ranges.get(name, (0.0, 0.0))
            ranges[name] = min(low, float(inputs[0].min())), max(high, float(inputs[0].max()))

        return hook

    hooks = [layer.register_forward_pre_hook(watch(name)) for name, layer in chosen.items()]  # type: ignore[arg-type]
    with torch.inference_mode():
        network(x, m)
    for hook in hooks:
        hook.remove()
    rounded = copy.deepcopy(network)
    for name, (low, high) in ranges.items():  # layers that the network replaced by others never ran
        parent, _, child = name.rpartition(".")
        setattr(rounded.get_submodule(parent), child, EightBit(rounded.get_submodule(name), low, high))
    return rounded.eval()


class EightBit(nn.Module):
    """A convolution, or its transpose, of rounded inputs and weights.

    Args:
        low, high: the range of its inputs; from zero on for what a ReLU made.
    """

    def __init__(self, layer: nn.Module, low: float, high: float) -> None:
        super().__init__()
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
        self.layer = layer
        self.axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0  # of the output channels
        others = [i for i in range(4) if i != self.axis]
        self.register_buffer("scale", layer.weight.detach().abs().amax(others).clamp(min=1e-8) / 127)
        self.register_buffer("zero", torch.zeros(layer.out_channels, dtype=torch.int32))
        high = max(high, -low, 1e-6)
        self.steps = (high / 255, 0, 0, 255) if low >= 0 else (high / 127, 0, -128, 127)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.fake_quantize_per_tensor_affine(x, *self.steps)
        weight = torch.fake_quantize_per_channel_affine(self.layer.weight, self.scale, self.zero, self.axis, -127, 127)
        convolve = F.conv_transpose2d if self.axis else F.conv2d
        return convolve(x, weight, self.layer.bias, self.layer.stride, self.layer.padding)  # type: ignore[operator]
