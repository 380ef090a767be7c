"""The retrieval tables of a report: one section for each protocol, one table for each network that searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from retrieval.evaluation import kept
from retrieval.evaluation.blocks import Block, Heading, Picture, Points, Table, Text, number, with_interval
from retrieval.evaluation.found import KS
from retrieval.evaluation.protocol_b import BEST, MEASURES
from retrieval.evaluation.protocol_c import KINDS
from retrieval.evaluation.rows import ALL_ROWS, row_name

TITLES = {
    "A": "Protocol A: do they find a right garment",
    "B": "Protocol B: do all labels match",
    "C": "Protocol C: do they find the true garment",
}
NETWORKS = {
    "teacher": "the teacher's features (the generator was trained against them)",
    "judge": "the judge's features (no generator was trained against them)",
    "embedder": "the embedder's features (what a search uses; no generator was trained against them)",
}


def main_protocol(report: Mapping[str, Any]) -> str:
    """The one that a summary shows: exact where it can be had."""
    return next(iter(report["protocols"]))


def retrieval_tables(report: Mapping[str, Any], pictures: set[str]) -> list[Block]:
    blocks: list[Block] = []
    for protocol, tables in report["protocols"].items():
        text, write = SECTIONS[protocol]
        blocks += [Heading(TITLES[protocol]), text(next(iter(tables.values())))]
        if protocol == main_protocol(report) and "topk.png" in pictures:
            blocks.append(Picture("topk.png", "Top-k retrieval, per embedder"))
        for network, table in tables.items():
            if table["queries"]:
                blocks += [Heading(f"With {NETWORKS.get(network, network)}", 3), *write(table)]
    shown = {row for tables in report["protocols"].values() for t in tables.values() for row in t["rows"]}
    meanings = {**ALL_ROWS, BEST: "the best order for each measure by itself (protocol B)"}
    if "A" in report["protocols"] and any("first ten" in t for t in report["protocols"]["A"].values()):
        meanings |= {kept.BEST: f"{kept.REFERENCES[kept.BEST]} (first ten); the best order for each measure of B"}
        shown.add(kept.BEST)
    return [
        *blocks,
        Heading("What the queries are", 3),
        Points(tuple(f"{row_name(row)}: {meaning}." for row, meaning in meanings.items() if row in shown)),
    ]


def _attributes(table: Mapping[str, Any]) -> list[str]:
    return list(next(iter(table["rows"].values()))["attributes"])


def right_garments_text(first: Mapping[str, Any]) -> Text:
    source = "with" if first["source_in_gallery"] else "without"
    return Text(
        f"AMGAN's protocol. Gallery: {first['gallery']:,} pictures, {source} the query's own photo. Right: given "
        "labels hold the wanted value and every other known label of the query's photo; an unknown label in the "
        f"gallery is never a match, an unknown one of the query is not required. {first['queries']:,} queries with "
        f"{number(first['right_items_mean'], 1)} right garments each on average; {first['left_out']:,} more "
        "have no right garment in the gallery and are left out, except in the paper's own mean: the mean over "
        "attributes of the mean over all queries, where they are misses. Exact search."
    )


def right_garment_tables(table: Mapping[str, Any]) -> list[Block]:
    rows = table["rows"]
    whole = [
        [
            row_name(r),
            *(with_interval(e["hit"][str(k)]) for k in KS),
            number(e["precision"]["10"]["mean"]),
            with_interval(e["plain"]["30"]),
        ]
        for r, e in rows.items()
    ]
    attributes, at = _attributes(table), (1, 10, 30)
    parts = [
        [row_name(r), *(number(e["attributes"][a]["hit"][str(k)]["mean"]) for a in attributes for k in at)]
        for r, e in rows.items()
    ]
    headers = ["query", *(f"top-{k}" for k in KS), "precision@10", "top-30, the paper's mean"]
    return [
        Table(headers, whole, "A right garment in the top k"),
        *_added_tables(table.get("added", {})),
        Table(["query", *(f"{a} top-{k}" for a in attributes for k in at)], parts, "By edited attribute"),
        *_first_ten_tables(table.get("first ten", {})),
    ]


def _first_ten_tables(first_ten: Mapping[str, Any]) -> list[Block]:
    """For each edited attribute, what the first ten have of what was asked for, and of what was to stay."""
    blocks: list[Block] = []
    for edited, table in first_ten.items():
        attributes = list(table["rows"][kept.CHANCE]["kept"])
        rows = [
            [row_name(r), number(e["wanted"]), *(number(e["kept"].get(a)) for a in attributes)]
            for r, e in table["rows"].items()
        ]
        caption = (
            f"Of the first {kept.TOP}, when the {edited} is edited ({table['queries']:,} queries): the share that has"
        )
        headers = ["query", f"the wanted {edited}", *(f"the photo's {a}" for a in attributes)]
        blocks.append(Table(headers, rows, f"{caption} what was asked for, and what the query's photo is given"))
    return blocks


def _added_tables(added: Mapping[str, Any]) -> list[Block]:
    """What each part of a query adds, where that was measured."""
    if not added:
        return []
    measures = list(next(iter(added.values()))["differences"])
    rows = [
        [part, *(with_interval(e["differences"][m]) for m in measures), f"{e['with']} – {e['without']}"]
        for part, e in added.items()
    ]
    return [Table(["part", *measures, "rows"], rows, "What each part adds: paired differences between two rows")]


def all_labels_text(first: Mapping[str, Any]) -> Text:
    return Text(
        f"ADDE's protocol. {first['queries']:,} queries, a gallery of {first['gallery']:,} with the query's own photo "
        "in it. Right is only what has all labels of the photo with the one change, unknown ones unknown; queries "
        "without such an item are misses. NDCG takes as relevance the share of labels that match: of all, of the "
        "target attribute alone, and of the others alone; its divisor is thirty items with all of them, so 1 is mostly "
        "out of reach. Plain means over the queries."
    )


def all_labels_tables(table: Mapping[str, Any]) -> list[Block]:
    rows = table["rows"]
    whole = [[row_name(r), *(with_interval(e["hit"][str(k)]) for k in KS)] for r, e in rows.items()]
    gains = [[row_name(r), *(with_interval(e[m]) for m in MEASURES)] for r, e in rows.items()]
    attributes = _attributes(table)
    parts = [
        [
            row_name(r),
            *(
                number(f["mean"])
                for a in attributes
                for f in (e["attributes"][a]["hit"]["30"], e["attributes"][a]["ndcg"])
            ),
        ]
        for r, e in rows.items()
    ]
    return [
        Table(["query", *(f"top-{k}" for k in KS)], whole, "All labels match in the top k"),
        Table(["query", *MEASURES.values()], gains, "How many labels match, the first counting most"),
        Table(["query", *(f"{a} {m}" for a in attributes for m in ("top-30", "NDCG"))], parts, "By edited attribute"),
    ]


def one_garment_text(table: Mapping[str, Any]) -> Text:
    per_seed = table["gallery"] // table["queries"]
    return Text(
        f"One garment of the gallery is right: the true picture of the edit. The gallery holds {table['gallery']:,} "
        f"pictures: for each of {table['queries']:,} garments the source, the truth, and {per_seed - 2} siblings, "
        "other true edits of the same garment by one or two attributes. Each is framed by its own mask, as a catalogue "
        "would; an edit, and the truth as a query, are in the frame of the source. The source stays in the gallery and "
        "is a wrong answer; ties count against the truth. Exact search."
    )


def one_garment_tables(table: Mapping[str, Any]) -> list[Block]:
    """One embedder's retrieval: overall, by attribute, and what comes first."""
    rows = table["rows"]
    attributes = _attributes(table)
    whole = [
        [row_name(r), *(with_interval(e["hit"][str(k)]) for k in KS), f"{e['median_rank']:,.0f}"]
        for r, e in rows.items()
    ]
    parts = [
        [row_name(r), *(number(e["attributes"][a]["hit"][str(k)]["mean"]) for a in attributes for k in (1, 10))]
        for r, e in rows.items()
    ]
    first = [[row_name(r), *(number(e["first"][k]) for k in KINDS)] for r, e in rows.items() if "first" in e]
    return [
        Table(["query", *(f"top-{k}" for k in KS), "median rank"], whole, "The true garment in the top k"),
        *_added_tables(table.get("added", {})),
        Table(["query", *(f"{a} top-{k}" for a in attributes for k in (1, 10))], parts, "By edited attribute"),
        Table(["query", *KINDS], first, "What comes first, share of the queries"),
    ]


# Protocol -> its introduction, from the first table, and its tables.
SECTIONS: dict[str, tuple[Callable[[Mapping[str, Any]], Text], Callable[[Mapping[str, Any]], list[Block]]]] = {
    "A": (right_garments_text, right_garment_tables),
    "B": (all_labels_text, all_labels_tables),
    "C": (one_garment_text, one_garment_tables),
}
