"""What ``amgan prepare`` shows while it works."""

from __future__ import annotations

import importlib
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from amgan.errors import Interrupted, UserError
from amgan.files import naming, writable_folder
from amgan.prepare import RELEASES
from amgan.prepare.release import Release
from amgan.prepare.writing import LEFT_OUT, left_out, write_release
from amgan.spelling import suggest


def prepare_command(name: str, source: Path, out: Path, images: Path | None, workers: int | None) -> None:
    """See ``amgan prepare --help``. Raises UserError."""
    opens = find_release(name)
    writable_folder(out)
    console = Console(stderr=True, soft_wrap=True)
    release = opens(source, images)
    for sentence in release.sentences:
        console.print(sentence, markup=False, highlight=False)
    columns = (TextColumn("Preparing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    try:
        with naming(out), Progress(*columns, console=console) as bar:
            task = bar.add_task("", total=len(release))
            for done in write_release(name, release, out, workers or min(4, os.cpu_count() or 1)):
                bar.update(task, completed=done)
    except KeyboardInterrupt:
        raise Interrupted from None
    refused = left_out(out)
    console.print(f"{len(release) - len(refused):,} garments in {out}", markup=False, highlight=False)
    if refused:
        counts = Counter(row["reason"] for row in refused)
        words = ", ".join(f"{n:,} {reason}" for reason, n in counts.most_common())
        console.print(
            f"{len(refused):,} of {len(release):,} left out: {words}. {out / LEFT_OUT} lists them; the first: "
            f"{refused[0]['sentence']}",
            markup=False,
            highlight=False,
        )


def find_release(name: str) -> Callable[[Path, Path | None], Release]:
    """What opens the release of that name. Raises UserError with the names there are."""
    if name not in RELEASES:
        raise UserError(f"No data set is called {name!r}.{suggest(name, RELEASES)}")
    module, _, attribute = RELEASES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
