"""Which collection a run fills, and when searches begin to see it.

The name that people search by is an alias. Its physical collection is named after what its vectors mean
(``shop.1a2b3c4d5e``): the same networks bring that one up to date in place; others fill a new one beside it, which
takes over in one step when it is whole and verified, and the old one is kept (``indexer.versions``). A run that was
stopped or killed leaves the old one serving, and the same command goes on from what is there, because every photo in
it is known by the hash of its bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from amgan.errors import UserError
from indexer.catalogue import Catalogue
from indexer.pipeline import SILENT, Encoder, Fill, Hooks, Tally, fill
from indexer.prepare import Settings
from indexer.versions import FINISHED, POINTS, PREVIOUS, Verification, previous_of, tidy, verify
from retrieval.stores.base import StoreLocation, VectorStore, check_name


@dataclass
class Summary:
    """What ``index-catalog`` reports.

    Attributes:
        updated: garments of which only labels or other columns changed: told to the index, not embedded again.
        kept: garments that could not be read this time and stay as they were indexed.
        verified: what was asked of the index at the end; None where the run was interrupted.
        seconds: by stage as in ``Tally``, with ``finishing`` and ``total``.
        warnings: sentences for a person: what was kept, which columns were probably misspelt.
    """

    collection: str
    physical: str
    total: int
    indexed: int
    updated: int
    unchanged: int
    removed: int
    kept: int
    refused: dict[str, int]
    interrupted: bool
    switched: bool
    verified: Verification | None
    seconds: dict[str, float]
    unknown_labels: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def physical_name(collection: str, encoder: Encoder) -> str:
    """The collection that holds these vectors, by what they and their attributes mean."""
    meaning = json.dumps([encoder.identity.digest, list(encoder.schema.values_by_name().items())])
    return f"{check_name(collection)}.{hashlib.sha256(meaning.encode()).hexdigest()[:10]}"


def index(
    catalogue: Catalogue,
    location: StoreLocation,
    collection: str,
    encoder: Encoder,
    settings: Settings,
    batch: int = 64,
    threads: int = 4,
    hooks: Hooks = SILENT,
    fill: Fill = fill,
) -> Summary:
    """Make the collection hold exactly the catalogue's usable garments.

    ``fill`` does the work between opening the collection and verifying it: here, or on many machines
    (``indexer.ray_data``).

    Raises:
        UserError: nothing in the catalogue can be used, or its disk went away (nothing then leaves the index), another
            process fills or holds the collection, the store failed, or a new collection lacks garments of the one in
            use because they cannot be read now.
    """
    start = time.perf_counter()
    physical, kept, removed = physical_name(collection, encoder), 0, 0
    with location.writing(collection):
        if collection in location.collections():
            raise UserError(f"{collection!r} is another collection of this store; choose another --collection.")
        serving, verified = location.aliases().get(collection), None
        before = previous_of(location, serving) if serving in (None, physical) else serving
        if location.describe(physical) is None:
            store = location.create(physical, encoder.identity, encoder.schema)
        else:
            store = location.open(physical, write=True)
        try:
            seen = catalogue.a_file() or catalogue.root
            tally = fill(catalogue, store, encoder, settings, batch, threads, hooks)
            if not tally.interrupted:
                _require_still_there(seen, tally)
                kept = _keep_unread(store, catalogue, tally)
                removed, verified = _finish(store, catalogue, tally, before)
        finally:
            store.close()
        if not tally.interrupted and serving != physical:
            if serving is not None:
                _require_all(location, serving, catalogue, tally)
            location.set_alias(collection, physical)  # the commit: searches see the new collection from here on
        if not tally.interrupted:
            tidy(location, collection, keep={physical, before})
    tally.seconds["total"] = time.perf_counter() - start
    return Summary(
        collection=collection,
        physical=physical,
        total=tally.done,
        indexed=tally.indexed,
        updated=tally.updated,
        unchanged=tally.unchanged,
        removed=removed,
        kept=kept,
        refused=dict(tally.refused.most_common()),
        interrupted=tally.interrupted,
        verified=verified,
        switched=not tally.interrupted and serving != physical,
        seconds={stage: round(seconds, 3) for stage, seconds in tally.seconds.items()},
        unknown_labels=dict(catalogue.noticed.unknown_labels.most_common(20)),
        warnings=[*_about_kept(kept), *catalogue.warnings()],
    )


def _require_still_there(seen: Path, tally: Tally) -> None:
    """Raises UserError where photos are missing and what was seen before them is gone, too."""
    if any(reason.endswith("missing") for reason in tally.refused) and not os.path.exists(seen):
        raise UserError(
            f"Photos are missing, and {seen} is gone, too, as if its disk were no longer mounted. The index stays as "
            "it was; run the same command again when the catalogue is back."
        )


def _unread(store: VectorStore, catalogue: Catalogue, tally: Tally) -> dict[str, str]:
    """Id to file name of what the store holds and this run could not read."""
    hidden = set(catalogue.hidden())
    if not hidden and not tally.unread:
        return {}
    names = {record.id: record.payload["file_name"] for record in store.scroll(["file_name"])}
    return {
        id: name
        for id, name in names.items()
        if id in tally.unread or not hidden.isdisjoint(map(str, PurePosixPath(name).parents))
    }


def _keep_unread(store: VectorStore, catalogue: Catalogue, tally: Tally) -> int:
    """Mark what cannot be read now to stay in the store; returns how many garments that are."""
    kept = _unread(store, catalogue, tally).keys() - tally.keep
    tally.keep |= kept
    return len(kept)


def _about_kept(kept: int) -> list[str]:
    return [f"Garments that cannot be read now and stay in the index as they were: {kept}."] if kept else []


def _require_all(location: StoreLocation, serving: str, catalogue: Catalogue, tally: Tally) -> None:
    """Raises UserError when the collection in use holds garments that could not be read for the one to take over."""
    if not tally.unread and not catalogue.hidden():
        return  # the collection need not be opened, which another process may hold
    store = location.open(serving)
    try:
        lost = sorted(name for id, name in _unread(store, catalogue, tally).items() if id not in tally.keep)
    finally:
        store.close()
    if lost:
        raise UserError(
            f"The index in use holds photos that cannot be read now ({len(lost)} of them, {lost[0]!r} for one), so the "
            "new index does not take over yet. Make them readable, or take them out of the catalogue, and run the same "
            "command again."
        )


def _finish(store: VectorStore, catalogue: Catalogue, tally: Tally, before: str | None) -> tuple[int, Verification]:
    """Take out what left the catalogue, build the index and verify it; returns how many were taken out."""
    if not tally.keep:
        reasons = ", ".join(f"{n} {reason}" for reason, n in tally.refused.most_common())
        what = f"all {tally.done} entries were refused ({reasons})" if tally.done else "it holds no photos"
        raise UserError(f"Nothing in {catalogue.root} can be indexed: {what}. The index stays as it was.")
    with tally.timed("finishing"):
        removed = store.delete_missing(tally.keep)
        store.finalize()
    with tally.timed("verifying"):
        verified = verify(store, expected=len(tally.keep))
        verified.require(store.name)
        noted = {
            "catalogue": str(catalogue.root.resolve()),
            FINISHED: datetime.now(UTC).isoformat(timespec="seconds"),
            POINTS: str(len(tally.keep)),
        }
        store.set_notes(store.notes | noted | ({PREVIOUS: before} if before else {}))
    return removed, verified
