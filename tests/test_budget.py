"""A training that is given minutes ends by itself, with a state that the same command goes on from."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

import amgan.cli
from amgan.config import changed
from amgan.errors import TimeIsUp
from amgan.models.training_config import OptimisationConfig
from amgan.testing import draw_catalogue, tiny_weights
from amgan.training import budget, loop
from amgan.training.budget import Budget, limited
from amgan.training.classifier import learning_rate
from amgan.training.trainer import learning_rate_factor


class Clock:
    """Stands still between calls of ``pass_``, or lets a little pass at every look."""

    def __init__(self, monkeypatch, at_look=0.0):
        self.now, self.at_look = 1000.0, at_look
        for module in (budget, loop, amgan.cli):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=self.look))

    def look(self):
        self.now += self.at_look
        return self.now

    def pass_(self, seconds):
        self.now += seconds


class Keeper:
    def __init__(self, clock):
        self.clock, self.saved = clock, []

    def losses(self, step, values):
        pass

    def snapshot(self, step):
        self.clock.pass_(8)
        self.saved.append((step, self.clock.now))
        return f"step {step}"


def train(clock, steps, every=1000):
    """Steps of a second each; returns what was saved and the progress that each step was told."""
    keeper, told = Keeper(clock), []

    def step(k, progress):
        clock.pass_(1)
        told.append(progress)
        return {"loss": torch.tensor(1.0)}

    try:
        loop.fit("Counting", None, steps, every, step, keeper)
    finally:
        keeper.told = told
        train.last = keeper
    return keeper


def test_it_ends_in_time_and_progress_reaches_the_end(monkeypatch):
    clock = Clock(monkeypatch)
    monkeypatch.setattr(budget, "_budget", Budget(3, 1000 - 10))  # ten seconds of set-up
    with pytest.raises(TimeIsUp):
        train(clock, range(10**6))
    keeper = train.last
    (step, at), told = keeper.saved[-1], keeper.told
    assert len(keeper.saved) == 1 and step == len(told)
    assert at <= 1000 - 10 + 180 and at >= 1000 - 10 + 175
    assert told[0] == 0 and told == sorted(told) and told[-1] == pytest.approx(1, abs=0.02)


def test_a_validation_that_takes_long_is_allowed_for(monkeypatch):
    clock = Clock(monkeypatch)
    monkeypatch.setattr(budget, "_budget", Budget(1, 1000))  # 3 seconds are kept for it, until one has taken 8
    with pytest.raises(TimeIsUp):
        train(clock, range(10**6), every=20)
    (first, _), (last, at) = train.last.saved  # at 40 it would be too late for another
    assert first == 20 and 41 <= last <= 43 and at <= 1060


def test_images_lead_where_they_are_further(monkeypatch):
    clock = Clock(monkeypatch)
    monkeypatch.setattr(budget, "_budget", Budget(60, 1000))
    keeper = train(clock, range(60, 100))  # comes to its end before the time does
    assert keeper.told == [k / 100 for k in range(60, 100)]
    monkeypatch.setattr(budget, "_budget", None)
    assert train(clock, range(4)).told == [0, 0.25, 0.5, 0.75]


def test_no_step_is_begun_that_there_is_no_time_for(monkeypatch):
    clock = Clock(monkeypatch)
    monkeypatch.setattr(budget, "_budget", Budget(1, 1000 - 58))
    with pytest.raises(TimeIsUp):
        train(clock, range(10))
    assert train.last.told == [] and train.last.saved == []


def test_learning_rates_follow_progress():
    o = OptimisationConfig(decay_from=0.5, warm_up=10)
    assert learning_rate_factor(o, 0, 0.0) == 0.1 and learning_rate_factor(o, 100, 0.5) == 1
    assert learning_rate_factor(o, 100, 0.75) == pytest.approx(0.5) and learning_rate_factor(o, 100, 1.0) == 0
    assert learning_rate_factor(changed(o, decay_from=1.0), 100, 0.99) == 1
    assert [round(learning_rate(1.0, p), 3) for p in (0.0, 0.05, 0.1, 0.55, 1.0)] == [0.01, 0.5, 1.0, 0.5, 0.0]


@pytest.mark.thorough
@pytest.mark.parametrize("model", ["classifier", "amgan"])
def test_the_command_goes_on(tmp_path, monkeypatch, model):
    Clock(monkeypatch, at_look=0.5)
    data, out = draw_catalogue(tmp_path / "data", 30, split=("train", "val")), tmp_path / "run"
    for role in ("teacher", "judge") if model == "amgan" else ():
        shutil.copytree(tiny_weights(tmp_path / "tiny") / role, out / role)
    part = "editor" if model == "amgan" else "teacher"
    line = ["train", "--data", str(data), "--model", model, "--preset", "tiny", "-c", "kimg=100", "--device", "cpu"]
    line += ["-c", "snapshot_kimg=50", "--out", str(out), "--minutes"]
    steps = []
    for _ in range(2):
        done = CliRunner().invoke(amgan.cli.app, [*line, "0.2"])
        assert done.exit_code == 0, done.output
        assert "The 0.2 minutes are over" in done.output and "The same command goes on: amgan" in done.output
        (newest, *_) = sorted((out / f"{part}-run").glob("state-*"), reverse=True)
        steps.append(json.loads((newest / "meta.json").read_text())["step"])
        assert (out / part / "config.json").is_file()
    assert 0 < steps[0] < steps[1] and "Resuming" in done.output
    done = CliRunner().invoke(amgan.cli.app, [*line, "0"])
    assert done.exit_code == 2


def test_other_errors_are_left_alone():
    with pytest.raises(ZeroDivisionError), limited(1, 0):
        raise ZeroDivisionError
    assert budget.current() is None
