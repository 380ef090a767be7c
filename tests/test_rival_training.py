"""Any method through the commands: trained, resumed, saved, loaded, edited with, exported, reported, searched with."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from amgan.cli import app as amgan_app
from amgan.config import changed
from amgan.data.garments import load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.editing.edit_command import edit_command
from amgan.editing.editor import NetworkEditor, load_editor
from amgan.editing.export_command import export_command
from amgan.editing.runtimes import ENGINES
from amgan.errors import UserError
from amgan.models.classifier import AttributeClassifier
from amgan.models.methods import METHODS, find_method
from amgan.testing import SCHEMA, draw_catalogue, tiny_weights
from amgan.training.command import TrainOptions, train_command
from amgan.training.presets import PRESETS
from amgan.training.run import load_state
from amgan.training.trainer import train
from amgan.weights import load_generator, save_classifier
from amgan.weights.transfer import transfer_generator
from retrieval.evaluation.cli import app as evaluate_app
from tests.conftest import missing
from tests.edit_batches import others_in_red

RIVALS = ("stargan", "ganimation", "sagan")
SIZE = 32


def classifiers(out: Path) -> Path:
    """A run folder with a teacher and a judge that nobody trained."""
    torch.manual_seed(0)
    for role, backbone in (("teacher", "small-4"), ("judge", "small-6")):
        save_classifier(out, role, AttributeClassifier(SCHEMA, backbone, SIZE), {})
    return out


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_catalogue(tmp_path_factory.mktemp("data") / "shirts", 18)


@pytest.mark.parametrize("model", RIVALS)
def test_the_command_trains_and_the_editor_loads(model: str, catalogue: Path, tmp_path: Path, capsys) -> None:
    out = classifiers(tmp_path / "run")
    options = TrainOptions(catalogue, out, model, preset="tiny", device="cpu")
    train_command(options)
    facts = json.loads((out / "editor" / "config.json").read_text())
    assert facts["model"] == model and facts["kimg"] in (0.008, 0.016) and "score" in facts["validation"]
    assert "pairs" not in facts["config"]["lessons"]
    steps = [json.loads(line) for line in (out / "editor-run" / "stats.jsonl").read_text().splitlines()]
    assert {"D/adv", "D/penalty", "D/cls", "G/adv", "G/cls", "G/cyc"} <= steps[0].keys()
    capsys.readouterr()
    train_command(options)
    assert "is trained" in capsys.readouterr().err
    with pytest.raises(UserError, match="other settings"):
        train_command(replace(options, settings=("cyc=1",)))

    generator, config, _ = load_generator(out)
    assert type(generator).__name__.lower() == f"{model}generator" and not generator.training
    assert isinstance(config, find_method(model).Config)
    editor = load_editor(out)
    images = torch.randint(0, 256, (3, 3, SIZE, SIZE), dtype=torch.uint8)
    made = editor.edit(images, [{"color": "red"}, {"sleeve": "long"}, {"color": "blue", "sleeve": "short"}])
    blend = made.mask * made.raw + (1 - made.mask) * images
    assert (made.image - blend).abs().max() <= 1.5  # equation 1, whatever a paper calls its mask
    if model == "stargan":
        with pytest.raises(UserError, match="repaint everything"):
            editor.edit(images, {"color": "red"}, "sleeve")
    else:
        editor.edit(images, {"color": "red"}, "sleeve")


def test_the_training_of_a_rival_s_weights_goes_on(catalogue: Path, tmp_path: Path) -> None:
    """With --go-on: its model, settings and classifiers, and images counted on."""
    first = classifiers(tmp_path / "first")
    options = TrainOptions(catalogue, first, "ganimation", preset="tiny", settings=("cyc=7",), device="cpu")
    train_command(options)
    again = TrainOptions(catalogue, tmp_path / "again", go_on=str(first), settings=("kimg=0.024",), device="cpu")
    train_command(again)
    facts = json.loads((again.out / "editor" / "config.json").read_text())
    assert facts["model"] == "ganimation" and facts["config"]["losses"]["cyc"] == 7
    steps = [json.loads(line)["step"] for line in (again.out / "editor-run" / "stats.jsonl").read_text().splitlines()]
    begun = json.loads((first / "editor" / "config.json").read_text())["kimg"] * 1000 / 4
    assert min(steps) > begun and max(steps) == 6


def test_batch_normalisation_resumes_and_validates_without_a_trace(catalogue: Path, tmp_path: Path) -> None:
    """SaGAN's blocks have running statistics: a run in two parts ends where the unbroken one does, and the average that
    is validated and kept has them too."""
    folder = read_imagefolder(catalogue)
    data = [load_garments(folder, folder.split(s), SIZE, progress=False) for s in ("train", "val")]
    config = changed(PRESETS["tiny"].of("sagan").stages["all"], decay_from=1.0, kimg=0.016)
    method, about = find_method("sagan"), {"data": "drawn"}
    whole, parts = (classifiers(tmp_path / name) for name in ("whole", "parts"))
    train(method, *data, changed(config, snapshot_kimg=0.016), whole, torch.device("cpu"), about)
    train(method, *data, changed(config, kimg=0.008, snapshot_kimg=0.016), parts, torch.device("cpu"), about)
    train(method, *data, changed(config, snapshot_kimg=0.016), parts, torch.device("cpu"), about)
    states: list[dict[str, torch.Tensor]] = []
    for out in (whole, parts):
        load_state(out / "editor-run", lambda tensors, _: states.append(tensors))
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    statistics = [k for k in states[0] if k.startswith("generator/") and k.endswith("running_mean")]
    assert len(statistics) == 4 and all(states[0][k].any() for k in statistics)
    for name in statistics:
        torch.testing.assert_close(states[0][name.replace("generator/", "average/")], states[0][name])


@pytest.mark.slow
@pytest.mark.parametrize("model", ["stargan", "ganimation"])
def test_a_short_run_beats_no_edit(model: str, tmp_path: Path) -> None:
    """From unpaired shirts alone: asked for red, edits come nearer to the same shirt drawn in red, and what is not
    shirt stays nearly white. (SaGAN, which is held to change nothing by a weight of 100, needs longer.)"""
    folder = read_imagefolder(draw_catalogue(tmp_path / "data", 60, split=("train", "val")))
    data = [load_garments(folder, folder.split(s), SIZE, progress=False) for s in ("train", "val")]
    pace = {"kimg": 2.4, "snapshot_kimg": 2.4, "batch": 8, "lr": 2e-3, "critic_lr": 2e-3, "ema_kimg": 0.05}
    size = {"channels": 16, "critic_channels": 16, "critic_cap": 64, "outline_weight": 0.1}
    config = changed(PRESETS["tiny"].of(model).stages["all"], **pace, **size)
    out = classifiers(tmp_path / "run")
    train(find_method(model), *data, config, out, torch.device("cpu"), {"data": "drawn"})
    val = data[1]
    rows, truth = others_in_red(val)
    before, after = val.images[rows].float(), load_editor(out).edit(val.images[rows], {"color": "red"}).image.float()
    outside = ~val.masks[rows].expand(-1, 3, -1, -1)
    without, with_edit = ((x - truth).abs().mean() for x in (before, after))
    assert without > 20 and with_edit < 0.85 * without
    assert (after - before).abs()[outside].mean() < 25


@pytest.mark.parametrize("model", RIVALS)
def test_planes_are_carried_over_by_name(model: str) -> None:
    """A warm start from weights of another schema: red stays red, wherever it is listed."""
    other = SCHEMA.from_dict({"color": ["red", "black"], "sleeve": ["long", "3/4"]})
    config = PRESETS["tiny"].of(model).stages["all"]
    own, theirs = (find_method(model).make_generator(schema, config) for schema in (SCHEMA, other))
    before = {k: v.clone() for k, v in own.state_dict().items()}
    assert transfer_generator(own, theirs) == len(before)
    for name, tensor in own.state_dict().items():
        source = theirs.state_dict()[name]
        if not name.endswith("stem.weight"):
            assert torch.equal(tensor, source)
            continue
        # SCHEMA: sleeveless short long | black white red blue multi | sleeve color, behind the picture's three.
        for mine, its in ((3 + 2, 3 + 2), (3 + 3, 3 + 1), (3 + 5, 3 + 0), (3 + 8, 3 + 5), (3 + 9, 3 + 4)):
            assert torch.equal(tensor[:, mine], source[:, its])
        assert torch.equal(tensor[:, :3], source[:, :3]) and torch.equal(tensor[:, 3], before[name][:, 3])


@pytest.mark.parametrize("model", RIVALS)
def test_edits_and_exports_take_any_method(model: str, catalogue: Path, tmp_path: Path) -> None:
    weights = tiny_weights(tmp_path / model, image_size=SIZE, model=model)
    photo = catalogue / "images" / "0001.png"
    done = edit_command([photo], tmp_path / "edited", ["color=red"], str(weights), None, None, True, quiet=True)
    with Image.open(done["edited"][str(photo)]["edited"]) as picture:
        assert picture.size == (SIZE, SIZE)
    large = edit_command(
        [photo], tmp_path / "large", ["sleeve=long"], str(weights), None, None, True, quiet=True, size="source"
    )
    with Image.open(large["edited"][str(photo)]["edited"]) as picture:
        assert min(picture.size) > SIZE
    if ENGINES["openvino"].missing:
        missing("openvino is not installed (pip install 'amgan[fast]')")
    stated = export_command(str(weights), tmp_path / "saved", "openvino")
    assert stated["difference_in_grey_levels"]["mean"] < 0.05
    here, there = load_editor(tmp_path / "saved"), load_editor(weights)
    assert isinstance(here, NetworkEditor) and here.runtime == "openvino"
    images = torch.randint(0, 256, (2, 3, SIZE, SIZE), dtype=torch.uint8)
    a, b = (e.edit(images, {"color": "red"}) for e in (here, there))
    assert (a.image.int() - b.image.int()).abs().max() <= 1


@pytest.mark.thorough
def test_reports_take_any_method(catalogue: Path, tmp_path: Path) -> None:
    weights = tiny_weights(tmp_path / "weights", image_size=SIZE, model="stargan")
    arguments = [str(catalogue), "--weights", str(weights), "--rounds", "0", "--out", str(tmp_path / "report")]
    assert CliRunner().invoke(evaluate_app, arguments, catch_exceptions=False).exit_code == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["weights"]["editor"] == load_editor(weights).identity


def test_every_model_has_every_preset() -> None:
    for name, preset in PRESETS.items():
        for model in METHODS:
            stages = preset.of(model).stages
            assert all(isinstance(c, find_method(model).Config) for c in stages.values()), (name, model)
            *_, last = stages.values()
            assert last.image_size == preset.amgan.image_size  # so that all see the same pictures
    budgets = {m: sum(c.optimisation.kimg for c in PRESETS["small"].of(m).stages.values()) for m in METHODS}
    assert len(set(budgets.values())) == 1


def test_unknown_models_are_named(catalogue: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Unknown model 'cyclegan'\. Valid: amgan, stargan, ganimation, sagan"):
        train_command(TrainOptions(catalogue, tmp_path / "run", "cyclegan", preset="tiny"))
    weights = tiny_weights(tmp_path / "weights", model="stargan")
    config = weights / "editor" / "config.json"
    config.write_text(config.read_text().replace('"stargan"', '"cyclegan"'))
    with pytest.raises(UserError, match="Unknown model 'cyclegan'"):
        load_editor(weights)
    shutil.rmtree(weights)


def test_the_commands_of_the_page_are_valid(root: Path) -> None:
    page = (root / "docs" / "METHODS.md").read_text(encoding="utf-8")
    commands = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    assert len(commands) >= 2
    for command in commands:
        name, *arguments = shlex.split(command)
        done = CliRunner().invoke(amgan_app, [*arguments, "--dry-run"])
        assert name == "amgan" and done.exit_code == 0, done.output
        assert json.loads(done.output)["model"] == arguments[arguments.index("--model") + 1]
