"""True edits: read, drawn into batches, carried to another schema, and a head start from weights of another schema."""

import csv
from dataclasses import replace

import pytest
import torch

from amgan.config import changed
from amgan.data.garments import load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.data.truths import read_truths
from amgan.errors import UserError
from amgan.lessons.batches import BatchMaker
from amgan.models.amgan.attention import true_target
from amgan.models.amgan.generator import Generator
from amgan.models.amgan.method import Amgan
from amgan.models.classifier import AttributeClassifier
from amgan.models.interface import make_condition
from amgan.schema import UNKNOWN, AttributeSchema
from amgan.synth.folder import SynthFolder, write_synth
from amgan.testing import draw_catalogue
from amgan.training.command import TrainOptions, train_command
from amgan.training.presets import PRESETS
from amgan.weights import load_generator
from amgan.weights.transfer import shared_planes, shared_values, transfer_classifier, transfer_generator

SMALLER = AttributeSchema.from_dict({"sleeve": ["sleeveless", "short", "long"], "color": ["red", "blue", "mauve"]})
CONFIG = changed(PRESETS["tiny"].amgan, batch=64, pairs=1.0, several=0.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("synth") / "data"
    for _ in write_synth(path, SynthFolder(32, 40, 32, 2), 1):
        pass
    return path


@pytest.fixture(scope="module")
def garments(folder):
    data = read_imagefolder(folder)
    return load_garments(data, data.records, 32, progress=False)


def drawn(garments, config=CONFIG, own=None, seed=0):
    features = torch.nn.functional.normalize(torch.randn(len(garments), 8, generator=torch.Generator().manual_seed(1)))
    weights = torch.full((len(garments),), 1 / len(garments), dtype=torch.float64)
    maker = BatchMaker(garments, features, weights, config.lessons, config.optimisation.batch, own)
    return maker.draw(torch.Generator().manual_seed(seed))


def test_pairs_are_the_true_edits(garments):
    batch = drawn(garments)
    assert batch.difference.all() and batch.aligned.all() and not len(batch.cycle_rows)
    assert not len(batch.guessed_rows)
    color = garments.schema.index("color")
    two = batch.edited.sum(1) == 2
    assert (batch.edited.sum(1) <= 2).all() and batch.edited[two, color].all() and two.any()
    forth = (batch.wanted != batch.labels).any(1)
    assert forth.any() and not forth.all()  # some go back, or ask for what is there
    target = true_target(batch.source, batch.reference)
    inside = (batch.source - batch.reference).abs().amax(1, keepdim=True) > 0.08
    assert (target[inside] == 1).all() and target.mean() < 0.6


def test_only_what_can_be_edited_is_taught(garments):
    fewer = replace(garments, schema=garments.schema.editing(["sleeve", "color"]))
    batch = drawn(fewer)
    others = [i for i, a in enumerate(fewer.schema.attributes) if not a.editable]
    assert not batch.edited[:, others].any() and batch.edited.any(1).float().mean() > 0.8
    kept = fewer.with_schema(fewer.schema)
    assert {fewer.schema.names[int(i)] for i in kept.truths.attribute.unique()} <= {"sleeve", "color"}
    assert torch.equal(
        drawn(garments).source, drawn(replace(garments, schema=garments.schema.editing(garments.schema.names))).source
    )


def test_a_true_edit_lies_where_its_garment_lies(garments):
    truths = garments.truths
    kept = (garments.labels[truths.of] == truths.labels).sum(1)
    assert (kept >= garments.schema.n_attributes - 2).all()  # bare shoulders lose their collar too
    same = (garments.images[truths.of].int() - truths.images.int()).abs().amax(1) < 12
    assert same.float().mean() > 0.6


def test_what_is_wrong_with_a_list_of_true_edits_is_said(folder, tmp_path):
    with (folder / "counterfactuals.csv").open() as file:
        rows = list(csv.DictReader(file))
    data = read_imagefolder(folder)
    for change, words in (
        ({"of": "images/none.png"}, "not among the garments"),
        ({"attribute": "hem"}, "Unknown attribute"),
        ({"attribute": ""}, "attribute is missing"),
        ({"file_name": "../x.png"}, "leaves the folder"),
        ({"attribute": "sleeve", "sleeve": ""}, "its cell is empty"),
    ):
        path = tmp_path / "counterfactuals.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerow({**rows[0], **change})
        with pytest.raises(UserError, match=words):
            read_truths(replace(data, root=tmp_path))


def test_what_has_no_weight_is_not_computed(garments):
    torch.manual_seed(0)
    teacher = AttributeClassifier(garments.schema, "small-4", 32)
    config = changed(CONFIG, adv=0.0, cls=0.0, percep=0.0, batch=8)
    model = Amgan(garments.schema, config, teacher, torch.device("cpu"))
    assert model.critics is None and not model.critic_networks() and not model.critic_steps
    calls = []
    model.teacher.backbone.register_forward_hook(lambda *_: calls.append(1))
    batch = drawn(garments, config)
    _, losses = model.generator_loss(batch, model.forward(batch))
    assert not calls and {"G/att", "G/pair"} <= set(losses)


def test_another_schema_takes_the_edits_that_it_knows(garments):
    fewer = garments.with_schema(SMALLER)
    assert fewer.schema == SMALLER and 0 < len(fewer.truths) < len(garments.truths)
    sleeves = garments.schema.values("sleeve")
    for i, name in enumerate(fewer.item_ids):
        old = garments.labels[garments.item_ids.index(name)][garments.schema.index("sleeve")]
        new = int(fewer.labels[i, 0])
        expected = sleeves[old] if sleeves[old] in SMALLER.values("sleeve") else None
        assert (SMALLER.values("sleeve")[new] if new != UNKNOWN else None) == expected
    edited = fewer.truths.labels.gather(1, fewer.truths.attribute[:, None])
    assert (edited >= 0).all()
    with pytest.raises(UserError, match="need true edits"):
        replace(garments, truths=None).with_schema(SMALLER)
    with pytest.raises(UserError, match="within"):
        garments.with_schema(AttributeSchema.from_dict({"color": ["mauve", "teal"]}))


def test_joined_garments_keep_their_edits_apart(garments, tmp_path):
    fewer = garments.with_schema(SMALLER)
    own = replace(fewer, truths=None)
    both = own.joined(fewer)
    assert len(both) == 2 * len(fewer) and (both.truths.of >= len(own)).all()
    assert torch.equal(both.images[both.truths.of], fewer.images[fewer.truths.of])
    batch = drawn(both, changed(CONFIG, pairs=0.7), own=len(own))
    assert batch.difference.any() and not batch.difference.all()


def test_a_head_start_maps_values_by_name():
    torch.manual_seed(0)
    old = AttributeSchema.from_dict({"color": ["blue", "green", "red"], "sleeve": ["long", "3/4", "short"]})
    assert (0, 5) not in shared_values(SMALLER, old)
    names = [(a.name, v) for a in SMALLER.attributes for v in a.values]
    theirs = [(a.name, v) for a in old.attributes for v in a.values]
    assert {(names[i], theirs[j]) for i, j in shared_values(SMALLER, old)} == {
        (n, n) for n in (("sleeve", "long"), ("sleeve", "short"), ("color", "red"), ("color", "blue"))
    }
    assert {(6, 7), (7, 6)} <= set(shared_planes(SMALLER, old))  # sleeve is 0 here and 1 there, colour the other way
    rich = changed(CONFIG, skips=True, context=True, inner_stride=2)
    coded = changed(rich, code=3)
    for config, later in ((CONFIG, CONFIG), (rich, rich), (rich, coded), (coded, coded)):
        first = Generator.from_config(old, config.generator).eval()
        second = Generator.from_config(SMALLER, later.generator).eval()
        if first.prior is not None:  # as if it had learnt something
            torch.nn.init.normal_(first.prior.weight)
        assert transfer_generator(second, first) == len(first.state_dict())
        x = torch.rand(2, 3, 32, 32) * 2 - 1
        edits = []
        for schema, network in ((old, first), (SMALLER, second)):
            wanted = torch.from_numpy(schema.encode({"color": "red", "sleeve": "short"})).expand(2, -1)
            edits.append(network(x, make_condition(schema, wanted, torch.ones(2, 2, dtype=torch.bool))).image)
        assert torch.allclose(*edits, atol=1e-5)


def test_a_classifiers_head_maps_values_by_name():
    torch.manual_seed(0)
    old = AttributeSchema.from_dict({"color": ["blue", "green", "red"], "sleeve": ["long", "3/4", "short"]})
    first, second = AttributeClassifier(old, "small-4", 32).eval(), AttributeClassifier(SMALLER, "small-4", 32).eval()
    assert transfer_classifier(second, first) == len(second.state_dict())
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    a, b = first(x), second(x)
    for mine, theirs in shared_values(SMALLER, old):
        assert torch.allclose(a[:, theirs], b[:, mine], atol=1e-5)


@pytest.mark.thorough
def test_training_goes_on_from_other_weights_and_with_extra_garments(folder, tmp_path):
    schema = AttributeSchema.from_dict(
        {"sleeve": ["sleeveless", "short", "long"], "color": ["black", "white", "red", "blue", "multi"]}
    )
    options = TrainOptions(folder, tmp_path / "synthetic", preset="tiny", device="cpu")
    train_command(options)
    photos = draw_catalogue(tmp_path / "photos", 30, schema, split=("train", "val"))
    start = str(tmp_path / "synthetic")
    train_command(replace(options, data=photos, out=tmp_path / "run", warm_start=start, extra=folder))
    network, _, _ = load_generator(tmp_path / "run")
    assert network.schema == schema
