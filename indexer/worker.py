"""A process that opens photos for another: requests come on standard input, what became of them goes to its output.

A message is a length of four bytes, so much JSON, and the bytes of the arrays whose shapes the JSON names. Before a
large photo is decoded, ``{"large": true}`` goes out and an answer is waited for, which is this process's turn. Standard
error is listened to here: libjpeg writes there what it finds wrong with a photo and decodes all the same.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np

from amgan.errors import PhotoError
from amgan.photos import CutOut, DecodeLimits, Placement
from amgan.photos.decode import Place
from indexer.opening import LARGE, Opened, Wanted, open_photo

_LENGTH = struct.Struct("<I")


def send(stream: IO[bytes], values: dict[str, Any], arrays: tuple[np.ndarray, ...] = ()) -> None:
    """Write a message; the arrays are uint8."""
    text = json.dumps({**values, "shapes": [a.shape for a in arrays]}).encode()
    stream.write(_LENGTH.pack(len(text)) + text)
    for array in arrays:
        stream.write(np.ascontiguousarray(array).data)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Read a message. Raises EOFError where the other side is gone."""
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    values = json.loads(_exactly(stream, length))
    arrays = []
    for shape in values.pop("shapes"):
        data = _exactly(stream, int(np.prod(shape)))
        arrays.append(np.frombuffer(data, np.uint8).reshape(shape))
    return values, arrays


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def request_of(wanted: Wanted) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(wanted), default=os.fspath))


def _wanted(values: dict[str, Any]) -> Wanted:
    """The reverse of ``request_of``."""

    def place(said: Any) -> Any:
        return said and Place(Path(said["file"]), said["offset"], said["length"])

    changed: dict[str, Any] = {p: place(values[p]) for p in ("photo", "mask")}
    changed["limits"] = DecodeLimits(**values["limits"])
    return Wanted(**(values | changed))


def reply_of(opened: Opened) -> tuple[dict[str, Any], tuple[np.ndarray, ...]]:
    values: dict[str, Any] = {"sha256": opened.sha256, "mask_sha256": opened.mask_sha256, "shape": opened.shape}
    if opened.cutout is None:
        return values, () if opened.photo is None else (opened.photo,)
    cut = opened.cutout
    values["cutout"] = {
        "placement": asdict(cut.placement),
        "confidence": float(cut.confidence),
        "method": cut.method,
        "problems": cut.problems,
        "trust": float(cut.trust),
    }
    return values, (cut.image, cut.mask)


def opened_of(values: dict[str, Any], arrays: list[np.ndarray]) -> Opened:
    """The reverse of ``reply_of``."""
    sums, shape = (values["sha256"], values["mask_sha256"]), tuple(values["shape"])
    said = values.get("cutout")
    if said is None:
        return Opened(*sums, arrays[0] if arrays else None, shape)
    at = said["placement"]
    placement = Placement(at["scale"], tuple(at["offset"]), at["size"])
    image, mask = arrays
    cut = CutOut(
        image, mask, placement, said["confidence"], said["method"], tuple(said["problems"]), trust=said["trust"]
    )
    return Opened(*sums, None, shape, cut)


class _Complaints:
    """What is written to standard error."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process lives
        os.dup2(self._file.fileno(), 2)

    def __call__(self) -> str:
        """What was written since the last call."""
        self._file.seek(0)
        text = self._file.read().decode("utf-8", "replace")
        self._file.seek(0)
        self._file.truncate()
        return text


def main() -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asked, which ends this one
    cv2.setNumThreads(1)
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a library that prints must not garble a reply
    complaints = _Complaints()

    @contextlib.contextmanager
    def room(pixels: int) -> Iterator[None]:
        if pixels > LARGE:
            send(replies, {"large": True})
            receive(requests)
        yield

    while True:
        try:
            values, _ = receive(requests)
        except EOFError:
            return
        try:
            reply, arrays = reply_of(open_photo(_wanted(values), complaints, room))
        except PhotoError as error:
            reply, arrays = {"reason": error.reason, "message": str(error)}, ()
        except Exception as error:  # one odd photo in a million must not end the run
            reply, arrays = {"error": f"{type(error).__name__}: {error}"}, ()
        send(replies, reply, arrays)


if __name__ == "__main__":
    main()
