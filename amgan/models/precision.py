"""bfloat16, where it pays."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import nn

ROUNDS = 7
CHANNELS, SIDE, BATCH = 64, 32, 4  # a middle layer of the preset small, for few pictures
GAIN = 1.1  # so much faster it must be: less is lost in what stays float32


@cache
def bf16_pays(device: torch.device) -> bool:
    """Whether a device trains faster under bfloat16 autocast. GPUs do. Of CPUs no flag tells: with matrix tiles or
    without, some multiply bfloat16 at several times the rate of float32 and others at half of it. So it is measured,
    once per process: convolutions as the generator's with their norms, forward and backward, by turns in either
    precision. One thread works, and the medians of its own time count: threads that wait for each other on a busy
    machine took fifty times as long, and said the opposite. Takes a fraction of a second."""
    if device.type != "cpu":
        return True
    convolve, threads = _convolutions(device), torch.get_num_threads()
    seconds: dict[bool, list[float]] = {False: [], True: []}
    torch.set_num_threads(1)
    try:
        for turn in range(ROUNDS + 1):
            for bf16, taken in seconds.items():
                start = time.thread_time()
                convolve(bf16)
                if turn:  # the first warms up
                    taken.append(time.thread_time() - start)
    finally:
        torch.set_num_threads(threads)
    return statistics.median(seconds[False]) > GAIN * statistics.median(seconds[True])


def _convolutions(device: torch.device) -> Callable[[bool], None]:
    """What is measured: a pass forward and backward, under autocast or not."""
    draws = torch.Generator().manual_seed(0)  # training's own draws are left alone
    weights = [nn.Parameter(torch.randn(CHANNELS, CHANNELS, 3, 3, generator=draws).to(device) / 24) for _ in range(2)]
    x = torch.randn(BATCH, CHANNELS, SIDE, SIDE, generator=draws)
    x = x.to(device, memory_format=torch.channels_last)

    @torch.enable_grad()
    def convolve(bf16: bool) -> None:
        h = x
        with autocast(device, bf16):
            for weight in weights:
                h = F.conv2d(h, weight, padding=1)
                h = F.relu(F.layer_norm(h.permute(0, 2, 3, 1), (CHANNELS,)).permute(0, 3, 1, 2))
        h.float().mean().backward()

    return convolve


def autocast(device: torch.device, bf16: bool) -> torch.autocast:
    """Within: products in bfloat16, or not. Whether that pays has been settled before the first step
    (``amgan.training.precision``)."""
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16)


def autocast_for_gradients(device: torch.device, bf16: bool, network: nn.Module) -> torch.autocast:
    """As ``autocast``, for a frozen network through which gradients pass. On a CPU those of depthwise convolutions take
    longer in bfloat16 than all else gains."""
    depthwise = any(isinstance(m, nn.Conv2d) and m.groups > 1 for m in network.modules())
    return autocast(device, bf16 and not (depthwise and device.type == "cpu"))
