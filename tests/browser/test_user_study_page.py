"""The page for participants in a real browser: a whole session, the server killed in the middle, nothing lost, and
nothing that says whose picture is whose."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import free_port, wait_for
from tests.fake_study import EDITORS, draw_pictures, fake_study
from ui.study.answers import Answers
from ui.study.design import ECHO, QUESTIONS
from ui.study.folder import read_key
from ui.study.report import make_report

pytestmark = pytest.mark.browser
QUESTION = list(QUESTIONS.values())


def serve(study: Path, port: int, root: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "ui.study.cli", "serve", str(study), "--port", str(port)]
    with (study / "log").open("a") as log:
        server = subprocess.Popen(
            command, cwd=root, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(root)}
        )
    wait_for(server, port, study / "log")
    return server


def _bytes(frame: str | bytes) -> bytes:
    return frame if isinstance(frame, bytes) else frame.encode()


def asked(page: Page, garment: int, question: int) -> None:
    """Wait for a question, and as long as a person at least needs to see it."""
    expect(page.get_by_text(f"Garment {garment} of 3, question {question} of 4")).to_be_visible()
    expect(page.get_by_role("heading", name=QUESTION[question - 1].partition("{")[0].strip())).to_be_visible()
    expect(page.locator(".st-key-choose-4 button")).to_be_visible()
    page.wait_for_timeout(ECHO * 1000 + 50)


@pytest.mark.thorough
def test_a_session_through_a_crash(root: Path, page: Page, tmp_path: Path) -> None:
    study = fake_study(tmp_path / "study", comparisons=2, repeats=1)
    draw_pictures(study)
    received: list[bytes] = []  # all that a participant's machine ever gets to know
    complaints: list[str] = []
    page.on("request", lambda request: received.append(request.url.encode()))
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(_bytes(frame))))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    port = free_port()
    address = f"http://127.0.0.1:{port}/"
    server = serve(study.folder, port, root)
    try:
        page.goto(address)
        page.get_by_role("button", name="Start").click()
        asked(page, 1, 1)
        page.keyboard.press("2")
        asked(page, 1, 2)
        page.locator(".st-key-picture-3").click()  # its middle: all of a picture is a button
        asked(page, 1, 3)

        server.kill()  # kill -9: nothing can be tidied up
        server.wait()
        answers = Answers(study.folder, study.id)
        (code,) = answers.participants()
        assert [a.position for a in answers.of(code).values()] == [1, 2]
        server = serve(study.folder, port, root)
        page.goto(page.url)
        asked(page, 1, 3)

        page.get_by_role("button", name="Back").click()  # a second thought
        asked(page, 1, 2)
        expect(page.locator("figure.chosen")).to_have_count(1)
        page.keyboard.press("1")
        asked(page, 1, 3)
        page.get_by_role("button", name="Cannot decide").click()
        asked(page, 1, 4)

        other = page.context.browser.new_page(viewport={"width": 390, "height": 844})  # type: ignore[union-attr]
        other.goto(address)
        other.get_by_role("button", name="Start").click()
        asked(other, 1, 1)
        assert other.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        for picture in other.locator("figure.shown img").all():
            assert picture.evaluate("i => i.naturalWidth === 512 && i.getBoundingClientRect().bottom <= 664")
        other.keyboard.press("4")
        asked(other, 1, 2)

        first = page.locator(".st-key-choose-1 button")
        first.focus()
        assert page.locator("figure.shown .frame").nth(1).evaluate("e => getComputedStyle(e).boxShadow") != "none"
        page.keyboard.press("Enter")
        for garment in (2, 3):
            for question in range(1, 5):
                asked(page, garment, question)
                page.keyboard.press("3")
        expect(page.get_by_role("heading", name="Thank you!")).to_be_visible()
        expect(page.locator("figure.shown")).to_have_count(0)
    finally:
        server.terminate()
        server.wait(20)
    assert len(received) > 20 and any(b"data:image/webp" in message for message in received)
    for word in (*EDITORS, *read_key(study)["editors"].values(), *read_key(study)["pictures"], "key.json"):
        assert not any(word.encode() in message for message in received), word
    assert not complaints
    given = answers.of(code)
    assert len(given) == 12 and sum(a.position is None for a in given.values()) == 1
    assert list(answers.participants().values()) == [0, 1]
    report = make_report(study, 100).report
    assert report["participants"] | {"median_seconds": 0} == {
        "joined": 2, "answered": 2, "finished": 1, "answers": 13, "median_seconds": 0
    }  # fmt: skip
    assert "Traceback" not in (study.folder / "log").read_text()
