"""The lesson in taking patterns off real garments: the rule that fills them, and which rows learn from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from amgan.data.garments import load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.lessons.batches import BatchMaker
from amgan.lessons.colour import lab_statistics, recolour
from amgan.lessons.patterned import CHECKED, DOTTED, STRIPED, usual_design
from amgan.lessons.plain_cloth import without_pattern
from amgan.lessons.taken_off import TakenOff
from amgan.models.training_config import LessonsConfig
from amgan.pixels import to_float, to_hwc, to_uint8
from amgan.schema import AttributeSchema
from amgan.testing import draw_catalogue

SIZE, COUNT = 64, 24
PLAIN, FLORAL = 0, 2
PRINT = 5
VALUES = {"pattern": ["plain", "striped", "floral", "polka dot", "checked", "print"], "kind": ["tee", "shirt"]}
OTHER = torch.tensor([[60.0, 55.0, 35.0, 0.0, 0.0, 0.0]])  # Lab of the patterns, red


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Garments of plain cloth with folds, none of them red."""
    folder = read_imagefolder(draw_catalogue(tmp_path_factory.mktemp("plain"), COUNT, split=("train",)))
    garments = load_garments(folder, folder.records, SIZE, progress=False)
    cloth = torch.tensor([[60, 90, 150], [40, 120, 70], [200, 200, 190], [50, 50, 55]]).repeat(COUNT // 4, 1)
    folds = 8 * torch.sin(torch.arange(SIZE) / 3)
    pictures = (cloth[:, :, None, None] + folds).expand(-1, -1, SIZE, -1)
    return replace(garments, images=torch.where(garments.masks, pictures, 255).to(torch.uint8))


def patterned(photo, mask, design):
    """A garment (3, S, S) uint8 with a pattern on it."""
    x, m = to_float(photo[None]), mask[None].float()
    dyed = recolour(x, m, lab_statistics(x, m), OTHER)
    return to_uint8(x + design * (dyed - x))[0]


@pytest.mark.parametrize("name", [STRIPED, CHECKED, DOTTED])
def test_the_rule_makes_one_cloth_of_it_that_which_was_there_where_most_of_it_is(plain, name):
    design, nearer, evener = usual_design(name, SIZE), 0, 0
    for photo, mask in zip(plain.images[:12], plain.masks[:12], strict=True):
        with_pattern, cloth = patterned(photo, mask, design), mask[0].numpy()
        before = to_hwc(photo).astype(float)
        taken_off, ground = without_pattern(to_hwc(with_pattern), cloth)
        assert np.array_equal(taken_off[~cloth], to_hwc(with_pattern)[~cloth])
        assert 0.2 < ground < 0.95
        distance = [abs(picture[cloth] - before[cloth]).mean() for picture in (to_hwc(with_pattern), taken_off)]
        nearer += distance[1] < 0.5 * distance[0]
        evener += taken_off[cloth].std(0).mean() < 0.5 * to_hwc(with_pattern)[cloth].std(0).mean()
    assert evener >= 10
    assert nearer >= 9 or name == CHECKED  # most of a check is of neither thread's colour, but between


def test_what_is_plain_stays_nearly_as_it_is(plain):
    for photo, mask in zip(plain.images[:4], plain.masks[:4], strict=True):
        taken_off, ground = without_pattern(to_hwc(photo), mask[0].numpy())
        assert ground > 0.95 and abs(taken_off.astype(int) - to_hwc(photo)).mean() < 1


def test_no_garment_is_no_error():
    photo = np.full((16, 16, 3), 255, np.uint8)
    taken_off, ground = without_pattern(photo, np.zeros((16, 16), bool))
    assert np.array_equal(taken_off, photo) and ground == 1


def maker(plain, share=1.0, spoilt=(), called=FLORAL):
    """Batches of garments every fourth of which has stripes, and is called so."""
    schema = AttributeSchema.from_dict(VALUES).editing(("pattern=plain,striped,checked,polka dot",))
    pattern = torch.where(torch.arange(len(plain.images)) % 4 > 0, PLAIN, called)
    images = plain.images.clone()
    for n in (pattern == called).nonzero()[:, 0].tolist():
        images[n] = patterned(images[n], plain.masks[n], usual_design(STRIPED, SIZE) * (n not in spoilt))
    labels = torch.stack([pattern, torch.zeros_like(pattern)], 1)
    garments = replace(plain, schema=schema, images=images, labels=labels)
    features = torch.nn.functional.normalize(torch.ones(len(pattern), 4), dim=1)
    lessons = LessonsConfig(pairs=1.0, patterned=share)
    return BatchMaker(garments, features, torch.ones(len(pattern), dtype=torch.float64), lessons, batch=64)


def lesson_of(made):
    return next((place, lesson) for place, lesson in enumerate(made.lessons) if isinstance(lesson, TakenOff))


def test_patterned_garments_learn_to_be_plain_and_there_is_no_way_back(plain):
    made = maker(plain)
    place, _ = lesson_of(made)
    plan, batch = made.plan(torch.Generator().manual_seed(0)), made.draw(torch.Generator().manual_seed(0))
    rows = plan.edits.lesson == place
    assert rows.sum() >= 4
    assert (plan.edits.labels[rows, 0] == FLORAL).all() and (batch.wanted[rows, 0] == PLAIN).all()
    assert batch.edited[rows].tolist() == [[True, False]] * int(rows.sum())
    assert not plan.backward[rows].any() and not plan.cycled[rows].any()
    assert torch.equal(batch.source[rows], batch.photos[rows])
    assert ((batch.source[rows] - batch.reference[rows]).abs().amax((1, 2, 3)) > 0.1).all()
    assert torch.equal(batch.source_mask[rows], batch.reference_mask[rows])
    assert not batch.difference[rows].any()  # off all of the cloth


def test_prints_are_taken_off_where_they_are(plain):
    made = maker(plain, called=PRINT)
    place, _ = lesson_of(made)
    plan, batch = made.plan(torch.Generator().manual_seed(0)), made.draw(torch.Generator().manual_seed(0))
    rows = plan.edits.lesson == place
    assert rows.any() and (plan.edits.labels[rows, 0] == PRINT).all() and batch.difference[rows].all()


def test_none_where_nothing_is_asked_for_or_no_pattern_is_found(plain):
    _, lesson = lesson_of(maker(plain, share=0.0))
    assert (lesson.at < 0).all() and not len(lesson.images)
    _, lesson = lesson_of(maker(plain, spoilt=(0, 8)))
    assert (lesson.at[[0, 8]] < 0).all() and (lesson.at[[4, 12, 16, 20]] >= 0).sum() >= 3


def test_garments_with_true_edits_may_be_replaced(plain):
    made = maker(plain)
    _, lesson = lesson_of(made)
    own = len(plain.images) - 8
    descriptors = replace(made.data.descriptors, own=own)
    renewed = made.renewed(made.data.garments, descriptors, made.weights)
    _, other = lesson_of(renewed)
    assert torch.equal(other.at[:own], lesson.at[:own]) and (other.at[own:] < 0).all()
