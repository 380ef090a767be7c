"""Curves as SVG inside a page: lines told apart by dashes and marks as well as by colour, in light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from retrieval.evaluation.reading import Curve

WIDTH, HEIGHT = 640, 340
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 12, 44  # around the plot
DASHES = ("", "7 4", "2 4", "10 4 2 4")
MARKS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0",  # circle
    "M-4-4h8v8h-8z",  # square
    "M0-5l5 9h-10z",  # triangle
    "M0-5l5 5l-5 5l-5-5z",  # diamond
    "M-5-4h10l-5 9z",  # triangle on its tip
)
COLOURS = 8  # of ``--line-0`` to ``--line-7`` in report.css


@dataclass(frozen=True)
class Line:
    """A named curve: shares between 0 and 1 by k; with ``band`` its 95 % intervals are drawn too."""

    name: str
    curve: Curve
    band: bool = False


def curves(lines: Sequence[Line], across: str, up: str) -> str:
    """Lines over the same k, equally spaced, with a legend.

    Args:
        across, up: names of the axes.
    """
    ks = sorted({k for line in lines for k in line.curve})
    if not ks:
        return ""
    step = (WIDTH - LEFT - RIGHT) / max(1, len(ks) - 1)
    at = {k: LEFT + i * step for i, k in enumerate(ks)}
    parts = [_grid(at)]
    for i, line in enumerate(lines):
        points = [(at[k], _height(line.curve[k].mean)) for k in ks if k in line.curve and _known(line.curve[k].mean)]
        style = f'class="line" style="--hue:var(--line-{i % COLOURS})"'
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) if points else ""
        mark = f'<path class="mark" d="{_mark(i)}" transform="translate'
        marks = "".join(f'{mark}({x:.1f} {y:.1f})"/>' for x, y in points)
        parts.append(f'<g {style}>{_band(line, at)}<path d="{path}" stroke-dasharray="{_dash(i)}"/>{marks}</g>')
    names = f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(across)}</text>'
    label = escape(f"{up}: {', '.join(line.name for line in lines)}")
    drawing = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
    drawing += f"{''.join(parts)}{names}</svg>"
    return f'<figure class="curves"><figcaption>{escape(up)}</figcaption>{drawing}{_legend(lines)}</figure>'


def _grid(at: dict[int, float]) -> str:
    parts = []
    for tenth in range(0, 11, 2):
        y = _height(tenth / 10)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tenth * 10} %</text>')
    parts += [f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{k}</text>' for k, x in at.items()]
    return "".join(parts)


def _band(line: Line, at: dict[int, float]) -> str:
    there = [(at[k], i) for k, i in sorted(line.curve.items()) if _known(i.low) and _known(i.high)]
    if not line.band or len(there) < 2:
        return ""
    top = [f"{x:.1f} {_height(i.high):.1f}" for x, i in there]
    bottom = [f"{x:.1f} {_height(i.low):.1f}" for x, i in reversed(there)]
    return f'<path class="band" d="M{"L".join(top + bottom)}Z"/>'


def _legend(lines: Sequence[Line]) -> str:
    items = "".join(
        f'<li><svg viewBox="0 0 36 12" aria-hidden="true"><g class="line" style="--hue:var(--line-{i % COLOURS})">'
        f'<path d="M0 6H36" stroke-dasharray="{_dash(i)}"/><path class="mark" d="{_mark(i)}" '
        f'transform="translate(18 6)"/></g></svg>{escape(line.name)}</li>'
        for i, line in enumerate(lines)
    )
    return f'<ul class="legend">{items}</ul>'


def _mark(i: int) -> str:
    return MARKS[i % len(MARKS)]


def _dash(i: int) -> str:
    return DASHES[i % len(DASHES)]


def _height(share: float) -> float:
    return TOP + (1 - min(max(share, 0.0), 1.0)) * (HEIGHT - TOP - BOTTOM)


def _known(value: float) -> bool:
    return not math.isnan(value)
