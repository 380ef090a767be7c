"""A small drawn catalogue, random networks and an index of it, for the tests of searching and of the page."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from amgan.photos import cut_out, read_image
from amgan.schema import AttributeSchema
from amgan.testing import tiny_weights
from retrieval.representation import Representation
from retrieval.stores import connect
from retrieval.stores.base import Point, point_id

SCHEMA = AttributeSchema.from_dict(
    {"sleeve": ["sleeveless", "short", "long"], "color": ["black", "red", "blue", "green", "multi"]}
)
PAINT = {"black": "#222", "red": "#c22", "blue": "#24c", "green": "#2a4", "multi": "#c2c"}


def draw_shirt(sleeve: str, color: str, side: int = 96) -> Image.Image:
    """A flat shirt on white."""
    picture = Image.new("RGB", (side, side), "white")
    pen = ImageDraw.Draw(picture)
    s = side / 96
    for x, outward in ((36, -1), (60, 1)):
        length = {"sleeveless": 0, "short": 14, "long": 40}[sleeve]
        if length:
            end = x + outward * 14
            corners = [(x, 22), (end, 26), (end, 26 + length), (end - outward * 9, 26 + length), (x, 40)]
            pen.polygon([(px * s, py * s) for px, py in corners], fill=PAINT[color])
    pen.rectangle((32 * s, 20 * s, 64 * s, 78 * s), fill=PAINT[color])
    return picture


def make_catalogue(folder: Path) -> Path:
    """Every sleeve in every colour, two sizes of each: 30 photos."""
    (folder / "images").mkdir(parents=True)
    for sleeve, color, side in itertools.product(SCHEMA.values("sleeve"), SCHEMA.values("color"), (96, 112)):
        draw_shirt(sleeve, color, side).save(folder / "images" / f"{sleeve} {color} & {side}.png")
    return folder


def make_index(store: Path, catalogue: Path, weights: Path, collection: str = "shirts", twins: bool = False) -> None:
    """What ``index-catalog`` would do, with the drawn labels as predictions so that filters have something to find."""
    representation = Representation(str(weights), twins=twins)
    location = connect(store)
    index = location.create(collection, representation.identity, SCHEMA)
    index.set_notes({"catalogue": str(catalogue)})
    points = []
    for file in sorted((catalogue / "images").iterdir()):
        cutout = cut_out(read_image(file), size=representation.image_size)
        vectors, probabilities = representation.encode(as_tensor(cutout.image))
        sleeve, color = file.stem.split()[:2]
        name = f"images/{file.name}"
        payload = {
            "item_id": name.rpartition(".")[0],
            "file_name": name,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "predicted": {"sleeve": sleeve, "color": color},
            "confidence": representation.describe(probabilities[0])[1],
            "given": {"color": color},
            "mask_file_name": None,
        }
        points.append(Point(point_id(name), vectors[0], payload))
    index.upsert(points)
    index.finalize()
    index.close()
    location.close()


def make_weights(folder: Path) -> Path:
    tiny_weights(folder, schema=SCHEMA, image_size=32)
    return folder


def as_tensor(image: np.ndarray) -> torch.Tensor:
    """uint8 (H, W, 3) to uint8 (1, 3, H, W)."""
    return torch.tensor(image).permute(2, 0, 1)[None]
