"""Photos that a catalogue names by address: fetched within limits, and kept so that a run goes on where it stopped.

An address comes from whoever wrote the catalogue. So every host is looked up first, an address inside the own network
is refused unless that is allowed, the connection goes to the very address that was looked at, and each redirect is
judged anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import ipaddress
import json
import os
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urljoin, urlsplit

from amgan.errors import PhotoError
from amgan.files import write_atomic
from amgan.photos.decode import display_name
from amgan.photos.listing import SUFFIXES

FOLDER = ".fetched"  # in the catalogue's folder; hidden, so that it is no part of a catalogue without metadata
_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK = 2**16


def is_address(name: str) -> bool:
    """Whether a file name of a catalogue is a web address."""
    return name.strip().lower().startswith(("http://", "https://"))


def file_name_of(address: str) -> str:
    """Where the photo of an address is kept, relative to the catalogue's folder."""
    digest = hashlib.sha256(address.encode()).hexdigest()
    try:
        suffix = PurePosixPath(urlsplit(address).path).suffix.lower()
    except ValueError:
        suffix = ""
    return f"{FOLDER}/{digest[:2]}/{digest}{suffix if suffix in SUFFIXES else '.jpg'}"


@dataclass(frozen=True)
class Fetcher:
    """Fetches what is not kept yet.

    Attributes:
        private: whether addresses inside the own network may be asked.
        max_bytes: of a photo.
        seconds: for one photo, redirects included; a server has a third of it to answer at all. When they are over the
            connection is shut down, so that a server which sends a byte now and then is left, too.
        redirects: how many are followed.
        fresh: seconds for which a kept photo is not asked about again; later the server is asked whether it changed.
    """

    private: bool = False
    max_bytes: int = 32 * 2**20
    seconds: float = 30.0
    redirects: int = 5
    fresh: float = 24 * 3600.0

    def __call__(self, address: str, file: Path) -> None:
        """Have the photo of the address in the file.

        Raises:
            PhotoError: "url-missing", it is gone (404, 410); "url-unreadable", it cannot be had, or kept, now;
                "url-refused", it is no address that may be asked; "too-large".
        """
        note = file.with_name(f"{file.name}.json")
        try:
            kept = json.loads(note.read_text("utf-8")) if file.is_file() else {}
        except (OSError, ValueError):
            kept = {}
        if kept and time.time() - float(kept.get("checked", 0)) < self.fresh:
            return
        headers = {"User-Agent": "amgan-index-catalog", "Accept": "image/*"}
        marks = {"If-None-Match": kept.get("etag"), "If-Modified-Since": kept.get("date")}
        headers |= {name: mark for name, mark in marks.items() if mark}
        end, opened = time.monotonic() + self.seconds, list[socket.socket]()
        timer = threading.Timer(self.seconds, _shut_down, [opened])
        timer.start()
        try:
            answer = self._ask(address, headers, end, opened)
            _left(end)  # else what was had may only be what came before the connection was shut down
        except (OSError, http.client.HTTPException) as error:
            late = time.monotonic() >= end
            what = f"it takes more than {self.seconds:g} seconds" if late else _said(error)
            raise PhotoError("url-unreadable", f"{address} cannot be fetched: {what}.") from None
        finally:
            timer.cancel()
            timer.join()  # it must not meet the number of a socket that is closed, and by then another's
            for connection in opened:
                connection.close()
        if answer is not None:
            data, etag, date = answer
            kept = {"etag": etag, "date": date}
            draft = file.with_name(f"{file.name}.draft-{os.getpid()}-{time.monotonic_ns()}")
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                draft.write_bytes(data)
                note.unlink(missing_ok=True)  # it speaks of the photo before
                draft.replace(file)
            except OSError as error:
                with contextlib.suppress(OSError):
                    draft.unlink()
                kept_in = display_name(file.parent)
                raise PhotoError("url-unreadable", f"{address} cannot be kept in {kept_in}: {_said(error)}.") from None
        with contextlib.suppress(OSError):  # without a note the server is asked again, that is all
            write_atomic(note, json.dumps({**kept, "checked": time.time()}))

    def _ask(
        self, address: str, headers: dict[str, str], end: float, opened: list[socket.socket]
    ) -> tuple[bytes, str | None, str | None] | None:
        """The photo with the marks by which to ask again; None where it is what is kept. ``opened`` is given a handle
        of each connection."""
        asked = address
        for _ in range(self.redirects + 1):
            connection = self._connect(asked, address, end, opened)
            try:
                parts = urlsplit(asked)
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request("GET", path.encode("ascii", "backslashreplace").decode(), headers=headers)
                reply = connection.getresponse()
                if reply.status in _REDIRECTS and reply.headers.get("Location"):
                    asked = urljoin(asked, reply.headers["Location"])
                    continue
                if reply.status == 304:
                    return None
                if reply.status in (404, 410):
                    raise PhotoError("url-missing", f"{address} is gone (status {reply.status}).")
                if reply.status != 200:
                    raise PhotoError("url-unreadable", f"{address} is answered with status {reply.status}.")
                return self._body(reply, address), reply.headers.get("ETag"), reply.headers.get("Last-Modified")
            finally:
                connection.close()
        raise PhotoError("url-refused", f"{address} leads on more than {self.redirects} times.")

    def _body(self, reply: http.client.HTTPResponse, address: str) -> bytes:
        data = b""
        while chunk := reply.read1(_CHUNK):
            data += chunk
            if len(data) > self.max_bytes:
                raise PhotoError("too-large", f"{address} is larger than {self.max_bytes / 2**20:.0f} MB.")
        if reply.length:  # what the server promised and did not send
            raise http.client.IncompleteRead(data, reply.length)
        return data

    def _connect(self, asked: str, address: str, end: float, opened: list[socket.socket]) -> http.client.HTTPConnection:
        try:
            parts = urlsplit(asked)
            host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            host, parts, port = None, urlsplit(""), 0
        if not host or parts.scheme not in ("http", "https") or not asked.isprintable() or " " in asked:
            raise PhotoError("url-refused", f"{address} is, or leads to, no web address.")
        _left(end)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise PhotoError("url-unreadable", f"The host of {address} is not found: {_said(error)}.") from None
        target = str(found[0][4][0])
        if not self.private and not ipaddress.ip_address(target.partition("%")[0]).is_global:
            raise PhotoError(
                "url-refused", f"{address} lies, or leads, inside the own network; --allow-private allows that."
            )
        kind = _Encrypted if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(host, port, timeout=min(_left(end), self.seconds / 3))

        def create(_: object, *rest: Any) -> socket.socket:
            made = socket.create_connection((target, port), *rest)
            opened.append(made.dup())  # encryption takes the socket itself away
            _left(end)  # the timer may have run out before it was there to be shut down
            return made

        connection._create_connection = create  # type: ignore
        return connection


class _Encrypted(http.client.HTTPSConnection):
    def __init__(self, host: str, port: int, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout, context=ssl.create_default_context())


def _left(end: float) -> float:
    """Seconds. Raises TimeoutError where there are none."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _shut_down(connections: list[socket.socket]) -> None:
    """Wakes whoever reads from them."""
    for connection in connections:
        with contextlib.suppress(OSError):  # over already
            connection.shutdown(socket.SHUT_RDWR)


def _said(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__).rstrip(".")
