"""How fast garments are cut out by GrabCut: quickly where that suffices, against thoroughly always.

python scripts/bench_cutout.py garments                # the first 200 photos of the training split
python scripts/bench_cutout.py garments --photos 1000

Both ways take turns, photo by photo, on one thread; photos on a plain ground, which need neither, are passed over. "As
good" compares the masks that are kept with the thorough ones: intersection over union, and how many are in doubt.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.progress import track

from amgan.commandline import run
from amgan.data.imagefolder import read_imagefolder
from amgan.photos import read_image
from amgan.photos.classical import DOUBTFUL, background_mask, garment_mask, thorough_mask
from amgan.photos.framing import shrink
from amgan.photos.judging import doubt
from amgan.photos.learned import overlap_of
from amgan.photos.segmenter import WORKING_SIDE

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
WAYS = {"thoroughly": thorough_mask, "quickly where that suffices": garment_mask}


@app.command(help=__doc__)
def bench(
    folder: Annotated[Path, typer.Argument(help="Labelled photos.")],
    split: Annotated[str, typer.Option(help="The split.")] = "train",
    photos: Annotated[int, typer.Option(help="How many photos.", min=1)] = 200,
) -> None:
    cv2.setNumThreads(1)
    data = read_imagefolder(folder)
    pictures = [
        shrink(np.asarray(read_image(data.root / record.file_name)), WORKING_SIDE)
        for record in data.split(split)[:photos]
    ]
    pictures = [picture for picture in pictures if background_mask(picture) is None]
    if not pictures:
        print("All of these photos lie on a plain ground: there is nothing to compare.")
        return
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    masks: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
    for picture in track(pictures, "Cutting out"):
        for way, cut in WAYS.items():
            start = time.perf_counter()
            masks[way].append(cut(picture))
            seconds[way].append(time.perf_counter() - start)
    plain, ours = (np.array(seconds[way]) for way in WAYS)
    print(f"{len(pictures)} photos")
    print("| cut out | median ms | mean ms | against thoroughly | in doubt |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for way in WAYS:
        doubtful = np.mean([doubt(p, m) > DOUBTFUL for p, m in zip(pictures, masks[way], strict=True)])
        own = 1000 * np.array(seconds[way])
        ratio = np.median(plain / np.array(seconds[way]))
        print(f"| {way} | {np.median(own):.0f} | {own.mean():.0f} | {ratio:.2f} | {doubtful:.1%} |")
    overlaps = np.array([overlap_of(a > 0, b > 0) for a, b in zip(*masks.values(), strict=True)])
    print(f"IoU with the thorough masks: median {np.median(overlaps):.3f}, below 0.9 in {np.mean(overlaps < 0.9):.1%}")
    print(f"Faster by more than a tenth in {np.mean(ours < 0.9 * plain):.0%} of the photos")


if __name__ == "__main__":
    run(app)
