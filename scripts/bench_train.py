"""How fast a training step of AMGAN is, optimisation by optimisation, against the plain eager fp32 step.

python scripts/bench_train.py                                    # preset small, this machine's device
python scripts/bench_train.py --preset paper --batch 16 --batch 64 --rounds 7
python scripts/bench_train.py --compile --out bench.json         # torch.compile too; takes minutes to warm up

Every row adds one thing to the row above. Rows take turns, round by round, so that a noisy neighbour hits all of them;
the median round counts. What is done in one way only (the teacher looks at every picture once, constant planes are not
convolved, docs/SPEED.md) is in all rows, the plain one too. A row of bf16 is there where a quick measurement says that
it pays. The garments are drawn by the renderer, with true edits, and every step is a whole step: drawing the batch,
critics, penalties, generator, averages. Beside it stands the share of the machine's own rate of matrix
products (measured here, in the row's number format) that the step's convolutions and products come to.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amgan.commandline import run
from scripts.benching import counted_operations, device_name, drawn_garments, product_rate

if TYPE_CHECKING:  # --help must not wait for torch
    import torch

    from amgan.training.trainer import Trainer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
GARMENTS = 96


@app.command(help=__doc__)
def bench(
    preset: Annotated[str, typer.Option(help="paper, ours, small, paper-64, tiny.")] = "small",
    batch: Annotated[list[int] | None, typer.Option(help="Images per step; repeat for several. [default: 16]")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--config", "-c", help="Change a setting of the preset: name=value."),
    ] = None,
    rounds: Annotated[int, typer.Option(help="How often the rows take turns.", min=1)] = 5,
    steps: Annotated[int, typer.Option(help="Steps of each turn.", min=1)] = 4,
    compile_: Annotated[bool, typer.Option("--compile", help="A row with torch.compile as well.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Also write the figures as JSON.")] = None,
) -> None:
    from amgan.config import changed, override
    from amgan.devices import pick_device
    from amgan.models.precision import bf16_pays
    from amgan.training.presets import preset as named

    where = pick_device(device)
    config = override(named(preset).amgan, set_ or [])
    garments = drawn_garments(config.image_size, GARMENTS)
    report: dict[str, Any] = {"preset": preset, "device": device_name(where), "batches": {}}
    rates = {name: product_rate(where, name) for name in ("float32", "bfloat16")}
    report["products_per_second"] = rates
    print(f"{report['device']}; matrix products: " + ", ".join(f"{k} {v / 1e12:.2f} TFLOP/s" for k, v in rates.items()))
    for size in batch or [16]:
        rows = variants(changed(config, batch=size), compile_, bf16_pays(where))
        report["batches"][size] = table = measure(rows, garments, where, rounds, steps, rates)
        print(
            f"\nBatch {size}, {config.image_size} px, {config.generator.channels} channels, "
            f"critics of {config.critics.critics}"
        )
        print(
            "| step | images/s | against plain | peak memory | share of products |\n| --- | ---: | ---: | ---: | ---: |"
        )
        for name, row in table.items():
            memory = f"{row['peak_bytes'] / 2**30:.2f} GiB" if row["peak_bytes"] else "-"
            print(f"| {name} | {row['images_per_second']:.2f} | {row['ratio']:.2f} | {memory} | {row['share']:.1%} |")
    if out is not None:
        out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def variants(config: Any, with_compile: bool, bf16: bool) -> dict[str, tuple[Any, bool]]:
    """Per row its configuration, and whether optimisers are fused; each adds one thing to the one before."""
    from amgan.config import changed

    plain = changed(config, bf16=False, channels_last=False, compile=False)
    rows = {
        "plain eager fp32": (plain, False),
        "+ fused Adam": (plain, True),
        "+ channels last": (changed(plain, channels_last=True), True),
    }
    if bf16:  # elsewhere training leaves it alone
        rows["+ bf16"] = (changed(plain, channels_last=True, bf16=True), True)
    if config.has_eye:  # what it costs
        without = changed(plain, channels_last=True, bf16=bf16, adv=0.0, cls=0.0)
        if config.losses.eye_percep and config.lessons.pairs:
            rows["the same without critics"] = (without, True)
        rows["the same without critics and the eye"] = (changed(without, eye_percep=0.0), True)
    if with_compile:
        rows["+ torch.compile"] = (changed(plain, channels_last=True, bf16=bf16, compile=True), True)
    return rows


def measure(
    rows: dict[str, tuple[Any, bool]],
    garments: Any,
    device: torch.device,
    rounds: int,
    steps: int,
    rates: dict[str, float],
) -> dict[str, dict[str, float]]:
    """Time the rows by turns."""
    import torch

    plain, flops = next(iter(rows)), 0.0
    turns, seconds, peaks = {}, {name: [] for name in rows}, dict.fromkeys(rows, 0)
    for name, (config, fused) in rows.items():
        trainer, batches = prepared(config, fused, garments, device)
        if name == plain:  # the mathematics are the same for all
            flops = counted_operations(lambda: trainer.step(batches, 1, 0.0))  # noqa: B023
        for step in range(6 if config.optimisation.compile else 2):  # warms up; compiled shapes are met
            trainer.step(batches, step, 0.0)
        turns[name] = (trainer, batches)
    for turn in range(rounds):
        for name, (trainer, batches) in turns.items():
            if device.type == "cuda":
                torch.cuda.synchronize()
                torch.cuda.reset_peak_memory_stats()
            start = time.perf_counter()
            for k in range(steps):
                trainer.step(batches, 100 + turn * steps + k, 0.0)  # the same batches for all rows
            if device.type == "cuda":
                torch.cuda.synchronize()
                peaks[name] = max(peaks[name], torch.cuda.max_memory_allocated())
            seconds[name].append((time.perf_counter() - start) / steps)
    table = {}
    for name, (config, _) in rows.items():
        middle = statistics.median(seconds[name])
        rate = rates["bfloat16" if config.optimisation.bf16 else "float32"]
        table[name] = {
            "seconds_per_step": middle,
            "images_per_second": config.optimisation.batch / middle,
            "ratio": statistics.median(p / s for p, s in zip(seconds[plain], seconds[name], strict=True)),
            "peak_bytes": peaks[name],
            "share": flops / middle / rate,
        }
    return table


def prepared(config: Any, fused: bool, garments: Any, device: torch.device) -> tuple[Trainer, Any]:
    """A trainer with a teacher of random weights (its speed is that of a trained one), and its batches."""
    import torch

    from amgan.models.amgan.method import Amgan
    from amgan.models.classifier import AttributeClassifier
    from amgan.training.presets import PRESETS
    from amgan.training.supply import make_batches
    from amgan.training.trainer import Trainer

    torch.manual_seed(0)
    like = next(p for p in PRESETS.values() if p.amgan.generator.channels == config.generator.channels)
    teacher = AttributeClassifier(garments.schema, like.teacher.backbone, like.teacher.image_size)
    trainer = Trainer(Amgan(garments.schema, config, teacher, device))
    if not fused:
        for optimizer in (trainer.g_optimizer, trainer.d_optimizer):
            for group in optimizer.param_groups if optimizer is not None else ():
                group["fused"] = group["foreach"] = False
    return trainer, make_batches(garments, None, trainer.method.teacher, config, device)


if __name__ == "__main__":
    run(app)
