"""What the renderer can draw: Shopping100k's values that a person tells apart from the front at 128 px, their colours,
and which of them go together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from amgan.errors import UserError
from amgan.schema import AttributeSchema
from amgan.synth.draw import stream

SCHEMA = AttributeSchema.from_dict(
    {
        "collar": [
            "cutaway", "high", "hood", "lapel", "mandarin", "polo", "round", "shawl", "v-neck", "peter pan", "volant",
            "shirt",
        ],
        "color": [
            "maroon", "black", "white", "charcoal", "indigo", "navy", "pink", "light blue", "blue", "beige", "orange",
            "yellow", "red", "purple", "brown", "olive", "green", "gray", "multi",
        ],
        "fastening": ["zip", "belt", "button", "covered", "laces", "no closure", "front"],
        "pattern": [
            "animal", "camouflage", "checked", "colour gradient", "colourful", "floral", "herringbone", "marl",
            "paisley", "photo", "pinstriped", "plain", "polka dot", "print", "striped",
        ],
        "sleeve": [
            "3/4", "spaghetti", "sleeveless", "elbow", "extra long", "extra short", "long", "short", "strapless",
        ],
    }
)  # fmt: skip

# Shopping100k's other values, and why they are not drawn.
LEFT_OUT = {
    "collar": {
        "buttondown": "a shirt collar but for two buttons, each one pixel at 128 px",
        "kent": "another name for the plain shirt collar",
        "turndown": "any collar that folds over: shirt, polo and peter pan are all of that kind",
        "lined": "the lining lies inside",
        "chin": "a high collar but for the guard of its zip",
    },
    "fastening": {
        "back closure": "lies behind",
        "hook": "closed, it shows no more than a covered placket does",
        "others": "names no appearance",
    },
    "pattern": {"burnout": "cloth that is sheer in places; on nobody, it looks like a faint print"},
}

# sRGB as a shop photographs them.
COLOURS: dict[str, tuple[int, int, int]] = {
    "maroon": (104, 24, 40),
    "black": (28, 28, 30),
    "white": (240, 240, 238),
    "charcoal": (68, 70, 74),
    "indigo": (66, 56, 140),
    "navy": (30, 40, 78),
    "pink": (238, 150, 178),
    "light blue": (156, 194, 228),
    "blue": (38, 88, 184),
    "beige": (214, 192, 158),
    "orange": (238, 122, 36),
    "yellow": (244, 210, 62),
    "red": (198, 32, 42),
    "purple": (126, 60, 154),
    "brown": (108, 70, 44),
    "olive": (108, 108, 56),
    "green": (44, 134, 72),
    "gray": (146, 146, 148),
}
VIVID = ("red", "blue", "yellow", "green", "orange", "purple", "pink", "light blue", "white", "navy")

BARE = ("strapless", "spaghetti")  # without shoulders: no collar is seen
# How often a value is drawn, where not once: what shops sell most, and what other edits start from.
COMMON = {
    "collar": {"round": 3.0, "v-neck": 1.5, "shirt": 1.5},
    "fastening": {"no closure": 3.0, "button": 1.5},
    "pattern": {"plain": 5.0, "print": 1.5, "striped": 1.5},
    "sleeve": {"short": 1.5, "long": 1.5, "strapless": 0.6, "spaghetti": 0.6},
}


def check(labels: Mapping[str, str]) -> dict[str, str]:
    """Canonical labels, whole but for the collar of a bare garment. Raises UserError on what cannot be drawn."""
    known = {SCHEMA.resolve_attribute(k): SCHEMA.resolve_value(k, v) for k, v in labels.items()}
    bare = known.get("sleeve") in BARE
    if bare and "collar" in known:
        raise UserError(f"A garment with sleeve={known['sleeve']} shows no collar; leave the collar out.")
    missing = [n for n in SCHEMA.names if n not in known and not (bare and n == "collar")]
    if missing:
        raise UserError(f"A garment needs every attribute; {', '.join(missing)} is missing. Known: {known}.")
    if problem := clash(known):
        raise UserError(problem)
    return {n: known[n] for n in SCHEMA.names if n in known}


def clash(labels: Mapping[str, str]) -> str | None:
    """Why these labels cannot be one garment, or None."""
    if labels["pattern"] in ("print", "photo") and labels["fastening"] == "front":
        return f"A front that stands open leaves no chest for pattern={labels['pattern']}."
    if labels["fastening"] == "front" and labels["sleeve"] in BARE:
        return f"With sleeve={labels['sleeve']} nothing would hold a front that stands open."
    return None


def draw_labels(seed: int) -> dict[str, str]:
    """The labels of a seed's garment: every attribute independently, common values more often."""
    generator = stream(seed, "labels")
    while True:
        labels = {}
        for attribute in SCHEMA.attributes:
            weights = np.array([COMMON.get(attribute.name, {}).get(v, 1.0) for v in attribute.values])
            labels[attribute.name] = attribute.values[
                int(np.searchsorted(np.cumsum(weights / weights.sum()), generator.random()))
            ]
        if labels["sleeve"] in BARE:
            del labels["collar"]
        if clash(labels) is None:
            return labels


def edited_labels(labels: Mapping[str, str], edit: Mapping[str, str]) -> dict[str, str]:
    """Labels after an edit; who gains shoulders gains a round collar. Raises UserError on what cannot be drawn."""
    wanted = {SCHEMA.resolve_attribute(name): SCHEMA.resolve_value(name, value) for name, value in edit.items()}
    after = {**labels, **wanted}
    if after["sleeve"] in BARE and "collar" not in wanted:
        after.pop("collar", None)
    elif labels["sleeve"] in BARE and after["sleeve"] not in BARE:
        after.setdefault("collar", "round")
    return check(after)


def hidden_details(labels: Mapping[str, str], attribute: str) -> tuple[str, ...]:
    """Of which details (``DETAILS``) a garment's picture says nothing when an attribute is edited: how wide the new
    stripes are, where a new sleeve points. A colour's name says enough."""
    if attribute == "color":
        return ()
    if attribute != "sleeve":
        return (attribute,)
    if labels["sleeve"] in BARE:
        return ("sleeve", "arms", "collar")  # with shoulders it gains a collar
    return {"sleeveless": ("sleeve", "arms"), "extra short": ("sleeve",), "short": ("sleeve",)}.get(
        labels["sleeve"], ()
    )


def possible_values(labels: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Per attribute the values, other than the present ones, that an edit of this garment may ask for."""
    out: dict[str, tuple[str, ...]] = {}
    for attribute in SCHEMA.attributes:
        values = []
        for value in attribute.values:
            if value == labels.get(attribute.name) or (attribute.name == "collar" and labels["sleeve"] in BARE):
                continue
            if value in BARE and labels.get("collar", "round") not in ("round", "v-neck"):
                continue  # taking the shoulders off would take a hood off too: two edits in one
            if clash({**labels, attribute.name: value}) is None:
                values.append(value)
        if values:
            out[attribute.name] = tuple(values)
    return out
