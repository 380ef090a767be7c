"""Training end to end at tiny size: what it writes, resume, refusals, and that it learns."""

import dataclasses
import json
import shutil
import signal
import subprocess
import sys

import pytest
import torch

from amgan.config import PRESETS, AmganConfig, from_dict, override
from amgan.data.garments import load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.errors import UserError
from amgan.models.amgan.method import Amgan, make_batches, one_step, train_amgan
from amgan.testing import draw_catalogue
from amgan.training.classifier import accuracy, train_classifier
from amgan.training.command import train_command
from amgan.training.state import load_state, save_state
from amgan.weights import load_classifier, load_critics, load_generator

CPU = torch.device("cpu")
ABOUT = {"data": "drawn", "preset": "tiny"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = read_imagefolder(draw_catalogue(tmp_path_factory.mktemp("data"), 30, split=("train", "val")))
    return [load_garments(folder, folder.split(s), 32, progress=False) for s in ("train", "val")]


@pytest.fixture(scope="module")
def classifiers(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("classifiers")
    for role in ("teacher", "judge"):
        train_classifier(*data, getattr(PRESETS["tiny"], role), role, out, CPU, ABOUT)
    return out


def copy_of(classifiers, out):
    for role in ("teacher", "judge"):
        shutil.copytree(classifiers / role, out / role)
    return out


def losses_of(run):
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def test_a_classifier_learns_drawn_garments(tmp_path):
    folder = read_imagefolder(draw_catalogue(tmp_path / "data", 80, split=("train", "val")))
    train, val = (load_garments(folder, folder.split(s), 32, progress=False) for s in ("train", "val"))
    config = dataclasses.replace(
        PRESETS["tiny"].teacher, backbone="small-8", kimg=1.6, batch=16, snapshot_kimg=0.8, lr=5e-3
    )
    best = train_classifier(train, val, config, "teacher", tmp_path, CPU, ABOUT)
    assert best["sleeve"] > 0.6 and best["color"] > 0.9  # chance: 0.33 and 0.2
    expected = {k: v for k, v in best.items() if k not in ("score", "kimg")}
    assert accuracy(load_classifier(tmp_path), val) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(
    "settings",
    [
        {"objective": "ns-r1"},
        {"objective": "wgan-gp"},
        {"objective": "r3gan"},
        {"critics": "features", "code": 3, "skips": True, "context": True},
    ],
)
def test_a_resumed_run_has_the_losses_of_an_unbroken_one(data, classifiers, tmp_path, monkeypatch, settings):
    monkeypatch.setattr("amgan.models.amgan.method.LOG_EVERY", 1)
    config = dataclasses.replace(PRESETS["tiny"].amgan, **settings, kimg=0.032, critic_steps=2)
    whole, broken = copy_of(classifiers, tmp_path / "whole"), copy_of(classifiers, tmp_path / "broken")
    train_amgan(*data, config, whole, CPU, ABOUT)

    real, calls = torch.optim.Adam.step, []

    def dies(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 16:  # in the sixth of eight steps, after a snapshot at the second and the fourth
            raise MemoryError("pulled the plug")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", dies)
    with pytest.raises(MemoryError):
        train_amgan(*data, config, broken, CPU, ABOUT)
    monkeypatch.setattr(torch.optim.Adam, "step", real)
    train_amgan(*data, config, broken, CPU, ABOUT)

    by_step = {(line["step"], "val_score" in line): line for line in losses_of(broken / "editor-run")}
    unbroken = losses_of(whole / "editor-run")
    assert len(unbroken) == 8 + 4
    for line in unbroken:
        assert by_step[line["step"], "val_score" in line] == line
    a, b = load_state(whole / "editor-run")[0], load_state(broken / "editor-run")[0]
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_a_run_writes_weights_sheets_and_tensorboard(data, classifiers, tmp_path):
    out = copy_of(classifiers, tmp_path)
    train_amgan(*data, PRESETS["tiny"].amgan, out, CPU, {**ABOUT, "command": "amgan train"})
    generator, config, _ = load_generator(out)
    assert config == PRESETS["tiny"].amgan and not generator.training
    run = out / "editor-run"
    assert list((run / "sheets").glob("*.png")) and list((run / "tensorboard").iterdir())
    assert len(list(run.glob("state-*"))) <= 2 and not list(run.glob("*.tmp"))
    assert not [p for p in out.rglob("*") if p.suffix in (".pt", ".pth", ".pkl", ".ckpt")]
    # A second call has nothing left to do; a longer run goes on; other settings are refused.
    before = losses_of(run)
    train_amgan(*data, PRESETS["tiny"].amgan, out, CPU, ABOUT)
    assert losses_of(run) == before
    train_amgan(*data, dataclasses.replace(PRESETS["tiny"].amgan, kimg=0.024), out, CPU, ABOUT)
    assert losses_of(run)[-1]["step"] == 6
    with pytest.raises(UserError, match=r"lr: 0\.0001 there, 0\.1 now"):
        train_amgan(*data, dataclasses.replace(PRESETS["tiny"].amgan, lr=0.1), out, CPU, ABOUT)


def test_warm_start_takes_what_fits(data, classifiers, tmp_path):
    first = copy_of(classifiers, tmp_path / "first")
    train_amgan(*data, PRESETS["tiny"].amgan, first, CPU, ABOUT)
    again = copy_of(classifiers, tmp_path / "again")
    still = dataclasses.replace(PRESETS["tiny"].amgan, lr=0.0)
    train_amgan(*data, still, again, CPU, ABOUT, warm_start=str(first))
    a, b = load_generator(first)[0].state_dict(), load_generator(again)[0].state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    with pytest.raises(UserError, match="Only 2 of 34 tensors"):
        wide = dataclasses.replace(PRESETS["tiny"].amgan, channels=12, skips=True, inner_stride=2)
        train_amgan(*data, wide, copy_of(classifiers, tmp_path / "wide"), CPU, ABOUT, warm_start=str(first))


def test_long_gradients_are_shortened(data, classifiers):
    config = dataclasses.replace(PRESETS["tiny"].amgan, skips=True, code=2)
    lengths = {}
    for clip in (0.0, 0.1, 1e6):
        model = Amgan(data[0].schema, dataclasses.replace(config, clip=clip), load_classifier(classifiers), CPU)
        batches = make_batches(data[0], None, model.teacher, model.config, CPU)
        one_step(model, batches, 0, 10)
        lengths[clip] = float(torch.nn.utils.get_total_norm([p.grad for p in model.generator.parameters()]))
    assert lengths[0.0] == lengths[1e6] > 0.1 and lengths[0.1] <= 0.1 * (1 + 1e-4)


def test_warm_start_takes_critics_and_encoder_too(data, classifiers, tmp_path, capsys):
    config = dataclasses.replace(PRESETS["tiny"].amgan, kimg=0.004, snapshot_kimg=0.004, code=2, skips=True)
    first = copy_of(classifiers, tmp_path / "first")
    train_amgan(*data, config, first, CPU, ABOUT)
    trained = load_state(first / "editor-run")[0]
    again = copy_of(classifiers, tmp_path / "again")
    train_amgan(*data, dataclasses.replace(config, lr=0.0, critic_lr=0.0), again, CPU, ABOUT, warm_start=str(first))
    assert "encoder, critic_i, critic_c from" in " ".join(capsys.readouterr().err.split())
    warm = load_state(again / "editor-run")[0]
    names = [k for k in trained if k.startswith(("encoder/", "critic_"))]
    assert len(names) > 10
    for name in names:  # bfloat16 on disk
        torch.testing.assert_close(warm[name], trained[name].bfloat16().float(), rtol=0, atol=0)
    # Critics of another shape begin anew, and so do all where the weights have none.
    networks = {"critic_i": torch.nn.Linear(2, 2)}
    assert load_critics(first, networks, data[0].schema) == []
    assert load_critics("photos", networks, data[0].schema) == []
    assert load_critics(first, {}, load_generator("photos")[0].schema) == []


def test_a_damaged_state_is_passed_over(tmp_path, capsys):
    for step in (1, 2):
        save_state(tmp_path, step, {"x": torch.full((3,), step)}, {"best": 0})
    newest = tmp_path / "state-00000002" / "tensors.safetensors"
    newest.write_bytes(newest.read_bytes()[:-5])
    assert load_state(tmp_path)[1]["step"] == 1
    assert "damaged" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "state-00000001")
    with pytest.raises(UserError, match="Remove the folder"):
        load_state(tmp_path)


def test_classifiers_that_are_missing_are_trained_first(tmp_path):
    data = draw_catalogue(tmp_path / "data", 30)
    train_command(data, tmp_path / "run", "amgan", "teacher", "tiny", [], None, None, None, "cpu", False)
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "teacher",
        "teacher-run",
        "judge",
        "judge-run",
        "editor",
        "editor-run",
        "critics",
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--data", "none"], "not a folder"),
        (["--preset", "huge"], "Valid: paper, small, tiny"),
        (["--model", "vae"], "Valid: amgan, classifier"),
        (["-c", "lrr=1"], "Unknown setting 'lrr'"),
        (["-c", "batch=many"], "needs a whole number"),
        (["-c", "attention=none"], "one of source, union, masks"),
        (["--device", "cuda"], "not available here"),
    ],
)
def test_wrong_arguments_are_sentences(tmp_path, arguments, sentence):
    if arguments == ["--device", "cuda"] and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    data = draw_catalogue(tmp_path / "data", 6)
    command = ["-c", "from amgan.cli import main; main()", "train", "--data", str(data), "--out", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, *command, *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and sentence in " ".join(done.stderr.split()) and "Traceback" not in done.stderr


def test_an_interrupted_run_is_saved_and_says_so(tmp_path):
    data = draw_catalogue(tmp_path / "data", 30)
    command = ["-c", "from amgan.cli import main; main()", "train", "--data", str(data), "--out", str(tmp_path / "run")]
    command += ["--preset", "tiny", "-c", "kimg=100"]
    process = subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True)
    run = tmp_path / "run" / "editor-run"
    for _ in range(600):
        if list(run.glob("state-*")):
            break
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "goes on from there" in errors
    state = load_state(run)
    assert state is not None and state[1]["step"] >= 2


def test_configuration_is_strict():
    assert override(AmganConfig(), ["lr=2e-4", "bf16=false", "attention=source"]).lr == 2e-4
    with pytest.raises(UserError, match="Unknown setting"):
        from_dict(AmganConfig, {"learning_rate": 1})
    with pytest.raises(UserError, match="whole number"):
        from_dict(AmganConfig, {"batch": True})
