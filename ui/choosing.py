"""The first view: choose a garment of the catalogue, upload a photo of one, or take it."""

from __future__ import annotations

from html import escape

import streamlit as st

from amgan.errors import UserError
from retrieval.search import Searcher
from ui import cards, live, resources, uploads
from ui.address import Address
from ui.drawings import in_size
from ui.garment import photo_trouble
from ui.labels import in_order
from ui.texts import Texts

ON_A_PAGE = 24
MEGABYTES = 32  # of ``amgan.photos.DecodeLimits``
ERROR = "upload-error"  # of the session: what is wrong with the photo, or the mask, that was uploaded last


def show(searcher: Searcher, address: Address, texts: Texts) -> None:
    """The view itself; a choice is another address."""
    with st.container(key="choosing"):
        with st.container(key="own-photo"):
            _upload(address, texts)
        with st.container(key="catalogue"):
            _catalogue(searcher, address, texts)


def shown_as(address: Address) -> str:
    """How filters speak of attributes: as they are shown, see ``retrieval.stores.base.Filter``."""
    return "label." if address.labels == "given" else "predicted."


def _catalogue(searcher: Searcher, address: Address, texts: Texts) -> None:
    collection = resources.indexed(searcher)
    filter = {shown_as(address) + name: value for name, value in address.browse.items()}
    found = resources.count(searcher, collection, filter)
    pages = max(1, -(-found // ON_A_PAGE))
    page = min(address.page, pages)
    parts = [f'<h2 tabindex="-1" data-focus>{escape(texts("choose.catalogue"))}</h2>']
    parts.append(_filters(searcher, address, texts))
    if not found:
        parts.append(f'<p class="note">{escape(texts("choose.none_match" if filter else "choose.empty"))}</p>')
    else:
        sentence = texts("choose.matching" if filter else "choose.garments", count=found)
        if pages > 1:
            sentence += " · " + texts("choose.page", page=page, pages=pages)
        parts.append(f'<p class="count" role="status">{escape(sentence)}</p>')
        garments = resources.grid(searcher, collection, filter, page, ON_A_PAGE)
        parts.append(cards.tiles(garments, searcher, address, texts))
        parts.append(_pages(address, page, pages, texts))
    live.show("".join(parts), "grid")


def _filters(searcher: Searcher, address: Address, texts: Texts) -> str:
    parts = []
    for name in in_order(searcher.schema.names):
        attribute = searcher.schema.attributes[searcher.schema.index(name)]
        values = in_size(name, attribute.values)
        options = {"": texts("choose.any")} | {v: texts.value(name, v) for v in values}
        chosen = address.browse.get(attribute.name, "")
        label = texts.attribute(attribute.name)
        parts.append(live.select(label, f"find.{attribute.name}", options, chosen, address.but(page=1)))
    if address.browse:
        clear = escape(texts("choose.clear"))
        parts.append(live.button(address.but(browse={}, page=1), clear, 'class="plain"'))
    return f'<div class="filters">{"".join(parts)}</div>'


def _pages(address: Address, page: int, pages: int, texts: Texts) -> str:
    if pages == 1:
        return ""
    steps = []
    for key, to, sign in (("first", 1, "«"), ("previous", page - 1, "‹"), ("next", page + 1, "›")):
        words = f'<span aria-hidden="true">{sign}</span> {escape(texts(f"choose.{key}"))}'
        if 1 <= to <= pages and to != page:
            steps.append(live.link(address.but(page=to), words, f'class="plain" data-top data-key="{key}"'))
        else:
            steps.append(f'<span class="plain off" data-key="{key} off">{words}</span>')
    return f'<nav class="pages">{"".join(steps)}</nav>'


def _upload(address: Address, texts: Texts) -> None:
    privacy = f'<details class="small"><summary>{escape(texts("upload.privacy_title"))}</summary>'
    privacy += f"<p>{escape(texts('upload.privacy', hours=uploads.HOURS))}</p></details>"
    live.show(f'<h2>{escape(texts("choose.photo"))}</h2><p class="note">{escape(texts("upload.advice"))}</p>', "advice")
    ways = {"file": texts("upload.file"), "camera": texts("upload.camera")}
    way = st.segmented_control(
        texts("upload.how"), list(ways), format_func=ways.__getitem__, default="file", required=True,
        key="way", label_visibility="collapsed", width="stretch",
    )  # fmt: skip
    if way == "camera":
        st.camera_input(texts("upload.camera_label"), key="camera", on_change=_take, args=("camera", address))
    else:
        st.file_uploader(
            texts("upload.label"), key="file", on_change=_take, args=("file", address), label_visibility="collapsed"
        )
    if said := st.session_state.get(ERROR):
        st.error(texts(said.key, **said.places), icon=":material/broken_image:")
    limits = escape(texts("upload.limits", megabytes=MEGABYTES))
    live.show(f'<p class="note small">{limits}</p>{privacy}', "privacy")


def _take(key: str, address: Address) -> None:
    """Keep a copy of what was uploaded, and make it the garment."""
    st.session_state.pop(ERROR, None)
    photo = st.session_state.get(key)
    if photo is None:
        return
    try:
        kept = uploads.keep(photo.getvalue(), name=photo.name)
    except UserError as error:
        st.session_state[ERROR] = photo_trouble(error, photo.name)
        return
    live.go(address.choosing().but(photo=kept))


def forget(address: Address) -> None:
    """Delete the uploaded photo and what was made of it, and choose another."""
    from ui import comparing, pictures  # and with them torch, which whoever has seen a photo's view has loaded

    uploads.delete(address.photo)
    for cached in (
        resources.upload_picture, resources.upload_cutout, resources.results, pictures.pictures, comparing.made_with
    ):  # fmt: skip
        cached.clear()  # of all visitors: whose entries are whose cannot be told, and they are made again
    live.go(address.choosing())
