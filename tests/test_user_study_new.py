"""``user-study new`` with real editors (tiny, random weights), and the page without a browser."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from amgan.data.garments import load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.editing.editor import EditResult, load_editor
from amgan.schema import AttributeSchema
from amgan.testing import draw_catalogue, tiny_weights
from tests.fake_study import draw_pictures, fake_study
from ui.study import cli
from ui.study.answers import Answers
from ui.study.folder import read_key, read_study
from ui.study.making import enlarged
from ui.study.words import in_words


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue and two editors."""
    folder = tmp_path_factory.mktemp("user study")
    draw_catalogue(folder / "catalogue", 24)
    tiny_weights(folder / "alfa-net")
    tiny_weights(folder / "bravo-net", image_size=64, seed=1)  # editors may see garments at sizes of their own
    return folder


def new(made: Path, monkeypatch: pytest.MonkeyPatch, out: Path, *more: object) -> int:
    editors = [part for name in ("alfa-net", "bravo-net") for part in ("--editor", str(made / name))]
    arguments = ["new", made / "catalogue", *editors, "--comparisons", 4, "--out", out, *more]
    monkeypatch.setattr(sys, "argv", ["user-study", *map(str, arguments)])
    with pytest.raises(SystemExit) as status:
        cli.main()
    return int(status.value.code or 0)


@pytest.mark.thorough
def test_a_study_is_what_the_editors_made_and_blind(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "study"
    assert new(made, monkeypatch, out, "--repeats", 2) == 0
    assert "4 comparisons of 2 editors" in capsys.readouterr().out
    study, key = read_study(out), read_key(read_study(out))
    assert Counter(c.attribute for c in study.comparisons) == {"sleeve": 2, "color": 2}
    assert len(set(key["photos"])) == 4

    # Every picture is the one that its editor makes, enlarged.
    data = read_imagefolder(made / "catalogue")
    records = {r.item_id: r for r in data.records}
    for name in key["editors"]:
        editor = load_editor(name)
        for comparison, photo in zip(study.comparisons, key["photos"], strict=True):
            garment = load_garments(data, [records[photo]], editor.image_size, progress=False)
            values = data.schema.values(comparison.attribute)
            (value,) = [v for v in values if in_words(comparison.attribute, v) == comparison.change]
            truth = enlarged(editor.edit(garment.images, {comparison.attribute: value}).image[0])
            (mine,) = [p for p in comparison.orders[0] if key["pictures"][p] == name]
            assert study.picture(mine) == truth
            assert records[photo].labels[data.schema.index(comparison.attribute)] != values.index(value)

    # Nothing but the key tells the editors apart.
    told = (out / "study.json").read_text(encoding="utf-8") + " ".join(p.name for p in out.rglob("*"))
    assert "net" not in told and "tiny" not in told
    for file in (out / "pictures").iterdir():
        with Image.open(file) as picture:
            assert picture.size == (512, 512) and picture.format == "WEBP" and not picture.getexif()
    whose = Counter((key["pictures"][o[0]], row) for c in study.comparisons for row, o in enumerate(c.orders))
    assert set(whose.values()) == {2}  # each stands first equally often, in every row of orders

    again = tmp_path / "again"
    assert new(made, monkeypatch, again, "--repeats", 2) == 0  # the same seed, the same study
    files = {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    assert files == {p.relative_to(again): p.read_bytes() for p in again.rglob("*") if p.is_file()}
    assert new(made, monkeypatch, tmp_path / "other", "--seed", 1) == 0
    assert read_key(read_study(tmp_path / "other"))["photos"] != key["photos"]


def test_a_photo_that_cannot_be_used_is_replaced(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert new(made, monkeypatch, tmp_path / "study", "--attribute", "colour", "--repeats", 0) == 0
    key = read_key(read_study(tmp_path / "study"))
    other = tmp_path / "made"
    shutil.copytree(made, other)
    (other / "catalogue" / f"{key['photos'][0]}.png").write_bytes(b"")
    assert new(other, monkeypatch, tmp_path / "replaced", "--attribute", "colour", "--repeats", 0) == 0
    replaced = read_study(tmp_path / "replaced")
    assert len(replaced.comparisons) == 4 and key["photos"][0] not in read_key(replaced)["photos"]
    assert {c.attribute for c in replaced.comparisons} == {"color"}


def test_an_editor_from_outside_by_a_name_of_its_own(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Negative:
        """Knows no sleeves, and other spellings."""

        schema = AttributeSchema.from_dict({"colour": ["Red", "Blue"]})
        image_size, identity = 48, "negative"

        def edit(self, images: torch.Tensor, edits: list, only_on: object = None) -> EditResult:
            assert [self.schema.canonical(e) for e in edits]
            return EditResult(255 - images, torch.ones(len(images), 1, 48, 48), 255 - images)

    class Entry:
        def load(self) -> object:
            return lambda rest: Negative() if rest == "x" else None

    monkeypatch.setattr("amgan.editing.editor.entry_points", lambda group, name: [Entry()] if name == "outside" else [])
    assert new(made, monkeypatch, tmp_path / "study", "--editor", "Theirs=outside:x") == 0
    study = read_study(tmp_path / "study")
    key = read_key(study)
    assert list(key["editors"].items())[-1] == ("Theirs", "negative")
    assert {c.change for c in study.comparisons} == {"in red", "in blue"}  # what all three can do
    for comparison in study.comparisons:
        (theirs,) = [p for p in comparison.orders[0] if key["pictures"][p] == "Theirs"]
        with Image.open(io.BytesIO(study.picture(theirs))) as picture:
            assert np.asarray(picture)[0, 0].tolist() == [0, 0, 0]  # where cut-outs are white


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--comparisons", 9), "Only 8 comparisons can be made"),
        (("--editor", "nowhere"), "Unknown weights 'nowhere'"),
        (("--attribute", "hem"), "Unknown attribute 'hem'"),
        (("--split", "holdout"), "no records in split 'holdout'"),
        (("--editor", "SAME"), "Two editors are called"),
        ([part for n in range(5) for part in ("--editor", f"e{n}=x")], "2 to 6 editors"),
        (("--editor", "COPY"), "are the same editor"),
        (("--out", "CATALOGUE"), "in use already"),
    ],
)
def test_mistakes_end_in_a_sentence(
    more: Sequence[object],
    sentence: str,
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if more[-1] == "COPY":
        shutil.copytree(made / "alfa-net", tmp_path / "copy")
    places = {"SAME": made / "alfa-net", "COPY": tmp_path / "copy", "CATALOGUE": made / "catalogue"}
    assert new(made, monkeypatch, tmp_path / "study", *(places.get(str(m), m) for m in more)) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "study").exists() and not list(tmp_path.glob(".study*"))


def test_edits_are_plain_english() -> None:
    assert in_words("sleeve", "sleeveless") == "no sleeves"
    assert in_words("sleeve", "long") == "long sleeves"
    assert in_words("color", "red") == "in red"
    assert in_words("collar", "polo") == "polo collar"
    assert in_words("collar", "v-neck") == "a v-neck"
    assert in_words("fastening", "zip") == "a zip"
    assert in_words("gender", "x") == "gender: x"


# The page


@pytest.fixture
def app(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    study = fake_study(tmp_path, comparisons=1, repeats=1)
    draw_pictures(study, 8)
    monkeypatch.setattr("sys.argv", ["app.py", str(tmp_path)])
    monkeypatch.setattr("ui.study.design.ECHO", 0.0)
    st.cache_resource.clear()
    return AppTest.from_file(str(root / "ui" / "study" / "app.py"), default_timeout=300)


def shown(app: AppTest) -> str:
    return "\n".join(str(e.proto.body) for kind in ("html", "markdown", "title") for e in app.get(kind))


def test_the_page_asks_saves_goes_back_and_resumes(
    app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.run()
    assert not app.exception and "2 garments, 4 short questions each" in shown(app)
    app.text_input(key="code").input("nobody").run()
    app.button(key="resume").click().run()
    assert "Nobody in this study" in app.warning[0].value
    app.button(key="start").click().run()
    answers = Answers(tmp_path, "abc")
    (code,) = answers.participants()
    assert app.query_params["me"] in (code, [code])
    assert "question 1 of 4" in shown(app) and app.button(key="back-button").disabled
    app.button(key="choose-2").click().run()
    assert [a.position for a in answers.all()] == [1]
    assert "change of color</mark>" in shown(app)
    app.button(key="cannot").click().run()
    app.button(key="back-button").click().run()
    app.button(key="back-button").click().run()
    assert "question 1 of 4" in shown(app) and shown(app).count("shown chosen") == 1
    app.button(key="choose-4").click().run()
    assert "question 3 of 4" in shown(app)  # the first that has no answer
    assert sorted((a.question, a.position) for a in answers.all()) == [("edit", None), ("real", 3)]

    monkeypatch.setattr("ui.study.design.ECHO", 1000.0)
    app.button(key="choose-1").click().run()  # the second click of a double one
    assert "question 3 of 4" in shown(app) and len(answers.all()) == 2
    monkeypatch.setattr("ui.study.design.ECHO", 0.0)

    later = AppTest.from_file(app._script_path, default_timeout=300).run()  # another device
    later.text_input(key="code").input(f" {code.upper()} ").run()
    later.button(key="resume").click().run()
    assert "question 3 of 4" in shown(later)
    for _ in range(6):
        later.button(key="choose-1").click().run()
    assert "Thank you!" in shown(later) and not later.exception
    assert len(answers.of(code)) == 8 and sum(a.repeat for a in answers.all()) == 4
    later.button(key="back-button").click().run()
    assert "Garment 2 of 2, question 4 of 4" in shown(later)


def test_what_is_wrong_is_said_without_a_traceback(
    app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.query_params["me"] = "someone"
    app.run()
    assert "Nobody in this study" in app.error[0].value
    app.button[0].click().run()
    assert "Start" in [b.label for b in app.button]
    app.button(key="start").click().run()
    shutil.rmtree(tmp_path / "pictures")
    st.cache_data.clear()
    app.run()
    assert "Something went wrong" in app.error[0].value and not app.exception
    (tmp_path / "study.json").write_text(json.dumps({"format": 2}))
    st.cache_resource.clear()
    assert "format 2" in app.run().error[0].value


def test_enlarging_keeps_what_is_there() -> None:
    down, across = np.mgrid[10:250:15, 10:250:15]
    picture = torch.from_numpy(np.stack([down, across, 255 - down]).astype(np.uint8))
    with Image.open(io.BytesIO(enlarged(picture))) as large:
        small = np.asarray(large.resize((16, 16), Image.Resampling.BOX)).astype(int)
    assert np.abs(small - picture.permute(1, 2, 0).numpy()).max() < 3
