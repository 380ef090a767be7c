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

from amgan.attributes import NEVER_ASKED
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


def _canonical(attribute: str) -> str:
    """The name of an attribute behind its spelling: ``"Sleeve_Length"`` to ``"sleeve"``."""
    plain = _plain(attribute)
    return ATTRIBUTE_ALIASES.get(plain, plain)


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
        # Labels are compared without case, hyphens and outer spaces: of "Red" and "red" one would never be reached.
        names = [_plain(a.name) for a in self.attributes]
        if len(set(names)) != len(names) or "" in names:
            raise UserError(f"The attributes of a schema need a name each, each once; they are {list(self.names)}.")
        for a in self.attributes:
            values = {_plain(v) for v in a.values}
            if len(a.values) < 2 or len(values) != len(a.values) or "" in values:
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
        for text in (*values, *(s for v in values.values() for s in v)):
            if any("\ud800" <= c <= "\udfff" for c in text):
                raise UserError(f"The name {text!r} in the attribute schema holds half a character; write it out.")
        return cls(tuple(Attribute(k, tuple(v)) for k, v in values.items()))

    @classmethod
    def load(cls, path: Path) -> AttributeSchema:
        """Read an ``attributes.json``. Raises UserError when it is missing, unreadable or not of that form."""
        try:
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            raise UserError(f"No attribute schema at {path}; give one with --attributes FILE.") from None
        except OSError as error:
            raise UserError(f"The attribute schema {path} cannot be read: {error.strerror or error}.") from None
        except ValueError as error:  # UnicodeDecodeError, or a null character in the path
            raise UserError(f"The attribute schema {path} is not UTF-8 text: {error}.") from None
        try:
            return cls.from_dict(json.loads(text, object_pairs_hook=_unique_keys))
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
        except RecursionError:
            raise UserError(f"{path} is not valid JSON: it is nested too deeply.") from None
        except ValueError as error:
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
        key = self.find_attribute(name)
        if key is None:
            raise UserError(f"Unknown attribute {name!r}.{_suggest(name, self.names)}")
        return key

    def find_attribute(self, name: str) -> str | None:
        """As ``resolve_attribute``, but None where the schema has no such attribute."""
        # A schema's own names come first: one that has a "print" does not mean the "pattern" by it.
        for form in (_plain, _canonical):
            for key in self.names:
                if form(key) == form(name):
                    return key
        return None

    def columns(self, names: Iterable[str]) -> dict[str, str]:
        """The columns of a table that give attributes: ``{"colour": "color"}``; all other columns are left out.

        Raises:
            UserError: two columns give the same attribute.
        """
        return dict(_columns(self, tuple(names)))

    def near_columns(self, names: Iterable[str]) -> dict[str, str]:
        """Columns that are probably a misspelt attribute that has no column of its own: ``{"colr": "color"}``."""
        found = {name: self.find_attribute(name) for name in names}
        spellings = {_plain(key): key for key in self.names}
        spellings |= {a: key for a, k in ATTRIBUTE_ALIASES.items() if (key := self.find_attribute(k)) is not None}
        wanted = {word: key for word, key in spellings.items() if key not in found.values()}
        others = [name for name, key in found.items() if key is None]
        near = {name: difflib.get_close_matches(_plain(name), wanted, n=1, cutoff=0.8) for name in others}
        return {name: wanted[close[0]] for name, close in near.items() if close}

    def resolve_value(self, attribute: str, value: str) -> str:
        """The canonical value of an attribute as a person writes it. Raises UserError with the valid ones."""
        key = self.resolve_attribute(attribute)
        valid = self.values(key)
        plain = _plain(value)
        for wanted in (plain, _plain(VALUE_ALIASES.get((_canonical(key), plain), plain))):
            for v in valid:
                if _plain(v) == wanted:
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
            if edit[key] in NEVER_ASKED:
                askable = ", ".join(v for v in self.values(key) if v not in NEVER_ASKED)
                raise UserError(
                    f"No edit can ask for {key}={edit[key]}, which is no single appearance. Valid: {askable}."
                )
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
        """Labels by name to ``int64 (M,)``; missing, None and empty are UNKNOWN, other names are left out.

        Raises:
            UserError: a value is none of its attribute's, or two names give the same attribute.
        """
        out = np.full(self.n_attributes, UNKNOWN, dtype=np.int64)
        for column, key in _columns(self, tuple(labels)):
            value = labels[column]
            if value is not None and value.strip():
                i = self.names.index(key)
                out[i] = self.attributes[i].values.index(self.resolve_value(key, value))
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


@lru_cache(maxsize=256)  # every row of a table has the same columns
def _columns(schema: AttributeSchema, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """(column, attribute) of each column that gives one; see ``AttributeSchema.columns``."""
    found: dict[str, str] = {}  # attribute -> column
    for name in names:
        key = schema.find_attribute(name)
        if key is None:
            continue
        if key in found:
            raise UserError(f"The columns {found[key]!r} and {name!r} both give the {key}; keep one of them.")
        found[key] = name
    return tuple((column, key) for key, column in found.items())


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """For ``json.loads``, which keeps the last of equal keys and says nothing."""
    values: dict[str, object] = {}
    for key, value in pairs:
        if key in values:
            raise UserError(f"The key {key!r} is given twice; keep one of them.")
        values[key] = value
    return values
