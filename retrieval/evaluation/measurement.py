"""The whole measurement, from a labelled folder and weights to one dictionary of numbers for each editor.

Everything that no editor has part in is done once: photos are embedded, truths rendered, rows without an edit searched.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from amgan.data.garments import load_garments
from amgan.data.imagefolder import read_within
from amgan.errors import UserError
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
from amgan.evaluation.exact import Gallery, Truths
from amgan.evaluation.sheet import first_sheet, make_methods_sheet, make_true_sheet
from amgan.evaluation.summary import classifier_accuracy, colour_agreement, overall, summarise
from retrieval.evaluation import kept, protocol_a, protocol_b, protocol_c
from retrieval.evaluation.found import Found, search_all, without_source
from retrieval.evaluation.records import reference_records
from retrieval.evaluation.reference import kept_features
from retrieval.evaluation.rows import QueryFeatures
from retrieval.evaluation.sentences import embed_sentences
from retrieval.evaluation.subject import Settings, Subject, describe, load_subject
from retrieval.twins import draw_twins

REPORT_VERSION = 3
LIBRARIES = ("amgan", "torch", "torchvision", "numpy", "opencv-python-headless", "pillow")
EDITS = "edits"  # beside A, B and C: what columns are from


@dataclass(frozen=True)
class Measured:
    """One editor's numbers, and one score for each edit or query.

    Attributes:
        report: see ``report.py``.
        columns: by (``"edits"``, column), and (protocol, network, row, measure): float64 (Q,), NaN where it does not
            apply.
    """

    report: dict[str, Any]
    columns: dict[tuple[str, ...], np.ndarray]


@dataclass(frozen=True)
class Measurement:
    """What was measured of several editors, by name, and what sheets and comparisons still need."""

    subject: Subject
    methods: dict[str, Measured]
    truths: Truths | None = None

    @property
    def report(self) -> dict[str, Any]:
        """Of the first editor, which may be the only one."""
        return next(iter(self.methods.values())).report


class _Times(dict[str, float]):
    """Seconds by step."""

    @contextmanager
    def of(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self[step] = time.perf_counter() - start


@dataclass(frozen=True)
class _Common:
    """What all editors share.

    Attributes:
        answers: the scores of no edit, and of the true pictures where they are known.
        reference: photos of a training split, for prototypes: labels (R, M), features (R, D) by network.
        twins: of the photos, features (n, D) by network; empty where none are asked for, or the gallery has them.
        found: what each network finds, by name, filled in by the first editor.
    """

    networks: dict[str, Network]
    unedited: Unedited
    truths: Truths | None
    extra: exact.ExtraColumns | None
    answers: dict[str, EditScores]
    reference: tuple[np.ndarray, dict[str, np.ndarray]]
    twins: dict[str, np.ndarray] = field(default_factory=dict)
    found: dict[str, Found] = field(default_factory=dict)


def measure(folder: str | Path, weights: Sequence[str], settings: Settings) -> Measurement:
    """Measure weights on one split of a labelled folder; of synthetic garments, by the exact protocol too.

    What the figures cannot be trusted for is said on standard error, and in the reports under ``"warnings"``.

    Args:
        weights: of one editor, or of several that meet the same edits, queries, gallery and networks.

    Raises:
        UserError: folder, weights or settings that cannot be used.
    """
    started, times = time.time(), _Times()
    with times.of("load"):
        subject = load_subject(Path(folder), weights, settings)
    common = _measure_common(subject, settings, times)
    methods = {name: _measure_one(subject, name, common, settings, started, _Times(times)) for name in subject.editors}
    table = next(iter(next(iter(methods.values())).report["protocols"]["A"].values()))
    warning = protocol_a.chance_warning(table)  # the gallery is the same for all embedders and editors
    if warning:
        for measured in methods.values():
            measured.report["warnings"] = [warning]
        print(f"Warning: {warning}", file=sys.stderr)
    return Measurement(subject, methods, common.truths)


def _measure_common(subject: Subject, settings: Settings, times: _Times) -> _Common:
    items, plan = subject.items, subject.plan
    networks = {**subject.networks, realism.SLEEVES_ALONE: realism.on_sides(subject.networks["judge"])}
    with times.of("look at the photos"):
        unedited = embed_unedited(items, networks)
    truths, extra = None, None
    twins: dict[str, np.ndarray] = {}
    draw = _drawing_twins(subject) if settings.twins else None
    answers = {"no edit": score_no_edit(items, plan, unedited)}
    if subject.cases:
        with times.of("render truths and siblings"):
            truths = exact.embed_truths(subject.cases, items, subject.networks, draw)
        extra = exact.truth_columns(truths, subject.judge)
        answers["no edit"].columns.update(exact.unedited_columns(items, extra, settings.batch))
        with times.of("measure truths"):
            answers["truth"] = exact.measure_truths(items, plan, truths, networks, unedited)
    elif draw:
        with times.of("draw twins"):
            twins = run_networks(draw(items.images, unedited.predictions), subject.networks)[1]
    with times.of("embed reference photos"):
        reference = _embed_reference(subject, settings)
    return _Common(networks, unedited, truths, extra, answers, reference, twins)


def _drawing_twins(subject: Subject) -> exact.DrawTwins:
    """Twins by the one editor that is measured, as an index would hold them."""
    (editor,), predictor = subject.editors.values(), subject.predictor
    return lambda images, predictions: draw_twins(editor, images, predictions[predictor], subject.items.schema)


def _measure_one(
    subject: Subject, name: str, common: _Common, settings: Settings, started: float, times: _Times
) -> Measured:
    items, plan, unedited = subject.items, subject.plan, common.unedited
    with times.of("edit and measure"):
        edited = measure_edits(
            subject.editors[name], items, plan, common.networks, unedited, settings.batch, True, common.extra
        )
    answers = {"edited": edited, **common.answers}
    columns: dict[tuple[str, ...], np.ndarray] = {(EDITS, c): x for c, x in edited.columns.items()}
    with times.of("search"):
        protocols = _search(subject, edited, common, settings, columns)
    with times.of("tables"):
        labels = items.labels.cpu().numpy()
        report: dict[str, Any] = {
            "version": REPORT_VERSION,
            **describe(subject, name, settings),
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
            "protocols": protocols,
            "libraries": _versions(),
            "machine": f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()} {platform.release()}",
        }
    report["times"] = {"started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)), "seconds": dict(times)}
    return Measured(report, columns)


def _answers_and_photos(
    network: str, plan: EditPlan, answers: Mapping[str, EditScores], unedited: Unedited
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What a network makes of the edits by row of the report, in the plan's order, and of the photos."""
    photos = unedited.features[network]
    return {**{n: s.features[network] for n, s in answers.items() if s.features}, "no edit": photos[plan.photo]}, photos


def _embed_reference(subject: Subject, settings: Settings) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    data = subject.data
    if settings.reference is not None:
        data = read_within(settings.reference, data.schema, "the measured folder")
        records = reference_records(data, "")
        if not records:
            raise UserError(f"{settings.reference} has no photos of the split train, from which prototypes are made.")
    else:
        records = reference_records(data, settings.split)
    if not records:
        none = np.zeros((0, data.schema.n_attributes), np.int64)
        return none, {n: np.zeros((0, 1), np.float32) for n in subject.networks}
    items = load_garments(data, records, subject.image_size, segmenter=subject.segmenter)
    return items.labels.cpu().numpy(), kept_features(items.images, subject.networks, subject.identities)


def _search(
    subject: Subject,
    edited: EditScores,
    common: _Common,
    settings: Settings,
    columns: dict[tuple[str, ...], np.ndarray],
) -> dict[str, dict[str, Any]]:
    """``{protocol: {network: table}}``; what the tables were made from goes into ``columns``."""
    labels, plan, truths = subject.items.labels.cpu().numpy(), subject.plan, common.truths
    out: dict[str, dict[str, Any]] = {p: {} for p in ("C", "A", "B") if truths or p != "C"}
    for network in subject.networks:
        photos, predictions = common.unedited.features[network], common.unedited.predictions[network]
        features = QueryFeatures(
            edited.features[network],
            photos,
            predictions,
            common.reference[1][network],
            common.reference[0],
            truth=common.answers["truth"].features[network] if truths else None,
            text=embed_sentences(subject.readers[network], plan, predictions) if network in subject.readers else None,
        )
        twins = common.twins.get(network)
        gallery = truths.galleries[network] if truths else Gallery(photos, predictions, labels, twins)
        places = truths.places if truths else None
        source, truth = (plan.photo, None) if places is None else (places[:, 0], places[:, 1])
        found = search_all(plan, features, labels, settings.weights, gallery, truth, common.found.get(network))
        common.found.setdefault(network, found)
        a = protocol_a.evaluate(plan, found, labels, gallery.labels, source, settings.rounds, settings.with_source)
        if places is None:
            first = {row: without_source(ranked, source)[:, : kept.TOP] for row, ranked in found.first.items()}
            a.table["first ten"] = kept.shares(plan, labels, first)
        scored = {"A": a, "B": protocol_b.evaluate(plan, found, labels, gallery.labels, settings.rounds)}
        if places is not None:
            scored["C"] = protocol_c.evaluate(plan, found, places, len(gallery), settings.rounds)
        for protocol, s in scored.items():
            out[protocol][network] = s.table
            for (row, measure), scores in s.columns.items():
                columns[protocol, network, row, measure] = scores
    return out


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def methods_sheet(measurement: Measurement, photos: int) -> Image.Image:
    """The sheet of a comparison: the first photos by the SHA-256 of their id, each with one edit by every editor."""
    subject, plan = measurement.subject, measurement.subject.plan
    chosen: list[int] = []
    for row in first_by_hash(subject.items.item_ids, None):
        mine = np.flatnonzero(plan.photo == row)
        if len(mine) and len(chosen) < photos:
            names = tuple(f"{subject.items.item_ids[row]} {plan.edit(int(q))}" for q in mine)
            chosen.append(int(mine[first_by_hash(names, 1)[0]]))
    truths = None if measurement.truths is None else measurement.truths.images[chosen]
    edits = [(int(plan.photo[q]), plan.edit(q)) for q in chosen]
    return make_methods_sheet(subject.editors, subject.items, edits, truths)


def example_sheet(measurement: Measurement, name: str, photos: int) -> Image.Image:
    """The sheet of one editor's report: the first photos by the SHA-256 of their id."""
    items, editor = measurement.subject.items, measurement.subject.editors[name]
    if measurement.truths is not None:
        return make_true_sheet(editor, items, measurement.truths, first_by_hash(items.item_ids, photos))
    return first_sheet(editor, items, photos)
