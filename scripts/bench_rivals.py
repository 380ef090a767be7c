"""How fast AMGAN trains and edits beside public code of its relatives, StarGAN and SaGAN, on the same machine.

python scripts/bench_rivals.py --stargan stargan --sagan SpatialAttentionGAN

The folders are clones of yunjey/stargan and elvisyjlin/SpatialAttentionGAN. Their networks are imported from there, at
the sizes that they have by default (128 px, 64 channels, 6 blocks, critics of 6 layers; StarGAN's critic 2,048 channels
wide). A turn is one update of a generator with the critic updates that go with it, as their authors train: 5 for
StarGAN, 3 for SaGAN; WGAN-GP in all of them. Ours is a whole step, with everything that the preset adds: a second
critic, the teacher, references. Rows take turns; medians.
"""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amgan.commandline import run
from amgan.errors import UserError
from scripts.bench_train import GARMENTS, prepared
from scripts.benching import device_name, drawn_garments

if TYPE_CHECKING:  # --help must not wait for torch
    import torch

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
SIZE = 128
STARGAN_VALUES = 16  # as many as sleeve and colour of the shipped weights have


@app.command(help=__doc__)
def bench(
    stargan: Annotated[Path | None, typer.Option(help="Folder of StarGAN's code.")] = None,
    sagan: Annotated[Path | None, typer.Option(help="Folder of SaGAN's code.")] = None,
    batch: Annotated[int, typer.Option(help="Images per step.", min=1)] = 16,
    rounds: Annotated[int, typer.Option(help="How often the rows take turns.", min=1)] = 3,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda.")] = "auto",
) -> None:

    from amgan.devices import pick_device
    from amgan.training.presets import preset

    where = pick_device(device)
    turns: dict[str, Callable[[], object]] = {}
    edits: dict[str, Callable[[], object]] = {}
    if stargan is not None:
        code = imported(stargan / "model.py")
        generator, critic = code.Generator(64, STARGAN_VALUES, 6), code.Discriminator(SIZE, 64, STARGAN_VALUES, 6)
        turns["StarGAN"], edits["StarGAN"] = theirs(generator, critic, STARGAN_VALUES, 5, batch, where)
    if sagan is not None:
        code = imported(sagan / "sagan.py")
        turns["SaGAN"], edits["SaGAN"] = theirs(code.Generator(), code.Discriminator(), 1, 3, batch, where)
    garments = drawn_garments(SIZE, GARMENTS)
    for name in ("paper", "small"):
        turns[f"ours, {name}"], edits[f"ours, {name}"] = ours(preset(name).amgan, garments, batch, where)
    print(device_name(where))
    for title, rows, count in (("a generator's update", turns, batch), ("an edit of one picture", edits, 1)):
        seconds = taken(rows, rounds if rows is turns else 5 * rounds, where)
        print(f"\n| | seconds for {title} | times the first | pictures a second |\n| --- | ---: | ---: | ---: |")
        first = next(iter(seconds.values()))
        for name, s in seconds.items():
            ratio = statistics.median(a / b for a, b in zip(s, first, strict=True))
            middle = statistics.median(s)
            print(f"| {name} | {middle:.3f} | {ratio:.2f} | {count / middle:.2f} |")


def imported(path: Path) -> Any:
    if not path.is_file():
        raise UserError(f"{path} is not there; clone the repository and name its folder.")
    spec = importlib.util.spec_from_file_location(f"rival_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def theirs(
    generator: torch.nn.Module, critic: torch.nn.Module, values: int, critic_steps: int, batch: int, device: Any
) -> tuple[Callable[[], None], Callable[[], object]]:
    """A turn of a StarGAN-like model (WGAN-GP, classification, cycle), and an edit of one picture."""
    import torch
    import torch.nn.functional as F

    generator, critic = generator.to(device), critic.to(device)
    optimizers = [torch.optim.Adam(n.parameters(), lr=1e-4, betas=(0.5, 0.999)) for n in (generator, critic)]
    real = torch.rand(batch, 3, SIZE, SIZE, device=device) * 2 - 1
    own, wanted = (torch.randint(0, 2, (batch, values), device=device).float() for _ in range(2))

    def edited(x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        out = generator(x, target)
        return out[0] if isinstance(out, tuple) else out

    def classes(answer: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if values == 1:  # SaGAN's critic ends in probabilities
            return F.binary_cross_entropy(answer.reshape(target.shape).clamp(1e-4, 1 - 1e-4), target)
        return F.binary_cross_entropy_with_logits(answer, target)

    def turn() -> None:
        for _ in range(critic_steps):
            with torch.no_grad():
                fake = edited(real, wanted)
            realness, logits = critic(real)
            mix = torch.rand(batch, 1, 1, 1, device=device)
            between = (mix * real + (1 - mix) * fake).requires_grad_()
            (gradient,) = torch.autograd.grad(critic(between)[0].sum(), between, create_graph=True)
            penalty = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
            loss = critic(fake)[0].mean() - realness.mean() + classes(logits, own) + 10 * penalty
            optimizers[1].zero_grad()
            loss.backward()
            optimizers[1].step()
        fake = edited(real, wanted)
        realness, logits = critic(fake)
        loss = classes(logits, wanted) - realness.mean() + 10 * (edited(fake, own) - real).abs().mean()
        if values == 1:  # SaGAN also edits to what is there
            loss = loss + 100 * (edited(real, own) - real).abs().mean()
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()

    def edit() -> object:
        with torch.inference_mode():
            return edited(real[:1], wanted[:1])

    return turn, edit


def ours(config: Any, garments: Any, batch: int, device: Any) -> tuple[Callable[[], None], Callable[[], object]]:
    import torch

    from amgan.config import changed
    from amgan.models.interface import make_condition
    from amgan.pixels import to_float

    trainer, batches = prepared(changed(config, batch=batch), True, garments, device)
    steps = iter(range(10**6))
    picture = to_float(garments.images[:1].to(device)).contiguous(memory_format=torch.channels_last)
    labels = garments.labels[:1].to(device)
    condition = make_condition(garments.schema, labels, torch.ones_like(labels, dtype=torch.bool))

    def edit() -> object:
        with torch.inference_mode():
            return trainer.average(picture, condition)

    return lambda: trainer.step(batches, next(steps), 0.0), edit  # type: ignore[return-value]


def taken(rows: dict[str, Callable[[], object]], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each row, by turns; the first round only warms up."""
    import torch

    seconds: dict[str, list[float]] = {name: [] for name in rows}
    for turn in range(-1, rounds):
        for name, work in rows.items():
            start = time.perf_counter()
            work()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    run(app)
