"""What a catalogue folder holds: a labelled ``imagefolder``, or nothing but photos.

Rows are read as they are asked for, so that a million need no more memory than a thousand. A row that cannot be used is
yielded as a refusal in its place; only a catalogue that cannot be read at all raises.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from amgan.data.imagefolder import find_metadata, metadata_rows
from amgan.errors import UserError
from amgan.photos import list_photos
from amgan.photos.decode import display_name
from amgan.schema import AttributeSchema
from indexer.refusals import Refusal
from retrieval.stores.base import point_id


@dataclass(frozen=True)
class Item:
    """One garment of a catalogue; ``given`` are its labels by attribute, as far as the index knows such values."""

    root: Path
    file_name: str
    mask_file_name: str | None = None
    given: dict[str, str] = field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        return point_id(self.file_name)

    @property
    def item_id(self) -> str:
        """The file's name without its ending, as in data sets."""
        return str(PurePosixPath(self.file_name).with_suffix(""))

    @property
    def file(self) -> Path:
        return self.root / self.file_name

    @property
    def mask_file(self) -> Path | None:
        return self.root / self.mask_file_name if self.mask_file_name else None


class Catalogue:
    """A folder with ``metadata.csv``, ``.jsonl`` or ``.parquet``, or a folder of photos at any depth.

    Args:
        folder: the catalogue.
        schema: the attributes of the index. Columns of these names, or of an alias, give an item's labels.
        attributes: an ``attributes.json``: only the columns it names are labels. Default: the folder's, if any.

    Attributes:
        unknown_labels: labels that the schema of the index does not have, with how often; they are left out.

    Raises:
        UserError: there is no such folder, or the attributes cannot be read.
    """

    def __init__(self, folder: Path, schema: AttributeSchema, attributes: Path | None = None) -> None:
        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder; name one that holds photos, or metadata.csv and photos.")
        self.root, self.schema = folder, schema
        self.metadata = find_metadata(folder)
        if attributes is None and (folder / "attributes.json").is_file():
            attributes = folder / "attributes.json"
        self._labels = AttributeSchema.load(attributes) if attributes else schema
        self.unknown_labels: Counter[str] = Counter()

    @cached_property
    def _photos(self) -> list[Path]:
        return list_photos(self.root)

    def count(self) -> int:
        """How many entries there are, usable or not."""
        return len(self._photos) if self.metadata is None else sum(1 for _ in metadata_rows(self.metadata))

    def __iter__(self) -> Iterator[Item | Refusal]:
        """Every entry once. Raises UserError when the metadata file itself is broken or lacks ``file_name``."""
        self.unknown_labels.clear()
        seen: set[str] = set()
        for entry in self._plain() if self.metadata is None else self._listed(self.metadata):
            if isinstance(entry, Item):
                if entry.id in seen:
                    entry = Refusal(entry.file_name, "duplicate", f"{entry.file_name} is listed more than once.")
                else:
                    seen.add(entry.id)
            yield entry

    def _plain(self) -> Iterator[Item | Refusal]:
        for path in self._photos:
            name = path.relative_to(self.root).as_posix()
            try:
                name.encode()
            except UnicodeEncodeError:
                shown = display_name(name)
                yield Refusal(shown, "bad-name", f"The file name {shown} is not valid UTF-8; rename the file.")
            else:
                yield Item(self.root, name)

    def _listed(self, metadata: Path) -> Iterator[Item | Refusal]:
        for line, row in enumerate(metadata_rows(metadata), start=2 if metadata.suffix == ".csv" else 1):
            if "file_name" not in row:
                raise UserError(f"{metadata}, line {line}: there is no file_name; each row must name its photo.")
            name, mask = row["file_name"].strip(), (row.get("mask_file_name") or "").strip()
            if not name:
                yield Refusal(f"line {line}", "no-file-name", f"{metadata}, line {line}: file_name is empty.")
            elif wrong := next((n for n in (name, mask) if _leaves_the_folder(n)), None):
                sentence = f"{metadata}, line {line}: {wrong} leaves the folder; file names are relative to it."
                yield Refusal(name, "outside", sentence)
            else:
                yield Item(self.root, PurePosixPath(name).as_posix(), mask or None, self._given(row))

    def _given(self, row: dict[str, str]) -> dict[str, str]:
        given = {}
        for column, value in row.items():
            if not value.strip():
                continue
            try:
                attribute = self.schema.resolve_attribute(self._labels.resolve_attribute(column))
            except UserError:
                continue  # a column that is no attribute here
            try:
                given[attribute] = self.schema.resolve_value(attribute, value)
            except UserError:
                self.unknown_labels[f"{attribute}={value.strip()[:40]}"] += 1
        return given


def _leaves_the_folder(name: str) -> bool:
    return Path(name).is_absolute() or ".." in PurePosixPath(name).parts or "\0" in name
