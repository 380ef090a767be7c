"""What a catalogue says of a garment beside its attributes: name, brand, price, address of its page, and the rest.

A hit's ``details`` are text by column, as the catalogue has it. The usual columns come under one name each, whatever a
shop calls them (``USUAL``); every other column keeps its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from amgan.spelling import plain
from retrieval.stores.base import Hit

# What a column may be called, the likeliest first; written as ``plain`` writes it.
USUAL = {
    "product": ("product", "product id", "item group id", "group id", "parent id", "style id", "style code"),
    "name": ("name", "title", "product name", "product title", "product display name", "productdisplayname"),
    "brand": ("brand", "brand name", "manufacturer", "vendor"),
    "price": ("price", "current price", "unit price"),
    "currency": ("currency", "price currency", "currency code", "pricecurrency"),
    "url": ("url", "link", "product url", "product link", "page url", "canonical url"),
}
SHOWN = ("name", "brand", "price", "currency", "url")  # what a line of text has room for
LONGEST = 2000  # characters of a cell that is kept


def detail_names(columns: Iterable[str]) -> dict[str, str]:
    """Column to the name that its cells get among a garment's details. Where two columns mean the same, the likelier
    gets the usual name and the other keeps its own."""
    columns = list(columns)
    names = {column: column for column in columns}
    for usual, spellings in USUAL.items():
        meant = sorted((spellings.index(plain(c)), i) for i, c in enumerate(columns) if plain(c) in spellings)
        if meant and (usual not in names or plain(columns[meant[0][1]]) == usual):
            names[columns[meant[0][1]]] = usual
    return names


def details_of(payload: Mapping[str, Any]) -> dict[str, str]:
    """The details of a stored payload, which may come from anyone: text by text."""
    found = payload.get("details")
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, Mapping) else {}


def repeated_products(hits: Iterable[Hit]) -> set[str]:
    """The ids of hits that show a product of which a better hit came before; what names no product is its own."""
    seen: set[str] = set()
    repeated: set[str] = set()
    for hit in hits:
        product = details_of(hit.payload).get("product")
        if product in seen:
            repeated.add(hit.id)
        elif product is not None:
            seen.add(product)
    return repeated


def web_address(details: Mapping[str, str]) -> str | None:
    """The address of a garment's page, if it is one that a page may link to: ``http(s)://HOST…``, nothing that runs."""
    address = details.get("url", "").strip()
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    safe = parts.scheme in ("http", "https") and bool(parts.hostname) and address.isprintable() and " " not in address
    return address if safe else None


def name_of(details: Mapping[str, str]) -> str:
    """Brand and name as one text, ``"Acme: Wool jumper"``; empty where neither is given."""
    brand, name = details.get("brand", "").strip(), details.get("name", "").strip()
    return f"{brand}: {name}" if brand and name and not name.startswith(brand) else name or brand


def price_of(details: Mapping[str, str]) -> str:
    """Price and currency as one text, ``"12.50 EUR"``; empty where no price is given."""
    price, currency = details.get("price", "").strip(), details.get("currency", "").strip()
    return f"{price} {currency}" if price and currency and currency not in price else price
