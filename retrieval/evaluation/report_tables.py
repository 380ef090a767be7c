"""The tables of a report: how good the edits are, how real, and how good the measuring sticks are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amgan.attributes import asked_of
from amgan.evaluation import realism
from amgan.evaluation.edits import COLUMNS
from amgan.schema import AttributeSchema
from retrieval.evaluation.blocks import Block, Heading, Picture, Points, Table, Text, number, with_interval

COLUMN_NAMES = {
    "accepted": "accepted by the judge",
    "kept": "kept attributes (given labels)",
    "kept_own": "kept attributes (judge's own)",
    "colour_pixels": "colour from pixels",
    "colour_kept_pixels": "colour kept, from pixels",
    "stray": "stray paint",
    "mask_iou": "mask IoU with the garment",
    "change_outside": "change outside",
    "change_inside": "change inside",
    "detail_kept": "detail kept",
    "sharpness": "sharpness, over real items",
    "sharpness_own": "sharpness, over the photo",
    "mask_area": "mask, share of the frame",
}


def is_exact(report: Mapping[str, Any]) -> bool:
    return report["data"]["protocol"] == "exact"


def edit_tables(report: Mapping[str, Any], pictures: set[str]) -> list[Block]:
    edited = report["edits"]["edited"]
    names = list(edited)
    blocks: list[Block] = [Heading("How good the edits are")]
    blocks += _edit_means(report) if is_exact(report) else _edit_means_of_photos(report)
    for a in names:
        values = edited[a]["values"]
        columns = [c for c in COLUMNS if c in edited[a]["macro"]]
        rows = [[v, str(x["edits"]), *(number(x.get(c)) for c in columns)] for v, x in values.items()]
        blocks.append(Table([f"{a}, wanted", "edits", *(COLUMN_NAMES[c] for c in columns)], rows))
    if "values.png" in pictures:
        blocks.append(Picture("values.png", "Edits accepted by the judge and colour from pixels, per wanted value"))
    if "edit_confusion.png" in pictures:
        blocks.append(
            Picture(
                "edit_confusion.png",
                "Confusion of edits: wanted value (rows) against what the judge sees in the edited picture (columns), "
                "counts; the share that is seen as wanted in brackets",
            )
        )
    return blocks


def _edit_means(report: Mapping[str, Any]) -> list[Block]:
    """One edit of each garment: means over attributes of every kind of answer, and of the edits by attribute."""
    kinds, edited = report["overall"], report["edits"]["edited"]
    columns = [c for c in COLUMNS if c in kinds["edited"]]
    counts = ", ".join(f"{a} {t['edits']:,}" for a, t in edited.items())
    return [
        Text(
            f"One edit of each garment, drawn by its seed, uniform over attributes ({counts}), then over the values "
            "that the garment can be given. Means are macro-averaged over the wanted values, then over attributes. The "
            "truth is measured as if an editor had returned the true picture and region."
        ),
        Table(
            ["mean over attributes", *kinds],
            [[COLUMN_NAMES[c], *(with_interval(k.get(c)) for k in kinds.values())] for c in columns],
        ),
        Table(
            ["edited", *edited],
            [[COLUMN_NAMES[c], *(with_interval(t["macro"].get(c)) for t in edited.values())] for c in columns],
            "By attribute",
        ),
    ]


def _edit_means_of_photos(report: Mapping[str, Any]) -> list[Block]:
    """Every edit of every photo: means by attribute, edited and not."""
    edited, plain = report["edits"]["edited"], report["edits"]["no edit"]
    headers = ["measure", *(f"{a}: {kind}" for a in edited for kind in ("edited", "no edit"))]
    rows = [
        [COLUMN_NAMES[c], *(with_interval(t[a]["macro"].get(c)) for a in edited for t in (edited, plain))]
        for c in COLUMNS
        if any(c in t["macro"] for t in edited.values())
    ]
    counts = "; ".join(
        f"{a}: {t['edits']:,} edits of {t['photos']} photos, {t['unknown']} photos left out "
        f"because their {a} is unknown"
        if t["unknown"]
        else f"{a}: {t['edits']:,} edits of {t['photos']} photos"
        for a, t in edited.items()
    )
    schema = AttributeSchema.from_dict(report["data"]["schema"])
    never = dict.fromkeys(
        f" and “{v}”" for a in schema.attributes if a.editable for v in a.values if v not in asked_of(a)
    )
    known = [a.name for a in schema.attributes if not a.editable]
    never_edited = f" Known and never edited: {', '.join(known)}." if known else ""
    asked = f"Every value but the current one{''.join(never)}"
    if report["settings"]["queries"]:
        asked = "The changes that the query files ask for"
    return [
        Text(f"{asked} ({counts}).{never_edited} Means are macro-averaged over the wanted values."),
        Table(headers, rows),
    ]


def realism_tables(report: Mapping[str, Any]) -> list[Block]:
    entries = [
        (f"{a}, {v}", e)
        for a, t in report["realism"].items()
        for v, e in (("mean over values", t["macro"]), *t["values"].items())
    ]
    names = [row for row in realism.ROWS if any(row in e for _, e in entries)]
    measured = [(name, e) for name, e in entries if any(row in e for row in names)]
    rows = [
        [
            name,
            str(e["edits"]),
            str(e["real"]),
            str(e.get("subset", "–")),
            *(_with_deviation(e.get(row)) for row in names),
        ]
        for name, e in measured
    ]
    return [
        Heading("Do the edits look real"),
        Text(
            "Kernel distance (KID, Binkowski et al. 2018) on the judge's features: the unbiased squared MMD between "
            "the edits to a value and the split's real items that have it, mean ± standard deviation over "
            f"{realism.SUBSETS} random subsets. 0 is no difference, below 0 is chance; real items against real items "
            "say how large chance is with sets of that size. Features are of unit length and the kernel is (cosine + "
            "1)³, so figures compare with others of the same judge only. The sides alone: both are shown to the judge "
            f"with white between the outer {realism.SIDE:.0%} of the frame, where sleeves lie. Values with fewer than "
            f"{2 * realism.SMALLEST} real items, or half as many edits, have none"
            f" and are left out: {len(entries) - len(measured)} of {len(entries)} lines."
        ),
        *([Table(["wanted", "edits", "real items", "in a subset", *names], rows)] if rows else []),
        Points(tuple(f"{row}: {realism.ROWS[row]}." for row in names)),
    ]


def _with_deviation(entry: Mapping[str, float] | None) -> str:
    return "–" if entry is None else f"{number(entry['mean'], 4)} ± {number(entry['spread'], 4)}"


def stick_tables(report: Mapping[str, Any], pictures: set[str]) -> list[Block]:
    sticks, rows = report["measuring_sticks"], []
    for network in ("judge", "teacher"):
        for attribute, e in sticks[network].items():
            rows.append(
                [f"{network}: {attribute}", str(e["photos"]), number(e["accuracy"]), number(e["balanced_accuracy"])]
            )
    pixels = sticks.get("colour from pixels")
    if pixels:
        rows.append(
            [
                "colour from pixels",
                str(pixels["photos"]),
                number(pixels["accuracy"]),
                number(pixels["balanced_accuracy"]),
            ]
        )
    blocks: list[Block] = [
        Heading("How good the measuring sticks are"),
        Text(
            "Agreement with the given labels on the real, unedited photos of the split. No score above can be trusted "
            "further than these."
            + (
                f" Colour from pixels agrees with {number(pixels['accuracy_without_multi'])} of the labels other than "
                "“multi”."
                if pixels
                else ""
            )
        ),
        Table(["stick", "photos", "accuracy", "balanced accuracy"], rows),
    ]
    if "confusion.png" in pictures:
        blocks.append(
            Picture(
                "confusion.png", "Given labels (rows) against predicted ones (columns), counts; accuracy in brackets"
            )
        )
    return blocks
