"""The report's plots as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retrieval.evaluation.found import KS
from retrieval.evaluation.rows import row_name

# Row -> colour, line and marker, the same in every plot; Okabe-Ito, safe for colour-blind readers.
STYLES = {
    "edited + wanted + kept": ("#004B7A", "-", "o"),
    "edited + wanted": ("#0072B2", "-", "o"),
    "edited": ("#56B4E9", "-", "o"),
    "unedited + wanted + kept": ("#8F3F00", "--", "s"),
    "unedited + wanted": ("#D55E00", "--", "s"),
    "unedited": ("#E69F00", "--", "s"),
    "wanted + kept alone": ("#00664B", "-.", "^"),
    "wanted alone": ("#009E73", "-.", "^"),
    "prototype": ("#CC79A7", "-.", "^"),
    "arithmetic": ("#882255", "-.", "<"),
    "filter": ("#000000", "-.", "v"),
    "chance": ("#999999", ":", ""),
    "given labels": ("#999999", "-", "*"),
    "truth + wanted + kept": ("#111111", "-", "D"),
    "truth + wanted": ("#444444", "-", "D"),
    "truth": ("#444444", "--", "D"),
}


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()


def top_k_curves(retrieval: dict[str, Any], what: str) -> bytes:
    """Hit rate against k of ``what`` counts as a hit, one panel per embedder, 95 % intervals on the edited rows."""
    figure, axes = plt.subplots(
        1, len(retrieval), figsize=(5.2 * len(retrieval) + 2.6, 4.6), sharey=True, squeeze=False
    )
    for axis, (name, table) in zip(axes[0], retrieval.items(), strict=True):
        for row, entry in table["rows"].items():
            if row not in STYLES:  # parts of queries one by one, twins and words are in the tables
                continue
            colour, line, marker = STYLES[row]
            means = [entry["hit"][str(k)]["mean"] for k in KS]
            label = row_name(row)
            axis.plot(
                range(len(KS)), means, line, color=colour, marker=marker, markersize=5, label=label, linewidth=1.6
            )
            if row.startswith("edited") and "low" in entry["hit"][str(KS[0])]:
                low, high = ([entry["hit"][str(k)][end] for k in KS] for end in ("low", "high"))
                axis.fill_between(range(len(KS)), low, high, color=colour, alpha=0.15, linewidth=0)
        _label_panel(axis, name)
    axes[0][0].set_ylabel(f"queries with {what} in the top k")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="center right", frameon=False, fontsize=9)
    figure.tight_layout(rect=(0, 0, 1 - 2.45 / figure.get_figwidth(), 1))
    return png(figure)


METHOD_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#4B0092", "#1B1B1B", "#7F7F00")


def method_curves(tables: Mapping[str, dict[str, Any]], methods: Sequence[str], what: str) -> bytes:
    """Hit rate against k, one panel per network: each editor's edited picture alone with its 95 % interval, and the
    rows in which no editor has part."""
    figure, axes = plt.subplots(1, len(tables), figsize=(5.2 * len(tables) + 2.6, 5.0), sharey=True, squeeze=False)
    for axis, (network, table) in zip(axes[0], tables.items(), strict=True):
        for row, entry in table["rows"].items():
            means = [entry["hit"][str(k)]["mean"] for k in KS]
            if row in methods:
                colour = METHOD_COLOURS[methods.index(row) % len(METHOD_COLOURS)]
                axis.plot(range(len(KS)), means, color=colour, marker="o", markersize=5, linewidth=2, label=row)
                if "low" in entry["hit"][str(KS[0])]:
                    low, high = ([entry["hit"][str(k)][end] for k in KS] for end in ("low", "high"))
                    axis.fill_between(range(len(KS)), low, high, color=colour, alpha=0.12, linewidth=0)
            elif row in STYLES and "+" not in row:  # fused queries are in the tables
                colour, line, marker = STYLES[row]
                thin = {"markersize": 3, "linewidth": 1, "alpha": 0.8}
                axis.plot(range(len(KS)), means, line, color=colour, marker=marker, label=row_name(row), **thin)
        _label_panel(axis, network)
    axes[0][0].set_ylabel(f"queries with {what} in the top k")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="center right", frameon=False, fontsize=9)
    figure.tight_layout(rect=(0, 0, 1 - 2.45 / figure.get_figwidth(), 1))
    return png(figure)


def _label_panel(axis: Axes, network: str) -> None:
    axis.set_xticks(range(len(KS)), [str(k) for k in KS])
    axis.set_xlabel("k")
    axis.set_title(f"{network}'s features" if network in ("teacher", "judge", "embedder") else network)
    axis.grid(alpha=0.3)
    axis.set_ylim(0, 1.02)


def value_bars(edits: dict[str, Any]) -> bytes:
    """Judge acceptance, and colour from pixels, per wanted value."""
    names = list(edits)
    widths = [max(2.0, 0.62 * len(edits[a]["values"])) for a in names]
    figure, axes = plt.subplots(
        1, len(names), figsize=(sum(widths) + 1.5, 3.8), sharey=True, squeeze=False, width_ratios=widths
    )
    for axis, name in zip(axes[0], names, strict=True):
        values = edits[name]["values"]
        at = np.arange(len(values))
        bars = [("accepted", "judge accepts", "#0072B2"), ("colour_pixels", "colour from pixels", "#E69F00")]
        bars = [b for b in bars if any(b[0] in v for v in values.values())]
        for i, (column, label, colour) in enumerate(bars):
            heights = [v.get(column, np.nan) for v in values.values()]
            axis.bar(at + (i - (len(bars) - 1) / 2) * 0.38, heights, 0.36, color=colour, label=label)
        axis.set_xticks(at, list(values), rotation=40, ha="right")
        axis.set_title(name)
        axis.set_ylim(0, 1.02)
        axis.grid(axis="y", alpha=0.3)
    axes[0][0].set_ylabel("share of edits")
    legend = {
        label: handle for axis in axes[0] for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(list(legend.values()), list(legend), loc="upper center", ncols=2, frameon=False, fontsize=9)
    figure.tight_layout(rect=(0, 0, 1, 0.94))
    return png(figure)


def confusions(panels: Mapping[str, tuple[Sequence[str], Sequence[Sequence[int]]]], axes: tuple[str, str]) -> bytes:
    """A heat map for each title: counts by row and column of its values, shaded by their share of the row; in brackets
    the share on the diagonal.

    Args:
        axes: what the columns and the rows are.
    """
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(4.4 * columns, 4.2 * rows), squeeze=False)
    for axis in grid.flat:
        axis.axis("off")
    for axis, (title, (values, counts)) in zip(grid.flat, panels.items(), strict=False):
        matrix = np.array(counts, dtype=float)
        share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        axis.axis("on")
        axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        axis.set_xticks(range(len(matrix)), values, rotation=90, fontsize=7)
        axis.set_yticks(range(len(matrix)), values, fontsize=7)
        for r, c in zip(*np.nonzero(matrix), strict=True):
            ink = "white" if share[r, c] > 0.5 else "black"
            axis.text(c, r, int(matrix[r, c]), ha="center", va="center", fontsize=6.5, color=ink)
        axis.set_title(f"{title} ({np.trace(matrix) / max(matrix.sum(), 1):.3f})", fontsize=10)
        axis.set_xlabel(axes[0], fontsize=8)
        axis.set_ylabel(axes[1], fontsize=8)
    figure.tight_layout()
    return png(figure)
