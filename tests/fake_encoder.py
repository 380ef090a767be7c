"""An embedder of mean colours and a catalogue of drawn garments, to test everything around the networks.

Run as a program, it is ``index-catalog`` with this encoder for networks, slowed down so that one can kill it:

    python -m tests.fake_encoder SECONDS_PER_BATCH FOLDER --store …
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from amgan.photos import load_segmenter
from amgan.schema import AttributeSchema
from retrieval.identity import Block, IndexIdentity

SCHEMA = AttributeSchema.from_dict({"sleeve": ["sleeveless", "short", "long"], "color": ["red", "gray", "blue"]})
GRID = 4
DIMENSIONS = 3 * GRID * GRID


class FakeEncoder:
    """Stands in for ``retrieval.representation.Representation``: mean colours, and made-up attributes."""

    schema = SCHEMA
    image_size = 32
    segmenter = load_segmenter()
    seconds = 0.0

    def __init__(
        self,
        weights: str = "a",
        embedder: str | None = None,
        device: str = "cpu",
        segmenter: str | None = None,
        twins: bool = False,
    ) -> None:
        assert not twins
        blocks = (Block("image", DIMENSIONS), Block("attributes", SCHEMA.n_values))
        size = DIMENSIONS + SCHEMA.n_values
        cut = self.segmenter.identity
        self.identity = IndexIdentity(f"fake:{weights}", f"hash of {weights}", "white, 32 px", size, blocks, cut)
        self.batches: list[int] = []

    def encode(self, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        assert images.dtype == torch.uint8
        assert images.shape[1:] == (3, 32, 32)
        time.sleep(self.seconds)
        self.batches.append(len(images))
        features = torch.nn.functional.adaptive_avg_pool2d(images.float(), GRID).flatten(1).numpy() - 128
        features /= np.linalg.norm(features, axis=1, keepdims=True)
        probabilities = np.zeros((len(images), SCHEMA.n_values), np.float32)
        for row, colour in zip(probabilities, features, strict=True):
            row[int(abs(colour[0]) * 1e4) % 3] = 1
            row[3 + int(abs(colour[1]) * 1e4) % 3] = 0.75
        return np.concatenate([features, probabilities], 1).astype(np.float32), probabilities

    def describe(self, probabilities: np.ndarray) -> tuple[dict[str, str], dict[str, float]]:
        best = [int(np.argmax(probabilities[s])) for s in SCHEMA.slices]
        values = {a.name: a.values[b] for a, b in zip(SCHEMA.attributes, best, strict=True)}
        return values, {
            a.name: float(probabilities[s].max()) for a, s in zip(SCHEMA.attributes, SCHEMA.slices, strict=True)
        }


def draw_garment(path: Path, seed: int) -> None:
    """A garment of a random colour on white, which cuts out without doubt."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = tuple(np.random.default_rng(seed).integers(0, 200, 3).tolist())
    image = Image.new("RGB", (64, 72), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((18, 14, 46, 60), fill=colour)
    draw.rectangle((8, 14, 56, 14 + 6 + seed % 20), fill=colour)
    image.save(path)


def draw_catalogue(folder: Path, n: int) -> Path:
    for seed in range(n):
        draw_garment(folder / f"{seed % 3}" / f"{seed}.png", seed)
    return folder


if __name__ == "__main__":
    import retrieval.representation
    from indexer.cli import main

    FakeEncoder.seconds = float(sys.argv.pop(1))
    retrieval.representation.Representation = FakeEncoder  # type: ignore
    main()
