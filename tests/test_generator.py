"""The generator's picture head: what it changes, and what new cloth starts from."""

import torch

from amgan.models.amgan.generator import Generator
from amgan.models.blocks import cloth_colour
from amgan.models.interface import make_condition
from amgan.testing import SCHEMA


def generator(blank):
    torch.manual_seed(0)
    g = Generator(SCHEMA, channels=8, blocks=1, inner_stride=2, skips=True, context=True, blank=blank)
    for part in (g.picture, g.gate):
        torch.nn.init.zeros_(part.weight)
    torch.nn.init.zeros_(g.picture.bias)
    return g.eval()


def test_new_cloth_on_white_starts_from_the_garment_s_colour():
    x = torch.ones(1, 3, 32, 32)
    x[:, :, 8:24, 8:24] = torch.tensor([0.6, -0.5, -0.2])[None, :, None, None]
    labels, edited = torch.tensor([[2, 2]]), torch.tensor([[True, False]])
    condition = make_condition(SCHEMA, labels, edited)
    colour = cloth_colour(x)[0]
    with torch.inference_mode():
        plain, blank = (generator(b)(x, condition).raw[0] for b in (0.0, 6.0))
    assert (plain[:, 0, 0] - 1).abs().max() < 0.1
    assert (blank[:, 0, 0] - colour).abs().max() < 0.1
    # Where there is cloth it makes no difference.
    assert torch.allclose(plain[:, 10:22, 10:22], blank[:, 10:22, 10:22], atol=1e-5)
