"""All that a page shows, as its address says it: reload, Back, and a link that somebody sends give the same page.

item=ID | photo=SHA256   the garment: of the catalogue, or an uploaded copy (``ui.uploads``), with
box=10,5,90,95             where in the photo it lies, in per cent: left, top, right, bottom
cut=ok | ask               a doubtful cut-out is taken as it is; any is shown again
set.sleeve=long          what is to change, for each attribute; on=sleeve | torso, strength=0.6
is.sleeve=short          what the garment is, where somebody corrected it
via=…                    the garments before it, oldest first, each an address of its own in short
view=expert, labels=predicted, k=20, weights=0.5,1,1, only.color=red       how it is searched and shown
find.color=red, page=2   what the catalogue's grid shows
lang=ko
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, get_args
from urllib.parse import parse_qs, urlencode

from amgan.attributes import asked_of
from amgan.errors import UserError
from amgan.schema import AttributeSchema, Edit
from retrieval.query import QueryWeights
from retrieval.wording import Part

HITS = (5, 10, 20, 30, 50)  # how many may be asked for
USUAL_HITS = 20
STEPS = 6  # garments of the way here that an address keeps
STRENGTHS = (0.1, 1.0)

_GROUPS = {"set": "edit", "is": "known", "only": "filter", "find": "browse"}


@dataclass(frozen=True)
class Address:
    """What an address says; see the module. ``dropped`` is what it asks for that the catalogue does not know.

    Attributes:
        box: left, top, right, bottom in per cent of the photo.
        way: the queries of the garments before this one, oldest first.
    """

    item: str = ""
    photo: str = ""
    box: tuple[int, int, int, int] | None = None
    cut: str = ""
    edit: Edit = field(default_factory=dict)
    only_on: Part | None = None
    strength: float = 1.0
    known: Edit = field(default_factory=dict)
    way: tuple[str, ...] = ()
    expert: bool = False
    labels: str = "given"
    k: int = USUAL_HITS
    weights: tuple[float, float, float] | None = None
    filter: Edit = field(default_factory=dict)
    browse: Edit = field(default_factory=dict)
    page: int = 1
    lang: str = ""
    dropped: tuple[str, ...] = field(default=(), compare=False)

    def but(self, **changes: Any) -> Address:
        """The same with other values."""
        return replace(self, **changes)

    @property
    def href(self) -> str:
        """The address of this page, relative to it."""
        return f"?{urlencode(self.query())}"

    def query(self) -> list[tuple[str, str]]:
        """Pairs of an address; what is as usual is left out."""
        pairs = [("item", self.item), ("photo", self.photo), ("cut", self.cut), ("on", self.only_on or "")]
        pairs.append(("box", ",".join(map(str, self.box or ()))))
        for group, name in _GROUPS.items():
            pairs += [(f"{group}.{attribute}", value) for attribute, value in getattr(self, name).items()]
        pairs.append(("strength", f"{self.strength:g}" if self.strength != 1 else ""))
        pairs.append(("view", "expert" if self.expert else ""))
        pairs.append(("labels", "" if self.labels == "given" else self.labels))
        pairs.append(("k", "" if self.k == USUAL_HITS else str(self.k)))
        pairs.append(("weights", ",".join(f"{w:g}" for w in self.weights or ())))
        pairs.append(("page", "" if self.page == 1 else str(self.page)))
        pairs += [("via", step) for step in self.way]
        pairs.append(("lang", self.lang))
        return [(key, value) for key, value in pairs if value]

    def setting(self, attribute: str, value: str) -> Address:
        """With one more change, or without it where it is there already."""
        edit = dict(self.edit)
        if edit.get(attribute) == value:
            del edit[attribute]
        else:
            edit[attribute] = value
        return self.but(edit=edit, only_on=region_of(edit, self.only_on), strength=self.strength if edit else 1.0)

    def picked(self, item: str) -> Address:
        """Another garment is the next to change; this one becomes a step of the way."""
        way = (*self.way, self._step()) if self.item or self.photo else ()
        return self._fresh(item=item, way=way[-STEPS:])

    def back_to(self, step: int) -> Address:
        """That garment of the way again, with what was changed of it."""
        earlier = read_address(parse_qs(self.way[step]), None)
        kept = {f.name: getattr(earlier, f.name) for f in fields(Address) if f.name in _STEP}
        return self._fresh(**kept, way=self.way[:step])

    def choosing(self) -> Address:
        """No garment: the catalogue's grid as it was."""
        return self._fresh()

    def _step(self) -> str:
        return urlencode(Address(**{name: getattr(self, name) for name in _STEP}).query())

    def _fresh(self, **garment: Any) -> Address:
        return Address(**{**{f.name: getattr(self, f.name) for f in fields(Address) if f.name in _KEPT}, **garment})

    def query_weights(self, usual: QueryWeights) -> QueryWeights:
        """The weights of the search; the index's usual ones where none are set, or all are 0."""
        if not self.weights or not any(self.weights):
            return usual
        picture, wanted, kept = self.weights
        return replace(usual.with_picture(picture), wanted=wanted, kept=kept)


_STEP = ("item", "photo", "box", "cut", "edit", "only_on", "strength", "known")
_KEPT = ("expert", "labels", "k", "weights", "filter", "browse", "page", "lang")


def region_of(edit: Mapping[str, str], wanted: Part | None) -> Part | None:
    """Where the edit may draw: a region is for a colour, and an editor finds none where sleeves change too."""
    return wanted if "color" in edit and "sleeve" not in edit else None


def read_address(query: Mapping[str, list[str]], schema: AttributeSchema | None) -> Address:
    """The reverse of ``Address.query``. What makes no sense is as usual; never raises.

    Args:
        schema: what attributes and values there are; None takes any.
    """
    dropped: list[str] = []
    one = {key: values[-1] for key, values in query.items() if values}
    groups = {name: _group(one, group, schema, dropped) for group, name in _GROUPS.items()}
    if schema is not None:
        for attribute, value in list(groups["edit"].items()):
            if value not in asked_of(schema.attributes[schema.index(attribute)]):
                dropped.append(f"{attribute}={value}")
                del groups["edit"][attribute]
    only_on = next((r for r in get_args(Part) if r == one.get("on")), None)
    strength = _number(one.get("strength"), 1.0)
    weights = tuple(_number(w, -1.0) for w in one.get("weights", "").split(","))
    k = int(_number(one.get("k"), USUAL_HITS))
    return Address(
        item=one.get("item", ""),
        photo=one.get("photo", "") if re.fullmatch(r"[0-9a-f]{64}", one.get("photo", "")) else "",
        box=_box(one.get("box", "")),
        cut=one["cut"] if one.get("cut") in ("ok", "ask") else "",
        only_on=region_of(groups["edit"], only_on),
        strength=min(max(strength, STRENGTHS[0]), STRENGTHS[1]),
        way=tuple(query.get("via", ()))[-STEPS:],
        expert=one.get("view") == "expert",
        labels="predicted" if one.get("labels") == "predicted" else "given",
        k=k if k in HITS else USUAL_HITS,
        weights=weights if len(weights) == 3 and all(0 <= w <= 2 for w in weights) else None,
        page=max(1, min(int(_number(one.get("page"), 1)), 10**6)),
        lang=one.get("lang", ""),
        dropped=tuple(dropped),
        **groups,
    )


def _group(one: Mapping[str, str], group: str, schema: AttributeSchema | None, dropped: list[str]) -> Edit:
    found: Edit = {}
    for key, value in one.items():
        if not key.startswith(f"{group}."):
            continue
        attribute = key.removeprefix(f"{group}.")
        if schema is None:
            found[attribute] = value
            continue
        try:
            found[schema.resolve_attribute(attribute)] = schema.resolve_value(attribute, value)
        except UserError:
            dropped.append(f"{attribute}={value}")
    return found


def _number(text: str | None, usual: float) -> float:
    try:
        number = float(text or "")
    except ValueError:
        return usual
    return number if math.isfinite(number) else usual


def _box(text: str) -> tuple[int, int, int, int] | None:
    parts = [int(_number(part, -1)) for part in text.split(",")]
    return check_box(parts)


def check_box(parts: Iterable[float]) -> tuple[int, int, int, int] | None:
    """A box in per cent, None where it is none: outside of the photo, or smaller than a tenth of a side."""
    whole = [round(p) for p in parts]
    if len(whole) != 4 or not all(0 <= p <= 100 for p in whole):
        return None
    left, top, right, bottom = whole
    return (left, top, right, bottom) if right - left >= 10 and bottom - top >= 10 else None
