"""Qdrant Edge in a folder: the Rust engine in this process, the default for a catalogue without a server.

STORE/aliases.json             {"shop": "shop.1a2b3c4d5e"}      Edge has no aliases, so they live here
STORE/<collection>/about.json  identity and schema, written last: without it the collection does not exist
STORE/<collection>/            and its versions, see ``retrieval.stores.versions``

Any number of processes search while one writes the next version; they see it once ``finalize`` has made it whole.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import qdrant_edge as edge

from amgan.errors import UserError
from amgan.files import refusal
from amgan.schema import AttributeSchema
from retrieval.identity import IndexIdentity
from retrieval.stores import engine, qdrant, versions
from retrieval.stores.base import (
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
    no_collection,
)
from retrieval.stores.files import held, in_turn, read_json, require_room, write_json
from retrieval.stores.filters import json_path, resolve_key
from retrieval.stores.shards import Reader, Writer

T = TypeVar("T")


class EdgeStore:
    """One collection, open to be searched, or by one process at a time to be written. Threads may share it.

    Args:
        home: the collection's folder.
        right: the right to write, given back at ``close``; None only searches.
    """

    def __init__(self, home: Path, about: About, right: ExitStack | None = None) -> None:
        self.name, self.identity, self.schema, self.notes = home.name, about.identity, about.schema, about.notes
        self._home, self._right, self._closed = home, right, False
        writes = right is not None
        self._shards = Writer(home, self.identity.dimensions, self.schema) if writes else Reader(home)

    def set_notes(self, notes: Mapping[str, str]) -> None:
        self._writer()
        self.notes = dict(notes)
        write_json(self._home / "about.json", About(self.identity, self.schema, self.notes).to_dict())

    def upsert(self, points: Sequence[Point]) -> None:
        if not points:
            return
        vectors = check_vectors(np.stack([p.vector for p in points]), self.identity)
        rows = [edge.Point(p.id, v.tolist(), p.payload) for p, v in zip(points, vectors, strict=True)]
        shard = self._writer().begin()
        require_room(self._home, 2 * vectors.nbytes + 4096 * len(points))
        self._call(lambda: shard.update(edge.UpdateOperation.upsert_points(rows)))

    def set_payload(self, changes: Mapping[str, Payload]) -> None:
        shard = self._writer().begin()
        require_room(self._home, 4096 * len(changes))
        for id, payload in changes.items():
            operation = edge.UpdateOperation.set_payload([id], payload)
            self._call(lambda operation=operation: shard.update(operation))

    def retrieve(self, ids: Sequence[str], keys: Sequence[str] | None = None) -> dict[str, Payload]:
        wanted = qdrant.payload_choice(keys)
        return qdrant.payloads(self._ask(lambda shard: shard.retrieve(list(ids), wanted, False))) if ids else {}

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        return qdrant.vectors(self._ask(lambda shard: shard.retrieve(list(ids), False, True))) if ids else {}

    def search(
        self,
        vector: np.ndarray,
        k: int,
        filter: Filter | None = None,
        exact: bool = False,
        exclude: Collection[str] = (),
    ) -> list[Hit]:
        limit, query = check_k(k), edge.Query.Nearest(check_query(vector, self.identity).tolist())
        conditions = engine.filter_of(filter, self.schema, exclude)

        def ask(shard: Any) -> Any:
            parameters = edge.SearchParams(hnsw_ef=qdrant.search_ef(limit, shard.info().points_count), exact=exact)
            return shard.query(
                edge.QueryRequest(limit=limit, query=query, filter=conditions, with_payload=True, params=parameters)
            )

        return qdrant.hits(self._ask(ask))

    def scroll(
        self,
        keys: Sequence[str] | None = None,
        vectors: bool = False,
        batch: int = 512,
        filter: Filter | None = None,
        start: str | None = None,
    ) -> Iterator[Record]:
        shard = self._shards.shard()  # one for all pages: a version that comes meanwhile has others
        conditions, wanted = engine.filter_of(filter, self.schema), qdrant.payload_choice(keys)

        def page(start: Any) -> Any:
            return self._call(lambda: shard.scroll(edge.ScrollRequest(start, batch, conditions, wanted, vectors)))

        return qdrant.scrolled(page, vectors, start)

    def count(self, filter: Filter | None = None) -> int:
        conditions = engine.filter_of(filter, self.schema)
        return self._ask(lambda shard: engine.count_points(shard, conditions))

    def facet(self, key: str, filter: Filter | None = None) -> dict[str, int]:
        kind, attribute = resolve_key(key, self.schema)
        limit, conditions = len(self.schema.values(attribute)), engine.filter_of(filter, self.schema)
        request = edge.FacetRequest(json_path(kind, attribute), limit=limit, exact=True, filter=conditions)
        return {str(hit.value): hit.count for hit in self._ask(lambda shard: shard.facet(request)).hits}

    def delete_missing(self, keep: Container[str]) -> int:
        return qdrant.delete_missing(self, keep, self._delete)

    def _delete(self, ids: list[str]) -> None:
        shard = self._writer().begin()
        self._call(lambda: shard.update(edge.UpdateOperation.delete_points(list(ids))))

    def flush(self) -> None:
        if self._writer().changed:
            self._ask(lambda shard: shard.flush())  # Edge does not flush on a timer

    def finalize(self) -> None:
        writer = self._writer()
        if not writer.changed:
            return
        self.flush()
        writer.require_room_to_build()
        self._ask(lambda shard: shard.optimize())
        self.flush()
        writer.publish(self.count())

    def verify(self) -> None:
        if self._shards.version is not None:
            versions.verify(self._home, self._shards.version, thorough=True)

    def info(self) -> StoreInfo:
        indexed = self._ask(lambda shard: shard.info()).indexed_vectors_count
        return StoreInfo(str(self._home.parent), self.name, self.count(), indexed, self.identity, self.schema)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            self._call(self._shards.close)
        finally:
            if self._right is not None:
                self._right.close()

    def _writer(self) -> Writer:
        if not isinstance(self._shards, Writer):
            raise UserError(f"The collection {self.name!r} in {self._home.parent} is open to be searched, not written.")
        return self._shards

    def _ask(self, action: Callable[[Any], T]) -> T:
        if self._closed:
            raise UserError(f"The collection {self.name!r} in {self._home.parent} was closed; open it again.")
        return self._call(lambda: action(self._shards.shard()))

    def _call(self, action: Callable[[], T]) -> T:
        return engine.call(action, self._home)


class EdgeLocation:
    """A folder of collections. It is created when the first of them is."""

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder).expanduser()
        if folder.exists() and not folder.is_dir():
            raise UserError(f"The store {folder} is a file; name a folder, or a Qdrant server by its URL.")
        self.folder = folder

    def create(self, name: str, identity: IndexIdentity, schema: AttributeSchema) -> EdgeStore:
        home = self.folder / check_name(name)
        right = self._right(name)
        try:
            if self.describe(name) is not None:
                raise UserError(f"The collection {name!r} exists already in {self.folder}.")
            shutil.rmtree(home, ignore_errors=True)  # what a run left that was killed right here
            try:
                home.mkdir(parents=True)
            except OSError as error:
                raise UserError(f"Cannot create {home}: {error.strerror or error}.") from None
            store = EdgeStore(home, About(identity, schema), right)
            write_json(home / "about.json", About(identity, schema).to_dict())
            return store
        except BaseException:
            right.close()
            raise

    def open(self, name: str, write: bool = False) -> EdgeStore:
        physical = self.aliases().get(name, name)
        about = self.describe(physical)
        if about is None:
            raise no_collection(name, self, f"in {self.folder}", self.folder)
        right = self._right(physical) if write else None
        try:
            return EdgeStore(self.folder / physical, about, right)
        except BaseException:
            if right is not None:
                right.close()
            raise

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
        check_name(alias)
        with in_turn(self.folder / ".aliases.lock"):  # indexers of other collections change the same file
            write_json(self.folder / "aliases.json", self.aliases() | {alias: name})

    def collections(self) -> list[str]:
        return sorted(p.parent.name for p in self.folder.glob("*/about.json"))

    def drop(self, name: str) -> None:
        home = self.folder / check_name(name)
        check_unaliased(name, self.aliases())
        if home.is_dir():
            with self._right(name):
                try:
                    (home / "about.json").unlink(missing_ok=True)
                except OSError as error:
                    raise refusal(error, home) from None
                shutil.rmtree(home, ignore_errors=True)  # those who search in it have its files open

    @contextmanager
    def writing(self, collection: str) -> Iterator[None]:
        with held(self.folder / f".{check_name(collection)}.lock", f"{collection!r} in {self.folder}"):
            self._sweep(collection)
            yield

    def close(self) -> None:
        """Nothing to do: each open collection is closed by itself."""

    def _right(self, name: str) -> ExitStack:
        right = ExitStack()
        right.enter_context(held(self.folder / f".{name}.writer", f"{name!r} in {self.folder}"))
        return right

    def _sweep(self, collection: str) -> None:
        """Delete what stopped runs left of this collection: folders that do not say what they are."""
        for home in self.folder.glob(f"{collection}.*"):
            left = home.is_dir() and not (home / "about.json").exists()
            if left and re.fullmatch(re.escape(collection) + r"\.[0-9a-f]{10}", home.name):
                shutil.rmtree(home, ignore_errors=True)
