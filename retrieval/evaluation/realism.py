"""Do edits look like real items that have the wanted value? Kernel distances between sets of pictures.

Nobody needs to know for it what the right edit of a photo looks like. How sharp edits are is measured with the edits
themselves (``edits.COLUMNS``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from retrieval.evaluation.edits import EditPlan

SUBSETS = 100  # of the kernel distance, as Binkowski et al. draw them
LARGEST, SMALLEST = 100, 5  # pictures in a subset; with fewer than the smallest no figure is given
FLOOR = "real items"
ROWS = {
    "edited": "the edits, against real items of the wanted values",
    "no edit": "the photos of the same edits as they were, against the same: how far there is to go",
    "truth": "the true pictures of the same edits, against the same: what a perfect editor reaches",
    FLOOR: "real items against others of the same values: what chance does with sets of that size",
}

Draw = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]


def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``(<x, y> + 1)^3`` of unit features (n, D) and (m, D), float64 (n, m).

    The polynomial kernel of Binkowski et al. (2018), ``(<x, y> / D + 1)^3``, of features scaled to the length
    ``sqrt(D)``: their division by D undoes that lengths grow with D, and here they are 1.
    """
    return (x.astype(np.float64) @ y.astype(np.float64).T + 1) ** 3


def squared_mmd(xx: np.ndarray, xy: np.ndarray, yy: np.ndarray) -> float:
    """The unbiased estimate of the squared maximum mean discrepancy (Gretton et al. 2012, equation 3).

    From the kernel's values (n, n) within one set, (n, m) across, (m, m) within the other; n and m are 2 or more.
    It can be negative: for two samples of one distribution its mean is 0.
    """
    n, m = xy.shape
    within_x = (xx.sum() - np.trace(xx)) / (n * (n - 1))
    within_y = (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(within_x + within_y - 2 * xy.mean())


def kernel_distance(
    x: np.ndarray, y: np.ndarray, draw: Draw, seed: int = 0, subsets: int = SUBSETS
) -> dict[str, float]:
    """The kernel distance (KID, Binkowski et al. 2018) of two sets of unit features, (n, D) and (m, D).

    ``draw`` picks rows of each for one subset. Returns ``{"mean", "spread"}``: mean and standard deviation of
    ``squared_mmd`` over the subsets.
    """
    rng = np.random.default_rng(seed)
    xx, xy, yy = kernel(x, x), kernel(x, y), kernel(y, y)  # once; subsets pick from them
    drawn = []
    for _ in range(subsets):
        i, j = draw(rng)
        drawn.append(squared_mmd(xx[np.ix_(i, i)], xy[np.ix_(i, j)], yy[np.ix_(j, j)]))
    return {"mean": float(np.mean(drawn)), "spread": float(np.std(drawn))}


def matched(x_values: np.ndarray, y_values: np.ndarray, size: int) -> Draw:
    """Draws ``size`` rows of y at random and, for each, one of x of the same value, none twice.

    Edits ask for every value about equally often and real items do not have them so: without matching, the distance
    would tell that difference. x_values (n,), y_values (m,).
    """

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        left = {v: rng.permutation(np.flatnonzero(x_values == v)).tolist() for v in np.unique(x_values)}
        i: list[int] = []
        j: list[int] = []
        for row in rng.permutation(len(y_values)).tolist():
            if len(j) < size and left.get(y_values[row]):
                i.append(left[y_values[row]].pop())
                j.append(row)
        return np.array(i), np.array(j)

    return draw


def halves(values: np.ndarray, size: int) -> Draw:
    """Draws two disjoint sets of ``size`` rows with the same values from one set, values (n,): the floor's draw,
    matched as the other rows' are."""

    def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        first = np.zeros(len(values), dtype=bool)
        for v in np.unique(values):
            rows = rng.permutation(np.flatnonzero(values == v))
            first[rows[: len(rows) // 2]] = True
        a, b = np.flatnonzero(first), np.flatnonzero(~first)
        i, j = matched(values[a], values[b], size)(rng)
        return a[i], b[j]

    return draw


def kernel_distances(
    plan: EditPlan, labels: np.ndarray, answers: Mapping[str, np.ndarray], photos: np.ndarray
) -> dict[str, Any]:
    """KID of the edits of each attribute, over all its values and for each wanted value.

    Args:
        labels: given labels of the photos, int64 (n, M).
        answers: row -> unit features (Q, D) of pictures that answer the edits, in the plan's order.
        photos: unit features of the photos, (n, D).

    Returns:
        ``{attribute: {"all": entry, "values": {value: entry}}}`` with entries ``{"edits", "real", "subset", row:
        {"mean", "spread"}}``, rows as in ``answers`` and ``real items``. All rows of an entry use subsets of one size,
        so that their spreads compare. Where there are too few edits or real items, the counts stand alone.
    """
    out: dict[str, Any] = {}
    for m, attribute in enumerate(plan.schema.attributes):
        mine = plan.attribute == m
        if mine.any():
            wanted, given = np.where(mine, plan.value, -1), labels[:, m]
            each = {attribute.values[v]: _entry([v], wanted, given, answers, photos) for v in np.unique(wanted[mine])}
            out[attribute.name] = {
                "all": _entry(np.unique(wanted[mine]).tolist(), wanted, given, answers, photos),
                "values": each,
            }
    return out


def _entry(
    values: list[int], wanted: np.ndarray, given: np.ndarray, answers: Mapping[str, np.ndarray], photos: np.ndarray
) -> dict[str, Any]:
    q, real = np.flatnonzero(np.isin(wanted, values)), np.flatnonzero(np.isin(given, values))
    possible = sum(min((wanted[q] == v).sum(), (given[real] == v).sum() // 2) for v in values)
    size = int(min(possible, LARGEST))
    entry: dict[str, Any] = {"edits": len(q), "real": len(real), "subset": size}
    if size >= SMALLEST:
        draw = matched(wanted[q], given[real], size)
        entry |= {row: kernel_distance(f[q], photos[real], draw) for row, f in answers.items()}
        entry[FLOOR] = kernel_distance(photos[real], photos[real], halves(given[real], size))
    return entry
