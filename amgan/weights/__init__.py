"""Weights folders: the shipped ones lie beside this file, one folder each."""

from amgan.weights.folders import (
    load_classifier,
    load_generator,
    push_to_hub,
    save_classifier,
    save_generator,
    shipped,
    weights_card,
    weights_folder,
)

__all__ = [
    "load_classifier",
    "load_generator",
    "push_to_hub",
    "save_classifier",
    "save_generator",
    "shipped",
    "weights_card",
    "weights_folder",
]
