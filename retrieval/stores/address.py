"""What ``--store`` and the environment say of a Qdrant server: where it is, how to reach it, what to make there.

http://host:6333, https://host:6333      its REST interface
grpc://host:6334, grpcs://host:6334      its gRPC interface; grpcs is encrypted

QDRANT_API_KEY           the key of a protected server; not in the URL, which is printed
QDRANT_TIMEOUT           seconds that one call may take, all tries together; 60
QDRANT_CA_FILE           the certificate, in PEM, of who signed the server's, where that is not known to all
QDRANT_PLAIN_KEY         1: send the key although nothing is encrypted, and this is not the same machine

QDRANT_SHARDS, QDRANT_REPLICAS     of collections that are made; a cluster's own numbers where they are not given
QDRANT_ON_DISK           1: vectors and graph stay on disk, and memory holds what is asked for often
QDRANT_QUANTIZATION      int8: a quarter of the memory; the first hits are compared again in full
"""

from __future__ import annotations

import ipaddress
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from amgan.errors import UserError
from retrieval.stores import without_secrets

_PORTS = {"http": 6333, "https": 6333, "grpc": 6334, "grpcs": 6334}
_EXAMPLE = "one looks like http://localhost:6333 or grpcs://qdrant.example.org:6334"


@dataclass(frozen=True)
class Address:
    """A server, and how to reach it.

    Attributes:
        url: without anything secret, as it may be printed.
        timeout: seconds that one call may take, all tries together.
    """

    url: str
    host: str
    port: int
    path: str
    grpc: bool
    encrypted: bool
    key: str | None
    timeout: float
    certificate: bytes | None


@dataclass(frozen=True)
class Making:
    """How collections are made on a server; None leaves it to the server."""

    shards: int | None = None
    replicas: int | None = None
    on_disk: bool = False
    quantized: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Making:
        """Raises UserError on what is no number, or none that is valid."""
        quantization = environment.get("QDRANT_QUANTIZATION", "")
        if quantization not in ("", "int8"):
            raise UserError(f"QDRANT_QUANTIZATION is {quantization!r}; valid: int8, or unset for none.")
        return cls(
            shards=_whole(environment, "QDRANT_SHARDS", 1000),
            replicas=_whole(environment, "QDRANT_REPLICAS", 100),
            on_disk=_switch(environment, "QDRANT_ON_DISK"),
            quantized=bool(quantization),
        )


def parse(url: str, environment: Mapping[str, str] = os.environ) -> Address:
    """Raises UserError on a URL that leads nowhere or holds a secret, and on settings that are not valid."""
    shown = without_secrets(url)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UserError(f"The store {shown!r} is not a server's URL ({error}); {_EXAMPLE}.") from None
    if parts.scheme not in _PORTS or not parts.hostname or any(c.isspace() for c in url):
        raise UserError(f"The store {shown!r} is not a server's URL; {_EXAMPLE}.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UserError(
            f"The URL of the server {parts.hostname} holds a name, a password, a key or options. Leave them out, as "
            "URLs are printed and kept in histories: a key belongs into the environment variable QDRANT_API_KEY."
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port, encrypted = port or _PORTS[parts.scheme], parts.scheme in ("https", "grpcs")
    path = parts.path.strip("/")
    address = Address(
        url=f"{parts.scheme}://{host}:{port}" + (f"/{path}" if path else ""),
        host=parts.hostname,
        port=port,
        path=path,
        grpc=parts.scheme.startswith("grpc"),
        encrypted=encrypted,
        key=_key(environment),
        timeout=_seconds(environment),
        certificate=_certificate(environment),
    )
    bare = address.key and not encrypted and not _same_machine(address.host)
    if bare and not _switch(environment, "QDRANT_PLAIN_KEY"):
        raise UserError(
            f"The key would be sent to {address.url} unencrypted, where others can read it on the way. Use https:// "
            "or grpcs://, or set QDRANT_PLAIN_KEY=1 in a network that you trust."
        )
    return address


def _key(environment: Mapping[str, str]) -> str | None:
    key = environment.get("QDRANT_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UserError("QDRANT_API_KEY holds characters that no key has, such as accents or line breaks; check it.")
    return key or None


def _seconds(environment: Mapping[str, str]) -> float:
    text = environment.get("QDRANT_TIMEOUT", "60")
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.1 <= seconds <= 86_400:
        raise UserError(f"QDRANT_TIMEOUT is {text!r}; it is a number of seconds from 0.1 to 86400, for example 60.")
    return seconds


def _certificate(environment: Mapping[str, str]) -> bytes | None:
    name = environment.get("QDRANT_CA_FILE")
    if not name:
        return None
    try:
        certificate = Path(name).read_bytes()
    except OSError as error:
        raise UserError(f"QDRANT_CA_FILE {name} cannot be read: {error.strerror}.") from None
    if b"BEGIN CERTIFICATE" not in certificate:
        raise UserError(f"QDRANT_CA_FILE {name} holds no certificate in PEM (-----BEGIN CERTIFICATE-----).")
    return certificate


def _whole(environment: Mapping[str, str], name: str, most: int) -> int | None:
    text = environment.get(name, "")
    if text and not (text.isdecimal() and 1 <= int(text) <= most):
        raise UserError(f"{name} is {text!r}; it is a whole number from 1 to {most}.")
    return int(text) if text else None


def _switch(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name, "")
    if text not in ("", "0", "1"):
        raise UserError(f"{name} is {text!r}; valid: 1, 0.")
    return text == "1"


def _same_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
