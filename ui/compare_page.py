"""The page that compares editors: one garment, one change of it, and what each installed editor makes of that."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from retrieval.search import Searcher
from ui import choosing, live
from ui.address import Address
from ui.beginning import begin, saying_troubles
from ui.garment import Garment, load
from ui.settings import Settings
from ui.texts import LANGUAGES, Texts, current

HERE = Path(__file__).parent


def show() -> None:
    """The page."""
    texts = current()
    begun = begin("compare.title", texts)
    if begun is None:
        return
    settings, searcher, address = begun
    st.html(HERE / "comparing.css")
    live.show(_top(address, texts), "top")
    with saying_troubles(address, texts):
        if not address.item and not address.photo:
            live.show(f'<p class="lead">{escape(texts("compare.lead"))}</p>', "lead")
            choosing.show(searcher, address, texts)
        else:
            _compare(settings, searcher, load(searcher, address, texts), address, texts)


def _compare(settings: Settings, searcher: Searcher, garment: Garment, address: Address, texts: Texts) -> None:
    from ui import changing, comparing, studio  # and with them torch

    result = studio.search(searcher, garment, address)
    with st.container(key="comparing"):
        with st.container(key="wish"):
            live.show(comparing.garment_picture(searcher, garment, texts), "garment")
            changing.show(searcher, garment, result, address, texts)
        with st.container(key="editors"):
            if not address.edit:
                live.show(f'<p class="note">{escape(texts("compare.change"))}</p>', "status")
                return
            names = comparing.editors_of(settings, searcher)
            for i, name in enumerate(names):
                with st.spinner(texts("compare.waiting", name=name)):
                    made = comparing.part(searcher, garment, name, i == 0, address, texts)
                live.show(made, f"editor {i}")
            said = texts("compare.status", count=len(names))
            live.show(f'<p class="spoken" role="status">{escape(said)}</p>', "status")


def _top(address: Address, texts: Texts) -> str:
    language = live.select(texts("page.language"), "lang", LANGUAGES, texts.language, address)
    another = ""
    if address.item or address.photo:
        another = live.link(address.choosing(), escape(texts("choose.another")), 'class="plain"')
    return f'<div class="top"><h1>{escape(texts("compare.title"))}</h1>{another}{language}</div>'
