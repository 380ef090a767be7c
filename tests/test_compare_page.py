"""One garment, one change, every editor: what each makes of it, and what is said where one cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from retrieval.stores.base import point_id
from tests.live_page import _Reader, at, html
from tests.tiny_catalogue import make_catalogue, make_index, make_weights
from ui.texts import in_language


def page() -> None:
    from ui import compare_page

    compare_page.show()


def test_every_editor_makes_the_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_index(tmp_path / "index", make_catalogue(tmp_path / "catalogue"), make_weights(tmp_path / "weights"))
    make_weights(tmp_path / "others")
    where = ["--store", str(tmp_path / "index"), "--collection", "shirts", "--compare", str(tmp_path / "others")]
    monkeypatch.setattr("sys.argv", ["app.py", *where, "--compare", str(tmp_path / "none")])
    monkeypatch.setattr("ui.comparing.shipped", lambda: [])
    app = at(AppTest.from_function(page, default_timeout=200), {})
    assert not app.exception and "Choose a garment." in html(app)
    item = point_id("images/short red & 96.png")
    at(app, {"item": item})
    assert "Choose a change, and each editor makes it." in html(app)
    at(app, {"item": item, "set.sleeve": "long"})
    assert not app.exception
    parts = [p for p in _Reader(html(app)).found if p.tag == "section"]
    titles = [next(i.text for i in p.inside if i.tag == "h2") for p in parts]
    assert titles == ["weights (this catalogue’s)", "others", str(tmp_path / "none")]
    for part in parts[:2]:
        assert len([i for i in part.inside if i.tag == "li" and "card" in i.classes]) == 6
        assert "edit 0." in part.text and "% of the picture" in part.text
    assert "cannot be used just now" in parts[2].text
    at(app, {"item": "nonsense", "set.sleeve": "long"})
    assert "not in the catalogue" in html(app) and str(tmp_path) not in html(app)
    for language in ("ko", "zh"):
        assert set(in_language(language)._table["compare"]) == set(in_language("en")._table["compare"]) - {"status_one"}
