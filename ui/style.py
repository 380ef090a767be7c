"""What the page adds to Streamlit's own look: cards for garments, and a swatch before each colour's name."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

# How each colour's name looks; names that are not here get no swatch.
SWATCHES = {
    "black": "#1c1c1e",
    "white": "#ffffff",
    "gray": "#9a9da3",
    "navy": "#1f2d57",
    "blue": "#2f6fd0",
    "red": "#d0312d",
    "pink": "#f19bb6",
    "purple": "#7a4aa8",
    "green": "#2f8f4e",
    "yellow": "#f2c928",
    "beige": "#dccbaa",
    "brown": "#7a5233",
    "orange": "#ee8130",
}

CSS = """
.stMainBlockContainer { padding-top: 4.2rem; max-width: 1500px; }
.stMainBlockContainer h1 { font-size: 2rem; padding: 0 0 0.6rem; }
.stMainBlockContainer h3 { font-size: 1.35rem; padding: 0.4rem 0 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(118px, 1fr)); gap: 14px 12px; }
.cards { margin: 2px 0 10px; }
.card { display: block; color: inherit !important; text-decoration: none !important; border-radius: 8px; }
.card:focus-visible { outline: 3px solid #0b6e4f; outline-offset: 3px; }
.card .photo { aspect-ratio: 1; background: #f6f7f8; border: 1px solid #dee1e5; border-radius: 8px; overflow: hidden; }
.card .photo { display: flex; align-items: center; justify-content: center; }
.card img { width: 100%; height: 100%; object-fit: contain; }
.card:hover .photo { border-color: #6b7079; }
.card .none { font-size: 12px; color: #5b6068; padding: 8px; overflow-wrap: anywhere; }
.card .line { display: flex; justify-content: space-between; font-size: 13px; margin: 5px 1px 3px; }
.card .line { font-variant-numeric: tabular-nums; }
.card .score { color: #5b6068; }
.card .values { display: flex; flex-wrap: wrap; gap: 4px; }
.card .value { font-size: 12.5px; line-height: 1; padding: 4px 7px; border-radius: 10px; }
.card .value { background: #eef0f2; color: #3c4047; }
.card .value.wanted { background: #d9f2e6; color: #07543b; font-weight: 600; }
figure.query { margin: 0; }
.stMainBlockContainer .st-key-controls h3 { padding-top: 0; }
@media (min-width: 900px) { .st-key-controls { position: sticky; top: 4.5rem; } }
figure.query img { width: 100%; max-width: 384px; border: 1px solid #dee1e5; border-radius: 8px; display: block; }
figure.query figcaption { font-size: 14px; margin-top: 6px; }
figure.query figcaption b { display: block; }
figure.query figcaption span { color: #5b6068; }
"""


def label(attribute: str) -> str:
    """An attribute's name for people; the keys are those of Shopping100k."""
    return {"color": "Colour"}.get(attribute, attribute.capitalize())


def apply(colours: Sequence[str]) -> None:
    """Add the styles. ``colours`` are the values in the order of the pills in the container with key ``pick-color``."""
    rules = []
    for position, name in enumerate(colours, 2):  # the first pill keeps the colour
        if name in SWATCHES:
            rules.append(
                f".st-key-pick-color button:nth-of-type({position})::before {{ content: ''; width: 12px; height: 12px; "
                f"border-radius: 50%; border: 1px solid #8a8f98; margin-right: 6px; flex: none; "
                f"background: {SWATCHES[name]}; }}"
            )
    st.html(f"<style>{CSS}{''.join(rules)}</style>")
