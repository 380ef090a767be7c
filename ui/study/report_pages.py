"""The report of a user study as JSON, Markdown, a table of answers, and a few lines for a terminal."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amgan.files import write_atomic
from retrieval.evaluation.blocks import Block, Heading, Points, Table, Text, number, to_markdown, with_interval
from ui.study.report import Result

FEW = 6  # participants; with fewer, Wilcoxon's test cannot come below 5 %, whatever they say
SHORT = {"real": "looks real", "edit": "shows the change", "kept": "kept the rest", "best": "best of all"}


def write_report(folder: Path, result: Result) -> list[Path]:
    """Write report.json, report.md and answers.csv, each whole or not at all. Raises OSError."""
    table = io.StringIO()
    writer = csv.DictWriter(table, list(result.rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(result.rows)
    files = {
        "report.json": json.dumps(result.report, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "report.md": to_markdown(compose_report(result.report)),
        "answers.csv": table.getvalue(),
    }
    for name, text in files.items():
        write_atomic(folder / name, text)
    return [folder / name for name in files]


def compose_report(report: Mapping[str, Any]) -> list[Block]:
    """The report's blocks, in reading order."""
    people, design, questions = report["participants"], report["design"], report["questions"]
    editors = list(report["editors"])
    blocks: list[Block] = [
        Heading("User study", 1),
        Text(_summary_line(report)),
        *(Text(f"Warning: {w}") for w in warnings(report)),
        Table(
            ["share of choices", *(SHORT[q] for q in questions)],
            [[e, *(_interval(questions[q]["shares"][e]) for q in questions)] for e in editors],
            "Of all choices the share of each editor; in square brackets 95 % intervals by bootstrap over participants "
            f"and garments. Chance is {1 / len(editors):.3f}.",
        ),
        Heading("By attribute"),
    ]
    for attribute in questions["best"]["by_attribute"]:
        rows = [[e, *(_interval(questions[q]["by_attribute"][attribute][e]) for q in questions)] for e in editors]
        blocks.append(Table([attribute, *(SHORT[q] for q in questions)], rows))
    blocks += [
        Heading("Is it more than chance?"),
        Table(
            ["Friedman's test", "over participants", "Kendall's W", "over garments", "Kendall's W"],
            [[SHORT[q], *_friedman_cells(questions[q]["friedman"])] for q in questions],
        ),
        Table(
            ["pair", *(SHORT[q] for q in questions)],
            _pair_rows(questions),
            "Difference of shares, and p of Wilcoxon's signed-rank test over participants, corrected by Holm.",
        ),
        Heading("Do people agree?"),
        Table(
            ["", "Krippendorff's alpha", "two chose the same", "by chance", "cannot decide"],
            [[SHORT[q], *_agreement_cells(questions[q])] for q in questions],
        ),
        Heading("Do positions matter?"),
        Table(
            ["", *(f"position {i + 1}" for i in range(len(editors))), "p"],
            [[SHORT[q], *map(str, v["positions"]["chosen"]), _p(v["positions"]["p"])] for q, v in questions.items()],
            "How often each position was chosen. Editors stand in each equally often, so shares do not suffer.",
        ),
        Heading("Study"),
        Points(
            (
                *(
                    f"{SHORT[q]}: “{text.replace('{change}', 'the change in words')}”"
                    for q, text in design["questions"].items()
                ),
                "Changes: " + ", ".join(f"{change} ({n})" for change, n in design["changes"].items()) + ".",
                f"Data: {report['data']['folder']}, split {report['data']['split']}, SHA-256 "
                f"{report['data']['sha256']}; cut out by {report['data']['segmenter']}.",
                "Editors: " + ", ".join(f"{name} ({identity})" for name, identity in report["editors"].items()) + ".",
                f"Seed {design['seed']}, {report['bootstrap_rounds']} bootstrap draws, "
                f"{people['median_seconds']:.1f} s an answer (median).",
                "Libraries: " + ", ".join(f"{k} {v}" for k, v in report["libraries"].items()) + ".",
            )
        ),
    ]
    return blocks


def warnings(report: Mapping[str, Any]) -> list[str]:
    """What a reader should know before believing the figures."""
    people, found = report["participants"], []
    if people["answered"] < FEW:
        found.append(f"{people['answered']} participants are too few for any test over participants; {FEW} at least.")
    if people["finished"] < people["answered"]:
        found.append(f"{people['answered'] - people['finished']} of {people['answered']} have not answered everything.")
    same = report["repeats"]["same_choice"]
    chance = 1 / len(report["editors"])
    if same is not None and report["repeats"]["answers"] >= 20 and same < 2 * chance:
        found.append(f"Asked again, participants chose the same in {same:.0%}; chance would be {chance:.0%}.")
    return found


def compose_summary(report: Mapping[str, Any]) -> str:
    """The main figures in a few lines for a terminal."""
    lines = [_summary_line(report), *(f"Warning: {w}" for w in warnings(report))]
    for q, v in report["questions"].items():
        best_first = sorted(v["shares"].items(), key=lambda item: -(item[1]["mean"] or 0))
        words = ", ".join(f"{name} {_interval(entry)}" for name, entry in best_first)
        test = v["friedman"]["over_participants"]
        tail = f"; Friedman p {_p(test['p'])}" if test else ""
        lines.append(f"{SHORT[q]}: {words}{tail}; alpha {number(v['agreement']['alpha'], 2)}.")
    return "\n".join(lines)


def _summary_line(report: Mapping[str, Any]) -> str:
    people, design, again = report["participants"], report["design"], report["repeats"]
    line = (
        f"{people['answered']} participants, of whom {people['finished']} finished, compared "
        f"{len(report['editors'])} editors on {design['comparisons']} photos: {people['answers']:,} answers."
    )
    if again["same_choice"] is not None:
        line += f" Asked again, they chose the same in {again['same_choice']:.0%} of {again['answers']} cases."
    return line


def _interval(entry: Mapping[str, float | None]) -> str:
    return with_interval({k: math.nan if v is None else v for k, v in entry.items()})


def _friedman_cells(tests: Mapping[str, Mapping[str, float] | None]) -> list[str]:
    cells: list[str] = []
    for test in tests.values():
        cells += ["–", "–"] if test is None else [f"χ² {test['chi2']:.1f}, p {_p(test['p'])}", number(test["w"], 2)]
    return cells


def _pair_rows(questions: Mapping[str, Any]) -> list[list[str]]:
    rows: dict[str, list[str]] = {}
    for column, q in enumerate(questions.values()):
        for p in q["pairs"]:
            row = rows.setdefault(f"{p['first']} against {p['second']}", ["–"] * len(questions))
            row[column] = f"{p['difference']:+.3f}, p {_p(p['p_holm'])}"
    return [[name, *cells] for name, cells in rows.items()]


def _agreement_cells(question: Mapping[str, Any]) -> list[str]:
    a, n = question["agreement"], question["answers"]
    undecided = f"{question['cannot_decide'] / n:.0%}" if n else "–"
    return [number(a["alpha"], 2), number(a["same_choice"], 2), number(a["by_chance"], 2), undecided]


def _p(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"
