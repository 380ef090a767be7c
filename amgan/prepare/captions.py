"""Names of label ids from captions, for DeepFashion-Synthesis, whose authors published ids and sentences and no names.

Per attribute: how often do the captions of an id use each word of a list? The assignment of one word to each id that
makes the sum of those shares largest is the naming; an id whose captions use its word in less than half of the cases
keeps a number for a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MAJORITY = 0.5


def _plain(*words: str) -> dict[str, str]:
    return {word: word.replace(" ", "[- ]") for word in words}


# Name: the regular expression of the words that mean it. What begins first counts: "dark blue" is no "blue".
COLOURS = {
    **_plain("black", "white", "red", "blue", "green", "yellow", "pink", "purple", "orange", "brown", "navy", "olive"),
    **_plain("cream", "khaki", "maroon", "burgundy", "gold", "silver", "teal", "tan", "turquoise", "coral", "peach"),
    **_plain("ivory", "charcoal", "mint", "indigo", "dark blue", "light blue", "dark green", "light green", "dark red"),
    "gray": "gr[ae]y",
    "beige": "beige",
    "violet": "violet|lavender|lilac",
    "multi": r"multi[- ]?colou?r(?:ed)?|multiple colou?rs|colou?rful",
}
SLEEVES = {
    "sleeveless": r"sleeveless|sleeve[- ]less|(?:no|without) sleeves?|strapless",
    "short": r"(?:short|half)[- ]sleeved?s?",
    "3/4": r"(?:3/4|3/4th|three[- ]quarters?|quarter|medium|elbow|mid)(?:[- ]length)?[- ]sleeved?s?",
    "long": r"(?:long|full)[- ]sleeved?s?",
}
CATEGORIES = {
    **_plain("blouse", "blazer", "sweater", "cardigan", "hoodie", "romper", "jumpsuit", "kimono", "poncho", "robe"),
    **_plain("coat", "jacket", "skirt", "shirt", "dress", "vest", "turtleneck", "henley", "flannel", "parka", "bomber"),
    **_plain("anorak", "peacoat", "halter", "jersey", "caftan", "kaftan", "nightdress", "onesie", "coverup", "suit"),
    "tee": r"tee|t[- ]?shirt",
    "tank": r"tank(?:[- ]top)?",
    "top": "top",
    "button-down": r"button[- ]down",
    "sweatshirt": r"sweat[- ]?shirt",
    "shorts": r"shorts|cutoffs|trunks",
    "trousers": r"pants|trousers|chinos|joggers|sweatpants|leggings|jeggings",
    "jeans": "jeans",
}
GENDERS = {
    "women": r"lad(?:y|ies)|wom[ae]n|girls?|she|her|female",
    "men": r"m[ae]n|gentlem[ae]n|boys?|guys?|he|his|male",
}


@dataclass(frozen=True)
class Name:
    """How an id came by its name.

    Attributes:
        name: a word of the list, or the attribute with the id's number.
        share: of the id's captions that use a word of the list at all, those that use this one, 0 to 1.
        captions: how many use one.
    """

    name: str
    share: float
    captions: int


def derive_names(
    attribute: str, ids: np.ndarray, count: int, texts: Iterable[str], words: Mapping[str, str], first: int = 1
) -> tuple[Name, ...]:
    """A name, each once, for every id.

    Args:
        attribute: whose ids; unnamed ones are called after it.
        ids: int (n,), from ``first``.
        count: K, how many ids there are.
        texts: n captions, in the same order.
        words: names with the regular expressions of what means them, see ``COLOURS``.
    """
    from scipy.optimize import linear_sum_assignment  # of the extra "datasets"

    names = sorted(words, key=lambda n: -len(words[n]))  # of two that begin at one place the longer one counts
    pattern = re.compile("|".join(rf"(\b(?:{words[n]})\b)" for n in names))
    uses = np.zeros((count, len(names)))
    captions = np.zeros(count, dtype=np.int64)
    for k, text in zip(ids - first, texts, strict=True):
        found = {m.lastindex - 1 for m in pattern.finditer(text.lower()) if m.lastindex}
        if found:
            uses[k, list(found)] += 1
            captions[k] += 1
    shares = uses / np.maximum(captions, 1)[:, None]
    out = [Name(f"{attribute}-{k + first}", 0.0, int(captions[k])) for k in range(count)]
    for k, w in zip(*linear_sum_assignment(shares, maximize=True), strict=True):
        if shares[k, w] >= MAJORITY:
            out[k] = Name(names[w], round(float(shares[k, w]), 4), int(captions[k]))
    return tuple(out)


def unnamed(attribute: str, names: Sequence[Name]) -> str | None:
    """A sentence on ids that the captions give no name, None where there are none."""
    without = [n.name for n in names if n.share < MAJORITY]
    if not without:
        return None
    return f"The captions name no {attribute} for {', '.join(without)}: fewer than half of them agree on a word."
