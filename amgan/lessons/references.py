"""Reference assignment: for each edit, a training garment with the wanted attributes, the nearest among the candidates.

The paper takes an image whose attributes all equal the wanted ones and leaves ties and missing matches open. Here a
garment with the wanted value of every edited attribute is required; wrong or unknown kept attributes cost more than any
distance; what is left is decided by the teacher's features and the silhouette of the torso.
"""

from __future__ import annotations

import torch
from torch import Tensor

from amgan.lessons.descriptors import Descriptors, torso_cost, torso_cost_either_way

NEAREST = 4  # the reference is drawn among so many, lest one garment become the target of all its neighbours
PARTNERS = 8


def assign_references(
    descriptors: Descriptors, labels: Tensor, index: Tensor, wanted: Tensor, edited: Tensor, chance: Tensor
) -> Tensor:
    """For each item the training garment that serves as its reference.

    Args:
        labels: int64 (n, M), of all training garments.
        index: int64 (B,), the items.
        wanted: int64 (B, M), labels after the edit, UNKNOWN where not known.
        edited: bool (B, M).
        chance: float (B, NEAREST) in [0, 1), which of the nearest it is.

    Returns:
        int64 (B,).
    """
    own = descriptors.own
    labels, silhouettes, features = labels[:own], descriptors.silhouettes[:own], descriptors.features[:own]
    differs = (labels[None] != wanted[:, None]) & (wanted[:, None] >= 0)  # (B, n, M)
    cost = 100.0 * (differs & edited[:, None]).sum(2) + 10.0 * (differs & ~edited[:, None]).sum(2)
    mine = descriptors.silhouettes[index]
    cost = cost + (1 - descriptors.features[index] @ features.T) + 10 * torso_cost_either_way(mine, silhouettes)
    cost[torch.arange(own, device=cost.device)[None] == index[:, None]] = torch.inf  # not the item itself
    nearest = cost.topk(min(NEAREST, cost.shape[1] - 1), largest=False)
    # Never trade a match of labels for variety.
    as_good = nearest.values < nearest.values[:, :1] + 5
    return _choose(nearest.indices, as_good, chance)


def assign_partners(descriptors: Descriptors, sleeves: Tensor, index: Tensor, wanted: Tensor, chance: Tensor) -> Tensor:
    """For each item a garment with shorter sleeves, along whose silhouette its own can be cut.

    Args:
        sleeves: int64 (n,), sleeve labels.
        index: int64 (B,); wanted: int64 (B,), the sleeve that the changed copy shall have.
        chance: float (B, PARTNERS) in [0, 1), which of the nearest it is.

    Returns:
        int64 (B,).
    """
    sleeves, shorter = sleeves[: descriptors.own], descriptors.silhouettes[: descriptors.own]
    cost = torso_cost(shorter, descriptors.silhouettes[index]).T + 100.0 * (sleeves[None] != wanted[:, None])
    nearest = cost.topk(min(PARTNERS, cost.shape[1]), largest=False)
    return _choose(nearest.indices, nearest.values < nearest.values[:, :1] + 50, chance)


def _choose(candidates: Tensor, allowed: Tensor, chance: Tensor) -> Tensor:
    order = chance[:, : candidates.shape[1]].masked_fill(~allowed, -1)
    return candidates.gather(1, order.argmax(1, keepdim=True))[:, 0]
