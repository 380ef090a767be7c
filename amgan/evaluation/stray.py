"""Paint that an edit leaves where neither cloth nor background can be, from pixels, without any network."""

from __future__ import annotations

import cv2
import numpy as np

from amgan.photos.colour_names import CHROMA_GREY, LIGHTNESS_WEIGHT, colour_clusters

SAME_CLOTH = 15.0  # distance in Lab, lightness weighted, within which two pixels may be one cloth, shaded
LIGHTNESS_BACKGROUND = 92.0


def stray_share(before: np.ndarray, after: np.ndarray, garment: np.ndarray, painted: np.ndarray) -> float:
    """How much of what an edit painted is neither background white nor any colour of the garment, 0..1.

    A sleeve that grows is of the garment's cloth, one that goes leaves white; haloes and patches of other colours are
    neither.

    Args:
        before, after: uint8 (H, W, 3) RGB.
        garment: bool (H, W), the garment's mask before.
        painted: bool (H, W), where the edit painted.

    Returns:
        NaN where nothing was painted or there is no garment.
    """
    if not painted.any() or not garment.any():
        return float("nan")
    lab = cv2.cvtColor(np.stack([before, after]).reshape(2, -1, 3).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    centres, _ = colour_clusters(lab[0][garment.ravel()])
    new = lab[1][painted.ravel()]
    weights = np.array([LIGHTNESS_WEIGHT**2, 1, 1], dtype=np.float32)
    cloth = ((new[:, None] - centres) ** 2 * weights).sum(axis=2).min(axis=1) < SAME_CLOTH**2
    white = (new[:, 0] > LIGHTNESS_BACKGROUND) & (np.hypot(new[:, 1], new[:, 2]) < CHROMA_GREY)
    return float(1 - (cloth | white).mean())
