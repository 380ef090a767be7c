"""The parts of a report that only synthetic garments have: in short, and against the true picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amgan.evaluation.exact import COLUMNS
from retrieval.evaluation.blocks import Block, Heading, Table, Text, number, with_interval

COLUMN_NAMES = {
    "region_iou": "mask IoU with the true region",
    "mae_inside": "absolute difference inside",
    "mae_outside": "absolute difference outside",
    "ssim_inside": "SSIM inside",
    "ssim_outside": "SSIM outside",
    "perceptual_inside": "perceptual distance inside",
    "perceptual_outside": "perceptual distance outside",
    "sharpness_true": "sharpness inside, over the truth",
}
# What asks -> its rows for the edit, for no edit and for the truth.
QUERIES = {
    "picture alone": ("edited", "unedited", "truth"),
    "picture and wanted attributes": ("edited + wanted", "unedited + wanted", "truth + wanted"),
    "picture, wanted and kept attributes": tuple(f"{p} + wanted + kept" for p in ("edited", "unedited", "truth")),
}


def summary_tables(report: Mapping[str, Any]) -> list[Block]:
    """What an editor is judged by first, with what no edit and the truth reach."""
    overall = report["overall"]
    rows = [
        [name, *(with_interval(overall[kind].get(column)) for kind in ("edited", "no edit", "truth"))]
        for name, column in (
            ("the judge sees the wanted value", "accepted"),
            (COLUMN_NAMES["region_iou"], "region_iou"),
        )
    ]
    for embedder, table in report["protocols"]["C"].items():
        for name, queries in QUERIES.items():
            hits = [table["rows"][row]["hit"]["10"] for row in queries]
            rows.append([f"the true garment in the top 10, {embedder}'s features, {name}", *map(with_interval, hits)])
    return [
        Heading("In short"),
        Text(
            "Means over the attributes of the means over their wanted values. The truth is the true picture in the "
            "edit's place: the ceiling, and for the judge how far its own word can be trusted. The kept "
            "attributes are predictions for the source, and with the wanted ones they nearly identify the garment: "
            "what the edit adds, “picture alone” says, and the distance from “no edit”."
        ),
        Table(["", "edited", "no edit", "truth"], rows),
    ]


def true_picture_tables(report: Mapping[str, Any]) -> list[Block]:
    """Edits against the renderer's answer."""
    overall, edited = report["overall"], report["edits"]["edited"]
    rows = [[COLUMN_NAMES[c], *(with_interval(overall[k].get(c)) for k in ("edited", "no edit"))] for c in COLUMNS]
    blocks: list[Block] = [
        Heading("Against the true picture"),
        Text(
            "The true picture is the same seed rendered with the wanted value, put into the frame of the source; the "
            "true region is where the two renders differ, and edits are compared with the truth inside and outside of "
            "it. “No edit” compares the source itself."
        ),
        Table(["mean over attributes", "edited", "no edit"], rows),
        Table(
            ["edited", *edited],
            [[COLUMN_NAMES[c], *(with_interval(t["macro"].get(c)) for t in edited.values())] for c in COLUMNS],
            "By attribute",
        ),
    ]
    for a, t in edited.items():
        lines = [[v, str(x["edits"]), *(number(x.get(c)) for c in COLUMNS)] for v, x in t["values"].items()]
        blocks.append(Table([f"{a}, wanted", "edits", *(COLUMN_NAMES[c] for c in COLUMNS)], lines))
    return blocks
