"""Training state on disk: tensors in safetensors, everything else in JSON, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from amgan.errors import UserError

KEEP = 2  # how many states stay on disk


def save_state(folder: Path, step: int, tensors: dict[str, Tensor], meta: dict[str, Any]) -> Path:
    """Save as ``folder/state-STEP`` and drop all but the newest two. Returns the new folder."""
    final = folder / f"state-{step:08d}"
    temporary = folder / f"{final.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, temporary / "tensors.safetensors")
    (temporary / "meta.json").write_text(json.dumps({"step": step, **meta}, indent=1), encoding="utf-8")
    for file in temporary.iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    shutil.rmtree(final, ignore_errors=True)
    os.replace(temporary, final)
    for old in sorted(folder.glob("state-????????"))[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def load_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The newest state that can be read, or None when there is none. A damaged one is passed over, and said."""
    states = sorted(folder.glob("state-????????"), reverse=True)
    for state in states:
        try:
            meta = json.loads((state / "meta.json").read_text(encoding="utf-8"))
            return load_file(state / "tensors.safetensors"), meta
        except (OSError, ValueError, SafetensorError) as error:
            print(f"{state} is damaged and passed over: {error}")
    if states:
        raise UserError(f"No saved state in {folder} can be read. Remove the folder to start again.")
    return None


def pack(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A module's state under a prefix; ``unpack`` is the way back."""
    return {f"{prefix}/{k}": v for k, v in state.items()}


def unpack(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k[len(prefix) + 1 :]: v for k, v in tensors.items() if k.startswith(prefix + "/")}


def pack_optimizer(prefix: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's tensors; learning rates follow from the configuration and the step, so they are not saved."""
    return {
        f"{prefix}/{i}/{k}": torch.as_tensor(v)
        for i, values in optimizer.state_dict()["state"].items()
        for k, v in values.items()
    }


def unpack_optimizer(prefix: str, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load what ``pack_optimizer`` saved, each tensor in its parameter's memory layout, as fused kernels need."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in unpack(prefix, tensors).items():
        index, _, name = key.partition("/")
        parameter = parameters[int(index)]
        if value.shape == parameter.shape:
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
