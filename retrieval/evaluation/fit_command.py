"""``fit-query-weights``: choose a query's weights on edits of validation photos, and keep them with an index."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console

from amgan.commandline import HELP, Json, Version, print_json, run
from amgan.errors import UserError

if TYPE_CHECKING:  # --help must not wait for torch
    from amgan.evaluation.edits import EditPlan
    from amgan.evaluation.exact import Gallery
    from retrieval.evaluation.fitting import Fitted, Weighed
    from retrieval.evaluation.rows import QueryFeatures
    from retrieval.representation import Representation

EPILOG = """
Examples:

fit-query-weights garments --weights photos

fit-query-weights garments --weights photos --twins --also train --json

fit-query-weights garments --store out/index --collection shop

With --store and --collection the index's own networks are taken, twins among them if it has any, and the best weights
are kept with the index: search-catalog, the page and the service take them unless a query names others.

Of every way to weigh, the first ten hits are looked at: which share has the wanted value, which has the photo's other
given labels, each as a share of what the gallery allows; half and half, averaged over the attributes that are edited.
"right" is how many queries find, among the first ten, a garment that has all of that at once.

Exit status: 0 done; 2 a mistake; 130 interrupted.
"""
SHOWN = 12  # ways to weigh that are printed

app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)


@app.command(epilog=EPILOG, context_settings=HELP)
def fit_query_weights(
    folder: Annotated[Path, typer.Argument(help="A labelled folder.", show_default=False)],
    weights: Annotated[
        str | None, typer.Option(help="A shipped name, or a folder; the index's, or photos, when not given.")
    ] = None,
    embedder: Annotated[str | None, typer.Option(help="As index-catalog --embedder.")] = None,
    twins: Annotated[bool, typer.Option("--twins", help="As index-catalog --twins.")] = False,
    editor: Annotated[str | None, typer.Option(help="What edits; the weights' own when not given.")] = None,
    split: Annotated[str, typer.Option(help="Whose photos are edited, and searched.")] = "val",
    also: Annotated[str | None, typer.Option(help="Another split that is searched as well.")] = None,
    edited: Annotated[list[str] | None, typer.Option(help="Attributes that are edited; all when not given.")] = None,
    store: Annotated[str | None, typer.Option(help="The index to fit weights for, and to keep them with.")] = None,
    collection: Annotated[str | None, typer.Option(help="Its name.")] = None,
    json_: Json = False,
    version: Version = False,
) -> None:
    """Choose how much picture, wanted and kept attributes and twins count in a query, on edits of validation photos."""
    if (store is None) != (collection is None):
        raise UserError("--store and --collection name an index together; give both or none.")
    if store is not None and (embedder is not None or twins):
        raise UserError("An index says itself which embedder filled it, and whether it has twins; leave those out.")
    from retrieval.evaluation.fitting import fit, grid

    remarks = Console(stderr=True)
    with remarks.status("Loading the networks …"):
        representation = _representation(weights, embedder, twins, store, collection)
    with redirect_stdout(sys.stderr):  # progress and remarks; standard output is for the result
        plan, queries, labels, gallery = _measured(folder, representation, editor, split, also, edited)
        found = fit(plan, queries, labels, gallery, grid(representation.twins))
    if store is not None and collection is not None:
        _keep(store, collection, found.ways[0])
    if json_:
        print_json(_as_dict(plan, found))
        return
    _print(plan, found)
    if collection is not None:
        print(f"Kept with {collection} in {store}.")


def _representation(
    weights: str | None, embedder: str | None, twins: bool, store: str | None, collection: str | None
) -> Representation:
    from retrieval.representation import Representation
    from retrieval.stores import connect
    from retrieval.stores.base import no_collection

    if store is None or collection is None:
        return Representation(weights or "photos", embedder, twins=twins)
    location = connect(store)
    try:
        about = location.describe(collection)
        if about is None:
            raise no_collection(collection, location, f"in {store}", store)
    finally:
        location.close()
    return Representation.of_index(about.identity, weights)


def _measured(
    folder: Path,
    representation: Representation,
    editor: str | None,
    split: str,
    also: str | None,
    edited: list[str] | None,
) -> tuple[EditPlan, QueryFeatures, np.ndarray, Gallery]:
    """Plan, query features, the gallery's labels, gallery; photos of ``split`` are the gallery's first."""
    from amgan.data.garments import load_garments
    from amgan.data.imagefolder import read_within
    from amgan.editing.editor import load_editor
    from amgan.evaluation.edits import plan_edits
    from amgan.evaluation.exact import Gallery
    from retrieval.evaluation.rows import QueryFeatures
    from retrieval.representation import ATTRIBUTES, IMAGE, TWIN

    drawing = load_editor(editor or representation.weights, "remembered")
    schema = representation.schema.edited_by(drawing.schema)
    data = read_within(folder, schema, f"the weights {representation.weights}")
    cut = [
        load_garments(data, data.split(name), representation.image_size, segmenter=representation.segmenter)
        for name in (split, also)
        if name
    ]
    items, labels = cut[0], np.concatenate([part.labels.numpy() for part in cut])
    plan = plan_edits(items.schema, items.labels.numpy(), drawing.schema)
    if edited:
        chosen = [schema.index(schema.resolve_attribute(name)) for name in edited]
        plan = plan.part(np.flatnonzero(np.isin(plan.attribute, chosen)))
    if not len(plan):
        raise UserError(f"No photo of the split {split!r} has a known label that can be edited; nothing can be fitted.")
    encoded = [representation.encode(part) for garments in cut for part in garments.images.split(64)]
    vectors, probabilities = (np.concatenate(parts) for parts in zip(*encoded, strict=True))
    where = representation.identity.slices()
    features = vectors[:, where[IMAGE]]
    gallery = Gallery(features, probabilities, labels, vectors[:, where[TWIN]] if TWIN in where else None)
    assert where[ATTRIBUTES].stop == vectors.shape[1]
    pictures = []
    for start in range(0, len(plan), 64):
        q = range(start, min(start + 64, len(plan)))
        result = drawing.edit(items.images[plan.photo[list(q)]], [plan.edit(i) for i in q])
        pictures.append(representation.embed(result.image)[0])
    none = np.zeros((0, schema.n_attributes), np.int64)
    n = len(items)
    queries = QueryFeatures(np.concatenate(pictures), features[:n], probabilities[:n], features[:0], none)
    return plan, queries, labels, gallery


def _keep(store: str, collection: str, best: Weighed) -> None:
    from retrieval.query import NOTE
    from retrieval.stores import connect

    location = connect(store)
    with location.writing(collection):
        opened = location.open(collection, write=True)
        try:
            opened.set_notes({**opened.notes, NOTE: best.weights.to_note()})
        finally:
            opened.close()
    location.close()


def _as_dict(plan: EditPlan, found: Fitted) -> dict[str, Any]:
    ways = [asdict(w) for w in found.ways]
    lead = None if found.lead is None else dict(zip(("mean", "low", "high"), found.lead, strict=True))
    return {
        "queries": len(plan),
        "best": ways[0],
        "lead_over_default": lead,
        "without_twins": next(way for way in ways if not way["weights"]["twin"]),
        "ways": ways,
    }


def _print(plan: EditPlan, found: Fitted) -> None:
    from retrieval.query import DEFAULT_WEIGHTS

    ways = found.ways
    print(f"{len(plan):,} edits, {len(ways)} ways to weigh, the best first; what is kept counts 1")
    shown = ways[:SHOWN]
    for also in (lambda w: not w.weights.twin, lambda w: w.weights == DEFAULT_WEIGHTS):
        way = next(filter(also, ways), None)
        if way is not None and way not in shown:
            shown.append(way)
    for edited in ways[0].shares:
        others = list(ways[0].shares[edited]["kept"])
        print(f"\n{edited} edited")
        print("".join(n[:9].rjust(10) for n in ("picture", "twin", "wanted", "score", "right", f"={edited}", *others)))
        for way in shown:
            w, share = way.weights, way.shares[edited]
            numbers = (w.image, w.twin, w.wanted, way.score, way.right, share["wanted"])
            print("".join(f"{cell:10.3f}" for cell in (*numbers, *(share["kept"][n] for n in others))))
    best = ways[0].weights
    print(f"\nBest: picture {best.image:g}, twin {best.twin:g}, wanted {best.wanted:g}, kept {best.kept:g}.")
    if found.lead is not None:
        mean, low, high = found.lead
        print(f"Its score is {mean:+.4f} [{low:+.4f}, {high:+.4f}] above that of the default.")


def main() -> None:
    """The console script."""
    run(app)


if __name__ == "__main__":
    main()
