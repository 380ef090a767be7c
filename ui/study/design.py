"""Who sees what, and where: comparisons drawn evenly, editors evenly over the positions, all of it from a seed.

Nothing here opens a picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from amgan.errors import UserError

# What participants are asked of every comparison, in this order. {change} is the edit in words.
QUESTIONS = {
    "real": "Which looks most like a real photo?",
    "edit": "Which shows the change best: {change}?",
    "kept": "Which kept everything else best?",
    "best": "All in all, which is the best?",
}

# Seconds after a question appears in which nobody can have read it: a choice is then the second click of a double one.
ECHO = 0.3


@dataclass(frozen=True)
class Trial:
    """One comparison as one participant meets it.

    Attributes:
        comparison: its index.
        repeat: the participant has seen it before, in another order: how steady are the answers?
        order: which of the comparison's orders its pictures are shown in.
    """

    comparison: int
    repeat: bool
    order: int


def williams_square(k: int) -> np.ndarray:
    """Orders of k editors, int64 (k, k), or (2k, k) where k is odd.

    In each block of k rows every editor stands once in every position; over all rows every editor stands next to
    every other equally often on either side. (Williams, 1949, Experimental designs balanced for the estimation of
    residual effects of treatments.)
    """
    first = [0]
    for step in range(1, k):
        first.append((first[-1] + (step if step % 2 else -step)) % k)
    square = (np.array(first) + np.arange(k)[:, None]) % k
    return np.concatenate([square, square[:, ::-1]]) if k % 2 else square


def starting_rows(attributes: Sequence[str]) -> list[int]:
    """For each comparison the row of the square that the first participant sees it in, modulo the square's rows.

    The comparisons of each attribute follow each other, so that editors are spread evenly over the positions within
    each attribute as well.
    """
    order = sorted(range(len(attributes)), key=lambda c: (attributes[c], c))
    rows = [0] * len(attributes)
    for row, comparison in enumerate(order):
        rows[comparison] = row
    return rows


def session(seed: int, slot: int, comparisons: int, orders: int, repeats: int) -> list[Trial]:
    """What the participant in a slot (0, 1, 2, … as they come) meets: every comparison once, shuffled, and then
    ``repeats`` of the first half again, in another order.

    A comparison's orders are taken in turn by the slots, so that over ``orders`` participants each editor was
    everywhere equally often.
    """
    rng = np.random.default_rng([seed, slot])
    shuffled = rng.permutation(comparisons).tolist()
    again = rng.permutation(shuffled[: max(repeats, comparisons // 2)])[:repeats].tolist()
    first = [Trial(c, False, slot % orders) for c in shuffled]
    return first + [Trial(c, True, (slot + orders // 2) % orders) for c in again]


def draw_comparisons(possible: np.ndarray, count: int, seed: int) -> list[int]:
    """Rows of ``count`` possible edits, int64 (E, 3) of photo, attribute, value: evenly over attributes, then over the
    values of each, and no photo twice.

    Raises:
        UserError: there are too few photos for that.
    """
    rng = np.random.default_rng(seed)
    left = possible[rng.permutation(len(possible))]
    rows = {tuple(edit): row for row, edit in enumerate(possible.tolist())}
    attributes: Counter[int] = Counter()
    values: Counter[tuple[int, int]] = Counter()
    chosen: list[int] = []
    while len(chosen) < count and len(left):
        # The least used attribute, of that the least used value; ties, and the photo, as they were shuffled.
        used = [(attributes[a], values[a, v]) for _, a, v in left.tolist()]
        photo, attribute, value = left[min(range(len(left)), key=used.__getitem__)].tolist()
        chosen.append(rows[photo, attribute, value])
        attributes[attribute] += 1
        values[attribute, value] += 1
        left = left[left[:, 0] != photo]
    if len(chosen) < count:
        raise UserError(
            f"Only {len(chosen)} comparisons can be made with these photos and editors, each photo once; "
            f"{count} were asked for. Ask for fewer with --comparisons, or name another --split."
        )
    return chosen
