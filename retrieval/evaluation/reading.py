"""Reports that ``evaluate-retrieval`` wrote, read back: of one editor, or of several that are compared.

    report = read_report(Path("out/report"))
    report.curve("A", "judge", "edited", attribute="sleeve")      k to the share of queries with a right garment

Light to import, unlike what measures. What is read is checked, for a report may come from anyone.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from amgan.errors import UserError

FILE, SHEET = "report.json", "sheet.png"
VERSIONS = (3,)  # of the format, see ``retrieval.evaluation.measurement``
LARGEST = 64 * 2**20  # bytes; a report of two editors has some 200 thousand
DEEPEST, MOST = 3, 500  # folders below the one that is looked through, and reports found in it

T = TypeVar("T")


class Interval(NamedTuple):
    """A mean and its 95 % interval; NaN where there is none."""

    mean: float
    low: float = math.nan
    high: float = math.nan


Curve = dict[int, Interval]  # by k


@dataclass(frozen=True)
class EditTable:
    """Edits of one attribute: ``macro`` by measure, ``values`` by wanted value and measure; ``confusion`` the values,
    and counts of wanted value (rows) by what the judge sees (columns)."""

    edits: int
    macro: dict[str, Interval]
    values: dict[str, dict[str, float]]
    counts: dict[str, int]
    confusion: tuple[list[str], list[list[int]]] | None


@dataclass(frozen=True)
class Row:
    """What one kind of query finds: ``hit`` over all, by edited attribute, and by wanted value where that is told."""

    hit: Curve
    attributes: dict[str, Curve]
    values: dict[tuple[str, str], Curve]


@dataclass(frozen=True)
class RetrievalTable:
    queries: int
    gallery: int
    rows: dict[str, Row]


@dataclass(frozen=True)
class OpenedReport:
    """A report.

    Attributes:
        methods: names of the editors; ``edited`` alone in the report of one.
        edits: by editor or reference ("no edit", "truth") and attribute; ``overall`` by editor and measure.
        protocols: by protocol (A, B, C) and network.
        compared: by measure, of each editor and of differences of two; empty in the report of one.
        facts: what it was measured on: folder, split, photos, protocol, weights, in the words of its JSON.
        sheet: its picture of examples, where that lies beside it.
    """

    folder: Path
    methods: tuple[str, ...]
    edits: dict[str, dict[str, EditTable]]
    overall: dict[str, dict[str, Interval]]
    protocols: dict[str, dict[str, RetrievalTable]]
    compared: dict[str, tuple[dict[str, Interval], dict[str, Interval]]]
    facts: dict[str, str]
    warnings: tuple[str, ...] = ()
    sheet: Path | None = field(default=None)

    @property
    def attributes(self) -> dict[str, tuple[str, ...]]:
        """Those that were edited, with their wanted values."""
        return {a: tuple(t.values) for a, t in self.edits[self.methods[0]].items()}

    @property
    def measures(self) -> tuple[str, ...]:
        """Of edits, in the order of the report."""
        return tuple(dict.fromkeys(m for tables in self.edits.values() for t in tables.values() for m in t.macro))

    def curve(self, protocol: str, network: str, row: str, attribute: str = "", value: str = "") -> Curve:
        """Of all queries, of those that edit an attribute, or that want a value; empty where that was not told."""
        found = self.protocols[protocol][network].rows[row]
        if value:
            return found.values.get((attribute, value), {})
        return found.attributes.get(attribute, {}) if attribute else found.hit


def find_reports(root: Path) -> list[str]:
    """Names of the folders with a report below a folder, relative to it, ``"."`` for itself; links are not followed.

    Raises:
        UserError: there is no such folder.
    """
    if not root.is_dir():
        raise UserError(f"There is no folder {root} with reports; evaluate-retrieval writes one: --out FOLDER.")
    return sorted(_with_reports(root))[:MOST]


def _with_reports(root: Path) -> Iterator[str]:
    for place, folders, files in os.walk(root):
        name = Path(place).relative_to(root)
        folders[:] = [f for f in folders if not f.startswith(".")] if len(name.parts) < DEEPEST else []
        if FILE in files:
            yield name.as_posix()


def read_report(folder: Path) -> OpenedReport:
    """Raises UserError: it is missing, damaged, of another version, or no report."""
    path = folder / FILE
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path} is larger than {LARGEST >> 20} MB, which no report is.")
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"There is no report in {folder}: {FILE} is missing.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path} is damaged, or no JSON. Run evaluate-retrieval again.") from None
    if not isinstance(values, dict) or not {"version", "data", "protocols"} <= set(values):
        raise UserError(f"{path} is no report of evaluate-retrieval.")
    if values["version"] not in VERSIONS:
        raise UserError(
            f"{path} has version {values['version']!r}; this program reads {', '.join(map(str, VERSIONS))}. Run "
            "evaluate-retrieval again."
        )
    try:
        return _opened(folder, values)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{path} is damaged: {type(error).__name__} ({str(error)[:100]}). Run it again.") from None


def _opened(folder: Path, values: Mapping[str, Any]) -> OpenedReport:
    if "methods" in values:
        methods = {str(name): m for name, m in values["methods"].items()}
        edits = {name: m["edits"] for name, m in methods.items()} | values["references"]["edits"]
        overall = {name: m["overall"] for name, m in methods.items()} | values["references"]["overall"]
    else:
        methods, edits, overall = {"edited": None}, values["edits"], values["overall"]
    if not methods or not edits["edited" if "edited" in methods else next(iter(methods))]:
        raise ValueError("no edits")
    data = values["data"]
    facts = {name: data[name] for name in ("folder", "split", "photos", "protocol")}
    facts["weights"] = ", ".join(methods) if "methods" in values else values["weights"]["name"]
    return OpenedReport(
        folder,
        tuple(methods),
        {str(n): _each(tables, _edit_table) for n, tables in edits.items()},
        {str(n): _each(o, _interval) for n, o in overall.items()},
        {str(p): _each(tables, _retrieval_table) for p, tables in values["protocols"].items()},
        _each(values.get("compared", {}), _compared),
        {name: str(value) for name, value in facts.items()},
        tuple(str(w) for w in values.get("warnings", ())),
        folder / SHEET if (folder / SHEET).is_file() else None,
    )


def _compared(entry: Mapping[str, Any]) -> tuple[dict[str, Interval], dict[str, Interval]]:
    return _each(entry["methods"], _interval), _each(entry["differences"], _interval)


def _each(values: Mapping[str, Any], read: Callable[[Any], T]) -> dict[str, T]:
    return {str(key): read(value) for key, value in values.items()}


def _number(value: Any) -> float:
    """null is a mean over nothing."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"no number: {value!r}")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(f"no count: {value!r}")
    return value


def _interval(value: Mapping[str, Any]) -> Interval:
    return Interval(*(_number(value.get(end)) for end in Interval._fields))


def _edit_table(table: Mapping[str, Any]) -> EditTable:
    confusion = table.get("confusion")
    matrix = None if confusion is None else [[_count(n) for n in row] for row in confusion["matrix"]]
    names = [] if confusion is None else [str(v) for v in confusion["values"]]
    if matrix is not None and {len(names)} != {len(matrix), *map(len, matrix)}:
        raise ValueError("a confusion matrix is not square")
    return EditTable(
        _count(table["edits"]),
        _each(table["macro"], _interval),
        {str(v): {m: _number(x) for m, x in of.items() if m != "edits"} for v, of in table["values"].items()},
        {str(v): _count(of["edits"]) for v, of in table["values"].items()},
        None if matrix is None else (names, matrix),
    )


def _retrieval_table(table: Mapping[str, Any]) -> RetrievalTable:
    return RetrievalTable(_count(table["queries"]), _count(table["gallery"]), _each(table["rows"], _row))


def _row(row: Mapping[str, Any]) -> Row:
    values = {
        (str(attribute), str(value)): {int(k): Interval(_number(x)) for k, x in of.items() if k.isdecimal()}
        for attribute, part in row["attributes"].items()
        for value, of in part.get("values", {}).items()
    }
    return Row(_curve(row["hit"]), _each(row["attributes"], lambda part: _curve(part["hit"])), values)


def _curve(hit: Mapping[str, Any]) -> Curve:
    return {int(k): _interval(x) for k, x in hit.items()}
