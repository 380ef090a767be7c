"""What the pages about a garment have in common: the open catalogue, the address, and what is said in their place."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import streamlit as st

from amgan.errors import UserError
from retrieval.search import Searcher
from ui import live, resources
from ui.address import Address, read_address
from ui.garment import LOG, Said
from ui.settings import Settings, read_settings
from ui.texts import Texts


def begin(title: str, texts: Texts) -> tuple[Settings, Searcher, Address] | None:
    """What the page was started with, its catalogue, with networks where the address names a garment, and the address.
    None where the catalogue cannot be opened, which is then said.

    Args:
        title: of the page in that case, a key of the texts.
    """
    try:
        settings = read_settings(sys.argv[1:])
        searcher = resources.searcher(settings)
        if st.query_params.get("item") or st.query_params.get("photo"):
            with st.spinner(texts("page.loading")):
                resources.need_networks(searcher)
    except UserError as error:
        LOG.error("The catalogue cannot be opened: %s", error)
        st.title(texts(title), anchor=False)
        st.error(texts("page.not_set_up"), icon=":material/error:")
        live.say_language()
        return None
    return settings, searcher, read_address(live.query(), searcher.schema)


@contextmanager
def saying_troubles(address: Address, texts: Texts) -> Iterator[None]:
    """Within: what cannot be shown is said, with the way on."""
    try:
        yield
    except Said as said:
        _trouble(texts(said.key, **said.places), address, texts)
    except UserError as error:  # an edit that this editor, or these weights, cannot make
        LOG.warning("Refused: %s", error)
        _trouble(texts("errors.edit"), address, texts)


def _trouble(sentence: str, address: Address, texts: Texts) -> None:
    again = live.link(address.choosing(), escape(texts("choose.another")), 'class="primary"')
    live.show(f'<p class="warning" role="alert">{escape(sentence)}</p><div class="actions">{again}</div>', "trouble")
