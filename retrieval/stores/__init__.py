"""Where vectors live: Qdrant Edge in a folder, a Qdrant server by URL, memory; and exact FAISS as the referee."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from amgan.errors import UserError
from retrieval.stores.base import StoreLocation, VectorStore

__all__ = ["STORES", "connect", "open_store", "without_secrets"]

# By the scheme of what ``--store`` names; a folder has none. Engines are imported when they are used:
# each is large, and a folder's store needs no client of a server.
STORES = {
    ":memory:": "retrieval.stores.memory:memory_location",
    "http": "retrieval.stores.server:ServerLocation",
    "https": "retrieval.stores.server:ServerLocation",
    "grpc": "retrieval.stores.server:ServerLocation",
    "grpcs": "retrieval.stores.server:ServerLocation",
    "": "retrieval.stores.edge:EdgeLocation",
}


def connect(location: str | Path) -> StoreLocation:
    """The place that ``--store`` names: a folder, ``http(s)://…``, ``grpc(s)://…`` or ``:memory:``. Raises UserError
    for others."""
    text = str(location)
    if not text.strip():
        raise UserError("The store is empty; name a folder, or a Qdrant server by its URL, http://localhost:6333.")
    scheme = text if text in STORES else text.partition("://")[0] if "://" in text else ""
    if scheme not in STORES:
        raise UserError(
            f"{without_secrets(text)!r} is not a store; name a folder, or a Qdrant server by its URL, "
            "http://localhost:6333."
        )
    module, _, name = STORES[scheme].partition(":")
    return getattr(import_module(module), name)(text)


def without_secrets(url: str) -> str:
    """A URL as it may be printed: no password, no options."""
    scheme, separator, rest = url.partition("?")[0].partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def open_store(location: str | Path, collection: str) -> VectorStore:
    """A filled collection, by alias or physical name. Close it when done.

    Raises:
        UserError: there is none, it is damaged, or the server does not answer.
    """
    return connect(location).open(collection)
