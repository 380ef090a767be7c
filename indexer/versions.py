"""The versions of a collection: which one serves, which one served before, whether it can be trusted, the way back.

``shop`` is an alias. ``shop.1a2b3c4d5e`` are its versions, named after what their vectors mean. The one that served
before is kept, and noted with the one that serves; what is older goes.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from amgan.errors import UserError
from retrieval.stores.base import StoreLocation, VectorStore, check_name, no_collection

PREVIOUS, FINISHED, POINTS = "previous", "finished", "points"  # notes of a collection
CANARIES, TOP = 32, 10
LEAST_RECALL = 0.99


@dataclass(frozen=True)
class Verification:
    """What was asked of a version before it serves.

    Attributes:
        points: garments in the store; ``expected`` how many the last whole run left, None where no run noted it.
        canaries: garments of the store that were searched for by their own vectors.
        recall: the share of their ten nearest by exact search that the approximate search finds, 0 to 1.
    """

    points: int
    expected: int | None
    canaries: int
    recall: float

    def require(self, name: str) -> None:
        """Raises UserError, saying what is wrong, unless the version may serve."""
        if self.points == 0:
            raise UserError(f"The index {name} holds no garment; index the catalogue again.")
        if self.expected is not None and self.points != self.expected:
            raise UserError(
                f"The index {name} holds {self.points} garments where {self.expected} were written; run index-catalog "
                "again, which puts right what is missing."
            )
        if self.recall < LEAST_RECALL:
            raise UserError(
                f"Searches of the index {name} find {self.recall:.3f} of what an exact search finds, less than "
                f"{LEAST_RECALL}; run index-catalog again, which builds its graph anew."
            )


@dataclass(frozen=True)
class Version:
    """One version as ``index-catalog status`` shows it; where it cannot be opened ``problem`` says why."""

    name: str
    role: str  # serving, previous, unfinished
    embedder: str
    segmenter: str
    points: int | None = None
    finished: str | None = None
    catalogue: str | None = None
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def verify(store: VectorStore, expected: int | None) -> Verification:
    """Count exactly, and search for a few of the store's own garments with and without its graph.

    The canaries are the first garments by id; ids are hashes, so that these are a fair sample. A hit as good as the
    last of the exact ones counts as one of them, as equal pictures have equal scores.

    Raises:
        UserError: a garment is not found by its own vector, or the store failed.
    """
    shares = []
    for canary in islice(store.scroll([], vectors=True, batch=CANARIES), CANARIES):
        vector = canary.vector
        if vector is None or not np.isfinite(vector).all():
            raise UserError(f"The index {store.name} holds a garment without a usable vector; index again.")
        exact = store.search(vector, TOP, exact=True)
        slack = 1e-4 * float(vector @ vector)  # engines sum in another order
        if not exact or exact[0].score < float(vector @ vector) - slack:
            raise UserError(f"A garment of the index {store.name} is not found by its own vector; index again.")
        good = sum(hit.score >= exact[-1].score - slack for hit in store.search(vector, TOP))
        shares.append(min(1.0, good / len(exact)))
    return Verification(store.count(), expected, len(shares), float(np.mean(shares)) if shares else 0.0)


def versions_of(location: StoreLocation, collection: str) -> list[str]:
    """The physical collections of an alias, those included that no run finished."""
    return [n for n in location.collections() if re.fullmatch(re.escape(collection) + r"\.[0-9a-f]{10}", n)]


def serving(location: StoreLocation, collection: str) -> str:
    """The version that searches see. Raises UserError where there is none."""
    name = location.aliases().get(check_name(collection))
    if name is None:
        raise no_collection(collection, location, "in the store", "STORE")
    return name


def previous_of(location: StoreLocation, name: str | None) -> str | None:
    """The version that served before that one, if it is still there."""
    about = location.describe(name) if name else None
    before = about.notes.get(PREVIOUS) if about else None
    return before if before in location.collections() else None


def status(location: StoreLocation, collection: str) -> list[Version]:
    """All versions, the serving one first."""
    now = serving(location, collection)
    before = previous_of(location, now)
    roles = {now: "serving"} | ({before: "previous"} if before else {})
    names = [*roles, *(n for n in versions_of(location, collection) if n not in roles)]
    return [_version(location, name, roles.get(name, "unfinished")) for name in names]


def _version(location: StoreLocation, name: str, role: str) -> Version:
    about = location.describe(name)
    if about is None:
        return Version(name, role, "", "", problem="It is gone.")
    finished, catalogue = about.notes.get(FINISHED), about.notes.get("catalogue")
    found = Version(name, role, about.identity.embedder, about.identity.segmenter, None, finished, catalogue)
    try:
        store = location.open(name)
    except UserError as error:
        return replace(found, problem=str(error))
    try:
        return replace(found, points=store.count())
    except UserError as error:
        return replace(found, problem=str(error))
    finally:
        store.close()


def verify_serving(location: StoreLocation, collection: str) -> Verification:
    """Verify the version that serves, each of its files included. Raises UserError when it cannot be trusted."""
    return _verified(location, serving(location, collection))


def _verified(location: StoreLocation, name: str) -> Verification:
    store = location.open(name)
    try:
        store.verify()
        noted = store.notes.get(POINTS, "")
        found = verify(store, int(noted) if noted.isdecimal() else None)
    finally:
        store.close()
    found.require(name)
    return found


def roll_back(location: StoreLocation, collection: str) -> tuple[str, str]:
    """Have the version that served before serve again; the same again goes forward.

    Returns:
        The version that served, and the one that serves now.

    Raises:
        UserError: there is none before, it cannot be trusted, or an index-catalog fills the collection now.
    """
    with location.writing(collection):
        now = serving(location, collection)
        before = previous_of(location, now)
        if before is None:
            raise UserError(
                f"{collection!r} has no version before the one that serves ({now}); one is kept when other weights or "
                "another segmenter took over."
            )
        _verified(location, before)
        store = location.open(before, write=True)
        try:
            store.set_notes(store.notes | {PREVIOUS: now})
        finally:
            store.close()
        location.set_alias(collection, before)
    return now, before


def tidy(location: StoreLocation, collection: str, keep: set[str | None]) -> None:
    """Drop what older networks left of this collection; what a process still writes in goes the next time."""
    for name in versions_of(location, collection):
        if name not in keep:
            try:
                location.drop(name)
            except UserError:
                continue
