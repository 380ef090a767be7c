"""Reports read back, whole and damaged."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from amgan.errors import UserError
from retrieval.evaluation.measurement import REPORT_VERSION
from retrieval.evaluation.reading import VERSIONS, Interval, find_reports, read_report
from tests.fake_reports import comparison, single, write


def test_the_reader_reads_what_is_written_now():
    assert REPORT_VERSION in VERSIONS


def test_the_report_of_one_editor(tmp_path: Path) -> None:
    write(tmp_path, single())
    report = read_report(tmp_path)
    assert report.methods == ("edited",) and set(report.edits) == {"edited", "no edit"}
    assert report.attributes == {"sleeve": ("short", "long"), "color": ("red", "blue")}
    table = report.edits["edited"]["sleeve"]
    assert (table.edits, table.macro["accepted"]) == (12, Interval(0.8, 0.7, 0.9))
    assert table.values["long"]["accepted"] == 0.85 and table.counts["long"] == 8
    assert math.isnan(table.values["short"]["detail_kept"])  # null: a mean over nothing
    assert table.confusion == (["short", "long"], [[3, 1], [1, 7]])
    assert report.curve("A", "judge", "edited")[10] == Interval(0.5, 0.4, 0.6)
    assert report.curve("A", "judge", "edited", "sleeve")[1].mean == 0.25
    assert report.curve("A", "judge", "edited", "sleeve", "long") == {1: Interval(0.3), 10: Interval(0.6)}
    assert report.curve("B", "judge", "edited", "sleeve", "long") == {}
    assert report.sheet is None and report.warnings == ("Few photos.",)


def test_a_comparison(tmp_path: Path) -> None:
    write(tmp_path, comparison())
    report = read_report(tmp_path)
    assert report.methods == ("one", "two") and set(report.edits) == {"one", "two", "no edit"}
    values, differences = report.compared["accuracy by the judge"]
    assert values["two"].mean == 0.7 and differences["two - one"] == Interval(-0.1, -0.2, -0.05)
    assert {"one", "two", "chance"} <= set(report.protocols["A"]["judge"].rows)


def test_reports_are_found_by_their_folders(tmp_path: Path) -> None:
    for name in (".", "a", "b/c", "1/2/3", "1/2/3/4", ".hidden"):
        write(tmp_path / name, {})
    outside = tmp_path.parent / "outside"
    write(outside, {})
    (tmp_path / "link").symlink_to(outside)
    assert find_reports(tmp_path) == [".", "1/2/3", "a", "b/c"]
    with pytest.raises(UserError, match="There is no folder"):
        find_reports(tmp_path / "none")


def _without(*path: str) -> dict[str, Any]:
    report = single()
    place = report
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return report


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "damaged, or no JSON"),
        (b"[" * 100_000, "damaged, or no JSON"),
        (b"\xff", "damaged, or no JSON"),
        (b"[]", "no report of evaluate-retrieval"),
        (b'{"a": 1}', "no report of evaluate-retrieval"),
        (single() | {"version": 2}, "has version 2; this program reads 3"),
        (single() | {"version": [1]}, r"has version \[1\]"),
        (_without("edits"), "is damaged"),
        (_without("edits", "edited", "sleeve", "macro"), "is damaged"),
        (_without("protocols", "A", "judge", "rows", "edited", "hit"), "is damaged"),
        (single() | {"protocols": []}, "is damaged"),
        (single() | {"edits": {"edited": {}}}, "is damaged"),
        (json.dumps(single()).replace("0.85", '"x"').encode(), "is damaged"),
        (json.dumps(single()).replace("[3, 1]", "[3]").encode(), "is damaged: ValueError .a confusion matrix"),
    ],
)
def test_what_is_no_report_is_a_sentence(tmp_path: Path, content: Any, sentence: str) -> None:
    write(tmp_path, content)
    with pytest.raises(UserError, match=rf"report\.json.*{sentence}"):
        read_report(tmp_path)


def test_no_report_and_one_that_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There is no report in .*: report\.json is missing"):
        read_report(tmp_path)
    with (tmp_path / "report.json").open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(UserError, match="larger than 64 MB"):
        read_report(tmp_path)
    (tmp_path / "report.json").unlink()
    (tmp_path / "report.json").mkdir()
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_report(tmp_path)


def test_reading_imports_nothing_heavy(root: Path) -> None:
    program = "import sys, retrieval.evaluation.reading; assert not {'torch', 'matplotlib', 'faiss'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True)
