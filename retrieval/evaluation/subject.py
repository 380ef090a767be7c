"""What is measured: editors, the networks that measure them, and the garments of one split of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from amgan.data.garments import Garments, load_garments
from amgan.data.imagefolder import ImageFolder, Record, read_imagefolder, read_within
from amgan.data.labels import folder_schema
from amgan.editing.editor import Editor, is_outside, load_editor
from amgan.errors import UserError
from amgan.evaluation import exact
from amgan.evaluation.edits import EditPlan, Network, plan_edits, subset
from amgan.models.classifier import AttributeClassifier
from amgan.photos import Segmenter
from amgan.schema import AttributeSchema
from amgan.synth.folder import read_synth
from amgan.weights import has_embedder, load_classifier, load_garment_embedder, weights_card, weights_folder
from amgan.weights.reading import CONFIG, read_object
from amgan.weights.segmenters import find_segmenter
from retrieval.embedders import load_embedder
from retrieval.embedding import Embedder, TextEmbedder
from retrieval.evaluation.adde_queries import read_queries
from retrieval.evaluation.records import chosen_records, dataset_hash, measured_split
from retrieval.query import QueryWeights


@dataclass(frozen=True)
class Settings:
    """What is measured and how.

    Attributes:
        split: the split whose photos are edited and searched; ``all``, and a folder without splits, mean every record.
        limit: only the first so many photos by the SHA-256 of their id.
        measure_with: weights whose teacher and judge measure, so that several editors meet the same ones; None means
            the edited weights' own.
        embedders: further embedders by name, besides the teacher, the judge and the weights' own embedder.
        weights: of the fused query.
        batch: edits per pass.
        rounds: bootstrap draws for the intervals.
        segmenter: cuts out photos without a mask; see ``find_segmenter``.
        with_source: leave the query's own photo in the gallery of protocol A.
        queries: folder with the query files of ADDE's data, which take the place of the edits; see ``adde_queries``.
        reference: labelled folder whose training photos make the prototypes, in the place of the measured folder's own.
        twins: measure twins too: the gallery's garments as the editor draws them, see ``retrieval.twins``.
    """

    split: str = "test"
    limit: int | None = None
    measure_with: str | None = None
    embedders: tuple[str, ...] = ()
    weights: QueryWeights = field(default_factory=QueryWeights)
    batch: int = 32
    rounds: int = 1000
    segmenter: str | None = None
    with_source: bool = False
    queries: Path | None = None
    reference: Path | None = None
    twins: bool = False


@dataclass(frozen=True)
class Subject:
    """What is measured, and with which networks.

    Attributes:
        editors: by the name that tables give them; all are asked for the same edits.
        weights: of each editor, as they were named.
        measured_with: the weights whose teacher and judge measure.
        records: those of the split; ``items`` are the ones that could be loaded, of drawn garments those whose edit the
            editors can be asked for.
        queries_left_out: of drawn garments and of query files, those that they cannot be asked for.
        cases: of a synthetic folder, one for each item; empty otherwise.
        networks: teacher, judge, embedder (where the weights have one) and further embedders by name.
        identities: of the networks.
        readers: those of the networks that read text.
        predictor: the one whose predictions an index would hold.
    """

    editors: dict[str, Editor]
    weights: dict[str, str]
    measured_with: str
    segmenter: Segmenter
    teacher: AttributeClassifier
    judge: AttributeClassifier
    networks: dict[str, Network]
    identities: dict[str, str]
    readers: dict[str, TextEmbedder]
    predictor: str
    data: ImageFolder
    split: str
    records: list[Record]
    items: Garments
    cases: list[exact.Case]
    plan: EditPlan
    queries_left_out: int

    @property
    def image_size(self) -> int:
        return int(self.items.images.shape[-1])


def load_subject(folder: Path, weights: Sequence[str], settings: Settings) -> Subject:
    """Everything that is measured, loaded. Raises UserError where anything cannot be used or does not fit.

    Args:
        weights: of one editor, or of several that are to be compared.
    """
    if settings.measure_with is None and is_outside(weights[0]):
        raise UserError(
            f"{weights[0]} is an editor of another package and has no teacher and judge of its own: name weights whose "
            "they are, for example --measure-with photos."
        )
    by_name = method_names(weights)
    if settings.twins and len(by_name) > 1:
        raise UserError("Twins are drawn by the editor that is measured, so --twins goes with one --weights alone.")
    editors = {name: load_editor(w) for name, w in by_name.items()}
    editor = _require_alike(editors)
    classifiers = settings.measure_with or weights[0]
    teacher, judge = load_classifier(classifiers, "teacher"), load_classifier(classifiers, "judge")
    teacher.schema.require_same(judge.schema, f"the teacher of {classifiers}", "its judge")
    networks: dict[str, Network] = {"teacher": teacher.predict_and_embed, "judge": judge.predict_and_embed}
    identities, readers, predictor = {"teacher": teacher.identity, "judge": judge.identity}, {}, "teacher"
    if has_embedder(classifiers):
        own, predictor = load_garment_embedder(classifiers), "embedder"
        networks["embedder"] = _within(own.predict_and_embed, own.schema, judge.schema)
        identities["embedder"] = own.identity
    for name in settings.embedders:
        embedder = load_embedder(name)
        networks[name] = _with_predictions(embedder, networks[predictor])
        identities[name] = str(embedder.identity)
        if isinstance(embedder, TextEmbedder):
            readers[name] = embedder
    made = read_synth(folder)
    if made is None:
        data = read_within(folder, judge.schema.edited_by(editor.schema), f"the classifiers of {classifiers}")
    else:  # true edits are of the renderer's own attributes
        data = read_imagefolder(folder)
        for schema, whose in ((editor.schema, weights[0]), (judge.schema, f"the classifiers of {classifiers}")):
            schema.require_same(data.schema, whose, f"the folder {folder}")
    split = measured_split(data, settings.split)
    records = chosen_records(data, split, settings.limit)
    segmenter = find_segmenter(settings.segmenter, classifiers)
    items = load_garments(data, records, editor.image_size, segmenter=segmenter)
    cases = exact.kept_cases(items, records, made.size) if made else []
    left_out = 0
    if cases:
        asked = [i for i, case in enumerate(cases) if next(iter(case.edit)) in editor.schema.editable]
        left_out, items, cases = len(cases) - len(asked), subset(items, asked), [cases[i] for i in asked]
    if settings.queries is not None:
        if made:
            raise UserError("Query files are for photographs; of drawn garments the edits are drawn by their seeds.")
        whole = folder_schema(folder)
        plan, left_out = read_queries(settings.queries, whole, items, editor.schema)
    elif made:
        plan = exact.plan_cases(items, cases)
    else:
        plan = plan_edits(items.schema, items.labels.cpu().numpy(), editor.schema)
    if not len(plan):
        raise UserError(
            f"No photo of split {split!r} in {folder} has a known label that {weights[0]} can edit; there is nothing "
            "to measure."
        )
    return Subject(
        editors,
        by_name,
        classifiers,
        segmenter,
        teacher,
        judge,
        networks,
        identities,
        readers,
        predictor,
        data,
        split,
        records,
        items,
        cases,
        plan,
        left_out,
    )


def method_names(weights: Sequence[str]) -> dict[str, str]:
    """What tables call each of several weights: the last part of its path, or all of it where two have the same.

    Raises:
        UserError: weights are given twice.
    """
    if len(set(weights)) < len(weights):
        raise UserError("Weights are given twice; --weights names each editor once.")
    last = [Path(w).name or w for w in weights]
    return {name if last.count(name) == 1 else w: w for name, w in zip(last, weights, strict=True)}


def _require_alike(editors: dict[str, Editor]) -> Editor:
    """The first editor. Raises UserError unless all edit the same attributes to the same values, at the same size."""
    (first, editor), *others = editors.items()
    for name, other in others:
        editor.schema.require_same(other.schema, first, name)
        for what, mine, theirs in (
            ("edits", ", ".join(editor.schema.editable), ", ".join(other.schema.editable)),
            ("makes pictures of", f"{editor.image_size} px", f"{other.image_size} px"),
        ):
            if mine != theirs:
                raise UserError(f"{first} {what} {mine} and {name} {theirs}; only editors of the same can be compared.")
    return editor


def _within(network: Network, own: AttributeSchema, schema: AttributeSchema) -> Network:
    """A network whose predictions are in the values of another schema: of an attribute that it does not know, all are
    equally likely."""
    if own == schema:
        return network
    share, source = torch.zeros(schema.n_values), torch.full((schema.n_values,), -1)
    for attribute, part in zip(schema.attributes, schema.slices, strict=True):
        key = own.find_attribute(attribute.name)
        share[part] = 1 / len(attribute.values) if key is None else 0.0
        for at, value in enumerate(attribute.values, part.start):
            if key is not None and (known := own.find_value(key, value)) is not None:
                source[at] = own.slices[own.index(key)].start + own.values(key).index(known)

    def within(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        probabilities, features = network(images)
        return torch.where(source >= 0, probabilities[:, source.clamp(min=0)], share), features

    return within


def _with_predictions(embedder: Embedder, predictor: Network) -> Network:
    """An embedder that names no attributes, with the weights' own predictions, as an index would hold them."""

    def network(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return predictor(images)[0], torch.from_numpy(embedder.embed(images))

    return network


def describe(subject: Subject, name: str, settings: Settings) -> dict[str, Any]:
    """The report's ``weights``, ``data`` and ``settings`` for one of the editors."""
    return {
        "weights": {
            "name": subject.weights[name],
            "measured_with": subject.measured_with,
            "editor": subject.editors[name].identity,
            "teacher": subject.teacher.identity,
            "judge": subject.judge.identity,
            "judge_backbone": subject.judge.backbone_name,
            "card": _card(subject.weights[name]),
            "trained": _trained(subject.weights[name]),
        },
        "data": {
            "folder": subject.data.root.resolve().name,
            "split": subject.split,
            "protocol": "exact" if subject.cases else "labels",
            "photos": len(subject.items),
            "left_out": len(subject.records) - len(subject.items) - bool(subject.cases) * subject.queries_left_out,
            "queries_left_out": subject.queries_left_out,
            "sha256": dataset_hash(subject.data.root, subject.records),
            "schema": subject.data.schema.to_dict(),
        },
        "settings": {
            "limit": settings.limit,
            "embedders": list(subject.networks),
            "query_weights": asdict(settings.weights),
            "batch": settings.batch,
            "bootstrap_rounds": settings.rounds,
            "segmenter": subject.segmenter.identity,
            "image_size": subject.image_size,
            "source_in_gallery": settings.with_source,
            "twins": settings.twins,
            "queries": None if settings.queries is None else settings.queries.resolve().name,
            "reference": None if settings.reference is None else settings.reference.resolve().name,
        },
    }


def _card(weights: str) -> dict[str, Any]:
    try:
        return weights_card(weights)
    except UserError:  # an editor from outside has no weights folder, so no card
        return {}


def _trained(weights: str) -> dict[str, Any]:
    """What the editor's own configuration says of its training: model, preset, images, seconds, command."""
    try:
        config = read_object(weights_folder(weights) / "editor" / CONFIG)
    except UserError:  # an editor from outside, or one that was exported
        return {}
    return {k: config[k] for k in ("model", "preset", "kimg", "seconds", "command") if k in config}
