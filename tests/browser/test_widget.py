"""The widget on the example shop's product pages, in a real browser, against the real service."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Locator, Page, Route, expect

from amgan.synth.values import SCHEMA
from amgan.testing import tiny_weights
from examples.shop.make_shop import make_shop
from indexer.cli import index_catalog
from retrieval.service.app import create_app
from retrieval.service.keys import Keys
from retrieval.service.settings import Settings
from tests.browser.conftest import free_port
from tests.tiny_service import GENEROUS

pytestmark = pytest.mark.browser
KEY = "widget-key-0123456789abcdef"


@dataclass(frozen=True)
class Shop:
    site: str
    service: str


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None: ...


@pytest.fixture(scope="module")
def shop(browser_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The example shop and its service, each at a port of its own, as in life."""
    folder = tmp_path_factory.mktemp("shop")
    pages = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder / "shop")))
    port = free_port()
    where = Shop(f"http://127.0.0.1:{pages.server_port}", f"http://127.0.0.1:{port}")
    make_shop(folder / "shop", 14, 64, where.site, where.service, KEY, "en")
    for language in ("ko", "zh"):
        item = next((folder / "shop" / "items").glob("0*.html")).read_text(encoding="utf-8")
        translated = item.replace('<html lang="en">', f'<html lang="{language}">')
        (folder / "shop" / "items" / f"{language}.html").write_text(translated, encoding="utf-8")
    index_catalog(
        folder / "shop" / "catalogue", str(folder / "index"), "shop",
        weights=str(tiny_weights(folder / "weights", SCHEMA)),
    )  # fmt: skip
    settings = Settings(
        str(folder / "index"), "shop", keys=Keys([f"widget {KEY} items"], "the test"), origins=(where.site,),
        limits=GENEROUS,
    )  # fmt: skip
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=port, log_config=None))
    threads = [threading.Thread(target=server.run), threading.Thread(target=pages.serve_forever)]
    for thread in threads:
        thread.start()
    yield where
    server.should_exit = True
    pages.shutdown()
    for thread in threads:
        thread.join(20)
    pages.server_close()


@pytest.fixture
def product(shop: Shop, page: Page) -> Iterator[Page]:
    """The page of the shop's first garment; nothing on it may complain."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(f"{shop.site}/index.html")
    page.locator(".grid a").first.click()
    yield page
    assert not complaints


def widget(page: Page) -> Locator:
    found = page.locator(".amgan-widget")
    expect(found.get_by_role("heading", name="Almost right? Change it.")).to_be_visible()
    return found


def choose(found: Locator, attribute: str, value: str) -> None:
    found.get_by_role("group", name=attribute).get_by_role("radio", name=value, exact=True).check()


def test_from_a_change_to_a_garment_of_the_shop(product: Page, tmp_path: Path) -> None:
    found = widget(product)
    here = product.url
    choose(found, "Sleeve", "long")
    choose(found, "Colour", "red")
    expect(found.get_by_role("status")).to_have_text("8 garments found for long, red.")
    picture = found.get_by_role("img", name="This garment with long, red")
    assert picture.evaluate("image => image.naturalWidth") >= 32
    cards = found.get_by_role("link")
    expect(cards).to_have_count(8)
    assert "€" in cards.first.inner_text() and cards.first.get_by_role("img").get_attribute("alt")
    cards.first.scroll_into_view_if_needed()
    product.wait_for_function(
        "() => [...document.querySelector('.amgan-widget').shadowRoot.querySelectorAll('.card img')]"
        ".filter(i => i.complete).every(i => i.naturalWidth > 0)"
    )
    product.screenshot(path=tmp_path / "widget.png", full_page=True)
    found.get_by_role("button", name="Show more").click()
    expect(cards).to_have_count(13)
    choose(found, "Sleeve", "as it is")
    expect(found.get_by_role("status")).to_contain_text("found for red.")
    cards.first.click()
    product.wait_for_url(lambda url: url != here and "/items/" in url)
    widget(product)


def test_by_keyboard_with_a_reader_and_on_a_telephone(product: Page) -> None:
    product.set_viewport_size({"width": 360, "height": 740})
    product.emulate_media(color_scheme="dark", reduced_motion="reduce")
    found = widget(product)
    found.get_by_role("group", name="Colour").get_by_role("radio", name="as it is").focus()
    product.keyboard.press("ArrowRight")
    status = found.get_by_role("status")  # a live region: readers hear it change
    expect(status).to_contain_text("found for maroon.")
    checked = found.get_by_role("radio", name="maroon")
    assert checked.evaluate("r => getComputedStyle(r.nextElementSibling).outlineStyle") == "solid", "focus is not seen"
    product.keyboard.press("ArrowLeft")
    expect(found.get_by_role("link")).to_have_count(0)
    assert product.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "something is cut off"
    paper = found.locator("section").evaluate("s => getComputedStyle(s).backgroundColor")
    assert paper == "rgb(27, 29, 33)", "not dark"


def test_a_busy_service_is_said_and_can_be_asked_again(shop: Shop, page: Page) -> None:
    page.goto(f"{shop.site}/index.html")
    page.locator(".grid a").nth(1).click()
    found = widget(page)
    refusals = 1

    def busy_once(route: Route) -> None:
        nonlocal refusals
        if route.request.method == "POST" and refusals:
            refusals -= 1
            route.fulfill(status=503, json={}, headers={"Access-Control-Allow-Origin": shop.site})
        else:
            route.continue_()

    page.route("**/v1/search", busy_once)
    choose(found, "Sleeve", "short")
    expect(found.get_by_role("status")).to_contain_text("Many people are searching")
    found.get_by_role("button", name="Try again").click()
    expect(found.get_by_role("status")).to_contain_text("found for short.")


def test_other_languages(shop: Shop, page: Page) -> None:
    for language, title, long in (("ko", "바꿔 보세요", "긴팔"), ("zh", "改一改", "长袖")):
        page.goto(f"{shop.site}/items/{language}.html")
        found = page.locator(".amgan-widget")
        expect(found.get_by_role("heading")).to_contain_text(title)
        expect(found.get_by_role("radio", name=long, exact=True)).to_have_count(1)


def test_a_page_whose_service_is_away_is_as_it_was(shop: Shop, page: Page) -> None:
    page.route("**/v1/attributes", lambda route: route.abort())
    page.goto(f"{shop.site}/index.html")
    page.locator(".grid a").first.click()
    with page.expect_console_message(lambda message: "the widget is not shown" in message.text):
        page.reload()
    assert page.locator(".amgan-widget").bounding_box()["height"] == 0
