"""A run's folder: who may write in it, which settings it was started with, its states, its statistics.

``run.json`` the settings, ``state-STEP/`` the newest two training states (tensors in safetensors, everything else in
JSON, written whole or not at all), ``stats.jsonl`` one JSON object a line.
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from amgan.config import flat, to_dict
from amgan.errors import UserError
from amgan.files import write_atomic

try:
    import fcntl
except ImportError:  # Windows, where runs are not locked
    fcntl = None  # type: ignore[assignment]

KEEP = 2  # how many states stay on disk
STATE = re.compile(r"state-\d{8}")
console = Console(stderr=True)

Meta = dict[str, Any]


def say(text: str) -> None:
    """A line for the user, on standard error, as it is: paths are never broken, brackets never markup."""
    console.print(text, soft_wrap=True, highlight=False, markup=False)


class Run:
    """A run's folder, held by this process alone.

    Args:
        folder: made where it is missing.
        config: of the training.
        about: what else must be the same when the run is resumed: data, preset …

    Attributes:
        saved: step of the newest state that is known to be whole.

    Raises:
        UserError: another process trains here, the folder cannot be written, or it holds a run with other settings.
    """

    def __init__(self, folder: Path, config: Any, about: dict[str, Any]) -> None:
        self.folder = folder
        self.saved: int | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = (folder / ".lock").open("a")
        except OSError as error:
            raise UserError(
                f"The run folder {folder} cannot be written ({error.strerror}); give another --out."
            ) from None
        try:
            if fcntl is not None:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise UserError(
                f"Another training is writing in {folder}. Wait for it to end, or give another --out."
            ) from None
        try:
            self._claim(config, about)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let others have the folder."""
        self._lock.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- Settings -----------------------------------------------------------------------------------------------------

    def _claim(self, config: Any, about: dict[str, Any]) -> None:
        """Write down the settings, or check that they are those of the run that is there; ``kimg`` may grow."""
        path, settings = self.folder / "run.json", {"config": to_dict(config), "about": about}
        if states_in(self.folder):
            try:
                old = json.loads(path.read_text(encoding="utf-8"))
                there = flat(old["config"]) | flat(old["about"])
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                raise UserError(
                    f"{path} is missing or damaged, so it cannot be said which settings the run in {self.folder} has. "
                    "Put it back, or remove the folder to start again."
                ) from None
            now = flat(settings["config"]) | flat(about)
            differing = [
                f"{k}: {there.get(k)!r} there, {now.get(k)!r} now"
                for k in sorted(there.keys() | now.keys())
                if there.get(k) != now.get(k) and k != "kimg"
            ]
            if differing:
                raise UserError(
                    f"{self.folder} holds a run with other settings ({'; '.join(differing)}). "
                    "Give another --out, or the same settings to resume."
                )
        write_atomic(path, json.dumps(settings, indent=1) + "\n")

    # --- States -------------------------------------------------------------------------------------------------------

    def require_finite(self, step: int, tensors: dict[str, Tensor]) -> None:
        """Raises UserError where a number is not finite: nothing of such a network is ever saved."""
        wrong = [k for k, v in tensors.items() if v.is_floating_point() and not bool(torch.isfinite(v).all())]
        if wrong:
            raise UserError(self.not_finite(step, f"{len(wrong)} tensors of the networks"))

    def not_finite(self, step: int, what: str) -> str:
        """The sentence for a run that has diverged."""
        good = f"The state of step {self.saved} is kept" if self.saved is not None else "Nothing was saved"
        return (
            f"Training has diverged: at step {step} {what} are not finite any more. {good} in {self.folder}. "
            "Start again in another folder with lower learning rates (-c lr=…, -c critic_lr=…), or with -c bf16=false."
        )

    def save(self, step: int, tensors: dict[str, Tensor], meta: Meta) -> None:
        """Save as ``state-STEP`` and drop all but the newest two.

        Raises:
            UserError: a number is not finite, or the disk refuses; older states stay.
        """
        self.require_finite(step, tensors)
        final = self.folder / f"state-{step:08d}"
        draft = self.folder / f"{final.name}.tmp"
        try:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, draft / "tensors.safetensors")
            (draft / "meta.json").write_text(json.dumps({"step": step, **meta}, indent=1), encoding="utf-8")
            for file in draft.iterdir():
                descriptor = os.open(file, os.O_RDONLY)
                os.fsync(descriptor)
                os.close(descriptor)
            shutil.rmtree(final, ignore_errors=True)
            os.replace(draft, final)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(draft, ignore_errors=True)
            kept = f"that of step {self.saved} is kept" if self.saved is not None else "there is none yet"
            raise UserError(
                f"The state of step {step} cannot be saved in {self.folder} ({error}); {kept}. "
                "Make room, and give the same command again to go on."
            ) from None
        self.saved = step
        for old in states_in(self.folder)[KEEP:]:
            shutil.rmtree(old, ignore_errors=True)

    # --- Statistics ---------------------------------------------------------------------------------------------------

    def write_statistics(self, **values: Any) -> None:
        """One line of ``stats.jsonl``; numbers that are not finite are null."""

        def plain(v: Any) -> Any:
            return (round(v, 6) if math.isfinite(v) else None) if isinstance(v, float) else v

        with (self.folder / "stats.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({k: plain(v) for k, v in values.items()}) + "\n")


def states_in(folder: Path) -> list[Path]:
    """Folders of states, the newest first; what only looks like one is left alone."""
    return sorted((p for p in folder.glob("state-*") if STATE.fullmatch(p.name)), reverse=True)


def load_state(folder: Path, accept: Callable[[dict[str, Tensor], Meta], None]) -> int | None:
    """Hand the newest whole state of a run to ``accept``. Where that raises the state does not fit, and an older one is
    tried.

    Returns:
        Its step; None where there is no state.

    Raises:
        UserError: there are states, and none is whole.
    """
    states = states_in(folder)
    for state in states:
        try:
            meta = json.loads((state / "meta.json").read_text(encoding="utf-8"))
            if not isinstance(meta["step"], int) or meta["step"] != int(state.name[6:]):
                raise ValueError("meta.json is of another step")
            accept(load_file(state / "tensors.safetensors"), meta)
            return meta["step"]
        except (OSError, ValueError, TypeError, LookupError, RuntimeError, AttributeError, SafetensorError) as error:
            reason = str(error).strip().splitlines()
            say(f"{state} is damaged and passed over: {reason[0] if reason else type(error).__name__}")
    if states:
        raise UserError(f"No saved state in {folder} can be read. Remove the folder to start again.")
    return None


def steps_of(kimg: float, batch: int) -> int:
    """Steps in which so many thousand images are seen, at least one."""
    return max(1, round(kimg * 1000 / batch))


def this_command() -> str:
    """What was typed, for cards and for whoever goes on."""
    return shlex.join(["amgan", *sys.argv[1:]])


def finished(folder: Path, role: str) -> bool:
    """Whether a classifier is ready. One without a run beside it was put there ready-made; one with a run must have
    come to its end."""
    if not (folder / role / "config.json").is_file():
        return False
    run = folder / f"{role}-run"
    if not run.is_dir():
        return True
    try:
        config = flat(json.loads((run / "run.json").read_text(encoding="utf-8"))["config"])
        total = steps_of(config["kimg"], config["batch"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False
    return bool(states := states_in(run)) and int(states[0].name[6:]) >= total


# --- Tensors ----------------------------------------------------------------------------------------------------------


def pack(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A module's state under a prefix; ``unpack`` is the way back."""
    return {f"{prefix}/{k}": v for k, v in state.items()}


def unpack(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k[len(prefix) + 1 :]: v for k, v in tensors.items() if k.startswith(prefix + "/")}


def pack_optimizer(prefix: str, optimizer: torch.optim.Optimizer | None) -> dict[str, Tensor]:
    """An optimiser's tensors, none where there is no optimiser. Learning rates follow from the configuration and the
    step, so they are not saved."""
    if optimizer is None:
        return {}
    state = optimizer.state_dict()["state"]
    tensors = {f"{prefix}/{i}/{k}": torch.as_tensor(v) for i, values in state.items() for k, v in values.items()}
    return tensors | {f"{prefix}/count": torch.tensor(len(tensors))}


def unpack_optimizer(prefix: str, optimizer: torch.optim.Optimizer | None, tensors: dict[str, Tensor]) -> None:
    """Load what ``pack_optimizer`` saved, each tensor in its parameter's memory layout, as fused kernels need.

    Raises:
        ValueError: a tensor is missing or has another shape.
    """
    if optimizer is None:
        return
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    saved = unpack(prefix, tensors)
    if int(saved.pop("count")) != len(saved):
        raise ValueError(f"tensors of {prefix} are missing")
    for key, value in saved.items():
        index, _, name = key.partition("/")
        parameter = parameters[int(index)]
        if value.shape == parameter.shape:
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        elif value.ndim:
            raise ValueError(f"{key} of {prefix} has the shape {tuple(value.shape)}, not {tuple(parameter.shape)}")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
