"""Qdrant Edge in a folder: the Rust engine in this process, the default for a catalogue without a server.

STORE/aliases.json             {"shop": "shop.1a2b3c4d5e"}      Edge has no aliases, so they live here
STORE/<collection>/about.json  identity and schema, written last: without it the collection does not exist
STORE/<collection>/shard/      the engine's own files, locked by the process that has them open
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import qdrant_edge as edge

from amgan.errors import UserError
from amgan.schema import AttributeSchema
from retrieval.identity import IndexIdentity
from retrieval.stores import qdrant
from retrieval.stores.base import (
    LABEL,
    About,
    Filter,
    Hit,
    Payload,
    Point,
    Record,
    StoreInfo,
    check_k,
    check_name,
    check_query,
    check_unaliased,
    check_vectors,
    filtered_fields,
    json_path,
    no_collection,
    resolve_filter,
    resolve_key,
)
from retrieval.stores.files import held, read_json, write_json

T = TypeVar("T")

_HNSW = edge.HnswIndexConfig(m=qdrant.HNSW_M, ef_construct=qdrant.HNSW_EF_CONSTRUCT, full_scan_threshold=10_000)


class EdgeStore:
    """One shard, open in this process alone until ``close``."""

    def __init__(self, location: Path, name: str, about: About, shard: Any) -> None:
        self.name, self.identity, self.schema, self.notes = name, about.identity, about.schema, about.notes
        self._location, self._shard, self._closed = location, shard, False

    def _call(self, action: Callable[[], T]) -> T:
        return _engine(action, self.name, self._location)

    def set_notes(self, notes: Mapping[str, str]) -> None:
        self.notes = dict(notes)
        write_json(self._location / self.name / "about.json", About(self.identity, self.schema, self.notes).to_dict())

    def upsert(self, points: Sequence[Point]) -> None:
        if not points:
            return
        vectors = check_vectors(np.stack([p.vector for p in points]), self.identity)
        rows = [edge.Point(p.id, v.tolist(), p.payload) for p, v in zip(points, vectors, strict=True)]
        self._call(lambda: self._shard.update(edge.UpdateOperation.upsert_points(rows)))

    def set_payload(self, changes: Mapping[str, Payload]) -> None:
        for id, payload in changes.items():
            operation = edge.UpdateOperation.set_payload([id], payload)
            self._call(lambda operation=operation: self._shard.update(operation))

    def retrieve(self, ids: Sequence[str], keys: Sequence[str] | None = None) -> dict[str, Payload]:
        if not ids:
            return {}
        return qdrant.payloads(self._call(lambda: self._shard.retrieve(list(ids), qdrant.payload_choice(keys), False)))

    def search(self, vector: np.ndarray, k: int, filter: Filter | None = None, exact: bool = False) -> list[Hit]:
        query = check_query(vector, self.identity)
        request = edge.QueryRequest(
            limit=check_k(k),
            query=edge.Query.Nearest(query.tolist()),
            filter=self._filter(filter),
            with_payload=True,
            params=edge.SearchParams(hnsw_ef=qdrant.search_ef(k), exact=exact),
        )
        return qdrant.hits(self._call(lambda: self._shard.query(request)))

    def scroll(
        self,
        keys: Sequence[str] | None = None,
        vectors: bool = False,
        batch: int = 512,
        filter: Filter | None = None,
        start: str | None = None,
    ) -> Iterator[Record]:
        conditions, wanted = self._filter(filter), qdrant.payload_choice(keys)

        def page(start: Any) -> Any:
            request = edge.ScrollRequest(
                offset=start, limit=batch, filter=conditions, with_payload=wanted, with_vector=vectors
            )
            return self._call(lambda: self._shard.scroll(request))

        return qdrant.scrolled(page, vectors, start)

    def count(self, filter: Filter | None = None) -> int:
        request = edge.CountRequest(exact=True, filter=self._filter(filter))
        return self._call(lambda: self._shard.count(request))

    def facet(self, key: str, filter: Filter | None = None) -> dict[str, int]:
        kind, attribute = resolve_key(key, self.schema)
        limit = len(self.schema.values(attribute))
        request = edge.FacetRequest(json_path(kind, attribute), limit=limit, exact=True, filter=self._filter(filter))
        return {str(hit.value): hit.count for hit in self._call(lambda: self._shard.facet(request)).hits}

    def delete_missing(self, keep: Container[str]) -> int:
        return qdrant.delete_missing(self, keep, self._delete)

    def _delete(self, ids: list[str]) -> None:
        self._call(lambda: self._shard.update(edge.UpdateOperation.delete_points(list(ids))))

    def flush(self) -> None:
        self._call(self._shard.flush)  # Edge does not flush on a timer

    def finalize(self) -> None:
        self.flush()
        self._call(self._shard.optimize)
        self.flush()

    def info(self) -> StoreInfo:
        state = self._call(self._shard.info)
        location = str(self._location)
        return StoreInfo(location, self.name, self.count(), state.indexed_vectors_count, self.identity, self.schema)

    def close(self) -> None:
        if not self._closed:
            self._call(self._shard.close)
            self._closed = True

    def _filter(self, filter: Filter | None) -> Any:
        return edge.Filter(must=[_condition(*c) for c in resolve_filter(filter, self.schema)])


def _condition(kind: str, attribute: str, values: list[str]) -> Any:
    if kind != LABEL:
        return edge.FieldCondition(json_path(kind, attribute), edge.MatchAny(values))
    given, predicted = (_condition(k, attribute, values) for k in ("given", "predicted"))
    unlabelled = edge.IsEmptyCondition(json_path("given", attribute))
    return edge.Filter(should=[given, edge.Filter(must=[predicted, unlabelled])])


class EdgeLocation:
    """A folder of shards. It is created when the first collection is."""

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder).expanduser()
        if folder.exists() and not folder.is_dir():
            raise UserError(f"The store {folder} is a file; name a folder, or a Qdrant server by its URL.")
        self.folder = folder

    def create(self, name: str, identity: IndexIdentity, schema: AttributeSchema) -> EdgeStore:
        home = self.folder / check_name(name)
        if self.describe(name) is not None:
            raise UserError(f"The collection {name!r} exists already in {self.folder}.")
        fields = filtered_fields(schema)
        parameters = edge.EdgeVectorParams(size=identity.dimensions, distance=edge.Distance.Dot)
        config = edge.EdgeConfig(vectors=parameters, hnsw_config=_HNSW)
        try:
            shutil.rmtree(home, ignore_errors=True)  # what a run left that was killed right here
            (home / "shard").mkdir(parents=True)
        except OSError as error:
            raise UserError(f"Cannot create {home}: {error.strerror or error}.") from None
        shard = _engine(lambda: edge.EdgeShard.create(str(home / "shard"), config), name, self.folder)
        for path in fields:  # before any vector, so that the graph is built for filtered search too
            operation = edge.UpdateOperation.create_field_index(path, edge.PayloadSchemaType.Keyword)
            _engine(lambda operation=operation: shard.update(operation), name, self.folder)
        _engine(shard.flush, name, self.folder)
        about = About(identity, schema)
        write_json(home / "about.json", about.to_dict())
        return EdgeStore(self.folder, name, about, shard)

    def open(self, name: str) -> EdgeStore:
        physical = self.aliases().get(name, name)
        about = self.describe(physical)
        if about is None:
            raise no_collection(name, self, f"in {self.folder}", self.folder)
        shard = _engine(lambda: edge.EdgeShard.load(str(self.folder / physical / "shard")), physical, self.folder)
        return EdgeStore(self.folder, physical, about, shard)

    def describe(self, name: str) -> About | None:
        home = self.folder / self.aliases().get(name, check_name(name))
        about = read_json(home / "about.json")
        return None if about is None else About.from_dict(about, f"The collection {home}")

    def aliases(self) -> dict[str, str]:
        values = read_json(self.folder / "aliases.json") or {}
        if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
            raise UserError(f"{self.folder / 'aliases.json'} does not map names to collections; restore or delete it.")
        return {alias: check_name(physical) for alias, physical in values.items()}

    def set_alias(self, alias: str, name: str) -> None:
        if self.describe(name) is None:
            raise UserError(f"There is no collection {name!r} in {self.folder} to point {alias!r} at.")
        write_json(self.folder / "aliases.json", self.aliases() | {check_name(alias): name})

    def collections(self) -> list[str]:
        return sorted(p.parent.name for p in self.folder.glob("*/about.json"))

    def drop(self, name: str) -> None:
        home = self.folder / check_name(name)
        check_unaliased(name, self.aliases())
        if not (home / "about.json").exists():
            return
        self.open(name).close()  # refuses while another process searches in it
        (home / "about.json").unlink()
        shutil.rmtree(home, ignore_errors=True)

    def writing(self, collection: str) -> AbstractContextManager[None]:
        return held(self.folder / f".{check_name(collection)}.lock", f"{collection!r} in {self.folder}")

    def close(self) -> None:
        """Nothing to do: each open collection is closed by itself."""


def _engine(action: Callable[[], T], name: str, folder: Path) -> T:
    """Run a call of the engine, which raises plain Exception; as sentences."""
    try:
        return action()
    except Exception as error:
        text = str(error)
        if "WouldBlock" in text:
            raise UserError(
                f"The collection {name!r} in {folder} is open in another process (a search page, an index-catalog). "
                "Close that first, or use a Qdrant server, which serves many: --store http://localhost:6333"
            ) from None
        if "not initialized" in text:
            raise UserError(f"The collection {name!r} in {folder} was closed; open it again.") from None
        if "os error 13)" in text or "os error 30)" in text:  # permission denied, read-only file system
            raise UserError(
                f"The collection {name!r} in {folder} is read-only, and its engine writes in it even to search; "
                "make the folder writable, copy the store to where it is, or use a Qdrant server."
            ) from None
        if "No space left" in text:
            raise UserError(f"The disk of {folder} is full; free some space and run the same command again.") from None
        raise UserError(f"The collection {name!r} in {folder} failed: {text}.") from None
