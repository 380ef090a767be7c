"""The page in a real browser: a shopper's whole way, what a keyboard and a screen reader get, and a telephone."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import free_port, opened, wait_for
from tests.fake_reports import comparison, single, write
from tests.tiny_catalogue import draw_shirt, make_catalogue, make_index, make_weights

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(root: Path, browser_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running page over a drawn catalogue."""
    folder = tmp_path_factory.mktemp("page in browser")
    make_index(folder / "index", make_catalogue(folder / "catalogue"), make_weights(folder / "weights"))
    write(folder / "reports" / "one", single())
    write(folder / "reports" / "two", comparison())
    with running(root, folder, "--reports", str(folder / "reports")) as address:
        yield address


@contextmanager
def running(root: Path, folder: Path, *options: str) -> Iterator[str]:
    """The page on the folder's index, at its address."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(root / "ui" / "app.py"), "--server.headless=true"]
    command += [f"--server.port={port}", "--server.fileWatcherType=none"]
    command += ["--", "--store", str(folder / "index"), "--collection", "shirts", *options]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AMGAN_")}
    environment |= {"AMGAN_RUNTIME": "eager", "AMGAN_UPLOADS": str(folder / "uploads")}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=root, stdout=log, stderr=subprocess.STDOUT, env=environment)
    try:
        wait_for(server, port, folder / "log")
        yield f"http://localhost:{port}/"
    finally:
        server.terminate()
        server.wait(60)
    assert "Traceback" not in (folder / "log").read_text()


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def chip(page: Page, name: str):
    return page.locator("button.set").filter(has_text=re.compile(rf"^✓?{name}( now)?$"))


def found(page: Page, words: str) -> None:
    """Until the results of these wishes are there, and a screen reader has been told so."""
    expect(page.locator(".st-key-hits [role=status]")).to_contain_text(words)


def test_a_shoppers_way(address: str, page: Page, tmp_path: Path) -> None:
    complaints: list[str] = []
    strangers: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda r: strangers.append(r.url) if not r.url.startswith((address, "data:", "blob:")) else None)
    photo = tmp_path / "my shirt.png"
    draw_shirt("short", "red", 400).save(photo)
    page.goto(address)
    page.locator("input[type=file]").first.set_input_files(photo)
    found(page, "similar garments")
    assert len(query(page)["photo"][0]) == 64

    chip(page, "long").click()
    found(page, "for long")
    assert page.locator("button.set:focus").inner_text().startswith("✓")  # the focus stays where it was
    expect(page.get_by_role("img", name="The garment after the change: long")).to_be_visible()
    expect(page.locator(".compare .frame")).to_be_in_viewport()
    expect(page.locator("li.card").first).to_be_in_viewport()

    page.locator("li.card a.pick").first.click()  # a hit becomes the next garment
    found(page, "similar garments")
    assert len(query(page)["via"]) == 1 and "item" in query(page)
    chip(page, "green").click()
    found(page, "for green")
    page.get_by_role("button", name="sleeves only").click()
    expect(page.locator("figcaption").get_by_text("green (sleeves only)")).to_be_visible()
    assert query(page)["on"] == ["sleeve"]

    page.reload()
    expect(page.locator("figcaption").get_by_text("green (sleeves only)")).to_be_visible()
    page.go_back()
    found(page, "for green")
    expect(page.get_by_role("button", name="everywhere")).to_have_attribute("aria-pressed", "true")
    link = page.url
    page.locator("a.step").first.click()  # back to the upload, and what was changed of it
    found(page, "for long")

    page.get_by_label("Language").select_option("ko")
    expect(page.locator("html")).to_have_attribute("lang", "ko")  # what a screen reader speaks

    browser = page.context.browser
    assert browser is not None
    _sees_the_same(browser, link)
    assert not complaints and not strangers


def test_a_page_without_a_catalogue_says_so_in_its_language(root: Path, page: Page, tmp_path: Path) -> None:
    with running(root, tmp_path) as address:
        page.goto(f"{address}?lang=ko")
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.locator("html")).to_have_attribute("lang", "ko")


def _sees_the_same(browser: Browser, link: str) -> None:
    """Somebody else who is sent the link, on a telephone in dark mode."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    other = context.new_page()
    other.goto(link)
    found(other, "for green")
    assert other.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    brightness = other.locator(".stApp").evaluate("e => getComputedStyle(e).backgroundColor.match(/\\d+/g)[0]")
    assert int(brightness) < 60
    chip(other, "blue").click()
    found(other, "for blue")
    expect(other.locator(".compare .frame")).to_be_in_viewport()  # what answers is in view where it was asked
    context.close()


@pytest.mark.thorough
def test_a_photo_is_taken_with_the_camera(address: str, browser_path: str, tmp_path: Path) -> None:
    film(draw_shirt("short", "red", 480), tmp_path / "camera.y4m")
    camera = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    with opened(browser_path, *camera, f"--use-file-for-fake-video-capture={tmp_path / 'camera.y4m'}") as page:
        page.goto(address)
        page.get_by_role("radio", name="Take a photo").click()
        page.wait_for_function("document.querySelector('video')?.videoWidth > 0")  # before, there is nothing to take
        page.get_by_role("button", name="Take Photo").click()
        found(page, "similar garments")
        assert len(query(page)["photo"][0]) == 64
        chip(page, "long").click()
        found(page, "for long")


def film(picture: Image.Image, file: Path) -> None:
    """What a camera sees: a second of a picture that stands still, as YUV4MPEG2."""
    wide = ImageOps.pad(picture, (640, 480), color="white").convert("YCbCr")
    luma, *chroma = wide.split()
    frame = b"FRAME\n" + b"".join(p.tobytes() for p in (luma, *(c.reduce(2) for c in chroma)))
    file.write_bytes(b"YUV4MPEG2 W640 H480 F30:1 Ip A1:1 C420jpeg\n" + 30 * frame)


@pytest.mark.thorough
def test_by_keyboard_alone(address: str, page: Page) -> None:
    page.goto(address)
    expect(page.locator("li.card").first).to_be_visible()
    expect(page.locator("h1")).to_have_count(1)  # the page's parts are drawn one by one
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels)), levels
    names = page.locator("li.card a.pick").evaluate_all("links => links.map(a => a.querySelector('img').alt)")
    assert len(set(names)) == len(names) == 24
    tile = page.locator("li.card a.pick").first
    tile.focus()
    assert tile.evaluate("e => getComputedStyle(e).outlineStyle") != "none"
    page.keyboard.press("Enter")
    found(page, "similar garments")
    expect(page.locator("h2:focus")).to_have_count(1)  # and not somewhere on the page that is gone
    chip(page, "blue").focus()
    page.keyboard.press("Space")
    found(page, "for blue")
    slider = page.get_by_role("slider", name="How much of the picture is after")
    slider.focus()
    page.keyboard.press("End")
    assert page.locator(".compare").evaluate("e => getComputedStyle(e).getPropertyValue('--cut')") == "1"
    strength = page.get_by_role("slider", name="How strongly")
    strength.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(re.compile("strength=0.9"))
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "hits.csv"
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the picture").click()
    assert download.value.suggested_filename.endswith(".blue.png")


@pytest.mark.thorough
def test_a_box_is_drawn_around_a_doubtful_garment(address: str, page: Page, tmp_path: Path) -> None:
    photo = tmp_path / "shirt.png"
    draw_shirt("short", "red", 400).save(photo)
    page.goto(address)
    page.locator("input[type=file]").first.set_input_files(photo)
    page.get_by_role("link", name="Correct it").click()
    frame = page.locator(".boxable")
    expect(frame).to_be_visible()
    box = frame.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.9 * box["height"], steps=3)
    page.mouse.up()
    page.wait_for_url(re.compile(r"box=\d+%2C\d+%2C\d+%2C\d+"))
    page.get_by_role("button", name="Edit this garment").click()
    found(page, "similar garments")
