"""The page without a browser: what its parts say, and what a click on them leads to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs

from streamlit.testing.v1 import AppTest

VOID = {"img", "input", "path", "br"}


@dataclass
class Part:
    """An element of the page's HTML; ``text`` is all text in it, pictures by their ``alt``."""

    tag: str
    attributes: dict[str, str]
    text: str = ""
    inside: list[Part] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()


class _Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[Part] = []
        self.open: list[Part] = []
        self.feed(html)
        assert not self.open, [p.tag for p in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        part = Part(tag, {k: v or "" for k, v in attrs})
        self.found.append(part)
        for outer in self.open:
            outer.inside.append(part)
        if tag == "img":
            self.handle_data(part.attributes["alt"])
        if tag not in VOID:
            self.open.append(part)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for outer in self.open:
            outer.text += data


def open_page(root: Path, **query: str | list[str]) -> AppTest:
    """The page at an address."""
    app = AppTest.from_file(str(root / "ui" / "app.py"), default_timeout=300)
    return at(app, query)


def at(app: AppTest, query: dict) -> AppTest:
    """The same visit at another address."""
    app.query_params.clear()
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def address(app: AppTest) -> dict[str, list[str]]:
    """The page's address."""
    return {k: [v] if isinstance(v, str) else list(v) for k, v in app.query_params.items()}


def html(app: AppTest) -> str:
    """All HTML of the page."""
    return "".join(json.loads(part.proto.json)["html"] for part in app.get("bidi_component"))


def parts(app: AppTest) -> list[Part]:
    """All elements of the page's HTML, in order. Fails where tags are not closed as they were opened."""
    return _Reader(html(app)).found


def text(app: AppTest) -> str:
    """All that can be read on the page."""
    return "\n".join(p.text for p in parts(app) if p.tag in ("h1", "h2", "p", "li", "a", "button", "summary", "label"))


def part(app: AppTest, name: str, kind: str = "", nth: int = 0) -> Part:
    """The link or button, or what is marked by ``kind`` (a class), that is called so."""
    led = [p for p in parts(app) if name in p.text and ("data-go" in p.attributes) and kind in ("", *p.classes)]
    assert len(led) > nth, (name, [p.text for p in parts(app) if "data-go" in p.attributes])
    return led[nth]


def click(app: AppTest, name: str, kind: str = "", nth: int = 0) -> AppTest:
    """Follow a link or press a button."""
    return at(app, parse_qs(part(app, name, kind, nth).attributes["data-go"].removeprefix("?")))


def set_to(app: AppTest, label: str, value: str) -> AppTest:
    """Set a list or a slider."""
    labels = [p for p in parts(app) if p.tag == "label" and label in p.text]
    control = next(p for of in labels for p in of.inside if "data-template" in p.attributes)
    return at(app, parse_qs(control.attributes["data-template"].removeprefix("?").replace("VALUE", value)))


def cards(app: AppTest) -> list[Part]:
    """The garments that are shown."""
    return [p for p in parts(app) if "card" in p.classes]


def healthy(app: AppTest) -> bool:
    return not app.exception and not app.error and "warning" not in html(app)
