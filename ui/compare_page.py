"""The page that compares editors: one garment, one change of it, and what each installed editor makes of that."""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

import streamlit as st

from amgan.errors import UserError
from retrieval.search import Searcher
from ui import choosing, live, resources
from ui.address import Address, read_address
from ui.garment import LOG, Garment, Said, load
from ui.settings import Settings, read_settings
from ui.texts import LANGUAGES, Texts, current

HERE = Path(__file__).parent


def show() -> None:
    """The page."""
    texts = current()
    settings: Settings | None = None
    try:
        settings = read_settings(sys.argv[1:])
        searcher = resources.searcher(settings)
        if st.query_params.get("item") or st.query_params.get("photo"):
            with st.spinner(texts("page.loading")):
                resources.need_networks(searcher)
    except UserError as error:
        LOG.error("The catalogue cannot be opened: %s", error)
        st.title(texts("compare.title"), anchor=False)
        st.error(texts("page.not_set_up"), icon=":material/error:")
        return
    st.html(HERE / "compare.css")
    query = {key: st.query_params.get_all(key) for key in st.query_params}
    address = read_address(query, searcher.schema)
    live.show(_top(address, texts), "top")
    try:
        if not address.item and not address.photo:
            live.show(f'<p class="lead">{escape(texts("compare.lead"))}</p>', "lead")
            choosing.show(searcher, address, texts)
        else:
            _compare(settings, searcher, load(searcher, address, texts), address, texts)
    except Said as said:
        _trouble(texts(said.key, **said.places), address, texts)
    except UserError as error:
        LOG.warning("Refused: %s", error)
        _trouble(texts("errors.edit"), address, texts)


def _compare(settings: Settings, searcher: Searcher, garment: Garment, address: Address, texts: Texts) -> None:
    from ui import changing, comparing, studio  # and with them torch

    result = studio.search(searcher, garment, address)
    with st.container(key="comparing"):
        with st.container(key="wish"):
            live.show(comparing.garment_picture(garment, texts), "garment")
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


def _trouble(sentence: str, address: Address, texts: Texts) -> None:
    again = live.link(address.choosing(), escape(texts("choose.another")), 'class="primary"')
    live.show(f'<p class="warning" role="alert">{escape(sentence)}</p><div class="actions">{again}</div>', "trouble")
