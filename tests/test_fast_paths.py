"""What a training step does in a faster way, against the plain way."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from amgan.config import changed
from amgan.data.garments import load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.lessons.batches import BatchMaker
from amgan.models.amgan.attention import cam_target, mask_target, true_target
from amgan.models.amgan.generator import Generator
from amgan.models.amgan.losses import detail_loss
from amgan.models.amgan.method import Amgan
from amgan.models.blocks import cloth_colour, conv_of_planes
from amgan.models.classifier import AttributeClassifier
from amgan.pixels import dilate
from amgan.synth.folder import SynthFolder, write_synth
from amgan.testing import SCHEMA
from amgan.training.presets import PRESETS


def planes(numbers, size):
    return numbers[:, :, None, None].expand(-1, -1, *size)


@pytest.mark.parametrize(("k", "height", "width"), [(3, 6, 4), (5, 8, 8), (7, 9, 8), (5, 3, 2)])
def test_constant_planes_are_convolved_without_planes(k, height, width):
    torch.manual_seed(0)
    numbers, weight = torch.randn(2, 6, requires_grad=True), torch.randn(4, 6, k, k, requires_grad=True)
    ways = (
        F.conv2d(planes(numbers, (height, width)), weight, padding=k // 2),
        conv_of_planes(numbers, weight, height, width),
    )
    toward = torch.randn_like(ways[0])
    plain, fast = ([way, *torch.autograd.grad(way, (numbers, weight), toward)] for way in ways)
    for a, b in zip(plain, fast, strict=True):
        torch.testing.assert_close(b, a, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("preset", ["small", "paper"])
@pytest.mark.parametrize("last", [True, False])
def test_the_generator_is_that_of_concatenated_planes(preset, last):
    torch.manual_seed(0)
    config = changed(PRESETS[preset].amgan.generator, channels=8, blocks=1)
    generator = Generator.from_config(SCHEMA, config)
    for parameter in generator.parameters():
        nn.init.normal_(parameter, std=0.2)
    x, m = torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, SCHEMA.n_values + SCHEMA.n_attributes)
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    seen = {}
    for name in ("stem_norm", "up2_norm"):
        getattr(generator, name).register_forward_hook(lambda _, given, out, n=name: seen.update({n: (given[0], out)}))
    made = generator(x, m)

    folded = F.pixel_unshuffle(x, config.inner_stride)
    stem = generator.stem(torch.cat([folded, planes(m, folded.shape[2:])], 1))
    torch.testing.assert_close(seen["stem_norm"][0], stem, atol=1e-4, rtol=1e-4)
    h = F.relu(seen["up2_norm"][1])
    if generator.unfold is not None:
        h = F.relu(F.pixel_shuffle(generator.unfold(h), config.inner_stride))
    colour = cloth_colour(x)
    if generator.head is not None:
        h = F.relu(generator.head(torch.cat([h, x, planes(colour, x.shape[2:])], 1)))
    torch.testing.assert_close(made.mask, torch.sigmoid(generator.mask(h)), atol=1e-4, rtol=1e-4)
    picture = generator.picture(h)
    if generator.gate is not None:
        start = torch.atanh(0.98 * colour)[:, :, None, None]
        picture = picture + torch.lerp(torch.atanh(0.98 * x), start, torch.sigmoid(generator.gate(h)))
    torch.testing.assert_close(made.raw, torch.tanh(picture), atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="module")
def garments(tmp_path_factory):
    path = tmp_path_factory.mktemp("synth") / "data"
    for _ in write_synth(path, SynthFolder(40, 10, 32, 1), 2):
        pass
    data = read_imagefolder(path)
    return load_garments(data, data.records, 32, progress=False)


@pytest.mark.parametrize("pairs", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("attention", ["masks", "union"])
def test_the_teacher_looks_at_every_picture_once(garments, pairs, attention):
    """True edits, photographs and constructed pairs in one batch."""
    torch.manual_seed(0)
    some = replace(garments, truths=None) if pairs == 1.0 else garments  # constructed pairs alone
    teacher = AttributeClassifier(some.schema, "small-4", 32)
    config = changed(
        PRESETS["tiny"].amgan, batch=64, pairs=pairs, attention=attention, critics="features", channels_last=True
    )
    if pairs == 1.0:
        config = changed(config, dyed=0.5, patterned=0.5)
    method = Amgan(some.schema, config, teacher, torch.device("cpu"))
    weights = torch.full((len(some),), 1 / len(some), dtype=torch.float64)
    features = F.normalize(torch.randn(len(some), 4), dim=1)
    maker = BatchMaker(some, features, weights, config.lessons, 64, channels_last=True)
    batch = maker.draw(torch.Generator().manual_seed(0))
    rows = batch.guessed_rows
    assert len(rows) == (batch.difference == 0).sum() and len(rows)
    assert (batch.difference > 0).any() == (pairs > 0)
    # Some photographs are shown dyed, or with a pattern to be taken off: critics see them as they are.
    assert (batch.source != batch.photos)[rows].any() == (pairs == 1.0)

    outputs = method.forward(batch)
    real = torch.where(batch.difference[:, None, None, None] > 0, batch.reference, batch.photos)
    with torch.no_grad():
        features = {k: teacher.features(p) for k, p in (("reference", batch.reference), ("source", batch.source))}
        features["real"] = teacher.features(real)
    for kind, found in (("reference", outputs.reference_features), ("real", outputs.real_features)):
        for name, of in features[kind].items():
            torch.testing.assert_close(found[name], of, atol=1e-4, rtol=1e-4)
    assert outputs.batch_features is outputs.batch_features  # computed once

    cams = [
        teacher.cam(features[k]["last"], labels)
        for k, labels in (("source", batch.labels), ("reference", batch.wanted))
    ]
    asked = batch.edited
    if attention == "masks":  # of sleeves and colours masks say where they are
        asked = asked & torch.tensor([name not in ("sleeve", "color", "pattern") for name in some.schema.names])
    target = cam_target(*cams, asked, 32, union=True)
    if attention == "masks":
        target = mask_target(some.schema, batch.source_mask, batch.reference_mask, batch.edited, target)
    differs = batch.difference[:, None, None, None] > 0
    target = torch.where(differs, true_target(batch.source, batch.reference), target)
    torch.testing.assert_close(method.attention_target(batch, outputs), target, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("radius", [0, 1, 2, 4, 40])
def test_dilation_is_that_of_pooling(radius):
    torch.manual_seed(0)
    mask = torch.randn(2, 1, 13, 21)
    padded = F.pad(mask, (radius, radius, radius, radius), value=-torch.inf)
    assert torch.equal(dilate(mask, radius), F.max_pool2d(padded, 2 * radius + 1, 1))


def test_the_lost_detail_is_that_of_square_windows():
    torch.manual_seed(0)
    image, source = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    mask = torch.zeros(2, 1, 32, 32)
    mask[0, :, 2:, 5:] = mask[1, :, 8:20, :25] = 1
    inside = (F.avg_pool2d(mask, 7, 1, 3) > 0.99).float()
    a, b = (
        (g - F.avg_pool2d(g, 7, 1, 3, count_include_pad=False)) * inside
        for g in (x.mean(1, keepdim=True) for x in (image, source))
    )
    floor = 1e-4 * inside.sum((1, 2, 3)) + 1e-6
    products = [(p * q).sum((1, 2, 3)) for p, q in ((a, b), (a, a), (b, b))]
    plain = (1 - products[0] / ((products[1] + floor) * (products[2] + floor)).sqrt()).mean()
    torch.testing.assert_close(detail_loss(image, source, mask, torch.ones(2), 2), plain)
