"""What every vector store offers, and the words they share.

A *location* (a folder, a server, this process) holds physical collections and aliases. People name the alias; it moves
to a new physical collection only when that is whole, so a killed run leaves the old one serving. A *store* is one open
collection. Similarity is the inner product, because a query's blocks carry weights and are not of unit length.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from amgan.errors import UserError
from amgan.schema import AttributeSchema
from retrieval.identity import IndexIdentity

Payload = dict[str, Any]
Filter = Mapping[str, "str | Sequence[str]"]
"""``{"sleeve": "long", "given.color": ["red", "blue"]}``: every key must match, by any of its values. A bare attribute
means the predicted one, ``label.color`` the given one or, where there is none, the predicted one; values may be
written as people write them."""

FORMAT = 1
MAX_K = 10_000
_NAMESPACE = uuid.UUID("6f0cf5a4-6b0b-5f0e-9d9b-0a5f2f6f6d61")


@dataclass(frozen=True)
class Point:
    """A catalogue item: id (UUID as text), vector ``float32 (D,)``, payload (see ``indexer.pipeline``)."""

    id: str
    vector: np.ndarray
    payload: Payload = field(default_factory=dict)


@dataclass(frozen=True)
class Hit:
    """A found item; ``score`` is the inner product of its vector with the query."""

    id: str
    score: float
    payload: Payload


@dataclass(frozen=True)
class Record:
    """A stored item; ``vector`` is ``float32 (D,)`` where it was asked for."""

    id: str
    payload: Payload
    vector: np.ndarray | None = None


@dataclass(frozen=True)
class About:
    """What is stored with a collection: see ``VectorStore``."""

    identity: IndexIdentity
    schema: AttributeSchema
    notes: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "identity": self.identity.to_dict(),
            "schema": list(self.schema.to_dict().items()),  # pairs: an engine may sort the keys of an object
            "notes": self.notes,
        }

    @classmethod
    def from_dict(cls, values: Any, where: str) -> About:
        """The reverse of ``to_dict``. Raises UserError when it is not ours or of another format."""
        if not isinstance(values, dict) or "identity" not in values or "schema" not in values:
            raise UserError(f"{where} was not made by index-catalog: it does not say which embedder filled it.")
        if values.get("format") != FORMAT:
            raise UserError(
                f"{where} has format {values.get('format')!r}; this version reads {FORMAT}. Index it again."
            )
        try:
            schema = dict(values["schema"])
            notes = {str(k): str(v) for k, v in dict(values.get("notes") or {}).items()}
        except (TypeError, ValueError):
            raise UserError(f"{where} holds a description that cannot be read; index again.") from None
        return cls(IndexIdentity.from_dict(values["identity"]), AttributeSchema.from_dict(schema), notes)


@dataclass(frozen=True)
class StoreInfo:
    """``indexed``: vectors in an approximate index; the others are compared exactly."""

    location: str
    collection: str
    points: int
    indexed: int
    identity: IndexIdentity
    schema: AttributeSchema


class VectorStore(Protocol):
    """One open collection, which threads may share. All methods raise UserError, never an engine's own exception.

    Attributes:
        name: of the physical collection.
        identity, schema: what the vectors mean; they never change.
        notes: what else the indexer wrote down, such as ``{"catalogue": "/data/shop"}``, where the photos lie.
    """

    name: str
    identity: IndexIdentity
    schema: AttributeSchema
    notes: dict[str, str]

    def set_notes(self, notes: Mapping[str, str]) -> None:
        """Replace the notes."""

    def upsert(self, points: Sequence[Point]) -> None:
        """Insert or replace by id. Refuses vectors of another length and values that are not finite."""

    def set_payload(self, changes: Mapping[str, Payload]) -> None:
        """Set these top-level entries of the payloads of stored items, by id; their other entries and their vectors
        stay. An entry that is None may be taken out instead."""

    def retrieve(self, ids: Sequence[str], keys: Sequence[str] | None = None) -> dict[str, Payload]:
        """Payloads by id, unknown ids left out; ``keys`` limits them to these top-level entries."""
        ...

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Vectors ``float32 (D,)`` by id, unknown ids left out."""
        ...

    def search(
        self,
        vector: np.ndarray,
        k: int,
        filter: Filter | None = None,
        exact: bool = False,
        exclude: Collection[str] = (),
    ) -> list[Hit]:
        """The k best by inner product, best first, without the points whose ids are in ``exclude``. ``exact`` compares
        with every vector instead of the index."""
        ...

    def scroll(
        self,
        keys: Sequence[str] | None = None,
        vectors: bool = False,
        batch: int = 512,
        filter: Filter | None = None,
        start: str | None = None,
    ) -> Iterator[Record]:
        """Every item that the filter lets through, by ascending id, from the id ``start`` on; read in batches.
        Ids are hashes, so that the order is as good as shuffled, and stays."""
        ...

    def count(self, filter: Filter | None = None) -> int: ...

    def facet(self, key: str, filter: Filter | None = None) -> dict[str, int]:
        """How many items have each value of ``"sleeve"`` (predicted) or ``"given.sleeve"``, most frequent first."""
        ...

    def delete_missing(self, keep: Container[str]) -> int:
        """Delete the items whose ids are not in ``keep``; returns how many."""
        ...

    def flush(self) -> None:
        """Return when all that was written is safe on disk: whoever opens the collection to write goes on from it."""

    def finalize(self) -> None:
        """Flush, build the approximate index, and have all searches see what was written; blocks until it is built."""

    def verify(self) -> None:
        """Raises UserError when what is stored is not as it was written, as far as the store can tell."""

    def info(self) -> StoreInfo: ...

    def close(self) -> None: ...


class StoreLocation(Protocol):
    """Where collections live."""

    def create(self, name: str, identity: IndexIdentity, schema: AttributeSchema) -> VectorStore:
        """A new, empty collection. Raises UserError when it exists."""
        ...

    def open(self, name: str, write: bool = False) -> VectorStore:
        """A collection by physical name or alias.

        One that was opened to be searched shows what was written once that is whole (``finalize``), without being
        opened again; nobody waits for it. ``write`` opens it for one process alone.

        Raises:
            UserError: there is none, or it is damaged, or another process writes in it and ``write`` was asked for.
        """
        ...

    def describe(self, name: str) -> About | None:
        """What a collection (or alias) was made with, without opening it; None where there is none."""
        ...

    def aliases(self) -> dict[str, str]:
        """Alias to physical collection."""
        ...

    def set_alias(self, alias: str, name: str) -> None:
        """Point the alias at a collection, in one step. Raises UserError when there is no such collection."""

    def collections(self) -> list[str]:
        """Physical collections that are whole enough to open, sorted."""
        ...

    def drop(self, name: str) -> None:
        """Delete a physical collection. Raises UserError when an alias points at it or another process writes in it."""

    def writing(self, collection: str) -> AbstractContextManager[None]:
        """Hold the right to fill a collection, and clear away what killed runs left of it; the system takes the right
        back from a killed process.

        Raises:
            UserError: at once, when another process holds it.
        """
        ...

    def close(self) -> None: ...


def point_id(file_name: str) -> str:
    """The id of a catalogue item: the same file name always gives the same id, so indexing again overwrites."""
    return str(uuid.uuid5(_NAMESPACE, file_name))


def check_name(name: str) -> str:
    """The name, which becomes part of folders and URLs. Raises UserError on what could not."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", name):
        raise UserError(
            f"{name!r} is not a collection name; use up to 128 letters, digits, '.', '-' and '_', for example shop."
        )
    return name


def check_unaliased(name: str, aliases: Mapping[str, str]) -> None:
    """Raises UserError when an alias points at the collection."""
    if name in aliases.values():
        raise UserError(f"The collection {name!r} is in use by an alias; point the alias elsewhere first.")


def no_collection(name: str, location: StoreLocation, where: str, store: str | Path) -> UserError:
    """That there is no such collection ``where`` ("in FOLDER"), which there are, and how ``--store`` gets it."""
    there = ", ".join(sorted({*location.aliases(), *location.collections()})) or "none"
    return UserError(
        f"There is no collection {name!r} {where} (there: {there}). "
        f"Fill it with: index-catalog FOLDER --store {store} --collection {name}"
    )


def check_vectors(vectors: np.ndarray, identity: IndexIdentity) -> np.ndarray:
    """``float32 (B, D)``. Raises UserError on another D and on values that are not finite: no engine notices a NaN."""
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != identity.dimensions:
        found = " x ".join(map(str, vectors.shape[1:]))
        raise UserError(f"The index holds vectors of {identity.dimensions} values, but one of {found} came.")
    if not np.isfinite(vectors).all():
        raise UserError("A vector holds NaN or infinity; the embedder's weights are broken or do not fit.")
    return vectors


def check_query(vector: np.ndarray, identity: IndexIdentity) -> np.ndarray:
    """``float32 (D,)``. Raises UserError as ``check_vectors`` does."""
    return check_vectors(np.asarray(vector)[None], identity)[0]


def check_k(k: int) -> int:
    if not 1 <= k <= MAX_K:
        raise UserError(f"k is {k}; it must lie between 1 and {MAX_K}.")
    return k


def best_first(hits: list[Hit]) -> list[Hit]:
    """By score; equal scores by id, so that every engine gives one order."""
    return sorted(hits, key=lambda h: (-h.score, h.id))
