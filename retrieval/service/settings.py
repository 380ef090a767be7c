"""What ``serve-catalog`` is told: which catalogue, who may call, and how much it takes."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

from amgan.errors import UserError
from amgan.photos.decode import DecodeLimits
from retrieval.service.keys import Keys

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def default_workers() -> int:
    """Threads that work on requests: as many as processors, but not so many that photos in work fill the memory."""
    return max(2, min(8, os.cpu_count() or 2))


@dataclass(frozen=True)
class Limits:
    """What one caller, and all of them, may ask for. UserError on numbers that are not above 0.

    Attributes:
        body_bytes: size of a request.
        pixels: width times height of an uploaded photo.
        seconds: from a request's first byte to its answer; waiting in the queue included.
        rate, burst: requests a second of one caller (key and address) over time, and at once. Pictures and other
            reading count a tenth.
        workers: threads that decode, cut out, edit and search.
        queue: requests that wait for one of them; more are told to come back.
        batch: edits of different callers that go through the network at once; 1 turns that off.
    """

    body_bytes: int = 16 * 2**20
    pixels: int = 25_000_000
    seconds: float = 20.0
    rate: float = 20.0
    burst: int = 40
    workers: int = field(default_factory=default_workers)
    queue: int = 64
    batch: int = 16

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not (math.isfinite(value) and value > 0):
                raise UserError(f"The limit {name} is {value}; it has to be above 0.")

    @property
    def decode(self) -> DecodeLimits:
        """Of an uploaded photo."""
        return DecodeLimits(max_bytes=self.body_bytes, max_pixels=self.pixels)


@dataclass(frozen=True)
class Settings:
    """A service.

    Attributes:
        store, collection, weights, catalogue, editor, device: as ``open_catalogue`` takes them.
        keys: who may call; None lets anyone.
        origins: the sites whose pages may call from a browser, ``https://shop.example``; ``*`` for any.
        watch: seconds between looks for a newer version of the index.
        measure: find this machine's fastest way to edit, in a process of its own.
    """

    store: str
    collection: str
    weights: str | None = None
    catalogue: str | None = None
    editor: str | None = None
    device: str = "cpu"
    keys: Keys | None = None
    origins: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    watch: float = 2.0
    measure: bool = False


def check_origins(origins: Sequence[str]) -> tuple[str, ...]:
    """Origins as browsers send them: scheme, host and port, in small letters. Raises UserError for what is none."""
    checked = []
    for origin in origins:
        text = origin.strip().rstrip("/").lower()
        if text != "*" and not _is_origin(text):
            raise UserError(
                f"{origin!r} is no origin; it is a site's scheme and host, for example https://shop.example."
            )
        checked.append(text)
    return tuple(checked)


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    host = bool(parts.hostname and re.fullmatch(r"[a-z0-9._:-]+", parts.hostname))
    bare = not (parts.path or parts.query or parts.fragment or parts.username or parts.password)
    return parts.scheme in ("http", "https") and host and bare and (port is None or port > 0)
