"""Garments as HTML: every text from the catalogue is escaped, every picture has a text alternative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import quote

from PIL import Image

from retrieval.search import Found
from retrieval.stores.base import point_id
from ui.resources import data_address, thumbnail

QUERY = 768  # pixels, for screens that have two of them to the page's one


def hit_cards(hits: Sequence[Found], edit: Mapping[str, str]) -> str:
    """The hits as a grid of links, each of which makes that garment the next one to edit."""
    return f'<div class="cards">{"".join(_card(h, edit) for h in hits)}</div>'


def _card(found: Found, edit: Mapping[str, str]) -> str:
    values = ""
    for name, value in found.predicted.items():
        wanted = edit.get(name) == value
        sure = f"{name}: {value}" + (f", {found.confidence[name]:.0%} sure" if name in found.confidence else "")
        sure += f"; the catalogue says {found.given[name]}" if name in found.given else ""
        words = ("✓ " if wanted else "") + value
        values += f'<span class="value{" wanted" if wanted else ""}" title="{escape(sure)}">{escape(words)}</span>'
    address = thumbnail(str(found.file)) if found.file else None
    described = escape(f"{', '.join(found.predicted.values())} ({found.file_name})")
    picture = (
        f'<img src="{address}" alt="{described}">'
        if address
        else f'<span class="none">{escape(found.file_name)}</span>'
    )
    return (
        f'<a class="card" href="?item={quote(point_id(found.file_name))}" target="_self" '
        f'title="{escape(found.file_name)}">'
        f'<div class="photo">{picture}</div>'
        f'<div class="line"><b>{found.rank}</b><span class="score">{found.score:.3f}</span></div>'
        f'<div class="values">{values}</div></a>'
    )


def tile(file: str | None, file_name: str) -> str:
    """A garment of the catalogue, for a button below to name."""
    address = thumbnail(file) if file else None
    picture = f'<img src="{address}" alt="">' if address else f'<span class="none">{escape(file_name)}</span>'
    return f'<div class="card"><div class="photo">{picture}</div></div>'


def query_picture(picture: Image.Image, title: str, note: str) -> str:
    """One of the query's pictures with its caption, brought to one size here: browsers enlarge less smoothly."""
    scale = QUERY / max(picture.size)
    size = (max(1, round(scale * picture.width)), max(1, round(scale * picture.height)))
    picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
    caption = f"<b>{escape(title)}</b><span>{escape(note)}</span>"
    alt = escape(f"{title}: {note}")
    image = f'<img src="{data_address(picture)}" alt="{alt}">'
    return f'<figure class="query">{image}<figcaption>{caption}</figcaption></figure>'
