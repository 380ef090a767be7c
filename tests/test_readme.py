"""What README.md tells people to type is typed here: every command and the Python example, in order, in one folder."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import re
import shlex
import sys
from collections.abc import Callable
from itertools import pairwise
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


def left_by(line: str) -> list[str]:
    """The files and folders that a command leaves."""
    return [value for option, value in pairwise(shlex.split(line)) if option in ("--out", "--store")]


MAKERS = {name: line for line in reversed(COMMANDS) for name in left_by(line)}  # by what a command leaves: the first


def type_in(monkeypatch: pytest.MonkeyPatch, folder: Path, line: str) -> None:
    """Runs a command; before it, where it is tested alone, the commands whose files it needs."""
    for argument in shlex.split(line):
        maker = MAKERS.get(argument, line)
        if maker != line and not (folder / argument).exists():
            type_in(monkeypatch, folder, maker)
    short = line
    for its, shorter in SHORTER.items():
        short = short.replace(its, shorter)
    run(monkeypatch, folder, *shlex.split(short))
    assert all((folder / name).exists() for name in left_by(line))


@pytest.mark.parametrize("line", OTHERS)
def test_command_runs(line: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, folder, line)


@pytest.mark.thorough
@pytest.mark.parametrize(("number", "prints"), [(0, 10), (1, 1), (2, 1)])
def test_python_example_runs(number: int, prints: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = blocks("python")[number]
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    if "open_catalogue" in example:
        run(monkeypatch, folder, "index-catalog", "catalogue", "--store", "index", "--collection", "shop")
    out = printed(monkeypatch, folder, lambda: exec(compile(example, "README.md", "exec"), {}))
    assert len(out.splitlines()) == prints


# README's rows, with what card.json calls the figures that it has too.
FIGURES = {
    "photos": """\
| colour | [color: accepted] | [color: colour_pixels] | … | [color: mask_iou] | [color: detail_kept] | … |
| sleeve | [sleeve: accepted] | … | … | … | … | [sleeve: stray] |
| pattern | [pattern: accepted] |
| edited picture, wanted and kept attributes | … | [top-10, edited + wanted + kept] |
| edited picture and wanted attributes | … | [top-10, edited + wanted] |
| edited picture alone (the embedder is nearly blind to colour) | … | [top-10, edited] |
| prototype of the wanted attributes, no edit | … | [top-10, prototype] |
| unedited photo | … | [top-10, unedited] |
| chance | … | [top-10, chance] |
| picture, wanted and kept, the embedder | [first ten, color edited: wanted] | [first ten, color edited: kind kept] |
| picture, wanted and kept, the embedder | … | … | [first ten, color edited: sleeve kept] |
| picture, wanted and kept, the embedder | … | … | … | [first ten, color edited: collar kept] |
| picture, wanted and kept, the embedder | … | … | … | … | [first ten, color edited: fastening kept] |
| picture, wanted and kept, the embedder | … | … | … | … | … | [first ten, color edited: pattern kept] |
""",
    "synthetic": """\
| the one true garment in the top 10, by the picture alone | [top-10, edited] | [top-10, unedited] | [top-10, truth] |
| the same, with wanted and kept attributes | [top-10, edited + wanted + kept] | [top-10, unedited + wanted + kept] |
colour [color: accepted] (of the truth 0.95), sleeve [sleeve: accepted] (0.94), collar [collar: accepted] (0.56)
fastening [fastening: accepted] (0.62), pattern [pattern: accepted] (0.78)
""",
}


@pytest.mark.parametrize(("weights", "rows"), FIGURES.items())
def test_figures_are_those_of_the_card(weights: str, rows: str, root: Path) -> None:
    card = root / "amgan" / "weights" / weights / "card.json"
    figures = json.loads(card.read_text(encoding="utf-8")).get("test", {}) if card.is_file() else {}
    for row in rows.splitlines():
        text, names = re.split(r"\[.+?\]", row), re.findall(r"\[(.+?)\]", row)
        found = re.search(r"([\d.]+)".join(map(re.escape, text)).replace("…", "[^|]+").replace(r"\ ", r"\s+"), README)
        assert found, f"README has no row {row}"
        for name, shown in zip(names, found.groups(), strict=True):
            half = 0.5 * 10.0 ** -len(shown.partition(".")[2])
            if name in figures:  # which has four digits
                assert float(shown) == pytest.approx(figures[name], abs=half + 6e-5), (row, name)


def test_links_lead_somewhere(root: Path) -> None:
    for document in (root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
