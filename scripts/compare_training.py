"""Whether fast training learns what plain training learns: same seed, same pictures, losses and scores side by side.

python scripts/compare_training.py --out curves.png                     # preset small, drawn garments, minutes
python scripts/compare_training.py --preset paper --steps 600 --compile --out curves.png --json curves.json

Plain is eager float32 in PyTorch's default layout. Sums come out a little different whenever they are taken in another
order, and training enlarges every difference; so plain runs twice, the second time with another number of threads (on a
GPU, whose sums differ from run to run, simply again). Fast is as good as plain where it differs from it by no more than
the two plain runs differ. Every run ends with a score: how far its edits of garments that it has not seen are from the
true ones (mean absolute difference, grey levels of 256; "no edit" says how far they would be without any).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amgan.commandline import run
from scripts.benching import drawn_garments

if TYPE_CHECKING:  # --help must not wait for torch
    import numpy as np
    import torch

    from amgan.data.garments import Garments
    from amgan.models.amgan.config import AmganConfig

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
PLAIN, AGAIN, FAST, HALF, COMPILED = "plain", "plain again", "fast", "fast, bf16", "fast, compiled"


@app.command(help=__doc__)
def compare(
    preset: Annotated[str, typer.Option(help="paper, ours, small, paper-64, tiny.")] = "small",
    set_: Annotated[list[str] | None, typer.Option("--config", "-c", help="Change a setting: name=value.")] = None,
    steps: Annotated[int, typer.Option(help="Steps of each run.", min=8)] = 160,
    garments: Annotated[int, typer.Option(help="How many drawn garments to train on.", min=8)] = 400,
    teacher: Annotated[str, typer.Option(help="Weights whose teacher is used.")] = "synthetic",
    bf16: Annotated[bool, typer.Option("--bf16", help="A run in bfloat16 as well, even where that is slower.")] = False,
    compile_: Annotated[bool, typer.Option("--compile", help="A run with torch.compile as well.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda.")] = "auto",
    out: Annotated[Path, typer.Option(help="Where the plot goes.")] = Path("curves.png"),
    json_: Annotated[Path | None, typer.Option("--json", help="Also write the figures as JSON.")] = None,
) -> None:
    import torch

    from amgan.config import changed, override
    from amgan.devices import pick_device
    from amgan.training.presets import preset as named

    where = pick_device(device)
    config = override(named(preset).amgan, ["pairs=0.8", *(set_ or [])])
    train = drawn_garments(config.image_size, garments)
    test = drawn_garments(config.image_size, 100, seed=0)
    plain = changed(config, bf16=False, channels_last=False, compile=False)
    fast = changed(config, bf16=False, channels_last=True)
    threads = torch.get_num_threads()
    rows = {PLAIN: (plain, threads), AGAIN: (plain, max(1, threads - 1)), FAST: (fast, threads)}
    if bf16:
        rows[HALF] = (changed(fast, bf16=True), threads)
    if compile_:
        rows[COMPILED] = (changed(fast, compile=True), threads)
    runs = {}
    for name, (settings, count) in rows.items():
        torch.set_num_threads(count)
        runs[name] = one_run(name, settings, train, test, teacher, where, steps)
    torch.set_num_threads(threads)
    assert test.truths is not None
    nothing = (test.images[test.truths.of].float() - test.truths.images.float()).abs().mean()
    report = table(runs)
    print(f"{preset}, batch {config.optimisation.batch}, {steps} steps, {where}; no edit: {float(nothing):.2f}")
    print("| | " + " | ".join([*runs, *(f"{name} − plain" for name in runs if name != PLAIN)]) + " |")
    print("| --- |" + " ---: |" * (2 * len(runs) - 1))
    for name, row in report.items():
        print(f"| {name} | " + " | ".join(f"{v:.4f}" for v in row.values()) + " |")
    plot(runs, out)
    if json_ is not None:
        json_.write_text(json.dumps({k: {n: v.tolist() for n, v in r.items()} for k, r in runs.items()}) + "\n")


def one_run(
    name: str,
    config: AmganConfig,
    train: Garments,
    test: Garments,
    teacher: str,
    device: torch.device,
    steps: int,
) -> dict[str, np.ndarray]:
    """All losses of a run, (steps,) each, and under ``score`` how its edits of unseen garments differ, (1,)."""
    import numpy as np
    import torch
    from rich.progress import track

    from amgan.models.amgan.method import Amgan
    from amgan.training.supply import make_batches
    from amgan.training.trainer import Trainer
    from amgan.weights import load_classifier

    torch.manual_seed(config.optimisation.seed)
    method = Amgan(train.schema, config, load_classifier(teacher), device)
    trainer = Trainer(method)
    if name in (PLAIN, AGAIN):
        for optimizer in (trainer.g_optimizer, trainer.d_optimizer):
            for group in optimizer.param_groups if optimizer is not None else ():
                group["fused"] = False
    batches = make_batches(train, None, method.teacher, config, device)
    losses: dict[str, list[torch.Tensor]] = {}
    for step in track(range(steps), name):
        for loss, value in trainer.step(batches, step, step / steps).items():
            losses.setdefault(loss, []).append(value)
    # What only some steps have, such as a lazy penalty, makes no curve.
    curves = {k: torch.stack(v).float().cpu().numpy() for k, v in losses.items() if len(v) == steps}
    return curves | {"score": np.array([error(method.generator.eval(), test, device)])}


def error(network: Any, test: Garments, device: torch.device) -> float:
    """Mean absolute difference of edits from the true ones, grey levels of 256."""
    import torch
    import torch.nn.functional as F

    from amgan.models.interface import make_condition
    from amgan.pixels import to_float

    truths = test.truths
    assert truths is not None
    total = 0.0
    with torch.inference_mode():
        for rows in torch.arange(len(truths)).split(32):
            edited = F.one_hot(truths.attribute[rows], len(test.schema.names)).bool().to(device)
            condition = make_condition(test.schema, truths.labels[rows].to(device), edited)
            image = network(to_float(test.images[truths.of[rows]].to(device)), condition).image
            total += float((image.cpu() - to_float(truths.images[rows])).abs().mean((1, 2, 3)).sum())
    return 127.5 * total / len(truths)


def table(runs: dict[str, dict[str, np.ndarray]]) -> dict[str, dict[str, float]]:
    """Per loss the mean of the last quarter of each run, and how far two runs are apart on average, step by step; and
    the score."""
    import numpy as np

    out = {}
    for loss, curve in runs[PLAIN].items():
        last = slice(-max(1, len(curve) // 4), None)
        row = {name: float(r[loss][last].mean()) for name, r in runs.items()}
        for name in runs:
            if name != PLAIN:
                row[f"{name} - {PLAIN}"] = float(np.abs(runs[name][loss] - curve).mean())
        out[loss] = row
    return out


def plot(runs: dict[str, dict[str, np.ndarray]], out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    losses = [k for k in runs[PLAIN] if k not in ("score", "G/alpha")]
    columns = 3
    figure, axes = plt.subplots(-(-len(losses) // columns), columns, figsize=(11, 2.4 * -(-len(losses) // columns)))
    for axis in axes.flat:
        axis.set_visible(False)
    for axis, loss in zip(axes.flat, losses, strict=False):
        axis.set_visible(True)
        for (name, r), style in zip(runs.items(), ("-", "--", ":", "-.", "-"), strict=False):
            window = max(1, len(r[loss]) // 20)
            smooth = np.convolve(r[loss], np.full(window, 1 / window), "valid")
            axis.plot(np.arange(len(smooth)) + window, smooth, style, label=name)
        axis.set_title(loss, fontsize=9)
        axis.tick_params(labelsize=7)
    axes.flat[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(out, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    run(app)
