"""An editor of another package: a small distribution with an entry point, as pip would lay it out, and every place that
takes one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from amgan.cli import app as amgan_app
from amgan.editing.editor import Editor, is_outside, load_editor
from amgan.errors import UserError
from retrieval.cli import app as search_app
from retrieval.evaluation.cli import app as evaluate_app
from tests.tiny_catalogue import SCHEMA, make_catalogue, make_index, make_weights
from ui.resources import _opened
from ui.settings import read_settings

BROKEN = """
def broken(argument):
    return {}["nothing"]


def nothing(argument):
    return object()
"""


def documented(root: Path) -> str:
    """The package's module, as docs/METHODS.md shows it."""
    page = (root / "docs" / "METHODS.md").read_text(encoding="utf-8").partition("## An editor of another package")[2]
    assert 'painter = "painted:make"' in page
    return page.partition("```python\n")[2].partition("```")[0]


@pytest.fixture
def package(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The distribution ``painted``, installed."""
    site = tmp_path / "site"
    about = site / "painted-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "painted.py").write_text(documented(root) + BROKEN)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: painted\nVersion: 1.0\n")
    points = "painter = painted:make\nbroken = painted:broken\nnothing = painted:nothing\nmissing = unpainted:make\n"
    (about / "entry_points.txt").write_text(f"[amgan.editors]\n{points}")
    monkeypatch.syspath_prepend(site)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue, weights, and an index of the one by the other."""
    made = tmp_path_factory.mktemp("index")
    make_index(made / "index", make_catalogue(made / "shirts"), make_weights(made / "weights"))
    return made


def redness(picture: np.ndarray, where: np.ndarray) -> float:
    return float((picture[..., 0].astype(int) - picture[..., 2].astype(int))[where].mean())


def test_it_is_found_by_its_name_and_takes_the_rest_of_it(package) -> None:
    assert is_outside("painter") and is_outside("painter:64") and not is_outside("photos")
    assert load_editor("painter").image_size == 128
    editor = load_editor("painter:64")
    assert isinstance(editor, Editor) and editor.image_size == 64 and editor.identity == "painter 1 at 64"
    assert load_editor("painter:64", "fastest").identity == editor.identity  # no runtime of ours
    with pytest.raises(UserError, match="Unknown attribute 'sleeve'"):
        editor.edit(torch.zeros(1, 3, 64, 64, dtype=torch.uint8), {"sleeve": "long"})


def test_what_is_wrong_with_a_package_is_said(package) -> None:
    for name, sentence in (
        ("broken", "The editor 'broken' of the package painted cannot be used: KeyError: 'nothing'"),
        ("missing", "package painted cannot be used: ModuleNotFoundError: No module named 'unpainted'"),
        ("nothing", "The editor 'nothing' lacks schema, image_size, identity or edit; its package, painted,"),
    ):
        with pytest.raises(UserError, match=sentence):
            load_editor(name)


def test_the_command_edits_with_it_and_lists_what_it_knows(package, index: Path, tmp_path: Path) -> None:
    photo = next(p for p in sorted((index / "shirts" / "images").iterdir()) if "black" in p.name)
    arguments = ["edit", str(photo), "--weights", "painter:48", "--set", "color=red", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(amgan_app, [*arguments, "--accept-cutout"])
    assert done.exit_code == 0, done.output
    with Image.open(tmp_path / "out" / f"{photo.stem}.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.shape[:2] == (48, 48) and redness(pixels, pixels.min(2) < 200) > 100
    listed = CliRunner().invoke(amgan_app, ["weights", "painter"])
    assert "color = red, blue" in listed.output


def test_searches_and_the_page_edit_with_it(package, index: Path) -> None:
    """The index's own networks embed; only the edit is another's."""
    photo = next(p for p in sorted((index / "shirts" / "images").iterdir()) if "black" in p.name)
    where = ["--store", str(index / "index"), "--collection", "shirts"]
    arguments = [str(photo), "--set", "color=red", *where, "--accept-cutout", "--json", "-k", "3"]
    found = {}
    for editor in (["--editor", "painter:48"], []):
        done = CliRunner().invoke(search_app, [*arguments, *editor])
        assert done.exit_code == 0, done.output
        found[bool(editor)] = json.loads(done.stdout)
    assert len(found[True]["hits"]) == 3 and found[True]["edit"] == {"color": "red"}
    assert [h["score"] for h in found[True]["hits"]] != [h["score"] for h in found[False]["hits"]]
    refused = CliRunner().invoke(search_app, [*arguments, "--set", "sleeve=long", "--editor", "painter:48"])
    assert isinstance(refused.exception, UserError) and "sleeve" in str(refused.exception)

    searcher = _opened.__wrapped__(read_settings([*where, "--editor", "painter:48"]), "shirts")
    try:
        assert searcher.editor.identity == "painter 1 at 48" and searcher.schema.editable == ("color",)
    finally:
        searcher.close()


@pytest.mark.thorough
def test_reports_measure_it_with_the_eyes_of_weights(package, index: Path, tmp_path: Path) -> None:
    data = index / "shirts"
    rows = [f"images/{p.name},{p.stem.split()[0]},{p.stem.split()[1]}" for p in sorted((data / "images").iterdir())]
    (data / "metadata.csv").write_text("\n".join(["file_name,sleeve,color", *rows]) + "\n")
    (data / "attributes.json").write_text(json.dumps(SCHEMA.to_dict()))
    arguments = [str(data), "--weights", "painter:32", "--split", "all", "--rounds", "0", "--json", "--limit", "8"]
    with pytest.raises(UserError, match=r"no teacher and judge of its own.*--measure-with photos"):
        CliRunner().invoke(evaluate_app, [*arguments, "--out", str(tmp_path)], catch_exceptions=False)
    eyes = ["--measure-with", str(index / "weights")]
    done = CliRunner().invoke(evaluate_app, [*arguments, *eyes, "--out", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["weights"]["editor"] == "painter 1 at 32"
    assert (tmp_path / "report.html").is_file()
