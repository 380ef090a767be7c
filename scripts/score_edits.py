"""Short scores of several weights on validation photos, side by side: how a checkpoint is chosen, never on test.

python scripts/score_edits.py ../shared/data/garments runs/a runs/b --measure-with runs/a --limit 60
"""

from __future__ import annotations

import json
import math
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from amgan.commandline import Json, run

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def score(
    folder: Annotated[Path, typer.Argument(help="Labelled photos.", show_default=False)],
    weights: Annotated[
        list[str], typer.Argument(help="Shipped names, folders, or hf-hub:org/name.", show_default=False)
    ],
    measure_with: Annotated[
        str | None, typer.Option(help="Weights whose judge scores all; the first ones' by default.")
    ] = None,
    split: Annotated[str, typer.Option(help="The split.")] = "val",
    limit: Annotated[int, typer.Option(help="The first so many photos by the SHA-256 of their id.", min=1)] = 60,
    json_: Json = False,
) -> None:
    # Imported here, because torch takes seconds, which --help need not wait for.
    from amgan.data.garments import load_garments
    from amgan.data.imagefolder import read_within
    from amgan.editing.editor import load_editor
    from amgan.evaluation.validation import score_edits
    from amgan.weights import load_classifier
    from retrieval.evaluation.records import chosen_records

    judge = load_classifier(measure_with or weights[0], "judge")
    with redirect_stdout(sys.stderr):
        data = read_within(folder, judge.schema, f"the judge of {measure_with or weights[0]}")
        editors = {name: load_editor(name) for name in weights}
        sizes = sorted({e.image_size for e in editors.values()})
        records = chosen_records(data, split, limit)
        items = {size: load_garments(data, records, size, progress=False) for size in sizes}
        scores = {name: score_edits(e, judge, items[e.image_size]) for name, e in editors.items()}
    if json_:
        print(json.dumps(scores, indent=1))
        return
    rows = list(dict.fromkeys((a, c) for a in data.schema.names for s in scores.values() for c in s.get(a, {})))
    width = max(len(f"{a} {c}") for a, c in rows)
    print(" " * width, *(f"{Path(n).name[-14:]:>14}" for n in scores))
    for a, c in rows:
        print(f"{a} {c}".ljust(width), *(f"{s.get(a, {}).get(c, math.nan):>14.3f}" for s in scores.values()))


def main() -> None:
    run(app)


if __name__ == "__main__":
    main()
