"""How far a garment's mask can be trusted, and why not."""

from __future__ import annotations

import numpy as np


def judge(rgb: np.ndarray, mask: np.ndarray, method: str) -> tuple[float, tuple[str, ...]]:
    """Confidence 0 to 1 and what speaks against the mask, for a photo and mask of about 160 px."""
    share = float(np.mean(mask > 0))
    if not 0.15 <= share <= 0.80:
        return 0.3, (f"The garment found covers {share:.0%} of the photo; 15 % to 80 % is usual.",)
    return 1.0, ()
