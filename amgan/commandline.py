"""What all commands share: how they end, ``--version``, and JSON on standard output.

Light to import, so that ``--help`` and typing errors do not wait for torch.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from collections.abc import Iterator
from typing import Annotated, Any, NoReturn

import typer

from amgan.errors import Interrupted, UserError
from amgan.files import is_full, refusal

HELP = {"help_option_names": ["-h", "--help"]}  # the context settings of every command
SEGMENTER = (
    "How photos without a mask are cut out: learned (the weights' own), classical, rembg; default: learned, where \
the weights have that."
)
MISTAKE = 2
INTERRUPTED = 128 + signal.SIGINT
NOT_READ = 128 + 13  # SIGPIPE, which not every system has: as a shell reports a program that writes into a closed pipe


def run(app: typer.Typer) -> NoReturn:
    """Run a command and end the process: the one place that decides how.

    ======  =====================================================================================================
    status  when
    ======  =====================================================================================================
    0       done
    1       done, but not for all that was asked for (the command's own ``typer.Exit(1)``)
    2       a mistake, or a file or disk that refuses: one sentence on standard error. Also typer's own, for options
    130     interrupted
    141     whoever read standard output has read enough (``… | head -1``): no word is said
    ======  =====================================================================================================

    Whatever else is raised is a fault of the program, and Python prints its traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name may hold what the terminal's encoding has not
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _status(app)
        sys.stdout.flush()  # now, not after the last line of Python, where a closed pipe could not be caught
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to be flushed
        status = NOT_READ
    sys.exit(status)


def _status(app: typer.Typer) -> Any:
    try:
        app()
    except SystemExit as end:
        causes = tuple(_causes(end))  # typer ends by itself on these two, with statuses that differ by version
        if any(isinstance(c, BrokenPipeError) for c in causes):
            raise BrokenPipeError from None
        if any(isinstance(c, KeyboardInterrupt) for c in causes):
            return _say("Interrupted.", INTERRUPTED)
        return end.code
    except Interrupted:
        return _say("Interrupted. What was done is saved; the same command again goes on from there.", INTERRUPTED)
    except UserError as error:
        return _say(f"Error: {error}", MISTAKE)
    except OSError as error:
        if isinstance(error.filename, str | bytes):
            return _say(f"Error: {refusal(error, os.fsdecode(error.filename))}", MISTAKE)
        if is_full(error):
            return _say("Error: The disk is full; free some space and run the same command again.", MISTAKE)
        raise  # not about a file: a connection, for example


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What an exception was raised for, one behind the other."""
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _say(sentence: str, status: int) -> int:
    print(sentence, file=sys.stderr)
    return status


def print_json(values: Any, indent: int | None = 1) -> None:
    """Print one JSON object. Where the output's encoding lacks a character it is written as JSON's own ``\\uXXXX``."""
    text = json.dumps(values, ensure_ascii=False, indent=indent)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(values, indent=indent)
    print(text)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"amgan {version('amgan')}")
        raise typer.Exit


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
]
