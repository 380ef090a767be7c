"""The generator's own pictures: how they are mixed, and how they lie on the garment."""

import pytest
import torch
from torch import nn

from amgan.editing.runtimes.engines import Pair
from amgan.errors import UserError
from amgan.models.amgan.generator import Generator
from amgan.models.amgan.motifs import LIFT, MIXED, SIDE, Motifs, extent
from amgan.models.interface import make_condition
from amgan.schema import AttributeSchema
from amgan.testing import SCHEMA


def test_extent_of_a_rectangle_is_its_centre_and_deviation():
    x = torch.ones(2, 3, 64, 64)
    x[:, :, 16:48, 32:64] = 0.0  # rows from -0.5 to 0.5, columns from 0 to 1
    x[1] = 1 - 0.5 * (1 - x[1])  # paler: the same place
    expected = torch.tensor([0.5, 0.0, 12**-0.5, 12**-0.5])
    assert torch.allclose(extent(x), expected.expand(2, 4), atol=0.03)
    nothing = extent(torch.ones(1, 3, 64, 64))
    assert torch.isfinite(nothing).all()


def test_planes_are_mixed_by_the_condition_and_unmoved_at_first():
    torch.manual_seed(0)
    motifs = Motifs(6, 5)
    x, condition = torch.rand(2, 3, SIDE, SIDE) * 2 - 1, torch.randn(2, 5)
    share = motifs.mix(condition).view(2, MIXED, 6) * LIFT / 6**0.5
    expected = torch.einsum("bmk,khw->bmhw", share, motifs.planes)
    assert torch.allclose(motifs(x, condition), expected, atol=1e-4)
    assert motifs(x[:, :, :32, :32], condition).shape == (2, MIXED, 32, 32)


def test_planes_are_laid_where_the_garment_lies():
    """Planes moved by what the picture says, and that is learnt: a gradient reaches the place."""
    torch.manual_seed(0)
    motifs = Motifs(6, 5)
    with torch.no_grad():
        motifs.place.weight[3, 5] = 2.0  # half of 2: as far right as the garment's centre
    left, right = torch.ones(1, 3, SIDE, SIDE), torch.ones(1, 3, SIDE, SIDE)
    left[..., : SIDE // 2], right[..., SIDE // 2 :] = 0.0, 0.0
    condition = torch.randn(1, 5)
    a, b = motifs(left, condition), motifs(right, condition)  # (1, MIXED, SIDE, SIDE)
    # Their centres lie half a picture apart.
    assert torch.allclose(a[..., SIDE // 2 :], b[..., : SIDE // 2], atol=1e-2)
    a.square().sum().backward()
    assert motifs.place.weight.grad is not None and motifs.place.weight.grad[3].abs().max() > 0


def test_a_generator_that_gains_motifs_makes_the_same_pictures_at_first():
    torch.manual_seed(0)
    old = Generator(SCHEMA, 8, 1, 2, True, True)
    new = Generator(SCHEMA, 8, 1, 2, True, True, motifs=4)
    new.load_state_dict(old.state_dict(), strict=False)
    x, labels = torch.rand(2, 3, 32, 32) * 2 - 1, torch.tensor([[1, 2], [2, 0]])
    condition = make_condition(SCHEMA, labels, labels >= 0)
    assert torch.equal(old(x, condition).image, new(x, condition).image)
    new(x, condition).image.sum().backward()
    assert new.coarse_motifs.weight.grad.abs().max() > 0 and new.fine_motifs.weight.grad.abs().max() > 0


def test_motifs_for_patterns_leave_other_edits_alone():
    """Motifs of a pattern once showed on grown sleeves, as a grid of bumps."""
    schema = AttributeSchema.from_dict({"sleeve": ["short", "long"], "pattern": ["plain", "striped"]})
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    of = {}
    for motifs, motifs_for in ((0, "edits"), (4, "edits"), (4, "patterns")):
        torch.manual_seed(0)
        g = of[motifs, motifs_for] = Generator(schema, 8, 1, 2, True, True, motifs=motifs, motifs_for=motifs_for)
        g.load_state_dict(of[0, "edits"].state_dict(), strict=False)
        if motifs:
            nn.init.ones_(g.fine_motifs.weight)
            nn.init.ones_(g.coarse_motifs.weight)
    labels = torch.tensor([[1, 1], [1, 1]])
    edited = torch.tensor([[True, False], [True, True]])  # the second: a sleeve and a pattern
    none, always, gated = (g(x, make_condition(schema, labels, edited)).image for g in of.values())
    assert torch.equal(gated[0], none[0]) and not torch.allclose(always[0], none[0], atol=1e-2)
    assert torch.allclose(gated[1], always[1], atol=1e-5) and not torch.allclose(gated[1], none[1], atol=1e-2)


def test_motifs_for_designs_leave_plain_cloth_alone_too():
    """Asked for plain cloth, motifs of a pattern once said where: in the middle, and not on sleeves."""
    schema = AttributeSchema.from_dict({"sleeve": ["short", "long"], "pattern": ["plain", "striped"]})
    x = torch.rand(3, 3, 32, 32) * 2 - 1
    torch.manual_seed(0)
    always, gated = (Generator(schema, 8, 1, 2, True, True, motifs=4, motifs_for=f) for f in ("edits", "designs"))
    none = Generator(schema, 8, 1, 2, True, True)
    nn.init.ones_(always.fine_motifs.weight)
    gated.load_state_dict(always.state_dict())
    none.load_state_dict(always.state_dict(), strict=False)
    labels = torch.tensor([[1, 1], [1, 0], [1, 1]])  # a sleeve; plain; stripes
    condition = make_condition(schema, labels, torch.tensor([[True, False], [False, True], [False, True]]))
    with_all, designs, without = (g(x, condition).image for g in (always, gated, none))
    assert torch.equal(designs[:2], without[:2]) and not torch.allclose(with_all[1], without[1], atol=1e-2)
    assert torch.allclose(designs[2], with_all[2], atol=1e-5) and not torch.allclose(designs[2], without[2], atol=1e-2)
    assert not gated.eval().motifs.needed(condition[:2]) and gated.motifs.needed(condition)


@pytest.mark.parametrize("motifs_for", ["patterns", "designs"])
def test_motifs_for_patterns_need_a_pattern(motifs_for):
    with pytest.raises(UserError, match=f"No pattern can be edited.*{motifs_for}"):
        Generator(SCHEMA, 8, 1, 2, True, True, motifs=4, motifs_for=motifs_for)


def test_motifs_that_are_not_needed_are_not_made_and_a_recorded_network_makes_them(monkeypatch):
    schema = AttributeSchema.from_dict({"sleeve": ["short", "long"], "pattern": ["plain", "striped"]})
    torch.manual_seed(0)
    g = Generator(schema, 8, 1, 2, True, True, motifs=4, motifs_for="patterns").eval()
    nn.init.ones_(g.fine_motifs.weight)
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    wanted = torch.tensor([[1, 1]])
    sleeve, pattern = (make_condition(schema, wanted, torch.tensor([e])) for e in ([True, False], [False, True]))
    calls = []
    monkeypatch.setattr(Motifs, "forward", lambda self, *a, plain=Motifs.forward: calls.append(1) or plain(self, *a))
    with torch.no_grad():
        quick = g(x, sleeve).image
        assert not calls
        laid = g(x, pattern).image
        assert len(calls) == 1
        assert torch.equal(g.train()(x, sleeve).image, quick) and len(calls) == 2
        recorded = torch.export.export(Pair(g.eval()), (x, sleeve)).module()
        raw, mask = recorded(x, pattern)
        assert torch.allclose(mask * raw + (1 - mask) * x, laid, atol=1e-5)
        assert not torch.allclose(laid, quick, atol=1e-2)
