"""Requests a second and waiting times of the HTTP service at 1, 8 and 32 callers, with edits batched and one by one.

python scripts/bench_service.py garments --weights photos                     # two minutes of load in all
python scripts/bench_service.py garments --weights photos --seconds 120       # two minutes for each line

A caller sends a photo of the catalogue as a file, with another edit each time, and the next one when the answer is
there. Callers and services share the machine, so a service by itself does better. The two services take turns.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from amgan.commandline import Json, print_json, run
from amgan.errors import UserError
from scripts.benching import free_port, index_photos, resident, some_photos

BOUNDARY = "bench-service"
BATCHES = {"together": 16, "one by one": 1}  # edits of callers who wait at the same time
PATIENCE = 120.0  # seconds for a service to start, or to answer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass
class Load:
    """What callers saw of a service: seconds of each answer, how many were no answer, and how long it lasted."""

    waits: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    lasted: float = 0.0

    def row(self) -> dict[str, Any]:
        waits = np.array(self.waits or [float("nan")])
        return {
            "requests/s": round(len(self.waits) / self.lasted, 1),
            "p50 ms": round(1000 * float(np.percentile(waits, 50)), 1),
            "p95 ms": round(1000 * float(np.percentile(waits, 95)), 1),
            "requests": len(self.waits),
            "errors": dict(self.errors),
        }


@app.command(help=__doc__)
def bench(
    catalogue: Annotated[Path, typer.Argument(help="A folder of garment photos.")],
    weights: Annotated[str, typer.Option(help="The networks.")] = "photos",
    photos: Annotated[int, typer.Option(help="How many of the catalogue's are indexed and sent.", min=4)] = 200,
    callers: Annotated[list[int] | None, typer.Option(help="At once; repeat for several: 1, 8, 32.", min=1)] = None,
    seconds: Annotated[float, typer.Option(help="Of load for each line of the table.", min=0.1)] = 20.0,
    rounds: Annotated[int, typer.Option(help="Turns into which those are divided.", min=1)] = 2,
    eager: Annotated[bool, typer.Option("--eager", help="Edit in PyTorch, whatever is fastest here.")] = False,
    json_: Json = False,
) -> None:
    chosen = some_photos(catalogue, photos, 4)
    settle_runtime(weights, eager)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        folder = Path(scratch)
        fill_index(folder, chosen, weights)
        services = {
            name: stack.enter_context(serving(folder, name.replace(" ", "-"), batch)) for name, batch in BATCHES.items()
        }
        edits = possible_edits(services["together"][0])
        bodies = [body_of(photo.read_bytes(), edits[i % len(edits)]) for i, photo in enumerate(chosen)]
        for port, _ in services.values():
            put_load(Load(), port, bodies, 2, 2.0)  # warm
        for count in callers or [1, 8, 32]:
            loads = {name: Load() for name in services}
            before = {name: resident(pid) for name, (_, pid) in services.items()}
            for _ in range(rounds):
                for name, (port, _) in services.items():
                    put_load(loads[name], port, bodies, count, seconds / rounds)
            for name, (_, pid) in services.items():
                memory = {"MB before": before[name], "MB after": resident(pid)}
                rows.append({"callers": count, "edits": name, **loads[name].row(), **memory})
                if not json_:
                    print(" | ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
    if json_:
        print_json({"catalogue": str(catalogue), "photos": len(chosen), "weights": weights, "rows": rows})


def settle_runtime(weights: str, eager: bool) -> None:
    """Have the fastest way to edit found before anything is measured: the services would look for it meanwhile."""
    if eager:
        os.environ["AMGAN_RUNTIME"] = "eager"
        return
    from amgan.editing.editor import load_editor

    load_editor(weights, "fastest")


def fill_index(folder: Path, photos: list[Path], weights: str) -> None:
    """Index the photos in ``folder/together`` and, for the other service, in ``folder/one-by-one``."""
    index_photos(photos, folder, folder / "together", weights)
    shutil.copytree(folder / "together", folder / "one-by-one")


@contextlib.contextmanager
def serving(folder: Path, store: str, batch: int) -> Iterator[tuple[int, int]]:
    """A running service: its port and process."""
    port = free_port()
    command = [sys.executable, "-m", "retrieval.service.cli", "--store", str(folder / store), "--collection", "shop"]
    command += [f"--port={port}", f"--batch={batch}", "--rate=1e6", "--burst=1000000", f"--timeout={PATIENCE}"]
    with (folder / f"{store}.log").open("w") as log:
        process = subprocess.Popen(command, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE
        while not _ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise UserError(f"The service did not start: {(folder / f'{store}.log').read_text()[-2000:]}")
            time.sleep(0.2)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _ready(port: int) -> bool:
    try:
        return _get(port, "/readyz")[0] == 200
    except OSError:
        return False


def _get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def possible_edits(port: int) -> list[dict[str, str]]:
    """Every edit of one attribute, in an order that is the same each time but mixes them."""
    known = json.loads(_get(port, "/v1/attributes")[1])["attributes"]
    edits = [{a["name"]: value} for a in known for value in a["edits"]]
    random.Random(0).shuffle(edits)
    return edits


def body_of(photo: bytes, edit: dict[str, str]) -> bytes:
    """A form with the photo and what is asked of it."""
    query = json.dumps({"edits": edit, "accept_cutout": True})
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="query"\r\n\r\n{query}\r\n--{BOUNDARY}\r\n'
    head += 'Content-Disposition: form-data; name="photo"; filename="photo"\r\n\r\n'
    return head.encode() + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


def put_load(load: Load, port: int, bodies: list[bytes], callers: int, seconds: float) -> None:
    """That many callers at once for so long, each with a connection of its own."""
    start = time.perf_counter()

    def call(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        for i in range(first, sys.maxsize, callers):
            began = time.perf_counter()
            if began - start > seconds:
                break
            try:
                connection.request("POST", "/v1/search", bodies[i % len(bodies)], headers)
                answer = connection.getresponse()
                content = answer.read()
                if answer.status == 200:
                    load.waits.append(time.perf_counter() - began)
                else:
                    load.errors[json.loads(content)["code"]] += 1
            except (OSError, http.client.HTTPException) as error:
                load.errors[type(error).__name__] += 1
                connection.close()
        connection.close()

    threads = [threading.Thread(target=call, args=(i,)) for i in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.lasted += time.perf_counter() - start


if __name__ == "__main__":
    run(app)
