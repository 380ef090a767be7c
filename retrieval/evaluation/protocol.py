"""The whole measurement, from a labelled folder and weights to one dictionary of numbers."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from amgan.data.garments import Garments, load_garments
from amgan.editing.editor import Editor
from amgan.evaluation import exact, realism
from amgan.evaluation.edits import (
    EditPlan,
    EditScores,
    Network,
    Unedited,
    embed_unedited,
    first_by_hash,
    measure_edits,
    predicted_labels,
    run_networks,
    score_no_edit,
)
from amgan.evaluation.exact import Truths
from amgan.evaluation.sheet import first_sheet, make_true_sheet
from amgan.evaluation.summary import classifier_accuracy, colour_agreement, overall, summarise
from retrieval.evaluation import topk
from retrieval.evaluation.records import reference_records
from retrieval.evaluation.rows import QueryFeatures
from retrieval.evaluation.subject import Settings, Subject, describe, load_subject

REPORT_VERSION = 2
LIBRARIES = ("amgan", "torch", "torchvision", "numpy", "opencv-python-headless", "pillow")


@dataclass(frozen=True)
class Measured:
    """The numbers, and what sheets and plots still need."""

    report: dict[str, Any]
    items: Garments
    editor: Editor
    truths: Truths | None = None


class _Times(dict[str, float]):
    """Seconds by step."""

    @contextmanager
    def of(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self[step] = time.perf_counter() - start


def measure(folder: str | Path, weights: str, settings: Settings) -> Measured:
    """Measure weights on one split of a labelled folder; of synthetic garments, by the exact protocol.

    What the figures cannot be trusted for is said on standard error, and in the report under ``"warnings"``.

    Raises:
        UserError: folder, weights or settings that cannot be used.
    """
    started, times = time.time(), _Times()
    with times.of("load"):
        subject = load_subject(Path(folder), weights, settings)
    items, plan = subject.items, subject.plan
    networks = {**subject.networks, realism.SLEEVES_ALONE: realism.on_sides(subject.networks["judge"])}
    with times.of("look at the photos"):
        unedited = embed_unedited(items, networks)
    truths = None
    if subject.cases:
        with times.of("render truths and siblings"):
            truths = exact.embed_truths(subject.cases, items, subject.networks)
    answers = _measure_answers(subject, networks, unedited, truths, settings.batch, times)
    with times.of("embed reference photos"):
        reference = _embed_reference(subject, settings)
    with times.of("search"):
        retrieval = _retrieval(subject, answers, unedited, reference, truths, settings)
    labels = items.labels.cpu().numpy()
    report: dict[str, Any] = {
        "version": REPORT_VERSION,
        **describe(subject, weights, settings),
        "edits": {name: summarise(s, settings.rounds) for name, s in answers.items()},
        "overall": {name: overall(s, settings.rounds) for name, s in answers.items()},
        "realism": {
            **realism.kernel_distances(plan, labels, *_answers_and_photos("judge", plan, answers, unedited)),
            **realism.sleeve_distances(
                plan, labels, *_answers_and_photos(realism.SLEEVES_ALONE, plan, answers, unedited)
            ),
        },
        "measuring_sticks": {
            **{
                n: classifier_accuracy(items, predicted_labels(items.schema, unedited.predictions[n]))
                for n in ("judge", "teacher")
            },
            "colour from pixels": colour_agreement(items, unedited.colours),
        },
        "retrieval": retrieval,
        "libraries": _versions(),
        "times": {"started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)), "seconds": dict(times)},
    }
    warning = topk.chance_warning(next(iter(retrieval.values())))  # the gallery is the same for all embedders
    if warning:
        report["warnings"] = [warning]
        print(f"Warning: {warning}", file=sys.stderr)
    return Measured(report, items, subject.editor, truths)


def _answers_and_photos(
    network: str, plan: EditPlan, answers: Mapping[str, EditScores], unedited: Unedited
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What a network makes of the edits by row of the report, in the plan's order, and of the photos."""
    photos = unedited.features[network]
    return {**{n: s.features[network] for n, s in answers.items() if s.features}, "no edit": photos[plan.photo]}, photos


def _measure_answers(
    subject: Subject,
    networks: Mapping[str, Network],
    unedited: Unedited,
    truths: Truths | None,
    batch: int,
    times: _Times,
) -> dict[str, EditScores]:
    """The scores of the edits, of no edit, and of the true pictures where they are known."""
    items, plan = subject.items, subject.plan
    extra = exact.truth_columns(truths, subject.judge) if truths else None
    with times.of("edit and measure"):
        edited = measure_edits(subject.editor, items, plan, networks, unedited, batch, progress=True, extra=extra)
    answers = {"edited": edited, "no edit": score_no_edit(items, plan, unedited)}
    if truths and extra:
        answers["no edit"].columns.update(exact.unedited_columns(items, extra, batch))
        with times.of("measure truths"):
            answers["truth"] = exact.measure_truths(items, plan, truths, networks, unedited)
    return answers


@dataclass(frozen=True)
class _Reference:
    """Photos of the training split, whose mean features are the prototypes: labels (R, M), features (R, D) by
    network."""

    labels: np.ndarray
    features: dict[str, np.ndarray]


def _embed_reference(subject: Subject, settings: Settings) -> _Reference:
    records = reference_records(subject.data, settings.split)
    if not records:
        none = np.zeros((0, subject.data.schema.n_attributes), np.int64)
        return _Reference(none, {n: np.zeros((0, 1), np.float32) for n in subject.networks})
    items = load_garments(subject.data, records, subject.editor.image_size, segmenter=subject.segmenter)
    return _Reference(items.labels.cpu().numpy(), run_networks(items.images, subject.networks)[1])


def _retrieval(
    subject: Subject,
    answers: dict[str, EditScores],
    unedited: Unedited,
    reference: _Reference,
    truths: Truths | None,
    settings: Settings,
) -> dict[str, Any]:
    labels, plan, out = subject.items.labels.cpu().numpy(), subject.plan, {}
    for name in subject.networks:
        features = QueryFeatures(
            answers["edited"].features[name],
            unedited.features[name],
            unedited.predictions[name],
            reference.features[name],
            reference.labels,
            truth=answers["truth"].features[name] if truths else None,
        )
        if truths:
            gallery, places = truths.galleries[name], truths.places
            out[name] = topk.evaluate_one(plan, features, labels, gallery, places, settings.weights, settings.rounds)
        else:
            out[name] = topk.evaluate(plan, features, labels, settings.weights, settings.rounds)
    return out


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
    if measured.truths is not None:
        rows = first_by_hash(measured.items.item_ids, photos)
        return make_true_sheet(measured.editor, measured.items, measured.truths, rows)
    return first_sheet(measured.editor, measured.items, photos)
