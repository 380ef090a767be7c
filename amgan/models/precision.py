"""bfloat16, where it pays."""

from __future__ import annotations

import torch


def bf16_pays(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 faster than float32: GPUs do, CPUs with matrix tiles (AMX). AVX-512 has
    bfloat16 products too, at half the rate of float32's."""
    return device.type != "cpu" or torch.cpu._is_amx_tile_supported()


def autocast(device: torch.device, bf16: bool) -> torch.autocast:
    """Within: products in bfloat16 if that is wanted and pays."""
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16 and bf16_pays(device))
