"""Garments cut out by a network: its runtimes agree, masks are as large as the photo, confidence decides."""

import importlib.util
import sys
import types

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from amgan.errors import PhotoError, UserError
from amgan.models.cutting import make_cutter, openvino_cutter, torch_cutter
from amgan.models.segmenter import CutOutNetwork, Trunk, expected_overlap
from amgan.photos import Segmenter, cut_out, load_segmenter
from amgan.photos.cutout import cut_out_several, working_photo
from amgan.photos.guided import upsample_share
from amgan.photos.learned import SURE, Learned, overlap_of
from amgan.photos.letterbox import letterbox, unletterbox
from amgan.photos.registry import name_of
from amgan.testing import draw_garment, tiny_weights
from amgan.weights import has_segmenter, load_cut_out_network, save_segmenter
from amgan.weights.segmenters import find_segmenter
from retrieval.representation import Representation
from tests.golden_cut_outs import PICTURES

SIDE = 64


def network(seed: int = 0) -> CutOutNetwork:
    """Of random weights and statistics, with masks that are neither empty nor full."""
    torch.manual_seed(seed)
    made = CutOutNetwork(SIDE)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    nn.init.normal_(made.mask.weight, 0, 1.5)
    return made.eval()


def knowing(true_mask: np.ndarray, overlap: float = 0.95):
    """A network that knows the mask of every photo, and how much it expects of it."""

    def answer(squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        side = squares.shape[1]
        square = letterbox(np.dstack([true_mask] * 3), side)[..., 0]
        top = (side - unletterbox(square, true_mask.shape).shape[0]) // 2
        square[:top], square[side - top :] = 0, 0
        return np.stack([square.astype(np.float32) / 255] * len(squares)), np.full(len(squares), overlap, np.float32)

    return answer


# --- The network and what runs it -------------------------------------------------------------------------------------


def test_openvino_and_pytorch_say_the_same():
    pytest.importorskip("openvino")
    made = network()
    squares = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    squares[0] = cv2.GaussianBlur(squares[0], (0, 0), 6)
    plain, fast = torch_cutter(made)(squares), openvino_cutter(made)(squares)
    assert plain[0].std() > 0.05 and plain[0].shape == (3, SIDE, SIDE) and plain[1].shape == (3,)
    for a, b in zip(plain, fast, strict=True):
        assert np.allclose(a, b, atol=1e-4)


def test_a_runtime_that_says_something_else_is_not_taken(monkeypatch):
    made = network()
    squares = np.zeros((1, SIDE, SIDE, 3), np.uint8)

    def wrong(_):
        return lambda squares: (np.zeros((len(squares), SIDE, SIDE), np.float32), np.zeros(len(squares), np.float32))

    def broken(_):
        raise RuntimeError("no such operation")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    for engine in (wrong, broken):
        monkeypatch.setattr("amgan.models.cutting.openvino_cutter", engine)
        assert np.array_equal(make_cutter(made)(squares)[0], torch_cutter(made)(squares)[0])


def test_the_way_down_is_efficientnet_lite():
    timm = pytest.importorskip("timm")
    torch.manual_seed(1)
    theirs = timm.create_model("tf_efficientnet_lite0").eval()  # padded as the weights were trained
    mine = Trunk().eval()
    mine.fill(theirs.state_dict().values())
    x = torch.randn(1, 3, SIDE, SIDE)
    with torch.inference_mode():
        expected = theirs.bn1(theirs.conv_stem(x))
        for block in theirs.blocks[:6]:
            expected = block(expected)
        assert torch.allclose(mine(x)[-1], expected, atol=1e-5)
    with pytest.raises(ValueError, match="EfficientNet-Lite0"):
        mine.fill(list(theirs.state_dict().values())[1:])


def test_the_expected_overlap_is_that_of_many_draws():
    share = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    mask = share > 0.5
    found = []
    for seed in range(400):
        truth = torch.rand(share.shape, generator=torch.Generator().manual_seed(seed + 1)) < share
        found.append((mask & truth).sum((1, 2, 3)) / (mask | truth).sum((1, 2, 3)))
    assert torch.allclose(expected_overlap(share), torch.stack(found).mean(0), atol=0.01)


# --- From the network's answer to a mask ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(100, 120), (300, 40), (31, 200), (64, 64)])
def test_what_is_letterboxed_comes_back(shape):
    photo = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    square = letterbox(photo, SIDE)
    part = unletterbox(square, photo.shape)
    assert square.shape == (SIDE, SIDE, 3) and max(part.shape[:2]) == SIDE
    assert abs(part.shape[0] / part.shape[1] - shape[0] / shape[1]) < 0.1 * shape[0] / shape[1]
    assert abs(float(part.mean()) - float(photo.mean())) < 3


def test_an_outline_finds_the_photos_own_edges():
    y, x = np.mgrid[:240, :320]
    truth = ((x - 150) / 90.0) ** 2 + ((y - 120) / 70.0) ** 2 < 1
    large = np.where(truth[..., None], (150, 60, 50), (90, 110, 120)).astype(np.uint8)
    share = cv2.resize(truth.astype(np.float32), (40, 30), interpolation=cv2.INTER_AREA)
    share = np.roll(share, 1, axis=1)  # a pixel of the small picture off, eight of the photo
    plain = cv2.resize(share, (320, 240), interpolation=cv2.INTER_LINEAR) > 0.5
    guided = upsample_share(share, large) > 0.5
    assert guided.shape == truth.shape

    def wrong(mask: np.ndarray) -> int:
        return int((mask != truth).sum())

    assert wrong(guided) < 0.7 * wrong(plain)


def test_a_garment_is_cut_out_at_the_photos_size_and_trusted():
    (photo, mask), _ = PICTURES["green on wood"]
    learned = Learned(knowing(mask), SIDE, "abc")
    assert isinstance(learned, Segmenter) and learned.identity == "learned (1, abc)"
    assert name_of(learned.identity) == "learned"
    found = learned.segment(photo)
    assert found.method == "learned" and found.mask.dtype == np.uint8 and set(np.unique(found.mask)) == {0, 255}
    assert found.mask.shape == photo.shape[:2] and overlap_of(found.mask, mask) > 0.93
    assert found.confidence == pytest.approx(0.95)
    cut = cut_out(Image.fromarray(photo), segmenter=learned)
    assert cut.trusted and cut.trust == SURE


def test_what_the_network_does_not_expect_to_be_right_is_asked_about_unless_grabcut_finds_the_same():
    (photo, mask), _ = PICTURES["green on wood"]
    agreeing = Learned(knowing(mask, 0.6), SIDE, "abc").segment(photo)
    assert agreeing.confidence > SURE and not agreeing.problems
    half = mask.copy()
    half[: mask.shape[0] // 2] = 0
    cut = cut_out(Image.fromarray(photo), segmenter=Learned(knowing(half, 0.6), SIDE, "abc"))
    assert not cut.trusted and cut.confidence == pytest.approx(0.6) and "60%" in cut.problems[0]


def test_a_plain_background_is_compared_pixel_by_pixel():
    image, mask = draw_garment("long", "red", 200)
    assert Learned(knowing(mask), SIDE, "abc").segment(image).method == "white"
    other = np.zeros_like(mask)
    other[90:130, 60:140] = 255  # where the network sees something else there is a choice, and it is the network's
    assert Learned(knowing(other), SIDE, "abc").segment(image).method == "learned"


def test_a_garment_that_the_photo_cuts_off_is_asked_about():
    (photo, mask), _ = PICTURES["green on wood"]
    top, middle = np.nonzero(mask.any(1))[0][0], photo.shape[0] // 2
    part = slice(top + (middle - top) // 2, middle)
    cut = cut_out(Image.fromarray(photo[part]), segmenter=Learned(knowing(mask[part]), SIDE, "abc"))
    assert not cut.trusted and "cuts the garment off" in " ".join(cut.problems)


def test_a_photo_without_a_garment_is_refused():
    (photo, mask), _ = PICTURES["green on wood"]
    with pytest.raises(PhotoError, match="No garment") as refused:
        Learned(knowing(np.zeros_like(mask)), SIDE, "abc").segment(photo)
    assert refused.value.reason == "no-garment"


def test_several_at_once_are_as_one_by_one():
    photos = [Image.fromarray(photo) for (photo, _), _ in list(PICTURES.values())[:3]]
    learned = find_segmenter("classical")
    (_, mask), _ = PICTURES["green on wood"]
    for segmenter in (learned, Learned(torch_cutter(network()), SIDE, "abc"), Learned(knowing(mask), SIDE, "abc")):
        together = cut_out_several(
            [working_photo(p, 64) for p in photos], [(p.height, p.width) for p in photos], 64, segmenter
        )
        for alone, found in zip(photos, together, strict=True):
            if isinstance(found, PhotoError):
                with pytest.raises(PhotoError) as refused:
                    cut_out(alone, size=64, segmenter=segmenter)
                assert refused.value.reason == found.reason
                continue
            expected = cut_out(alone, size=64, segmenter=segmenter)
            assert np.mean(found.image != expected.image) < 1e-3 and found.placement == expected.placement
            assert found.confidence == pytest.approx(expected.confidence, abs=1e-4)
            assert (found.method, found.trusted) == (expected.method, expected.trusted)
    assert cut_out_several([], [], 64, learned) == []


# By identity: of drawn photos the share that the mask covers, and the confidence. Who changes masks or confidences
# counts up VERSION in amgan/photos/learned.py, and puts the new ones here.
GOLDEN = {
    "learned (1, 39980df4335265b1)": {
        "red on a floor": (0.3033, 0.9528),
        "green on wood": (0.3602, 0.9482),
        "striped, thorough": (0.3626, 0.9504),
        "cream on a floor, large": (0.3741, 0.9245),
    }
}


def test_the_shipped_network_cuts_as_ever_or_its_identity_says_otherwise():
    if not has_segmenter("photos"):
        pytest.skip("the weights photos have no segmenter in this working copy")
    shipped = find_segmenter("learned", "photos")
    assert shipped.identity in GOLDEN, "a new identity: put what it finds into GOLDEN"
    for name, (covered, confidence) in GOLDEN[shipped.identity].items():
        (photo, truth), _ = PICTURES[name]
        found = shipped.segment(photo)
        mask = cv2.resize(found.mask, photo.shape[1::-1], interpolation=cv2.INTER_LINEAR) > 127
        assert overlap_of(mask, truth > 127) > 0.93
        assert mask.mean() == pytest.approx(covered, abs=0.003)
        assert found.confidence == pytest.approx(confidence, abs=0.01)


# --- Names ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tiny_weights(tmp_path_factory.mktemp("weights") / "mine")
    save_segmenter(folder, network(), {"data": "none"})
    return folder


def test_weights_cut_out_with_their_own_network(weights, tmp_path):
    own = find_segmenter(None, weights)
    assert own.identity == find_segmenter("learned", weights).identity
    assert own.identity.startswith("learned (") and load_cut_out_network(weights).identity in own.identity
    assert find_segmenter("classical", weights).identity == load_segmenter().identity
    bare = tiny_weights(tmp_path / "bare")
    assert find_segmenter(None, bare).identity == load_segmenter().identity
    assert find_segmenter(None, "an editor from outside").identity == load_segmenter().identity
    with pytest.raises(UserError, match="have no segmenter"):
        find_segmenter("learned", bare)
    save_segmenter(bare, network(1), {})
    assert find_segmenter(None, bare).identity != own.identity


def test_an_index_remembers_the_network_that_cut_its_garments_out(weights):
    here = Representation(str(weights))
    assert here.identity.segmenter == find_segmenter(None, weights).identity
    again = Representation.of_index(here.identity)
    assert again.segmenter.identity == here.segmenter.identity
    classical = Representation(str(weights), segmenter="classical")
    assert classical.identity.digest != here.identity.digest
    assert Representation.of_index(classical.identity).segmenter.identity == load_segmenter().identity


def test_rembg_is_there_for_who_has_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "rembg", None)
    with pytest.raises(UserError, match="needs the package rembg"):
        load_segmenter("rembg")
    (photo, mask), _ = PICTURES["green on wood"]
    fake = types.ModuleType("rembg")

    def new_session(model: str) -> str:
        if model not in ("u2net", "u2net_cloth_seg"):
            raise ValueError("No session class found")
        return model

    fake.new_session = new_session  # type: ignore[attr-defined]
    fake.remove = lambda picture, session, only_mask: mask // 255 * 200  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rembg", fake)
    found = load_segmenter("rembg:u2net_cloth_seg")
    assert name_of(found.identity) == "rembg:u2net_cloth_seg"
    cut = found.segment(photo)
    assert cut.method == "rembg" and overlap_of(cut.mask, mask) > 0.99 and cut.confidence > 0.5
    with pytest.raises(UserError, match="'sam'"):
        load_segmenter("rembg:sam")
