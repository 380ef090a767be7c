"""The measurement on drawn shirts, with an editor and a judge whose faults are known, so every score is too."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amgan.data.garments import Garments
from amgan.evaluation.edits import embed_unedited, first_by_hash, measure_edits, plan_edits, score_no_edit, subset
from amgan.evaluation.exact import Gallery
from amgan.evaluation.sheet import make_sheet, sheet_edits
from amgan.evaluation.summary import classifier_accuracy, summarise
from amgan.schema import UNKNOWN, AttributeSchema
from retrieval.embedding import unit_rows
from retrieval.evaluation import protocol_a, rows
from retrieval.evaluation.blocks import Heading, Picture, Points, Table, Text, to_html, to_markdown, with_interval
from retrieval.evaluation.found import KS, search_all
from retrieval.query import QueryWeights, compose, query_parts
from retrieval.representation import attribute_block
from tests.drawn_shirts import ALL, SCHEMA, SIZE, Judge, Painter, Result, wardrobe


@pytest.fixture(scope="module")
def items() -> Garments:
    return wardrobe([*ALL, *ALL, ("sleeveless", "multi"), ("", "red")])


def measured(items: Garments, editor: Painter):
    networks = {"judge": Judge().predict_and_embed}
    plan = plan_edits(SCHEMA, items.labels.numpy())
    unedited = embed_unedited(items, networks)
    return plan, unedited, measure_edits(editor, items, plan, networks, unedited, batch=7)


def test_every_known_attribute_goes_to_every_other_value_but_multi() -> None:
    labels = np.array([[0, 0], [UNKNOWN, 3], [1, UNKNOWN]])
    plan = plan_edits(SCHEMA, labels)
    rows = sorted(zip(plan.photo.tolist(), plan.attribute.tolist(), plan.value.tolist(), strict=True))
    assert rows == [(0, 0, 1), (0, 1, 1), (0, 1, 2), (1, 1, 0), (1, 1, 1), (1, 1, 2), (2, 0, 0)]
    assert plan.unknown == {"sleeve": 1, "color": 1}
    assert plan.edit(1) == {"color": "blue"}
    assert len(plan_edits(SCHEMA, np.full((2, 2), UNKNOWN))) == 0


def test_only_what_the_editor_can_edit_is_planned() -> None:
    labels = np.array([[0, 0], [1, 3]])
    plan = plan_edits(SCHEMA.editing(["sleeve"]), labels)
    assert set(plan.attribute) == {0} and set(plan.unknown) == {"sleeve"}
    editor = AttributeSchema.from_dict({"colour": ["RED", "mauve"], "collar": ["a", "b"]})
    plan = plan_edits(SCHEMA, labels, editor)
    assert [plan.edit(q) for q in range(len(plan))] == [{"color": "red"}]
    assert plan.photo.tolist() == [1] and plan.schema == SCHEMA


def test_a_perfect_editor_scores_perfectly(items: Garments) -> None:
    plan, _, scores = measured(items, Painter())
    table = summarise(scores, rounds=50)
    color, sleeve = table["color"]["macro"], table["sleeve"]["macro"]
    for column in ("accepted", "kept", "kept_own", "colour_pixels", "mask_iou"):
        assert color[column]["mean"] == 1, column
    assert color["sharpness"]["mean"] == pytest.approx(1, abs=0.15)  # the same cloth as the real ones
    assert color["sharpness_own"]["mean"] == pytest.approx(1, abs=0.15)
    assert color["change_outside"]["mean"] == 0
    assert color["change_inside"]["mean"] > 0.2
    assert color["detail_kept"]["mean"] > 0.8  # the multi-coloured shirt loses its stripes
    assert sleeve["accepted"]["mean"] == 1
    assert table["sleeve"]["unknown"] == 1
    assert table["color"]["edits"] == 12 * 2 + 3 + 2
    assert set(table["color"]["values"]) == {"red", "blue", "green"}
    assert "colour_pixels" not in sleeve
    assert "mask_iou" not in sleeve
    assert "colour_kept_pixels" not in color
    assert len(scores.features["judge"]) == len(plan)


@pytest.mark.parametrize(
    ("spoil", "column", "expected"),
    [
        ("leaks", "change_outside", 0.2 * 4 / 42),
        ("flat", "detail_kept", 0.0),
        ("flat", "sharpness_own", 0.0),
        ("nothing", "accepted", 0.0),
        ("nothing", "colour_pixels", 0.0),
        ("nothing", "mask_iou", 0.0),
    ],
)
def test_each_fault_shows_in_its_own_measure(items: Garments, spoil: str, column: str, expected: float) -> None:
    table = summarise(measured(items, Painter(spoil))[2], rounds=0)
    got = table["color"]["macro"][column]
    assert got["mean"] == pytest.approx(expected, abs=0.05)
    assert "low" not in got
    if spoil == "leaks":
        assert got["mean"] > 0.01
        assert table["color"]["macro"]["colour_pixels"]["mean"] == 1


def test_sleeves_in_a_wrong_colour_are_not_kept(items: Garments) -> None:
    good = summarise(measured(items, Painter())[2], rounds=0)["sleeve"]["macro"]
    bad = summarise(measured(items, Painter("wrong sleeves"))[2], rounds=0)["sleeve"]["macro"]
    assert bad["accepted"]["mean"] == 1
    assert bad["kept"]["mean"] < good["kept"]["mean"]
    assert bad["colour_kept_pixels"]["mean"] < good["colour_kept_pixels"]["mean"] - 0.5
    assert bad["stray"]["mean"] > good["stray"]["mean"] + 0.2


def test_no_edit_rows_equal_an_editor_that_does_nothing(items: Garments) -> None:
    class Nothing(Painter):
        def edit(self, images, edits, only_on=None):
            return Result(images, torch.zeros(len(images), 1, SIZE, SIZE), images)

    plan, unedited, scores = measured(items, Nothing())
    for column, expected in score_no_edit(items, plan, unedited).columns.items():
        np.testing.assert_allclose(scores.columns[column], expected, atol=1e-6, err_msg=column)


def test_order_by_hash_is_not_the_order_of_the_ids(items: Garments) -> None:
    rows = first_by_hash(items.item_ids, None)
    assert sorted(rows) == list(range(len(items)))
    assert rows != sorted(rows)
    assert first_by_hash(items.item_ids, 3) == rows[:3]
    assert subset(items, rows[:3]).item_ids == tuple(items.item_ids[i] for i in rows[:3])


def test_classifier_accuracy_leaves_unknown_labels_out(items: Garments) -> None:
    predicted = items.labels.numpy().copy()
    predicted[predicted < 0] = 1
    predicted[0, 1] = 2
    table = classifier_accuracy(items, predicted)
    assert table["sleeve"]["photos"] == len(items) - 1
    assert table["sleeve"]["accuracy"] == 1
    assert table["color"]["accuracy"] == pytest.approx(1 - 1 / len(items))
    assert table["color"]["confusion"][0][2] == 1


def test_perfect_edits_find_the_right_garments(items: Garments) -> None:
    items = subset(items, list(range(13)))  # all of them labelled
    plan, unedited, scores = measured(items, Painter())
    labels = items.labels.numpy()
    features = rows.QueryFeatures(
        scores.features["judge"], unedited.features["judge"], unedited.predictions["judge"],
        unedited.features["judge"], labels,
    )  # fmt: skip
    table = right_garments(plan, features, labels)
    assert list(table["rows"]) == list(rows.ROWS)
    assert table["gallery"] == len(items) - 1
    assert table["queries"] + table["left_out"] == len(plan)
    assert table["left_out"] == 1  # nobody else has the long-sleeved multi
    assert table["left_out_by_value"] == {"sleeve": {"long": 1}, "color": {}}
    hit = {row: entry["hit"]["1"]["mean"] for row, entry in table["rows"].items()}
    assert hit["edited + wanted + kept"] == hit["edited + wanted"] == hit["wanted + kept alone"] == 1
    assert hit["given labels"] == hit["filter"] == 1
    assert hit["wanted alone"] < 1  # says nothing of what stays
    assert hit["edited"] > 0.9
    assert hit["unedited"] < 0.05  # the photo as it is finds its own kind
    assert 0 < hit["chance"] < 0.5
    for entry in table["rows"].values():
        means = [entry["hit"][str(k)]["mean"] for k in KS]
        assert means == sorted(means)
        assert means[-1] == 1  # 30 is more than the gallery holds
        assert entry["precision"]["1"]["mean"] == pytest.approx(means[0])


def right_garments(plan, features: rows.QueryFeatures, labels: np.ndarray):
    gallery = Gallery(features.photos, features.predictions, labels)
    found = search_all(plan, features, labels, QueryWeights(), gallery)
    return protocol_a.evaluate(plan, found, labels, labels, plan.photo, rounds=50).table


def test_without_reference_photos_there_is_no_prototype_row(items: Garments) -> None:
    plan, unedited, scores = measured(items, Painter())
    f, p = unedited.features["judge"], unedited.predictions["judge"]
    none = rows.QueryFeatures(scores.features["judge"], f, p, f[:0], np.zeros((0, 2), np.int64))
    assert not {"prototype", "arithmetic"} & set(right_garments(plan, none, items.labels.numpy())["rows"])


def test_fused_rows_are_what_the_search_computes(items: Garments) -> None:
    plan, unedited, scores = measured(items, Painter())
    f, p = unedited.features["judge"], unedited.predictions["judge"] * 0.8 + 0.05
    labels, weights = items.labels.numpy(), QueryWeights(0.7, 1.3, 0.4)
    features = rows.QueryFeatures(scores.features["judge"], f, p, f, labels)
    found = dict(rows.row_scores(plan, features, labels, weights, Gallery(f, p, labels)))
    wanted = rows.wanted_attributes(plan, p)
    stored = np.concatenate([f, attribute_block(p, SCHEMA)], axis=1)
    asked = {
        "edited": QueryWeights(1, 0, 0),
        "edited + wanted": QueryWeights(0.7, 1.3, 0),
        "edited + wanted + kept": weights,
        "wanted alone": QueryWeights(0, 1, 0),
        "wanted + kept alone": QueryWeights(0, 1.3, 0.4),
    }
    for q in (0, 5, len(plan) - 1):
        for row, row_weights in asked.items():
            query = compose(query_parts(scores.features["judge"][q], wanted[q], plan.edit(q), SCHEMA, row_weights))
            np.testing.assert_allclose(found[row][q], stored @ query, atol=1e-5, err_msg=row)


def test_rows_with_twins_words_and_filter_are_what_the_search_computes(items: Garments) -> None:
    plan, unedited, scores = measured(items, Painter())
    f, p = unedited.features["judge"], unedited.predictions["judge"] * 0.8 + 0.05
    rng = np.random.default_rng(0)
    twins, words = (unit_rows(torch.from_numpy(rng.normal(size=(n, f.shape[1])))) for n in (len(f), len(plan)))
    labels, weights = items.labels.numpy(), QueryWeights(0.4, 1.3, 0.4, twin=0.3, text=0.6)
    edited = scores.features["judge"]
    features = rows.QueryFeatures(edited, f, p, f, labels, text=words)
    found = dict(rows.row_scores(plan, features, labels, weights, Gallery(f, p, labels, twins)))
    wanted = rows.wanted_attributes(plan, p)
    block = attribute_block(p, SCHEMA)
    with_twins, plain = np.concatenate([f, twins, block], axis=1), np.concatenate([f, block], axis=1)
    for q in (0, 5, len(plan) - 1):
        asked = (edited[q], wanted[q], plan.edit(q), SCHEMA)
        np.testing.assert_allclose(
            found["edited + wanted + kept, with twins"][q],
            with_twins @ compose(query_parts(*asked, weights, twins=True)),
            atol=1e-5,
        )
        fused = plain @ compose(query_parts(*asked, weights))
        np.testing.assert_allclose(found["edited + wanted + kept"][q], fused, atol=1e-5)
        np.testing.assert_allclose(
            found["edited + wanted + kept + text"][q],
            plain @ compose(query_parts(*asked, weights, text=words[q])),
            atol=1e-5,
        )
        part = SCHEMA.slices[plan.attribute[q]]
        such = p[:, part].argmax(axis=1) == plan.value[q]
        order = np.lexsort((-fused, ~such))  # those that have the value first
        filtered = found["edited + wanted + kept, filtered"][q]
        np.testing.assert_allclose(np.sort(filtered)[::-1], filtered[order], atol=1e-5)
        assert such.any()
        assert not such.all()


def test_prototypes_fall_back_to_the_edited_value() -> None:
    features = np.eye(4, dtype=np.float32)
    labels = np.array([[0, 0], [0, 1], [1, 0], [UNKNOWN, 0]])
    got = rows.prototypes(np.array([[0, 0], [1, 1], [1, 3]]), np.array([0, 0, 1]), features, labels)
    np.testing.assert_allclose(
        got, rows.unit(np.array([[1, 0, 0, 0], [0, 0, 1, 0], [1, 1, 1, 1]], np.float32)), atol=1e-6
    )


def test_a_sheet_holds_every_cell(items: Garments) -> None:
    edits = sheet_edits(SCHEMA, 8)
    assert edits == [
        {"sleeve": "sleeveless"},
        {"sleeve": "long"},
        {"color": "red"},
        {"color": "blue"},
        {"color": "green"},
    ]
    page = make_sheet(Painter(), subset(items, [0, 1]), edits)
    plain = make_sheet(Painter(), subset(items, [0, 1]), edits, masks=False)
    assert page.width == plain.width
    assert page.height > plain.height
    assert np.asarray(page).std() > 0
    other = AttributeSchema.from_dict({"collar": ["v", "round"], "pattern": ["plain", "striped", "dots"]})
    assert sheet_edits(other, 3) == [{"collar": "v"}, {"pattern": "plain"}, {"collar": "round"}]


def test_blocks_say_the_same_in_markdown_and_html() -> None:
    blocks = [
        Heading("A & B"),
        Text("x < y"),
        Points(("one",)),
        Table(["row", "a|b"], [["r", "0.500 [0.250, 0.750]"]], "caption"),
        Picture("p.png", "plot"),
    ]
    markdown, page = to_markdown(blocks), to_html("T", blocks, {"p.png": b"png"})
    assert "## A & B" in markdown
    assert "| row | a\\|b |" in markdown
    assert "![plot](p.png)" in markdown
    assert '<h2 id="a-b">A &amp; B</h2>' in page
    assert '<nav><a href="#a-b">A &amp; B</a></nav>' in page
    assert "x &lt; y" in page
    assert "data:image/png;base64,cG5n" in page
    assert "p.png" not in page
    assert "<table>" in page
    assert '<th style="text-align:right">a|b</th>' in page
    assert "<li>one</li>" in page
    assert ">0.500<small>[0.250, 0.750]</small></td>" in page
    assert with_interval({"mean": 0.5, "low": 0.25, "high": 0.75}) == "0.500 [0.250, 0.750]"
    assert with_interval({"mean": float("nan")}) == with_interval(None) == "–"


def test_names_are_never_taken_for_markup() -> None:
    name = "my_*run*_[1](x) <b>&amp;"
    page = to_html(name, [Text(name), Table(["row", "*n*"], [[name, "1"]], name), Points((name,))], {})
    assert page.count("my_*run*_[1](x) &lt;b&gt;&amp;amp;") == 5
    assert "<em>" not in page
    assert "<a " not in page
