"""Which records of a folder are measured, and what they are hashed to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from amgan.data.imagefolder import ImageFolder, Record
from amgan.evaluation.edits import first_by_hash

ALL = "all"
REFERENCES = 2000  # photos that prototypes are made from at most


def measured_split(data: ImageFolder, split: str) -> str:
    """The split that is measured: ``all`` of a folder without splits."""
    return split if any(r.split for r in data.records) else ALL


def chosen_records(data: ImageFolder, split: str, limit: int | None) -> list[Record]:
    """The records of a split (all of a folder without splits), or its first ``limit`` by the SHA-256 of their id."""
    records = data.records if measured_split(data, split) == ALL else data.split(split)
    return list(records) if limit is None else _first(records, limit)


def reference_records(data: ImageFolder, split: str) -> list[Record]:
    """Records of the training split, where it is not the measured one: the first by the SHA-256 of their id."""
    if split in ("train", ALL):
        return []
    return _first([r for r in data.records if r.split == "train"], REFERENCES)


def dataset_hash(root: Path, records: Sequence[Record]) -> str:
    """SHA-256 over the ids, labels, photos and masks that were measured, in order of id."""
    total = hashlib.sha256()
    for r in sorted(records, key=lambda r: r.item_id):
        total.update(f"{r.item_id}\0{r.labels.tolist()}\0".encode())
        for name in (r.file_name, r.mask_file_name):
            path = root / name if name else None
            total.update(hashlib.sha256(path.read_bytes() if path and path.is_file() else b"").digest())
    return total.hexdigest()


def _first(records: Sequence[Record], n: int) -> list[Record]:
    return [records[i] for i in first_by_hash(tuple(r.item_id for r in records), n)]
