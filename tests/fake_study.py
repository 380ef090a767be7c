"""A user study without editors: its pictures are drawn, if at all, and its participants simulated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ui.study.answers import Answer, Answers
from ui.study.design import QUESTIONS, starting_rows, williams_square
from ui.study.folder import Comparison, Study, read_key, write_study

EDITORS = ("alfa-net", "bravo-net", "charlie-net", "delta-net")


def fake_study(folder: Path, editors: tuple[str, ...] = EDITORS, comparisons: int = 24, repeats: int = 3) -> Study:
    """A study without pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    square = williams_square(len(editors))
    attributes = ["sleeve" if c % 2 else "color" for c in range(comparisons)]
    starts = starting_rows(attributes)

    def orders(c: int) -> list[list[str]]:
        rows = [square[(starts[c] + r) % len(square)] for r in range(len(square))]
        return [[f"picture-{c}-{editor}" for editor in row] for row in rows]

    all_ = [Comparison(a, f"change of {a}", f"photo-{c}", orders(c)) for c, a in enumerate(attributes)]
    study = Study(folder, "abc", 3, repeats, all_)
    key = {
        "study": "abc",
        "editors": {name: f"id-{name}" for name in editors},
        "pictures": {f"picture-{c}-{e}": name for c in range(comparisons) for e, name in enumerate(editors)},
        "photos": [f"item {c}" for c in range(comparisons)],
        "data": {"folder": "shirts", "split": "test", "sha256": "0", "segmenter": "given"},
    }
    write_study(study, key)
    return study


def draw_pictures(study: Study, size: int = 512) -> None:
    """A picture of one grey for each name, all different."""
    (study.folder / "pictures").mkdir()
    names = [n for c in study.comparisons for n in (c.photo, *c.orders[0])]
    for shade, name in enumerate(names):
        picture = Image.new("RGB", (size, size), (255 - shade % 200, 200, 60 + shade % 150))
        picture.save(study.folder / "pictures" / f"{name}.webp", lossless=True)


def simulate(study: Study, people: int, strengths: list[float] | None, seed: int = 0, undecided: float = 0.0) -> None:
    """Participants who choose by Luce's axiom: an editor of strength s with probability s over the sum. Without
    strengths they always take what stands first."""
    rng = np.random.default_rng(seed)
    answers, whose = Answers(study.folder, study.id), read_key(study)["pictures"]
    names = list(read_key(study)["editors"])
    for _ in range(people):
        code, given = answers.join(), []
        for trial in study.session(answers.slot(code)):
            pictures = study.pictures(trial)
            for question in QUESTIONS:
                position: int | None = 0
                if strengths is not None:
                    p = np.array([strengths[names.index(whose[picture])] for picture in pictures])
                    position = int(rng.choice(len(pictures), p=p / p.sum())) if rng.random() >= undecided else None
                picture = None if position is None else pictures[position]
                given.append(Answer(code, trial.comparison, trial.repeat, question, picture, position, 3.0))
        answers.save(*given)
