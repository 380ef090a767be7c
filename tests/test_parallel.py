"""Several processes on one batch: the same losses and weights as one process has."""

import json
import shutil
import socket
import subprocess
import sys

import pytest
import torch

from amgan.testing import draw_catalogue
from amgan.training import parallel
from amgan.weights import load_generator

SETTINGS = {  # the penalties, masked losses and codes all take part
    "wgan-gp": ["objective=wgan-gp", "critic_steps=2"],
    "features": ["critics=features", "code=3", "skips=true", "context=true", "detail=1"],
}


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """Data, and a run folder with classifiers."""
    base = tmp_path_factory.mktemp("parallel")
    draw_catalogue(base / "data", 30, split=("train", "val"))
    for role in ("teacher", "judge"):
        command = ["-m", "amgan", "train", "--data", "data", "--model", "classifier", "--role", role]
        done = subprocess.run([sys.executable, *command, "--preset", "tiny", "--out", "run"], cwd=base, check=False)
        assert done.returncode == 0
    return base


def train(base, out, settings, processes, *more, roles=("teacher", "judge")):
    for role in roles:
        shutil.copytree(base / "run" / role, base / out / role, dirs_exist_ok=True)
    settings = [*settings, "batch=8", "kimg=0.032", "snapshot_kimg=0.016", "bf16=false", *more]
    command = ["-m", "amgan", "train", "--data", "data", "--preset", "tiny", "--device", "cpu", "--out", out]
    command += [part for s in settings for part in ("-c", s)]
    if processes > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
        command = [*launcher, "--master-addr", "127.0.0.1", "--master-port", str(port), *command]
    return subprocess.run([sys.executable, *command], cwd=base, capture_output=True, text=True, check=False)


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["wgan-gp", pytest.param("features", marks=pytest.mark.slow)])
def test_two_processes_train_as_one_does(ready, kind):
    runs = {}
    for processes in (1, 2):
        out = f"{kind}-{processes}"
        done = train(ready, out, SETTINGS[kind], processes)
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in (ready / out / "editor-run" / "stats.jsonl").read_text().splitlines()]
        runs[processes] = lines, load_generator(ready / out)[0].state_dict()
    (one, weights), (two, same) = runs[1], runs[2]
    assert len(one) == len(two) == 3 and {"G/pair", "G/att"} <= one[0].keys()
    for a, b, tolerance in zip(one, two, (1e-5, 2e-3, 2e-3), strict=True):  # the first step's losses, then scores
        assert a.keys() == b.keys()
        for name in a.keys() - {"seconds"}:
            assert b[name] == pytest.approx(a[name], rel=tolerance, abs=tolerance), name
    for name, tensor in weights.items():
        assert torch.allclose(tensor, same[name], atol=2e-3), name


@pytest.mark.thorough
def test_processes_need_an_even_share_and_finished_classifiers(ready):
    done = train(ready, "odd", [], 2, "batch=7")
    assert done.returncode != 0 and "cannot be shared by 2 processes evenly" in done.stderr
    done = train(ready, "none", [], 2, roles=("judge",))
    assert done.returncode != 0 and "No finished teacher" in done.stderr and "without torchrun" in done.stderr


def test_one_process_is_left_alone():
    x = torch.arange(3.0)
    assert parallel.mean_over_processes(x) is x and parallel.any_process(True) and not parallel.any_process(False)
    assert parallel.least_over_processes(torch.tensor(3.0)) == 3 and parallel.my_rows() == slice(0, None, 1)
