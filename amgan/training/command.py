"""``amgan train``: checks everything, reads the data, trains what is missing: teacher, judge, and the stages of a
method."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich import print_json

from amgan.config import changed, override, to_dict
from amgan.data.garments import Garments, contents_hash, load_garments
from amgan.data.imagefolder import ImageFolder, read_imagefolder
from amgan.data.labels import LABELS
from amgan.data.metadata import find_metadata, find_table
from amgan.data.outlines import load_outlines
from amgan.data.stream import IDENTITY as DRAWN
from amgan.data.stream import validation_garments
from amgan.devices import pick_device
from amgan.errors import UserError
from amgan.files import writable_folder
from amgan.models.methods import METHODS, find_method
from amgan.schema import AttributeSchema
from amgan.synth import SCHEMA
from amgan.training import parallel
from amgan.training.classifier import require_start, train_classifier
from amgan.training.embedder import EmbedderConfig, train_embedder
from amgan.training.going_on import Earlier
from amgan.training.journal import Progress
from amgan.training.presets import Preset, override_stages, preset
from amgan.training.run import finished, say, this_command
from amgan.training.segmenter import train_segmenter
from amgan.training.supply import Drawn
from amgan.training.trainer import train
from amgan.weights import weights_folder

ROLES = ("teacher", "judge")
CLASSIFIER, SEGMENTER, EMBEDDER = "classifier", "segmenter", "embedder"
STAGES = "stages"  # folder of the earlier stages' weights
SYNTH = "synth"  # in the place of a folder: garments that are drawn while training goes on
EXTRA = 0.3  # share of a batch from --extra garments where no other is given


@dataclass(frozen=True)
class TrainOptions:
    """What ``amgan train`` was asked for, see ``amgan train --help``."""

    data: Path
    out: Path
    model: str = "amgan"
    role: str = "teacher"
    preset: str = "small"
    settings: tuple[str, ...] = ()
    attributes: Path | None = None
    warm_start: str | None = None
    stage: str | None = None
    extra: Path | None = None
    edit: tuple[str, ...] = ()
    workers: int | None = None
    go_on: str | None = None
    device: str = "auto"
    dry_run: bool = False


def train_command(options: TrainOptions) -> None:
    """See ``amgan train --help``. Raises UserError, and Interrupted."""
    if options.go_on is not None:
        _go_on(options, Earlier.of(options.go_on))
        return
    chosen = preset(options.preset)
    if options.model == CLASSIFIER:
        config = _classifier_config(options, chosen)
        if options.dry_run:
            _print_recipe(options, config)
            return
        require_start(config)
        _Data(options, chosen.amgan.image_size).train_classifier(options.role, config, options.warm_start)
        return
    if options.model == SEGMENTER:
        _train_segmenter(options, chosen)
        return
    if options.model == EMBEDDER:
        embedder = _embedder_config(options, chosen)
        if options.dry_run:
            _print_recipe(options, embedder)
            return
        require_start(embedder)
        _Data(options, chosen.amgan.image_size).train_embedder(embedder)
        return
    if options.model not in METHODS:
        others = [CLASSIFIER, SEGMENTER, EMBEDDER]
        raise UserError(f"Unknown model {options.model!r}. Valid: {', '.join([*METHODS, *others])}.")
    chosen = chosen.of(options.model)
    stages = _stages(options, chosen)
    if options.dry_run:
        shown = {name: to_dict(config) for name, config in stages.items()}
        print_json(data={"model": options.model, "preset": options.preset, "stages": shown})
        return
    if options.warm_start is not None:
        weights_folder(options.warm_start)  # a wrong name is said before hours of classifiers
    _train_stages(options, chosen, stages)


def _go_on(options: TrainOptions, earlier: Earlier) -> None:
    """The training of other weights, with their settings but for those that are given."""
    if options.stage is not None or options.warm_start is not None:
        raise UserError("--go-on starts from the weights that it names; leave out --warm-start and --stage.")
    options = replace(options, model=earlier.model, preset=earlier.preset, warm_start=earlier.name)
    if earlier.edits_some:
        options = replace(options, edit=options.edit or earlier.edits)
    chosen = earlier.stages(options.settings)
    stages = _stages(options, chosen)
    if options.dry_run:
        print_json(data={"model": options.model, "stages": {n: to_dict(c) for n, c in stages.items()}})
        return
    writable_folder(options.out)
    earlier.copy_classifiers(options.out, ROLES)
    _train_stages(options, chosen, stages, earlier.begun(stages["all"]))


def _classifier_config(options: TrainOptions, chosen: Preset) -> Any:
    if options.role not in ROLES:
        raise UserError(f"Unknown role {options.role!r}. Valid: {', '.join(ROLES)}.")
    if options.extra is not None or options.stage is not None or options.edit:
        raise UserError("--extra, --stage and --edit are for the training of editors; a classifier has none of them.")
    _require_one_process("A classifier")
    return override(getattr(chosen, options.role), options.settings)


def _require_one_process(what: str) -> None:
    if parallel.launched_count() > 1:
        raise UserError(f"{what} trains in one process; start it without torchrun.")


def _print_recipe(options: TrainOptions, config: Any) -> None:
    """For --dry-run, of what has no stages."""
    print_json(data={"model": options.model, "preset": options.preset, "config": to_dict(config)})


def _say_scores(part: str, scores: dict[str, float], out: Path) -> None:
    say(f"{part}: {json.dumps({k: round(v, 4) for k, v in scores.items()})}, in {out / part}")


def _train_segmenter(options: TrainOptions, chosen: Preset) -> None:
    """Photos as they are, with their masks, not cut-outs; --extra gives photos without."""
    if options.stage is not None or options.warm_start is not None or options.edit:
        raise UserError(
            "--stage, --warm-start and --edit are for editors and classifiers; a segmenter has none of them."
        )
    _require_one_process("The cut-out network")
    config = override(chosen.segmenter, options.settings)
    if options.dry_run:
        _print_recipe(options, config)
        return
    writable_folder(options.out)
    schema = AttributeSchema.load(options.attributes) if options.attributes else None
    folder = read_imagefolder(options.data, schema)
    about = {"data": _identity(folder), "preset": options.preset, "command": this_command()}
    train, val = (load_outlines(folder, folder.split(s)) for s in ("train", "val"))
    unmasked = []
    if options.extra is not None:
        extra = read_imagefolder(options.extra, folder.schema)
        about["extra"] = _identity(extra)
        unmasked = load_outlines(extra, extra.split("train"))
    best = train_segmenter(train, val, unmasked, config, options.out, pick_device(options.device), about)
    _say_scores(SEGMENTER, best, options.out)


def _embedder_config(options: TrainOptions, chosen: Preset) -> EmbedderConfig:
    if options.stage is not None or options.edit or options.warm_start is not None:
        raise UserError(
            "--stage, --edit and --warm-start are not for an embedder, which starts from ImageNet's weights."
        )
    _require_one_process("An embedder")
    if _is_synth(options.data) or (options.extra is not None and _is_synth(options.extra)):
        raise UserError("An embedder takes drawn garments from a folder: amgan synth --counterfactuals 2 makes one.")
    config = override(chosen.embedder, options.settings)
    if options.extra is None and config.extra:
        raise UserError("The setting extra does nothing here: it is the share of --extra garments, and there are none.")
    return config if options.extra is None or config.extra else changed(config, extra=EXTRA)


def _stages(options: TrainOptions, chosen: Preset) -> dict[str, Any]:
    """The stages to be trained, by name."""
    stages = override_stages(chosen.stages, list(options.settings))
    if options.extra is not None:
        stages = {n: c if c.lessons.extra else changed(c, extra=EXTRA) for n, c in stages.items()}
    elif any(c.lessons.extra for c in stages.values()):
        raise UserError("The setting extra does nothing here: it is the share of --extra garments, and there are none.")
    if options.stage is None:
        sizes = {n: c.image_size for n, c in stages.items()}
        if len(set(sizes.values())) > 1:
            found = ", ".join(f"{n} has {size}" for n, size in sizes.items())
            raise UserError(f"All stages need one image_size, and {found}; say -c image_size=… without a stage.")
        return stages
    if options.stage not in stages:
        raise UserError(f"Unknown stage {options.stage!r} of preset {options.preset}. Valid: {', '.join(stages)}.")
    return {options.stage: stages[options.stage]}


def _train_stages(options: TrainOptions, chosen: Preset, stages: dict[str, Any], begun: Progress | None = None) -> None:
    *earlier, last = stages
    for role in ROLES:
        if not finished(options.out, role):
            require_start(getattr(chosen, role))
    data = (_DrawnData if _is_synth(options.data) else _Data)(options, stages[last].image_size)
    extra = data.extra(options.extra) if isinstance(data, _Data) and options.extra is not None else None
    for role in ROLES:
        if finished(options.out, role):
            continue
        if parallel.launched_count() > 1:
            raise UserError(f"No finished {role} in {options.out}: train the classifiers first, without torchrun.")
        say(f"No finished {role} in {options.out}: it is trained first.")
        data.train_classifier(role, getattr(chosen, role))
    start = options.warm_start
    with parallel.joined(data.device):
        for name, config in stages.items():
            out = options.out / STAGES / name if name in earlier else options.out
            about = {**data.about, "command": this_command()}
            if len(chosen.stages) > 1:
                about["stage"] = name
                if parallel.rank() == 0:
                    say(f"Stage {name}, in {out}")
            train(
                find_method(options.model),
                data.train,
                data.val,
                config,
                out,
                data.device,
                about,
                options.out,
                start,
                extra,
                begun,
            )
            start = str(out)


def _is_synth(path: Path | None) -> bool:
    return str(path) == SYNTH and not Path(SYNTH).is_dir()


def _drawn(options: TrainOptions) -> Drawn:
    """Raises UserError where several processes train: each of them would see other garments."""
    if parallel.launched_count() > 1:
        raise UserError("Garments are drawn for one process that trains; for several draw a folder: amgan synth.")
    return Drawn(options.workers or max(1, (os.cpu_count() or 1) // 2))


class _Data:
    """The labelled folder, checked and cut out, and what identifies it."""

    def __init__(self, options: TrainOptions, size: int) -> None:
        self.options, self.device, self.size = options, pick_device(options.device), size
        writable_folder(options.out)
        schema = AttributeSchema.load(options.attributes) if options.attributes else None
        self.folder = read_imagefolder(options.data, schema)
        if options.edit:
            self.folder = replace(self.folder, schema=self.folder.schema.editing(options.edit))
        if options.model not in (CLASSIFIER, EMBEDDER) and not self.folder.schema.editable:
            raise UserError(f"No attribute of {options.data} can be edited: {', '.join(self.folder.schema.names)}.")
        # What can be wrong is looked for before the photos are cut out.
        self._extra = None if options.extra is None or _is_synth(options.extra) else read_imagefolder(options.extra)
        records = [self.folder.split("train"), self.folder.split("val")]
        self._extra_records = self._extra.split("train") if self._extra is not None else ()
        self.about: dict[str, Any] = {"data": _identity(self.folder), "preset": options.preset}
        if options.edit:
            self.about["edit"] = list(self.folder.schema.edits)
        self.train, self.val = (load_garments(self.folder, r, size) for r in records)

    def extra(self, path: Path) -> Garments | Drawn:
        """Garments with true edits, in the schema of the data. Raises UserError."""
        if self._extra is None:
            self.about["extra"] = DRAWN
            return _drawn(self.options)
        self.about["extra"] = _identity(self._extra)
        added = load_garments(self._extra, self._extra_records, self.size).with_schema(self.folder.schema)
        say(f"{len(added.truths or ()):,} true edits from {path}")
        return added

    def train_classifier(self, role: str, config: Any, start: str | None = None) -> None:
        out, garments = self.options.out, self.train.with_truths()
        best = train_classifier(garments, self.val, config, role, out, self.device, self.about, start)
        _say_scores(role, best, out)

    def train_embedder(self, config: EmbedderConfig) -> None:
        about = {"command": this_command()}
        extra = self.extra(self.options.extra) if self.options.extra is not None else None
        assert not isinstance(extra, Drawn)  # refused before
        best = train_embedder(self.train, self.val, config, self.options.out, self.device, self.about | about, extra)
        _say_scores(EMBEDDER, best, self.options.out)


class _DrawnData:
    """Garments that are drawn while training goes on, and the ones to validate on."""

    def __init__(self, options: TrainOptions, size: int) -> None:
        if options.attributes is not None or options.extra is not None:
            raise UserError("Drawn garments have attributes of their own: leave out --attributes and --extra.")
        self.options, self.device, self.train = options, pick_device(options.device), _drawn(options)
        writable_folder(options.out)
        self.about: dict[str, Any] = {"data": DRAWN, "preset": options.preset}
        schema = SCHEMA
        if options.edit:
            schema = SCHEMA.editing(options.edit)
            self.about["edit"] = list(schema.edits)
        self.val = replace(validation_garments(size), schema=schema)

    def train_classifier(self, role: str, config: Any, start: str | None = None) -> None:
        raise UserError(
            f"No finished {role} in {self.options.out}, and classifiers learn from a folder: draw one with amgan "
            f"synth, or copy the {role} of other weights of the same attributes there."
        )


def _identity(folder: ImageFolder) -> str:
    """What identifies a data set: its metadata file and labels, its schema, and its pictures."""
    metadata, labels = find_metadata(folder.root), find_table(folder.root, LABELS)
    assert metadata is not None
    digest = hashlib.sha256(metadata.read_bytes())
    if labels is not None:
        digest.update(labels.read_bytes())
    digest.update(json.dumps(folder.schema.values_by_name()).encode())
    digest.update(contents_hash(folder, folder.records).encode())
    return digest.hexdigest()[:16]
