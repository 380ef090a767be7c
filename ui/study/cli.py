"""``user-study``: make a blind comparison of editors, ask people, report what they said."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from amgan.commandline import HELP, SEGMENTER, Version, print_json, run

EPILOG = """
Examples:

user-study new garments --editor photos --editor runs/stargan --out study

user-study serve study --address 0.0.0.0 --port 8600

user-study report study

Exit status: 0 done; 2 a mistake, such as a folder that holds no study; 130 interrupted.
"""
NEW_EXAMPLES = """
Examples:

user-study new garments --editor AMGAN=photos --editor StarGAN=runs/stargan --editor SaGAN=runs/sagan --out study

user-study new garments --editor photos --editor runs/mine --comparisons 24 --attribute sleeve --seed 7 --out sleeves
"""
SERVE_EXAMPLES = """
Examples:

user-study serve study

user-study serve study --address 0.0.0.0 --port 8600
"""
REPORT_EXAMPLES = """
Examples:

user-study report study

user-study report study --out report --json
"""

STUDY = Annotated[Path, typer.Argument(help="What `user-study new` wrote.", show_default=False)]
app = typer.Typer(
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings=HELP,
    epilog=EPILOG,
)


@app.callback()
def study(version: Version = False) -> None:
    """Which editor's pictures do people find best? A blind study: make it, ask, report.

    Participants see a photo and what every editor made of it, in an order that gives nothing away, and say which looks
    real, which shows the change, which kept everything else, and which is best.
    """


@app.command(epilog=NEW_EXAMPLES, context_settings=HELP)
def new(
    folder: Annotated[Path, typer.Argument(help="Labelled photos, an imagefolder.", show_default=False)],
    editor: Annotated[
        list[str],
        typer.Option(
            help="A shipped name, a folder, hf-hub:org/name or an outside editor; NAME=… names it in the report. "
            "Two to six.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="The study's own new folder.", show_default=False)],
    comparisons: Annotated[int, typer.Option(help="Photos that each participant compares edits of.", min=1)] = 30,
    repeats: Annotated[
        int, typer.Option(help="Comparisons that each participant meets again at the end, in another order.", min=0)
    ] = 3,
    attribute: Annotated[
        list[str] | None, typer.Option(help="Edit only this attribute; repeat for several. All where not given.")
    ] = None,
    split: Annotated[str, typer.Option(help="The split that photos are drawn from; 'all' for every record.")] = "test",
    seed: Annotated[int, typer.Option(help="Decides photos, edits and orders.", min=0)] = 0,
    segmenter: Annotated[str | None, typer.Option(help=SEGMENTER)] = None,
) -> None:
    """Draw comparisons evenly over attributes and values, and let every editor make its pictures."""
    from ui.study.making import Wishes, make_study

    wishes = Wishes(tuple(editor), comparisons, repeats, split, seed, tuple(attribute or ()), segmenter)
    with redirect_stdout(sys.stderr):  # progress and remarks
        made = make_study(folder, out, wishes)
    print(f"{len(made.comparisons)} comparisons of {len(editor)} editors in {out}. Ask people: user-study serve {out}")


@app.command(epilog=SERVE_EXAMPLES, context_settings=HELP)
def serve(
    study: STUDY,
    address: Annotated[str, typer.Option(help="Where the page listens; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Its port.", min=1, max=65535)] = 8600,
) -> None:
    """Start the page for participants. Every answer is on disk before the next question is shown; Ctrl-C ends it."""
    from ui.study import look
    from ui.study.answers import Answers
    from ui.study.folder import read_study

    found = read_study(study)
    Answers(found.folder, found.id)  # says now, not to a participant, that answers cannot be written
    page = Path(__file__).with_name("app.py")
    options = {
        "server.address": address,
        "server.port": port,
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.showErrorDetails": "none",
        "client.toolbarMode": "minimal",
        "theme.light.primaryColor": look.ACCENT,
        "theme.dark.primaryColor": look.ACCENT_ON_DARK,
    }
    command = [sys.executable, "-m", "streamlit", "run", str(page)]
    command += [f"--{name}={value}" for name, value in options.items()]
    print(f"The page for participants: http://{'127.0.0.1' if address == '0.0.0.0' else address}:{port}", flush=True)
    os.execv(sys.executable, [*command, "--", str(study)])  # this process becomes the server: a signal reaches it


@app.command(epilog=REPORT_EXAMPLES, context_settings=HELP)
def report(
    study: STUDY,
    out: Annotated[
        Path | None, typer.Option(help="Where report.json, report.md and answers.csv go; STUDY/report if not given.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Bootstrap draws for the intervals.", min=100)] = 2000,
    json_: Annotated[
        bool, typer.Option("--json", help="Print the report as one JSON object and nothing else.")
    ] = False,
) -> None:
    """Open the key, and report shares with intervals, tests, and how far participants agree."""
    from amgan.files import writable_folder
    from ui.study.folder import read_study
    from ui.study.report import make_report
    from ui.study.report_pages import compose_summary, write_report

    found = read_study(study)
    folder = writable_folder(out or study / "report")
    values = make_report(found, rounds)
    written = write_report(folder, values)
    if json_:
        print_json(values.report)
    else:
        print(compose_summary(values.report))
        print("Written: " + ", ".join(map(str, written)))


def main() -> None:
    """The console script."""
    run(app)


if __name__ == "__main__":
    main()
