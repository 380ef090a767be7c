"""The scripts that measure speed, at sizes that say nothing about it: they run to their end and print their tables."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from amgan.errors import UserError
from amgan.testing import draw_catalogue, tiny_weights
from retrieval.stores import connect
from scripts import measure_source_size, score_transfer
from tests.test_stores import IDENTITY, points
from tests.test_stores import SCHEMA as STORED
from tests.tiny_catalogue import make_catalogue, make_index, make_weights

# A generator and a critic with the interface of StarGAN's public code, which cannot be had here.
RIVAL = """
import torch
from torch import nn


class Generator(nn.Module):
    def __init__(self, conv_dim=64, c_dim=5, repeat_num=6):
        super().__init__()
        self.out = nn.Conv2d(3 + c_dim, 3, 3, 1, 1)

    def forward(self, x, c):
        return self.out(torch.cat([x, c[:, :, None, None].expand(-1, -1, *x.shape[2:])], 1)).tanh()


class Discriminator(nn.Module):
    def __init__(self, image_size=128, conv_dim=64, c_dim=5, repeat_num=6):
        super().__init__()
        self.real, self.classes = nn.Conv2d(3, 1, 4, 4), nn.Conv2d(3, c_dim, 4, 4)

    def forward(self, x):
        return self.real(x), self.classes(x).mean((2, 3))
"""


def script(root: Path, name: str, *arguments: str | Path, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, root / "scripts" / f"{name}.py", *map(str, arguments)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def cells(output: str, row: str) -> list[float]:
    """The numbers of a row of a printed table."""
    (line,) = re.findall(rf"^\| {re.escape(row)} \|(.*)\|$", output, re.MULTILINE)
    return [float(cell.strip().rstrip("%")) for cell in line.split("|")]


@pytest.mark.slow
def test_fast_and_plain_training_learn_the_same(root, tmp_path):
    arguments = ("--preset", "tiny", "-c", "critics=features", "--steps", "12", "--garments", "16")
    picture, figures = tmp_path / "curves.png", tmp_path / "curves.json"
    output = script(root, "compare_training", *arguments, "--out", picture, "--json", figures)
    assert Image.open(picture).width > 400
    runs = json.loads(figures.read_text())
    assert set(runs) == {"plain", "plain again", "fast"}
    for loss, curve in runs["plain"].items():
        assert runs["fast"][loss] == pytest.approx(curve, rel=1e-3, abs=1e-4), loss
    plain, again, fast, spread, apart = cells(output, "score")
    assert plain > 1 and fast == pytest.approx(plain, rel=1e-3) and again == pytest.approx(plain, rel=1e-3)
    assert spread < 0.01 * plain and apart < 0.01 * plain


@pytest.mark.thorough
def test_protocols_at_a_small_size(root, tmp_path):
    output = script(root, "bench_protocols", "--queries", "12", "--dimensions", "16", "--rounds", "20", "--plain", "4")
    figures = json.loads(output)
    assert (figures["gallery"], figures["rows"]) == (120, 20)
    assert figures["plain loops"]["agree"] and figures["seconds"]["all"] > 0


@pytest.mark.thorough
def test_search_of_a_small_index(root, tmp_path):
    store = connect(tmp_path / "index").create("shop", IDENTITY, STORED)
    store.upsert(points(60))
    store.finalize()
    store.close()
    arguments = ("--count", "1500", "--queries", "10", "--to", tmp_path / "measured")
    figures = json.loads(script(root, "bench_search", tmp_path / "index", "shop", *arguments))
    assert figures["count"] == 1500 and figures["disk_mb"] > 0
    assert len(figures["search"]) == 10
    assert all(found["recall@10"] == 1 for found in figures["search"].values())  # so few are compared exactly


@pytest.mark.slow
@pytest.mark.browser
def test_the_page_with_twenty_visitors(root, tmp_path, browser_path, monkeypatch):
    monkeypatch.setenv("AMGAN_RUNTIME", "eager")
    photos, weights = make_catalogue(tmp_path / "photos"), make_weights(tmp_path / "weights")
    arguments = ("--weights", weights, "--photos", "30", "--visitors", "20", "--clicks", "6", "--json")
    figures = json.loads(script(root, "bench_page", photos, *arguments))
    row = figures["rows"][0]
    assert row["clicks"] == 120 and row["mixed up"] == 0
    assert all(0 < row[f"{stage} p50 s"] < row["p50 s"] for stage in ("edit", "embed", "search", "draw"))
    assert 0 < figures["start"]["MB then"] <= figures["start"]["MB with hits"]


@pytest.mark.slow
def test_what_takes_a_page_s_memory(root, tmp_path):
    make_index(tmp_path / "index", make_catalogue(tmp_path / "photos"), make_weights(tmp_path / "weights"))
    rows = json.loads(script(root, "measure_memory", tmp_path / "index", "shirts", "--json"))["rows"]
    together = [row["own"] + row["files"] for row in rows]
    assert len(rows) == 8 and together[-1] > together[2] > together[0] > 0
    assert "There is no collection 'shirts'" in script(root, "measure_memory", tmp_path / "nothing", "shirts", code=2)


def test_ways_to_cut_out(root, tmp_path):
    folder = draw_catalogue(tmp_path / "photos", 6, split=("train",))
    assert "nothing to compare" in script(root, "bench_cutout", folder)  # they lie on white
    floor = np.random.default_rng(0).normal((190, 165, 130), 8, (96, 96, 3)).clip(0, 255).astype(np.uint8)
    for name in ("0000", "0001", "0002"):
        photo, mask = (np.array(Image.open(folder / kind / f"{name}.png")) for kind in ("images", "masks"))
        photo[mask == 0] = floor[mask == 0]
        Image.fromarray(photo).save(folder / "images" / f"{name}.png")
    output = script(root, "bench_cutout", folder)
    assert "3 photos\n" in output
    assert cells(output, "thoroughly")[2] == 1.0 and cells(output, "quickly where that suffices")[0] > 0
    (median,) = re.findall(r"^IoU with the thorough masks: median (.*), below 0.9 in", output, re.MULTILINE)
    assert float(median) > 0.9


def test_an_attribute_without_labels_is_passed_over(tmp_path, capsys):
    folder, weights = draw_catalogue(tmp_path / "photos", split=("test",)), tiny_weights(tmp_path / "weights")
    table = (folder / "metadata.csv").read_text()
    (folder / "metadata.csv").write_text(re.sub(r"\w+,test$", ",test", table, flags=re.MULTILINE))  # no colours
    score_transfer.score(folder, str(weights))
    output = capsys.readouterr().out
    assert "| sleeve, judge |" in output and "color" not in output
    (folder / "metadata.csv").write_text(re.sub(r"\w+,\w+,test$", ",,test", table, flags=re.MULTILINE))
    with pytest.raises(UserError, match="no attribute with two values or more of which the split test has labels"):
        score_transfer.score(folder, str(weights))


def test_a_folder_of_photos_is_looked_at_before_anything_is_measured(tmp_path):
    with pytest.raises(UserError, match="is not a folder"):
        measure_source_size.measure("no such weights", photos=tmp_path / "nowhere")


@pytest.mark.slow
def test_a_fingerprint_has_edits_embeddings_hits_and_reports(root, tmp_path):
    script(root, "fingerprint", "--count", "4", "--out", tmp_path / "one.json")
    hashes = json.loads((tmp_path / "one.json").read_text())
    assert {name.partition(":")[0] for name in hashes} == {
        *("drawn garments", "edits", "embeddings", "hits", "report", "sheet"),
    }
    assert len(hashes) == 7 and len(set(hashes.values())) == 7


def test_fingerprints_that_differ_are_said(root, tmp_path):
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    one.write_text('{"edits: a": "1", "report: b": "2"}')
    two.write_text('{"edits: a": "1", "report: b": "2"}')
    assert "All 2 are equal." in script(root, "fingerprint", "--compare", one, "--out", two)
    two.write_text('{"edits: a": "3", "report: b": "2"}')
    assert "1 of 2 differ: edits: a." in script(root, "fingerprint", "--compare", one, "--out", two, code=2)


@pytest.mark.slow
def test_beside_rivals(root, tmp_path):
    (tmp_path / "model.py").write_text(RIVAL)
    output = script(root, "bench_rivals", "--stargan", tmp_path, "--batch", "2", "--rounds", "1")
    assert output.count("| StarGAN |") == output.count("| ours, paper |") == 2
    assert "model.py is not there" in script(root, "bench_rivals", "--stargan", tmp_path / "no", code=2)
