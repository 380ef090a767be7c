"""Critics and a loss that look through a network trained on ImageNet."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from amgan.config import changed
from amgan.data.garments import load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.models.amgan.config import AmganConfig
from amgan.models.amgan.crop import crop, edit_boxes, moved, squared
from amgan.models.amgan.losses import eye_distance
from amgan.models.amgan.method import CROP_MARGIN, Amgan
from amgan.models.amgan.mixing import MapsCritic, Mixing
from amgan.models.classifier import AttributeClassifier
from amgan.models.eye import Eye
from amgan.models.interface import EditBatch, RealGarments, make_condition
from amgan.testing import SCHEMA, draw_catalogue
from amgan.training.presets import PRESETS
from amgan.training.trainer import train
from amgan.weights import load_critics, save_classifier
from tests.edit_batches import SIZE, some_batch

CPU = torch.device("cpu")
CHANNELS = [8, 12, 16, 24]


def some_maps(batch: int = 2, seed: int = 0) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, c, side, side, generator=draw) for c, side in zip(CHANNELS, (16, 8, 4, 2), strict=True)]


def with_real(batch: EditBatch) -> EditBatch:
    draw = torch.Generator().manual_seed(3)
    pictures = F.interpolate(torch.rand(3, 3, 8, 8, generator=draw) * 2 - 1, size=(SIZE, SIZE), mode="bilinear")
    labels = torch.tensor([[2, 0], [1, 0], [2, 1]])
    return batch._replace(
        real=RealGarments(pictures, labels, torch.rand(3, 3, generator=draw) * 2 - 1, torch.tensor([2]))
    )


def method_of(**settings: object) -> Amgan:
    torch.manual_seed(0)
    config = changed(
        PRESETS["tiny"].amgan,
        **{"critics": "eye", "eye": "efficientnet_lite0", "eye_size": 64, "eye_percep": 4.0, **settings},
    )
    return Amgan(SCHEMA, config, AttributeClassifier(SCHEMA, "small-4", SIZE), CPU)


# --- Views ------------------------------------------------------------------------------------------------------------


def test_a_view_of_everything_is_the_picture_and_outside_is_white() -> None:
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    whole = torch.tensor([[0.0, 0.0, 32.0, 32.0]]).expand(2, 4)
    small = crop(F.interpolate(x, scale_factor=2), whole * 2, 32)
    assert torch.allclose(small, x, atol=1e-5)
    right = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    view = crop(x, moved(whole, right, 0.5), 32)
    assert torch.allclose(view[0, :, :, :15], crop(x, whole, 32)[0, :, :, 16:31], atol=1e-4)
    assert (view[0, :, :, 18:] == 1).all() and torch.equal(view[1], crop(x, whole, 32)[1])


def test_crops_keep_their_proportions() -> None:
    boxes = squared(torch.tensor([[4.0, 8.0, 12.0, 28.0]]), 0.1)
    assert torch.allclose(boxes, torch.tensor([[-4.0, 6.0, 20.0, 30.0]]))
    assert torch.equal(moved(boxes, torch.zeros(1, 3), 0.3), boxes)
    larger = moved(boxes, torch.tensor([[0.0, 0.0, 1.0]]), 0.5)
    assert torch.allclose(larger, torch.tensor([[-10.0, 0.0, 26.0, 36.0]]))


# --- Mixing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mixed", [True, False])
def test_mixing_is_random_fixed_and_brings_what_is_deep_to_what_is_shallow(mixed: bool) -> None:
    torch.manual_seed(0)
    mixing, maps = Mixing(CHANNELS, 6, mixed), some_maps()
    maps[-1].requires_grad_()
    out = mixing(maps)
    assert [m.shape[1] for m in out] == mixing.channels == ([6] * 4 if mixed else CHANNELS)
    assert all(torch.allclose(m.square().mean((1, 2, 3)), torch.ones(2), atol=1e-3) for m in out)
    assert out[0].requires_grad == mixed  # the deepest reaches the shallowest
    assert not any(p.requires_grad for p in mixing.parameters())
    if mixed:  # what was drawn goes with the critic into states and weights
        torch.manual_seed(1)
        other = Mixing(CHANNELS, 6)
        other.load_state_dict(mixing.state_dict())
        assert all(torch.equal(a, b) for a, b in zip(other(maps), out, strict=True))


def test_realness_depends_on_what_the_picture_shall_show() -> None:
    critic, maps = MapsCritic(SCHEMA, CHANNELS, 8), some_maps()
    conditions = [make_condition(SCHEMA, torch.tensor([[v, 1]] * 2), torch.ones(2, 2).bool()) for v in (0, 2)]
    first, second = (critic(maps, c) for c in conditions)
    assert [m.shape[2] for m in first] == [8, 8, 4, 2]
    assert all((a - b).abs().max() > 1e-4 for a, b in zip(first, second, strict=True))


# --- Losses -----------------------------------------------------------------------------------------------------------


def test_eye_distance_is_of_directions_in_rows_with_an_exact_result() -> None:
    a, b = some_maps(3), some_maps(3, seed=1)
    aligned = torch.tensor([1.0, 0.0, 1.0])
    expected = 0.0
    for row in (0, 2):
        for x, y in list(zip(a, b, strict=True))[:3]:
            x, y = (m[row] / m[row].square().sum(0).sqrt() for m in (x, y))
            expected += float(((x - y) ** 2).sum(0).mean()) / 3 / 2
    assert float(eye_distance({"I": a}, {"I": b}, aligned, 2)) == pytest.approx(expected, rel=1e-4)
    assert float(eye_distance({"I": a}, {"I": [3 * m for m in a]}, aligned, 2)) == pytest.approx(0, abs=1e-6)
    both = eye_distance({"I": a, "C": a}, {"I": b, "C": a}, aligned, 2)
    assert float(both) == pytest.approx(expected / 2, rel=1e-4)


@pytest.mark.parametrize("crops", [True, False])
def test_sums_are_those_of_the_formulas(crops: bool) -> None:
    """L_D and L_G of the eye, written out."""
    method, batch = method_of(crops=crops), with_real(some_batch())
    assert batch.real is not None and method.eye is not None
    networks = {name: n.eval() for name, n in method.critic_networks().items()}  # no step of the power iteration
    outputs = method.forward(batch)
    loss, terms = method.critic_loss(batch, outputs, 0)

    edited, box = outputs.edited, torch.tensor([[0.0, 0.0, SIZE, SIZE]]).expand(3, 4)
    boxes = {"I": box, "C": squared(edit_boxes(edited.mask), CROP_MARGIN)} if crops else {"I": box}
    asked = make_condition(SCHEMA, batch.wanted, batch.wanted >= 0)
    shown = make_condition(SCHEMA, batch.real.labels, batch.real.labels >= 0)
    expected_d, expected_adv, distances = 0.0, {}, []
    for view, around in boxes.items():
        around = moved(around, batch.real.jitter, method.config.critics.jitter)
        maps = {
            name: method.eye(crop(p, around, 64))
            for name, p in (("real", batch.real.pictures), ("fake", edited.image), ("exact", batch.reference))
        }
        critic = networks[f"critic_{view.lower()}"]
        reals, fakes = critic(maps["real"], shown), critic(maps["fake"], asked)
        for real, fake in zip(reals, fakes, strict=True):
            expected_d += float(F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 4
        expected_adv[view] = -sum(float(f.mean()) for f in fakes) / 4
        for a, b in list(zip(maps["fake"], maps["exact"], strict=True))[:3]:
            a, b = F.normalize(a[2], dim=0), F.normalize(b[2], dim=0)  # the only row with an exact result
            distances.append(float((a - b).square().sum(0).mean()))
    assert float(loss) == pytest.approx(expected_d, rel=1e-4)

    total, terms = method.generator_loss(batch, outputs)
    for view, value in expected_adv.items():
        assert float(terms[f"G/adv_{view}"]) == pytest.approx(method.config.losses.adv * value, rel=1e-3, abs=1e-5)
    assert float(terms["G/eye"]) == pytest.approx(4.0 * sum(distances) / len(distances), rel=1e-3)
    total.backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in method.generator.parameters())
    frozen = [*networks.values(), method.eye, method.teacher]
    assert all(p.grad is None for network in frozen for p in network.parameters())


def test_the_loss_needs_no_critics() -> None:
    method, batch = method_of(adv=0.0, cls=0.0), with_real(some_batch())
    assert method.critics is None and method.eye is not None
    _, terms = method.generator_loss(batch, method.forward(batch))
    assert float(terms["G/eye"]) > 0 and not any(name.startswith("G/adv") for name in terms)


def test_nothing_looks_without_need() -> None:
    assert Amgan(SCHEMA, PRESETS["tiny"].amgan, AttributeClassifier(SCHEMA, "small-4", SIZE), CPU).eye is None
    assert not AmganConfig().wants_real and changed(PRESETS["tiny"].amgan, critics="eye").wants_real


# --- Seeing -----------------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_critic_learns_to_tell_sharp_from_blurred() -> None:
    """What critics from scratch did not learn in hundreds of steps."""
    torch.manual_seed(0)
    eye = Eye("efficientnet_lite0")
    critic = MapsCritic(SCHEMA, eye.channels, 16)
    optimizer = torch.optim.Adam(critic.parameters(), 2e-3, betas=(0.5, 0.999))
    condition = torch.zeros(16, SCHEMA.n_values + SCHEMA.n_attributes)

    def pictures() -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        sharp = (torch.rand(16, 3, 16, 16) > 0.5).float().repeat_interleave(4, 2).repeat_interleave(4, 3) * 2 - 1
        blurred = F.avg_pool2d(sharp, 5, 1, 2)
        return eye(sharp), eye(blurred)

    for _ in range(25):
        real, fake = pictures()
        losses = [
            F.relu(1 - r).mean() + F.relu(1 + f).mean()
            for r, f in zip(critic(real, condition), critic(fake, condition), strict=True)
        ]
        optimizer.zero_grad()
        torch.stack(losses).mean().backward()
        optimizer.step()
    real, fake = pictures()  # others
    right = [
        ((r > 0).float().mean() + (f < 0).float().mean()) / 2
        for r, f in zip(critic(real, condition), critic(fake, condition), strict=True)
    ]
    assert min(right) > 0.9, right


# --- A whole run ------------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_run_is_resumed_warmed_up_from_and_its_critics_are_shown(tmp_path: Path, root: Path) -> None:
    data = draw_catalogue(tmp_path / "data", 24, split=("train", "val"))
    folder, out = read_imagefolder(data), tmp_path / "run"
    garments = [load_garments(folder, folder.split(s), SIZE, progress=False) for s in ("train", "val")]
    for role in ("teacher", "judge"):
        save_classifier(out, role, AttributeClassifier(SCHEMA, "small-4", SIZE), {})
    eye = {"critics": "eye", "eye": "efficientnet_lite0", "eye_size": 32, "eye_percep": 4.0, "critic_channels": 8}
    for kimg in (0.008, 0.016):  # the second goes on
        train(Amgan, *garments, changed(PRESETS["tiny"].amgan, **eye, kimg=kimg), out, CPU, {"data": "drawn"})
    networks = method_of(eye_size=32, critic_channels=8).critic_networks()
    assert load_critics(out, networks, SCHEMA) == ["critic_i", "critic_c"]

    command = [sys.executable, "scripts/critic_scores.py", str(data), str(out), "--batches", "1", "--json"]
    plot = tmp_path / "curves.png"
    done = subprocess.run([*command, "--plot", str(plot)], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)
    assert set(scores) == {"I", "C"} and set(scores["C"]) == {"train", "val"}
    assert all(0 <= v <= 1 for by in scores.values() for s in by.values() for values in s.values() for v in values)
    assert Image.open(plot).size[0] > 500
    refused = subprocess.run([*command[:3], str(tmp_path)], cwd=root, capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "editor-run" in refused.stderr
