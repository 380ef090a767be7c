"""scripts/by_attributes.py: runs of reproduce.py side by side, by how many attributes they edit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from amgan.errors import UserError
from scripts.by_attributes import main, read_run
from tests.fake_reports import comparison, single, write


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Of two attributes, and of one."""
    both, one = comparison(), comparison()
    for method in one["methods"].values():
        del method["edits"]["sleeve"]
    one["compared"]["accuracy by the judge"]["methods"]["two"] = {"mean": 0.4, "low": 0.3, "high": 0.5}
    for name, report in (("both", both), ("one", one)):
        write(tmp_path / name / "report", report)
    return [tmp_path / "both", tmp_path / "one"]


def test_runs_stand_by_how_many_attributes_they_edit(runs: list[Path], tmp_path: Path, capsys) -> None:
    main(runs, tmp_path / "drawn.png")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert lines[0] == "| attributes | editor | accuracy by the judge | accuracy, color alone |"
    assert lines[2:] == [
        "| 1: color | one | 0.800 [0.700, 0.900] | 0.900 [0.850, 0.950] |",
        "| 1: color | two | 0.400 [0.300, 0.500] | 0.900 [0.850, 0.950] |",
        "| 2: sleeve, color | one | 0.800 [0.700, 0.900] | 0.900 [0.850, 0.950] |",
        "| 2: sleeve, color | two | 0.700 [0.600, 0.800] | 0.900 [0.850, 0.950] |",
    ]
    assert Image.open(tmp_path / "drawn.png").width > 300


def test_what_cannot_be_compared_is_said(runs: list[Path], tmp_path: Path) -> None:
    write(tmp_path / "alone" / "report", single())
    with pytest.raises(UserError, match="alone holds no comparison"):
        read_run(tmp_path / "alone")
    other = comparison()
    for part in (other["methods"], other["compared"]["accuracy by the judge"]["methods"]):
        part["three"], part["four"] = part.pop("one"), part.pop("two")
    (runs[1] / "report" / "report.json").write_text(json.dumps(other))
    with pytest.raises(UserError, match="no row in common"):
        main(runs)
