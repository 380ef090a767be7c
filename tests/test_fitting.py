"""Fitting the weights of a query: every way scored as a search would, the best kept with the index."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from amgan.cache import Cache
from amgan.evaluation.edits import plan_edits
from amgan.evaluation.exact import Gallery
from amgan.testing import draw_catalogue
from retrieval.attributes import attribute_block
from retrieval.catalogue import open_catalogue
from retrieval.evaluation import fit_command, fitting, ranking
from retrieval.evaluation.added import what_each_adds
from retrieval.evaluation.reference import kept_features
from retrieval.evaluation.rows import FUSED, QueryFeatures, wanted_attributes
from retrieval.prompts import caption
from retrieval.query import DEFAULT_WEIGHTS, QueryWeights, compose, query_parts
from tests.tiny_catalogue import SCHEMA, make_index, make_weights


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    rows = rng.normal(size=shape).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_the_best_way_finds_what_is_wanted_and_keeps_the_rest() -> None:
    """Twins are perfect features here and pictures are noise, so the whole weight of the picture belongs on twins."""
    rng = np.random.default_rng(0)
    labels = np.stack([rng.integers(0, len(a.values), 120) for a in SCHEMA.attributes], axis=1)
    plan = plan_edits(SCHEMA, labels[:30], SCHEMA)
    predictions = np.full((120, SCHEMA.n_values), 0.2, np.float32)  # attributes are known to nobody
    meant = labels[plan.photo].copy()
    meant[np.arange(len(plan)), plan.attribute] = plan.value
    places = {tuple(row): unit(rng, 16) for row in np.concatenate([labels, meant])}
    perfect = np.stack([places[tuple(row)] for row in labels])
    edited = np.stack([places[tuple(row)] for row in meant])
    none = np.zeros((0, SCHEMA.n_attributes), np.int64)
    noise = unit(rng, 120, 16)
    features = QueryFeatures(edited, noise[:30], predictions[:30], noise[:0], none)
    gallery = Gallery(noise, predictions, labels, perfect)
    ways = [QueryWeights(image, 0.1, 0.1, twin) for image, twin in ((1, 0), (0.5, 0.5), (0, 1))]
    fitted = fitting.fit(plan, features, labels, gallery, ways)
    found = fitted.ways
    assert fitted.lead is None  # the default was not tried
    assert [w.weights.twin for w in found] == [1, 0.5, 0]
    assert found[0].score > found[-1].score + 0.1
    assert all(0 <= w.score <= 1 for w in found)
    assert found[0].right > found[-1].right + 0.1
    for way in found:  # by hand
        hits: dict[tuple[int, int], list[bool]] = {}
        order = ranking.rank(next(iter(fitting._scores(plan, features, gallery, [way.weights]))), plan.photo, 10)
        for q, (photo, row) in enumerate(zip(plan.photo, meant, strict=True)):
            right = {g for g in range(120) if g != photo and (labels[g] == row).all()}
            if right:
                hits.setdefault((plan.attribute[q], plan.value[q]), []).append(bool(right & set(order[q].tolist())))
        means: dict[int, list[float]] = {}
        for (attribute, _), found_there in hits.items():
            means.setdefault(attribute, []).append(float(np.mean(found_there)))
        assert way.right == pytest.approx(np.mean([np.mean(m) for m in means.values()]))
    scores = list(fitting._scores(plan, features, gallery, ways))
    stored = np.concatenate([noise, perfect, attribute_block(predictions, SCHEMA)], axis=1)
    wanted = wanted_attributes(plan, predictions)
    for q in (0, 7, len(plan) - 1):
        for way, row in zip(ways, scores, strict=True):
            query = compose(query_parts(edited[q], wanted[q], plan.edit(q), SCHEMA, way, twins=True))
            np.testing.assert_allclose(row[q] / way.total(), stored @ query, atol=1e-5)
    assert ranking.rank(scores[0], plan.photo, 10).shape == (len(plan), 10)
    ahead = fitting.fit(plan, features, labels, gallery, [ways[2], DEFAULT_WEIGHTS])
    assert ahead.ways[0].weights == ways[2] and ahead.lead is not None
    mean, low, high = ahead.lead
    assert mean == pytest.approx(ahead.ways[0].score - ahead.ways[1].score) and 0 < low < mean < high


def test_without_twins_none_are_weighed() -> None:
    assert {w.twin for w in fitting.grid(False)} == {0}
    assert len({str(w) for w in fitting.grid(True)}) == len(fitting.grid(True)) > len(fitting.grid(False))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitting")
    draw_catalogue(folder / "garments", 24, SCHEMA)
    weights = make_weights(folder / "weights")
    (folder / "catalogue" / "images").mkdir(parents=True)
    for file in sorted((folder / "garments" / "images").iterdir())[:6]:
        sleeve, color = ("short", "red")
        (folder / "catalogue" / "images" / f"{sleeve} {color} {file.name}").write_bytes(file.read_bytes())
    make_index(folder / "index", folder / "catalogue", weights, "shop", twins=True)
    return folder


def fit(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["fit-query-weights", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        fit_command.main()
    return int(end.value.code or 0)


def test_the_command_keeps_the_best_weights_with_the_index(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--store", shop / "index", "--collection", "shop")
    before = open_catalogue(shop / "index", "shop")
    assert before.weights == DEFAULT_WEIGHTS
    catalogue = before.root
    before.close()
    assert fit(monkeypatch, shop / "garments", *where, "--also", "train", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["queries"] > 0
    assert [w["score"] for w in said["ways"]] == sorted((w["score"] for w in said["ways"]), reverse=True)
    assert said["best"] == said["ways"][0]
    assert said["without_twins"]["weights"]["twin"] == 0
    for late in (False, True):
        after = open_catalogue(shop / "index", "shop", late=late)
        assert asdict(after.weights) == said["best"]["weights"]
        assert (after.root, after.store.count()) == (catalogue, 6)  # nothing else is touched
        after.close()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--store", "index"], "name an index together"),
        (["--store", "index", "--collection", "nothing"], "There is no collection 'nothing'"),
        (["--store", "index", "--collection", "shop", "--twins"], "An index says itself"),
        (["--store", "index", "--collection", "shop", "--edited", "hem"], "hem"),
        (["--store", "index", "--collection", "shop", "--split", "winter"], "winter"),
    ],
)
def test_what_cannot_be_fitted_is_a_sentence(
    shop: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(shop)
    assert fit(monkeypatch, shop / "garments", *arguments) == 2
    errors = " ".join(capsys.readouterr().err.split())
    assert sentence in errors
    assert "Traceback" not in errors


def test_features_of_training_photos_are_read_again(tmp_path: Path) -> None:
    calls = []

    def network(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(len(images))
        return torch.ones(len(images), 2), images.flatten(1).float()[:, :4]

    images = torch.randint(0, 255, (3, 3, 4, 4), dtype=torch.uint8)
    cache = Cache(tmp_path)
    first = kept_features(images, {"judge": network}, {"judge": "a"}, cache)["judge"]
    again = kept_features(images, {"judge": network}, {"judge": "a"}, cache)["judge"]
    np.testing.assert_array_equal(first, again)
    assert calls == [3]
    kept_features(images, {"judge": network}, {"judge": "b"}, cache)  # another network
    kept_features(images.flip(0), {"judge": network}, {"judge": "a"}, cache)  # other pictures
    assert calls == [3, 3, 3]


def test_what_a_part_adds_is_the_paired_difference() -> None:
    labels = np.array([[0, 0], [1, 1], [2, 0], [0, 1]])
    plan = plan_edits(SCHEMA, labels, SCHEMA)
    less = np.zeros(len(plan))
    columns = {(FUSED, "top-1"): less + 1, ("edited + kept", "top-1"): less, ("edited + wanted", "top-1"): less + 1}
    added = what_each_adds(plan, columns, rounds=50)
    assert set(added) == {"the wanted attributes", "the kept attributes"}
    for part, expected in (("the wanted attributes", 1), ("the kept attributes", 0)):
        difference = added[part]["differences"]["top-1"]
        assert (difference["mean"], difference["low"], difference["high"]) == (expected,) * 3


def test_attributes_are_said_as_people_write_captions() -> None:
    said = caption({"kind": "shirt", "color": "red", "sleeve": "long", "pattern": "multi", "collar": "round"})
    assert said == "a photo of a red shirt, long sleeve, round collar"
    assert caption({}) == "a photo of a garment"
