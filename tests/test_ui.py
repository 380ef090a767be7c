"""The page, driven without a browser: every choice a visitor can make, and every mistake."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from amgan.editing.editor import EditResult, NetworkEditor, load_editor
from amgan.errors import UserError
from retrieval.stores import connect
from retrieval.stores.base import point_id
from tests.tiny_catalogue import draw_shirt, make_catalogue, make_index, make_weights
from ui.resources import FINDER
from ui.settings import read_settings


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    make_index(folder / "index", make_catalogue(folder / "catalogue"), make_weights(folder / "weights"))
    return folder


@pytest.fixture(autouse=True)
def settings(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("WEIGHTS", "CATALOGUE"):
        monkeypatch.delenv(f"AMGAN_{name}", raising=False)
    monkeypatch.setenv("AMGAN_STORE", str(made / "index"))
    monkeypatch.setenv("AMGAN_COLLECTION", "shirts")
    monkeypatch.setattr("sys.argv", ["app.py"])
    yield
    st.cache_resource.clear()
    st.cache_data.clear()


def page(root: Path, item: str | None = None) -> AppTest:
    app = AppTest.from_file(str(root / "ui" / "app.py"), default_timeout=300)
    if item:
        app.query_params["item"] = point_id(f"images/{item}.png")
    return app.run()


def text(app: AppTest) -> str:
    """All the HTML and text on the page."""
    kinds = ("html", "markdown", "caption", "title", "subheader", "info", "warning", "error")
    parts = [str(getattr(e, "value", None) or e.proto.body) for kind in kinds for e in app.get(kind)]
    return "\n".join(p for p in parts if "<style>" not in p)


def pill(app: AppTest, key: str, value: str) -> AppTest:
    return app.button_group(key=key).set_value(value).run()


def as_png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def healthy(app: AppTest) -> bool:
    return not app.exception and not app.error


def test_choose_change_and_find(root: Path) -> None:
    app = page(root)
    assert healthy(app)
    assert "30 garments" in text(app)
    assert len([b for b in app.button if b.key.startswith("choose-")]) == 21
    app.selectbox(key="browse-sleeve").select("short").run()
    app.selectbox(key="browse-color").select("red").run()
    assert "2 garments" in text(app)
    next(b for b in app.button if b.label == "short, red").click().run()
    assert healthy(app)
    assert "most like your garment" in text(app)
    pill(app, "set-sleeve", "long")
    assert healthy(app)
    shown = text(app)
    assert "Found with the edit" in shown
    assert "Found without it" in shown
    assert "of 10 are long" in shown
    assert shown.count('class="card"') == 20
    assert 'class="value wanted"' in shown
    assert len(app.get("download_button")) == 1
    app.button[0].click().run()  # choose another garment
    assert "30 garments" in text(app) or "2 garments" in text(app)


def test_a_garment_can_be_named_by_the_address(root: Path) -> None:
    app = page(root, "long blue & 112")
    assert healthy(app)
    shown = text(app)
    assert "long blue &amp; 112.png" not in shown  # it does not find itself
    assert shown.count('class="card"') == 10
    assert "long blue &amp; 96.png" in shown or shown.count("alt=") > 10


def test_what_is_only_known_is_shown_and_filtered_but_not_set(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def partly(weights: str, *args: object, **kwargs: object) -> NetworkEditor:
        editor = load_editor(weights)
        editor.schema = editor.schema.editing(["color"])
        return editor

    for place in ("retrieval.catalogue", "ui.resources"):
        monkeypatch.setattr(f"{place}.load_editor", partly)
    app = page(root)
    assert healthy(app)
    assert "Then change its colour, and see" in "".join(m.value for m in app.markdown)
    assert app.selectbox(key="browse-sleeve")
    app = page(root, "short red & 96")
    assert healthy(app)
    assert {g.key for g in app.button_group} == {"set-color"}
    assert app.selectbox(key="filter-sleeve")
    pill(app, "set-color", "blue")
    assert healthy(app) and "Colour where" not in [g.label for g in app.button_group]


def test_colour_edits_can_be_kept_to_a_part(root: Path) -> None:
    app = page(root, "short red & 96")
    assert "Colour where" not in [g.label for g in app.button_group]
    pill(app, "set-color", "blue")
    assert "Colour where" in [g.label for g in app.button_group]
    pill(app, "only-on", "sleeve")
    assert healthy(app)
    assert "only on the sleeve" in text(app)
    assert "are blue" not in text(app)
    assert "multi" not in app.button_group(key="set-color").options


def test_how_to_search(root: Path) -> None:
    app = page(root, "short red & 96")
    pill(app, "set-sleeve", "long")
    app.slider(key="k").set_value(5).run()
    assert text(app).count('class="card"') == 10
    app.selectbox(key="filter-color").select("green").run()
    assert "of 5 are long" in text(app)
    app.slider(key="weight-image").set_value(0.0).run()
    assert healthy(app)
    app.slider(key="weight-wanted").set_value(0.0).run()
    app.slider(key="weight-kept").set_value(0.0).run()
    assert "All query weights are 0" in app.error[0].value
    assert not app.exception


def test_upload_a_photo(root: Path) -> None:
    app = page(root)
    app.file_uploader[0].upload("my <shirt>.png", as_png(draw_shirt("short", "black")), "image/png").run()
    assert healthy(app)
    assert not app.warning
    next(b for b in app.button if b.label == "Edit this garment").click().run()
    pill(app, "set-color", "red")
    assert healthy(app)
    assert "of 10 are red" in text(app)
    next(b for b in app.button if b.label == "Choose another garment").click().run()
    assert "30 garments" in text(app)


def test_an_uncertain_cut_out_is_asked_about(root: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    app = page(root)
    app.file_uploader[0].upload("noise.png", as_png(Image.fromarray(noise)), "image/png").run()
    assert "Is this the garment?" in app.warning[0].value
    mask = np.zeros((96, 96), np.uint8)
    mask[20:80, 30:66] = 255
    app.file_uploader[1].upload("mask.png", as_png(Image.fromarray(mask)), "image/png").run()
    assert not app.warning
    app = page(root)
    app.file_uploader[0].upload("noise.png", as_png(Image.fromarray(noise)), "image/png").run()
    next(b for b in app.button if b.label == "Use it anyway").click().run()
    assert "The cut-out is not certain" in text(app)
    assert healthy(app)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [(b"", "is empty"), (b"<html>", "photo.jpg"), (as_png(draw_shirt("long", "red"))[:200], "photo.jpg")],
)
def test_a_bad_upload_is_explained(root: Path, data: bytes, sentence: str) -> None:
    app = page(root)
    app.file_uploader[0].upload("photo.jpg", data, "image/jpeg").run()
    assert sentence in app.error[0].value
    assert not app.exception


def test_what_is_wrong_with_the_set_up_is_said(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = page(root, "no such garment")
    assert "no item" in app.error[0].value
    app.button[0].click().run()
    assert healthy(app)
    monkeypatch.setenv("AMGAN_COLLECTION", "shoes")
    assert "shoes" in page(root).error[0].value
    monkeypatch.delenv("AMGAN_COLLECTION")
    assert "--collection NAME" in page(root).error[0].value


def test_a_newer_index_takes_over_while_the_page_is_open(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = make_catalogue(tmp_path / "catalogue")
    monkeypatch.setenv("AMGAN_STORE", str(tmp_path / "index"))
    for name in ("shirts.old", "shirts.new"):
        make_index(tmp_path / "index", catalogue, make_weights(tmp_path / name), name)
    location = connect(tmp_path / "index")
    location.set_alias("shirts", "shirts.old")
    app = page(root)
    assert healthy(app)
    location.set_alias("shirts", "shirts.new")
    assert healthy(app.run())
    location.drop("shirts.old")  # nobody holds it any more
    assert healthy(app.run())


def test_the_runtime_that_was_found_takes_over_while_the_page_is_open(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, used = threading.Event(), []

    class Fast(NetworkEditor):
        def edit(self, *args: object) -> EditResult:
            used.append("fast")
            return super().edit(*args)

    def load(weights: str, runtime: str) -> NetworkEditor:
        assert runtime == "fastest" and found.wait(60)
        editor = load_editor(weights)
        assert isinstance(editor, NetworkEditor)
        return Fast(editor.network, editor.schema, editor.image_size, editor.identity)

    monkeypatch.setattr("ui.resources.load_editor", load)
    app = page(root, "short red & 96")
    pill(app, "set-color", "blue")
    assert healthy(app) and not used
    found.set()
    for thread in threading.enumerate():
        if thread.name == FINDER:
            thread.join(60)
    pill(app, "set-color", "green")
    assert healthy(app) and used


def test_nobody_sees_a_traceback(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("retrieval.search.Searcher.find_similar", broken)
    app = page(root, "short red & 96")
    assert "Something went wrong" in app.error[0].value
    assert "secret" not in text(app)
    assert not app.exception


def test_photos_that_are_gone_leave_a_page(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMGAN_CATALOGUE", str(tmp_path))
    app = page(root)
    assert healthy(app)
    next(b for b in app.button if b.key.startswith("choose-")).click().run()
    assert app.error
    assert not app.exception


def test_settings_come_from_arguments_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings(["--store", "a", "--unknown", "x"]).store == "a"
    assert read_settings(["--collection=b"]).collection == "b"
    monkeypatch.setenv("AMGAN_STORE", "")
    with pytest.raises(UserError, match="which index"):
        read_settings([])
