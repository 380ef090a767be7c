"""The first view: choose a garment of the catalogue, or upload a photo."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePath

import streamlit as st
from PIL import Image

from amgan.errors import UserError
from amgan.photos import CutOut
from retrieval.search import Searcher
from ui import cards, resources, style
from ui.resources import Shown

ANY = "any"
ON_A_PAGE, TILE = 21, 156  # garments; pixels


@dataclass(frozen=True)
class Query:
    """The garment that is to be edited.

    Attributes:
        key: stands for the garment in caches.
        name: what the user calls it; also names the download.
        exclude: what must not be found: the garment itself.
    """

    key: str
    name: str
    cutout: CutOut
    exclude: tuple[str, ...]

    @property
    def picture(self) -> Image.Image:
        """The garment as it is shown: at the photo's own size."""
        return Image.fromarray((self.cutout.source or self.cutout).image)


def chosen(searcher: Searcher) -> Query | None:
    """The garment of this session, None when one has yet to be chosen. Raises UserError when it is gone."""
    if upload := st.session_state.get("upload"):
        return upload
    if not (id := st.query_params.get("item")):
        return None
    payload = searcher.item(id)
    cutout = resources.item_cutout(searcher, searcher.store.name, id)
    return Query(id, str(payload["file_name"]), cutout, (str(payload["item_id"]),))


def choose(id: str) -> None:
    st.session_state.pop("upload", None)
    st.query_params["item"] = id


def choose_another() -> None:
    st.session_state.pop("upload", None)
    st.query_params.clear()


def show(searcher: Searcher) -> None:
    """The view itself. A choice is remembered in the session, or in the page's address, and shown on the next run."""
    from_catalogue, own_photo = st.tabs(["From the catalogue", "Your own photo"])
    with from_catalogue:
        _catalogue(searcher)
    with own_photo:
        _upload(searcher)


def _catalogue(searcher: Searcher) -> None:
    garments = resources.garments(searcher, searcher.store.name)
    if not garments:
        st.info("The catalogue is empty. Fill it with index-catalog, then reload this page.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = {
            a.name: st.selectbox(style.label(a.name), [ANY, *a.values], key=f"browse-{a.name}", width=170)
            for a in searcher.schema.attributes
        }
    matching = [g for g in garments if all(v in (ANY, g.predicted.get(n)) for n, v in wanted.items())]
    if not matching:
        st.info("No garment of the catalogue looks like that. Choose “any” for one of them.")
        return
    pages = -(-len(matching) // ON_A_PAGE)
    place = st.empty()
    with st.container(horizontal=True, vertical_alignment="center"):
        page = st.pagination(pages, key="browse-page-" + "-".join(wanted.values())) if pages > 1 else 1
        st.caption(f"{len(matching):,} garments")
    with place.container():
        _grid(searcher, matching[(page - 1) * ON_A_PAGE : page * ON_A_PAGE])


def _grid(searcher: Searcher, garments: list[Shown]) -> None:
    """Tiles of a fixed width that fill the rows of whatever screen there is."""
    with st.container(horizontal=True, gap="small"):
        for garment in garments:
            with st.container(width=TILE, gap="xsmall"):
                file = searcher.file_of({"file_name": garment.file_name})
                values = ", ".join(garment.predicted.values())
                st.html(cards.tile(str(file) if file else None, garment.file_name))
                label = values or PurePath(garment.file_name).stem
                st.button(label, key=f"choose-{garment.id}", on_click=choose, args=(garment.id,), width="stretch")


def _upload(searcher: Searcher) -> None:
    st.caption(
        "One garment, flat or on a hanger, all of it in view, on a background that it stands out from. "
        "The photo stays on this machine."
    )
    photo = st.file_uploader(
        "A photo of a garment", type=["jpg", "jpeg", "png", "webp", "avif", "tif", "tiff", "bmp", "gif"]
    )
    with st.expander("I have a mask of the garment"):
        mask = st.file_uploader("The mask: white on the garment, black elsewhere", type=["png", "jpg", "jpeg", "webp"])
    if photo is None:
        return
    data, mask_data = photo.getvalue(), mask.getvalue() if mask else None
    try:
        picture, cutout = resources.uploaded_cutout(searcher, photo.name, data, mask_data)
    except UserError as error:
        st.error(str(error), icon=":material/broken_image:")
        return
    digest = hashlib.sha256(data).hexdigest()
    query = Query(digest + hashlib.sha256(mask_data or b"").hexdigest(), photo.name, cutout, (digest,))
    _confirm(picture, query)


def _confirm(picture: Image.Image, query: Query) -> None:
    """Show the cut-out; a doubtful one is only used when the user says so."""
    with st.container(horizontal=True, gap="medium"):
        st.html(cards.query_picture(picture, "Your photo", query.name), width=320)
        st.html(cards.query_picture(query.picture, "What will be edited", "cut out"), width=320)
    label = "Edit this garment"
    if not query.cutout.trusted:
        st.warning(
            "**Is this the garment?** It is not certain that it was cut out correctly. "
            + " ".join(query.cutout.problems)
            + " Try a plainer background, or give a mask above.",
            icon=":material/content_cut:",
        )
        label = "Use it anyway"
    st.button(label, type="primary", on_click=_take, args=(query,))


def _take(query: Query) -> None:
    st.query_params.clear()
    st.session_state["upload"] = query
