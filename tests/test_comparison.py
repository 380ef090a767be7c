"""Several weights in one report: paired differences by plain loops, and the command from outside."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from amgan.evaluation import metrics
from amgan.evaluation.edits import EditPlan
from amgan.schema import AttributeSchema
from amgan.testing import draw_catalogue, tiny_weights
from retrieval.evaluation import cli
from retrieval.evaluation.comparison import Measure

SCHEMA = AttributeSchema.from_dict({"sleeve": ["short", "long"], "color": ["red", "blue", "green"]})


def plan_of(rng: np.random.Generator, photos: int, edits: int) -> EditPlan:
    attribute = rng.integers(0, 2, edits)
    value = np.where(attribute == 0, rng.integers(0, 2, edits), rng.integers(0, 3, edits))
    return EditPlan(SCHEMA, np.sort(rng.integers(0, photos, edits)), attribute, value, {})


@pytest.mark.parametrize("plain", [False, True])
def test_a_paired_interval_is_a_loop_over_draws(plain: bool) -> None:
    rng = np.random.default_rng(2)
    plan = plan_of(rng, 15, 60)
    a, b = (rng.random(60) < 0.4).astype(float), (rng.random(60) < 0.6).astype(float)
    found = Measure("accuracy", ("edits", "accepted"), plain).mean(b - a, plan, rounds=200)

    def mean(times: np.ndarray) -> float:
        """The mean difference where each photo counts so many times."""
        groups: dict[tuple[int, int], list[float]] = {}
        for q in range(60):
            group = (0, 0) if plain else (int(plan.attribute[q]), int(plan.value[q]))
            groups.setdefault(group, []).extend([b[q] - a[q]] * int(times[photo[q]]))
        outer: dict[int, list[float]] = {}
        for (m, _), scores in groups.items():
            if scores:
                outer.setdefault(m, []).append(float(np.mean(scores)))
        return float(np.mean([np.mean(means) for means in outer.values()]))

    _, photo = np.unique(plan.photo, return_inverse=True)
    draws = metrics.drawn_photos(int(photo.max()) + 1, 200, 0)
    low, high = np.percentile([mean(times) for times in draws], [2.5, 97.5])
    assert found["mean"] == pytest.approx(mean(np.ones(15)))
    assert (found["low"], found["high"]) == pytest.approx((low, high))


def test_pairing_finds_what_two_intervals_hide() -> None:
    rng = np.random.default_rng(0)
    photo, none = np.arange(300), np.zeros(300, np.int64)
    plan = EditPlan(SCHEMA, photo, none, none, {})
    hard = rng.random(300)  # how hard a photo is for both
    a, b = (hard > 0.5).astype(float), (hard > 0.45).astype(float)
    measure = Measure("accuracy", ("edits", "accepted"))
    one, other, paired = (measure.mean(x, plan, 1000) for x in (a, b, b - a))
    assert one["high"] > other["low"]  # they overlap
    assert paired["low"] > 0  # and yet b is never worse


@pytest.mark.thorough
def test_two_weights_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    catalogue = draw_catalogue(tmp_path / "shirts", count=18)
    one, two = (tiny_weights(tmp_path / name, seed=seed) for name, seed in (("one", 0), ("two", 3)))
    out = tmp_path / "out"
    arguments = [catalogue, "--weights", one, "--weights", two, "--out", out, "--rounds", 20, "--sheet", 3, "--json"]
    monkeypatch.setattr(sys, "argv", ["evaluate-retrieval", *map(str, arguments)])
    with pytest.raises(SystemExit) as status:
        cli.main()
    assert not status.value.code
    report = json.loads(capsys.readouterr().out)
    assert report == json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert list(report["methods"]) == ["one", "two"]
    single = {name: json.loads((out / name / "report.json").read_text(encoding="utf-8")) for name in ("one", "two")}
    for name, whole in single.items():
        assert report["methods"][name]["edits"] == whole["edits"]["edited"]
        for protocol in ("A", "B"):
            for network, table in report["protocols"][protocol].items():
                assert table["rows"][name] == whole["protocols"][protocol][network]["rows"]["edited"]
                assert table["rows"]["unedited"] == whole["protocols"][protocol][network]["rows"]["unedited"]
    assert single["one"]["weights"]["judge"] == single["two"]["weights"]["judge"]  # the first one's measures both
    entry = report["compared"]["accuracy by the judge"]
    means = {name: x["mean"] for name, x in entry["methods"].items()}
    assert entry["differences"]["two - one"]["mean"] == pytest.approx(means["two"] - means["one"])
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "http:" not in page and "https:" not in page  # by chance "http" is in a picture, as base64
    assert page.count("data:image/png;base64,") == len(list(out.glob("*.png"))) == 5
    text = (out / "report.md").read_text(encoding="utf-8")
    for words in ("Paired differences", "less one", "Protocol A", "Protocol B", "evaluate-retrieval", "arithmetic"):
        assert words in page and words in text, words


def test_editors_of_other_values_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    catalogue = draw_catalogue(tmp_path / "shirts", count=6)
    one = tiny_weights(tmp_path / "one")
    other = tiny_weights(tmp_path / "other", AttributeSchema.from_dict({"sleeve": ["short", "long"]}))
    for second, sentence in ((other, "The attributes differ: one has"), (one, "given twice")):
        arguments = [catalogue, "--weights", one, "--weights", second, "--out", tmp_path / "out"]
        monkeypatch.setattr(sys, "argv", ["evaluate-retrieval", *map(str, arguments)])
        with pytest.raises(SystemExit) as status:
            cli.main()
        assert status.value.code == 2
        assert sentence in capsys.readouterr().err
