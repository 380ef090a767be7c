"""What both trainings share: the run folder, progress in images, interruption, and seeds that follow from the step.

Every random draw of step ``k`` comes from a generator seeded by (seed, k). So a resumed run sees what the unbroken one
would have seen, and no generator state is saved.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from amgan.errors import UserError
from amgan.files import write_atomic

console = Console(stderr=True)


def step_seed(seed: int, step: int) -> int:
    """A seed for one step of one run."""
    return (seed * 1_000_003 + step) * 2_654_435_761 % (2**63 - 1)


def seed_step(seed: int, step: int) -> torch.Generator:
    """Seeds torch's own draws (dropout) and returns the generator that everything else of this step draws from."""
    value = step_seed(seed, step)
    torch.manual_seed(value)
    return torch.Generator().manual_seed(value)


def pick_device(name: str = "auto") -> torch.device:
    """``auto`` takes CUDA where there is one, and of several the one that a launcher meant. Raises UserError."""
    if name == "auto" and not torch.cuda.is_available():
        return torch.device("cpu")
    if name == "auto":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        return device
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"Device {name!r} is not available here; valid: cpu, auto.")
    try:
        return torch.device(name)
    except RuntimeError:
        raise UserError(f"Unknown device {name!r}; valid: auto, cpu, cuda, cuda:1.") from None


def bf16_pays(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 faster than float32: GPUs do, CPUs with matrix tiles (AMX). AVX-512 has
    bfloat16 products too, at half the rate of float32's."""
    return device.type != "cpu" or torch.cpu._is_amx_tile_supported()


def autocast(device: torch.device, bf16: bool) -> torch.autocast:
    """Within: products in bfloat16 if that is wanted and pays."""
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16 and bf16_pays(device))


def claim_run(folder: Path, config: Any, data: dict[str, Any]) -> None:
    """Make the run folder, or check that it holds the same run. Raises UserError naming the settings that differ."""
    settings = {"config": dataclasses.asdict(config), "data": data}
    path = folder / "run.json"
    if path.is_file():
        old = json.loads(path.read_text(encoding="utf-8"))
        # Settings that did not exist yet had their default's effect.
        old["config"] = dataclasses.asdict(type(config)()) | old.get("config", {})
        differing = sorted(
            f"{k}: {old[part].get(k)!r} there, {settings[part].get(k)!r} now"
            for part in settings
            for k in old.get(part, {}).keys() | settings[part].keys()
            if old.get(part, {}).get(k) != settings[part].get(k) and k != "kimg"
        )
        if differing:
            raise UserError(
                f"{folder} holds a run with other settings ({'; '.join(differing)}). "
                "Give another --out, or the same settings to resume."
            )
    write_atomic(path, json.dumps(settings, indent=1) + "\n")


@contextlib.contextmanager
def interruptible() -> Iterator[list[int]]:
    """Within: SIGINT and SIGTERM only fill the list, so that the loop can finish its step, save and leave."""
    caught: list[int] = []
    old = {}
    try:
        for s in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ValueError):  # not in the main thread
                old[s] = signal.signal(s, lambda number, _: caught.append(number))
        yield caught
    finally:
        for s, handler in old.items():
            signal.signal(s, handler)


def progress_bar(visible: bool = True) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        speed_estimate_period=120,
        disable=not visible,
    )


class StatsFile:
    """``stats.jsonl``: one JSON object a line, for machines."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "stats.jsonl"
        self.start = time.monotonic()

    def write(self, **values: Any) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({k: round(v, 6) if isinstance(v, float) else v for k, v in values.items()}) + "\n")
