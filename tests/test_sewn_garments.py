"""Sewn garments are kept on disk by content: made once, made again when what they depend on changes."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import amgan.lessons.sewn_garments as module
from amgan.cache import Cache
from amgan.data.garments import Garments
from amgan.lessons import armholes, cloth, cut, real_sleeves, sewing
from amgan.lessons.descriptors import Descriptors
from amgan.lessons.sewing import VERSION, bare
from amgan.lessons.sewn_garments import STRAPS, Task, sew_all, sew_onto_bare
from amgan.pixels import to_hwc
from amgan.testing import SCHEMA
from tests import golden_sewn
from tests.golden_sewn import LENGTHS, SIZE, shirt


@pytest.fixture
def garments() -> Garments:
    """Two shirts for each sleeve, and one that no sleeve fits."""
    sleeves = [s for s in LENGTHS for _ in range(2)]
    shirts = [shirt(s, (190 - 20 * i, 40 + 20 * i, 60)) for i, s in enumerate(sleeves)]
    shirts.append((shirts[0][0], torch.ones(1, SIZE, SIZE, dtype=torch.bool)))
    images, masks = (torch.stack(t) for t in zip(*shirts, strict=True))
    labels = torch.from_numpy(np.stack([SCHEMA.encode({"sleeve": s, "color": "red"}) for s in [*sleeves, "short"]]))
    return Garments(SCHEMA, images, masks, labels, tuple(map(str, range(len(images)))))


@pytest.fixture
def tasks_sewn(monkeypatch) -> list[Task]:
    """What is really sewn, in place of being read."""
    tasks: list[Task] = []
    sew = module.sew_one
    monkeypatch.setattr(module, "sew_one", lambda task: (tasks.append(task), sew(task))[1])
    return tasks


def sewn(garments: Garments, cache: Cache):
    return sew_all(garments, 0, Descriptors.of(garments, torch.zeros(len(garments), 1)), cache)


def same(a, b) -> bool:
    return all(torch.equal(getattr(a, n), getattr(b, n)) for n in ("images", "masks", "at"))


def test_a_later_start_reads_all_and_sews_nothing(garments, tasks_sewn, tmp_path):
    first = sewn(garments, Cache(tmp_path))
    # 2 sleeveless with short and long, 3 short with long and without, 2 long with short; nothing fits the last.
    assert len(tasks_sewn) == 12 and len(first.images) == 10 and (first.at[6] == -1).all()
    tasks_sewn.clear()
    assert same(sewn(garments, Cache(tmp_path)), first) and not tasks_sewn
    # Without a folder all is made again, and is the same.
    assert same(sewn(garments, Cache(None)), first) and len(tasks_sewn) == 12


def test_what_changed_is_sewn_again_and_nothing_else(garments, tasks_sewn, tmp_path, monkeypatch):
    sewn(garments, Cache(tmp_path))

    def again(changed: Garments) -> int:
        tasks_sewn.clear()
        found = sewn(changed, Cache(tmp_path))
        count = len(tasks_sewn)
        assert same(found, sewn(changed, Cache(None)))
        return count

    images = garments.images.clone()
    images[0, :, 50, 48] = 7
    assert again(replace(garments, images=images)) == 2
    masks = garments.masks.clone()
    masks[4, 0, 60, 40] = False
    assert again(replace(garments, masks=masks)) == 1  # after the sleeves of the other long one all are made
    masks = garments.masks.clone()
    masks[4:6, 0, :, :24] = False
    # Both long shirts: their own, and the five that take after their sleeves.
    assert again(replace(garments, masks=masks)) == 7
    # Both short shirts have another outline: their own sleeves are sewn or cut anew, those that are cut along them,
    # and those that take after them.
    masks = garments.masks.clone()
    masks[2:4, 0, 80:] = False
    assert again(replace(garments, masks=masks)) == 8
    order = torch.tensor([6, 5, 4, 3, 2, 1, 0])
    turned = {n: getattr(garments, n)[order] for n in ("images", "masks", "labels")}
    assert again(replace(garments, **turned)) == 0
    # As if it were sleeveless: its own two, and the four short ones that were made after its sleeves.
    labels = garments.labels.clone()
    labels[2, 0] = 0
    assert again(replace(garments, labels=labels)) == 6
    monkeypatch.setattr(module, "VERSION", VERSION + 1)
    assert again(garments) == 12


def test_short_sleeves_come_off_along_armholes_of_many_widths_and_new_ones_are_sewn_on(garments, tasks_sewn, tmp_path):
    described, cache = Descriptors.of(garments, torch.zeros(len(garments), 1)), Cache(tmp_path)
    without, onto = sew_onto_bare(garments, 0, described, cache)
    assert len(tasks_sewn) == 3 + 2 * 2  # three short ones, of which the last has no shoulders, and two lengths
    straps = {task.strap for task in tasks_sewn if task.sleeve == "sleeveless"}
    assert len(straps) == 3 and all(STRAPS[0] <= strap < STRAPS[1] for strap in straps)
    assert (without.at >= 0).sum(1).tolist() == [0, 0, 1, 1, 0, 0, 0]
    assert (onto.at >= 0).sum(1).tolist() == [0, 0, 2, 2, 0, 0, 0]
    area = lambda masks: masks.flatten(1).sum(1)  # noqa: E731
    assert (area(without.masks) < area(garments.masks[2:4])).all()
    assert (area(onto.masks)[onto.at[2:4, 1:]] > area(without.masks)[:, None]).all()
    tasks_sewn.clear()
    again = sew_onto_bare(garments, 0, described, cache)
    assert same(again[0], without) and same(again[1], onto) and not tasks_sewn
    # Wider straps leave more of the shoulder.
    shoulders = [bare(to_hwc(garments.images[2]), garments.masks[2, 0].numpy(), s)[1].sum() for s in (0.6, 0.75, 0.95)]
    assert shoulders == sorted(shoulders) and shoulders[0] < shoulders[-1]


def test_a_damaged_entry_is_sewn_again(garments, tasks_sewn, tmp_path):
    first = sewn(garments, Cache(tmp_path))
    paths = sorted(tmp_path.rglob("*.safetensors"))
    assert len(paths) == 12
    paths[0].write_bytes(b"")
    paths[1].write_bytes(paths[1].read_bytes()[:-1])
    tasks_sewn.clear()
    assert same(sewn(garments, Cache(tmp_path)), first) and len(tasks_sewn) == 2


def test_processes_that_start_together_share_the_work(garments, tmp_path, monkeypatch):
    """The order is drawn anew in each, so while one sews a garment the other mostly sews another."""
    orders = []
    for _ in range(4):
        order: list[bytes] = []
        monkeypatch.setattr(
            module, "sew_one", lambda task, to=order: to.append(task.image.numpy().tobytes() + task.sleeve.encode())
        )
        sewn(garments, Cache(None))
        orders.append(tuple(order))
    assert len(set(orders)) > 1 and len({tuple(sorted(o)) for o in orders}) == 1


@pytest.fixture(scope="module")
def golden():
    stored = json.loads(golden_sewn.FILE.read_text(encoding="utf-8"))
    if stored["version"] != VERSION:
        pytest.fail(f"No golden sleeves of version {VERSION}: run python -m {golden_sewn.__name__}")
    return stored["block_means"]


def differ(golden: dict) -> list[str]:
    now = golden_sewn.block_means()
    assert now.keys() == golden.keys()
    allowed, different = golden_sewn.TOLERANCE, []
    for name, means in now.items():
        picture, mask = (np.abs(np.array(means[part]) - np.array(golden[name][part])) for part in ("picture", "mask"))
        # A row of pixels that is in the mask or out of it is cloth, or white.
        if (mask > allowed["mask"]).any() or (picture > allowed["picture"] + 255 * mask).any():
            different.append(name)
    return different


def test_sleeves_are_sewn_as_ever_or_the_version_says_otherwise(golden):
    assert not differ(golden), "Count up amgan.lessons.sewing.VERSION, then run python -m tests.golden_sewn"


@pytest.mark.parametrize(
    ("where", "name", "value", "expected"),
    [
        (sewing, "STRAP", 0.8, ["bare"]),
        (sewing, "SOFT", 2.0, ["grown", "begun", "cut", "like a real one"]),
        (armholes, "BARE_ANGLE", (31.0, 20.0), ["grown", "like a real one"]),
        (armholes, "SHORT_HEM", ((0.2, 0.1), (0.1, 0.0)), ["begun", "cut"]),
        (real_sleeves, "END", 1.2, ["grown", "begun", "cut", "like a real one"]),
        (cloth, "GRAIN", 0.9, ["grown", "begun", "cut", "like a real one"]),
        (cut, "SLEEVE_BAND", 0.3, ["cut", "in place"]),
        (cut, "HEM", 0.3, ["in place"]),
    ],
)
def test_the_golden_sleeves_notice_a_change(golden, monkeypatch, where, name, value, expected):
    monkeypatch.setattr(where, name, value)
    assert differ(golden) == expected
