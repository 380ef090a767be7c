"""A text as phrases: what the vocabulary and the schema's own words find in it, and the words between."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from amgan.schema import AttributeSchema
from amgan.spelling import VALUE_ALIASES, canonical, plain
from retrieval.wording import vocabulary as words


@dataclass(frozen=True)
class Sense:
    """One thing that a phrase can mean."""

    attribute: str
    value: str
    exact: bool = True
    alone: bool = True  # also without its attribute's name beside it


@dataclass(frozen=True)
class Token:
    kind: str  # value, attribute, torso, a kind of grammar, break, unknown
    words: str
    senses: tuple[Sense, ...] = ()
    target: bool = field(default=False, compare=False)  # what it shall become, not what it is


def is_colour(token: Token) -> bool:
    return token.kind == "value" and any(canonical(s.attribute) == "color" for s in token.senses)


@dataclass(frozen=True)
class Lexicon:
    """All phrases that are known: what kind of token each is, its senses, and how long they are, longest first; and
    which a misspelt word may be."""

    kinds: dict[str, str]
    senses: dict[str, tuple[Sense, ...]]
    lengths: tuple[int, ...]
    correctable: tuple[str, ...]


_HAN = r"\u3400-\u9fff"
_HANGUL = r"\uac00-\ud7a3"
_LATIN = r"a-z0-9\u00e0-\u024f"
_BREAK = re.compile(r"[,;.!?\n()，。；！？、]+")
_WORD = re.compile(rf"[{_LATIN}$€£₩¥%]+(?:/[{_LATIN}]+)*|[{_HAN}{_HANGUL}]+|[^\s]", re.IGNORECASE)
_SCRIPTS = {"latin": _LATIN, "hangul": _HANGUL, "han": _HAN}


def _split(phrases: str) -> list[str]:
    return [p for p in (plain(phrase) for phrase in phrases.split(",")) if p]


@lru_cache(maxsize=16)
def _lexicon(schema: AttributeSchema, editable: tuple[str, ...]) -> Lexicon:
    """``editable`` is part of the key alone: schemas that differ only in it are equal."""
    kinds = {phrase: kind for kind, phrases in _GRAMMAR.items() for phrase in phrases}
    senses: dict[str, list[Sense]] = {}
    for attribute in schema.attributes:
        concept = _concept_of(attribute.name)
        for phrase in {plain(attribute.name), *_split(words.ATTRIBUTES.get(concept, ""))}:
            kinds[phrase] = "attribute"
            senses[phrase] = [Sense(attribute.name, "")]
    for attribute in schema.attributes:
        for phrase, sense in _values(schema, attribute.name, attribute.values):
            if kinds.get(phrase) in ("attribute", *_KEPT_GRAMMAR):
                if kinds[phrase] == "attribute" and senses[phrase][0].attribute == sense.attribute:
                    kinds[phrase], senses[phrase] = "value", [sense]  # a "print" is a pattern and a kind of pattern
                continue
            kinds[phrase] = "value"
            known = senses.setdefault(phrase, [])
            if sense.attribute not in {s.attribute for s in known}:
                known.append(sense)
    lengths = tuple(sorted({len(phrase) for phrase in kinds}, reverse=True))
    correctable = (p for p, kind in kinds.items() if kind in ("value", "attribute") and re.fullmatch(r"[a-z]{4,}", p))
    return Lexicon(kinds, {p: tuple(s) for p, s in senses.items()}, lengths, tuple(correctable))


def _concept_of(attribute: str) -> str:
    """The attribute of the vocabulary that a schema's attribute is: 색상 is the colour."""
    name = canonical(attribute)
    return next((c for c, phrases in words.ATTRIBUTES.items() if name in _split(phrases)), name)


def _values(schema: AttributeSchema, name: str, values: tuple[str, ...]) -> Iterator[tuple[str, Sense]]:
    """Every phrase for an attribute's values, those that say it best first."""
    concept = _concept_of(name)
    for value in values:
        yield plain(value), Sense(name, value, alone=plain(value) not in words.ONLY_BESIDE)
    for (attribute, phrase), _ in VALUE_ALIASES.items():
        if attribute == concept and (found := schema.find_value(name, phrase)) is not None:
            yield plain(phrase), Sense(name, found)
    vocabulary = words.VALUES.get(concept, {})
    has = {key: v for key, phrases in vocabulary.items() for v in values if plain(v) in (key, *_split(phrases))}
    for key, phrases in vocabulary.items():
        near = next((has[k] for k in words.NEAREST.get(concept, {}).get(key, ()) if k in has), None)
        value = has.get(key, near)
        if value is None:
            continue
        for phrase in _split(phrases):
            exact = key in has and not phrase.startswith("~")
            phrase = phrase.lstrip("~")
            yield phrase, Sense(name, value, exact, alone=phrase not in words.ONLY_BESIDE)


def _longest(folded: str, start: int, lexicon: Lexicon) -> str | None:
    """The longest phrase that begins at a place: Latin letters do not begin or end inside others, and one Hangul
    syllable alone does not begin inside a word."""
    for length in lexicon.lengths:
        phrase = folded[start : start + length]
        if phrase not in lexicon.kinds:
            continue
        first, last = _script(phrase[0]), _script(phrase[-1])
        begins_inside = first == _script(folded[start - 1 : start]) and (first == "latin" or length == 1)
        ends_inside = last == "latin" == _script(folded[start + length : start + length + 1])
        if not (begins_inside and first in ("latin", "hangul")) and not ends_inside:
            return phrase
    return None


def _script(letter: str) -> str:
    """Of one letter, or of nothing."""
    return next((name for name, letters in _SCRIPTS.items() if re.match(f"[{letters}]", letter)), "")


def _folded(text: str) -> str:
    """Lower case, and spaces for hyphens and underscores; as long as the text, whose own letters are shown."""
    lower = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    return lower.translate(str.maketrans("-_", "  "))


_GRAMMAR = {
    "garment": _split(words.GARMENTS),
    "shade": _split(words.SHADES),
    "torso": _split(words.TORSO),
    "and": _split(words.AND),
    "into": _split(words.INTO),
    "keep": _split(words.KEEP_PRE),
    "keep after": _split(words.KEEP_POST),
    "instead": _split(words.INSTEAD_PRE),
    "instead after": _split(words.INSTEAD_POST),
    "without": _split(words.WITHOUT_PRE),
    "without after": _split(words.WITHOUT_POST),
    "without either": _split(words.WITHOUT_EITHER),
    "except": _split(words.EXCEPT),
}
_KEPT_GRAMMAR = tuple(kind for kind in _GRAMMAR if kind not in ("garment", "torso", "shade"))
_GARMENTS = frozenset(_GRAMMAR["garment"])
_FILLERS = frozenset(_split(words.FILLERS))
_PARTICLES = frozenset(_split(words.PARTICLES))


def tokens_of(text: str, schema: AttributeSchema) -> list[Token]:
    """The text as phrases that are understood, breaks, and runs of words that are not."""
    lexicon = _lexicon(schema, schema.editable)
    text = unicodedata.normalize("NFKC", text).replace("\u2044", "/").replace("\u2019", "").replace("'", "")
    text = re.sub(r"[^\S\n]+", " ", text)
    folded = _folded(text)
    tokens: list[Token] = []
    position = place = 0
    while place < len(text):
        phrase = _longest(folded, place, lexicon)
        if phrase is None:
            place += 1
            continue
        tokens += _between(text[position:place], lexicon)
        position = place + len(phrase)
        becomes = (bool(tokens) and tokens[-1].kind == "into") or text.startswith(words.TARGET, position)
        senses = lexicon.senses.get(phrase, ())
        tokens.append(Token(lexicon.kinds[phrase], text[place:position], senses, becomes))
        place = position
    tokens += _between(text[position:], lexicon)
    return _garments_apart(_shaded(tokens), schema)


def _between(text: str, lexicon: Lexicon) -> Iterator[Token]:
    """What lies between two phrases: nothing, particles, breaks, words that nobody knows."""
    run: list[str] = []
    for match in re.finditer(f"{_BREAK.pattern}|{_WORD.pattern}", text, re.IGNORECASE):
        word = match[0]
        known = _corrected(word.lower(), lexicon)
        is_break = _BREAK.fullmatch(word) is not None
        nothing = word.lower() in _FILLERS or _is_particles(word) or not any(c.isalnum() for c in word)
        if is_break or nothing or known:
            if run:
                yield Token("unknown", " ".join(run))
            run = []
            if is_break:
                yield Token("break", word)
            elif known and not nothing:
                senses = tuple(replace(s, exact=False) for s in lexicon.senses.get(known, ()))
                yield Token(lexicon.kinds[known], word, senses)
        else:
            run.append(word)
    if run:
        yield Token("unknown", " ".join(run))


def _is_particles(word: str) -> bool:
    """Whether a word is nothing but particles, one or several."""
    ends = {0}  # where the particles read so far may end
    for start in range(len(word)):
        if start in ends:
            ends |= {start + len(p) for p in _PARTICLES if word.startswith(p, start)}
    return len(word) in ends


def _corrected(word: str, lexicon: Lexicon) -> str | None:
    """The one phrase that a word is a misspelling of: "sleevless", "burgandy"."""
    if len(word) < 5 or not re.fullmatch(rf"[{_LATIN}]+", word):
        return None
    near = [p for p in lexicon.correctable if abs(len(p) - len(word)) <= 2]
    return next(iter(difflib.get_close_matches(word, near, n=1, cutoff=0.84)), None)


def _shaded(tokens: list[Token]) -> Iterator[Token]:
    """ "Dark" with the colour that it darkens as one, which then is only near; without one it is not understood."""
    shade: Token | None = None
    for token in tokens:
        if shade is not None and is_colour(token):
            senses = tuple(replace(s, exact=False) for s in token.senses)
            yield Token("value", f"{shade.words} {token.words}", senses, shade.target or token.target)
            shade = None
        elif token.kind == "shade":
            if shade is not None:
                yield replace(shade, kind="unknown")
            shade = token
        elif not (shade is not None and _names_colours(token)):  # a darker *shade* of red
            if shade is not None:
                yield replace(shade, kind="unknown")
            shade = None
            yield token
    if shade is not None:
        yield replace(shade, kind="unknown")


def _names_colours(token: Token) -> bool:
    return token.kind == "attribute" and canonical(token.senses[0].attribute) == "color"


def _garments_apart(tokens: Iterable[Token], schema: AttributeSchema) -> list[Token]:
    """Names of garments told from values that are called alike: a shirt from a shirt collar, a long dress from long
    sleeves."""
    out = list(tokens)
    for i, token in enumerate(out):
        phrase = plain(token.words)
        asked = i > 0 and plain(out[i - 1].words) in words.BECOMES
        if token.kind == "garment" and asked:
            out[i] = replace(token, kind="unknown")
        if token.kind != "value":
            continue
        before, after = (
            out[j].senses if 0 <= j < len(out) and out[j].kind == "attribute" else () for j in (i - 1, i + 1)
        )
        named = {s.attribute for s in (*before, *after)} & {s.attribute for s in token.senses}
        if named:
            continue
        senses = tuple(s for s in token.senses if s.alone)
        if phrase in _GARMENTS and not any(s.attribute in schema.editable for s in senses) and not asked:
            out[i] = replace(token, kind="garment")
        elif not senses or (phrase in words.NOT_OF_A_GARMENT and i + 1 < len(out) and _is_garment(out[i + 1])):
            out[i] = replace(token, kind="unknown")
    return out


def _is_garment(token: Token) -> bool:
    return plain(token.words) in _GARMENTS
