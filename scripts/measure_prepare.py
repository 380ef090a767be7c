"""How much memory `amgan prepare` takes as a data set grows: the peak of the command itself, at several sizes.

    python scripts/measure_prepare.py                        # all four formats, 1,000 and 5,000 items
    python scripts/measure_prepare.py shopping100k --items 5000 --items 20000

Each format is written anew with drawn garments, in the released form, and removed again; 5,000 pictures of
DeepFashion-Synthesis take a gigabyte of disk. Only the command is measured, in a process of its own.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer

from amgan.commandline import run
from amgan.prepare import RELEASES

ROOT = Path(__file__).resolve().parent.parent

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def measure(
    names: Annotated[list[str] | None, typer.Argument(help=f"{', '.join(RELEASES)}; all when not given.")] = None,
    items: Annotated[list[int], typer.Option(help="Items; repeat for several.", min=50)] = [1000, 5000],  # noqa: B006
    folder: Annotated[Path | None, typer.Option(help="Where there is room for the files.")] = None,
) -> None:
    report: dict[str, Any] = {}
    for name in names or RELEASES:
        report[name] = []
        for count in items:
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                # In another process: what this one holds would count as the command's, which begins as its copy.
                with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as writer:
                    source, more = writer.submit(write_source, name, Path(scratch) / "source", count).result()
                out = Path(scratch) / "out"
                row = {"items": count, "source_mb": round(size_of(Path(scratch)) / 2**20)}
                row |= prepared(name, source, out, more)
                row["rows"] = sum(1 for _ in (out / "metadata.csv").open()) - 1
                report[name].append(row)
                print(name, json.dumps(row), file=sys.stderr)
    print(json.dumps(report, indent=1))


def write_source(name: str, folder: Path, count: int) -> tuple[Path, list[str]]:
    """A data set of so many items, and the options that its command needs besides."""
    sys.path.insert(0, str(ROOT))
    from tests import releases

    folder.mkdir()
    if name == "deepfashion-synthesis":
        return releases.write_deepfashion(folder / "data_release", count), []
    if name == "shopping100k":
        return releases.write_shopping100k(folder, count, packed=True), []
    if name == "adde":
        splits, images = releases.write_adde(folder, count - count // 5, count // 5, queries=count)
        return splits, ["--images", str(images)]
    # Seven rows of ten are upper-body garments. Small photos: GrabCut takes nearly all of the time, and little memory.
    return releases.write_clothing(folder, -(-count * 10 // 7), side=64), []


def prepared(name: str, source: Path, out: Path, more: list[str]) -> dict[str, float]:
    """The command's peak of memory in megabytes, and its seconds."""
    command = [sys.executable, "-m", "amgan", "prepare", name, str(source), "--out", str(out), *more]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed.")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {
        "peak_mb": round(usage.ru_maxrss / unit, 1),
        "seconds": round(time.perf_counter() - start, 1),
        "processor_seconds": round(usage.ru_utime + usage.ru_stime, 1),
    }


def size_of(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def main() -> None:
    run(app)


if __name__ == "__main__":
    main()
