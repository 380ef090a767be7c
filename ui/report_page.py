"""The report page: what ``evaluate-retrieval`` measured, as curves and tables, with filters."""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

import streamlit as st
from PIL import Image

from amgan.errors import UserError
from retrieval.evaluation.reading import FILE, OpenedReport, find_reports, read_report
from ui import live, report_tables
from ui.garment import LOG
from ui.report_address import ReportAddress, read_address, within
from ui.resources import data_address
from ui.settings import read_reports
from ui.texts import LANGUAGES, Texts, current

HERE = Path(__file__).parent
SHEET = 1800  # pixels of width that are shown of the examples
MOST_PIXELS = 200_000_000


def show() -> None:
    """The page."""
    st.html(HERE / "reports.css")
    texts = current()
    root = read_reports(sys.argv[1:])
    try:
        names = find_reports(Path(root)) if root else []
    except UserError as error:
        LOG.error("The reports cannot be listed: %s", error)
        names = []
    address = read_address(live.query(), names)
    if root is None or not names:
        live.show(_top(address, names, texts), "report top")
        live.show(f'<p class="note">{escape(texts("report.none"))}</p>', "report")
        return
    try:
        report = _opened(Path(root) / address.report, _changed(Path(root) / address.report))
    except UserError as error:
        LOG.error("A report cannot be opened: %s", error)
        live.show(_top(address, names, texts), "report top")
        live.show(f'<p class="warning" role="alert">{escape(texts("report.damaged"))}</p>', "report")
        return
    address = within(address, report)
    live.show(_top(address, names, texts) + _facts(report, texts), "report top")
    live.show(_filters(report, address, texts), "report filters")
    live.show(report_tables.sections(report, address, texts) + _examples(report, texts), "report")


def _changed(folder: Path) -> float:
    """When a report was written: it may be measured again while the page runs."""
    try:
        return (folder / FILE).stat().st_mtime
    except OSError:
        return 0.0


@st.cache_resource(max_entries=20, show_spinner=False)
def _opened(folder: Path, changed: float) -> OpenedReport:
    return read_report(folder)


@st.cache_resource(max_entries=20, show_spinner=False)
def _sheet(path: Path, changed: float) -> str | None:
    """The examples as a ``data:`` address; None where they cannot be read."""
    try:
        with Image.open(path, formats=("PNG",)) as sheet:
            if sheet.width * sheet.height > MOST_PIXELS:
                return None
            picture = sheet.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    picture.thumbnail((SHEET, 20 * SHEET), Image.Resampling.LANCZOS, reducing_gap=3)
    return data_address(picture)


def _top(address: ReportAddress, names: list[str], texts: Texts) -> str:
    choices = {name: texts("report.here") if name == "." else name for name in names}
    report = live.select(texts("report.which"), "report", choices, address.report, address) if len(names) > 1 else ""
    language = live.select(texts("page.language"), "lang", LANGUAGES, texts.language, address)
    return f'<div class="top"><h1>{escape(texts("report.title"))}</h1>{report}{language}</div>'


def _facts(report: OpenedReport, texts: Texts) -> str:
    facts = {key: report.facts[key] for key in ("photos", "split", "folder")}
    weights = ", ".join(Path(name).name for name in report.facts["weights"].split(", "))
    lead = f'<p class="lead">{escape(texts("report.lead", weights=weights, **facts))}</p>'
    remarks = "".join(f'<p class="warning">{escape(texts.sentence(w))}</p>' for w in report.warnings)
    return lead + remarks


def _filters(report: OpenedReport, address: ReportAddress, texts: Texts) -> str:
    every = {"": texts("report.all")}
    parts = []
    if len(report.methods) > 1:
        parts.append(_editors(report, address, texts))
    attributes = every | {a: texts.attribute(a) for a in report.attributes}
    every_value = address.but(value="")
    parts.append(live.select(texts("report.attribute"), "attribute", attributes, address.attribute, every_value))
    if address.attribute:
        values = every | {v: texts.value(address.attribute, v) for v in report.attributes[address.attribute]}
        parts.append(live.select(texts("report.value"), "value", values, address.value, address))
    protocols = {p: texts.name("protocols", p) for p in report.protocols}
    parts.append(live.select(texts("report.protocol"), "protocol", protocols, address.protocol, address))
    networks = {n: texts.name("networks", n) for n in report.protocols.get(address.protocol, {})}
    parts.append(live.select(texts("report.network"), "network", networks, address.network, address))
    return f'<div class="filters">{"".join(parts)}</div>'


def _editors(report: OpenedReport, address: ReportAddress, texts: Texts) -> str:
    """Chips that take an editor in or out; none pressed is all."""
    chips = []
    for name in report.methods:
        pressed = name in address.editors
        editors = tuple(e for e in report.methods if (e in address.editors) != (e == name))
        to = address.but(editors=editors)
        chips.append(live.button(to, escape(name), f'class="chip" aria-pressed="{str(pressed).lower()}"'))
    title = escape(texts("report.editors"))
    return f'<div class="editors" role="group" aria-label="{title}"><span>{title}</span>{"".join(chips)}</div>'


def _examples(report: OpenedReport, texts: Texts) -> str:
    if report.sheet is None or (picture := _sheet(report.sheet, _changed(report.folder))) is None:
        return ""
    title = escape(texts("report.examples"))
    return (
        f'<section><h2>{title}</h2><p class="note">{escape(texts("report.examples_note"))}</p>'
        f'<div class="wide" tabindex="0" role="region" aria-label="{title}">'
        f'<img class="sheet" src="{picture}" alt="{escape(texts("report.examples_alt"))}"></div></section>'
    )
