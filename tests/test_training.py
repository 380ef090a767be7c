"""Training end to end at tiny size: what it writes, resume, refusals, and that it learns."""

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from amgan.config import changed, flat, from_dict, idle_settings, override, to_dict
from amgan.data.garments import load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.editing.editor import load_editor
from amgan.errors import UserError
from amgan.models.amgan.config import AmganConfig
from amgan.models.amgan.method import Amgan
from amgan.testing import SCHEMA, draw_catalogue
from amgan.training.classifier import accuracy, train_classifier
from amgan.training.command import TrainOptions, train_command
from amgan.training.presets import PRESETS, override_stages
from amgan.training.run import load_state
from amgan.training.supply import make_batches
from amgan.training.trainer import Trainer, train
from amgan.weights import load_classifier, load_critics, load_generator, shipped, weights_folder

CPU = torch.device("cpu")
TINY = PRESETS["tiny"].amgan
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


def test_a_training_edits_what_it_is_told_to(classifiers, tmp_path):
    folder, out = draw_catalogue(tmp_path / "data", 12, split=("train", "val")), copy_of(classifiers, tmp_path / "run")
    options = TrainOptions(folder, out, preset="tiny", edit=("colour",), device="cpu")
    train_command(options)
    card = json.loads((out / "editor" / "config.json").read_text())
    assert card["schema"]["sleeve"] == {"values": list(SCHEMA.values("sleeve")), "editable": False}
    assert card["schema"]["color"] == list(SCHEMA.values("color")) and card["edit"] == ["color"]
    assert set(card["validation"]) >= {"color", "score"} and "sleeve" not in card["validation"]
    editor = load_editor(out)
    with pytest.raises(UserError, match=r"The sleeve is known of a garment.* What can be set: color\."):
        editor.schema.parse_edit(["sleeve=long"])
    with pytest.raises(UserError, match="edit"):
        train_command(replace(options, edit=("sleeve",)))
    for wrong, sentence in ((("hem",), "Unknown attribute"), (("kind",), "Unknown attribute 'kind'")):
        with pytest.raises(UserError, match=sentence):
            train_command(replace(options, edit=wrong))
    (folder / "attributes.json").write_text('{"kind": ["a", "b"]}')
    with pytest.raises(UserError, match=r"No attribute of .* can be edited: kind"):
        train_command(replace(options, edit=()))


def state_of(run):
    """Tensors and meta of the newest state."""
    found = {}
    load_state(run, lambda tensors, meta: found.update(tensors=tensors, meta=meta))
    return found


def losses_of(run):
    lines = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


@pytest.mark.thorough
def test_a_classifier_learns_drawn_garments(tmp_path):
    folder = read_imagefolder(draw_catalogue(tmp_path / "data", 80, split=("train", "val")))
    train, val = (load_garments(folder, folder.split(s), 32, progress=False) for s in ("train", "val"))
    config = changed(PRESETS["tiny"].teacher, backbone="small-8", kimg=1.6, batch=16, snapshot_kimg=0.8, lr=5e-3)
    best = train_classifier(train, val, config, "teacher", tmp_path, CPU, ABOUT)
    assert best["sleeve"] > 0.6 and best["color"] > 0.9  # chance: 0.33 and 0.2
    expected = {k: v for k, v in best.items() if k not in ("score", "kimg")}
    assert accuracy(load_classifier(tmp_path), val) == pytest.approx(expected, abs=0.05)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "settings",
    [
        {"objective": "ns-r1"},
        {"objective": "wgan-gp"},
        {"objective": "r3gan"},
        {"critics": "features", "code": 3, "skips": True, "context": True, "ema_kimg": 0.0},
    ],
    ids=["ns-r1", "wgan-gp", "r3gan", "features"],
)
def test_a_resumed_run_has_the_losses_of_an_unbroken_one(data, classifiers, tmp_path, monkeypatch, settings):
    monkeypatch.setattr("amgan.training.loop.LOG_EVERY", 1)
    config = changed(TINY, **settings, kimg=0.032, critic_steps=2)
    whole, broken = copy_of(classifiers, tmp_path / "whole"), copy_of(classifiers, tmp_path / "broken")
    train(Amgan, *data, config, whole, CPU, ABOUT)

    real, calls = torch.optim.Adam.step, []

    def dies(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 16:  # in the sixth of eight steps, after a snapshot at the second and the fourth
            raise MemoryError("pulled the plug")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", dies)
    with pytest.raises(MemoryError):
        train(Amgan, *data, config, broken, CPU, ABOUT)
    monkeypatch.setattr(torch.optim.Adam, "step", real)
    train(Amgan, *data, config, broken, CPU, ABOUT)

    by_step = {(line["step"], "val_score" in line): line for line in losses_of(broken / "editor-run")}
    unbroken = losses_of(whole / "editor-run")
    assert len(unbroken) == 8 + 4
    for line in unbroken:
        assert by_step[line["step"], "val_score" in line] == line
    a, b = state_of(whole / "editor-run")["tensors"], state_of(broken / "editor-run")["tensors"]
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.thorough
def test_a_run_writes_weights_sheets_and_tensorboard(data, classifiers, tmp_path):
    out = copy_of(classifiers, tmp_path)
    train(Amgan, *data, TINY, out, CPU, {**ABOUT, "command": "amgan train"})
    generator, config, _ = load_generator(out)
    assert config == TINY and not generator.training
    run = out / "editor-run"
    assert list((run / "sheets").glob("*.png")) and list((run / "tensorboard").iterdir())
    assert len(list(run.glob("state-*"))) <= 2 and not list(run.glob("*.tmp"))
    assert not [p for p in out.rglob("*") if p.suffix in (".pt", ".pth", ".pkl", ".ckpt")]
    # A second call has nothing left to do; a longer run goes on; other settings are refused.
    before = losses_of(run)
    train(Amgan, *data, TINY, out, CPU, ABOUT)
    assert losses_of(run) == before
    train(Amgan, *data, changed(TINY, kimg=0.024), out, CPU, ABOUT)
    assert losses_of(run)[-1]["step"] == 6
    with pytest.raises(UserError, match=r"lr: 0\.0001 there, 0\.1 now"):
        train(Amgan, *data, changed(TINY, lr=0.1), out, CPU, ABOUT)


@pytest.mark.thorough
def test_warm_start_takes_what_fits(data, classifiers, tmp_path):
    first = copy_of(classifiers, tmp_path / "first")
    train(Amgan, *data, TINY, first, CPU, ABOUT)
    again = copy_of(classifiers, tmp_path / "again")
    still = changed(TINY, lr=0.0)
    train(Amgan, *data, still, again, CPU, ABOUT, warm_start=str(first))
    a, b = load_generator(first)[0].state_dict(), load_generator(again)[0].state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    with pytest.raises(UserError, match="Only 2 of 34 tensors"):
        wide = changed(TINY, channels=12, skips=True, inner_stride=2)
        train(Amgan, *data, wide, copy_of(classifiers, tmp_path / "wide"), CPU, ABOUT, warm_start=str(first))


def test_long_gradients_are_shortened(data, classifiers):
    config = changed(TINY, skips=True, code=2)
    lengths = {}
    for clip in (0.0, 0.1, 1e6):
        clipped = changed(config, clip=clip)
        torch.manual_seed(0)
        method = Amgan(data[0].schema, clipped, load_classifier(classifiers), CPU)
        Trainer(method).step(make_batches(data[0], None, method.teacher, clipped, CPU), 0, 10)
        lengths[clip] = float(torch.nn.utils.get_total_norm([p.grad for p in method.generator.parameters()]))
    assert lengths[0.0] == lengths[1e6] > 0.1 and lengths[0.1] <= 0.1 * (1 + 1e-4)


@pytest.mark.thorough
def test_warm_start_takes_critics_and_encoder_too(data, classifiers, tmp_path, capsys):
    config = changed(TINY, kimg=0.004, snapshot_kimg=0.004, code=2, skips=True)
    first = copy_of(classifiers, tmp_path / "first")
    train(Amgan, *data, config, first, CPU, ABOUT)
    trained = state_of(first / "editor-run")["tensors"]
    again = copy_of(classifiers, tmp_path / "again")
    train(Amgan, *data, changed(config, lr=0.0, critic_lr=0.0), again, CPU, ABOUT, warm_start=str(first))
    assert "encoder, critic_i, critic_c from" in " ".join(capsys.readouterr().err.split())
    warm = state_of(again / "editor-run")["tensors"]
    names = [k for k in trained if k.startswith(("encoder/", "critic_"))]
    assert len(names) > 10
    for name in names:  # bfloat16 on disk
        torch.testing.assert_close(warm[name], trained[name].bfloat16().float(), rtol=0, atol=0)
    # Critics of another shape begin anew, and so do all where the weights have none.
    networks = {"critic_i": torch.nn.Linear(2, 2)}
    assert load_critics(first, networks, data[0].schema) == []
    assert load_critics("photos", networks, data[0].schema) == []
    assert load_critics(first, {}, load_generator("photos")[0].schema) == []


@pytest.mark.thorough
def test_classifiers_that_are_missing_are_trained_first(tmp_path):
    data = draw_catalogue(tmp_path / "data", 30)
    train_command(TrainOptions(data, tmp_path / "run", preset="tiny", device="cpu"))
    parts = {"teacher", "teacher-run", "judge", "judge-run", "editor", "editor-run", "critics"}
    assert {p.name for p in (tmp_path / "run").iterdir()} == parts


@pytest.mark.thorough
def test_stages_start_from_the_one_before(tmp_path, classifiers, monkeypatch, capsys):
    data, out = draw_catalogue(tmp_path / "data", 30), copy_of(classifiers, tmp_path / "run")
    stages = {
        "pairs": changed(TINY, pairs=1.0, adv=0.0, cls=0.0, cyc=0.0, percep=0.0, kimg=0.008, lr=1e-3),
        "all": changed(TINY, kimg=0.008, lr=0.0, ema_kimg=0.0),
    }
    monkeypatch.setitem(PRESETS, "staged", replace(PRESETS["tiny"], stages=stages))
    options = TrainOptions(data, out, preset="staged", device="cpu")
    train_command(options)
    first, last = (load_generator(folder)[0].state_dict() for folder in (out / "stages" / "pairs", out))
    assert all(torch.equal(first[k], last[k]) for k in first)  # the last stage had a learning rate of 0
    assert json.loads((out / "editor" / "config.json").read_text())["stage"] == "all"
    capsys.readouterr()
    train_command(options)  # again: both are finished
    assert capsys.readouterr().err.count("is trained") == 2
    # One stage alone, from given weights.
    alone = copy_of(classifiers, tmp_path / "alone")
    train_command(replace(options, out=alone, stage="all", warm_start=str(out / "stages" / "pairs")))
    assert all(torch.equal(v, last[k]) for k, v in load_generator(alone)[0].state_dict().items())
    with pytest.raises(UserError, match="Unknown stage 'both' of preset staged"):
        train_command(replace(options, stage="both"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"data": "none"}, "not a folder"),
        ({"preset": "huge"}, "Valid: paper, ours, small, paper-64, tiny"),
        ({"model": "vae"}, "Valid: amgan, stargan, ganimation, sagan, classifier"),
        ({"settings": ("lrr=1",)}, "Unknown setting 'lrr'. Did you mean 'lr'"),
        ({"settings": ("batch=many",)}, "needs a whole number"),
        ({"settings": ("attention=none",)}, "one of source, union, masks"),
        ({"settings": ("lr=nan",)}, "lr cannot be nan"),
        ({"settings": ("lr=inf",)}, "lr cannot be inf"),
        ({"settings": ("lr=1e30",)}, "lr cannot be 1e+30; it needs a number, at least 0 and at most 1"),
        ({"settings": ("kimg=nan",)}, "kimg cannot be nan"),
        ({"settings": ("kimg=0",)}, "above 0"),
        ({"settings": ("batch=0",)}, "at least 1"),
        ({"settings": ("image_size=7",)}, "at least 16"),
        ({"settings": ("image_size=42",)}, "a multiple of 4"),
        ({"settings": ("image_size=16", "critic_layers=6")}, "image_size=64 at least"),
        ({"settings": ("code=2",)}, "code needs skips=true"),
        ({"settings": ("critics=features", "gp=1")}, "gp does nothing here: critics=features has a hinge loss"),
        ({"settings": ("objective=wgan-gp", "r1_every=4")}, "r1_every does nothing here"),
        ({"settings": ("adv=0", "cls=0", "critic_lr=1e-3")}, "there are no critics"),
        ({"settings": ("extra=0.5",)}, "it is the share of --extra garments, and there are none"),
        ({"settings": ("first:lr=1e-3",)}, "Unknown stage 'first'"),
        ({"device": "mps"}, "Device 'mps' is not available here; valid: auto, cpu"),
        ({"device": "meta"}, "Device 'meta' is not available here"),
        ({"warm_start": "nowhere"}, "Unknown weights 'nowhere'"),
        ({"model": "classifier", "settings": ("batch=1",)}, "at least 2"),
        ({"model": "classifier", "role": "critic"}, "Valid: teacher, judge"),
        ({"model": "classifier", "stage": "all"}, "a classifier has none of them"),
    ],
)
def test_wrong_arguments_are_sentences(tmp_path, options, sentence):
    data = draw_catalogue(tmp_path / "data", 6)
    chosen = {"data": data, "out": tmp_path / "run", "preset": "tiny", "device": "cpu", **options}
    with pytest.raises(UserError) as error:
        train_command(TrainOptions(**{**chosen, "data": Path(chosen["data"])}))
    assert sentence in str(error.value)
    assert not (tmp_path / "run").exists()  # nothing was begun


@pytest.mark.thorough
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
    assert state_of(run)["meta"]["step"] >= 2


# --- Data -------------------------------------------------------------------------------------------------------------


def without_labels(data, split):
    rows = [line.split(",") for line in (data / "metadata.csv").read_text().splitlines()]
    kept = [",".join([*r[:2], "", "", r[4]] if r[4] == split else r) for r in rows]
    (data / "metadata.csv").write_text("\n".join(kept) + "\n")


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_without_a_label_is_said(tmp_path, classifiers, split):
    data, out = draw_catalogue(tmp_path / "data", 12), copy_of(classifiers, tmp_path / "run")
    without_labels(data, split)
    for options in ({}, {"model": "classifier"}):
        with pytest.raises(UserError, match=f"split {split} has a label; fill in the columns sleeve, color"):
            train_command(TrainOptions(data, out, preset="tiny", device="cpu", **options))


def test_a_single_photo_is_said(tmp_path, classifiers):
    data = draw_catalogue(tmp_path / "data", 6)
    lines = (data / "metadata.csv").read_text().splitlines()
    trained = [line for line in lines if line.endswith(",train")]
    (data / "metadata.csv").write_text("\n".join(line for line in lines if line not in trained[1:]) + "\n")
    with pytest.raises(UserError, match="a single usable garment"):
        train_command(TrainOptions(data, copy_of(classifiers, tmp_path / "run"), preset="tiny", device="cpu"))


def test_pictures_that_changed_since_the_run_began_are_noticed(tmp_path, classifiers):
    data, out = draw_catalogue(tmp_path / "data", 12), copy_of(classifiers, tmp_path / "run")
    options = TrainOptions(data, out, preset="tiny", device="cpu", settings=("kimg=0.008",))
    train_command(options)
    shutil.copy(data / "images" / "0003.png", data / "images" / "0001.png")  # the same metadata
    with pytest.raises(UserError, match=r"holds a run with other settings \(data: "):
        train_command(replace(options, settings=("kimg=0.016",)))


def test_a_learning_rate_too_high_for_a_run_saves_nothing_that_is_not_a_number(tmp_path, classifiers, data):
    out = copy_of(classifiers, tmp_path)
    wild = changed(TINY, lr=1.0, critic_lr=1.0, skips=True, code=2, kl=1e30, kimg=0.4, warm_up=0, snapshot_kimg=0.008)
    with pytest.raises(UserError, match="Training has diverged"):
        train(Amgan, *data, wild, out, CPU, ABOUT)
    for file in out.rglob("*.safetensors"):
        if "critics" in str(file) or "editor" in str(file):
            assert all(bool(torch.isfinite(v.float()).all()) for v in load_file(file).values()), file


# --- Configuration ----------------------------------------------------------------------------------------------------


def test_configuration_is_strict():
    assert override(AmganConfig(), ["lr=2e-4", "bf16=false", "losses.attention=union"]).optimisation.lr == 2e-4
    assert override(AmganConfig(), ["inner_stride=2"]).generator.inner_stride == 2
    with pytest.raises(UserError, match="'3'; it needs one of 1, 2"):
        override(AmganConfig(), ["inner_stride=3"])
    with pytest.raises(UserError, match="Unknown setting 'learning_rate'"):
        from_dict(AmganConfig, {"optimisation": {"learning_rate": 1}})
    with pytest.raises(UserError, match="whole number"):
        from_dict(AmganConfig, {"optimisation": {"batch": True}})
    with pytest.raises(UserError, match=r"Unknown setting 'losses\.lr'"):
        override(AmganConfig(), ["losses.lr=1"])
    with pytest.raises(UserError, match="not of the form name=value"):
        override(AmganConfig(), ["lr"])


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_written_configuration_holds_what_had_an_effect_and_comes_back(name):
    for config in PRESETS[name].stages.values():
        written = json.loads(json.dumps(to_dict(config)))
        assert from_dict(AmganConfig, written) == config  # so no preset sets what does nothing
        flat = {k for group in written.values() if isinstance(group, dict) for k in group}
        assert flat and not flat & idle_settings(config).keys()


def test_shipped_cards_list_no_setting_that_did_nothing():
    for weights in shipped():
        config = json.loads((weights_folder(weights) / "editor" / "config.json").read_text())["config"]
        assert flat(config).items() <= flat(to_dict(from_dict(AmganConfig, config))).items()


def test_a_setting_for_all_stages_need_only_matter_in_one():
    stages = PRESETS["small"].stages
    changed_stages = override_stages(stages, ["critic_lr=1e-3", "pairs:kimg=1", "all:kimg=2"])
    assert changed_stages["all"].optimisation.critic_lr == 1e-3
    assert [c.optimisation.kimg for c in changed_stages.values()] == [1, 2]
    with pytest.raises(UserError, match="critic_lr does nothing here"):
        override_stages(stages, ["pairs:critic_lr=1e-3"])
    with pytest.raises(UserError, match="objective does nothing here"):
        override_stages(stages, ["objective=ns-r1"])
