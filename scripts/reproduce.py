"""The paper's comparison on any labelled folder: train every row on equal terms, measure all, beside the paper's own.

    python scripts/reproduce.py --data garments --preset small --out runs/reproduced
    python scripts/reproduce.py --data garments --preset small --out runs/reproduced --list      # what is left
    python scripts/reproduce.py --data shopping100k --preset paper --judge resnet50 --jobs 4 --out runs/shopping

Rows are AMGAN, its three rivals and the paper's ablations (`--row` chooses; `target-source`, `target-union` and
`target-masks` can be asked for as well). Teacher and judge are trained once and shared (`--classifiers` takes others'),
budgets are the preset's, equal for all: in images, or with --minutes in time. The same command again goes on where it
was, and measures again where there is something new. At the end OUT/report holds the comparison, OUT/reproduced.md the
paper's figures beside ours, budgets, and what the rows differ in.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from amgan.commandline import run
from amgan.errors import UserError
from amgan.files import write_atomic

METHODS = ("amgan", "stargan", "ganimation", "sagan")
PARTS = ("no-crop-critic", "no-perceptual", "no-attention", "cam-mask")  # amgan.training.ablations
TARGETS = ("target-source", "target-union", "target-masks")
ROLES = ("teacher", "judge")
CLASSIFIERS, ROWS, REPORT, MARK = "classifiers", "rows", "report", "reproduced.json"
MODULES = {"amgan": "amgan.cli", "evaluate-retrieval": "retrieval.evaluation.cli"}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Plan:
    """What is to be done: folders, and the arguments that all trainings share."""

    data: Path
    out: Path
    preset: str
    shared: tuple[str, ...]
    judge: str | None
    minutes: float | None
    rows: tuple[str, ...]

    def folder(self, row: str) -> Path:
        return self.out / ROWS / row

    def classifier(self, role: str) -> list[str]:
        """The command that trains a classifier."""
        command = ["amgan", "train", "--data", str(self.data), "--model", "classifier", "--role", role]
        command += ["--preset", self.preset, "--out", str(self.out / CLASSIFIERS)]
        if role == "judge" and self.judge is not None:
            command += ["-c", f"backbone={self.judge}", "-c", "pretrained=false", "-c", "frozen=0"]
        return command

    def teacher(self) -> str | None:
        """The rows' teacher as the setting ``cam`` names it; None where there is none yet."""
        found = read(self.out / CLASSIFIERS / "teacher" / "config.json")
        return f"{found['backbone']}@{found['image_size']}" if {"backbone", "image_size"} <= found.keys() else None

    def training(self, row: str) -> list[str]:
        """The command that trains a row. Raises UserError where there is no such row."""
        from amgan.training.ablations import ablation
        from amgan.training.presets import preset

        chosen = preset(self.preset)
        model, settings = (row, []) if row in METHODS else ("amgan", ablation(row, chosen, self.teacher()))
        command = ["amgan", "train", "--data", str(self.data), "--model", model, "--preset", self.preset]
        command += [*self.shared, *(part for s in settings for part in ("-c", s)), "--out", str(self.folder(row))]
        return command + (["--minutes", f"{self.minutes:g}"] if self.minutes is not None else [])

    def mark(self, row: str) -> dict[str, str]:
        """What tells this training from others: its command, and what the preset of that name holds for its model."""
        from amgan.config import to_dict
        from amgan.training.presets import preset

        stages = preset(self.preset).of(row if row in METHODS else "amgan").stages
        recipe = json.dumps({name: to_dict(config) for name, config in stages.items()}, sort_keys=True)
        return {
            "command": shlex.join(self.training(row)),
            "preset": hashlib.sha256(recipe.encode()).hexdigest()[:16],
        }

    def done(self, row: str) -> bool:
        """Whether this very training has come to its end."""
        return read(self.folder(row) / MARK) == self.mark(row)


@app.command(help=__doc__)
def reproduce(
    data: Annotated[Path, typer.Option(help="Labelled folder with the splits train, val and test.")],
    out: Annotated[Path, typer.Option(help="Where everything goes. The same command again goes on.")],
    preset: Annotated[str, typer.Option(help="paper, ours, small, paper-64 or tiny, for every row.")] = "small",
    row: Annotated[list[str] | None, typer.Option(help="A row; may be repeated; default: the paper's eight.")] = None,
    judge: Annotated[
        str | None, typer.Option(help="Backbone of the judge, such as the paper's resnet50; the preset's if not given.")
    ] = None,
    classifiers: Annotated[
        str | None, typer.Option(help="Weights whose teacher and judge all rows take, in place of training them.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Train each row for so long at most.", min=0.1)] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--config", "-c", help="A setting of every row, such as kimg=40.")
    ] = None,
    edit: Annotated[list[str] | None, typer.Option(help="Edit this attribute alone, or these.")] = None,
    extra: Annotated[str | None, typer.Option(help="True edits besides, for every row, as for amgan train.")] = None,
    split: Annotated[str, typer.Option(help="The split that is measured.")] = "test",
    limit: Annotated[int | None, typer.Option(help="Measure so many photos at most.", min=2)] = None,
    rounds: Annotated[int, typer.Option(help="Bootstrap draws for the intervals.", min=0)] = 1000,
    jobs: Annotated[int, typer.Option(help="Rows that train side by side; each then logs in its folder.", min=1)] = 1,
    list_: Annotated[bool, typer.Option("--list", help="Say what is done and what is left, and do nothing.")] = False,
) -> None:
    shared = [part for name in set_ or () for part in ("-c", name)]
    shared += [part for name in edit or () for part in ("--edit", name)]
    shared += ["--extra", extra] if extra is not None else []
    plan = Plan(data, out, preset, tuple(shared), judge, minutes, tuple(row or (*METHODS, *PARTS)))
    known = (*METHODS, *PARTS, *TARGETS)
    if wrong := [r for r in plan.rows if r not in known]:
        raise UserError(f"Unknown row {wrong[0]!r}. Valid: {', '.join(known)}.")
    if not data.is_dir():
        raise UserError(f"{data} is not a folder; give one with metadata.csv and its pictures.")
    if list_:
        print(listing(plan))
        return
    train_classifiers(plan, classifiers)
    train_rows(plan, jobs)
    measure(plan, split, limit, rounds)
    print(listing(plan))
    if left(plan):
        raise typer.Exit(1)


def train_classifiers(plan: Plan, ready_made: str | None) -> None:
    """Teacher and judge, once for all rows: those of ``ready_made`` weights, or trained here. Raises UserError."""
    from amgan.training.run import finished
    from amgan.weights import weights_folder

    source = weights_folder(ready_made) if ready_made is not None else None
    for role in ROLES:
        if finished(plan.out / CLASSIFIERS, role):
            continue
        if source is not None:
            if not (source / role).is_dir():
                raise UserError(f"--classifiers {ready_made} has no {role}/; leave the option out, and one is trained.")
            shutil.copytree(source / role, plan.out / CLASSIFIERS / role)
            continue
        if call(plan.classifier(role)):
            raise UserError(f"The {role} could not be trained, so no row can; what was wrong is said above.")


def train_rows(plan: Plan, jobs: int) -> None:
    """Every row that is not done. One that fails is left, and the others go on."""
    waiting = [r for r in plan.rows if not plan.done(r)]
    if jobs == 1:
        for row in waiting:
            train_row(plan, row, None)
        return
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda row: train_row(plan, row, plan.folder(row) / "log.txt"), waiting))


def train_row(plan: Plan, row: str, log: Path | None) -> None:
    folder = plan.folder(row)
    for role in ROLES:
        if not (folder / role).is_dir():
            shutil.copytree(plan.out / CLASSIFIERS / role, folder / role)
    command = plan.training(row)
    if call(command, log):
        print(f"{row} is not done: its training failed{f', see {log}' if log else ''}.", file=sys.stderr)
    else:
        write_atomic(folder / MARK, json.dumps(plan.mark(row), indent=1) + "\n")


def measure(plan: Plan, split: str, limit: int | None, rounds: int) -> None:
    """Compare all rows that are done, unless the report is of these very ones, and write the paper's figures beside."""
    rows = [r for r in plan.rows if plan.done(r)]
    if not rows:
        return
    command = ["evaluate-retrieval", str(plan.data), "--split", split, "--rounds", str(rounds)]
    command += [part for r in rows for part in ("--weights", str(plan.folder(r)))]
    command += ["--measure-with", str(plan.out / CLASSIFIERS), *(["--limit", str(limit)] if limit else [])]
    mark = {"command": shlex.join(command), "rows": {r: fingerprint(plan.folder(r)) for r in rows}}
    where = plan.out / REPORT
    if read(where / MARK) != mark:
        shutil.rmtree(where, ignore_errors=True)  # pictures of another report
        if call([*command, "--out", str(where)]):
            raise UserError("The rows are trained, and could not be measured; what was wrong is said above.")
        write_atomic(where / MARK, json.dumps(mark, indent=1) + "\n")
    from scripts import reproduced

    budgets = {row: reproduced.budget(plan.folder(row)) for row in rows}
    page = reproduced.page(read(where / "report.json"), rows, plan.data.resolve().name, budgets)
    write_atomic(plan.out / "reproduced.md", page)
    print(page)


def fingerprint(folder: Path) -> str:
    """Which editor lies there: its hash."""
    from amgan.weights import load_generator

    return str(load_generator(folder)[2])


def left(plan: Plan) -> list[str]:
    return [r for r in plan.rows if not plan.done(r)]


def listing(plan: Plan) -> str:
    """What is done and what is left, with the command for each row."""
    from amgan.training.run import finished

    lines = [f"{role}: {'done' if finished(plan.out / CLASSIFIERS, role) else 'left'}" for role in ROLES]
    for row in plan.rows:
        begun = (plan.folder(row) / "run.json").is_file() or (plan.folder(row) / "stages").is_dir()
        state = "done" if plan.done(row) else "begun" if begun else "left"
        lines.append(f"{row}: {state}" + ("" if state == "done" else f", by {shlex.join(plan.training(row))}"))
    measured = read(plan.out / REPORT / MARK).get("rows", {})
    lines.append(f"measured: {', '.join(measured) or 'nothing yet'}")
    return "\n".join(lines)


def read(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def call(command: Sequence[str], log: Path | None = None) -> int:
    """Run a command of ours in a process of its own; its exit status. What it says goes to ``log``, where given.

    Raises:
        KeyboardInterrupt: it was interrupted, and has saved itself.
    """
    program, *arguments = command
    print(f"$ {shlex.join(command)}", file=sys.stderr)
    line = [sys.executable, "-m", MODULES[program], *arguments]
    if log is None:
        status = subprocess.run(line, check=False).returncode
    else:
        with log.open("a", encoding="utf-8") as file:
            status = subprocess.run(line, check=False, stdout=file, stderr=subprocess.STDOUT).returncode
    if status == 130:
        raise KeyboardInterrupt
    return status


if __name__ == "__main__":
    run(app)
