"""How well garments are cut out without their masks: overlap with the given ones, how many are sent back, whether the
confidence means what it says, and where the time goes.

python scripts/score_cutouts.py garments --segmenter learned --segmenter classical --weights photos
python scripts/score_cutouts.py garments --segmenter learned --sheet worst.png       # the 40 that overlap least
python scripts/score_cutouts.py more --segmenter learned --sheet all.png --count 60  # photos without masks
python scripts/score_cutouts.py garments --segmenter learned --plot calibration.png  # expected and true overlap
python scripts/score_cutouts.py more --segmenter learned --segmenter classical --outlines tests/data/hand_outlines.json

With --outlines overlap is that with outlines drawn by hand, of the photos that they are for (scripts/outlines.py has
the format), whether the folder has masks or not.

Given masks may be wrong themselves: medians say more than means, and the sheet says who is right. Each photo goes
through all segmenters in turn, on one thread.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from amgan.commandline import run

if TYPE_CHECKING:
    import numpy as np

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
BINS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 1.01)  # of confidence
TILE = 200  # pixels a side on the sheet


@app.command(help=__doc__)
def score(
    folder: Annotated[Path, typer.Argument(help="Photos with metadata.csv, with masks or without.")],
    segmenter: Annotated[list[str], typer.Option(help="learned, classical, …; repeat for several.")],
    weights: Annotated[str, typer.Option(help="Whose learned segmenter.")] = "photos",
    split: Annotated[str, typer.Option(help="The split.")] = "test",
    sheet: Annotated[Path | None, typer.Option(help="Save a picture of the first segmenter's worst cuts.")] = None,
    count: Annotated[int, typer.Option(help="Photos on it.", min=1)] = 40,
    plot: Annotated[
        Path | None,
        typer.Option(help="Save a picture of the overlap against the confidence, and its data beside it, as .json."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first so many photos.", min=1)] = None,
    outlines: Annotated[
        Path | None,
        typer.Option(help="Outlines drawn by hand, in place of masks; only photos of the split that it names."),
    ] = None,
) -> None:
    # Imported here, because torch takes seconds, which --help need not wait for.
    import cv2
    import numpy as np
    import torch
    from rich.progress import track

    from amgan.data.imagefolder import read_imagefolder
    from amgan.errors import PhotoError, UserError
    from amgan.files import replace_text, writable_picture
    from amgan.photos import cut_out, read_image, read_mask
    from amgan.photos.framing import shrink
    from amgan.photos.learned import overlap_of
    from amgan.schema import AttributeSchema
    from amgan.weights.segmenters import find_segmenter
    from scripts.outlines import mask_within, read_outlines

    for path, option in ((sheet, "--sheet"), (plot, "--plot")):
        if path is not None:
            writable_picture(path, option)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    schema = None if (folder / "attributes.json").is_file() else AttributeSchema.from_dict({"color": ["red", "blue"]})
    data = read_imagefolder(folder, schema)
    records = data.split(split)
    drawn_by_hand = read_outlines(outlines) if outlines is not None else {}
    if drawn_by_hand:
        if strange := sorted(drawn_by_hand.keys() - {r.file_name for r in records}):
            raise UserError(
                f"{outlines} has outlines of {strange[0]!r}, which is not in the {split} split of {folder}."
            )
        records = [r for r in records if r.file_name in drawn_by_hand]
    finders = {name: find_segmenter(name, weights) for name in segmenter}
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in segmenter}
    for record in track(records[:limit], "Cutting out"):
        start = time.perf_counter()
        image = read_image(data.root / record.file_name)
        reading = time.perf_counter() - start
        photo = shrink(np.asarray(image), 512)
        if drawn_by_hand:
            truth = mask_within(drawn_by_hand[record.file_name], *photo.shape[:2])
        else:
            truth = read_mask(data.root / record.mask_file_name) if record.mask_file_name else None
        for name, finder in finders.items():
            row: dict[str, Any] = {"name": record.file_name, "photo": photo, "truth": truth, "reading": reading}
            rows[name].append(row)
            start = time.perf_counter()
            try:
                found = finder.segment(photo)
                row |= {"segmenting": time.perf_counter() - start, "mask": found.mask, "confidence": found.confidence}
                start = time.perf_counter()
                cut = cut_out(image, found.mask)
                row |= {"framing": time.perf_counter() - start, "sent back": found.confidence < found.trust}
                row |= {"method": found.method, "problems": found.problems}
                del cut
            except PhotoError as error:
                row |= {"segmenting": time.perf_counter() - start, "confidence": 0.0, "sent back": True}
                row |= {"mask": np.zeros(photo.shape[:2], np.uint8), "method": error.reason, "problems": (str(error),)}
            if truth is not None:
                size = (truth.shape[1], truth.shape[0])
                mask = cv2.resize(row["mask"], size, interpolation=cv2.INTER_LINEAR)
                row["overlap"] = overlap_of(np.where(mask > 127, 255, 0).astype(np.uint8), truth)
    print(json.dumps({name: summary(r) for name, r in rows.items()}, indent=1))
    if plot is not None:
        if "overlap" not in next(iter(rows.values()))[0]:
            raise UserError(f"{folder} has no masks, so no true overlap; --plot needs them, or --outlines.")
        points = {name: [[r["confidence"], r["overlap"]] for r in found] for name, found in rows.items()}
        bins = {name: summary(found)["calibration"] for name, found in rows.items()}
        replace_text(plot.with_suffix(".json"), json.dumps({"bins": bins, "confidence, overlap": points}))
        calibration_plot(points, bins, plot)
    if sheet is not None:
        first = rows[segmenter[0]]
        worst = sorted(first, key=lambda r: r.get("overlap", r["confidence"]))[:count]
        cv2.imwrite(str(sheet), drawn(worst)[..., ::-1])


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Figures of one segmenter."""
    import numpy as np

    def milliseconds(stage: str) -> float:
        return round(1000 * float(np.median([r[stage] for r in rows if stage in r])), 1)

    out: dict[str, Any] = {
        "photos": len(rows),
        "sent_back": round(float(np.mean([r["sent back"] for r in rows])), 4),
        "median_ms": {s: milliseconds(s) for s in ("reading", "segmenting", "framing")},
        "methods": {m: sum(r["method"] == m for r in rows) for m in sorted({r["method"] for r in rows})},
    }
    sentences = Counter(sentence for r in rows if r["sent back"] for sentence in r["problems"][:1])
    out["why"] = {re.sub(r"\d+", "…", k): n for k, n in sentences.most_common()}
    if "overlap" not in rows[0]:
        return out
    overlap, confidence = (np.array([r[k] for r in rows]) for k in ("overlap", "confidence"))
    kept = ~np.array([r["sent back"] for r in rows])
    within_bins = [(confidence >= low) & (confidence < high) for low, high in pairwise(BINS)]
    gaps = [w.mean() * abs(confidence[w].mean() - overlap[w].mean()) for w in within_bins if w.any()]
    out |= {
        "calibration_error": round(float(sum(gaps)), 4),  # expected calibration error (Naeini et al., AAAI 2015)
        "overlap_median": round(float(np.median(overlap)), 4),
        "overlap_mean": round(float(overlap.mean()), 4),
        "below_0.8": round(float((overlap < 0.8).mean()), 4),
        "below_0.8_of_those_kept": round(float((overlap[kept] < 0.8).mean()), 4),
        "calibration": [
            {
                "confidence": f"{low:g} to {min(high, 1):g}",
                "photos": int(within.sum()),
                "mean_confidence": round(float(confidence[within].mean()), 3),
                "mean_overlap": round(float(overlap[within].mean()), 3),
                "median_overlap": round(float(np.median(overlap[within])), 3),
            }
            for (low, high), within in zip(pairwise(BINS), within_bins, strict=True)
            if within.any()
        ],
    }
    return out


def calibration_plot(points: dict[str, list[list[float]]], bins: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """A panel for each segmenter: a point for each photo, the means of bins, and the diagonal that an honest confidence
    lies on; below it confidence promises too much.

    Args:
        points: confidence and overlap, 0 to 1, of each photo.
        bins: as in `summary`.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(points), figsize=(5 * len(points), 5), squeeze=False)
    for axis, (name, pairs) in zip(axes[0], points.items(), strict=True):
        axis.plot([0, 1], [0, 1], color="#999999", linewidth=1)
        axis.plot(*zip(*pairs, strict=True), ".", color="#0072B2", alpha=0.35, markersize=5, label="a photo")
        means = [[b[k] for b in bins[name]] for k in ("mean_confidence", "mean_overlap")]
        axis.plot(*means, "D", color="#D55E00", markersize=6, label="mean of a bin, and its photos")
        for b in bins[name]:
            at = (b["mean_confidence"], b["mean_overlap"])
            axis.annotate(str(b["photos"]), at, xytext=(6, -12), textcoords="offset points", fontsize=8)
        axis.set(xlim=(0, 1.02), ylim=(0, 1.02), title=f"{name}, {len(pairs)} photos")
        axis.set(xlabel="confidence: expected overlap", ylabel="overlap with the given mask")
        axis.legend(loc="lower center")
    figure.savefig(path, dpi=110, bbox_inches="tight")
    pyplot.close(figure)


def drawn(rows: list[dict[str, Any]]) -> np.ndarray:
    """Photo, found mask in green beside the given one in red where there is one; overlap, confidence, name."""
    import cv2
    import numpy as np

    columns = 8 if len(rows) > 8 else len(rows)
    sheet = np.full((-(-len(rows) // columns) * (TILE + 16), columns * TILE, 3), 255, np.uint8)
    for k, row in enumerate(rows):
        photo = row["photo"]
        ratio = TILE / max(photo.shape[:2])
        size = (int(photo.shape[1] * ratio), int(photo.shape[0] * ratio))
        tile = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
        for mask, colour in ((row["truth"], (255, 0, 0)), (row["mask"], (0, 230, 0))):
            if mask is not None:
                small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
                outlines, _ = cv2.findContours((small > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
                cv2.drawContours(tile, outlines, -1, colour, 1)
        y, x = (k // columns) * (TILE + 16), (k % columns) * TILE
        sheet[y + 16 : y + 16 + size[1], x : x + size[0]] = tile
        overlap = f"{row['overlap']:.2f} " if "overlap" in row else ""
        text = f"{k} {overlap}c{row['confidence']:.2f}{'!' if row['sent back'] else ''} {row['method'][:5]}"
        cv2.putText(sheet, text, (x + 2, y + 12), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return sheet


def main() -> None:
    run(app)


if __name__ == "__main__":
    main()
