"""Runtimes: the same pictures as PyTorch's, the fastest chosen once and remembered, exports that load again."""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import amgan.editing.runtimes.__main__ as measuring
from amgan import UserError, load_classifier, load_editor
from amgan.editing.editor import NetworkEditor
from amgan.editing.export_command import export_command
from amgan.editing.runtimes import CARD, ENGINES, Network, eager, export, load_exported
from amgan.editing.runtimes.agreement import difference, sample_edits
from amgan.editing.runtimes.engines import Engine
from amgan.editing.runtimes.rearranged import Rearranged
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
    "motifs": {"skips": True, "context": True, "inner_stride": 2, "motifs": 6},
}


def made(kind: str = "small", seed: int = 0) -> Generator:
    """A tiny generator in which every path counts: nothing is left at zero."""
    torch.manual_seed(seed)
    generator = Generator(SCHEMA, channels=8, blocks=2, **KINDS[kind]).eval().requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if parameter.ndim == 1 or name.startswith(("gate", "prior", "coarse", "fine")) or "modulation" in name:
            parameter.normal_(0, 0.2)
    return generator


@pytest.fixture(scope="module")
def samples() -> tuple[torch.Tensor, torch.Tensor]:
    return sample_edits(SCHEMA, SIZE, 3, 1)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AMGAN_CACHE", str(tmp_path / "cache"))
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


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("engine", "kind"),
    [
        ("openvino", "paper"),
        ("openvino", "small"),
        ("onnx", "small"),
        ("openvino", "motifs"),
        pytest.param("onnx", "motifs", marks=pytest.mark.slow),
    ],
)
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
    assert found.mean < 0.01


def test_command_exports_what_edit_takes(tmp_path: Path) -> None:
    needs("openvino")
    weights = tiny_weights(tmp_path / "weights", image_size=SIZE)
    done = export_command(str(weights), tmp_path / "out", "openvino")
    assert done["difference_in_grey_levels"]["mean"] < 0.01
    here, there = load_editor(tmp_path / "out"), load_editor(weights)
    assert isinstance(here, NetworkEditor) and here.runtime == "openvino" and here.identity == there.identity
    images = torch.randint(0, 256, (2, 3, SIZE, SIZE), dtype=torch.uint8)
    edit = {"color": "red"}
    for only_on in (None, "torso"):
        a, b = here.edit(images, edit, only_on), there.edit(images, edit, only_on)
        assert (a.image.int() - b.image.int()).abs().max() <= 1
        assert torch.allclose(a.mask, b.mask, atol=1e-3)


@pytest.mark.thorough
def test_damaged_or_foreign_exports_are_refused(tmp_path: Path) -> None:
    needs("openvino")
    folder = tmp_path / "export"
    export(made(), SIZE, "abc", "openvino", folder)
    export(made(seed=1), SIZE, "def", "openvino", folder)  # replaces it
    assert load_exported(folder).identity == "def" and [p.name for p in tmp_path.iterdir()] == ["export"]
    assert not load_editor(folder).designs
    lays_designs = made()
    lays_designs.designs = True
    export(lays_designs, SIZE, "ghi", "openvino", folder)
    assert load_editor(folder).designs
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
    with pytest.raises(UserError, match=r"Unknown runtime 'openvino-int8'. Valid: openvino, onnx\."):
        export(made(), SIZE, "abc", "openvino-int8", folder)


def test_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UserError, match=r"needs openvino; pip install 'amgan\[fast\]'"):
        export(made(), SIZE, "abc", "openvino", tmp_path / "export")


def test_openvino_reports_nothing_to_its_makers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("openvino")
    monkeypatch.setattr("openvino_telemetry.utils.sender.TelemetrySender.send", lambda *_: pytest.fail("sent"))
    monkeypatch.delenv("CI", raising=False)
    export(made(), SIZE, "abc", "openvino", tmp_path / "export")
    from openvino_telemetry import Telemetry

    assert not Telemetry().consent and "CI" not in os.environ


@pytest.fixture
def tracing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process; not in those that it starts."""
    for name in ("torch.jit.trace", "torch.export.export", "torch.onnx.export", "torch.compile"):
        monkeypatch.setattr(name, lambda *_, **__: pytest.fail("traced in the process that serves"))


@pytest.mark.thorough
def test_embedding_never_fails_while_runtimes_are_measured(
    cache: Path,
    tmp_path: Path,
    tracing_fails: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The page's first visitors: torch patches the call of every module in a process that traces."""
    needs("openvino")
    monkeypatch.setattr("amgan.editing.runtimes.choice.NICENESS", 0)  # beside a busy test
    weights = tiny_weights(tmp_path / "weights", image_size=SIZE)
    classifier = load_classifier(weights)
    images = torch.randint(0, 256, (2, 3, SIZE, SIZE), dtype=torch.uint8)
    truth = classifier.predict(images)
    done, failures, embedded = threading.Event(), [], 0

    def embed() -> None:
        nonlocal embedded
        while not done.wait(0.001):
            try:
                if not torch.equal(classifier.predict(images), truth):
                    failures.append("other features")
                embedded += 1
            except Exception as error:
                failures.append(repr(error))

    visitor = threading.Thread(target=embed)
    visitor.start()
    try:
        fast = load_editor(weights, "fastest")
    finally:
        done.set()
        visitor.join()
    assert not failures and embedded > 10 and not caplog.records
    (choice,) = cache.rglob("choice.json")
    report = json.loads(choice.read_text())
    assert report["openvino"]["difference"]["mean"] < 0.01 and set(report["milliseconds"]) == {"eager", "openvino"}
    plain = load_editor(weights)
    assert isinstance(fast, NetworkEditor) and isinstance(plain, NetworkEditor)
    assert plain.runtime == "eager" and fast.runtime == report["engine"] and fast.identity == plain.identity
    a, b = fast.edit(images, {"sleeve": "long"}), plain.edit(images, {"sleeve": "long"})
    assert (a.image.int() - b.image.int()).abs().max() <= 1


def by_hand(monkeypatch: pytest.MonkeyPatch, weights: Path) -> list[str]:
    """The measuring process runs in this one, with an engine that does what was asked of it. Returns what was
    measured."""
    measured: list[str] = []
    truth = eager(load_generator(weights)[0])

    def save(_: Generator, __: int, folder: Path) -> None:
        measured.append(folder.name)
        (folder / "network").write_text("right")

    def load(folder: Path) -> Network:
        offset = {"right": 0.0, "wrong": 1.0}[(folder / "network").read_text()]
        return lambda x, m: (truth(x, m)[0] - offset, truth(x, m)[1])

    monkeypatch.setitem(ENGINES, "openvino", Engine((), "fast", save, load))
    monkeypatch.setattr(
        "amgan.editing.editor.find_fastest", lambda name: measuring.main(str(name), torch.get_num_threads())
    )
    return measured


def test_choice_is_remembered(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tiny_weights(tmp_path / "weights", image_size=SIZE)
    measured = by_hand(monkeypatch, weights)
    monkeypatch.setattr(
        measuring, "milliseconds", lambda networks, *_: {name: -i for i, name in enumerate(networks)}
    )  # OpenVINO is faster
    assert load_editor(weights, "remembered").runtime == "eager" and not measured
    assert [load_editor(weights, kind).runtime for kind in ("fastest", "fastest", "remembered")] == ["openvino"] * 3
    assert len(measured) == 1
    load_editor(tiny_weights(tmp_path / "others", image_size=SIZE, seed=1), "fastest")
    assert len(measured) == 2
    for damaged in (*cache.rglob("choice.json"), *cache.rglob("network/network")):
        damaged.write_text("{")
        assert load_editor(weights, "remembered").runtime in ("eager", "openvino")
        load_editor(weights, "fastest")
    assert len(measured) == 4  # the other weights' files do not matter here
    assert load_editor(weights, "remembered").runtime == "openvino"
    monkeypatch.setenv("AMGAN_RUNTIME", "eager")
    assert load_editor(weights, "fastest").runtime == "eager"


def test_processes_that_start_together_measure_once(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tiny_weights(tmp_path / "weights", image_size=SIZE)
    measured = by_hand(monkeypatch, weights)
    pages = [threading.Thread(target=load_editor, args=(weights, "fastest")) for _ in range(3)]
    for page in pages:
        page.start()
    for page in pages:
        page.join()
    assert len(measured) == 1


def test_slower_wrong_or_failing_runtimes_are_not_taken(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tiny_weights(tmp_path / "weights", image_size=SIZE)
    by_hand(monkeypatch, weights)
    engine, milliseconds = ENGINES["openvino"], {"eager": 2.0, "openvino": 1.0}
    monkeypatch.setattr(measuring, "milliseconds", lambda networks, *_: {name: milliseconds[name] for name in networks})

    def wrong(generator: Generator, size: int, folder: Path) -> None:
        (folder / "network").write_text("wrong")

    def fail(*_: object) -> None:
        raise RuntimeError("no such instruction")

    for save, seconds, chosen in (
        (engine.save, 1, "openvino"),
        (engine.save, 3, "eager"),
        (wrong, 1, "eager"),
        (fail, 1, "eager"),
    ):
        milliseconds["openvino"] = seconds
        monkeypatch.setitem(ENGINES, "openvino", replace(engine, save=save))
        assert load_editor(weights, "fastest").runtime == chosen
        (choice,) = cache.rglob("choice.json")
        assert json.loads(choice.read_text())["engine"] == chosen
        choice.unlink()


@pytest.mark.parametrize(
    ("script", "limit", "sentence"),
    [
        ("exit 3", 60, "status 3"),
        ("kill -9 $$", 60, "SIGKILL"),
        ("echo no room >&2; exit 1", 60, "no room"),
        ("exec sleep 60", 0.1, "timed out"),
    ],
)
def test_a_process_that_fails_leaves_pytorch(
    script: str,
    limit: float,
    sentence: str,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    needs("openvino")
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr("amgan.editing.runtimes.choice.LIMIT", limit)
    assert load_editor(tiny_weights(tmp_path / "weights", image_size=SIZE), "fastest").runtime == "eager"
    assert sentence in caplog.text


def test_without_a_place_to_remember_nothing_is_measured(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("measured"))
    monkeypatch.setenv("AMGAN_CACHE", "off")
    assert load_editor(tiny_weights(tmp_path / "weights", image_size=SIZE), "fastest").runtime == "eager"
