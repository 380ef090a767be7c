"""What runs the network that cuts garments out: OpenVINO where it is installed, else PyTorch.

Both are one function: photos in squares, uint8 (B, S, S, 3), to the garment's share of each pixel, float32 (B, S, S) in
[0, 1], and the expected overlap of its mask with the truth, float32 (B,) in [0, 1].

For OpenVINO the network is written down operation by operation, with the norms in the convolutions' weights. Nothing is
traced, which other threads would notice, so it may be built beside them.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from amgan.devices import openvino_request, without_telemetry
from amgan.models.segmenter import SKIPS, CutOutNetwork, InvertedResidual, SameConv
from amgan.pixels import to_float

Cutter = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
APART = 0.02  # of a pixel's share, or of the expected overlap: what two runtimes may differ by

log = logging.getLogger(__name__)


def make_cutter(network: CutOutNetwork) -> Cutter:
    """The fastest that gives the same answer. Whatever goes wrong in a library that may be left out, leaves it out."""
    plain = torch_cutter(network)
    if importlib.util.find_spec("openvino") is None:
        return plain
    try:
        fast = openvino_cutter(network)
        square = _known_square(network.image_size)
        apart = max(float(np.abs(a - b).max()) for a, b in zip(plain(square), fast(square), strict=True))
        if apart <= APART:
            return fast
        log.warning("OpenVINO cuts garments out differently than PyTorch (by %.3f); PyTorch it is.", apart)
    except Exception as error:
        log.warning("OpenVINO cannot cut garments out (%s); PyTorch does.", error)
    return plain


def torch_cutter(network: CutOutNetwork) -> Cutter:
    """In float32, on the network's own device."""

    @torch.inference_mode()
    def cutter(squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = to_float(torch.from_numpy(squares).permute(0, 3, 1, 2).to(network.mask.weight.device))
        logits, overlap = network(x.contiguous(memory_format=torch.channels_last))
        return logits[:, 0].sigmoid().cpu().numpy(), overlap.sigmoid().cpu().numpy()

    return cutter


def openvino_cutter(network: CutOutNetwork) -> Cutter:
    """In float32, one photo after the other. Raises what OpenVINO raises."""
    request = openvino_request(_written_down(network))
    lock = threading.Lock()  # a request serves one caller at a time, and pages have several

    @torch.inference_mode()
    def cutter(squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits, overlaps = [], []
        for square in squares:
            with lock:
                out = request.infer([np.ascontiguousarray(square[None])], share_inputs=True)
                made, deep = torch.from_numpy(out[0].copy()), torch.from_numpy(out[1].copy())
            logits.append(made[:, 0])
            overlaps.append(network.expectation(deep, made))  # a thousand products: not worth operations of their own
        return torch.cat(logits).sigmoid().numpy(), torch.cat(overlaps).sigmoid().numpy()

    return cutter


def _written_down(network: CutOutNetwork) -> Any:
    """The network as OpenVINO's model, from uint8 (1, S, S, 3) to logits (1, 1, S, S) and the deepest maps."""
    with without_telemetry():
        import openvino
    from openvino import opset13 as ops

    side = network.image_size
    square = ops.parameter([1, side, side, 3], np.uint8)
    x = ops.transpose(ops.convert(square, "f32"), np.array([0, 3, 1, 2]))
    x = ops.subtract(ops.divide(x, np.float32(127.5)), np.float32(1))
    skips = []
    x = _lower(network.trunk.stem, x)
    for k, stage in enumerate(network.trunk.stages):
        x = _lower(stage, x)
        if k in SKIPS:
            skips.append(x)
    maps = deep = _lower(network.deepest, x)
    for up, skip in zip(reversed(network.ups), reversed(skips), strict=True):  # type: ignore[arg-type]
        maps = _lower(up.mix, ops.concat([_twice(maps, "nearest"), skip], 1))  # type: ignore[union-attr]
    logits = _twice(_lower(network.mask, maps), "linear_onnx")
    return openvino.Model([logits, deep], [square])


def _lower(module: nn.Module, x: Any) -> Any:
    """One module's operations on ``x``."""
    from openvino import opset13 as ops

    if isinstance(module, InvertedResidual):
        return ops.add(x, _lower(module.layers, x)) if module.residual else _lower(module.layers, x)
    if isinstance(module, nn.Sequential):
        layers = list(module)
        while layers:
            layer = layers.pop(0)
            if isinstance(layer, nn.Conv2d):
                norm = layers[0] if layers else None
                if isinstance(norm, nn.BatchNorm2d):
                    x = _convolution(layer, norm, x)
                    del layers[0]
                else:
                    x = _convolution(layer, None, x)
            else:
                x = _lower(layer, x)
        return x
    if isinstance(module, nn.Conv2d):
        return _convolution(module, None, x)
    if isinstance(module, nn.ReLU6):
        return ops.clamp(x, 0.0, 6.0)
    if isinstance(module, nn.ReLU):
        return ops.relu(x)
    raise TypeError(f"{type(module).__name__} is not written down for OpenVINO")


def _convolution(conv: nn.Conv2d, norm: nn.BatchNorm2d | None, x: Any) -> Any:
    from openvino import opset13 as ops

    if norm is not None:
        conv = fuse_conv_bn_eval(conv, norm)
    weight, bias = conv.weight.detach(), conv.bias.detach() if conv.bias is not None else None
    stride, pad = list(conv.stride), conv.kernel_size[0] // 2
    begin = end = [pad, pad]
    if isinstance(conv, SameConv) and stride[0] == 2:  # of an even side
        whole = conv.kernel_size[0] - 2
        begin, end = [whole // 2] * 2, [whole - whole // 2] * 2
    if conv.groups > 1:
        made = ops.group_convolution(x, _array(weight[:, None]), stride, begin, end, [1, 1])
    else:
        made = ops.convolution(x, _array(weight), stride, begin, end, [1, 1])
    return made if bias is None else ops.add(made, _array(bias[None, :, None, None]))


def _twice(x: Any, mode: str) -> Any:
    from openvino import opset13 as ops

    return ops.interpolate(
        x,
        np.array([2.0, 2.0], np.float32),
        mode,
        "scales",
        coordinate_transformation_mode="half_pixel" if mode != "nearest" else "asymmetric",
        nearest_mode="floor",
        axes=np.array([2, 3]),
    )


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.float().contiguous().cpu().numpy()


def _known_square(side: int) -> np.ndarray:
    """A bright disc on a slanted ground, uint8 (1, side, side, 3)."""
    y, x = np.mgrid[:side, :side] / side
    disc = (x - 0.5) ** 2 + (y - 0.55) ** 2 < 0.09
    ground = np.stack([90 + 60 * x, 120 - 40 * y, 80 + 30 * np.sin(20 * x)], -1)
    return np.where(disc[..., None], 210 - 40 * y[..., None], ground).astype(np.uint8)[None]
