"""The process that finds the fastest runtime of this machine, ``python -m amgan.editing.runtimes WEIGHTS THREADS``.

OpenVINO is taken only if its edits of drawn garments are those of PyTorch in float32, to within what nobody sees (see
agreement.py), and if it is faster.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from amgan.editing.runtimes.agreement import COMPARED_SEED, sample_edits
from amgan.editing.runtimes.choice import CANDIDATE, FOUND, SAVED, choice_folder, remembered
from amgan.editing.runtimes.engines import Network, eager
from amgan.editing.runtimes.exported import export, load_exported
from amgan.files import write_atomic
from amgan.models.amgan.generator import Generator
from amgan.weights import load_generator

try:
    import fcntl
except ImportError:  # on Windows two may measure at once, which only takes longer
    fcntl = None

ROUNDS = 7


def main(weights: str, threads: int) -> None:
    """Measure once, however many processes ask at the same time. Raises OSError where the cache cannot be written."""
    torch.set_num_threads(threads)
    generator, config, identity = load_generator(weights)
    folder = choice_folder(identity)
    if folder is None:
        return
    with locked(folder.parent / "lock"):
        if remembered(generator, identity) is None:
            find(generator, config.image_size, identity, folder)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until nobody else holds the file. The system lets go of it with the process, however that ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def find(generator: Generator, image_size: int, identity: str, folder: Path) -> None:
    """Compare the runtimes, and leave the choice, and the network where that is needed, in the folder."""
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed
    draft.mkdir()
    networks = {"eager": eager(generator)}
    try:
        found = export(generator, image_size, identity, CANDIDATE, draft / SAVED)
        report: dict[str, Any] = {"difference": found.to_dict()}
        if found.small:
            networks[CANDIDATE] = load_exported(draft / SAVED).network
    except Exception as error:  # whatever goes wrong in a library that may be left out, leaves it out
        report = {"failed": f"{type(error).__name__}: {error}"[:300]}
    times = milliseconds(networks, *sample_edits(generator.schema, image_size, 1, COMPARED_SEED))
    best = min(times, key=lambda name: times[name])
    choice = {"engine": best, "milliseconds": times, CANDIDATE: report}
    write_atomic(draft / FOUND, json.dumps(choice, indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def milliseconds(networks: dict[str, Network], x: torch.Tensor, m: torch.Tensor) -> dict[str, float]:
    """Of one edit in each network, the least of several rounds by turns, as other programs only add to it."""
    best = dict.fromkeys(networks, float("inf"))
    with torch.inference_mode():
        for _ in range(ROUNDS):
            for name, network in networks.items():
                network(x, m)  # another's data left the caches
                start = time.perf_counter()
                network(x, m)
                best[name] = min(best[name], (time.perf_counter() - start) * 1000)
    return {name: round(time, 3) for name, time in best.items()}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
