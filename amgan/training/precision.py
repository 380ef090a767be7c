"""Which precision a training runs in, settled before its first step and kept to its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import torch

from amgan.config import changed, flat, to_dict
from amgan.models.precision import bf16_pays
from amgan.training import parallel
from amgan.training.run import say, states_in

C = TypeVar("C")


def settle_precision(config: C, folder: Path, device: torch.device) -> C:
    """The configuration of a training, whose ``bf16`` asks for bfloat16 where it pays, with what that comes to.

    A run that is resumed keeps the precision that it began with, which its ``run.json`` says, so that it goes on as the
    unbroken one would; so does one on another machine. Elsewhere it is measured. Of several processes the first decides
    for all. Says in a line what it came to.

    Args:
        config: has a setting ``bf16``.
        folder: of the run; need not exist.
        device: that it trains on.
    """
    if not flat(to_dict(config))["bf16"]:
        return config
    first = parallel.rank() == 0
    before = _recorded(folder) if first else None
    pays = parallel.any_process(first and (bf16_pays(device) if before is None else before))
    if first:
        why = "as this run began" if before is not None else "the faster one here"
        say(f"Precision: {'bfloat16 autocast' if pays else 'float32'}, {why}")
    return changed(config, bf16=pays)


def _recorded(folder: Path) -> bool | None:
    """What the run that is in a folder settled on; None where there is none that can be resumed."""
    if not states_in(folder):
        return None
    try:
        bf16 = flat(json.loads((folder / "run.json").read_text(encoding="utf-8"))["config"])["bf16"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None  # the run itself says what is wrong with its settings
    return bf16 if isinstance(bf16, bool) else None
