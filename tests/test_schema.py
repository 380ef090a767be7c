"""The attribute schema: names as people write them, and sentences where they are wrong."""

import json

import numpy as np
import pytest

from amgan.errors import UserError
from amgan.schema import UNKNOWN, AttributeSchema

SCHEMA = AttributeSchema.from_dict({"sleeve": ["sleeveless", "short", "long"], "color": ["black", "gray", "multi"]})


def test_counts_and_slices():
    assert (SCHEMA.n_attributes, SCHEMA.n_values) == (2, 6)
    assert SCHEMA.slices == (slice(0, 3), slice(3, 6))


@pytest.mark.parametrize("text", ["colour=grey", "COLOR = Gray", "color=gray"])
def test_an_edit_as_people_write_it(text):
    assert SCHEMA.parse_edit([text]) == {"color": "gray"}


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


def test_a_difference_is_named():
    other = AttributeSchema.from_dict({"sleeve": ["short", "long"], "color": ["black", "gray", "multi"]})
    with pytest.raises(UserError, match="sleeve"):
        SCHEMA.require_same(other, "the index", "the weights")
