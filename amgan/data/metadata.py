"""The one reader of ``metadata.csv``, ``.jsonl`` and ``.parquet``, for labelled folders and catalogues alike.

It is strict, because a row that gets lost in silence is a garment that leaves the index: what is not well-formed is an
error with its line. Rows are read as they are asked for, so that a million need no more memory than a thousand.
"""

from __future__ import annotations

import csv
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from amgan.errors import UserError
from amgan.photos.listing import SUFFIXES
from amgan.spelling import plain

NAMES = ("file_name", "mask_file_name")  # the columns that name files
# What else the first may be called, the likeliest first, as ``plain`` writes it: product feeds have ``image_link``.
PHOTO_COLUMNS = (
    *("file name", "filename", "image link", "image url", "photo url", "picture url", "img url"),
    *("image file", "photo file", "image name", "image path", "image", "photo", "picture"),
)
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its cells as text by column, empty where a cell is, and its place, ``"line 7"``, in the file."""

    file: Path
    place: str
    cells: dict[str, str]

    @property
    def where(self) -> str:
        return f"{self.file}, {self.place}"


def find_metadata(folder: Path) -> Path | None:
    """The metadata file of a folder, the first that ``READERS`` can read, or None. Raises as `regular_file`."""
    return find_table(folder, "metadata")


def find_table(folder: Path, stem: str) -> Path | None:
    """The table of that name in a folder, the first that ``READERS`` can read, or None. Raises as `regular_file`."""
    return next((found for end in READERS if (found := regular_file(folder / f"{stem}{end}"))), None)


def regular_file(path: Path) -> Path | None:
    """The path where a file is, None where nothing is.

    Raises:
        UserError: something else bears the name: a folder, a pipe, which would block its reader for ever, a device, a
            link to nowhere. Whoever put it there means the file to be read.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise UserError(f"{path} is a link to a file that does not exist; restore the file or remove it.") from None
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {_reason(error)}.") from None
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
        raise UserError(f"{path} is {what}; a file is needed there, or nothing.")
    return path


def require_folder(folder: Path, contents: str) -> None:
    """Raises UserError, saying what the folder should hold, unless it is one."""
    try:
        found = folder.is_dir()
    except OSError as error:
        raise UserError(f"The folder {folder} cannot be read: {_reason(error)}.") from None
    if not found:
        raise UserError(f"{folder} is not a folder; give one that holds {contents}.")


def metadata_rows(metadata: Path) -> Iterator[Row]:
    """The rows of a metadata file, each with a ``file_name``, if only an empty one.

    Raises:
        UserError: the file cannot be read or is not well-formed, with the line.
    """
    try:
        yield from READERS[metadata.suffix](metadata)
    except OSError as error:
        raise UserError(f"{metadata} cannot be read: {_reason(error)}.") from None


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _with_file_name(columns: list[str], where: str) -> list[str]:
    """The columns, the one that names the picture as ``file_name``. Raises UserError where there is none."""
    if "file_name" in columns:
        return columns
    found = _photo_column(columns)
    if found is None:
        there = ", ".join(repr(c[:40]) for c in columns[:20]) or "none"
        raise UserError(
            f"{where}: there is no column file_name, image_link, image_url, image or photo, which names the picture; "
            f"the columns are {there}."
        )
    return ["file_name" if name == found else name for name in columns]


def _photo_column(columns: Iterable[str]) -> str | None:
    """The column that names the picture; ``file_name`` is one of the spellings."""
    named = {plain(c): c for c in columns}
    return next((named[spelling] for spelling in PHOTO_COLUMNS if spelling in named), None)


class _Lines:
    """The lines of a text file, each known to be UTF-8; ``row`` holds those that were read since it was emptied."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self.path, self.number, self.row = path, 0, list[str]()
        self._file = file

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._file)
        self.number += 1
        if not line.isascii() and any("\udc80" <= c <= "\udcff" for c in line):  # as errors="surrogateescape" has it
            raise UserError(f"{self.path}, line {self.number}: this is not UTF-8 text; save the file as UTF-8.")
        self.row.append(line)
        return line


def _csv_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = _Lines(path, file)
        records = _csv_records(lines)
        _, header = next(records, (0, []))
        columns = [name.strip() for name in header]
        columns = _checked_header(columns, lines)
        for number, cells in records:
            if len(cells) != len(columns):
                raise UserError(
                    f"{path}, line {number}: it has {len(cells)} cells where the header has {len(columns)}; a cell "
                    "that holds a comma stands in quotation marks."
                )
            if len(lines.row) > 1 and any(_like_a_row(line, len(columns)) for line in lines.row[1:]):
                raise UserError(
                    f"{path}, line {number}: a quotation mark that opens here takes in the rows behind it; close it, "
                    "or take it out."
                )
            yield Row(path, f"line {number}", dict(zip(columns, cells, strict=True)))


def _csv_records(lines: _Lines) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, and the line that each begins in: a quoted cell may run over several."""
    reader = csv.reader(lines, strict=True)
    while True:
        number = lines.number + 1
        lines.row.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if number == 1:
                _check_separator(lines)
            raise UserError(
                f"{lines.path}, line {number}: this row is not well-formed CSV ({error}); a quotation mark is missing "
                "or too many, or a long text is not closed."
            ) from None
        if cells:
            yield number, cells


def _checked_header(columns: list[str], lines: _Lines) -> list[str]:
    where = f"{lines.path}, line {lines.number - len(lines.row) + 1}"
    if not columns:
        raise UserError(f"{lines.path} is empty; its first line has to name the columns, file_name among them.")
    if len(lines.row) > 1:
        raise UserError(f"{where}: a quotation mark that opens in the header is not closed there; close it.")
    if _photo_column(columns) is None:
        _check_separator(lines)
    columns = _with_file_name(columns, where)
    if "" in columns:
        raise UserError(f"{where}: column {columns.index('') + 1} has no name; give it one, or take it out.")
    _require_unique(columns, where)
    return columns


def _check_separator(lines: _Lines) -> None:
    for separator, name in _SEPARATORS.items():
        cells = [cell.strip(' "\r\n') for cell in lines.row[0].split(separator)]
        if len(cells) > 1 and _photo_column(cells) is not None:
            raise UserError(f"{lines.path}: its columns are separated by {name}; save it with commas.")


def _require_unique(columns: list[str], where: str) -> None:
    double = next((name for i, name in enumerate(columns) if name in columns[:i]), None)
    if double is not None:
        raise UserError(f"{where}: there are two columns {double!r}; each name may be there once.")


def _like_a_row(line: str, columns: int) -> bool:
    """Whether a line inside a quoted cell is a row of its own: as many cells, one of which names a picture."""
    cells = line.split(",")
    return len(cells) >= columns and any(os.path.splitext(c.strip(' "\r\n'))[1].lower() in SUFFIXES for c in cells)


def _json_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        lines = _Lines(path, file)
        for line in lines:
            lines.row.clear()
            if line.strip():
                place = f"line {lines.number}"
                yield Row(path, place, _json_cells(line, f"{path}, {place}"))


def _json_cells(line: str, where: str) -> dict[str, str]:
    try:
        pairs = json.loads(line, object_pairs_hook=_Pairs)
        if not isinstance(pairs, _Pairs):
            raise UserError(f'{where}: this is no object; each line is one, like {{"file_name": "a.jpg"}}.')
        columns = _with_file_name([name.strip() for name, _ in pairs], where)
        _require_unique(columns, where)
        cells = {name: _text(value, name, where) for name, (_, value) in zip(columns, pairs, strict=True)}
        if "\\u" in line:  # an escape may stand for half a character, which can be neither printed nor stored
            "".join((*cells, *cells.values())).encode()
    except RecursionError:
        raise UserError(f"{where}: it is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: this is not JSON: {error.msg} at character {error.colno}.") from None
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise UserError(f"{where}: {half!r} is half a character and stands for nothing; write the character.") from None
    except ValueError as error:  # a number of thousands of digits
        raise UserError(f"{where}: this cannot be read: {error}.") from None
    return cells


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON with its keys as they stand, doubles included."""

    def __repr__(self) -> str:
        return repr(dict(self))


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise UserError(f"Reading {path} needs pyarrow: pip install pyarrow.") from None
    try:
        with parquet.ParquetFile(path) as file:
            columns = _with_file_name([name.strip() for name in file.schema_arrow.names], str(path))
            _require_unique(columns, str(path))
            first = 1
            for batch in file.iter_batches(1024):
                values = [_parquet_values(batch.column(i), path, name, first) for i, name in enumerate(columns)]
                for number, row in enumerate(zip(*values, strict=True), start=first):
                    where = f"{path}, row {number}"
                    cells = {n: _text(v, n, where) for n, v in zip(columns, row, strict=True)}
                    yield Row(path, f"row {number}", cells)
                first += batch.num_rows
            groups = sum(file.metadata.row_group(i).num_rows for i in range(file.num_row_groups))
            counts = {first - 1, groups, file.metadata.num_rows}
            if len(counts) > 1:  # pyarrow says nothing, and reads fewer
                raise UserError(
                    f"{path} is damaged: its counts of rows differ ({', '.join(map(str, sorted(counts)))})."
                )
    except (pyarrow.ArrowException, ValueError, NotImplementedError) as error:
        raise UserError(f"{path} cannot be read as Parquet: {error}.") from None


def _parquet_values(column: Any, path: Path, name: str, first: int) -> list[Any]:
    """The values of a column, as Python's; Parquet holds more than Python can say, dates before the year 1 for one."""
    try:
        return column.to_pylist()
    except (ValueError, OverflowError, TypeError, NotImplementedError):
        for number, value in enumerate(column, start=first):
            try:
                value.as_py()
            except (ValueError, OverflowError, TypeError, NotImplementedError) as error:
                raise UserError(f"{path}, row {number}: the value of {name!r} cannot be read: {error}.") from None
        raise


def _text(value: Any, column: str, where: str) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if column in NAMES and not isinstance(value, bytes):
        raise UserError(f"{where}: the {column} is no text; it is the name of a file, relative to the folder.")
    try:
        return value.decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        if column in NAMES:
            raise UserError(f"{where}: the {column} is not UTF-8 text.") from None
        return str(value)


# How each ending of a metadata file is read; where a folder has several, the first counts.
READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": _csv_rows,
    ".jsonl": _json_rows,
    ".parquet": _parquet_rows,
}
