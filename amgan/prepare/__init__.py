"""Released data sets to labelled folders: ``amgan prepare``.

A new data set is one file with a class that fulfils `amgan.prepare.release.Release`, and one line in ``RELEASES``.
"""

from __future__ import annotations

# What each name of ``amgan prepare`` opens: "module:class".
RELEASES = {
    "deepfashion-synthesis": "amgan.prepare.deepfashion_synthesis:DeepFashionSynthesis",
    "shopping100k": "amgan.prepare.shopping100k:Shopping100k",
    "adde": "amgan.prepare.adde:Adde",
    "clothing-dataset": "amgan.prepare.clothing:ClothingDataset",
}
