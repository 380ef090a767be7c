"""Pixels: pictures as float or uint8, channels first or last, masks grown and shrunk, sRGB and CIE Lab. Small pure
functions."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# --- Representation ---------------------------------------------------------------------------------------------------


def to_float(images: Tensor) -> Tensor:
    """uint8 (B, 3, H, W) to float32 in [-1, 1]."""
    return images.float() / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """Float in [-1, 1] to uint8, rounded."""
    return ((images.detach().float().clamp(-1, 1) + 1) * 127.5 + 0.5).to(torch.uint8)


def to_hwc(image: Tensor) -> np.ndarray:
    """A picture (C, H, W) as an array (H, W, C), which Pillow and OpenCV take."""
    return image.cpu().numpy().transpose(1, 2, 0)


def to_arrays(images: Tensor) -> np.ndarray:
    """Pictures in [-1, 1], (B, C, H, W), as float32 arrays in [0, 1], (B, H, W, C), which OpenCV takes one by one."""
    return ((images.float() + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()


def to_chw(image: np.ndarray) -> Tensor:
    """A picture (H, W, C) as a contiguous tensor (C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Square pictures (B, C, S, S) under a Gaussian of ``sigma`` pixels, by two matrix products; what lies outside is
    not counted."""
    at = torch.arange(x.shape[-1], device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * ((at - at[:, None]) / sigma).square())
    kernel = kernel / kernel.sum(1, keepdim=True)
    return kernel @ x @ kernel.T


# --- Masks ------------------------------------------------------------------------------------------------------------


def dilate(mask: Tensor, radius: int) -> Tensor:
    """Grow masks (B, 1, H, W) by a square of ``2 radius + 1``, one axis after the other."""
    # The maximum of two windows is that of one as wide as both: a few passes over whole rows, where pooling goes window
    # by window (on a CPU ten times slower).
    for axis, padding in ((2, (0, 0, radius, radius)), (3, (radius, radius, 0, 0))):
        size, left = 1, 2 * radius
        mask = F.pad(mask, padding, value=-torch.inf)
        while left:
            step = min(size, left)
            length = mask.shape[axis] - step
            mask = torch.maximum(mask.narrow(axis, 0, length), mask.narrow(axis, step, length))
            size, left = size + step, left - step
    return mask


def open_mask(mask: Tensor, radius: int) -> Tensor:
    """Morphological opening of masks (B, 1, H, W): slivers thinner than the diameter vanish."""
    return dilate(-dilate(-mask, radius), radius)


# --- Colour -----------------------------------------------------------------------------------------------------------

_XYZ_FROM_RGB = torch.tensor(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = torch.tensor([0.95047, 1.0, 1.08883])
_EPSILON, _KAPPA = (6 / 29) ** 3, (29 / 3) ** 3


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """sRGB in [-1, 1], float (B, 3, H, W), to Lab: L in 0..100, a and b about -128..127."""
    rgb = ((rgb + 1) / 2).clamp(0, 1)
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    matrix = (_XYZ_FROM_RGB / _WHITE[:, None]).to(rgb)
    xyz = torch.einsum("ij,bjhw->bihw", matrix, linear)
    f = torch.where(xyz > _EPSILON, xyz.clamp(min=1e-8) ** (1 / 3), (_KAPPA * xyz + 16) / 116)
    x, y, z = f.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """The way back, clipped to the sRGB gamut."""
    lightness, a, b = lab.unbind(1)
    y = (lightness + 16) / 116
    f = torch.stack([y + a / 500, y, y - b / 200], dim=1)
    xyz = torch.where(f**3 > _EPSILON, f**3, (116 * f - 16) / _KAPPA)
    matrix = torch.linalg.inv(_XYZ_FROM_RGB / _WHITE[:, None]).to(lab)
    linear = torch.einsum("ij,bjhw->bihw", matrix, xyz).clamp(0, 1)
    rgb = torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp(min=1e-8) ** (1 / 2.4) - 0.055)
    return rgb * 2 - 1
