"""A report as a list of blocks that can be written as Markdown and as one HTML file with its pictures inside."""

from __future__ import annotations

import base64
import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt

# No emphasis, no links, no HTML: an underscore in a file's name, or "<" in a value, is what it is.
MARKDOWN = MarkdownIt("zero").enable(["heading", "list", "table"])

INTERVAL = re.compile(r"(>[+-]?\d\.\d+) (\[[^\]<]*\](?: [▲▼])?)(?=<)")  # below the mean, so that tables stay narrow

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h1,h2,h3{line-height:1.2;margin-top:2rem}table{border-collapse:collapse;margin:1rem 0;font-size:13.5px}
th,td{padding:.25rem .6rem;border-bottom:1px solid #ddd}
td{white-space:nowrap}thead th{vertical-align:bottom;max-width:8.5rem}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:#fff}
td small{display:block;color:#666;font-size:11px;line-height:1.2}
p,li{overflow-wrap:anywhere}nav{columns:2;font-size:14px}nav a{display:block;color:#0b5394}
thead th{border-bottom:2px solid #888}tbody tr:hover{background:#f5f5f5}.wide{overflow-x:auto}
figure{margin:1rem 0;overflow-x:auto}
figcaption,.caption{color:#555;margin:1rem 0 .3rem}.caption+.wide table{margin-top:0}
img{max-width:100%}img.full{max-width:none}
"""


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Points:
    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """The first column is the row's name. Cells are strings already."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """A PNG: a file next to the Markdown, inside the HTML. ``full`` keeps its own width and scrolls."""

    file_name: str
    caption: str
    full: bool = False


Block = Heading | Text | Points | Table | Picture


def number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def with_interval(entry: Mapping[str, float] | None, digits: int = 3) -> str:
    """``0.873 [0.851, 0.894]``; a dash where there is none."""
    if entry is None:
        return "–"
    mean = number(entry["mean"], digits)
    if "low" not in entry or math.isnan(entry["low"]):
        return mean
    return f"{mean} [{number(entry['low'], digits)}, {number(entry['high'], digits)}]"


def to_markdown(blocks: Sequence[Block]) -> str:
    out: list[str] = []
    for b in blocks:
        match b:
            case Heading(text, level):
                out.append(f"{'#' * level} {text}")
            case Text(text):
                out.append(text)
            case Points(items):
                out.append("\n".join(f"- {i}" for i in items))
            case Table(headers, rows, caption):
                lines = [f"*{caption}*\n"] if caption else []
                lines.append("| " + " | ".join(map(_cell, headers)) + " |")
                lines.append("| --- |" + " ---: |" * (len(headers) - 1))
                lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
                out.append("\n".join(lines))
            case Picture(file_name, caption, _):
                out.append(f"![{caption}]({file_name})")
    return "\n\n".join(out) + "\n"


def to_html(title: str, blocks: Sequence[Block], pictures: Mapping[str, bytes]) -> str:
    """One page with everything inside: the blocks' Markdown as HTML, and the PNGs of ``pictures`` by file name."""
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
    )
    contents = [b.text for b in blocks if isinstance(b, Heading) and b.level == 2]
    anchors = "".join(f'<a href="#{_anchor(text)}">{html.escape(text)}</a>' for text in contents)
    written = [_block_html(b, pictures) for b in blocks]
    if contents:  # after the title and what introduces it
        first = next(i for i, b in enumerate(blocks) if isinstance(b, Heading) and b.level == 2)
        written.insert(first, f"<nav>{anchors}</nav>")
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head><body>\n'
        + "\n".join(written)
        + "\n</body></html>\n"
    )


def _block_html(block: Block, pictures: Mapping[str, bytes]) -> str:
    match block:
        case Picture(file_name, caption, full):
            data = base64.b64encode(pictures[file_name]).decode()
            kind, text = ' class="full"' if full else "", html.escape(caption)
            image = f'<img{kind} alt="{text}" src="data:image/png;base64,{data}">'
            return f"<figure><figcaption>{text}</figcaption>{image}</figure>"
        case Heading(text, level):
            return f'<h{level} id="{_anchor(text)}">{html.escape(text)}</h{level}>'
        case Table(headers, rows, caption):
            table = INTERVAL.sub(r"\1<small>\2</small>", MARKDOWN.render(to_markdown([Table(headers, rows)])))
            top = f'<p class="caption">{html.escape(caption)}</p>' if caption else ""
            return f'{top}<div class="wide">{table}</div>'
        case _:
            return MARKDOWN.render(to_markdown([block]))


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
