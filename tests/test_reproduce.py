"""scripts/reproduce.py: trains what is left, goes on, measures what is new, and says what the paper has."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from amgan.errors import UserError
from amgan.models.rivals.stargan import StarganConfig
from amgan.testing import draw_catalogue
from amgan.weights import weights_folder
from retrieval.evaluation.blocks import to_markdown
from scripts import reproduce
from scripts import reproduced as reproduced_page

ROWS = ("amgan", "stargan", "no-crop-critic")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands run in this process, since each start of Python takes seconds; what was run is noted."""
    made: list[list[str]] = []

    def call(command: Sequence[str], log: Path | None = None) -> int:
        made.append(list(command))
        monkeypatch.setattr(sys, "argv", list(command))
        with pytest.raises(SystemExit) as status:
            import_module(reproduce.MODULES[command[0]]).main()
        return int(status.value.code or 0)

    monkeypatch.setattr(reproduce, "call", call)
    return made


def reproduced(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["reproduce.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as status:
        reproduce.run(reproduce.app)
    return int(status.value.code or 0)


@pytest.mark.thorough
def test_every_row_is_trained_once_and_measured(
    tmp_path: Path, calls: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    data, out = draw_catalogue(tmp_path / "shirts", count=24), tmp_path / "out"
    rows = [part for row in ROWS for part in ("--row", row)]
    given = ("--data", data, "--out", out, "--preset", "tiny", "--rounds", 10)
    assert reproduced(monkeypatch, *given, *rows, "--list") == 0
    printed = capsys.readouterr().out
    assert "teacher: left" in printed and printed.count(": left, by amgan train") == 3
    assert not calls and not out.exists()

    assert reproduced(monkeypatch, *given, "--row", "amgan") == 0
    assert [c[0] for c in calls] == ["amgan", "amgan", "amgan", "evaluate-retrieval"]
    assert "| amgan | 79.48 / 49.49 | " in capsys.readouterr().out
    first = (out / "rows" / "amgan" / "editor" / "model.safetensors").read_bytes()

    calls.clear()
    assert reproduced(monkeypatch, *given, *rows) == 0  # more rows: what is done stays, and all are compared
    assert [c[0] for c in calls] == ["amgan", "amgan", "evaluate-retrieval"]
    assert {c[c.index("--model") + 1] for c in calls[:2]} == {"stargan", "amgan"}
    assert "crops=false" in calls[1]
    assert calls[2].count("--weights") == 3
    assert (out / "rows" / "amgan" / "editor" / "model.safetensors").read_bytes() == first
    judges = {(out / folder / "judge" / "model.safetensors").read_bytes() for folder in ("classifiers", "rows/stargan")}
    assert len(judges) == 1
    printed = capsys.readouterr().out
    assert printed.count(": done") == 5 and "measured: amgan, stargan, no-crop-critic" in printed
    page = (out / "reproduced.md").read_text(encoding="utf-8")
    assert "| no-crop-critic | 74.05 / 43.15 | " in page and "0.657 / 0.403" in page
    report = json.loads((out / "report" / "report.json").read_text(encoding="utf-8"))
    assert list(report["methods"]) == list(ROWS)
    seconds = reproduced_page.budget(out / "rows" / "stargan")[1]
    assert seconds > 0 and f"| stargan | 0.016 | {seconds:,.0f} | 0.0" in page
    assert "## In short" in page and "| A top-30, teacher | " in page and "| chance | " in page

    calls.clear()
    assert reproduced(monkeypatch, *given, *rows) == 0  # nothing is left
    assert not calls


def test_a_row_that_fails_is_left_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    data, out = draw_catalogue(tmp_path / "shirts", count=6), tmp_path / "out"
    (out / "classifiers" / "teacher").mkdir(parents=True)
    (out / "classifiers" / "judge").mkdir()
    for role in ("teacher", "judge"):
        (out / "classifiers" / role / "config.json").write_text("{}")
    monkeypatch.setattr(reproduce, "call", lambda command, log=None: 2)
    assert reproduced(monkeypatch, "--data", data, "--out", out, "--preset", "tiny", "--row", "amgan") == 1
    printed = capsys.readouterr()
    assert "amgan is not done: its training failed" in printed.err
    assert "amgan: left, by amgan train" in printed.out and "measured: nothing yet" in printed.out


def test_teacher_and_judge_may_be_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def call(command: Sequence[str], log: Path | None = None) -> int:
        raise AssertionError(f"{command} need not run")

    monkeypatch.setattr(reproduce, "call", call)
    plan = reproduce.Plan(tmp_path, tmp_path / "out", "tiny", (), None, None, ("amgan",))
    reproduce.train_classifiers(plan, "synthetic")
    for role in reproduce.ROLES:
        taken = tmp_path / "out" / "classifiers" / role / "model.safetensors"
        assert taken.read_bytes() == (weights_folder("synthetic") / role / "model.safetensors").read_bytes()
    (tmp_path / "half" / "teacher").mkdir(parents=True)
    (tmp_path / "half" / "teacher" / "config.json").write_text("{}")
    with pytest.raises(UserError, match="half has no judge/"):
        reproduce.train_classifiers(replace(plan, out=tmp_path / "other"), str(tmp_path / "half"))


def test_rows_side_by_side_log_in_their_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = reproduce.Plan(tmp_path, tmp_path / "out", "tiny", ("-c", "kimg=1"), None, 5.0, ("amgan", "stargan"))
    for role in reproduce.ROLES:
        (tmp_path / "out" / "classifiers" / role).mkdir(parents=True)
    logs: dict[str, Path | None] = {}

    def call(command: Sequence[str], log: Path | None = None) -> int:
        logs[command[command.index("--model") + 1]] = log
        assert "kimg=1" in command and command[-2:] == ["--minutes", "5"]
        return 0

    monkeypatch.setattr(reproduce, "call", call)
    reproduce.train_rows(plan, jobs=2)
    assert logs == {row: tmp_path / "out" / "rows" / row / "log.txt" for row in plan.rows}
    assert not reproduce.left(plan) and reproduce.left(replace(plan, shared=())) == ["amgan", "stargan"]
    presets = import_module("amgan.training.presets")
    other = replace(presets.PRESETS["tiny"], rivals={"stargan": presets.changed(StarganConfig(), cls=2.0)})
    monkeypatch.setitem(presets.PRESETS, "tiny", other)  # a preset that changed keeps its name
    assert reproduce.left(plan) == ["stargan"]


def test_mistakes_end_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    given = ("--data", tmp_path, "--out", tmp_path / "out")
    assert reproduced(monkeypatch, *given, "--row", "cyclegan") == 2
    assert "Unknown row 'cyclegan'. Valid: amgan, stargan" in capsys.readouterr().err
    assert reproduced(monkeypatch, "--data", tmp_path / "none", "--out", tmp_path / "out", "--list") == 2
    assert "is not a folder" in capsys.readouterr().err


def test_the_papers_means_worked_by_hand() -> None:
    values = {"long": {"edits": 3, "accepted": 1.0}, "short": {"edits": 1, "accepted": 0.0}}
    edits = {"sleeve": {"values": values}, "color": {"values": {"red": {"edits": 2, "accepted": 0.5}}}}
    assert reproduced_page.plain_accuracy(edits) == pytest.approx((3 / 4 + 1 / 2) / 2)
    table = {"unedited": {"plain": {"30": {"mean": 0.125}}}, "edited": {"plain": {"30": {"mean": 0.25}}}}
    report = {"edits": {"edited": edits}, "protocols": {"A": {"judge": {"rows": table}}}}
    page = to_markdown(reproduced_page.beside_the_paper(report, ["amgan"]))
    assert "| amgan | 79.48 / 49.49 | 62.50 | 0.657 / 0.403 | 0.250 |" in page
    assert "| the photo, unedited | – | – | – | 0.125 |" in page


def test_a_claim_is_met_where_the_interval_of_the_paired_difference_leaves_out_0() -> None:
    methods = {"amgan": {"mean": 0.5}, "stargan": {"mean": 0.4}, "sagan": {"mean": 0.45}}
    differences = {
        "stargan - amgan": {"mean": -0.1, "low": -0.15, "high": -0.02},
        "amgan - sagan": {"mean": 0.05, "low": -0.01, "high": 0.1},
    }
    compared = {"C top-10, teacher": {"methods": methods, "differences": differences}}
    page = to_markdown(reproduced_page.claims(compared, ["amgan", "stargan", "sagan"]))
    assert "| C top-10, teacher | amgan | stargan | sagan |" in page


def test_the_ablations_are_those_that_training_knows() -> None:
    from amgan.training.ablations import ABLATIONS

    assert {*reproduce.PARTS, *reproduce.TARGETS} == set(ABLATIONS)


def test_help_waits_for_nothing(root: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["reproduce.py", "--help"])
    with pytest.raises(SystemExit) as status:
        runpy.run_path(str(root / "scripts" / "reproduce.py"), run_name="__main__")
    assert not status.value.code and "what is left" in capsys.readouterr().out


def test_the_judge_may_be_a_resnet_50(tmp_path: Path) -> None:
    plan = reproduce.Plan(tmp_path, tmp_path / "out", "small", (), "resnet50", None, ("amgan",))
    assert "backbone=resnet50" in plan.classifier("judge") and "backbone=resnet50" not in plan.classifier("teacher")
    from amgan.config import override
    from amgan.training.presets import PRESETS

    command = plan.classifier("judge")
    config = override(PRESETS["small"].judge, [command[i + 1] for i, part in enumerate(command) if part == "-c"])
    assert (config.backbone, config.pretrained, config.frozen) == ("resnet50", False, 0)


def test_unknown_presets_are_said(tmp_path: Path) -> None:
    plan = reproduce.Plan(tmp_path, tmp_path / "out", "huge", (), None, None, ("amgan",))
    with pytest.raises(UserError, match="Unknown preset 'huge'"):
        plan.training("amgan")
