"""How sharp grown sleeves are at the photo's own size, before new cloth gets its outline and texture and after.

python scripts/measure_source_size.py                                  # drawn garments, whose true sleeve is known
python scripts/measure_source_size.py --photos FOLDER --sheet sheet.png    # and photographs, whose own cloth stands in

Rows: the weights' edit; and the true edit at the editor's size and at twice that, which no generator of that size can
better ("perfect"). Columns, medians over garments: detail, the deviation of what is finer than 1.5 pixels of the
editor, inside the new sleeve, over the true sleeve's (else over the garment's own cloth); sharpness,
the same of the median gradient; edge, the outline's width from a tenth to nine tenths, in pixels of the photo; colour,
how far the sleeve's mean moved, 0 to 255; ms on one core, from the edit to the picture.
"""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amgan.commandline import run

if TYPE_CHECKING:  # --help must not wait for torch
    import numpy as np

    from amgan.editing.editor import EditResult
    from amgan.photos import CutOut

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
DRAWN = 6_000_000  # the first seed: none that weights were trained on


@app.command(help=__doc__)
def measure(
    weights: Annotated[str, typer.Option(help="Whose edits.")] = "photos",
    count: Annotated[int, typer.Option(help="Drawn garments, and photographs.", min=1)] = 8,
    photos: Annotated[Path | None, typer.Option(help="A labelled folder; its validation split is taken.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Where a sheet of before and after goes.")] = None,
) -> None:
    import cv2
    import numpy as np
    import torch

    from amgan import at_source_size, load_editor
    from amgan.editing.source_size import enlarge_edit

    chosen = _bare(photos, count) if photos else []
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    editor = load_editor(weights)
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    tiles = []

    def compare(name: str, cutout: CutOut, edited: EditResult, truth: np.ndarray | None) -> None:
        assert cutout.source is not None
        small, large = (p.astype(np.float32) / 255 for p in (cutout.image, cutout.source.image))
        start = time.process_time()
        enlarged = enlarge_edit(edited, small, large)
        middle = time.process_time()
        after = at_source_size(edited, cutout).image[0].permute(1, 2, 0).numpy()
        end = time.process_time()
        if enlarged.grown is None:
            return
        before = (enlarged.image * 255 + 0.5).astype(np.uint8)
        scale = large.shape[0] / small.shape[0]
        own = cv2.resize(enlarged.grown.own.astype(np.uint8), before.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
        new = _new_cloth(cutout.source.image, after, scale)
        real, where = (cutout.source.image, own) if truth is None else (truth, new)
        if new.sum() < 400 or where.sum() < 400:
            return
        for step, picture, seconds in (("before", before, middle - start), ("after", after, end - middle)):
            row = {
                n: f(picture, new, scale) / f(real, where, scale) for n, f in (("detail", _detail), ("sharp", _sharp))
            }
            row["edge"] = _edge(cutout.source.image, picture, scale)
            row["colour"] = float(np.abs(picture[new].mean(0) - before[new].mean(0)).max())
            found[f"{name}, {step}"].append(row | {"ms": 1000 * seconds})
        tiles.append(np.concatenate([before, after], axis=1))

    for cutout, double, edits in _drawn(editor, count):
        for name, (cut, edited, truth) in edits.items():
            compare(name, double if cut else cutout, edited, truth)
    for cutout, edited in _photos(editor, chosen):
        compare("photographs, edited", cutout, edited, None)
    print("| edit | n | detail | sharpness | edge | colour | ms |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, rows in found.items():
        d, s, e, c, ms = (np.nanmedian([r[k] for r in rows]) for k in ("detail", "sharp", "edge", "colour", "ms"))
        print(f"| {name} | {len(rows)} | {d:.2f} | {s:.2f} | {e:.1f} | {c:.1f} | {ms:.0f} |")
    if sheet is not None and tiles:
        from PIL import Image

        from retrieval.sheet import save_picture

        width = max(t.shape[1] for t in tiles)
        padded = [np.pad(t, ((0, 0), (0, width - t.shape[1]), (0, 0)), constant_values=255) for t in tiles]
        save_picture(Image.fromarray(np.concatenate(padded)), sheet)


def _drawn(editor, count: int):
    """Drawn garments with their edits: by the weights, and the true one at the editor's size and at twice that."""
    import cv2
    import numpy as np
    import torch
    from PIL import Image

    from amgan import cut_out
    from amgan.editing.editor import EditResult
    from amgan.photos.framing import frame_at, frame_at_source
    from amgan.pixels import to_chw
    from amgan.synth import counterfactual, draw_item, possible_edits, render

    seed = DRAWN
    while count:
        item = draw_item(seed)
        seed += 1
        if item.labels["sleeve"] not in ("short", "sleeveless") or "long" not in possible_edits(item).get("sleeve", ()):
            continue
        shot, true = render(item.seed, item.labels, 1024), counterfactual(item, {"sleeve": "long"}, 1024)
        cuts, edits = [], {}
        for size, name in ((editor.image_size, "perfect"), (2 * editor.image_size, "perfect at twice the size")):
            cut = cut_out(Image.fromarray(shot.image), shot.mask, size, keep_source=True)
            framed = frame_at(true.rendered.image, true.rendered.mask, cut.placement).image
            region = frame_at(true.rendered.image, true.region, cut.placement).mask
            alpha = cv2.dilate((region > 0).astype(np.float32), np.ones((3, 3)))
            mixed = np.where(alpha[..., None] > 0, framed, cut.image)
            truth = frame_at_source(true.rendered.image, true.rendered.mask, cut.placement).image
            result = EditResult(to_chw(mixed)[None], torch.from_numpy(alpha)[None, None], to_chw(framed)[None])
            edits[f"drawn, {name}"] = (bool(cuts), result, truth)
            cuts.append(cut)
        result = editor.edit(to_chw(cuts[0].image)[None], {"sleeve": "long"})
        edits["drawn, edited"] = (False, result, None)
        yield *cuts, edits
        count -= 1


def _bare(folder: Path, count: int) -> list[tuple[Path, Path]]:
    """Photographs with short sleeves or none, each with its mask."""
    from amgan.data.imagefolder import read_imagefolder
    from amgan.evaluation.edits import first_by_hash

    data = read_imagefolder(folder)
    column = data.schema.index("sleeve")
    bare = [data.schema.values("sleeve").index(v) for v in ("short", "sleeveless")]
    records = [r for r in data.records if r.split == "val" and r.mask_file_name and r.labels[column] in bare]
    found = (records[i] for i in first_by_hash(tuple(r.file_name for r in records), count))
    return [(folder / r.file_name, folder / str(r.mask_file_name)) for r in found]


def _photos(editor, chosen: list[tuple[Path, Path]]):
    from amgan import cut_out, read_image, read_mask
    from amgan.pixels import to_chw

    for photo, mask in chosen:
        cutout = cut_out(read_image(photo), read_mask(mask), editor.image_size, keep_source=True)
        if cutout.source is not None and cutout.source.image.shape != cutout.image.shape:
            yield cutout, editor.edit(to_chw(cutout.image)[None], {"sleeve": "long"})


def _new_cloth(photo: np.ndarray, picture: np.ndarray, scale: float) -> np.ndarray:
    """Well inside the cloth that is new on white, bool (S, S)."""
    import cv2
    import numpy as np

    new = ((photo.min(2) >= 250) & (picture.min(2) < 245)).astype(np.uint8)
    side = 2 * round(3 * scale) + 1
    return cv2.erode(new, np.ones((side, side), np.uint8)) > 0


def _detail(picture: np.ndarray, where: np.ndarray, scale: float) -> float:
    import cv2
    import numpy as np

    grey = picture.astype(np.float32).mean(2)
    return float((grey - cv2.GaussianBlur(grey, (0, 0), 1.5 * scale))[where].std())


def _sharp(picture: np.ndarray, where: np.ndarray, scale: float) -> float:
    from amgan.evaluation.metrics import sharpness

    return sharpness(picture.transpose(2, 0, 1), where)


def _edge(photo: np.ndarray, picture: np.ndarray, scale: float) -> float:
    """The median over the new outline: eight tenths of the step from ground to cloth, by the steepest slope there."""
    import cv2
    import numpy as np

    side = 2 * round(3 * scale) + 1
    away = cv2.erode((photo.min(2) >= 250).astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    dark = 255 - picture.min(2).astype(np.float32)
    step = cv2.dilate(dark, np.ones((side, side)))
    solid = (dark > 0.5 * step).astype(np.uint8)
    line = (cv2.dilate(solid, np.ones((3, 3), np.uint8)) != solid) & away & (step > 12)
    slope = np.hypot(cv2.Sobel(dark, -1, 1, 0, scale=1 / 8), cv2.Sobel(dark, -1, 0, 1, scale=1 / 8))
    widths = 0.8 * step / np.maximum(cv2.dilate(slope, np.ones((3, 3))), 1e-3)
    return float(np.median(widths[line])) if line.any() else float("nan")


def main() -> None:
    run(app)


if __name__ == "__main__":
    main()
