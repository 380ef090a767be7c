"""Collections of this process, compared exactly with numpy: for tests and ``:memory:``."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np

from amgan.errors import UserError
from amgan.schema import AttributeSchema
from retrieval.identity import IndexIdentity
from retrieval.stores.base import (
    About,
    Filter,
    Hit,
    Payload,
    Point,
    Record,
    StoreInfo,
    best_first,
    check_k,
    check_name,
    check_query,
    check_unaliased,
    check_vectors,
)
from retrieval.stores.filters import LABEL, resolve_filter, resolve_key


class MemoryStore:
    """Vectors ``float32 (n, D)`` in one array that doubles as it fills; a deleted row is filled by the last one."""

    def __init__(self, name: str, identity: IndexIdentity, schema: AttributeSchema) -> None:
        self.name, self.identity, self.schema = name, identity, schema
        self.notes: dict[str, str] = {}
        self._ids: list[str] = []
        self._rows: dict[str, int] = {}
        self._payloads: list[Payload] = []
        self._vectors = np.empty((64, identity.dimensions), np.float32)

    def set_notes(self, notes: Mapping[str, str]) -> None:
        self.notes = dict(notes)

    def upsert(self, points: Sequence[Point]) -> None:
        if not points:
            return
        vectors = check_vectors(np.stack([p.vector for p in points]), self.identity)
        for point, vector in zip(points, vectors, strict=True):
            row = self._rows.setdefault(point.id, len(self._ids))
            if row == len(self._ids):
                self._ids.append(point.id)
                self._payloads.append({})
                if row == len(self._vectors):
                    self._vectors = np.concatenate([self._vectors, np.empty_like(self._vectors)])
            self._payloads[row] = copy.deepcopy(point.payload)
            self._vectors[row] = vector

    def set_payload(self, changes: Mapping[str, Payload]) -> None:
        for id, payload in changes.items():
            self._payloads[self._rows[id]].update(copy.deepcopy(payload))

    def retrieve(self, ids: Sequence[str], keys: Sequence[str] | None = None) -> dict[str, Payload]:
        return {i: self._payload(self._rows[i], keys) for i in ids if i in self._rows}

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        return {i: self._vectors[self._rows[i]].copy() for i in ids if i in self._rows}

    def search(
        self,
        vector: np.ndarray,
        k: int,
        filter: Filter | None = None,
        exact: bool = False,
        exclude: Collection[str] = (),
    ) -> list[Hit]:
        query = check_query(vector, self.identity)
        rows = self._matching(filter)
        if exclude:
            rows = np.setdiff1d(rows, [self._rows[id] for id in exclude if id in self._rows])
        best, scores = self._nearest(query, rows, min(check_k(k), len(rows)))
        return best_first(
            [Hit(self._ids[r], float(s), self._payload(r)) for r, s in zip(best.tolist(), scores.tolist(), strict=True)]
        )

    def _nearest(self, query: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k best of ``rows``, and their inner products."""
        scores = self._vectors[rows] @ query
        order = np.argsort(-scores, kind="stable")[:k]
        return rows[order], scores[order]

    def scroll(
        self,
        keys: Sequence[str] | None = None,
        vectors: bool = False,
        batch: int = 512,
        filter: Filter | None = None,
        start: str | None = None,
    ) -> Iterator[Record]:
        for id in sorted(id for id in (self._ids[r] for r in self._matching(filter)) if id >= (start or "")):
            row = self._rows.get(id)
            if row is not None:
                yield Record(id, self._payload(row, keys), self._vectors[row].copy() if vectors else None)

    def count(self, filter: Filter | None = None) -> int:
        return len(self._matching(filter))

    def facet(self, key: str, filter: Filter | None = None) -> dict[str, int]:
        kind, attribute = resolve_key(key, self.schema)
        values = (self._payloads[r].get(kind, {}).get(attribute) for r in self._matching(filter))
        return dict(Counter(v for v in values if v is not None).most_common())

    def delete_missing(self, keep: Container[str]) -> int:
        gone = [id for id in self._ids if id not in keep]
        for id in gone:
            row, last = self._rows.pop(id), len(self._ids) - 1
            if row != last:
                self._ids[row], self._payloads[row] = self._ids[last], self._payloads[last]
                self._vectors[row] = self._vectors[last]
                self._rows[self._ids[row]] = row
            self._ids.pop()
            self._payloads.pop()
        return len(gone)

    def flush(self) -> None:
        """Nothing to do: memory is all there is."""

    finalize = flush
    verify = flush
    close = flush

    def info(self) -> StoreInfo:
        return StoreInfo(":memory:", self.name, len(self._ids), 0, self.identity, self.schema)

    def _payload(self, row: int, keys: Sequence[str] | None = None) -> Payload:
        payload = self._payloads[row]
        return copy.deepcopy(payload if keys is None else {k: payload[k] for k in keys if k in payload})

    def _matching(self, filter: Filter | None) -> np.ndarray:
        conditions = resolve_filter(filter, self.schema)
        return np.array(
            [
                row
                for row, payload in enumerate(self._payloads)
                if all(_value(payload, kind, attribute) in values for kind, attribute, values in conditions)
            ],
            dtype=np.int64,
        )


def _value(payload: Payload, kind: str, attribute: str) -> str | None:
    kinds = ("given", "predicted") if kind == LABEL else (kind,)
    return next((v for k in kinds if (v := (payload.get(k) or {}).get(attribute)) is not None), None)


class MemoryLocation:
    """Collections by name; they last as long as this object."""

    def __init__(self, store: type[MemoryStore] = MemoryStore) -> None:
        self._store = store
        self._stores: dict[str, MemoryStore] = {}
        self._aliases: dict[str, str] = {}

    def create(self, name: str, identity: IndexIdentity, schema: AttributeSchema) -> MemoryStore:
        if check_name(name) in self._stores:
            raise UserError(f"The collection {name!r} exists already in memory.")
        self._stores[name] = self._store(name, identity, schema)
        return self._stores[name]

    def open(self, name: str, write: bool = False) -> MemoryStore:
        store = self._stores.get(self._aliases.get(name, name))
        if store is None:
            raise UserError(f"There is no collection {name!r} in memory.")
        return store

    def describe(self, name: str) -> About | None:
        store = self._stores.get(self._aliases.get(name, name))
        return About(store.identity, store.schema, store.notes) if store else None

    def aliases(self) -> dict[str, str]:
        return dict(self._aliases)

    def set_alias(self, alias: str, name: str) -> None:
        if name not in self._stores:
            raise UserError(f"There is no collection {name!r} in memory to point {alias!r} at.")
        self._aliases[check_name(alias)] = name

    def collections(self) -> list[str]:
        return sorted(self._stores)

    def drop(self, name: str) -> None:
        check_unaliased(name, self._aliases)
        self._stores.pop(name, None)

    def writing(self, collection: str) -> AbstractContextManager[None]:
        return nullcontext()  # no other process can reach it

    def close(self) -> None:
        """Nothing to do: memory is all there is."""


_SHARED = MemoryLocation()


def memory_location(_: str) -> MemoryLocation:
    """``:memory:`` is one place per process, so that what is filled there can be opened there."""
    return _SHARED
