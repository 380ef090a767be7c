"""Short scores of an editor on validation photos: how training, and we, choose a checkpoint.

They are means of the very columns that a report holds (``amgan.evaluation.edits.COLUMNS``), so a checkpoint is chosen
by what it is later judged by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from amgan.data.garments import Garments
from amgan.errors import UserError
from amgan.evaluation.edits import (
    EditPlan,
    EditScores,
    Network,
    embed_unedited,
    first_by_hash,
    measure_edits,
    plan_edits,
    subset,
)
from amgan.evaluation.summary import summarise

if TYPE_CHECKING:
    from amgan.editing.editor import Editor
    from amgan.models.classifier import AttributeClassifier

# Column of ``edits.COLUMNS`` -> what is appended to the attribute's name in ``validation_scores``.
SUFFIXES = {
    "accepted": "",
    "kept_own": "_kept",
    "colour_pixels": "_pixels",
    "detail_kept": "_detail",
    "change_outside": "_outside",
    "mask_iou": "_iou",
    "stray": "_stray",
    "sharpness": "_sharpness",
}


def validation_scores(
    editor: Editor,
    judge: AttributeClassifier,
    items: Garments,
    edits_per_attribute: int = 240,
    seed: int = 0,
    batch: int = 32,
) -> dict[str, float]:
    """Score an editor on a small part of all edits of the validation photos, the same part every time.

    Args:
        items: labelled validation garments.
        edits_per_attribute: at most so many edits of each attribute, see ``draw_evenly``.
        seed: of that draw.
        batch: edits per pass.

    Returns:
        Means over the wanted values, named by attribute: ``sleeve`` (share that the judge accepts), ``sleeve_kept``
        (share of the other attributes for which the judge predicts what it did before), ``color_pixels``,
        ``color_detail``, ``color_outside``, … as in ``SUFFIXES``, where the measure applies to the attribute; and their
        sum::

            score = mean over attributes m of (accepted_m + 0.5 kept_m + 0.25 min(sharpness_m, 1))

        where kept_m is 0 if there is no other attribute. The last term is there because
        judges accept sleeves of haze (`sharpness`: new cloth against real garments').

    Raises:
        UserError: no photo has a known label, so there is nothing to edit.
    """
    plan = draw_evenly(plan_edits(items.schema, items.labels.cpu().numpy(), editor.schema), edits_per_attribute, seed)
    if not len(plan):
        raise UserError("No validation photo has a known label, so there is no edit by which to choose a checkpoint.")
    photos, rows = np.unique(plan.photo, return_inverse=True)
    plan = EditPlan(plan.schema, rows, plan.attribute, plan.value, plan.unknown)
    tables = summarise(_measure(editor, judge, subset(items, photos.tolist()), plan, batch), rounds=0)
    out = {
        attribute + SUFFIXES[column]: table["macro"][column]["mean"]
        for attribute, table in tables.items()
        for column in SUFFIXES
        if column in table["macro"]
    }
    out["score"] = float(
        np.mean(
            [out[a] + 0.5 * out.get(f"{a}_kept", 0.0) + 0.25 * min(out.get(f"{a}_sharpness", 0.0), 1.0) for a in tables]
        )
    )
    return out


def draw_evenly(plan: EditPlan, edits_per_attribute: int, seed: int = 0) -> EditPlan:
    """At most so many edits of each attribute: in turns one random edit to each wanted value, until there are enough.

    The same plan and seed give the same edits. A value with few photos to start from gives all that it has.
    """
    order = np.random.default_rng(seed).permutation(len(plan))
    drawn = [np.zeros(0, np.int64)]
    for m in np.unique(plan.attribute):
        mine = order[plan.attribute[order] == m]
        turn = np.zeros(len(mine), np.int64)
        for v in np.unique(plan.value[mine]):
            same = plan.value[mine] == v
            turn[same] = np.arange(same.sum())
        drawn.append(mine[np.lexsort((plan.value[mine], turn))][:edits_per_attribute])
    return plan.part(np.sort(np.concatenate(drawn)))


def score_edits(
    editor: Editor, judge: AttributeClassifier, items: Garments, batch: int = 32, limit: int | None = None
) -> dict[str, Any]:
    """Every column of a report's edits, for comparing a few checkpoints closely: no edit of a photo is left out.

    Args:
        items: labelled garments; every known attribute of each is edited to every other value.
        batch: edits per pass.
        limit: only the first so many photos by the SHA-256 of their id.

    Returns:
        ``{attribute: {column: macro mean over values}, "edits": Q}``, columns as in ``edits.COLUMNS``.
    """
    items = subset(items, first_by_hash(items.item_ids, limit)) if limit else items
    plan = plan_edits(items.schema, items.labels.cpu().numpy(), editor.schema)
    tables = summarise(_measure(editor, judge, items, plan, batch), rounds=0)
    means = {a: {c: round(x["mean"], 4) for c, x in t["macro"].items()} for a, t in tables.items()}
    return {**means, "edits": len(plan)}


def _measure(editor: Editor, judge: AttributeClassifier, items: Garments, plan: EditPlan, batch: int) -> EditScores:
    networks: dict[str, Network] = {"judge": judge.predict_and_embed}
    return measure_edits(editor, items, plan, networks, embed_unedited(items, networks), batch)
