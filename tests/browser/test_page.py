"""The page in a real browser: choose, edit, find, go on from a hit, and what an assistive technology is told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import free_port, wait_for
from tests.tiny_catalogue import make_catalogue, make_index, make_weights

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(root: Path, browser_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running page over a drawn catalogue."""
    folder = tmp_path_factory.mktemp("page in browser")
    make_index(folder / "index", make_catalogue(folder / "catalogue"), make_weights(folder / "weights"))
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(root / "ui" / "app.py"), "--server.headless=true"]
    command += [f"--server.port={port}", "--server.address=127.0.0.1", "--server.fileWatcherType=none"]
    command += ["--", "--store", str(folder / "index"), "--collection", "shirts"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AMGAN_")}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=root, stdout=log, stderr=subprocess.STDOUT, env=environment)
    try:
        wait_for(server, port, folder / "log")
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(20)
    assert "Traceback" not in (folder / "log").read_text()


def test_from_a_choice_to_hits_and_on(address: str, page: Page, tmp_path: Path) -> None:
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    page.get_by_role("button", name="short, red").first.click()
    expect(page.get_by_text("most like your garment")).to_be_visible()
    chosen = page.url
    assert "item=" in chosen

    page.get_by_role("radio", name="long").or_(page.get_by_role("button", name="long", exact=True)).first.click()
    expect(page.get_by_role("heading", name="Found with the edit")).to_be_visible()
    expect(page.locator("a.card")).to_have_count(20)
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert (tmp_path / "page.png").stat().st_size > 20_000

    for picture in page.locator("figure.query img, a.card img").all():
        assert picture.get_attribute("alt")
        assert picture.evaluate("image => image.naturalWidth") > 0

    with page.expect_download() as download:
        page.get_by_role("button", name="Download the edit").click()
    assert re.fullmatch(r"short red & \d+\.long\.png", download.value.suggested_filename)

    page.locator("a.card").first.click()  # a hit becomes the next garment
    expect(page.get_by_text("most like your garment")).to_be_visible()
    assert page.url != chosen
    assert not complaints


def test_by_keyboard_alone(address: str, page: Page) -> None:
    page.goto(address)
    page.get_by_role("button", name="long, blue").first.focus()
    page.keyboard.press("Enter")
    card = page.locator("a.card").first
    expect(card).to_be_visible()
    card.focus()
    assert card.evaluate("e => getComputedStyle(e).outlineStyle") != "none"
    before = page.url
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: url != before)


def test_on_a_telephone_nothing_is_cut_off(address: str, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(address)
    page.get_by_role("button", name="short, red").first.click()
    expect(page.locator("a.card").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
