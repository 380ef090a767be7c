"""``user-study new``: draw comparisons, let every editor make its pictures, and write the study."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch import Tensor

from amgan.data.garments import Garments, load_garments
from amgan.data.imagefolder import ImageFolder, Record, read_within
from amgan.editing.editor import Editor, load_editor
from amgan.errors import UserError
from amgan.evaluation.edits import plan_edits
from amgan.files import naming, writable_folder
from amgan.photos import Segmenter
from amgan.weights.segmenters import find_segmenter
from retrieval.evaluation.records import chosen_records, dataset_hash, measured_split
from ui.study.design import draw_comparisons, starting_rows, williams_square
from ui.study.folder import Comparison, Study, write_study
from ui.study.words import in_words

MOST = 6  # pictures that a person can compare at a time
SIDE = 512  # pixels of every picture that is shown: on a screen of two pixels to the page's one, 256 of the page's


@dataclass(frozen=True)
class Wishes:
    """What a study is to be: see ``user-study new --help``."""

    editors: tuple[str, ...]
    comparisons: int = 30
    repeats: int = 3
    split: str = "test"
    seed: int = 0
    attributes: tuple[str, ...] = ()
    segmenter: str | None = None


def make_study(folder: Path, out: Path, wishes: Wishes) -> Study:
    """Make the study and write it, whole or not at all.

    Raises:
        UserError: the study cannot be made as asked for, or ``out`` is in use.
    """
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise UserError(f"--out {out} is in use already; a study needs a folder of its own.")
    writable_folder(out)
    named = _names(wishes.editors)
    editors = _load_editors(named)
    first = next(iter(named.values()))
    data = read_within(folder, next(iter(editors.values())).schema, f"the weights {first}")
    split = measured_split(data, wishes.split)
    records = chosen_records(data, split, None)
    segmenter = find_segmenter(wishes.segmenter, first)
    sizes = sorted({e.image_size for e in editors.values()})
    edits, garments = _draw(data, records, editors, wishes, sizes, segmenter)
    out.parent.mkdir(parents=True, exist_ok=True)
    with naming(out), tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch:
        draft = Path(scratch) / out.name
        (draft / "pictures").mkdir(parents=True)
        study, pictures = _paint(draft, data, edits, editors, garments, wishes)
        key = {
            "study": study.id,
            "editors": {name: editor.identity for name, editor in editors.items()},
            "pictures": pictures,
            "photos": [records[int(photo)].item_id for photo, _, _ in edits],
            "data": {
                "folder": data.root.resolve().name,
                "split": split,
                "sha256": dataset_hash(data.root, [records[int(photo)] for photo, _, _ in edits]),
                "segmenter": segmenter.identity,
            },
        }
        write_study(study, key)
        if out.exists():
            out.rmdir()  # empty, as was seen
        draft.rename(out)
    return Study(out, study.id, study.seed, study.repeats, study.comparisons)


def _names(given: Sequence[str]) -> dict[str, str]:
    """Weights by the name that the report calls them: ``NAME=WEIGHTS``, or the weights alone. Raises UserError."""
    named: dict[str, str] = {}
    for text in given:
        name, equals, weights = text.partition("=")
        if not equals or not name.strip() or Path(text).exists():  # a path may hold a "="
            name = weights = text
        if name.strip() in named:
            raise UserError(f"Two editors are called {name.strip()}; name each once: --editor NAME=WEIGHTS.")
        named[name.strip()] = weights
    if not 2 <= len(named) <= MOST:
        raise UserError(
            f"A study compares 2 to {MOST} editors; {', '.join(named) or 'none'} were given. Name each with --editor."
        )
    return named


def _load_editors(named: Mapping[str, str]) -> dict[str, Editor]:
    """Raises UserError."""
    editors: dict[str, Editor] = {}
    for name, weights in named.items():
        editor = load_editor(weights)
        for other, known in editors.items():
            if known.identity == editor.identity:
                raise UserError(f"{other} and {name} are the same editor, and their pictures would be the same.")
        editors[name] = editor
    return editors


def _draw(
    data: ImageFolder,
    records: list[Record],
    editors: dict[str, Editor],
    wishes: Wishes,
    sizes: list[int],
    segmenter: Segmenter,
) -> tuple[np.ndarray, dict[int, Garments]]:
    """The edits, int64 (C, 3) of record, attribute, value, and the garments in their order by size. What cannot be cut
    out is left out, and others are drawn in its place. Raises UserError."""
    possible = _possible(data, records, editors, wishes.attributes)
    while True:
        edits = possible[draw_comparisons(possible, wishes.comparisons, wishes.seed)]
        chosen = [records[int(photo)] for photo, _, _ in edits]
        garments = {size: load_garments(data, chosen, size, segmenter=segmenter) for size in sizes}
        usable = set.intersection(*(set(g.item_ids) for g in garments.values()))
        unusable = [int(photo) for photo, _, _ in edits if records[int(photo)].item_id not in usable]
        if not unusable:
            return edits, garments
        possible = possible[~np.isin(possible[:, 0], unusable)]


def _possible(data: ImageFolder, records: list[Record], editors: dict[str, Editor], only: Sequence[str]) -> np.ndarray:
    """Every edit that all editors can make, int64 (E, 3) of record, attribute, value. Raises UserError."""
    labels = np.stack([r.labels for r in records])
    wanted = {data.schema.index(name) for name in only} or set(range(data.schema.n_attributes))
    plans = [plan_edits(data.schema, labels, editor.schema) for editor in editors.values()]
    sets = [set(zip(p.photo.tolist(), p.attribute.tolist(), p.value.tolist(), strict=True)) for p in plans]
    common = sorted(edit for edit in set.intersection(*sets) if edit[1] in wanted)
    if not common:
        asked = ", ".join(only) or "any attribute"
        raise UserError(f"There is no edit of {asked} that all of {', '.join(editors)} can make of these photos.")
    return np.array(common, dtype=np.int64)


def _paint(
    draft: Path,
    data: ImageFolder,
    edits: np.ndarray,
    editors: dict[str, Editor],
    garments: dict[int, Garments],
    wishes: Wishes,
) -> tuple[Study, dict[str, str]]:
    """Write every picture; the study, and which picture is whose."""
    rng = np.random.default_rng([wishes.seed, 1])  # the draw of comparisons has its own
    schema, names = data.schema, list(editors)
    square = rng.permutation(len(names))[williams_square(len(names))]  # (R, k)
    tokens = np.array(
        [[rng.bytes(8).hex() for _ in range(len(names) + 1)] for _ in edits]
    )  # (C, k + 1), the photo's last
    asked = [{schema.names[a]: schema.attributes[a].values[v]} for _, a, v in edits]
    with_pictures: list[tuple[str, Tensor]] = []
    for column, name in enumerate(names):
        editor = editors[name]
        images = garments[editor.image_size].images
        for i in track(range(len(edits)), f"Editing, {name}", console=Console(stderr=True)):
            with_pictures.append((tokens[i, column], editor.edit(images[i : i + 1], [asked[i]]).image[0]))
    largest = garments[max(garments)].images
    with_pictures += [(tokens[i, -1], largest[i]) for i in range(len(edits))]
    for token, picture in with_pictures:
        (draft / "pictures" / f"{token}.webp").write_bytes(enlarged(picture))
    starts = starting_rows([schema.names[a] for _, a, _ in edits])
    comparisons = [
        Comparison(
            attribute=schema.names[a],
            change=in_words(schema.names[a], schema.attributes[a].values[v]),
            photo=str(tokens[i, -1]),
            orders=[tokens[i, square[(starts[i] + r) % len(square)]].tolist() for r in range(len(square))],
        )
        for i, (_, a, v) in enumerate(edits)
    ]
    whose = {str(tokens[i, column]): name for i in range(len(edits)) for column, name in enumerate(names)}
    digest = hashlib.sha256("".join(sorted(whose)).encode()).hexdigest()[:16]
    repeats = min(wishes.repeats, len(comparisons))
    return Study(draft, digest, wishes.seed, repeats, comparisons), whose


def enlarged(picture: Tensor) -> bytes:
    """A picture uint8 (3, S, S) as every participant gets it: SIDE pixels, lossless, without a word about itself."""
    image = Image.fromarray(picture.permute(1, 2, 0).cpu().numpy())
    buffer = io.BytesIO()
    image.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(
        buffer, "WEBP", lossless=True, method=1
    )  # more takes longer and saves nothing
    return buffer.getvalue()
