"""Further labels of a labelled folder: ``labels.csv``, ``.jsonl`` or ``.parquet`` beside the metadata.

Its rows are joined to the metadata's by ``file_name``, and its columns override: whoever labels photos anew leaves what
reads ``metadata.csv`` as it was. An empty cell overrides too; it says that the label is unknown. ``labels.json`` beside
it adds attributes to those of ``attributes.json``, or gives theirs other values. A folder without them is read as ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from amgan.data.metadata import find_table, metadata_rows, regular_file
from amgan.data.names import relative_name
from amgan.errors import PhotoError, UserError
from amgan.schema import AttributeSchema

LABELS = "labels"  # the name of the file, without its ending


@dataclass(frozen=True)
class Labels:
    """What a labels file holds.

    Attributes:
        cells: its cells by ``file_name``, without that one.
        columns: their names, in order.
    """

    file: Path
    cells: Mapping[str, Mapping[str, str]]
    columns: tuple[str, ...]

    def joined(self, cells: dict[str, str], schema: AttributeSchema) -> dict[str, str]:
        """A row of the metadata with what this file says of it instead: of an attribute by whatever name."""
        try:
            over = self.cells.get(relative_name(cells["file_name"]))
        except PhotoError:  # no file can be of that name, which is for the reader of the metadata to say
            over = None
        if over is None:
            return cells
        given = set(schema.columns(over).values())
        hidden = {column for column, key in schema.columns(cells).items() if key in given}
        return {k: v for k, v in cells.items() if k not in hidden} | dict(over)

    def without_picture(self, names: Iterable[str]) -> str | None:
        """A sentence on rows whose pictures the metadata do not list, None where there are none.

        Args:
            names: the metadata's.

        Raises:
            UserError: it lists none of them.
        """
        listed = set(names)
        alone = [name for name in self.cells if name not in listed]
        if not alone:
            return None
        if len(alone) == len(self.cells):
            raise UserError(
                f"{self.file}: none of its {len(alone)} pictures, such as {alone[0]!r}, is in the metadata; its "
                "file_name has to be the metadata's."
            )
        return (
            f"{self.file}: {len(alone)} of its {len(self.cells)} rows name pictures that the metadata do not list, "
            f"such as {alone[0]!r}; they are left out."
        )


def has_schema(root: Path) -> bool:
    """Whether a folder says itself which columns are attributes, see ``folder_schema``."""
    more = find_table(root, LABELS) and regular_file(root / f"{LABELS}.json")
    return bool(regular_file(root / "attributes.json") or more)


def folder_schema(root: Path) -> AttributeSchema:
    """The schema of a labelled folder: ``attributes.json``, with what ``labels.json`` adds where there are labels.
    Raises UserError."""
    path = regular_file(root / "attributes.json")
    more = regular_file(root / f"{LABELS}.json") if find_table(root, LABELS) else None
    if more is None:
        return AttributeSchema.load(path or root / "attributes.json")
    added = AttributeSchema.load(more)
    if path is None:
        return added
    try:
        return AttributeSchema.load(path).extended(added)
    except UserError as error:
        raise UserError(f"{path} with {more}: {error}") from None


def read_labels(root: Path, schema: AttributeSchema, strict: bool = True) -> Labels | None:
    """The labels beside the metadata of a folder, None where there are none.

    Args:
        schema: whose attributes the columns give.
        strict: refuse values that it does not have.

    Raises:
        UserError: a picture is listed twice, or a cell is wrong, with the line.
    """
    path = find_table(root, LABELS)
    if path is None:
        return None
    found: dict[str, dict[str, str]] = {}
    columns: dict[str, None] = {}
    for row in metadata_rows(path):
        try:
            if not row.cells["file_name"].strip():
                raise UserError("the cell file_name is empty.")
            name = relative_name(row.cells["file_name"])
            if name in found:
                raise UserError(f"{name!r} is listed twice.")
            cells = {k: v for k, v in row.cells.items() if k != "file_name"}
            (schema.encode if strict else schema.columns)(cells)  # what is wrong is said with this file's line
        except UserError as error:
            raise UserError(f"{row.where}: {error}") from None
        found[name] = cells
        columns |= dict.fromkeys(cells)
    return Labels(path, found, tuple(columns))
