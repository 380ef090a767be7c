"""The demo from end to end, on garments that it draws itself."""

import subprocess
import sys

import pytest

from amgan.synth import SCHEMA
from amgan.testing import tiny_weights


@pytest.mark.thorough
def test_the_demo_draws_indexes_edits_and_searches(tmp_path, root):
    weights = tiny_weights(tmp_path / "weights", SCHEMA, image_size=32)
    command = [
        sys.executable,
        "scripts/demo.py",
        "--weights",
        str(weights),
        "--count",
        "50",
        "--out",
        str(tmp_path / "out"),
    ]
    for _ in range(2):  # again: nothing is drawn or indexed twice
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        assert "Edited to: " in done.stdout and "search-catalog" in done.stdout
    assert (tmp_path / "out" / "demo.png").stat().st_size > 10_000
    assert len(list((tmp_path / "out" / "catalogue" / "images").glob("*.png"))) == 50


def test_a_catalogue_that_is_not_there_is_named(root):
    done = subprocess.run(
        ["make", "demo", "CATALOGUE=nowhere", "DEMO_UI=0"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "no folder nowhere" in done.stderr
