"""What each attribute is to an edit: the one table that training, editing, reports and pages go by.

An attribute that is not listed, a collar or a fastening, is a part of the garment: where it is, only the teacher's
class activation maps say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class Named(Protocol):
    """An attribute with its values, see ``amgan.schema``."""

    @property
    def name(self) -> str: ...
    @property
    def values(self) -> tuple[str, ...]: ...
    @property
    def editable(self) -> bool: ...
    @property
    def settable(self) -> tuple[str, ...] | None: ...


class Schema(Protocol):
    """``amgan.schema.AttributeSchema``, which itself asks this table."""

    @property
    def attributes(self) -> Sequence[Named]: ...


@dataclass(frozen=True)
class Kind:
    """What an edit of an attribute may change.

    Attributes:
        outline: the garment's silhouette changes.
        whole_cloth: all of the cloth changes.
        recoloured: cloth takes another colour, while folds and prints stay where they are.
        editable: an edit may change it at all. What else is *known* of a garment, searches keep and reports show.
    """

    outline: bool = False
    whole_cloth: bool = False
    recoloured: bool = False
    editable: bool = True


PART = Kind()
NATURE = Kind(editable=False)  # what the garment is: another would be another garment
KINDS = {
    "sleeve": Kind(outline=True),
    "color": Kind(whole_cloth=True, recoloured=True),
    "pattern": Kind(whole_cloth=True),
    "fabric": Kind(whole_cloth=True),
    "kind": NATURE,
    "category": NATURE,
    "gender": NATURE,
}

PLAIN = "plain"  # of new cloth: nothing is laid on it

# Labels for what has no one value. Nobody can say what a picture of "multi" should look like, so no edit asks for it.
NEVER_ASKED = frozenset({"multi", "other", "others"})


def kind(attribute: str) -> Kind:
    """The kind of an attribute, by its key."""
    return KINDS.get(attribute, PART)


def askable(schema: Schema) -> list[list[int]]:
    """Per attribute, the indices of the values that an edit may ask for: none of one that is only known."""
    return [[a.values.index(v) for v in asked_of(a)] for a in schema.attributes]


def asked_of(attribute: Named) -> list[str]:
    """The values of an attribute that an edit may ask for, in order: none of one that is only known."""
    values = attribute.values if attribute.settable is None else attribute.settable
    return [v for v in values if v not in NEVER_ASKED] if attribute.editable else []


def where(schema: Schema, which: str) -> list[int]:
    """The indices of a schema's attributes whose kind has that flag: ``outline``, ``whole_cloth``, ``recoloured``."""
    return [i for i, a in enumerate(schema.attributes) if getattr(kind(a.name), which)]


def in_turn(edit: Mapping[str, str]) -> list[dict[str, str]]:
    """The parts of an edit that are made one after the other: shape and details first, in the colours that the photo
    shows; then the colour of all that; last a pattern, which is laid on the cloth as it then is."""
    parts: dict[int, dict[str, str]] = {}
    for name, value in edit.items():
        k = kind(name)
        parts.setdefault(1 if k.recoloured else 2 if k.whole_cloth else 0, {})[name] = value
    return [parts[turn] for turn in sorted(parts)]


def new_cloth(schema: Schema) -> list[int]:
    """The indices of the attributes that an edit may change and that bring new cloth, as a pattern does: all of it
    changes, and more than its colour."""
    recoloured = where(schema, "recoloured")
    return [m for m in where(schema, "whole_cloth") if m not in recoloured and schema.attributes[m].editable]
