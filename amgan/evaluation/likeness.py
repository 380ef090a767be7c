"""How like the true picture an edit is, inside and outside the region that truly changes.

Pictures are uint8 (B, 3, H, W), regions bool (B, H, W). What is asked of an empty region is NaN.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from amgan.evaluation import metrics
from amgan.evaluation.edits import BACKGROUND
from amgan.models.classifier import AttributeClassifier
from amgan.pixels import to_float

WINDOW, SIGMA = 11, 1.5  # Wang et al. 2004, section III.C
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
FEWEST = 20  # pixels; with less cloth the sharpness is NaN
LAYERS = ("early", "middle", "last")


def ssim_map(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Structural similarity of two pictures uint8 (3, H, W) around every pixel, float32 (H, W), -1 to 1.

    Wang, Bovik, Sheikh and Simoncelli (2004), equation 13, with their Gaussian window of 11 x 11 pixels; per colour
    channel, then averaged, so that a wrong colour of the right lightness counts. Borders are mirrored.
    """
    a, b = (np.ascontiguousarray(p.transpose(1, 2, 0), dtype=np.float32) for p in (x, y))
    mean_a, mean_b = _window(a), _window(b)
    # Round-off can leave a variance of flat pictures just below 0.
    var_a = np.maximum(_window(a * a) - mean_a**2, 0)
    var_b = np.maximum(_window(b * b) - mean_b**2, 0)
    covariance = _window(a * b) - mean_a * mean_b
    top = (2 * mean_a * mean_b + C1) * (2 * covariance + C2)
    return (top / ((mean_a**2 + mean_b**2 + C1) * (var_a + var_b + C2))).mean(axis=2)


def _window(picture: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(picture, (WINDOW, WINDOW), SIGMA, borderType=cv2.BORDER_REFLECT_101)


def region_mean(maps: np.ndarray, where: np.ndarray) -> np.ndarray:
    """float64 (B,): the mean of maps (B, H, W) over the pixels ``where``."""
    n = where.sum(axis=(1, 2))
    total = (maps.astype(np.float64) * where).sum(axis=(1, 2))
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


@torch.inference_mode()
def perceptual_maps(judge: AttributeClassifier, x: Tensor, y: Tensor) -> list[Tensor]:
    """Squared distance of feature columns of unit length, per layer float (B, h, w), 0 to 4.

    The distance of LPIPS (Zhang et al. 2018, equation 1) with all of its learnt weights 1.
    """
    pictures = to_float(torch.cat([x, y]).to(judge.head.weight.device))
    features = judge.features(pictures.contiguous(memory_format=torch.channels_last))
    unit = [F.normalize(features[layer].float(), dim=1).chunk(2) for layer in LAYERS]
    return [(a - b).square().sum(dim=1).cpu() for a, b in unit]


def perceptual_distance(
    judge: AttributeClassifier, x: Tensor, y: Tensor, where: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The mean distance inside ``where`` and outside of it, float64 (B,) each, averaged over the layers.

    A layer's cell counts inside by the share of it that lies there. Cells see beyond their edges, so a difference
    inside shows a little outside, too.
    """
    inside, outside = [], []
    for distance in perceptual_maps(judge, x, y):
        height, width = distance.shape[1:]
        share = F.adaptive_avg_pool2d(torch.from_numpy(where).float()[:, None], (height, width))[:, 0]
        for means, weight in ((inside, share), (outside, 1 - share)):
            total = weight.sum(dim=(1, 2))
            mean = (distance * weight).sum(dim=(1, 2)) / total.clamp(min=1e-6)
            means.append(np.where(total > 0, mean.numpy(), np.nan))
    return np.mean(inside, axis=0), np.mean(outside, axis=0)


def compare(judge: AttributeClassifier, picture: Tensor, truth: Tensor, region: np.ndarray) -> dict[str, np.ndarray]:
    """Pictures against the true ones, float64 (B,) each: ``{"mae", "ssim", "perceptual"} x {"_inside", "_outside"}``
    and ``"sharpness_true"``."""
    x, y = picture.cpu().numpy(), truth.cpu().numpy()
    structure = np.stack([ssim_map(a, b) for a, b in zip(x, y, strict=True)])
    perceptual = perceptual_distance(judge, picture, truth, region)
    out = {}
    for at, (name, where) in enumerate({"inside": region, "outside": ~region}.items()):
        out[f"mae_{name}"] = metrics.mean_change(x, y, where)
        out[f"ssim_{name}"] = region_mean(structure, where)
        out[f"perceptual_{name}"] = perceptual[at]
    # Where a sleeve goes the truth is white: there is nothing to be as sharp as.
    cloth = metrics.erode(region & (y.min(axis=1) < BACKGROUND), 1)
    cloth &= (cloth.sum(axis=(1, 2)) >= FEWEST)[:, None, None]
    steep = [np.stack([metrics.gradient(p) for p in pictures]) for pictures in (x, y)]
    out["sharpness_true"] = metrics.ratio(*(region_mean(s, cloth) for s in steep))
    return out
