"""Synthetic garments: product shots drawn from a seed and an attribute vector.

Nobody has photographs of the same shirt with and without its sleeves; a renderer does. The same seed with one attribute
changed gives the true edited image and the true region: exact measures of an editor, a catalogue for the demo with
nothing to download, and a head start for training on photographs.
"""

from amgan.synth.render import (
    RENDERER_VERSION,
    Counterfactual,
    Item,
    Rendered,
    counterfactual,
    draw_item,
    possible_edits,
    render,
    true_region,
)
from amgan.synth.values import LEFT_OUT, SCHEMA

__all__ = [
    "LEFT_OUT",
    "RENDERER_VERSION",
    "SCHEMA",
    "Counterfactual",
    "Item",
    "Rendered",
    "counterfactual",
    "draw_item",
    "possible_edits",
    "render",
    "true_region",
]
