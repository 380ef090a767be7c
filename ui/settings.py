"""Which index the page shows: from the command line after ``--``, else from the environment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

from amgan.errors import UserError


@dataclass(frozen=True)
class Settings:
    """What the page was started with; hashable, so that it can key caches."""

    store: str
    collection: str
    weights: str | None = None
    catalogue: str | None = None
    editor: str | None = None
    compare: tuple[str, ...] = ()


def read_settings(arguments: Sequence[str]) -> Settings:
    """``--store --collection [--weights --catalogue --editor --compare …]``, or AMGAN_STORE and so on.

    Raises:
        UserError: the index is not named.
    """
    given = _given(arguments)
    if not given.store or not given.collection:
        raise UserError(
            "The page was not told which index to show. Start it with: "
            "streamlit run ui/app.py -- --store FOLDER_OR_URL --collection NAME "
            "(or set AMGAN_STORE and AMGAN_COLLECTION)."
        )
    weights, catalogue, editor = (value or None for value in (given.weights, given.catalogue, given.editor))
    return Settings(given.store, given.collection, weights, catalogue, editor, tuple(given.compare))


def read_reports(arguments: Sequence[str]) -> str | None:
    """``--reports``, or AMGAN_REPORTS: their folder. They need no index."""
    return _given(arguments).reports or None


def _given(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False, exit_on_error=False)
    for name in ("store", "collection", "weights", "catalogue", "editor", "reports"):
        parser.add_argument(f"--{name}", default=os.environ.get(f"AMGAN_{name.upper()}"))
    parser.add_argument("--compare", action="append", default=[])  # editors of the page that compares them
    return parser.parse_known_args(list(arguments))[0]
