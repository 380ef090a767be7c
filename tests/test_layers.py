"""Rules of the code base that tools can check: who may import whom, lint, format, types."""

import ast
import graphlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CHECKS = {
    "imports": ["lint-imports", "--no-cache"],
    "lint": ["ruff", "check", "--no-cache", "."],
    "format": ["ruff", "format", "--check", "--no-cache", "."],
    "types": ["pyrefly", "check"],
}

# What `pip install amgan` does not bring. amgan must import without any of it: a GPU machine that only trains has none.
NOT_FOR_TRAINING = (
    *("retrieval", "indexer", "ui", "qdrant_client", "qdrant_edge", "faiss", "streamlit", "open_clip", "timm"),
    *("matplotlib", "pandas", "pyarrow", "h5py", "scipy", "sklearn", "pydantic", "hypothesis", "pytest"),
)

IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    sys.modules[name] = None  # `import name` now raises ImportError
import amgan
for module in pkgutil.walk_packages(amgan.__path__, "amgan."):
    importlib.import_module(module.name)
"""

# Torch takes seconds to import, and the answer to a typing error should not.
IMPORT_COMMANDS = """
import importlib, sys
sys.modules["torch"] = None
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


@pytest.mark.parametrize("what", CHECKS)
def test_tool_finds_nothing(what: str, root: Path) -> None:
    program, *arguments = CHECKS[what]
    done = subprocess.run(
        [str(Path(sys.executable).parent / program), *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.thorough
def test_amgan_imports_with_its_own_requirements_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *NOT_FOR_TRAINING], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_commands_explain_themselves_without_torch(root: Path) -> None:
    with (root / "pyproject.toml").open("rb") as file:
        commands = [entry.partition(":")[0] for entry in tomllib.load(file)["project"]["scripts"].values()]
    scripts = [f"scripts.{path.stem}" for path in (root / "scripts").glob("*.py")]
    command = [sys.executable, "-c", IMPORT_COMMANDS, *commands, *scripts]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.thorough
def test_no_file_imports_itself_by_way_of_others(root: Path) -> None:
    """Imports within functions and those for type checkers alone count, too."""
    packages = ("amgan", "retrieval", "indexer", "ui")
    files = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for package in packages
        for path in (root / package).rglob("*.py")
    }
    graph: dict[str, set[str]] = {}
    for name, path in files.items():
        statements = [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.ImportFrom)]
        # What is imported from a package may be one of its files, and is then no import of what the package offers.
        imported = {
            f"{n.module}.{a.name}" if f"{n.module}.{a.name}" in files else n.module for n in statements for a in n.names
        }
        graph[name] = {str(module) for module in imported if module in files and module != name}
    assert {"amgan.training.loop", "amgan.training.journal"} <= graph["amgan.training.trainer"]
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle
