"""AMGAN's sums against a plain transcription of the paper's formulas; any method through the one trainer."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from amgan.config import changed
from amgan.data.garments import load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.editing.editor import load_editor
from amgan.models import methods
from amgan.models.amgan import losses
from amgan.models.amgan.config import AmganConfig
from amgan.models.amgan.crop import crop, edit_boxes
from amgan.models.amgan.method import Amgan
from amgan.models.classifier import AttributeClassifier
from amgan.models.interface import EditBatch, Generated, make_condition
from amgan.schema import UNKNOWN
from amgan.testing import SCHEMA, draw_catalogue
from amgan.training.presets import PRESETS
from amgan.training.trainer import train
from amgan.weights import save_classifier
from tests.edit_batches import SIZE, others_in_red, paper_cross_entropy, some_batch

CPU = torch.device("cpu")


def method_of(**settings: object) -> Amgan:
    torch.manual_seed(0)
    tiny = {"image_size": SIZE, "channels": 8, "blocks": 1, "critic_channels": 8, "critic_cap": 32, "critic_layers": 4}
    config = changed(AmganConfig(), **{**tiny, "bf16": False, **settings})
    teacher = AttributeClassifier(SCHEMA, "small-4", SIZE)
    method = Amgan(SCHEMA, config, teacher, CPU)
    for network in (method.generator, *method.critic_networks().values()):
        for parameter in network.parameters():  # large weights, so that no term is lost in rounding
            nn.init.normal_(parameter, std=0.15)
    return method


def paper_alpha_target(method: Amgan, batch: EditBatch) -> torch.Tensor:
    """CAM of the present value on x (Zhou et al.: the class's weights by the last maps), 0..1, as large as x."""
    last, rows = method.teacher.features(batch.source)["last"], []
    for i in range(len(batch.source)):
        best = torch.zeros(last.shape[2:])
        for a in range(2):
            value = int(batch.labels[i, a])
            if batch.edited[i, a] and value != UNKNOWN:
                weights = method.teacher.head.weight[SCHEMA.slices[a]][value]
                cam = sum(w * m for w, m in zip(weights, last[i], strict=True))
                best = torch.maximum(best, (cam - cam.min()) / (cam.max() - cam.min()))
        rows.append(best)
    return F.interpolate(torch.stack(rows)[:, None], size=(SIZE, SIZE), mode="bilinear", align_corners=False)


def test_l_d_is_the_paper_s_sum() -> None:
    """L_D = Σ_{d ∈ I, C} E[D_d(x*)] − E[D_d(x)] + 10 E[(‖∇D_d(x̂)‖₂ − 1)²] + λ_cls L_cls(m'; x)."""
    method, batch = method_of(cls=0.7), some_batch()
    outputs = method.forward(batch)
    loss, terms = method.critic_loss(batch, outputs, step=0)

    x, x_edited = batch.photos, outputs.edited.image.detach()
    boxes, expected = edit_boxes(outputs.edited.mask), 0.0
    networks = method.critic_networks()
    views = {
        "I": (networks["critic_i"], x, x_edited),
        "C": (networks["critic_c"], crop(x, boxes), crop(x_edited, boxes)),
    }
    known = [(0, 0, 0), (0, 1, 1), (1, 1, 2), (2, 0, 1), (2, 1, 3)]
    for d, (critic, real, fake) in views.items():
        wasserstein = float((critic(fake)[0].mean() - critic(real)[0].mean()).detach())
        penalty = 0.0
        for i, share in enumerate((0.2, 0.7, 0.5)):
            between = (share * real[i] + (1 - share) * fake[i])[None].clone().requires_grad_()
            critic(between)[0].sum().backward()
            penalty += (float(between.grad.square().sum()) ** 0.5 - 1) ** 2 / 3
        classes = paper_cross_entropy(critic(real)[1], known)
        for name, value in (("adv", wasserstein), ("penalty", 10 * penalty), ("cls", 0.7 * classes)):
            assert float(terms[f"D_{d}/{name}"]) == pytest.approx(value, rel=1e-4, abs=1e-5)
        expected += wasserstein + 10 * penalty + 0.7 * classes
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)


def test_l_g_is_the_paper_s_sum() -> None:
    """L_G = −Σ_d E[D_d(x*)] + Σ_d L_cls(m; x*) + 10 ‖x − G(x*, m')‖₁ + 10 ‖α − α*‖₁ + 20 ‖φ(x*) − φ(x_ref)‖₁."""
    method, batch = method_of(), some_batch()
    outputs = method.forward(batch)
    loss, terms = method.generator_loss(batch, outputs)

    edited, networks = outputs.edited, method.critic_networks()
    expected = {}
    asked = [(0, 0, 2), (1, 1, 0), (2, 0, 2), (2, 1, 1)]
    box = edit_boxes(edited.mask)
    for d, critic, picture in (
        ("I", networks["critic_i"], edited.image),
        ("C", networks["critic_c"], crop(edited.image, box)),
    ):
        source, classes = critic(picture)
        expected[f"G/adv_{d}"] = -float(source.detach().mean())
        expected[f"G/cls_{d}"] = paper_cross_entropy(classes, asked)
    back = method.generator(edited.image[:2], make_condition(SCHEMA, batch.labels[:2], batch.edited[:2])).image
    missed = (batch.source[:2] - back).abs().mean().detach()
    expected["G/cyc"] = 10 * float(missed) * 2 / 3  # two of three rows have a way back
    miss = (edited.mask - paper_alpha_target(method, batch)).abs().mean((1, 2, 3)).detach()
    expected["G/att"] = 10 * float(miss[0] + miss[1]) / 3  # the third row changes nothing
    of_edit, of_reference = (method.teacher.features(p) for p in (edited.image, batch.reference))
    distance = {k: (of_edit[k] - of_reference[k]).abs().detach() for k in of_edit}
    early = sum(float(distance[k][2].mean()) / 3 for k in ("early", "middle"))  # the third reference is aligned
    expected["G/percep"] = 20 * (float(distance["pooled"].mean()) + float(distance["last"].mean()) + early)

    for name, value in expected.items():
        assert float(terms[name]) == pytest.approx(value, rel=1e-4), name
    assert float(loss) == pytest.approx(sum(expected.values()), rel=1e-5)
    assert terms.keys() == expected.keys() | {"G/alpha"}


def test_a_batch_without_a_way_back_has_a_cycle_loss_of_zero() -> None:
    """It is there: of several processes one may have such rows, and another none."""
    method, batch = method_of(), some_batch()
    without = batch._replace(cycle_rows=batch.cycle_rows[:0])
    (_, some), (_, none) = (method.generator_loss(b, method.forward(b)) for b in (batch, without))
    assert some.keys() == none.keys() and float(some["G/cyc"]) > 0 and float(none["G/cyc"]) == 0


def test_what_is_ours_is_added_with_its_weight() -> None:
    """+ λ_pair ‖x* − x_ref‖₁ + λ_detail (1 − correlation) + λ_kl KL; regions are weighted where ``balanced``."""
    ours = {"skips": True, "context": True, "code": 2, "attention": "masks", "pairs": 0.5}
    ours |= {"pair": 3.0, "detail": 5.0, "kl": 0.7, "balanced": True, "adv": 0.0, "cls": 0.0, "cyc": 0.0, "percep": 0.0}
    method, batch = method_of(**ours), some_batch()
    small = torch.zeros(3, 1, SIZE, SIZE)
    small[:, :, 8:18, 8:16] = 1
    batch = batch._replace(source_mask=small, reference_mask=small)
    outputs = method.forward(batch)
    loss, terms = method.generator_loss(batch, outputs)

    target = method.attention_target(batch, outputs)
    reach = SIZE // losses.AROUND
    lifted = torch.nn.functional.max_pool2d(target, 2 * reach + 1, 1, reach)  # a small region and what is around it
    area = lifted.mean((1, 2, 3))
    assert 0.05 < area[1] < 0.3
    lift = ((1 - area) / area).sqrt().clamp(min=1)  # they count by the root of the ratio
    weight = torch.where(lifted > 0, 1 + lifted * (lift[:, None, None, None] - 1), torch.ones(()))
    error = (outputs.edited.image - batch.reference).abs()[2]
    pair = float((weight[2] * error).mean() / weight[2].mean())
    miss = (weight * (outputs.edited.mask - target).abs()).mean((1, 2, 3)) / weight.mean((1, 2, 3))
    code, prior = outputs.code, outputs.edited.prior
    assert code is not None and prior is not None
    assert code.used.tolist() == [False, False, False]  # 0.5 is not below one half
    normal = torch.distributions.Normal
    divergence = torch.distributions.kl_divergence(
        normal(code.mean, (code.logvar / 2).exp()), normal(prior[:, :2], (prior[:, 2:] / 2).exp())
    ).sum(1)
    assert float(terms["G/pair"]) == pytest.approx(3 * pair, rel=1e-4)
    assert float(terms["G/att"]) == pytest.approx(10 * float(miss[1]) / 3, rel=1e-4)  # not of 0, see below
    assert float(terms["G/kl"]) == 0
    names = ("G/att", "G/pair", "G/detail", "G/kl")
    assert terms.keys() == {*names, "G/alpha"} and float(terms["G/detail"]) > 0
    assert float(loss) == pytest.approx(sum(float(terms[n]) for n in names), rel=1e-5)

    with_code = batch._replace(mix=torch.tensor([0.2, 0.7, 0.4]))
    again = method.forward(with_code)
    assert again.code is not None and again.code.used.tolist() == [False, False, True]
    _, terms = method.generator_loss(with_code, again)
    assert float(terms["G/kl"]) == pytest.approx(0.7 * float(divergence[2]) / 3, rel=1e-4)


def test_another_garment_s_outline_teaches_no_mask_where_pairs_do() -> None:
    """The first row edits the sleeve, and its reference is another garment; the second edits the colour."""
    for pairs, rows in ((0.0, [0, 1]), (0.5, [1])):
        method, batch = method_of(attention="masks", pairs=pairs, adv=0.0, cls=0.0, percep=0.0), some_batch()
        batch = batch._replace(reference_mask=batch.reference_mask.roll(6, 3))
        outputs = method.forward(batch)
        miss = (outputs.edited.mask - method.attention_target(batch, outputs)).abs().mean((1, 2, 3))
        _, terms = method.generator_loss(batch, outputs)
        assert float(terms["G/att"]) == pytest.approx(10 * float(miss[rows].sum()) / 3, rel=1e-4)


@pytest.mark.parametrize("objective", ["ns-r1", "r3gan"])
def test_lazy_penalties_are_of_their_step(objective: str) -> None:
    method, batch = method_of(objective=objective, r1_every=4, gp=3.0), some_batch()
    outputs = method.forward(batch)
    _, paid = method.critic_loss(batch, outputs, step=8)
    _, free = method.critic_loss(batch, outputs, step=9)
    assert {k for k in paid if "penalty" in k} == {"D_I/penalty", "D_C/penalty"} and not any(
        "penalty" in k for k in free
    )
    critic, expected = method.critic_networks()["critic_i"], 0.0
    at = [batch.photos, *([outputs.edited.image.detach()] if objective == "r3gan" else [])]
    for pictures in at:  # γ/2 E‖∇D‖², four times as heavy in one step of four
        x = pictures.clone().requires_grad_()
        critic(x)[0].sum().backward()
        expected += 3.0 / 2 * 4 * float(x.grad.square().sum((1, 2, 3)).mean())
    assert float(paid["D_I/penalty"]) == pytest.approx(expected, rel=1e-4)


def test_critics_do_not_move_the_generator_nor_the_generator_the_critics() -> None:
    for settings in ({}, {"critics": "features"}):
        method, batch = method_of(**settings), some_batch()
        outputs = method.forward(batch)
        loss, _ = method.critic_loss(batch, outputs, 0)
        loss.backward()
        assert all(p.grad is None for p in method.generator.parameters())
        critics = [p for network in method.critic_networks().values() for p in network.parameters()]
        grads = [p.grad.clone() for p in critics if p.grad is not None]
        assert grads and any(g.abs().sum() > 0 for g in grads)
        loss, _ = method.generator_loss(batch, outputs)
        loss.backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in method.generator.parameters())
        assert all(
            torch.equal(a, p.grad) for a, p in zip(grads, [p for p in critics if p.grad is not None], strict=True)
        )
        assert all(p.requires_grad for p in critics) and all(p.grad is None for p in method.teacher.parameters())


# --- Any method -------------------------------------------------------------------------------------------------------


class Tint(nn.Module):
    """One colour for each condition, painted over what is not white."""

    def __init__(self, schema, config) -> None:
        super().__init__()
        self.schema, self.colour = schema, nn.Linear(schema.n_values + schema.n_attributes, 3)

    def forward(self, x, condition):
        mask = (x.amin(1, keepdim=True) < 0.9).float()
        raw = torch.tanh(self.colour(condition))[:, :, None, None].expand_as(x)
        return Generated(mask * raw + (1 - mask) * x, mask, raw)


class Toy:
    """A whole method: what the trainer needs, and no more."""

    name, Config, critic_steps = "toy", AmganConfig, 0
    make_generator = staticmethod(Tint)

    def __init__(self, schema, config, teacher, device) -> None:
        self.schema, self.config, self.teacher = schema, config, teacher.to(device)
        self.generator = Tint(schema, config).to(device)

    def generator_networks(self):
        return {}

    critic_networks = generator_networks

    def forward(self, batch):
        return self.generator(batch.source, make_condition(self.schema, batch.wanted, batch.edited))

    def generator_loss(self, batch, edited):
        loss = ((edited.image - batch.reference).abs().mean((1, 2, 3)) * batch.aligned).sum() / batch.counts.aligned
        return loss, {"pair": loss.detach()}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = read_imagefolder(draw_catalogue(tmp_path_factory.mktemp("data"), 60, split=("train", "val")))
    return [load_garments(folder, folder.split(s), SIZE, progress=False) for s in ("train", "val")]


def test_a_toy_method_trains_through_the_same_trainer(drawn, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(methods.METHODS, "toy", "test_method:Toy")
    monkeypatch.setattr("amgan.models.methods.import_module", lambda _: __import__("types").SimpleNamespace(Toy=Toy))
    for role in ("teacher", "judge"):
        save_classifier(tmp_path, role, AttributeClassifier(SCHEMA, "small-4", SIZE), {})
    settings = {"kimg": 0.8, "batch": 8, "lr": 0.05, "pairs": 1.0, "snapshot_kimg": 0.8, "warm_up": 1, "ema_kimg": 0.0}
    config = changed(PRESETS["tiny"].amgan, **settings)
    train(Toy, *drawn, config, tmp_path, CPU, {"data": "drawn"})
    editor = load_editor(tmp_path)
    dark = drawn[1].images[:1]
    red = editor.edit(dark, {"color": "red"}).image[0].float()
    inside = drawn[1].masks[0, 0]
    r, g, b = (float(red[c][inside].mean()) for c in range(3))
    assert r > 120 and r > g + 60 and r > b + 60
    # Resumed, it has nothing left to do.
    train(Toy, *drawn, config, tmp_path, CPU, {"data": "drawn"})


@pytest.mark.thorough
def test_a_short_run_of_amgan_beats_no_edit(drawn, tmp_path) -> None:
    """The true picture of a shirt in red is the same shirt drawn in red: edits come nearer to it than no edit."""
    for role in ("teacher", "judge"):
        save_classifier(tmp_path, role, AttributeClassifier(SCHEMA, "small-4", SIZE), {})
    size = {"image_size": SIZE, "channels": 8, "blocks": 1, "code": 0, "batch": 8, "kimg": 1.6, "snapshot_kimg": 1.6}
    size |= {"dyed": 0.0}  # to learn to change all colours takes longer
    pace = {"lr": 8e-3, "warm_up": 50, "ema_kimg": 0.05, "bf16": False, "outline_weight": 0.1}
    weights = {"pair": 40.0, "att": 5.0, "mask_loss": "bce", "balanced": False, "detail": 0.0}
    config = changed(PRESETS["small"].stages["pairs"], **size, **pace, **weights)
    train(Amgan, *drawn, config, tmp_path, CPU, {"data": "drawn"})

    val = drawn[1]
    rows, truth = others_in_red(val)
    before = val.images[rows]
    after = load_editor(tmp_path).edit(before, {"color": "red"}).image
    without, with_edit = ((x.float() - truth).abs().mean() for x in (before, after))
    assert without > 20 and with_edit < 0.85 * without
