"""ADDE's query files become a plan of edits; what does not fit is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from amgan.data.garments import Garments
from amgan.errors import UserError
from amgan.schema import UNKNOWN, AttributeSchema
from retrieval.evaluation.adde_queries import read_queries

WHOLE = AttributeSchema.from_dict(
    {"category": ["shirt", "coat"], "color": ["red", "blue", "green"], "sleeve": ["short", "long"]}
)
MEASURED = AttributeSchema.from_dict({"sleeve": ["long", "short"], "color": ["red", "blue", "green"]})
NAMES = ("women/a.jpg", "men/a.jpg", "men/b.jpg", "men/c.jpg")
LABELS = [[0, 0, 0], [0, 1, 1], [1, 2, UNKNOWN], [1, 0, 1]]  # of WHOLE


@pytest.fixture
def items() -> Garments:
    """All but the last, in another order, with the labels of the measured schema."""
    rows = [2, 0, 1]
    labels = MEASURED.translated(np.array(LABELS), WHOLE)[rows]
    ids = tuple(f"images/{NAMES[i].removesuffix('.jpg')}" for i in rows)
    picture = torch.zeros(3, 3, 8, 8, dtype=torch.uint8)
    return Garments(MEASURED, picture, picture[:, :1] > 0, torch.from_numpy(labels), ids)


def bits(labels: list[int]) -> str:
    row = np.zeros(WHOLE.n_values, int)
    for part, v in zip(WHOLE.slices, labels, strict=True):
        if v != UNKNOWN:
            row[part.start + v] = 1
    return " ".join(map(str, row))


def write(folder: Path, queries: list[tuple[int, str, int]]) -> Path:
    """Query files: reference, attribute, value that is added."""
    folder.mkdir(exist_ok=True)
    indicators, targets = [], []
    for reference, name, v in queries:
        m, labels = WHOLE.index(name), list(LABELS[reference])
        row = np.zeros(WHOLE.n_values, int)
        if labels[m] != UNKNOWN:
            row[WHOLE.slices[m].start + labels[m]] = -1
        row[WHOLE.slices[m].start + v] = 1
        labels[m] = v
        indicators.append(" ".join(map(str, row)))
        targets.append(bits(labels))
    for name, lines in (
        ("imgs_test.txt", NAMES),
        ("ref_test.txt", [str(r) for r, _, _ in queries]),
        ("indfull_test.txt", indicators),
        ("gt_test.txt", targets),
    ):
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_queries_are_edits_of_the_measured_photos(items: Garments, tmp_path: Path) -> None:
    queries = [(0, "sleeve", 1), (1, "color", 2), (2, "sleeve", 0), (3, "color", 1), (0, "category", 1)]
    plan, left_out = read_queries(write(tmp_path / "q", queries), WHOLE, items, MEASURED)
    assert left_out == 2  # the photo that is not measured, and the attribute that is not
    assert [(items.item_ids[p], plan.edit(q)) for q, p in enumerate(plan.photo)] == [
        ("images/women/a", {"sleeve": "long"}),
        ("images/men/a", {"color": "green"}),
        ("images/men/b", {"sleeve": "short"}),  # it had none
    ]
    only_colour = MEASURED.editing(["color"])
    plan, left_out = read_queries(tmp_path / "q", WHOLE, items, only_colour)
    assert (len(plan), left_out) == (1, 4)


@pytest.mark.parametrize(
    ("file", "change", "sentence"),
    [
        ("ref_test.txt", lambda s: s.replace("0", "4", 1), "'4' is no line of imgs_test.txt, which has 4"),
        ("ref_test.txt", lambda s: "version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        ("ref_test.txt", lambda s: s.partition("\n")[0], "has more lines than ref_test.txt"),
        ("indfull_test.txt", lambda s: s.replace(" 0", "", 1), "6 numbers; the data set has 7 values"),
        ("indfull_test.txt", lambda s: s.replace("-1", "1", 1), "adds one value"),
        ("indfull_test.txt", lambda s: s.replace("0", "x", 1), "not whole numbers"),
        ("gt_test.txt", lambda s: s.partition("\n")[0], "has fewer lines than ref_test.txt"),
        ("gt_test.txt", lambda s: s.replace("1 0 1 0 0", "1 0 0 1 0", 1), "the color is not that of images/women/a"),
        ("gt_test.txt", lambda s: s.replace("0 1\n", "1 0\n", 1), "the target lacks the sleeve"),
        ("imgs_test.txt", None, "cannot be read"),
    ],
)
def test_files_that_do_not_fit_are_refused(items: Garments, tmp_path: Path, file, change, sentence) -> None:
    folder = write(tmp_path / "q", [(0, "sleeve", 1), (1, "color", 2)])
    path = folder / file
    if change is None:
        path.unlink()
    else:
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(UserError, match=sentence):
        read_queries(folder, WHOLE, items, MEASURED)
