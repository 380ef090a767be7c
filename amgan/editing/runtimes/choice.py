"""The fastest runtime of this machine, found by measurement once and remembered.

A candidate is taken only if its edits of drawn garments are those of PyTorch in float32, to within what nobody sees
(see agreement.py). What was found lies in the user's cache folder, under the weights, the machine and the versions that
it holds for; where that folder cannot be written, the measurement is made anew each time. PyTorch in float32 is what
remains when all else fails.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from amgan.editing.runtimes.agreement import Difference, difference
from amgan.editing.runtimes.engines import ENGINES, Network, eager
from amgan.editing.runtimes.exported import COMPARED, COMPARED_SEED, FORMAT, load_exported, write_card
from amgan.editing.runtimes.samples import sample_edits
from amgan.errors import UserError
from amgan.files import write_atomic
from amgan.models.amgan.generator import Generator

ROUNDS = 7
FOUND, SAVED = "choice.json", "network"
PYTORCH = {"eager": False, "eager-bf16": True}  # name to bf16


def remembered(generator: Generator, identity: str) -> tuple[str, Network] | None:
    """What ``fastest`` once found for these weights on this machine; None where it never looked."""
    folder = cache_folder() / key(identity)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, UserError):  # never measured, or damaged
        name = json.loads((folder / FOUND).read_text(encoding="utf-8"))["engine"]
        return name, eager(generator, PYTORCH[name]) if name in PYTORCH else load_exported(folder / SAVED).network
    return None


def fastest(generator: Generator, image_size: int, identity: str) -> tuple[str, Network]:
    """The name of this machine's fastest runtime for a generator, and the network in it; measured at first use, which
    takes a while."""
    if (found := remembered(generator, identity)) is not None:
        return found
    folder = cache_folder() / key(identity)
    with tempfile.TemporaryDirectory(dir=_writable(folder.parent)) as scratch:
        name, network, report = measure(generator, image_size, identity, Path(scratch))
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            if name in ENGINES:
                shutil.move(Path(scratch) / ENGINES[name].format, folder / SAVED)
            write_atomic(folder / FOUND, json.dumps({"engine": name, "measured": report}, indent=1) + "\n")
        except OSError:
            pass  # the next start measures again
    return name, network


def measure(
    generator: Generator, image_size: int, identity: str, folder: Path
) -> tuple[str, Network, dict[str, dict[str, Any]]]:
    """Time an edit of one photo in every runtime that is installed and agrees with float32, by turns.

    Args:
        folder: networks are saved here, one subfolder for each format.

    Returns:
        Name and network of the fastest, and per runtime its ``difference`` and ``milliseconds``, or why it is out.
    """
    x, m = sample_edits(generator.schema, image_size, COMPARED, COMPARED_SEED)
    networks: dict[str, Network] = {}
    differences: dict[str, Difference] = {}
    report: dict[str, dict[str, Any]] = {}
    with torch.inference_mode():
        truth = eager(generator)(x, m)
        for name in (*PYTORCH, *ENGINES):
            if name in ENGINES and ENGINES[name].missing:
                continue
            try:
                bf16 = PYTORCH.get(name)
                network = _saved(generator, image_size, name, folder) if bf16 is None else eager(generator, bf16)
                found = difference(x, network(x, m), truth)
            except Exception as error:  # whatever goes wrong in a library that may be left out, leaves it out
                report[name] = {"failed": f"{type(error).__name__}: {error}"[:300]}
                continue
            report[name] = {"difference": found.to_dict()}
            if found.small:
                networks[name], differences[name] = network, found
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    with torch.inference_mode():
        for _ in range(ROUNDS):
            for name, network in networks.items():
                network(x[:1], m[:1])  # another's data left the caches
                start = time.perf_counter()
                network(x[:1], m[:1])
                seconds[name].append(time.perf_counter() - start)
    for name, times in seconds.items():
        report[name]["milliseconds"] = round(min(times) * 1000, 3)  # the least, as other programs only add to it
    best = min(seconds, key=lambda name: min(seconds[name]))
    if best in ENGINES:
        target = folder / ENGINES[best].format
        write_card(target, best, generator.schema, image_size, identity, differences[best])
    return best, networks[best], report


def _saved(generator: Generator, image_size: int, name: str, folder: Path) -> Network:
    target = folder / ENGINES[name].format
    if not target.exists():
        target.mkdir()
        ENGINES[name].save(generator, image_size, target)
    return ENGINES[name].load(target)


def cache_folder() -> Path:
    """Where choices are remembered: ``$XDG_CACHE_HOME/amgan``, or ``~/.cache/amgan``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "amgan" / "runtimes"


def key(identity: str) -> str:
    """Changes with the weights, the machine, and the versions of what was compared."""
    parts = [str(FORMAT), identity, *_machine()]
    for library in ("torch", "openvino", "onnxruntime"):
        try:
            parts.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            parts.append(f"no {library}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _machine() -> list[str]:
    """The processor and what it can do; machines of one name differ in what their host lets through."""
    parts = [platform.machine(), platform.processor(), torch.backends.cpu.get_cpu_capability()]
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        parts += sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    return [*parts, f"{torch.get_num_threads()} threads"]


def _writable(folder: Path) -> Path | None:
    """The folder, made where it is missing; None, which means the system's own, where it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None
