"""The garment embedder: its parts against plain twins, its training at tiny size, and that searches use it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from amgan.config import changed
from amgan.data.garments import Garments, load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.errors import UserError
from amgan.lessons.siblings import Siblings, possible_edits
from amgan.models.embedder import ColourShares, GarmentEmbedder, near_targets, same_garment_loss
from amgan.photos.colour_names import PALETTE_NAMES, named_shares
from amgan.pixels import to_hwc
from amgan.schema import AttributeSchema
from amgan.testing import SCHEMA, draw_catalogue, tiny_weights
from amgan.training.command import TrainOptions, train_command
from amgan.training.embedder import EmbedderConfig, train_embedder, validation_scores
from amgan.training.presets import PRESETS
from amgan.weights import load_garment_embedder, save_embedder
from retrieval.embedders import load_embedder
from retrieval.representation import Representation

CPU = torch.device("cpu")
TINY = PRESETS["tiny"].embedder
ABOUT = {"data": "drawn", "preset": "tiny"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[Garments]:
    folder = read_imagefolder(draw_catalogue(tmp_path_factory.mktemp("data"), 30, split=("train", "val")))
    return [load_garments(folder, folder.split(s), 32, progress=False) for s in ("train", "val")]


def test_colour_shares_are_softly_counted_pixels() -> None:
    shares = ColourShares(steps=3, side=4)
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    coarse = x.view(2, 3, 4, 2, 4, 2).mean((3, 5))
    line, expected = (-1.0, 0.0, 1.0), []
    for picture in coarse:
        total = np.zeros(27)
        for pixel in picture.flatten(1).T.tolist():
            weights = [
                np.exp(-((r - pixel[0]) ** 2 + (g - pixel[1]) ** 2 + (b - pixel[2]) ** 2) / (2 * 0.5**2))
                for r in line
                for g in line
                for b in line
            ]
            total += np.array(weights) / np.sum(weights) / 16
        expected.append(np.sqrt(total + 1e-5))
    np.testing.assert_allclose(shares(x).numpy(), np.stack(expected), atol=1e-4)


def test_targets_are_those_that_loops_make() -> None:
    garment = torch.tensor([0, 1, 2, 0, 1, 2])
    labels = torch.tensor([[0, 1, 2], [0, -1, 2], [1, 1, -1], [0, 0, 2], [0, 1, 1], [1, 1, 0]])
    which, alike = [0, 2], 0.3
    targets = near_targets(garment, labels, which, alike, sharpness=4.0)
    for i in range(6):
        others, own = np.zeros(6), np.zeros(6)
        for j in range(6):
            if garment[i] == garment[j]:
                own[j] = float(i != j)
                continue
            both = [m for m in which if labels[i, m] >= 0 and labels[j, m] >= 0]
            agreement = sum(bool(labels[i, m] == labels[j, m]) for m in both) / max(1, len(both))
            others[j] = np.exp(4 * agreement)
        expected = (1 - alike) * own / own.sum() + alike * others / others.sum()
        np.testing.assert_allclose(targets[i].numpy(), expected, atol=1e-6)


def test_the_loss_is_the_cross_entropy_with_the_nearest() -> None:
    vectors = F.normalize(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    targets = near_targets(torch.arange(3).repeat(2), torch.zeros(6, 1, dtype=torch.int64), [0], 0.2)
    total = 0.0
    for i in range(6):
        others = [j for j in range(6) if j != i]
        near = torch.tensor([float(vectors[i] @ vectors[j]) / 0.1 for j in others]).log_softmax(0)
        total -= sum(float(targets[i, j]) * float(p) for j, p in zip(others, near, strict=True))
    assert float(same_garment_loss(vectors, targets)) == pytest.approx(total / 6, rel=1e-4)


def test_weights_come_back_as_they_were_saved(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = GarmentEmbedder(SCHEMA, "small-4", 32, 16, from_pixels=0.25).eval()
    save_embedder(tmp_path, network, {}, half=False)
    again = load_garment_embedder(tmp_path)
    assert again.from_pixels == 0.25
    images = torch.randint(0, 256, (3, 3, 40, 40), dtype=torch.uint8)
    for expected, found in zip(network.predict_and_embed(images), again.predict_and_embed(images), strict=True):
        torch.testing.assert_close(found, expected)
    probabilities, vectors = again.predict_and_embed(images)
    for part in SCHEMA.slices:
        torch.testing.assert_close(probabilities[:, part].sum(1), torch.ones(3))
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    assert [len(x) for x in again.predict_and_embed(images[:0])] == [0, 0]


def test_what_a_colour_is_called_is_half_said_by_the_pixels(data: list[Garments]) -> None:
    torch.manual_seed(0)
    colours = [*PALETTE_NAMES, "orange"]  # one that pixels do not know
    schema = AttributeSchema.from_dict({"sleeve": ["short", "long"], "color": colours})
    network = GarmentEmbedder(schema, "small-4", 32, 16).eval()
    network.head.weight.data.mul_(20)
    images = data[1].images
    alone, vectors = network.predict_and_embed(images)
    network.from_pixels = 0.5
    both, same = network.predict_and_embed(images)
    torch.testing.assert_close(same, vectors)
    torch.testing.assert_close(both[:, schema.slices[0]], alone[:, schema.slices[0]])
    s = schema.slices[1]
    for row, image in enumerate(images):
        shares = named_shares(to_hwc(image))
        seen = torch.tensor([shares.get(name, 0.0) for name in colours])
        torch.testing.assert_close(both[row, s], 0.5 * alone[row, s] + 0.5 * seen, atol=1e-5, rtol=0)
    torch.testing.assert_close(both[:, s].sum(1), torch.ones(len(images)))
    # Where colours have other names, the network alone says them.
    other = GarmentEmbedder(SCHEMA, "small-4", 32, 16, from_pixels=0.5).eval()
    assert not set(PALETTE_NAMES) <= set(SCHEMA.values("color"))
    alike = GarmentEmbedder(SCHEMA, "small-4", 32, 16).eval()
    alike.load_state_dict(other.state_dict())
    torch.testing.assert_close(other.predict_and_embed(images), alike.predict_and_embed(images))


@pytest.mark.thorough
def test_it_learns_drawn_garments_whatever_their_colour(data: list[Garments], tmp_path: Path) -> None:
    config = changed(TINY, kimg=0.48, lr=5e-3, head_lr=5e-3, snapshot_kimg=0.48)
    best = train_embedder(*data, config, tmp_path, CPU, ABOUT)
    assert best["sleeve"] > 0.5 and best["color"] > 0.8  # chance: 0.33 and 0.2
    network = load_garment_embedder(tmp_path)
    scores = validation_scores(network, data[1])
    assert scores["color"] == pytest.approx(best["color"], abs=0.1)
    # Recoloured, a garment stays near itself.
    siblings = Siblings(data[1])
    rows = torch.arange(len(data[1]))
    pictures, labels = siblings.recoloured(rows, torch.Generator().manual_seed(0))
    other = labels[:, 1] != data[1].labels[:, 1]
    again = network.predict_and_embed(((pictures + 1) * 127.5).round().to(torch.uint8))[1]
    vectors = network.predict_and_embed(data[1].images)[1]
    own = (vectors * again).sum(1)[other].mean()
    assert own > (vectors @ again.T)[other].mean() + 0.1


def test_a_resumed_run_is_the_unbroken_one(
    data: list[Garments], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amgan.training.loop.LOG_EVERY", 1)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    weights = tiny_weights(tmp_path / "weights")
    config = changed(TINY, edited=0.4, editor=str(weights))
    train_embedder(*data, config, whole, CPU, ABOUT)
    train_embedder(*data, changed(config, kimg=0.016), broken, CPU, ABOUT)
    train_embedder(*data, config, broken, CPU, ABOUT)
    lines = [
        [json.loads(line) for line in (run / "embedder-run" / "stats.jsonl").read_text().splitlines()]
        for run in (whole, broken)
    ]
    losses = [[x for x in found if "same" in x] for found in lines]
    assert len(losses[0]) == len(losses[1]) == 4
    assert losses[0][0] == losses[1][0]  # later ones follow the learning rates of a run of another length


def test_the_command_trains_one(tmp_path: Path) -> None:
    folder, out = draw_catalogue(tmp_path / "data", 12, split=("train", "val")), tmp_path / "run"
    options = TrainOptions(folder, out, model="embedder", preset="tiny", settings=("edited=0",), device="cpu")
    with pytest.raises(UserError, match="stage"):
        train_command(TrainOptions(folder, out, model="embedder", preset="tiny", stage="all"))
    train_command(options)
    card = json.loads((out / "embedder" / "config.json").read_text())
    assert card["schema"] == SCHEMA.to_dict() and card["dimensions"] == TINY.dimensions
    assert "editor" not in card["training"]  # it did nothing
    with pytest.raises(UserError, match="extra does nothing"):
        train_command(TrainOptions(folder, out, model="embedder", preset="tiny", settings=("extra=0.5",)))


def test_edits_are_those_that_both_schemas_know() -> None:
    schema = AttributeSchema.from_dict({"kind": ["tee", "shirt"], "sleeve": ["short", "long", "3/4"]})
    editor = AttributeSchema.from_dict({"color": ["red", "blue"], "sleeve": ["sleeveless", "long", "short"]})
    assert possible_edits(schema, editor) == [[(1, 1, {"sleeve": "long"}), (1, 0, {"sleeve": "short"})]]


def test_settings_that_do_nothing_are_named() -> None:
    assert set(EmbedderConfig(edited=0.0).idle()) == {"editor", "extra"}
    assert set(EmbedderConfig(same=0.0, extra=0.1).idle()) == {"alike"}


def test_searches_use_it_where_weights_have_one(tmp_path: Path) -> None:
    weights = tiny_weights(tmp_path / "weights")
    before = Representation(str(weights))
    assert before.identity.embedder == f"teacher:{weights}"
    schema = AttributeSchema.from_dict({**SCHEMA.to_dict(), "collar": ["round", "hood"]})
    save_embedder(weights, GarmentEmbedder(schema, "small-4", 32, 16), {})
    own = Representation(str(weights))
    assert own.embedder is own.predictor
    assert own.identity.embedder == f"embedder:{weights}"
    assert own.schema == schema and own.dimensions == 16 + schema.n_values
    assert load_embedder(str(weights)).identity == own.predictor.identity
    # An index that the teacher filled is still searched with the teacher, and one of the embedder with it.
    assert Representation.of_index(before.identity).identity == before.identity
    assert Representation.of_index(own.identity).identity == own.identity
    assert Representation(str(weights), f"teacher:{weights}").identity == before.identity
    with pytest.raises(UserError, match="cannot be compared"):
        own.identity.require_same(before.identity, "a", "b")
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    vectors, probabilities = own.encode(images)
    assert vectors.shape == (2, own.dimensions) and probabilities.shape == (2, schema.n_values)
