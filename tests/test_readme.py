"""What README.md tells people to type is typed here: every command and the Python example, in order, in one folder."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from amgan.schema import AttributeSchema
from amgan.testing import draw_catalogue, tiny_weights
from amgan.weights import load_classifier, shipped
from tests.releases import write_clothing
from tests.tiny_catalogue import draw_shirt

# In this process, as each start of Python takes seconds to load torch; tests/test_packaging.py starts installed ones.
COMMAND_MODULES = {
    "amgan": "amgan.cli",
    "index-catalog": "indexer.cli",
    "search-catalog": "retrieval.cli",
    "evaluate-retrieval": "retrieval.evaluation.cli",
    "user-study": "ui.study.cli",
}
VALUES = {"sleeve": ["sleeveless", "short", "long"], "color": ["black", "white", "navy", "blue", "red", "multi"]}
README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
# A run that takes hours is cut to seconds; nothing else of a command is changed.
SHORTER = {"--preset small": "--preset tiny", "--count 2000": "--count 80 --size 64"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with shirt.jpg, a labelled `catalogue`, and a released data set."""
    folder = tmp_path_factory.mktemp("readme")
    if "photos" not in shipped():  # a working copy whose weights are still being trained
        tiny_weights(folder / "photos", AttributeSchema.from_dict(VALUES))
    schema = load_classifier("photos" if "photos" in shipped() else folder / "photos").schema
    draw_catalogue(folder / "catalogue", 48, schema)
    draw_shirt("short", "blue", 200).save(folder / "shirt.jpg")
    write_clothing(folder / "clothing-dataset", 4)
    return folder


def printed(monkeypatch: pytest.MonkeyPatch, folder: Path, work: Callable[[], object]) -> str:
    """What some work in that folder prints; leaving with another status than 0 fails."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "120")
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        status = 0
        try:
            work()
        except SystemExit as left:
            status = left.code or 0
    assert status == 0, f"{sys.argv} exits {status}:\n{out.getvalue()}"
    return out.getvalue()


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *command: str) -> str:
    monkeypatch.setattr(sys, "argv", list(command))
    return printed(monkeypatch, folder, importlib.import_module(COMMAND_MODULES[command[0]]).main)


def test_readme_has_every_command() -> None:
    assert {line.split()[0] for line in COMMANDS} == {
        *("make", "amgan", "index-catalog", "search-catalog", "evaluate-retrieval", "user-study")
    }


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("make ")])
def test_make_knows_the_target(line: str, root: Path) -> None:
    target = line.split()[1]
    assert re.search(rf"^{target}:", (root / "Makefile").read_text(), re.MULTILINE)


# What takes long, and what needs the files that it leaves.
THOROUGH = re.compile("evaluate-retrieval|amgan (export|synth|train)|user-study|runs/|photos-openvino")
OTHERS = [
    pytest.param(line, marks=pytest.mark.thorough) if THOROUGH.search(line) else line
    for line in COMMANDS
    if not line.startswith("make ")
]


@pytest.mark.parametrize("line", OTHERS)
def test_command_runs(line: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for long, short in SHORTER.items():
        line = line.replace(long, short)
    program, *arguments = shlex.split(line)
    run(monkeypatch, folder, program, *arguments)
    for option in ("--out", "--store"):
        if option in arguments:
            assert (folder / arguments[arguments.index(option) + 1]).exists()


@pytest.mark.thorough
@pytest.mark.parametrize(("number", "prints"), [(0, 10), (1, 1), (2, 1)])
def test_python_example_runs(number: int, prints: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = blocks("python")[number]
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    if "open_catalogue" in example:
        run(monkeypatch, folder, "index-catalog", "catalogue", "--store", "index", "--collection", "shop")
    out = printed(monkeypatch, folder, lambda: exec(compile(example, "README.md", "exec"), {}))
    assert len(out.splitlines()) == prints


def test_links_lead_somewhere(root: Path) -> None:
    for document in (root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
