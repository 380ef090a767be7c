"""Weights and indexes from strangers: what is too large, of the wrong type or not finite is a sentence, soon, and
before memory is taken for it."""

from __future__ import annotations

import json
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import amgan.cli
from amgan.editing.editor import NetworkEditor, load_editor
from amgan.errors import UserError
from amgan.models.embedder import GarmentEmbedder
from amgan.models.methods import METHODS
from amgan.models.segmenter import CutOutNetwork
from amgan.testing import SCHEMA, draw_garment, tiny_weights
from amgan.weights import (
    frame_size,
    load_classifier,
    load_cut_out_network,
    load_garment_embedder,
    load_generator,
    save_embedder,
    save_segmenter,
    weights_card,
)
from retrieval.embedders import load_embedder
from retrieval.identity import Block, IndexIdentity
from retrieval.open_clip_embedder import PixelPreparation
from retrieval.representation import Representation
from retrieval.stores import connect
from retrieval.stores.base import About
from tests.tiny_open_clip import PIXELS, make_open_clip

LOADERS: dict[str, Callable[[Path], Any]] = {
    "editor": load_generator,
    "teacher": lambda folder: load_classifier(folder, "teacher"),
    "judge": lambda folder: load_classifier(folder, "judge"),
    "segmenter": load_cut_out_network,
    "embedder": load_garment_embedder,
}
DEEP = "[" * 100_000
MEMORY = 300 << 20  # bytes that a refusal may take at most
SECONDS = 10.0


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that load."""
    weights = tiny_weights(tmp_path_factory.mktemp("sound") / "w")
    save_segmenter(weights, CutOutNetwork(32), {})
    save_embedder(weights, GarmentEmbedder(SCHEMA, "small-4", 32, 8), {})
    for load in LOADERS.values():
        load(weights)
    return weights


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_open_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy to be spoilt."""
    return shutil.copytree(sound, tmp_path / "w")


def refused(load: Callable[[], Any], match: str) -> str:
    """The sentence with which it is refused; little memory and time go into it."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(UserError, match=match) as caught:
        load()
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MEMORY
    assert time.perf_counter() - start < SECONDS
    assert len(str(caught.value)) < 1000
    return str(caught.value)


def change(part: Path, **values: Any) -> None:
    """Settings of a part's config.json, those of an editor's generator among them."""
    config = json.loads((part / "config.json").read_text())
    for key, value in values.items():
        place = config.get("config", config)
        place = place.get("generator", place) if key in place.get("generator", {}) else place
        place = config if key == "schema" else place
        place[key] = value
    (part / "config.json").write_text(json.dumps(config))


HUGE = {"values": [f"v{i}" for i in range(100_000)], "editable": True}


@pytest.mark.parametrize(
    ("part", "values", "match"),
    [
        ("editor", {"channels": 1_000_000}, "channels cannot be 1000000"),
        ("editor", {"channels": 2048}, "does not fit its configuration: .* should be .*8192"),
        ("editor", {"channels": 10**400}, "channels cannot be"),
        ("editor", {"blocks": 1_000_000}, "blocks cannot be 1000000"),
        ("editor", {"blocks": 200}, "does not fit its configuration: blocks.*absent"),
        ("editor", {"image_size": 20_000}, "image_size cannot be 20000"),
        ("editor", {"image_size": "32"}, "image_size cannot be '32'"),
        ("editor", {"critic_layers": 10**9}, "critic_layers"),
        ("editor", {"schema": {"color": HUGE["values"]}}, "does not fit its configuration"),
        ("editor", {"schema": [1]}, "schema is .*; it must be an object"),
        ("editor", {"schema": {"color": 3}}, "editor/config.json: An attribute schema is an object like"),
        ("teacher", {"backbone": "small-100000"}, "width of 1 to 1024"),
        ("teacher", {"backbone": "small-1000"}, "does not fit its configuration"),
        ("teacher", {"backbone": ["small"]}, "backbone is .*; it must be text"),
        ("judge", {"image_size": 20_000}, "image_size is 20000; it must lie between 16 and 1024"),
        ("judge", {"image_size": True}, "image_size is 'True'; it must be a whole number"),
        ("teacher", {"schema": {"color": HUGE["values"]}}, "100000 and head.weight has 8 rows"),
        ("teacher", {"backbone": "resnet18"}, "does not fit its configuration"),
        ("segmenter", {"image_size": 20_000}, "image_size is 20000"),
        ("segmenter", {"image_size": 100}, "32, 64, 96 …, not 100"),
        ("embedder", {"dimensions": float("inf")}, "dimensions is 'inf'; it must be a whole number"),
        ("embedder", {"dimensions": 1_000_000_000}, "dimensions is 1000000000 and projection.weight has 8 rows"),
        ("embedder", {"dimensions": "8"}, "dimensions is '8'"),
        ("embedder", {"from_pixels": 1.5}, "from_pixels must be a number from 0 to 1, not 1.5"),
        ("embedder", {"from_pixels": float("nan")}, "from_pixels must be a number from 0 to 1, not nan"),
        ("embedder", {"from_pixels": "0.5"}, "from_pixels must be a number from 0 to 1, not '0.5'"),
    ],
)
def test_a_configuration_that_the_tensors_do_not_bear_out(
    folder: Path, part: str, values: dict[str, Any], match: str
) -> None:
    change(folder / part, **values)
    refused(lambda: LOADERS[part](folder), match)


@pytest.mark.parametrize("part", LOADERS)
@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{}", "is missing; it must be"),
        ("[1]", "holds no JSON object"),
        (DEEP, "nested too deeply"),
        ('{"a": ' * 100_000, "nested too deeply"),
        ("{", "not valid JSON"),
        (" " * (5 << 20), "larger than 4 MB"),
        ("\udcff", "not valid JSON"),
    ],
    ids=["empty", "a list", "deep", "deep objects", "half", "large", "no text"],
)
def test_a_configuration_that_is_none(folder: Path, part: str, text: str, match: str) -> None:
    (folder / part / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    refused(lambda: LOADERS[part](folder), match)
    if part == "editor":
        refused(lambda: frame_size(folder), match)


def test_a_card_that_is_none(folder: Path) -> None:
    (folder / "card.json").write_text(DEEP)
    refused(lambda: weights_card(folder), "nested too deeply")


@pytest.mark.parametrize("part", LOADERS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_tensors_that_are_not_finite(folder: Path, part: str, value: float) -> None:
    file = folder / part / "model.safetensors"
    tensors = load_file(file)
    name = max(tensors, key=lambda n: tensors[n].numel())
    tensors[name].view(-1)[-1] = value
    save_file(tensors, file)
    assert f"{name} holds NaN or infinity" in refused(lambda: LOADERS[part](folder), "cannot be used")


@pytest.mark.parametrize("part", LOADERS)
def test_tensors_of_another_shape_and_name(folder: Path, part: str) -> None:
    file = folder / part / "model.safetensors"
    tensors = load_file(file)
    name = next(n for n, t in tensors.items() if t.ndim == 4)
    save_file(tensors | {name: tensors[name][:, :1].repeat(1, 7, 1, 1)}, file)
    refused(lambda: LOADERS[part](folder), f"{name} should be .* and is .* x 7 x")
    save_file(tensors | {"more": torch.zeros(3)}, file)
    refused(lambda: LOADERS[part](folder), "more should be absent and is 3")
    file.write_bytes(file.read_bytes()[:-3])
    refused(lambda: LOADERS[part](folder), "damaged")


@pytest.mark.parametrize("model", METHODS)
def test_generators_of_every_method_are_held_to_their_tensors(tmp_path: Path, model: str) -> None:
    folder = tiny_weights(tmp_path / "w", model=model)
    load_editor(folder)
    change(folder / "editor", channels=2000)
    refused(lambda: load_editor(folder), "does not fit its configuration")


def test_an_edit_that_is_no_picture_is_a_sentence(folder: Path) -> None:
    editor = load_editor(folder)
    assert isinstance(editor, NetworkEditor)
    editor.network = lambda x, m: (x * float("nan"), x[:, :1])  # finite weights may still overflow
    with pytest.raises(UserError, match="not finite"):
        editor.edit(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), {"sleeve": "long"})


def test_a_command_says_it_in_a_sentence(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(draw_garment(size=160)[0]).save(tmp_path / "a.png")
    tensors = load_file(folder / "editor" / "model.safetensors")
    save_file({k: v * float("nan") for k, v in tensors.items()}, folder / "editor" / "model.safetensors")
    line = ["edit", str(tmp_path / "a.png"), "--weights", str(folder), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["amgan", *line, "--set", "color=red"])
    with pytest.raises(SystemExit) as end:
        amgan.cli.main()
    assert end.value.code == 2
    assert "NaN or infinity" in " ".join(capsys.readouterr().err.split())
    assert not list((tmp_path / "out").glob("a.png"))


@pytest.mark.parametrize(
    ("vision", "match"),
    [
        ({"layers": 10**9}, "1,000,000,000 layers"),
        ({"width": 2**17}, "numbers, and its file has"),
        ({"image_size": 20_000}, "numbers, and its file has"),
        ({"width": "wide"}, "cannot be loaded"),
        ({"layers": [1, 10**9]}, "1,000,000,000 layers"),
    ],
    ids=str,
)
def test_an_open_clip_configuration_that_asks_for_too_much(
    clip: Path, tmp_path: Path, vision: dict[str, Any], match: str
) -> None:
    folder = shutil.copytree(clip, tmp_path / "clip")
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["vision_cfg"] |= vision
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    refused(lambda: load_embedder(str(folder)), match)


def test_an_open_clip_model_of_large_pictures_and_of_no_numbers(clip: Path, tmp_path: Path) -> None:
    refused(lambda: PixelPreparation.of(PIXELS | {"size": 20_000}), "20000x20000")
    folder = shutil.copytree(clip, tmp_path / "clip")
    (folder / "open_clip_config.json").write_text(DEEP)
    refused(lambda: load_embedder(str(folder)), "cannot be loaded")
    folder = shutil.copytree(clip, tmp_path / "nan")
    file = folder / "open_clip_model.safetensors"
    save_file({k: v * float("nan") for k, v in load_file(file).items()}, file)
    refused(lambda: load_embedder(str(folder)), "NaN or infinity")


def about(**changes: Any) -> dict[str, Any]:
    identity = IndexIdentity("teacher:w", "h", "p", 4, (Block("image", 4),), "s")
    values = About(identity, SCHEMA).to_dict()
    return values | {"identity": values["identity"] | changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"dimensions": float("inf")},
        {"dimensions": float("nan")},
        {"dimensions": 10**400},
        {"dimensions": 2**40, "blocks": [{"name": "image", "dimensions": 2**40}]},
        {"dimensions": True, "blocks": [{"name": "image", "dimensions": True}]},
        {"dimensions": [4]},
        {"blocks": "image"},
        {"blocks": [4]},
        {"blocks": {"image": 4}},
        {"blocks": [{"name": "image", "dimensions": float("inf")}]},
        {"blocks": [{"name": "image", "dimensions": 8}, {"name": "x", "dimensions": -4}]},
        {"embedder": {"a": 1}},
        {"segmenter": 3},
    ],
    ids=str,
)
def test_an_index_that_says_what_cannot_be(changes: dict[str, Any]) -> None:
    refused(lambda: About.from_dict(about(**changes), "The collection x"), "index")


def test_an_index_is_a_sentence_where_its_schema_or_notes_are_none() -> None:
    for values in (
        about() | {"schema": 3},
        about() | {"schema": [["sleeve", 3]]},
        about() | {"notes": 3},
        about() | {"identity": []},
        {},
        [],
    ):
        refused(lambda values=values: About.from_dict(values, "The collection x"), "collection x|schema|index")


def test_an_index_whose_description_is_nested_without_end(tmp_path: Path) -> None:
    (tmp_path / "shop.1").mkdir()
    (tmp_path / "shop.1" / "about.json").write_text(DEEP)
    refused(lambda: connect(tmp_path).describe("shop.1"), "nested too deeply")


@pytest.mark.parametrize("name", ["teacher:hf-hub:nobody/nothing", "hf-hub:nobody/nothing + teacher:photos"])
def test_what_an_index_names_is_not_fetched_without_being_asked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def download(*_: object, local_files_only: bool = False, **__: object) -> str:
        asked.append(local_files_only)
        raise OSError("not here")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    identity = IndexIdentity(name, "h", "p", 4, (Block("image", 4),), "classical (1)")
    refused(lambda: Representation.of_index(identity), "not on this machine")
    assert asked and all(asked)


def test_a_vector_of_broken_weights_is_no_number(folder: Path) -> None:
    representation = Representation(str(folder))
    vectors, _ = representation.encode(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    assert np.isfinite(vectors).all()
