"""Shipped weights whose training goes on: settings, images counted on, the proposal, and what is shipped."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import amgan.weights.folders
from amgan.config import changed
from amgan.data import stream
from amgan.data.drawn import draw_pairs
from amgan.errors import UserError
from amgan.models.amgan.generator import Generator
from amgan.models.classifier import AttributeClassifier
from amgan.synth import SCHEMA
from amgan.training.command import TrainOptions, train_command
from amgan.training.going_on import Earlier
from amgan.training.presets import PRESETS
from amgan.training.run import load_state
from amgan.training.trainer import Trainer
from amgan.weights import load_generator, save_classifier, save_generator, weights_card
from scripts import ship_weights, train_on
from tests.test_drawn import Here

SIZE = 32
NAME = "drawn"


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A folder of shipped weights, of a training of 8 thousand images, and drawing in this process."""
    shipped = tmp_path / "shipped"
    preset = PRESETS["tiny"]
    config = changed(preset.amgan, pairs=1.0, kimg=8.0, lr=3e-4)
    torch.manual_seed(0)
    for role in ("teacher", "judge"):
        network = AttributeClassifier(SCHEMA, getattr(preset, role).backbone, SIZE)
        save_classifier(shipped / NAME, role, network, {"role": role, "validation": {"kimg": 1.0}})
    facts = {"kimg": 8.0, "seconds": 90, "preset": "tiny", "data": "0", "command": "amgan train", "validation": {}}
    generator = Generator.from_config(SCHEMA, config.generator)
    save_generator(shipped / NAME, generator, config, facts)
    card = {"name": NAME, "data": "8 garments.", "training": {"kimg": 8.0}, "test": {"sleeve: accepted": 0.5}}
    (shipped / NAME / "card.json").write_text(json.dumps(card))
    for module in (amgan.weights.folders, ship_weights):
        monkeypatch.setattr(module, "SHIPPED", shipped)
    monkeypatch.setattr(stream, "CHUNK", 4)
    monkeypatch.setattr(stream, "WINDOW", 2)
    monkeypatch.setattr(stream, "VALIDATION", 6)
    monkeypatch.setattr(stream.validation_garments, "__defaults__", (6,))
    monkeypatch.setattr(stream, "draw_all", lambda seeds, size, title: [draw_pairs(s, size) for s in seeds])
    monkeypatch.setattr(stream, "drawing_pool", lambda workers: Here())
    monkeypatch.setattr(train_on, "_be_nice", lambda how: None)
    monkeypatch.setattr(train_on, "ROWS", 2)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.thorough
def test_settings_steps_and_seconds_are_counted_on(house, monkeypatch):
    seen = []
    real = Trainer.step
    monkeypatch.setattr(Trainer, "step", lambda self, b, step, p: seen.append((step, p)) or real(self, b, step, p))
    out = house / "run"
    train_command(TrainOptions(Path("synth"), out, settings=("kimg=8.012", "lr=1e-4"), go_on=NAME, device="cpu"))
    assert [s for s, _ in seen] == [2000, 2001, 2002]  # batches of 4
    _, config, _ = load_generator(out)
    assert config.optimisation.lr == 1e-4 and config.lessons.pairs == 1 and config.generator.channels == 8
    facts = json.loads((out / "editor" / "config.json").read_text())
    assert facts["kimg"] == pytest.approx(8.012) and facts["seconds"] >= 90 and facts["preset"] == "tiny"
    first = json.loads((out / "editor-run" / "stats.jsonl").read_text().splitlines()[0])
    assert first["step"] == 2001
    found = {}
    assert load_state(out / "editor-run", lambda tensors, meta: found.update(meta)) == 2003
    with pytest.raises(UserError, match="For how long shall"):
        Earlier.of(NAME).stages(("lr=1e-4",))
    with pytest.raises(UserError, match="leave out --warm-start"):
        train_command(TrainOptions(Path("synth"), out, go_on=NAME, warm_start=NAME))


def test_classifiers_are_copied_as_a_whole_by_whichever_process_is_first(house, monkeypatch):
    """Several processes of one training begin at once."""
    out, roles = house / "new" / "run", ("teacher", "judge")
    copied = shutil.copytree

    def overtaken(source, target, **how):
        copied(source, target, **how)
        if source.name == "judge":
            assert not (out / "judge").exists()
            copied(source, out / "judge")  # by another process, meanwhile

    monkeypatch.setattr(shutil, "copytree", overtaken)
    Earlier.of(NAME).copy_classifiers(out, roles)
    Earlier.of(NAME).copy_classifiers(out, roles)  # there is nothing left to do
    assert sorted(path.name for path in out.iterdir()) == sorted(roles)
    for role in roles:
        names = sorted(path.name for path in (house / "shipped" / NAME / role).iterdir())
        assert sorted(path.name for path in (out / role).iterdir()) == names

    def refused(*_, **__):
        raise OSError("the disk refuses")

    monkeypatch.setattr(shutil, "copytree", refused)
    with pytest.raises(OSError, match="refuses"):
        Earlier.of(NAME).copy_classifiers(house / "other", roles)
    assert not any((house / "other").iterdir())


def call(*line):
    return CliRunner().invoke(train_on.app, [str(x) for x in line])


@pytest.mark.thorough
@pytest.mark.parametrize("better", [True, False])
def test_what_is_better_is_shipped(house, monkeypatch, better):
    out = house / "train-on"
    before = (house / "shipped" / NAME / "editor" / "config.json").read_text()
    line = ["work", "--weights", NAME, "--data", "synth", "--minutes", 9, "--out", out, "-c", "kimg=8.012", "-c"]
    done = call(*line, "snapshot_kimg=8.012")
    assert done.exit_code == 0, (done.output, done.exception)
    proposal = out / "proposal"
    scores = json.loads((proposal / "scores.json").read_text())
    assert scores["old"].keys() == scores["new"].keys() and scores["kimg"] == pytest.approx(8.012)
    assert (proposal / "sheet.png").is_file() and (house / "shipped" / NAME / "editor" / "config.json").is_file()
    (proposal / "scores.json").write_text(json.dumps(scores | {"better": better}))
    done = call("ship", "--weights", NAME, "--out", out)
    if not better:
        assert isinstance(done.exception, UserError) and "no better" in str(done.exception)
        assert (house / "shipped" / NAME / "editor" / "config.json").read_text() == before
        return
    assert done.exit_code == 0, (done.output, done.exception)
    card = weights_card(NAME)
    assert card["training"]["kimg"] == pytest.approx(8.012) and card["validation"]["editor"] == scores["new"]
    assert "--go-on drawn" in card["command"] and "test" not in card and "8 garments. The last 0.012" in card["data"]
    assert load_generator(NAME)[1].optimisation.kimg == pytest.approx(8.012)
    assert not out.exists() and (house / "train-on-8.012").is_dir()  # the next begins from what is shipped
    done = call("ship", "--weights", NAME, "--out", house / "other")
    assert "the training writes it at its end" in str(done.exception)


def test_others_shipped_meanwhile(house):
    scores = {"old identity": "of before"}
    with pytest.raises(UserError, match="have been shipped since"):
        train_on.install(NAME, house / "run", scores)


def test_it_starts_in_the_background_from_a_copy_of_the_code(house, monkeypatch):
    started = []

    class Child:
        pid = 4321

        def __init__(self, line, **how):
            started.append((line, how))

    monkeypatch.setattr(train_on.subprocess, "Popen", Child)
    monkeypatch.setattr(train_on, "HOUSE", house)
    for name in train_on.COPIED:
        (house / name / "__pycache__").mkdir(parents=True)
        (house / name / "code.py").write_text("as it was")
    done = call("start", "--weights", NAME, "--minutes", 5, "-c", "lr=1e-4")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "PID 4321" in done.output and "log.txt" in done.output
    (line, how), folder = started[0], house / "runs" / "train-on-drawn"
    assert line[1:4] == ["-m", "scripts.train_on", "work"] and line[-2:] == ["-c", "lr=1e-4"]
    assert line[line.index("--data") + 1] == "synth" and how["start_new_session"]
    assert how["env"]["PYTHONPATH"] == str(folder / "code") and not list(folder.rglob("__pycache__"))
    # Held by the child from now on; here by this process.
    done = call("start", "--weights", NAME)
    assert "A training works in" in str(done.exception)
    os.close(how["pass_fds"][0])
    (house / "amgan" / "code.py").write_text("edited")
    assert call("start", "--weights", NAME).exit_code == 0
    assert (folder / "code" / "amgan" / "code.py").read_text() == "as it was"
    assert "Unknown weights" in str(call("start", "--weights", "none").exception)


def test_a_card_names_no_folder_of_this_machine():
    command = "amgan train --data /home/me/photos --extra synth -c lr=1e-4 --out runs/mine"
    assert ship_weights.without_places(command) == "amgan train --data photos --extra synth -c lr=1e-4 --out runs/mine"
