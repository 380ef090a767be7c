"""Losses, crop and networks against their definitions, written out plainly."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from amgan.errors import UserError
from amgan.models.amgan import losses
from amgan.models.amgan.config import AmganConfig
from amgan.models.amgan.crop import MIN_SIDE, connected_regions, crop, edit_boxes, regions_by_rounds
from amgan.models.amgan.discriminators import Discriminator, FeatureCritic
from amgan.models.amgan.encoder import PairEncoder, code_divergence
from amgan.models.amgan.generator import Generator, PairCode
from amgan.models.classifier import AttributeClassifier, classification_loss
from amgan.models.interface import make_condition
from amgan.testing import SCHEMA
from amgan.training.presets import PRESETS


def test_the_paper_s_weights_are_the_defaults():
    c = PRESETS["paper"].amgan
    assert (c.losses.adv, c.losses.cls, c.losses.cyc, c.losses.att, c.losses.percep) == (1, 1, 10, 10, 20)
    assert (c.critics.objective, c.critics.gp, c.critics.critic_steps) == ("wgan-gp", 10, 5)
    assert (c.optimisation.batch, c.optimisation.lr, c.optimisation.critic_lr) == (16, 1e-4, 1e-4)
    # What the paper has not: another target of alpha, several attributes at once, pairs, averages, balanced draws.
    assert (c.losses.attention, c.losses.mask_loss, c.losses.detail, c.losses.balanced) == ("source", "l1", 0, False)
    assert (c.lessons.several, c.lessons.pairs, c.lessons.balance, c.lessons.outline_weight) == (0, 0, 0, 1)
    assert (c.optimisation.ema_kimg, c.optimisation.clip, c.optimisation.warm_up) == (0, 0, 0)
    assert c == AmganConfig()


def test_unknown_labels_are_left_out_of_classification():
    logits = torch.randn(3, SCHEMA.n_values)
    labels = torch.tensor([[0, -1], [2, 3], [-1, -1]])
    by_hand = (
        F.cross_entropy(logits[:1, :3], labels[:1, 0])
        + F.cross_entropy(logits[1:2, :3], labels[1:2, 0])
        + F.cross_entropy(logits[1:2, 3:], labels[1:2, 1])
    ) / 3
    assert torch.allclose(classification_loss(SCHEMA, logits, labels), by_hand)
    assert classification_loss(SCHEMA, logits, torch.full((3, 2), -1)) == 0
    only_edited = torch.tensor([[False, False], [True, False], [False, False]])
    wanted = F.cross_entropy(logits[1:2, :3], labels[1:2, 0])
    assert torch.allclose(losses.wanted_classification(SCHEMA, logits, labels, only_edited), wanted)


def test_gradient_penalty_of_a_linear_critic():
    def linear(x):
        return 3 * x.sum((1, 2, 3), keepdim=True)

    x = torch.randn(2, 3, 4, 4)
    norm = 3 * (3 * 4 * 4) ** 0.5
    penalty = losses.gradient_penalty(linear, x, x + 1, torch.rand(2))
    assert float(penalty) == pytest.approx((norm - 1) ** 2, rel=1e-4)
    assert float(losses.r1_penalty(linear, x)) == pytest.approx(norm**2, rel=1e-4)


def test_penalties_reach_the_critic_s_weights():
    critic = Discriminator(SCHEMA, 32, 8, 3, 16)
    x = torch.randn(2, 3, 32, 32)

    def realness(p):
        return critic(p)[0]

    for penalty in (losses.r1_penalty(realness, x), losses.gradient_penalty(realness, x, -x, torch.rand(2))):
        critic.zero_grad()
        penalty.backward()
        assert critic.body[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("objective", ["wgan-gp", "ns-r1", "hinge", "r3gan"])
def test_adversarial_losses_pull_apart(objective):
    real, fake = torch.tensor([2.0]), torch.tensor([-1.0])
    good, bad = losses.critic_adversarial(objective, real, fake), losses.critic_adversarial(objective, fake, real)
    assert good < bad
    mine = losses.generator_adversarial(objective, real, torch.zeros(1))
    assert mine < losses.generator_adversarial(objective, fake, torch.zeros(1))


@pytest.mark.thorough
def test_a_critic_of_features_learns_what_goes_with_what():
    torch.manual_seed(0)
    teacher = AttributeClassifier(SCHEMA, "small-4", 32).eval().requires_grad_(False)
    critic = FeatureCritic(SCHEMA, teacher.feature_channels, 8)
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2, betas=(0.5, 0.999))
    label = torch.arange(16) % SCHEMA.n_values
    condition = F.one_hot(label, SCHEMA.n_values + SCHEMA.n_attributes).float()
    # Pictures as bright as their label says; the lie is the label of the next.
    pictures = (label / SCHEMA.n_values * 2 - 1)[:, None, None, None].expand(-1, 3, 32, 32)
    maps = teacher.features(pictures)
    for _ in range(150):
        pairs = list(zip(critic(maps, condition), critic(maps, condition.roll(1, 0)), strict=True))
        loss = torch.stack([losses.critic_adversarial("hinge", *pair) for pair in pairs]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert len(pairs) == 3 and all(m.shape[:2] == (16, 1) for m in pairs[0])
    assert loss < 1.5  # 2 when it knows nothing
    assert all(real.mean() > fake.mean() for real, fake in pairs)


def test_the_code_s_divergence_is_that_of_two_normal_distributions():
    mean, logvar, prior = torch.randn(4, 3), torch.randn(4, 3), torch.randn(4, 6)
    normal = torch.distributions.Normal
    expected = normal(prior[:, :3], (prior[:, 3:] / 2).exp())
    expected = torch.distributions.kl_divergence(normal(mean, (logvar / 2).exp()), expected).sum(1)
    assert torch.allclose(code_divergence(mean, logvar, prior), expected, atol=1e-4)


@pytest.mark.thorough
def test_a_code_says_what_the_picture_does_not():
    """One source, two true edits: without a code the best answer is their mean. What the condition says, that a picture
    is to be red or blue, the code's prior learns from it."""
    torch.manual_seed(0)
    network, encoder = Generator(SCHEMA, 16, 1, 2, True, True, code=2), PairEncoder(2)
    source = torch.rand(8, 3, 16, 16) - 0.5
    reference = source.clone()
    reference[::2] -= 0.5
    reference[1::2] += 0.5
    condition = torch.zeros(8, SCHEMA.n_values + SCHEMA.n_attributes)
    condition[:4, 0], condition[4:, 1] = 1, 1
    reference[:4, 0] += 0.4
    optimizer = torch.optim.Adam([*network.parameters(), *encoder.parameters()], lr=2e-3)
    known = torch.ones(8, dtype=torch.bool)
    for _ in range(100):
        mean, logvar = encoder(source, reference)
        edited = network(source, condition, PairCode(mean, logvar, known, torch.randn(8, 2)))
        loss = (edited.image - reference).abs().mean() + 1e-3 * code_divergence(mean, logvar, edited.prior).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    coded = network(source, condition, PairCode(mean, logvar, known, torch.zeros(8, 2))).image
    assert (coded - reference).abs().mean() < 0.25  # no one answer to both is nearer than 0.5
    typical = network(source, condition)
    unknown = PairCode(mean, logvar, ~known, torch.zeros(8, 2))
    assert torch.equal(typical.image, network(source, condition, unknown).image)
    assert not torch.allclose(typical.prior[0], typical.prior[4])
    with pytest.raises(UserError, match="needs skips"):
        Generator(SCHEMA, 8, 1, code=2)


def test_cross_entropy_wakes_a_mask_that_l1_lets_sleep():
    target, counted = torch.zeros(2, 1, 4, 4), torch.tensor([1.0, 0.0])
    target[:, :, 1] = 1
    slopes = {}
    for kind in ("l1", "bce"):
        logits = torch.full((2, 1, 4, 4), -5.0, requires_grad=True)
        losses.attention_loss(logits.sigmoid(), target, counted, kind=kind).backward()
        assert (logits.grad[0, 0, 1] < 0).all() and (logits.grad[0, 0, 0] > 0).all()
        assert not logits.grad[1].any()  # not counted
        slopes[kind] = -float(logits.grad[0, 0, 1, 0])
        assert float(losses.attention_loss(target, target, counted, kind=kind)) == 0
    assert slopes["bce"] > 100 * slopes["l1"]


def test_pair_loss_counts_pairs_alone():
    a, b = torch.zeros(2, 3, 2, 2), torch.ones(2, 3, 2, 2)
    b[1] = 100
    assert losses.pair_loss(a, b, torch.tensor([1.0, 0.0]), 1) == 1
    assert losses.pair_loss(a, b, torch.zeros(2), 1) == 0


def test_pair_loss_leaves_open_detail_to_others():
    """Stripes finer than the blur cost nothing where detail is open, a wrong colour costs all it did."""
    a = torch.zeros(1, 3, 32, 32)
    stripes = torch.tensor([1.0, -1.0]).repeat(16).expand(1, 3, 32, 32)
    open_detail = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    open_detail[..., 16:, :] = True
    one = torch.ones(1)
    assert losses.pair_loss(a, stripes, one, 1) == 1
    assert float(losses.pair_loss(a, stripes, one, 1, None, open_detail, 2.0)) == pytest.approx(0.5, abs=0.02)
    assert float(losses.pair_loss(a, a + 0.3, one, 1, None, open_detail, 2.0)) == pytest.approx(0.3, abs=1e-5)
    x = torch.rand(2, 3, 24, 24)
    plain = torch.from_numpy(cv2.GaussianBlur(x[0].permute(1, 2, 0).numpy(), (23, 23), 1.5))
    inside = losses.blurred(x, 1.5)[0].permute(1, 2, 0)[8:-8, 8:-8]
    assert torch.allclose(inside, plain[8:-8, 8:-8], atol=1e-3)


def test_eye_compares_new_cloth_by_its_texture_wherever_that_lies():
    """Stripes moved by half a period are far in LPIPS and near in texture; plain cloth is far in both."""
    x = torch.rand(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    x[..., ::2, :] *= torch.tensor([1.0, 0.1, 1.0, 0.1])[None, :, None, None]
    moved, plain, one = x.roll(1, 2), x.mean((2, 3), keepdim=True).expand_as(x), torch.ones(1)
    texture = torch.tensor([True])

    def distance(a, b, texture):
        return float(losses.eye_distance({"I": [a, a]}, {"I": [b, b]}, one, 1, texture))

    by_place = [distance(x, y, None) for y in (moved, plain)]
    by_texture = [distance(x, y, texture) for y in (moved, plain)]
    assert by_place[0] > 0.8 * by_place[1] and by_texture[0] < 0.05 * by_texture[1]
    a, b = (F.normalize(t, dim=1)[0].flatten(1) for t in (x, plain))
    gram = sum((a[:, p, None] * a[None, :, p] - b[:, p, None] * b[None, :, p]) / 64 for p in range(64))
    assert by_texture[1] == pytest.approx(float((gram.square().sum() + 1e-6).sqrt()), rel=1e-4)
    # Rows with and without, each by its own.
    both = [torch.cat([t, t]) for t in (x, moved)]
    mixed = losses.eye_distance(
        {"I": [both[0]] * 2}, {"I": [both[1]] * 2}, torch.ones(2), 2, torch.tensor([True, False])
    )
    assert float(mixed) == pytest.approx((by_texture[0] + by_place[0]) / 2, rel=1e-4)


def plain_box(alpha):
    """The paper's rule, region by region."""
    above = (alpha > 0.5 * alpha.max()).astype(np.uint8)
    count, regions = cv2.connectedComponents(above, connectivity=8)
    largest = max(range(1, count), key=lambda k: (regions == k).sum())
    rows, columns = np.nonzero(regions == largest)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_boxes_follow_the_paper_s_rule():
    alpha = torch.zeros(2, 1, 64, 64)
    alpha[0, 0, 10:40, 5:45] = 0.6
    alpha[0, 0, 50:60, 50:62] = 1.0  # brighter, but smaller; 0.6 still exceeds half of it
    alpha[1, 0, 20:45, 30:60] = 1.0
    alpha[1, 0, :10] = 0.4  # below half the maximum
    boxes = edit_boxes(alpha)
    for box, a in zip(boxes, alpha, strict=True):
        assert box.tolist() == plain_box(a[0].numpy())


def test_regions_are_opencv_s():
    g = torch.Generator().manual_seed(0)
    masks = [torch.rand(40, 40, generator=g) < share for share in (0.1, 0.3, 0.45, 0.6, 0.9, -1, 2)]
    spiral = torch.zeros(40, 40, dtype=torch.bool)
    for k in range(0, 18, 3):  # one line of many turns
        spiral[k, k : 40 - k] = spiral[40 - k - 1, k : 40 - k] = True
        spiral[k:, 40 - k - 1][: 40 - 2 * k] = True
        spiral[k + 3 : 40 - k, k] = True
        spiral[k + 3, k : k + 3] = True
    comb = torch.zeros(40, 40, dtype=torch.bool)
    comb[:, ::4], comb[0, 2::8], comb[0, 1::8], comb[0, 3::8] = True, True, True, True
    comb[-1, 5::8], comb[-1, 6::8], comb[-1, 7::8] = True, True, True
    masks = torch.stack([*masks, spiral, comb])
    assert torch.equal(connected_regions(masks[:, None]) > 0, masks.flatten(1))
    for mask, label in zip(masks, regions_by_rounds(masks[:, None]), strict=True):
        count, theirs = cv2.connectedComponents(mask.numpy().astype(np.uint8), connectivity=8)
        pairs = {(int(a), int(b)) for a, b in zip(theirs.ravel(), label, strict=True)}
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
        assert len({b for _, b in pairs if b}) == count - 1


def test_boxes_are_never_too_small_nor_outside():
    alpha = torch.zeros(3, 1, 64, 64)
    alpha[0, 0, 0, 0] = 1
    alpha[1, 0, 63, 63] = 1
    boxes = edit_boxes(alpha)  # the third is all zero: the whole picture
    assert (boxes[:, 2:] - boxes[:, :2] >= MIN_SIDE).all() and boxes.min() >= 0 and boxes.max() <= 64
    assert boxes[2].tolist() == [0, 0, 64, 64]


def test_crop_cuts_the_box_and_lets_gradients_through():
    x = torch.arange(64.0).view(1, 1, 1, 64).expand(1, 3, 64, 64).clone().requires_grad_()
    out = crop(x, torch.tensor([[16.0, 0.0, 48.0, 32.0]]))
    assert out.shape == (1, 3, 32, 32)
    assert torch.allclose(out[0, 0, 5], torch.arange(16.0, 48.0), atol=0.51)
    out.sum().backward()
    assert x.grad[..., :14].abs().sum() == 0 and x.grad[..., 20:40].abs().sum() > 0


def test_condition_sets_edited_attributes_alone():
    labels, edited = torch.tensor([[2, 1], [0, 3]]), torch.tensor([[True, False], [True, True]])
    condition = make_condition(SCHEMA, labels, edited)
    assert condition[0].tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 1, 0]
    assert condition[1].tolist() == [1, 0, 0, 0, 0, 0, 1, 0, 1, 1]


@pytest.mark.parametrize(("stride", "skips", "context"), [(1, False, False), (2, True, False), (2, True, True)])
def test_the_generator_blends_by_its_mask_and_heeds_the_condition(stride, skips, context):
    network = Generator(SCHEMA, 8, 1, stride, skips, context)
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    one = make_condition(SCHEMA, torch.tensor([[2, 0], [2, 0]]), torch.tensor([[True, False]] * 2))
    other = make_condition(SCHEMA, torch.tensor([[2, 3], [2, 3]]), torch.tensor([[False, True]] * 2))
    result = network(x, one)
    assert torch.allclose(result.image, result.mask * result.raw + (1 - result.mask) * x)
    assert result.mask.min() >= 0 and result.mask.max() <= 1 and result.raw.abs().max() <= 1
    assert (network(x, other).raw - result.raw).abs().max() > 1e-4


def test_class_activation_maps_against_their_definition():
    network = AttributeClassifier(SCHEMA, "small-4", 32).eval()
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    maps = network.features(x)
    labels = torch.tensor([[1, -1], [0, 4]])
    cams = network.cam(maps["last"], labels)
    by_hand = sum(network.head.weight[3 + 4, d] * maps["last"][1, d] for d in range(network.feature_dim))
    by_hand = (by_hand - by_hand.min()) / (by_hand.max() - by_hand.min())
    assert torch.allclose(cams[1, 1], by_hand, atol=1e-5)
    assert cams[0, 1].sum() == 0  # unknown
    # A logit is its map's mean: what makes the map an explanation.
    assert torch.allclose(network(x), maps["last"].mean((2, 3)) @ network.head.weight.T + network.head.bias, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "regnet_y_400mf", "convnext_tiny"])
def test_torchvision_backbones(name):
    network = AttributeClassifier(SCHEMA, name, 64).eval()
    probabilities, features = network.predict_and_embed(torch.randint(0, 256, (2, 3, 80, 80), dtype=torch.uint8))
    assert torch.allclose(probabilities[:, :3].sum(1), torch.ones(2)) and torch.allclose(
        features.norm(dim=1), torch.ones(2)
    )
    assert features.shape == (2, network.feature_dim)


def test_around_a_small_region_pixels_count_as_much_as_within():
    target = torch.zeros(1, 1, 96, 96)
    target[..., 40:60, 10:20] = 1
    weight = losses.region_weight(target)[0, 0]
    within, around, far = weight[50, 15], weight[50, 20 + 96 // losses.AROUND - 1], weight[50, 20 + 96 // losses.AROUND]
    assert within == around > 2 and far == 1 and weight[80, 80] == 1
    # So the best answer to sleeves that end here or there is the end that half of them reach.
    ends = [target.clone() for _ in range(4)]
    for k, end in enumerate(ends):
        end[..., 60 : 60 + 2 * k, 10:20] = 1
    alpha = torch.full_like(target, 0.5, requires_grad=True)
    sum(losses.attention_loss(alpha, end, torch.ones(1), losses.region_weight(end)) for end in ends).backward()
    painted = alpha.grad[0, 0, :, 15] < 0
    assert painted[58:62].all() and not painted[64:67].any()
    large = torch.ones(1, 1, 96, 96)
    assert torch.equal(losses.region_weight(large), large)
