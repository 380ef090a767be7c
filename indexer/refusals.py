"""Catalogue entries that are not in the index, why, and the files that list them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TextIO

from amgan.errors import UserError

COLUMNS = ("file_name", "reason", "message")
_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Refusal:
    """``reason`` is a stable code to count by, ``message`` the sentence for a person."""

    file_name: str
    reason: str
    message: str


class RefusalsFile:
    """JSON lines ``{"file_name", "reason", "message"}``, one per entry refused in this run, written as they come.

    The list of the run before is replaced at the first refusal, or at the end when there was none; a run that could not
    begin, because another is under way, leaves it alone. When the run has come to its end the same list is written
    beside it as a table, ``.parquet``, or ``.csv`` where pyarrow is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO | None = None

    def add(self, refusal: Refusal) -> None:
        """Raises UserError when the disk refuses."""
        said = {column: text.encode(errors="backslashreplace").decode() for column, text in asdict(refusal).items()}
        self._write(json.dumps(said, ensure_ascii=False) + "\n")

    def _write(self, text: str) -> None:
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("w", encoding="utf-8", buffering=1)
            self._file.write(text)
        except OSError as error:
            raise UserError(f"Cannot write the list of failures to {self.path}: {error.strerror or error}.") from None

    def __enter__(self) -> RefusalsFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is None:
            self._write("")
        if self._file is not None:
            self._file.close()
        if kind is None:
            write_table(self.path)


def write_table(listed: Path) -> Path:
    """The list of refusals as a table beside it, in one step; its path. Raises UserError when the disk refuses."""
    table = listed.with_suffix(".parquet" if find_spec("pyarrow") else ".csv")
    draft = table.with_name(f".{table.name}.draft")
    try:
        with listed.open(encoding="utf-8") as file:
            rows = (json.loads(line) for line in file)
            (_write_parquet if table.suffix == ".parquet" else _write_csv)(draft, rows)
        draft.replace(table)
    except OSError as error:
        raise UserError(f"Cannot write the table of failures {table}: {error.strerror or error}.") from None
    return table


def _write_csv(path: Path, rows: Iterator[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def _write_parquet(path: Path, rows: Iterator[dict[str, str]]) -> None:
    import pyarrow
    import pyarrow.parquet as parquet

    schema = pyarrow.schema([(name, pyarrow.string()) for name in COLUMNS])
    with parquet.ParquetWriter(path, schema) as out:
        while part := list(islice(rows, _ROWS_AT_ONCE)):
            out.write_table(pyarrow.Table.from_pylist(part, schema))
