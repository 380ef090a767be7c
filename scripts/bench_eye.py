"""How fast the eye is, as critics and losses look through it, against timm's network as it comes, in one run.

python scripts/bench_eye.py                            # EfficientNet-Lite1, 32 views of 128 px
python scripts/bench_eye.py --views 16 --size 160 --rounds 9

Rows take turns, round by round; the median round counts. ``look`` is forward alone, as real pictures are seen;
``look and learn`` is forward and the gradient of the picture, as edited ones are.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amgan.commandline import run
from scripts.benching import device_name

if TYPE_CHECKING:  # --help must not wait for torch
    from collections.abc import Callable

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def bench(
    eye: Annotated[str, typer.Option(help="A network of timm's.")] = "efficientnet_lite1",
    views: Annotated[int, typer.Option(help="Pictures at once.", min=1)] = 32,
    size: Annotated[int, typer.Option(help="Their side in pixels.", min=32)] = 128,
    rounds: Annotated[int, typer.Option(help="How often the rows take turns.", min=1)] = 7,
) -> None:
    import torch

    from amgan.models.eye import Eye, timm_network

    plain: Any = timm_network(eye, True, features_only=True, out_indices=(1, 2, 3, 4)).requires_grad_(False)
    folded = Eye(eye)
    networks = {"timm's": plain, "norms folded": folded}
    x = torch.rand(views, 3, size, size) * 2 - 1

    for network in networks.values():
        network.to(memory_format=torch.channels_last)
    picture = x.contiguous(memory_format=torch.channels_last)

    def look(network: Any, bf16: bool, learn: bool) -> Callable[[], None]:
        def once() -> None:
            seen = picture.clone().requires_grad_(learn)
            with torch.set_grad_enabled(learn), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                maps = network(seen)
            if learn:
                torch.stack([m.float().square().mean() for m in maps]).sum().backward()

        return once

    print(f"{device_name(torch.device('cpu'))}, {views} views of {size} px")
    for learn, title in ((False, "look"), (True, "look and learn")):
        rows = {
            f"{name}{', bf16' if bf16 else ''}": look(network, bf16, learn)
            for bf16 in (False, True)
            for name, network in networks.items()
        }
        seconds: dict[str, list[float]] = {name: [] for name in rows}
        for turn in range(rounds + 1):
            for name, once in rows.items():
                start = time.perf_counter()
                once()
                if turn:  # the first warms up
                    seconds[name].append(time.perf_counter() - start)
        first = next(iter(rows))
        print(f"\n| {title} | ms | against {first} |\n| --- | ---: | ---: |")
        for name, times in seconds.items():
            ratio = statistics.median(p / s for p, s in zip(seconds[first], times, strict=True))
            print(f"| {name} | {1000 * statistics.median(times):.0f} | {ratio:.2f} |")


def main() -> None:
    run(app)


if __name__ == "__main__":
    main()
