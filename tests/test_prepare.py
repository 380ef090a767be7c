"""``amgan prepare``: files in exactly the released formats become labelled folders, interrupted ones too."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

import amgan.cli
from amgan.data.garments import load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.errors import UserError
from amgan.photos import read_image, read_mask
from amgan.prepare import RELEASES
from amgan.prepare.captions import COLOURS as COLOUR_WORDS
from amgan.prepare.captions import SLEEVES as SLEEVE_WORDS
from amgan.prepare.captions import derive_names
from amgan.prepare.command import find_release, prepare_command
from amgan.prepare.deepfashion_synthesis import DeepFashionSynthesis
from amgan.prepare.shopping100k import FILES, VALUES, Shopping100k
from amgan.prepare.writing import _in_order, left_out, write_release
from amgan.testing import tiny_weights
from tests import releases
from tests.memory import peak_memory
from tests.releases import write_adde, write_clothing, write_deepfashion, write_shopping100k


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(newline="") as file:
        return list(csv.DictReader(file))


# --- each format ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def deepfashion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_deepfashion(tmp_path_factory.mktemp("release") / "data_release", 150)


@pytest.mark.parametrize(("swapped", "column"), [(True, True), (False, False)])
def test_deepfashion_synthesis(tmp_path: Path, swapped: bool, column: bool, capsys) -> None:
    source = write_deepfashion(tmp_path / "data_release", 150, swapped, column)
    prepare_command("deepfashion-synthesis", source, tmp_path / "out", None, None)
    folder = read_imagefolder(tmp_path / "out")
    assert folder.schema.names == ("sleeve", "color", "category", "gender")
    assert folder.schema.editable == ("sleeve", "color")
    assert folder.schema.values("color") == releases.COLOURS  # though only the captions tell
    assert folder.schema.values("sleeve") == releases.SLEEVES
    assert folder.schema.values("category") == tuple(c.lower() for c in releases.CATEGORIES)
    assert folder.schema.values("gender") == ("women", "men")
    for i in (0, 1, 149):  # upright, whichever way the file has them
        image, marks = releases.person(i % 60)
        name = folder.records[i].file_name
        written = np.asarray(read_image(folder.root / name)).astype(int)
        assert np.abs(written - image.transpose(1, 2, 0) * 255).max() <= 1
        mask = read_mask(folder.root / str(folder.records[i].mask_file_name))
        assert np.array_equal(mask > 0, marks == 3)
    language = loadmat(source / "benchmark" / "language_original.mat")
    assert [r.labels[1] + 1 for r in folder.records] == language["color_"].ravel().tolist()
    test = loadmat(source / "benchmark" / "ind.mat")["test_ind"].ravel() - 1
    assert {i for i, r in enumerate(folder.records) if r.split == "test"} == set(test.tolist())
    assert 0 < sum(r.split == "val" for r in folder.records) < 20
    assert folder.records[2].extra["picture"].endswith("img_00000003.jpg")
    names = json.loads((tmp_path / "out" / "names.json").read_text())
    assert names["color"][0]["id"] == 1 and names["color"][0]["name"] == "blue" and names["color"][0]["share"] > 0.5
    assert ("upright already" in capsys.readouterr().err) is not swapped


@pytest.mark.parametrize(
    ("first", "with_paths", "named", "packed"),
    [(0, True, False, False), (1, False, False, True), (0, True, True, True)],
)
def test_shopping100k(tmp_path: Path, first: int, with_paths: bool, named: bool, packed: bool) -> None:
    source = write_shopping100k(tmp_path, 200, first, with_paths, named, packed)
    prepare_command("shopping100k", source, tmp_path / "out", None, None)
    folder = read_imagefolder(tmp_path / "out")
    assert folder.schema.n_values == 151 and folder.schema.n_attributes == 12
    assert folder.schema.editable == ("collar", "color", "fastening", "pattern", "sleeve")  # the paper's five
    wanted = np.stack([releases.labels_of(200)[n] for n in VALUES], axis=1)
    assert np.array_equal(np.stack([r.labels for r in folder.records]), wanted)  # -1 among them
    assert [r.file_name for r in folder.records] == [f"images/{p}" for p in releases.shopping_paths(200)]
    assert Counter(r.split for r in folder.records) == {"train": 150, "val": 10, "test": 40}
    written = (folder.root / folder.records[7].file_name).read_bytes()
    assert written == releases.jpeg(7)
    if not packed:  # no second copy on the disk
        assert os.path.samefile(folder.root / folder.records[7].file_name, source / "Images" / "Men_7" / "000007.jpg")


def test_shopping100k_tests_on_two_thousand_as_the_paper(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(
        releases, "write_pictures", lambda folder, names: (folder / names[0]).parent.mkdir(parents=True)
    )
    source = write_shopping100k(tmp_path, 12_000)
    for name in set(FILES) - {"color"}:
        (source / FILES[name]).unlink()
    picture = source / "Images" / releases.shopping_paths(1)[0]
    picture.write_bytes(releases.jpeg(0))
    release = Shopping100k(source, None)
    splits = Counter(item.split for item in release.items(0))
    assert splits == {"train": 9_400, "val": 600, "test": 2_000}


def test_adde(tmp_path: Path) -> None:
    splits, images = write_adde(tmp_path, 160, 40)
    prepare_command("adde", splits, tmp_path / "out", images, None)
    folder = read_imagefolder(tmp_path / "out")
    assert folder.schema.values_by_name() == {k: list(v) for k, v in VALUES.items()}
    wanted = np.stack([releases.labels_of(200)[n] for n in VALUES], axis=1)
    assert np.array_equal(np.stack([r.labels for r in folder.records]), wanted)
    assert [r.split for r in folder.records[160:]] == ["test"] * 40
    assert {r.split for r in folder.records[:160]} == {"train", "val"}
    for name in ("imgs_test.txt", "ref_test.txt", "indfull_test.txt", "gt_test.txt"):
        assert (folder.root / "queries" / name).read_bytes() == (splits / name).read_bytes()


def test_adde_of_another_data_set_numbers_its_values(tmp_path: Path) -> None:
    splits, images = tmp_path / "splits", tmp_path / "images"
    releases.write_pictures(images, ["a.jpg", "b.jpg"])
    splits.mkdir()
    (splits / "attr_num.txt").write_text("3\n2\n2\n")
    for split, name, bits in (("train", "a.jpg", "0 1 0 0 0 0 1"), ("test", "b.jpg", "1 0 0 1 0 0 0")):
        (splits / f"imgs_{split}.txt").write_text(f"{name}\n")
        (splits / f"labels_{split}.txt").write_text(f"{bits}\n")
    prepare_command("adde", splits, tmp_path / "out", images, None)
    assert [r["category"] for r in rows_of(tmp_path / "out")] == ["category-2", "category-1"]
    assert [r["shape"] for r in rows_of(tmp_path / "out")] == ["shape-2", ""]


@pytest.mark.thorough
def test_clothing_dataset(tmp_path: Path, capsys) -> None:
    source = write_clothing(tmp_path / "clone", 20)
    first = next(iter(sorted((source / "images").iterdir())))
    first.unlink()  # the first row is a T-shirt
    prepare_command("clothing-dataset", source, tmp_path / "out", None, 2)
    folder = read_imagefolder(tmp_path / "out")
    assert len(folder.records) == 13  # seven of ten, less the missing one
    said = capsys.readouterr().err
    assert "2 Pants, 2 Not sure, 2 Shoes" in said and "1 of 14 left out: 1 missing" in said
    assert left_out(folder.root)[0]["file_name"] == f"images/{first.name}"
    assert {(r.extra["category"], folder.schema.decode(r.labels).get("sleeve")) for r in folder.records} >= {
        ("t-shirt", "short"),
        ("longsleeve", "long"),
        ("shirt", None),
        ("undershirt", "sleeveless"),
    }
    for r in folder.records:
        k = int(r.item_id.rsplit("-", 1)[1], 16)
        sleeve, color = releases.SLEEVES[k % 4], releases.PAINT[k % len(releases.PAINT)]
        mask = read_mask(folder.root / str(r.mask_file_name)) > 0
        truth = releases.picture(sleeve, color, 160, k % 5)[1] > 0
        assert (mask & truth).sum() > 0.98 * truth.sum() and truth.sum() > 0.6 * mask.sum()  # it leaves a rim of floor
        assert folder.schema.decode(r.labels)["color"] == color.replace("multi", "green")
    assert len(load_garments(folder, folder.split("train"), 32, progress=False)) == len(folder.split("train"))


def test_clothing_dataset_splits_and_labels_photographs_as_the_prepared_ones(tmp_path: Path, garments: Path) -> None:
    """The photographs that weights were trained on came from this data set: none may change its split."""
    rows = {r["file_name"]: r for r in rows_of(garments)}
    words = {k.lower(): k for k in ("T-Shirt", "Polo", "Longsleeve", "Hoodie", "Undershirt", "Top", "Shirt", "Blouse")}
    some = [r for k, r in enumerate(rows.values()) if k % 210 == 0]
    lines = ["image,sender_id,label,kids"]
    for r in some:
        lines.append(f"{Path(r['file_name']).stem},1,{words[r['category']]},{r['kids'].title()}")
    (tmp_path / "images.csv").write_text("\n".join(lines) + "\n")
    prepare_command("clothing-dataset", tmp_path, tmp_path / "out", garments / "images", 2)
    made = rows_of(tmp_path / "out")
    assert len(made) >= 0.95 * len(some)
    agree, overlaps = 0, []
    for row in made:
        wanted = rows[row["file_name"]]
        assert [row[c] for c in ("split", "category", "sleeve", "kids")] == [
            wanted[c] for c in ("split", "category", "sleeve", "kids")
        ]
        agree += row["color"] == wanted["color"]
        mine, theirs = (
            read_mask(tmp_path / "out" / row["mask_file_name"]),
            read_mask(garments / wanted["mask_file_name"]),
        )
        overlaps.append(((mine > 0) & (theirs > 0)).sum() / ((mine > 0) | (theirs > 0)).sum())
    assert agree / len(made) > 0.75 and np.median(overlaps) > 0.95


# --- memory, resuming -------------------------------------------------------------------------------------------------


def test_pictures_are_read_as_they_are_needed(tmp_path: Path) -> None:
    """400 pictures are 79 MB of floats, and 20 MB as bytes."""
    assert peak_memory(make_all, write_deepfashion(tmp_path, 400), tmp_path / "out") < 18e6
    assert len(list((tmp_path / "out" / "images").iterdir())) == 400


def make_all(source: Path, out: Path) -> None:
    release = DeepFashionSynthesis(source, None)
    tracemalloc.reset_peak()  # opening looks at 64 pictures at once
    for _ in _in_order(release.items(0), out, 2):
        pass


@pytest.mark.parametrize("cut", [0, 17])
def test_an_interrupted_folder_is_completed(tmp_path: Path, deepfashion: Path, cut: int, monkeypatch) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    prepare_command("deepfashion-synthesis", deepfashion, whole, None, 2)
    release = DeepFashionSynthesis(deepfashion, None)
    running = write_release("deepfashion-synthesis", release, part, 2)
    for done in running:
        if done == 70:
            break
    running.close()  # as Ctrl-C does
    assert not (part / "metadata.csv").exists()
    with (part / "metadata.csv.part").open("a") as file:
        file.write("images/00071.png,tra")  # the line that was being written
    if cut:  # a picture was lost with the power
        (part / "images" / f"{cut:05d}.png").write_bytes(b"")
    again = write_release("deepfashion-synthesis", DeepFashionSynthesis(deepfashion, None), part, 2)
    assert next(again) == (cut - 1 if cut else 70)
    assert list(again)[-1] == 150
    assert (part / "metadata.csv").read_bytes() == (whole / "metadata.csv").read_bytes()
    for picture in (whole / "images").iterdir():
        assert (part / "images" / picture.name).read_bytes() == picture.read_bytes()


def test_items_that_were_left_out_are_not_tried_again(tmp_path: Path) -> None:
    source = write_shopping100k(tmp_path, 60)
    for k in (0, 1, 20, 59):
        if k:  # the first one has to be there
            (source / "Images" / releases.shopping_paths(60)[k]).unlink()
    out = tmp_path / "out"
    running = write_release("shopping100k", Shopping100k(source, None), out, 2)
    for done in running:
        if done == 21:
            break
    running.close()
    again = write_release("shopping100k", Shopping100k(source, None), out, 2)
    assert next(again) == 21 and list(again)[-1] == 60
    assert [int(r["number"]) for r in left_out(out)] == [1, 20, 59]
    assert len(rows_of(out)) == 57
    assert len([path for path in out.rglob("*") if path.is_file()]) == 57 + 4  # and nothing half done
    assert list(write_release("shopping100k", Shopping100k(source, None), out, 2)) == [60]  # all is done


@pytest.mark.slow
def test_killed_again_and_again_it_writes_the_same(tmp_path: Path) -> None:
    archive = write_shopping100k(tmp_path, 1500, packed=True)
    command = [sys.executable, "-m", "amgan", "prepare", "shopping100k", str(archive), "--out"]
    whole, part = tmp_path / "whole", tmp_path / "part"
    subprocess.run([*command, str(whole)], check=True)
    kills, growing = 0, part / "metadata.csv.part"
    while not (part / "metadata.csv").exists():
        process = subprocess.Popen([*command, str(part)])
        before = growing.stat().st_size if growing.exists() else 0
        while process.poll() is None:
            time.sleep(0.02)
            if growing.exists() and growing.stat().st_size > before + 15_000:
                process.kill()
                kills += 1
                break
        process.wait()
    files = {path.relative_to(whole): path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    assert kills > 3
    assert files == {path.relative_to(part): path.read_bytes() for path in part.rglob("*") if path.is_file()}


def test_a_folder_of_something_else_is_refused(tmp_path: Path, deepfashion: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(UserError, match="holds no prepared data set"):
        prepare_command("deepfashion-synthesis", deepfashion, tmp_path, None, None)
    source = write_shopping100k(tmp_path / "a", 50)
    prepare_command("shopping100k", source, tmp_path / "out", None, None)
    (source / FILES["color"]).write_text((source / FILES["color"]).read_text().replace(" 3\n", " 4\n"))
    with pytest.raises(UserError, match="made from another source"):
        prepare_command("shopping100k", source, tmp_path / "out", None, None)


# --- names from captions ----------------------------------------------------------------------------------------------


def test_names_are_what_most_captions_of_an_id_say() -> None:
    texts = [
        "A RED top",
        "a red and black dress",
        "black jeans",
        "a dark blue shirt",
        "grey tee",
        "a gray tee",
        "a tee",
    ]
    names = derive_names("color", np.array([1, 1, 2, 3, 4, 4, 5]), 5, texts, COLOUR_WORDS)
    assert [n.name for n in names] == ["red", "black", "dark blue", "gray", "color-5"]
    assert names[0].share == 1 and names[0].captions == 2 and names[4].captions == 0
    texts = [
        "long-sleeved short dress",
        "short sleeves",
        "no sleeves",
        "3/4 sleeve",
        "three-quarter length sleeved top",
    ]
    names = derive_names("sleeve", np.array([0, 1, 2, 3, 3]), 4, texts, SLEEVE_WORDS, first=0)
    assert [n.name for n in names] == ["long", "short", "sleeveless", "3/4"]


# --- the command ------------------------------------------------------------------------------------------------------


def test_every_release_opens_and_unknown_ones_are_said(tmp_path: Path) -> None:
    for name in RELEASES:
        with pytest.raises(UserError):
            find_release(name)(tmp_path / "nowhere", tmp_path)
    with pytest.raises(UserError, match="Did you mean 'shopping100k'"):
        find_release("shopping10k")


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in RELEASES if name != "deepfashion-synthesis"]


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["deepfashion-synthesis", *SLOW])
def test_what_it_writes_is_trained_on_and_measured(tmp_path: Path, name: str, deepfashion: Path, monkeypatch) -> None:
    """By the commands themselves: ``amgan prepare``, ``amgan train``, ``evaluate-retrieval``."""
    source, more = deepfashion, []
    if name == "shopping100k":
        source = write_shopping100k(tmp_path, 150)
    elif name == "adde":
        source, images = write_adde(tmp_path, 110, 40)
        more = ["--images", str(images)]
    elif name == "clothing-dataset":
        source = write_clothing(tmp_path / "clone", 200, 96)

    import retrieval.evaluation.cli as evaluation

    out, run, report = str(tmp_path / "out"), str(tmp_path / "run"), str(tmp_path / "report")

    def command(main, *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["command", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code

    command(amgan.cli.main, "prepare", name, str(source), "--out", out, *more)
    command(amgan.cli.main, "train", "--data", out, "--preset", "tiny", "--out", run)
    command(evaluation.main, out, "--weights", run, "--out", report, "--limit", "6")
    assert (Path(report) / "report.md").is_file()


@pytest.mark.thorough
def test_queries_of_adde_are_measured(tmp_path: Path, monkeypatch) -> None:
    import retrieval.evaluation.cli as evaluation

    splits, images = write_adde(tmp_path, 20, 12, queries=9)
    prepare_command("adde", splits, tmp_path / "out", images, 2)
    weights = tiny_weights(tmp_path / "weights", read_imagefolder(tmp_path / "out").schema)
    options = ["--weights", str(weights), "--queries", str(tmp_path / "out" / "queries"), "--out", str(tmp_path / "r")]
    monkeypatch.setattr(sys, "argv", ["evaluate-retrieval", str(tmp_path / "out"), *options])
    with pytest.raises(SystemExit) as end:
        evaluation.main()
    assert not end.value.code
    assert (tmp_path / "r" / "report.md").is_file()


@pytest.mark.parametrize("name", ["shopping100k", "adde"])
def test_what_the_others_write_is_loaded(tmp_path: Path, name: str) -> None:
    images = None
    if name == "adde":
        source, images = write_adde(tmp_path, 30, 10)
    else:
        source = write_shopping100k(tmp_path, 40)
    prepare_command(name, source, tmp_path / "out", images, 2)
    folder = read_imagefolder(tmp_path / "out")
    for split in ("train", "test"):
        records = folder.split(split)
        assert len(load_garments(folder, records, 32, progress=False)) > 0.8 * len(records)
