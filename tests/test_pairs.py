"""What lessons are made with, recolouring, cutting, references, and the targets of attention: on drawn garments, where
the truth is known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from amgan.data.augment import random_affine, warp, warp_mask
from amgan.data.garments import balance_weights, load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.lessons.colour import clear_shades, lab_statistics, recolour
from amgan.lessons.cut import cut_sleeves
from amgan.lessons.descriptors import Descriptors
from amgan.lessons.edits import draw_edits
from amgan.lessons.references import NEAREST, PARTNERS, assign_partners, assign_references
from amgan.models.amgan.attention import attention_target, cam_target, mask_target, needs_cam
from amgan.photos.framing import frame
from amgan.pixels import dilate, lab_to_rgb, open_mask, rgb_to_lab, to_float, to_uint8
from amgan.schema import AttributeSchema
from amgan.testing import SCHEMA, draw_catalogue, draw_garment

GENERATOR = torch.Generator()


def shirt(sleeve, color="red"):
    framed = frame(*draw_garment(sleeve, color, size=192), 64)
    image = torch.from_numpy(framed.image).permute(2, 0, 1)[None]
    return to_float(image), torch.from_numpy(framed.mask > 0)[None, None].float()


@pytest.fixture(scope="module")
def garments(tmp_path_factory):
    folder = read_imagefolder(draw_catalogue(tmp_path_factory.mktemp("pairs"), 30, split=("train",)))
    return load_garments(folder, folder.records, 32, progress=False)


def test_lab_there_and_back_and_against_opencv():
    import cv2

    rgb = torch.rand(1, 3, 64, 64, generator=GENERATOR.manual_seed(0)) * 2 - 1
    assert torch.allclose(lab_to_rgb(rgb_to_lab(rgb)), rgb, atol=1e-3)
    theirs = cv2.cvtColor(((rgb[0].permute(1, 2, 0) + 1) / 2).numpy(), cv2.COLOR_RGB2LAB)
    difference = np.abs(rgb_to_lab(rgb)[0].permute(1, 2, 0).numpy() - theirs)
    assert difference.mean() < 0.1 and difference.max() < 0.8  # OpenCV interpolates in a table


def test_opening_against_its_definition():
    mask = torch.zeros(1, 1, 20, 20)
    mask[..., 4:12, 4:12] = 1
    mask[..., 15, :] = 1  # a sliver
    opened = open_mask(mask, 2)
    assert opened[..., 15, :].sum() == 0 and torch.equal(opened[..., 4:12, 4:12], mask[..., 4:12, 4:12])
    assert torch.equal(dilate(mask, 1), F.max_pool2d(mask, 3, 1, 1))


def test_recolour_gives_the_wanted_colour_inside_and_changes_nothing_outside():
    red, mask = shirt("short", "red")
    blue, blue_mask = shirt("short", "blue")
    out = recolour(red, mask, lab_statistics(red, mask), lab_statistics(blue, blue_mask))
    inside = mask.bool().expand_as(red)
    assert (out[inside].view(3, -1).median(1).values - blue[inside].view(3, -1).median(1).values).abs().max() < 0.08
    outside = (dilate(mask, 2) == 0).expand_as(red)  # the soft edge takes the colour too
    assert torch.allclose(out[outside], red[outside], atol=1e-3)


def test_a_clear_shade_is_the_clearest_of_those_with_the_name():
    def cloth(*lab):
        return torch.tensor([[*lab, 5.0, 1.0, 1.0]])

    red = [cloth(45, a, 30) for a in (40, 45, 50, 55, 60, 65, 70, 75)]
    white = [cloth(lightness, 0, 1) for lightness in (70, 75, 80, 85)]
    mistaken, black = [cloth(20, 0, 0)], [cloth(15, 0, 0)]  # the former is called white
    colour = torch.cat([*red, *white, *mistaken, *black, cloth(90, 0, 0)])
    labels = torch.tensor([2] * 8 + [0] * 5 + [1, -1])
    shades = clear_shades(colour, labels, 4)
    assert shades[2].tolist() == cloth(45, 70, 30)[0].tolist()  # median of the reddest two
    assert shades[0].tolist() == cloth(85, 0, 1)[0].tolist()
    assert not shades[3].any()
    assert not clear_shades(colour, torch.full((15,), -1), 4).any()


@pytest.mark.parametrize("cloth", [(200, 20, 30), (30, 60, 220), (120, 20, 50)], ids=["red", "blue", "maroon"])
@pytest.mark.parametrize("constant", [False, True])
def test_strong_colours_turn_white_without_a_tinge(cloth, constant):
    """In folds a photograph's colours lose chroma, or, overexposed, keep it: neither is seen in white."""
    shade = 0.8 + 0.2 * torch.sin(torch.arange(64) / 4)[:, None, None].expand(64, 64, 1)
    rgb = torch.tensor(cloth) / 255 * shade
    picture = torch.ones(64, 64, 3)
    picture[12:52, 12:52] = rgb[12:52, 12:52]
    red = picture.permute(2, 0, 1)[None] * 2 - 1
    if constant:
        lab = rgb_to_lab(red)
        lab[:, 1:, 12:52, 12:52] = lab[:, 1:, 12:52, 12:52].mean((2, 3), keepdim=True)
        red = lab_to_rgb(lab)
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 12:52, 12:52] = 1
    white = torch.tensor([[83.0, 0.0, 1.7, 4.0, 1.0, 1.5]])
    out = rgb_to_lab(recolour(red, mask, lab_statistics(red, mask), white))[..., 12:52, 12:52]
    chroma = (out[:, 1:] - white[:, 1:3, None, None]).square().sum(1).sqrt()
    assert chroma.quantile(0.95) < 6 and (out[:, 0] > 55).all()
    # The folds are there still.
    before = rgb_to_lab(red)[:, 0, 12:52, 12:52].flatten()
    assert torch.corrcoef(torch.stack([before, out[:, 0].flatten()]))[0, 1] > 0.95


def test_the_soft_edge_takes_the_colour_as_far_as_it_shows():
    """A rim outside of the mask that is half red, half ground, becomes half blue."""
    picture = torch.ones(1, 3, 64, 64)
    red, blue = torch.tensor([0.6, -0.8, -0.7]), torch.tensor([[50.0, 1.0, -40.0, 7.0, 3.0, 5.0]])
    picture[..., 11:53, 11:53] = (0.5 + 0.5 * red)[None, :, None, None]
    picture[..., 12:52, 12:52] = red[None, :, None, None]
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 12:52, 12:52] = 1
    out = recolour(picture, mask, lab_statistics(picture, mask), blue)
    inside = out[0, :, 32, 32]
    assert (out[0, :, 32, 11] - (0.5 + 0.5 * inside)).abs().max() < 0.12
    assert (out[0, :, 32, 10] - 1).abs().max() < 0.02


def test_recolour_leaves_a_print_alone():
    red, mask = shirt("short", "red")
    _, blue_mask = shirt("short", "blue")
    blue, _ = shirt("short", "blue")
    printed = red.clone()
    printed[:, :, 30:38, 28:36] = torch.tensor([0.9, 0.9, -0.5])[None, :, None, None]  # a yellow square
    out = recolour(printed, mask, lab_statistics(printed, mask), lab_statistics(blue, blue_mask))
    assert (out[:, :, 31:37, 29:35] - printed[:, :, 31:37, 29:35]).abs().max() < 0.1


@pytest.mark.parametrize("shorter", ["short", "sleeveless"])
def test_cut_sleeves_match_the_garment_drawn_so(shorter):
    x, mask = shirt("long", "red")
    truth, truth_mask = shirt(shorter, "red")
    out, out_mask = cut_sleeves(x, mask, shirt(shorter, "blue")[1])
    iou = (out_mask * truth_mask).sum() / torch.maximum(out_mask, truth_mask).sum()
    assert iou > 0.9
    assert (out - truth).abs().mean() < 0.06 < (x - truth).abs().mean()


def test_a_reference_has_the_wanted_attributes_and_is_another_garment(garments):
    index = torch.arange(12)
    features = F.normalize(torch.randn(len(garments), 4), dim=1)
    wanted, edited = draw_edits(SCHEMA, garments.labels[index], 0.3, GENERATOR.manual_seed(1))
    chosen = assign_references(
        Descriptors.of(garments, features), garments.labels, index, wanted, edited, torch.rand(12, NEAREST)
    )
    labels = garments.labels[chosen]
    assert (labels[edited] == wanted[edited]).all()
    # Every combination of sleeve and colour but multi is drawn twice here, so nothing kept may be lost either.
    assert (labels == wanted).all()
    assert (chosen != index).all()


def test_partners_have_the_wanted_sleeve(garments):
    features = F.normalize(torch.randn(len(garments), 4), dim=1)
    index = torch.arange(9)
    wanted = (garments.labels[index, 0] + 1) % 3
    chosen = assign_partners(
        Descriptors.of(garments, features), garments.labels[:, 0], index, wanted, torch.rand(9, PARTNERS)
    )
    assert (garments.labels[chosen, 0] == wanted).all()


def test_a_column_without_labels_says_nothing_of_how_often_to_draw():
    labels = torch.tensor([[-1, 0], [-1, 0], [-1, 1]])
    assert torch.allclose(balance_weights(labels), balance_weights(labels[:, 1:]))
    assert torch.allclose(balance_weights(labels[:, :1]), torch.full((3,), 1 / 3, dtype=torch.float64))


def test_warp_moves_pictures_and_masks_alike_and_fills_with_white():
    x, mask = shirt("short")
    theta = random_affine(1, GENERATOR.manual_seed(2), shift=0.2)
    moved, moved_mask = warp(x, theta), warp_mask(mask, theta)
    cloth = moved.amin(1, keepdim=True) < 0.1  # half way from white to the shirt
    assert ((moved_mask > 0.5) == cloth).float().mean() > 0.97
    assert torch.equal(to_uint8(to_float(to_uint8(x))), to_uint8(x))


def test_attention_targets():
    edited = torch.tensor([[True, False], [False, True], [True, True]])
    _, short = shirt("short")
    _, long = shirt("long")
    before, after = short.expand(3, -1, -1, -1), long.expand(3, -1, -1, -1)
    target = mask_target(SCHEMA, before, after, edited, None)
    grown = open_mask(long * (1 - short), 2)
    assert (target[0] * (1 - dilate(grown, 2)[0])).sum() == 0  # sleeve: where the silhouettes differ, and nothing else
    assert (target[0] * grown[0]).sum() > 0.8 * grown.sum()
    garment = dilate(short, 1)  # with its soft edge
    assert torch.equal(target[1], garment[0])  # colour: the garment
    both = torch.maximum(torch.maximum(garment, dilate(long, 1)), target[:1])
    assert torch.equal(target[2], both[0])  # both: the garment before and after

    source, reference = torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4)
    source[0, 0, 0, 0], reference[0, 0, 3, 3], reference[0, 1] = 1, 1, 1
    only = torch.tensor([[True, False]])
    assert cam_target(source, reference, only, 4, union=False).sum() == 1
    assert cam_target(source, reference, only, 4, union=True).sum() == 2


def test_maps_stand_in_only_for_parts_whose_place_masks_do_not_say():
    """A known collar must not spread the classifier's coarse maps over sleeves and colours."""
    names = {"sleeve": ["short", "long"], "color": ["red", "blue"], "collar": ["round", "hood"]}
    schema = AttributeSchema.from_dict(names)
    assert needs_cam(schema, "masks") and not needs_cam(schema.editing(["sleeve", "color"]), "masks")
    masks = torch.zeros(3, 1, 32, 32)
    masks[..., 8:24, 8:24] = 1
    edited = torch.eye(3).bool()
    cams = torch.ones(3, 3, 4, 4)
    pictures = torch.zeros(3, 3, 32, 32)
    batch = SimpleNamespace(
        guessed_rows=torch.arange(3),
        edited=edited,
        source=pictures,
        reference=pictures,
        source_mask=masks,
        reference_mask=masks,
    )
    target = attention_target(schema, "masks", batch, (cams, cams))
    assert float(target[0].max()) == 0  # the silhouettes do not differ
    assert torch.equal(target[1], dilate(masks[:1], 1)[0])
    assert float(target[2].min()) == 1
