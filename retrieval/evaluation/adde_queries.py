"""The query files that ADDE published (github.com/amzn/fashion-attribute-disentanglement, splits), as a plan of edits.

    imgs_test.txt       a path per line: the test split, in an order that the others count in
    ref_test.txt        per query, which line of it (from 0) is the reference photo
    indfull_test.txt    per query, a number per value of the schema: 1 added, -1 taken away, 0 kept
    gt_test.txt         per query, the values of the target, 0 or 1: it must be the reference with that change

A query adds one value; where the reference had another one of that attribute, it takes that away.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from amgan.data.garments import Garments
from amgan.data.names import item_id
from amgan.errors import UserError
from amgan.evaluation.edits import EditPlan
from amgan.schema import UNKNOWN, AttributeSchema

IMAGES, REFERENCES, INDICATORS, TARGETS = "imgs_test.txt", "ref_test.txt", "indfull_test.txt", "gt_test.txt"
POINTER = "version https://git-lfs"


def read_queries(
    folder: Path, whole: AttributeSchema, items: Garments, editor: AttributeSchema
) -> tuple[EditPlan, int]:
    """The plan, and how many queries are left out: of photos that are not measured, or asking for what the editor or
    the measured attributes do not know.

    Args:
        folder: with the four files.
        whole: the schema that the files count in, whose values are the columns.
        items: the measured photos, found by the paths of ``imgs_test.txt``, whatever comes before those, and whatever
            their endings.

    Raises:
        UserError: a file is missing, is a Git LFS pointer, or does not fit the others or the schema.
    """
    names = [line for _, line in _lines(folder / IMAGES)]
    rows = _rows_of(items, names)
    indicators, targets = _lines(folder / INDICATORS), _lines(folder / TARGETS)
    photo, attribute, value, left_out = [], [], [], 0
    for number, line in _lines(folder / REFERENCES):
        where = f"{folder / REFERENCES}, line {number}"
        if not line.isdigit() or int(line) >= len(names):
            raise UserError(f"{where}: {line!r} is no line of {IMAGES}, which has {len(names)}, counted from 0.")
        (m, v), target = _change(folder, number, indicators, targets, whole)
        row = rows[int(line)]
        asked = _translated(whole, m, v, items.schema, editor)
        if row is None or asked is None:
            left_out += 1
            continue
        _check_target(folder, number, items, row, asked, target, whole)
        photo.append(row)
        attribute.append(asked[0])
        value.append(asked[1])
    for lines, name in ((indicators, INDICATORS), (targets, TARGETS)):
        if next(lines, None) is not None:
            raise UserError(f"{folder / name} has more lines than {REFERENCES}; each is one query.")
    if not photo:
        raise UserError(f"None of the {left_out} queries of {folder} is of a measured photo and a known value.")
    rows_, attributes, values = (np.array(x, dtype=np.int64) for x in (photo, attribute, value))
    return EditPlan(items.schema, rows_, attributes, values, dict.fromkeys(items.schema.names, 0)), left_out


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbers from 1 and lines, without empty ones at the end. Raises UserError."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if number == 1 and line.startswith(POINTER):
                    raise UserError(f"{path} is a Git LFS pointer, not the file itself: fetch it with git lfs pull.")
                if text := line.strip():
                    yield number, text
    except OSError as error:
        raise UserError(f"The query file {path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise UserError(f"The query file {path} is not UTF-8 text.") from None


def _rows_of(items: Garments, names: list[str]) -> list[int | None]:
    """The row of each path among the items: the item whose id ends with it, endings of files aside."""
    by_name: dict[str, list[tuple[tuple[str, ...], int]]] = {}
    for row, item in enumerate(items.item_ids):
        parts = PurePosixPath(item).parts
        by_name.setdefault(parts[-1], []).append((parts[:-1], row))
    out: list[int | None] = []
    for name in names:
        path = PurePosixPath(item_id(name))
        folders = path.parts[:-1]
        found = [row for before, row in by_name.get(path.name, ()) if before[len(before) - len(folders) :] == folders]
        if len(found) > 1:
            raise UserError(f"{IMAGES} names {name}, which {len(found)} measured photos could be; keep its folders.")
        out.append(found[0] if found else None)
    return out


def _numbers(folder: Path, name: str, number: int, lines: Iterator[tuple[int, str]], count: int) -> np.ndarray:
    found = next(lines, None)
    if found is None:
        raise UserError(f"{folder / name} has fewer lines than {REFERENCES}; each is one query.")
    try:
        values = np.array(found[1].split(), dtype=np.float64).astype(np.int64)  # some tools write 1.0
    except ValueError:
        raise UserError(f"{folder / name}, line {found[0]}: not whole numbers with spaces between.") from None
    if len(values) != count:
        raise UserError(f"{folder / name}, line {found[0]}: {len(values)} numbers; the data set has {count} values.")
    return values


def _change(
    folder: Path,
    number: int,
    indicators: Iterator[tuple[int, str]],
    targets: Iterator[tuple[int, str]],
    whole: AttributeSchema,
) -> tuple[tuple[int, int], np.ndarray]:
    """Attribute and value that a query adds, and its target labels int64 (M,), in the whole schema."""
    indicator = _numbers(folder, INDICATORS, number, indicators, whole.n_values)
    target = _numbers(folder, TARGETS, number, targets, whole.n_values)
    where = f"{folder / INDICATORS}, line {number}"
    added, removed = np.flatnonzero(indicator == 1), np.flatnonzero(indicator == -1)
    of = [next(m for m, s in enumerate(whole.slices) if s.start <= at < s.stop) for at in (*added, *removed)]
    if len(added) != 1 or len(removed) > 1 or len(set(of)) != 1:
        raise UserError(f"{where}: a query adds one value, and takes away one of the same attribute or none.")
    labels = np.full(whole.n_attributes, UNKNOWN, np.int64)
    for m, s in enumerate(whole.slices):
        values = np.flatnonzero(target[s])
        if len(values) > 1:
            raise UserError(f"{folder / TARGETS}, line {number}: more than one {whole.names[m]}.")
        labels[m] = values[0] if len(values) else UNKNOWN
    m, v = of[0], int(added[0]) - whole.slices[of[0]].start
    if labels[m] != v:
        raise UserError(f"{folder / TARGETS}, line {number}: the target lacks the {whole.names[m]} that is asked for.")
    return (m, v), labels


def _translated(
    whole: AttributeSchema, m: int, v: int, schema: AttributeSchema, editor: AttributeSchema
) -> tuple[int, int] | None:
    """The same attribute and value in the measured schema; None where that or the editor does not know it."""
    name, value = whole.names[m], whole.attributes[m].values[v]
    mine, theirs = schema.find_attribute(name), editor.find_attribute(name)
    if mine is None or theirs not in editor.editable:
        return None
    found = schema.find_value(mine, value)
    if found is None or editor.find_value(str(theirs), value) is None:
        return None
    return schema.index(mine), schema.values(mine).index(found)


def _check_target(
    folder: Path,
    number: int,
    items: Garments,
    row: int,
    asked: tuple[int, int],
    target: np.ndarray,
    whole: AttributeSchema,
) -> None:
    """Raises UserError where the target is not the reference's labels with the change."""
    expected = items.labels[row].cpu().numpy().copy()
    if expected[asked[0]] == asked[1]:
        raise UserError(f"{folder / INDICATORS}, line {number}: {items.item_ids[row]} has what is to be added already.")
    expected[asked[0]] = asked[1]
    given = items.schema.translated(target[None], whole)[0]
    if (expected != given).any():
        wrong = items.schema.names[int(np.flatnonzero(expected != given)[0])]
        raise UserError(
            f"{folder / TARGETS}, line {number}: the {wrong} is not that of {items.item_ids[row]} with the change; are "
            "these the query files of another data set, or of another split?"
        )
