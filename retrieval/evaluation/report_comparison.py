"""The pages of a comparison of several editors: what differs, by attribute, by protocol, and to look at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from amgan.evaluation import exact
from amgan.evaluation.edits import COLUMNS
from retrieval.evaluation import plots, report_exact
from retrieval.evaluation.blocks import Block, Heading, Picture, Points, Table, Text, with_interval
from retrieval.evaluation.report import as_png, common_facts, editor_facts, stick_confusions, write_pages
from retrieval.evaluation.report_protocols import main_protocol, retrieval_tables
from retrieval.evaluation.report_tables import COLUMN_NAMES, is_exact, stick_tables

TITLE = "Editors compared"
NAMES = COLUMN_NAMES | report_exact.COLUMN_NAMES
BY_ATTRIBUTE = ("accepted", "kept", "region_iou")


def write_comparison(folder: Path, comparison: Mapping[str, Any], sheet: Image.Image) -> list[Path]:
    """Write report.json, report.md, report.html and their PNGs. Raises UserError."""
    pictures = {"sheet.png": as_png(sheet), "confusion.png": _sticks(comparison)}
    for name, panels in confusions(comparison).items():
        pictures[confusion_file(comparison, name)] = plots.confusions(panels, ("seen by the judge", "wanted"))
    protocol = main_protocol(comparison)
    if tables := {n: t for n, t in comparison["protocols"][protocol].items() if t["queries"]}:
        what = "the true garment" if is_exact(comparison) else "a right garment"
        pictures["topk.png"] = plots.method_curves(tables, list(comparison["methods"]), what)
    return write_pages(folder, TITLE, comparison, compose_comparison(comparison, set(pictures)), pictures)


def _sticks(comparison: Mapping[str, Any]) -> bytes:
    return plots.confusions(stick_confusions(comparison), ("predicted", "given"))


def confusions(comparison: Mapping[str, Any]) -> dict[str, dict[str, tuple[list[str], list[list[int]]]]]:
    """By editor and attribute, values and matrix."""
    return {
        name: {a: (t["confusion"]["values"], t["confusion"]["matrix"]) for a, t in m["edits"].items()}
        for name, m in comparison["methods"].items()
    }


def confusion_file(comparison: Mapping[str, Any], name: str) -> str:
    """Numbered: an editor's name need not be a file's."""
    return f"edit_confusion_{list(comparison['methods']).index(name) + 1}.png"


def compose_comparison(comparison: Mapping[str, Any], pictures: set[str]) -> list[Block]:
    data, methods = comparison["data"], comparison["methods"]
    blocks: list[Block] = [
        Heading(TITLE, 1),
        Text(
            f"{', '.join(methods)} on {data['photos']} photos of the split “{data['split']}” of {data['folder']}: the "
            "same edits, the same gallery, the same networks that measure. Square brackets hold 95 % intervals by "
            "bootstrap over the source photos."
        ),
        *(Text(f"Warning: {w}") for w in comparison.get("warnings", ())),
        *short_tables(comparison),
        *edit_tables(comparison),
        *retrieval_tables(comparison, pictures),
        Heading("Confusion of edits"),
        Text(
            "Wanted value (rows) against what the judge sees in the edited picture (columns), counts; the share that "
            "is seen as wanted in brackets."
        ),
        *(Picture(confusion_file(comparison, name), name) for name in methods),
        *stick_tables(comparison, pictures),
        Heading("Examples"),
        Text(
            "The first photos of the split by the SHA-256 of their id, never chosen, each with "
            + ("its one edit" if is_exact(comparison) else "the first of its edits by the SHA-256 of its name")
            + ". Below each edit what the editor painted (white), where it has a mask."
        ),
        Picture("sheet.png", "The same edit by every editor", full=True),
        Heading("Definitions"),
        Points(tuple(f"{NAMES[c]}: {m}." for c, m in (COLUMNS | exact.COLUMNS).items() if c in _columns(comparison))),
        Heading("Settings"),
        Points(
            (
                *(fact for m in methods.values() for fact in editor_facts(m)),
                *common_facts(comparison),
            )
        ),
    ]
    return blocks


def _columns(comparison: Mapping[str, Any]) -> list[str]:
    first = next(iter(comparison["methods"].values()))
    return [c for c in COLUMNS | exact.COLUMNS if c in first["overall"]]


def short_tables(comparison: Mapping[str, Any]) -> list[Block]:
    compared, methods = comparison["compared"], list(comparison["methods"])
    first, *others = methods
    rows = [[name, *(with_interval(entry["methods"][name]) for entry in compared.values())] for name in methods]
    differences = [[name, *(_signed(entry["differences"][f"{name} - {first}"]) for entry in compared.values())]
                   for name in others]  # fmt: skip
    return [
        Heading("In short"),
        Text(
            "Accuracy is protocol A's: the share of edits in which the judge sees the wanted value. Retrieval is by "
            "the edited picture alone. Letters are protocols, then the network whose features searched."
        ),
        Table(["editor", *compared], rows),
        Table(
            [f"less {first}", *compared],
            differences,
            "Paired differences; ▲ and ▼ where the interval leaves out 0. All pairs are in report.json",
        ),
    ]


def _signed(entry: Mapping[str, float]) -> str:
    """``+0.021 [+0.010, +0.032] ▲``"""
    text = f"{entry['mean']:+.3f}"
    if "low" not in entry:
        return text
    mark = " ▲" if entry["low"] > 0 else " ▼" if entry["high"] < 0 else ""
    return f"{text} [{entry['low']:+.3f}, {entry['high']:+.3f}]{mark}"


def compose_short(comparison: Mapping[str, Any]) -> str:
    """A line for each editor, for a terminal."""
    compared = comparison["compared"]
    return "\n".join(
        f"{name}: " + ", ".join(f"{m} {with_interval(e['methods'][name])}" for m, e in compared.items())
        for name in comparison["methods"]
    )


def edit_tables(comparison: Mapping[str, Any]) -> list[Block]:
    methods, references = comparison["methods"], comparison["references"]
    overall = {**{n: m["overall"] for n, m in methods.items()}, **references["overall"]}
    tables = {**{n: m["edits"] for n, m in methods.items()}, **references["edits"]}
    attributes = list(next(iter(tables.values())))
    blocks: list[Block] = [
        Heading("How good the edits are"),
        Text(
            "Means over the wanted values, then over the attributes. “No edit” returns the photo as it is"
            + ("; “truth” the true picture: the ceiling." if "truth" in overall else ".")
        ),
        Table(
            ["mean over attributes", *overall],
            [[NAMES[c], *(with_interval(o.get(c)) for o in overall.values())] for c in _columns(comparison)],
        ),
    ]
    for column in BY_ATTRIBUTE:
        if column not in _columns(comparison):
            continue
        rows = [
            [name, *(with_interval(t.get(a, {}).get("macro", {}).get(column)) for a in attributes)]
            for name, t in tables.items()
        ]
        blocks.append(Table(["", *attributes], rows, f"By attribute: {NAMES[column]}"))
    return blocks
