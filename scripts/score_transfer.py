"""How well classifiers that were trained on other pictures read these: the renderer's realism in one number.

python scripts/score_transfer.py ../shared/data/garments --weights runs/synthetic

Answers are taken among the values that both schemas have; attributes that the split has no labels of are passed over.
Beside the accuracy stands its mean over values, and what always giving the commonest answer would score.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from amgan.commandline import run
from amgan.errors import UserError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def score(
    folder: Annotated[Path, typer.Argument(help="Labelled photos.", show_default=False)],
    weights: Annotated[str, typer.Option(help="A shipped name, a folder, or hf-hub:org/name.")] = "synthetic",
    split: Annotated[str, typer.Option(help="The split.")] = "test",
) -> None:
    from amgan.data.garments import load_garments
    from amgan.data.imagefolder import read_imagefolder
    from amgan.weights import frame_size, load_classifier, weights_folder

    data = read_imagefolder(folder)
    photos = load_garments(data, data.split(split), frame_size(weights), progress=False)
    print(f"{len(photos)} photos of {folder}, split {split}; classifiers of {weights}\n")
    print("| | accuracy | mean over values | commonest answer | photos |\n| --- | --- | --- | --- | --- |")
    shared = 0
    for role in ("teacher", "judge"):
        if not (weights_folder(weights) / role).is_dir():
            continue
        network = load_classifier(weights, role)
        probabilities = network.predict(photos.images)
        for i, attribute in enumerate(data.schema.attributes):
            if attribute.name not in network.schema.names:
                continue
            part = network.schema.slices[network.schema.index(attribute.name)]
            theirs = network.schema.values(attribute.name)
            both = [v for v in attribute.values if v in theirs]
            if len(both) < 2:
                continue
            answers = probabilities[:, part][:, [theirs.index(v) for v in both]].argmax(1)
            place = {attribute.values.index(v): k for k, v in enumerate(both)}
            rows = [
                (int(a), place[int(t)]) for a, t in zip(answers, photos.labels[:, i], strict=True) if int(t) in place
            ]
            if not rows:
                continue
            right = [[a == t for a, t in rows if t == k] for k in range(len(both))]
            right = [r for r in right if r]
            per_value = sum(sum(r) / len(r) for r in right) / len(right)
            commonest = max(len(r) for r in right) / len(rows)
            accuracy = sum(map(sum, right)) / len(rows)
            print(f"| {attribute.name}, {role} | {accuracy:.3f} | {per_value:.3f} | {commonest:.3f} | {len(rows)} |")
            shared += 1
    if not shared:
        raise UserError(
            f"The weights {weights} and {folder} share no attribute with two values or more of which the split {split} "
            "has labels."
        )


def main() -> None:
    run(app)


if __name__ == "__main__":
    main()
