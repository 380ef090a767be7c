"""The search page: a garment is chosen, changed, and what the catalogue has that looks like the result is found."""

from __future__ import annotations

from html import escape

from retrieval.search import Searcher
from ui import choosing, correcting, live
from ui.address import Address
from ui.beginning import begin, saying_troubles
from ui.garment import Garment, Said, load
from ui.texts import LANGUAGES, Texts, current


def show() -> None:
    texts = current()
    begun = begin("page.title", texts)
    if begun is None:
        return
    _, searcher, address = begun
    live.show(_top(address, texts), "top")
    if address.dropped:
        live.show(
            f'<p class="warning">{escape(texts("studio.dropped", what=", ".join(address.dropped)))}</p>', "dropped"
        )
    with saying_troubles(address, texts):
        _view(searcher, address, texts)


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
