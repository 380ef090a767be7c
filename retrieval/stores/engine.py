"""Calls of the engine that runs in this process, Qdrant Edge: how a shard is made, and what its failures mean."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, TypeVar

import qdrant_edge as edge

from amgan.errors import UserError
from amgan.schema import AttributeSchema
from retrieval.stores import qdrant
from retrieval.stores.base import Filter, Record
from retrieval.stores.filters import KINDS, LABEL, filtered_fields, json_path, resolve_filter

T = TypeVar("T")

_HNSW = edge.HnswIndexConfig(m=qdrant.HNSW_M, ef_construct=qdrant.HNSW_EF_CONSTRUCT, full_scan_threshold=10_000)
_AT_ONCE = 256  # points


class EngineError(Exception):
    """What the engine said, where only its caller knows what that means."""


def new_shard(folder: Path, dimensions: int, schema: AttributeSchema) -> Any:
    """An empty shard, with the indexes of its payload made before any vector comes, so that its graph suits filters.

    It has no log of its own: the engine would lock that, even to search. ``flush`` is what makes writes safe.
    """
    parameters = edge.EdgeVectorParams(size=dimensions, distance=edge.Distance.Dot)
    config = edge.EdgeConfig(vectors=parameters, hnsw_config=_HNSW, wal_enabled=False)
    folder.mkdir(parents=True)
    shard = edge.EdgeShard.create(str(folder), config)
    for path in filtered_fields(schema):
        shard.update(edge.UpdateOperation.create_field_index(path, edge.PayloadSchemaType.Keyword))
    shard.flush()
    return shard


def load_shard(folder: Path) -> Any:
    return edge.EdgeShard.load(str(folder))


def count_points(shard: Any, conditions: edge.Filter | None = None) -> int:
    return shard.count(edge.CountRequest(exact=True, filter=conditions))


def add(shard: Any, records: Iterable[Record]) -> None:
    """Write stored points into another shard."""
    batch: list[edge.Point] = []
    for record in records:
        batch.append(edge.Point(record.id, [] if record.vector is None else record.vector.tolist(), record.payload))
        if len(batch) == _AT_ONCE:
            shard.update(edge.UpdateOperation.upsert_points(batch))
            batch = []
    if batch:
        shard.update(edge.UpdateOperation.upsert_points(batch))
    shard.flush()


def scroll(shard: Any) -> Iterable[Record]:
    """Everything there is."""
    return qdrant.scrolled(lambda start: shard.scroll(edge.ScrollRequest(start, 512, None, True, True)), True)


def filter_of(filter: Filter | None, schema: AttributeSchema, exclude: Collection[str] = ()) -> edge.Filter:
    return edge.Filter(
        must=[_condition(*c) for c in resolve_filter(filter, schema)],
        must_not=[edge.HasIdCondition(set(exclude))] if exclude else [],
    )


def _condition(kind: str, attribute: str, values: list[str]) -> Any:
    if kind != LABEL:
        return edge.FieldCondition(json_path(kind, attribute), edge.MatchAny(values))
    given, predicted = (_condition(k, attribute, values) for k in KINDS[::-1])
    unlabelled = edge.IsEmptyCondition(json_path("given", attribute))
    return edge.Filter(should=[given, edge.Filter(must=[predicted, unlabelled])])


def call(action: Callable[[], T], home: Path) -> T:
    """Run calls of the engine on the collection in ``home``. Raises UserError in place of what the engine raises."""
    try:
        return attempt(action, home)
    except EngineError as error:
        raise UserError(f"The collection {home.name!r} in {home.parent} failed: {error}.") from None


def attempt(action: Callable[[], T], home: Path) -> T:
    """As ``call``, but only what has a sentence of its own raises UserError, and the rest EngineError."""
    try:
        return action()
    except (UserError, OSError):
        raise
    except BaseException as error:
        # A panic of the engine is no Exception, so that nobody catches it by mistake; here it is a failure like others.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        text = str(error)
    if "not initialized" in text:
        raise UserError(f"The collection {home.name!r} in {home.parent} was closed; open it again.")
    if "No space left" in text:
        raise UserError(f"The disk of {home} is full; free some space and run the same command again.")
    raise EngineError(text)
