"""The paper's ablations by configuration: each changes what is computed, and nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from amgan.config import changed, override, to_dict
from amgan.editing.editor import load_editor
from amgan.editing.export_command import export_command
from amgan.editing.runtimes import ENGINES
from amgan.errors import UserError
from amgan.models.amgan.cam_mask import CamMasked
from amgan.models.amgan.config import AmganConfig
from amgan.models.amgan.method import Amgan
from amgan.models.classifier import AttributeClassifier
from amgan.models.interface import make_condition
from amgan.testing import SCHEMA, draw_catalogue
from amgan.training.ablations import ABLATIONS, ablation
from amgan.training.command import TrainOptions, train_command
from amgan.training.presets import PRESETS, override_stages
from amgan.weights import load_classifier, load_generator, save_classifier, save_generator
from tests.edit_batches import SIZE, some_batch

CPU = torch.device("cpu")
TEACHER = "small-4"
MINI = {"image_size": SIZE, "channels": 8, "blocks": 1, "critic_channels": 8, "critic_cap": 32, "critic_layers": 4}


def teacher_of(backbone: str = TEACHER) -> AttributeClassifier:
    torch.manual_seed(3)
    return AttributeClassifier(SCHEMA, backbone, SIZE).eval()


def ablated(*settings: str, backbone: str = TEACHER, **more: object) -> Amgan:
    torch.manual_seed(0)
    config = override(changed(AmganConfig(), **MINI, bf16=False, **more), settings)
    return Amgan(SCHEMA, config, teacher_of(backbone), CPU)


def terms_of(method: Amgan) -> dict[str, float]:
    """Of L_D and L_G, for one batch; 0 is no term."""
    batch = some_batch()
    outputs = method.forward(batch)
    critic, generator = method.critic_loss(batch, outputs, 0)[1], method.generator_loss(batch, outputs)[1]
    return {k: float(v) for k, v in (critic | generator).items()}


def of_paper(name: str) -> list[str]:
    return [s.replace(PRESETS["paper"].teacher.backbone, TEACHER) for s in ablation(name, PRESETS["paper"])]


def test_the_ladder_takes_one_part_away_after_the_other() -> None:
    whole = terms_of(ablated())
    no_crop = terms_of(ablated(*of_paper("no-crop-critic")))
    no_perceptual = terms_of(ablated(*of_paper("no-perceptual")))
    no_attention = terms_of(ablated(*of_paper("no-attention")))
    of_crops = {"D_C/adv", "D_C/cls", "D_C/penalty", "G/adv_C", "G/cls_C"}
    assert whole.keys() - no_crop.keys() == of_crops
    assert no_crop.keys() - no_perceptual.keys() == {"G/percep"}
    assert no_perceptual.keys() - no_attention.keys() == {"G/att"}
    # What is left is the same sum of the same networks.
    for rung in (no_crop, no_perceptual, no_attention):
        assert rung == pytest.approx({k: whole[k] for k in rung}, rel=1e-4)
    assert {"critic_i"} == ablated(*of_paper("no-crop-critic")).critic_networks().keys()


def test_the_eye_too_goes_without_crops() -> None:
    small = PRESETS["small"].stages["all"]
    without = override(small, ablation("no-perceptual", PRESETS["small"]))
    assert small.critics.crops and not without.critics.crops
    assert (without.losses.percep, without.losses.eye_percep) == (0, 0) and without.losses.att == small.losses.att
    bare = override(small, ablation("no-attention", PRESETS["small"]))
    assert not bare.teaches_mask and not bare.losses.balanced  # the target weighs the pair loss no more


@pytest.mark.parametrize("backbone", [TEACHER, "timm-efficientnet_lite0"])
def test_the_map_itself_is_the_mask(backbone: str) -> None:
    method = ablated(f"cam={backbone}", backbone=backbone)
    batch = some_batch()
    made = method.forward(batch).edited
    teacher, x = method.teacher, batch.source
    features = teacher.features(x)
    seen = teacher(x)
    for i in range(3):
        maps = []
        for a in range(2):
            if batch.edited[i, a]:
                labels = torch.full((1, 2), -1)
                labels[0, a] = seen[i, SCHEMA.slices[a]].argmax()
                last = features["last"][i : i + 1].detach()
                maps.append(teacher.locate(x[i : i + 1], last, labels)[0, a])
        expected = torch.stack(maps).amax(0)[None, None]
        expected = F.interpolate(expected, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
        torch.testing.assert_close(made.mask[i : i + 1], expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(made.image, made.mask * made.raw + (1 - made.mask) * x)
    loss, terms = method.generator_loss(batch, method.forward(batch))
    assert "G/att" not in terms
    loss.backward()
    generator = method.generator
    assert isinstance(generator, CamMasked)
    assert all(p.grad is None for p in generator.teacher.parameters())
    assert generator.generator.picture.weight.grad is not None
    # What would be taught is not, and saying so is refused.
    assert "att" not in to_dict(method.config)["losses"]
    with pytest.raises(UserError, match="att does nothing here: the mask is a class activation map"):
        override(method.config, ["att=5"])


def test_the_map_of_nothing_edited_is_empty() -> None:
    method, batch = ablated(f"cam={TEACHER}"), some_batch()
    nothing = make_condition(SCHEMA, batch.wanted, torch.zeros_like(batch.edited))
    made = method.generator(batch.source, nothing)
    assert not made.mask.any() and torch.equal(made.image, batch.source)


def test_weights_with_a_map_as_the_mask_are_saved_whole(tmp_path: Path) -> None:
    """The editor holds the teacher, edits without gradients, and is not exported."""
    method = ablated(f"cam={TEACHER}")
    save_generator(tmp_path, method.generator, method.config, {}, half=False)
    save_classifier(tmp_path, "teacher", method.teacher, {})
    generator, config, _ = load_generator(tmp_path)
    assert isinstance(generator, CamMasked) and config.generator.cam == TEACHER
    batch = some_batch()
    m = make_condition(SCHEMA, batch.wanted, batch.edited)
    torch.testing.assert_close(generator(batch.source, m).mask, method.generator(batch.source, m).mask)
    images = torch.randint(0, 256, (2, 3, SIZE, SIZE), dtype=torch.uint8)
    made = load_editor(tmp_path).edit(images, {"color": "red"})
    assert made.mask.min() >= 0 and made.mask.max() <= 1 and made.mask.std() > 0.01
    with pytest.raises(UserError, match="Setting cam, the teacher's backbone, asks for small-6 at 32 px"):
        ablated("cam=small-6")
    with pytest.raises(UserError, match="Unknown backbone 'vgg'"):
        ablated("cam=vgg")
    if not ENGINES["openvino"].missing:
        with pytest.raises(UserError, match="cannot be exported"):
            export_command(str(tmp_path), tmp_path / "saved", "openvino")


def test_the_teacher_may_see_at_a_side_of_its_own(tmp_path: Path) -> None:
    torch.manual_seed(3)
    teacher = AttributeClassifier(SCHEMA, TEACHER, 48).eval()
    config = override(changed(AmganConfig(), **MINI, bf16=False), [f"cam={TEACHER}@48"])
    method, batch = Amgan(SCHEMA, config, teacher, CPU), some_batch()
    made = method.forward(batch).edited
    assert made.mask.shape[-1] == SIZE and made.mask.std() > 0.01
    save_generator(tmp_path, method.generator, config, {}, half=False)
    again = load_generator(tmp_path)[0]
    m = make_condition(SCHEMA, batch.wanted, batch.edited)
    torch.testing.assert_close(again(batch.source, m).mask, made.mask)
    with pytest.raises(UserError, match="or a backbone and its side: NAME@96"):
        override(config, [f"cam={TEACHER}@big"])
    assert f"cam={TEACHER}@48" in ablation("cam-mask", PRESETS["tiny"], f"{TEACHER}@48")


@pytest.mark.parametrize("settings", [("crops=false",), (f"cam={TEACHER}", "crops=false", "percep=0")])
def test_an_ablation_trains_and_resumes(settings: tuple[str, ...], tmp_path: Path) -> None:
    for role in ("teacher", "judge"):
        save_classifier(tmp_path / "run", role, teacher_of(), {}, half=False)
    data = draw_catalogue(tmp_path / "data", 18)
    options = TrainOptions(data, tmp_path / "run", preset="tiny", settings=settings, device="cpu")
    train_command(options)
    train_command(replace(options, settings=(*settings, "kimg=0.024")))
    steps = [json.loads(line) for line in (options.out / "editor-run" / "stats.jsonl").read_text().splitlines()]
    assert steps[-1]["step"] == 6 and not [name for line in steps for name in line if "_C" in name]
    generator, config, _ = load_generator(options.out)
    assert not config.critics.crops
    if config.generator.cam:  # averaged, saved in half precision: the teacher is still the teacher
        kept, teacher = generator.teacher.state_dict(), load_classifier(options.out).state_dict()
        assert all(torch.allclose(kept[k].float(), teacher[k].float(), atol=1e-2) for k in teacher)


def test_each_target_teaches_another_mask() -> None:
    """CAM of the present value, its union with that of the wanted value, and silhouettes."""
    batch, targets = some_batch(), {}
    for name in ("source", "union", "masks"):
        method = ablated(*of_paper(f"target-{name}"))
        targets[name] = method.attention_target(batch, method.forward(batch))
        assert method.config.losses.attention == name
    assert (targets["union"] >= targets["source"] - 1e-6).all() and not torch.equal(targets["union"], targets["source"])
    assert (targets["masks"][1] == 1).float().mean() > 0.5  # colour: the whole garment
    assert not torch.equal(targets["masks"], targets["union"])


@pytest.mark.parametrize("preset", ["paper", "ours", "small"])
def test_the_page_lists_what_to_type(preset: str, root: Path) -> None:
    """docs/METHODS.md: a row for each ablation, a column for each preset; and each setting does something."""
    page = (root / "docs" / "METHODS.md").read_text(encoding="utf-8")
    table = page.partition("## Ablations")[2]
    head, _, *rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("|")]
    column = [cell.strip(" `") for cell in head].index(preset)
    listed = {row[0].strip(" `"): row[column] for row in rows}
    assert listed.keys() == ABLATIONS.keys()
    stages = PRESETS[preset].stages
    for name, cell in listed.items():
        settings = ablation(name, PRESETS[preset])
        assert re.findall(r"-c (\S+?)(?=`| )", cell) == settings, name
        after = override_stages(stages, settings)  # refuses what does nothing
        kept = name == f"target-{stages['all'].losses.attention}"  # what the preset has anyway
        assert (after == stages) == kept, name
