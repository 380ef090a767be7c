"""The search page: a garment is chosen, changed, and what the catalogue has that looks like the result is found."""

from __future__ import annotations

import sys
from html import escape

import streamlit as st

from amgan.errors import UserError
from retrieval.search import Searcher
from ui import choosing, correcting, live, resources
from ui.address import Address, read_address
from ui.garment import LOG, Garment, Said, load
from ui.settings import read_settings
from ui.texts import LANGUAGES, Texts, current


def show() -> None:
    texts = current()
    try:
        searcher = resources.searcher(read_settings(sys.argv[1:]))
        if st.query_params.get("item") or st.query_params.get("photo"):
            with st.spinner(texts("page.loading")):
                resources.need_networks(searcher)
    except UserError as error:
        LOG.error("The catalogue cannot be opened: %s", error)
        st.title(texts("page.title"), anchor=False)
        st.error(texts("page.not_set_up"), icon=":material/error:")
        return
    query = {key: st.query_params.get_all(key) for key in st.query_params}
    address = read_address(query, searcher.schema)
    live.show(_top(address, texts), "top")
    if address.dropped:
        live.show(
            f'<p class="warning">{escape(texts("studio.dropped", what=", ".join(address.dropped)))}</p>', "dropped"
        )
    try:
        _view(searcher, address, texts)
    except Said as said:
        _trouble(texts(said.key, **said.places), address, texts)
    except UserError as error:  # an edit that this editor, or these weights, cannot make
        LOG.warning("Refused: %s", error)
        _trouble(texts("errors.edit"), address, texts)


def _view(searcher: Searcher, address: Address, texts: Texts) -> None:
    if not address.item and not address.photo:
        attributes = ", ".join(texts.attribute(n).lower() for n in searcher.schema.editable)
        live.show(f'<p class="lead">{escape(texts("choose.lead", attributes=attributes))}</p>', "lead")
        choosing.show(searcher, address, texts)
        return
    from ui import studio  # and with it torch, which takes seconds: the catalogue is shown before

    garment: Garment | None = None
    trouble: Said | None = None
    try:
        garment = load(searcher, address, texts)
    except Said as said:
        if said.key != "errors.no_garment" or not address.photo:
            raise
        trouble = said
    if correcting.needed(garment, address) or garment is None:
        correcting.show(searcher, garment, trouble, address, texts)
    else:
        studio.show(searcher, garment, address, texts)


def _top(address: Address, texts: Texts) -> str:
    """The page's heading, how much of it is shown, and its language."""
    views = "".join(
        live.button(
            address.but(expert=expert),
            escape(texts("page.expert" if expert else "page.shopper")),
            f'class="chip" aria-pressed="{str(address.expert == expert).lower()}"',
        )
        for expert in (False, True)
    )
    view = f'<div class="switch chips" role="group" aria-label="{escape(texts("page.view"))}">{views}</div>'
    language = live.select(texts("page.language"), "lang", LANGUAGES, texts.language, address)
    return f'<div class="top"><h1>{escape(texts("page.title"))}</h1>{view}{language}</div>'


def _trouble(sentence: str, address: Address, texts: Texts) -> None:
    """What is wrong, and the way on."""
    again = live.link(address.choosing(), escape(texts("choose.another")), 'class="primary"')
    live.show(f'<p class="warning" role="alert">{escape(sentence)}</p><div class="actions">{again}</div>', "trouble")
