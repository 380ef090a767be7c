"""The page in a real browser: how long it takes to start, from a click to its hits, and with many visitors at once.

python scripts/bench_page.py garments --weights photos
python scripts/bench_page.py garments --weights photos --visitors 1 --visitors 20 --clicks 10 --json

The first photos of a folder are indexed, and the page is started on them. Measured are the time until the catalogue is
seen and until the first garment has hits, memory then, and the seconds from a click on a change to the hits for it, of
which so many for the edit, for embedding and for the search; the rest draws the page. Then the seconds from the click
until the edit is seen at the photo's size, which comes last. (A garment is cut out once, when it is opened, which is
part of the first hits.) No garment is changed twice in the same way, so nothing comes from a cache. Visitors share one
browser, which shares the machine with the page, and click as soon as they see hits and edit; what another visitor's
wish found counts as a mix-up.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import typer

from amgan.commandline import Json, print_json, run
from amgan.errors import UserError
from scripts.benching import find_browser, free_port, index_photos, resident, some_photos

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

ROOT = Path(__file__).resolve().parent.parent
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PATIENCE = 180.0  # seconds for a page to answer
STATUS = ".st-key-hits [role=status]"  # what a screen reader is told once there are hits
EDITED = ".st-key-pictures figcaption b"  # what the picture shows

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass
class Visits:
    """What visitors saw: seconds from each click to its hits, of which in each stage of the search, and to the edit;
    how often hits were another's."""

    waits: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)
    mixed_up: int = 0

    def add(self, wait: float, stages: str, picture: float, right: bool) -> None:
        """One click; ``stages`` as the page tells them, "edit=0.0141 embed=0.0150"."""
        spent = {name: float(seconds) for name, seconds in (part.split("=") for part in stages.split())}
        for name, seconds in (spent | {"draw": wait - sum(spent.values()), "picture": picture}).items():
            self.stages.setdefault(name, []).append(seconds)
        self.waits.append(wait)
        self.mixed_up += not right

    def row(self) -> dict[str, Any]:
        row: dict[str, Any] = {"clicks": len(self.waits), "mixed up": self.mixed_up}
        for name, seconds in (("", self.waits), *((f"{name} ", of) for name, of in self.stages.items())):
            p50, p95 = np.percentile(seconds, (50, 95))
            row |= {f"{name}p50 s": round(float(p50), 3), f"{name}p95 s": round(float(p95), 3)}
        return row


@app.command(help=__doc__)
def bench(
    catalogue: Annotated[Path, typer.Argument(help="A folder of garment photos.")],
    weights: Annotated[str, typer.Option(help="The networks.")] = "photos",
    photos: Annotated[int, typer.Option(help="How many of the catalogue's are indexed.", min=12)] = 200,
    visitors: Annotated[list[int] | None, typer.Option(help="At once; repeat for several: 1, 20.", min=1)] = None,
    clicks: Annotated[int, typer.Option(help="Of each visitor.", min=1)] = 10,
    json_: Json = False,
) -> None:
    from amgan.editing.editor import load_editor

    counts = visitors or [1, 20]
    chosen = some_photos(catalogue, photos, max(12, sum(counts) + 1))  # one a visitor
    if os.environ.get("AMGAN_RUNTIME") != "eager":
        load_editor(weights, "fastest")  # the fastest way to edit is looked for before anything is measured
    with tempfile.TemporaryDirectory() as scratch:
        garments = fill_index(Path(scratch), chosen, weights)
        start, rows = asyncio.run(_visit(Path(scratch), garments, counts, clicks))
    if json_:
        print_json(
            {"catalogue": str(catalogue), "photos": len(chosen), "weights": weights, "start": start, "rows": rows}
        )
        return
    for row in (start, *rows):
        print(" | ".join(f"{name} {value}" for name, value in row.items()))


def fill_index(folder: Path, photos: list[Path], weights: str) -> list[str]:
    """Index the photos in ``folder/index``; returns the ids of those that can be changed, in some order."""
    from retrieval.stores import open_store

    index_photos(photos, folder, folder / "index", weights)
    store = open_store(folder / "index", "shop")
    garments = [r.id for r in store.scroll(keys=["cutout"]) if not (r.payload.get("cutout") or {}).get("problems")]
    store.close()
    return garments


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[str, int]]:
    """A running page: its address and process."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "ui" / "app.py"), "--server.headless=true"]
    command += [f"--server.port={port}", "--server.fileWatcherType=none", "--browser.gatherUsageStats=false"]
    command += ["--", "--store", str(folder / "index"), "--collection", "shop"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + PATIENCE
        while not _answers(f"http://127.0.0.1:{port}/_stcore/health"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise UserError(f"The page did not start: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)
        yield f"http://localhost:{port}/", process.pid
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


async def _visit(
    folder: Path, garments: list[str], counts: list[int], clicks: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the start took, and a row for each number of visitors at once."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
        begun, rows = time.perf_counter(), []
        with serving(folder) as (address, process):
            fresh = iter(garments)
            start = await _first(browser, address, begun, process, next(fresh))
            for count in counts:
                visits, chance = Visits(), random.Random(count)
                await asyncio.gather(
                    *(_change(browser, address, next(fresh), clicks, visits, chance) for _ in range(count))
                )
                rows.append({"visitors": count, **visits.row(), "MB": resident(process)})
        await browser.close()
    return start, rows


async def _first(browser: Browser, address: str, begun: float, process: int, garment: str) -> dict[str, Any]:
    """Seconds from the command until the catalogue is seen, and from there to a garment's hits; memory at both."""
    page = await _new_page(browser)
    await page.goto(address)
    await page.locator("li.card").first.wait_for()
    seen, small = time.perf_counter(), resident(process)
    await page.goto(f"{address}?item={garment}")
    await page.locator(STATUS).wait_for(state="attached")
    found = time.perf_counter()
    await page.context.close()
    return {
        "catalogue seen s": round(seen - begun, 1), "MB then": small,
        "first hits s": round(found - seen, 1), "MB with hits": resident(process),
    }  # fmt: skip


async def _change(
    browser: Browser, address: str, garment: str, clicks: int, visits: Visits, chance: random.Random
) -> None:
    """One visitor, who changes a garment again and again, each time to what it was not before."""
    page = await _new_page(browser)
    await page.goto(f"{address}?item={garment}")
    await page.locator(STATUS).wait_for(state="attached")
    asked: set[str] = set()
    for _ in range(clicks):
        chips = await page.evaluate(
            "[...document.querySelectorAll('.group > .chips > button.set:not(.now)[aria-pressed=false]')].map("
            "c => [c.dataset.go, c.innerText.trim().toLowerCase()])"
        )
        new = [(go, words) for go, words in chips if go not in asked]
        if not new:
            break
        go, words = chance.choice(new)
        asked.add(go)
        begun = time.perf_counter()
        await page.locator(f"button.set[data-go={_quoted(go)}]").first.click()
        await page.wait_for_function(
            "([status, words]) => document.querySelector(status)?.innerText.toLowerCase().includes(words)"
            " && document.querySelector('li.card')",
            arg=[STATUS, words],
        )
        wait = time.perf_counter() - begun
        stages = await page.locator(STATUS).get_attribute("data-seconds")
        await page.locator(EDITED, has_text=re.compile(re.escape(words), re.IGNORECASE)).wait_for(state="attached")
        seen = time.perf_counter() - begun
        visits.add(wait, stages or "", seen, parse_qs(urlsplit(page.url).query).get("item") == [garment])
    await page.context.close()


async def _new_page(browser: Browser) -> Page:
    context = await browser.new_context(viewport={"width": 1360, "height": 900}, locale="en-GB")
    context.set_default_timeout(1000 * PATIENCE)
    return await context.new_page()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


if __name__ == "__main__":
    run(app)
