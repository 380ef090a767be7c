"""A colour that one pass has set stays as it is; one that it missed, or left a tinge of, is set once more."""

from __future__ import annotations

import pytest
import torch

from amgan.editing.editor import GeneratorEditor
from amgan.editing.set_at_once import set_at_once
from amgan.models.interface import Generated
from amgan.testing import SCHEMA

BRIGHT, BRICK, ORANGE, TEAL = (215, 20, 25), (150, 50, 45), (220, 130, 30), (40, 120, 120)


def picture(*rgb: int) -> torch.Tensor:
    """A garment of one colour on white, (1, 3, 32, 32) in [-1, 1]."""
    x = torch.ones(1, 3, 32, 32)
    x[:, :, 6:28, 6:26] = torch.tensor(rgb)[:, None, None] / 127.5 - 1
    return x


def made(*rgb: int) -> Generated:
    image = picture(*rgb)
    return Generated(image, (image < 1).any(1, keepdim=True).float(), image)


@pytest.mark.parametrize(
    ("first", "second", "wanted", "enough"),
    [
        (BRIGHT, BRICK, "red", True),  # of one hue, the second duller
        (ORANGE, BRIGHT, "red", False),  # not yet red
        (BRICK, ORANGE, "red", False),  # red by name, but its hue still turns
        (BRIGHT, BRICK, "blue", False),
        (BRIGHT, BRICK, "raspberry", False),  # no name of the palette
        (BRIGHT, BRICK, None, False),
        ((12, 12, 14), (20, 18, 18), "black", True),  # greys have no hue to turn
        ((100, 96, 92), (20, 18, 18), "black", False),
    ],
)
def test_one_pass_is_enough_for_what_it_has_made_of_the_wanted_colour(first, second, wanted, enough):
    assert set_at_once(made(*first), made(*second), [wanted]).tolist() == [enough]


def test_pictures_do_not_depend_on_each_other_and_an_empty_mask_is_no_hit():
    first, second = (
        Generated(*(torch.cat(parts) for parts in zip(made(*a)[:3], made(*b)[:3], strict=True)))
        for a, b in ((BRIGHT, TEAL), (BRICK, BRICK))
    )
    assert set_at_once(first, second, ["red", "red"]).tolist() == [True, False]
    nowhere = first._replace(mask=torch.zeros_like(first.mask))
    assert set_at_once(nowhere, second, ["red", "red"]).tolist() == [False, False]


class Dulls(torch.nn.Module):
    """Stands for a generator that makes white cloth bright and coloured cloth duller, of the hue that is asked."""

    schema = SCHEMA

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x, condition):
        mask = (x < 1).any(1, keepdim=True).float()
        coloured = (x.amax(1) - x.amin(1)).amax((1, 2)) > 0.2
        raw = torch.cat([picture(*(BRICK if again else BRIGHT)) for again in coloured.tolist()])
        return Generated(mask * raw + (1 - mask) * x, mask, raw)


def test_a_colour_that_is_right_at_once_is_not_dulled_by_a_second_pass():
    editor = GeneratorEditor(Dulls(), 32, "dulls")
    photos = ((torch.cat([picture(230, 228, 225), picture(90, 90, 90)]) + 1) * 127.5).round().to(torch.uint8)
    red = editor.edit(photos, {"color": "red"})
    assert (red.image[:, :, 12, 12] == torch.tensor(BRIGHT)).all()
    other = editor.edit(photos, {"color": "blue"})  # what it makes is no blue: set once more
    assert (other.image[:, :, 12, 12] == torch.tensor(BRICK)).all()
