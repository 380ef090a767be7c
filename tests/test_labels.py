"""Labels beside the metadata, and folders whose attributes are not those of the weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from amgan.data.imagefolder import read_imagefolder, read_within
from amgan.errors import UserError
from amgan.schema import UNKNOWN, AttributeSchema
from amgan.testing import SCHEMA, draw_catalogue
from amgan.training.command import _identity

HEADER = "file_name,Sleeve Length,collar,kind\n"
ROW = "images/0000.png,3/4,round,tee\n"
MORE = {
    "sleeve": ["sleeveless", "short", "3/4", "long"],
    "collar": ["round", "hood", "other"],
    "kind": ["tee", "hoodie"],
}
BOTH = AttributeSchema.from_dict({**MORE, "color": list(SCHEMA.values("color"))})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three garments: sleeveless, short, long; all black."""
    return draw_catalogue(tmp_path, 3)


def label(folder: Path, rows: str = ROW, values: dict | None = MORE) -> Path:
    (folder / "labels.csv").write_text(HEADER + rows)
    if values is not None:
        (folder / "labels.json").write_text(json.dumps(values))
    return folder


def test_columns_override_and_values_are_added(folder):
    plain = read_imagefolder(folder)
    before = _identity(plain)
    data = read_imagefolder(label(folder, ROW + "./images/0001.png,,hood,\n"))
    assert data.schema.names == ("sleeve", "color", "collar", "kind")
    assert data.schema.values("sleeve") == ("sleeveless", "short", "3/4", "long")
    assert data.schema.editable == ("sleeve", "color", "collar")
    assert [data.schema.decode(r.labels) for r in data.records] == [
        {"sleeve": "3/4", "color": "black", "collar": "round", "kind": "tee"},
        {"color": "black", "collar": "hood"},  # an empty cell says that it is unknown
        {"sleeve": "long", "color": "black"},  # no row: as the metadata have it
    ]
    assert [r.split for r in data.records] == [r.split for r in plain.records]
    labelled = _identity(data)
    assert labelled != before
    (folder / "labels.csv").write_text(HEADER + ROW.replace("tee", "hoodie"))
    assert _identity(read_imagefolder(folder)) != labelled


def test_a_schema_that_is_given_wins_and_labels_without_values_override_too(folder):
    assert read_imagefolder(label(folder), BOTH).schema == BOTH
    (folder / "labels.json").unlink()
    (folder / "labels.csv").write_text("file_name,colour,note\nimages/0000.png,red,x\n")
    data = read_imagefolder(folder)
    assert data.schema == SCHEMA
    assert data.schema.decode(data.records[0].labels) == {"sleeve": "sleeveless", "color": "red"}
    assert data.records[0].extra == {"note": "x"}


def test_values_that_the_labels_replace_need_not_be_valid(folder):
    text = (folder / "metadata.csv").read_text()
    (folder / "metadata.csv").write_text(text.replace("sleeveless", "rolled up"))
    with pytest.raises(UserError, match="Unknown sleeve 'rolled up'"):
        read_imagefolder(folder)
    assert read_imagefolder(label(folder)).records[0].labels[0] == 2


def test_plain_folders_have_no_use_for_a_json_of_that_name(folder):
    (folder / "labels.json").write_text("[]")
    assert read_imagefolder(folder).schema == SCHEMA


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("images/0000.png,longg,round,tee\n", r"labels\.csv, line 2: Unknown sleeve 'longg'"),
        (ROW + "images/0001.png,long,rund,tee\n", r"labels\.csv, line 3: Unknown collar 'rund'. Did you mean 'round'"),
        (ROW + "./" + ROW, r"labels\.csv, line 3: 'images/0000.png' is listed twice"),
        (",long,round,tee\n", r"labels\.csv, line 2: the cell file_name is empty"),
        ("../0.png,long,round,tee\n", r"labels\.csv, line 2: '../0.png' leaves the folder"),
        ("0000.png,long,round,tee\n", r"labels\.csv: none of its 1 pictures, such as '0000.png', is in the metadata"),
    ],
)
def test_wrong_labels_are_refused_with_their_line(folder, rows, sentence):
    with pytest.raises(UserError, match=sentence):
        read_imagefolder(label(folder, rows))


def test_rows_without_a_picture_are_counted(folder, capsys):
    read_imagefolder(label(folder, ROW + "images/9.png,long,round,tee\n"))
    assert (
        "1 of its 2 rows name pictures that the metadata do not list, such as 'images/9.png'" in capsys.readouterr().err
    )


def test_a_folder_with_more_than_the_weights_know(folder, capsys):
    data = read_within(label(folder), SCHEMA, "the weights old")
    assert data.schema == SCHEMA
    assert [r.labels.tolist() for r in data.records] == [[UNKNOWN, 0], [1, 0], [2, 0]]
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "its collar is left out, its kind is left out, sleeve=3/4 is unknown (1 photos)" in said


def test_a_folder_with_less_in_another_order(folder, capsys):
    data = read_within(folder, BOTH, "the weights new")
    assert [BOTH.decode(r.labels) for r in data.records] == [
        {"sleeve": s, "color": "black"} for s in ("sleeveless", "short", "long")
    ]
    assert "it says nothing of the collar, it says nothing of the kind" in capsys.readouterr().err
    assert read_within(folder, SCHEMA, "x").records[1].labels.tolist() == [1, 0]
    assert capsys.readouterr().err == ""


def test_a_folder_of_other_attributes_is_refused(folder):
    with pytest.raises(UserError, match=r"it has sleeve, color, and the weights know hem"):
        read_within(folder, AttributeSchema.from_dict({"hem": ["a", "b"]}), "the weights")
