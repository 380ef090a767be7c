"""A garment that has a pattern is made plain before another is laid on it, by generators that lay designs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amgan.editing.editor import NetworkEditor
from amgan.editing.plain_first import lays_designs, made_plain_first, were_patterned
from amgan.models.amgan.generator import Generator
from amgan.schema import AttributeSchema
from amgan.testing import SCHEMA

WITH_PATTERNS = AttributeSchema.from_dict(SCHEMA.to_dict() | {"pattern": ["plain", "striped", "checked"]})
SIDE = 64
BODY = (slice(8, 58), slice(10, 54))


def picture(kind: str) -> torch.Tensor:
    """A garment on white, uint8 (3, S, S)."""
    x = np.full((SIDE, SIDE, 3), 255.0)
    x[BODY] = (120, 90, 60)
    if kind == "shaded":
        x[BODY] *= np.linspace(0.8, 1.2, SIDE)[None, :, None][:, BODY[1]]
    elif kind == "print":
        x[24:40, 22:42] = (30, 160, 200)
    elif kind == "label":  # too small to be one
        x[30:32, 30:32] = (30, 160, 200)
    return torch.from_numpy(x.round().astype(np.uint8)).permute(2, 0, 1)


@pytest.mark.parametrize(
    ("kind", "patterned"), [("plain", False), ("shaded", False), ("label", False), ("print", True)]
)
def test_what_is_patterned_is_seen_by_what_is_gone(kind, patterned):
    photos, plain = (torch.stack([picture(k)] * 2) for k in (kind, "plain"))
    assert were_patterned(photos, plain).tolist() == [patterned] * 2
    nothing = torch.full_like(photos, 255)
    assert were_patterned(nothing, nothing).tolist() == [False] * 2


def test_only_another_pattern_asks_for_it():
    assert made_plain_first(WITH_PATTERNS, {"pattern": "striped"}) == {"pattern": "plain"}
    for edit in ({"pattern": "plain"}, {"color": "red"}, {"sleeve": "long"}, {}):
        assert made_plain_first(WITH_PATTERNS, edit) is None
    never_plain = AttributeSchema.from_dict(SCHEMA.to_dict() | {"pattern": ["striped", "checked"]})
    assert made_plain_first(never_plain, {"pattern": "striped"}) is None


class Lays:
    """A network that makes cloth brown where plain cloth is asked for, and else leaves a mark on it."""

    def __init__(self):
        self.asked: list[list[str]] = []

    def __call__(self, x, condition):
        values = WITH_PATTERNS.values("pattern")
        part = condition[:, WITH_PATTERNS.slices[WITH_PATTERNS.index("pattern")]]
        asked = [values[int(row.argmax())] if row.any() else "" for row in part]
        self.asked.append(asked)
        raw, mask = x.clone(), (x < 1).any(1, keepdim=True).float()
        for i, value in enumerate(asked):
            if value == "plain":
                raw[i, :, BODY[0], BODY[1]] = torch.tensor([120.0, 90, 60])[:, None, None] / 127.5 - 1
            elif value:
                raw[i, :, 50:54, BODY[1]] = -1
        return raw, mask


def test_patterned_garments_alone_are_made_plain_and_each_by_itself():
    network = Lays()
    editor = NetworkEditor(network, WITH_PATTERNS, SIDE, "lays", designs=True)
    photos = torch.stack([picture("print"), picture("shaded"), picture("print"), picture("print")])
    edits = [{"pattern": "striped"}, {"pattern": "striped"}, {"pattern": "plain"}, {"color": "red"}]
    result = editor.edit(photos, edits)
    cloth = torch.tensor([120, 90, 60])
    assert (result.image[0, :, 30, 30] - cloth).abs().max() <= 1 and (result.image[0, :, 52, 30] == 0).all()
    assert torch.equal(result.image[1, :, :50], photos[1, :, :50]), "what is plain keeps its light"
    assert (result.image[1, :, 52, 30] == 0).all()
    assert (result.image[2, :, 30, 30] - cloth).abs().max() <= 1 and (result.image[2, :, 52, 30] != 0).all()
    assert [sum(bool(step.mask[i].any()) for step in result.steps) for i in range(4)] == [2, 1, 1, 1]
    joined = photos + result.mask * (result.raw.float() - photos)
    assert (joined - result.image.float()).abs().max() <= 1
    for i, edit in enumerate(edits):
        assert torch.equal(editor.edit(photos[i : i + 1], edit).image[0], result.image[i])


def test_others_lay_theirs_on_what_is_there():
    network = Lays()
    photos = picture("print")[None]
    result = NetworkEditor(network, WITH_PATTERNS, SIDE, "lays").edit(photos, {"pattern": "striped"})
    assert network.asked == [["striped"]]
    assert torch.equal(result.image[:, :, :50], photos[:, :, :50]) and (result.image[0, :, 52, 30] == 0).all()


def test_generators_say_so_themselves():
    options = {"channels": 4, "blocks": 1, "skips": True}
    said = {
        f: lays_designs(Generator(WITH_PATTERNS, **options, motifs=2, motifs_for=f))
        for f in ("edits", "patterns", "designs")
    }
    assert said == {"edits": False, "patterns": False, "designs": True}
    assert not lays_designs(Generator(WITH_PATTERNS, **options)) and not lays_designs(torch.nn.Identity())
