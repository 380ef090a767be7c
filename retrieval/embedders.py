"""The default embedder, and the loading of any by name.

The default is the embedder of the weights, or, of weights that have none, the classifier ("teacher") that is trained
with the editor. Both know the catalogue's kind of picture, and name the attributes in the same pass. ``open_clip``
models serve where a general embedding is wanted (see ``retrieval.open_clip_embedder``), and other packages add their
own through the entry-point group ``amgan.embedders``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import torch

from amgan.errors import UserError
from amgan.models.classifier import AttributeClassifier
from amgan.models.embedder import GarmentEmbedder
from amgan.weights import has_embedder, load_classifier, load_garment_embedder, shipped, weights_folder
from retrieval.embedding import Embedder, EmbedderIdentity, checked_images, unit_rows

ENTRY_POINT_GROUP = "amgan.embedders"
NAMES = {"teacher": "classifier", "embedder": "embedder"}  # of networks that a folder of weights may hold


class PredictingEmbedder:
    """A network of weights that embeds pictures and predicts their attributes in the same pass.

    Args:
        kind: which: ``teacher``, a classifier whose vectors are its pooled features, or ``embedder``.
        weights: a shipped name, a weights folder, or ``hf-hub:org/name``.
        device: where the network runs.
        bf16: run under bfloat16 autocast; vectors then differ from float32 ones by less than changes a search.
    """

    def __init__(self, kind: str, weights: str, device: str = "cpu", bf16: bool = False) -> None:
        model: AttributeClassifier | GarmentEmbedder
        if kind == "teacher":
            model = teacher = load_classifier(weights, kind)
            self.dimensions: int = teacher.feature_dim
        else:
            model = embedder = load_garment_embedder(weights)
            self.dimensions = embedder.dimensions
        self.model = model.to(device)
        self.schema = model.schema
        self.image_size: int = model.image_size
        self._device, self._bf16 = device, bf16
        preprocessing = f"{self.image_size} px, bilinear with antialiasing, as the {NAMES[kind]} was trained"
        self.identity = EmbedderIdentity(f"{kind}:{_lasting_name(weights)}", model.identity, preprocessing)

    def embed(self, images: torch.Tensor) -> np.ndarray:
        """uint8 (B, 3, H, W) to float32 (B, D), unit length."""
        return self.predict_and_embed(images)[1]

    def predict_and_embed(self, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """uint8 (B, 3, H, W) to probabilities float32 (B, N) and vectors float32 (B, D) of unit length."""
        with torch.autocast(self._device.split(":")[0], torch.bfloat16, enabled=self._bf16):
            probabilities, vectors = self.model.predict_and_embed(checked_images(images))
        return probabilities.float().numpy(), unit_rows(vectors)


def own_kind(weights: str) -> str:
    """Which network of weights embeds where none is named: the embedder where they have one, else the teacher. Raises
    UserError where there are no such weights."""
    return "embedder" if has_embedder(weights) else "teacher"


def _lasting_name(weights: str) -> str:
    """The name under which the same weights are found from any working directory."""
    return str(Path(weights).resolve()) if weights not in shipped() and Path(weights).is_dir() else weights


def load_embedder(name: str, device: str = "cpu", bf16: bool = False, fetch: bool = True) -> Embedder:
    """The embedder of that name.

    Args:
        name: one of

            - ``photos``, a weights folder: the embedder of those weights, or the teacher where they have none;
            - ``embedder:photos``, ``teacher:photos``, ``teacher:hf-hub:org/name``: the one that is named;
            - ``ViT-B-32``, ``ViT-B-32:laion2b_s34b_b79k``, ``ViT-B-32:weights.safetensors``, ``hf-hub:org/name``,
              ``local-dir:FOLDER`` (each also after ``open_clip:``): an open_clip model;
            - ``NAME`` or ``NAME:ARGUMENT`` of the entry-point group ``amgan.embedders``: whatever that package
              serves; the entry point is a callable that takes the argument (or an empty string) and returns an
              ``Embedder``.
        device: where the network runs.
        bf16: bfloat16 autocast, for machines where that is faster.
        fetch: whether an open_clip model that is not on this disk may be downloaded.

    Raises:
        UserError: the name means nothing, or its weights cannot be had here.
    """
    prefix, _, rest = name.partition(":")
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name == prefix:
            return _from_entry_point(point.load(), prefix, rest)
    if prefix in NAMES:
        return PredictingEmbedder(prefix, rest, device, bf16)
    if prefix not in ("open_clip", "hf-hub", "local-dir"):
        try:
            weights_folder(name)
        except UserError:
            pass  # no weights of this project, so open_clip is asked
        else:
            return PredictingEmbedder(own_kind(name), name, device, bf16)

    from retrieval.open_clip_embedder import OpenClipEmbedder  # slow to import, and an extra

    return OpenClipEmbedder(rest if prefix == "open_clip" else name, device, bf16, fetch=fetch)


def _from_entry_point(factory: Callable[[str], object], name: str, argument: str) -> Embedder:
    embedder = factory(argument)
    if not isinstance(embedder, Embedder):
        raise UserError(
            f"The embedder {name!r} lacks identity, dimensions, image_size or embed; its package must add them."
        )
    return embedder
