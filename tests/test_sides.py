"""A generator that grows one sleeve: the other comes from the mirrored picture."""

from __future__ import annotations

import pytest
import torch

from amgan.editing import editor
from amgan.editing.editor import GeneratorEditor
from amgan.editing.sides import left_out, with_other_side
from amgan.models.interface import Generated
from amgan.testing import SCHEMA

SIZE = 32


@pytest.fixture(autouse=True)
def cloth_as_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a sleeve is made of: tests/test_own_cloth.py."""
    monkeypatch.setattr(editor, "in_own_cloth", lambda x, made: made)


class OneSided(torch.nn.Module):
    """Stands for a generator: grows a sleeve right of the garment, and so many rows of one on its left."""

    schema = SCHEMA

    def __init__(self, left: int = 0) -> None:
        super().__init__()
        self.weight, self.left, self.passes = torch.nn.Parameter(torch.zeros(1)), left, 0

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> Generated:
        self.passes += 1
        raw, mask = x.clone(), torch.zeros(len(x), 1, SIZE, SIZE)
        for box in ((slice(8, 24), slice(22, 28)), (slice(8, 8 + self.left), slice(4, 10))):
            raw[..., box[0], box[1]], mask[..., box[0], box[1]] = -0.2, 1.0
        return Generated(mask * raw + (1 - mask) * x, mask, raw)


@pytest.fixture
def garments() -> torch.Tensor:
    pictures = torch.full((2, 3, SIZE, SIZE), 255, dtype=torch.uint8)
    pictures[:, :, 6:28, 10:22] = 80
    pictures[:, :, 6:28, 10:13] = 120  # one side differs, so that a mirrored garment would show
    return pictures


def grown(result: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    return ((pictures.amin(1) == 255) & (result.amin(1) < 240)).sum(1)  # (B, W)


def test_the_other_sleeve_is_the_mirrored_one_and_the_garment_stays(garments):
    generator = OneSided()
    result = GeneratorEditor(generator, SIZE, "one-sided").edit(garments, {"sleeve": "long"})
    columns = grown(result.image, garments)
    assert generator.passes == 2
    assert (columns[:, 22:28] == 16).all() and (columns[:, 4:10] == 16).all() and columns.sum() == 2 * 2 * 6 * 16
    assert torch.equal(result.image[:, :, :, 10:22], garments[:, :, :, 10:22])
    assert torch.equal(result.mask, result.mask.flip(3)) and result.mask.sum() == 2 * 2 * 6 * 16


def test_nothing_is_mirrored_where_both_sides_grew_or_the_outline_stays(garments):
    for generator, edit, passes in (
        (OneSided(left=16), {"sleeve": "long"}, 1),
        (OneSided(), {"color": "red"}, 2),  # a colour is set twice
    ):
        GeneratorEditor(generator, SIZE, "one-sided").edit(garments, edit)
        assert generator.passes == passes
    # Of both edits in one batch, the sleeve alone is made again of the mirrored picture, and only once.
    generator = OneSided()
    result = GeneratorEditor(generator, SIZE, "one-sided").edit(garments, [{"sleeve": "long"}, {"color": "red"}])
    assert generator.passes == 3 and grown(result.image, garments)[:, 4:10].sum(1).tolist() == [96, 0]


def test_which_side_was_left_out():
    x = torch.ones(7, 3, 100, 100)
    x[:, :, 15:80, 25:75] = 0
    edited = x.clone()
    left, right = slice(13, 25), slice(75, 87)
    edited[0, :, 20:40, right] = 0
    edited[1, :, 20:40, left] = 0
    edited[2, :, 20:40, left] = edited[2, :, 20:36, right] = 0
    edited[3, :, 20:21, right] = 0  # a streak
    edited[4, :, 20:40, left] = edited[4, :, 20:30, right] = 0  # half a sleeve
    edited[5, :, 20:40, left] = edited[5, :, 20:40, 80:90] = 0  # one in the air
    edited[6, :, 20:40, left] = edited[6, :, 20:40:2, right] = 0  # streaks
    assert left_out(x, edited).tolist() == [-1, 1, 0, 0, 1, 1, 1]


def test_the_mirrored_edit_is_taken_only_where_it_has_clearly_more():
    x = torch.ones(2, 3, 100, 100)
    x[:, :, 15:80, 25:75] = 0
    made, mirrored = x.clone(), x.clone()
    made[:, :, 20:30, 13:25] = mirrored[1, :, 20:30, 13:25] = 0
    mirrored[0, :, 20:40, 13:25] = 0
    alpha = torch.ones(2, 1, 100, 100)
    both = with_other_side(
        x, Generated(made, alpha, made), Generated(mirrored.flip(3), alpha, mirrored.flip(3)), torch.tensor([-1, -1])
    )
    assert torch.equal(both.image, torch.stack([mirrored[0], made[1]]))
