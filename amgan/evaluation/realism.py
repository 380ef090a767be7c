"""Do edits look like real items that have the wanted value? Kernel distances between sets of pictures.

Nobody needs to know for it what the right edit of a photo looks like. How sharp edits are is measured with the edits
themselves (``edits.COLUMNS``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from amgan.evaluation.edits import SLEEVE, EditPlan, Network

SUBSETS = 100  # of the kernel distance, as Binkowski et al. draw them
LARGEST, SMALLEST = 100, 5  # pictures in a subset; with fewer than the smallest no figure is given
WHOLE_KERNEL = 4_000_000  # entries of a kernel that is kept whole: 32 MB
FLOOR = "real items"
SIDE = 0.3  # of the frame's width, on either side of the torso's middle: where sleeves lie
SLEEVES_ALONE = f"{SLEEVE}, the sides alone"
ROWS = {
    "edited": "the edits, against real items of the wanted values",
    "no edit": "the photos of the same edits as they were, against the same: how far there is to go",
    "truth": "the true pictures of the same edits, against the same: what a perfect editor reaches",
    FLOOR: "real items against others of the same values: what chance does with sets of that size",
}


def on_sides(network: Network) -> Network:
    """A network that is shown the sides of the frame alone: what it says is about sleeves, not about the torso, which
    a sleeve edit leaves as it is."""

    def look(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        side = round(SIDE * images.shape[-1])
        images = images.clone()
        images[..., side : images.shape[-1] - side] = 255
        return network(images)

    return look


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


def kernel_distance(x: np.ndarray, y: np.ndarray, size: int, seed: int = 0, subsets: int = SUBSETS) -> dict[str, float]:
    """The kernel distance (KID, Binkowski et al. 2018) of two sets of unit features, (n, D) and (m, D).

    Returns ``{"mean", "spread"}``: mean and standard deviation of ``squared_mmd`` over random subsets of ``size`` rows
    of each, at most n and m.
    """
    rng = np.random.default_rng(seed)
    xx, xy, yy = entries(x, x), entries(x, y), entries(y, y)
    drawn = []
    for _ in range(subsets):
        i, j = (rng.permutation(len(rows))[:size] for rows in (x, y))
        drawn.append(squared_mmd(xx(i, i), xy(i, j), yy(j, j)))
    return _mean_and_deviation(drawn)


def floor_distance(x: np.ndarray, size: int, seed: int = 0, subsets: int = SUBSETS) -> dict[str, float]:
    """The same between two random disjoint subsets of one set (n, D); 2 ``size`` is at most n."""
    rng = np.random.default_rng(seed)
    xx, drawn = entries(x, x), []
    for _ in range(subsets):
        order = rng.permutation(len(x))
        i, j = order[:size], order[size : 2 * size]
        drawn.append(squared_mmd(xx(i, i), xx(i, j), xx(j, j)))
    return _mean_and_deviation(drawn)


def entries(x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """From rows of x and of y to the kernel of these, (rows of x, rows of y).

    Subsets of small sets share most entries, so these are computed once; of large sets the whole kernel would not fit
    into memory.
    """
    if len(x) * len(y) > WHOLE_KERNEL:
        return lambda i, j: kernel(x[i], y[j])
    whole = kernel(x, y)
    return lambda i, j: whole[np.ix_(i, j)]


def _mean_and_deviation(drawn: list[float]) -> dict[str, float]:
    return {"mean": float(np.mean(drawn)), "spread": float(np.std(drawn))}


def kernel_distances(
    plan: EditPlan, labels: np.ndarray, answers: Mapping[str, np.ndarray], photos: np.ndarray
) -> dict[str, Any]:
    """KID of the edits to each value against the photos that have it, by attribute.

    Args:
        labels: given labels of the photos, int64 (n, M).
        answers: row -> unit features (Q, D) of pictures that answer the edits, in the plan's order.
        photos: unit features of the photos, (n, D).

    Returns:
        ``{attribute: {"macro": entry, "values": {value: entry}}}``, entries ``{"edits", "real", "subset", row: {"mean",
        "spread"}}`` with rows as in ``answers`` and ``real items``. All rows of a value use subsets of one size, so
        that their standard deviations compare; where there are too few edits or real items its counts stand alone.
        Macro is the mean over the values that have figures.
    """
    out: dict[str, Any] = {}
    for m, attribute in enumerate(plan.schema.attributes):
        values = {}
        for v in np.unique(plan.value[plan.attribute == m]):
            q, real = np.flatnonzero((plan.attribute == m) & (plan.value == v)), photos[labels[:, m] == v]
            values[attribute.values[v]] = _entry({row: f[q] for row, f in answers.items()}, real, len(q))
        if values:
            out[attribute.name] = {"macro": _mean(list(values.values())), "values": values}
    return out


def sleeve_distances(
    plan: EditPlan, labels: np.ndarray, answers: Mapping[str, np.ndarray], photos: np.ndarray
) -> dict[str, Any]:
    """As ``kernel_distances``, of sleeve edits and of features from ``on_sides``: ``{SLEEVES_ALONE: ...}``, or nothing
    where no sleeves were edited."""
    if SLEEVE not in plan.schema.names:
        return {}
    rows = np.flatnonzero(plan.attribute == plan.schema.index(SLEEVE))
    found = kernel_distances(plan.part(rows), labels, {row: f[rows] for row, f in answers.items()}, photos)
    return {SLEEVES_ALONE: found[SLEEVE]} if found else {}


def _entry(answers: Mapping[str, np.ndarray], real: np.ndarray, edits: int) -> dict[str, Any]:
    size = min(edits, len(real) // 2, LARGEST)
    entry: dict[str, Any] = {"edits": edits, "real": len(real), "subset": size}
    if size >= SMALLEST:
        entry |= {row: kernel_distance(f, real, size) for row, f in answers.items()}
        entry[FLOOR] = floor_distance(real, size)
    return entry


def _mean(entries: list[dict[str, Any]]) -> dict[str, Any]:
    known = [e for e in entries if FLOOR in e]
    out: dict[str, Any] = {name: sum(e[name] for e in known) for name in ("edits", "real")}
    for row in (row for row in ROWS if known and row in known[0]):
        # The values' draws are independent, so the variances of their means add up.
        deviation = np.sqrt(sum(e[row]["spread"] ** 2 for e in known)) / len(known)
        out[row] = {"mean": float(np.mean([e[row]["mean"] for e in known])), "spread": float(deviation)}
    return out
