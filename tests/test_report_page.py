"""The report page: filters in the address, curves and tables of what they leave, errors as sentences."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from retrieval.evaluation.reading import Interval, read_report
from tests.fake_reports import comparison, single, write
from tests.live_page import _Reader, at, html
from ui.charts import Line, curves
from ui.report_page import ReportAddress, read_address, within
from ui.settings import read_reports
from ui.texts import LANGUAGES, in_language


def page() -> None:
    from ui import report_page

    report_page.show()


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path / "one", single())
    write(tmp_path / "two", comparison())
    Image.new("RGB", (40, 30), "red").save(tmp_path / "one" / "sheet.png")
    monkeypatch.setattr("sys.argv", ["app.py", "--store", "s", "--collection", "c", "--reports", str(tmp_path)])
    return tmp_path


def shown(**query: str | list[str]) -> str:
    app = at(AppTest.from_function(page, default_timeout=60), query)
    assert not app.exception
    return html(app)


def table(text: str, name: str) -> list[list[str]]:
    """The texts of a table's rows."""
    region = next(p for p in _Reader(text).found if p.attributes.get("aria-label") == name)
    return [[c.text for c in row.inside if c.tag in ("td", "th")] for row in region.inside if row.tag == "tr"]


def test_a_report_whole(reports: Path) -> None:
    text = shown()
    assert "photos, measured on 11 photos of the split “test” of shirts." in text and "Few photos." in text
    rows = table(text, "How good the edits are")
    assert rows[0][:4] == ["wanted", "editor", "edits", "accepted by the judge"]
    assert [row[:4] for row in rows[1:3]] == [
        ["Sleeves", "edited", "12", "0.8000.700 – 0.900"],
        ["Sleeves", "no edit", "12", "0.1000.000 – 0.200"],
    ]
    assert text.count('<svg class="chart"') == 1 and "data:image/jpeg" in text  # the examples
    assert {"What the judge sees in the edits", "Examples"} <= {p.text for p in _Reader(text).found if p.tag == "h2"}


def test_filters_leave_what_they_say(reports: Path) -> None:
    rows = table(shown(report="one", attribute="sleeve", value="long"), "How good the edits are")
    assert [row[:4] for row in rows[1:]] == [["long", "edited", "8", "0.850"], ["long", "no edit", "8", "0.150"]]
    text = shown(report="one", attribute="sleeve", value="long", protocol="B")
    assert "does not tell this by value" in text and '<svg class="chart"' not in text
    both = shown(report="two")
    assert [row[0] for row in table(both, "In short")[1:]] == ["one", "two"]
    difference = table(both, "Paired differences")[1]
    assert difference[0] == "two - one" and "▼" in difference[1] and "less" in difference[1]
    alone = shown(report="two", editor=["two"])
    assert {row[1] for row in table(alone, "How good the edits are")[1:]} == {"two", "no edit"}
    assert ">one<" in alone  # the chip that takes it in again
    curve = next(p for p in _Reader(alone).found if p.classes == ["chart"]).attributes["aria-label"]
    assert "two" in curve and "one" not in curve.split(": ")[1].split(", ")


def test_an_address_there_and_back(tmp_path: Path) -> None:
    report = read_report(write(tmp_path, comparison()))
    address = within(ReportAddress("a", ("two",), "sleeve", "long", "B", "judge", "ko"), report)
    query: dict[str, list[str]] = {}
    for key, value in address.query():
        query.setdefault(key, []).append(value)
    assert read_address(query, ["a"]) == address
    odd = read_address({"report": ["../../etc"], "attribute": ["hem"], "network": ["x"], "editor": ["none"]}, ["a"])
    assert within(odd, report) == ReportAddress("a", protocol="A", network="judge")


@pytest.mark.parametrize("language", LANGUAGES)
def test_in_every_language_nothing_is_left_out(reports: Path, language: str) -> None:
    text = shown(report="two", attribute="color", lang=language)
    assert in_language(language)("report.edits_title") in text
    keys = in_language("en")._table["report"]
    assert set(in_language(language)._table["report"]) == set(keys)


def test_what_is_wrong_is_said_without_a_path(reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (reports / "one" / "report.json").write_text("{")
    text = shown(report="one")
    assert "This report cannot be opened" in text and str(reports) not in text
    (reports / "two" / "sheet.png").write_bytes(b"no picture")
    assert "How good the edits are" in shown(report="two")
    for arguments in ([], ["--reports", str(reports / "none")]):
        monkeypatch.setattr("sys.argv", ["app.py", "--store", "s", "--collection", "c", *arguments])
        assert "There are no reports here." in shown()
    assert read_reports(["--store", "s", "--collection", "c"]) is None


def test_reports_need_no_index(reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AMGAN_STORE", raising=False)
    monkeypatch.setattr("sys.argv", ["app.py", "--reports", str(reports)])
    assert "How good the edits are" in shown()
    monkeypatch.setattr("sys.argv", ["app.py"])
    assert "There are no reports here." in shown()


def test_names_from_a_report_are_text(reports: Path) -> None:
    odd = comparison()
    odd["methods"]["<b>one"] = odd["methods"].pop("one")
    for entry in odd["compared"].values():
        entry["methods"]["<b>one"] = entry["methods"].pop("one")
    write(reports / "odd", odd)
    text = shown(report="odd")
    assert "&lt;b&gt;one" in text and "<b>one" not in text


def test_curves_keep_to_what_is_known() -> None:
    nothing = float("nan")
    drawn = curves([Line("a", {1: Interval(0.5), 10: Interval(nothing), 50: Interval(1.4)}, band=True)], "k", "share")
    assert drawn.count('class="mark"') == 3  # two points and the legend's
    assert "nan" not in drawn and 'class="band"' not in drawn
    assert curves([], "k", "share") == ""
