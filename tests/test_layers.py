"""Rules of the code base that tools can check: who may import whom, lint, format, types."""

import subprocess
import sys
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
    *("matplotlib", "pandas", "pyarrow", "scipy", "sklearn", "pydantic", "hypothesis", "pytest"),
)

IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    sys.modules[name] = None  # `import name` now raises ImportError
import amgan
for module in pkgutil.walk_packages(amgan.__path__, "amgan."):
    importlib.import_module(module.name)
"""


@pytest.mark.parametrize("what", CHECKS)
def test_tool_finds_nothing(what: str, root: Path) -> None:
    program, *arguments = CHECKS[what]
    done = subprocess.run(
        [str(Path(sys.executable).parent / program), *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_amgan_imports_with_its_own_requirements_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *NOT_FOR_TRAINING], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
