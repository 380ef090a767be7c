"""How fast embedders index, as ratios in one run: pictures per second of processor time, embedders by turns.

python scripts/bench_embedder.py teacher:photos embedder:photos --rounds 5 --threads 1
"""

from __future__ import annotations

import statistics
import time
from typing import Annotated

import typer

from amgan.commandline import run

SIZE = 128

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def main(
    names: Annotated[list[str], typer.Argument(help="As index-catalog --embedder; the first is 1.")],
    batch: Annotated[int, typer.Option(help="Pictures at once.", min=1)] = 32,
    rounds: Annotated[int, typer.Option(help="Passes of each, one by turns to warm up before.", min=1)] = 5,
    threads: Annotated[int, typer.Option(help="That work.", min=1)] = 1,
) -> None:
    # Imported here, because torch takes seconds, which --help need not wait for.
    import torch

    from amgan.pixels import to_chw
    from amgan.synth import draw_item, render
    from retrieval.embedders import load_embedder

    torch.set_num_threads(threads)
    images = torch.stack([to_chw(render(s, draw_item(s).labels, SIZE).image) for s in range(8)])
    images = images.repeat(-(-batch // 8), 1, 1, 1)[:batch]
    embedders = {name: load_embedder(name) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name, embedder in embedders.items():
            start = time.process_time()
            embedder.embed(images)
            if turn:
                seconds[name].append(time.process_time() - start)
    first = statistics.median(seconds[names[0]])
    for name in names:
        median = statistics.median(seconds[name])
        print(f"{name}: {batch / median:.0f} pictures a second of processor time, {first / median:.2f} of the first")


if __name__ == "__main__":
    run(app)
