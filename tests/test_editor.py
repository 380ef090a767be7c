"""The editor, its weights folder and ``amgan edit``."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from amgan import NoEdit, UserError, load_classifier, load_editor
from amgan.editing.edit_command import edit_command
from amgan.editing.editor import GeneratorEditor, from_the_shoulders
from amgan.models.interface import Generated
from amgan.schema import AttributeSchema
from amgan.testing import SCHEMA, draw_garment, tiny_weights
from amgan.weights import save_classifier, weights_card, weights_folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def images():
    return torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_batches_do_not_matter_and_each_picture_has_its_own_edit(weights, images):
    editor = load_editor(weights)
    edits = [
        {"sleeve": "long"},
        {"color": "red"},
        {"colour": "blue", "sleeve": "short"},
        {"color": "white"},
        {"sleeve": "long"},
    ]
    together = editor.edit(images, edits)
    assert together.image.dtype == torch.uint8 and together.mask.shape == (5, 1, 32, 32)
    editor.batch = 2
    for i, edit in enumerate(edits):
        alone = editor.edit(images[i : i + 1], edit)
        assert (alone.image[0].int() - together.image[i].int()).abs().max() <= 1
        assert torch.allclose(alone.mask[0], together.mask[i], atol=1e-4)
        assert (alone.raw[0].int() - together.raw[i].int()).abs().max() <= 1
    assert len(editor.edit(images[:0], {"sleeve": "long"}).image) == 0


class Halves(torch.nn.Module):
    """Stands for a generator: the sleeve edit looks at the left half, the colour edit at everything, and paints it
    black."""

    schema = SCHEMA

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x, condition):
        mask = torch.ones(len(x), 1, *x.shape[2:])
        if condition[0, SCHEMA.n_values] == 1:
            mask[..., 16:] = 0.3
        raw = torch.full_like(x, -1)
        return Generated(mask * raw + (1 - mask) * x, mask, raw)


class InTurn(torch.nn.Module):
    """Stands for a generator: a sleeve takes the colour that the picture has in the middle, a colour edit paints what
    is not white, and both at once do neither."""

    schema = SCHEMA

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.asked = []

    def forward(self, x, condition):
        sleeve, color = (condition[:, SCHEMA.n_values + SCHEMA.names.index(n)] > 0 for n in ("sleeve", "color"))
        self.asked.append(list(zip(sleeve.tolist(), color.tolist(), strict=True)))
        raw, mask = x.clone(), torch.zeros(len(x), 1, *x.shape[2:])
        for i in range(len(x)):
            if sleeve[i] and not color[i]:
                raw[i, :, :8, 2:-2], mask[i, :, :8, 2:-2] = x[i, :, 16:17, 16:17], 1
            elif color[i] and not sleeve[i]:
                cloth = (x[i] < 1).any(0)
                raw[i, :, cloth], mask[i, 0, cloth] = -0.5, 1
        return Generated(mask * raw + (1 - mask) * x, mask, raw)


def test_sleeve_and_colour_are_edited_in_turn(images):
    generator = InTurn()
    editor = GeneratorEditor(generator, 32, "in turn")
    photos = torch.full_like(images[:3], 255)
    photos[:, :, 12:24, 8:24] = 90
    edits = [{"color": "red", "sleeve": "long"}, {"color": "red"}, {"sleeve": "long"}]
    result = editor.edit(photos, edits)
    # Rows of each pass; each colour is set once more.
    assert generator.asked == [[(True, False), (False, True), (True, False)], [(False, True)], *[[(False, True)]] * 2]
    red = int(255 * 0.25)
    assert (result.image[0, :, :8, 2:-2] - red).abs().max() <= 1 and (
        result.image[0, :, 12:24, 8:24] - red
    ).abs().max() <= 1
    assert (result.image[2, :, :8, 2:-2] == 90).all() and (result.image[1, :, :8] == 255).all()
    joined = photos + result.mask * (result.raw.float() - photos)
    assert (joined - result.image.float()).abs().max() <= 1
    for i, edit in enumerate(edits):
        alone, row = editor.edit(photos[i : i + 1], edit), result.rows(slice(i, i + 1))
        assert torch.equal(alone.image, row.image) and torch.equal(alone.raw, row.raw)
        assert sum(bool(step.mask.any()) for step in row.steps) == len(edit)


class HalfWay(torch.nn.Module):
    """Stands for a generator that comes half of the way to black; less where it changes the sleeve."""

    schema = AttributeSchema.from_dict(SCHEMA.to_dict() | {"pattern": ["plain", "striped"]})

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x, condition):
        sleeve = condition[:, self.schema.n_values + self.schema.names.index("sleeve"), None, None, None]
        raw, mask = torch.full_like(x, -1), (0.5 - 0.1 * sleeve).expand(-1, 1, *x.shape[2:])
        return Generated(mask * raw + (1 - mask) * x, mask, raw)


@pytest.mark.parametrize("only_on", [None, "torso"])  # nothing here is a sleeve
def test_a_colour_is_set_once_more_of_its_own_result_and_other_edits_are_not(only_on):
    editor, photos = GeneratorEditor(HalfWay(), 32, "half way"), torch.full((2, 3, 32, 32), 200, dtype=torch.uint8)
    result = editor.edit(photos, {"color": "black"}, only_on)
    assert (result.image == 50).all() and (result.mask == 0.75).all() and (result.raw == 0).all()
    if only_on is None:
        sleeve = editor.edit(photos, {"sleeve": "short"})
        assert (sleeve.image == 120).all() and (sleeve.mask - 0.4).abs().max() < 1e-6
        assert (editor.edit(photos, {"pattern": "striped"}).image == 100).all()
        photos[:, :, :, 16:] = 40  # of two colours, so that the editor leaves the edit the generator's
        plain = editor.edit(photos, {"pattern": "plain"}).image
        assert (plain[..., :16] == 50).all() and (plain[..., 16:] == 10).all()  # taken off once more


def test_sleeves_hang_from_the_shoulders():
    sleeves = torch.zeros(2, 1, 40, 40)
    sleeves[:, :, 8:30, 4:10] = 0.8  # from the shoulder to below the middle
    corner = sleeves.clone()
    corner[1, :, 34:38, 4:8] = 0.9
    assert torch.equal(from_the_shoulders(corner), sleeves) and (corner[1, :, 34:38, 4:8] > 0).all()
    assert not from_the_shoulders(torch.zeros(1, 1, 40, 40)).any()


def test_only_on_sleeve_and_only_on_torso_divide_the_edit(images):
    editor = GeneratorEditor(Halves(), 32, "halves")
    sleeve = editor.edit(images, {"color": "black"}, only_on="sleeve")
    torso = editor.edit(images, {"color": "black"}, only_on="torso")
    assert (sleeve.image[..., :16] == 0).all() and torch.equal(sleeve.image[..., 16:], images[..., 16:])
    assert (torso.image[..., 16:] == 0).all() and torch.equal(torso.image[..., :16], images[..., :16])


def test_a_part_is_not_found_by_a_value_that_was_never_drawn(images):
    network = Halves()
    network.schema = network.schema.editing(["color", "sleeve=short,long"])
    with pytest.raises(UserError, match="can set sleeve=sleeveless"):
        GeneratorEditor(network, 32, "halves").edit(images, {"color": "black"}, only_on="torso")


@pytest.mark.parametrize(
    ("edits", "only_on", "sentence"),
    [
        ({"sleeve": "longest"}, None, "Valid: sleeveless, short, long"),
        ([{"sleeve": "long"}], None, "5 pictures need 5 edits"),
        ({"sleeve": "long"}, "sleeve", "second edit"),
        ({"color": "red"}, "hem", "Valid: sleeve, torso"),
        ({"colour": "multi"}, None, r"color=multi.* Valid: black, white, red, blue\.$"),
        ({}, None, "empty"),
    ],
)
def test_wrong_edits_are_sentences(weights, images, edits, only_on, sentence):
    for editor in (load_editor(weights), NoEdit(load_editor(weights).schema, 32)):
        with pytest.raises(UserError, match=sentence):
            editor.edit(images, edits, only_on)


def test_only_the_colour_is_edited_on_a_part(tmp_path, images):
    schema = AttributeSchema.from_dict(SCHEMA.to_dict() | {"pattern": ["plain", "striped"]})
    for editor in (load_editor(tiny_weights(tmp_path, schema)), NoEdit(schema, 32)):
        editor.edit(images, {"color": "red", "pattern": "striped"}, "torso")
        with pytest.raises(UserError, match="torso alone, and pattern=striped sets no color"):
            editor.edit(images, [{"color": "red"}] * 4 + [{"pattern": "striped"}], "torso")


def test_wrong_pictures_are_a_sentence(weights, images):
    with pytest.raises(UserError, match="cut_out"):
        load_editor(weights).edit(images.float(), {"sleeve": "long"})
    with pytest.raises(UserError, match=r"\(B, 3, 32, 32\)"):
        load_editor(weights).edit(images[..., :20], {"sleeve": "long"})


def test_no_edit_changes_nothing(images):
    assert torch.equal(NoEdit(SCHEMA, 32).edit(images, {"sleeve": "long"}).image, images)


def test_identity_follows_the_content(tmp_path):
    one, same, other = (load_editor(tiny_weights(tmp_path / n, seed=s)) for n, s in (("a", 0), ("b", 0), ("c", 1)))
    assert one.identity == same.identity != other.identity


def test_damaged_and_missing_weights_are_sentences(tmp_path):
    folder = tiny_weights(tmp_path / "w")
    with pytest.raises(UserError, match="Unknown weights 'nowhere'"):
        weights_folder("nowhere")
    with pytest.raises(UserError, match="holds no weights"):
        weights_folder(tmp_path)
    assert weights_card(folder)["name"] == "w"
    model = folder / "editor" / "model.safetensors"
    model.write_bytes(model.read_bytes()[:100])
    with pytest.raises(UserError, match="damaged"):
        load_editor(folder)
    model.unlink()
    with pytest.raises(UserError, match="have no editor"):
        load_editor(folder)
    config = folder / "teacher" / "config.json"
    config.write_text(config.read_text().replace("small-4", "small-5"))
    with pytest.raises(UserError, match="does not fit"):
        load_classifier(folder)


def test_a_large_network_is_saved_in_several_files_and_read_back(tmp_path, monkeypatch):
    network = load_classifier(tiny_weights(tmp_path / "w"), "judge")
    monkeypatch.setattr("amgan.weights.folders.SHARD", 4000)
    save_classifier(tmp_path / "sharded", "judge", network, {}, half=False)
    assert len(list((tmp_path / "sharded" / "judge").glob("*.safetensors"))) > 1
    again = load_classifier(tmp_path / "sharded", "judge")
    x = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    assert torch.allclose(again.predict(x), network.predict(x), atol=1e-5)
    monkeypatch.setattr("amgan.weights.folders.SHARD", 14_000_000)
    save_classifier(tmp_path / "sharded", "judge", network, {}, half=False)
    assert [p.name for p in (tmp_path / "sharded" / "judge").glob("model*")] == ["model.safetensors"]


def test_the_command_writes_four_pictures_and_refuses_what_it_must(tmp_path, weights):
    for name in ("one", "two"):
        Image.fromarray(draw_garment("long", "red", size=160)[0]).save(tmp_path / f"{name}.png")
    (tmp_path / "bad.jpg").write_bytes(b"")
    photos = [tmp_path / "one.png", tmp_path / "bad.jpg", tmp_path / "two.png"]
    result = edit_command(
        photos, tmp_path / "out", ["sleeve=short", "colour=blue"], str(weights), None, None, False, quiet=True
    )
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        f"{n}{k}.png" for n in ("one", "two") for k in (".garment", ".input", ".mask", "")
    ]
    assert list(result["refused"]) == [str(tmp_path / "bad.jpg")]
    mask = np.asarray(Image.open(tmp_path / "out" / "one.mask.png"))
    assert mask.shape == (32, 32) and mask.dtype == np.uint8
    with pytest.raises(UserError, match="overwrite each other"):
        edit_command(
            [photos[0], tmp_path / "x" / "one.png"], tmp_path, ["sleeve=short"], str(weights), None, None, False
        )
    with pytest.raises(UserError, match="belongs to one photo"):
        edit_command(photos, tmp_path, ["sleeve=short"], str(weights), None, photos[0], False)


def test_json_is_one_object_and_nothing_else(tmp_path, weights):
    Image.fromarray(draw_garment(size=160)[0]).save(tmp_path / "a.png")
    command = [sys.executable, "-c", "from amgan.cli import main; main()", "edit", str(tmp_path / "a.png")]
    command += ["--weights", str(weights), "--out", str(tmp_path / "out"), "--json", "--set", "color=red"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["edit"] == {"color": "red"}
