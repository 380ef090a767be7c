"""Sleeves sewn onto garments, against the renderer, which knows what the same garment looks like with longer ones."""

import numpy as np
import pytest
import torch

from amgan.data.garments import Garments
from amgan.lessons.armholes import fit_sleeves
from amgan.lessons.descriptors import Descriptors
from amgan.lessons.sewing import sew, sleeve_lengths
from amgan.lessons.sewn_garments import sew_all
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


def described(garments):
    return Descriptors.of(garments, torch.zeros(len(garments), 4))


def test_which_sleeves_are_sewn_on(garments):
    sewn = sew_all(garments, 0, described(garments))
    at, labels = sewn.at, garments.labels[:, 0]
    assert len(sewn.images) == len(sewn.masks) == int((at >= 0).sum()) == int(at.max()) + 1
    # Short sleeves are cut off along the garment's own armholes; long ones are another lesson's.
    assert (at[labels == 1, 0] >= 0).sum() >= 3 and not (at >= 0)[labels != 1, 0].any()
    assert not (at >= 0).gather(1, labels[:, None]).any()
    assert (at[labels == 1, 2] >= 0).sum() >= 3 and (at[labels == 2, 1] >= 0).sum() >= 3


def test_shortened_sleeves_lie_where_the_true_ones_do(garments):
    sewn = sew_all(garments, 0, described(garments))
    better = []
    for k, item in enumerate(drawn("long", 6)):
        i = 12 + k
        if sewn.at[i, 1] >= 0:
            true = counterfactual(item, {"sleeve": "short"}, SIZE).rendered.mask > 0
            mask = sewn.masks[sewn.at[i, 1], 0].numpy()
            better.append(iou(mask, true) - iou(garments.masks[i, 0].numpy(), true))
    assert len(better) >= 3 and np.mean(better) > 0.1
