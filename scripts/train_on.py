"""Go on training shipped weights in the background, and ship the result if it is better.

make train-on WEIGHTS=synthetic MINUTES=100           # starts, says where the log is, and returns
make train-on WEIGHTS=synthetic SHIP=1                # once its log says that it is better, and you like the sheet

It trains in runs/train-on-WEIGHTS, niced, with a copy of the code that is made there once, so that nobody's edits reach
it. TERM ends it, saved; the same command goes on, after its end as well. At its end it validates old and new weights by
the functions that choose checkpoints, and draws both on one sheet. What is shipped starts the next training.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from amgan.commandline import run
from amgan.errors import UserError

try:
    import fcntl
except ImportError:  # Windows, where nothing keeps a second training out but the run's own folder
    fcntl = None  # type: ignore[assignment]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
HOUSE = Path(__file__).resolve().parent.parent
PHOTOS = HOUSE.parent / "shared" / "data" / "garments"
COPIED = ("amgan", "scripts")
ROWS, EDITS = 12, 12  # of the sheet

Weights = Annotated[str, typer.Option(help="A shipped name.")]
Out = Annotated[Path | None, typer.Option(help="Folder of the training. [default: runs/train-on-WEIGHTS]")]


@app.command()
def start(
    weights: Weights,
    minutes: Annotated[float, typer.Option(help="How long, from start to end.", min=0.1)] = 100.0,
    data: Annotated[
        str | None,
        typer.Option(
            help="A labelled folder, or synth. [default: synth for drawn weights, else ../shared/data/garments]"
        ),
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--config", "-c", help="Change a setting: name=value.")] = None,
    nice: Annotated[
        int, typer.Option(help="19 works where nobody else does, 0 takes a share like any other.", min=0, max=19)
    ] = 19,
    out: Out = None,
) -> None:
    """Start it, in the background."""
    folder = _folder(weights, out)
    data = data or _usual_data(weights)
    lock = _claim(folder)
    _copy_code(folder)
    log = folder / "log.txt"
    command = [
        "work",
        "--weights",
        weights,
        "--minutes",
        f"{minutes:g}",
        "--data",
        _absolute(data),
        "--nice",
        str(nice),
    ]
    command += ["--out", str(folder), *(part for s in set_ or () for part in ("-c", s))]
    code = folder / "code"
    with log.open("ab") as file:
        child = subprocess.Popen(
            [sys.executable, "-m", "scripts.train_on", *command],
            cwd=code,
            # Threads that wait shall sleep: where they spin, a step beside others' work takes three times as long.
            env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "PYTHONPATH": str(code), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            pass_fds=[] if lock is None else [lock],  # held for as long as it works
        )
    print(f"PID {child.pid} trains {weights} for {minutes:g} minutes. Log: {log}")
    print(f"To end it earlier, saved: kill {child.pid}. The same command goes on.")


@app.command()
def work(
    weights: Weights,
    minutes: Annotated[float, typer.Option()],
    data: Annotated[str, typer.Option()],
    out: Annotated[Path, typer.Option()],
    nice: Annotated[int, typer.Option()] = 19,
    set_: Annotated[list[str] | None, typer.Option("-c")] = None,
) -> None:
    """What ``start`` runs in the background."""
    started = time.monotonic()
    _be_nice(nice)
    from amgan.training.budget import limited
    from amgan.training.command import SYNTH, TrainOptions, train_command
    from amgan.weights import load_generator

    settings = tuple(set_ or ())
    print(f"{time.strftime('%F %T')} PID {os.getpid()}: {weights} for {minutes:g} minutes on {data} {settings}")
    _, config, _ = load_generator(weights)
    shares_extra = config.lessons.extra > 0 or any(s.startswith(("extra=", "lessons.extra=")) for s in settings)
    extra = Path(SYNTH) if shares_extra and data != SYNTH else None
    # What the card calls its command, and would do the same.
    sys.argv = ["amgan", "train", "--data", data, *(["--extra", SYNTH] if extra else []), "--go-on", weights]
    sys.argv += [*(part for s in settings for part in ("-c", s)), "--minutes", f"{minutes:g}", "--out", str(out)]
    with limited(minutes, started):
        train_command(TrainOptions(Path(data), out, settings=settings, go_on=weights, extra=extra))
    propose(weights, data, out)


@app.command()
def ship(weights: Weights, out: Out = None) -> None:
    """Put the result among the shipped weights, if validation says that it is better."""
    folder = _folder(weights, out)
    path = folder / "proposal" / "scores.json"
    if not path.is_file():
        raise UserError(f"There is no {path} yet: the training writes it at its end, see {folder / 'log.txt'}.")
    scores = json.loads(path.read_text(encoding="utf-8"))
    if not scores["better"]:
        old, new = (scores[k]["score"] for k in ("old", "new"))
        raise UserError(
            f"Validation says that the result is no better ({new:.3f}, shipped {old:.3f}). Train on with the same "
            f"command, or begin anew: rm -r {folder}."
        )
    lock = _claim(folder)
    install(weights, folder, scores)
    if lock is not None:
        os.close(lock)
    done = folder.with_name(f"{folder.name}-{scores['kimg']:g}")
    folder.rename(done)
    print(f"Shipped as amgan/weights/{weights}; what it came from is in {done}. Measure it: evaluate-retrieval.")


# --- Before -----------------------------------------------------------------------------------------------------------


def _folder(weights: str, out: Path | None) -> Path:
    from amgan.weights import shipped

    if weights not in shipped():
        raise UserError(f"Unknown weights {weights!r}. Shipped: {', '.join(shipped())}.")
    return (out or HOUSE / "runs" / f"train-on-{weights}").absolute()


def _usual_data(weights: str) -> str:
    from amgan.synth import SCHEMA
    from amgan.weights import load_classifier

    if load_classifier(weights, "judge").schema.values_by_name() == SCHEMA.values_by_name():
        return "synth"
    if not PHOTOS.is_dir():
        raise UserError(f"Say which photos {weights} shall learn from, DATA=folder: there are none in {PHOTOS}.")
    return str(PHOTOS)


def _absolute(data: str) -> str:
    return str(Path(data).absolute()) if Path(data).is_dir() else data


def _claim(folder: Path) -> int | None:
    """The lock that a training of this folder holds, as a file's number. Raises UserError where one works here."""
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        return None
    lock = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise UserError(f"A training works in {folder}: see {folder / 'log.txt'}.") from None
    return lock


def _copy_code(folder: Path) -> None:
    """The code as it is now, and the weights with it; once, so that the training goes on as it began."""
    code = folder / "code"
    if code.is_dir():
        return
    draft = folder / "code.part"
    shutil.rmtree(draft, ignore_errors=True)
    for name in COPIED:
        shutil.copytree(HOUSE / name, draft / name, ignore=shutil.ignore_patterns("__pycache__"))
    draft.rename(code)


def _be_nice(how: int) -> None:
    """Others come first. A session is a scheduling group of its own, which is as nice as its group is, not as its
    processes are."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(how)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(how))


# --- After ------------------------------------------------------------------------------------------------------------


def propose(weights: str, data: str, out: Path) -> dict[str, Any]:
    """Validate shipped and new weights, draw both, and write ``out/proposal/``: scores.json and sheet.png."""
    from amgan.editing.editor import load_editor
    from amgan.evaluation.sheet import first_sheet, stack_sheets
    from amgan.evaluation.validation import validation_scores
    from amgan.files import write_atomic
    from amgan.training.run import say
    from amgan.weights import load_classifier, load_generator

    judge, val = load_classifier(weights, "judge"), _validation(weights, data)
    editors = {"old": load_editor(weights), "new": load_editor(out)}
    scores: dict[str, Any] = {name: validation_scores(editor, judge, val) for name, editor in editors.items()}
    facts = json.loads((out / "editor" / "config.json").read_text(encoding="utf-8"))
    scores |= {
        "better": scores["new"]["score"] > scores["old"]["score"],
        "kimg": facts["kimg"],
        "data": data,
        "old identity": load_generator(weights)[2],  # of the weights; editors of other versions have others
    }
    folder = out / "proposal"
    folder.mkdir(exist_ok=True)
    pages = [(f"{k}, {scores[k]['score']:.3f}", first_sheet(e, val, ROWS, EDITS)) for k, e in editors.items()]
    stack_sheets(pages).save(folder / "sheet.png")
    write_atomic(folder / "scores.json", json.dumps(scores, indent=1) + "\n")
    for name in sorted(scores["new"]):
        say(f"{name:20} {scores['old'][name]:8.3f} {scores['new'][name]:8.3f}")
    verdict = "better" if scores["better"] else "no better"
    say(f"Validation: {verdict} than the shipped ones. Look at {folder / 'sheet.png'}.")
    if scores["better"]:
        say(f"To ship it: make train-on WEIGHTS={weights} SHIP=1. The training goes on by the same command as before.")
    return scores


def _validation(weights: str, data: str) -> Any:
    """The garments to validate on, in the weights' schema."""
    from dataclasses import replace

    from amgan.data.garments import load_garments
    from amgan.data.imagefolder import read_imagefolder
    from amgan.data.stream import validation_garments
    from amgan.training.command import SYNTH
    from amgan.weights import load_generator

    generator, config, _ = load_generator(weights)
    if data == SYNTH:
        return replace(validation_garments(config.image_size), schema=generator.schema)
    folder = read_imagefolder(Path(data), None)
    folder = replace(folder, schema=folder.schema.editing(generator.schema.edits))
    return load_garments(folder, folder.split("val"), config.image_size)


def install(weights: str, folder: Path, scores: dict[str, Any]) -> None:
    """Editor and critics in the place of the shipped ones, and the card brought up to date."""
    from amgan.config import changed
    from amgan.weights import load_generator, save_generator, weights_card
    from scripts.ship_weights import run_facts, ship, write_card

    if load_generator(weights)[2] != scores["old identity"]:
        raise UserError(
            f"Other weights {weights} have been shipped since this training began, and it has not been compared with "
            f"them. Begin anew: rm -r {folder}."
        )
    card = weights_card(weights)
    before = card["training"]["kimg"]
    generator, config, _ = load_generator(folder)
    kimg = scores["kimg"]
    facts = run_facts(folder, "editor") | {"validation": scores["new"]}
    save_generator(folder, generator, changed(config, kimg=kimg), facts, facts.get("model", "amgan"))
    ship(folder, weights)
    source = "pairs drawn while it went on" if scores["data"] == "synth" else "the same photos"
    data = f"{card.get('data', '')} The last {kimg - before:g} thousand images: {source}."
    write_card(weights, data, None, None)


if __name__ == "__main__":
    run(app)
