"""Which weights of a query find what is wanted and keep the rest: a grid, measured on edits of validation photos.

python scripts/choose_query_weights.py garments --weights photos
python scripts/choose_query_weights.py garments --weights photos --embedder teacher:photos

For each attribute that is edited (colour, unless --edited names others) and each combination of weights: the share of
the first ten that has the wanted value, and that keeps the photo's other given labels, macro-averaged over values. The
last column is what they are ranked by: half the wanted share, half the mean over kept attributes, each as a share of
what the gallery allows.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from amgan.commandline import run

ROW = "edited + wanted + kept"
GRID = (0.25, 0.5, 1.0, 2.0, 4.0)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def main(
    folder: Annotated[Path, typer.Argument(help="A labelled folder.", show_default=False)],
    weights: Annotated[str, typer.Option(help="A shipped name, or a folder.")] = "photos",
    embedder: Annotated[str | None, typer.Option(help="As index-catalog --embedder.")] = None,
    editor: Annotated[str | None, typer.Option(help="Weights that edit; those of --weights where not given.")] = None,
    split: Annotated[str, typer.Option(help="Whose photos are edited, and searched.")] = "val",
    also: Annotated[str | None, typer.Option(help="Another split that is searched as well.")] = None,
    edited: Annotated[list[str] | None, typer.Option(help="Attributes that are edited; default: color.")] = None,
) -> None:
    # Imported here, because torch takes seconds, which --help need not wait for.
    from amgan.data.garments import load_garments
    from amgan.data.imagefolder import read_within
    from amgan.editing.editor import load_editor
    from amgan.evaluation.edits import plan_edits
    from amgan.evaluation.exact import Gallery
    from retrieval.evaluation import kept, ranking
    from retrieval.evaluation.rows import QueryFeatures, row_scores
    from retrieval.query import QueryWeights
    from retrieval.representation import Representation

    representation, drawing = Representation(weights, embedder), load_editor(editor or weights)
    schema = representation.schema.edited_by(drawing.schema)
    data = read_within(folder, schema, f"the weights {weights}")
    items = load_garments(data, data.split(split), representation.image_size)
    labels = items.labels.numpy()
    plan = plan_edits(items.schema, labels, drawing.schema)
    chosen = [schema.index(name) for name in edited or ["color"]]
    plan = plan.part(np.flatnonzero(np.isin(plan.attribute, chosen)))
    size = representation.embedder.dimensions
    vectors, probabilities = representation.encode(items.images)
    pictures = []
    for start in range(0, len(plan), 64):
        q = range(start, min(start + 64, len(plan)))
        result = drawing.edit(items.images[plan.photo[list(q)]], [plan.edit(i) for i in q])
        pictures.append(representation.encode(result.image)[0][:, :size])
    none = np.zeros((0, schema.n_attributes), np.int64)
    features = QueryFeatures(np.concatenate(pictures), vectors[:, :size], probabilities, vectors[:0, :size], none)
    all_labels, gallery = labels, Gallery(features.photos, probabilities, labels)
    if also:
        more = load_garments(data, data.split(also), representation.image_size)
        their_vectors, theirs = representation.encode(more.images)
        all_labels = np.concatenate([labels, more.labels.numpy()])
        photos = np.concatenate([features.photos, their_vectors[:, :size]])
        gallery = Gallery(photos, np.concatenate([probabilities, theirs]), all_labels)
    found = {}
    for image, wanted in product(GRID, GRID):
        part = QueryWeights(image, wanted, 1.0)
        scores = dict(row_scores(plan, features, labels, part, gallery))[ROW]
        found[image, wanted] = ranking.rank(scores, plan.photo, kept.TOP)
    shares = kept.shares(plan, all_labels, {str(k): v for k, v in found.items()})
    for attribute, table in shares.items():
        rows, best = table["rows"], table["rows"][kept.BEST]
        names = list(best["kept"])
        print(f"\n{attribute} edited, {table['queries']:,} queries, gallery {len(all_labels) - 1:,}")
        print("picture, wanted".ljust(16) + "".join(n[:9].rjust(10) for n in ("wanted", *names, "together")))

        def together(e: dict, best: dict = best, names: list[str] = names) -> float:
            return 0.5 * e["wanted"] / best["wanted"] + 0.5 * np.mean([e["kept"][n] / best["kept"][n] for n in names])

        for row, e in sorted(rows.items(), key=lambda x: -together(x[1])):
            values = (e["wanted"], *(e["kept"][n] for n in names), together(e))
            print(row.ljust(16) + "".join(f"{v:10.3f}" for v in values))


if __name__ == "__main__":
    run(app)
