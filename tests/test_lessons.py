"""What each lesson teaches, by its pictures: which edits it serves, what it asks for, and which way round it goes."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

import amgan.lessons.batches as batches
from amgan.data.augment import STILL, warp
from amgan.data.drawn import draw_pairs
from amgan.data.garments import Garments, balance_weights
from amgan.data.stream import as_garments
from amgan.data.truths import Truths
from amgan.lessons.batches import LESSONS, BatchMaker
from amgan.lessons.colour import lab_statistics
from amgan.lessons.cut import Cut
from amgan.lessons.descriptors import AXIS_BAND, COARSE, torso_cost, torso_cost_either_way
from amgan.lessons.edits import draw_edits
from amgan.lessons.from_bare import FromBare
from amgan.lessons.identity import Identity
from amgan.lessons.lesson import Lesson
from amgan.lessons.plan import UNPAIRED
from amgan.lessons.recoloured import Recoloured, give_wanted_shade
from amgan.lessons.sewn import Sewn
from amgan.lessons.true_edits import DyedTrueEdit, TrueEdit
from amgan.lessons.unpaired import Unpaired
from amgan.models.interface import BatchCounts, EditBatch
from amgan.models.training_config import LessonsConfig
from amgan.pixels import dilate, to_float
from amgan.schema import AttributeSchema
from amgan.synth import render
from amgan.testing import SCHEMA

SIZE = 64
SLEEVE, COLOR = 0, 1
SLEEVES, COLORS = SCHEMA.values("sleeve"), ("black", "white", "red", "blue")
MULTI = SCHEMA.values("color").index("multi")
COUNTS = BatchCounts(1, 1, 1, 1)


def rendered(seed: int, sleeve: str, color: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A plain garment uint8 (3, S, S), its mask bool (1, S, S), and labels."""
    kept = {"collar": "round", "fastening": "no closure", "pattern": "plain"}
    shot = render(seed, {**kept, "sleeve": sleeve, "color": color}, SIZE)
    labels = torch.from_numpy(SCHEMA.encode({"sleeve": sleeve, "color": color}))
    return torch.from_numpy(shot.image).permute(2, 0, 1), torch.from_numpy(shot.mask > 0)[None], labels


@pytest.fixture(scope="module")
def photos() -> Garments:
    """Two garments for each sleeve and colour."""
    cases = [(s, c) for s in SLEEVES for c in COLORS] * 2
    images, masks, labels = zip(*(rendered(seed, *case) for seed, case in enumerate(cases)), strict=True)
    ids = tuple(map(str, range(len(cases))))
    return Garments(SCHEMA, torch.stack(images), torch.stack(masks), torch.stack(labels), ids)


@pytest.fixture(scope="module")
def with_truths(photos) -> Garments:
    """The first twelve with true edits: one of the sleeve, two of the colour."""
    of, attribute, made = [], [], []
    for n in range(12):
        sleeve, color = SLEEVES[n // 4], COLORS[n % 4]
        for changed, s, c in (
            (SLEEVE, SLEEVES[(n // 4 + 1) % 3], color),
            (COLOR, sleeve, COLORS[(n + 1) % 4]),
            (COLOR, sleeve, COLORS[(n + 2) % 4]),
        ):
            of.append(n)
            attribute.append(changed)
            made.append(rendered(n, s, c))
    images, masks, labels = (torch.stack(t) for t in zip(*made, strict=True))
    return replace(photos, truths=Truths(images, masks, torch.tensor(of), torch.tensor(attribute), labels))


def maker(garments: Garments, batch: int = 128, own: int | None = None, **settings: float) -> BatchMaker:
    features = F.normalize(torch.randn(len(garments), 4, generator=torch.Generator().manual_seed(1)), dim=1)
    weights = balance_weights(garments.labels)
    return BatchMaker(garments, features, weights, LessonsConfig(**settings), batch, own, real=True)


def tensors_of(batch: EditBatch) -> dict[str, torch.Tensor]:
    """All but the counts."""
    assert batch.real is not None
    named = batch._asdict() | {f"real.{name}": tensor for name, tensor in batch.real._asdict().items()}
    return {name: tensor for name, tensor in named.items() if name not in ("counts", "real")}


class Drawn:
    """A plan, unmoved, its pictures, and which rows each lesson has."""

    def __init__(self, made: BatchMaker, seed: int = 0) -> None:
        plan = made.plan(torch.Generator().manual_seed(seed))
        self.plan = replace(plan, theta=torch.eye(2, 3).expand(len(plan), 2, 3))
        self.edits, self.maker = plan.edits, made
        self.batch = made.make(self.plan, COUNTS)
        self.photos = to_float(made.data.garments.images[plan.edits.garment])
        # What the lesson made, whichever way round it goes.
        backward = plan.backward[:, None, None, None]
        self.made = torch.where(backward, self.batch.source, self.batch.reference)
        self.made_mask = torch.where(backward, self.batch.source_mask, self.batch.reference_mask).round()

    @property
    def shown_in_other_colours(self) -> torch.Tensor:
        return self.rows(Recoloured) & (self.edits.chosen["shown_in"] >= 0)

    def rows(self, kind: type[Lesson]) -> torch.Tensor:
        return self.edits.lesson == [type(lesson) for lesson in self.maker.lessons].index(kind)


@pytest.fixture(scope="module")
def pairs(photos) -> Drawn:
    return Drawn(maker(photos, pairs=1.0, several=0.3, dyed=0.5))


@pytest.fixture(scope="module")
def truths(with_truths) -> Drawn:
    return Drawn(maker(with_truths, pairs=0.9, several=0.5))


def same(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Bool (B,)."""
    return ((a - b).abs() < 1e-4).flatten(1).all(1)


def test_the_photograph_is_source_or_result_and_what_is_asked_for_is_the_result_s(pairs, truths):
    for drawn in (pairs, truths):
        b, back = drawn.batch, drawn.plan.backward
        as_they_are = ~back & ~drawn.shown_in_other_colours & ~drawn.rows(FromBare)
        assert same(b.source, drawn.photos)[as_they_are].all() and as_they_are.any()
        assert same(b.photos, drawn.photos).all() and same(b.reference, drawn.photos)[back].all() and back.any()
        assert torch.equal(b.wanted[back], drawn.edits.labels[back])
        forth = ~back & ~drawn.rows(Identity) & ~drawn.rows(FromBare)
        assert (b.wanted != b.labels)[forth].any(1).all()
        assert torch.equal(b.aligned > 0, drawn.edits.lesson != UNPAIRED)
        assert torch.equal(b.difference == 0, torch.zeros(len(back)).index_fill(0, b.guessed_rows, 1) > 0)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_what_shall_be_pairs_is_drawn_until_a_lesson_serves_it(photos, monkeypatch, share):
    """Onto every other garment no longer sleeve can be sewn."""
    masks = photos.masks.clone()
    masks[::2] = True
    made = maker(replace(photos, masks=masks), batch=2048, pairs=share, outline_weight=6.0)
    shares = []
    for tries in (1, batches.TRIES):
        monkeypatch.setattr(batches, "TRIES", tries)
        edits = made.plan(torch.Generator().manual_seed(0)).edits
        shares.append(float((edits.lesson != UNPAIRED).float().mean()))
    assert shares[1] == pytest.approx(share, abs=0.03) and (share == 0 or shares[0] < share - 0.05)


def test_unpaired_rows_have_the_cycle_and_a_reference_with_the_wanted_values(photos):
    drawn = Drawn(maker(photos, several=0.3))
    assert [type(lesson) for lesson in drawn.maker.lessons] == [Unpaired]
    assert not drawn.batch.aligned.any() and torch.equal(drawn.batch.cycle_rows, torch.arange(128))
    other = (drawn.made[:, None] - to_float(photos.images)[None]).abs().flatten(2).amax(2).argmin(1)
    assert (photos.labels[other] == drawn.edits.wanted)[drawn.edits.edited].all()
    assert (other != drawn.edits.garment).all()


def test_nothing_is_asked_back_to_a_value_that_no_edit_can_ask_for(with_truths):
    """A cycle or a backward row would ask for multi."""
    labels = with_truths.labels.clone()
    labels[:, COLOR] = MULTI
    drawn = Drawn(maker(replace(with_truths, labels=labels), pairs=0.5))
    colour = drawn.edits.edited[:, COLOR]
    assert colour.any() and not drawn.plan.backward[colour].any() and not drawn.plan.cycled[colour].any()
    assert drawn.plan.backward[~colour].any() and drawn.plan.cycled[~colour].any()


def test_a_photograph_without_labels_has_nothing_edited_and_no_cycle(photos):
    labels = photos.labels.clone()
    labels[::2] = -1
    drawn = Drawn(maker(replace(photos, labels=labels), pairs=0.5))
    bare = ~drawn.edits.edited.any(1)
    assert bare.any() and (drawn.edits.lesson[bare] == UNPAIRED).all() and not drawn.plan.cycled[bare].any()
    assert not drawn.batch.changed[bare].any()


def test_recoloured_rows_take_the_clear_shade_and_never_go_backward(pairs):
    rows = pairs.rows(Recoloured)
    assert rows.sum() > 10 and not pairs.plan.backward[rows].any()
    assert pairs.edits.edited[rows].tolist() == [[False, True]] * int(rows.sum())
    colours = lab_statistics(pairs.made[rows], pairs.made_mask[rows])
    shades = pairs.maker.data.shades[pairs.edits.wanted[rows, COLOR]]
    assert (colours - shades)[:, :3].abs().median() < 2
    assert (pairs.batch.recoloured[rows] == 1).all()
    data = pairs.maker.data
    for v in range(len(COLORS)):
        of_name = data.descriptors.colour[data.labels[:, COLOR] == v, :3]
        assert torch.cdist(of_name, data.shades[v : v + 1, :3]).min() < 10, COLORS[v]


def test_photographs_that_are_shown_in_a_strong_colour_end_the_same(pairs):
    rows, b = pairs.shown_in_other_colours, pairs.batch
    as_they_are = pairs.rows(Recoloured) & ~rows
    assert rows.sum() > 10 and as_they_are.sum() > 10
    assert (same(b.source, pairs.photos) == ~rows)[pairs.rows(Recoloured)].all() and same(b.photos, pairs.photos).all()
    data = pairs.maker.data
    expected = give_wanted_shade(data, pairs.edits, pairs.photos, data.garments.masks[pairs.edits.garment].float())
    assert same(b.reference, expected)[rows].all()
    chroma = lab_statistics(b.source[rows], b.source_mask[rows])[:, 1:3]
    assert chroma.norm(dim=1).min() > 20 and (chroma > 0).any(0).all() and (chroma < 0).any(0).all()
    garment = dilate(b.source_mask, 1)[rows]
    assert same(b.source[rows] * (1 - garment), pairs.photos[rows] * (1 - garment)).all()


def test_an_edit_of_what_cannot_be_made_by_hand_is_unpaired(photos):
    """A fastening, alone or beside a sleeve or a colour."""
    schema = AttributeSchema.from_dict({**SCHEMA.to_dict(), "fastening": ["zip", "button"]})
    labels = torch.cat([photos.labels, torch.arange(len(photos))[:, None] % 2], 1)
    edits = maker(replace(photos, schema=schema, labels=labels), pairs=1.0, several=0.8).plan(torch.Generator()).edits
    fastening, others = edits.edited[:, 2], edits.edited[:, :2].any(1)
    assert (fastening & others).any() and (fastening & ~others).any()
    assert (edits.lesson[fastening] == UNPAIRED).all() and (edits.lesson[~fastening] != UNPAIRED).float().mean() > 0.5


def test_a_colour_that_no_garment_has_is_not_dyed(photos):
    red = SCHEMA.values("color").index("red")
    some = photos.labels[:, COLOR] != red
    few = Garments(SCHEMA, photos.images[some], photos.masks[some], photos.labels[some], ("x",) * int(some.sum()))
    edits = maker(few, 256, pairs=1.0, several=0.3).plan(torch.Generator().manual_seed(0)).edits
    asked = edits.edited[:, COLOR] & (edits.wanted[:, COLOR] == red)
    others = edits.edited[:, COLOR] & (edits.wanted[:, COLOR] != red) & (edits.wanted[:, COLOR] != MULTI)
    assert asked.any() and (edits.lesson[asked] == UNPAIRED).all() and (edits.lesson[others] != UNPAIRED).any()


def test_sewn_sleeves_cover_more_and_go_back_only_where_they_grew_to_the_elbow_and_nothing_else_changed(pairs):
    rows = pairs.rows(Sewn)
    grows = pairs.edits.wanted[:, SLEEVE] > pairs.edits.labels[:, SLEEVE]
    recoloured = pairs.edits.edited[:, COLOR]
    back = pairs.plan.backward
    long = pairs.edits.wanted[:, SLEEVE] == SLEEVES.index("long")
    assert (rows & grows & ~long & ~recoloured & back).any() and (rows & grows & ~long & ~recoloured & ~back).any()
    assert not back[rows & (recoloured | ~grows | long)].any() and (rows & ~grows).any() and (rows & recoloured).any()
    assert (rows & long).any() and not pairs.batch.open_detail[rows].any()  # all of a sewn sleeve follows from a rule
    area = lambda masks: masks.flatten(1).sum(1)  # noqa: E731
    photo_mask = pairs.maker.data.garments.masks[pairs.edits.garment].float()
    assert torch.equal((area(pairs.made_mask) > area(photo_mask))[rows], grows[rows])
    assert (pairs.batch.difference[rows] == 1).all()
    colours = lab_statistics(pairs.made, pairs.made_mask)[:, :3]
    shades = pairs.maker.data.shades[pairs.edits.wanted[:, COLOR], :3]
    assert (colours - shades)[rows & recoloured].abs().median() < 2


def test_short_sleeves_are_cut_off_and_new_ones_of_any_length_sewn_onto_what_is_left(photos):
    pairs = Drawn(maker(photos, 1024, pairs=1.0, several=0.3))
    rows, b, edits = pairs.rows(FromBare), pairs.batch, pairs.edits
    assert rows.sum() > 10 and not pairs.plan.backward[rows].any() and (b.difference[rows] == 1).all()
    assert edits.edited[rows].tolist() == [[True, False]] * int(rows.sum())
    assert (edits.labels[rows, SLEEVE] == SLEEVES.index("short")).all()
    assert set(b.wanted[rows, SLEEVE].tolist()) == {SLEEVES.index("short"), SLEEVES.index("long")}
    area = lambda masks: masks.flatten(1).sum(1)  # noqa: E731
    photo_masks = pairs.maker.data.garments.masks[edits.garment].float()
    for larger in (photo_masks, pairs.made_mask):
        assert (area(b.source_mask) < area(larger))[rows].all()
    assert (b.source_mask <= photo_masks + 1e-4)[rows].all()
    long, shown = b.wanted[:, SLEEVE] == SLEEVES.index("long"), b.source[rows]
    for garment in edits.garment[rows].unique():
        sizes = [area(pairs.made_mask)[rows & (edits.garment == garment) & which] for which in (long, ~long)]
        assert not all(map(len, sizes)) or sizes[0].min() > sizes[1].max()
    # What is shown is the photograph where cloth is left, and white elsewhere; what is made goes on from it.
    core = -dilate(-b.source_mask[rows], 2)
    assert same(shown * core, pairs.photos[rows] * core).all()
    cut_off = photo_masks[rows] * (1 - dilate(b.source_mask[rows], 2))
    assert cut_off.any() and ((1 - shown) * cut_off).max() < 0.02
    assert ((pairs.made[rows] - shown).abs() * core).amax((1, 2, 3)).median() < 0.1
    # With the colour, or of garments without sleeves or with long ones, it serves nothing.
    lesson = next(x for x in pairs.maker.lessons if isinstance(x, FromBare))
    served = lesson.serves(edits, torch.Generator().manual_seed(0))
    others = edits.edited[:, COLOR] | (edits.labels[:, SLEEVE] != SLEEVES.index("short"))
    assert served.any() and not served[others].any()


def test_cut_sleeves_cover_less_and_never_go_backward(pairs, monkeypatch):
    """What cannot be sewn is cut."""
    monkeypatch.setattr(batches, "LESSONS", tuple(lesson for lesson in LESSONS if lesson not in (Sewn, FromBare)))
    drawn = Drawn(maker(pairs.maker.data.garments, pairs=1.0, several=0.3))
    rows, edits = drawn.rows(Cut), drawn.edits
    assert rows.sum() > 10 and (edits.wanted < edits.labels)[rows, SLEEVE].all() and not drawn.plan.backward[rows].any()
    before = drawn.maker.data.garments.masks[edits.garment].float()
    assert (drawn.made_mask <= before)[rows].all()
    assert (drawn.made_mask.sum((1, 2, 3)) < before.sum((1, 2, 3)))[rows].float().mean() > 0.9
    # Longer sleeves cannot be cut.
    longer = edits.edited[:, SLEEVE] & (edits.wanted > edits.labels)[:, SLEEVE]
    assert longer.any() and (edits.lesson[longer] == UNPAIRED).all()


def test_nothing_is_cut_to_a_length_that_no_garment_has(photos):
    short = SLEEVES.index("short")
    some = photos.labels[:, SLEEVE] != short
    few = Garments(SCHEMA, photos.images[some], photos.masks[some], photos.labels[some], ("x",) * int(some.sum()))
    of_data = Cut(maker(few).data)
    labels = torch.from_numpy(SCHEMA.encode({"sleeve": "long", "color": "red"})).expand(3, -1)
    edits = maker(few, 3).plan(torch.Generator()).edits
    edited = torch.tensor([[True, False]]).expand(3, -1)
    wanted = labels.clone()
    wanted[:, SLEEVE] = torch.arange(3)
    served = of_data.serves(replace(edits, labels=labels, wanted=wanted, edited=edited), torch.Generator())
    assert served.tolist() == [s == "sleeveless" for s in SLEEVES]


def test_identity_asks_for_what_is_there(pairs, truths):
    for drawn in (pairs, truths):
        rows, b = drawn.rows(Identity), drawn.batch
        aligned = drawn.edits.lesson != UNPAIRED
        assert 0.1 < rows.sum() / aligned.sum() < 0.35
        assert same(drawn.made, drawn.photos)[rows].all() and (b.wanted == b.labels)[rows].all()
        assert b.edited[rows].any(1).all() and not b.changed[rows].any() and b.changed[aligned & ~rows].all()
        assert not drawn.plan.backward[rows].any()


def test_identity_asks_for_nothing_that_is_not_known(with_truths):
    """Of extra garments a schema may know what the edit leads to, and not what was there."""
    labels = with_truths.labels.clone()
    labels[:6, SLEEVE] = -1
    made = maker(replace(with_truths, labels=labels), 512, pairs=0.9, several=0.5)
    drawn = Drawn(made)
    edits, rows = drawn.edits, drawn.rows(Identity)
    unknown = (edits.edited & (edits.labels < 0)).any(1)
    assert (unknown & drawn.rows(TrueEdit)).any() and rows.any() and not (unknown & rows).any()
    assert (drawn.batch.wanted[edits.edited] >= 0).all()


def test_a_lesson_that_asks_for_what_is_not_known_is_an_error(with_truths, monkeypatch):
    monkeypatch.setattr(TrueEdit, "way_back", lambda self, edits: torch.ones(len(edits.garment), dtype=torch.bool))
    monkeypatch.setattr(batches, "can_be_asked_back", lambda schema, labels, edited: edited.any(1))
    made = maker(replace(with_truths, labels=with_truths.labels.clone().fill_(-1)), pairs=0.9)
    with pytest.raises(AssertionError, match="not known"):
        made.plan(torch.Generator().manual_seed(0))


def test_true_edits_are_the_pictures_that_the_data_have(truths):
    rows, edits, given = truths.rows(TrueEdit), truths.edits, truths.maker.data.garments.truths
    truth = edits.chosen["truth"][rows]
    assert rows.sum() > 20 and torch.equal(given.of[truth], edits.garment[rows])
    assert same(truths.made[rows], to_float(given.images[truth])).all()
    assert torch.equal(edits.wanted[rows], given.labels[truth])
    assert (
        torch.equal(edits.edited[rows].int().argmax(1), given.attribute[truth])
        and (edits.edited[rows].sum(1) == 1).all()
    )
    # The way back from a sleeve has many answers, of which the photograph is one; that from a colour has one.
    colour, back = edits.edited[:, COLOR], truths.plan.backward
    assert len(truth.unique()) > 15 and 0.3 < back[rows & colour].float().mean() < 0.7
    assert not back[rows & ~colour].any()
    assert (truths.batch.difference[rows] == 1).all()
    # Garments that have none get other lessons.
    assert (edits.garment[rows] < 12).all() and (edits.lesson[edits.garment >= 12] != UNPAIRED).any()


def test_detail_is_open_under_a_new_pattern_alone():
    garments = as_garments(draw_pairs(range(40), SIZE))
    assert garments.truths is not None
    drawn = Drawn(maker(garments, pairs=1.0))
    b, rows = drawn.batch, drawn.rows(TrueEdit)
    pattern = drawn.edits.edited[:, garments.schema.index("pattern")]
    assert (rows & pattern).any() and (rows & ~pattern).any()
    assert torch.equal(b.open_detail[rows & pattern], b.reference_mask[rows & pattern] > 0.5)
    assert not b.open_detail[rows & ~pattern].any()
    assert b.new_cloth[rows & pattern].all() and not b.new_cloth[rows & ~pattern].any()


def test_true_edits_stay_where_they_are_and_half_of_the_others_are_flipped_at_most(with_truths):
    """What is turned or moved is blended, and without the others no outline would be as sharp as in an edit."""
    made = maker(with_truths, batch=512, pairs=0.9, several=0.5)
    plan = made.plan(torch.Generator().manual_seed(0))
    true = torch.tensor([isinstance(lesson, TrueEdit) for lesson in made.lessons])[plan.edits.lesson]
    assert true.any() and (plan.theta[true] == STILL).all()
    others = plan.theta[~true]
    flipped, still = ((others == STILL * torch.tensor([[s], [1.0]])).all((1, 2)) for s in (-1.0, 1.0))
    for share in (flipped, still):
        assert float(share.float().mean()) == pytest.approx(0.25, abs=0.08)
    pictures = torch.rand(int(flipped.sum()), 3, 32, 32) * 2 - 1
    assert torch.equal(warp(pictures, others[flipped]), pictures.flip(3))


def test_dyed_true_edits_change_another_attribute_and_the_colour(truths):
    rows, edits = truths.rows(DyedTrueEdit), truths.edits
    assert rows.sum() > 5 and edits.edited[rows].all() and not truths.plan.backward[rows].any()
    assert (edits.wanted != edits.labels)[rows].all()
    data = truths.maker.data
    dye = edits.chosen["dye"][rows]
    assert torch.equal(data.labels[dye, COLOR], edits.wanted[rows, COLOR])
    colours = lab_statistics(truths.made[rows], truths.made_mask[rows])
    assert (colours - data.descriptors.colour[dye])[:, :3].abs().median() < 3
    assert torch.equal(truths.made_mask[rows] > 0, data.garments.truths.masks[edits.chosen["truth"][rows]])


def test_extra_garments_have_their_true_edits_and_are_nobody_s_reference(photos, with_truths):
    own = replace(photos, images=photos.images // 2)  # darker, to know them by
    drawn = Drawn(maker(own.joined(with_truths), own=len(own), pairs=0.5))
    extra = drawn.edits.garment >= len(own)
    assert drawn.rows(TrueEdit)[extra].any() and not drawn.rows(TrueEdit)[~extra].any()
    unpaired = drawn.edits.lesson == UNPAIRED
    assert (unpaired & extra).any() and drawn.made[unpaired].amax() < 0.01


def test_a_new_lesson_is_a_class_and_a_line(photos, monkeypatch):
    class Mirrored(Lesson):
        """Black garments, mirrored; sleeves stay."""

        def serves(self, edits, generator):
            return edits.labels[:, COLOR] == 0

        def way_back(self, edits):
            return edits.edited[:, SLEEVE]

        def make(self, plan, photos, masks):
            return photos.flip(3), masks.flip(3)

    monkeypatch.setattr(batches, "LESSONS", (*LESSONS, Mirrored))
    drawn = Drawn(maker(photos, pairs=0.8))
    rows, black = drawn.rows(Mirrored), drawn.edits.labels[:, COLOR] == 0
    assert torch.equal(rows, black & (drawn.edits.chance.pair < 0.8)) and rows.any() and (black & ~rows).any()
    assert same(drawn.made[rows], drawn.photos[rows].flip(3)).all() and (drawn.batch.aligned[rows] == 1).all()
    assert drawn.plan.backward[rows & drawn.edits.edited[:, SLEEVE]].any()
    assert not drawn.plan.backward[rows & ~drawn.edits.edited[:, SLEEVE]].any()


def test_a_batch_is_its_seed_s_and_its_parts_are_those_of_the_whole(with_truths):
    """Several devices draw a part each."""
    made = maker(with_truths, 32, pairs=0.7, several=0.4)
    whole, again = (made.draw(torch.Generator().manual_seed(6)) for _ in range(2))
    tensors = tensors_of(whole)
    assert whole.counts == again.counts and all(torch.equal(t, tensors_of(again)[n]) for n, t in tensors.items())
    assert whole.counts == (64, int(whole.edited.sum()), int(whole.aligned.sum()), int(whole.recoloured.sum()))
    for first in range(2):
        part = made.draw(torch.Generator().manual_seed(6), slice(first, None, 2))
        assert part.counts == tuple(n / 2 for n in whole.counts)
        for name, rows in tensors_of(part).items():
            expected = tensors[name]
            if name in ("guessed_rows", "cycle_rows", "real.rows"):
                expected = expected[expected % 2 == first] // 2
            else:
                expected = expected[first::2]
            assert torch.allclose(rows, expected, atol=1e-6), name


def test_drawn_edits_change_known_attributes_to_other_values_never_to_multi():
    labels = torch.tensor([[0, 1], [-1, 4], [2, -1], [-1, -1]]).repeat(200, 1)
    wanted, edited = draw_edits(SCHEMA, labels, 0.5, torch.Generator().manual_seed(0))
    assert not edited[labels == -1].any()
    assert (wanted != labels)[edited].all() and (wanted == labels)[~edited].all()
    assert (wanted[:, COLOR][edited[:, COLOR]] != MULTI).all()
    assert edited[:3].any() and not edited[3::4].any()
    assert set(wanted[edited[:, SLEEVE], SLEEVE].tolist()) == {0, 1, 2}
    assert edited.all(1).any()


def test_what_has_the_one_value_that_can_be_asked_for_is_not_edited_to_it():
    schema = SCHEMA.editing(("sleeve", "color=red"))
    red = SCHEMA.values("color").index("red")
    labels = torch.tensor([[0, red], [-1, red], [0, red + 1]]).repeat(50, 1)
    wanted, edited = draw_edits(schema, labels, 0.5, torch.Generator().manual_seed(0))
    assert (wanted != labels)[edited].all() and not edited[labels[:, COLOR] == red, COLOR].any()
    assert not edited[1::3].any() and edited[0::3, SLEEVE].all() and edited[2::3, COLOR].any()


def test_critics_are_brought_true_edits_and_else_real_garments_with_the_wanted_values(with_truths):
    drawn = Drawn(maker(with_truths, pairs=0.8, several=0.3))
    b, edits = drawn.batch, drawn.edits
    assert b.real is not None
    genuine = drawn.plan.backward | drawn.rows(TrueEdit) | drawn.rows(Identity)
    genuine |= drawn.rows(Sewn) | drawn.rows(FromBare)
    made = ~genuine & ~drawn.rows(Unpaired)
    assert torch.equal(b.real.rows, made.nonzero()[:, 0])
    assert same(b.real.pictures, b.reference)[genuine].all() and torch.equal(b.real.labels[genuine], b.wanted[genuine])
    others = ~genuine
    assert drawn.rows(Recoloured)[others].any() and drawn.rows(Unpaired)[others].any()
    garments = drawn.maker.data.garments
    photos = to_float(garments.images)
    for i in others.nonzero()[:, 0].tolist():
        found = ((photos - b.real.pictures[i]).abs().amax((1, 2, 3)) < 1e-4).nonzero()[:, 0]
        assert any(torch.equal(garments.labels[f], b.real.labels[i]) for f in found), "a garment with its own labels"
        assert torch.equal(b.real.labels[i][edits.edited[i]], b.wanted[i][edits.edited[i]])
        assert int(edits.garment[i]) not in found or len(found) > 1


@pytest.mark.parametrize(("a", "b"), [(3, 7), (7, 3)])
def test_torsos_are_compared_as_pixel_by_pixel(a, b):
    generator = torch.Generator().manual_seed(3)
    some, others = (torch.rand(n, COARSE, COARSE, generator=generator) for n in (a, b))
    near = ((torch.arange(COARSE) + 0.5) / COARSE - 0.5).abs() < AXIS_BAND

    def cost(shorter, longer):
        sticks_out = shorter * (1 - longer)
        differs = (shorter * (1 - longer) + longer * (1 - shorter))[:, near]
        return float(2 * sticks_out.sum() + differs.sum()) / COARSE**2

    plain = torch.tensor([[cost(s, g) for g in others] for s in some])
    back = torch.tensor([[cost(g, s) for g in others] for s in some])
    torch.testing.assert_close(torso_cost(some, others), plain)
    torch.testing.assert_close(torso_cost_either_way(some, others), torch.minimum(plain, back))


def test_longer_sleeves_can_be_asked_for_more_often():
    """A short sleeve can grow long or go; of the two the long one weighs three times as much, and so both together
    twice as much as a colour."""
    for present, share, long in (("short", 2 / 3, 3 / 4), ("long", 1 / 2, 0.0)):
        labels = torch.from_numpy(SCHEMA.encode({"sleeve": present, "color": "red"})).expand(4000, -1)
        generator = torch.Generator().manual_seed(0)
        wanted, edited = draw_edits(SCHEMA, labels, 0.0, generator, longer_weight=3.0)
        rows = edited[:, SLEEVE]
        assert float(rows.float().mean()) == pytest.approx(share, abs=0.03)
        grown = wanted[rows, SLEEVE] == SLEEVES.index("long")
        assert float(grown.float().mean()) == pytest.approx(long, abs=0.03)
