"""Nearest garments by two embedders, side by side, of the first photos of a split by the SHA-256 of their id.

python scripts/neighbours.py garments --out neighbours.png
python scripts/neighbours.py garments --old teacher:photos --new embedder:photos --rows 20 --out neighbours.png

A row is a photo (left), its nearest by --old, then by --new, both by the picture's features alone. The sheet
shows photographs: it is to look at, not to publish.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from PIL import Image, ImageDraw

from amgan.commandline import run

if TYPE_CHECKING:
    import torch

GAP, TOP = 12, 22  # pixels

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def nearest(images: torch.Tensor, embedder: str, rows: list[int], count: int) -> np.ndarray:
    """Positions of the nearest other pictures, int64 (len(rows), count)."""
    from retrieval.embedders import load_embedder

    vectors = np.concatenate([load_embedder(embedder).embed(images)])
    scores = vectors[rows] @ vectors.T
    scores[np.arange(len(rows)), rows] = -2
    return np.argsort(-scores, axis=1, kind="stable")[:, :count]


@app.command(help=__doc__)
def main(
    folder: Annotated[Path, typer.Argument(help="A labelled folder.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The picture.", show_default=False)],
    old: Annotated[str, typer.Option(help="As index-catalog --embedder.")] = "teacher:photos",
    new: Annotated[str, typer.Option(help="Likewise.")] = "embedder:photos",
    split: Annotated[str, typer.Option(help="Whose photos.")] = "test",
    rows: Annotated[int, typer.Option(help="How many photos.", min=1)] = 20,
    count: Annotated[int, typer.Option(help="How many neighbours of each.", min=1)] = 5,
    tile: Annotated[int, typer.Option(help="Pixels of a picture.", min=32)] = 128,
) -> None:
    # Imported here, because torch takes seconds, which --help need not wait for.
    from amgan.data.garments import load_garments
    from amgan.data.imagefolder import read_imagefolder
    from amgan.evaluation.edits import first_by_hash
    from amgan.files import writable_picture
    from amgan.pixels import to_hwc

    writable_picture(out)
    data = read_imagefolder(folder)
    items = load_garments(data, data.split(split), 128)
    first = first_by_hash(items.item_ids, rows)
    found = [nearest(items.images, name, first, count) for name in (old, new)]
    width = tile * (1 + 2 * count) + 2 * GAP
    sheet = Image.new("RGB", (width, TOP + tile * len(first)), "white")
    pen = ImageDraw.Draw(sheet)
    for name, column in (("photo", 0), (old, 1), (new, 1 + count)):
        pen.text((_left(column, count, tile), 4), name, fill="black")
    for r, at in enumerate(first):
        for column, i in enumerate([at, *found[0][r], *found[1][r]]):
            picture = Image.fromarray(to_hwc(items.images[int(i)])).resize((tile, tile), Image.Resampling.BICUBIC)
            sheet.paste(picture, (_left(column, count, tile), TOP + r * tile))
    sheet.save(out)
    print(f"Saved {out}")


def _left(column: int, count: int, tile: int) -> int:
    return column * tile + GAP * ((column > 0) + (column > count))


if __name__ == "__main__":
    run(app)
