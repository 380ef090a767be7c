"""A run's folder: its lock, damaged states, divergence, a full disk."""

from __future__ import annotations

import errno
import json
import shutil

import pytest
import torch
from torch import nn

from amgan.config import changed
from amgan.errors import Interrupted, UserError
from amgan.training import loop
from amgan.training.presets import PRESETS
from amgan.training.run import (
    Run,
    finished,
    load_state,
    pack,
    pack_optimizer,
    states_in,
    unpack,
    unpack_optimizer,
)

CONFIG = PRESETS["tiny"].amgan


class Counter:
    """A run that counts: one parameter that grows by one a step."""

    def __init__(self, folder, steps=6, config=CONFIG, at_step=None):
        self.run = Run(folder, config, {"data": "none"})
        self.network = nn.Linear(1, 1, bias=False)
        self.optimizer = torch.optim.Adam(self.network.parameters())
        nn.init.zeros_(self.network.weight)
        self.steps, self.at_step, self.logged, self.progress = steps, at_step, [], []
        self.run.saved = load_state(self.run.folder, self.load)

    def load(self, tensors, meta):
        self.network.load_state_dict(unpack("network", tensors))
        unpack_optimizer("optimizer", self.optimizer, tensors)

    def losses(self, step, values):
        self.logged.append(step)
        self.run.write_statistics(step=step, **values)

    def snapshot(self, step):
        tensors = pack("network", self.network.state_dict()) | pack_optimizer("optimizer", self.optimizer)
        self.run.save(step, tensors, {})
        return f"step {step}"

    def train_step(self, step, progress):
        self.progress.append(progress)
        self.optimizer.zero_grad()
        (0 * self.network.weight).sum().backward()
        self.optimizer.step()
        with torch.no_grad():
            self.network.weight += 1
        return {"loss": torch.tensor(1.0)} if self.at_step is None else self.at_step(step, self)

    def go(self):
        with self.run:
            loop.fit("Counting", self.run, range(self.run.saved or 0, self.steps), 2, self.train_step, self)
        return self.network.weight.item()


def test_a_run_counts_saves_and_goes_on(tmp_path):
    assert Counter(tmp_path, 4).go() == 4
    assert [p.name for p in states_in(tmp_path)] == ["state-00000004", "state-00000002"]
    again = Counter(tmp_path, 7)
    assert again.run.saved == 4 and again.go() == 7


def test_two_trainings_in_one_folder(tmp_path):
    with Run(tmp_path, CONFIG, {}), pytest.raises(UserError, match=r"Another training is writing in .*Wait for it"):
        Run(tmp_path, CONFIG, {})
    Run(tmp_path, CONFIG, {}).close()  # free again


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        Run(tmp_path / "file" / "run", CONFIG, {})


def test_other_settings_are_refused_and_longer_runs_are_not(tmp_path):
    Counter(tmp_path, 2).go()
    with pytest.raises(UserError, match=r"batch: 4 there, 8 now; lr: 0.0001 there, 0.1 now"):
        Run(tmp_path, changed(CONFIG, batch=8, lr=0.1), {"data": "none"})
    with pytest.raises(UserError, match="data: 'none' there, 'other' now"):
        Run(tmp_path, CONFIG, {"data": "other"})
    Run(tmp_path, changed(CONFIG, kimg=5.0), {"data": "none"}).close()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"config": 3, "about": {}}'])
def test_damaged_settings(tmp_path, text):
    Counter(tmp_path, 2).go()
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UserError, match=r"run\.json is missing or damaged"):
        Run(tmp_path, CONFIG, {"data": "none"})
    for state in states_in(tmp_path):
        shutil.rmtree(state)
    Run(tmp_path, CONFIG, {"data": "none"}).close()  # nothing is lost: there is no state


def truncate(state):
    path = state / "tensors.safetensors"
    path.write_bytes(path.read_bytes()[:-5])


def without_a_tensor(state, name="network/weight", shape=None):
    from safetensors.torch import load_file, save_file

    tensors = load_file(state / "tensors.safetensors")
    del tensors[name]
    save_file(tensors | ({name: torch.zeros(shape)} if shape else {}), state / "tensors.safetensors")


DAMAGE = {
    "truncated": truncate,
    "no tensors": lambda s: (s / "tensors.safetensors").unlink(),
    "a tensor is missing": without_a_tensor,
    "a tensor of another shape": lambda s: without_a_tensor(s, shape=(2, 1)),
    "an optimiser's tensor is missing": lambda s: without_a_tensor(s, "optimizer/0/exp_avg"),
    "an optimiser's tensor of another shape": lambda s: without_a_tensor(s, "optimizer/0/exp_avg", (7,)),
    "empty meta": lambda s: (s / "meta.json").write_text(""),
    "meta is a list": lambda s: (s / "meta.json").write_text("[]"),
    "meta without a step": lambda s: (s / "meta.json").write_text("{}"),
    "meta of another step": lambda s: (s / "meta.json").write_text('{"step": 400}'),
}


@pytest.mark.parametrize("damage", list(DAMAGE))
def test_the_newest_whole_state_is_taken(tmp_path, damage, capsys):
    Counter(tmp_path, 4).go()
    DAMAGE[damage](states_in(tmp_path)[0])
    again = Counter(tmp_path, 6)
    assert again.run.saved == 2 and "is damaged and passed over" in capsys.readouterr().err
    assert again.go() == 6
    for state in states_in(tmp_path):
        DAMAGE[damage](state)
    with pytest.raises(UserError, match=r"No saved state in .* can be read"):
        Counter(tmp_path, 8)


def test_what_only_looks_like_a_state_is_left_alone(tmp_path):
    Counter(tmp_path, 2).go()
    for name in ("state-abcdefgh", "state-00000009.tmp", "state-1"):
        (tmp_path / name).mkdir()
    assert Counter(tmp_path, 4).go() == 4
    assert (tmp_path / "state-abcdefgh").is_dir()


# --- Divergence -------------------------------------------------------------------------------------------------------


def test_a_run_that_diverges_stops_and_keeps_the_last_good_state(tmp_path):
    def loss(step, counter):
        return {"fine": torch.tensor(1.0), "loss": torch.tensor(float("nan") if step >= 4 else 1.0)}

    with pytest.raises(UserError, match=r"at step 5 the losses are not finite any more.*state of step 4 is kept"):
        Counter(tmp_path, 50, at_step=loss).go()
    assert states_in(tmp_path)[0].name == "state-00000004"


def test_a_network_of_nan_is_never_saved(tmp_path):
    def loss(step, counter):
        if step == 3:
            with torch.no_grad():
                counter.network.weight.fill_(float("inf"))
        return {"loss": torch.tensor(1.0)}

    with pytest.raises(UserError, match=r"at step 4 1 tensors of the networks are not finite.*state of step 2 is kept"):
        Counter(tmp_path, 6, at_step=loss).go()
    assert states_in(tmp_path)[0].name == "state-00000002"


def test_nothing_saved_is_said_so(tmp_path):
    with pytest.raises(UserError, match=r"at step 1 .*Nothing was saved"):
        Counter(tmp_path, at_step=lambda step, counter: {"loss": torch.tensor(float("inf"))}).go()


def test_a_full_disk_is_a_sentence_and_loses_nothing(tmp_path, monkeypatch):
    Counter(tmp_path, 2).go()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("amgan.training.run.save_file", full)
    with pytest.raises(UserError, match=r"step 4 cannot be saved .*No space left.*step 2 is kept.* same command again"):
        Counter(tmp_path, 4).go()
    monkeypatch.undo()
    assert not list(tmp_path.glob("*.tmp")) and Counter(tmp_path, 4).go() == 4


def test_an_interruption_saves(tmp_path):
    import os
    import signal

    def loss(step, counter):
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return {"loss": torch.tensor(1.0)}

    with pytest.raises(Interrupted):
        Counter(tmp_path, 50, at_step=loss).go()
    assert states_in(tmp_path)[0].name == "state-00000003"


def test_whether_a_classifier_is_finished(tmp_path):
    assert not finished(tmp_path, "teacher")
    (tmp_path / "teacher").mkdir()
    (tmp_path / "teacher" / "config.json").write_text("{}")
    assert finished(tmp_path, "teacher")  # put there ready-made
    run = tmp_path / "teacher-run"
    run.mkdir()
    assert not finished(tmp_path, "teacher")
    (run / "run.json").write_text(json.dumps({"config": {"kimg": 0.008, "batch": 4}, "about": {}}))
    (run / "state-00000001").mkdir()
    assert not finished(tmp_path, "teacher")
    (run / "state-00000002").mkdir()
    assert finished(tmp_path, "teacher")
