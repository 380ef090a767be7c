"""What measurements of speed share: counted operations, the machine's own rate of matrix products, its name,
drawn garments, features, ports, browsers, memory, indexes of photos."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from amgan.errors import UserError

if TYPE_CHECKING:
    import torch

    from amgan.data.garments import Garments
    from amgan.schema import AttributeSchema

RANK, NOISE = 24, 0.6
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def counted_operations(work: Callable[[], object]) -> float:
    """Floating-point operations of the convolutions and matrix products in a piece of work, backward passes included.
    (FlopCounterMode's own module tracker does not bear a penalty's ``autograd.grad``.)"""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class Counter(TorchDispatchMode):
        total = 0.0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            if (count := flop_registry.get(func._overloadpacket)) is not None:
                self.total += count(*args, **(kwargs or {}), out_val=result)
            return result

    with Counter() as counter:
        work()
    return counter.total


def product_rate(device: torch.device, dtype: str, side: int = 2048) -> float:
    """Floating-point operations per second of a square matrix product."""
    import torch

    side = side * 4 if device.type == "cuda" else side
    a = torch.randn(side, side, device=device).to(getattr(torch, dtype))
    best = float("inf")
    for _ in range(6):
        start = time.perf_counter()
        product = a @ a
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    assert product.shape == a.shape
    return 2 * side**3 / best


def device_name(device: torch.device) -> str:
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"


def drawn_garments(size: int, count: int, seed: int = 1_000_000) -> Garments:
    """Garments from the renderer, each with a true edit."""
    from amgan.data.garments import load_garments
    from amgan.data.imagefolder import read_imagefolder
    from amgan.synth.folder import SynthFolder, write_synth

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drawn"
        for _ in write_synth(path, SynthFolder(count, seed, max(32, size), 1, split="train"), None):
            pass
        data = read_imagefolder(path)
        return load_garments(data, data.records, size, progress=False)


class Cloud:
    """Unit features by labels: a centre for each value, and noise, in few dimensions that are turned into many."""

    def __init__(self, schema: AttributeSchema, dimensions: int, rng: np.random.Generator) -> None:
        self.schema, self.rng = schema, rng
        self.centres = rng.normal(size=(schema.n_values, RANK)).astype(np.float32)
        self.turn = rng.normal(size=(RANK, dimensions)).astype(np.float32)

    def features(self, labels: np.ndarray, own: np.ndarray | float = 0.0) -> np.ndarray:
        """Of garments with labels int64 (n, M), float32 (n, D); ``own``, float32 (n, RANK), is what each has by
        itself."""
        from retrieval.evaluation.rows import one_hot, unit

        points = one_hot(self.schema, labels) @ self.centres + own
        points += NOISE * self.rng.standard_normal(points.shape, dtype=np.float32)
        return unit(points @ self.turn)

    def predictions(self, labels: np.ndarray) -> np.ndarray:
        """A classifier's probabilities, mostly of the labels, float32 (n, N)."""
        from retrieval.evaluation.rows import one_hot

        noise = self.rng.standard_normal((len(labels), self.schema.n_values), np.float32)
        odds = np.exp(4 * one_hot(self.schema, labels) + noise)
        for part in self.schema.slices:
            odds[:, part] /= odds[:, part].sum(axis=1, keepdims=True)
        return odds


def free_port() -> int:
    """Of the loopback, where nobody listens now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def find_browser() -> str:
    """A Chromium or Chrome. Raises UserError."""
    for candidate in (os.environ.get("AMGAN_BROWSER"), *BROWSERS):
        if candidate and (found := shutil.which(candidate)):
            return found
    raise UserError("There is no Chromium here: make browser installs one, AMGAN_BROWSER names one.")


def resident(pid: int) -> int:
    """Megabytes of memory that a process has."""
    return kilobytes(pid, "VmRSS") // 1024


def own_memory(pid: int) -> int:
    """Bytes that a process has for itself; 0 where it has ended or the system does not say."""
    return kilobytes(pid, "RssAnon") * 1024


def children(pid: int) -> list[int]:
    """Processes that a process started, and that have not ended; none where the system does not say."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except OSError:
        return []


def kilobytes(pid: int | str, key: str) -> int:
    """Of a process's memory what the system says under a name like VmRSS; 0 where it has ended or does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{key}:")), 0)


def some_photos(catalogue: Path, count: int, least: int) -> list[Path]:
    """The first photos of a folder. Raises UserError where there are not even ``least``."""
    from amgan.photos.listing import list_folder

    pictures = catalogue / "images" if (catalogue / "images").is_dir() else catalogue  # beside them lie masks
    chosen = list(islice(list_folder(pictures).photos, count))
    if len(chosen) < least:
        raise UserError(f"{pictures} holds {len(chosen)} photos; at least {least} are needed.")
    return chosen


def index_photos(photos: list[Path], folder: Path, index: Path, weights: str) -> None:
    """Fill the collection ``shop`` of ``index`` with photos, which ``folder/shop`` then links to."""
    from indexer.cli import index_catalog

    shop = folder / "shop"
    shop.mkdir()
    for i, photo in enumerate(photos):
        (shop / f"{i:05d}{photo.suffix}").symlink_to(photo.resolve())
    with contextlib.redirect_stdout(sys.stderr):
        index_catalog(shop, str(index), "shop", weights=weights, keep_uncertain=True)
