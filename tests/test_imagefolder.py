"""Reading labelled folders, good ones and broken ones."""

import pytest
import torch

from amgan.data.garments import balance_weights, load_garments
from amgan.data.imagefolder import read_imagefolder
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
        ("name\nx.png\n", "line 2: the column file_name"),
        ("file_name\n../x.png\n", "leaves the folder"),
        ("file_name\nx.png\nx.png\n", "line 3: 'x.png' is listed twice"),
        ("file_name,color\nx.png,rde\n", "line 2: Unknown color 'rde'. Did you mean 'red'"),
        ("file_name\n", "lists no pictures"),
    ],
)
def test_broken_metadata_is_told_with_its_line(tmp_path, metadata, sentence):
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


def test_a_broken_picture_is_left_out_and_told(tmp_path, capsys):
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
