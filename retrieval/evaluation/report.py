"""Numbers to pages: the report's dictionary as JSON, Markdown and one self-contained HTML file."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from amgan.errors import UserError
from amgan.evaluation import exact
from amgan.evaluation.edits import COLUMNS
from retrieval.evaluation import plots, report_exact
from retrieval.evaluation.blocks import Block, Heading, Picture, Points, Text, number, to_html, to_markdown
from retrieval.evaluation.report_protocols import main_protocol, retrieval_tables
from retrieval.evaluation.report_tables import (
    COLUMN_NAMES,
    edit_tables,
    is_exact,
    realism_tables,
    stick_tables,
)
from retrieval.evaluation.rows import TRUE_ROWS

TITLE = "Edits and retrieval, measured"


def write_report(folder: Path, report: Mapping[str, Any], sheet: Image.Image) -> list[Path]:
    """Write report.json, report.md, report.html and their PNGs, each file whole or not at all. Raises UserError."""
    pictures = {
        "values.png": plots.value_bars(report["edits"]["edited"]),
        "confusion.png": plots.confusions(stick_confusions(report), ("predicted", "given")),
    }
    if panels := edit_confusions(report):
        pictures["edit_confusion.png"] = plots.confusions(panels, ("seen by the judge", "wanted"))
    if tables := {n: t for n, t in report["protocols"][main_protocol(report)].items() if t["queries"]}:
        pictures["topk.png"] = plots.top_k_curves(tables, "the true garment" if is_exact(report) else "a right garment")
    pictures["sheet.png"] = as_png(sheet)
    return write_pages(folder, TITLE, report, compose_report(report, set(pictures)), pictures)


def as_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def stick_confusions(report: Mapping[str, Any]) -> dict[str, tuple[list[str], list[list[int]]]]:
    """By title, values and matrix: given labels against predicted ones."""
    sticks = report["measuring_sticks"]
    entries = {f"{n}: {a}": e for n in ("judge", "teacher") for a, e in sticks[n].items()}
    if sticks.get("colour from pixels"):
        entries["colour from pixels"] = sticks["colour from pixels"]
    return {title: (e["values"], e["confusion"]) for title, e in entries.items()}


def edit_confusions(report: Mapping[str, Any]) -> dict[str, tuple[list[str], list[list[int]]]]:
    """By attribute, values and matrix: wanted values against what the judge sees."""
    tables = {a: t["confusion"] for a, t in report["edits"]["edited"].items() if "confusion" in t}
    return {a: (c["values"], c["matrix"]) for a, c in tables.items()}


def write_pages(
    folder: Path, title: str, report: Mapping[str, Any], blocks: Sequence[Block], pictures: Mapping[str, bytes]
) -> list[Path]:
    """report.json, report.md, report.html and pictures in one folder, each file whole or not at all. Raises
    UserError."""
    files = {
        **pictures,
        "report.json": _utf8(to_json(report)),
        "report.md": _utf8(to_markdown(blocks)),
        "report.html": _utf8(to_html(title, blocks, pictures)),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            temporary = folder / f".{name}.tmp"
            temporary.write_bytes(data)
            os.replace(temporary, folder / name)
    except OSError as error:
        raise UserError(f"The report cannot be written to {folder}: {error.strerror or error}.") from None
    return [folder / name for name in files]


def _utf8(text: str) -> bytes:
    """Half characters, which names of files may hold, as JSON escapes them."""
    return text.encode(errors="backslashreplace")


def to_json(report: Mapping[str, Any]) -> str:
    """The report as JSON; a mean over nothing (NaN) is null."""
    return json.dumps(_finite(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def compose_report(report: Mapping[str, Any], pictures: set[str]) -> list[Block]:
    """The report's blocks, in reading order."""
    data, weights = report["data"], report["weights"]
    blocks: list[Block] = [
        Heading(TITLE, 1),
        Text(
            f"Weights {weights['name']} on {data['photos']} photos of the split “{data['split']}” of {data['folder']}. "
            "Square brackets hold 95 % intervals by bootstrap over the source photos."
        ),
        *(Text(f"Warning: {w}") for w in report.get("warnings", ())),
    ]
    synthetic = is_exact(report)
    blocks += report_exact.summary_tables(report) if synthetic else []
    blocks += edit_tables(report, pictures)
    blocks += report_exact.true_picture_tables(report) if synthetic else []
    blocks += realism_tables(report)
    blocks += retrieval_tables(report, pictures)
    blocks += stick_tables(report, pictures)
    blocks += [
        Heading("Examples"),
        Text(
            "The first photos of the split by the SHA-256 of their id, never chosen. "
            + (
                "The source, the edit, the true picture, the generator's own mask (white is painted), the true region."
                if synthetic
                else "First column: the photo, cut out, and below it its garment mask; then each edit, and below it "
                "the generator's own mask (white is painted)."
            )
        ),
        Picture("sheet.png", "Edits of the first photos by SHA-256", full=True),
    ]
    return blocks + _fine_print(report)


def _fine_print(report: Mapping[str, Any]) -> list[Block]:
    meanings, names = COLUMNS, COLUMN_NAMES
    if is_exact(report):
        meanings, names = COLUMNS | exact.COLUMNS, COLUMN_NAMES | report_exact.COLUMN_NAMES
    return [
        Heading("Definitions"),
        Points(tuple(f"{names[c]}: {meaning}." for c, meaning in meanings.items())),
        Heading("Settings"),
        Points((*editor_facts(report), *common_facts(report))),
    ]


def editor_facts(report: Mapping[str, Any]) -> list[str]:
    """Where an editor is from: hash, training, command."""
    w, trained = report["weights"], report["weights"]["trained"]
    facts = [f"Editor of {w['name']}: {w['editor']}."]
    if trained:
        model, preset = trained.get("model", "?"), trained.get("preset", "?")
        known = f"{w['name']} is a {model}, preset {preset}"
        if "kimg" in trained and "seconds" in trained:
            known += f", {trained['kimg']:g} thousand images in {trained['seconds']:,.0f} seconds"
        facts.append(known + (f", by {trained['command']}." if trained.get("command") else "."))
    return facts


def common_facts(report: Mapping[str, Any]) -> list[str]:
    """What all figures of a report go back to: networks, data, settings, versions, the command."""
    w, d, s = report["weights"], report["data"], report["settings"]
    q = s["query_weights"]
    return [
        f"Measured with {w['measured_with']}: teacher {w['teacher']}, judge {w['judge']} ({w['judge_backbone']}).",
        f"Data: {d['folder']}, split {d['split']}, {d['photos']} photos, {d['left_out']} left out (unusable), "
        f"SHA-256 {d['sha256']}.",
        *([f"Queries: those of {s['queries']}."] if s["queries"] else []),
        *(
            [f"{d['queries_left_out']} queries are left out, which ask for what these editors are not asked for."]
            if d["queries_left_out"]
            else []
        ),
        f"Limit {s['limit']}, image size {s['image_size']} px, batch {s['batch']}, {s['bootstrap_rounds']} "
        f"bootstrap draws, query weights picture {q['image']:g}, wanted {q['wanted']:g}, kept {q['kept']:g}, "
        f"twin {q['twin']:g}, text {q['text']:g}; "
        f"segmenter {s['segmenter']}.",
        "Libraries: " + ", ".join(f"{k} {v}" for k, v in report["libraries"].items()) + f"; {report['machine']}.",
        *([f"Command: {report['command']}"] if "command" in report else []),
        f"Started {report['times']['started']}; seconds: "
        + ", ".join(f"{k} {v:.1f}" for k, v in report["times"]["seconds"].items())
        + ".",
    ]


def compose_summary(report: Mapping[str, Any]) -> str:
    """The main figures in a few lines for a terminal."""
    lines, names = [], COLUMN_NAMES | report_exact.COLUMN_NAMES
    columns: tuple[str, ...] = ("accepted", "kept", "colour_pixels", "mask_iou", "change_outside", "detail_kept")
    rows: tuple[str, ...] = (
        "edited",
        "edited + wanted",
        "edited + wanted + kept",
        "unedited",
        "wanted alone",
        "chance",
    )
    if is_exact(report):
        columns, rows = ("accepted", "kept", "region_iou", "mae_inside", "ssim_inside"), (*rows, *TRUE_ROWS)
    for a, t in report["edits"]["edited"].items():
        means = ", ".join(f"{names[c]} {number(t['macro'][c]['mean'])}" for c in columns if c in t["macro"])
        lines.append(f"{a}: {t['edits']:,} edits; {means}.")
    for name, t in report["protocols"][main_protocol(report)].items():
        means = ", ".join(f"{r} {number(t['rows'][r]['hit']['10']['mean'])}" for r in rows if r in t["rows"])
        lines.append(f"Top-10 with {name}: {means or 'no query has a right garment in the gallery'}.")
    return "\n".join(lines)
