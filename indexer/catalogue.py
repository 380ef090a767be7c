"""What a catalogue holds: a labelled ``imagefolder``, nothing but photos, WebDataset shards, or addresses of photos.

Rows are read as they are asked for, so that a million need no more memory than a thousand. A row that cannot be used is
yielded as a refusal in its place; only a catalogue that cannot be read at all raises.

What is gone from the catalogue leaves the index; what only cannot be read now stays in it as it was:

- gone: no file of that name, or no row of it; a file that is damaged, is no picture or may not be indexed;
- not readable now: no permission, a failing disk, a folder that cannot be listed, a link to what does not exist, which
  may be on a disk that is not mounted, an address that cannot be fetched or kept, a photo whose decoding took too long,
  ended its process or failed for a reason of its own.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

from amgan.data.imagefolder import FIXED, misspelt
from amgan.data.labels import folder_schema, has_schema, read_labels
from amgan.data.metadata import READERS, Row, find_metadata, metadata_rows, require_folder
from amgan.data.names import item_id, relative_name
from amgan.data.shards import find_shards, samples, unseen_shards
from amgan.errors import PhotoError, UserError
from amgan.photos.decode import Place, display_name
from amgan.photos.listing import Listing, list_folder
from amgan.schema import AttributeSchema
from indexer.fetching import file_name_of, is_address
from indexer.refusals import Refusal
from retrieval.details import LONGEST, detail_names
from retrieval.stores.base import point_id


@dataclass(frozen=True)
class Item:
    """One garment of a catalogue; ``given`` are its labels by attribute, as far as the index knows such values, and
    ``details`` what else is said of it (``retrieval.details``)."""

    root: Path
    file_name: str
    mask_file_name: str | None = None
    given: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    address: str | None = None  # on the web; the photo is then fetched to ``file_name``
    in_shard: tuple[Place, Place | None] | None = None  # photo and mask, where they lie in an archive

    @cached_property
    def id(self) -> str:
        return point_id(self.file_name)

    @property
    def item_id(self) -> str:
        """As in data sets."""
        return item_id(self.file_name)

    @property
    def photo(self) -> Place:
        return self.in_shard[0] if self.in_shard else Place(self.root / self.file_name)

    @property
    def mask(self) -> Place | None:
        if self.in_shard:
            return self.in_shard[1]
        return Place(self.root / self.mask_file_name) if self.mask_file_name else None

    def behind_dead_link(self) -> bool:
        """Whether a link on the way to the photo or its mask leads nowhere now."""
        steps = [p for name in (self.file_name, self.mask_file_name) if name for p in _steps(PurePosixPath(name))]
        return any((self.root / step).is_symlink() and not (self.root / step).exists() for step in steps)


@dataclass
class Noticed:
    """What reading the rows showed.

    Attributes:
        unknown_labels: labels that the schema of the index does not have, with how often; they are left out.
        columns: of all rows, in order.
        too_long: cells that are too long to be kept, by column.
    """

    unknown_labels: Counter[str] = field(default_factory=Counter)
    columns: dict[str, None] = field(default_factory=dict)
    too_long: Counter[str] = field(default_factory=Counter)


class Catalogue:
    """A folder with ``metadata.csv``, ``.jsonl`` or ``.parquet``, with or without further labels beside it
    (``amgan.data.labels``), or a folder of photos at any depth, or of WebDataset shards (``amgan.data.shards``) where
    it holds neither metadata nor photos. A ``file_name`` may be the address of a photo (``indexer.fetching``).

    Args:
        folder: the catalogue; also a metadata file of any name in its folder, or one shard.
        schema: the attributes of the index. Columns of these names, or of an alias, give an item's labels.
        attributes: an ``attributes.json``: only the columns it names are labels. Default: the folder's, if any, with
            what ``labels.json`` adds.

    Attributes:
        source, attributes: as given.
        noticed: of the rows, by whoever read them last.

    Raises:
        UserError: there is no such folder, or the metadata or the attributes are no readable file.
    """

    def __init__(self, folder: Path, schema: AttributeSchema, attributes: Path | None = None) -> None:
        self.source, self.attributes = folder, attributes
        self.metadata = require_catalogue(folder)
        self.shards = [] if self.metadata else find_shards(folder)
        self._unseen = unseen_shards(folder) if self.shards and folder.is_dir() else []
        if self.shards and folder.is_dir() and list_folder(folder).photos:
            self.shards = []  # photos with an archive beside them
        folder = folder if folder.is_dir() else folder.parent
        self.root, self.schema = folder, schema
        self._labels = schema
        if attributes or has_schema(folder):
            self._labels = AttributeSchema.load(attributes) if attributes else folder_schema(folder)
        self._attributes = lru_cache(maxsize=64)(self._find_attributes)  # rows of a file have the same columns
        self._details = lru_cache(maxsize=64)(self._find_details)
        self.noticed = Noticed()

    @cached_property
    def _listing(self) -> Listing:
        return list_folder(self.root)

    def a_file(self) -> Path | None:
        """Some file of the catalogue, by which another machine can tell whether it sees the same one, and this one
        whether it still does."""
        return self.metadata or next((p for p in self.shards or self._listing.photos if os.path.exists(p)), None)

    def count(self) -> int:
        """How many entries there are, usable or not."""
        if self.shards:
            return sum(1 for shard in self.shards for _ in samples(shard))
        if self.metadata is None:
            return len(self._listing.photos) + len(self._listing.closed)
        return sum(1 for _ in metadata_rows(self.metadata))

    def hidden(self) -> list[str]:
        """Names of folders and shards, or of links that may have led to some, whose photos cannot be listed now."""
        if self.metadata is not None:
            return []
        unseen = self._unseen if self.shards else (*self._listing.closed, *self._listing.dead_links)
        return [self._name(path) for path in unseen]

    def warnings(self) -> list[str]:
        """Sentences on columns that are probably meant for an attribute, and on cells too long to be kept, once all
        rows were read."""
        source = self.metadata or (self.shards[0] if self.shards else None)
        if source is None:
            return []
        long = [
            f"{source}: {count} cells of the column {column!r} are longer than {LONGEST} characters and are "
            "not kept with the index."
            for column, count in self.noticed.too_long.items()
        ]
        return misspelt(self.noticed.columns, self._labels, source) + long

    def __iter__(self) -> Iterator[Item | Refusal]:
        """Every entry once. Raises UserError when the metadata file itself is broken or lacks ``file_name``."""
        self.noticed = Noticed()
        listed: set[str] = set()
        for entry in self._entries():
            if isinstance(entry, Item):
                if entry.id in listed:
                    entry = Refusal(entry.file_name, "duplicate", f"{entry.file_name} is listed more than once.")
                else:
                    listed.add(entry.id)
            yield entry

    def _entries(self) -> Iterator[Item | Refusal]:
        if self.metadata is not None:
            return self._listed(self.metadata)
        return self._sharded() if self.shards else self._plain()

    def _sharded(self) -> Iterator[Item | Refusal]:
        for sample in (s for shard in self.shards for s in samples(shard)):
            row = Row(self.root, sample.name, sample.cells)
            if sample.problem or sample.photo is None:
                shown = display_name(sample.name)
                yield Refusal(shown, *(sample.problem or ("no-photo", f"{shown}: no photo.")))
                continue
            try:
                name = relative_name(sample.name)
            except PhotoError as error:
                yield Refusal(display_name(sample.name), error.reason, f"{self.root}: {error}")
                continue
            mask = f"{name}: mask" if sample.mask else None
            yield Item(self.root, name, mask, self._given(row), self._said(row), in_shard=(sample.photo, sample.mask))

    def _plain(self) -> Iterator[Item | Refusal]:
        for path, reason in self._listing.closed.items():
            shown = display_name(self._name(path))
            sentence = f"{shown} is a folder that cannot be listed ({reason}); what the index holds of it stays."
            yield Refusal(shown, "unreadable", sentence)
        for path in self._listing.photos:
            name = self._name(path)
            if _is_plain(name):
                yield Item(self.root, name)
                continue
            shown = display_name(name)
            sentence = (
                f'The file name "{shown}" is not valid UTF-8, holds a backslash, or begins with a space or with a '
                "letter and a colon, which not every machine reads alike; rename the file."
            )
            yield Refusal(shown, "bad-name", sentence)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _listed(self, metadata: Path) -> Iterator[Item | Refusal]:
        labels = read_labels(self.root, self._labels, strict=False)
        for row in metadata_rows(metadata):
            if labels is not None:
                try:
                    row = replace(row, cells=labels.joined(row.cells, self._labels))
                except UserError as error:
                    raise UserError(f"{row.where}: {error}") from None
            name, mask = row.cells["file_name"], row.cells.get("mask_file_name", "").strip()
            if not name.strip():
                yield Refusal(row.place, "no-file-name", f"{row.where}: file_name is empty.")
                continue
            given, details = self._given(row), self._said(row)
            address = name.strip() if is_address(name) else None
            if address:
                name, details = file_name_of(address), details | {"photo_url": address}
            try:
                item = Item(
                    self.root, relative_name(name), relative_name(mask) if mask else None, given, details, address
                )
            except PhotoError as error:
                yield Refusal(display_name(name.strip()), error.reason, f"{row.where}: {error}")
            else:
                yield item

    def _given(self, row: Row) -> dict[str, str]:
        given = {}
        self.noticed.columns |= dict.fromkeys(row.cells)
        try:
            attributes = self._attributes(tuple(row.cells))
        except UserError as error:
            raise UserError(f"{row.where}: {error}") from None
        for column, attribute in attributes.items():
            value = row.cells[column]
            if not value.strip():
                continue
            try:
                given[attribute] = self.schema.resolve_value(attribute, value)
            except UserError:
                self.noticed.unknown_labels[f"{attribute}={value.strip()[:40]}"] += 1
        return given

    def _said(self, row: Row) -> dict[str, str]:
        """The cells that are no labels and name no files, by what they are called among a garment's details."""
        details = {}
        for column, name in self._details(tuple(row.cells)).items():
            value = row.cells[column].strip()
            if len(value) > LONGEST:
                self.noticed.too_long[column] += 1
            elif value:
                details[name] = value
        return details

    def _find_details(self, columns: tuple[str, ...]) -> dict[str, str]:
        attributes = self._attributes(columns)
        return detail_names(c for c in columns if c not in FIXED and c not in attributes)

    def _find_attributes(self, columns: tuple[str, ...]) -> dict[str, str]:
        """Column to attribute of the index. Raises UserError where two columns give the same."""
        labels = self._labels.columns(c for c in columns if c not in FIXED)
        column_of = {key: column for column, key in labels.items()}
        return {column_of[key]: attribute for key, attribute in self.schema.columns(labels.values()).items()}


def require_catalogue(path: Path) -> Path | None:
    """The metadata file of a catalogue, if it has one. Raises UserError where there is no catalogue."""
    if path.is_file() and path.suffix in READERS:
        return path
    if not (path.is_file() and path.suffix == ".tar"):
        require_folder(path, "photos, or metadata.csv and photos")
        return find_metadata(path)
    return None


def _is_plain(name: str) -> bool:
    """Whether a name in a folder is what lists and indexes call it; else its photo would not be found by it again."""
    try:
        return relative_name(name) == name
    except PhotoError:
        return False


def _steps(name: PurePosixPath) -> list[PurePosixPath]:
    """The name and the folders on the way to it."""
    return [name, *name.parents]
