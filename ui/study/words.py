"""Edits in the words of participants, who have never heard of attributes and values."""

from __future__ import annotations

# How people speak of values; the others with their attribute's noun.
WORDS = {
    ("sleeve", "sleeveless"): "no sleeves",
    ("sleeve", "spaghetti"): "spaghetti straps",
    ("sleeve", "elbow"): "sleeves to the elbow",
    ("sleeve", "strapless"): "no sleeves and no straps",
    ("fastening", "no closure"): "no fastening",
    ("fastening", "button"): "buttons",
    ("fastening", "laces"): "laces",
    ("fastening", "covered"): "a hidden row of buttons",
    ("fastening", "front"): "an open front",
    ("collar", "hood"): "a hood",
    ("collar", "round"): "a round neck",
    ("collar", "v-neck"): "a v-neck",
    ("pattern", "plain"): "plain cloth",
    ("pattern", "photo"): "a photo on the chest",
    ("pattern", "print"): "a print",
}
NOUNS = {"sleeve": "{} sleeves", "color": "in {}", "collar": "{} collar", "pattern": "{} pattern", "fastening": "a {}"}


def in_words(attribute: str, value: str) -> str:
    """An edit as participants read it: ``long sleeves``, ``in red``."""
    noun = NOUNS.get(attribute, f"{attribute}: {{}}")
    return WORDS.get((attribute, value), noun.format(value))
