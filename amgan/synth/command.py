"""What ``amgan synth`` shows while it works."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from amgan.files import naming, writable_folder
from amgan.synth.folder import SynthFolder, write_synth


def synth_command(
    count: int, out: Path, seed: int, size: int, counterfactuals: int, usual: bool, split: str, workers: int | None
) -> None:
    """See ``amgan synth --help``. Raises UserError."""
    wanted = SynthFolder(count, seed, size, counterfactuals, usual, split)
    writable_folder(out)
    console = Console(stderr=True)
    columns = (
        TextColumn("Drawing garments"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with naming(out), Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=count)
        for done in write_synth(out, wanted, workers):
            bar.update(task, completed=done)
    console.print(f"{count:,} garments in {out}")
