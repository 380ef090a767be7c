"""A generator that leaves long sleeves long when 3/4 ones are wanted: their ends are cut off."""

from __future__ import annotations

import pytest
import torch

from amgan.editing import editor
from amgan.editing.editor import GeneratorEditor
from amgan.editing.shorter import KEPT, ends_cut_off, stayed_long
from amgan.models.interface import Generated
from amgan.schema import AttributeSchema

SCHEMA = AttributeSchema.from_dict({"sleeve": ["short", "3/4", "long"], "color": ["red", "blue"]})
SIZE = 64
BODY, SLEEVES = (slice(10, 54), slice(20, 44)), (slice(6, 20), slice(44, 58))
SHORT, MIDDLE, LONG = 20, 34, 48  # the rows that sleeves end at


@pytest.fixture(autouse=True)
def cloth_as_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a sleeve is made of: tests/test_own_cloth.py."""
    monkeypatch.setattr(editor, "in_own_cloth", lambda x, made: made)


class Lengths(torch.nn.Module):
    """Stands for a generator: cuts sleeves off, and grows them, but turns long ones into 3/4 ones only if ``able``."""

    schema = SCHEMA

    def __init__(self, able: bool = False) -> None:
        super().__init__()
        self.weight, self.able, self.asked = torch.nn.Parameter(torch.zeros(1)), able, []

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> Generated:
        raw, mask = x.clone(), torch.zeros(len(x), 1, SIZE, SIZE)
        for i, wanted in enumerate(condition.flatten(2).amax(2)[:, :3] if condition.ndim > 2 else condition[:, :3]):
            value = int(wanted.argmax()) if wanted.any() else -1
            self.asked.append(value)
            is_long = bool(x[i, 0, LONG - 1, SLEEVES[0].start] < 0.9)
            if value < 0 or (value == 1 and is_long and not self.able):
                continue
            end = (SHORT, MIDDLE, LONG)[value]
            for columns in SLEEVES:
                raw[i, :, 10:end, columns], raw[i, :, end:LONG, columns] = -0.2, 1.0
                mask[i, :, 10:LONG, columns] = 1.0
        return Generated(mask * raw + (1 - mask) * x, mask, raw)


def garment(end: int) -> torch.Tensor:
    """uint8 (1, 3, S, S), with sleeves down to a row."""
    picture = torch.full((1, 3, SIZE, SIZE), 255, dtype=torch.uint8)
    picture[:, :, BODY[0], BODY[1]] = 80
    for columns in SLEEVES:
        picture[:, :, 10:end, columns] = 80
    return picture


def ends(image: torch.Tensor) -> list[list[int]]:
    """The rows that the sleeves of each picture end at."""
    return [[int((p[:, c.start + 3] < 240).sum()) + 10 for c in SLEEVES] for p in image.amin(1)]


def test_long_sleeves_that_stayed_long_are_cut():
    generator = Lengths()
    result = GeneratorEditor(generator, SIZE, "lengths").edit(garment(LONG), {"sleeve": "3/4"})
    assert generator.asked == [1, 0]
    ((left, right),) = ends(result.image)
    cut = SHORT + KEPT * (LONG - SHORT)
    assert left == right and abs(left - cut) <= 2
    assert torch.equal(result.image[:, :, : left - 1], garment(LONG)[:, :, : left - 1])  # what stays is the photo's
    assert result.mask[:, :, : left - 2].sum() == 0 and result.mask[..., BODY[1]].sum() == 0


def test_sleeves_that_point_sideways_are_cut_at_their_outer_ends():
    x = torch.ones(1, 3, SIZE, SIZE)
    x[:, :, 10:54, 22:42] = x[:, :, 12:22, 2:62] = 0  # a body, and sleeves at right angles to it
    short = x.clone()
    short[:, :, 12:22, :16] = short[:, :, 12:22, 48:] = 1
    cut = ends_cut_off(x, Generated(short, torch.ones(1, 1, SIZE, SIZE), short)).image
    row = (cut[0, 0, 17] < 0.5).nonzero()[:, 0]
    assert abs(int(row.min()) - (16 - 14 * KEPT)) <= 2 and abs(int(row.max()) - (47 + 14 * KEPT)) <= 2
    assert torch.equal(cut[:, :, 22:], x[:, :, 22:])


@pytest.mark.parametrize(
    ("end", "edit", "able", "asked"),
    [
        (LONG, "3/4", True, [1, 0]),  # it did as it was told
        (SHORT, "3/4", False, [1, 0]),  # there was nothing to shorten
        (LONG, "short", False, [0]),
        (SHORT, "long", False, [2]),
    ],
)
def test_other_edits_are_made_at_once(end: int, edit: str, able: bool, asked: list[int]) -> None:
    generator = Lengths(able)
    result = GeneratorEditor(generator, SIZE, "lengths").edit(garment(end), {"sleeve": edit})
    assert generator.asked == asked
    assert ends(result.image) == [[{"short": SHORT, "3/4": MIDDLE, "long": LONG}[edit]] * 2]


def test_each_picture_of_a_batch_has_its_own_edit():
    pictures = torch.cat([garment(LONG), garment(LONG), garment(SHORT), garment(LONG)])
    edits = [{"sleeve": "3/4"}, {"sleeve": "short"}, {"sleeve": "3/4"}, {"color": "red"}]
    both = GeneratorEditor(Lengths(), SIZE, "lengths").edit(pictures, edits)
    (cut, other), *rest = ends(both.image)
    assert cut == other and SHORT + 5 < cut < LONG - 5
    assert rest == [[SHORT] * 2, [MIDDLE] * 2, [LONG] * 2]


def test_what_stayed_long():
    def picture(*rows: int) -> torch.Tensor:
        return torch.cat([garment(end) for end in rows]).float() / 127.5 - 1

    x, edited = picture(LONG, LONG, SHORT, LONG), picture(LONG, MIDDLE, MIDDLE, LONG - 1)
    assert stayed_long(x, edited, picture(SHORT, SHORT, SHORT, SHORT)).tolist() == [True, False, False, True]
