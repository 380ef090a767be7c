"""Writes a labelled folder from a release, in its order, and goes on where it was interrupted.

Rows go to ``metadata.csv.part`` as their pictures are written, so nothing but a few pictures is ever held in memory;
the file becomes ``metadata.csv`` when all are done. ``left-out.csv`` lists what could not be used, with the reason.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from amgan.errors import PhotoError, UserError
from amgan.files import write_atomic
from amgan.prepare.release import Item, Release

MARKER, METADATA, PART, LEFT_OUT = "prepare.json", "metadata.csv", "metadata.csv.part", "left-out.csv"
LEFT_OUT_COLUMNS = ("number", "file_name", "reason", "sentence")
VERSION = 1  # count up when the same source gives other files
AHEAD = 32  # items that are being made at once, and wait for those before them
HASHED = 256 * 2**20  # bytes up to which a source file is known by its contents, beyond by its size alone


def write_release(name: str, release: Release, out: Path, workers: int) -> Iterator[int]:
    """Make what is missing; yields how many items are done as they are.

    Args:
        name: the data set's, for the folder's marker.
        workers: threads that read and write pictures.

    Raises:
        UserError: the folder holds something else, or none of the pictures can be used.
    """
    _claim(out, name, release)
    if (out / METADATA).is_file():
        yield len(release)
        return
    columns = ["file_name", "split", *dict.fromkeys((*release.schema.names, *release.columns))]
    start = _resume(out, columns)
    yield start
    cv2.setNumThreads(1)  # the threads are the parallelism
    with (out / PART).open("a", encoding="utf-8") as part, (out / LEFT_OUT).open("a", encoding="utf-8") as left:
        for number, (item, made) in enumerate(_in_order(release.items(start), out, workers), start=start):
            if isinstance(made, PhotoError):
                left.write(_line([number, item.file_name, made.reason, made]))
                left.flush()
            else:
                cells = {"file_name": item.file_name, "split": item.split, **item.cells, **made}
                part.write(_line([cells.get(c, "") for c in columns]))
                part.flush()
            yield number + 1
    if next(_rows(out / PART), None) is None:
        raise UserError(f"None of the {len(release)} pictures can be used; {out / LEFT_OUT} says why, of each.")
    write_atomic(out / "attributes.json", json.dumps(release.schema.to_dict(), indent=1) + "\n")
    release.finish(out)
    os.replace(out / PART, out / METADATA)


def left_out(out: Path) -> list[dict[str, str]]:
    """The rows of ``left-out.csv``."""
    with (out / LEFT_OUT).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def save_png(path: Path, picture: np.ndarray) -> None:
    """A picture uint8 (H, W, 3) RGB, or a mask uint8 (H, W), whole or not at all."""
    _save(path, picture, [cv2.IMWRITE_PNG_COMPRESSION, 3])


def save_jpeg(path: Path, picture: np.ndarray, quality: int = 95) -> None:
    """A picture uint8 (H, W, 3) RGB, whole or not at all."""
    _save(path, picture, [cv2.IMWRITE_JPEG_QUALITY, quality])


def _save(path: Path, picture: np.ndarray, options: Sequence[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = cv2.imencode(path.suffix, picture[..., ::-1] if picture.ndim == 3 else picture, options)[1]
    scratch = path.with_name(f".{path.name}.part")
    scratch.write_bytes(encoded.tobytes())
    scratch.replace(path)


def _claim(out: Path, name: str, release: Release) -> None:
    """Mark the folder as this release's. Raises UserError where it is something else's."""
    marker: dict[str, Any] = {"data_set": name, "version": VERSION, "items": len(release), "sources": {}}
    for path in release.sources:
        marker["sources"][path.name] = {"bytes": path.stat().st_size, "sha256": _digest(path)}
    text = json.dumps(marker, indent=1) + "\n"
    there = out / MARKER
    if there.is_file():
        if there.read_text(encoding="utf-8") != text:
            raise UserError(
                f"{out} was made from another source, or by another version, as {there} says; give another --out, or "
                "remove the folder."
            )
    elif out.is_dir() and any(out.iterdir()):
        raise UserError(f"{out} is not empty and holds no prepared data set; give another --out.")
    else:
        write_atomic(there, text)


def _digest(path: Path) -> str | None:
    if path.stat().st_size > HASHED:
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _in_order(items: Iterable[Item], out: Path, workers: int) -> Iterator[tuple[Item, Mapping[str, str] | PhotoError]]:
    """Each item made, in order, several at a time and no more than ``AHEAD`` of them in memory."""
    waiting: deque[tuple[Item, Future[Mapping[str, str] | PhotoError]]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for item in items:
            waiting.append((item, pool.submit(_make, item, out)))
            if len(waiting) >= AHEAD:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _make(item: Item, out: Path) -> Mapping[str, str] | PhotoError:
    try:
        return item.make(out)
    except PhotoError as error:
        return error


def _line(cells: Iterable[object]) -> str:
    """A row of CSV that is one line whatever the cells hold."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(" ".join(str(cell).split()) for cell in cells)
    return text.getvalue()


def _resume(out: Path, columns: Sequence[str]) -> int:
    """How many items are done: their rows are whole and their files there. What comes after is cut off."""
    for path, header in ((out / PART, columns), (out / LEFT_OUT, LEFT_OUT_COLUMNS)):
        with path.open("a+", encoding="utf-8") as file:
            file.seek(0)
            if file.readline() != _line(header):
                file.truncate(0)
                file.write(_line(header))
    skipped = {int(cells[0]) for cells, _ in _rows(out / LEFT_OUT)}
    rows, end = 0, len(_line(columns).encode())
    for cells, after in _rows(out / PART):
        row = dict(zip(columns, cells, strict=True))
        files = [out / row[c] for c in ("file_name", "mask_file_name") if row.get(c)]
        if not all(f.is_file() and f.stat().st_size for f in files):
            break
        rows, end = rows + 1, after
    done = 0
    while rows or done in skipped:
        rows -= done not in skipped
        done += 1
    os.truncate(out / PART, end)
    end = len(_line(LEFT_OUT_COLUMNS).encode())
    for cells, after in _rows(out / LEFT_OUT):
        end = after if int(cells[0]) < done else end
    os.truncate(out / LEFT_OUT, end)
    return done


def _rows(path: Path) -> Iterator[tuple[list[str], int]]:
    """The cells of each whole row below the header, and where in the file it ends."""
    with path.open("rb") as file:
        end = len(file.readline())
        for line in file:
            if not line.endswith(b"\n"):
                return  # written in part when the process ended
            end += len(line)
            yield next(csv.reader([line.decode()])), end
