"""The renderer: the same garment from the same seed, edits that change one thing, folders that can be completed."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from amgan.attributes import NEVER_ASKED
from amgan.data.garments import load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.errors import UserError
from amgan.synth import LEFT_OUT, SCHEMA, counterfactual, draw_item, possible_edits, render, true_region
from amgan.synth.body import Body
from amgan.synth.folder import SynthFolder, read_synth, write_synth
from amgan.synth.render import Item
from amgan.synth.values import BARE, COLOURS, edited_labels

SHIRT = {"collar": "shirt", "color": "blue", "fastening": "button", "pattern": "plain", "sleeve": "long"}


def test_values_are_shopping100ks_and_none_is_forgotten():
    counts = {n: len(SCHEMA.values(n)) + len(LEFT_OUT.get(n, {})) for n in SCHEMA.names}
    assert counts == {"collar": 17, "color": 19, "fastening": 10, "pattern": 16, "sleeve": 9}
    for name, values in LEFT_OUT.items():
        assert not set(values) & set(SCHEMA.values(name)) and all(values.values())
    assert set(SCHEMA.values("color")) == {*COLOURS, "multi"}


@pytest.mark.parametrize("seed", range(6))
def test_a_seed_always_gives_the_same_garment(seed):
    item = draw_item(seed)
    assert item == draw_item(seed)
    first, again = (render(seed, item.labels, 64) for _ in range(2))
    assert np.array_equal(first.image, again.image) and np.array_equal(first.mask, again.mask)
    assert not np.array_equal(first.image, render(seed + 1, draw_item(seed + 1).labels, 64).image)


def test_pixels_are_those_that_were_published():
    """Block means of a few seeds, which no machine may change; a new look needs a new RENDERER_VERSION."""
    with open("tests/data/synth_v2.json", encoding="utf-8") as file:
        published = json.load(file)
    for seed, means in published.items():
        image = render(int(seed), draw_item(int(seed)).labels, 64).image
        blocks = image.reshape(8, 8, 8, 8, 3).mean((1, 3, 4))
        assert np.abs(blocks - np.array(means)).max() < 0.5, seed


@pytest.mark.parametrize("name", SCHEMA.names)
def test_every_value_can_be_drawn_and_shows(name):
    seen = []
    for value in SCHEMA.values(name):
        labels = {**SHIRT, name: value}
        if value in BARE:
            del labels["collar"]
        picture = render(3, labels, 128)
        assert picture.mask.any() and picture.image.shape == (128, 128, 3)
        seen.append(picture.image.astype(int))
    for i, a in enumerate(seen):
        for b in seen[:i]:  # told apart by more than noise
            assert (np.abs(a - b).max(2) > 20).sum() > 12


def test_sleeves_grow_with_their_value():
    order = ["sleeveless", "extra short", "short", "elbow", "3/4", "long", "extra long"]
    areas = [(render(5, {**SHIRT, "sleeve": s}, 128).mask > 0).sum() for s in order]
    assert areas == sorted(areas)


def test_masks_and_parts_agree_with_the_picture():
    picture = render(11, {**SHIRT, "color": "black"}, 128)
    dark = picture.image.max(2) < 120
    garment = picture.mask > 0
    assert (dark & ~garment).sum() < 0.02 * garment.sum()  # nothing of the garment lies outside its mask
    parts = np.stack([p > 0 for p in picture.parts.values()])
    assert parts.sum(0).max() == 1 and (parts.any(0) == garment).all()
    assert {"torso", "sleeves", "collar", "fastening"} <= set(picture.parts)


@pytest.mark.parametrize("seed", range(12))
def test_an_edit_changes_its_own_region_alone(seed):
    item = draw_item(seed)
    before = render(seed, item.labels, 96)
    for name, values in possible_edits(item).items():
        truth = counterfactual(item, {name: values[seed % len(values)]}, 96)
        assert truth.item.labels[name] == values[seed % len(values)]
        assert np.array_equal(truth.region, true_region(before, truth.rendered))
        if name == "color":
            garment = before.mask > 0
            # Buttons, zips and belts keep their own colour, and one colour of a print may be the new one.
            assert np.array_equal(before.mask, truth.rendered.mask)
            assert (truth.region > 0)[~garment].sum() == 0
        if name == "fastening":
            outside = np.ones((96, 96), bool)
            outside[truth.region > 0] = False
            assert outside.mean() > 0.6  # sleeves and shoulders are not touched


def test_a_colour_edit_keeps_the_folds():
    red, green = (render(4, {**SHIRT, "color": c}, 128) for c in ("red", "green"))
    inside = red.mask > 0
    a, b = (x.image.astype(float).mean(2)[inside] for x in (red, green))
    assert np.corrcoef(a, b)[0, 1] > 0.6


def test_the_garment_is_the_same_at_every_size():
    small, large = render(4, SHIRT, 64), render(4, SHIRT, 512)
    shrunk = np.asarray(Image.fromarray(large.image).resize((64, 64), Image.Resampling.BOX)).astype(float)
    assert np.abs(shrunk - small.image).mean() < 6
    mask = np.asarray(Image.fromarray(large.mask).resize((64, 64), Image.Resampling.BOX)) > 127
    assert (mask ^ (small.mask > 0)).mean() < 0.02


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({**SHIRT, "sleeve": "strapless"}, "shows no collar"),
        ({k: v for k, v in SHIRT.items() if k != "pattern"}, "pattern is missing"),
        ({**SHIRT, "color": "mauve"}, "Unknown color"),
        ({**SHIRT, "fastening": "front", "pattern": "photo"}, "leaves no chest"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(labels, words):
    with pytest.raises(UserError, match=words):
        render(0, labels, 64)


@pytest.mark.parametrize("size", [16, 2000])
def test_sizes_out_of_range_are_refused(size):
    with pytest.raises(UserError, match="32 to 1024"):
        render(0, SHIRT, size)


def test_every_possible_edit_can_be_drawn():
    for seed in range(200):
        item = draw_item(seed)
        for name, values in possible_edits(item).items():
            assert item.labels.get(name) not in values
            for value in values:
                assert edited_labels(item.labels, {name: value})[name] == value


def folder_of(tmp_path, workers, **settings):
    wanted = SynthFolder(**{"count": 20, "seed": 7, "size": 32, "counterfactuals": 1, **settings})
    for _ in write_synth(tmp_path, wanted, workers):
        pass
    return tmp_path


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.thorough
def test_a_folder_is_the_same_whatever_the_number_of_workers_and_interruptions(tmp_path):
    one = contents(folder_of(tmp_path / "one", 1))
    assert one == contents(folder_of(tmp_path / "two", 2))
    broken = folder_of(tmp_path / "broken", 1)
    for path in [*sorted(broken.rglob("*.png"))[::3], broken / "metadata.csv"]:
        path.unlink()
    assert one == contents(folder_of(tmp_path / "broken", 1))


@pytest.mark.thorough
def test_a_folder_reads_as_garments_with_true_edits(tmp_path):
    data = read_imagefolder(folder_of(tmp_path, 1, size=64))
    assert data.schema == SCHEMA
    garments = load_garments(data, data.records, 64, progress=False)
    truths = garments.truths
    assert len(garments) == 20 and truths is not None and len(truths) == 20
    changed = garments.labels[truths.of] != truths.labels
    assert changed.gather(1, truths.attribute[:, None]).all()
    assert len(garments.with_truths()) == 40
    # The torso of a garment and of its true edit lie upon each other: most pixels agree.
    same = (garments.images[truths.of].int() - truths.images.int()).abs().amax(1) < 12
    assert same.float().mean() > 0.7


def test_a_folder_of_another_kind_or_version_is_refused(tmp_path):
    folder_of(tmp_path / "a", 1, count=2)
    with pytest.raises(UserError, match="holds other garments"):
        folder_of(tmp_path / "a", 1, count=3)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "photo.jpg").write_bytes(b"x")
    with pytest.raises(UserError, match="not empty"):
        folder_of(tmp_path / "b", 1)
    settings = json.loads((tmp_path / "a" / "synth.json").read_text())
    (tmp_path / "a" / "synth.json").write_text(json.dumps({**settings, "renderer": 0}))
    with pytest.raises(UserError, match="version 0 of the renderer"):
        read_synth(tmp_path / "a")
    with pytest.raises(UserError, match="Unknown split"):
        SynthFolder(3, split="half")


def test_a_garment_has_no_more_true_edits_than_it_can():
    for item in map(draw_item, range(5)):
        edits = SynthFolder(1, counterfactuals=1000).edits(item)
        possible = {(n, v) for n, values in possible_edits(item).items() for v in values}
        assert set(edits) == {e for e in possible if e[1] not in NEVER_ASKED} and len(edits) == len(set(edits))


@pytest.mark.thorough
def test_the_command(tmp_path):
    command = [sys.executable, "-m", "amgan.cli", "synth", "--count", "6", "--size", "48", "--split", "test"]
    done = subprocess.run([*command, "--out", str(tmp_path / "x")], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "x" / "metadata.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["seed"] for r in rows] == [str(i) for i in range(6)] and {r["split"] for r in rows} == {"test"}
    refused = subprocess.run([*command, "--count", "0", "--out", str(tmp_path / "y")], capture_output=True, text=True)
    assert refused.returncode == 2 and "1 or more" in refused.stderr and "Traceback" not in refused.stderr


def test_usual_details_are_alike_for_all_and_leave_the_rest_of_the_garment_alone():
    plain = [i for i in map(draw_item, range(120)) if i.labels["pattern"] == "plain" and i.labels["sleeve"] == "short"]
    first, second = plain[:2]
    for item in (first, second):
        own, usual = (counterfactual(item, {"pattern": "striped"}, 96, usual=u).rendered for u in (False, True))
        assert np.array_equal(own.mask, usual.mask) and not np.array_equal(own.image, usual.image)
    # What the picture tells stays the garment's own: a colour's name, and a long sleeve that is there.
    for edit in ({"color": "red"}, {"sleeve": "sleeveless"}):
        long = Item(first.seed, {**first.labels, "sleeve": "long"})
        own, usual = (counterfactual(long, edit, 96, usual=u).rendered for u in (False, True))
        assert np.array_equal(own.image, usual.image)
    # Where nothing shows the arms, two garments of one pose hold them alike, within the frame.
    bodies = [Body.draw(seed) for seed in range(60)]
    for pose in ("flat", "hanging", "ghost"):
        arms = [b.with_usual_arms(seen=False).arms[0] for b in bodies if b.pose == pose]
        assert len({a.length for a in arms}) == 1
        assert np.ptp([a.upper for a in arms]) < np.ptp([b.arms[0].upper for b in bodies if b.pose == pose])
    assert all(np.abs(b.with_usual_arms(False).arms[0].sleeve(1.0)[:, 0]).max() * b.scale < 0.48 for b in bodies)


@pytest.mark.thorough
def test_a_folder_of_usual_edits(tmp_path):
    made = {}
    for usual in (False, True):
        folder = tmp_path / str(usual)
        for _ in write_synth(folder, SynthFolder(12, 3, 48, 1, usual), 1):
            pass
        made[usual] = {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*.png"))}
    assert made[False].keys() == made[True].keys()
    differs = {str(k.parent) for k in made[False] if made[False][k] != made[True][k]}
    assert differs == {"counterfactuals"}
