"""Which runtime edits on this machine: found once by a process of its own, remembered in the cache folder.

Exporting traces the generator, and torch patches the call of every module in the process meanwhile: a search in another
thread would fail. So ``python -m amgan.editing.runtimes`` exports and measures (see ``__main__.py``), and whatever
serves people reads what that left behind. Until then, and wherever it fails, PyTorch in float32 edits.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from amgan.cache import cache_folder
from amgan.editing.runtimes.engines import ENGINES, Network, eager
from amgan.editing.runtimes.exported import load_exported
from amgan.errors import UserError
from amgan.models.amgan.generator import Generator

CANDIDATE = "openvino"  # against "eager"; ONNX Runtime was always slower than OpenVINO
FOUND, SAVED = "choice.json", "network"
VERSION = 2  # count up when what was found earlier no longer holds
LIMIT = 300.0  # seconds for the process, which took 23 on two cores beside other programs
NICENESS = 10  # 19 would never come to an end on a server whose processors are all busy

log = logging.getLogger(__name__)


def remembered(generator: Generator, identity: str) -> tuple[str, Network] | None:
    """Name and network of what was found fastest for these weights on this machine; None where nobody measured, or
    where that is damaged."""
    folder = choice_folder(identity)
    if folder is None:
        return None
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, UserError):
        name = json.loads((folder / FOUND).read_text(encoding="utf-8"))["engine"]
        return name, eager(generator) if name == "eager" else load_exported(folder / SAVED).network
    return None


def find_fastest(weights: str | Path) -> None:
    """Have a process of low priority find the fastest runtime, and wait for it; does nothing where there is no choice,
    or no cache folder to remember it in. What goes wrong is logged and leaves things as they are."""
    if ENGINES[CANDIDATE].missing or cache_folder() is None:
        return
    nice = ["nice", "-n", str(NICENESS)] if shutil.which("nice") else []
    command = [*nice, sys.executable, "-m", "amgan.editing.runtimes", str(weights), str(torch.get_num_threads())]
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}  # it imports what this process would
    try:
        subprocess.run(
            command, env=paths, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True, timeout=LIMIT
        )
    except (OSError, subprocess.SubprocessError) as error:
        last = (getattr(error, "stderr", None) or "").strip().rpartition("\n")[2]
        log.warning("The fastest runtime was not found, edits stay with PyTorch: %s %s", error, last)


def choice_folder(identity: str) -> Path | None:
    """Where the choice for weights of this identity lies; None without a cache. Its name changes with the weights, the
    machine, and the versions of what was compared."""
    cache = cache_folder()
    if cache is None:
        return None
    parts = [str(VERSION), identity, *_machine()]
    for library in ("torch", CANDIDATE):
        try:
            parts.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            parts.append(f"no {library}")
    return cache / "runtimes" / hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _machine() -> list[str]:
    """The processor and what it can do; machines of one name differ in what their host lets through."""
    parts = [platform.machine(), platform.processor(), torch.backends.cpu.get_cpu_capability()]
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        parts += sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    return [*parts, f"{torch.get_num_threads()} threads"]
