"""Garments as HTML: every text from the catalogue is escaped, every picture has a text of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import PurePath

from retrieval.details import details_of, name_of, price_of, web_address
from retrieval.results import Found
from retrieval.search import Searcher
from retrieval.stores.base import point_id
from ui.address import Address
from ui.labels import Label, described, in_order, in_words, labels_of
from ui.live import link
from ui.resources import Listed, thumbnail
from ui.texts import Texts


def tiles(garments: Sequence[Listed], searcher: Searcher, address: Address, texts: Texts) -> str:
    """A page of the catalogue: each picture, with its name, is a link that makes the garment the one to change."""
    items = []
    for garment in garments:
        payload = garment.payload
        labels = labels_of(
            payload.get("predicted") or {}, payload.get("confidence") or {}, payload.get("given") or {}, address.labels
        )
        items.append(
            _card(
                address.picked(garment.id),
                _photo(str(payload.get("file_name", "")), searcher, described(labels, texts), texts),
                _name(details_of(payload), described(labels, texts), str(payload.get("file_name", ""))),
                _price(details_of(payload)),
            )
        )
    return f'<ul class="cards" aria-label="{escape(texts("choose.grid"))}">{"".join(items)}</ul>'


def hits(
    found: Sequence[Found], wanted: Mapping[str, str], searcher: Searcher, address: Address, texts: Texts, name: str
) -> str:
    """The hits as a list: each picture is a link that makes it the next garment to change.

    Args:
        wanted: what a hit should have; marked by a sign and a word.
        name: of the list.
    """
    items = []
    for hit in found:
        labels = labels_of(hit.predicted, hit.confidence, hit.given, address.labels)
        marks = ""
        for attribute in in_order(labels if address.expert else wanted):
            if (label := labels.get(attribute)) is None:
                continue
            has = wanted.get(attribute) == label.value
            kind, sign, spoken = "", "", ""
            if attribute in wanted:
                kind, sign = ("yes", "✓ ") if has else ("no", "✗ ")
                spoken = f'<span class="spoken"> {escape(texts("hits.has" if has else "hits.has_not"))}</span>'
            value = escape(texts.value(attribute, label.value))
            sure = f" <small>{label.confidence:.0%}</small>" if address.expert and _sure(label) else ""
            marks += (
                f'<li class="{kind}" title="{escape(in_words(label, attribute, texts))}">'
                f'<span aria-hidden="true">{sign}</span>{value}{sure}{spoken}</li>'
            )
        extra = f'<ul class="marks">{marks}</ul>' if marks else ""
        if address.expert:
            score = escape(texts("hits.score", score=f"{hit.score:.2f}"))
            extra = (
                f'<p class="score" title="{escape(texts("hits.score_help"))}">{score}</p>{_parts(hit, texts)}{extra}'
            )
        if shop := web_address(hit.details):
            extra += (
                f'<a class="shop" href="{escape(shop)}" target="_blank" rel="noopener noreferrer">'
                f'{escape(texts("hits.shop"))}<span class="spoken"> {escape(_stem(hit.file_name))}</span></a>'
            )
        items.append(
            _card(
                address.picked(point_id(hit.file_name)),
                f'<span class="rank"><span class="spoken">{escape(texts("hits.rank", number=hit.rank))}</span>'
                f'<span aria-hidden="true">{hit.rank}</span></span>'
                + _photo(hit.file_name, searcher, described(labels, texts), texts),
                _name(hit.details, described(labels, texts), hit.file_name),
                _price(hit.details) + extra,
                escape(texts("hits.next")),
            )
        )
    return f'<ol class="cards" aria-label="{escape(name)}">{"".join(items)}</ol>'


def _parts(hit: Found, texts: Texts) -> str:
    """What each part of the query adds to the score."""
    shares = dict(hit.parts)
    if "twin" in shares:  # pictures, both: the page has one weight for them
        shares["image"] += shares.pop("twin")
    items = (
        f"<li>{escape(texts(f'studio.weight_{name}'))} <output>{share:.2f}</output></li>"
        for name, share in shares.items()
    )
    return f'<ul class="parts">{"".join(items)}</ul>' if shares else ""


def _sure(label: Label) -> bool:
    return label.origin == "predicted" and label.confidence is not None


def _card(to: Address, photo: str, name: str, more: str, title: str = "") -> str:
    attributes = f'class="pick" data-top title="{title}"' if title else 'class="pick" data-top'
    return f'<li class="card" data-key="{escape(to.item)}">{link(to, photo + name, attributes)}{more}</li>'


def _photo(file_name: str, searcher: Searcher, words: str, texts: Texts) -> str:
    place = searcher.photo_of({"file_name": file_name})
    picture = thumbnail(place) if place else None
    if picture is None:
        return f'<span class="photo none">{escape(texts("hits.no_photo"))}</span>'
    alt = f"{words} ({_stem(file_name)})" if words else _stem(file_name)
    return f'<span class="photo"><img src="{picture}" alt="{escape(alt)}"></span>'


def _name(details: Mapping[str, str], words: str, file_name: str) -> str:
    named = name_of(details)
    return f'<span class="name">{escape(named or words or _stem(file_name))}</span>'


def _price(details: Mapping[str, str]) -> str:
    price = price_of(details)
    return f'<p class="price">{escape(price)}</p>' if price else ""


def _stem(file_name: str) -> str:
    return PurePath(file_name).stem
