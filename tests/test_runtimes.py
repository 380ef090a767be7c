"""Runtimes: the same pictures as PyTorch's, the fastest chosen once and remembered, exports that load again."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from amgan import UserError, load_editor
from amgan.editing.editor import NetworkEditor
from amgan.editing.runtimes import CARD, ENGINES, choice, eager, export, fastest, load_exported
from amgan.editing.runtimes.agreement import difference
from amgan.editing.runtimes.engines import Engine
from amgan.editing.runtimes.int8 import EightBit, eight_bit
from amgan.editing.runtimes.rearranged import Rearranged
from amgan.editing.runtimes.samples import sample_edits
from amgan.models.amgan.generator import Generator
from amgan.testing import SCHEMA, tiny_weights
from amgan.weights import load_generator
from tests.conftest import missing

SIZE = 32
KINDS = {
    "paper": {},
    "strided": {"inner_stride": 2},
    "skips": {"skips": True},
    "small": {"skips": True, "context": True, "code": 4, "inner_stride": 2},
}


def made(kind: str = "small", seed: int = 0) -> Generator:
    """A tiny generator in which every path counts: nothing is left at zero."""
    torch.manual_seed(seed)
    generator = Generator(SCHEMA, channels=8, blocks=2, **KINDS[kind]).eval().requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if parameter.ndim == 1 or name.startswith(("gate", "prior")) or "modulation" in name:
            parameter.normal_(0, 0.2)
    return generator


@pytest.fixture(scope="module")
def samples() -> tuple[torch.Tensor, torch.Tensor]:
    return sample_edits(SCHEMA, SIZE, 3, 1)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("AMGAN_RUNTIME")
    return tmp_path / "cache"


def needs(engine: str) -> None:
    if ENGINES[engine].missing:
        missing(f"{', '.join(ENGINES[engine].missing)} not installed (pip install 'amgan[{ENGINES[engine].extra}]')")


@pytest.mark.parametrize("kind", KINDS)
def test_rearranged_generator_makes_the_same_pictures(kind: str, samples: tuple[torch.Tensor, torch.Tensor]) -> None:
    generator = made(kind)
    with torch.inference_mode():
        z, alpha = Rearranged(generator, SIZE).eval()(*samples)
        truth = generator(*samples)
    assert torch.allclose(z, truth.raw, atol=1e-4) and torch.allclose(alpha, truth.mask, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_eight_bits_stay_close(kind: str, samples: tuple[torch.Tensor, torch.Tensor]) -> None:
    generator = made(kind)
    network = Rearranged(generator, SIZE).eval()
    rounded = eight_bit(network, *samples)
    assert sum(isinstance(layer, EightBit) for layer in rounded.modules()) >= 8
    assert not any(isinstance(layer, EightBit) for layer in network.modules())
    with torch.inference_mode():
        found = difference(samples[0], rounded(*samples), eager(generator)(*samples))
    assert 0 < found.mean < 4


@pytest.mark.parametrize("kind", ["paper", "small"])
@pytest.mark.parametrize("engine", ENGINES)
def test_export_makes_the_same_pictures(engine: str, kind: str, tmp_path: Path) -> None:
    needs(engine)
    generator, (x, m) = made(kind), sample_edits(SCHEMA, SIZE, 3, 7)
    stated = export(generator, SIZE, "abc", engine, tmp_path / "export")
    saved = load_exported(tmp_path / "export")
    assert (saved.engine, saved.identity, saved.image_size, saved.schema) == (engine, "abc", SIZE, SCHEMA)
    assert saved.difference == stated.to_dict()
    with torch.inference_mode():
        found = difference(x, saved.network(x, m), eager(generator)(x, m))
        alone = saved.network(x[1:2], m[1:2])
        assert torch.allclose(alone[0], saved.network(x, m)[0][1:2], atol=1e-3)
    assert found.mean < (0.01 if engine in ("openvino", "onnx") else 4)
    export(made(kind, seed=1), SIZE, "def", engine, tmp_path / "export")  # replaces it
    assert load_exported(tmp_path / "export").identity == "def"
    assert [p.name for p in tmp_path.iterdir()] == ["export"]


def test_command_exports_what_edit_takes(tmp_path: Path) -> None:
    needs("openvino")
    weights = tiny_weights(tmp_path / "weights", image_size=SIZE)
    command = [sys.executable, "-m", "amgan", "export", str(weights), "--out", str(tmp_path / "out"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["difference_in_grey_levels"]["mean"] < 0.01
    here, there = load_editor(tmp_path / "out"), load_editor(weights)
    assert isinstance(here, NetworkEditor) and here.runtime == "openvino" and here.identity == there.identity
    images = torch.randint(0, 256, (2, 3, SIZE, SIZE), dtype=torch.uint8)
    edit = {"color": "red"}
    for only_on in (None, "torso"):
        a, b = here.edit(images, edit, only_on), there.edit(images, edit, only_on)
        assert (a.image.int() - b.image.int()).abs().max() <= 1
        assert torch.allclose(a.mask, b.mask, atol=1e-3)


def test_damaged_or_foreign_exports_are_refused(tmp_path: Path) -> None:
    needs("openvino")
    folder = tmp_path / "export"
    export(made(), SIZE, "abc", "openvino", folder)
    with (folder / "model.bin").open("r+b") as file:
        file.write(b"damage")
    with pytest.raises(UserError, match="damaged"):
        load_editor(folder)
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(card | {"format": 0}))
    with pytest.raises(UserError, match="another version"):
        load_editor(folder)
    (folder / CARD).write_text("[]")
    with pytest.raises(UserError, match="damaged"):
        load_editor(folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").write_text("precious")
    with pytest.raises(UserError, match="holds no export"):
        export(made(), SIZE, "abc", "openvino", tmp_path / "mine")
    with pytest.raises(UserError, match="Unknown runtime 'tensorrt'"):
        export(made(), SIZE, "abc", "tensorrt", folder)


def test_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UserError, match=r"needs openvino; pip install 'amgan\[fast\]'"):
        export(made(), SIZE, "abc", "openvino", tmp_path / "export")


def stand_in(monkeypatch: pytest.MonkeyPatch, wrong: bool = False) -> None:
    """One engine, which returns at once what it was saved with; wrong: it paints black."""
    truth: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    x, m = sample_edits(SCHEMA, SIZE, choice.COMPARED, choice.COMPARED_SEED)

    def save(generator: Generator, image_size: int, folder: Path) -> None:
        (folder / "network").write_text("saved")
        with torch.inference_mode():
            truth[0] = eager(generator)(x, m)

    def load(folder: Path):
        assert (folder / "network").read_text() == "saved"

        def network(pictures: torch.Tensor, conditions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            z, alpha = (t[: len(pictures)] for t in truth[0])
            return (z - 1, alpha) if wrong else (z, alpha)

        return network

    engines = {"swift": Engine("swift", (), "fast", save, load)}
    for module in ("choice", "exported"):
        monkeypatch.setattr(f"amgan.editing.runtimes.{module}.ENGINES", engines)


def test_choice_is_remembered(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    generator = made()
    assert fastest(generator, SIZE, "abc")[0] == "swift"
    (found,) = cache.rglob("choice.json")
    assert json.loads(found.read_text())["measured"]["swift"]["milliseconds"] >= 0
    measure = choice.measure
    monkeypatch.setattr(choice, "measure", lambda *_: pytest.fail("measured again"))
    assert fastest(generator, SIZE, "abc")[0] == "swift"
    measured: list[str] = []
    monkeypatch.setattr(choice, "measure", lambda *a: measured.append(a[2]) or measure(*a))
    fastest(generator, SIZE, "other weights")
    found.write_text("{")  # damaged
    assert fastest(generator, SIZE, "abc")[0] == "swift"
    (found.parent / "network" / "network").write_text("damaged too")
    assert fastest(generator, SIZE, "abc")[0] == "swift"
    assert measured == ["other weights", "abc", "abc"]
    monkeypatch.setattr(choice, "measure", lambda *_: pytest.fail("measured again"))
    assert fastest(generator, SIZE, "abc")[0] == "swift"


def test_commands_take_what_was_found_and_never_measure(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch)
    weights = tiny_weights(tmp_path / "weights", image_size=SIZE)
    monkeypatch.delenv("AMGAN_RUNTIME", raising=False)
    assert load_editor(weights, "remembered").runtime == "eager"
    monkeypatch.setattr("amgan.editing.editor.fastest", lambda g, size, identity: fastest(made(), size, identity))
    assert load_editor(weights, "fastest").runtime == "swift"
    monkeypatch.setattr(choice, "measure", lambda *_: pytest.fail("measured again"))
    assert load_editor(weights, "remembered").runtime == "swift"


def test_wrong_pictures_are_not_taken(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, wrong=True)
    name, network = fastest(made(), SIZE, "abc")
    assert name.startswith("eager")
    (found,) = cache.rglob("choice.json")
    assert "milliseconds" not in json.loads(found.read_text())["measured"]["swift"]
    x, m = sample_edits(SCHEMA, SIZE, 1, 0)
    with torch.inference_mode():
        assert difference(x, network(x, m), eager(made())(x, m)).small


def test_failing_library_and_unwritable_cache_do_not_matter(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such instruction")

    engines = {"broken": Engine("broken", (), "fast", fail, fail)}  # type: ignore[arg-type]
    monkeypatch.setattr("amgan.editing.runtimes.choice.ENGINES", engines)
    cache.write_text("a file where the folder should be")
    assert fastest(made(), SIZE, "abc")[0].startswith("eager")


def test_editor_is_eager_unless_asked(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tiny_weights(tmp_path / "weights", image_size=SIZE)
    generator, config, identity = load_generator(weights)
    monkeypatch.setattr(
        "amgan.editing.editor.fastest", lambda *a: ("swift", eager(generator)) if a[1:] == (SIZE, identity) else 0
    )
    plain, fast = load_editor(weights), load_editor(weights, "fastest")
    assert plain.runtime == "eager" and fast.runtime == "swift"
    assert plain.identity == fast.identity == identity and replace(config, image_size=SIZE) == config
    monkeypatch.setenv("AMGAN_RUNTIME", "eager")
    assert load_editor(weights, "fastest").runtime == "eager"
