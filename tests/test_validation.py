"""The scores by which a checkpoint is chosen, of an editor and a judge whose faults are known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from amgan.data.garments import Garments
from amgan.errors import UserError
from amgan.evaluation.edits import plan_edits, subset
from amgan.evaluation.validation import draw_evenly, score_edits, validation_scores
from amgan.schema import UNKNOWN
from tests.drawn_shirts import ALL, SCHEMA, Judge, Painter, wardrobe


@pytest.fixture(scope="module")
def items() -> Garments:
    return wardrobe([*ALL, *ALL])


def test_a_draw_gives_every_value_the_same_number_of_edits() -> None:
    labels = np.stack([np.tile([0, 1], 60), np.repeat([0, 1, 2], 40)], axis=1)
    plan = plan_edits(SCHEMA, labels)
    drawn = draw_evenly(plan, 30)
    for m, values in ((0, 2), (1, 3)):
        assert np.bincount(drawn.value[drawn.attribute == m]).tolist() == [30 // values] * values
    edits = set(zip(plan.photo, plan.attribute, plan.value, strict=True))
    chosen = list(zip(drawn.photo, drawn.attribute, drawn.value, strict=True))
    assert set(chosen) < edits
    assert len(set(chosen)) == len(chosen) == 60
    assert len(np.unique(drawn.photo)) > 30  # from all over the split, not its first photos
    again, other = draw_evenly(plan, 30), draw_evenly(plan, 30, seed=1)
    assert np.array_equal(drawn.photo, again.photo)
    assert not np.array_equal(drawn.photo, other.photo)


def test_a_rare_value_gives_all_it_has_and_the_others_fill_up() -> None:
    labels = np.stack([np.zeros(40), np.r_[np.zeros(37), [1, 1, UNKNOWN]]], axis=1).astype(np.int64)
    drawn = draw_evenly(plan_edits(SCHEMA, labels), 20)
    color = drawn.value[drawn.attribute == 1]
    assert np.bincount(color, minlength=3).tolist() == [2, 9, 9]  # two photos only are not red
    assert (drawn.value[drawn.attribute == 0] == 1).all()
    assert len(draw_evenly(plan_edits(SCHEMA, labels[39:, :] * 0 + UNKNOWN), 20)) == 0


def test_scores_of_a_perfect_editor_and_their_sum(items: Garments) -> None:
    scores = validation_scores(Painter(), Judge(), items)
    assert {"sleeve", "sleeve_kept", "sleeve_stray", "color", "color_kept", "color_pixels", "color_detail"} < set(
        scores
    )
    assert "sleeve_pixels" not in scores
    assert scores["color"] == scores["color_pixels"] == scores["sleeve"] == scores["color_iou"] == 1
    assert scores["color_outside"] == 0
    kept = (scores["sleeve_kept"] + scores["color_kept"]) / 2
    sharp = (min(scores["sleeve_sharpness"], 1) + min(scores["color_sharpness"], 1)) / 2
    assert scores["score"] == pytest.approx(1 + 0.5 * kept + 0.25 * sharp)
    assert scores == validation_scores(Painter(), Judge(), items, batch=5)
    json.dumps(scores, allow_nan=False)


def test_scores_equal_the_report_where_every_edit_is_drawn(items: Garments) -> None:
    """No second formula: with room for all edits a validation is what ``score_edits`` and reports give."""
    for spoil in ("leaks", "wrong sleeves"):
        short, whole = validation_scores(Painter(spoil), Judge(), items), score_edits(Painter(spoil), Judge(), items)
        for name, column in (
            ("color", "accepted"),
            ("color_outside", "change_outside"),
            ("color_detail", "detail_kept"),
        ):
            assert short[name] == pytest.approx(whole["color"][column], abs=1e-4)
        assert short["sleeve_kept"] == pytest.approx(whole["sleeve"]["kept_own"], abs=1e-4)


def test_a_worse_editor_has_a_lower_sum(items: Garments) -> None:
    good, idle, spoilt = (
        validation_scores(Painter(s), Judge(), items, edits_per_attribute=12)["score"]
        for s in ("", "nothing", "wrong sleeves")
    )
    assert good > spoilt
    assert good > idle + 0.4


def test_photos_that_are_not_drawn_are_not_embedded(items: Garments) -> None:
    class Counting(Judge):
        pictures = 0

        def predict_and_embed(self, images):
            self.pictures += len(images)
            return super().predict_and_embed(images)

    judge = Counting()
    validation_scores(Painter(), judge, items, edits_per_attribute=2)
    assert judge.pictures <= 4 + 4  # the edits, and at most one photo each


def test_nothing_to_edit_is_a_sentence(items: Garments) -> None:
    unlabelled = subset(items, [0, 1])
    unlabelled.labels[:] = UNKNOWN
    with pytest.raises(UserError, match="no edit by which to choose a checkpoint"):
        validation_scores(Painter(), Judge(), unlabelled)


def test_score_edits_is_short_and_may_be_limited(items: Garments) -> None:
    editor = Painter()
    score = score_edits(editor, Judge(), items, batch=64, limit=4)
    assert score["edits"] <= 4 * 4
    assert editor.calls == 1
    assert score["color"]["accepted"] == 1
    json.dumps(score)
