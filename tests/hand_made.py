"""Edits made by hand, as an editor could have made them."""

from __future__ import annotations

import numpy as np
import torch

from amgan.editing.editor import EditResult
from amgan.photos import CutOut


def hand_made(cutout: CutOut, alpha: np.ndarray, raw: np.ndarray) -> EditResult:
    """What an editor could have made: alpha float32 (h, w), raw float32 (h, w, 3) in [0, 1]."""
    small = cutout.image.astype(np.float32) / 255
    image = small + alpha[..., None] * (raw - small)

    def tensor(a: np.ndarray) -> torch.Tensor:
        return torch.from_numpy((a * 255 + 0.5).astype(np.uint8)).permute(2, 0, 1)[None]

    return EditResult(tensor(image), torch.from_numpy(alpha)[None, None], tensor(raw))


def pixels(image: torch.Tensor) -> np.ndarray:
    """The one picture, (1, 3, H, W), as (H, W, 3)."""
    return image[0].permute(1, 2, 0).numpy()
