"""Whether bfloat16 pays is measured once, and a run keeps what it began with."""

import json
import time

import pytest
import torch

from amgan.config import changed
from amgan.models import precision
from amgan.models.precision import bf16_pays
from amgan.training import parallel
from amgan.training import precision as settling
from amgan.training.precision import settle_precision
from amgan.training.presets import PRESETS

CPU = torch.device("cpu")
ASKS = changed(PRESETS["tiny"].amgan, bf16=True)


@pytest.fixture(autouse=True)
def measured_anew():
    bf16_pays.cache_clear()
    yield
    bf16_pays.cache_clear()


def test_it_is_measured_once_and_leaves_threads_and_draws_alone(monkeypatch):
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    first = bf16_pays(CPU)
    assert torch.get_num_threads() == threads and torch.equal(torch.get_rng_state(), state)
    monkeypatch.setattr(precision, "_convolutions", None)
    assert bf16_pays(CPU) is first
    assert bf16_pays(torch.device("cuda"))


@pytest.mark.parametrize(("plain", "half", "pays"), [(6, 2, True), (2, 6, False), (4, 4, False)])
def test_the_faster_one_is_taken(monkeypatch, plain, half, pays):
    def busy(bf16):
        end = time.thread_time() + (half if bf16 else plain) / 1000
        while time.thread_time() < end:
            pass

    monkeypatch.setattr(precision, "_convolutions", lambda device: busy)
    assert bf16_pays(CPU) is pays


@pytest.mark.parametrize("pays", [True, False])
def test_a_run_keeps_the_precision_that_it_began_with(tmp_path, monkeypatch, capsys, pays):
    monkeypatch.setattr(settling, "bf16_pays", lambda device: pays)
    config = settle_precision(ASKS, tmp_path, CPU)
    assert config.optimisation.bf16 is pays
    assert ("bfloat16 autocast" if pays else "float32") + ", the faster one here" in capsys.readouterr().err
    (tmp_path / "run.json").write_text(json.dumps({"config": {"optimisation": {"bf16": pays}}, "about": {}}))
    monkeypatch.setattr(settling, "bf16_pays", lambda device: not pays)
    assert settle_precision(ASKS, tmp_path, CPU).optimisation.bf16 is not pays  # nothing was saved
    (tmp_path / "state-00000008").mkdir()
    assert settle_precision(ASKS, tmp_path, CPU).optimisation.bf16 is pays
    assert "as this run began" in capsys.readouterr().err


def test_what_is_not_asked_for_is_not_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(settling, "bf16_pays", None)
    for config in (PRESETS["tiny"].amgan, PRESETS["tiny"].teacher):
        assert settle_precision(config, tmp_path, CPU) is config


def test_the_first_of_several_processes_decides(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(settling, "bf16_pays", None)
    monkeypatch.setattr(parallel, "rank", lambda: 1)
    monkeypatch.setattr(parallel, "any_process", lambda yes: True)
    assert settle_precision(ASKS, tmp_path, CPU).optimisation.bf16 and not capsys.readouterr().err
