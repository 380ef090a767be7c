"""Sleeves beside a wide garment end within the frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amgan.editing.editor import GeneratorEditor
from amgan.editing.room import half_width, half_widths, runs_out, squeezed, stretched
from amgan.models.interface import Generated
from amgan.testing import SCHEMA

SIDE = 128


def body(half: int, sleeves: int = 0) -> torch.Tensor:
    """A garment on white, (1, 3, S, S) uint8, so many pixels wide to either side, with sleeves apart from it."""
    picture = torch.full((1, 3, SIDE, SIDE), 255, dtype=torch.uint8)
    picture[..., 20:104, 64 - half : 64 + half] = 90
    if sleeves:
        picture[..., 20:40, 64 - half - sleeves : 64 + half + sleeves] = 90
        picture[..., 40:90, 64 - half - sleeves : 64 - half - 2] = 90
        picture[..., 40:90, 64 + half + 2 : 64 + half + sleeves] = 90
    return picture


class Sleeves(torch.nn.Module):
    """Stands for a generator that paints sleeves of one width beside what it sees, and counts what it sees."""

    schema = SCHEMA
    WIDTH = 25

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen = []

    def forward(self, x, condition):
        self.seen.append(len(x))
        raw, mask = x.clone(), torch.zeros(len(x), 1, SIDE, SIDE)
        for i, cloth in enumerate((x < 0.5).all(1)):
            columns = torch.where(cloth[70])[0]
            left, right = int(columns[0]), int(columns[-1]) + 1
            for a, b in ((max(0, left - self.WIDTH), left), (right, right + self.WIDTH)):
                raw[i, :, 24:90, a:b], mask[i, :, 24:90, a:b] = -0.3, 1
        return Generated(mask * raw + (1 - mask) * x, mask, raw)


@pytest.mark.parametrize("sleeves", [0, 14])
def test_the_width_is_the_bodys(sleeves):
    assert half_widths(body(30, sleeves).float() / 127.5 - 1).tolist() == [30]
    assert half_width(np.ones((SIDE, SIDE), bool)) == 0
    off_centre = np.ones((SIDE, SIDE), bool)
    off_centre[20:104, 50:100] = False
    assert half_width(off_centre) == 25


@pytest.mark.parametrize(("half", "fits"), [(20.0, 17.4), (40.0, 34.8), (46.0, 35.0)])
def test_what_is_squeezed_is_stretched_back(half, fits):
    y, x = torch.meshgrid(torch.linspace(-1, 1, SIDE), torch.linspace(-1, 1, SIDE), indexing="ij")
    picture, halves = torch.stack([x, y, (3 * x).sin() * (2 * y).cos()])[None], torch.tensor([half])
    narrow = squeezed(picture, halves)
    assert narrow[0, 0, 60, round(64 + fits)] == pytest.approx(float(picture[0, 0, 60, round(64 + half)]), abs=0.02)
    back = stretched(narrow, halves)
    inner = (..., slice(4, -4), slice(4, -4))
    assert (back[inner] - picture[inner]).abs().max() < 0.03


def test_sleeves_run_out_where_the_picture_is_white():
    x = body(30).float() / 127.5 - 1
    y = x.clone()
    y[..., 60:64, :4] = 0
    assert runs_out(torch.cat([x, x, y]), torch.cat([x, y, y])).tolist() == [False, True, False]


@pytest.mark.parametrize("half", [30, 42])
def test_sleeves_end_within_the_frame(half):
    photo, generator = body(half), Sleeves()
    result = GeneratorEditor(generator, SIDE, "sleeves").edit(photo, {"sleeve": "long"})
    assert generator.seen == ([1] if half + Sleeves.WIDTH < 62 else [1, 1])
    new = (result.image[0] < 250).all(0) & (photo[0] == 255).all(0)
    assert not new[:, :2].any() and not new[:, -2:].any()
    for side in (new[:, :64], new[:, 64:]):
        assert 12 <= side[60].sum() <= Sleeves.WIDTH + 1
    torso = (slice(24, 100), slice(64 - half + 2, 64 + half - 2))
    assert (result.image[0][:, *torso].float() - 90).abs().max() <= 12


def test_others_in_a_batch_stay_as_they_are_alone():
    editor = GeneratorEditor(Sleeves(), SIDE, "sleeves")
    both = editor.edit(torch.cat([body(30), body(42)]), {"sleeve": "long"})
    for i, half in enumerate((30, 42)):
        assert torch.equal(editor.edit(body(half), {"sleeve": "long"}).image[0], both.image[i])
