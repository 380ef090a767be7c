"""What README.md tells people to type is typed here: every command and the Python example, in order, in one folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from amgan.schema import AttributeSchema
from amgan.testing import draw_catalogue, tiny_weights
from amgan.weights import load_classifier, shipped
from tests.tiny_catalogue import draw_shirt

BIN = Path(sys.executable).parent
VALUES = {"sleeve": ["sleeveless", "short", "long"], "color": ["black", "white", "navy", "blue", "red", "multi"]}
README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
# A run that takes hours is cut to seconds; nothing else of a command is changed.
SHORTER = {"--preset small": "--preset tiny", "--count 2000": "--count 80 --size 64"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with shirt.jpg and a labelled `catalogue`."""
    folder = tmp_path_factory.mktemp("readme")
    if "photos" not in shipped():  # a working copy whose weights are still being trained
        tiny_weights(folder / "photos", AttributeSchema.from_dict(VALUES))
    schema = load_classifier("photos" if "photos" in shipped() else folder / "photos").schema
    draw_catalogue(folder / "catalogue", 48, schema)
    draw_shirt("short", "blue", 200).save(folder / "shirt.jpg")
    return folder


def run(folder: Path, *command: str | Path) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{shlex.join(map(str, command))} exits {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def test_readme_has_every_command() -> None:
    assert {line.split()[0] for line in COMMANDS} == {
        *("make", "amgan", "index-catalog", "search-catalog", "evaluate-retrieval")
    }


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("make ")])
def test_make_knows_the_target(line: str, root: Path) -> None:
    target = line.split()[1]
    assert re.search(rf"^{target}:", (root / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("line", [line for line in COMMANDS if not line.startswith("make ")])
def test_command_runs(line: str, folder: Path) -> None:
    for long, short in SHORTER.items():
        line = line.replace(long, short)
    program, *arguments = shlex.split(line)
    run(folder, BIN / program, *arguments)
    for option in ("--out", "--store"):
        if option in arguments:
            assert (folder / arguments[arguments.index(option) + 1]).exists()


@pytest.mark.parametrize(("number", "prints"), [(0, 10), (1, 1), (2, 1)])
def test_python_example_runs(number: int, prints: int, folder: Path) -> None:
    example = blocks("python")[number]
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    if "open_catalogue" in example:
        run(folder, BIN / "index-catalog", "catalogue", "--store", "index", "--collection", "shop")
    assert len(run(folder, sys.executable, "-c", example).splitlines()) == prints


def test_links_lead_somewhere(root: Path) -> None:
    for document in (root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
