"""What the phrases of a text say together: which values are wanted, which are only named, and what nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from amgan.attributes import asked_of
from amgan.errors import UserError
from amgan.schema import AttributeSchema, Edit
from amgan.spelling import canonical
from retrieval.wording.phrases import Sense, Token, is_colour, tokens_of
from retrieval.wording.vocabulary import WITHOUT

LONGEST = 500  # characters
Part = Literal["sleeve", "torso"]  # as amgan.editing.editor.Region, which is slow to import

Reason = Literal["unknown", "fixed", "no picture", "no value", "said twice", "second edit", "whole garment only"]
REASONS: dict[Reason, str] = {
    "unknown": "not understood",
    "fixed": "known of garments, but no edit can change it here",
    "no picture": "no single appearance, so no edit can ask for it",
    "no value": "which one was not said",
    "said twice": "another value was taken for the same attribute",
    "second edit": "sleeves cannot be changed and coloured by themselves at once: do it in a second edit",
    "whole garment only": "these weights cannot colour a part by itself",
}
assert set(get_args(Reason)) == set(REASONS)


@dataclass(frozen=True)
class Meant:
    """Words that became part of the edit.

    Attributes:
        exact: False where the value only comes near to the words, as red does to "scarlet".
    """

    words: str
    attribute: str
    value: str
    exact: bool


@dataclass(frozen=True)
class Unused:
    """Words that did not; ``attribute`` is what they are about, where that is known."""

    words: str
    reason: Reason
    attribute: str | None = None


@dataclass(frozen=True)
class Wording:
    """What a text was understood to ask for.

    Attributes:
        edit: canonical; empty where nothing was understood.
        only_on: the part that the colour is asked for.
        meant, unused: in the order of the text.
    """

    edit: Edit
    only_on: Part | None
    meant: tuple[Meant, ...]
    unused: tuple[Unused, ...]


def understand(text: str, schema: AttributeSchema) -> Wording:
    """The edit that a text asks for, of what the schema's weights can set.

    Args:
        text: in English, Korean or Chinese, or mixed; case, hyphens and full-width forms make no difference.

    Raises:
        UserError: the text is empty, or longer than ``LONGEST``.
    """
    if not text.strip():
        raise UserError("Say what should change, for example: long sleeves, in navy.")
    if len(text) > LONGEST:
        raise UserError(f"That is {len(text)} characters long; say it in at most {LONGEST}.")
    return _Reading(schema, tokens_of(text, schema)).wording()


class _Reading:
    """The tokens of one text, taken one after the other."""

    def __init__(self, schema: AttributeSchema, tokens: list[Token]) -> None:
        self.schema = schema
        self.tokens = tokens
        self.meant: dict[str, tuple[Meant, bool]] = {}  # attribute -> what, and whether it was marked as the target
        self.unused: dict[int, Unused] = {}
        self.region: Part | None = None
        self.region_words = ""

    def wording(self) -> Wording:
        excepted = False
        scope: str | None = None  # "without", "instead", "keep": what the next thing is said to be
        bound = self._bound_attributes()
        of_a_part = self._colours_of_a_part(bound)
        for i, token in enumerate(self.tokens):
            following = self.tokens[i + 1].kind if i + 1 < len(self.tokens) else ""
            after = {"without after": "without", "instead after": "instead", "keep after": "keep"}.get(following)
            if after is None and following == "without either" and not self._thing(i + 2):
                after = "without"
            if token.kind in ("without", "instead", "keep"):
                scope = token.kind
            elif token.kind == "without either":
                scope = "without" if self._thing(i + 1) else scope
            elif token.kind == "except":
                excepted = True
            elif token.kind == "and" and i and self.tokens[i - 1].kind == "keep":
                scope = None  # "the same with long sleeves"
            elif token.kind in ("break", "into", "garment"):
                scope, excepted = None, excepted and token.kind != "break"
            elif token.kind == "unknown":
                self.unused[i] = Unused(token.words, "unknown")
                scope = scope if scope == "keep" else None
            elif i in of_a_part:
                self.unused[i] = Unused(of_a_part[i], "whole garment only", token.senses[0].attribute)
            elif i - 1 in of_a_part:
                continue
            elif token.kind in ("value", "attribute", "torso"):
                self._take(i, after or scope, excepted, bound)
                if not (following == "and" and self._thing(i + 2)):
                    scope = None
        return self._settled()

    def _thing(self, i: int) -> bool:
        return i < len(self.tokens) and self.tokens[i].kind in ("value", "attribute", "torso")

    def _bound_attributes(self) -> dict[int, int]:
        """Token of an attribute's name to that of its value: in "red long v-neck collar" the v-neck is the collar's."""
        bound: dict[int, int] = {}
        for i, token in enumerate(self.tokens):
            if token.kind != "attribute":
                continue
            name = token.senses[0].attribute
            for j in (*self._run(i, -1), *self._run(i, 1)):
                if self.tokens[j].kind == "value" and any(s.attribute == name for s in self.tokens[j].senses):
                    bound[i] = j
                    break
        return bound

    def _colours_of_a_part(self, bound: dict[int, int]) -> dict[int, str]:
        """Where a colour stands before a part that cannot be coloured by itself, as in "red collar"; with its words."""
        found = {}
        for i, token in enumerate(self.tokens[1:], 1):
            before = self.tokens[i - 1]
            if token.kind != "attribute" or i in bound or not is_colour(before):
                continue
            if canonical(token.senses[0].attribute) in ("collar", "fastening"):
                found[i - 1] = f"{before.words} {token.words}"
        return found

    def _run(self, i: int, step: int) -> Iterator[int]:
        """The values next to a token, without anything between; towards the right also past a "to" or "in"."""
        j = i + step
        while 0 <= j < len(self.tokens):
            kind = self.tokens[j].kind
            if kind == "value":
                yield j
            elif not (kind == "into" and step > 0 and j == i + 1):
                return
            j += step

    def _take(self, i: int, scope: str | None, excepted: bool, bound: dict[int, int]) -> None:
        token = self.tokens[i]
        if token.kind == "value":
            self._take_value(i, scope, {s.attribute for a, v in bound.items() if v == i for s in self.tokens[a].senses})
            return
        part: Part | None = "torso" if token.kind == "torso" else None
        attribute = token.senses[0].attribute if token.senses else None
        if attribute is not None and canonical(attribute) == "sleeve":
            part = "sleeve"
        if scope == "keep" or scope == "instead" or i in bound:
            return
        if part is not None and (excepted or self._colour_beside(i)):
            other: Part = "sleeve" if part == "torso" else "torso"
            self.region, self.region_words = (other if excepted else part), token.words
        elif scope == "without" and attribute is not None:
            self._without(i, attribute)
        elif attribute is not None:
            self.unused[i] = Unused(token.words, "no value", attribute)
        else:
            self.unused[i] = Unused(token.words, "unknown")

    def _colour_beside(self, i: int) -> bool:
        beside = [self.tokens[j] for j in (*self._run(i, -1), *self._run(i, 1))]
        return any(is_colour(token) for token in beside)

    def _take_value(self, i: int, scope: str | None, named: set[str]) -> None:
        token = self.tokens[i]
        senses = [s for s in token.senses if s.attribute in named] or [s for s in token.senses if s.alone]
        sense = min(senses, key=lambda s: s.attribute not in self.schema.editable)
        if scope == "keep" or scope == "instead":
            return
        if scope == "without":
            self._without(i, sense.attribute)
        else:
            self._set(i, sense, token)

    def _without(self, i: int, attribute: str) -> None:
        """Without any hood, print, zip or sleeves; "not red" says of no colour that it is wanted."""
        without = WITHOUT.get(canonical(attribute))
        value = self.schema.find_value(attribute, without) if without else None
        if value is None:
            if attribute in self.meant and self.meant[attribute][0].exact:
                return  # "navy, not red"
            self.unused[i] = Unused(self.tokens[i].words, "no value", attribute)
            return
        exact = canonical(attribute) != "collar"
        self._set(i, Sense(attribute, value, exact), self.tokens[i])

    def _set(self, i: int, sense: Sense, token: Token) -> None:
        name, value = sense.attribute, sense.value
        if name not in self.schema.editable:
            self.unused[i] = Unused(token.words, "fixed", name)
        elif value not in asked_of(self.schema.attributes[self.schema.index(name)]):
            self.unused[i] = Unused(token.words, "no picture", name)
        elif name in self.meant and self.meant[name][0].value != value:
            before, was_target = self.meant[name]
            if canonical(token.words) == name:
                return  # the "print" of a floral print
            if canonical(before.words) == name or (
                token.target and not was_target
            ):  # "the red shirt in navy" is to be navy
                self.meant[name] = (Meant(token.words, name, value, sense.exact), True)
            elif token.target == was_target:
                self.unused[i] = Unused(token.words, "said twice", name)
        elif name not in self.meant:
            self.meant[name] = (Meant(token.words, name, value, sense.exact), token.target)

    def _settled(self) -> Wording:
        meant = {name: what for name, (what, _) in self.meant.items()}
        unused = [u for _, u in sorted(self.unused.items()) if not (u.reason == "no value" and u.attribute in meant)]
        only_on = self.region
        names = {canonical(name): name for name in meant}
        if only_on is not None:
            sleeve = self.schema.find_attribute("sleeve")
            bare = sleeve in self.schema.editable and self.schema.find_value(str(sleeve), "sleeveless") is not None
            if "color" not in names:
                unused.append(Unused(self.region_words, "no value", "color"))
                only_on = None
            elif "sleeve" in names or not bare:
                colour = meant.pop(names["color"])
                reason: Reason = "second edit" if bare else "whole garment only"
                unused.append(Unused(f"{colour.words} {self.region_words}", reason, colour.attribute))
                only_on = None
        edit = {name: what.value for name, what in meant.items()}
        return Wording(edit, only_on, tuple(meant.values()), tuple(unused))
