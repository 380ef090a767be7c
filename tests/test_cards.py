"""Garments as HTML: what a catalogue says is shown as text, and leads nowhere that it should not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs

from PIL import Image

from amgan.photos.decode import Place
from retrieval.results import Found
from retrieval.search import Searcher
from ui import cards
from ui.address import Address, read_address
from ui.resources import Listed
from ui.texts import in_language

EVIL = '"><script>alert(1)</script>'
TEXTS = in_language("en")


class Shop:
    """Of a searcher, what cards need."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def photo_of(self, payload: dict) -> Place:
        return Place(self.root / payload["file_name"])


def hit(root: Path, **details: str) -> Found:
    Image.new("RGB", (8, 8), "red").resize((40, 40)).save(root / "a.png")
    return Found(
        1, "a", "a.png", lambda: Place(root / "a.png"), 0.5, {"color": "red"}, {"color": 0.8}, {"color": EVIL}, details
    )


def shown(root: Path, address: Address, **details: str) -> str:
    shop = cast(Searcher, Shop(root))
    return cards.hits([hit(root, **details)], {"color": "red"}, shop, address, TEXTS, EVIL)


def test_name_price_and_link_are_shown(tmp_path: Path) -> None:
    says = {"name": "Wool jumper", "brand": "Acme", "price": "12.50", "currency": "EUR"}
    html = shown(tmp_path, Address(), **says, url="https://a.example/1?b=2&c=3")
    assert "Acme: Wool jumper" in html and "12.50 EUR" in html
    assert 'href="https://a.example/1?b=2&amp;c=3" target="_blank" rel="noopener noreferrer"' in html


def test_what_a_catalogue_says_is_text(tmp_path: Path) -> None:
    for expert in (False, True):
        html = shown(tmp_path, Address(expert=expert, way=(EVIL,)), name=EVIL, price=EVIL, url="javascript:alert(1)")
        assert "<script" not in html and "javascript:" not in html
    listed = Listed(EVIL, {"file_name": EVIL, "predicted": {"color": EVIL}, "details": {"name": EVIL}})
    assert "<script" not in cards.tiles([listed], cast(Searcher, Shop(tmp_path)), Address(lang=EVIL), TEXTS)


def test_what_the_shop_says_counts_unless_predictions_are_asked_for(tmp_path: Path) -> None:
    assert "not as wanted" in shown(tmp_path, Address())
    html = shown(tmp_path, Address(labels="predicted", expert=True))
    assert "not as wanted" not in html and "as wanted" in html and "80%" in html


def test_an_expert_sees_what_a_score_is_made_of(tmp_path: Path) -> None:
    explained = replace(hit(tmp_path), parts={"image": 0.1, "twin": 0.15, "wanted": 0.2, "kept": 0.05})
    shop = cast(Searcher, Shop(tmp_path))
    shown, plain = (cards.hits([explained], {}, shop, Address(expert=e), TEXTS, "") for e in (True, False))
    assert "looks <output>0.25</output>" in shown and "changed <output>0.20</output>" in shown
    assert "was <output>0.05</output>" in shown
    assert "<output>" not in plain


def test_any_address_is_read_back_as_it_was_written() -> None:
    full = Address(
        item="a b&c", box=(1, 2, 50, 60), cut="ask", edit={"color": "light blue"}, only_on="sleeve", strength=0.3,
        known={"sleeve": "3/4"}, way=("item=a&set.color=red", "photo=" + 64 * "0"), expert=True, labels="predicted",
        k=50, weights=(0, 0.5, 2), filter={"color": "red"}, browse={"sleeve": "long"}, page=7, lang="ko",
    )  # fmt: skip
    assert read_address(parse_qs(full.href[1:]), None) == full
    assert Address().href == "?"
    odd = {"k": ["x"], "page": ["-1"], "weights": ["1,2"], "strength": ["nan"], "box": ["9,9,1,1"], "photo": ["../x"]}
    assert read_address(odd, None) == Address()


def test_the_way_is_walked_and_walked_back() -> None:
    first = Address(item="a", edit={"color": "red"}, expert=True, browse={"sleeve": "long"})
    second = first.picked("b")
    assert (second.item, second.edit, second.expert, len(second.way)) == ("b", {}, True, 1)
    third = second.setting("sleeve", "long").picked("c")
    assert len(third.way) == 2
    assert third.back_to(1) == second.setting("sleeve", "long")
    assert third.back_to(0) == first
    assert third.choosing() == Address(expert=True, browse={"sleeve": "long"})
    long = first
    for i in range(20):
        long = long.picked(str(i))
    assert len(long.way) == 6
