"""What axe-core finds on the pages, light and dark: nothing serious."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_page import address, found

__all__ = ["address"]  # the fixture
pytestmark = pytest.mark.browser

FINDINGS = """async (impacts) => {
    const found = await axe.run(document, {resultTypes: ["violations"]});
    return found.violations.filter(v => impacts.includes(v.impact)).flatMap(
        v => v.nodes.map(n => `${v.impact} ${v.id}: ${n.html.slice(0, 160)} (${n.failureSummary.slice(0, 240)})`));
}"""


def findings(page: Page, axe: str) -> list[str]:
    """What is serious or critical on a page, a line for each element."""
    for busy in ("[data-test-script-state=running]", "[data-testid=stStatusWidget]"):
        expect(page.locator(busy)).to_have_count(0)  # Streamlit's own sign that it is at work fades in and out
    # Colours on their way from one to another, after the page learnt that it is dark, are none of the page's.
    page.wait_for_function("document.getAnimations().every(a => a.playState !== 'running')")
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(axe)
    return page.evaluate(FINDINGS, ["serious", "critical"])


@pytest.fixture(params=["light", "dark"])
def visitor(request: pytest.FixtureRequest, page: Page) -> Iterator[Page]:
    browser = page.context.browser
    assert isinstance(browser, Browser)
    # Without motion: a colour on its way from one to another is none of the page's.
    context = browser.new_context(
        viewport={"width": 1360, "height": 1000}, color_scheme=request.param, reduced_motion="reduce"
    )
    yield context.new_page()
    context.close()


def test_the_check_finds_what_is_wrong(axe: str, page: Page) -> None:
    page.set_content('<html lang="en"><title>T</title><main><p style="color:#999;background:#fff">Faint</p><img src=x>')
    assert {re.split(r"[ :]", line)[1] for line in findings(page, axe)} == {"color-contrast", "image-alt"}


@pytest.mark.thorough
def test_the_search_page(address: str, axe: str, visitor: Page) -> None:
    visitor.goto(address)
    expect(visitor.locator("li.card").first).to_be_visible()
    assert findings(visitor, axe) == []  # the catalogue

    visitor.locator("li.card a.pick").first.click()
    found(visitor, "similar garments")
    visitor.locator("button.set").filter(has_text=re.compile("^blue$")).click()
    found(visitor, "for blue")
    assert findings(visitor, axe) == []  # an edit and its hits

    visitor.get_by_role("button", name="Expert").click()
    expect(visitor.get_by_text("Show where it was changed")).to_be_visible()
    visitor.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert findings(visitor, axe) == []  # all there is of it, unfolded

    visitor.goto(f"{address}?item=nonsense")
    expect(visitor.get_by_role("alert")).to_be_visible()
    assert findings(visitor, axe) == []


@pytest.mark.thorough
def test_the_report_page(address: str, axe: str, visitor: Page) -> None:
    for report, told in (("one", "Few photos."), ("two", "two - one")):
        visitor.goto(f"{address}reports?report={report}&attribute=sleeve")
        expect(visitor.get_by_text(told).first).to_be_visible()
        visitor.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        assert findings(visitor, axe) == []


@pytest.mark.thorough
def test_the_compare_page(address: str, axe: str, visitor: Page) -> None:
    visitor.goto(f"{address}compare")
    expect(visitor.locator("li.card").first).to_be_visible()
    assert findings(visitor, axe) == []

    visitor.locator("li.card a.pick").first.click()
    visitor.locator("button.set").filter(has_text=re.compile("^blue$")).click()
    expect(visitor.locator(".st-key-editors [role=status]")).to_be_attached()
    assert findings(visitor, axe) == []
