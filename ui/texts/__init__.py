"""Every text of the pages, by key, in each language: ``en.toml``, ``ko.toml``, ``zh.toml``.

    texts = in_language("ko")
    texts("search.found", count=10)       # the sentence, with its places filled
    texts.attribute("sleeve"), texts.value("sleeve", "3/4")

A key that ends in ``_one`` is the same sentence for a count of 1. Attributes and values that no table has are shown as
the catalogue spells them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

LANGUAGES = {"en": "English", "ko": "한국어", "zh": "中文"}
DEFAULT = "en"


@dataclass(frozen=True, eq=False)
class Texts:
    """The texts of one language.

    Attributes:
        language: a key of ``LANGUAGES``, which is also its BCP 47 tag.
    """

    language: str
    _table: Mapping[str, Any]

    def __call__(self, key: str, **places: object) -> str:
        """The text of ``section.key``. Raises KeyError where there is none: a mistake of ours."""
        section, _, name = key.partition(".")
        texts = self._table[section]
        chosen = texts.get(f"{name}_one") if places.get("count") == 1 else None
        return (chosen or texts[name]).format(**{k: _number(v) for k, v in places.items()})

    def attribute(self, name: str) -> str:
        """What people call an attribute."""
        return self._table["attributes"].get(name) or name[:1].upper() + name[1:]

    def name(self, section: str, key: str) -> str:
        """What people call something that is known by a key; the key itself where there is no text."""
        return self._table.get(section, {}).get(key) or key

    def value(self, attribute: str, value: str) -> str:
        """What people call one of its values."""
        return self._table["values"].get(attribute, {}).get(value, value)

    def values(self, edit: Mapping[str, str]) -> str:
        """Several values as one text, ``"long, navy"``."""
        return ", ".join(self.value(name, value) for name, value in edit.items())

    def sentence(self, english: str) -> str:
        """A sentence that another part of the program made, in this language where its translation is known."""
        for pattern, translation in _patterns(self.language):
            if found := pattern.fullmatch(english):
                return translation.format(*found.groups())
        return english


def _number(value: object) -> object:
    return f"{value:,}" if isinstance(value, int) else value


@lru_cache
def in_language(language: str) -> Texts:
    """The texts of a language of ``LANGUAGES``."""
    return Texts(language, tomllib.loads((Path(__file__).parent / f"{language}.toml").read_text(encoding="utf-8")))


@lru_cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """English sentences as patterns, ``{}`` standing for what differs from time to time, and their translations."""
    table = in_language(language)._table.get("sentences", {})
    return [(re.compile(re.escape(english).replace(r"\{\}", "(.+?)")), said) for english, said in table.items()]


def current() -> Texts:
    """The texts in the language of this visitor: the address says it, else the session, else the browser."""
    asked = st.query_params.get("lang") or st.session_state.get("language")
    language = choose_language(asked, st.context.locale)
    st.session_state["language"] = language
    return in_language(language)


def choose_language(asked: str | None, browser: str | None) -> str:
    """The language that the address asks for, else the browser's, else English."""
    for wish in (asked, browser):
        tag = (wish or "").lower().partition("-")[0]
        if tag in LANGUAGES:
            return tag
    return DEFAULT
