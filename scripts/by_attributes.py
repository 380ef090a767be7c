"""How methods fare as they learn to edit more attributes: the paper's central claim, from runs of scripts/reproduce.py.

python scripts/by_attributes.py runs/one runs/two runs/five --out by-attributes.png

Each folder is the --out of a run with other attributes to edit (--edit) and the same rows, data and budget otherwise. A
table is printed as Markdown, and drawn. The mean over attributes changes its meaning with them, so the attribute that
all runs edit stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from amgan.commandline import run
from amgan.errors import UserError
from amgan.files import writable_picture
from retrieval.evaluation.blocks import Heading, Table, Text, to_markdown, with_interval
from scripts.reproduce import REPORT, read

MEASURES = (
    *("accuracy by the judge", "other attributes kept", "mask IoU with the true region"),
    *("C top-10, teacher", "A top-30, teacher"),
)
DRAWN = ("accuracy by the judge", "C top-10, teacher", "A top-30, teacher")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Run:
    """What one run measured.

    Attributes:
        edited: the attributes that its editors edit.
        measures: by name, ``{row: {"mean", "low", "high"}}``.
        accuracy: by attribute, the same: the share of edits in which the judge sees the wanted value.
    """

    edited: tuple[str, ...]
    measures: Mapping[str, Mapping[str, Any]]
    accuracy: Mapping[str, Mapping[str, Any]]


@app.command(help=__doc__)
def main(
    folders: Annotated[list[Path], typer.Argument(help="Each the --out of a run of scripts/reproduce.py.")],
    out: Annotated[Path | None, typer.Option(help="Draw it too: a picture's name.")] = None,
) -> None:
    if out is not None:
        writable_picture(out, "--out")
    runs = sorted((read_run(folder) for folder in folders), key=lambda r: len(r.edited))
    rows = common(runs)
    print(to_markdown(table(runs, rows)), end="")
    if out is not None:
        out.write_bytes(draw(runs, rows))


def read_run(folder: Path) -> Run:
    """What a run of reproduce.py measured. Raises UserError where it has not."""
    report = read(folder / REPORT / "report.json")
    if "compared" not in report:
        raise UserError(f"{folder} holds no comparison of several rows; scripts/reproduce.py --out {folder} makes it.")
    edits = {row: method["edits"] for row, method in report["methods"].items()}
    names = tuple(next(iter(edits.values())))
    accuracy = {name: {row: tables[name]["macro"]["accepted"] for row, tables in edits.items()} for name in names}
    return Run(names, {name: entry["methods"] for name, entry in report["compared"].items()}, accuracy)


def common(runs: Sequence[Run]) -> list[str]:
    """The rows of all runs, in the first one's order. Raises UserError where there are none."""
    first = next(iter(runs[0].measures.values()))
    rows = [row for row in first if all(row in next(iter(r.measures.values())) for r in runs)]
    if not rows:
        raise UserError("These runs have no row in common; give runs of the same rows.")
    return rows


def table(runs: Sequence[Run], rows: Sequence[str]) -> list[Heading | Text | Table]:
    """One line for each run and row."""
    measures = [m for m in MEASURES if all(m in r.measures for r in runs)]
    shared = [name for name in runs[0].edited if all(name in r.edited for r in runs)]
    head = ["attributes", "editor", *measures, *(f"accuracy, {name} alone" for name in shared)]
    lines = []
    for r in runs:
        for row in rows:
            found = [r.measures[m][row] for m in measures] + [r.accuracy[name][row] for name in shared]
            lines.append([f"{len(r.edited)}: {', '.join(r.edited)}", row, *map(with_interval, found)])
    return [Heading("As the number of attributes grows"), Table(head, lines)]


def draw(runs: Sequence[Run], rows: Sequence[str]) -> bytes:
    """The first measures against the number of attributes, one line for each row; PNG."""
    from matplotlib import pyplot as plt
    from matplotlib.ticker import MaxNLocator

    from retrieval.evaluation.plots import png

    measures = [m for m in DRAWN if all(m in r.measures for r in runs)]
    figure, axes = plt.subplots(1, len(measures), figsize=(4 * len(measures), 3.4), squeeze=False)
    for axis, measure in zip(axes[0], measures, strict=True):
        for shift, row in enumerate(rows):
            found = [r.measures[measure][row] for r in runs]
            means = [f["mean"] for f in found]
            below = [f["mean"] - f.get("low", f["mean"]) for f in found]
            above = [f.get("high", f["mean"]) - f["mean"] for f in found]
            at = [len(r.edited) + 0.06 * shift for r in runs]  # bars that do not cover one another
            axis.errorbar(at, means, [below, above], marker="osD^"[shift % 4], capsize=3, label=row)
        axis.set(title=measure, xlabel="attributes that are edited", ylim=(0, 1.03))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
    axes[0, 0].legend()
    figure.tight_layout()
    return png(figure)


if __name__ == "__main__":
    run(app)
