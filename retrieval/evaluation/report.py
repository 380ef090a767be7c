"""Numbers to pages: the report's dictionary as JSON, Markdown and one self-contained HTML file."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from amgan.errors import UserError
from retrieval.evaluation import plots, realism
from retrieval.evaluation.blocks import (
    Block,
    Heading,
    Picture,
    Points,
    Table,
    Text,
    number,
    to_html,
    to_markdown,
    with_interval,
)
from retrieval.evaluation.edits import COLUMNS
from retrieval.evaluation.topk import KS, ROWS, row_name

TITLE = "Edits and retrieval, measured"
SHOWN = {
    "accepted": "accepted by the judge",
    "kept": "kept attributes (given labels)",
    "kept_own": "kept attributes (judge's own)",
    "colour_pixels": "colour from pixels",
    "colour_kept_pixels": "colour kept, from pixels",
    "stray": "stray paint",
    "mask_iou": "mask IoU with the garment",
    "change_outside": "change outside",
    "change_inside": "change inside",
    "detail_kept": "detail kept",
    "sharpness": "sharpness, over real items",
    "sharpness_own": "sharpness, over the photo",
    "mask_area": "mask, share of the frame",
}


def write_report(folder: Path, report: Mapping[str, Any], sheet: Image.Image) -> list[Path]:
    """Write report.json, report.md, report.html and their PNGs, each file whole or not at all. Raises UserError."""
    pictures = {
        "values.png": plots.value_bars(report["edits"]["edited"]),
        "confusion.png": plots.confusions(report["measuring_sticks"]),
    }
    if any(t["queries"] for t in report["retrieval"].values()):
        pictures["topk.png"] = plots.top_k_curves({n: t for n, t in report["retrieval"].items() if t["queries"]})
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    pictures["sheet.png"] = buffer.getvalue()
    blocks = compose_report(report, set(pictures))
    files = {
        **pictures,
        "report.json": to_json(report).encode(),
        "report.md": to_markdown(blocks).encode(),
        "report.html": to_html(TITLE, blocks, pictures).encode(),
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
    ]
    blocks += _edit_tables(report, pictures)
    blocks += _realism_tables(report)
    blocks += _retrieval_tables(report, pictures)
    blocks += _stick_tables(report, pictures)
    blocks += [
        Heading("Examples"),
        Text(
            "The first photos of the split by the SHA-256 of their id, never chosen. First column: the photo, cut out, "
            "and below it its garment mask; then each edit, and below it the generator's own mask (white is painted)."
        ),
        Picture("sheet.png", "Edits of the first photos by SHA-256", full=True),
    ]
    return blocks + _fine_print(report)


def _edit_tables(report: Mapping[str, Any], pictures: set[str]) -> list[Block]:
    edited, plain = report["edits"]["edited"], report["edits"]["no edit"]
    names = list(edited)
    headers = ["measure", *(f"{a}: {kind}" for a in names for kind in ("edited", "no edit"))]
    rows = [
        [SHOWN[c], *(with_interval(t[a]["macro"].get(c)) for a in names for t in (edited, plain))]
        for c in COLUMNS
        if any(c in edited[a]["macro"] for a in names)
    ]
    counts = "; ".join(
        f"{a}: {edited[a]['edits']:,} edits of {edited[a]['photos']} photos, {edited[a]['unknown']} photos left out "
        f"because their {a} is unknown"
        for a in names
    )
    blocks: list[Block] = [
        Heading("How good the edits are"),
        Text(
            f"Every value but the current one and “multi” ({counts}). Means are macro-averaged over the wanted values."
        ),
        Table(headers, rows),
    ]
    for a in names:
        values = edited[a]["values"]
        shown = [c for c in COLUMNS if c in edited[a]["macro"]]
        rows = [[v, str(x["edits"]), *(number(x.get(c)) for c in shown)] for v, x in values.items()]
        blocks.append(Table([f"{a}, wanted", "edits", *(SHOWN[c] for c in shown)], rows))
    if "values.png" in pictures:
        blocks.append(Picture("values.png", "Edits accepted by the judge and colour from pixels, per wanted value"))
    return blocks


def _realism_tables(report: Mapping[str, Any]) -> list[Block]:
    entries = [
        (f"{a}, {v}", e)
        for a, t in report["realism"].items()
        for v, e in (("mean over values", t["macro"]), *t["values"].items())
    ]
    names = [row for row in realism.ROWS if any(row in e for _, e in entries)]
    rows = [
        [name, str(e["edits"]), str(e["real"]), str(e.get("subset", "–")), *(_with_spread(e.get(row)) for row in names)]
        for name, e in entries
    ]
    return [
        Heading("Do the edits look real"),
        Text(
            "Kernel distance (KID, Binkowski et al. 2018) on the judge's features: the unbiased squared MMD between "
            "the edits to a value and the split's real items that have it, mean ± standard deviation over "
            f"{realism.SUBSETS} random subsets. 0 is no difference, below 0 is chance; real items against real items "
            "say how large chance is with sets of that size. Features are of unit length and the kernel is (cosine + "
            "1)³, so figures compare with others of the same judge only. Values with fewer than "
            f"{2 * realism.SMALLEST} real items, or half as many edits, have none."
        ),
        Table(["wanted", "edits", "real items", "in a subset", *names], rows),
        Points(tuple(f"{row}: {realism.ROWS[row]}." for row in names)),
    ]


def _with_spread(entry: Mapping[str, float] | None) -> str:
    return "–" if entry is None else f"{number(entry['mean'], 4)} ± {number(entry['spread'], 4)}"


def _retrieval_tables(report: Mapping[str, Any], pictures: set[str]) -> list[Block]:
    tables = report["retrieval"]
    first = next(iter(tables.values()))
    blocks: list[Block] = [
        Heading("Do they find the right garments"),
        Text(
            f"Gallery: the split without the query's own photo ({first['gallery']} photos). Right: given labels hold "
            "the wanted value and every other known label of the query's photo; an unknown label in the gallery is "
            f"never a match, an unknown one of the query is not required. {first['queries']:,} queries with "
            f"{number(first.get('right_items_mean'), 1)} right garments each on average; {first['left_out']:,} more "
            "have no right garment in the gallery and are left out. Exact search."
        ),
    ]
    if "topk.png" in pictures:
        blocks.append(Picture("topk.png", "Top-k retrieval, per embedder"))
    for name, table in tables.items():
        if not table["queries"]:
            continue
        title = {
            "teacher": "the teacher's features (the generator was trained against them)",
            "judge": "the judge's features (no generator was trained against them)",
        }
        blocks.append(Heading(f"With {title.get(name, name)}", 3))
        rows = [
            [row_name(r), *(with_interval(e["hit"][str(k)]) for k in KS), number(e["precision"]["10"]["mean"])]
            for r, e in table["rows"].items()
        ]
        blocks.append(Table(["query", *(f"top-{k}" for k in KS), "precision@10"], rows, "A right garment in the top k"))
        attributes = list(table["rows"]["edited"]["attributes"])
        rows = [
            [row_name(r), *(number(e["attributes"][a]["hit"][str(k)]["mean"]) for a in attributes for k in (1, 10, 30))]
            for r, e in table["rows"].items()
        ]
        blocks.append(
            Table(["query", *(f"{a} top-{k}" for a in attributes for k in (1, 10, 30))], rows, "By edited attribute")
        )
    blocks.append(Points(tuple(f"{row_name(row)}: {meaning}." for row, meaning in ROWS.items())))
    return blocks


def _stick_tables(report: Mapping[str, Any], pictures: set[str]) -> list[Block]:
    sticks, rows = report["measuring_sticks"], []
    for network in ("judge", "teacher"):
        for attribute, e in sticks[network].items():
            rows.append(
                [f"{network}: {attribute}", str(e["photos"]), number(e["accuracy"]), number(e["balanced_accuracy"])]
            )
    pixels = sticks.get("colour from pixels")
    if pixels:
        rows.append(
            [
                "colour from pixels",
                str(pixels["photos"]),
                number(pixels["accuracy"]),
                number(pixels["balanced_accuracy"]),
            ]
        )
    blocks: list[Block] = [
        Heading("How good the measuring sticks are"),
        Text(
            "Agreement with the given labels on the real, unedited photos of the split. No score above can be trusted "
            "further than these."
            + (
                f" Colour from pixels agrees with {number(pixels['accuracy_without_multi'])} of the labels other than "
                "“multi”."
                if pixels
                else ""
            )
        ),
        Table(["stick", "photos", "accuracy", "balanced accuracy"], rows),
    ]
    if "confusion.png" in pictures:
        blocks.append(
            Picture(
                "confusion.png", "Given labels (rows) against what was seen (columns), counts; accuracy in brackets"
            )
        )
    return blocks


def _fine_print(report: Mapping[str, Any]) -> list[Block]:
    w, d, s = report["weights"], report["data"], report["settings"]
    q = s["query_weights"]
    return [
        Heading("Definitions"),
        Points(tuple(f"{SHOWN[c]}: {meaning}." for c, meaning in COLUMNS.items())),
        Heading("Settings"),
        Points(
            (
                f"Editor of {w['name']}: {w['editor']}. Measured with {w['measured_with']}: teacher {w['teacher']}, "
                f"judge {w['judge']}.",
                f"Data: {d['folder']}, split {d['split']}, {d['photos']} photos, {d['left_out']} left out (unusable), "
                f"SHA-256 {d['sha256']}.",
                f"Limit {s['limit']}, image size {s['image_size']} px, batch {s['batch']}, {s['bootstrap_rounds']} "
                f"bootstrap draws, query weights picture {q['image']:g}, wanted {q['wanted']:g}.",
                "Libraries: " + ", ".join(f"{k} {v}" for k, v in report["libraries"].items()) + ".",
                f"Started {report['times']['started']}; seconds: "
                + ", ".join(f"{k} {v:.1f}" for k, v in report["times"]["seconds"].items())
                + ".",
            )
        ),
    ]


def compose_summary(report: Mapping[str, Any]) -> str:
    """The main figures in a few lines for a terminal."""
    lines = []
    for a, t in report["edits"]["edited"].items():
        shown = ("accepted", "kept", "colour_pixels", "mask_iou", "change_outside", "detail_kept")
        means = ", ".join(f"{SHOWN[c]} {number(t['macro'][c]['mean'])}" for c in shown if c in t["macro"])
        lines.append(f"{a}: {t['edits']:,} edits; {means}.")
    for name, t in report["retrieval"].items():
        rows = ("edited", "edited + wanted", "unedited", "wanted alone", "prototype", "chance")
        means = ", ".join(f"{r} {number(t['rows'][r]['hit']['10']['mean'])}" for r in rows if r in t["rows"])
        lines.append(f"Top-10 with {name}: {means or 'no query has a right garment in the gallery'}.")
    return "\n".join(lines)
