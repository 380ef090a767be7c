"""The user study without its page: the draw, answers that nothing loses, and a report that finds what people prefer."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from amgan.errors import UserError
from tests.fake_study import EDITORS, fake_study, simulate
from ui.study import cli, statistics
from ui.study.answers import FILE, Answer, Answers, step_of
from ui.study.design import QUESTIONS, draw_comparisons, session, williams_square
from ui.study.folder import read_key, read_study
from ui.study.report import make_report
from ui.study.report_pages import compose_report, write_report

# The draw


@pytest.mark.parametrize("k", range(2, 7))
def test_every_editor_stands_everywhere_equally_often_and_beside_every_other(k: int) -> None:
    square = williams_square(k)
    assert len(square) == (2 * k if k % 2 else k)
    for block in np.split(square, len(square) // k):
        assert all(sorted(column) == list(range(k)) for column in block.T)
    assert all(sorted(row) == list(range(k)) for row in square)
    neighbours = Counter(pair for row in square.tolist() for pair in itertools.pairwise(row))
    assert len(neighbours) == k * (k - 1) and len(set(neighbours.values())) == 1


def test_positions_are_even_within_a_participant_within_a_comparison_and_within_an_attribute(tmp_path: Path) -> None:
    study = fake_study(tmp_path)
    whose = read_key(study)["pictures"]
    seen: Counter[tuple] = Counter()
    for slot in range(8):
        for trial in study.session(slot):
            if trial.repeat:
                continue
            for position, picture in enumerate(study.pictures(trial)):
                attribute = study.comparisons[trial.comparison].attribute
                for group in (("slot", slot), ("comparison", trial.comparison), ("attribute", slot, attribute)):
                    seen[(*group, whose[picture], position)] += 1
    for kind, times in (("slot", 6), ("comparison", 2), ("attribute", 3)):
        assert {n for key, n in seen.items() if key[0] == kind} == {times}


def test_a_session_is_its_own_and_always_the_same() -> None:
    sessions = [session(7, slot, 30, 4, 3) for slot in range(20)]
    assert sessions == [session(7, slot, 30, 4, 3) for slot in range(20)]
    assert len({tuple(t.comparison for t in s) for s in sessions}) == 20
    for s in sessions:
        first, again = s[:30], s[30:]
        assert sorted(t.comparison for t in first) == list(range(30)) and not any(t.repeat for t in first)
        before = {t.comparison: t.order for t in first[:15]}
        assert len(again) == 3 and all(t.repeat and before[t.comparison] != t.order for t in again)


def test_comparisons_are_drawn_evenly_and_no_photo_twice() -> None:
    # Colour has many values and photos, sleeve few: both get their half, and all values their share of that.
    possible = np.array(
        [(photo, 0, v) for photo in range(200) for v in range(5)]
        + [(photo, 1, v) for photo in range(60) for v in (0, 1)]
    )
    chosen = possible[draw_comparisons(possible, 40, 1)]
    assert Counter(chosen[:, 1].tolist()) == {0: 20, 1: 20}
    assert Counter(map(tuple, chosen[:, 1:].tolist())) == {**{(0, v): 4 for v in range(5)}, (1, 0): 10, (1, 1): 10}
    assert len(set(chosen[:, 0].tolist())) == 40
    assert (chosen == possible[draw_comparisons(possible, 40, 1)]).all()
    assert not (chosen == possible[draw_comparisons(possible, 40, 2)]).all()
    with pytest.raises(UserError, match="Only 200 comparisons"):
        draw_comparisons(possible, 201, 0)


# Answers


WRITER = """
import sys
from pathlib import Path
from ui.study.answers import Answer, Answers
answers = Answers(Path(sys.argv[1]), "abc")
code = answers.join()
for n in range(int(sys.argv[2])):
    answers.save(Answer(code, n, False, "real", "picture", 0, 1.0))
    print(code, n, flush=True)  # the participant sees the next question
"""


def writer(folder: Path, root: Path, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(root)})


def test_kill_9_loses_no_answer_that_was_acknowledged(tmp_path: Path, root: Path) -> None:
    running = writer(tmp_path, root, 100_000)
    assert running.stdout is not None
    acknowledged = [running.stdout.readline().split() for _ in range(25)]
    running.send_signal(signal.SIGKILL)
    acknowledged += [line.split() for line in running.stdout.read().splitlines()]
    assert running.wait() == -signal.SIGKILL
    answers = Answers(tmp_path, "abc")
    (code,) = answers.participants()
    saved = answers.of(code)
    assert {(c, int(n)) for c, n in acknowledged} <= {(a.participant, a.comparison) for a in saved.values()}
    assert len(saved) <= len(acknowledged) + 1  # one may have been saved and not yet acknowledged
    answers.save(Answer(code, 99, False, "best", None, None, 1.0))  # and it goes on
    assert len(answers.of(code)) == len(saved) + 1


def test_several_processes_and_threads_at_once(tmp_path: Path, root: Path) -> None:
    processes = [writer(tmp_path, root, 15) for _ in range(2)]
    answers = Answers(tmp_path, "abc")

    def participant() -> None:
        code = answers.join()
        for n in range(15):
            answers.save(Answer(code, n, False, "real", "picture", 0, 1.0))

    threads = [threading.Thread(target=participant) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in processes] == [0, 0]
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
    assert sorted(answers.participants().values()) == list(range(6))
    assert Counter(a.participant for a in answers.all()) == dict.fromkeys(answers.participants(), 15)


def test_the_last_answer_counts_and_no_answer_is_overwritten(tmp_path: Path) -> None:
    import sqlite3

    answers = Answers(tmp_path, "abc")
    code = answers.join()
    for picture in ("a", "b", None):
        answers.save(Answer(code, 4, False, "real", picture, None if picture is None else 1, 2.0))
    assert [a.picture for a in answers.all()] == [None]
    with sqlite3.connect(tmp_path / FILE) as db:
        assert db.execute("SELECT COUNT(*) FROM answers").fetchone() == (3,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        for change in ("DELETE FROM answers", "UPDATE answers SET picture = 'c'"):
            with pytest.raises(sqlite3.IntegrityError, match="answers are never"):
                db.execute(change)
    db.close()


def test_a_participant_goes_on_where_they_stopped(tmp_path: Path) -> None:
    study = fake_study(tmp_path)
    answers = Answers(tmp_path, "abc")
    code = answers.join()
    trials, questions = study.session(0), list(QUESTIONS)
    for n in range(6):
        assert step_of(trials, questions, answers.of(code)) == n
        trial = trials[n // 4]
        answers.save(Answer(code, trial.comparison, trial.repeat, questions[n % 4], "x", 0, 1.0))
    with pytest.raises(UserError, match="Nobody in this study"):
        answers.slot("someone")


# The report


def test_the_report_finds_what_participants_prefer(tmp_path: Path) -> None:
    study = fake_study(tmp_path)
    simulate(study, 20, [0.5, 0.25, 0.15, 0.1], undecided=0.05)
    result = make_report(read_study(tmp_path), 500)
    assert result.report["participants"] | {"median_seconds": 0} == {
        "joined": 20, "answered": 20, "finished": 20, "answers": 20 * 27 * 4, "median_seconds": 0
    }  # fmt: skip
    for question in result.report["questions"].values():
        shares = question["shares"]
        for name, truth in zip(EDITORS, (0.5, 0.25, 0.15, 0.1), strict=True):
            entry = shares[name]
            assert entry["low"] <= entry["mean"] <= entry["high"] and abs(entry["mean"] - truth) < 0.06
        assert shares["alfa-net"]["low"] > shares["bravo-net"]["high"]
        assert question["friedman"]["over_participants"]["p"] < 1e-6
        assert question["friedman"]["over_garments"]["p"] < 1e-6
        first = {(p["first"], p["second"]): p for p in question["pairs"]}
        assert first["alfa-net", "delta-net"]["p_holm"] < 0.001 and first["alfa-net", "delta-net"]["difference"] > 0.3
        assert 0 < question["cannot_decide"] < 60
        assert sum(e["chosen"] for e in shares.values()) + question["cannot_decide"] == 480
        assert set(question["by_attribute"]) == {"color", "sleeve"}
    assert 0.2 < result.report["repeats"]["same_choice"] < 0.5  # 0.35 for those who draw anew each time
    assert len(result.rows) == 20 * 27 * 4 and result.rows[0]["editor"] in (*EDITORS, "")


@pytest.mark.thorough
def test_no_preference_is_not_found(tmp_path: Path) -> None:
    study = fake_study(tmp_path)
    simulate(study, 12, [1, 1, 1, 1], seed=5)
    for question in make_report(study, 60).report["questions"].values():
        assert all(e["low"] < 0.25 < e["high"] for e in question["shares"].values())
        assert question["friedman"]["over_participants"]["p"] > 0.01
        assert all(p["p_holm"] > 0.05 for p in question["pairs"])
        assert abs(question["agreement"]["alpha"]) < 0.05


def test_whoever_always_takes_the_first_picture_favours_nobody(tmp_path: Path) -> None:
    study = fake_study(tmp_path)
    simulate(study, 8, None)
    report = make_report(study, 200).report
    for question in report["questions"].values():
        assert {e["mean"] for e in question["shares"].values()} == {0.25}
        assert question["positions"]["chosen"] == [192, 0, 0, 0] and question["positions"]["p"] < 1e-6


def test_all_of_one_mind(tmp_path: Path) -> None:
    study = fake_study(tmp_path, EDITORS[:2])
    simulate(study, 8, [1, 0])
    report = make_report(study, 200).report
    for question in report["questions"].values():
        assert question["agreement"] == {"alpha": 1.0, "same_choice": 1.0, "by_chance": 1.0}
        assert question["friedman"] == {"over_participants": None, "over_garments": None}  # of two there is none
        assert question["pairs"][0]["p_holm"] == pytest.approx(2 / 2**8)
    assert report["repeats"]["same_choice"] == 1.0


def test_the_report_is_written_and_reads_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = fake_study(tmp_path / "study")
    simulate(study, 3, [0.7, 0.1, 0.1, 0.1])
    assert run(monkeypatch, "report", tmp_path / "study", "--rounds", 100, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    out = tmp_path / "study" / "report"
    assert printed == json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert (out / "answers.csv").read_text(encoding="utf-8").count("\n") == 1 + 3 * 27 * 4
    page = (out / "report.md").read_text(encoding="utf-8")
    for words in (*EDITORS, "Friedman", "Wilcoxon", "Krippendorff", "Holm", "3 participants are too few", "position 4"):
        assert words in page
    assert "nan" not in page.lower().split()
    assert run(monkeypatch, "report", tmp_path / "study", "--rounds", 100, "--out", tmp_path / "elsewhere") == 0
    assert "best of all: alfa-net 0." in capsys.readouterr().out


def test_one_answer_alone_makes_a_report(tmp_path: Path) -> None:
    study = fake_study(tmp_path, repeats=0)
    answers, picture = Answers(tmp_path, "abc"), study.comparisons[0].orders[0][0]
    answers.save(Answer(answers.join(), 0, False, "real", picture, 0, 1.0))
    result = make_report(study, 100)
    assert compose_report(result.report) and write_report(tmp_path / "out", result)


# Statistics against plain twins and cases worked by hand


def test_holm_by_hand() -> None:
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([0.5, 0.9]) == [1.0, 1.0]


def test_alpha_by_hand() -> None:
    # Two participants, four garments, one left undecided: alpha = 1 - observed / expected disagreement. Pairs: (0,0),
    # (1,1), (0,1). Coincidences: o00 = 2, o11 = 2, o01 = o10 = 1; n0 = n1 = 3, n = 6. D_o = 2/6, D_e = 18/30.
    choices = np.array([[0, 1, 0, 1], [0, 1, 1, -1]])
    assert statistics.alpha(choices) == pytest.approx(1 - (2 / 6) / (18 / 30))
    assert np.isnan(statistics.alpha(choices[:1]))


def test_friedman_and_agreement_against_plain_loops() -> None:
    rng = np.random.default_rng(0)
    choices = rng.integers(-1, 3, (9, 14))
    table = statistics.counts(choices, 3, axis=1)
    assert all(table[p, e] == sum(c == e for c in choices[p]) for p in range(9) for e in range(3))
    # Friedman without ties: 12 / (n k (k + 1)) * sum of squared rank sums - 3 n (k + 1)
    untied = np.array([rng.permutation(3) for _ in range(9)])
    sums = (untied + 1).sum(axis=0)
    found = statistics.friedman(untied)
    assert found is not None and found["chi2"] == pytest.approx(12 / (9 * 3 * 4) * (sums**2).sum() - 3 * 9 * 4)
    agreeing, possible = 0, 0
    for column in choices.T.tolist():
        for i in range(9):
            for j in range(i):
                possible += column[i] >= 0 and column[j] >= 0
                agreeing += column[i] >= 0 and column[i] == column[j]
    assert statistics.agreement_by_chance(choices, 3)[0] == pytest.approx(agreeing / possible)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for n in range(60):
        # Garments differ in how well the first editor did, so choices on one garment go together.
        skill = rng.beta(4, 4, size=20)
        choices = (rng.random((15, 20)) > skill).astype(np.int64)
        low, high = statistics.share_intervals(choices, 2, 300, seed=n)[0]
        held += low <= 0.5 <= high
    assert held >= 54


# The command


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["user-study", *map(str, arguments)])
    with pytest.raises(SystemExit) as status:
        cli.main()
    return int(status.value.code or 0)


def test_mistakes_end_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = fake_study(tmp_path / "study")
    for arguments, sentence in (
        (("report", tmp_path / "none"), "holds no study.json"),
        (("serve", tmp_path / "none"), "holds no study.json"),
        (("report", study.folder), "Nobody has answered yet"),
    ):
        assert run(monkeypatch, *arguments) == 2
        assert sentence in capsys.readouterr().err
    simulate(study, 1, [1, 1, 1, 1])
    (study.folder / "study.json").write_text((study.folder / "study.json").read_text().replace('"abc"', '"other"'))
    for command in ("report", "serve"):
        assert run(monkeypatch, command, study.folder) == 2
        assert "another study" in capsys.readouterr().err
    (study.folder / "study.json").write_text('{"format": 1}')
    assert run(monkeypatch, "report", study.folder) == 2
    assert "is not what `user-study new` writes" in capsys.readouterr().err
    (study.folder / "study.json").write_text("{")
    assert run(monkeypatch, "report", study.folder) == 2
    assert "is damaged" in capsys.readouterr().err
