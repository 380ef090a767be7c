"""Pictures to unit vectors: the contract that every embedder keeps, and what makes two of them comparable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch.nn import functional as F


@dataclass(frozen=True)
class EmbedderIdentity:
    """What makes two embeddings comparable.

    Attributes:
        model: a name that ``load_embedder`` understands, so that an index can load its own embedder again.
        weights_hash: SHA-256, in hex, of the weights.
        preprocessing: how pixels become the network's input, in words.
    """

    model: str
    weights_hash: str
    preprocessing: str


@runtime_checkable
class Embedder(Protocol):
    """What the index and the search ask of an embedding model.

    Attributes:
        identity: compared when an index is opened; another identity is refused.
        dimensions: D, the length of a vector.
        image_size: the side in pixels of the network's own input. ``embed`` takes any size and resizes.
    """

    identity: EmbedderIdentity
    dimensions: int
    image_size: int

    def embed(self, images: torch.Tensor) -> np.ndarray:
        """uint8 (B, 3, H, W) of any H and W to float32 (B, D), each row of unit length."""
        ...


@runtime_checkable
class TextEmbedder(Protocol):
    """An embedder that puts words where it puts pictures of what they say."""

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """Texts to float32 (T, D), each row of unit length. Raises UserError where this one reads none after all."""
        ...


def checked_images(images: torch.Tensor) -> torch.Tensor:
    """The same tensor, once it is known to be uint8 (B, 3, H, W). Raises ValueError."""
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"An embedder takes uint8 (B, 3, H, W); this is {images.dtype} {tuple(images.shape)}.")
    return images


def unit_rows(vectors: torch.Tensor) -> np.ndarray:
    """(B, D) to float32 numpy (B, D) with rows of unit length, whatever precision the network ran in."""
    return F.normalize(vectors.detach().float(), dim=1).cpu().numpy()
