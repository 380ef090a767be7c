"""Segmenters can be exchanged, and whoever changes how garments are cut out says so by the version."""

import json
from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest
from PIL import Image

from amgan.errors import PhotoError, UserError
from amgan.photos import Segmentation, Segmenter, cut_out, load_segmenter, registry
from amgan.photos.classical import Classical
from amgan.photos.given import GivenMask
from amgan.photos.registry import name_of
from amgan.photos.segmenter import judged
from indexer.build import index, physical_name
from indexer.catalogue import Catalogue
from indexer.prepare import Settings
from retrieval.identity import IndexIdentity
from retrieval.stores import connect
from tests import golden_cut_outs
from tests.fake_encoder import SCHEMA, FakeEncoder, draw_catalogue
from tests.golden_cut_outs import PICTURES, cut_outs, difference, version


class Dark:
    """Whatever is darker than the threshold is the garment."""

    def __init__(self, threshold: str = "100") -> None:
        self.threshold = int(threshold or 100)
        self.identity = f"dark:{self.threshold} (7)"

    def segment(self, photo: np.ndarray) -> Segmentation:
        mask = np.where(photo.mean(2) < self.threshold, 255, 0).astype(np.uint8)
        return Segmentation(mask[::2, ::2], 0.4, "dark", ("It may be another dark thing.",))


def two_things() -> Image.Image:
    """A dark square low at the right and a pale one in the middle, on grey."""
    photo = np.full((100, 120, 3), 128, np.uint8)
    photo[30:70, 40:80] = (200, 190, 170)
    photo[60:90, 84:110] = (40, 30, 30)
    return Image.fromarray(photo)


def test_a_segmenter_of_ones_own_finds_the_garment():
    cutout = cut_out(two_things(), size=64, segmenter=Dark())
    assert (cutout.method, cutout.confidence, cutout.trusted) == ("dark", 0.4, False)
    assert cutout.problems == ("It may be another dark thing.",)
    assert np.median(cutout.image[cutout.mask > 0]) < 60
    x, y = cutout.placement.offset
    rows, columns = np.nonzero(cutout.mask)
    scale = cutout.placement.scale
    edges = [y + rows.min() * scale, y + (rows.max() + 1) * scale, x + columns.min() * scale]
    assert np.allclose(edges, [60, 90, 84], atol=1.5)
    with pytest.raises(PhotoError, match="empty"):
        cut_out(two_things(), size=64, segmenter=Dark("5"))


def test_a_given_mask_goes_before_the_segmenter():
    mask = np.zeros((100, 120), np.uint8)
    mask[30:70, 40:80] = 255
    assert cut_out(two_things(), mask, 64, segmenter=Dark()).method == "given"


def test_the_shipped_ones_fulfil_the_contract():
    (photo, mask), _ = PICTURES["red on a floor"]
    for segmenter, method in ((Classical(), "grabcut"), (GivenMask(mask, photo.shape[:2]), "given"), (Dark(), "dark")):
        assert isinstance(segmenter, Segmenter)
        name = name_of(segmenter.identity)
        assert segmenter.identity.startswith(f"{name} (") and segmenter.identity.endswith(")")
        found = segmenter.segment(photo)
        assert found.method == method and found.mask.dtype == np.uint8 and set(np.unique(found.mask)) == {0, 255}
        assert 0 <= found.confidence <= 1


def test_a_mask_is_judged_by_its_photo():
    (photo, mask), _ = PICTURES["green on wood"]
    assert judged(photo, mask, "mine").confidence == 1
    assert judged(photo, np.roll(mask, 80, 1), "mine").confidence < 0.5
    with pytest.raises(PhotoError, match="No garment"):
        judged(photo, np.zeros_like(mask), "mine")


def test_segmenters_are_found_by_name(monkeypatch):
    group = registry.ENTRY_POINT_GROUP
    points = [EntryPoint("dark", "tests.test_segmenter:Dark", group), EntryPoint("odd", "builtins:str", group)]
    monkeypatch.setattr(registry, "entry_points", lambda group: EntryPoints(points).select(group=group))
    assert load_segmenter().identity == Classical.identity
    assert load_segmenter("dark").identity == "dark:100 (7)"
    again = load_segmenter(name_of(load_segmenter("dark:30").identity))
    assert again.identity == "dark:30 (7)"
    with pytest.raises(UserError, match=r"'clasical'\. Valid: classical, learned, rembg, dark, odd"):
        load_segmenter("clasical")
    with pytest.raises(UserError, match="lacks identity or segment"):
        load_segmenter("odd")


@pytest.fixture(scope="module")
def golden() -> dict:
    stored = json.loads(golden_cut_outs.FILE.read_text(encoding="utf-8"))
    if stored["version"] != version():
        pytest.fail(f"No golden cut-outs of this version: run python -m {golden_cut_outs.__name__}")
    return stored["cut_outs"]


def test_garments_are_cut_out_as_ever_or_the_version_says_otherwise(golden):
    now = cut_outs()
    assert now.keys() == golden.keys()
    differ = {name: what for name, cut in now.items() if (what := difference(cut, golden[name]))}
    assert not differ, (
        f"Garments are cut out otherwise than under this version ({version()}). Where that is meant, count up the "
        f"identity of what was changed, then run python -m {golden_cut_outs.__name__}. What differs: {differ}"
    )


def test_the_golden_cut_outs_notice_a_change(golden, monkeypatch):
    from amgan.photos import classical, framing

    name = "striped, blurred"
    (photo, _), _ = PICTURES[name]
    for module, constant, value in ((classical, "SURE", 9.0), (framing, "BODY_HEIGHT", 0.67)):
        with monkeypatch.context() as patch:
            patch.setattr(module, constant, value)
            assert difference(cut_out(Image.fromarray(photo)), golden[name])
    assert difference(cut_out(Image.fromarray(photo)), golden[name]) == ""


def test_an_identity_from_before_segmenters_were_recorded_is_another():
    now = FakeEncoder().identity
    old = now.to_dict()
    del old["segmenter"]
    before = IndexIdentity.from_dict(old)
    assert IndexIdentity.from_dict(now.to_dict()) == now
    assert before.digest != now.digest and not before.same_vectors(now)
    with pytest.raises(UserError) as caught:
        now.require_same(before, "these weights", "the index")
    assert "not recorded" in str(caught.value) and Classical.identity in str(caught.value)
    assert "Index the catalogue again with index-catalog." in str(caught.value)


def test_a_new_way_of_cutting_out_fills_the_index_anew_and_takes_over(tmp_path, monkeypatch):
    photos, location = draw_catalogue(tmp_path / "photos", 6), connect(tmp_path / "store")

    def run():
        encoder = FakeEncoder()
        return encoder, index(Catalogue(photos, SCHEMA), location, "shop", encoder, Settings(32))

    before, first = run()
    assert (first.indexed, first.switched) == (6, True)
    monkeypatch.setattr(Classical, "identity", "classical (99)")
    after, second = run()
    assert (second.indexed, second.unchanged, second.switched) == (6, 0, True)
    assert second.physical == physical_name("shop", after) != physical_name("shop", before)
    assert location.describe("shop").identity.segmenter == "classical (99)"
    assert set(location.collections()) == {first.physical, second.physical}  # the one before is kept, for rollback
    _, third = run()
    assert (third.indexed, third.unchanged, third.switched) == (0, 6, False)
