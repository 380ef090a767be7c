"""Exact search with FAISS: the referee that approximate stores are measured against in evaluation."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import faiss
import numpy as np

from amgan.schema import AttributeSchema
from retrieval.identity import IndexIdentity
from retrieval.stores.base import Point, VectorStore, check_k, check_vectors
from retrieval.stores.memory import MemoryStore


class ExactStore(MemoryStore):
    """A memory store that searches by ``faiss.IndexFlatIP``, many times faster than numpy on large galleries.

    The FAISS index is made at the first search after a change and never written to disk: FAISS files are not meant to
    come from others.
    """

    def __init__(self, name: str, identity: IndexIdentity, schema: AttributeSchema) -> None:
        super().__init__(name, identity, schema)
        self._flat: Any = None

    @classmethod
    def copy_of(cls, store: VectorStore) -> ExactStore:
        """All vectors and payloads of another store (D + payload per item in memory)."""
        exact = cls(store.name, store.identity, store.schema)
        exact.upsert([Point(r.id, r.vector, r.payload) for r in store.scroll(vectors=True) if r.vector is not None])
        return exact

    def upsert(self, points: Sequence[Point]) -> None:
        self._flat = None
        super().upsert(points)

    def delete_missing(self, keep: Container[str]) -> int:
        self._flat = None
        return super().delete_missing(keep)

    def search_many(self, queries: np.ndarray, k: int) -> tuple[list[list[str]], np.ndarray]:
        """The k' = min(k, count) best per query ``float32 (Q, D)``: ids, and inner products ``float32 (Q, k')``."""
        scores, rows = self._index().search(check_vectors(queries, self.identity), min(check_k(k), len(self._ids)))
        return [[self._ids[r] for r in row] for row in rows.tolist()], scores

    def _nearest(self, query: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        if k == 0:
            return rows[:0], np.empty(0, np.float32)
        parameters = faiss.SearchParameters(sel=faiss.IDSelectorBatch(rows)) if len(rows) < len(self._ids) else None
        scores, found = self._index().search(query[None], k, params=parameters)
        return found[0], scores[0]

    def _index(self) -> Any:
        if self._flat is None:
            self._flat = faiss.IndexFlatIP(self.identity.dimensions)
            self._flat.add(self._vectors[: len(self._ids)])
        return self._flat
