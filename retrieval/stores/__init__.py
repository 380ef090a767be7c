"""Where vectors live: Qdrant Edge in a folder, a Qdrant server by URL, memory; and exact FAISS as the referee."""

from __future__ import annotations

from pathlib import Path

from amgan.errors import UserError
from retrieval.stores.base import StoreLocation, VectorStore
from retrieval.stores.memory import MemoryLocation

__all__ = ["connect", "open_store"]

_MEMORY = MemoryLocation()  # ":memory:" is one place per process, so that what is filled there can be opened there


def connect(location: str | Path) -> StoreLocation:
    """The place that ``--store`` names: a folder, ``http(s)://…`` or ``:memory:``. Raises UserError for others."""
    text = str(location)
    if not text.strip():
        raise UserError("The store is empty; name a folder, or a Qdrant server by its URL, http://localhost:6333.")
    if text == ":memory:":
        return _MEMORY
    # Engines are imported when they are used: each is large, and a folder's store needs no client of a server.
    if text.startswith(("http://", "https://")):
        from retrieval.stores.server import ServerLocation

        return ServerLocation(text)
    if "://" in text:
        raise UserError(
            f"{text!r} is not a store; name a folder, or a Qdrant server by its URL, http://localhost:6333."
        )
    from retrieval.stores.edge import EdgeLocation

    return EdgeLocation(Path(text).expanduser())


def open_store(location: str | Path, collection: str) -> VectorStore:
    """A filled collection, by alias or physical name. Close it when done.

    Raises:
        UserError: there is none, another process holds it, or the server does not answer.
    """
    return connect(location).open(collection)
