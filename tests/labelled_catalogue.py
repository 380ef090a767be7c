"""A drawn data set in the imagefolder convention, with exact masks and labels."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path

import numpy as np
from PIL import Image

from amgan.schema import AttributeSchema
from tests.tiny_catalogue import PAINT, draw_shirt

SPLITS = ("train", "train", "val", "test", "test")


def draw_labelled_catalogue(folder: Path, schema: AttributeSchema) -> Path:
    """60 shirts: 3 sleeves in 4 colours, 5 sizes of each, 2 for training, 1 for validation, 2 for testing."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    (folder / "attributes.json").write_text(json.dumps(schema.to_dict()))
    colors = [color for color in PAINT if color != "multi"]
    with (folder / "metadata.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", "mask_file_name", "split", "sleeve", "color"])
        for sleeve, color, (size, split) in itertools.product(
            ("sleeveless", "short", "long"), colors, enumerate(SPLITS)
        ):
            name = f"{sleeve}-{color}-{size}.png"
            shirt = draw_shirt(sleeve, color, 96 + 8 * size)
            shirt.save(folder / "images" / name)
            Image.fromarray((np.asarray(shirt).min(2) < 250).astype(np.uint8) * 255).save(folder / "masks" / name)
            rows.writerow([f"images/{name}", f"masks/{name}", split, sleeve, color])
    return folder
