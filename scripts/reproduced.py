"""The page of ``scripts/reproduce.py``: the paper's figures beside ours, what each row was given to learn, what the
rows differ in, and what is found without any generator."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from retrieval.evaluation.blocks import Block, Heading, Table, Text, to_markdown, with_interval

# Mean accuracy by the judge in per cent, and mean top-30, on DeepFashion-Synthesis and Shopping100k (AMGAN, ICCV 2019).
# Its text gives ablations as drops of the accuracy; figures of single rivals are not in it but in a plot.
PAPER: dict[str, tuple[tuple[float, float] | None, tuple[float, float] | None]] = {
    "amgan": ((79.48, 49.49), (0.657, 0.403)),
    "no-crop-critic": ((74.05, 43.15), None),
    "no-perceptual": ((69.84, 35.47), None),
    "no-attention": ((67.34, 25.50), None),
    "cam-mask": ((72.51, 40.15), None),
}
# In what the paper's claims would have AMGAN first.
CLAIMS = ("A top-30, teacher", "C top-10, teacher", "mask IoU with the true region")
SCEPTICS = (
    *("unedited", "unedited + wanted + kept", "wanted alone"),
    *("prototype", "arithmetic", "filter", "chance", "truth"),
)


def page(report: Mapping[str, Any], rows: Sequence[str], name: str, budgets: Mapping[str, tuple[float, float]]) -> str:
    """Markdown.

    Args:
        report: report.json of one editor, or of several by the names of ``rows``.
        rows: those that were measured, AMGAN first if it is there.
        name: of the data.
        budgets: by row, thousands of images that the generator's steps saw, and seconds of training.
    """
    blocks: list[Block] = [Heading(f"The paper's figures, and ours on {name}", 1), *beside_the_paper(report, rows)]
    blocks += [
        Heading("What each row was given to learn"),
        Table(
            ["row", "thousand images", "seconds", "of which the best on validation, thousand images"],
            [[r, f"{budgets[r][0]:g}", f"{budgets[r][1]:,.0f}", f"{_chosen(report, r):g}"] for r in rows],
        ),
    ]
    if "methods" in report:
        from retrieval.evaluation.report_comparison import short_tables

        blocks += short_tables(report)
        blocks += [Heading("What the claim is"), *claims(report["compared"], rows)]
    return to_markdown([*blocks, *sceptics(report, rows)])


def beside_the_paper(report: Mapping[str, Any], rows: Sequence[str]) -> list[Block]:
    """Accuracy and top-30 of every row, the paper's on its two data sets, and ours by the paper's means."""
    methods = report.get("methods") or {rows[0]: {"edits": report["edits"]["edited"]}}
    table = report["protocols"]["A"]["judge"]["rows"]
    lines = []
    for row in rows:
        accuracy, top = PAPER.get(row, (None, None))
        ours = f"{100 * plain_accuracy(methods[row]['edits']):.2f}"
        found = _top_30(table, row if "methods" in report else "edited")
        lines.append([row, _pair(accuracy, 2), ours, _pair(top, 3), found])
    lines.append(["the photo, unedited", "–", "–", "–", _top_30(table, "unedited")])
    return [
        Text(
            "Accuracy of the edited attribute by the judge, in per cent, and top-30 retrieval by the judge's features: "
            "means over attributes of the means over all edits, as in the paper (AMGAN, ICCV 2019). Its data sets are "
            "DeepFashion-Synthesis (D) and Shopping100k (S); its figures compare with ours on the same data alone. "
            "All tables, by attribute and paired, are in report/report.html."
        ),
        Table(["row", "paper, accuracy D / S", "ours", "paper, top-30 D / S", "ours"], lines),
    ]


def claims(compared: Mapping[str, Any], rows: Sequence[str]) -> list[Block]:
    """Who is first in what the paper claims AMGAN to be first in, and whether the others' distance could be chance."""
    lines = []
    for name in (c for c in CLAIMS if c in compared):
        entry = compared[name]
        first = max(rows, key=lambda row: entry["methods"][row]["mean"])
        behind, equal = [], []
        for row in (r for r in rows if r != "amgan" and "amgan" in rows):
            (behind if _below(entry["differences"], row, "amgan") else equal).append(row)
        lines.append([name, first, ", ".join(behind) or "–", ", ".join(equal) or "–"])
    return [Table(["measure", "first", "behind AMGAN beyond chance", "not so"], lines)]


def _below(differences: Mapping[str, Any], row: str, other: str) -> bool:
    """Whether the whole interval of their paired difference says so."""
    if entry := differences.get(f"{row} - {other}"):
        return entry.get("high", 0.0) < 0
    return differences[f"{other} - {row}"].get("low", 0.0) > 0


def sceptics(report: Mapping[str, Any], rows: Sequence[str]) -> list[Block]:
    """What queries find that need no generator, or the truth; and what the generators' edits find."""
    protocols = report["protocols"]
    wanted = [("A", "30"), *([("C", "1"), ("C", "10")] if "C" in protocols else [])]
    own = list(rows) if "methods" in report else ["edited"]
    tables = {p: protocols[p]["teacher"]["rows"] for p, _ in wanted}
    names = [n for n in (*own, *SCEPTICS) if n in tables["A"]]
    lines = [[n, *(with_interval(tables[p].get(n, {}).get("hit", {}).get(k)) for p, k in wanted)] for n in names]
    return [
        Heading("Without a generator"),
        Text("By the teacher's features. “wanted” and “kept” are blocks of a query; the true picture is the ceiling."),
        Table(["query", *(f"{p} top-{k}" for p, k in wanted)], lines),
    ]


def budget(folder: Path) -> tuple[float, float]:
    """Thousands of images and seconds of a row's whole training, all stages, by its journals; 0 where there is none."""
    kimg = seconds = 0.0
    for journal in sorted(folder.glob("**/editor-run/stats.jsonl")):
        entries = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
        kimg += max((e.get("kimg", 0.0) for e in entries), default=0.0)
        seconds += max((e.get("seconds", 0.0) for e in entries), default=0.0)
    return kimg, seconds


def plain_accuracy(edits: Mapping[str, Any]) -> float:
    """The mean over attributes of the share of all edits in which the judge sees the wanted value."""
    means = []
    for table in edits.values():
        counts = [v["edits"] for v in table["values"].values()]
        right = [v["edits"] * v["accepted"] for v in table["values"].values()]
        means.append(sum(right) / sum(counts))
    return sum(means) / len(means)


def _chosen(report: Mapping[str, Any], row: str) -> float:
    weights = (report["methods"][row] if "methods" in report else report)["weights"]
    return float(weights["trained"].get("kimg", 0.0))


def _top_30(table: Mapping[str, Any], row: str) -> str:
    hit = table.get(row, {}).get("plain", {}).get("30", {}).get("mean")
    return "–" if hit is None else f"{hit:.3f}"


def _pair(figures: tuple[float, float] | None, digits: int) -> str:
    return "–" if figures is None else " / ".join(f"{x:.{digits}f}" for x in figures)
