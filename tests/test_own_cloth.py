"""Sleeves that a generator grew, in the garment's own cloth, at the model's size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amgan.editing import editor
from amgan.editing.editor import GeneratorEditor
from amgan.editing.main_colour import as_even, lab_of
from amgan.editing.own_cloth import in_own_cloth
from amgan.editing.pieces import _places
from amgan.models.interface import Generated
from amgan.testing import SCHEMA

SIZE = 128
PLAIN = np.array([60, 110, 190]) / 255
TORSO = (slice(24, 104), slice(42, 88))
SLEEVES = ((slice(30, 90), slice(16, 42)), (slice(30, 90), slice(88, 112)))
INSIDE = (slice(38, 82), slice(21, 37))  # of the left one
HOOD = ((slice(6, 24), slice(52, 78)),)


def garment(second: np.ndarray = PLAIN, where: np.ndarray | None = None) -> torch.Tensor:
    """On white, of one colour and where that is, bool (SIDE, SIDE), of a second, (1, 3, S, S) in [-1, 1]."""
    picture = np.ones((SIZE, SIZE, 3))
    picture[TORSO] = PLAIN
    if where is not None:
        picture[TORSO] = np.where(where[..., None], second, PLAIN)[TORSO]
    return torch.from_numpy(2 * picture - 1).permute(2, 0, 1)[None].float()


def with_blotches(x: torch.Tensor, parts: tuple = SLEEVES) -> Generated:
    """New cloth as generators paint it: of a colour that is about the garment's, pale in the middle."""
    raw, mask = x.clone(), torch.zeros(1, 1, SIZE, SIZE)
    for part in parts:
        raw[0][:, *part] = torch.tensor(2 * (0.85 * PLAIN + 0.04) - 1)[:, None, None]
        mask[0, 0][part] = 1
    raw[0, :, 60:72, 20:36] = torch.tensor([0.4, 0.6, 0.8])[:, None, None]
    return Generated(mask * raw + (1 - mask) * x, mask, raw)


def pixels(made: torch.Tensor) -> np.ndarray:
    return (made[0].permute(1, 2, 0).numpy() + 1) / 2


def test_its_colour_is_the_garments_without_blotches():
    x = garment()
    before, made = with_blotches(x), in_own_cloth(x, with_blotches(x))
    for edit, least, most in ((before, 0.1, 1), (made, 0, 0.02)):
        assert least < np.abs(pixels(edit.image)[INSIDE] - PLAIN).max() < most
    assert torch.allclose(made.image[..., 46:84], x[..., 46:84], atol=1e-5)  # the torso
    assert torch.allclose(made.image, made.mask * made.raw + (1 - made.mask) * x, atol=0.02)
    assert (made.mask[0, 0][INSIDE] > 0.5).all()


@pytest.mark.parametrize("period", [6, 14])
def test_its_pattern_is_the_garments(period):
    pale = np.array([225, 215, 220]) / 255
    x = garment(pale, np.mgrid[:SIZE, :SIZE][0] % period < period / 2)
    made = pixels(in_own_cloth(x, with_blotches(x)).image)
    torso = pixels(x)[38:82, 50:80]
    assert 0.7 < made[INSIDE].mean(1).std(0).mean() / torso.mean(1).std(0).mean() < 1.2
    assert np.abs(made[INSIDE].mean((0, 1)) - torso.mean((0, 1))).max() < 0.05
    assert made[INSIDE].std(1).mean() < 0.05  # across


def test_a_print_on_the_front_stays_there():
    y, x = np.mgrid[:SIZE, :SIZE]
    x = garment(np.array([0.9, 0.8, 0.2]), (abs(y - 55) < 16) & (abs(x - 65) < 12))
    made = pixels(in_own_cloth(x, with_blotches(x)).image)
    assert np.abs(made[INSIDE] - PLAIN).max() < 0.03


def test_what_grew_no_sleeve_stays_as_it_was():
    x = torch.cat([garment(), garment(), garment(), garment()])
    nothing = Generated(x[:1], torch.zeros(1, 1, SIZE, SIZE), x[:1])
    recoloured = Generated(x[:1].flip(1), (x[:1].amin(1, keepdim=True) < 0.9).float(), x[:1].flip(1))
    edits = [nothing, recoloured, with_blotches(x[:1], HOOD), with_blotches(x[:1])]
    before = Generated(*(torch.cat(a) for a in zip(*(e[:3] for e in edits), strict=True)))
    after = in_own_cloth(x, before)
    for name in ("image", "mask", "raw"):
        a, b = getattr(before, name), getattr(after, name)
        assert torch.equal(a[:3], b[:3]) and not torch.equal(a[3], b[3])
    assert torch.equal(after.image[3:], in_own_cloth(x[3:], edits[3]).image)  # alone as in a batch


def test_editors_do_it_with_edits_of_the_outline(monkeypatch):
    class Sleeves(torch.nn.Module):
        schema = SCHEMA

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x: torch.Tensor, condition: torch.Tensor) -> Generated:
            return with_blotches(x)

    x = ((garment() + 1) * 127.5).round().to(torch.uint8)
    grower = GeneratorEditor(Sleeves(), SIZE, "sleeves")
    sleeve, colour = (grower.edit(x, edit).image[0].permute(1, 2, 0).numpy() / 255 for edit in EDITS)
    monkeypatch.setattr(editor, "in_own_cloth", lambda x, made: made)
    as_painted = grower.edit(x, EDITS[0]).image[0].permute(1, 2, 0).numpy() / 255
    assert np.abs(sleeve[INSIDE] - PLAIN).max() < 0.03
    assert np.abs(as_painted[INSIDE] - PLAIN).max() > 0.1 and (colour == as_painted).all()


EDITS = ({"sleeve": "long"}, {"color": "red"})


def test_light_and_shade_are_no_stronger_than_on_other_cloth():
    rng = np.random.default_rng(0)
    cloth = np.clip(PLAIN + rng.normal(0, 0.02, (4000, 1)), 0, 1).astype(np.float32)
    folds = np.clip(PLAIN + np.linspace(-0.015, 0.015, 50)[:, None], 0, 1).astype(np.float32)[None]
    blotch = np.float32([[[0.8, 0.9, 1.0]]])
    colour = lab_of(PLAIN)
    assert np.abs(as_even(folds, colour, cloth) - folds).max() < 0.008
    off = np.abs(as_even(blotch, colour, cloth) - PLAIN).max()
    assert off < 0.06 < np.abs(blotch - PLAIN).max()


def test_cloth_whose_creases_are_dark_has_no_pale_blotches():
    creased = np.full((1000, 3), 0.8, np.float32)
    creased[::4] = 0.72
    colour = lab_of(creased[1])
    dark, pale = (np.full((4, 4, 3), level, np.float32) for level in (0.75, 0.85))
    assert np.abs(as_even(dark, colour, creased) - dark).max() < 0.02
    assert as_even(pale, colour, creased).max() < 0.82


def test_a_print_of_another_tint_at_the_side_does_not_go_into_sleeves():
    """As dark as the cloth and faint, so that it is neither a pattern nor of another colour."""
    y, x = np.mgrid[:SIZE, :SIZE]
    tinted = PLAIN + np.array([0.08, -0.03, -0.08])
    x = garment(tinted, (y % 24 < 12) & (abs(x - 65) > 8))
    made = pixels(in_own_cloth(x, with_blotches(x)).image)
    assert pixels(x)[40:80, 50:56].std((0, 1)).max() > 0.02
    assert made[INSIDE].std(0).max() < 0.015


def test_pieces_have_neither_hem_nor_front():
    own = np.zeros((SIZE, SIZE), bool)
    own[TORSO] = True
    rows, columns = TORSO
    for side, box in _places(own, {"left": (200, 16), "right": (200, 16)}).items():
        assert box[0].start == rows.start and rows.stop - 10 < box[0].stop < rows.stop - 5
        middle = (columns.start + columns.stop) / 2
        assert box[1].stop < middle - 4 if side == "left" else box[1].start > middle + 4
