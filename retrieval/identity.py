"""What an index was made with. Vectors of two embedders do not compare, so another identity is refused, never mixed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

from amgan.errors import UserError

NOT_RECORDED = "not recorded, by an earlier version"
AND = " + "  # between the names of several networks

LARGEST = 65_536  # dimensions of a stored vector; the engines' own limit


@dataclass(frozen=True)
class Block:
    """One unit-length part of a stored vector, for example ``Block("image", 256)``."""

    name: str
    dimensions: int


@dataclass(frozen=True)
class IndexIdentity:
    """Who made the vectors, and how they are laid out.

    Attributes:
        embedder: name that loads the embedder again, for example ``"teacher:photos"``.
        weights_hash: content hash of its weights.
        preprocessing: how cut-outs become its input (framing, size, normalisation), with a version.
        dimensions: length D of a stored vector, the sum over the blocks.
        blocks: the vector's parts in order.
        segmenter: identity of what cut the garments out (``amgan.photos.Segmenter``); empty for indexes that were made
            before it was recorded.
        editor: identity of the editor that drew the twins; empty where vectors hold none.
    """

    embedder: str
    weights_hash: str
    preprocessing: str
    dimensions: int
    blocks: tuple[Block, ...]
    segmenter: str = ""
    editor: str = ""

    def __post_init__(self) -> None:
        if self.dimensions < 1 or self.dimensions != sum(b.dimensions for b in self.blocks):
            raise UserError(
                f"An index identity of {self.dimensions} dimensions does not fit its blocks "
                f"({', '.join(f'{b.name}={b.dimensions}' for b in self.blocks) or 'none'}); they must add up."
            )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"blocks": [asdict(b) for b in self.blocks]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> IndexIdentity:
        """The reverse of ``to_dict``. Raises UserError when fields are missing, of the wrong kind or out of range."""
        try:
            blocks = tuple(Block(_text(b["name"]), _size(b["dimensions"])) for b in values["blocks"])
            return cls(
                embedder=_text(values["embedder"]),
                weights_hash=_text(values["weights_hash"]),
                preprocessing=_text(values["preprocessing"]),
                dimensions=_size(values["dimensions"]),
                blocks=blocks,
                segmenter=_text(values.get("segmenter", "")),
                editor=_text(values.get("editor", "")),
            )
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise UserError(
                f"The stored index identity cannot be read ({str(error)[:200]}); index the catalogue again."
            ) from None

    def slices(self) -> dict[str, slice]:
        """Where each block lies in a vector, by its name."""
        ends = list(accumulate(b.dimensions for b in self.blocks))
        return {b.name: slice(end - b.dimensions, end) for b, end in zip(self.blocks, ends, strict=True)}

    @property
    def weights(self) -> str:
        """Those whose network predicts the attributes: ``photos`` of ``"ViT-B-32 + embedder:photos"``."""
        return self.embedder.rpartition(AND)[2].partition(":")[2]

    @property
    def digest(self) -> str:
        """Short hash of what the vectors mean; the embedder's name is left out, since the weights' hash says more."""
        fields = self.to_dict()
        del fields["embedder"]
        if not self.editor:  # as it was before there were twins
            del fields["editor"]
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:10]

    def same_vectors(self, other: IndexIdentity) -> bool:
        """Whether vectors of both may be compared: all but the embedder's name is equal."""
        return self.digest == other.digest

    def require_same(self, other: IndexIdentity, here: str, there: str) -> None:
        """Raises UserError, naming what differs, unless vectors of both may be compared."""
        if self.same_vectors(other):
            return
        if self.segmenter != other.segmenter:
            raise UserError(
                f"Vectors of {here} and {there} cannot be compared: garments were cut out of their photos in one way "
                f"for {here} ({self.segmenter or NOT_RECORDED}) and in another for {there} "
                f"({other.segmenter or NOT_RECORDED}). Index the catalogue again with index-catalog."
            )
        mine, theirs = self.to_dict(), other.to_dict()
        compared = ("weights_hash", "preprocessing", "dimensions", "blocks", "editor")
        field = next(k for k in compared if mine[k] != theirs[k])
        raise UserError(
            f"Vectors of {here} and {there} cannot be compared: {here} was made with {self.embedder!r} "
            f"({field.replace('_', ' ')} {mine[field]}), {there} with {other.embedder!r} ({theirs[field]}). "
            "Query with the embedder that filled the index, or index the catalogue again."
        )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _size(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LARGEST:
        raise ValueError(f"a vector has 1 to {LARGEST} dimensions, and this says {str(value)[:40]}")
    return value
