"""The garment before and after, where it was changed, what it is, and the way that led to it."""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qs

import streamlit as st

from amgan.schema import AttributeSchema
from retrieval.results import SearchResult
from retrieval.search import Searcher
from ui import live, pictures, resources, uploads
from ui.address import STRENGTHS, Address, read_address
from ui.choosing import forget
from ui.drawings import drawing, in_size
from ui.garment import Garment
from ui.labels import described, in_order, labels_of
from ui.texts import Texts


def bar(searcher: Searcher, address: Address, texts: Texts) -> str:
    """Back to the grid, the garments on the way here, the link to this search; for experts the way to the page that
    compares editors on it."""
    another = f'<span aria-hidden="true">‹</span> {escape(texts("choose.another"))}'
    parts = [live.link(address.choosing(), another, 'class="plain" data-top')]
    steps = "".join(f"<li>{_step(searcher, address, i, texts)}</li>" for i in range(len(address.way)))
    if steps:
        parts.append(f'<nav aria-label="{escape(texts("studio.path"))}"><ol class="way">{steps}</ol></nav>')
    copy = f'data-copy="{escape(texts("studio.copied"))}" title="{escape(texts("studio.link_help"))}"'
    parts.append(f'<button type="button" class="plain" {copy}>{escape(texts("studio.link"))}</button>')
    if address.expert and address.edit:
        compare = escape(texts("compare.title"))
        parts.append(f'<a class="plain" href="compare{escape(address.href)}" target="_self">{compare}</a>')
    return f'<div class="bar">{"".join(parts)}</div>'


def _step(searcher: Searcher, address: Address, number: int, texts: Texts) -> str:
    step = read_address(parse_qs(address.way[number]), searcher.schema)
    picture = None
    if step.item and (payload := searcher.store.retrieve([step.item], ["file_name"]).get(step.item)):
        place = searcher.photo_of(payload)
        picture = resources.thumbnail(place, 72) if place else None
    elif step.photo and (upload := uploads.find(step.photo)):
        picture = resources.small(resources.upload_picture(step.photo, upload), 72)
    what = texts.values(step.edit) or (texts("studio.your_photo") if step.photo else "")
    spoken = escape(texts("studio.step", number=number + 1, what=what))
    image = f'<img src="{picture}" alt="">' if picture else ""
    shown = f'{image}<span aria-hidden="true">{escape(what)}</span><span class="spoken">{spoken}</span>'
    return live.link(address.back_to(number), shown, f'class="step" title="{spoken}" data-top')


def show(searcher: Searcher, garment: Garment, result: SearchResult, address: Address, texts: Texts) -> None:
    """Before and after."""
    labels = labels_of(result.predicted, result.confidence, garment.given, address.labels, address.known)
    words = described(labels, texts)
    shown = pictures.pictures(
        garment.cutout, result.edited, resources.indexed(searcher), garment.key, result.edit, result.only_on
    )
    title = garment.name or (texts("studio.your_photo") if address.photo else words)
    compare = _compare(shown, words, result, address, texts)
    live.show(f'<h2 class="spoken" tabindex="-1" data-focus>{escape(title)}</h2>{compare}', "pictures")


def about(searcher: Searcher, garment: Garment, result: SearchResult, address: Address, texts: Texts) -> None:
    """What the garment is, and what can be done with its picture."""
    facts = _facts(searcher.schema, garment, result, address, texts)
    live.show(_cut_note(garment, address, texts) + facts, "about")
    with st.container(key="keep", horizontal=True):
        if result.edit:
            values = ".".join(v.replace("/", "-") for v in result.edit.values())
            st.download_button(
                texts("studio.download"),
                lambda: pictures.edit_png(garment.cutout, result.edited, address.strength),
                f"{garment.file}.{values}.png",
                "image/png",
                icon=":material/download:",
                on_click="ignore",
            )
        if address.photo:
            st.button(texts("upload.delete"), key="forget", icon=":material/delete:", on_click=forget, args=(address,))


def _compare(shown: pictures.Pictures, words: str, result: SearchResult, address: Address, texts: Texts) -> str:
    before = f'<img class="before" src="{shown.before}" alt="{escape(texts("studio.alt_before", what=words))}">'
    if shown.after is None:
        hint = f'<figcaption class="note">{escape(texts("studio.not_yet"))}</figcaption>'
        return f'<figure class="compare" data-key="before"><div class="frame">{before}</div>{hint}</figure>'
    change = texts.values(result.edit)
    if result.only_on:
        change += f" ({texts(f'studio.{result.only_on}')})"
    after = f'<img class="after" src="{shown.after}" alt="{escape(texts("studio.alt_after", what=change))}">'
    mask = f'<img class="mask" src="{shown.mask}" alt="">'
    least, most = STRENGTHS
    strength = (
        f'<label class="range"><span>{escape(texts("studio.strength"))}</span><input type="range" min="{least}" '
        f'max="{most}" step="0.1" value="{result.strength:g}" data-shows="strength" '
        f"{live.template('strength', address)}></label>"
    )
    expert = ""
    if address.expert:
        note = escape(texts("studio.mask_note", percent=f"{100 * shown.changed:.0f}"))
        expert = (
            f'<label class="range"><span>{escape(texts("studio.mask_fade"))}</span><input type="range" min="0" max="1" '
            f'step="0.05" value="0" data-shows="fade"></label><p class="note small">{note}</p>'
        )
    return (
        f'<figure class="compare" data-key="after" data-shown style="--strength:{result.strength:g}">'
        f'<div class="frame">{before}{after}{mask}<span class="handle"></span>'
        f'<input type="range" class="cut" min="0" max="1" step="0.01" value="0" data-shows="cut" '
        f'aria-label="{escape(texts("studio.compare"))}"></div>'
        f'<figcaption><span class="ends" aria-hidden="true"><span>{escape(texts("studio.before"))}</span>'
        f"<b>{escape(change)}</b><span>{escape(texts('studio.after'))}</span></span></figcaption>{strength}{expert}</figure>"
    )


def _cut_note(garment: Garment, address: Address, texts: Texts) -> str:
    """That the cut-out is in doubt, with the way to correct it; uploads can always be corrected."""
    doubtful = not garment.cutout.trusted
    note = ""
    if doubtful:
        problems = " ".join(texts.sentence(p) for p in garment.cutout.problems)
        note = f'<p class="warning">{escape(texts("studio.doubtful_cut"))} {escape(problems)}</p>'
    if address.photo:
        note += live.link(address.but(cut="ask"), escape(texts("studio.correct_cut")), 'class="plain" data-top')
    return note


def _facts(schema: AttributeSchema, garment: Garment, result: SearchResult, address: Address, texts: Texts) -> str:
    """What the garment is, who says so, and each of it corrected by a click."""
    labels = labels_of(result.predicted, result.confidence, garment.given, address.labels, address.known)
    rows = []
    for name in in_order(schema.names):
        attribute = schema.attributes[schema.index(name)]
        label = labels.get(name)
        if label is None:
            continue
        origin = {"given": "studio.from_shop", "hand": "studio.by_hand", "predicted": "studio.predicted"}[label.origin]
        who = texts(origin, percent=f"{100 * (label.confidence or 0):.0f}")
        choices = []
        for value in in_size(name, attribute.values):
            pressed = str(value == label.value).lower()
            words = drawing(name, value) + escape(texts.value(name, value))
            to = address.but(known={**address.known, name: value})
            choices.append(live.button(to, words, f'class="chip label" aria-pressed="{pressed}"'))
        if name in address.known:
            without = {n: v for n, v in address.known.items() if n != name}
            choices.append(live.button(address.but(known=without), escape(texts("studio.reset")), 'class="plain"'))
        rows.append(
            f'<details class="fact" data-key="{escape(name)}"><summary><span class="what">'
            f"{escape(texts.attribute(name))}</span> "
            f'<b>{escape(texts.value(name, label.value))}</b> <span class="who">{escape(who)}</span> '
            f'<span class="fix">{escape(texts("studio.wrong"))}</span></summary>'
            f'<div class="chips">{"".join(choices)}</div></details>'
        )
    title = f"<h3>{escape(texts('studio.facts'))}</h3> <span>{escape(described(labels, texts))}</span>"
    view, opened = ("expert", " open") if address.expert else ("shopper", "")
    return (
        f'<details class="facts" data-key="facts {view}"{opened}><summary>{title} '
        f'<span class="fix">{escape(texts("studio.facts_open"))}</span></summary>{"".join(rows)}</details>'
    )
