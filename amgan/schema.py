"""Attributes, their values, and the edits that a user asks for.

A schema is M ordered attributes with ordered values, N values in all. It travels inside every weights folder, index and
report and is compared on load. A label vector is ``int64 (M,)``; ``UNKNOWN`` (-1) is left out of every loss, sampler
and metric.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from amgan.attributes import NEVER_ASKED, asked_of, kind
from amgan.errors import UserError
from amgan.spelling import ATTRIBUTE_ALIASES, VALUE_ALIASES, canonical, plain, suggest

UNKNOWN = -1

Edit = dict[str, str]  # attribute key -> wanted value, both canonical


@dataclass(frozen=True)
class Attribute:
    """One attribute, for example ``Attribute("sleeve", ("sleeveless", "short", "long"))``.

    Attributes:
        editable: an edit can change it; otherwise it is only *known*, of what is edited and of what is found.
            ``amgan.attributes`` knows some that never can.
        settable: the values that an edit can ask for, in the order of ``values``; None means all.

    Two attributes are equal whatever of them can be edited.
    """

    name: str
    values: tuple[str, ...]
    editable: bool = field(default=True, compare=False)
    settable: tuple[str, ...] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "editable", self.editable and kind(self.name).editable)
        if self.settable is not None:
            object.__setattr__(self, "settable", tuple(v for v in self.values if v in self.settable))


@dataclass(frozen=True)
class AttributeSchema:
    """M ordered attributes with N ordered values in all."""

    attributes: tuple[Attribute, ...]

    def __post_init__(self) -> None:
        if not self.attributes:
            raise UserError("The attribute schema is empty; it needs at least one attribute with two values.")
        # Labels are compared without case, hyphens and outer spaces: of "Red" and "red" one would never be reached.
        names = [plain(a.name) for a in self.attributes]
        if len(set(names)) != len(names) or "" in names:
            raise UserError(f"The attributes of a schema need a name each, each once; they are {list(self.names)}.")
        for a in self.attributes:
            values = {plain(v) for v in a.values}
            if len(a.values) < 2 or len(values) != len(a.values) or "" in values:
                raise UserError(f"Attribute {a.name!r} needs at least two values, each once; it has {list(a.values)}.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AttributeSchema:
        """From ``{"sleeve": ["sleeveless", "short", "long"], …}``, the form of ``attributes.json``; one that is only
        known is ``{"collar": {"values": ["round", "hood"], "editable": false}}``, and in the place of ``false`` may
        stand a list of the values that edits can ask for."""
        if not isinstance(values, Mapping):
            raise UserError(_FORM)
        attributes = tuple(Attribute(k, *_values_of(v)) for k, v in values.items())
        for text in (*values, *(s for a in attributes for s in a.values)):
            if any("\ud800" <= c <= "\udfff" for c in text):
                raise UserError(f"The name {text!r} in the attribute schema holds half a character; write it out.")
        return cls(attributes)

    @classmethod
    def load(cls, path: Path) -> AttributeSchema:
        """Read an ``attributes.json``. Raises UserError when it is missing, unreadable or not of that form."""
        try:
            if path.exists() and not path.is_file():  # a pipe or a device may be read for ever
                raise UserError(f"The attribute schema {path} is no regular file.")
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

    def to_dict(self) -> dict[str, Any]:
        """The form that ``from_dict`` reads."""
        out: dict[str, Any] = {}
        for a in self.attributes:
            some = False if not a.editable else None if a.settable is None else list(a.settable)
            out[a.name] = list(a.values) if some is None else {"values": list(a.values), "editable": some}
        return out

    def values_by_name(self) -> dict[str, list[str]]:
        """Values alone: what two schemas are compared by."""
        return {a.name: list(a.values) for a in self.attributes}

    @property
    def editable(self) -> tuple[str, ...]:
        """The names of the attributes that an edit can change."""
        return tuple(a.name for a in self.attributes if a.editable)

    @property
    def edits(self) -> tuple[str, ...]:
        """What an edit can change, as ``editing`` takes it: ``("sleeve", "pattern=plain,striped")``."""
        return tuple(
            a.name + ("" if a.settable is None else f"={','.join(a.settable)}") for a in self.attributes if a.editable
        )

    def editing(self, edits: Iterable[str]) -> AttributeSchema:
        """The same schema in which only these attributes can be edited.

        Args:
            edits: names of attributes, ``sleeve``, where only some values can be asked for with those,
                ``pattern=plain,striped``.

        Raises:
            UserError: it has no such attribute or value, or the attribute is one that no edit can change.
        """
        chosen: dict[str, tuple[str, ...] | None] = {}
        for edit in edits:
            attribute, equals, values = edit.partition("=")
            name = self.resolve_attribute(attribute)
            if not kind(name).editable:
                raise UserError(f"No edit can change the {name} of a garment: it would be another garment.")
            chosen[name] = tuple(self.resolve_value(name, v) for v in values.split(",")) if equals else None
        return AttributeSchema(
            tuple(replace(a, editable=a.name in chosen, settable=chosen.get(a.name)) for a in self.attributes)
        )

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
            raise UserError(f"Unknown attribute {name!r}.{suggest(name, self.names)}")
        return key

    def find_attribute(self, name: str) -> str | None:
        """As ``resolve_attribute``, but None where the schema has no such attribute."""
        # A schema's own names come first: one that has a "print" does not mean the "pattern" by it.
        for form in (plain, canonical):
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
        spellings = {plain(key): key for key in self.names}
        spellings |= {a: key for a, k in ATTRIBUTE_ALIASES.items() if (key := self.find_attribute(k)) is not None}
        wanted = {word: key for word, key in spellings.items() if key not in found.values()}
        others = [name for name, key in found.items() if key is None]
        near = {name: difflib.get_close_matches(plain(name), wanted, n=1, cutoff=0.8) for name in others}
        return {name: wanted[close[0]] for name, close in near.items() if close}

    def resolve_value(self, attribute: str, value: str) -> str:
        """The canonical value of an attribute as a person writes it. Raises UserError with the valid ones."""
        key = self.resolve_attribute(attribute)
        found = self.find_value(key, value)
        if found is None:
            raise UserError(f"Unknown {key} {value!r}.{suggest(value, self.values(key))}")
        return found

    def find_value(self, key: str, value: str) -> str | None:
        """As ``resolve_value``, but None where the attribute ``key`` has no such value."""
        word = plain(value)
        for wanted in (word, plain(VALUE_ALIASES.get((canonical(key), word), word))):
            for v in self.values(key):
                if plain(v) == wanted:
                    return v
        return None

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
            if key not in self.editable:
                can = ", ".join(self.editable) or "nothing"
                raise UserError(f"The {key} is known of a garment, and cannot be set. What can be set: {can}.")
            edit[key] = self.resolve_value(key, value)
            valid = asked_of(self.attributes[self.index(key)])
            if edit[key] not in valid:
                why = "it is no single appearance" if edit[key] in NEVER_ASKED else "these weights cannot draw it"
                raise UserError(f"No edit can ask for {key}={edit[key]}: {why}. Valid: {', '.join(valid)}.")
        if not edit:
            raise UserError(f"The edit is empty; set at least one attribute, for example {self._example()}.")
        return edit

    def _example(self) -> str:
        a = next((a for a in self.attributes if a.editable), self.attributes[0])
        return f"{a.name}={(asked_of(a) or a.values)[-1]}"

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

    def edited_by(self, editor: AttributeSchema) -> AttributeSchema:
        """The same schema in which those attributes can be edited that an editor of another schema can edit."""
        edits = []
        for a in self.attributes:
            theirs = editor.find_attribute(a.name)
            if theirs not in editor.editable:
                continue
            settable = editor.attributes[editor.index(theirs)].settable
            both = [v for v in a.values if settable is None or editor.find_value(theirs, v) in settable]
            if both:
                edits.append(a.name if settable is None else f"{a.name}={','.join(both)}")
        return self.editing(edits)

    def extended(self, more: AttributeSchema) -> AttributeSchema:
        """With the attributes of another schema: those of a name that is here already in its place, the others last."""
        place = {self.find_attribute(a.name): a for a in more.attributes}
        mine = tuple(place.get(a.name, a) for a in self.attributes)
        return AttributeSchema(mine + tuple(a for a in more.attributes if self.find_attribute(a.name) is None))

    def translated(self, labels: np.ndarray, old: AttributeSchema) -> np.ndarray:
        """Labels int64 (n, M) of another schema in this one's attributes and values; UNKNOWN for what it has not.

        Spellings may differ: ``Grey`` of the other is ``gray`` here.
        """
        out = np.full((len(labels), self.n_attributes), UNKNOWN, dtype=np.int64)
        for i, table in self._tables(old).items():
            out[:, i] = table[labels[:, old.index(self.names[i])]]
        return out

    def _tables(self, old: AttributeSchema) -> dict[int, np.ndarray]:
        """Per attribute that both have, the index here of each value there, UNKNOWN where there is none; the last entry
        is for unknown labels, whose index is -1."""
        tables = {}
        for i, a in enumerate(self.attributes):
            if (key := old.find_attribute(a.name)) is not None:
                found = [self.find_value(a.name, v) for v in old.values(key)]
                tables[i] = np.array([UNKNOWN if v is None else a.values.index(v) for v in found] + [UNKNOWN])
        return tables

    def require_same(self, other: AttributeSchema, here: str, there: str) -> None:
        """Raises UserError, naming the difference, unless both have the same attributes with the same values in the
        same order; whether they can be edited makes no difference."""
        if self == other:
            return
        for name in dict.fromkeys(self.names + other.names):
            mine = self.values(name) if name in self.names else None
            theirs = other.values(name) if name in other.names else None
            if mine != theirs:
                raise UserError(f"The attributes differ: {here} has {name}={mine}, {there} has {name}={theirs}.")
        raise UserError(f"The attributes are in another order: {here} {self.names}, {there} {other.names}.")


_FORM = 'An attribute schema is an object like {"sleeve": ["short", "long"], "color": ["red", "blue"]}.'


def _values_of(value: Any) -> tuple[tuple[str, ...], bool, tuple[str, ...] | None]:
    """The values of an attribute in JSON, whether it can be edited, and to which of them. Raises UserError."""
    editable: Any = True
    if isinstance(value, Mapping):
        if set(value) != {"values", "editable"} or not isinstance(value["editable"], bool | list):
            raise UserError(
                'An attribute is a list of values, or {"values": ["round", "hood"], "editable": false} where no edit '
                "can set it, or a list of the values that can be set in the place of false."
            )
        value, editable = value["values"], value["editable"]
    if not isinstance(value, list | tuple) or not all(isinstance(s, str) for s in value):
        raise UserError(_FORM)
    if isinstance(editable, bool):
        return tuple(value), editable, None
    for v in editable:
        if v not in value:
            raise UserError(f"{v!r} can be set, says the attribute schema, and is no value of {', '.join(value)}.")
    return tuple(value), bool(editable), tuple(editable)


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
