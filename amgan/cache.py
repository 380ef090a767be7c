"""Results that take long to make, kept on disk under a key of all that they depend on: cut-outs, sewn lessons.

    cache = Cache.at_home("cutouts")
    key = content_key(photo_sha256, segmenter.identity, size)
    entry = cache.read(key)  # None: not there
    cache.write(key, Entry({"image": image, "mask": mask}, {"confidence": 0.9}))

A cache costs time at worst. What it lacks, or holds damaged, is made again; a folder that cannot be written, or a full
disk, is borne in silence (``Cache.failure`` says what happened). Several processes and threads may share a folder: an
entry appears whole or not at all. It may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

VARIABLE = "AMGAN_CACHE"  # a folder, or "off"


@dataclass(frozen=True)
class Entry:
    """Tensors by name, on the host, and what JSON can hold of them."""

    tensors: Mapping[str, Tensor]
    note: Mapping[str, Any] = field(default_factory=dict)


def content_key(*parts: str | int | float | bool | None) -> str:
    """SHA-256, in hex, of all that a result depends on: hashes of contents, versions of methods, settings."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def cache_folder() -> Path | None:
    """Where caches lie: ``AMGAN_CACHE``, else ``$XDG_CACHE_HOME/amgan``, else ``~/.cache/amgan``; None for ``off``."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen.lower() == "off":
        return None
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    # Without a home there is none; a relative base is to be ignored, by the XDG specification.
    return Path(base) / "amgan" if os.path.isabs(base) else None


class Cache:
    """One kind of entries in a folder of their own.

    Args:
        folder: holds the entries; made when the first is written. None keeps nothing.

    Attributes:
        failure: why the last entry that could not be written was not, else None.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.failure: str | None = None

    @classmethod
    def at_home(cls, kind: str) -> Cache:
        """The user's cache of one kind, for example ``"cutouts"``."""
        home = cache_folder()
        return cls(home / kind if home else None)

    def read(self, key: str) -> Entry | None:
        """The entry, or None where there is none or it is damaged."""
        path = self._path(key)
        if path is None:
            return None
        try:
            data = path.read_bytes()
            length = int.from_bytes(data[:8], "little")
            stored = json.loads(data[8 : 8 + length])["__metadata__"]
            entry = Entry(safetensors.torch.load(data), json.loads(stored["note"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError, MemoryError):
            return None
        return entry if stored.get("key") == key and stored.get("checksum") == _checksum(entry) else None

    def write(self, key: str, entry: Entry) -> None:
        """Keep an entry, in place of an earlier one. Never raises for a folder or disk that refuses."""
        path = self._path(key)
        if path is None:
            return
        tensors = {name: t.detach().cpu().contiguous() for name, t in entry.tensors.items()}
        entry = Entry(tensors, entry.note)
        header = {"key": key, "note": json.dumps(entry.note), "checksum": _checksum(entry)}
        draft = path.with_name(f".{key}.{secrets.token_hex(8)}")  # others may write the same at this moment
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                # Not synced to the disk: what a loss of power leaves half written fails its checksum.
                draft.write_bytes(safetensors.torch.save(tensors, header))
                os.replace(draft, path)
            except BaseException:  # interrupts too: nobody else would remove the draft
                draft.unlink(missing_ok=True)
                raise
        except OSError as error:
            self.failure = f"{self.folder}: {error.strerror or error}"

    def _path(self, key: str) -> Path | None:
        return None if self.folder is None else self.folder / key[:2] / f"{key}.safetensors"


def _checksum(entry: Entry) -> str:
    """CRC-32 of note, names, kinds, shapes and values: safetensors itself notices a wrong length alone."""
    kinds = [[name, str(t.dtype), list(t.shape)] for name, t in sorted(entry.tensors.items())]
    total = zlib.crc32(json.dumps([entry.note, kinds], sort_keys=True).encode())
    for _, tensor in sorted(entry.tensors.items()):
        total = zlib.crc32(_bytes(tensor), total)
    return f"{total:08x}"


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.reshape(-1).view(torch.uint8).numpy().data
