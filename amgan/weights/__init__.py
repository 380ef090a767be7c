"""Weights folders: the shipped ones lie beside this file, one folder each."""

from amgan.weights.folders import (
    frame_size,
    has_segmenter,
    load_classifier,
    load_critics,
    load_cut_out_network,
    load_generator,
    push_to_hub,
    save_classifier,
    save_critics,
    save_generator,
    save_segmenter,
    shipped,
    weights_card,
    weights_folder,
)

__all__ = [
    "frame_size",
    "has_segmenter",
    "load_classifier",
    "load_critics",
    "load_cut_out_network",
    "load_generator",
    "push_to_hub",
    "save_classifier",
    "save_critics",
    "save_generator",
    "save_segmenter",
    "shipped",
    "weights_card",
    "weights_folder",
]
