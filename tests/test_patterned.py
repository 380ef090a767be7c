"""The lesson in patterns: what it lays, where, and what it takes off."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from amgan.data.garments import load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.lessons.batches import BatchMaker
from amgan.lessons.patterned import (
    CHECKED,
    DOTTED,
    PITCH,
    STRIPED,
    _usual_colour,
    any_design,
    print_on_chest,
    usual_design,
)
from amgan.models.training_config import LessonsConfig
from amgan.pixels import rgb_to_lab
from amgan.schema import AttributeSchema
from amgan.testing import draw_catalogue

SIZE, COUNT = 64, 24
VALUES = {"pattern": ["striped", "plain", "floral", "polka dot", "checked"], "kind": ["tee", "shirt"]}
PLAIN, FLORAL = 1, 2


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = read_imagefolder(draw_catalogue(tmp_path_factory.mktemp("patterned"), COUNT, split=("train",)))
    return load_garments(folder, folder.records, SIZE, progress=False)


def maker(drawn, share=1.0, edits=("pattern=plain,striped,checked,polka dot",)):
    """Batches of garments that are plain, but for every fourth, which is floral."""
    schema = AttributeSchema.from_dict(VALUES).editing(edits)
    pattern = torch.where(torch.arange(len(drawn.images)) % 4 > 0, PLAIN, FLORAL)
    garments = replace(drawn, schema=schema, labels=torch.stack([pattern, torch.zeros_like(pattern)], 1))
    features = torch.nn.functional.normalize(torch.ones(len(pattern), 4), dim=1)
    lessons = LessonsConfig(pairs=1.0, patterned=share)
    return BatchMaker(garments, features, torch.ones(len(pattern), dtype=torch.float64), lessons, batch=48)


def place_of(made):
    return [type(lesson).__name__ for lesson in made.lessons].index("Patterned")


def test_plain_garments_learn_the_designs_that_can_be_asked_for(drawn):
    made = maker(drawn)
    plan = made.plan(torch.Generator().manual_seed(0))
    rows = plan.edits.lesson == place_of(made)
    plain = plan.edits.labels[:, 0] == PLAIN
    assert (plain | ~rows).all() and rows.sum() > 0.6 * plain.sum()  # the others have the lesson of no change
    assert set(plan.edits.wanted[rows, 0].tolist()) == {0, 3, 4}
    assert 0.2 < plan.backward[rows].float().mean() < 0.8
    assert (plan.wanted[rows & plan.backward, 0] == PLAIN).all()


def test_none_without_a_share_or_where_no_pattern_is_edited(drawn):
    for made in (maker(drawn, share=0.0), maker(drawn, edits=("pattern=striped,checked",))):
        plan = made.plan(torch.Generator().manual_seed(0))
        assert not (plan.edits.lesson == place_of(made)).any()


def test_a_design_lies_on_the_cloth_alone_in_a_colour_that_is_seen(drawn):
    made = maker(drawn)
    generator = torch.Generator().manual_seed(1)
    plan = made.plan(generator)
    batch = made.draw(torch.Generator().manual_seed(1))
    rows = (plan.edits.lesson == place_of(made)) & ~plan.backward
    laid = batch.source[rows], batch.reference[rows], batch.source_mask[rows]
    ground = torch.nn.functional.max_pool2d(laid[2], 5, 1, 2) == 0
    for source, reference, mask, white, value in zip(*laid, ground, plan.edits.wanted[rows, 0].tolist(), strict=True):
        assert torch.equal(source * white, reference * white)
        share = usual_design(made.data.garments.schema.attributes[0].values[value], SIZE)
        inside = torch.nn.functional.avg_pool2d(mask[None], 7, 1, 3)[0, 0] > 0.99
        changed = (rgb_to_lab(source[None]) - rgb_to_lab(reference[None]))[0].norm(dim=0)
        assert changed[inside & (share == share.max())].median() > 20
        if share.min() == 0 and (inside & (share == 0)).any():
            assert changed[inside & (share == 0)].max() < 1e-3


def test_any_design_is_asked_to_be_taken_off(drawn):
    made = maker(drawn)
    generator = torch.Generator().manual_seed(2)
    plan, batch = made.plan(generator), made.draw(torch.Generator().manual_seed(2))
    rows = (plan.edits.lesson == place_of(made)) & plan.backward
    assert torch.equal(batch.reference[rows], batch.photos[rows])
    assert ((batch.source[rows] - batch.reference[rows]).abs().amax((1, 2, 3)) > 0.05).all()
    printed = plan.edits.chosen["print"] > 0
    assert (rows & printed).any() and batch.difference[rows & printed].all()
    assert not batch.difference[rows & ~printed].any()  # off all of the cloth
    assert batch.difference[(plan.edits.lesson == place_of(made)) & ~plan.backward].all()


def test_what_is_plain_already_is_no_place_for_the_mask(drawn):
    made = maker(drawn)
    plan, batch = made.plan(torch.Generator().manual_seed(2)), made.draw(torch.Generator().manual_seed(2))
    rows = plan.edits.lesson == [type(lesson).__name__ for lesson in made.lessons].index("Identity")
    assert (plan.wanted[rows, 0] == plan.edits.labels[rows, 0]).all() and (plan.wanted[rows, 0] == PLAIN).any()
    assert torch.equal(batch.source[rows], batch.reference[rows]) and batch.difference[rows].all()


def test_a_pattern_is_dark_on_light_cloth_and_pale_on_other_however_small_the_part_of_the_picture():
    photos = torch.ones(4, 3, SIZE, SIZE)
    for photo, (cloth, share) in zip(photos, ((0.3, 0.8), (0.3, 0.1), (-0.3, 0.8), (-0.3, 0.1)), strict=True):
        photo[:, : int(SIZE * share)] = cloth
    lightness = _usual_colour(photos)[:, 0]
    assert (lightness[:2] < 30).all() and (lightness[2:] > 90).all()


@pytest.mark.parametrize("name", [STRIPED, CHECKED, DOTTED])
def test_designs_repeat_after_their_pitch(name):
    size = 400
    share = usual_design(name, size)
    assert share.min() >= 0 and share.max() <= 1 and 0.1 < share.mean() < 0.7
    down = round(PITCH[name] * size * (2 * 0.87 if name == DOTTED else 1))  # every second row of dots is moved by half
    assert (share[down:] - share[:-down]).abs().mean() < 0.06
    half = down // 2
    assert (share[half:] - share[:-half]).abs().mean() > 0.15


def test_other_designs_differ_and_stay_within_bounds():
    designs = [f(48, torch.Generator().manual_seed(n)) for f in (any_design, print_on_chest) for n in range(40)]
    assert all(d.shape == (48, 48) and d.min() >= 0 and d.max() <= 1 and d.std() > 0.01 for d in designs)
    assert torch.equal(designs[3], any_design(48, torch.Generator().manual_seed(3)))


def test_prints_on_the_chest_are_there_and_nowhere_else():
    for seed in range(20):
        share = print_on_chest(100, torch.Generator().manual_seed(seed))
        assert share[:, :34].max() == 0 and share[:, 66:].max() == 0 and share[:24].max() == 0 and share[66:].max() == 0
        assert share.max() > 0.4


def test_critics_are_shown_the_design_itself(drawn):
    made = maker(drawn)
    made.real = True
    plan, batch = made.plan(torch.Generator().manual_seed(3)), made.draw(torch.Generator().manual_seed(3))
    rows = plan.edits.lesson == place_of(made)
    assert torch.equal(batch.real.pictures[rows], batch.reference[rows])
    assert torch.equal(batch.real.labels[rows], batch.wanted[rows])
