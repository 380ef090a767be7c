"""Whether a run's critics see: what they say of real garments of training, of real ones that they never saw, and of
edits of both; and the curves of the run.

A critic that takes real for real and edited for edited half of the time each, 0.5, sees nothing. One that takes
held-back real garments for edited knows its garments by heart.

python scripts/critic_scores.py ../shared/data/garments runs/new --plot critics.png
"""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amgan.commandline import Json, run
from amgan.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from amgan.models.amgan.method import Amgan
    from amgan.models.interface import EditBatch

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def score(
    folder: Annotated[Path, typer.Argument(help="Labelled photos.", show_default=False)],
    run_folder: Annotated[Path, typer.Argument(help="What --out of the training was.", show_default=False)],
    batches: Annotated[int, typer.Option(help="Batches of each split.", min=1)] = 8,
    plot: Annotated[Path | None, typer.Option(help="Draw the curves of the run here, a PNG.")] = None,
    json_: Json = False,
) -> None:
    # Imported here, because torch takes seconds, which --help need not wait for.
    import torch

    from amgan.config import from_dict
    from amgan.data.garments import load_garments
    from amgan.data.imagefolder import read_within
    from amgan.models.amgan.config import AmganConfig
    from amgan.models.amgan.method import Amgan
    from amgan.training.run import load_state
    from amgan.training.supply import make_batches
    from amgan.training.trainer import Trainer
    from amgan.weights import load_classifier

    described = run_folder / "editor-run" / "run.json"
    if not described.is_file():
        raise UserError(f"{run_folder} holds no editor-run: give the folder that --out named.")
    config = from_dict(AmganConfig, json.loads(described.read_text())["config"])
    if not config.critics_of_eye:
        raise UserError(f"The critics of {run_folder} do not look through an eye (critics=eye).")
    teacher = load_classifier(run_folder, "teacher")
    method = Amgan(teacher.schema, config, teacher, torch.device("cpu"))
    trainer = Trainer(method)
    if load_state(run_folder / "editor-run", lambda tensors, _: trainer.load(tensors)) is None:
        raise UserError(f"{run_folder} holds no state yet: wait for its first snapshot.")
    with redirect_stdout(sys.stderr):
        data = read_within(folder, teacher.schema, f"the teacher of {run_folder}")
        splits = {name: load_garments(data, data.split(name), config.image_size, False) for name in ("train", "val")}
        makers = {name: make_batches(g, None, teacher, config, torch.device("cpu")) for name, g in splits.items()}
    for network in method.critic_networks().values():
        network.eval()
    found: dict[str, Any] = {}
    for name, maker in makers.items():
        draws = torch.Generator().manual_seed(1)
        seen = [realness(method, maker.draw(draws)) for _ in range(batches)]
        for critic in seen[0]:
            real, edited = (torch.stack([s[critic][i] for s in seen]).mean(0) for i in range(2))
            found.setdefault(critic, {})[name] = {"real": real.tolist(), "edited": edited.tolist()}
    if plot is not None:
        draw_curves(run_folder / "editor-run" / "stats.jsonl", plot)
    if json_:
        print(json.dumps(found, indent=1))
        return
    print("Share taken for real, at strides 4, 8, 16, 32")
    for critic, by_split in found.items():
        for name, shares in by_split.items():
            for what, values in shares.items():
                print(f"D_{critic} {what + ', ' + name:<16}", *(f"{v:6.2f}" for v in values))


def realness(method: Amgan, batch: EditBatch) -> dict[str, tuple[Tensor, Tensor]]:
    """By critic, the shares of places that it takes for real, of real and of edited pictures, float32 (depths,)."""
    import torch

    from amgan.models.interface import make_condition

    with torch.no_grad():
        outputs, out = method.forward(batch), {}
        assert batch.real is not None
        for name, critic in method.critic_networks().items():
            view = name.removeprefix("critic_").upper()
            both = []
            for maps, labels in (
                (outputs.real_maps, batch.real.labels),
                (outputs.edited_maps, batch.wanted),
            ):
                judged = critic(maps[view], make_condition(method.schema, labels, labels >= 0))
                both.append(torch.stack([(m > 0).float().mean() for m in judged]))
            out[view] = (both[0], both[1])
    return out


def draw_curves(statistics: Path, path: Path) -> None:
    """L_adv and how often each critic is right, over the images seen."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    rows = [json.loads(line) for line in statistics.read_text().splitlines()]
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.5), constrained_layout=True)
    for axis, what, title, chance in (
        (axes[0], "adv", "hinge loss of D (chance: 2)", 2),
        (axes[1], "right", "right about real and edited (chance: 0.5)", 0.5),
    ):
        for view in ("I", "C"):
            points = [(r["kimg"], r[f"D_{view}/{what}"]) for r in rows if f"D_{view}/{what}" in r]
            if points:
                axis.plot(*zip(*points, strict=True), label=f"D_{view}")
        axis.axhline(chance, color="gray", linestyle=":")
        axis.set(title=title, xlabel="thousand images")
        axis.legend()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main() -> None:
    run(app)


if __name__ == "__main__":
    main()
