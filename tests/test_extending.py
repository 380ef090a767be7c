"""CONTRIBUTING.md says of each thing that can be added the one file and the one line; here each line is added."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from amgan.data import metadata
from amgan.data.garments import load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.editing import editor
from amgan.lessons import batches
from amgan.lessons.lesson import Lesson
from amgan.models import backbones, methods
from amgan.models.classifier import AttributeClassifier
from amgan.models.interface import BatchCounts
from amgan.models.training_config import LessonsConfig
from amgan.photos import cut_out
from amgan.photos.segmenter import Segmentation
from amgan.prepare import RELEASES
from amgan.prepare.command import prepare_command
from amgan.prepare.release import Item
from amgan.prepare.writing import save_png
from amgan.testing import SCHEMA, draw_catalogue, draw_garment
from retrieval import embedders, stores
from retrieval.stores.memory import MemoryLocation


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The one file."""
    made = ModuleType("one_file")
    monkeypatch.setitem(sys.modules, "one_file", made)
    return made


def test_a_method(module, monkeypatch) -> None:  # trained to the end in test_method.py
    module.Toy = type("Toy", (), {"name": "toy"})
    monkeypatch.setitem(methods.METHODS, "toy", "one_file:Toy")
    assert methods.find_method("toy") is module.Toy


def test_a_lesson(tmp_path, monkeypatch) -> None:
    class UpsideDown(Lesson):
        """The result of every edit is the photograph upside down."""

        def serves(self, edits, generator):
            return edits.edited.any(1)

        def make(self, plan, photos, masks):
            return photos.flip(2), masks.flip(2)

    folder = read_imagefolder(draw_catalogue(tmp_path, 12))
    garments = load_garments(folder, folder.records, 32, progress=False)
    monkeypatch.setattr(batches, "LESSONS", (*batches.LESSONS, UpsideDown))
    weights = torch.full((12,), 1 / 12, dtype=torch.float64)
    maker = batches.BatchMaker(garments, torch.eye(12), weights, LessonsConfig(pairs=1.0), 8)
    plan = maker.plan(torch.Generator().manual_seed(0))
    still = replace(plan, theta=torch.eye(2, 3).expand(8, 2, 3))  # not augmented
    batch = maker.make(still, BatchCounts(1, 1, 1, 1))
    torch.testing.assert_close(batch.reference, batch.photos.flip(2), atol=1e-5, rtol=0)


def test_a_backbone(monkeypatch) -> None:
    monkeypatch.setitem(backbones.BACKBONES, "tiny", lambda name, size, pretrained: backbones.SmallBackbone(2, size))
    assert AttributeClassifier(SCHEMA, "tiny-x", 32).feature_dim == 12
    depths = {"features.1": "early", "features.3": "middle", "features.12": "last"}
    monkeypatch.setitem(backbones.TorchvisionBackbone.DEPTHS, "mobilenet_v3_small", depths)
    monkeypatch.setitem(backbones.BACKBONES, "mobilenet_v3_small", backbones._torchvision)
    assert AttributeClassifier(SCHEMA, "mobilenet_v3_small", 32).feature_dim == 576


def test_a_segmenter() -> None:
    class Middle:
        identity = "middle (1)"

        def segment(self, photo: np.ndarray) -> Segmentation:
            mask = np.zeros(photo.shape[:2], np.uint8)
            h, w = mask.shape
            mask[h // 4 : -h // 4, w // 4 : -w // 4] = 255
            return Segmentation(mask, 1.0, "middle")

    photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 80, 3), np.uint8))
    cut = cut_out(photo, size=32, segmenter=Middle())
    assert cut.method == "middle" and cut.trusted


def test_an_embedder(monkeypatch) -> None:
    class Mean:
        identity = embedders.EmbedderIdentity("mean", "0", "none")
        dimensions, image_size = 3, 8

        def embed(self, images: torch.Tensor) -> np.ndarray:
            return embedders.unit_rows(images.float().mean((2, 3)))

    class Point:
        name = "mean"

        def load(self):
            return lambda argument: Mean()

    monkeypatch.setattr(embedders, "entry_points", lambda group: [Point()])
    assert embedders.load_embedder("mean").embed(torch.ones(2, 3, 4, 4, dtype=torch.uint8)).shape == (2, 3)


def test_an_editor(monkeypatch) -> None:  # in a package of its own in test_outside_editor.py
    nothing = editor.NoEdit(SCHEMA, 32)
    point = SimpleNamespace(name="nothing", load=lambda: lambda argument: nothing)
    monkeypatch.setattr(editor, "entry_points", lambda group, name: [point] if name == "nothing" else [])
    assert editor.load_editor("nothing:at-all") is nothing


def test_a_store(module, monkeypatch) -> None:
    module.place = lambda text: MemoryLocation()
    monkeypatch.setitem(stores.STORES, "elsewhere", "one_file:place")
    assert isinstance(stores.connect("elsewhere://shop"), MemoryLocation)


def test_a_data_set(tmp_path, monkeypatch) -> None:
    """Labels in another format: a reader of its file."""
    folder = draw_catalogue(tmp_path, 6)
    lines = (folder / "metadata.csv").read_text().splitlines()
    (folder / "metadata.csv").unlink()
    (folder / "metadata.tsv").write_text("\n".join(line.replace(",", "\t") for line in lines))

    def rows(path: Path):
        head, *rest = (line.split("\t") for line in path.read_text().splitlines())
        for i, cells in enumerate(rest, start=2):
            yield metadata.Row(path, f"line {i}", dict(zip(head, cells, strict=True)))

    monkeypatch.setitem(metadata.READERS, ".tsv", rows)
    assert len(read_imagefolder(folder).records) == 6


def test_a_released_data_set(module, tmp_path, monkeypatch) -> None:
    class Shirts:
        schema, columns, sources, sentences = SCHEMA, ("mask_file_name",), (), ()

        def __init__(self, source: Path, images: Path | None) -> None:
            pass

        def __len__(self) -> int:
            return 3

        def items(self, start: int):
            for k in range(start, 3):
                yield Item(f"{k}.png", "train", {"sleeve": "long", "color": "red"}, partial(self.make, k))

        def make(self, k: int, out: Path) -> dict[str, str]:
            image, mask = draw_garment("long", "red", seed=k)
            save_png(out / f"{k}.png", image)
            save_png(out / f"{k}.mask.png", mask)
            return {"mask_file_name": f"{k}.mask.png"}

        def finish(self, out: Path) -> None:
            pass

    module.Shirts = Shirts
    monkeypatch.setitem(RELEASES, "shirts", "one_file:Shirts")
    prepare_command("shirts", tmp_path, tmp_path / "out", None, 1)
    folder = read_imagefolder(tmp_path / "out")
    assert len(load_garments(folder, folder.split("train"), 32, progress=False)) == 3


def test_contributing_names_the_lines(root: Path) -> None:
    """Every ``file`` and ``name`` of the table is there."""
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text[text.index("| a new …") : text.index("## Style")]
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| ")][2:]
    assert [r[0].strip() for r in rows] == [
        "method",
        "lesson",
        "backbone",
        "segmenter",
        "embedder",
        "editor",
        "store",
        "data set",
        "released data set",
    ]
    mine = Path(__file__).read_text(encoding="utf-8")
    for _, files, line, test in rows:
        for path in re.findall(r"`((?:amgan|retrieval)/[\w/]+)`", files):
            assert (root / path).is_dir(), path
        for name, path in re.findall(r"`([\w.]+)` in `([\w/.]+)`", line):
            assert name in (root / path).read_text(encoding="utf-8"), (name, path)
        assert f"def {re.findall(r'test_[a-z_]+', test)[0]}(" in mine
