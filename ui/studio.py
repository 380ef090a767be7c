"""The second view: what should change, the garment before and after, and what the catalogue has that looks like it.

All three are in view together: side by side on a desk, the picture staying above its controls on a telephone.
"""

from __future__ import annotations

import streamlit as st

from retrieval.results import SearchResult
from retrieval.search import Searcher
from ui import changing, finding, live, looking, resources
from ui.address import Address
from ui.choosing import shown_as
from ui.garment import Garment
from ui.texts import Texts


def show(searcher: Searcher, garment: Garment, address: Address, texts: Texts) -> None:
    with st.container(key="studio"):
        bar, make, find = (st.container(key=key) for key in ("bar", "make", "find"))
    with make:
        look, change = (st.container(key=key) for key in ("look", "change"))
    with bar:
        live.show(looking.bar(searcher, address, texts), "way")
    result = search(searcher, garment, address)
    with look:
        picture = st.container(key="picture")
        looking.about(searcher, garment, result, address, texts)
    with change:
        changing.show(searcher, garment, result, address, texts)
    with find:
        finding.show(searcher, garment, result, address, texts)
    with picture:  # last: to carry an edit to the photo's size takes longer than to find what is like it
        looking.show(searcher, garment, result, address, texts)


def search(searcher: Searcher, garment: Garment, address: Address) -> SearchResult:
    """What the address asks for. Raises UserError."""
    given = garment.given if address.labels == "given" else {}
    return resources.results(
        searcher,
        garment.cutout,
        resources.indexed(searcher),
        garment.key,
        address.edit,
        address.k,
        {shown_as(address) + name: value for name, value in address.filter.items()},
        address.query_weights(searcher.weights),
        address.only_on,
        garment.exclude,
        address.strength,
        {**given, **address.known},
    )
