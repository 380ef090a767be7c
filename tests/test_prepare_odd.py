"""``amgan prepare`` on files that are not as released: each ends in a sentence that says what and where."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from amgan.data.imagefolder import read_imagefolder
from amgan.errors import UserError
from amgan.prepare.command import prepare_command
from amgan.prepare.shopping100k import FILES
from tests.releases import write_adde, write_clothing, write_deepfashion, write_shopping100k

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:19d8a660\nsize 6040000\n"


def change_mat(path: Path, **values: np.ndarray | None) -> None:
    found = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
    savemat(path, {k: v for k, v in (found | values).items() if v is not None})


def change_h5(path: Path, name: str, change) -> None:
    with h5py.File(path, "r+") as file:
        values = change(file[name][:])
        del file[name]
        if values is not None:
            file[name] = values


LANGUAGE, INDICES, PICTURES = "benchmark/language_original.mat", "benchmark/ind.mat", "supervision_signals/G2.h5"
ODD_DEEPFASHION = {
    "labels from 0": (lambda f: change_mat(f / LANGUAGE, color_=np.zeros((20, 1))), "color_ runs from 0 to 0"),
    "labels beyond": (lambda f: change_mat(f / LANGUAGE, sleeve_=np.full((20, 1), 5)), "sleeve_ runs from 5 to 5"),
    "labels of others": (lambda f: change_mat(f / LANGUAGE, color_=np.ones((19, 1))), "color_ has 19 numbers"),
    "halves": (lambda f: change_mat(f / LANGUAGE, color_=np.full((20, 1), 1.5)), "not whole"),
    "damaged": (lambda f: (f / LANGUAGE).write_bytes(b"MATLAB 5.0" * 90), "no MATLAB file, or is cut"),
    "no labels": (lambda f: change_mat(f / LANGUAGE, color_=None), "no variable color_"),
    "no captions": (lambda f: change_mat(f / LANGUAGE, engJ=np.ones((20, 1))), "should be one column of texts"),
    "cut off": (
        lambda f: (f / LANGUAGE).write_bytes((f / LANGUAGE).read_bytes()[:900]),
        "no variable engJ; it may be cut off",
    ),
    "indices from 0": (lambda f: change_mat(f / INDICES, test_ind=np.arange(10)[None]), "test_ind runs from 0 to 9"),
    "both splits": (lambda f: change_mat(f / INDICES, test_ind=np.arange(1, 21)[None]), "or one that is in train_ind"),
    "pointer": (lambda f: (f / INDICES).write_text(POINTER), "is a Git LFS pointer"),
    "no pictures": (lambda f: (f / PICTURES).unlink(), "G2.h5 is missing: it is in none of"),
    "G1": (lambda f: [change_h5(f / PICTURES, k, lambda v: None) for k in ("ih", "ih_mean")], "G1.h5 has the marks"),
    "no HDF5": (lambda f: (f / PICTURES).write_bytes(b"no" * 900), "no HDF5 file, or is cut off"),
    "cut pictures": (lambda f: os.truncate(f / PICTURES, 1_000_000), "no HDF5 file, or is cut off"),
    "bytes": (lambda f: change_h5(f / PICTURES, "ih", lambda v: (v * 255).astype(np.uint8)), "no mean was taken off"),
    "scaled": (lambda f: change_h5(f / PICTURES, "ih", lambda v: v * 255), "should lie between 0 and 1"),
    "other sizes": (lambda f: change_h5(f / PICTURES, "ih", lambda v: v[..., :64]), "the release has"),
    "other mean": (lambda f: change_h5(f / PICTURES, "ih_mean", lambda v: v[0]), "/ih_mean is"),
    "not numbers": (lambda f: change_h5(f / PICTURES, "ih", lambda v: _with(v, np.nan)), "numbers that are none"),
    "other marks": (lambda f: change_h5(f / PICTURES, "b_", lambda v: _with(v, 9)), "marks beyond 0 to 6"),
    "upside down": (lambda f: change_h5(f / PICTURES, "b_", lambda v: v[..., ::-1]), "stand upside down"),
}


def _with(values: np.ndarray, value: float) -> np.ndarray:
    values[5, 0, 5, 5] = value
    return values


@pytest.mark.parametrize("odd", ODD_DEEPFASHION)
def test_odd_deepfashion_synthesis(tmp_path: Path, odd: str) -> None:
    change, sentence = ODD_DEEPFASHION[odd]
    change(write_deepfashion(tmp_path / "release", 20))
    with pytest.raises(UserError, match=sentence):
        prepare_command("deepfashion-synthesis", tmp_path / "release", tmp_path / "out", None, None)


def change_lines(path: Path, change) -> None:
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


def _line(k: int, text: str):
    return lambda lines: [*lines[: k - 1], text, *lines[k:]]


COLOR = FILES["color"]
ODD_SHOPPING = {
    "too large": (lambda f: change_lines(f / COLOR, _line(4, "Men_3/000003.jpg 20")), "color.txt, line 4: '20' is no"),
    "a word": (lambda f: change_lines(f / COLOR, _line(4, "Men_3/000003.jpg teal")), "line 4: 'teal' is no label"),
    "-2": (lambda f: change_lines(f / COLOR, _line(4, "Men_3/000003.jpg -2")), "line 4: '-2' is no label"),
    "both ends": (lambda f: change_lines(f / COLOR, _line(4, "Men_3/000003.jpg 19")), "from 0 or from 1"),
    "other order": (lambda f: change_lines(f / COLOR, lambda x: x[::-1]), "line 1: the files of Attributes do not all"),
    "too few": (lambda f: change_lines(f / COLOR, lambda x: x[:-1]), "color.txt has not as many lines"),
    "blank line": (lambda f: change_lines(f / COLOR, _line(4, "")), "color.txt, line 4: it is empty"),
    "pointer": (lambda f: (f / COLOR).write_text(POINTER), "color.txt is a Git LFS pointer"),
    "no labels": (lambda f: [(f / file).unlink() for file in FILES.values()], "has none of the label files"),
    "not text": (lambda f: (f / COLOR).write_bytes(b"\xff\xfe\x00"), "is not UTF-8 text"),
    "no pictures": (lambda f: (f / "Images").rename(f.parent / "Elsewhere"), "say by --images where it is"),
    "leads out": (
        lambda f: [
            change_lines(f / file, lambda x: [y.replace("Men_3/", "../") for y in x]) for file in FILES.values()
        ],
        "line 4: '../000003.jpg' leaves the folder",
    ),
    "twice": (lambda f: [change_lines(f / file, lambda x: [*x, x[0]]) for file in FILES.values()], "a picture twice"),
}


@pytest.mark.parametrize("odd", ODD_SHOPPING)
def test_odd_shopping100k(tmp_path: Path, odd: str) -> None:
    change, sentence = ODD_SHOPPING[odd]
    source = write_shopping100k(tmp_path, 40)
    change(source)
    with pytest.raises(UserError, match=sentence):
        prepare_command("shopping100k", source, tmp_path / "out", None, None)


def test_a_missing_attribute_of_shopping100k_is_said(tmp_path: Path, capsys) -> None:
    source = write_shopping100k(tmp_path, 40)
    (source / FILES["sport"]).unlink()
    prepare_command("shopping100k", source, tmp_path / "out", None, None)
    assert "lacks Attributes/sport.txt" in capsys.readouterr().err
    assert read_imagefolder(tmp_path / "out").schema.n_attributes == 11


def test_a_damaged_archive_is_said(tmp_path: Path) -> None:
    archive = write_shopping100k(tmp_path, 10, packed=True)
    os.truncate(archive, 9_000)
    with pytest.raises(UserError, match="nor a whole zip archive"):
        prepare_command("shopping100k", archive, tmp_path / "out", None, None)


ODD_ADDE = {
    "pointers": (lambda s, i: (s / "labels_test.txt").write_text(POINTER), "is a Git LFS pointer.*git lfs pull"),
    "query pointers": (lambda s, i: (s / "gt_test.txt").write_text(POINTER), "gt_test.txt is a Git LFS pointer"),
    "picture pointers": (
        lambda s, i: (i / "Women_0/000000.jpg").write_text(POINTER),
        "000000.jpg is a Git LFS pointer",
    ),
    "other counts": (lambda s, i: (s / "attr_num.txt").write_text("3 4\n"), "line 1: 151 numbers; attr_num.txt has 7"),
    "no counts": (lambda s, i: (s / "attr_num.txt").write_text("some\n"), "should be whole numbers"),
    "too few": (lambda s, i: change_lines(s / "imgs_test.txt", lambda x: x[1:]), "has not as many lines as imgs_test"),
    "two values": (lambda s, i: change_lines(s / "labels_train.txt", _line(2, "1 " * 151)), "line 2: two values of"),
    "counts": (lambda s, i: change_lines(s / "labels_train.txt", _line(2, "2 " * 151)), "line 2: a label is 0 or 1"),
    "twice": (lambda s, i: change_lines(s / "imgs_test.txt", _line(1, "Women_0/000000.jpg")), "name a picture twice"),
    "missing": (lambda s, i: (s / "labels_train.txt").unlink(), "labels_train.txt is missing"),
    "elsewhere": (lambda s, i: (i / "Women_0/000000.jpg").unlink(), "say by --images where it is"),
}


@pytest.mark.parametrize("odd", ODD_ADDE)
def test_odd_adde(tmp_path: Path, odd: str) -> None:
    change, sentence = ODD_ADDE[odd]
    splits, images = write_adde(tmp_path, 20, 10)
    change(splits, images)
    with pytest.raises(UserError, match=sentence):
        prepare_command("adde", splits, tmp_path / "out", images, None)


ODD_CLOTHING = {
    "label": (_line(2, "00000000-0000-0000-0000-000000000000,1,Scarf,False"), "line 2: the label 'Scarf' is none"),
    "kids": (_line(2, "00000000-0000-0000-0000-000000000000,1,Polo,no"), "line 2: kids is 'no'"),
    "name": (_line(2, "../x,1,Polo,True"), "line 2: '../x' is no picture's name"),
    "cells": (_line(2, "00,1,Polo"), "line 2: 3 cells"),
    "header": (_line(1, "image,label"), "line 1: the columns are"),
    "twice": (lambda lines: [*lines, lines[1]], "lines 2 and 12 name"),
    "nothing": (lambda lines: lines[:1], "lists no upper-body garment"),
    "elsewhere": (lambda lines: [lines[0], "ff,1,Polo,True"], "None of the first pictures of images.csv"),
}


@pytest.mark.parametrize("odd", ODD_CLOTHING)
def test_odd_clothing_dataset(tmp_path: Path, odd: str) -> None:
    change, sentence = ODD_CLOTHING[odd]
    source = write_clothing(tmp_path / "clone", 10)
    change_lines(source / "images.csv", change)
    with pytest.raises(UserError, match=sentence):
        prepare_command("clothing-dataset", source, tmp_path / "out", None, None)


def test_none_of_the_pictures(tmp_path: Path) -> None:
    source = write_clothing(tmp_path / "clone", 2)
    for path in (source / "images").iterdir():
        path.write_bytes(b"<html>")
    with pytest.raises(UserError, match="None of the 2 pictures can be used"):
        prepare_command("clothing-dataset", source, tmp_path / "out", None, None)
