"""Edits of synthetic garments against their true pictures and among their siblings: known answers, plain twins, and
the whole command."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from amgan.data.garments import Garments, load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.editing.editor import EditResult
from amgan.evaluation import counterfactuals, exact, likeness
from amgan.evaluation.counterfactuals import Case, draw_edit, draw_siblings, render_case, render_cases
from amgan.evaluation.edits import EditPlan, embed_unedited, run_networks
from amgan.models.classifier import AttributeClassifier
from amgan.schema import AttributeSchema
from amgan.synth import SCHEMA, Item, draw_item
from amgan.synth.folder import SynthFolder, write_synth
from amgan.testing import tiny_weights
from retrieval.evaluation import cli, found, protocol_c, ranking, rows
from retrieval.evaluation.subject import Settings, describe, load_subject
from retrieval.query import QueryWeights

SIZE = 32


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "synthetic"
    assert list(write_synth(folder, SynthFolder(count=8, seed=40, size=64, split="test"), workers=1))[-1] == 8
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_weights(tmp_path_factory.mktemp("weights") / "tiny", SCHEMA, SIZE)


@pytest.fixture(scope="module")
def judge() -> AttributeClassifier:
    torch.manual_seed(1)
    return AttributeClassifier(SCHEMA, "small-4", SIZE).eval()


@pytest.fixture(scope="module")
def known(folder: Path, judge: AttributeClassifier) -> tuple[Garments, exact.Truths]:
    data = read_imagefolder(folder)
    items = load_garments(data, data.records, SIZE, progress=False)
    cases = exact.kept_cases(items, data.records, 64)
    return items, exact.embed_truths(cases, items, {"judge": judge.predict_and_embed})


# --- likeness ---------------------------------------------------------------------------------------------------------


def test_ssim_is_a_loop_over_windows(rng: np.random.Generator) -> None:
    x = rng.integers(0, 256, (3, 16, 15)).astype(np.uint8)
    y = np.clip(x + rng.normal(0, 40, x.shape), 0, 255).astype(np.uint8)
    found = likeness.ssim_map(x, y)
    at = np.arange(11) - 5
    window = np.exp(-(at[:, None] ** 2 + at**2) / (2 * 1.5**2))
    window /= window.sum()
    for r, c in [(5, 5), (7, 9), (10, 6)]:
        values = []
        for channel in range(3):
            a, b = (p[channel, r - 5 : r + 6, c - 5 : c + 6].astype(float) for p in (x, y))
            ma, mb = (window * a).sum(), (window * b).sum()
            va, vb = (window * (a - ma) ** 2).sum(), (window * (b - mb) ** 2).sum()
            cov = (window * (a - ma) * (b - mb)).sum()
            c1, c2 = 2.55**2, 7.65**2
            values.append((2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
        assert found[r, c] == pytest.approx(np.mean(values), abs=1e-4)
    np.testing.assert_allclose(likeness.ssim_map(x, x), 1, atol=1e-5)
    assert likeness.ssim_map(x, 255 - x).mean() < 0


def test_perceptual_distance_is_a_loop_over_cells(rng: np.random.Generator, judge: AttributeClassifier) -> None:
    x, y = (torch.from_numpy(rng.integers(0, 256, (2, 3, SIZE, SIZE)).astype(np.uint8)) for _ in range(2))
    where = np.zeros((2, SIZE, SIZE), dtype=bool)
    where[:, :16] = True
    inside, _ = likeness.perceptual_distance(judge, x, y, where)
    maps = likeness.perceptual_maps(judge, x, y)
    with torch.inference_mode():
        features = [judge.features(p.float() / 127.5 - 1) for p in (x, y)]
    expected = []
    for layer, distance in zip(likeness.LAYERS, maps, strict=True):
        a, b = (f[layer][0] for f in features)
        total, n = 0.0, 0
        for i in range(a.shape[1] // 2):  # the upper half of the cells
            for j in range(a.shape[2]):
                u, v = a[:, i, j] / a[:, i, j].norm(), b[:, i, j] / b[:, i, j].norm()
                assert distance[0, i, j] == pytest.approx(float((u - v).square().sum()), abs=1e-4)
                total, n = total + float((u - v).square().sum()), n + 1
        expected.append(total / n)
    assert inside[0] == pytest.approx(np.mean(expected), abs=1e-4)
    same = likeness.perceptual_distance(judge, x, x, where)
    assert np.abs(same).max() < 1e-6
    assert np.isnan(likeness.perceptual_distance(judge, x, y, where & False)[0]).all()


def test_region_means_are_loops(rng: np.random.Generator) -> None:
    maps, where = rng.random((3, 5, 4)), rng.random((3, 5, 4)) < 0.5
    where[2] = False
    found = likeness.region_mean(maps, where)
    for i in range(2):
        assert found[i] == pytest.approx(np.mean([maps[i, r, c] for r in range(5) for c in range(4) if where[i, r, c]]))
    assert np.isnan(found[2])


def test_a_fault_shows_where_it_is(known: tuple[Garments, exact.Truths], judge: AttributeClassifier) -> None:
    items, truths = known
    q = np.arange(len(items))
    also = exact.truth_columns(truths, judge)
    mask = torch.from_numpy(truths.regions)[:, None].float()
    perfect = also(q, EditResult(truths.images, mask, truths.images))
    for name, value in (
        ("region_iou", 1),
        ("mae_inside", 0),
        ("mae_outside", 0),
        ("ssim_inside", 1),
        ("ssim_outside", 1),
        ("sharpness_true", 1),
    ):
        np.testing.assert_allclose(perfect[name][~np.isnan(perfect[name])], value, atol=1e-4, err_msg=name)
    assert set(perfect) == set(exact.COLUMNS)
    outside = truths.images.clone()
    outside[~torch.from_numpy(truths.regions)[:, None].expand(-1, 3, -1, -1)] = 0
    spoilt = also(q, EditResult(outside, 1 - mask, outside))
    np.testing.assert_allclose(spoilt["mae_inside"][~np.isnan(spoilt["mae_inside"])], 0, atol=1e-6)
    assert np.nanmean(spoilt["mae_outside"]) > 0.5
    assert np.nanmean(spoilt["ssim_outside"]) < 0.3
    assert np.nanmean(spoilt["perceptual_outside"]) > np.nanmean(spoilt["perceptual_inside"])
    assert np.nanmax(spoilt["region_iou"]) == 0
    before = exact.unedited_columns(items, also, batch=5)
    assert len(before["mae_inside"]) == len(items)
    assert np.nanmean(before["mae_inside"]) > 10 * np.nanmean(before["mae_outside"])


# --- cases ------------------------------------------------------------------------------------------------------------


def test_edits_and_siblings_are_drawn_by_the_seed_alone() -> None:
    items = [draw_item(seed) for seed in range(120)]
    edits = [draw_edit(i) for i in items]
    assert edits == [draw_edit(i) for i in items]
    counts = {a: sum(a in e for e in edits) for a in SCHEMA.names}
    assert min(counts.values()) > 10  # uniform over five attributes would be 24
    for item, edit in zip(items, edits, strict=True):
        ((attribute, value),) = edit.items()
        assert attribute in item.labels and item.labels[attribute] != value and value != "multi"
        case = Case(item, edit, draw_siblings(item, edit), 64, SIZE)
        assert len(case.labels) == 10
        assert all(case.labels[i] != case.labels[j] for i in range(10) for j in range(i))
        assert case.labels[1][attribute] == value
    assert draw_siblings(items[0], edits[0]) == draw_siblings(items[0], edits[0])


def test_the_gallery_is_framed_as_a_catalogue_is(folder: Path, known: tuple[Garments, exact.Truths]) -> None:
    items, truths = known
    for i, case in enumerate(truths.cases[:4]):
        np.testing.assert_array_equal(render_case(case).gallery[0], items.images[i].numpy())


def test_the_truth_is_in_the_frame_of_its_source() -> None:
    item = draw_item(3)
    color = Case(item, {"color": "red" if item.labels["color"] != "red" else "blue"}, (), 64, SIZE)
    rendered = render_case(color)
    np.testing.assert_array_equal(rendered.truth, rendered.gallery[1])  # the same silhouette, so the same frame
    assert rendered.region.mean() > 0.1
    bare = Item(item.seed, {**item.labels, "sleeve": "sleeveless"})
    rendered = render_case(Case(bare, {"sleeve": "long"}, (), 64, SIZE))
    assert not np.array_equal(rendered.truth, rendered.gallery[1])
    differs = np.abs(rendered.truth.astype(int) - rendered.gallery[0]).max(axis=0) > 40
    assert (differs & rendered.region).sum() > 0.8 * differs.sum()


def test_processes_render_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [Case(draw_item(s), draw_edit(draw_item(s)), (), 32, SIZE) for s in range(6)]
    monkeypatch.setattr(counterfactuals, "FEW", 2)
    for one, other in zip(render_cases(cases, processes=1), render_cases(cases, processes=2), strict=True):
        np.testing.assert_array_equal(one.gallery, other.gallery)
        np.testing.assert_array_equal(one.truth, other.truth)
        np.testing.assert_array_equal(one.region, other.region)


# --- the one right garment --------------------------------------------------------------------------------------------


def test_rank_of_one_is_a_loop_and_ties_count_against_it(rng: np.random.Generator) -> None:
    scores, right = rng.integers(0, 6, (30, 9)).astype(np.float32), rng.integers(0, 9, 30)
    found = ranking.rank_of_one(scores, right)
    for q in range(30):
        assert found[q] == 1 + sum(scores[q, g] >= scores[q, right[q]] for g in range(9) if g != right[q])
    distinct = rng.permutation(270).reshape(30, 9).astype(float)
    order = ranking.rank(distinct, np.full(30, -1), 9)
    assert (ranking.rank_of_one(distinct, right) == (order == right[:, None]).argmax(axis=1) + 1).all()


def test_the_truth_is_found_and_the_source_stays_in_the_way(rng: np.random.Generator) -> None:
    schema = AttributeSchema.from_dict({"sleeve": ["short", "long"], "color": ["red", "blue", "green"]})
    n, siblings = 7, 3
    features = rows.unit(rng.normal(size=(n * (2 + siblings), 12))).astype(np.float32)
    predictions = np.concatenate([rng.dirichlet(np.ones(k), len(features)) for k in (2, 3)], axis=1).astype(np.float32)
    places = np.arange(len(features)).reshape(n, -1)
    labels = np.stack([rng.integers(0, 2, len(features)), rng.integers(0, 3, len(features))], axis=1)
    plan = EditPlan(schema, np.arange(n), np.arange(n) % 2, np.ones(n, dtype=int), {})
    sources, truths = places[:, 0], places[:, 1]
    queries = rows.QueryFeatures(
        features[truths], features[sources], predictions[sources], features[:0], labels[:0], truth=features[truths]
    )
    gallery = exact.Gallery(features, predictions, labels)
    tables = []
    for size in (2 * 35 * found.PER_SCORE, found.CHUNK_BYTES):
        first = found.search_all(plan, queries, labels[sources], QueryWeights(), gallery, truths, chunk_bytes=size)
        tables.append(protocol_c.evaluate(plan, first, places, len(gallery), rounds=20).table)
    assert tables[0] == tables[1]
    table = tables[0]["rows"]
    assert set(table) == {*rows.ROWS, *rows.TRUE_ROWS} - {"prototype", "arithmetic"}
    assert table["truth"]["hit"]["1"]["mean"] == table["edited"]["hit"]["1"]["mean"] == 1
    assert table["truth"]["first"] == {"source": 0, "truth": 1, "sibling": 0, "another garment": 0}
    assert table["unedited"]["first"]["source"] == 1  # it finds itself
    assert table["unedited"]["hit"]["1"]["mean"] == 0
    assert table["chance"]["hit"]["10"]["mean"] == pytest.approx(10 / 35)
    assert table["truth"]["median_rank"] == 1
    for entry in table.values():
        assert sum(entry.get("first", {"": 1}).values()) == pytest.approx(1)


# --- everything -------------------------------------------------------------------------------------------------------


def test_a_perfect_editor_reaches_every_ceiling(
    known: tuple[Garments, exact.Truths], judge: AttributeClassifier
) -> None:
    items, truths = known
    plan = exact.plan_cases(items, truths.cases)
    networks = {"judge": judge.predict_and_embed}
    scores = exact.measure_truths(items, plan, truths, networks, embed_unedited(items, networks))
    np.testing.assert_allclose(scores.features["judge"], run_networks(truths.images, networks)[1]["judge"], atol=1e-5)
    assert [plan.edit(i) for i in range(len(plan))] == [c.edit for c in truths.cases]


def test_an_editor_of_fewer_attributes_is_asked_for_those_alone(folder: Path, tmp_path: Path) -> None:
    fewer = tiny_weights(tmp_path / "fewer", SCHEMA.editing(["sleeve", "pattern"]), SIZE)
    subject = load_subject(folder, [str(fewer)], Settings())
    every = [draw_edit(draw_item(seed)) for seed in range(40, 48)]
    asked = [edit for edit in every if next(iter(edit)) in ("sleeve", "pattern")]
    assert [subject.plan.edit(q) for q in range(len(subject.plan))] == asked == [c.edit for c in subject.cases]
    assert len(subject.items) == len(asked) < 8
    assert subject.queries_left_out == 8 - len(asked)
    data = describe(subject, "fewer", Settings())["data"]
    assert (data["photos"], data["left_out"]) == (len(asked), 0)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["evaluate-retrieval", *map(str, arguments)])
    with pytest.raises(SystemExit) as status:
        cli.main()
    return int(status.value.code or 0)


@pytest.mark.thorough
def test_the_command_measures_a_synthetic_folder_exactly(
    folder: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(counterfactuals, "FEW", 100)
    arguments = (folder, "--weights", weights, "--rounds", 20, "--limit", 6, "--sheet", 3)
    assert run(monkeypatch, *arguments, "--out", tmp_path / "a") == 0
    assert "truth + wanted" in capsys.readouterr().out
    report = json.loads((tmp_path / "a" / "report.json").read_text(encoding="utf-8"))
    assert report["data"]["protocol"] == "exact"
    assert sum(t["edits"] for t in report["edits"]["edited"].values()) == report["data"]["photos"] == 6
    assert set(report["overall"]) == {"edited", "no edit", "truth"}
    assert set(exact.COLUMNS) <= set(report["overall"]["edited"])
    assert report["overall"]["no edit"]["region_iou"]["mean"] == 0
    for table in report["protocols"]["C"].values():
        assert table["gallery"] == 60
        assert set(rows.TRUE_ROWS) < set(table["rows"])
        assert table["rows"]["truth"]["hit"]["10"]["mean"] > table["rows"]["chance"]["hit"]["10"]["mean"]
    for page in ("report.md", "report.html"):
        text = (tmp_path / "a" / page).read_text(encoding="utf-8")
        for words in (
            "truth (ceiling)",
            "mask IoU with the true region",
            "8 siblings",
            "What comes first",
            "real items",
        ):
            assert words in text, (page, words)
    with Image.open(tmp_path / "a" / "sheet.png") as sheet:
        assert sheet.height > 3 * SIZE
    assert run(monkeypatch, *arguments, "--out", tmp_path / "b") == 0
    again = json.loads((tmp_path / "b" / "report.json").read_text(encoding="utf-8"))
    for passing in ("times", "command"):
        del report[passing], again[passing]
    assert report == again


def test_mistakes_end_in_a_sentence(
    folder: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(where: Path, *more: object) -> str:
        assert run(monkeypatch, where, "--out", tmp_path / "out", "--rounds", 0, "--limit", 2, *more) == 2
        printed = capsys.readouterr().err
        assert "Traceback" not in printed
        return printed

    assert "The attributes differ" in refused(folder, "--weights", "photos")
    copy = tmp_path / "copy"
    for part in ("images", "masks"):
        (copy / part).mkdir(parents=True)
        for file in (folder / part).iterdir():
            (copy / part / file.name).write_bytes(file.read_bytes())
    for name in ("attributes.json", "metadata.csv", "synth.json"):
        (copy / name).write_bytes((folder / name).read_bytes())
    metadata = (copy / "metadata.csv").read_text(encoding="utf-8")
    (copy / "metadata.csv").write_text(metadata.replace(",seed,", ",sown,"), encoding="utf-8")
    assert "a synthetic garment has a number" in refused(copy, "--weights", weights)
    (copy / "metadata.csv").write_text(metadata, encoding="utf-8")
    for file in (copy / "images").iterdir():
        with Image.open(file) as image:
            Image.new("RGB", image.size, "black").save(file)
    assert "differs by" in refused(copy, "--weights", weights)
    made = json.loads((copy / "synth.json").read_text(encoding="utf-8"))
    (copy / "synth.json").write_text(json.dumps(made | {"renderer": 999}), encoding="utf-8")
    assert "version 999" in refused(copy, "--weights", weights)
