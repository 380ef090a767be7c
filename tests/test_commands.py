"""How the commands end: with a status and a sentence, before anything slow, whatever the output's encoding."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from PIL import Image

import amgan.cli
import indexer.cli
import retrieval.cli
import retrieval.evaluation.cli
import retrieval.evaluation.fit_command
import ui.study.cli
from amgan.shipped import shipped_values
from amgan.testing import draw_catalogue, draw_garment, tiny_weights
from amgan.training.presets import PRESETS
from amgan.weights import shipped
from retrieval.query import DEFAULT_WEIGHTS

MAINS = {
    "amgan": amgan.cli.main,
    "index-catalog": indexer.cli.main,
    "search-catalog": retrieval.cli.main,
    "evaluate-retrieval": retrieval.evaluation.cli.main,
    "fit-query-weights": retrieval.evaluation.fit_command.main,
    "user-study": ui.study.cli.main,
}
SUBCOMMANDS = {
    "amgan": ("train", "edit", "export", "synth", "weights"),
    "user-study": ("new", "serve", "report"),
    "index-catalog": ("status", "verify", "rollback"),
}
TAKING_LONG = (  # what must not begin before everything that can be checked is checked
    "amgan.editing.edit_command.load_editor",
    "amgan.editing.export_command.load_generator",
    "amgan.synth.command.write_synth",
    "amgan.training.command.load_garments",
    "retrieval.catalogue.open_catalogue",
    "retrieval.evaluation.measurement.measure",
    "retrieval.representation.Representation",
)

Ended = tuple[int, str, str]
Command = Callable[[str], Ended]


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line in this process; its exit status, standard output and standard error, in one line."""
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("TERM", "dumb")

    def call(line: str) -> Ended:
        program, *arguments = shlex.split(line)
        monkeypatch.setattr(sys, "argv", [program, *arguments])
        with pytest.raises(SystemExit) as end:
            MAINS[program]()
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out, " ".join(printed.err.split())

    return call


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photo, a damaged one, labelled data, tiny weights, and a file where folders are wanted."""
    folder = tmp_path_factory.mktemp("made")
    Image.fromarray(draw_garment("long", "red")[0]).save(folder / "shirt.png")
    (folder / "file").write_text("in the way")
    (folder / "broken.jpg").write_bytes(b"")
    draw_catalogue(folder / "data", 6)
    tiny_weights(folder / "weights")
    return folder


# What cannot be written is a path below a regular file, or in /proc: chmod stops nobody who is root.
EDIT = "amgan edit shirt.png --set color=red"
TRAIN = "amgan train --preset tiny --data data"
INDEX = "index-catalog data --collection shop"
SEARCH = "search-catalog shirt.png --store nowhere --collection shop"
MISTAKES = [
    ("amgan edit none.png --set color=red --out out", "no file none.png"),
    ("amgan edit none.png shirt.png --set color=red --out out", "no file none.png"),
    ("amgan edit data --set color=red --out out", "data is a folder"),
    (f"{EDIT} --out file", "--out file cannot be written: it is a file"),
    (f"{EDIT} --out file/out", "--out file/out cannot be written"),
    (f"{EDIT} --out out --mask none.png", "no file none.png"),
    (f"{EDIT} --out out --mask broken.jpg", "broken.jpg is empty"),
    (f"{EDIT} --out .", "overwrite shirt.png"),
    (f"{EDIT} --out out --size large", "Unknown size 'large'"),
    ("amgan edit shirt.png data/shirt.png --set color=red --out out", "overwrite each other in out/shirt"),
    ("amgan edit a.png a.input.png --set color=red --out out", "overwrite each other in out/a.input.png"),
    ("amgan export photos --out file", "--out file cannot be written"),
    ("amgan export photos --out file/out", "--out file/out cannot be written"),
    ("amgan synth --count 2 --out file", "--out file cannot be written"),
    ("amgan synth --count 2 --out file/out", "--out file/out cannot be written"),
    ("amgan synth --count 0 --out out", "count must be 1 or more"),
    (f"{TRAIN.replace('tiny', 'small')} --out out -c pairs:image_size=64", "pairs has 64, all has 128"),
    ("amgan train --preset tiny --data none --out out", "none is not a folder"),
    (f"{TRAIN} --out out --extra none", "none is not a folder"),
    (f"{TRAIN} --out file", "--out file cannot be written"),
    (f"{TRAIN} --out file/out", "--out file/out cannot be written"),
    (f"{TRAIN} --out out --attributes none.json", "none.json"),
    *((f"{TRAIN} --out out --device {d}", f"Device '{d}' is not available") for d in ("cuda", "mps", "meta", "x")),
    (f"{TRAIN} --out file --model classifier", "--out file cannot be written"),
    ("amgan weights none", "Unknown weights 'none'"),
    (f"{INDEX} --store file", "--store file cannot be written"),
    (f"{INDEX} --store file/store", "--store file/store cannot be written"),
    (f"{INDEX} --store store --failures file/list", "--failures file/list cannot be written"),
    (f"{INDEX} --store store --failures data", "--failures data cannot be written: it is a folder"),
    ("index-catalog data --store store --collection a/b", "not a collection name"),
    *((f"{INDEX} --store store --device {d}", f"Device '{d}' is not available") for d in ("cuda", "mps", "meta", "x")),
    ("search-catalog none.png --store nowhere --collection shop", "none.png"),
    (f"{SEARCH} --mask none.png", "none.png"),
    (f"{SEARCH} --out file/sheet.png", "--out file/sheet.png cannot be written"),
    (f"{SEARCH} --out shirt.png", "overwrite the photo"),
    (f"{SEARCH} --out sheet.xyz", "sheet.png"),
    (f"{SEARCH} --filter color", "attribute=value"),
    ("evaluate-retrieval data --out file", "--out file cannot be written"),
    ("evaluate-retrieval data --out file/report", "--out file/report cannot be written"),
]


@pytest.mark.parametrize(("line", "words"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_mistake_ends_in_a_sentence_and_status_2_at_once(
    line: str, words: str, ended: Command, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_soon(*_: object, **__: object) -> NoReturn:
        raise AssertionError("this takes long, and something else could have been checked first")

    for name in TAKING_LONG:
        monkeypatch.setattr(name, too_soon)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.chdir(made)
    before = sorted(made.rglob("*"))
    status, out, err = ended(line)
    assert (status, out) == (2, "")
    assert words in err and "Error: " in err
    assert "Traceback" not in err and "Errno" not in err
    assert sorted(made.rglob("*")) == before  # trying leaves nothing behind


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc, where nobody can make a folder")
@pytest.mark.parametrize("line", [EDIT, "amgan synth --count 2", TRAIN, "evaluate-retrieval data"])
def test_a_folder_that_the_system_refuses(
    line: str, ended: Command, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    status, _, err = ended(f"{line} --out /proc/none/out")
    assert status == 2 and "--out /proc/none/out cannot be written" in err


@pytest.mark.parametrize("program", MAINS)
def test_every_command_has_version_and_help(program: str, ended: Command) -> None:
    assert ended(f"{program} --version")[:2] == (0, f"amgan {version('amgan')}\n")
    for line in (program, *(f"{program} {name}" for name in SUBCOMMANDS.get(program, ()))):
        short, long = ended(f"{line} -h"), ended(f"{line} --help")
        assert short == long and short[0] == 0
        assert "Usage: " in long[1]
        assert line in ("amgan", "user-study") or f"\n {line} " in long[1], "an example"


def test_no_option_or_a_wrong_one_ends_with_2(ended: Command) -> None:
    for line in ("amgan edit", "amgan nonsense", "index-catalog", "search-catalog x --store s --collection c -k 0"):
        status, out, err = ended(line)
        assert (status, out) == (2, "") and "Error" in err
    status, _, err = ended("amgan synth --count 40 --out out --workers -1")
    assert status == 2 and "--workers" in err and "Traceback" not in err


@pytest.mark.parametrize("line", ["amgan edit", "search-catalog"])
def test_help_lists_what_the_shipped_weights_know_without_torch(line: str, tmp_path: Path) -> None:
    program, *arguments = line.split()
    module = {"amgan": "amgan.cli", "search-catalog": "retrieval.cli"}[program]
    code = f"import sys; sys.modules['torch'] = None; from {module} import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--help"],
        env={**os.environ, "COLUMNS": "300"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "sleeve = sleeveless, short, 3/4, long" in done.stdout
    assert "only in filters: multi" in done.stdout and "kind, known, only in filters: tee" in done.stdout
    assert "polka dot" in done.stdout and "; only in filters: print, floral, marl, other" in done.stdout


def test_help_names_every_preset(ended: Command) -> None:
    out = ended("amgan train --help")[1]
    assert all(re.search(rf"\b{name}[ ,]", out) for name in PRESETS)


def test_weights_lists_attributes_and_values(ended: Command, made: Path) -> None:
    assert set(shipped_values()) == set(shipped())
    assert json.loads(ended("amgan weights --json")[1]) == shipped_values()
    out = ended(f"amgan weights {made / 'weights'}")[1]
    assert "  sleeve = sleeveless, short, long\n" in out
    assert "  color = black, white, red, blue; only in filters: multi\n" in out
    assert ended("amgan weights photos")[1].startswith("photos\n  sleeve = ")


def test_one_refused_photo_of_several_ends_with_1(
    ended: Command, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    line = f"--weights weights --set color=red --out {tmp_path} --json"
    status, out, _ = ended(f"amgan edit broken.jpg shirt.png {line}")
    result = json.loads(out)
    assert status == 1 and list(result["refused"]) == ["broken.jpg"] and list(result["edited"]) == ["shirt.png"]
    assert ended(f"amgan edit shirt.png {line}")[0] == 0  # over its own pictures, as often as one likes


@pytest.mark.parametrize("name", ["edit", "export", "synth"])
def test_a_full_disk_is_a_sentence(
    name: str, ended: Command, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")  # of a write, which does not know the file's name

    monkeypatch.chdir(made)
    monkeypatch.setattr("PIL.Image.Image.save", full)
    monkeypatch.setattr("amgan.editing.export_command.export", full)
    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    line = {
        "edit": "edit shirt.png --weights weights --set color=red",
        "export": "export weights",
        "synth": "synth --count 2 --size 32",
    }[name]
    status, _, err = ended(f"amgan {line} --out {tmp_path / 'out'}")
    assert status == 2 and f"The disk of {tmp_path / 'out'}" in err and "is full; free some space" in err


ODD = "hemd \N{GRINNING FACE} \udcff é.png"  # an emoji, and a byte that was no UTF-8


class FakeSearcher:
    """Finds two garments whatever it is asked."""

    weights = DEFAULT_WEIGHTS
    schema = SimpleNamespace(parse_edit=lambda settings: dict(s.split("=") for s in settings))
    names = (f"{'long name ' * 20}{ODD}", "tab\tand\nline.png")

    def cut_out(self, *_: object, **__: object) -> Any:
        return SimpleNamespace(trusted=True, problems=())

    def find_similar(self, cutout: object, edit: dict[str, str], *_: object, **__: object) -> Any:
        hits = [
            SimpleNamespace(
                rank=i,
                score=1 / (i + 1),
                file_name=name,
                predicted={"sleeve": "long", "color": "light blue"},
                details={},
                parts={},
            )
            for i, name in enumerate(self.names, 1)
        ]
        return SimpleNamespace(edit=edit, wanted=edit, predicted={"sleeve": "long", "color": "red"}, hits=hits)

    def close(self) -> None:
        pass


def test_piped_hits_are_one_line_each_whatever_the_width(
    ended: Command, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    monkeypatch.setattr("retrieval.catalogue.open_catalogue", lambda *_, **__: FakeSearcher())
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = ended(f"{SEARCH} --set sleeve=long")
    assert status == 0
    rows = [line.split("\t") for line in out.splitlines()]
    long = FakeSearcher.names[0].encode("utf-8", "backslashreplace").decode()
    assert rows == [
        ["1", "0.500", long, "sleeve=long", "color=light blue"],
        ["2", "0.333", "tab\\tand\\nline.png", "sleeve=long", "color=light blue"],
    ]


def test_nothing_found_says_so_beside_the_result(ended: Command, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    monkeypatch.setattr("retrieval.catalogue.open_catalogue", lambda *_, **__: FakeSearcher())
    monkeypatch.setattr(FakeSearcher, "names", ())
    status, out, err = ended(SEARCH)
    assert (status, out) == (0, "") and "Nothing found" in err
