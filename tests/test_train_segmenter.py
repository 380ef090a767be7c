"""The training of the cut-out network: what it learns from, how wrong masks are borne, what it writes, resuming."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from amgan.config import changed
from amgan.data.imagefolder import read_imagefolder
from amgan.data.outlines import Mixture, Outline, Sampler, drawn_outlines, ground_of, load_outlines
from amgan.errors import UserError
from amgan.models.segmenter import CutOutNetwork, cut_out_loss, expectation_loss, overlaps
from amgan.testing import draw_catalogue, draw_garment
from amgan.training.agreed import agreed, views
from amgan.training.command import TrainOptions, train_command
from amgan.training.presets import PRESETS
from amgan.training.segmenter import SegmenterConfig, _Trainer, train_segmenter, validate
from amgan.weights import load_cut_out_network
from amgan.weights.segmenters import find_segmenter

CPU = torch.device("cpu")
TINY = PRESETS["tiny"].segmenter
ABOUT = {"data": "drawn", "preset": "tiny"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return draw_catalogue(tmp_path_factory.mktemp("data"), 12, split=("train", "val"))


@pytest.fixture(scope="module")
def outlines(folder):
    data = read_imagefolder(folder)
    return [load_outlines(data, data.split(s)) for s in ("train", "val")]


def outline(sleeve: str = "short", seed: int = 0, masked: bool = True) -> Outline:
    image, mask = draw_garment(sleeve, "red", 96, seed)
    plain = Outline(f"{sleeve} {seed}", image)
    return plain.with_target(mask) if masked else plain


# --- Samples ----------------------------------------------------------------------------------------------------------


def test_samples_keep_garment_and_mask_together():
    """A red garment is where its mask is, however it was turned, and wherever it was laid."""
    for mixture in (Mixture(0, 0), Mixture(1, 0)):
        sampler = Sampler([outline(s) for s in ("short", "long")], [], mixture, 64)
        images, targets, weights = sampler.batch(12, np.random.default_rng(0))
        assert images.shape == (12, 64, 64, 3) and targets.shape == weights.shape == (12, 64, 64)
        for image, target in zip(images.astype(float), targets, strict=True):
            inside, outside = image[target > 220].mean(0), image[target < 30].mean(0)
            assert 0.03 < (target > 127).mean() < 0.9
            assert np.abs(inside - outside).sum() > 25
        again = sampler.batch(12, np.random.default_rng(0))
        assert all(np.array_equal(a, b) for a, b in zip(again, (images, targets, weights), strict=True))


def test_what_does_not_count_travels_with_the_garment():
    source = outline()
    weight = np.full(source.image.shape[:2], 255, np.uint8)
    weight[:, :48] = 0
    half = source.with_target(source.target, weight)
    _, _, weights = Sampler([half], [], Mixture(0, 0), 64).batch(8, np.random.default_rng(0))
    assert 0.15 < (weights == 0).mean() < 0.7
    assert (Sampler([source], [], Mixture(0, 0), 64).batch(4, np.random.default_rng(0))[2] == 255).all()


def test_grounds_hold_nothing_of_the_garment():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 60, (200, 200, 3), np.uint8)
    mask = np.zeros((200, 200), np.uint8)
    mask[20:180, 100:190] = 255
    image[mask > 0] = 250
    ground = ground_of(Outline("left", image).with_target(mask))
    assert ground is not None and ground.shape == (224, 224, 3) and ground.max() < 60
    assert ground_of(Outline("full", image).with_target(np.full_like(mask, 255))) is None
    assert ground_of(Outline("unknown", image)) is None


def test_grounds_are_large_enough_for_any_sample():
    sampler = Sampler([outline("sleeveless")], [], Mixture(1, 0), 384)
    assert sampler.grounds
    images, targets, _ = sampler.batch(8, np.random.default_rng(0))
    assert images.shape == (8, 384, 384, 3) and targets.shape == (8, 384, 384)


def test_drawn_garments_have_exact_masks():
    drawn = drawn_outlines(1)[0]
    assert drawn.target is not None and 0.1 < (drawn.target > 127).mean() < 0.8


# --- Losses -----------------------------------------------------------------------------------------------------------


def test_a_mask_that_is_wrong_altogether_pulls_no_harder_than_the_bound():
    target, weight = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    target[..., :4] = 1
    losses = [float(cut_out_loss(x * (1 - 2 * target), target, weight, 0.6)[0]) for x in (-9.0, 9.0, 90.0)]
    assert losses[0] < 1e-2
    assert losses[1] == pytest.approx(1 / 0.6 + 0.5, abs=0.05) and losses[2] == pytest.approx(losses[1], abs=0.05)


def test_what_does_not_count_changes_no_loss():
    g = torch.Generator().manual_seed(0)
    logits, target = torch.randn(2, 1, 8, 8, generator=g), (torch.rand(2, 1, 8, 8, generator=g) > 0.5).float()
    weight = torch.ones(2, 1, 8, 8)
    weight[..., :4] = 0
    other = logits.clone()
    other[..., :4] *= -3
    for loss in (
        lambda x: cut_out_loss(x, target, weight, 0.6)[0],
        lambda x: overlaps(x, target, weight).sum(),
        lambda x: expectation_loss(torch.zeros(2), x, target, weight),
    ):
        assert torch.allclose(loss(logits), loss(other))


def test_overlaps_are_counted():
    logits = torch.tensor([1.0, 1, -1, -1]).view(1, 1, 2, 2)
    target = torch.tensor([1.0, 0, 1, 0]).view(1, 1, 2, 2)
    assert overlaps(logits, target, torch.ones(1, 1, 2, 2)).item() == pytest.approx(1 / 3)


# --- The second round -------------------------------------------------------------------------------------------------


def test_truths_are_what_mask_and_network_agree_on():
    config, source = SegmenterConfig(), outline()
    assert source.target is not None
    right = np.stack([source.target.astype(np.float32) / 255] * 2)
    kept = agreed(source, right, config.agree, config.sure)
    assert kept is not None and kept.target is not None
    assert np.array_equal(kept.target > 127, source.target > 127) and (kept.weight == 255).all()
    nearly = np.roll(right, 1, axis=2)
    kept = agreed(source, nearly, config.agree, config.sure)
    assert kept is not None and 0 < (kept.weight == 0).mean() < 0.1  # where they differ nothing is learnt


def test_where_they_do_not_agree_the_networks_views_decide():
    config, source = SegmenterConfig(), outline()
    assert source.target is not None
    truth = source.target.astype(np.float32) / 255
    wrong = source.with_target(np.where(np.arange(96)[None] < 48, source.target, 0).astype(np.uint8))
    for given in (wrong, outline(masked=False)):
        kept = agreed(given, np.stack([truth, truth]), config.agree, config.sure)
        assert kept is not None and kept.target is not None and np.array_equal(kept.target > 127, truth > 0.5)
        assert agreed(given, np.stack([truth, np.roll(truth, 12, axis=1)]), config.agree, config.sure) is None


def test_views_lie_upon_each_other():
    """A network that sees brightness alone says the same of a photo and of its smaller mirror image."""

    class Bright(CutOutNetwork):
        def forward(self, x):
            return 8 * x.mean(1, keepdim=True), torch.zeros(len(x))

    y, x = np.mgrid[:60, :90]
    image = np.where(((x - 30) / 20) ** 2 + ((y - 25) / 15) ** 2 < 1, 230, 30).astype(np.uint8)
    seen = views(Bright(64), Outline("spot", np.dstack([image] * 3)), CPU)
    assert seen.shape[0] == 2 and seen.shape[1:] == (43, 64)
    first, second = seen > 0.5
    assert (first & second).sum() / (first | second).sum() > 0.85


# --- The run ----------------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_training_writes_weights_that_cut_out(folder, tmp_path):
    out = tmp_path / "run"
    train_command(
        TrainOptions(folder, out, "segmenter", preset="tiny", settings=("sure=0",), extra=folder, device="cpu")
    )
    card = json.loads((out / "segmenter" / "config.json").read_text())
    assert card["preset"] == "tiny" and card["extra"] and 0 <= card["validation"]["overlap_median"] <= 1
    assert find_segmenter(None, out).identity.startswith("learned (")
    assert load_cut_out_network(out).image_size == TINY.image_size
    assert {v.dtype for v in load_file(out / "segmenter" / "model.safetensors").values() if v.is_floating_point()} == {
        torch.float16
    }


@pytest.mark.thorough
def test_a_resumed_training_is_the_unbroken_one(outlines, tmp_path):
    config = changed(TINY, sure=0.0, snapshot_kimg=0.012)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train_segmenter(*outlines, [outline("long", masked=False)], config, whole, CPU, ABOUT)
    _killed_at(7, outlines, config, broken)  # in the second round, whose truths are read from the folder
    train_segmenter(*outlines, [outline("long", masked=False)], config, broken, CPU, ABOUT)
    a, b = (load_file(out / "segmenter" / "model.safetensors") for out in (whole, broken))
    assert all(torch.equal(a[k], b[k]) for k in a)


def _killed_at(last, outlines, config, out):
    """A run that ends in the middle, after its newest state."""

    class Killed(Exception):
        pass

    step = _Trainer.step

    def counted(self, k, progress):
        if k == last:
            raise Killed
        return step(self, k, progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Trainer, "step", counted)
        with pytest.raises(Killed):
            train_segmenter(*outlines, [outline("long", masked=False)], config, out, CPU, ABOUT)


def test_agreed_truths_of_two_photos_of_one_name_come_back_as_they_were(outlines, tmp_path, monkeypatch):
    """Data and --extra are two folders, whose file names may be the same."""
    twins = [outline("short"), outline("long", 1)]
    for twin in twins:
        twin.name = "images/1.jpg"
    monkeypatch.setattr("amgan.training.segmenter.agreed", lambda o, *_: o)
    run = SimpleNamespace(folder=tmp_path, saved=None)
    trainer = _Trainer(run, twins, outlines[1], [outlines[0][0], *twins], TINY, tmp_path, CPU, ABOUT)
    before = trainer._agreed()
    run.saved = trainer.turn + 1
    monkeypatch.setattr("amgan.training.segmenter.agreed", None)
    after = trainer._agreed()
    assert [o.name for o in after] == [o.name for o in before]
    for a, b in zip(after, before, strict=True):
        assert np.array_equal(a.target, b.target) and np.array_equal(a.weight, b.weight)


@pytest.mark.slow
def test_it_learns(outlines, tmp_path):
    """From scratch, in seconds: garments on white are told from their ground."""
    config = changed(TINY, image_size=32, kimg=0.4, batch=8, lr=4e-3, second_round=1.0, drawn=0.0, composed=0.0)
    scores = train_segmenter(*outlines, [], changed(config, snapshot_kimg=1.0), tmp_path, CPU, ABOUT)
    assert scores["overlap_median"] > 0.6
    assert validate(load_cut_out_network(tmp_path), outlines[1], CPU)["overlap_median"] > 0.6


def test_what_cannot_be_trained_is_said(folder, outlines, tmp_path):
    with pytest.raises(UserError, match="needs photos with masks"):
        train_segmenter([outline(masked=False)], outlines[1], [], TINY, tmp_path, CPU, ABOUT)
    for options, sentence in (
        ({"warm_start": "photos"}, "none of them"),
        ({"settings": ("kimgs=3",)}, "Unknown setting 'kimgs'"),
        ({"settings": ("drawn=0", "drawn_count=3")}, "drawn_count does nothing"),
        ({"settings": ("second_round=1", "sure=0.5")}, "sure does nothing"),
    ):
        with pytest.raises(UserError, match=sentence):
            train_command(TrainOptions(folder, tmp_path / "none", "segmenter", preset="tiny", device="cpu", **options))
    train_command(TrainOptions(folder, tmp_path / "none", "segmenter", preset="tiny", dry_run=True))
    assert not (tmp_path / "none").exists()
