"""Outlines drawn by hand: the masks that they enclose, what is refused, and cut-outs scored against them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from amgan.errors import UserError
from amgan.testing import draw_catalogue
from scripts.outlines import mask_within, read_outlines

SQUARE = [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]
HAND_DRAWN = Path(__file__).parent / "data" / "hand_outlines.json"


def plainly_within(polygons: list[list[list[float]]], height: int, width: int) -> np.ndarray:
    """`mask_within`, one pixel and one edge at a time."""
    mask = np.zeros((height, width), np.uint8)
    for row in range(height):
        for column in range(width):
            x, y, met = (column + 0.5) / width, (row + 0.5) / height, 0
            for polygon in polygons:
                for (x0, y0), (x1, y1) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
                    if (y0 > y) != (y1 > y) and x > x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                        met += 1
            mask[row, column] = 255 * (met % 2)
    return mask


def test_a_square_and_its_hole():
    mask = mask_within([SQUARE], 8, 16)
    expected = np.zeros((8, 16), np.uint8)
    expected[2:6, 4:12] = 255
    assert mask.dtype == np.uint8 and np.array_equal(mask, expected)
    assert np.array_equal(mask_within([SQUARE[::-1]], 8, 16), expected)  # either way round
    hole = [[0.375, 0.375], [0.625, 0.375], [0.625, 0.625], [0.375, 0.625]]
    expected[3:5, 6:10] = 0
    assert np.array_equal(mask_within([SQUARE, hole], 8, 16), expected)


def test_as_pixel_by_pixel():
    ragged = np.random.default_rng(0).uniform(0, 1, (3, 9, 2)).tolist()  # edges cross, within and between polygons
    mask = mask_within(ragged, 31, 23)
    assert np.array_equal(mask, plainly_within(ragged, 31, 23)) and 0.1 < (mask > 0).mean() < 0.9


@pytest.mark.parametrize(
    "text",
    [
        "not JSON",
        "[]",
        "{}",
        '{"a.png": []}',
        '{"a.png": [[[0, 0], [1, 1]]]}',
        '{"a.png": [[[0, 0], [1, 1], [0, 1.2]]]}',
        '{"a.png": [[[0, 0], [1, 1], ["0", 1]]]}',
        '{"a.png": [[[0, 0], [1, 1], [0, NaN]]]}',
        '{"a.png": [[0, 0], [1, 1], [0, 1]]}',
    ],
)
def test_what_is_not_outlines_is_refused(tmp_path, text):
    path = tmp_path / "outlines.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"outlines\.json"):
        read_outlines(path)


def test_missing_outlines_are_refused(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_outlines(tmp_path / "no.json")


def test_the_hand_drawn_ones_are_of_forty_garments():
    found = read_outlines(HAND_DRAWN)
    assert len(found) == 40
    for name, polygons in found.items():
        assert 0.1 < (mask_within(polygons, 128, 128) > 0).mean() < 0.9, name


@pytest.mark.thorough
def test_cut_outs_scored_against_outlines(root, tmp_path):
    """Overlap is with the outlines, not with the folder's masks, and of the photos that they are for."""
    folder, path = draw_catalogue(tmp_path / "photos", 4, split=("test",)), tmp_path / "outlines.json"

    def score(code: int = 0, **outlines: list[list[list[float]]]) -> str:
        path.write_text(json.dumps({f"images/{name[1:]}.png": polygons for name, polygons in outlines.items()}))
        command = [sys.executable, "scripts/score_cutouts.py", folder, "--segmenter", "classical", "--outlines", path]
        done = subprocess.run([*map(str, command)], cwd=root, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done.stderr if code else done.stdout

    everything, corner = [[0, 0], [1, 0], [1, 1], [0, 1]], [[0, 0], [0.02, 0], [0, 0.02]]
    printed = score(n0000=[everything], n0001=[corner])
    figures = json.loads(printed[printed.index("{") :])["classical"]  # after the progress bar
    assert figures["photos"] == 2 and figures["below_0.8"] == 1 and 0.05 < figures["overlap_mean"] < 0.5
    assert "'images/9999.png', which is not in the test split" in score(code=2, n9999=[everything])
