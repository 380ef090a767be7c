"""Drawn shirts, an editor and a judge whose faults are known, so every score of them is too."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from amgan.data.garments import Garments
from amgan.schema import AttributeSchema

SIZE = 48
SCHEMA = AttributeSchema.from_dict({"sleeve": ["sleeveless", "long"], "color": ["red", "blue", "green", "multi"]})
RGB = {"red": (190, 35, 45), "blue": (40, 100, 190), "green": (45, 125, 60)}


def shirt(sleeve: str, color: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A shirt uint8 (3, S, S) on white and its mask bool (S, S); cloth differs by seed."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.rectangle(mask, (16, 8), (31, 39), 1, -1)
    if sleeve == "long":
        cv2.rectangle(mask, (6, 8), (41, 14), 1, -1)
    cloth = np.empty((SIZE, SIZE, 3))
    if color == "multi":
        for i, rgb in enumerate(RGB.values()):
            cloth[:, 16 + 5 * i : 22 + 5 * i] = rgb
        cloth[:, :16], cloth[:, 32:] = RGB["red"], RGB["blue"]
    else:
        cloth[:] = RGB[color]
    cloth += rng.normal(0, 4, (SIZE, SIZE, 1))
    image = np.where(mask[..., None] > 0, np.clip(cloth, 0, 255), 255).astype(np.uint8)
    return image.transpose(2, 0, 1), mask > 0


def wardrobe(labels: list[tuple[str, str]]) -> Garments:
    drawn = [shirt(s or "long", c, seed) for seed, (s, c) in enumerate(labels)]
    return Garments(
        SCHEMA,
        torch.from_numpy(np.stack([d[0] for d in drawn])),
        torch.from_numpy(np.stack([d[1] for d in drawn]))[:, None],
        torch.from_numpy(np.stack([SCHEMA.encode({"sleeve": s, "color": c}) for s, c in labels])),
        tuple(f"images/{i:03d}" for i in range(len(labels))),
    )


@dataclass(frozen=True)
class Result:
    image: torch.Tensor
    mask: torch.Tensor
    raw: torch.Tensor


class Painter:
    """Edits drawn shirts exactly, or spoils them in one way."""

    schema, image_size, identity = SCHEMA, SIZE, "painter"

    def __init__(self, spoil: str = "") -> None:
        self.spoil, self.calls = spoil, 0

    def edit(self, images: torch.Tensor, edits, only_on=None) -> Result:
        self.calls += 1
        out, masks = images.clone(), torch.zeros(len(images), 1, SIZE, SIZE)
        for i, (image, edit) in enumerate(zip(images.numpy(), edits, strict=True)):
            garment = image.min(axis=0) < 245
            color = read_shirt(image)[1]
            if "color" in edit and self.spoil != "nothing":
                new = image.copy().astype(int)
                plain = color == "multi" or self.spoil == "flat"
                detail = 0 if plain else image[:, garment].astype(int) - np.array(RGB[color])[:, None]
                new[:, garment] = np.array(RGB[edit["color"]])[:, None] + detail
                if self.spoil == "leaks":
                    new[:, :, :4] = 204  # a strip of background, 0.2 darker
                out[i] = torch.from_numpy(np.clip(new, 0, 255).astype(np.uint8))
                masks[i, 0] = torch.from_numpy(garment.astype(np.float32))
            elif "sleeve" in edit:
                target = color if self.spoil != "wrong sleeves" else "red"
                new, now = shirt(edit["sleeve"], target if target != "multi" else "red", 99)
                out[i] = torch.from_numpy(new)
                masks[i, 0] = torch.from_numpy((garment | now).astype(np.float32))
        return Result(out, masks, out)


def read_shirt(image: np.ndarray) -> tuple[str, str]:
    """Sleeve and colour of a drawn shirt uint8 (3, S, S)."""
    body = image[:, 18:38, 17:31].reshape(3, -1).mean(axis=1)
    deviation = image[:, 18:38, 17:31].reshape(3, -1).std(axis=1).max()
    nearest = min(RGB, key=lambda c: np.abs(body - np.array(RGB[c])).sum())
    return "long" if image[:, 11, 9].max() < 245 else "sleeveless", "multi" if deviation > 30 else nearest


class Judge:
    """Sees exactly what is there; its features are colour and silhouette."""

    identity = "judge"

    def predict_and_embed(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        probabilities = np.zeros((len(images), SCHEMA.n_values), np.float32)
        for i, image in enumerate(images.numpy()):
            labels = dict(zip(("sleeve", "color"), read_shirt(image), strict=True))
            for m, v in enumerate(SCHEMA.encode(labels)):
                probabilities[i, SCHEMA.slices[m].start + v] = 1
        features = images.float()[:, :, ::4, ::4].flatten(1) - 128
        return torch.from_numpy(probabilities), torch.nn.functional.normalize(features, dim=1)


ALL = [(s, c) for c in ("red", "blue", "green") for s in ("sleeveless", "long")]
