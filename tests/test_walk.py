"""docs/WALK.md names the calls that a batch and a photo pass, in their order; here both are followed."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from typer.testing import CliRunner

from amgan.config import changed
from amgan.data.garments import load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.models.amgan.method import Amgan
from amgan.models.classifier import AttributeClassifier
from amgan.photos import read_image
from amgan.testing import draw_catalogue, tiny_weights
from amgan.training.presets import PRESETS
from amgan.training.supply import make_batches
from amgan.training.trainer import Trainer
from indexer.cli import app
from retrieval.catalogue import open_catalogue


def calls_of(work: Callable[[], object]) -> list[str]:
    """``module:qualified_name`` of our functions, in the order in which they are first called."""
    calls: dict[str, None] = {}

    def note(frame, event: str, _: object) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.partition(".")[0] in ("amgan", "retrieval"):
            calls.setdefault(f"{module}:{frame.f_code.co_qualname}")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return list(calls)


def stops(root: Path, title: str) -> list[str]:
    page = (root / "docs" / "WALK.md").read_text(encoding="utf-8")
    part = page.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\d+\. `([\w.]+:[\w.]+)`", part, re.MULTILINE)


def test_a_batch_in_a_training_step(root: Path, tmp_path: Path) -> None:
    folder = read_imagefolder(draw_catalogue(tmp_path, 30))
    garments = load_garments(folder, folder.split("train"), 32, progress=False)
    config, cpu = changed(PRESETS["tiny"].amgan, objective="wgan-gp", batch=8), torch.device("cpu")
    teacher = AttributeClassifier(garments.schema, "small-4", 32).eval()
    trainer = Trainer(Amgan(garments.schema, config, teacher, cpu))
    batches = make_batches(garments, None, teacher, config, cpu)
    made = calls_of(lambda: trainer.step(batches, 0, 0.0))
    expected = stops(root, "A batch in a training step")
    assert len(expected) > 20 and [c for c in made if c in expected] == expected


def test_a_photo_in_a_search(root: Path, tmp_path: Path) -> None:
    photos, weights = draw_catalogue(tmp_path / "photos", 6), tiny_weights(tmp_path / "weights")
    where = ["--store", str(tmp_path / "index"), "--collection", "shop"]
    done = CliRunner().invoke(app, [str(photos), *where, "--weights", str(weights)])
    assert done.exit_code == 0, done.output
    catalogue = open_catalogue(str(tmp_path / "index"), "shop")
    photo = photos / "images" / "0001.png"
    try:
        cut = catalogue.cut_out
        made = calls_of(lambda: catalogue.find_similar(cut(read_image(photo)), {"color": "blue"}, k=3))
    finally:
        catalogue.close()
    expected = stops(root, "A photo in a search")
    assert len(expected) > 15 and [c for c in made if c in expected] == expected
