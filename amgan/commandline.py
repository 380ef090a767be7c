"""How every command ends: light to import, so that ``--help`` and typing errors do not wait for torch."""

from __future__ import annotations

import sys

import typer

from amgan.errors import Interrupted, UserError


def run(app: typer.Typer) -> None:
    """Run a command: a user's mistake is one sentence and exit status 2, an interruption is status 130."""
    try:
        app()
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
    except Interrupted:
        print("Interrupted. What was done is saved; the same command again goes on from there.", file=sys.stderr)
        sys.exit(130)
