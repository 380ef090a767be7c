"""``amgan synth``: an imagefolder of synthetic garments with exact masks, and with true edits where they are asked for.

Everything follows from the seeds, so a folder that was interrupted is completed by the same command, and the pictures
are the same whatever the number of processes.
"""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from amgan.attributes import NEVER_ASKED
from amgan.errors import UserError
from amgan.files import write_atomic
from amgan.synth.draw import stream
from amgan.synth.render import RENDERER_VERSION, SIZES, Item, Rendered, draw_item, possible_edits, render
from amgan.synth.values import SCHEMA, edited_labels, hidden_details

# Seeds of garments that shipped weights were trained on start here; smaller ones were never trained on.
TRAINING_SEEDS = 1_000_000
SPLITS = ("train", "val", "test")
# How often an attribute is edited in a folder's true edits: what moves the outline is hardest.
EDIT_SHARE = {"sleeve": 0.3, "collar": 0.2, "fastening": 0.15, "pattern": 0.15, "color": 0.2}
TASK = 16  # garments that a process renders before it reports


@dataclass(frozen=True)
class SynthFolder:
    """What a folder of synthetic garments holds; written as ``synth.json``.

    Attributes:
        counterfactuals: true edits per garment, or all that it can have where those are fewer.
        usual: details of them that the garment's own picture does not show are the usual ones, not the seed's.
        split: ``auto`` (by the seed, 85 : 5 : 10), or the one split that all are in.
    """

    count: int
    seed: int = 0
    size: int = 128
    counterfactuals: int = 0
    usual: bool = False
    split: str = "auto"
    renderer: int = RENDERER_VERSION

    def __post_init__(self) -> None:
        if self.count < 1 or self.seed < 0 or self.counterfactuals < 0:
            raise UserError("The count must be 1 or more, the seed and the number of counterfactuals 0 or more.")
        if not SIZES[0] <= self.size <= SIZES[1]:
            raise UserError(f"Cannot render at {self.size} px; valid: {SIZES[0]} to {SIZES[1]}.")
        if self.split not in ("auto", *SPLITS):
            raise UserError(f"Unknown split {self.split!r}. Valid: auto, {', '.join(SPLITS)}.")

    def split_of(self, seed: int) -> str:
        if self.split != "auto":
            return self.split
        draw = stream(seed, "split").random()
        return "train" if draw < 0.85 else "val" if draw < 0.9 else "test"

    def edits(self, item: Item, share: Mapping[str, float] = EDIT_SHARE) -> list[tuple[str, str]]:
        """The true edits of an item, (attribute, value) each, all different, and no more than there are; ``share``: how
        often each attribute."""
        generator = stream(item.seed, "edits")
        possible = possible_edits(item)
        count = sum(v not in NEVER_ASKED for values in possible.values() for v in values)
        out: list[tuple[str, str]] = []
        while len(out) < min(self.counterfactuals, count):
            shares = np.array([share[n] for n in possible])
            attribute = list(possible)[int(np.searchsorted(np.cumsum(shares / shares.sum()), generator.random()))]
            values = [v for v in possible[attribute] if v not in NEVER_ASKED and (attribute, v) not in out]
            if values:
                out.append((attribute, values[int(generator.integers(len(values)))]))
        return out


def item_name(seed: int) -> str:
    return f"{seed:07d}"


def read_synth(folder: Path) -> SynthFolder | None:
    """What ``synth.json`` says of a folder, or None where it has none. Raises UserError on another renderer's."""
    path = folder / "synth.json"
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        made = SynthFolder(**values)
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from None
    if made.renderer != RENDERER_VERSION:
        raise UserError(
            f"{folder} was made by version {made.renderer} of the renderer, this is version {RENDERER_VERSION}: "
            "the same seeds give other garments. Make it again with amgan synth."
        )
    return made


def write_synth(folder: Path, wanted: SynthFolder, workers: int | None = None) -> Iterator[int]:
    """Render what is missing, then write the metadata; yields how many garments are done as they are.

    Raises:
        UserError: the folder holds something else.
    """
    settings = json.dumps(asdict(wanted), indent=1) + "\n"
    there = read_synth(folder)
    if there is not None and there != wanted:
        raise UserError(f"{folder} holds other garments: {asdict(there)}. Give another --out, or the same settings.")
    if there is None and folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty and holds no synthetic garments; give another --out.")
    for name in ("images", "masks", *(("counterfactuals",) if wanted.counterfactuals else ())):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "synth.json", settings)
    seeds = range(wanted.seed, wanted.seed + wanted.count)
    tasks = [list(seeds[i : i + TASK]) for i in range(0, len(seeds), TASK)]
    workers = workers or os.cpu_count() or 1
    done = 0
    if workers == 1 or len(tasks) == 1:
        for task in tasks:
            done += _render_task(folder, wanted, task)
            yield done
    else:
        # Spawned, not forked: the caller may have threads.
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            for finished in pool.map(_render_task, *zip(*((folder, wanted, t) for t in tasks), strict=True)):
                done += finished
                yield done
    _write_metadata(folder, wanted)


def _render_task(folder: Path, wanted: SynthFolder, seeds: list[int]) -> int:
    cv2.setNumThreads(1)  # the processes are the parallelism
    for seed in seeds:
        item, name = draw_item(seed), item_name(seed)
        wants: list[tuple[Mapping[str, str], Sequence[str], Path, Path]] = [
            (item.labels, (), folder / "images" / f"{name}.png", folder / "masks" / f"{name}.png")
        ]
        for k, (attribute, value) in enumerate(wanted.edits(item)):
            stem = folder / "counterfactuals" / f"{name}-{k}"
            details = hidden_details(item.labels, attribute) if wanted.usual else ()
            labels = edited_labels(item.labels, {attribute: value})
            wants.append((labels, details, stem.with_suffix(".png"), stem.with_suffix(".mask.png")))
        for labels, details, image, mask in wants:
            if not (image.is_file() and mask.is_file()):
                _save(render(seed, labels, wanted.size, details), image, mask)
    return len(seeds)


def _save(rendered: Rendered, image: Path, mask: Path) -> None:
    """Each file whole or not at all."""
    for path, picture in ((image, rendered.image[..., ::-1]), (mask, rendered.mask)):
        encoded = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1]
        scratch = path.with_name(f".{path.name}.part")
        scratch.write_bytes(encoded.tobytes())
        scratch.replace(path)


def _write_metadata(folder: Path, wanted: SynthFolder) -> None:
    items = [draw_item(seed) for seed in range(wanted.seed, wanted.seed + wanted.count)]
    rows = [
        {
            "file_name": f"images/{item_name(i.seed)}.png",
            "mask_file_name": f"masks/{item_name(i.seed)}.png",
            "seed": i.seed,
            "split": wanted.split_of(i.seed),
            **{n: i.labels.get(n, "") for n in SCHEMA.names},
        }
        for i in items
    ]
    _write_csv(folder / "metadata.csv", rows)
    if wanted.counterfactuals:
        _write_csv(
            folder / "counterfactuals.csv",
            [
                {
                    "file_name": f"counterfactuals/{item_name(i.seed)}-{k}.png",
                    "mask_file_name": f"counterfactuals/{item_name(i.seed)}-{k}.mask.png",
                    "of": f"images/{item_name(i.seed)}.png",
                    "attribute": attribute,
                    **{n: edited_labels(i.labels, {attribute: value}).get(n, "") for n in SCHEMA.names},
                }
                for i in items
                for k, (attribute, value) in enumerate(wanted.edits(i))
            ],
        )
    write_atomic(folder / "attributes.json", json.dumps(SCHEMA.to_dict(), indent=1) + "\n")


def _write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue())
