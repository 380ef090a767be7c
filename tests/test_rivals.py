"""StarGAN, GANimation and SaGAN: their layers against the published ones, their losses against the formulas written
out, and each trained, saved, loaded and edited with."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from amgan.config import changed
from amgan.errors import UserError
from amgan.models.classifier import AttributeClassifier
from amgan.models.interface import EditBatch, Generated, make_condition
from amgan.models.methods import find_method
from amgan.models.rivals.encoder_decoder import EncoderDecoder
from amgan.models.rivals.ganimation import total_variation
from amgan.models.rivals.rival import Rival
from amgan.testing import SCHEMA
from tests.edit_batches import SIZE, paper_cross_entropy, some_batch

CPU = torch.device("cpu")
RIVALS = ("stargan", "ganimation", "sagan")
PLANES, N = 10, 8  # of SCHEMA: 8 values and 2 attributes


# --- Layers -----------------------------------------------------------------------------------------------------------


def convolutions(network: nn.Module) -> list[tuple]:
    """(kind, inputs, outputs, kernel, stride, bias), in order."""
    return [
        (type(m).__name__, m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0], m.bias is not None)
        for m in network.modules()
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
    ]


def published(name: str) -> tuple[nn.Module, nn.Module]:
    """Generator and critic with the sizes of the papers, without numbers in them."""
    kind = find_method(name)
    with torch.device("meta"):
        config = kind.Config()
        generator = kind.make_generator(SCHEMA, config)
        method = kind(SCHEMA, config, AttributeClassifier(SCHEMA, "small-4", SIZE), torch.device("meta"))
    return generator, method.critic


def numbers(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


STARGAN_BODY = [
    ("Conv2d", 3 + PLANES, 64, 7, 1, False),
    ("Conv2d", 64, 128, 4, 2, False),
    ("Conv2d", 128, 256, 4, 2, False),
    *[("Conv2d", 256, 256, 3, 1, False)] * 12,
    ("ConvTranspose2d", 256, 128, 4, 2, False),
    ("ConvTranspose2d", 128, 64, 4, 2, False),
]
STARGAN_CRITIC = [
    ("Conv2d", 3, 64, 4, 2, True),
    *[("Conv2d", 64 * 2**i, 128 * 2**i, 4, 2, True) for i in range(5)],
    ("Conv2d", 2048, 1, 3, 1, False),
    ("Conv2d", 2048, N, 2, 1, False),
]


def sagan_body(outputs: int) -> list[tuple]:
    return [
        ("Conv2d", 3 + PLANES, 32, 7, 1, True),
        ("Conv2d", 32, 64, 4, 2, True),
        ("Conv2d", 64, 128, 4, 2, True),
        ("Conv2d", 128, 256, 4, 2, True),
        *[("Conv2d", 256, 256, 3, 1, True)] * 8,
        ("ConvTranspose2d", 256, 128, 4, 2, True),
        ("ConvTranspose2d", 128, 64, 4, 2, True),
        ("ConvTranspose2d", 64, 32, 4, 2, True),
        ("Conv2d", 32, outputs, 7, 1, True),  # the public code's is transposed, which with stride 1 is the same
    ]


def test_stargan_s_layers_are_the_published_ones() -> None:
    generator, critic = published("stargan")
    assert convolutions(generator) == [*STARGAN_BODY, ("Conv2d", 64, 3, 7, 1, False)]
    assert convolutions(critic) == STARGAN_CRITIC
    # What the public code prints for five domains: ours has five planes, and three values, more.
    assert numbers(generator) == 8_430_528 + (PLANES - 5) * 64 * 7 * 7
    assert numbers(critic) == 44_762_048 + (N - 5) * 2048 * 2 * 2
    norms = [m for m in generator.modules() if isinstance(m, nn.InstanceNorm2d)]
    assert [m.num_features for m in norms] == [64, 128, 256, *[256] * 12, 128, 64] and all(m.affine for m in norms)


def test_ganimation_s_layers_are_the_published_ones() -> None:
    generator, critic = published("ganimation")
    heads = [("Conv2d", 64, 3, 7, 1, False), ("Conv2d", 64, 1, 7, 1, False)]
    assert convolutions(generator) == [*STARGAN_BODY, *heads] and convolutions(critic) == STARGAN_CRITIC


def test_sagan_s_layers_are_the_published_ones() -> None:
    generator, critic = published("sagan")
    assert convolutions(generator.amn) == sagan_body(3) and convolutions(generator.san) == sagan_body(1)
    assert convolutions(critic) == [
        ("Conv2d", 3, 32, 4, 2, True),
        *[("Conv2d", 32 * 2**i, 64 * 2**i, 4, 2, True) for i in range(5)],
        ("Conv2d", 1024, 1, 3, 1, True),
        ("Conv2d", 1024, N, 2, 1, True),
    ]
    for network in (generator.amn, generator.san):
        plain = [m for m in network.modules() if isinstance(m, nn.InstanceNorm2d)]
        assert [m.num_features for m in plain] == [32, 64, 128, 256, 128, 64, 32] and not any(m.affine for m in plain)
        assert [m.num_features for m in network.modules() if isinstance(m, nn.BatchNorm2d)] == [256] * 8


@pytest.mark.parametrize("plain_norms", [False, True])
def test_the_body_is_the_plain_stack_of_picture_and_planes(plain_norms: bool) -> None:
    """Constant planes are not convolved; here they are, and every layer is applied by its formula."""
    torch.manual_seed(0)
    net = EncoderDecoder(PLANES, (3, 1), channels=4, blocks=2, halvings=2, plain_norms=plain_norms).eval()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3)
    x, m = torch.rand(2, 3, 16, 16) * 2 - 1, torch.randn(2, PLANES)
    stem, *down = [c for c in net.modules() if isinstance(c, nn.Conv2d) and c.kernel_size[0] in (4, 7)][:3]
    norms = [n for n in net.modules() if isinstance(n, nn.InstanceNorm2d | nn.BatchNorm2d)]

    def normed(h: torch.Tensor, norm: nn.Module) -> torch.Tensor:
        if isinstance(norm, nn.BatchNorm2d):  # untrained: of mean 0 and variance 1
            h = h / (1 + norm.eps) ** 0.5
        else:
            mean, var = h.mean((2, 3), keepdim=True), h.var((2, 3), keepdim=True, correction=0)
            h = (h - mean) / (var + norm.eps).sqrt()
        return h if norm.weight is None else h * norm.weight[:, None, None] + norm.bias[:, None, None]

    planes = m[:, :, None, None].expand(2, PLANES, 16, 16)
    h = normed(F.conv2d(torch.cat([x, planes], 1), stem.weight, stem.bias, padding=3), norms.pop(0)).relu()
    for conv in down:
        h = normed(F.conv2d(h, conv.weight, conv.bias, stride=2, padding=1), norms.pop(0)).relu()
    for block in net.blocks:
        first, second = (c for c in block.modules() if isinstance(c, nn.Conv2d))
        inner = normed(F.conv2d(h, first.weight, first.bias, padding=1), norms.pop(0)).relu()
        h = h + normed(F.conv2d(inner, second.weight, second.bias, padding=1), norms.pop(0))
    for conv in (c for c in net.modules() if isinstance(c, nn.ConvTranspose2d)):
        h = normed(F.conv_transpose2d(h, conv.weight, conv.bias, stride=2, padding=1), norms.pop(0)).relu()
    assert not norms
    for head, made in zip(net.heads, net(x, m), strict=True):
        torch.testing.assert_close(made, F.conv2d(h, head.weight, head.bias, padding=3), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", RIVALS)
def test_folded_pixels_come_back_in_their_places(name: str) -> None:
    """``inner_stride=2``: the body sees 2x2 pixels as channels of half the resolution, and makes 2x2 pixels of them."""
    torch.manual_seed(0)
    config = changed(find_method(name).Config(), channels=4, blocks=1, inner_stride=2)
    generator = find_method(name).make_generator(SCHEMA, config).eval()
    x, m = torch.rand(2, 3, 32, 32) * 2 - 1, torch.randn(2, PLANES)
    made = generator(x, m)
    assert made.image.shape == x.shape and made.mask.shape == (2, 1, 32, 32)
    body = generator.amn if name == "sagan" else generator.body
    assert body.stem.in_channels == 12 + PLANES and body.heads[0].out_channels == 12
    first: list[torch.Tensor] = []
    body.stem_norm.register_forward_pre_hook(lambda _, given: first.append(given[0]))
    out = body(x, m)[0]
    parts = torch.stack([x[..., i::2, j::2] for i in range(2) for j in range(2)], 2).flatten(1, 2)  # (B, 12, 16, 16)
    planes = m[:, :, None, None].expand(2, PLANES, 16, 16)
    stem = F.conv2d(torch.cat([parts, planes], 1), body.stem.weight, body.stem.bias, padding=3)
    torch.testing.assert_close(first[0], stem, atol=1e-4, rtol=1e-4)
    inner = body.up(body.blocks(body.down(F.relu(body.stem_norm(stem)))))
    head = F.conv2d(inner, body.heads[0].weight, body.heads[0].bias, padding=3)  # (B, 4 n, 16, 16)
    for i in range(2):
        for j in range(2):
            torch.testing.assert_close(out[..., i::2, j::2], head[:, 2 * i + j :: 4], atol=1e-4, rtol=1e-4)


# --- Masks ------------------------------------------------------------------------------------------------------------


def method_of(name: str, **settings: object) -> Rival:
    torch.manual_seed(0)
    tiny = {"image_size": SIZE, "channels": 8, "blocks": 1, "critic_channels": 8, "critic_cap": 32, "critic_layers": 4}
    kind = find_method(name)
    config = changed(kind.Config(), **{**tiny, "bf16": False, **settings})
    method = kind(SCHEMA, config, AttributeClassifier(SCHEMA, "small-4", SIZE), CPU)
    for network in (method.generator, method.critic):
        for parameter in network.parameters():  # large weights, so that no term is lost in rounding
            nn.init.normal_(parameter, std=0.15)
    return method


def edits(name: str) -> tuple[Rival, torch.Tensor, torch.Tensor, Generated]:
    """A method, pictures, conditions, and what its generator makes of them."""
    method, batch = method_of(name), some_batch()
    m = make_condition(SCHEMA, batch.wanted, batch.edited)
    return method, batch.source, m, method.generator(batch.source, m)


def test_stargan_repaints_everything() -> None:
    method, x, m, made = edits("stargan")
    (head,) = method.generator.body(x, m)
    assert torch.equal(made.image, head.tanh()) and torch.equal(made.raw, made.image) and (made.mask == 1).all()


def test_ganimation_s_attention_says_what_is_kept_and_the_mask_what_is_edited() -> None:
    method, x, m, made = edits("ganimation")
    colours, attention = method.generator.body(x, m)
    kept = 1 / (1 + (-attention).exp())
    torch.testing.assert_close(made.mask, 1 - kept)
    torch.testing.assert_close(made.image, kept * x + (1 - kept) * colours.tanh())
    with torch.no_grad():
        method.generator.body.heads[1].weight.mul_(0)
    assert (method.generator(x, m).mask == 0.5).all()
    # What is punished is keeping: a mask that edits everything costs nothing.
    everything = made._replace(mask=torch.ones_like(made.mask))
    for mask, cost in ((everything.mask, 0.0), (torch.zeros_like(made.mask), 0.1)):
        bare = some_batch()._replace(cycle_rows=torch.tensor([], dtype=torch.int64))
        _, terms = method.generator_loss(bare, made._replace(mask=mask))
        assert float(terms["G/mask"]) == pytest.approx(cost)


def test_sagan_s_mask_says_what_is_edited() -> None:
    method, x, m, made = edits("sagan")
    (picture,), (attention,) = method.generator.amn(x, m), method.generator.san(x, m)
    alpha = 1 / (1 + (-attention).exp())
    torch.testing.assert_close(made.mask, alpha)
    torch.testing.assert_close(made.image, alpha * picture.tanh() + (1 - alpha) * x)


def test_total_variation_counts_each_pair_of_neighbours() -> None:
    masks = torch.tensor([[[[0.0, 1.0], [0.5, 0.5]]], [[[1.0, 1.0], [1.0, 1.0]]]])
    assert float(total_variation(masks)) == pytest.approx((1.0 + 0.0 + 0.5 + 0.5) / 2)


# --- Losses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RIVALS)
def test_l_d_is_the_published_sum(name: str) -> None:
    """L_D = E[D(x*)] − E[D(x)] + 10 E[(‖∇D(x̂)‖₂ − 1)²] + λ_cls L_cls(m'; x)."""
    method, batch = method_of(name, cls=0.7), some_batch()
    made = method.forward(batch)
    loss, terms = method.critic_loss(batch, made, 0)
    x, fake = batch.photos, made.image.detach()
    adv = float((method.critic(fake)[0].mean() - method.critic(x)[0].mean()).detach())
    penalty = 0.0
    for i, share in enumerate((0.2, 0.7, 0.5)):
        between = (share * x[i] + (1 - share) * fake[i])[None].clone().requires_grad_()
        method.critic(between)[0].sum().backward()
        assert between.grad is not None
        penalty += (float(between.grad.square().sum()) ** 0.5 - 1) ** 2 / 3
    cls = paper_cross_entropy(method.critic(x)[1], [(0, 0, 0), (0, 1, 1), (1, 1, 2), (2, 0, 1), (2, 1, 3)])
    expected = {"D/adv": adv, "D/penalty": 10 * penalty, "D/cls": 0.7 * cls}
    for term, value in expected.items():
        assert float(terms[term]) == pytest.approx(value, rel=1e-4, abs=1e-5), term
    assert float(loss.detach()) == pytest.approx(sum(expected.values()), rel=1e-4)


def test_l_d_and_l_g_without_wgan_gp_are_non_saturating_with_a_lazy_r1() -> None:
    """L_D = E[softplus D(x*)] + E[softplus −D(x)] + r1_every γ/2 E‖∇D(x)‖² + L_cls, the third in every 4th step alone;
    L_adv^G = E[softplus −D(x*)] (Mescheder et al. 2018, equation 1)."""
    method, batch = method_of("stargan", objective="ns-r1", gp=2.0, r1_every=4), some_batch()
    made = method.forward(batch)
    x = batch.photos.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(method.critic(x)[0].sum(), x)
    real, fake = method.critic(x)[0].double(), method.critic(made.image)[0].double()
    adv = float(((1 + fake.exp()).log().mean() + (1 + (-real).exp()).log().mean()).detach())
    loss, terms = method.critic_loss(batch, made, 8)
    assert float(terms["D/adv"]) == pytest.approx(adv, rel=1e-4)
    assert float(terms["D/penalty"]) == pytest.approx(4 * 2 / 2 * float(gradient.square().sum()) / 3, rel=1e-4)
    assert float(loss.detach()) == pytest.approx(sum(float(v) for v in terms.values()), rel=1e-4)
    loss, terms = method.critic_loss(batch, made, 9)
    assert terms.keys() == {"D/adv", "D/cls"}
    assert float(loss.detach()) == pytest.approx(sum(float(v) for v in terms.values()), rel=1e-4)
    generator = float((1 + (-fake).exp()).log().mean().detach())
    assert float(method.generator_loss(batch, made)[1]["G/adv"]) == pytest.approx(generator, rel=1e-4)


def common_terms(method: Rival, batch: EditBatch, made: Generated) -> tuple[float, float, float, Generated]:
    """−E[D(x*)], L_cls(m; x*), ‖x − G(x*, m')‖₁ over the batch where two of three rows have a way back, and those."""
    source, classes = method.critic(made.image)
    cls = paper_cross_entropy(classes, [(0, 0, 2), (1, 1, 0), (2, 0, 2), (2, 1, 1)])
    back = method.generator(made.image[:2], make_condition(SCHEMA, batch.labels[:2], batch.edited[:2]))
    missed = float((batch.source[:2] - back.image).abs().mean().detach()) * 2 / 3
    return -float(source.mean().detach()), cls, missed, back


def check(method: Rival, batch: EditBatch, made: Generated, expected: dict[str, float]) -> None:
    loss, terms = method.generator_loss(batch, made)
    for name, value in expected.items():
        assert float(terms[name]) == pytest.approx(value, rel=1e-4), name
    assert terms.keys() - {"G/alpha"} == expected.keys()
    assert float(loss.detach()) == pytest.approx(sum(expected.values()), rel=1e-4)


def test_stargan_s_l_g() -> None:
    method, batch = method_of("stargan"), some_batch()
    made = method.forward(batch)
    adv, cls, missed, _ = common_terms(method, batch, made)
    check(method, batch, made, {"G/adv": adv, "G/cls": cls, "G/cyc": 10 * missed})


def test_ganimation_s_l_g() -> None:
    method, batch = method_of("ganimation"), some_batch()
    made = method.forward(batch)
    adv, cls, missed, back = common_terms(method, batch, made)
    kept, kept_back = (1 - made.mask).detach(), (1 - back.mask).detach()
    steps = 0.0
    for masks, count in ((kept, 3), (kept_back, 3)):  # what has no way back counts with nothing
        for a in masks[:, 0]:
            steps += float((a[1:] - a[:-1]).abs().sum() + (a[:, 1:] - a[:, :-1]).abs().sum()) / count
    mask = 0.1 * (float(kept.mean()) + float(kept_back.mean()) * 2 / 3)
    terms = {"G/adv": adv, "G/cls": cls, "G/cyc": 10 * missed, "G/mask": mask, "G/smooth": 1e-5 * steps}
    check(method, batch, made, terms)


def test_sagan_s_l_g() -> None:
    method, batch = method_of("sagan"), some_batch()
    made = method.forward(batch)
    adv, cls, missed, _ = common_terms(method, batch, made)
    own = method.generator(batch.source[:2], make_condition(SCHEMA, batch.labels[:2], batch.edited[:2]))
    changed_itself = float((batch.source[:2] - own.image).abs().mean()) * 2 / 3
    terms = {"G/adv": adv, "G/cls": cls, "G/cyc": 20 * missed, "G/own": 100 * changed_itself}
    check(method, batch, made, terms)


@pytest.mark.parametrize("name", RIVALS)
def test_critic_and_generator_do_not_move_each_other(name: str) -> None:
    method, batch = method_of(name), some_batch()
    made = method.forward(batch)
    method.critic_loss(batch, made, 0)[0].backward()
    assert all(p.grad is None for p in method.generator.parameters())
    before = [p.grad.clone() for p in method.critic.parameters() if p.grad is not None]
    assert before and all(p.grad is not None for p in method.critic.parameters())
    method.generator_loss(batch, made)[0].backward()
    assert all(p.grad is not None for p in method.generator.parameters())
    assert all(torch.equal(a, p.grad) for a, p in zip(before, method.critic.parameters(), strict=True))


@pytest.mark.parametrize("name", RIVALS)
def test_a_batch_without_a_way_back_has_no_cycle(name: str) -> None:
    method = method_of(name)
    batch = some_batch()._replace(cycle_rows=torch.tensor([], dtype=torch.int64))
    loss, terms = method.generator_loss(batch, method.forward(batch))
    assert torch.isfinite(loss)
    # Another process may have some: all log the same losses, or their means cannot be taken.
    _, with_cycle = method.generator_loss(some_batch(), method.forward(some_batch()))
    assert terms.keys() == with_cycle.keys()
    assert all(float(terms[n]) == 0 for n in {"G/cyc", "G/own"} & terms.keys())


def share_of(batch: EditBatch, row: int) -> EditBatch:
    """One of the rows, as a process of three has it: the counts are its share of the whole batch's."""
    kept = {
        name: value[row : row + 1]
        for name, value in batch._asdict().items()
        if isinstance(value, torch.Tensor) and name not in ("guessed_rows", "cycle_rows")
    }
    back = torch.zeros(int(row in batch.cycle_rows.tolist()), dtype=torch.int64)
    counts = type(batch.counts)(*(n / 3 for n in batch.counts))
    return batch._replace(**kept, guessed_rows=torch.tensor([0]), cycle_rows=back, counts=counts)


@pytest.mark.parametrize("name", ["stargan", "ganimation"])  # batch normalisation sees a process's rows alone
def test_processes_that_share_a_batch_have_its_losses(name: str) -> None:
    method, batch = method_of(name), some_batch()

    def losses(part: EditBatch) -> list[float]:
        made = method.forward(part)
        return [
            float(loss.detach()) for loss, _ in (method.critic_loss(part, made, 0), method.generator_loss(part, made))
        ]

    shares = [losses(share_of(batch, row)) for row in range(3)]
    assert losses(batch) == pytest.approx([sum(both) / 3 for both in zip(*shares, strict=True)], rel=1e-4)


# --- Settings ---------------------------------------------------------------------------------------------------------


def test_published_weights_and_rates() -> None:
    """Loss weights, learning rates and critic steps of the three papers."""
    stargan, ganimation, sagan = (find_method(name).Config() for name in RIVALS)
    assert (stargan.losses.cls, stargan.losses.cyc, stargan.critics.gp) == (1, 10, 10)
    w = ganimation.losses
    assert (w.cyc, w.mask, w.smooth) == (10, 0.1, 1e-5)
    assert (sagan.losses.cls, sagan.losses.cyc, sagan.losses.own) == (1, 20, 100)
    assert [c.critics.critic_steps for c in (stargan, ganimation, sagan)] == [5, 5, 3]
    assert [c.optimisation.lr for c in (stargan, ganimation, sagan)] == [1e-4, 1e-4, 2e-4]
    assert all(c.optimisation.batch == 16 for c in (stargan, ganimation, sagan))


def test_settings_that_cannot_be_are_refused() -> None:
    config = find_method("stargan").Config
    with pytest.raises(UserError, match="multiple of 4"):
        changed(config(), image_size=126)
    with pytest.raises(UserError, match="multiple of 8"):
        changed(find_method("sagan").Config(), image_size=68)
    with pytest.raises(UserError, match="multiple of 8"):
        changed(config(), image_size=68, inner_stride=2)
    with pytest.raises(UserError, match="image_size=128 at least"):
        changed(config(), image_size=64, critic_layers=7)
    with pytest.raises(UserError, match="unpaired"):
        changed(config(), pairs=0.5)
    with pytest.raises(UserError, match="Unknown setting 'attention'"):
        changed(config(), attention="masks")
