"""Sleeves sewn onto garments, against the renderer, which knows what the same garment looks like with longer ones."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from amgan.config import PRESETS
from amgan.data.garments import Garments, balance_weights
from amgan.lessons.armholes import fit_sleeves
from amgan.lessons.batches import BatchMaker
from amgan.lessons.pairs import GarmentIndex
from amgan.lessons.sleeves import sew, sew_all, sleeve_lengths
from amgan.synth import counterfactual, draw_item
from amgan.synth.render import Item
from amgan.testing import SCHEMA

SIZE = 96


def drawn(sleeve, count=12):
    """Items of plain cloth with these sleeves."""
    out = []
    for seed in range(200):
        item = draw_item(seed)
        if item.labels["sleeve"] == sleeve and "collar" in item.labels and item.labels["collar"] in ("round", "v-neck"):
            out.append(Item(seed, dict(item.labels) | {"pattern": "plain", "color": "red"}))
    return out[:count]


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize(("sleeve", "longer"), [("short", "long"), ("sleeveless", "long"), ("sleeveless", "short")])
def test_sewn_sleeves_lie_where_the_true_ones_do(sleeve, longer):
    sewn_iou, plain_iou = [], []
    for item in drawn(sleeve):
        true = counterfactual(item, {"sleeve": longer}, SIZE).rendered
        before = counterfactual(item, {"sleeve": sleeve}, SIZE).rendered
        sewn = sew(before.image, before.mask > 0, sleeve != "sleeveless", longer)
        if sewn is None:
            continue
        image, mask = sewn
        sewn_iou.append(iou(mask, true.mask > 0))
        plain_iou.append(iou(before.mask > 0, true.mask > 0))
        # Where there never was nor is a sleeve nothing changes.
        middle = slice(SIZE // 2 - 6, SIZE // 2 + 6)
        assert np.array_equal(image[:, middle], before.image[:, middle])
    assert len(sewn_iou) >= 4
    assert np.mean(sewn_iou) > np.mean(plain_iou) + 0.05, (sewn_iou, plain_iou)


def test_the_cloth_of_a_sewn_sleeve_is_the_garment_s_own():
    (item, *_) = drawn("short")
    before = counterfactual(item, {"sleeve": "short"}, SIZE).rendered
    image, mask = sew(before.image, before.mask > 0, True, "long")
    new = mask & (before.mask == 0)
    assert np.abs(np.median(image[new], 0) - np.median(before.image[before.mask > 0], 0)).max() < 25


@pytest.mark.parametrize(
    "mask",
    [
        np.zeros((SIZE, SIZE), bool),
        np.eye(SIZE, dtype=bool),
        np.tri(SIZE, dtype=bool),
        np.ones((SIZE, SIZE), bool),
        np.random.default_rng(0).random((SIZE, SIZE)) > 0.5,
    ],
    ids=["nothing", "a line", "a triangle", "everything", "noise"],
)
def test_what_is_no_garment_gets_no_sleeves(mask):
    assert fit_sleeves(mask, True) is None
    assert sew(np.zeros((SIZE, SIZE, 3), np.uint8), mask, True, "long") is None


def test_lengths_of_unknown_names_are_unknown():
    lengths = sleeve_lengths(("sleeveless", "short", "long", "others"))
    assert lengths[:3].tolist() == sorted(lengths[:3].tolist()) and lengths[3].isnan()


@pytest.fixture(scope="module")
def garments():
    images, masks, labels = [], [], []
    for k, sleeve in enumerate(("sleeveless", "short", "long")):
        for item in drawn(sleeve, 6):
            shot = counterfactual(item, {"sleeve": sleeve}, SIZE).rendered
            images.append(torch.from_numpy(shot.image).permute(2, 0, 1))
            masks.append(torch.from_numpy(shot.mask > 0)[None])
            labels.append([k, 2])
    return Garments(
        SCHEMA, torch.stack(images), torch.stack(masks), torch.tensor(labels), tuple(map(str, range(len(images))))
    )


def indexed(garments):
    return GarmentIndex.build(garments, F.normalize(torch.randn(len(garments), 4), dim=1))


def test_which_sleeves_are_sewn_on(garments):
    sewn = sew_all(garments, 0, indexed(garments))
    at, labels = sewn.at, garments.labels[:, 0]
    assert len(sewn.images) == len(sewn.masks) == int((at >= 0).sum()) == int(at.max()) + 1
    assert not (at >= 0)[:, 0].any()  # a garment without sleeves needs none
    assert not (at >= 0).gather(1, labels[:, None]).any()
    assert (at[labels == 1, 2] >= 0).sum() >= 3 and (at[labels == 2, 1] >= 0).sum() >= 3


def test_shortened_sleeves_lie_where_the_true_ones_do(garments):
    sewn = sew_all(garments, 0, indexed(garments))
    better = []
    for k, item in enumerate(drawn("long", 6)):
        i = 12 + k
        if sewn.at[i, 1] >= 0:
            true = counterfactual(item, {"sleeve": "short"}, SIZE).rendered.mask > 0
            mask = sewn.masks[sewn.at[i, 1], 0].numpy()
            better.append(iou(mask, true) - iou(garments.masks[i, 0].numpy(), true))
    assert len(better) >= 3 and np.mean(better) > 0.1


def test_a_batch_sews_and_cuts_and_never_asks_for_a_sleeve_that_could_lie_anywhere(garments):
    config = dataclasses.replace(PRESETS["tiny"].amgan, image_size=SIZE, batch=96, pairs=1.0, several=0.0)
    features = F.normalize(torch.randn(len(garments), 4), dim=1)
    maker = BatchMaker(garments, features, balance_weights(garments.labels), config)
    plan = maker.plan(torch.Generator().manual_seed(0))
    sleeve = plan.edited[:, 0] & plan.paired & ~plan.same
    longer = sleeve & (plan.wanted[:, 0] > plan.labels[:, 0])
    assert (plan.sewn >= 0)[longer].all() and not (plan.sewn >= 0)[~sleeve].any() and longer.any()
    shorter = sleeve & ~longer
    assert shorter.any() and not plan.backward[shorter].any() and plan.backward[longer].any()
    assert (plan.sewn >= 0)[shorter].any() and not (plan.sewn >= 0)[shorter].all()
    batch = maker.make(plan)
    assert torch.equal(batch.true > 0, plan.sewn >= 0)
    # Sewn, the garment covers more; one half of a pair is the photograph, moved as the other is.
    grown = (batch.reference_mask.sum((1, 2, 3)) > batch.source_mask.sum((1, 2, 3)))[longer]
    assert torch.equal(grown, ~plan.backward[longer])
    moved = maker.make(dataclasses.replace(plan, theta=torch.eye(2, 3).expand(96, -1, -1)))
    forward = longer & ~plan.backward
    expected = garments.images[plan.index[forward]]
    assert torch.allclose((moved.source[forward] + 1) * 127.5, expected.float(), atol=0.1)
