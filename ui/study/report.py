"""``user-study report``: the key is opened, and choices become numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from statistics import median
from typing import Any

import numpy as np

from amgan.errors import UserError
from ui.study import statistics
from ui.study.answers import Answer, Answers
from ui.study.design import QUESTIONS
from ui.study.folder import Study, read_key
from ui.study.statistics import UNDECIDED


@dataclass(frozen=True)
class Result:
    """``report`` is plain JSON; ``rows`` are the answers with the editors' names, for other programs."""

    report: dict[str, Any]
    rows: list[dict[str, Any]]


def make_report(study: Study, rounds: int) -> Result:
    """Raises UserError where there are no answers yet, or the key does not fit."""
    key = read_key(study)
    store = Answers(study.folder, study.id)
    answers, slots = store.all(), store.participants()
    if not answers:
        raise UserError(f"Nobody has answered yet in {study.folder}; the page for it: user-study serve {study.folder}")
    each = Counter(a.participant for a in answers)
    complete = (len(study.comparisons) + study.repeats) * len(QUESTIONS)
    report = {
        "study": study.id,
        "editors": key["editors"],
        "data": key["data"],
        "design": {
            "comparisons": len(study.comparisons),
            "repeats": study.repeats,
            "seed": study.seed,
            "questions": QUESTIONS,
            "changes": dict(Counter(c.change for c in study.comparisons)),
        },
        "participants": {
            "joined": len(slots),
            "answered": len(each),
            "finished": sum(n >= complete for n in each.values()),
            "answers": len(answers),
            "median_seconds": median(a.seconds for a in answers),
        },
        "questions": {q: _question(study, key, answers, q, rounds) for q in QUESTIONS},
        "repeats": _repeats(answers, key),
        "bootstrap_rounds": rounds,
        "libraries": {name: version(name) for name in ("numpy", "scipy", "krippendorff")},
    }
    return Result(_finite(report), [_row(study, key, a, slots) for a in answers])


def _question(study: Study, key: Mapping, answers: Sequence[Answer], question: str, rounds: int) -> dict[str, Any]:
    mine = [a for a in answers if a.question == question and not a.repeat]
    editors = list(key["editors"])
    k = len(editors)
    choices = _matrix(mine, key, len(study.comparisons))
    by_person, by_garment = statistics.counts(choices, k, 1), statistics.counts(choices, k, 0)
    attributes = np.array([c.attribute for c in study.comparisons])
    same, by_chance = statistics.agreement_by_chance(choices, k)
    positions = np.array([a.position for a in mine if a.position is not None], dtype=np.int64)
    return {
        "answers": len(mine),
        "cannot_decide": sum(a.picture is None for a in mine),
        "shares": _shares(choices, editors, rounds),
        "by_attribute": {a: _shares(choices[:, attributes == a], editors, rounds) for a in sorted(set(attributes))},
        "friedman": {
            "over_participants": statistics.friedman(by_person),
            "over_garments": statistics.friedman(by_garment),
        },
        "pairs": [
            {**asdict(p), "first": editors[p.first], "second": editors[p.second]} for p in statistics.pairs(by_person)
        ],
        "agreement": {"alpha": statistics.alpha(choices), "same_choice": same, "by_chance": by_chance},
        "positions": statistics.position_bias(positions, k),
    }


def _matrix(answers: Sequence[Answer], key: Mapping, comparisons: int) -> np.ndarray:
    """Choices int64 (P, C): the chosen editor's index, UNDECIDED where there is none."""
    people = {code: row for row, code in enumerate(dict.fromkeys(a.participant for a in answers))}
    editors = list(key["editors"])
    choices = np.full((len(people), comparisons), UNDECIDED, dtype=np.int64)
    for a in answers:
        if a.picture is not None:
            choices[people[a.participant], a.comparison] = editors.index(_whose(key, a.picture))
    return choices


def _whose(key: Mapping, picture: str) -> str:
    if picture not in key["pictures"]:
        raise UserError(f"An answer names the picture {picture}, which key.json does not have.")
    return key["pictures"][picture]


def _shares(choices: np.ndarray, editors: Sequence[str], rounds: int) -> dict[str, dict[str, float]]:
    k = len(editors)
    found, intervals = statistics.shares(choices, k), None
    if len(choices):
        intervals = statistics.share_intervals(choices, k, rounds)
    return {
        name: {
            "mean": float(found[e]),
            "low": float(intervals[e, 0]) if intervals is not None else math.nan,
            "high": float(intervals[e, 1]) if intervals is not None else math.nan,
            "chosen": int((choices == e).sum()),
        }
        for e, name in enumerate(editors)
    }


def _repeats(answers: Sequence[Answer], key: Mapping) -> dict[str, float]:
    """How often a participant who meets a comparison again chooses the same editor as before."""
    first = {(a.participant, a.comparison, a.question): a.picture for a in answers if not a.repeat}
    again = [(first.get((a.participant, a.comparison, a.question)), a.picture) for a in answers if a.repeat]
    decided = [(before, after) for before, after in again if before and after]
    same = [_whose(key, before) == _whose(key, after) for before, after in decided]
    return {"answers": len(decided), "same_choice": float(np.mean(same)) if same else math.nan}


def _row(study: Study, key: Mapping, a: Answer, slots: Mapping[str, int]) -> dict[str, Any]:
    comparison = study.comparisons[a.comparison]
    return {
        "participant": slots[a.participant],
        "comparison": a.comparison,
        "photo": key["photos"][a.comparison],
        "attribute": comparison.attribute,
        "change": comparison.change,
        "question": a.question,
        "repeat": int(a.repeat),
        "editor": _whose(key, a.picture) if a.picture is not None else "",
        "position": "" if a.position is None else a.position + 1,
        "seconds": a.seconds,
    }


def _finite(value: Any) -> Any:
    """NaN, which JSON has not, as None."""
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
