"""The whole measurement, from a labelled folder and weights to one dictionary of numbers."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from amgan.data.garments import Garments, load_garments
from amgan.data.imagefolder import ImageFolder, Record, read_imagefolder
from amgan.editing.editor import Editor, load_editor
from amgan.errors import UserError
from amgan.evaluation import exact, metrics, realism
from amgan.evaluation.colour import MULTI, PALETTE_NAMES
from amgan.evaluation.edits import (
    COLOR,
    EditScores,
    Network,
    Unedited,
    embed_unedited,
    first_by_hash,
    measure_edits,
    plan_edits,
    predicted_labels,
    score_no_edit,
    subset,
)
from amgan.evaluation.exact import Truths
from amgan.evaluation.sheet import make_sheet, make_true_sheet, sheet_edits
from amgan.evaluation.summary import classifier_accuracy, overall, summarise
from amgan.schema import UNKNOWN
from amgan.synth.folder import read_synth
from amgan.weights import load_classifier, weights_card
from retrieval.embedders import load_embedder
from retrieval.evaluation import topk
from retrieval.query import QueryWeights

ALL = "all"
REPORT_VERSION = 2
REFERENCES = 2000  # photos that prototypes are made from at most
LIBRARIES = ("amgan", "torch", "torchvision", "numpy", "opencv-python-headless", "pillow")


@dataclass(frozen=True)
class Settings:
    """What is measured and how.

    Attributes:
        split: the split whose photos are edited and searched; ``all``, and a folder without splits, mean every record.
        limit: only the first so many photos by the SHA-256 of their id.
        measure_with: weights whose teacher and judge measure, so that several editors meet the same ones; None means
            the edited weights' own.
        embedders: further embedders by name, beside the teacher and the judge.
        weights: of the fused query.
        batch: edits per pass.
        rounds: bootstrap draws for the intervals.
    """

    split: str = "test"
    limit: int | None = None
    measure_with: str | None = None
    embedders: tuple[str, ...] = ()
    weights: QueryWeights = field(default_factory=QueryWeights)
    batch: int = 32
    rounds: int = 1000


@dataclass(frozen=True)
class Measured:
    """The numbers, and what sheets and plots still need."""

    report: dict[str, Any]
    items: Garments
    editor: Editor
    truths: Truths | None = None


def measure(folder: str | Path, weights: str, settings: Settings) -> Measured:
    """Measure weights on one split of a labelled folder; of synthetic garments, by the exact protocol. Raises
    UserError."""
    started = time.time()
    sticks = settings.measure_with or weights
    editor, teacher, judge = load_editor(weights), load_classifier(sticks, "teacher"), load_classifier(sticks, "judge")
    for network in (teacher, judge):
        editor.schema.require_same(network.schema, f"the editor {weights}", f"the classifiers of {sticks}")
    networks: dict[str, Network] = {"teacher": teacher.predict_and_embed, "judge": judge.predict_and_embed}
    for name in settings.embedders:
        networks[name] = _beside(name, teacher.predict_and_embed)
    made = read_synth(Path(folder))
    data = read_imagefolder(folder, None if (Path(folder) / "attributes.json").is_file() else editor.schema)
    editor.schema.require_same(data.schema, f"the weights {weights}", f"the folder {folder}")
    split = ALL if not any(r.split for r in data.records) else settings.split
    records = chosen_records(data, split, settings.limit)
    items = load_garments(data, records, editor.image_size)
    times = {"load": time.time() - started}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        times[name] = time.perf_counter() - start
        return result

    labels = items.labels.cpu().numpy()
    cases = exact.kept_cases(items, records, made.size) if made else []
    plan = exact.plan_cases(items, cases) if cases else plan_edits(items.schema, labels)
    if not len(plan):
        raise UserError(f"No photo of split {split!r} in {folder} has a known label, so there is nothing to edit.")
    unedited = timed("look at the photos", lambda: embed_unedited(items, networks))
    truths = timed("render truths and siblings", lambda: exact.see_truths(cases, items, networks)) if cases else None
    also = exact.against(truths, judge) if truths else None
    scores = timed(
        "edit and measure",
        lambda: measure_edits(editor, items, plan, networks, unedited, settings.batch, progress=True, also=also),
    )
    answers = {"edited": scores, "no edit": score_no_edit(items, plan, unedited)}
    if truths and also:
        answers["no edit"].columns.update(exact.unedited_columns(items, also, settings.batch))
        answers["truth"] = timed(
            "measure truths", lambda: exact.measure_truths(items, plan, truths, networks, unedited)
        )
    reference = timed("embed reference photos", lambda: _reference(data, settings, editor.image_size, networks))
    retrieval = timed("search", lambda: _retrieval(answers, unedited, labels, reference, truths, settings))
    judged = {name: s.features["judge"] for name, s in answers.items() if s.features}
    judged["no edit"] = unedited.features["judge"][plan.photo]
    report = {
        "version": REPORT_VERSION,
        "weights": {
            "name": weights,
            "measured_with": sticks,
            "editor": editor.identity,
            "teacher": teacher.identity,
            "judge": judge.identity,
            "card": _card(weights),
        },
        "data": {
            "folder": Path(folder).resolve().name,
            "split": split,
            "protocol": "labels" if truths is None else "exact",
            "photos": len(items),
            "left_out": len(records) - len(items),
            "sha256": dataset_hash(data.root, records),
            "schema": data.schema.to_dict(),
        },
        "settings": {
            "limit": settings.limit,
            "embedders": ["teacher", "judge", *settings.embedders],
            "query_weights": {"image": settings.weights.image, "wanted": settings.weights.wanted},
            "batch": settings.batch,
            "bootstrap_rounds": settings.rounds,
            "image_size": editor.image_size,
        },
        "edits": {name: summarise(s, settings.rounds) for name, s in answers.items()},
        "overall": {name: overall(s, settings.rounds) for name, s in answers.items()},
        "realism": realism.kernel_distances(plan, labels, judged, unedited.features["judge"]),
        "measuring_sticks": {
            **{
                n: classifier_accuracy(items, predicted_labels(items.schema, unedited.predictions[n]))
                for n in ("judge", "teacher")
            },
            "colour from pixels": colour_agreement(items, unedited.colours),
        },
        "retrieval": retrieval,
        "libraries": _versions(),
        "times": {"started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)), "seconds": times},
    }
    return Measured(report, items, editor, truths)


def chosen_records(data: ImageFolder, split: str, limit: int | None) -> list[Record]:
    """The records of a split (all of a folder without splits), or its first ``limit`` by the SHA-256 of their id."""
    records = data.records if split == ALL or not any(r.split for r in data.records) else data.split(split)
    if limit is None:
        return list(records)
    return [records[i] for i in first_by_hash(tuple(r.item_id for r in records), limit)]


def dataset_hash(root: Path, records: Sequence[Record]) -> str:
    """SHA-256 over the ids, labels, photos and masks that were measured, in order of id."""
    total = hashlib.sha256()
    for r in sorted(records, key=lambda r: r.item_id):
        total.update(f"{r.item_id}\0{r.labels.tolist()}\0".encode())
        for name in (r.file_name, r.mask_file_name):
            path = root / name if name else None
            total.update(hashlib.sha256(path.read_bytes() if path and path.is_file() else b"").digest())
    return total.hexdigest()


def colour_agreement(items: Garments, colours: np.ndarray) -> dict[str, Any] | None:
    """How often the colour from pixels is the given label: the measuring stick's own accuracy. None without colours."""
    if COLOR not in items.schema.names:
        return None
    given = items.labels[:, items.schema.index(COLOR)].cpu().numpy()
    values = items.schema.values(COLOR)
    shared = np.array([v in PALETTE_NAMES for v in values])
    usable = np.flatnonzero((given != UNKNOWN) & shared[np.maximum(given, 0)])
    wanted = np.array([PALETTE_NAMES.index(values[given[i]]) for i in usable], dtype=np.int64)
    matrix = metrics.confusion(wanted, colours[usable], len(PALETTE_NAMES))
    single = wanted != PALETTE_NAMES.index(MULTI)
    return {
        "photos": int(matrix.sum()),
        "accuracy": metrics.accuracy(matrix),
        "accuracy_without_multi": float((wanted == colours[usable])[single].mean()) if single.any() else float("nan"),
        "balanced_accuracy": metrics.balanced_accuracy(matrix),
        "values": list(PALETTE_NAMES),
        "confusion": matrix.tolist(),
    }


def _beside(name: str, teacher: Network) -> Network:
    """An embedder that names no attributes, with the teacher's predictions beside it, as an index would hold them."""
    embedder = load_embedder(name)

    def network(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return teacher(images)[0], torch.from_numpy(embedder.embed(images))

    return network


@dataclass(frozen=True)
class _Reference:
    labels: np.ndarray
    features: dict[str, np.ndarray]


def _reference(data: ImageFolder, settings: Settings, size: int, networks: dict[str, Network]) -> _Reference:
    """Photos of the training split (not the measured one), the first by SHA-256, whose mean features are the
    prototypes."""
    records = [r for r in data.records if r.split == "train" and settings.split not in ("train", ALL)]
    records = [records[i] for i in first_by_hash(tuple(r.item_id for r in records), REFERENCES)]
    if not records:
        return _Reference(
            np.zeros((0, data.schema.n_attributes), np.int64), {n: np.zeros((0, 1), np.float32) for n in networks}
        )
    items = load_garments(data, records, size)
    features = {
        n: torch.cat([network(part)[1] for part in items.images.split(64)]).float().cpu().numpy()
        for n, network in networks.items()
    }
    return _Reference(items.labels.cpu().numpy(), features)


def _retrieval(
    answers: dict[str, EditScores],
    unedited: Unedited,
    labels: np.ndarray,
    reference: _Reference,
    truths: Truths | None,
    settings: Settings,
) -> dict[str, Any]:
    scores, out = answers["edited"], {}
    for name, features in scores.features.items():
        seen = topk.Seen(
            features,
            unedited.features[name],
            unedited.predictions[name],
            reference.features[name],
            reference.labels,
            truth=answers["truth"].features[name] if truths else None,
        )
        if truths:
            out[name] = topk.evaluate_one(
                scores.plan, seen, labels, truths.galleries[name], truths.places, settings.weights, settings.rounds
            )
        else:
            out[name] = topk.evaluate(scores.plan, seen, labels, settings.weights, settings.rounds)
    return out


def _card(weights: str) -> dict[str, Any]:
    try:
        return weights_card(weights)
    except UserError:  # an editor from outside has no weights folder, so no card
        return {}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def example_sheet(measured: Measured, photos: int) -> Image.Image:
    """The sheet of a report: the first photos by the SHA-256 of their id."""
    rows = first_by_hash(measured.items.item_ids, photos)
    if measured.truths is not None:
        return make_true_sheet(measured.editor, measured.items, measured.truths, rows)
    first = subset(measured.items, rows)
    return make_sheet(measured.editor, first, sheet_edits(first.schema, 8))
