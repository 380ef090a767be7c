"""What every test may ask for. Nothing here, and nothing in a test, may use the network."""

import os
import sys
from pathlib import Path

import pytest

# Set before anything imports the libraries that read them.
if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a processor
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["AMGAN_RUNTIME"] = "eager"  # random weights by the dozen: measuring runtimes for each takes too long
os.environ["AMGAN_CACHE"] = "off"  # nothing of the tests in the user's caches, and nothing of them in the tests
os.environ.setdefault("STREAMLIT_BROWSER_GATHER_USAGE_STATS", "false")

ROOT = Path(__file__).resolve().parent.parent


def missing(what: str) -> None:
    """Skip for a user, fail in CI, where a silent skip would hide that nothing was tested."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(autouse=True)
def own_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives `__main__` back: Streamlit's AppTest puts its script there, and processes of later tests would run it."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """Seeds torch's own generator for each test, where torch was imported: importing it takes seconds."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def garments() -> Path:
    """The folder of real photos beside the repository, or $AMGAN_GARMENTS.

    They are not part of the repository; where there are none to be had, as on hosted CI, AMGAN_GARMENTS=none says so.
    """
    given = os.environ.get("AMGAN_GARMENTS")
    if given == "none":
        pytest.skip("AMGAN_GARMENTS=none: no photos on this machine")
    folder = Path(given) if given else ROOT.parent / "shared" / "data" / "garments"
    if not (folder / "metadata.csv").is_file():
        missing(f"no photos: {folder} has no metadata.csv (AMGAN_GARMENTS names another folder)")
    return folder


@pytest.fixture(scope="session")
def browser_path() -> str:
    """A Chromium or Chrome to drive with playwright's `executable_path`."""
    from amgan.errors import UserError
    from scripts.benching import find_browser

    try:
        return find_browser()
    except UserError as error:
        missing(str(error))
        raise


@pytest.fixture(scope="session")
def axe() -> str:
    """The program of axe-core, which finds what keeps people from using a page."""
    file = Path(os.environ.get("AMGAN_AXE") or Path(sys.prefix) / "axe-core" / "axe.min.js")
    if not file.is_file():
        missing(f"no axe-core: {file} is missing (make browser; AMGAN_AXE names one)")
    return file.read_text(encoding="utf-8")
