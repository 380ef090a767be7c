"""Which segmenter cuts garments out for named weights: their own network, or another by name."""

from __future__ import annotations

from pathlib import Path

import torch

from amgan.errors import UserError
from amgan.models.cutting import make_cutter, torch_cutter
from amgan.photos import Segmenter, load_segmenter
from amgan.photos.learned import Learned
from amgan.photos.segmenter import LEARNED
from amgan.weights.folders import has_segmenter, load_cut_out_network


def find_segmenter(name: str | None = None, weights: str | Path = "photos", device: str = "cpu") -> Segmenter:
    """The segmenter of that name.

    Args:
        name: ``learned``, the weights' own; or what ``load_segmenter`` takes. None means the weights' own where they
            have one, else ``classical``.
        weights: a shipped name, a folder, or ``hf-hub:org/name``; an editor from outside has none.
        device: where a network runs.

    Raises:
        UserError: there is no such segmenter, or the weights have none.
    """
    if name is None and _has_own(weights):
        name = LEARNED
    if name is None:
        return load_segmenter()
    if name != LEARNED:
        return load_segmenter(name)
    network = load_cut_out_network(weights)
    on = torch.device(device)
    cutter = make_cutter(network) if on.type == "cpu" else torch_cutter(network.to(on))
    return Learned(cutter, network.image_size, network.identity)


def _has_own(weights: str | Path) -> bool:
    try:
        return has_segmenter(weights)
    except UserError:  # no weights folder: an editor from outside, or a mistake that whoever loads them will name
        return False
