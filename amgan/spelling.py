"""How people write attributes and values: aliases, spellings that differ in case or hyphens, suggestions."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import lru_cache

# Spellings that people use, to the keys and values of Shopping100k and of the shipped weights.
ATTRIBUTE_ALIASES = {
    "colour": "color",
    "sleeves": "sleeve",
    "sleeve length": "sleeve",
    "sleevelen": "sleeve",
    "closure": "fastening",
    "print": "pattern",
    "neck": "collar",
}
VALUE_ALIASES = {
    ("color", "grey"): "gray",
    ("color", "violet"): "purple",
    ("color", "cream"): "beige",
    ("color", "multicolor"): "multi",
    ("color", "multicolour"): "multi",
    ("color", "multicoloured"): "multi",
    ("color", "multicolored"): "multi",
    ("color", "navy blue"): "navy",
    ("sleeve", "none"): "sleeveless",
    ("sleeve", "no sleeves"): "sleeveless",
    ("sleeve", "short sleeved"): "short",
    ("sleeve", "short sleeve"): "short",
    ("sleeve", "short sleeves"): "short",
    ("sleeve", "long sleeved"): "long",
    ("sleeve", "long sleeve"): "long",
    ("sleeve", "long sleeves"): "long",
    ("sleeve", "three quarter"): "3/4",
}


@lru_cache(maxsize=4096)  # a folder of a hundred thousand garments asks for the same few words
def plain(text: str) -> str:
    """Without case, hyphens, underscores and outer spaces."""
    return " ".join(text.strip().lower().replace("_", " ").replace("-", " ").split())


def canonical(attribute: str) -> str:
    """The name of an attribute behind its spelling: ``"Sleeve_Length"`` to ``"sleeve"``."""
    word = plain(attribute)
    return ATTRIBUTE_ALIASES.get(word, word)


def suggest(word: str, valid: Iterable[str]) -> str:
    """What a wrong word was probably meant to be, and what is valid: the end of a sentence."""
    valid = list(valid)
    close = difflib.get_close_matches(plain(word), [plain(v) for v in valid], n=1)
    by_plain = {plain(v): v for v in valid}
    hint = f" Did you mean {by_plain[close[0]]!r}?" if close else ""
    return f"{hint} Valid: {', '.join(valid)}."
