"""The wheel, built and used the way a user has it: installed, from a folder that is not the repository."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

PACKAGES = {"amgan", "retrieval", "indexer", "ui"}
PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
COMMANDS = tuple(PROJECT["project"]["scripts"])


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command} exits {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=root)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a new environment: the wheel in it, everything else borrowed from the one that runs the tests."""
    folder = tmp_path_factory.mktemp("installed") / "env"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    # A path that a .pth file names is searched, but .pth files in it are not read: the editable install stays unseen.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, "--ignore-installed", wheel, cwd=folder)
    return python.parent


def test_wheel_holds_the_four_packages_and_nothing_else(wheel: Path, root: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    data = run("git", "ls-files", "amgan/weights", cwd=root).split()
    assert set(data) <= names, "committed weights are missing from the wheel"


def test_wheel_holds_the_page(wheel: Path) -> None:
    assert any(name.startswith("ui/") and name.endswith(".py") for name in zipfile.ZipFile(wheel).namelist())


@pytest.mark.thorough
def test_source_distribution_holds_all_that_is_committed(root: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", tmp_path, cwd=root)
    (built,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(built) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert set(run("git", "ls-files", cwd=root).splitlines()) <= names


def test_installed_code_is_the_wheels(installed: Path, tmp_path: Path) -> None:
    where = run(installed / "python", "-c", "import amgan; print(amgan.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_answer(command: str, installed: Path, tmp_path: Path) -> None:
    assert "Usage" in run(installed / command, "--help", cwd=tmp_path, COLUMNS="100")
    assert run(installed / command, "--version", cwd=tmp_path).startswith("amgan ")


@pytest.mark.thorough
def test_installed_command_edits_a_photo(installed: Path, tmp_path: Path) -> None:
    make = """
from pathlib import Path
from amgan.testing import draw_garment, tiny_weights
from PIL import Image
tiny_weights(Path("weights"))
Image.fromarray(draw_garment(color="blue")[0]).save("shirt.png")
"""
    run(installed / "python", "-c", make, cwd=tmp_path)
    run(
        installed / "amgan",
        "edit",
        "shirt.png",
        "--weights",
        "weights",
        "--set",
        "color=red",
        "--out",
        "o",
        cwd=tmp_path,
    )
    assert {path.name for path in (tmp_path / "o").iterdir()} >= {"shirt.png", "shirt.input.png", "shirt.mask.png"}


@pytest.mark.thorough
def test_shipped_weights_load_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    load = "from amgan.editing.editor import load_editor; print(*load_editor('photos').schema.names)"
    assert set(run(installed / "python", "-c", load, cwd=tmp_path).split()) >= {"sleeve", "color"}


@pytest.mark.parametrize("python", ["none-such-python", "old-python"])
def test_set_up_says_which_python_is_needed(python: str, root: Path, tmp_path: Path) -> None:
    old = tmp_path / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.9.2" || exit 1\n')
    old.chmod(0o755)
    done = subprocess.run(
        ["sh", str(root / "scripts" / "set_up.sh")],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHON": python, "VENV": str(tmp_path / "env")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip() in (
        "PYTHON=none-such-python is not a command on this machine.",
        "Python 3.11 or newer is needed, but old-python is Python 3.9.2.",
    )
    assert not (tmp_path / "env").exists()
