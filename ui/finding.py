"""What was found: the hits, what matches in them, how they were searched for, and all of it as a table."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Mapping, Sequence
from html import escape

from retrieval.query import QueryWeights
from retrieval.results import Found, SearchResult
from retrieval.search import Searcher
from ui import cards, live
from ui.address import HITS, USUAL_HITS, Address
from ui.drawings import in_size
from ui.garment import Garment
from ui.labels import in_order, labels_of
from ui.texts import Texts

WEIGHTS = ("image", "wanted", "kept")


def show(searcher: Searcher, garment: Garment, result: SearchResult, address: Address, texts: Texts) -> None:
    title = texts("hits.with_edit" if result.edit else "hits.alike")
    status = _status(result, address, texts)
    seconds = " ".join(f"{stage}={spent:.4f}" for stage, spent in result.seconds.items())  # scripts/bench_page.py reads
    save = f'<a class="plain" download="hits.csv" href="{_csv_address(result.hits)}">{escape(texts("hits.csv"))}</a>'
    parts = [
        f'<p class="spoken" role="status" data-seconds="{seconds}">{escape(status)}</p>',
        f'<div class="heading"><h2>{escape(title)}</h2>{save if result.hits else ""}</div>',
        _section(result.hits, result, searcher, address, texts, title),
    ]
    if address.expert and result.edit:
        title = texts("hits.without_edit")
        parts.append(f"<h2>{escape(title)}</h2>")
        parts.append(_section(result.unedited_hits, result, searcher, address, texts, title))
    parts.append(_options(searcher, address, texts))
    live.show("".join(parts), "hits")


def _section(
    found: Sequence[Found], result: SearchResult, searcher: Searcher, address: Address, texts: Texts, title: str
) -> str:
    if not found:
        return f'<p class="note">{escape(texts("hits.none_filtered" if address.filter else "hits.none"))}</p>'
    count = ""
    if result.wanted:
        right = how_many_have(found, result.wanted, address)
        words = texts("hits.right", right=right, count=len(found), what=texts.values(result.wanted))
        count = f'<p class="note">{escape(words)}</p>'
    return count + cards.hits(found, result.wanted, searcher, address, texts, title)


def how_many_have(found: Sequence[Found], wanted: Mapping[str, str], address: Address) -> int:
    """How many have all that is wanted, by the labels that are shown."""
    labels = [labels_of(h.predicted, h.confidence, h.given, address.labels) for h in found]
    return sum(all(n in of and of[n].value == v for n, v in wanted.items()) for of in labels)


def _status(result: SearchResult, address: Address, texts: Texts) -> str:
    """What a screen reader says when results have come."""
    if not result.hits:
        return texts("hits.none")
    if not result.wanted:
        return texts("hits.status_alike", count=len(result.hits))
    right = how_many_have(result.hits, result.wanted, address)
    return texts("hits.status", count=len(result.hits), what=texts.values(result.wanted), right=right)


def _options(searcher: Searcher, address: Address, texts: Texts) -> str:
    """What is folded away: how many hits, only which, whose labels; for experts the weights too."""
    numbers = {"" if k == USUAL_HITS else str(k): str(k) for k in HITS}
    chosen = "" if address.k == USUAL_HITS else str(address.k)
    parts = [live.select(texts("studio.count"), "k", numbers, chosen, address)]
    for name in in_order(searcher.schema.names):
        values = in_size(name, searcher.schema.values(name))
        options = {"": texts("choose.any")} | {v: texts.value(name, v) for v in values}
        label = texts("studio.only", attribute=texts.attribute(name))
        parts.append(live.select(label, f"only.{name}", options, address.filter.get(name, ""), address))
    if address.expert:
        sources = {"": texts("studio.labels_given"), "predicted": texts("studio.labels_predicted")}
        chosen = "" if address.labels == "given" else address.labels
        parts.append(live.select(texts("studio.labels"), "labels", sources, chosen, address))
        parts.append(_weights(searcher.weights, address, texts))
    opened = " open" if address.filter or address.weights else ""
    summary = f"<summary><h2>{escape(texts('studio.options'))}</h2></summary>"
    filters = f'<div class="filters">{"".join(parts)}</div>'
    return f'<details class="options" data-key="options"{opened}>{summary}{filters}</details>'


def _weights(usual: QueryWeights, address: Address, texts: Texts) -> str:
    weights = address.weights or _within_range(usual)
    sliders = []
    for i, name in enumerate(WEIGHTS):
        before, after = ("".join(f"{w:g}," for w in weights[:i]), "".join(f",{w:g}" for w in weights[i + 1 :]))
        template = live.template("weights", address).replace("VALUE", f"{before}VALUE{after}")
        sliders.append(
            f'<label class="range"><span>{escape(texts(f"studio.weight_{name}"))}</span><input type="range" min="0" '
            f'max="2" step="0.1" value="{weights[i]:g}" data-shows="weight" {template}>'
            f"<output>{weights[i]:g}</output></label>"
        )
    zero = ""
    if not any(weights):
        zero = f'<p class="warning" role="alert">{escape(texts("studio.weights_zero"))}</p>'
    title = escape(texts("studio.weights"))
    return f'<fieldset class="weights"><legend>{title}</legend>{"".join(sliders)}{zero}</fieldset>'


def _within_range(usual: QueryWeights) -> tuple[float, float, float]:
    """The index's own weights for sliders that end at 2: only their ratios matter."""
    three = (usual.picture, usual.wanted, usual.kept)
    too_long = max(1.0, max(three) / 2)
    return three[0] / too_long, three[1] / too_long, three[2] / too_long


def _csv_address(found: Sequence[Found]) -> str:
    data = base64.b64encode(hits_csv(found).encode("utf-8-sig")).decode("ascii")
    return f"data:text/csv;charset=utf-8;base64,{data}"


def hits_csv(found: Sequence[Found]) -> str:
    """The hits as CSV: rank, score, id, file, what the shop says and what is predicted, all other columns."""
    predicted, given, details = (
        list(dict.fromkeys(name for h in found for name in getattr(h, kind)))
        for kind in ("predicted", "given", "details")
    )
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(
        ["rank", "score", "item_id", "file_name"]
        + [f"given.{n}" for n in given]
        + [column for n in predicted for column in (f"predicted.{n}", f"confidence.{n}")]
        + details
    )
    for h in found:
        row: list[object] = [h.rank, f"{h.score:.6f}", h.item_id, h.file_name]
        row += [h.given.get(n, "") for n in given]
        row += [cell for n in predicted for cell in (h.predicted.get(n, ""), h.confidence.get(n, ""))]
        writer.writerow([_harmless(cell) for cell in row + [h.details.get(n, "") for n in details]])
    return file.getvalue()


def _harmless(cell: object) -> object:
    """Spreadsheets run what begins as a formula does, and catalogues come from anyone."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
