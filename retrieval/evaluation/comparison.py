"""Several editors side by side: what was measured of each, and paired differences.

A paired difference is the mean of one editor's score less another's over the same edits or queries, macro or plain as
the measure itself. Its 95 % interval is a bootstrap over the source photos, drawn for both at once: what makes a photo
easy or hard for everybody cancels, so it can leave out 0 where the editors' own intervals overlap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from amgan.evaluation.edits import EditPlan
from amgan.evaluation.summary import interval
from retrieval.evaluation.measurement import EDITS, REPORT_VERSION, Measurement
from retrieval.evaluation.rows import EDITED_ROWS

KEPT_ROWS = {"edited": "{}", "edited + wanted + kept": "{} + wanted + kept"}  # an editor's rows, and their names


@dataclass(frozen=True)
class Measure:
    """What editors are compared by.

    Attributes:
        name: for tables.
        key: in ``Measured.columns``.
        plain: the mean is over queries, not over wanted values and then attributes.
    """

    name: str
    key: tuple[str, ...]
    plain: bool = False

    def mean(self, scores: np.ndarray, plan: EditPlan, rounds: int) -> dict[str, float]:
        none = np.zeros(len(plan), np.int64)
        groups = (none, none) if self.plain else (plan.attribute, plan.value)
        return interval(scores, *groups, plan.photo, rounds)


def measures(columns: Mapping[tuple[str, ...], np.ndarray]) -> list[Measure]:
    """Those of the list that were measured, in its order; what applies to no edit is left out."""
    networks = list(dict.fromkeys(key[1] for key in columns if key[0] == "A"))
    wanted = [
        Measure("accuracy by the judge", (EDITS, "accepted")),
        Measure("other attributes kept", (EDITS, "kept")),
        Measure("colour from pixels", (EDITS, "colour_pixels")),
        Measure("mask IoU with the true region", (EDITS, "region_iou")),
    ]
    for n in networks:
        wanted += [
            Measure(f"C top-10, {n}", ("C", n, "edited", "top-10")),
            Measure(f"A top-30, {n}", ("A", n, "edited", "top-30")),
            Measure(f"B NDCG@30, {n}", ("B", n, "edited", "ndcg"), plain=True),
        ]
    return [m for m in wanted if m.key in columns and not np.isnan(columns[m.key]).all()]


def compare(measurement: Measurement, rounds: int) -> dict[str, Any]:
    """The report of several editors.

    Returns:
        ``{"version", "methods": {name: {"weights", "edits", "overall", "realism"}}, "references": {"edits", "overall"},
        "protocols": {protocol: {network: table}}, "compared": {measure: {"methods": {name: {"mean", …}}, "differences":
        {"b - a": {"mean", "low", "high"}}}}, "measuring_sticks", "data", "settings", …}``. The tables are those of a
        single report, whose rows are the editors' queries and those in which no editor has part.
    """
    methods, plan = measurement.methods, measurement.subject.plan
    first = measurement.report
    compared = {}
    for measure in measures(next(iter(methods.values())).columns):
        columns = {name: m.columns[measure.key] for name, m in methods.items()}
        compared[measure.name] = {
            "methods": {name: measure.mean(x, plan, rounds) for name, x in columns.items()},
            "differences": {
                f"{b} - {a}": measure.mean(columns[b] - columns[a], plan, rounds) for a, b in combinations(columns, 2)
            },
        }
    return {
        "version": REPORT_VERSION,
        "methods": {
            name: {"weights": m.report["weights"], "edits": m.report["edits"]["edited"],
                   "overall": m.report["overall"]["edited"], "realism": m.report["realism"],
                   "seconds": m.report["times"]["seconds"]}
            for name, m in methods.items()
        },
        "references": {
            "edits": {k: t for k, t in first["edits"].items() if k != "edited"},
            "overall": {k: t for k, t in first["overall"].items() if k != "edited"},
        },
        "protocols": {
            protocol: {network: _merged(measurement, protocol, network) for network in tables}
            for protocol, tables in first["protocols"].items()
        },
        "compared": compared,
        **{k: first[k] for k in COMMON if k in first},
    }  # fmt: skip


COMMON = ("weights", "data", "settings", "measuring_sticks", "warnings", "command", "libraries", "machine", "times")


def _merged(measurement: Measurement, protocol: str, network: str) -> dict[str, Any]:
    """One table: every editor's rows, then those without an editor."""
    tables = {name: m.report["protocols"][protocol][network] for name, m in measurement.methods.items()}
    first = next(iter(tables.values()))
    rows = {
        new.format(name): table["rows"][old]
        for old, new in KEPT_ROWS.items()
        for name, table in tables.items()
        if old in table["rows"]
    }
    rows |= {name: row for name, row in first["rows"].items() if name not in EDITED_ROWS}
    return {k: v for k, v in first.items() if k not in ("rows", "first ten")} | {"rows": rows}
