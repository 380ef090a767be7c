"""How fast edits are in every runtime against plain eager float32, and how long it takes from a photo to its hits.

python scripts/bench_edit.py                                 # the shipped weights photos, and the paper's size
python scripts/bench_edit.py --size paper --compile --batch 1 --rounds 15
python scripts/bench_edit.py --size photos --batch 1 --photos garments --searches 200 --out bench.json

Rows take turns, round by round; the median round counts, and the ratio is the median of the rounds' own ratios, so that
other programs on the machine hit all rows. The paper's sizes have random weights, whose speed is that of trained ones.
Beside them stands the share of the machine's own rate of matrix products (measured here) that the plain generator's
convolutions and products come to: a runtime that finds cheaper ways to the same picture may have more than its share.
"Differs" is what choosing a runtime goes by: grey levels of 256, the mean and what 999 of
1,000 pixels stay under. "Same hits" is how many searches find the same ten garments as with plain edits.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amgan.commandline import run
from scripts.benching import counted_operations, device_name, product_rate

if TYPE_CHECKING:  # --help must not wait for torch
    from amgan.editing.runtimes import Network
    from amgan.models.amgan.config import AmganConfig
    from amgan.models.amgan.generator import Generator

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
SKIPS = ["skips=true", "context=true"]
SIZES = {"photos": [], "paper": [], "paper+skips": SKIPS}


@app.command(help=__doc__)
def bench(
    size: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(SIZES)}; repeat for several. [default: all]")
    ] = None,
    batch: Annotated[list[int] | None, typer.Option(help="Pictures; repeat for several. [default: 1, 8, 32]")] = None,
    rounds: Annotated[int, typer.Option(help="How often the rows take turns.", min=1)] = 9,
    compile_: Annotated[bool, typer.Option("--compile", help="A row with torch.compile; takes minutes.")] = False,
    path: Annotated[bool, typer.Option(help="Also time photo, cut-out, edit, embedding and search.")] = True,
    photos: Annotated[
        Path | None, typer.Option(help="A folder of photos for that; drawn garments of 768 px when not given.")
    ] = None,
    searches: Annotated[int, typer.Option(help="How many searches of each runtime.", min=1)] = 20,
    out: Annotated[Path | None, typer.Option(help="Also write the figures as JSON.")] = None,
) -> None:
    import torch

    rate = product_rate(torch.device("cpu"), "float32")
    report: dict[str, Any] = {"device": device_name(torch.device("cpu")), "products_per_second": rate, "sizes": {}}
    print(f"{report['device']}; matrix products: {rate / 1e12:.2f} T/s")
    for name in size or list(SIZES):
        with tempfile.TemporaryDirectory() as folder:
            weights, generator, config = network_of(name, Path(folder))
            rows, differences = runtimes(generator, config.image_size, Path(folder), compile_)
            found: dict[str, Any] = {"differs": differences, "batches": {}}
            for pictures in batch or [1, 8, 32]:
                found["batches"][pictures] = table = measure(rows, generator, config.image_size, pictures, rounds, rate)
                print(f"\n{name}: batch {pictures}, {config.image_size} px, {config.generator.channels} channels")
                print("| runtime | ms | against plain | share of products | differs |")
                print("| --- | ---: | ---: | ---: | ---: |")
                for row, f in table.items():
                    d = differences[row]
                    apart = f"{d['mean']:.2f}, {d['nearly_all']:.1f}"
                    print(f"| {row} | {f['ms']:.1f} | {f['ratio']:.2f} | {f['share']:.0%} | {apart} |")
            if path:
                from scripts.photo_to_hits import POINTS, whole_path

                found["path"] = times = whole_path(weights, rows, photos, Path(folder), searches)
                stages = list(next(iter(times.values())))
                print(f"\n{name}: photo to hits among {POINTS:,}, ms")
                print(f"| runtime | {' | '.join(stages)} |\n| --- |{' ---: |' * len(stages)}")
                for row, f in times.items():
                    cells = (f"{v:.1f}" if isinstance(v, float) else v for v in f.values())
                    print(f"| {row} | {' | '.join(cells)} |")
            report["sizes"][name] = found
    if out is not None:
        out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def network_of(name: str, folder: Path) -> tuple[str, Generator, AmganConfig]:
    """Weights by name or folder, their generator and its configuration; the paper's sizes are made up."""
    import torch

    from amgan.config import override
    from amgan.errors import UserError
    from amgan.models.amgan.generator import Generator
    from amgan.models.classifier import AttributeClassifier
    from amgan.training.presets import PRESETS
    from amgan.weights import load_classifier, load_generator, save_classifier, save_generator

    if name not in SIZES:
        raise UserError(f"Unknown size {name!r}. Valid: {', '.join(SIZES)}.")
    if name != "photos":
        torch.manual_seed(0)
        schema, preset = load_classifier("photos").schema, PRESETS["paper"]
        config = override(preset.amgan, SIZES[name])
        folder = folder / "weights"
        save_generator(folder, Generator.from_config(schema, config.generator), config, {})
        teacher = AttributeClassifier(schema, preset.teacher.backbone, preset.teacher.image_size)
        save_classifier(folder, "teacher", teacher, {})
        name = str(folder)
    generator, config, _ = load_generator(name)
    return name, generator, config


def runtimes(
    generator: Generator, image_size: int, folder: Path, with_compile: bool
) -> tuple[dict[str, Network], dict[str, dict[str, float]]]:
    """Every runtime that is installed, plain eager first, and how far each is from it."""
    import torch

    from amgan.editing.runtimes import ENGINES, eager
    from amgan.editing.runtimes.agreement import difference, sample_edits

    rows: dict[str, Network] = {"eager": eager(generator)}
    if with_compile:
        rows["compiled"] = eager(torch.compile(generator))  # type: ignore[arg-type]
    for name, engine in ENGINES.items():
        if not engine.missing:
            target = folder / name
            target.mkdir()
            engine.save(generator, image_size, target)
            rows[name] = engine.load(target)
    x, m = sample_edits(generator.schema, image_size, 8, 700_000)
    with torch.inference_mode():
        truth = rows["eager"](x, m)
        return rows, {name: difference(x, network(x, m), truth).to_dict() for name, network in rows.items()}


def measure(
    rows: dict[str, Network],
    generator: Generator,
    image_size: int,
    pictures: int,
    rounds: int,
    rate: float,
) -> dict[str, dict[str, float]]:
    """Time the rows by turns on the same pictures, which lie in memory as the editor lays them out."""
    import torch

    from amgan.editing.runtimes.agreement import sample_edits

    x, m = sample_edits(generator.schema, image_size, min(8, pictures), 800_000)
    x, m = (t.repeat(-(-pictures // len(t)), *[1] * (t.ndim - 1))[:pictures] for t in (x, m))
    x = x.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():  # in inference mode nothing could be counted
        operations = counted_operations(lambda: generator(x, m))
    with torch.inference_mode():
        times = by_turns({name: lambda n=network: n(x, m) for name, network in rows.items()}, rounds)
    return {
        name: {
            "ms": 1000 * statistics.median(times[name]),
            "ratio": statistics.median(p / s for p, s in zip(times["eager"], times[name], strict=True)),
            "share": operations / statistics.median(times[name]) / rate,
        }
        for name in rows
    }


def by_turns(rows: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each row in each round. Each runs once untimed before, as others emptied its caches."""
    times: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, work in rows.items():
            work()
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    return times


if __name__ == "__main__":
    run(app)
