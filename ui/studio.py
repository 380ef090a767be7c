"""The second view: say what should change, see the edit and its mask, and what the catalogue has that looks like it."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import PurePath

import streamlit as st
from PIL import Image

from amgan.attributes import asked_of
from amgan.editing.editor import REGIONS, Region
from amgan.schema import Edit
from retrieval.query import DEFAULT_WEIGHTS, QueryWeights
from retrieval.search import Searcher, SearchResult
from ui import cards, resources, style
from ui.choosing import ANY, Query, choose_another

KEEP, EVERYWHERE = "keep", "everywhere"


@dataclass(frozen=True)
class Wishes:
    """What the controls say."""

    edit: Edit = field(default_factory=dict)
    only_on: Region | None = None
    k: int = 10
    filter: dict[str, list[str]] = field(default_factory=dict)
    weights: QueryWeights = DEFAULT_WEIGHTS


def show(searcher: Searcher, query: Query) -> None:
    left, right = st.columns([3, 10], gap="large")
    with left, st.container(key="controls"):
        wishes = _controls(searcher)
    result = resources.results(
        searcher,
        query.cutout,
        searcher.store.name,
        query.key,
        wishes.edit,
        wishes.k,
        wishes.filter,
        wishes.weights,
        wishes.only_on,
        query.exclude,
    )
    with right:
        _pictures(searcher, query, result)
        _hits(result)


def _controls(searcher: Searcher) -> Wishes:
    st.button("Choose another garment", icon=":material/arrow_back:", on_click=choose_another, width="stretch")
    st.subheader("What should change?")
    edit: Edit = {}
    for attribute in (a for a in searcher.schema.attributes if a.editable):
        with st.container(key=f"pick-{attribute.name}"):
            value = st.pills(
                style.label(attribute.name),
                [KEEP, *asked_of(attribute)],
                default=KEEP,
                required=True,
                key=f"set-{attribute.name}",
            )
        if value and value != KEEP:
            edit[attribute.name] = value
    only_on: Region | None = None
    if "color" in edit and "sleeve" not in edit and "sleeve" in searcher.schema.editable:
        where = st.segmented_control(
            "Colour where", [EVERYWHERE, *REGIONS], default=EVERYWHERE, required=True, key="only-on"
        )
        only_on = next((r for r in REGIONS if r == where), None)
    with st.expander("How to search"):
        k = st.slider("Garments to find", 5, 50, 10, 5, key="k")
        image = st.slider("Weight of the edited picture", 0.0, 2.0, DEFAULT_WEIGHTS.image, 0.1, key="weight-image")
        wanted = st.slider(
            "Weight of the wanted attributes", 0.0, 2.0, DEFAULT_WEIGHTS.wanted, 0.1, key="weight-wanted"
        )
        kept = st.slider("Weight of what stays as it is", 0.0, 2.0, DEFAULT_WEIGHTS.kept, 0.1, key="weight-kept")
        filter = {}
        for attribute in searcher.schema.attributes:
            value = st.selectbox(
                f"{style.label(attribute.name)} of what is found",
                [ANY, *attribute.values],
                key=f"filter-{attribute.name}",
            )
            if value and value != ANY:
                filter[attribute.name] = [value]
    return Wishes(edit, only_on, k, filter, QueryWeights(image, wanted, kept))


def _pictures(searcher: Searcher, query: Query, result: SearchResult) -> None:
    yours, edited, where = st.columns(3)
    predicted = ", ".join(result.predicted.values())
    yours.html(cards.query_picture(query.picture, "Your garment", f"looks like: {predicted}"))
    if not query.cutout.trusted:
        yours.caption(":material/content_cut: The cut-out is not certain. " + " ".join(query.cutout.problems))
    if not result.edit:
        edited.info("Say what should change, and the edited garment appears here.", icon=":material/styler:")
        return
    picture, painted = resources.edited_pictures(
        query.cutout, result.edited, searcher.store.name, query.key, result.edit, result.only_on
    )
    words = ", ".join(f"{style.label(name).lower()}: {value}" for name, value in result.edit.items())
    words += f", only on the {result.only_on}" if result.only_on else ""
    edited.html(cards.query_picture(Image.open(io.BytesIO(picture)), "The edit", words))
    name = f"{PurePath(query.name).stem}.{'.'.join(v.replace('/', '-') for v in result.edit.values())}.png"
    edited.download_button(
        "Download the edit", picture, name, "image/png", icon=":material/download:", on_click="ignore"
    )
    note = f"the network repainted {result.edited.mask.mean():.0%} of the picture"
    where.html(cards.query_picture(painted, "Where it was edited", note))


def _hits(result: SearchResult) -> None:
    if not result.edit:
        st.subheader("In the catalogue, most like your garment", anchor=False)
        _column(result.unedited_hits, result)
        return
    edited, unedited = st.columns(2, gap="large")
    with edited:
        st.subheader("Found with the edit", anchor=False)
        _column(result.hits, result)
    with unedited:
        st.subheader("Found without it", anchor=False)
        _column(result.unedited_hits, result)


def _column(hits: list, result: SearchResult) -> None:
    if not hits:
        st.info("Nothing found. A filter under “How to search” may leave nothing over.")
        return
    if result.wanted:
        right = sum(all(h.predicted.get(n) == v for n, v in result.wanted.items()) for h in hits)
        st.caption(f"{right} of {len(hits)} are {', '.join(result.wanted.values())}")
    st.html(cards.hit_cards(hits, result.wanted))
