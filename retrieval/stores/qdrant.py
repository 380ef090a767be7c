"""What the engine in a folder and the server share: both are Qdrant, and answer alike."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from retrieval.stores.base import Hit, Payload, Record, VectorStore, best_first

# Wider than the engine's m=16, ef=100: a query may weigh one block alone, where many garments are nearly equal.
HNSW_M, HNSW_EF_CONSTRUCT = 24, 200
_DELETED_AT_ONCE = 1024


def search_ef(k: int, garments: int) -> int:
    """How many candidates a search among so many keeps: many, for the same reason, and more the more alike garments
    there are. What that finds and costs: docs/STORES.md."""
    return max(2 * k, min(max(1024, garments // 128), 8192))


def payload_choice(keys: Sequence[str] | None) -> list[str] | bool:
    """Which payload entries to send: those of ``keys``, all for None, none for an empty one."""
    return list(keys) if keys else keys is None


def hits(points: Iterable[Any]) -> list[Hit]:
    return best_first([Hit(str(p.id), p.score, p.payload or {}) for p in points])


def payloads(records: Iterable[Any]) -> dict[str, Payload]:
    return {str(r.id): r.payload or {} for r in records}


def vectors(records: Iterable[Any]) -> dict[str, np.ndarray]:
    return {str(r.id): np.asarray(r.vector, np.float32) for r in records}


def scrolled(
    read_page: Callable[[Any], tuple[Iterable[Any], Any]], vectors: bool, start: str | None = None
) -> Iterator[Record]:
    """Every record from ``start`` on, page after page; ``read_page`` takes where a page starts and returns it and where
    the next does."""
    while True:
        records, start = read_page(start)
        for r in records:
            yield Record(str(r.id), r.payload or {}, np.asarray(r.vector, np.float32) if vectors else None)
        if start is None:
            return


def delete_missing(store: VectorStore, keep: Container[str], delete: Callable[[list[str]], object]) -> int:
    """Call ``delete`` with the ids that are not in ``keep``, some at a time; returns how many there were."""
    gone = [r.id for r in store.scroll(keys=[]) if r.id not in keep]
    for start in range(0, len(gone), _DELETED_AT_ONCE):
        delete(gone[start : start + _DELETED_AT_ONCE])
    return len(gone)
