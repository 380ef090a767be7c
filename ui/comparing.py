"""What one editor makes of the garment: the edit, where it painted, how long it took, and what is found with it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

import streamlit as st

from amgan.editing.editor import Region, load_editor
from amgan.errors import UserError
from amgan.photos import CutOut
from amgan.weights import shipped
from retrieval.results import SearchResult
from retrieval.search import Searcher
from ui import cards, resources, uploads
from ui.address import Address
from ui.finding import how_many_have
from ui.garment import LOG, Garment
from ui.pictures import Pictures, pictures
from ui.settings import Settings
from ui.texts import Texts

HITS = 6  # of each editor


@dataclass(frozen=True)
class Made:
    """A search with one editor; ``cut`` is how many seconds the cut-out took, 0 where it was cut out before."""

    result: SearchResult
    cut: float


def editors_of(settings: Settings, searcher: Searcher) -> list[str]:
    """Names of the editors that are compared: the page's own first, then those of its index, shipped ones, and those
    that ``--compare`` names."""
    own = settings.editor or searcher.representation.weights
    return list(dict.fromkeys([own, searcher.representation.weights, *shipped(), *settings.compare]))


def part(searcher: Searcher, garment: Garment, name: str, own: bool, address: Address, texts: Texts) -> str:
    """One editor's part of the page; a sentence where it cannot make the change, or cannot be had."""
    shown = Path(name).name if Path(name).is_dir() else name
    title = f"<h2>{escape(texts('compare.index', name=shown) if own else shown)}</h2>"
    try:
        other = searcher if own else _with_editor(searcher, searcher.store.name, name)
    except UserError as error:
        LOG.warning("The editor %s cannot be used: %s", name, error)
        return f'<section>{title}<p class="note">{escape(texts("compare.broken"))}</p></section>'
    try:
        collection = resources.indexed(searcher)
        made = made_with(other, garment, address, collection, name, garment.key, address.edit, address.only_on)
        cutout = _cutout(other, garment, address)
    except UserError as error:
        LOG.info("The editor %s refused: %s", name, error)
        return f'<section>{title}<p class="note">{escape(texts("compare.cannot"))}</p></section>'
    of = pictures(cutout, made.result.edited, f"{collection} {name}", garment.key, address.edit, address.only_on)
    drawn = _pictures(made, of, shown, address, texts)
    return f"<section>{title}{drawn}{_hits(made, searcher, address, texts)}</section>"


def garment_picture(searcher: Searcher, garment: Garment, texts: Texts) -> str:
    """The garment as it is."""
    before = pictures(garment.cutout, None, resources.indexed(searcher), garment.key, {}, None).before
    words = escape(texts("studio.alt_before", what=garment.name or garment.file))
    return f'<img class="whole" src="{before}" alt="{words}">'


@st.cache_resource(max_entries=8, show_spinner=False)
def _with_editor(_searcher: Searcher, collection: str, name: str) -> Searcher:
    """The same catalogue with another editor. Raises UserError."""
    return Searcher(_searcher.store, _searcher.representation, load_editor(name, "remembered"), _searcher.root)


@st.cache_resource(max_entries=60, show_spinner=False)
def made_with(
    _searcher: Searcher,
    _garment: Garment,
    _address: Address,
    collection: str,
    name: str,
    garment: str,
    edit: Mapping[str, str],
    only_on: Region | None,
) -> Made:
    """One search with one editor; the names and the change are the key. Raises UserError."""
    start = time.perf_counter()
    cutout = _cutout(_searcher, _garment, _address)
    cut = time.perf_counter() - start
    bare = replace(cutout, source=None)  # sixty searches are kept, and none needs megabytes of photo
    result = _searcher.find_similar(bare, edit, HITS, only_on=only_on, exclude=_garment.exclude)
    return Made(result, cut)


def _cutout(searcher: Searcher, garment: Garment, address: Address) -> CutOut:
    """The garment at the size that an editor takes. Raises UserError."""
    size = searcher.editor.image_size
    if garment.cutout.image.shape[0] == size:
        return garment.cutout
    key = f"{resources.indexed(searcher)} {size} px"
    if address.photo:
        upload = uploads.find(address.photo)
        if upload is None:
            raise UserError("The uploaded photo has expired.")
        return resources.upload_cutout(searcher, key, address.photo, upload, address.box)
    payload = searcher.item(address.item)
    return resources.item_cutout(searcher, key, address.item, str(payload.get("sha256")), payload)


def _pictures(made: Made, of: Pictures, shown: str, address: Address, texts: Texts) -> str:
    what = texts.values(address.edit)
    share = texts("compare.mask_note", percent=f"{100 * of.changed:.0f}")
    spent = made.result.seconds
    times = [
        texts("compare.edited", seconds=f"{spent['edit']:.2f}"),
        texts("compare.search", seconds=f"{spent['embed'] + spent['search']:.2f}"),
    ]
    if made.cut > 0.005:
        times.insert(0, texts("compare.cut", seconds=f"{made.cut:.2f}"))
    after, mask = texts("compare.alt_edit", name=shown, what=what), texts("compare.alt_mask", name=shown)
    return (
        f'<div class="pair"><figure><img src="{of.after}" alt="{escape(after)}">'
        f"<figcaption>{escape(texts('compare.edit'))}</figcaption></figure>"
        f'<figure><span class="painted"><img src="{of.before}" alt=""><img src="{of.mask}" alt="{escape(mask)}"></span>'
        f"<figcaption>{escape(texts('compare.mask'))}: {escape(share)}</figcaption>"
        f'</figure></div><p class="note small">{escape(texts("compare.times"))}: {escape(" · ".join(times))}</p>'
    )


def _hits(made: Made, searcher: Searcher, address: Address, texts: Texts) -> str:
    result, title = made.result, texts("compare.hits")
    if not result.hits:
        return f'<p class="note">{escape(texts("hits.none"))}</p>'
    count = ""
    if result.wanted:
        right = how_many_have(result.hits, result.wanted, address)
        words = texts("compare.right", right=right, count=len(result.hits), what=texts.values(result.wanted))
        count = f'<p class="note small">{escape(words)}</p>'
    return f"<h3>{escape(title)}</h3>{count}" + cards.hits(result.hits, result.wanted, searcher, address, texts, title)
