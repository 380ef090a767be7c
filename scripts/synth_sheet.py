"""Sheets of the renderer to look at, never chosen: the first seeds that can show what a sheet is about.

python scripts/synth_sheet.py --attribute collar --out collar.png        # all values, one garment a row
python scripts/synth_sheet.py --pairs --out pairs.png                    # true edits and their regions
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from amgan.commandline import run
from amgan.errors import UserError
from amgan.schema import Edit
from amgan.synth import SCHEMA, Item, counterfactual, draw_item, possible_edits, render

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def sheet(
    attribute: Annotated[str, typer.Option(help=f"One of {', '.join(SCHEMA.names)}.")] = "sleeve",
    pairs: Annotated[bool, typer.Option("--pairs", help="True edits and their regions instead.")] = False,
    rows: Annotated[int, typer.Option(help="Garments, or pairs.", min=1)] = 3,
    size: Annotated[int, typer.Option(help="Side of each picture in pixels.")] = 256,
    seed: Annotated[int, typer.Option(help="Where to begin.", min=0)] = 0,
    out: Annotated[Path, typer.Option(help="Where the picture goes.")] = Path("synthetic.png"),
) -> None:
    import numpy as np
    from PIL import Image, ImageDraw

    from retrieval.sheet import save_picture

    tiles = list(_pairs(seed, rows, size) if pairs else _values(SCHEMA.resolve_attribute(attribute), seed, rows, size))
    columns = 6 if pairs else len(SCHEMA.values(attribute))
    band = 18
    page = Image.new("RGB", (columns * size, -(-len(tiles) // columns) * (size + band)), "white")
    draw = ImageDraw.Draw(page)
    for i, (words, picture) in enumerate(tiles):
        x, y = i % columns * size, i // columns * (size + band)
        page.paste(Image.fromarray(np.ascontiguousarray(picture)), (x, y))
        draw.text((x + 4, y + size + 3), words, "black")
    save_picture(page, out)
    print(f"Saved {out}: {page.width} × {page.height} pixels")


def _values(attribute: str, seed: int, rows: int, size: int) -> Iterator:
    """Every value on the first garments that can have them all (a bare garment has no collar)."""
    values = SCHEMA.values(attribute)
    shown = 0
    for item in map(draw_item, itertools.count(seed)):
        there = {item.labels.get(attribute), *possible_edits(item).get(attribute, ())}
        if not there >= set(values):
            if item.seed > seed + 10_000:
                raise UserError(f"No garment from seed {seed} on can have every {attribute}.")
            continue
        for value in values:
            same = item.labels.get(attribute) == value
            rendered = (
                render(item.seed, item.labels, size)
                if same
                else counterfactual(item, {attribute: value}, size).rendered
            )
            yield f"{value}{' (drawn)' if same else ''}", rendered.image
        shown += 1
        if shown == rows:
            return


def _pairs(seed: int, rows: int, size: int) -> Iterator:
    """Source, true edit, true region: two pairs a line; attributes in turn, the value by the seed."""
    import numpy as np

    for k in range(rows):
        item = draw_item(seed + k)
        edit = _edit(item, k)
        truth = counterfactual(item, edit, size)
        yield ", ".join(item.labels.values()), render(item.seed, item.labels, size).image
        yield ", ".join(f"{n} = {v}" for n, v in edit.items()), truth.rendered.image
        yield "region", np.repeat(truth.region[..., None], 3, axis=2)


def _edit(item: Item, k: int) -> Edit:
    possible = possible_edits(item)
    names = [n for n in SCHEMA.names if n in possible]
    name = names[k % len(names)]
    return {name: possible[name][item.seed * 7 % len(possible[name])]}


def main() -> None:
    run(app)


if __name__ == "__main__":
    main()
