"""The ``imagefolder`` convention: a folder with ``metadata.csv``, ``.jsonl`` or ``.parquet`` and ``attributes.json``.

Columns: ``file_name`` (required), ``mask_file_name`` and ``split`` (optional), one per attribute of the schema; an
empty cell is an unknown label. Every other column is kept as it is.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from amgan.errors import UserError
from amgan.schema import AttributeSchema


@dataclass(frozen=True)
class Record:
    """One garment: where its files are, and its labels ``int64 (M,)`` with UNKNOWN for what is not known."""

    item_id: str
    file_name: str
    labels: np.ndarray
    mask_file_name: str | None = None
    split: str | None = None
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageFolder:
    root: Path
    schema: AttributeSchema
    records: tuple[Record, ...]

    def split(self, name: str) -> tuple[Record, ...]:
        """The records of one split. Raises UserError, with the splits there are, when it is empty."""
        chosen = tuple(r for r in self.records if r.split == name)
        if not chosen:
            there = sorted({r.split for r in self.records if r.split})
            raise UserError(
                f"{self.root} has no records in split {name!r}; it has {', '.join(there) or 'no split column'}."
            )
        return chosen


def metadata_rows(metadata: Path) -> Iterator[dict[str, str]]:
    """The rows of a metadata file as text, read as they are asked for; empty where a cell is. Raises UserError."""
    try:
        if metadata.suffix == ".csv":
            with metadata.open(encoding="utf-8-sig", newline="") as file:
                for row in csv.DictReader(file):
                    yield {k: v or "" for k, v in row.items() if k is not None}
        elif metadata.suffix == ".jsonl":
            with metadata.open(encoding="utf-8-sig") as file:
                for line in file:
                    if line.strip():
                        yield {k: "" if v is None else str(v) for k, v in json.loads(line).items()}
        else:
            try:
                import pyarrow.parquet as parquet
            except ImportError:
                raise UserError(f"Reading {metadata} needs pyarrow: pip install pyarrow.") from None
            for rows in parquet.ParquetFile(metadata).iter_batches(1024):
                for row in rows.to_pylist():
                    yield {k: "" if v is None else str(v) for k, v in row.items()}
    except (ValueError, AttributeError, csv.Error, OSError) as error:  # ValueError: bad UTF-8, bad JSON, bad Parquet
        raise UserError(f"{metadata} cannot be read: {error}.") from None


def find_metadata(folder: Path) -> Path | None:
    """The metadata file of a folder, or None when it has none."""
    for name in ("metadata.csv", "metadata.jsonl", "metadata.parquet"):
        if (folder / name).is_file():
            return folder / name
    return None


def read_imagefolder(folder: str | Path, schema: AttributeSchema | None = None) -> ImageFolder:
    """Read a labelled folder.

    Args:
        folder: holds the metadata file and the pictures.
        schema: which columns are attributes and their values; ``attributes.json`` in the folder when not given.

    Raises:
        UserError: nothing readable there, a column or value is wrong (with its line), a file name leaves the folder or
            repeats.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; give one that holds metadata.csv and its pictures.")
    metadata = find_metadata(root)
    if metadata is None:
        raise UserError(f"{root} holds no metadata.csv, metadata.jsonl or metadata.parquet with a file_name column.")
    schema = schema or AttributeSchema.load(root / "attributes.json")
    records: list[Record] = []
    seen: set[str] = set()
    for line, row in enumerate(metadata_rows(metadata), start=2):
        name = row.get("file_name", "")
        if not name:
            raise UserError(f"{metadata}, line {line}: the column file_name is missing or empty.")
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise UserError(f"{metadata}, line {line}: {name!r} leaves the folder; file names are relative to it.")
        if name in seen:
            raise UserError(f"{metadata}, line {line}: {name!r} is listed twice.")
        seen.add(name)
        try:
            labels = schema.encode(row)
        except UserError as error:
            raise UserError(f"{metadata}, line {line}: {error}") from None
        known = {"file_name", "mask_file_name", "split", *schema.names}
        records.append(
            Record(
                item_id=str(Path(name).with_suffix("").as_posix()),
                file_name=name,
                labels=labels,
                mask_file_name=row.get("mask_file_name") or None,
                split=row.get("split") or None,
                extra={k: v for k, v in row.items() if k not in known},
            )
        )
    if not records:
        raise UserError(f"{metadata} lists no pictures.")
    return ImageFolder(root, schema, tuple(records))
