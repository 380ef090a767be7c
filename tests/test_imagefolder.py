"""Reading labelled folders, good ones and broken ones."""

import os

import pytest
import torch

from amgan.data.garments import balance_weights, load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.data.truths import read_truths
from amgan.errors import UserError
from amgan.testing import SCHEMA, draw_catalogue


def test_read_and_load(tmp_path):
    folder = read_imagefolder(draw_catalogue(tmp_path, 6))
    assert folder.schema == SCHEMA and len(folder.records) == 6
    garments = load_garments(folder, folder.records, 32, progress=False)
    assert garments.images.shape == (6, 3, 32, 32) and garments.masks.shape == (6, 1, 32, 32)
    assert garments.labels[0].tolist() == [0, 0]
    assert folder.records[0].item_id == "images/0000"


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ("name\nx.png\n", "line 1: there is no column file_name"),
        ("file_name,color\n,red\n", "line 2: the cell file_name is empty"),
        ("file_name\n../x.png\n", "line 2: '../x.png' leaves the folder"),
        ("file_name,mask_file_name\nx.png,../x.png\n", "line 2: '../x.png' leaves the folder"),
        ("file_name,mask_file_name\nx.png,masks\\x.png\n", "line 2: .* holds a backslash"),
        ("file_name\nx.png\n./x.png\n", "line 3: 'x.png' is listed twice"),
        ('file_name,note\nx.png,"two\nlines"\n\n../y.png,\n', "line 5: '../y.png' leaves"),
        ("file_name,color,colour\nx.png,red,red\n", "line 2: The columns 'color' and 'colour' both give the color"),
        ("file_name,Sleeve Length\nx.png,longg\n", "line 2: Unknown sleeve 'longg'. Did you mean 'long'"),
        ("file_name\nx.png\nx.png\n", "line 3: 'x.png' is listed twice"),
        ("file_name,color\nx.png,rde\n", "line 2: Unknown color 'rde'. Did you mean 'red'"),
        ("file_name\n", "lists no pictures"),
    ],
)
def test_broken_metadata_is_refused_with_its_line(tmp_path, metadata, sentence):
    draw_catalogue(tmp_path, 1)
    (tmp_path / "metadata.csv").write_text(metadata)
    with pytest.raises(UserError, match=sentence):
        read_imagefolder(tmp_path)


def test_missing_folder_metadata_and_split(tmp_path):
    with pytest.raises(UserError, match="not a folder"):
        read_imagefolder(tmp_path / "none")
    with pytest.raises(UserError, match=r"holds no metadata\.csv"):
        read_imagefolder(tmp_path)
    draw_catalogue(tmp_path, 2, split=("train",))
    with pytest.raises(UserError, match="it has train"):
        read_imagefolder(tmp_path).split("test")


def test_jsonl_is_read_like_csv(tmp_path):
    draw_catalogue(tmp_path, 2)
    (tmp_path / "metadata.csv").unlink()
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "images/0000.png", "color": null, "sleeve": "long"}\n')
    assert read_imagefolder(tmp_path).records[0].labels.tolist() == [2, -1]


def test_a_column_may_bear_an_alias_and_one_that_is_misspelt_is_said(tmp_path, capsys):
    draw_catalogue(tmp_path, 1)
    text = "file_name,Colour ,sleev,price,split\nimages/0000.png,Red,long,12, train \n"
    (tmp_path / "metadata.csv").write_text(text)
    (record,) = read_imagefolder(tmp_path).records
    assert (record.labels.tolist(), record.split) == ([-1, 2], "train")
    assert record.extra == {"sleev": "long", "price": "12"}
    said = capsys.readouterr().err
    assert said.startswith(f"{tmp_path / 'metadata.csv'}: the column 'sleev' is no attribute")
    assert said.endswith("did you mean 'sleeve'?\n")
    assert said.count("\n") == 1
    (tmp_path / "metadata.csv").write_text(
        "file_name,color,colour_name,sleeve,sleeves_count\nimages/0000.png,red,x,long,2\n"
    )
    read_imagefolder(tmp_path)
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(os.name != "posix", reason="makes pipes and links")
def test_an_odd_attributes_file_is_a_sentence(tmp_path):
    path = draw_catalogue(tmp_path, 1) / "attributes.json"
    path.unlink()
    for make, sentence in (
        (path.mkdir, "attributes.json is a folder"),
        (lambda: os.mkfifo(path), "attributes.json is a pipe"),
        (lambda: path.symlink_to("nowhere"), "attributes.json is a link to a file that does not exist"),
    ):
        make()
        with pytest.raises(UserError, match=sentence):
            read_imagefolder(tmp_path)
        path.rmdir() if path.is_dir() else path.unlink()


def test_a_list_of_true_edits_is_held_to_the_same_rules(tmp_path):
    folder = read_imagefolder(draw_catalogue(tmp_path, 1))
    path, header = tmp_path / "counterfactuals.csv", "file_name,mask_file_name,of,attribute,colour\n"
    path.write_text(header + "x.png,./m.png,./images/0000.png,colour,blue\n")
    ((of, (truth,)),) = read_truths(folder).items()
    assert (of, truth.mask_file_name, truth.attribute, truth.labels.tolist()) == (
        "images/0000.png",
        "m.png",
        1,
        [-1, 3],
    )
    for row, sentence in (
        ("x.png,/m.png,images/0000.png,color,blue\n", "line 2: '/m.png' leaves the folder"),
        ("..\\x.png,m.png,images/0000.png,color,blue\n", "leaves the folder"),
        ("x.png,m.png,images/0000.png,color\n", "line 2: it has 4 cells"),
        ('x.png,m.png,images/0000.png,color,"blue\n', "line 2: this row is not well-formed"),
        ("x.png,m.png,images/0001.png,color,blue\n", "line 2: 'images/0001.png' is not among"),
        ("x.png,m.png, ,color,blue\n", "line 2: of is missing or empty"),
    ):
        path.write_text(header + row)
        with pytest.raises(UserError, match=f"counterfactuals.csv, .*{sentence}"):
            read_truths(folder)
    path.unlink()
    assert read_truths(folder) == {}
    path.symlink_to("nowhere")
    with pytest.raises(UserError, match="link to a file that does not exist"):
        read_truths(folder)


def test_a_broken_picture_is_left_out_and_said(tmp_path, capsys):
    draw_catalogue(tmp_path, 3)
    (tmp_path / "images" / "0001.png").write_bytes(b"")
    folder = read_imagefolder(tmp_path)
    assert len(load_garments(folder, folder.records, 32, progress=False)) == 2
    assert "Left out 1 of 3" in capsys.readouterr().out


def test_rare_values_are_drawn_more_often_and_unknown_ones_never_most():
    labels = torch.tensor([[0]] * 90 + [[1]] * 9 + [[-1]])
    weights = balance_weights(labels, 1.0)
    assert float(weights[:90].sum()) == pytest.approx(float(weights[90:99].sum()))
    assert weights[99] <= weights[0] + 1e-9
    assert balance_weights(labels, 0.0).std() < 1e-9
