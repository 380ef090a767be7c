"""Attributes, their values, and the edits that a user asks for.

A schema is M ordered attributes with ordered values, N values in all. It travels inside every weights folder, index and
report and is compared on load. A label vector is ``int64 (M,)``; ``UNKNOWN`` (-1) is left out of every loss, sampler
and metric.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from amgan.errors import UserError

UNKNOWN = -1

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

Edit = dict[str, str]  # attribute key -> wanted value, both canonical


@lru_cache(maxsize=4096)  # a folder of a hundred thousand garments asks for the same few words
def _plain(text: str) -> str:
    return " ".join(text.strip().lower().replace("_", " ").replace("-", " ").split())


def _suggest(word: str, valid: Iterable[str]) -> str:
    valid = list(valid)
    close = difflib.get_close_matches(_plain(word), [_plain(v) for v in valid], n=1)
    by_plain = {_plain(v): v for v in valid}
    hint = f" Did you mean {by_plain[close[0]]!r}?" if close else ""
    return f"{hint} Valid: {', '.join(valid)}."


@dataclass(frozen=True)
class Attribute:
    """One attribute, for example ``Attribute("sleeve", ("sleeveless", "short", "long"))``."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class AttributeSchema:
    """M ordered attributes with N ordered values in all."""

    attributes: tuple[Attribute, ...]

    def __post_init__(self) -> None:
        if not self.attributes:
            raise UserError("The attribute schema is empty; it needs at least one attribute with two values.")
        names = [a.name for a in self.attributes]
        if len(set(names)) != len(names):
            raise UserError(f"The attribute schema names an attribute twice: {', '.join(names)}.")
        for a in self.attributes:
            if len(a.values) < 2 or len(set(a.values)) != len(a.values):
                raise UserError(f"Attribute {a.name!r} needs at least two values, each once; it has {list(a.values)}.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Iterable[str]]) -> AttributeSchema:
        """From ``{"sleeve": ["sleeveless", "short", "long"], …}``, the form of ``attributes.json``."""
        if not isinstance(values, Mapping) or not all(
            isinstance(v, list | tuple) and all(isinstance(s, str) for s in v) for v in values.values()
        ):
            raise UserError(
                'An attribute schema is an object like {"sleeve": ["short", "long"], "color": ["red", "blue"]}.'
            )
        return cls(tuple(Attribute(k, tuple(v)) for k, v in values.items()))

    @classmethod
    def load(cls, path: Path) -> AttributeSchema:
        """Read an ``attributes.json``. Raises UserError when it is missing or not of that form."""
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise UserError(f"No attribute schema at {path}; give one with --attributes FILE.") from None
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise UserError(f"{path} is not valid JSON: {error}.") from None

    def to_dict(self) -> dict[str, list[str]]:
        return {a.name: list(a.values) for a in self.attributes}

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(a.name for a in self.attributes)

    @property
    def n_attributes(self) -> int:
        """M."""
        return len(self.attributes)

    @cached_property
    def n_values(self) -> int:
        """N, over all attributes."""
        return sum(len(a.values) for a in self.attributes)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where each attribute's values lie in a vector of N."""
        ends = np.cumsum([len(a.values) for a in self.attributes]).tolist()
        return tuple(slice(end - len(a.values), end) for a, end in zip(self.attributes, ends, strict=True))

    def index(self, attribute: str) -> int:
        return self.names.index(self.resolve_attribute(attribute))

    def values(self, attribute: str) -> tuple[str, ...]:
        return self.attributes[self.index(attribute)].values

    def resolve_attribute(self, name: str) -> str:
        """The canonical key of an attribute as a person writes it. Raises UserError with the valid ones."""
        plain = _plain(name)
        plain = ATTRIBUTE_ALIASES.get(plain, plain)
        for key in self.names:
            if _plain(key) == plain:
                return key
        raise UserError(f"Unknown attribute {name!r}.{_suggest(name, self.names)}")

    def resolve_value(self, attribute: str, value: str) -> str:
        """The canonical value of an attribute as a person writes it. Raises UserError with the valid ones."""
        key = self.resolve_attribute(attribute)
        valid = self.values(key)
        plain = _plain(value)
        plain = _plain(VALUE_ALIASES.get((key, plain), plain))
        for v in valid:
            if _plain(v) == plain:
                return v
        raise UserError(f"Unknown {key} {value!r}.{_suggest(value, valid)}")

    def parse_edit(self, settings: Iterable[str]) -> Edit:
        """``["sleeve=long", "colour=red"]`` to ``{"sleeve": "long", "color": "red"}``. Raises UserError."""
        edit: Edit = {}
        for setting in settings:
            name, equals, value = setting.partition("=")
            if not equals or not name.strip() or not value.strip():
                raise UserError(f"{setting!r} is not of the form attribute=value, for example {self._example()}.")
            key = self.resolve_attribute(name)
            if key in edit:
                raise UserError(f"The {key} is set twice; an edit sets each attribute once.")
            edit[key] = self.resolve_value(key, value)
        if not edit:
            raise UserError(f"The edit is empty; set at least one attribute, for example {self._example()}.")
        return edit

    def _example(self) -> str:
        a = self.attributes[0]
        return f"{a.name}={a.values[-1]}"

    def canonical(self, edit: Mapping[str, str]) -> Edit:
        """An edit with canonical keys and values. Raises UserError when it is empty or names what the schema lacks."""
        return self.parse_edit([f"{k}={v}" for k, v in edit.items()])

    def encode(self, labels: Mapping[str, str | None]) -> np.ndarray:
        """Labels by name to ``int64 (M,)``; missing, None and empty are UNKNOWN. Raises UserError on an invalid
        value."""
        out = np.full(self.n_attributes, UNKNOWN, dtype=np.int64)
        for i, a in enumerate(self.attributes):
            value = labels.get(a.name)
            if value is not None and value.strip():
                out[i] = a.values.index(self.resolve_value(a.name, value))
        return out

    def decode(self, labels: np.ndarray) -> dict[str, str]:
        """``int64 (M,)`` to labels by name, unknown ones left out."""
        return {a.name: a.values[int(v)] for a, v in zip(self.attributes, labels, strict=True) if int(v) != UNKNOWN}

    def require_same(self, other: AttributeSchema, here: str, there: str) -> None:
        """Raises UserError, naming the difference, unless both schemas are equal."""
        if self == other:
            return
        for name in dict.fromkeys(self.names + other.names):
            mine = self.values(name) if name in self.names else None
            theirs = other.values(name) if name in other.names else None
            if mine != theirs:
                raise UserError(f"The attributes differ: {here} has {name}={mine}, {there} has {name}={theirs}.")
        raise UserError(f"The attributes are in another order: {here} {self.names}, {there} {other.names}.")
