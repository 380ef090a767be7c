"""The ``imagefolder`` convention: a folder with ``metadata.csv``, ``.jsonl`` or ``.parquet`` and ``attributes.json``.

Columns: ``file_name`` (required), ``mask_file_name`` and ``split`` (optional), one per attribute of the schema, by its
name or an alias; an empty cell is an unknown label. Every other column is kept as it is. ``labels.csv`` beside them
holds further labels, see ``amgan.data.labels``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from amgan.data.labels import Labels, folder_schema, has_schema, read_labels
from amgan.data.metadata import find_metadata, metadata_rows, require_folder
from amgan.data.names import item_id, relative_name
from amgan.errors import UserError
from amgan.schema import AttributeSchema

FIXED = ("file_name", "mask_file_name", "split")


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

    def within(self, schema: AttributeSchema, whose: str) -> ImageFolder:
        """The same pictures with their labels in another schema's attributes and values, unknown where it has no
        such; what that loses is said in a line on standard error.

        Args:
            whose: the schema's, for that line.

        Raises:
            UserError: the two share no label at all.
        """
        mine = np.stack([r.labels for r in self.records])
        theirs = schema.translated(mine, self.schema)
        if (mine >= 0).any() and not (theirs >= 0).any():
            raise UserError(
                f"No label of {self.root} is one that {whose} know: it has {', '.join(self.schema.names)}, and "
                f"{whose} know {', '.join(schema.names)}."
            )
        if sentence := _lost(self.schema, schema, mine, theirs):
            print(f"{self.root}, as {whose} know it: {sentence}.", file=sys.stderr)
        records = (replace(r, labels=labels) for r, labels in zip(self.records, theirs, strict=True))
        return ImageFolder(self.root, schema, tuple(records))

    def split(self, name: str) -> tuple[Record, ...]:
        """The records of one split. Raises UserError, with the splits there are, when it is empty."""
        chosen = tuple(r for r in self.records if r.split == name)
        if not chosen:
            there = sorted({r.split for r in self.records if r.split})
            raise UserError(
                f"{self.root} has no records in split {name!r}; it has {', '.join(there) or 'no split column'}."
            )
        return chosen


def read_imagefolder(folder: str | Path, schema: AttributeSchema | None = None) -> ImageFolder:
    """Read a labelled folder. A column that is probably a misspelt attribute is named on standard error.

    Args:
        folder: holds the metadata file and the pictures.
        schema: which columns are attributes and their values; ``folder_schema`` when not given.

    Raises:
        UserError: nothing readable there, a column or value is wrong (with its line), a file name leaves the folder or
            repeats.
    """
    root = Path(folder)
    require_folder(root, "metadata.csv and its pictures")
    metadata = find_metadata(root)
    if metadata is None:
        raise UserError(f"{root} holds no metadata.csv, metadata.jsonl or metadata.parquet with a file_name column.")
    if schema is None:
        schema = folder_schema(root)
    labels = read_labels(root, schema)
    records: dict[str, Record] = {}
    columns: dict[str, None] = {}  # in order
    for row in metadata_rows(metadata):
        try:
            record = _record(row.cells, schema, labels)
            if record.file_name in records:
                raise UserError(f"{record.file_name!r} is listed twice.")
        except UserError as error:
            raise UserError(f"{row.where}: {error}") from None
        records[record.file_name] = record
        columns |= dict.fromkeys(row.cells)
    if not records:
        raise UserError(f"{metadata} lists no pictures.")
    sentences = misspelt(columns, schema, metadata)
    if labels is not None:
        sentences += misspelt(labels.columns, schema, labels.file)
        sentences += [s] if (s := labels.without_picture(records)) else []
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    return ImageFolder(root, schema, tuple(records.values()))


def read_within(folder: str | Path, schema: AttributeSchema, whose: str) -> ImageFolder:
    """Read a labelled folder as weights of any schema know it: by its own schema, where it has one, and then
    ``ImageFolder.within`` theirs. Raises UserError as both do."""
    root = Path(folder)
    return read_imagefolder(root).within(schema, whose) if has_schema(root) else read_imagefolder(root, schema)


def _lost(old: AttributeSchema, new: AttributeSchema, before: np.ndarray, after: np.ndarray) -> str:
    """What a translation of labels int64 (n, M) to int64 (n, M') loses, in words; empty where nothing."""
    here = [old.find_attribute(name) for name in new.names]
    missing = [name for name, found in zip(new.names, here, strict=True) if found is None]
    dropped = [name for name in old.names if name not in here]
    words = [f"its {name} is left out" for name in dropped]
    for i, name in enumerate(here):
        if name is None:
            continue
        was = before[:, old.names.index(name)]
        gone = was[(was >= 0) & (after[:, i] < 0)]
        words += [f"{name}={old.values(name)[v]} is unknown ({int((gone == v).sum())} photos)" for v in np.unique(gone)]
    words += [f"it says nothing of the {name}" for name in missing]
    return ", ".join(words)


def misspelt(columns: Iterable[str], schema: AttributeSchema, metadata: Path) -> list[str]:
    """A sentence for each column that is left out and is probably meant for an attribute."""
    near = schema.near_columns([c for c in columns if c not in FIXED])
    return [
        f"{metadata}: the column {column!r} is no attribute and is not read as one; did you mean {key!r}?"
        for column, key in near.items()
    ]


def _record(cells: dict[str, str], schema: AttributeSchema, labels: Labels | None) -> Record:
    if not cells["file_name"].strip():
        raise UserError("the cell file_name is empty.")
    if labels is not None:
        cells = labels.joined(cells, schema)
    name, mask = relative_name(cells["file_name"]), cells.get("mask_file_name", "").strip()
    known = {*FIXED, *schema.columns(cells)}
    return Record(
        item_id=item_id(name),
        file_name=name,
        labels=schema.encode(cells),
        mask_file_name=relative_name(mask) if mask else None,
        split=cells.get("split", "").strip() or None,
        extra={k: v for k, v in cells.items() if k not in known},
    )
