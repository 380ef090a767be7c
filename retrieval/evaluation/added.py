"""What each part of a query adds: paired differences between a row with it and the same row without it.

Their intervals are a bootstrap over the source photos, drawn for both rows at once: what is hard for both cancels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from amgan.evaluation.edits import EditPlan
from amgan.evaluation.summary import intervals
from retrieval.evaluation.rows import ADDED

MEASURES = ("top-1", "top-10", "precision@10")


def what_each_adds(
    plan: EditPlan, columns: Mapping[tuple[str, str], np.ndarray], rounds: int
) -> dict[str, dict[str, Any]]:
    """``{part: {"with", "without", "differences": {measure: {"mean", "low", "high"}}}}`` of the parts whose rows there
    are; macro means as the measures' own.

    Args:
        columns: by row and measure, float64 (Q,), NaN where a query is left out.
    """
    out: dict[str, dict[str, Any]] = {}
    for part, (more, less) in ADDED.items():
        differences = {
            m: columns[more, m] - columns[less, m] for m in MEASURES if (more, m) in columns and (less, m) in columns
        }
        if differences:
            found = intervals(differences, plan.attribute, plan.value, plan.photo, rounds)
            out[part] = {"with": more, "without": less, "differences": found}
    return out
