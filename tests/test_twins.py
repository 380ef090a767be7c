"""Twins: drawn by the editor, stored with the index, part of its identity, searched with a weight of their own."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from amgan.editing.editor import Editor, EditResult, load_editor
from amgan.errors import UserError
from amgan.photos import cut_out, read_image
from amgan.schema import AttributeSchema
from indexer.cli import main as index_catalog
from retrieval.attributes import attribute_block
from retrieval.catalogue import open_catalogue
from retrieval.query import QueryWeights
from retrieval.representation import Representation
from retrieval.search import Searcher
from retrieval.stores import open_store
from retrieval.twins import draw_twins, own_attributes
from tests.tiny_catalogue import SCHEMA, as_tensor, make_catalogue, make_index, make_weights

SHIRT = "images/short red & 96.png"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("twins")
    catalogue, weights = make_catalogue(folder / "catalogue"), make_weights(folder / "weights")
    make_index(folder / "index", catalogue, weights, "twins", twins=True)
    make_index(folder / "index", catalogue, weights, "plain")
    return folder


class Recorder:
    """Says what it is asked for, and draws black."""

    schema = AttributeSchema.from_dict({"colour": ["Red", "blue"], "sleeve": ["long", "short", "sleeveless"]})

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    def edit(self, images: torch.Tensor, edits: list[dict[str, str]], only_on: str | None = None) -> EditResult:
        self.asked += edits
        return EditResult(torch.zeros_like(images), torch.ones(len(images), 1, 2, 2), images)


def test_a_twin_is_asked_for_with_what_the_garment_is_believed_to_have() -> None:
    schema = AttributeSchema.from_dict(
        {"kind": ["tee", "coat"], "sleeve": ["long", "short"], "color": ["blue", "multi"]}
    )
    rows = np.array([[0.9, 0.1, 0.2, 0.8, 0.6, 0.4], [0.9, 0.1, 0.7, 0.3, 0.1, 0.9]], np.float32)
    editor = Recorder()
    images = torch.full((2, 3, 2, 2), 7, dtype=torch.uint8)
    twins = draw_twins(cast("Editor", editor), images, rows, schema)
    assert editor.asked == [{"sleeve": "short", "colour": "blue"}, {"sleeve": "long"}]  # nobody asks for "multi"
    assert not twins.any()
    assert images.min() == 7  # the photos are not drawn upon
    nothing = AttributeSchema.from_dict({"color": ["blue", "multi"]})
    assert own_attributes(np.array([0.1, 0.9]), nothing, editor.schema) == {}
    same = draw_twins(cast("Editor", editor), images, np.array([[0.1, 0.9]] * 2, np.float32), nothing)
    assert (same == 7).all()


def test_an_editor_is_asked_for_what_it_can_set_alone() -> None:
    """Whatever the network that predicts may know: a print stays as it is."""
    knows = AttributeSchema.from_dict(
        {"pattern": ["plain", "print"], "kind": ["tee", "polo"], "color": ["red", "multi"]}
    )
    draws = AttributeSchema.from_dict(
        {"pattern": {"values": ["plain", "print"], "editable": ["plain"]}, "color": ["red", "blue"]}
    )
    plain, printed = np.array([0.9, 0.1, 1, 0, 0.2, 0.8]), np.array([0.1, 0.9, 1, 0, 0.8, 0.2])
    assert own_attributes(plain, knows, draws) == {"pattern": "plain"}
    assert own_attributes(printed, knows, draws) == {"color": "red"}


def test_vectors_hold_picture_twin_and_attributes(made: Path) -> None:
    weights = made / "weights"
    representation, editor = Representation(str(weights), twins=True), load_editor(weights)
    image = as_tensor(cut_out(read_image(made / "catalogue" / SHIRT), size=32).image)
    vectors, probabilities = representation.encode(image)
    twin = draw_twins(editor, image, probabilities, SCHEMA)
    parts = representation.identity.slices()
    assert list(parts) == ["image", "twin", "attributes"]
    np.testing.assert_allclose(vectors[:, parts["image"]], representation.embed(image)[0], atol=1e-6)
    np.testing.assert_allclose(vectors[:, parts["twin"]], representation.embed(twin)[0], atol=1e-4)
    np.testing.assert_allclose(vectors[:, parts["attributes"]], attribute_block(probabilities, SCHEMA), atol=1e-6)
    assert np.abs(vectors[:, parts["twin"]] - vectors[:, parts["image"]]).max() > 1e-3


def test_twins_are_part_of_the_identity(made: Path) -> None:
    weights = str(made / "weights")
    plain, with_twins = Representation(weights).identity, Representation(weights, twins=True).identity
    assert plain.editor == ""
    assert with_twins.editor == load_editor(weights).identity
    assert plain.digest != with_twins.digest
    with pytest.raises(UserError, match="cannot be compared"):
        plain.require_same(with_twins, "this", "that")
    assert type(with_twins).from_dict(with_twins.to_dict()) == with_twins
    of_index = Representation.of_index(with_twins)
    assert (of_index.twins, of_index.identity) == (True, with_twins)


def test_an_edited_query_meets_twins_a_photograph_does_not(made: Path) -> None:
    shop = open_catalogue(made / "index", "twins")
    photo = read_image(made / "catalogue" / SHIRT)
    weights = QueryWeights(0.3, 0.5, 0.1, twin=0.9)
    result = shop.find_similar(photo, {"color": "blue"}, k=30, weights=weights)
    vectors = {r.payload["item_id"]: r.vector for r in shop.store.scroll(vectors=True)}
    parts = shop.representation.identity.slices()
    image = as_tensor(result.cutout.image)
    (kept, seen), probabilities = shop.representation.embed(torch.cat([image, result.edited.image]))
    target = probabilities[0].copy()
    target[SCHEMA.slices[1]] = np.eye(5)[SCHEMA.values("color").index("blue")]
    asked = attribute_block(target, SCHEMA) * np.sqrt(2)
    unedited = attribute_block(probabilities[0], SCHEMA)
    for hits, at_hand in ((result.hits, True), (result.unedited_hits, False)):
        assert len(hits) == 30
        for hit in hits:
            v = np.asarray(vectors[hit.item_id])
            own, twin, a = (v[parts[name]] for name in ("image", "twin", "attributes"))
            if at_hand:
                colour, sleeve = (np.sqrt(2) * asked[s] @ a[s] for s in (SCHEMA.slices[1], SCHEMA.slices[0]))
                expected = 0.3 * seen @ own + 0.9 * seen @ twin + 0.5 * colour + 0.1 * sleeve
            else:
                expected = 1.2 * kept @ own + 0.6 * unedited @ a
            assert hit.score == pytest.approx(expected / 1.8, abs=2e-4)
    shop.close()


def test_an_index_without_twins_gives_their_weight_to_the_pictures(made: Path) -> None:
    shop = open_catalogue(made / "index", "plain")
    photo = read_image(made / "catalogue" / SHIRT)
    hits = [
        [(h.item_id, round(h.score, 5)) for h in shop.find_similar(photo, {"color": "blue"}, weights=w).hits]
        for w in (QueryWeights(0.2, twin=0.8), QueryWeights(1.0))
    ]
    assert hits[0] == hits[1]
    shop.close()


def test_words_need_an_embedder_that_reads(made: Path) -> None:
    shop: Searcher = open_catalogue(made / "index", "plain")
    with pytest.raises(UserError, match="embedder reads no text"):
        shop.find_similar(read_image(made / "catalogue" / SHIRT), {"color": "blue"}, text="with a hood")
    shop.close()


def test_the_command_fills_an_index_with_twins_and_goes_on_with_it(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = [str(made / "catalogue"), "--store", str(tmp_path / "index"), "--collection", "shop"]
    for said in ("30 indexed, 0 unchanged", "0 indexed, 30 unchanged"):
        monkeypatch.setattr("sys.argv", ["index-catalog", *where, "--weights", str(made / "weights"), "--twins"])
        with pytest.raises(SystemExit) as end:
            index_catalog()
        assert end.value.code == 0, capsys.readouterr()
        assert said in capsys.readouterr().out
    store = open_store(str(tmp_path / "index"), "shop")
    assert [b.name for b in store.identity.blocks] == ["image", "twin", "attributes"]
    assert store.count() == 30
    store.close()
