"""A Qdrant server or cluster by its URL, for production and for many machines at once.

How it is reached and what is made there is set in the environment: see ``retrieval.stores.address``.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

import numpy as np
from qdrant_client import QdrantClient, models

from amgan.errors import UserError
from amgan.schema import AttributeSchema
from retrieval.identity import IndexIdentity
from retrieval.stores import qdrant
from retrieval.stores.address import Making, parse
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
from retrieval.stores.connection import WAITS, Connection, client_of
from retrieval.stores.files import held, own_temporary_folder
from retrieval.stores.filters import LABEL, filtered_fields, json_path, resolve_filter, resolve_key

_METADATA = "amgan"
_REQUEST_BYTES = 4_000_000  # servers and proxies refuse much larger bodies; a float takes about 20 characters
_CHANGED_AT_ONCE = 256
_QUANTIZATION = models.ScalarQuantization(
    scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
)
_RESCORED = models.QuantizationSearchParams(rescore=True, oversampling=2.0)  # of no effect where nothing is quantized
_SECONDS_TO_INDEX = 24 * 3600
_SECONDS_SIZED = 300


class ServerStore:
    """One collection of a server."""

    def __init__(self, call: Connection, name: str, about: About) -> None:
        self.name, self.identity, self.schema, self.notes = name, about.identity, about.schema, about.notes
        self._call = call
        self._fields_indexed = False
        self._size, self._sized_until = 0, 0.0

    def set_notes(self, notes: Mapping[str, str]) -> None:
        self.notes = dict(notes)
        metadata = {_METADATA: About(self.identity, self.schema, self.notes).to_dict()}
        self._call(lambda c: c.update_collection(self.name, metadata=metadata))

    def upsert(self, points: Sequence[Point]) -> None:
        if not points:
            return
        vectors = check_vectors(np.stack([p.vector for p in points]), self.identity)
        self._index_fields()
        step = max(1, _REQUEST_BYTES // (20 * self.identity.dimensions + 2000))
        for start in range(0, len(points), step):
            part = points[start : start + step]
            batch = models.Batch(
                ids=[p.id for p in part],
                vectors=vectors[start : start + step].tolist(),
                payloads=[p.payload for p in part],
            )
            # Not waited for: the server has it in its log, and flush() waits for the last.
            self._call(lambda c, batch=batch: c.upsert(self.name, batch, wait=False))

    def _index_fields(self) -> None:
        """Before any vector comes, so that the graph suits filtered search; a killed run may have left some to do."""
        if self._fields_indexed:
            return
        there = self._call(lambda c: c.get_collection(self.name)).payload_schema
        keyword = models.PayloadSchemaType.KEYWORD
        for path in filtered_fields(self.schema):
            if path not in there:
                self._call(lambda c, path=path: c.create_payload_index(self.name, path, keyword, wait=True))
        self._fields_indexed = True

    def set_payload(self, changes: Mapping[str, Payload]) -> None:
        for start in range(0, len(changes), _CHANGED_AT_ONCE):
            steps = [
                models.SetPayloadOperation(set_payload=models.SetPayload(payload=payload, points=[id]))
                for id, payload in islice(changes.items(), start, start + _CHANGED_AT_ONCE)
            ]
            self._call(lambda c, steps=steps: c.batch_update_points(self.name, steps, wait=False))

    def retrieve(self, ids: Sequence[str], keys: Sequence[str] | None = None) -> dict[str, Payload]:
        if not ids:
            return {}
        wanted = qdrant.payload_choice(keys)
        return qdrant.payloads(
            self._call(lambda c: c.retrieve(self.name, list(ids), with_payload=wanted, with_vectors=False))
        )

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        if not ids:
            return {}
        return qdrant.vectors(
            self._call(lambda c: c.retrieve(self.name, list(ids), with_payload=False, with_vectors=True))
        )

    def search(
        self,
        vector: np.ndarray,
        k: int,
        filter: Filter | None = None,
        exact: bool = False,
        exclude: Collection[str] = (),
    ) -> list[Hit]:
        query = check_query(vector, self.identity).tolist()
        candidates = qdrant.search_ef(check_k(k), self._about_as_many())
        parameters = models.SearchParams(hnsw_ef=candidates, exact=exact, quantization=_RESCORED)
        conditions = self._filter(filter, exclude)
        found = self._call(
            lambda c: c.query_points(
                self.name, query=query, limit=k, query_filter=conditions, search_params=parameters, with_payload=True
            )
        )
        return qdrant.hits(found.points)

    def _about_as_many(self) -> int:
        """How many garments there are, asked now and then."""
        if time.monotonic() > self._sized_until:
            self._size = self._call(lambda c: c.get_collection(self.name)).points_count or 0
            self._sized_until = time.monotonic() + _SECONDS_SIZED
        return self._size

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
            return self._call(
                lambda c: c.scroll(
                    self.name, conditions, limit=batch, offset=start, with_payload=wanted, with_vectors=vectors
                )
            )

        return qdrant.scrolled(page, vectors, start)

    def count(self, filter: Filter | None = None) -> int:
        conditions = self._filter(filter)
        return self._call(lambda c: c.count(self.name, count_filter=conditions, exact=True)).count

    def facet(self, key: str, filter: Filter | None = None) -> dict[str, int]:
        kind, attribute = resolve_key(key, self.schema)
        limit, conditions = len(self.schema.values(attribute)), self._filter(filter)
        path = json_path(kind, attribute)
        answer = self._call(lambda c: c.facet(self.name, path, facet_filter=conditions, limit=limit, exact=True))
        return {str(hit.value): hit.count for hit in answer.hits}

    def delete_missing(self, keep: Container[str]) -> int:
        return qdrant.delete_missing(self, keep, self._delete)

    def _delete(self, ids: list[str]) -> None:
        selector = models.PointIdsList(points=list(ids))
        self._call(lambda c: c.delete(self.name, selector, wait=True))

    def flush(self) -> None:
        # A shard applies its writes in order, whoever sent them. A filter goes to every shard: when all have deleted
        # what there is none of, they have done all that came before it.
        nothing = models.FilterSelector(filter=models.Filter(must=[models.HasIdCondition(has_id=[str(uuid.uuid4())])]))
        self._call(lambda c: c.delete(self.name, nothing, wait=True))

    def finalize(self) -> None:
        """Flush, then wait until the server has built its index (green twice, as between two steps it is green too)."""
        self.flush()
        green, deadline = 0, time.monotonic() + _SECONDS_TO_INDEX
        while green < 2:
            status = self._call(lambda c: c.get_collection(self.name)).status
            green = green + 1 if status == models.CollectionStatus.GREEN else 0
            if status == models.CollectionStatus.RED or time.monotonic() > deadline:
                raise UserError(f"The server at {self._call.url} does not finish indexing {self.name!r} ({status}).")
            if green < 2:
                time.sleep(0.2)

    def verify(self) -> None:
        """Nothing to do: a server guards its own files."""

    def info(self) -> StoreInfo:
        state = self._call(lambda c: c.get_collection(self.name))
        indexed = state.indexed_vectors_count or 0
        return StoreInfo(self._call.url, self.name, self.count(), indexed, self.identity, self.schema)

    def close(self) -> None:
        """Nothing to do: the connection is the location's."""

    def _filter(self, filter: Filter | None, exclude: Collection[str] = ()) -> models.Filter | None:
        conditions = [_condition(*c) for c in resolve_filter(filter, self.schema)]
        without: list[Any] = [models.HasIdCondition(has_id=list(exclude))] if exclude else []
        return models.Filter(must=conditions, must_not=without) if conditions or without else None


def _condition(kind: str, attribute: str, values: list[str]) -> Any:
    if kind != LABEL:
        return models.FieldCondition(key=json_path(kind, attribute), match=models.MatchAny(any=values))
    given, predicted = (_condition(k, attribute, values) for k in ("given", "predicted"))
    unlabelled = models.IsEmptyCondition(is_empty=models.PayloadField(key=json_path("given", attribute)))
    return models.Filter(should=[given, models.Filter(must=[predicted, unlabelled])])


class ServerLocation:
    """A server's collections.

    Args:
        url: ``http://localhost:6333``, ``grpcs://qdrant.example.org:6334``.
        client: another client than one made from the URL, for tests.
        waits: seconds between tries.

    Raises:
        UserError: the URL leads nowhere or holds a secret, or a setting is not valid.
    """

    def __init__(self, url: str, client: QdrantClient | None = None, waits: Sequence[float] = WAITS) -> None:
        address = parse(url)
        self.url, self._making = address.url, Making.from_environment()
        self._call = Connection(self.url, client or client_of(address), address.timeout, waits)

    def create(self, name: str, identity: IndexIdentity, schema: AttributeSchema) -> ServerStore:
        if self._exists(check_name(name)):
            raise UserError(f"The collection {name!r} exists already on {self.url}.")
        about = About(identity, schema)
        making = self._making
        graph = models.HnswConfigDiff(
            m=qdrant.HNSW_M, ef_construct=qdrant.HNSW_EF_CONSTRUCT, on_disk=making.on_disk or None
        )
        parameters = models.VectorParams(
            size=identity.dimensions,
            distance=models.Distance.DOT,
            hnsw_config=graph,
            on_disk=making.on_disk or None,
            quantization_config=_QUANTIZATION if making.quantized else None,
        )
        self._call(
            lambda c: c.create_collection(
                name,
                vectors_config=parameters,
                shard_number=making.shards,
                replication_factor=making.replicas,
                on_disk_payload=making.on_disk or None,
                # A filter for which there is no index is refused in place of taking many seconds.
                strict_mode_config=models.StrictModeConfig(enabled=True, unindexed_filtering_retrieve=False),
                metadata={_METADATA: about.to_dict()},
            )
        )
        return ServerStore(self._call, name, about)

    def open(self, name: str, write: bool = False) -> ServerStore:
        physical = self.aliases().get(name, name)
        about = self._about(physical)
        if about is None:
            raise no_collection(name, self, f"on {self.url}", self.url)
        return ServerStore(self._call, physical, about)

    def describe(self, name: str) -> About | None:
        return self._about(self.aliases().get(name, check_name(name)))

    def _about(self, physical: str) -> About | None:
        if not self._exists(physical):
            return None
        config = self._call(lambda c: c.get_collection(physical)).config
        about = About.from_dict((config.metadata or {}).get(_METADATA), f"The collection {physical!r} on {self.url}")
        vectors = config.params.vectors
        right = (about.identity.dimensions, models.Distance.DOT)
        if not isinstance(vectors, models.VectorParams) or (vectors.size, vectors.distance) != right:
            raise UserError(f"The collection {physical!r} on {self.url} was changed since it was made; index again.")
        return about

    def _exists(self, name: str) -> bool:
        # The names are asked for, because "does it exist" says yes to an alias too.
        return name in self.collections()

    def aliases(self) -> dict[str, str]:
        return {a.alias_name: a.collection_name for a in self._call(lambda c: c.get_aliases()).aliases}

    def set_alias(self, alias: str, name: str) -> None:
        there = self.collections()
        if name not in there:
            raise UserError(f"There is no collection {name!r} on {self.url} to point {alias!r} at.")
        if alias in there:
            raise UserError(f"{alias!r} is a collection on {self.url}, not an alias; choose another --collection.")
        create = models.CreateAlias(collection_name=name, alias_name=check_name(alias))
        steps: list[Any] = [models.CreateAliasOperation(create_alias=create)]
        if alias in self.aliases():
            steps.insert(0, models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias)))
        self._call(lambda c: c.update_collection_aliases(steps))  # all steps or none

    def collections(self) -> list[str]:
        return sorted(c.name for c in self._call(lambda c: c.get_collections()).collections)

    def drop(self, name: str) -> None:
        check_unaliased(name, self.aliases())
        if name in self.collections():
            self._call(lambda c: c.delete_collection(name))

    def writing(self, collection: str) -> AbstractContextManager[None]:
        """Guards against a second index-catalog on this machine; the server itself knows no such right."""
        key = hashlib.sha256(f"{self.url} {check_name(collection)}".encode()).hexdigest()[:16]
        return held(own_temporary_folder() / f"{key}.lock", f"{collection!r} on {self.url}")

    def close(self) -> None:
        self._call.client.close()
