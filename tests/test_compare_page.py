"""One garment, one change, every editor: what each makes of it, and what is said where one cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from amgan.photos import CutOut
from retrieval.stores.base import point_id
from tests.live_page import _Reader, at, html
from tests.tiny_catalogue import make_catalogue, make_index, make_weights
from ui.comparing import made_with
from ui.pictures import pictures
from ui.texts import in_language


def page() -> None:
    from ui import compare_page

    compare_page.show()


def noting(function: Callable, noted: list, what: Callable) -> Callable:
    """The same function, which notes something of what it is given and returns."""

    def noting_too(*given: object) -> object:
        result = function(*given)
        noted.append(what(given, result))
        return result

    return noting_too


def test_every_editor_makes_the_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_index(tmp_path / "index", make_catalogue(tmp_path / "catalogue"), make_weights(tmp_path / "weights"))
    make_weights(tmp_path / "others")
    where = ["--store", str(tmp_path / "index"), "--collection", "shirts", "--compare", str(tmp_path / "others")]
    monkeypatch.setattr("sys.argv", ["app.py", *where, "--compare", str(tmp_path / "none")])
    monkeypatch.setattr("ui.comparing.shipped", lambda: [])
    kept, drawn = [], []
    monkeypatch.setattr("ui.comparing.made_with", noting(made_with, kept, lambda _, made: made))
    monkeypatch.setattr("ui.comparing.pictures", noting(pictures, drawn, lambda given, _: given))
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
    assert len(kept) == 2 and not any(isinstance(v, CutOut) for made in kept for v in vars(made).values())
    assert all(made.result.cutout.source is None for made in kept)  # megabytes
    assert all(given[0].source is not None and given[2].startswith("shirts ") for given in drawn)
    at(app, {"item": "nonsense", "set.sleeve": "long"})
    assert "not in the catalogue" in html(app) and str(tmp_path) not in html(app)
    for language in ("ko", "zh"):
        assert set(in_language(language)._table["compare"]) == set(in_language("en")._table["compare"]) - {"status_one"}
