"""What should change: a chip for each value, where the colour goes, and a line for the shopper's own words."""

from __future__ import annotations

from html import escape
from typing import get_args

import streamlit as st

from amgan.attributes import asked_of
from amgan.editing.editor import finds_sleeves
from amgan.errors import UserError
from amgan.schema import Attribute
from retrieval.results import SearchResult
from retrieval.search import Searcher
from retrieval.wording import LONGEST, Part, understand
from ui import live
from ui.address import Address, region_of
from ui.drawings import drawing, in_size
from ui.garment import Garment
from ui.labels import Label, in_order, labels_of
from ui.texts import Texts

WORDS, LEFT_OVER = "words", "words-left-over"


def show(searcher: Searcher, garment: Garment, result: SearchResult, address: Address, texts: Texts) -> None:
    labels = labels_of(result.predicted, result.confidence, garment.given, address.labels, address.known)
    schema = searcher.schema
    editable = [schema.attributes[schema.index(name)] for name in in_order(schema.editable)]
    parts = [f"<h2>{escape(texts('studio.change'))}</h2>"]
    if address.edit:
        undo = address.but(edit={}, only_on=None, strength=1.0)
        parts.append(live.button(undo, escape(texts("studio.undo")), 'class="plain undo" data-key="undo"'))
    parts += [_chips(a, labels.get(a.name), searcher, address, texts) for a in editable]
    live.show("".join(parts), "chips")
    st.text_input(
        texts("studio.words"), key=WORDS, max_chars=LONGEST, placeholder=texts("studio.words_example"),
        on_change=_understand, args=(searcher, address),
    )  # fmt: skip
    if left_over := st.session_state.pop(LEFT_OVER, None):
        said = texts("studio.not_understood", words=left_over)
        live.show(f'<p class="warning" role="status">{escape(said)}</p>', "left-over")


def _chips(attribute: Attribute, label: Label | None, searcher: Searcher, address: Address, texts: Texts) -> str:
    chips = []
    for value in in_size(attribute.name, asked_of(attribute)):
        chosen = address.edit.get(attribute.name) == value
        now = label is not None and label.value == value
        words = escape(texts.value(attribute.name, value))
        tick = '<span class="tick" aria-hidden="true">✓</span>' if chosen else ""
        note = f" <small>{escape(texts('studio.now'))}</small>" if now else ""
        chips.append(
            live.button(
                address.setting(attribute.name, value),
                f"{tick}{drawing(attribute.name, value)}{words}{note}",
                f'class="chip set{" now" if now else ""}" aria-pressed="{str(chosen).lower()}"',
            )
        )
    name = escape(texts.attribute(attribute.name))
    where = _regions(searcher, address, texts) if attribute.name == "color" else ""
    return (
        f'<div class="group" role="group" aria-label="{name}" data-key="{escape(attribute.name)}"><h3>{name}</h3>'
        f'<div class="chips">{"".join(chips)}</div>{where}</div>'
    )


def _regions(searcher: Searcher, address: Address, texts: Texts) -> str:
    """Where a colour goes, once there is one: an editor that finds no sleeves cannot be asked."""
    if "color" not in address.edit or not finds_sleeves(searcher.editor.schema):
        return ""
    if "sleeve" in address.edit:
        return f'<p class="note small">{escape(texts("studio.only_on_not"))}</p>'
    chips = [
        live.button(
            address.but(only_on=region),
            escape(texts(f"studio.{region or 'everywhere'}")),
            f'class="chip set" aria-pressed="{str(address.only_on == region).lower()}"',
        )
        for region in (None, *get_args(Part))
    ]
    name = escape(texts("studio.only_on"))
    return f'<div role="group" aria-label="{name}"><h4>{name}</h4><div class="chips">{"".join(chips)}</div></div>'


def _understand(searcher: Searcher, address: Address) -> None:
    """The shopper's words become the same chips; what was not understood is said."""
    text = str(st.session_state[WORDS] or "").strip()
    if not text:
        return
    try:
        wording = understand(text, searcher.schema)
    except UserError:
        st.session_state[LEFT_OVER] = text[:40] + " …"
        return
    if wording.unused:
        st.session_state[LEFT_OVER] = ", ".join(f"“{u.words}”" for u in wording.unused)
    if wording.edit:
        st.session_state[WORDS] = ""
        edit = {**address.edit, **wording.edit}
        live.go(address.but(edit=edit, only_on=region_of(edit, wording.only_on or address.only_on)))
