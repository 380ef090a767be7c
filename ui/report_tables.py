"""The sections of the report page: each a table, or curves with the table that says the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from retrieval.evaluation.reading import Interval, OpenedReport
from ui.charts import Line, curves
from ui.texts import Texts

if TYPE_CHECKING:
    from ui.report_address import ReportAddress

SHARES = frozenset(  # measures between 0 and 1, of which a bar shows how much there is
    ("accepted", "kept", "kept_own", "colour_pixels", "colour_kept_pixels", "mask_iou", "region_iou", "detail_kept")
)


def sections(report: OpenedReport, address: ReportAddress, texts: Texts) -> str:
    """All that the filters leave."""
    editors = address.editors or report.methods
    shown = [*editors, *(name for name in report.edits if name not in report.methods)]  # references always
    parts = [
        _short(report, editors, texts),
        _edits(report, shown, address, texts),
        _curves(report, shown, address, texts),
        _confusions(report, editors, address, texts),
    ]
    return "".join(f"<section>{part}</section>" for part in parts if part)


def _short(report: OpenedReport, editors: Sequence[str], texts: Texts) -> str:
    """A comparison's main figures, and by how much editors differ."""
    if not report.compared:
        return ""
    measures = list(report.compared)
    headers = [texts("report.editor"), *(texts.name("compared", m) for m in measures)]
    rows = [[name, *(_figure(report.compared[m][0].get(name)) for m in measures)] for name in editors]
    pairs = [
        pair
        for pair in report.compared[measures[0]][1]
        if set(pair.split(" - ")) <= set(editors) or len(editors) == len(report.methods)
    ]
    differences = [[pair, *(_difference(report.compared[m][1].get(pair), texts) for m in measures)] for pair in pairs]
    out = f"<h2>{escape(texts('report.short'))}</h2>" + table(headers, rows, texts("report.short"))
    if differences:
        headers = [texts("report.difference"), *headers[1:]]
        title = texts("report.differences")
        out += f"<h3>{escape(title)}</h3>" + table(headers, differences, title)
        out += f'<p class="note small">{escape(texts("report.differences_note"))}</p>'
    return out


def _edits(report: OpenedReport, shown: Sequence[str], address: ReportAddress, texts: Texts) -> str:
    """How good the edits are: a line for each editor and attribute, or wanted value of the one that is chosen."""
    attributes = [address.attribute] if address.attribute else list(report.attributes)
    of_these = [t for name in shown for a, t in report.edits[name].items() if a in attributes]
    measures = [m for m in report.measures if any(m in t.macro for t in of_these)]
    rows = []
    for attribute in attributes:
        values = ["", *report.attributes[attribute]] if address.attribute else [""]
        for value in [address.value] if address.value else values:
            for name in shown:
                edits = report.edits[name].get(attribute)
                if edits is None or (value and value not in edits.values):
                    continue
                what = texts.value(attribute, value) if value else texts.attribute(attribute)
                of = {m: Interval(x) for m, x in edits.values[value].items()} if value else edits.macro
                count = edits.counts[value] if value else edits.edits
                cells = (_figure(of.get(m), bar=m in SHARES) for m in measures)
                rows.append([what, _method(name, report, texts), f"{count:,}", *cells])
    headers = [texts("report.wanted"), texts("report.editor"), texts("report.edits")]
    headers += [texts.name("measures", m) for m in measures]
    title = texts("report.edits_title")
    note = f'<p class="note small">{escape(texts("report.edits_note"))}</p>'
    return f"<h2>{escape(title)}</h2>{note}" + table(headers, rows, title, names=2)


def _curves(report: OpenedReport, shown: Sequence[str], address: ReportAddress, texts: Texts) -> str:
    """The share of queries with a right garment among the first k."""
    found = report.protocols.get(address.protocol, {}).get(address.network)
    if found is None:
        return ""
    hidden = [name for name in report.methods if name not in shown]
    lines = []
    for row in found.rows:
        if any(row == name or row.startswith(f"{name} +") for name in hidden):
            continue
        curve = report.curve(address.protocol, address.network, row, address.attribute, address.value)
        if curve:
            lines.append(Line(texts.name("rows", row), curve, row in report.methods))
    title = texts("report.curves", protocol=texts.name("protocols", address.protocol))
    out = f"<h2>{escape(title)}</h2>"
    facts = texts("report.curves_note", queries=found.queries, gallery=found.gallery)
    out += f'<p class="note small">{escape(facts)}</p>'
    if not lines:
        return out + f'<p class="note">{escape(texts("report.not_told"))}</p>'
    ks = sorted({k for line in lines for k in line.curve})
    rows = [[line.name, *(_figure(line.curve.get(k)) for k in ks)] for line in lines]
    headers = [texts("report.query"), *(texts("report.top", k=k) for k in ks)]
    numbers = table(headers, rows, title)
    folded = f"<details data-key='numbers'><summary>{escape(texts('report.numbers'))}</summary>{numbers}</details>"
    return out + curves(lines, "k", texts("report.share")) + folded


def _confusion(report: OpenedReport, name: str, address: ReportAddress, texts: Texts) -> str:
    """Wanted values against what the judge sees in the edited pictures."""
    out = ""
    for attribute, edits in report.edits[name].items():
        if edits.confusion is None or (address.attribute and attribute != address.attribute):
            continue
        values, matrix = edits.confusion
        words = [texts.value(attribute, v) for v in values]
        rows = []
        for value, word, counts in zip(values, words, matrix, strict=True):
            if address.value and value != address.value:
                continue
            most = max(1, sum(counts))
            cells = [_cell(str(n), n / most) if n else '<td class="nothing">0</td>' for n in counts]
            rows.append([word, *cells])
        title = f"{texts.attribute(attribute)}, {_method(name, report, texts)}"
        out += f"<h3>{escape(title)}</h3>" + table([texts("report.wanted_seen"), *words], rows, title)
    return out


def _confusions(report: OpenedReport, editors: Sequence[str], address: ReportAddress, texts: Texts) -> str:
    out = "".join(_confusion(report, name, address, texts) for name in editors)
    if not out:
        return ""
    title, note = escape(texts("report.confusion")), escape(texts("report.confusion_note"))
    summary = f'<summary><h2>{title}</h2></summary><p class="note small">{note}</p>'
    return f'<details class="confusion" data-key="confusion">{summary}{out}</details>'


def _method(name: str, report: OpenedReport, texts: Texts) -> str:
    return texts.name("rows", name) if name not in report.methods or name == "edited" else name


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], name: str, names: int = 1) -> str:
    """A table that scrolls sideways where it must. Cells are text, or ``<td>`` already; the first ``names`` of a row
    are its headings."""
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in headers)
    lines = ""
    for row in rows:
        cells = "".join(
            f'<th scope="row">{escape(cell)}</th>' if i < names else cell if cell.startswith("<td") else _cell(cell)
            for i, cell in enumerate(row)
        )
        lines += f"<tr>{cells}</tr>"
    around = f'<div class="wide" tabindex="0" role="region" aria-label="{escape(name)}">'
    return f"{around}<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"


def _cell(text: str, share: float | None = None) -> str:
    bar = "" if share is None else f' class="share" style="--share:{min(max(share, 0.0), 1.0):.3f}"'
    return f"<td{bar}>{escape(text)}</td>"


def _figure(interval: Interval | None, bar: bool = False) -> str:
    """A mean, and below it its interval."""
    if interval is None or math.isnan(interval.mean):
        return "<td>–</td>"
    style = f' class="share" style="--share:{min(max(interval.mean, 0.0), 1.0):.3f}"' if bar else ""
    ends = "" if math.isnan(interval.low) else f"<small>{interval.low:.3f} – {interval.high:.3f}</small>"
    return f"<td{style}>{interval.mean:.3f}{ends}</td>"


def _difference(interval: Interval | None, texts: Texts) -> str:
    """``+0.021``, with a sign and a word where its interval leaves out 0."""
    if interval is None or math.isnan(interval.mean):
        return "<td>–</td>"
    mark = ""
    if interval.low > 0 or interval.high < 0:
        sign, word = ("▲", "report.more") if interval.low > 0 else ("▼", "report.less")
        mark = f' <span aria-hidden="true">{sign}</span><span class="spoken">{escape(texts(word))}</span>'
    ends = "" if math.isnan(interval.low) else f"<small>{interval.low:+.3f} – {interval.high:+.3f}</small>"
    return f"<td>{interval.mean:+.3f}{mark}{ends}</td>"
