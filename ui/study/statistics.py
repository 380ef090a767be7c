"""What the choices of P participants over C comparisons say about k editors.

``choices`` is int64 (P, C): the index of the chosen editor, UNDECIDED where nothing was chosen. All editors stand in
every comparison, so that the strengths of Luce's choice axiom, which Bradley and Terry's model is for pairs, are the
shares themselves: there is nothing further to fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import krippendorff
import numpy as np
from scipy import stats

UNDECIDED = -1


@dataclass(frozen=True)
class Pair:
    """Do participants choose one editor more often than another? By Wilcoxon's signed ranks of their shares.

    Attributes:
        difference: mean over participants of the share of the first less that of the second.
        p: two-sided; ``p_holm`` after Holm's correction for the number of pairs.
    """

    first: int
    second: int
    difference: float
    p: float
    p_holm: float


def counts(choices: np.ndarray, k: int, axis: int) -> np.ndarray:
    """How often each editor was chosen, int64 (C, k) with axis 0 (over participants), (P, k) with axis 1."""
    return np.stack([(choices == e).sum(axis=axis) for e in range(k)], axis=1)


def shares(choices: np.ndarray, k: int) -> np.ndarray:
    """Of all choices the share of each editor, float64 (k,); NaN where nothing was chosen."""
    chosen = np.array([(choices == e).sum() for e in range(k)], dtype=float)
    return chosen / chosen.sum() if chosen.sum() else np.full(k, np.nan)


def share_intervals(choices: np.ndarray, k: int, rounds: int, seed: int = 0) -> np.ndarray:
    """95 % intervals of ``shares``, float64 (k, 2).

    Choices of one participant go together, and so do those on one garment; both are drawn anew, with replacement and
    independently (the pigeonhole bootstrap; Owen, 2007, The pigeonhole bootstrap, Annals of Applied Statistics 1(2)).
    It errs on the wide side.
    """
    rng = np.random.default_rng(seed)
    people, garments = choices.shape
    p = rng.multinomial(people, np.full(people, 1 / people), size=rounds).astype(float)  # (rounds, P)
    g = rng.multinomial(garments, np.full(garments, 1 / garments), size=rounds).astype(float)  # (rounds, C)
    chosen = np.stack([((p @ (choices == e)) * g).sum(axis=1) for e in range(k)], axis=1)  # (rounds, k)
    total = chosen.sum(axis=1, keepdims=True)
    drawn = np.divide(chosen, total, out=np.full_like(chosen, np.nan), where=total > 0)
    if np.isnan(drawn).all():
        return np.full((k, 2), np.nan)
    return np.nanpercentile(drawn, [2.5, 97.5], axis=0).T


def friedman(table: np.ndarray) -> dict[str, float] | None:
    """Are some editors chosen more often than others? Friedman's test of counts (blocks, k); ties are corrected for.

    Returns:
        ``chi2``, ``p``, and Kendall's ``w`` from 0 (no common order) to 1 (the same in every block); None where there
        are fewer than three editors or two blocks, or every block is tied.
    """
    table = table[table.sum(axis=1) > 0]
    blocks, k = table.shape
    if k < 3 or blocks < 2 or (table == table[:, :1]).all():
        return None
    chi2, p = stats.friedmanchisquare(*table.T)
    return {"blocks": blocks, "chi2": float(chi2), "p": float(p), "w": float(chi2) / (blocks * (k - 1))}


def pairs(table: np.ndarray) -> list[Pair]:
    """Every pair of editors, from counts per participant (P, k); those who chose nothing are left out."""
    table = table[table.sum(axis=1) > 0]
    k = table.shape[1]
    if not len(table):
        return []
    by_person = table / table.sum(axis=1, keepdims=True)
    found = []
    for a, b in combinations(range(k), 2):
        difference = by_person[:, a] - by_person[:, b]
        p = float(stats.wilcoxon(difference).pvalue) if np.any(difference) else 1.0
        found.append((a, b, float(difference.mean()), p))
    corrected = holm([p for *_, p in found])
    return [Pair(*f, c) for f, c in zip(found, corrected, strict=True)]


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down correction (1979): the chance of a single false alarm among all stays below p."""
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = highest
    return corrected


def alpha(choices: np.ndarray) -> float:
    """Krippendorff's alpha of nominal choices: 1 where all participants agree, 0 where no more than chance would.
    NaN where there is nothing to compare."""
    rated = np.where(choices == UNDECIDED, np.nan, choices.astype(float))
    compared = (~np.isnan(rated)).sum(axis=0) >= 2
    if not compared.any():
        return math.nan
    if len(np.unique(rated[:, compared][~np.isnan(rated[:, compared])])) == 1:
        return 1.0  # nobody ever chose another editor; the quotient would be 0 by 0
    return float(krippendorff.alpha(rated, level_of_measurement="nominal"))


def agreement_by_chance(choices: np.ndarray, k: int) -> tuple[float, float]:
    """How often two participants choose the same on the same garment, and how often they would if each drew from the
    shares alone; NaN where no garment was judged twice."""
    table = counts(choices, k, axis=0).astype(float)  # (C, k)
    n = table.sum(axis=1)
    possible = (n * (n - 1)).sum()
    observed = (table * (table - 1)).sum() / possible if possible else math.nan
    return float(observed), float((shares(choices, k) ** 2).sum())


def position_bias(positions: np.ndarray, k: int) -> dict[str, Any]:
    """Are some positions chosen more often? Editors stand everywhere equally often, so no share suffers from it.

    ``positions`` int64 (n,) from 0. Returns ``chosen`` (k,), and ``p`` of a chi-square test against equal counts, which
    takes every answer for independent and so is quick to suspect.
    """
    chosen = np.bincount(positions, minlength=k)
    p = float(stats.chisquare(chosen).pvalue) if chosen.sum() else math.nan
    return {"chosen": chosen.tolist(), "p": p}
