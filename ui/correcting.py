"""The view between an upload and its edit, where the cut-out is in doubt: see it, correct it by a box, or take it."""

from __future__ import annotations

from html import escape

import streamlit as st
from PIL import Image

from amgan.errors import UserError
from amgan.photos import read_mask
from retrieval.search import Searcher
from ui import choosing, live, resources, uploads
from ui.address import Address, check_box
from ui.garment import Garment, Said, photo_trouble
from ui.texts import Texts

WHOLE = (0, 0, 100, 100)


def needed(garment: Garment | None, address: Address) -> bool:
    """Whether somebody must look at the cut-out first, or wants to."""
    if not address.photo or address.cut == "ok":
        return False
    return address.cut == "ask" or garment is None or not garment.cutout.trusted


def show(searcher: Searcher, garment: Garment | None, trouble: Said | None, address: Address, texts: Texts) -> None:
    """The photo with the box, the cut-out, and what to do.

    Args:
        garment: None where none was found, for the reason that ``trouble`` gives.
    """
    upload = uploads.find(address.photo)
    if upload is None:
        raise Said("errors.photo_gone", hours=uploads.HOURS)
    photo = resources.upload_picture(address.photo, upload)
    actions, problem = "", ""
    if garment is not None:
        doubtful = not garment.cutout.trusted
        words = texts("upload.anyway" if doubtful else "upload.edit")
        actions = live.button(address.but(cut="ok"), escape(words), 'class="primary"')
        problem = " ".join(
            [texts("upload.doubtful_why")] * doubtful + [texts.sentence(p) for p in garment.cutout.problems]
        )
    elif trouble is not None:
        problem = texts(trouble.key, **trouble.places)
    actions += live.link(address.choosing(), escape(texts("choose.another")), 'class="plain"')
    title = texts("upload.doubtful" if problem else "upload.correct_title")
    note = f'<p class="warning" role="alert">{escape(problem)}</p>' if problem else ""
    live.show(
        f'<h2 tabindex="-1" data-focus>{escape(title)}</h2>{note}<p>{escape(texts("upload.correct"))}</p>'
        f'<div class="actions">{actions}</div><div class="pair">'
        + _photo(photo, address, texts)
        + (_cut_out(garment, texts) if garment else "")
        + "</div>",
        "correcting",
    )
    _sliders(address, texts)
    with st.expander(texts("upload.mask")):
        st.file_uploader(texts("upload.mask_label"), key="mask", on_change=_mask, args=(searcher, address, upload))
        if said := st.session_state.get(choosing.ERROR):
            st.error(texts(said.key, **said.places), icon=":material/broken_image:")
    st.button(texts("upload.delete"), key="forget", icon=":material/delete:", on_click=choosing.forget, args=(address,))


def _photo(photo: Image.Image, address: Address, texts: Texts) -> str:
    shown = resources.small(photo, 480)
    box = ' hidden class="box"'
    if address.box:
        left, top, right, bottom = address.box
        box = f' class="box" style="left:{left}%;top:{top}%;width:{right - left}%;height:{bottom - top}%"'
    query = escape(address.but(box=None, cut="ask").href + "&box=VALUE")
    alt = escape(texts("upload.your_photo"))
    return (
        f'<figure><div class="boxable" data-box="{query}"><img src="{shown}" alt="{alt}" draggable="false">'
        f"<span{box}></span></div><figcaption>{alt}</figcaption></figure>"
    )


def _cut_out(garment: Garment, texts: Texts) -> str:
    caption = escape(texts("upload.cut_out"))
    shown = resources.small(Image.fromarray((garment.cutout.source or garment.cutout).image), 480)
    return f'<figure><img src="{shown}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'


def _sliders(address: Address, texts: Texts) -> None:
    """The same box by keyboard."""
    left, top, right, bottom = address.box or WHOLE
    for key, value in (("across", (left, right)), ("down", (top, bottom))):
        st.session_state[key] = value
    with st.container(key="box-sliders"):
        for key in ("across", "down"):
            st.slider(texts(f"upload.{key}"), 0, 100, key=key, on_change=_box, args=(address,))


def _box(address: Address) -> None:
    (left, right), (top, bottom) = st.session_state["across"], st.session_state["down"]
    box = check_box((left, top, right, bottom))
    live.go(address.but(box=None if box == WHOLE else box, cut="ask"))


def _mask(searcher: Searcher, address: Address, upload: uploads.Upload) -> None:
    """The photo with its mask is another upload, where the mask can be this photo's."""
    st.session_state.pop(choosing.ERROR, None)
    mask = st.session_state["mask"]
    if mask is None:
        return
    try:
        searcher.cut_out(resources.upload_picture(address.photo, upload), read_mask(mask.getvalue()))
        kept = uploads.keep(upload.photo, mask.getvalue())
    except UserError as error:
        st.session_state[choosing.ERROR] = photo_trouble(error, mask.name)
        return
    live.go(address.but(photo=kept, box=None, cut="ask"))
