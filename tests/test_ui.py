"""The page, driven without a browser: every choice a visitor can make, and every mistake."""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from amgan.editing.editor import EditResult, NetworkEditor, load_editor
from amgan.errors import UserError
from indexer.cli import index_catalog
from retrieval.results import Found
from retrieval.stores import connect
from retrieval.stores.base import point_id
from tests.live_page import address, at, cards, click, healthy, html, open_page, part, parts, set_to, text
from tests.tiny_catalogue import draw_shirt, make_catalogue, make_index, make_weights
from ui import resources, uploads
from ui.finding import hits_csv
from ui.resources import LOADER
from ui.settings import read_settings


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    make_index(folder / "index", make_catalogue(folder / "catalogue"), make_weights(folder / "weights"))
    return folder


@pytest.fixture(autouse=True)
def settings(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WEIGHTS", "CATALOGUE"):
        monkeypatch.delenv(f"AMGAN_{name}", raising=False)
    monkeypatch.setenv("AMGAN_STORE", str(made / "index"))
    monkeypatch.setenv("AMGAN_COLLECTION", "shirts")
    monkeypatch.setenv("AMGAN_UPLOADS", str(tmp_path / "uploads"))
    monkeypatch.setattr("sys.argv", ["app.py"])


@pytest.fixture
def afresh() -> Iterator[None]:
    """For what the page must load anew: other tests find what it has loaded already."""
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def garment(name: str) -> str:
    return point_id(f"images/{name}.png")


def as_png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def noise() -> bytes:
    return as_png(Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)))


def test_choose_change_and_find(root: Path) -> None:
    app = open_page(root)
    assert healthy(app) and "30 garments · page 1 of 2" in text(app)
    assert len(cards(app)) == 24
    set_to(set_to(app, "Sleeves", "short"), "Colour", "red")
    assert "2 garments match" in text(app)
    pictures = [p.attributes["alt"] for p in parts(app) if p.tag == "img"]
    assert sorted(pictures) == ["short, red (short red & 112)", "short, red (short red & 96)"]
    click(app, "short, red", "pick")
    assert healthy(app) and "Most like this garment" in text(app)
    click(app, "long", "set")
    assert healthy(app) and "Found with the change" in text(app)
    assert len(cards(app)) == 20
    assert part(app, "long", "set").attributes["aria-pressed"] == "true"
    status = next(p.text for p in parts(app) if p.attributes.get("role") == "status")
    right = sum("✓ long" in c.text for c in cards(app))
    assert status == f"20 garments found for long; {right} of them are exactly that."
    assert all(("✓ long as wanted" in c.text) != ("not as wanted" in c.text) for c in cards(app))
    click(app, "Choose another garment")
    assert "2 garments match" in text(app)  # the filter is still set
    click(app, "Show all")
    click(app, "Next page")
    assert len(cards(app)) == 6 and "page 2 of 2" in text(app)


def test_the_address_is_all_there_is(root: Path) -> None:
    app = open_page(root, item=garment("short red & 96"))
    click(app, "green", "set")
    click(app, "sleeves only", "set")
    set_to(app, "How strongly", "0.6")
    click(app, "Expert")
    set_to(app, "Hits to show", "5")
    set_to(app, "Only show hits whose Sleeves", "long")
    set_to(app, "picture’s looks", "1.5")
    assert healthy(app)
    query = address(app)
    assert html(open_page(root, **query)) == html(app)  # what somebody sees who is sent the link
    click(app, "long", "pick")  # a hit becomes the next garment: the view, the weights and the filter stay
    assert healthy(app)
    kept = {k: address(app)[k] for k in ("view", "k", "only.sleeve", "weights")}
    assert kept == {k: query[k] for k in kept}
    assert "set.color" not in app.query_params
    click(app, "Step 1", "step")  # and back, with what was changed
    assert address(app) == query


@pytest.mark.thorough
def test_what_an_address_asks_for_in_vain_is_said(root: Path) -> None:
    app = open_page(root, **{"item": garment("short red & 96"), "set.color": "mauve", "set.sleeve": "long", "k": "7"})
    assert "left out: color=mauve" in text(app)
    assert "Found with the change" in text(app) and len(cards(app)) == 20
    assert "left out: color=multi" in text(open_page(root, **{"item": garment("short red & 96"), "set.color": "multi"}))
    for nonsense in ("no such garment", "../../etc/passwd", garment("never")):
        app = open_page(root, item=nonsense)
        assert "not in the catalogue" in text(app)
        assert "/" not in text(app).replace("3/4", "") and not app.exception
    assert healthy(click(app, "Choose another garment"))


def test_labels_of_the_shop_come_before_predictions_and_both_can_be_corrected(root: Path, made: Path) -> None:
    app = open_page(root, item=garment("long blue & 112"), view="expert")
    facts = [p.text for p in parts(app) if "fact" in p.classes]
    assert any("Colour blue the shop’s label" in f for f in facts)
    sleeve = next(f for f in facts if f.startswith("Sleeves"))
    assert "as predicted" in sleeve and "% sure" in sleeve
    before = [c.text for c in cards(app)]
    click(app, "short", "label")
    facts = [p.text for p in parts(app) if "fact" in p.classes]
    assert any(f.startswith("Sleeves short set by you") for f in facts)
    assert [c.text for c in cards(app)] != before  # searched for as such
    click(app, "take back")
    assert [c.text for c in cards(app)] == before
    set_to(app, "Labels to show", "predicted")
    assert not any("the shop’s label" in p.text for p in parts(app) if "fact" in p.classes)


def test_what_is_only_known_is_shown_and_filtered_but_not_set(
    root: Path, afresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def partly(weights: str, *args: object, **kwargs: object) -> NetworkEditor:
        editor = load_editor(weights)
        assert isinstance(editor, NetworkEditor)
        editor.schema = editor.schema.editing(["color"])
        return editor

    monkeypatch.setattr("amgan.editing.editor.load_editor", partly)
    app = open_page(root, item=garment("short red & 96"))
    assert [p.attributes["aria-label"] for p in parts(app) if "group" in p.classes] == ["Colour"]
    click(app, "blue", "set")
    assert healthy(app) and "Where the colour goes" not in html(app)
    click(app, "Choose another garment")
    assert healthy(app) and "Then change its colour, and see" in text(app)
    assert healthy(set_to(app, "Sleeves", "short"))


def test_colour_edits_can_be_kept_to_a_part(root: Path) -> None:
    app = open_page(root, item=garment("short red & 96"))
    assert "Where the colour goes" not in html(app)
    click(app, "blue", "set")
    click(app, "sleeves only", "set")
    assert healthy(app) and "blue (sleeves only)" in html(app)
    assert "as wanted" not in text(app)  # no label says that the sleeves alone are blue
    assert "several colours" not in [p.text for p in parts(app) if "group" in p.classes for p in p.inside]
    click(app, "long", "set")  # which the region does not go with
    assert healthy(app) and "on" not in app.query_params and "second step" in text(app)


def test_weights_of_0_are_said_where_they_are_set(root: Path) -> None:
    app = open_page(root, **{"item": garment("short red & 96"), "set.sleeve": "long", "view": "expert"})
    usual = [c.text for c in cards(app)]
    assert all("What you changed 0." in words for words in usual[:3])  # what the scores are made of
    compared = next(p for p in parts(app) if p.text == "Compare editors" and p.tag == "a")
    assert compared.attributes["href"].startswith("compare?item=") and "set.sleeve=long" in compared.attributes["href"]
    at(app, address(app) | {"weights": "0,0,0"})
    weights = next(p.text for p in parts(app) if p.tag == "fieldset")
    assert "At 0 all three" in weights
    assert [c.text for c in cards(app)] == usual and not app.exception
    set_to(app, "Only show hits whose Colour", "green")
    assert all("green" in c.text for c in cards(app)) and "Found without it" in text(app)


def test_words_become_chips_and_what_was_not_understood_is_said(root: Path) -> None:
    app = open_page(root, item=garment("short red & 96"))
    app.text_input(key="words").set_value("long sleeves, in green, with sequins").run()
    assert (address(app)["set.sleeve"], address(app)["set.color"]) == (["long"], ["green"])
    assert "Not understood" in text(app) and "sequins" in text(app)
    assert "Found with the change" in text(app) and not app.exception


def upload(app: AppTest, name: str, data: bytes) -> AppTest:
    return app.file_uploader(key="file").upload(name, data, "image/png").run()


def test_upload_a_photo(root: Path) -> None:
    app = upload(open_page(root), "my <shirt>.png", as_png(draw_shirt("short", "black")))
    assert healthy(app) and "Most like this garment" in text(app)  # at once: nothing speaks against the cut-out
    assert len(address(app)["photo"][0]) == 64
    click(app, "red", "set")
    other = open_page(root, **address(app))
    assert html(other) == html(app)
    app.button(key="forget").click().run()
    assert "30 garments" in text(app) and not app.exception
    gone = at(other, address(other))
    assert "no longer on the server" in text(gone)


def test_copies_expire_and_are_private(root: Path, tmp_path: Path) -> None:
    app = upload(open_page(root), "shirt.png", as_png(draw_shirt("short", "black")))
    folder = tmp_path / "uploads"
    (copy,) = folder.iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    old = copy.stat().st_mtime - 3600 * uploads.HOURS - 60
    os.utime(copy, (old, old))
    assert "no longer on the server" in text(at(app, {"photo": copy.stem}))
    uploads.keep(as_png(draw_shirt("long", "red")))
    assert not copy.exists()
    assert uploads.find("../../etc/passwd") is None


def test_copies_are_deleted_though_nobody_uploads_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.uploads.SWEPT_EVERY", 0.05)
    uploads.keep_swept.cache_clear()
    upload(open_page(root), "shirt.png", as_png(draw_shirt("short", "black")))
    (copy,) = (tmp_path / "uploads").iterdir()
    os.utime(copy, (copy.stat().st_mtime - 3600 * uploads.HOURS - 60,) * 2)
    deadline = time.monotonic() + 60
    while copy.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not copy.exists()


def test_too_many_copies_push_the_oldest_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = uploads.keep(as_png(draw_shirt("short", "black")))
    size = (tmp_path / "uploads" / f"{first}.photo").stat().st_size
    os.utime(tmp_path / "uploads" / f"{first}.photo", (1.7e9 + 10**9,) * 2)
    monkeypatch.setattr("ui.uploads.MOST_BYTES", int(1.5 * size))
    second = uploads.keep(as_png(draw_shirt("long", "red")))
    uploads.sweep()
    assert [uploads.find(k) is not None for k in (first, second)].count(True) == 1


def test_a_doubtful_cut_out_is_shown_and_corrected(root: Path) -> None:
    app = upload(open_page(root), "noise.png", noise())
    assert "Is this the garment?" in text(app) and "It is not certain" in text(app)
    headings = [p.text for p in parts(app) if p.tag in ("h2", "img", "button")]
    assert headings.index("Use it anyway") < headings.index("")  # before the pictures
    at(app, address(app) | {"box": "20,20,80,90", "cut": "ask"})
    assert app.slider(key="across").value == (20, 80) and app.slider(key="down").value == (20, 90)
    app.slider(key="across").set_value((10, 70)).run()
    assert address(app)["box"] == ["10,20,70,90"] and not app.exception
    mask = np.zeros((96, 96), np.uint8)
    mask[20:80, 30:66] = 255
    app.file_uploader(key="mask").upload("mask.png", as_png(Image.fromarray(mask)), "image/png").run()
    assert "box" not in app.query_params and "It is not certain" not in text(app)
    click(app, "Edit this garment")
    assert healthy(app) and "Most like this garment" in text(app)
    app = click(upload(open_page(root), "noise.png", noise()), "Use it anyway")
    assert "The cut-out is not certain" in text(app) and "Most like this garment" in text(app)
    assert "Is this the garment?" in text(click(app, "Correct it"))


def mask(app: AppTest, width: int, height: int) -> AppTest:
    picture = Image.new("L", (width, height))
    picture.paste(255, (width // 3, height // 3, 2 * width // 3, 2 * height // 3))
    return app.file_uploader(key="mask").upload("mask.png", as_png(picture), "image/png").run()


def test_a_deleted_photo_is_gone_with_every_mask_and_from_memory(root: Path, tmp_path: Path) -> None:
    other = uploads.keep(as_png(draw_shirt("short", "black")))
    app = upload(open_page(root), "noise.png", noise())
    keys = address(app)["photo"]
    for width in (96, 192):
        keys += address(mask(app, width, width))["photo"]
    assert len({*keys}) == 3 and len([*(tmp_path / "uploads").iterdir()]) == 6
    app.button(key="forget").click().run()
    assert not app.exception and "30 garments" in text(app)
    assert [file.stem for file in (tmp_path / "uploads").iterdir()] == [other]
    for key in keys:
        with pytest.raises(UserError):
            resources.upload_picture(key, uploads.Upload(b""))  # what is cached would be handed out


def test_a_mask_of_another_photo_is_refused_where_it_was_uploaded(root: Path, tmp_path: Path) -> None:
    app = upload(open_page(root), "noise.png", noise())
    here = address(app)
    mask(app, 96, 48)
    assert app.error[0].value.startswith("The mask does not fit this photo")
    assert "Is this the garment?" in text(app) and address(app) == here and not app.exception
    assert len([*(tmp_path / "uploads").iterdir()]) == 1
    other = uploads.keep(as_png(Image.open(io.BytesIO(noise())).rotate(90)))
    assert not at(app, {"photo": other}).error and "Is this the garment?" in text(app)
    assert not at(app, here).error


def test_what_was_wrong_with_an_upload_is_not_said_again(root: Path) -> None:
    app = upload(open_page(root), "photo.jpg", b"<html>")
    assert app.error and set_to(app, "Sleeves", "short").error
    click(app, "short, red", "pick")
    assert healthy(click(app, "Choose another garment"))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "photo.jpg is empty"),
        (b"<html>", "photo.jpg is not a picture"),
        (as_png(draw_shirt("long", "red"))[:200], "photo.jpg is cut off"),
        (as_png(Image.new("RGB", (8, 8))), "photo.jpg is too small"),
        (bytes(33 * 2**20), "photo.jpg is too large"),
    ],
)
def test_a_bad_upload_is_explained(root: Path, data: bytes, sentence: str) -> None:
    app = upload(open_page(root), "photo.jpg", data)
    assert app.error[0].value.startswith(sentence)
    assert not app.exception and len(cards(app)) == 24


def test_what_is_wrong_with_the_set_up_is_said_without_its_paths(
    root: Path, made: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AMGAN_COLLECTION", "shoes")
    app = open_page(root)
    assert "cannot open its catalogue" in app.error[0].value and str(made) not in app.error[0].value
    assert "shoes" in caplog.text
    monkeypatch.delenv("AMGAN_COLLECTION")
    assert "cannot open" in open_page(root).error[0].value and "--collection NAME" in caplog.text


@pytest.mark.thorough
def test_a_newer_index_takes_over_while_the_page_is_open(
    root: Path, afresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = make_catalogue(tmp_path / "catalogue")
    monkeypatch.setenv("AMGAN_STORE", str(tmp_path / "index"))
    for name in ("shirts.old", "shirts.new"):
        make_index(tmp_path / "index", catalogue, make_weights(tmp_path / name), name)
    location = connect(tmp_path / "index")
    location.set_alias("shirts", "shirts.old")
    app = open_page(root)
    assert healthy(app)
    location.set_alias("shirts", "shirts.new")
    assert healthy(app.run())
    location.drop("shirts.old")  # nobody holds it any more
    assert healthy(app.run())


@pytest.mark.thorough
def test_an_index_brought_up_to_date_is_shown_by_the_page_that_is_open(
    root: Path, afresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pictures(name: str) -> dict[str, str]:
        """Of a garment, and of its hits by their photos' names, best first."""
        at(app, {"item": garment(name)})
        assert healthy(app)
        shown = [p for p in parts(app) if p.tag == "img" and ("before" in p.classes or "(" in p.attributes["alt"])]
        return {p.attributes["alt"].partition("(")[2].removesuffix(")"): p.attributes["src"] for p in shown}

    def update() -> None:
        index_catalog(photos.parent, str(tmp_path / "index"), "shirts", weights=weights, threads=1)

    photos = make_catalogue(tmp_path / "catalogue") / "images"
    weights = str(make_weights(tmp_path / "weights"))
    monkeypatch.setenv("AMGAN_STORE", str(tmp_path / "index"))
    update()
    app = open_page(root)
    itself, first, second, *others = before = pictures("short red & 96")
    of_second = pictures(second)
    assert len(others) == 18
    (photos / f"{first}.png").unlink()
    for i, name in enumerate((second, *others)):
        draw_shirt("long", "black", 200 + i).save(photos / f"{name}.png")
    update()
    after = pictures("short red & 96")
    assert len(after) == 21 and first not in after
    assert not {src for name, src in after.items() if name in (second, *others)} & {*before.values()}
    assert pictures(second)[itself] != of_second[itself]


def test_the_runtime_that_was_found_takes_over_while_the_page_is_open(
    root: Path, afresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, used = threading.Event(), []

    class Fast(NetworkEditor):
        def edit(self, *args: object) -> EditResult:
            used.append("fast")
            return super().edit(*args)

    def load(weights: str, runtime: str) -> NetworkEditor:
        editor = load_editor(weights)
        assert isinstance(editor, NetworkEditor)
        if runtime != "fastest":
            return editor
        assert found.wait(60)
        return Fast(editor.network, editor.schema, editor.image_size, editor.identity)

    monkeypatch.setattr("amgan.editing.editor.load_editor", load)
    app = click(open_page(root, item=garment("short red & 96")), "blue", "set")
    assert healthy(app) and not used
    found.set()
    for thread in threading.enumerate():
        if thread.name == LOADER:
            thread.join(60)
    click(app, "green", "set")
    assert healthy(app) and used


def test_nobody_sees_a_traceback(root: Path, afresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("retrieval.search.Searcher.find_similar", broken)
    app = open_page(root, item=garment("short red & 96"))
    assert "Something went wrong" in app.error[0].value
    assert "secret" not in text(app) + app.error[0].value and not app.exception


def test_photos_that_are_gone_leave_a_page(
    root: Path, afresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMGAN_CATALOGUE", str(tmp_path))
    app = open_page(root)
    assert healthy(app) and "no picture" in text(app)
    click(app, "short", "pick")
    assert "cannot be shown or edited" in text(app) and str(tmp_path) not in html(app)
    assert not app.exception


def test_hits_are_saved_as_csv(root: Path) -> None:
    app = open_page(root, **{"item": garment("short red & 96"), "set.sleeve": "long"})
    assert any(p.attributes.get("download") == "hits.csv" for p in parts(app))
    said = {"sleeve": "long"}, {"sleeve": 0.9}, {"color": "red"}, {"name": "A, b"}
    hit = Found(1, "1", "=cmd.png", lambda: None, 0.5, *said)
    rows = list(csv.DictReader(io.StringIO(hits_csv([hit]))))
    assert rows == [
        {
            "rank": "1", "score": "0.500000", "item_id": "1", "file_name": "'=cmd.png", "given.color": "red",
            "predicted.sleeve": "long", "confidence.sleeve": "0.9", "name": "A, b",
        }
    ]  # fmt: skip


def test_settings_come_from_arguments_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings(["--store", "a", "--unknown", "x"]).store == "a"
    assert read_settings(["--collection=b"]).collection == "b"
    monkeypatch.setenv("AMGAN_STORE", "")
    with pytest.raises(UserError, match="which index"):
        read_settings([])


def test_make_ui_takes_what_the_page_takes(root: Path) -> None:
    given = ["STORE=tests", "COMPARE=runs/a runs/b", "EDITOR=runs/c", "WEIGHTS=runs/d", "CATALOGUE=my shop"]
    told = [
        '--compare "runs/a"',
        '--compare "runs/b"',
        '--editor "runs/c"',
        '--weights "runs/d"',
        '--catalogue "my shop"',
    ]
    for arguments, expected in ((given[:1], []), (given, told)):
        command = ["make", "-n", "ui", *arguments]
        said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
        assert sorted(re.findall(r'--(?:compare|editor|weights|catalogue) "[^"]*"', said)) == sorted(expected)
