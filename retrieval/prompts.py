"""Attributes in words, as people caption product photos: for embedders that read text."""

from __future__ import annotations

from collections.abc import Mapping

from amgan.attributes import NEVER_ASKED

UNSAID = {*NEVER_ASKED, "other"}  # values that describe nothing
NOUN = "garment"


def phrase(attribute: str, value: str) -> str:
    """A value in words that stand alone: ``("sleeve", "long")`` to ``long sleeve``, ``("color", "red")`` to ``red``."""
    if attribute == "sleeve":
        return value if value.startswith("sleeve") else f"{value} sleeve"
    if attribute in ("color", "kind", "gender", "category"):
        return value
    if attribute == "pattern":
        return value if value in ("striped", "checked", "floral", "plain") else f"{value} pattern"
    return value if attribute in value or value.startswith("no ") else f"{value} {attribute}"


def caption(labels: Mapping[str, str]) -> str:
    """A sentence of attributes by name: ``a photo of a red shirt, long sleeve, button fastening``."""
    said = {name: value for name, value in labels.items() if value not in UNSAID}
    noun = next((said.pop(name) for name in ("kind", "category") if name in said), NOUN)
    first = f"{said.pop('color')} {noun}" if "color" in said else noun
    return ", ".join([f"a photo of a {first}", *(phrase(name, value) for name, value in said.items())])
