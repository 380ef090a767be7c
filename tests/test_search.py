"""Searching with an edited garment: the Python API, the command and its picture, on a drawn catalogue."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from amgan.editing.editor import EditResult, NoEdit
from amgan.errors import UserError
from amgan.photos import Segmentation, cut_out, read_image
from amgan.photos.classical import Classical
from retrieval import cli
from retrieval.catalogue import LateSearcher, open_catalogue
from retrieval.query import QueryWeights
from retrieval.representation import Representation
from retrieval.search import Searcher, UncertainCutOut
from retrieval.sheet import mask_overlay, search_sheet
from retrieval.stores.base import Point, point_id
from retrieval.stores.memory import MemoryLocation
from tests.tiny_catalogue import SCHEMA, as_tensor, draw_shirt, make_catalogue, make_index, make_weights
from tests.tiny_open_clip import make_open_clip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``catalogue``, ``weights`` and ``index``."""
    folder = tmp_path_factory.mktemp("shop")
    make_index(folder / "index", make_catalogue(folder / "catalogue"), make_weights(folder / "weights"))
    return folder


@pytest.fixture
def shop(made: Path) -> Iterator[Searcher]:
    searcher = open_catalogue(made / "index", "shirts")
    yield searcher
    searcher.close()


def photo(made: Path, name: str = "short red & 96") -> Image.Image:
    return read_image(made / "catalogue" / "images" / f"{name}.png")


def test_what_the_editor_cannot_edit_is_known_and_filtered(shop: Searcher, made: Path) -> None:
    editor = NoEdit(SCHEMA.editing(["color"]), shop.editor.image_size)
    partly = Searcher(shop.store, shop.representation, editor, shop.root)
    with pytest.raises(UserError, match=r"The sleeve is known of a garment.* What can be set: color\."):
        partly.find_similar(photo(made), {"sleeve": "long"})
    found = partly.find_similar(photo(made), {"color": "blue"}, filter={"sleeve": ["short"]})
    assert set(found.predicted) == {"sleeve", "color"}
    assert all(h.predicted["sleeve"] == "short" for h in found.hits)


class OtherGarment:
    """An editor that answers every edit with one given picture: what a perfect edit would be."""

    schema, identity = SCHEMA, "other garment"

    def __init__(self, image: np.ndarray) -> None:
        self.image_size, self._image = image.shape[0], as_tensor(image)

    def edit(self, images: torch.Tensor, edits: object, only_on: str | None = None) -> EditResult:
        return EditResult(self._image, torch.ones(1, 1, *images.shape[-2:]), self._image)


def test_the_edit_is_what_is_searched_for(made: Path, shop: Searcher) -> None:
    wanted = cut_out(photo(made, "long red & 96"), size=shop.editor.image_size).image
    perfect = Searcher(shop.store, shop.representation, OtherGarment(wanted), shop.root)
    result = perfect.find_similar(photo(made), {"Sleeves": "long-sleeved"}, k=5, weights=QueryWeights(1, 0, 0))
    assert result.edit == {"sleeve": "long"}
    assert result.hits[0].file_name == "images/long red & 96.png"
    assert result.hits[0].score == pytest.approx(1, abs=1e-4)
    assert result.unedited_hits[0].file_name == "images/short red & 96.png"
    assert [h.rank for h in result.hits] == [1, 2, 3, 4, 5]
    assert sorted((h.score for h in result.hits), reverse=True) == [h.score for h in result.hits]


def test_scores_are_those_of_every_vector_compared_by_hand(made: Path, shop: Searcher) -> None:
    weights = QueryWeights(0.4, 0.5, 0.1)
    result = shop.find_similar(photo(made), {"color": "blue"}, k=30, weights=weights)
    assert list(result.seconds) == ["cut-out", "edit", "embed", "search"] and min(result.seconds.values()) > 0
    stored = {r.payload["file_name"]: r.vector for r in shop.store.scroll(vectors=True)}
    pair = torch.cat([as_tensor(result.cutout.image), result.edited.image])
    vectors, probabilities = shop.representation.encode(pair)
    size = shop.representation.embedder.dimensions
    sleeve = probabilities[0, :3] / np.linalg.norm(probabilities[0, :3])
    attributes = np.concatenate([0.1 * sleeve, [0, 0, 0.5, 0, 0]]) * np.sqrt(2)
    query = np.concatenate([0.4 * vectors[1, :size], attributes])
    assert len(result.hits) == len(stored) == 30
    for hit in result.hits:
        assert hit.score == pytest.approx(float(query @ stored[hit.file_name]), abs=1e-5)
    assert not any(h.parts for h in result.hits)  # nobody asked


def test_scores_are_explained_by_the_parts_of_the_query(made: Path, shop: Searcher) -> None:
    weights = QueryWeights(0.4, 0.5, 0.1)
    result = shop.find_similar(photo(made), {"color": "blue"}, k=3, weights=weights, explain=True)
    stored = {r.payload["file_name"]: r.vector for r in shop.store.scroll(vectors=True)}
    size = shop.representation.embedder.dimensions
    edited = shop.representation.encode(result.edited.image)[0][0]
    assert len(result.hits) == len(result.unedited_hits) == 3
    for hit in result.hits:
        assert set(hit.parts) == {"image", "wanted", "kept"}
        assert sum(hit.parts.values()) == pytest.approx(hit.score, abs=1e-5)
        vector = stored[hit.file_name]
        assert hit.parts["image"] == pytest.approx(0.4 * float(edited[:size] @ vector[:size]), abs=1e-5)
        blue = vector[size + 5] * np.sqrt(2)  # of the colours' unit block
        assert hit.parts["wanted"] == pytest.approx(0.5 * blue, abs=1e-5)
    for hit in result.unedited_hits:  # nothing is wanted of a photo as it is
        assert set(hit.parts) == {"image", "kept"}
        assert sum(hit.parts.values()) == pytest.approx(hit.score, abs=1e-5)


def test_a_colour_on_a_part_is_looked_for_by_its_looks(made: Path, shop: Searcher) -> None:
    result = shop.find_similar(photo(made), {"color": "blue"}, k=3, only_on="torso", weights=QueryWeights(0, 1, 1))
    assert (result.edit, result.only_on, result.wanted) == ({"color": "blue"}, "torso", {})
    vectors = {r.payload["file_name"]: r.vector for r in shop.store.scroll(vectors=True)}
    pair = torch.cat([as_tensor(result.cutout.image), result.edited.image])
    kept, seen = shop.representation.encode(pair)[0]
    size = shop.representation.embedder.dimensions
    for hit in result.hits:
        of_hit = vectors[hit.file_name][size:]  # sleeve as the photo has it, colour as it is seen in the edit
        score = kept[size : size + 3] @ of_hit[:3] + seen[size + 3 :] @ of_hit[3:]
        assert hit.score == pytest.approx(float(score), abs=1e-5)
    with pytest.raises(UserError, match="region"):
        shop.find_similar(photo(made), {"color": "blue"}, only_on="collar")
    with pytest.raises(UserError, match="no edit is asked for"):
        shop.find_similar(photo(made), only_on="torso")


def test_half_an_edit_is_half_way_in_picture_and_attributes(made: Path, shop: Searcher) -> None:
    result = shop.find_similar(photo(made), {"color": "blue"}, k=5, strength=0.5, weights=QueryWeights(1, 1, 0))
    half = (as_tensor(result.cutout.image).float() / 2 + result.edited.image.float() / 2).round().to(torch.uint8)
    vectors, probabilities = shop.representation.encode(torch.cat([as_tensor(result.cutout.image), half]))
    size = shop.representation.embedder.dimensions
    target = probabilities[0, 3:] / 2 + np.array([0, 0, 0.5, 0, 0])
    query = np.concatenate([vectors[1, :size], np.zeros(3), np.sqrt(2) * target / np.linalg.norm(target)]) / 2
    stored = {r.payload["file_name"]: r.vector for r in shop.store.scroll(vectors=True)}
    for hit in result.hits:
        assert hit.score == pytest.approx(float(query @ stored[hit.file_name]), abs=1e-5)
    with pytest.raises(UserError, match="strength of an edit is"):
        shop.find_similar(photo(made), {"color": "blue"}, strength=1.5)


def test_what_is_known_of_the_garment_outweighs_what_is_predicted(made: Path, shop: Searcher) -> None:
    weights = QueryWeights(0, 0, 1)
    result = shop.find_similar(photo(made), k=3, known={"Sleeves": "long-sleeved", "colour": "green"}, weights=weights)
    stored = {r.payload["file_name"]: r.vector for r in shop.store.scroll(vectors=True)}
    size = shop.representation.embedder.dimensions
    said = np.array([0, 0, 1, 0, 0, 0, 1, 0]) / np.sqrt(2)
    for hit in result.hits:
        assert hit.score == pytest.approx(float(said @ stored[hit.file_name][size:]), abs=1e-5)
    assert (result.predicted, result.confidence) == (
        shop.find_similar(photo(made), k=1).predicted, shop.find_similar(photo(made), k=1).confidence
    )  # fmt: skip
    with pytest.raises(UserError, match="Unknown color 'mauve'"):
        shop.find_similar(photo(made), known={"color": "mauve"})


def test_without_an_edit_the_garment_itself_is_searched(made: Path, shop: Searcher) -> None:
    result = shop.find_similar(photo(made), k=3)
    assert result.edit == {}
    assert result.hits == result.unedited_hits
    assert torch.equal(result.edited.image, as_tensor(result.cutout.image))
    assert result.edited.mask.max() == 0


def test_the_query_does_not_find_itself(made: Path, shop: Searcher) -> None:
    itself = "images/short red & 96"
    assert itself in {h.item_id for h in shop.find_similar(photo(made), k=3).hits}
    without = shop.find_similar(photo(made), {"color": "blue"}, k=29, exclude=[itself])
    assert len(without.hits) == len(without.unedited_hits) == 29
    assert itself not in {h.item_id for h in without.hits + without.unedited_hits}


@pytest.mark.parametrize("copies", [15, 300])
def test_copies_of_the_query_hide_nothing(shop: Searcher, copies: int) -> None:
    store = MemoryLocation().create("copies", shop.store.identity, shop.store.schema)
    query = np.ones(store.identity.dimensions, np.float32)
    store.upsert([Point(point_id(f"copy {i}"), query, {"item_id": f"copy {i}", "sha256": "c"}) for i in range(copies)])
    others = [Point(point_id(str(i)), query * 0.99**i, {"item_id": str(i), "sha256": str(i)}) for i in range(1, 13)]
    store.upsert(others)
    searcher = Searcher(store, shop.representation, shop.editor)
    assert [h.item_id for h in searcher.nearest(query, 10, exclude=["c"])] == [str(i) for i in range(1, 11)]
    assert len(searcher.nearest(query, 30, exclude=["c"])) == 12
    named = [f"copy {i}" for i in range(copies)]
    assert [h.item_id for h in searcher.nearest(query, 3, exclude=[*named, "2"])] == ["1", "3", "4"]


def test_filters_keep_what_is_predicted(made: Path, shop: Searcher) -> None:
    hits = shop.find_similar(photo(made), {"sleeve": "long"}, k=30, filter={"colour": ["red", "blue"]}).hits
    assert len(hits) == 12
    assert {h.predicted["color"] for h in hits} == {"red", "blue"}
    assert len(shop.find_similar(photo(made), k=30, filter={"given.color": "green", "sleeve": "short"}).hits) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"edit": {"sleeve": "longer"}}, "Did you mean 'long'"),
        ({"edit": {"fit": "slim"}}, "Unknown attribute 'fit'"),
        ({"filter": {"color": "mauve"}}, "Unknown color 'mauve'"),
        ({"k": 0}, "k is 0"),
    ],
)
def test_what_cannot_be_asked_for_is_a_sentence(made: Path, shop: Searcher, arguments: dict, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        shop.find_similar(photo(made), **arguments)


def test_an_uncertain_cut_out_is_the_users_to_decide(shop: Searcher) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8))
    with pytest.raises(UncertainCutOut, match="not certain") as refusal:
        shop.find_similar(noise, {"sleeve": "long"})
    assert not refusal.value.cutout.trusted
    assert shop.find_similar(refusal.value.cutout, {"sleeve": "long"}, k=2).hits


def test_an_index_is_queried_with_its_own_networks(made: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(made / "weights", moved)
    searcher = open_catalogue(made / "index", "shirts", weights=str(moved))
    assert searcher.representation.identity == searcher.store.identity
    searcher.close()
    config = json.loads((moved / "teacher" / "config.json").read_text())
    (moved / "teacher" / "config.json").write_text(json.dumps({**config, "note": "retrained"}))
    with pytest.raises(UserError, match="cannot be compared"):
        open_catalogue(made / "index", "shirts", weights=str(moved))
    open_catalogue(made / "index", "shirts").close()  # a refusal leaves the store free
    with pytest.raises(UserError, match="shoes"):
        open_catalogue(made / "index", "shoes")


def test_a_catalogue_that_moved_is_found_where_it_is_said_to_be(made: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder"):
        open_catalogue(made / "index", "shirts", catalogue=tmp_path / "gone")
    searcher = open_catalogue(made / "index", "shirts", catalogue=tmp_path)
    hit = searcher.find_similar(photo(made), k=1).hits[0]
    assert hit.file == tmp_path / hit.file_name
    assert search_sheet(searcher.find_similar(photo(made), k=1)).width > 700  # the missing photo's place shows its name
    searcher.close()


def test_an_items_cut_out_is_that_of_its_photo(made: Path, shop: Searcher) -> None:
    for record in shop.store.scroll():
        cutout = shop.item_cutout(shop.item(record.id))
        expected = cut_out(read_image(made / "catalogue" / record.payload["file_name"]), size=shop.editor.image_size)
        np.testing.assert_array_equal(cutout.image, expected.image)
    with pytest.raises(UserError, match="no item"):
        shop.item("00000000-0000-0000-0000-000000000000")


def test_another_embedder_brings_its_own_block(made: Path, tmp_path: Path) -> None:
    weights = made / "weights"
    both = Representation(str(weights), f"local-dir:{make_open_clip(tmp_path)}")
    plain = Representation(str(weights), f"teacher:{weights}")
    assert plain.embedder is plain.predictor
    images = torch.cat([as_tensor(np.asarray(draw_shirt(s, "red"))) for s in SCHEMA.values("sleeve")])
    vectors, probabilities = both.encode(images)
    assert vectors.shape == (3, both.dimensions) == (3, 16 + SCHEMA.n_values)
    np.testing.assert_allclose(vectors[:, :16], both.embedder.embed(images), atol=1e-6)
    np.testing.assert_allclose(probabilities, plain.encode(images)[1], atol=1e-6)
    assert Representation.of_index(both.identity).identity == both.identity
    assert Representation.of_index(both.identity, weights=str(weights)).identity == both.identity
    with pytest.raises(UserError, match="cannot be compared"):
        plain.identity.require_same(both.identity, "a", "b")


def test_queries_are_cut_out_as_the_index_was(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(Classical):
        identity = "other (1)"

        def segment(self, photo: np.ndarray) -> Segmentation:
            return replace(super().segment(photo), confidence=0.75)

    weights = str(made / "weights")
    identity = Representation(weights).identity
    assert identity.segmenter == Classical.identity
    segmenters = {None: Classical(), "classical": Classical(), "other": Other()}
    monkeypatch.setattr("retrieval.representation.find_segmenter", lambda name, weights, device: segmenters[name])
    other = Representation(weights, segmenter="other")
    assert other.identity == replace(identity, segmenter="other (1)")
    of_index = Representation.of_index(other.identity)
    assert of_index.identity == other.identity
    store = MemoryLocation().create("x", other.identity, SCHEMA)
    assert Searcher(store, of_index, NoEdit(SCHEMA, 32)).cut_out(photo(made)).confidence == 0.75
    for earlier in ("", "classical (2)"):
        with pytest.raises(UserError, match=r"cut out of their photos in one way.*classical \(3\).*index-catalog"):
            Representation.of_index(replace(identity, segmenter=earlier))


def test_an_index_from_before_segmenters_were_recorded_is_to_be_made_again(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = shutil.copytree(made / "index", tmp_path / "index")
    about = store / "shirts" / "about.json"
    stored = json.loads(about.read_text(encoding="utf-8"))
    del stored["identity"]["segmenter"]
    about.write_text(json.dumps(stored), encoding="utf-8")
    line = ["search-catalog", made / "catalogue" / "images" / "short red & 96.png", "--store", store]
    monkeypatch.setattr("sys.argv", [*map(str, line), "--collection", "shirts"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "Index the catalogue again with index-catalog." in capsys.readouterr().err.replace("\n", " ")


def test_the_sheet_shows_query_edit_mask_and_hits(made: Path, shop: Searcher) -> None:
    result = shop.find_similar(photo(made), {"sleeve": "long"}, k=12)
    sheet = search_sheet(result)
    unedited = search_sheet(shop.find_similar(photo(made), k=12))
    assert sheet.height > unedited.height  # two rows of hits against one
    red = (np.asarray(sheet).astype(int) - (0xCC, 0x22, 0x22)).__abs__().sum(-1) < 20
    assert red.sum() > 5000  # the query and the hits of its colour are there
    tinted = np.asarray(mask_overlay(np.full((4, 4, 3), 128, np.uint8), np.eye(4)))
    assert tinted[0, 0, 0] - tinted[0, 0, 1] > 80  # edited
    assert tinted[0, 1, 0] == tinted[0, 1, 1]  # kept


def command(monkeypatch: pytest.MonkeyPatch, made: Path, *arguments: object) -> None:
    where = ["--store", made / "index", "--collection", "shirts"]
    monkeypatch.setattr("sys.argv", ["search-catalog", *map(str, [*arguments, *where])])
    cli.main()


def test_the_command_prints_one_json_object(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = made / "catalogue" / "images" / "short red & 96.png"
    sheet = tmp_path / "new folder" / "sheet.png"
    options = [
        "--set",
        "sleeve=long",
        "--set",
        "colour=blue",
        "-k",
        3,
        "--filter",
        "color=blue",
        "--filter",
        "color=red",
    ]
    with pytest.raises(SystemExit) as end:
        command(monkeypatch, made, file, *options, "--json", "--out", sheet)
    assert end.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["edit"] == {"sleeve": "long", "color": "blue"}
    assert [h["rank"] for h in found["hits"]] == [1, 2, 3]
    assert all(Path(h["file"]).is_file() for h in found["hits"])
    assert {h["predicted"]["color"] for h in found["hits"]} <= {"blue", "red"}
    assert not any(h["file_name"] == f"images/{file.name}" for h in found["unedited_hits"])  # known by its SHA-256
    assert Image.open(sheet).width > 700


def test_the_command_takes_a_shoppers_own_words(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = made / "catalogue" / "images" / "short red & 96.png"
    with pytest.raises(SystemExit) as end:
        command(monkeypatch, made, file, "--say", "in scarlet with velvet sleeves", "--set", "sleeve=long", "--json")
    printed = capsys.readouterr()
    assert end.value.code == 0
    found = json.loads(printed.out)
    assert found["edit"] == {"sleeve": "long", "color": "red"}
    assert [u["words"] for u in found["said"]["unused"]] == ["velvet", "sleeves"]
    remarks = printed.err.replace("\n", " ")
    assert "“scarlet” was taken as color=red." in remarks
    assert "“velvet” (not understood); “sleeves” (which one was not said)." in remarks
    for arguments, sentence in (
        (
            ["--say", "something cosy"],
            "“cosy” (not understood). What can be set: sleeve: sleeveless, short, long; color:",
        ),
        (["--say", "blue", "--set", "color=red"], "set twice"),
        (["--say", " "], "Say what should change"),
        (["--say", "blue sleeves", "--set", "sleeve=long"], "cannot change the sleeve itself"),
    ):
        with pytest.raises(SystemExit) as end:
            command(monkeypatch, made, file, *arguments)
        assert end.value.code == 2
        assert sentence in capsys.readouterr().err.replace("\n", " ")


def test_the_command_prints_a_table(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    file = made / "catalogue" / "images" / "short red & 96.png"
    with pytest.raises(SystemExit) as end:
        command(monkeypatch, made, file, "--set", "sleeve=long", "-k", 2, "--explain")
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert "sleeve → long" in out
    assert "& 112.png" in out
    assert all(f"of {part}" in out for part in ("image", "wanted", "kept"))


def test_the_command_ends_in_a_sentence_and_status_2(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = made / "catalogue" / "images" / "short red & 96.png"
    noise = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)).save(noise)
    html = tmp_path / "page.jpg"
    html.write_text("<html></html>")
    cases = [
        ([tmp_path / "none.jpg"], "none.jpg"),
        ([html], "page.jpg"),
        ([noise, "--set", "sleeve=long"], "--accept-cutout"),
        ([file, "--set", "sleeve"], "attribute=value"),
        ([file, "--filter", "color"], "attribute=value"),
        ([file, "--weight-image", "0", "--weight-wanted", "0", "--weight-kept", "0"], "above 0"),
        ([file, "--out", tmp_path / "sheet.xyz"], "sheet.png"),
        ([file, "--mask", html], "page.jpg"),
    ]
    for arguments, sentence in cases:
        with pytest.raises(SystemExit) as end:
            command(monkeypatch, made, *arguments)
        streams = capsys.readouterr()
        assert end.value.code == 2, arguments
        assert sentence in streams.err.replace("\n", " ")
        assert "Traceback" not in streams.err
        assert streams.out == ""
    with pytest.raises(SystemExit) as end:
        command(monkeypatch, made, noise, "--set", "sleeve=long", "--accept-cutout", "--json", "-k", 1)
    assert end.value.code == 0
    assert json.loads(capsys.readouterr().out)["cutout"]["confidence"] < 0.5


def test_a_catalogue_is_looked_through_before_its_networks_are_there(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    of_index = Representation.of_index
    monkeypatch.setattr(Representation, "of_index", lambda *a: loaded.append("networks") or of_index(*a))
    with_all = open_catalogue(made / "index", "shirts")
    expected, schema = with_all.find_similar(photo(made), {"sleeve": "long"}), with_all.schema
    with_all.close()
    loaded.clear()
    late = open_catalogue(made / "index", "shirts", late=True)
    try:
        assert isinstance(late, LateSearcher)
        assert (late.schema, late.schema.editable) == (schema, schema.editable)
        assert len(list(late.store.scroll())) == 30 and late.item(point_id("images/short red & 96.png"))
        assert not loaded and not hasattr(late, "no such thing")
        with ThreadPoolExecutor(4) as pool:  # whoever comes while they are loaded waits
            found = list(pool.map(lambda _: late.find_similar(photo(made), {"sleeve": "long"}).hits, range(4)))
        assert found == [expected.hits] * 4 and loaded == ["networks"]
    finally:
        late.close()


def test_networks_that_cannot_be_had_late_are_a_sentence_each_time(made: Path, tmp_path: Path) -> None:
    weights = shutil.copytree(made / "weights", tmp_path / "weights")
    late = open_catalogue(made / "index", "shirts", str(weights), late=True)
    try:
        (weights / "editor" / "model.safetensors").unlink()
        for _ in range(2):
            with pytest.raises(UserError, match=r"model\.safetensors"):
                late.find_similar(photo(made), {"sleeve": "long"})
        assert next(late.store.scroll())
        shutil.copy(made / "weights" / "editor" / "model.safetensors", weights / "editor")
        assert late.find_similar(photo(made), {"sleeve": "long"}).hits
    finally:
        late.close()


def test_looking_through_a_catalogue_imports_no_torch(made: Path, root: Path) -> None:
    program = (
        "import sys; from retrieval.catalogue import open_catalogue\n"
        f"c = open_catalogue({str(made / 'index')!r}, 'shirts', late=True)\n"
        "assert len(list(c.store.scroll())) == 30 and c.schema.editable\n"
        "assert not {'torch', 'torchvision', 'timm'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True)
