"""The commands of docs/GPU.md, cut to a few steps and run on the CPU: they are meant for a machine that is not here."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from amgan.testing import draw_catalogue

SHORT = ("-c", "kimg=0.004", "-c", "batch=2", "-c", "snapshot_kimg=0.002")


@pytest.mark.slow
def test_commands_start_save_resume_and_load(tmp_path: Path, root: Path) -> None:
    draw_catalogue(tmp_path / "garments", 24)
    page = (root / "docs" / "GPU.md").read_text(encoding="utf-8")
    lines = [
        line
        for block in re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
        for line in block.splitlines()
    ]
    training = [line for line in lines if line.startswith("amgan train") and "--dry-run" not in line]
    assert len(training) == 7
    for line in lines:
        line = line.replace("--count 40000", "--count 40")
        program, *arguments = [*shlex.split(line), *(SHORT if line in training else ())]
        if program == "python":  # compares with the shipped weights, whose attributes are not those drawn here
            continue
        for _ in range(2 if line == training[-1] else 1):  # again: resumes, and finds itself done
            done = subprocess.run(
                [program if program in ("mkdir", "cp") else str(Path(sys.executable).parent / program), *arguments],
                cwd=tmp_path,
                env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert (tmp_path / "report-paper" / "report.json").is_file()
