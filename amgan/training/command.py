"""``amgan train``: reads the data, trains what is missing, in order: teacher, judge, AMGAN."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from rich import print_json

from amgan.config import override, preset
from amgan.data.garments import load_garments
from amgan.data.imagefolder import ImageFolder, find_metadata, read_imagefolder
from amgan.errors import UserError
from amgan.models.amgan.method import train_amgan
from amgan.schema import AttributeSchema
from amgan.training import parallel
from amgan.training.classifier import train_classifier
from amgan.training.loop import console, pick_device

ROLES = ("teacher", "judge")


def data_hash(folder: ImageFolder) -> str:
    """What identifies a data set: its metadata file and schema."""
    metadata = find_metadata(folder.root)
    assert metadata is not None
    digest = hashlib.sha256(metadata.read_bytes())
    digest.update(json.dumps(folder.schema.to_dict()).encode())
    return digest.hexdigest()[:16]


def train_command(
    data: Path,
    out: Path,
    model: str,
    role: str,
    preset_name: str,
    settings: list[str],
    attributes: Path | None,
    warm_start: str | None,
    extra: Path | None,
    device_name: str,
    dry_run: bool,
) -> None:
    """See ``amgan train --help``. Raises UserError."""
    if model not in ("amgan", "classifier"):
        raise UserError(f"Unknown model {model!r}. Valid: amgan, classifier.")
    if role not in ROLES:
        raise UserError(f"Unknown role {role!r}. Valid: {', '.join(ROLES)}.")
    chosen = preset(preset_name)
    config = override(chosen.amgan if model == "amgan" else getattr(chosen, role), settings)
    if dry_run:
        print_json(data={"model": model, "preset": preset_name, "config": dataclasses.asdict(config)})
        return
    device = pick_device(device_name)
    folder = read_imagefolder(data, AttributeSchema.load(attributes) if attributes else None)
    size = config.image_size if model == "amgan" else chosen.amgan.image_size
    train = load_garments(folder, folder.split("train"), size)
    val = load_garments(folder, folder.split("val"), size)
    about = {"data": data_hash(folder), "preset": preset_name}
    added = None
    if extra is not None:
        if model != "amgan":
            raise UserError("--extra is for the training of AMGAN; a classifier learns from its own data alone.")
        more = read_imagefolder(extra)
        added = load_garments(more, more.split("train"), size).with_schema(folder.schema)
        about["extra"] = data_hash(more)
        console.print(f"{len(added.truths or ()):,} true edits from {extra}")

    def classifier(role: str, config: Any, start: str | None = None) -> None:
        best = train_classifier(train.with_truths(), val, config, role, out, device, about, start)
        console.print(f"{role}: {json.dumps({k: round(v, 4) for k, v in best.items()})}, in {out / role}")

    several = parallel.launched_count() > 1
    if model == "classifier":
        if several:
            raise UserError("A classifier trains in one process; start it without torchrun.")
        classifier(role, config, warm_start)
        return
    for missing in ROLES:
        ready = (out / missing / "config.json").is_file() and _finished(out, missing)
        if not ready and several:
            raise UserError(f"No finished {missing} in {out}: train the classifiers first, without torchrun.")
        if not ready:
            console.print(f"No finished {missing} in {out}: it is trained first.")
            classifier(missing, getattr(chosen, missing))
    with parallel.joined(device):
        about["command"] = shlex.join(["amgan", *sys.argv[1:]])
        train_amgan(train, val, config, out, device, about, warm_start, added)


def _finished(out: Path, role: str) -> bool:
    """A classifier without a run beside it was put there ready-made; one with a run must have come to its end."""
    run = out / f"{role}-run"
    if not run.is_dir():
        return True
    config = json.loads((run / "run.json").read_text(encoding="utf-8"))["config"]
    states = sorted(run.glob("state-????????"))
    return bool(states) and int(states[-1].name[6:]) >= max(1, round(config["kimg"] * 1000 / config["batch"]))
