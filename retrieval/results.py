"""What a search gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amgan.photos import CutOut
from amgan.photos.decode import Place
from amgan.schema import Edit

if TYPE_CHECKING:  # torch takes seconds to import
    from amgan.editing.editor import EditResult, Region


@dataclass(frozen=True)
class Found:
    """A catalogue garment that was found.

    Attributes:
        rank: from 1.
        item_id, file_name: as the catalogue names it.
        find_photo: says where its photo lies, see ``photo``; in a shard that takes a look at all of that.
        score: weighted mean of the similarity in the picture, the wanted and the kept attributes, at most 1.
        parts: what each of them adds to the score, by the names of ``query_parts``; empty where nobody asked.
        predicted, confidence: the attributes that the index predicts, and how sure it is (0 to 1).
        given: the attributes the catalogue states.
        details: what else it says: name, brand, price, currency, url and its other columns (``retrieval.details``).
    """

    rank: int
    item_id: str
    file_name: str
    find_photo: Callable[[], Place | None] = field(repr=False, compare=False)
    score: float
    predicted: dict[str, str]
    confidence: dict[str, float]
    given: dict[str, str]
    details: dict[str, str] = field(default_factory=dict)
    parts: dict[str, float] = field(default_factory=dict)

    @cached_property
    def photo(self) -> Place | None:
        """Where its photo lies; None where the catalogue's folder is not known, or has it no more."""
        return self.find_photo()

    @property
    def file(self) -> Path | None:
        """The photo's file; None where it is not known, or lies inside an archive."""
        return self.photo.file if self.photo and self.photo.length is None else None

    @property
    def attributes(self) -> dict[str, dict[str, Any]]:
        """What is known of each attribute: ``value``, ``probability`` (None where nothing was predicted) and
        ``origin``. What the catalogue states is ``given`` and stands, whatever is ``predicted``."""
        known: dict[str, dict[str, Any]] = {
            name: {"value": value, "probability": self.confidence.get(name), "origin": "predicted"}
            for name, value in self.predicted.items()
        }
        for name, value in self.given.items():
            sure = self.confidence.get(name) if self.predicted.get(name) == value else None
            known[name] = {"value": value, "probability": sure, "origin": "given"}
        return known

    @property
    def rounded(self) -> dict[str, Any]:
        """``score`` and ``parts`` as answers and JSON give them."""
        return {"score": round(self.score, 6), "parts": {name: round(share, 6) for name, share in self.parts.items()}}

    def to_dict(self) -> dict[str, Any]:
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "find_photo"}
        own["file"] = str(self.file) if self.file else None
        return own | self.rounded | {"attributes": self.attributes}


@dataclass(frozen=True)
class SearchResult:
    """What came of one query.

    Attributes:
        edit: canonical edit; empty when nothing was edited.
        only_on: the part that a colour edit was kept to, None for the whole garment.
        cutout: the query's garment on white.
        predicted, confidence: the unedited garment's attributes, as the index's network predicts them, and how sure it
            is (0 to 1).
        edited: the whole edit, with its mask (``EditResult`` of one picture), at the editor's size;
            ``at_source_size(result.edited, result.cutout)`` is the one to show.
        strength: how much of it the search saw, see ``weakened``.
        hits, unedited_hits: what the edited picture finds, and what the unedited one would.
        seconds: how long "cut-out" (where a photo came, and no cut-out of it), "edit", "embed" and "search" took.
    """

    edit: Edit
    only_on: Region | None
    cutout: CutOut
    predicted: dict[str, str]
    confidence: dict[str, float]
    edited: EditResult
    strength: float
    hits: list[Found]
    unedited_hits: list[Found]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def wanted(self) -> Edit:
        """The values that a hit should have: no attribute says that the sleeves alone are red."""
        return {} if self.only_on else self.edit
