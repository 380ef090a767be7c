"""Small real things for tests of what is built on this package: a random-weight weights folder, a drawn garment."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from amgan.config import changed
from amgan.models.classifier import AttributeClassifier
from amgan.models.methods import find_method
from amgan.schema import AttributeSchema
from amgan.training.presets import PRESETS
from amgan.weights import save_classifier, save_generator

SCHEMA = AttributeSchema.from_dict(
    {"sleeve": ["sleeveless", "short", "long"], "color": ["black", "white", "red", "blue", "multi"]}
)
RGB = {
    "black": (30, 30, 32),
    "white": (236, 236, 232),
    "red": (190, 30, 40),
    "blue": (40, 80, 180),
    "multi": (120, 160, 90),
}


def tiny_weights(
    folder: Path, schema: AttributeSchema = SCHEMA, image_size: int = 32, seed: int = 0, model: str = "amgan"
) -> Path:
    """A complete weights folder with random weights that loads through the real path, of any method. Returns the
    folder."""
    preset = PRESETS["tiny"]
    torch.manual_seed(seed)
    for role, config in (("teacher", preset.teacher), ("judge", preset.judge)):
        save_classifier(folder, role, AttributeClassifier(schema, config.backbone, image_size), {"role": role})
    config = changed(preset.of(model).stages["all"], image_size=image_size)
    save_generator(folder, find_method(model).make_generator(schema, config), config, {}, model)
    (folder / "card.json").write_text(
        json.dumps({"name": folder.name, "data": "none: random weights for tests"}), encoding="utf-8"
    )
    return folder


def draw_garment(
    sleeve: str = "short", color: str = "red", size: int = 96, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """A flat shirt on white, by rectangles: image uint8 (size, size, 3) and mask uint8 (size, size) of 0 and 255."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((size, size), np.uint8)
    unit = size / 96
    left, right, top, bottom = (round(v * unit + rng.integers(-2, 3)) for v in (32, 64, 18, 80))
    mask[top:bottom, left:right] = 255
    length = {"sleeveless": 0, "short": 16, "3/4": 34, "long": 48}[sleeve]
    width = round(11 * unit)
    mask[top : top + round(length * unit), left - width : left] = 255
    mask[top : top + round(length * unit), right : right + width] = 255
    image = np.full((size, size, 3), 255, np.uint8)
    cloth = np.array(RGB[color]) + rng.normal(0, 5, (size, size, 3))
    image[mask > 0] = np.clip(cloth, 0, 255).astype(np.uint8)[mask > 0]
    return image, mask


def draw_catalogue(
    folder: Path, count: int = 12, schema: AttributeSchema = SCHEMA, split: tuple[str, ...] = ("train", "val", "test")
) -> Path:
    """A labelled imagefolder of drawn garments with masks. Returns the folder."""
    from PIL import Image

    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "masks").mkdir(exist_ok=True)
    lines = ["file_name,mask_file_name,sleeve,color,split"]
    sleeves, colors = schema.values("sleeve"), [c for c in schema.values("color") if c in RGB]
    for i in range(count):
        sleeve, color = sleeves[i % len(sleeves)], colors[(i // len(sleeves)) % len(colors)]
        image, mask = draw_garment(sleeve, color, seed=i)
        Image.fromarray(image).save(folder / "images" / f"{i:04d}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{i:04d}.png")
        lines.append(f"images/{i:04d}.png,masks/{i:04d}.png,{sleeve},{color},{split[(i // 2) % len(split)]}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "attributes.json").write_text(json.dumps(schema.to_dict()), encoding="utf-8")
    return folder
