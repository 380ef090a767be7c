"""A report as a list of blocks that can be written as Markdown and as one HTML file with its pictures inside."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h1,h2,h3{line-height:1.2;margin-top:2rem}table{border-collapse:collapse;margin:1rem 0;font-size:13.5px}
th,td{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:right}
td{white-space:nowrap}thead th{vertical-align:bottom;max-width:8.5rem}
th:first-child,td:first-child{text-align:left}
thead th{border-bottom:2px solid #888}tbody tr:hover{background:#f5f5f5}.wide{overflow-x:auto}
figure{margin:1rem 0;overflow-x:auto}
figcaption,caption{color:#555;text-align:left;caption-side:top;padding-bottom:.3rem}
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
    """A PNG beside the Markdown, inside the HTML. ``full`` keeps its own width and scrolls."""

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
    out: list[str] = []
    for b in blocks:
        match b:
            case Heading(text, level):
                out.append(f"<h{level}>{_text(text)}</h{level}>")
            case Text(text):
                out.append(f"<p>{_text(text)}</p>")
            case Points(items):
                out.append("<ul>" + "".join(f"<li>{_text(i)}</li>" for i in items) + "</ul>")
            case Table(headers, rows, caption):
                head = "".join(f"<th>{_text(h)}</th>" for h in headers)
                body = "".join("<tr>" + "".join(f"<td>{_text(c)}</td>" for c in row) + "</tr>" for row in rows)
                top = f"<caption>{_text(caption)}</caption>" if caption else ""
                out.append(
                    f'<div class="wide"><table>{top}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
                )
            case Picture(file_name, caption, full):
                data = base64.b64encode(pictures[file_name]).decode()
                kind = ' class="full"' if full else ""
                image = f'<img{kind} alt="{_text(caption)}" src="data:image/png;base64,{data}">'
                out.append(f"<figure><figcaption>{_text(caption)}</figcaption>{image}</figure>")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{_text(title)}</title>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head><body>\n'
        + "\n".join(out)
        + "\n</body></html>\n"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _text(text: str) -> str:
    return html.escape(text)
