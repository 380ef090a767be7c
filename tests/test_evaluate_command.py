"""`evaluate-retrieval` and the sheet script, from outside, on drawn garments and tiny random weights."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from amgan.schema import AttributeSchema
from amgan.testing import draw_catalogue, tiny_weights
from retrieval.evaluation import cli
from retrieval.evaluation.found import KS
from retrieval.evaluation.report import to_json
from retrieval.evaluation.rows import ROWS


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_weights(tmp_path_factory.mktemp("weights") / "tiny")


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_catalogue(tmp_path_factory.mktemp("data") / "shirts", count=24)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """The console script in this process; its exit status."""
    monkeypatch.setattr(sys, "argv", ["evaluate-retrieval", *map(str, arguments)])
    with pytest.raises(SystemExit) as status:
        cli.main()
    return int(status.value.code or 0)


@pytest.fixture(scope="module")
def report(weights: Path, catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """One whole run; where its report lies, and its standard output."""
    out = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
        arguments = (catalogue, "--weights", weights, "--out", out, "--json", "--rounds", 20, "--sheet", 3)
        assert run(patch, *arguments) == 0
    return out, printed.getvalue()


def test_every_file_is_written_whole(report: tuple[Path, str]) -> None:
    out, _ = report
    names = {p.name for p in out.iterdir()}
    pictures = {"topk.png", "values.png", "confusion.png", "edit_confusion.png", "sheet.png"}
    assert names == {"report.json", "report.md", "report.html", *pictures}
    for picture in out.glob("*.png"):
        with Image.open(picture) as image:
            image.verify()


def test_json_is_alone_on_standard_output_and_is_the_file(report: tuple[Path, str]) -> None:
    out, printed = report
    assert json.loads(printed) == json.loads((out / "report.json").read_text(encoding="utf-8"))


def test_a_folder_whose_name_is_no_text(weights: Path, catalogue: Path, tmp_path: Path, monkeypatch) -> None:
    odd = tmp_path / os.fsdecode(b"shirts-\xff")
    shutil.copytree(catalogue, odd)
    arguments = ("--weights", weights, "--out", tmp_path / "out", "--rounds", 0, "--sheet", 1, "--limit", 6)
    assert run(monkeypatch, odd, *arguments) == 0
    data = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert data["data"]["folder"].endswith(odd.name)
    assert "shirts-" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_the_report_holds_every_row_and_setting(report: tuple[Path, str], weights: Path) -> None:
    data = json.loads((report[0] / "report.json").read_text(encoding="utf-8"))
    assert set(data["edits"]) == {"edited", "no edit"}
    assert set(data["edits"]["edited"]) == {"sleeve", "color"}
    assert data["edits"]["no edit"]["color"]["macro"]["change_outside"]["mean"] == 0
    assert set(data["protocols"]["A"]) == {"teacher", "judge"}
    for table in data["protocols"]["A"].values():
        assert list(table["rows"]) == list(ROWS)
        for row in table["rows"].values():
            assert list(row["hit"]) == [str(k) for k in KS]
    assert data["measuring_sticks"]["judge"]["sleeve"]["photos"] == data["data"]["photos"] == 8
    assert data["measuring_sticks"]["colour from pixels"]["accuracy_without_multi"] >= 0.8
    assert data["weights"]["card"]["name"] == "tiny"
    assert data["weights"]["measured_with"] == str(weights)
    assert len(data["data"]["sha256"]) == 64
    assert data["settings"]["bootstrap_rounds"] == 20
    assert {"python", "torch", "numpy"} <= set(data["libraries"])


def test_pages_are_readable_and_self_contained(report: tuple[Path, str]) -> None:
    page = (report[0] / "report.html").read_text(encoding="utf-8")
    text = (report[0] / "report.md").read_text(encoding="utf-8")
    assert "http:" not in page and "https:" not in page  # by chance "http" is in a picture, as base64
    assert page.count("data:image/png;base64,") == 5
    for word in ("accepted by the judge", "edited + wanted", "given labels (upper bound)", "SHA-256", "left out"):
        assert word in page, word
        assert word in text, word
    assert "nan" not in text.lower().split()


def test_the_same_again_gives_the_same_numbers(
    report: tuple[Path, str], weights: Path, catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (catalogue, "--weights", weights, "--out", tmp_path, "--rounds", 20, "--sheet", 3)
    assert run(monkeypatch, *arguments) == 0
    first, second = (json.loads((p / "report.json").read_text(encoding="utf-8")) for p in (report[0], tmp_path))
    for passing in ("times", "command"):
        del first[passing], second[passing]
    assert first == second
    for name in ("sheet.png", "topk.png", "values.png"):
        assert (report[0] / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_another_embedder_and_another_judge(
    weights: Path, catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tiny_weights(tmp_path / "other", seed=5)
    arguments = (catalogue, "--weights", weights, "--out", tmp_path / "out", "--rounds", 0, "--split", "all")
    assert run(monkeypatch, *arguments, "--embedder", other, "--measure-with", other, "--limit", 9) == 0
    data = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert list(data["protocols"]["A"]) == ["teacher", "judge", str(other)]
    teacher, embedder = (data["protocols"]["A"][name]["rows"]["edited"]["hit"] for name in ("teacher", str(other)))
    assert teacher == embedder  # the same network by another way
    assert "prototype" not in data["protocols"]["A"]["teacher"]["rows"]  # no photos are left over to make one from
    assert data["data"]["photos"] == 9
    assert "Top-10 with teacher" in capsys.readouterr().out


def test_figures_that_chance_reaches_too_are_said(
    weights: Path, catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (catalogue, "--weights", weights, "--rounds", 0, "--split", "all", "--sheet", 1, "--json")
    assert run(monkeypatch, *arguments, "--limit", 12, "--out", tmp_path / "small") == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    (warning,) = report["warnings"]
    assert "a random order has a right garment" in warning
    chance = report["protocols"]["A"]["judge"]["rows"]["chance"]["hit"]
    assert chance["20"]["mean"] > 0.999
    assert f"Warning: {warning}" in printed.err
    assert warning in (tmp_path / "small" / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (["--split", "holdout"], "no records in split 'holdout'; it has test, train, val"),
        (["--weights", "nowhere"], "Unknown weights 'nowhere'"),
        (["--embedder", "no/such:thing"], "no/such"),
        (["--weight-image", "0", "--weight-wanted", "0", "--weight-kept", "0"], "All query weights are 0"),
    ],
)
def test_mistakes_end_in_a_sentence(
    change: list[str],
    sentence: str,
    weights: Path,
    catalogue: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [catalogue, "--out", tmp_path / "out", "--rounds", 0, "--weights", weights, *change]
    assert run(monkeypatch, *arguments) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert not (tmp_path / "out").exists()


def test_other_attributes_and_missing_folders_are_refused(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = draw_catalogue(tmp_path / "other", count=6)
    (other / "attributes.json").write_text('{"hem": ["a", "b"]}')
    (other / "metadata.csv").write_text("file_name,hem\nimages/0000.png,a\n")
    assert run(monkeypatch, other, "--weights", weights, "--out", tmp_path / "out") == 2
    assert "it has hem, and the classifiers of" in capsys.readouterr().err
    assert run(monkeypatch, tmp_path / "none", "--weights", weights, "--out", tmp_path / "out") == 2
    assert "is not a folder" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_says_so(
    weights: Path, catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    arguments = (catalogue, "--weights", weights, "--rounds", 0, "--sheet", 1, "--limit", 2)
    assert run(monkeypatch, *arguments, "--out", tmp_path / "file" / "report") == 2
    assert "cannot be written" in capsys.readouterr().err


MORE = {
    "collar": {"values": ["round", "hood"], "editable": False},
    "sleeve": ["sleeveless", "short", "3/4", "long"],
    "color": ["black", "white", "red", "blue", "multi"],
    "kind": ["tee", "hoodie"],
}


@pytest.mark.thorough
def test_folders_of_more_and_of_fewer_attributes_than_the_weights(
    weights: Path, catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tiny_weights(tmp_path / "new", AttributeSchema.from_dict(MORE))
    labelled = tmp_path / "labelled"
    shutil.copytree(catalogue, labelled)
    (labelled / "labels.json").write_text(json.dumps(MORE))
    rows = [f"images/{i:04d}.png,{MORE['sleeve'][i % 4]},round,tee" for i in range(24)]
    (labelled / "labels.csv").write_text("\n".join(["file_name,sleeve,collar,kind", *rows]))
    small = ("--rounds", 0, "--sheet", 1, "--limit", 6, "--out", tmp_path / "out")
    for folder, with_, judges, attributes in (
        (catalogue, new, new, {"sleeve", "color"}),
        (labelled, weights, weights, {"sleeve", "color"}),
        (labelled, new, new, {"sleeve", "color"}),  # a collar is only known
        (labelled, weights, new, {"sleeve", "color"}),
    ):
        assert run(monkeypatch, folder, "--weights", with_, "--measure-with", judges, *small) == 0
        data = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
        assert set(data["edits"]["edited"]) == attributes
        assert "3/4" not in data["edits"]["edited"]["sleeve"]["values"] or with_ is new
        if folder is labelled and judges is weights:
            assert "as the classifiers of" in capsys.readouterr().err
            assert set(data["data"]["schema"]) == {"sleeve", "color"}
        elif folder is labelled:
            assert set(data["measuring_sticks"]["judge"]) >= {"collar", "kind"}


def test_a_folder_without_splits_is_measured_whole(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = draw_catalogue(tmp_path / "plain", count=6, split=("",))
    (folder / "attributes.json").unlink()  # the weights know them
    assert run(monkeypatch, folder, "--weights", weights, "--out", tmp_path / "out", "--rounds", 0, "--sheet", 1) == 0
    data = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["data"]
    assert (data["split"], data["photos"]) == ("all", 6)


def test_a_mean_over_nothing_is_null() -> None:
    assert json.loads(to_json({"a": math.nan, "b": [math.inf, 1.5, "x"]})) == {"a": None, "b": [None, 1.5, "x"]}


def test_help_names_examples(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--help") == 0
    assert "evaluate-retrieval" in capsys.readouterr().out


def test_the_sheet_script(
    root: Path,
    weights: Path,
    catalogue: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = runpy.run_path(str(root / "scripts" / "sheet.py"))

    def sheet(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["sheet.py", str(catalogue), "--weights", str(weights), *map(str, arguments)])
        with pytest.raises(SystemExit) as status:
            script["main"]()
        return int(status.value.code or 0)

    assert (
        sheet("--photos", 3, "--set", "color=red", "--set", "sleeve=long,color=blue", "--out", tmp_path / "a.png") == 0
    )
    assert "3 photos × 2 edits" in capsys.readouterr().out
    assert sheet("--photos", 2, "--compare", weights, "--no-masks", "--out", tmp_path / "b.png") == 0
    with Image.open(tmp_path / "a.png") as a, Image.open(tmp_path / "b.png") as b:
        assert a.width < b.width
    large = ("--photos", 1, "--set", "color=red", "--tile", 256)
    assert sheet(*large, "--out", tmp_path / "small.png") == 0
    assert sheet(*large, "--size", "source", "--out", tmp_path / "large.png") == 0
    pixels = [np.asarray(Image.open(tmp_path / f"{n}.png").convert("L"), float) for n in ("small", "large")]
    rough = [np.square(np.diff(p[30:280, 110:355], axis=1)).mean() for p in pixels]  # the photo's pixels are sharper
    assert pixels[0].shape == pixels[1].shape and rough[1] > rough[0]
    assert sheet("--size", "huge", "--out", tmp_path / "c.png") == 2
    assert "Valid: model, source" in capsys.readouterr().err
    assert sheet("--set", "color=plaid", "--out", tmp_path / "c.png") == 2
    assert "Unknown color 'plaid'" in capsys.readouterr().err


def test_the_score_script(
    root: Path, weights: Path, catalogue: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = runpy.run_path(str(root / "scripts" / "score_edits.py"))
    for more in ([], ["--json"]):
        arguments = ["score_edits.py", str(catalogue), str(weights), "--limit", "4", *more]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as status:
            script["main"]()
        assert not status.value.code
    table, _, numbers = capsys.readouterr().out.partition("{")
    assert "color mask_iou" in table
    assert set(json.loads("{" + numbers)[str(weights)]) == {"sleeve", "color", "edits"}
