"""The attribute schema: names as people write them, and sentences where they are wrong."""

import json

import numpy as np
import pytest

from amgan.attributes import askable, in_turn
from amgan.errors import UserError
from amgan.schema import UNKNOWN, AttributeSchema

SCHEMA = AttributeSchema.from_dict({"sleeve": ["sleeveless", "short", "long"], "color": ["black", "gray", "multi"]})


def test_counts_and_slices():
    assert (SCHEMA.n_attributes, SCHEMA.n_values) == (2, 6)
    assert SCHEMA.slices == (slice(0, 3), slice(3, 6))


@pytest.mark.parametrize("text", ["colour=grey", "COLOR = Gray", "color=gray"])
def test_an_edit_as_people_write_it(text):
    assert SCHEMA.parse_edit([text]) == {"color": "gray"}


def test_a_pattern_is_laid_last():
    edit = {"pattern": "striped", "color": "red", "collar": "hood", "sleeve": "long"}
    assert in_turn(edit) == [{"collar": "hood", "sleeve": "long"}, {"color": "red"}, {"pattern": "striped"}]
    assert in_turn({"pattern": "striped"}) == [{"pattern": "striped"}] and in_turn({}) == []


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["sleev=long"], "Did you mean 'sleeve'"),
        (["sleeve=longg"], "Did you mean 'long'"),
        (["sleeve"], "attribute=value"),
        ([], "edit is empty"),
        (["color=black", "colour=gray"], "set twice"),
        (["hat=red"], "Valid: sleeve, color"),
    ],
)
def test_a_wrong_edit_says_what_would_be_right(texts, sentence):
    with pytest.raises(UserError, match=sentence):
        SCHEMA.parse_edit(texts)


KNOWN = AttributeSchema.from_dict(
    {
        "collar": {"values": ["round", "hood", "other"], "editable": False},
        "kind": ["tee", "shirt"],
        "color": ["red", "other"],
        "sleeve": ["short", "long"],
    }
)


def test_what_is_known_need_not_be_editable():
    assert KNOWN.editable == ("color", "sleeve")
    plain = KNOWN.values_by_name()
    assert KNOWN.to_dict() == plain | {name: {"values": plain[name], "editable": False} for name in ("collar", "kind")}
    again = AttributeSchema.from_dict(json.loads(json.dumps(KNOWN.to_dict())))
    assert again == KNOWN and again.editable == KNOWN.editable
    assert askable(KNOWN) == [[], [], [0], [0, 1]]
    # Whether something can be edited is no difference, nor is it to what caches know.
    everything = AttributeSchema.from_dict(plain)
    assert everything.editable == ("collar", "color", "sleeve")  # a kind never is
    everything.require_same(KNOWN, "here", "there")
    assert everything == KNOWN and hash(everything) == hash(KNOWN)
    assert everything.editing(["colour"]).editable == ("color",)
    assert everything.edited_by(AttributeSchema.from_dict({"hem": ["a", "b"], "sleeve": ["x", "y"]})).editable == (
        "sleeve",
    )
    for name, sentence in (("kind", "No edit can change the kind"), ("hem", "Unknown attribute 'hem'")):
        with pytest.raises(UserError, match=sentence):
            everything.editing([name])


def test_edits_to_some_of_the_values():
    values = {"pattern": ["plain", "striped", "floral"], "sleeve": ["short", "long"]}
    schema = AttributeSchema.from_dict(values).editing(["sleeve", "pattern=striped,plain"])
    assert schema.edits == ("pattern=plain,striped", "sleeve")
    assert askable(schema) == [[0, 1], [0, 1]]
    again = AttributeSchema.from_dict(json.loads(json.dumps(schema.to_dict())))
    assert again.edits == schema.edits == schema.editing(schema.edits).edits and again == schema
    with pytest.raises(UserError, match=r"No edit can ask for pattern=floral: these weights.*Valid: plain, striped\."):
        schema.parse_edit(["pattern=floral"])
    index = AttributeSchema.from_dict({"Pattern": ["floral", "Plain", "dots"], "sleeve": ["short", "long"]})
    assert index.edited_by(schema).edits == ("Pattern=Plain", "sleeve")
    assert index.edited_by(schema.editing(["pattern=striped", "sleeve"])).edits == ("sleeve",)
    with pytest.raises(UserError, match="'dots' can be set"):
        AttributeSchema.from_dict({"pattern": {"values": ["plain", "striped"], "editable": ["dots"]}})
    with pytest.raises(UserError, match="dots"):
        schema.editing(["pattern=dots"])


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["kind=shirt"], "The kind is known of a garment, and cannot be set. What can be set: color, sleeve."),
        (["collar=hood", "color=red"], "The collar is known"),
        (["color=other"], "No edit can ask for color=other.* Valid: red."),
        ([], "for example color=red"),
    ],
)
def test_what_is_only_known_cannot_be_set(texts, sentence):
    with pytest.raises(UserError, match=sentence):
        KNOWN.parse_edit(texts)


@pytest.mark.parametrize(
    "value", [{"values": ["a", "b"]}, {"values": ["a", "b"], "editable": 1}, {"values": "ab", "editable": True}, "ab"]
)
def test_an_attribute_of_another_form_is_a_sentence(value):
    with pytest.raises(UserError, match=r"ttribute.* is a"):
        AttributeSchema.from_dict({"collar": value})


def test_labels_of_another_schema():
    other = AttributeSchema.from_dict(
        {"Colour": ["red", "Grey"], "hem": ["a", "b"], "sleeves": ["long", "3/4", "sleeveless"]}
    )
    labels = np.array([[1, 0, 0], [0, 1, 1], [UNKNOWN, 0, UNKNOWN], [1, 1, 2]])
    assert SCHEMA.translated(labels, other).tolist() == [[2, 1], [UNKNOWN, UNKNOWN], [UNKNOWN, UNKNOWN], [0, 1]]
    assert SCHEMA.translated(SCHEMA.encode({"sleeve": "long"})[None], SCHEMA).tolist() == [[2, UNKNOWN]]


def test_a_schema_with_more():
    more = AttributeSchema.from_dict({"Colour": ["red", "blue"], "kind": ["tee", "shirt"]})
    assert SCHEMA.extended(more).values_by_name() == {
        "sleeve": ["sleeveless", "short", "long"],
        "Colour": ["red", "blue"],
        "kind": ["tee", "shirt"],
    }


def test_labels_there_and_back_with_unknown():
    labels = SCHEMA.encode({"sleeve": "long", "color": ""})
    assert labels.tolist() == [2, UNKNOWN]
    assert SCHEMA.decode(labels) == {"sleeve": "long"}
    assert labels.dtype == np.int64


def test_schema_file_there_and_back_and_damaged(tmp_path):
    path = tmp_path / "attributes.json"
    path.write_text(json.dumps(SCHEMA.to_dict()))
    assert AttributeSchema.load(path) == SCHEMA
    path.write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        AttributeSchema.load(path)
    path.write_text('{"sleeve": "long"}')
    with pytest.raises(UserError, match="is an object like"):
        AttributeSchema.load(path)
    with pytest.raises(UserError, match="--attributes"):
        AttributeSchema.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"[" * 200_000, "nested too deeply"),
        (b'{"sleeve": ["caf\xe9", "b"]}', "not UTF-8"),
        (b'{"sleeve": ["a", "\\ud800"]}', "half a character"),
        (b'{"sleeve": ["a", "b"], "sleeve": ["c", "d"]}', "'sleeve' is given twice"),
        (b'{"sleeve": ["a", "b"], "Sleeve ": ["c", "d"]}', "each once"),
        (b'{"color": ["Red", "red"]}', "at least two values, each once"),
        (b'{"color": ["red", " "]}', "at least two values, each once"),
        (b'{"color": [' + b"1" * 5000 + b"]}", "not valid JSON"),
        (b"[]", "is an object like"),
    ],
)
def test_an_odd_schema_file_is_a_sentence(tmp_path, content, sentence):
    path = tmp_path / "attributes.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"attributes.json.*{sentence}"):
        AttributeSchema.load(path)


def test_a_schema_file_that_cannot_be_read_is_a_sentence(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="is no regular file"):
        AttributeSchema.load(tmp_path)

    def refuse(self, *args, **kwargs):  # the superuser, who may run the tests, is refused nothing
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(UserError, match=r"a\.json cannot be read: Permission denied\."):
        AttributeSchema.load(tmp_path / "a.json")


def test_a_schema_file_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(SCHEMA.to_dict()), encoding="utf-8-sig")
    assert AttributeSchema.load(tmp_path / "a.json") == SCHEMA


def test_the_words_of_a_schema_come_before_aliases():
    own = AttributeSchema.from_dict({"colour": ["grey", "gray", "red"], "print": ["yes", "no"]})
    assert own.encode({"colour": "grey", "print": "no"}).tolist() == [0, 1]
    assert own.encode({"color": "gray", "pattern": "yes"}).tolist() == [1, 0]
    assert AttributeSchema.from_dict({"colour": ["gray", "red"]}).encode({"color": "Grey"}).tolist() == [0]


def test_columns_and_those_near_to_an_attribute():
    assert SCHEMA.columns(["file_name", "Colour", "sleeves"]) == {"Colour": "color", "sleeves": "sleeve"}
    assert SCHEMA.encode({"Colour": "grey", "Sleeve-Length": "long", "price": "3"}).tolist() == [2, 1]
    assert SCHEMA.near_columns(["colr", "sleeve lenght", "collar", "price"]) == {
        "colr": "color",
        "sleeve lenght": "sleeve",
    }
    assert SCHEMA.near_columns(["colr", "color", "sleev", "sleeves"]) == {}
    for twice in (["color", "colour"], ["sleeve", "Sleeve "]):
        with pytest.raises(UserError, match="both give the"):
            SCHEMA.encode(dict.fromkeys(twice, ""))


def test_a_difference_is_named():
    other = AttributeSchema.from_dict({"sleeve": ["short", "long"], "color": ["black", "gray", "multi"]})
    with pytest.raises(UserError, match="sleeve"):
        SCHEMA.require_same(other, "the index", "the weights")
