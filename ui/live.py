"""Parts of the page as HTML whose links and controls lead to other addresses of the page without loading it anew."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlencode

import streamlit as st
from streamlit.components.v2 import component

from ui import texts

_part = component(
    "amgan.live", js=(Path(__file__).parent / "live.js").read_text(encoding="utf-8"), isolate_styles=False
)


class Destination(Protocol):
    """An address that a page can go to: of the search, or of a report."""

    @property
    def href(self) -> str: ...
    def query(self) -> list[tuple[str, str]]: ...


def show(html: str, key: str) -> None:
    """A part of the page.

    Args:
        html: every text in it escaped. Elements with ``data-go`` lead to that query when clicked (``link``,
            ``button``), controls with ``data-template`` when changed, to it with what they are set to for VALUE.
        key: of the container; the same part has the same key on every run.
    """
    _part(key=key, data={"html": html, "language": texts.current().language}, on_go_change=lambda: _go(key))


def say_language() -> None:
    """Tell screen readers the page's language, where no other part of it does."""
    show("", "language")


def _go(key: str) -> None:
    query = st.session_state[key].go
    if isinstance(query, str):
        go(query)


def go(query: str | Destination) -> None:
    """Make that the page's address; for callbacks."""
    if not isinstance(query, str):
        query = query.href
    st.query_params.from_dict(parse_qs(query.removeprefix("?")))


def query() -> dict[str, list[str]]:
    """What the page's address says now."""
    return {key: st.query_params.get_all(key) for key in st.query_params}


def link(to: Destination, html: str, attributes: str = "") -> str:
    """A link to another garment or page."""
    return f'<a href="{escape(to.href)}" target="_self" data-go="{escape(to.href)}" {attributes}>{html}</a>'


def button(to: Destination, html: str, attributes: str = "") -> str:
    """A button that changes something of this one."""
    return f'<button type="button" data-go="{escape(to.href)}" {attributes}>{html}</button>'


def template(key: str, to: Destination) -> str:
    """``data-template`` of a control that sets ``key`` of the address, whatever it is set to now."""
    rest = urlencode([(k, v) for k, v in to.query() if k != key])
    return f'data-template="{escape(f"?{rest}&{key}=" if rest else f"?{key}=")}VALUE"'


def select(label: str, key: str, options: dict[str, str], chosen: str, to: Destination) -> str:
    """A list to choose from: value to text. The value "" is the usual one."""
    items = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in options.items()
    )
    return f'<label class="select"><span>{escape(label)}</span><select {template(key, to)}>{items}</select></label>'
