"""What stands for a garment in the index: how it looks, and which attributes it is believed to have.

A vector is the concatenation of blocks of unit length::

    v(x) = [ f(x) ; f(G(x)) ; a(x) ]                                      float32 (D + N,), with twins (2 D + N,)

    f(x)    the embedder's features of the cut-out picture x              (D,)
    G(x)    its twin, where an index has them: see ``retrieval.twins``
    a(x)    the attributes that the weights' own network predicts         (N,)

with a as in ``retrieval.attributes``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from amgan.editing.editor import Editor, load_editor
from amgan.errors import UserError
from amgan.photos import PREPARATION
from amgan.photos.registry import DEFAULT, name_of
from amgan.weights import frame_size, on_this_machine
from amgan.weights.segmenters import find_segmenter
from retrieval.attributes import attribute_block
from retrieval.embedders import NAMES, Embedder, PredictingEmbedder, load_embedder, own_kind
from retrieval.embedding import TextEmbedder
from retrieval.identity import AND, Block, IndexIdentity
from retrieval.twins import draw_twins

IMAGE, TWIN, ATTRIBUTES = "image", "twin", "attributes"  # the blocks of a vector


class Representation:
    """Pictures to index vectors, and the identity that says with which networks.

    Args:
        weights: whose embedder, or teacher where they have none, predicts the attributes: a shipped name, a weights
            folder, or ``hf-hub:org/name``.
        embedder: what ``load_embedder`` takes; None means that same network. The weights' own teacher, or embedder, by
            its name predicts the attributes as well.
        device, bf16: where and in which precision the networks run.
        segmenter: cuts the garments out; what ``find_segmenter`` takes, None for the weights' own.
        kind: which network of the weights predicts, ``embedder`` or ``teacher``; None means as above.
        fetch: whether an embedder that is not on this disk may be downloaded.
        twins: whether vectors hold twins, drawn by the editor of the weights.

    Attributes:
        weights: as given; the editor of the same folder goes with them.
        schema: the attributes, N values in all.
        image_size: the side in pixels at which garments are to be framed.
        segmenter: what garments are to be cut out with, queries and catalogue alike.
        identity: what is stored with an index.
    """

    def __init__(
        self,
        weights: str = "photos",
        embedder: str | None = None,
        device: str = "cpu",
        bf16: bool = False,
        segmenter: str | None = None,
        kind: str | None = None,
        fetch: bool = True,
        twins: bool = False,
    ) -> None:
        self.segmenter = find_segmenter(segmenter, weights, device)
        self.weights = weights
        # A network of the weights, by its own name, is no second one.
        for own in NAMES:
            if embedder == f"{own}:{weights}":
                kind, embedder = own, None
        self.predictor = PredictingEmbedder(kind or own_kind(weights), weights, device, bf16)
        self.schema = self.predictor.schema
        self.image_size = frame_size(weights)
        self.embedder: Embedder = self.predictor
        if embedder is not None:
            loaded = load_embedder(embedder, device, bf16, fetch)
            self.embedder = self.predictor if loaded.identity == self.predictor.identity else loaded
        self._editor: Editor | None = load_editor(weights, "remembered") if twins else None
        self.identity = self._identity(self._editor.identity if self._editor is not None else "")

    def _identity(self, editor: str) -> IndexIdentity:
        """With twins by the editor of that identity; without any where it is empty."""
        parts = [self.embedder.identity] + ([] if self.embedder is self.predictor else [self.predictor.identity])
        size = self.embedder.dimensions
        pictures = (Block(IMAGE, size), Block(TWIN, size)) if editor else (Block(IMAGE, size),)
        blocks = (*pictures, Block(ATTRIBUTES, self.schema.n_values))
        return IndexIdentity(
            embedder=AND.join(p.model for p in parts),
            weights_hash=AND.join(p.weights_hash for p in parts),
            preprocessing=AND.join([f"{PREPARATION}, {self.image_size} px", *(p.preprocessing for p in parts)]),
            dimensions=sum(b.dimensions for b in blocks),
            blocks=blocks,
            segmenter=self.segmenter.identity,
            editor=editor,
        )

    @classmethod
    def of_index(cls, identity: IndexIdentity, weights: str | None = None, device: str = "cpu") -> Representation:
        """The representation that filled an index, so that queries compare with it.

        Args:
            identity: as stored with the index.
            weights: where the weights are now, if not where the index says.

        Raises:
            UserError: the networks are not to be had, or are not the same any more. What the index alone names is not
                downloaded: anybody may have written it.
        """
        embedder, _, predictor = identity.embedder.rpartition(AND)
        kind, _, named = predictor.partition(":")
        if kind not in NAMES:
            raise UserError(
                f"The index says it was made with {identity.embedder!r}, which names no weights; index again."
            )
        segmenter = name_of(identity.segmenter) if identity.segmenter else DEFAULT
        own, _, theirs = embedder.partition(":")
        if own in NAMES:
            embedder = f"{own}:{on_this_machine(theirs)}"
        there = weights or on_this_machine(named)
        here = cls(there, embedder or None, device, segmenter=segmenter, kind=kind, fetch=False)
        here.identity = here._identity(identity.editor)  # a query draws no twins: whose they are makes no difference
        here.identity.require_same(identity, "these weights", "the index")
        here.identity = replace(here.identity, embedder=identity.embedder)
        return here

    @property
    def dimensions(self) -> int:
        """Of a catalogue's vector."""
        return self.identity.dimensions

    @property
    def twins(self) -> bool:
        """Whether vectors hold twins."""
        return bool(self.identity.editor)

    def embed(self, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Framed garments uint8 (B, 3, H, W) to unit features float32 (B, D) and probabilities float32 (B, N)."""
        probabilities, features = self.predictor.predict_and_embed(images)
        if self.embedder is not self.predictor:
            features = self.embedder.embed(images)
        return features, probabilities

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """Words to unit features float32 (T, D), beside those of pictures. Raises UserError where the embedder reads
        none."""
        if not isinstance(self.embedder, TextEmbedder):
            raise UserError(
                "This catalogue's embedder reads no text: leave the words out, or fill the catalogue anew with one "
                "that does, for example --embedder ViT-B-32."
            )
        return self.embedder.embed_text(texts)

    def encode(self, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Framed garments uint8 (B, 3, H, W) to the catalogue's vectors, float32 (B, ``dimensions``), and probabilities
        float32 (B, N)."""
        features, probabilities = self.embed(images)
        blocks = [features, attribute_block(probabilities, self.schema)]
        if self.twins:
            blocks.insert(1, self.embedder.embed(draw_twins(self._drawing(), images, probabilities, self.schema)))
        return np.concatenate(blocks, axis=1), probabilities

    def _drawing(self) -> Editor:
        """The editor of the twins. Raises UserError where it is not the one that drew them any more."""
        if self._editor is None:
            editor = load_editor(self.weights, "remembered")
            self._identity(editor.identity).require_same(self.identity, "these weights", "the index")
            self._editor = editor
        return self._editor

    def describe(self, probabilities: np.ndarray) -> tuple[dict[str, str], dict[str, float]]:
        """Probabilities (N,) of one garment to its most likely values and their probabilities, by attribute."""
        values, confidence = {}, {}
        for attribute, s in zip(self.schema.attributes, self.schema.slices, strict=True):
            best = int(np.argmax(probabilities[s]))
            values[attribute.name] = attribute.values[best]
            confidence[attribute.name] = round(float(probabilities[s][best]), 4)
        return values, confidence
