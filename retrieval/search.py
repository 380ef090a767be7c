"""The product's one loop: cut the garment out, edit it, embed the edit, search the catalogue with it.

    catalogue = open_catalogue("out/index", "garments")
    result = catalogue.find_similar(read_image("shirt.jpg"), {"sleeve": "long"}, k=10)

What comes back says what was found with the edit, and what the unedited photo would have found.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from amgan.errors import UserError
from amgan.photos import CutOut, cut_out, read_image, read_mask
from amgan.photos.decode import Place
from retrieval.details import details_of, repeated_products
from retrieval.photos import CataloguePhotos
from retrieval.query import QueryWeights, compose, query_parts, target_probabilities
from retrieval.results import Found, SearchResult
from retrieval.stores.base import MAX_K, Filter, Hit, Payload, VectorStore, point_id

if TYPE_CHECKING:  # torch takes seconds to import, and who only looks through a catalogue needs none of it
    import torch

    from amgan.editing.editor import Editor, EditResult, Region
    from retrieval.representation import Representation


class UncertainCutOut(UserError):
    """The garment may not have been found in the photo, so the user is asked first.

    Attributes:
        cutout: what was found, with its problems.
    """

    def __init__(self, cutout: CutOut) -> None:
        problems = " ".join(cutout.problems)
        super().__init__(f"It is not certain that the garment was cut out of the photo correctly. {problems}".strip())
        self.cutout = cutout


def names_of(payload: Payload) -> tuple[str, ...]:
    """What a search can be told to pass over an item by: its item id, the SHA-256 sum of its photo's file, and where it
    has several photos its product."""
    product = details_of(payload).get("product")
    own = tuple(str(payload[key]) for key in ("item_id", "sha256") if payload.get(key))
    return own if product is None else (*own, f"product {product}")


class Searcher:
    """A catalogue that can be searched with edited garments.

    Args:
        store: an open collection.
        representation: made with the networks that filled it.
        editor: draws the edit.
        root: the catalogue's folder, so that hits can be shown; None leaves ``Found.photo`` empty.

    Attributes:
        weights: of queries that name none: those that were fitted for the index, else the default ones.
    """

    def __init__(
        self, store: VectorStore, representation: Representation, editor: Editor, root: Path | None = None
    ) -> None:
        representation.identity.require_same(store.identity, "these weights", "the index")
        self.store, self.representation, self.editor, self.root = store, representation, editor, root
        self.weights = QueryWeights.of_notes(store.notes)
        self.schema = representation.schema.edited_by(editor.schema)
        if not self.schema.editable:
            raise UserError(
                f"The editor edits {', '.join(editor.schema.editable)}, of which the index knows nothing: it knows "
                f"{', '.join(representation.schema.names)}."
            )

    def cut_out(
        self, photo: Image.Image, mask: Image.Image | np.ndarray | None = None, keep_source: bool = False
    ) -> CutOut:
        """The garment of a photo on white, in the frame that the editor takes. See its ``trusted``. With
        ``keep_source`` its edits can be shown at the photo's own size."""
        return cut_out(photo, mask, self.editor.image_size, keep_source, self.representation.segmenter)

    def find_similar(
        self,
        photo: Image.Image | CutOut,
        edit: Mapping[str, str] | None = None,
        k: int = 10,
        filter: Filter | None = None,
        weights: QueryWeights | None = None,
        only_on: Region | None = None,
        exclude: Collection[str] = (),
        strength: float = 1.0,
        known: Mapping[str, str] | None = None,
        text: str = "",
        explain: bool = False,
    ) -> SearchResult:
        """Edit a garment and find the catalogue's nearest ones to the result, and to the unedited garment.

        Args:
            photo: an upright RGB photo (``read_image``), or its cut-out, which is then taken as it is.
            edit: ``{"sleeve": "long"}``; none or empty searches with the photo alone.
            k: how many hits.
            filter: only garments whose predicted (or ``given.``) attributes are these.
            weights: how much picture, wanted and kept attributes count; None means ``self.weights``.
            only_on: ``"sleeve"`` or ``"torso"``: where a colour edit may draw.
            exclude: names (``names_of``) of what must not be found, such as the query's own.
            strength: how much of the edit is searched for: above 0, and 1 for all of it.
            known: attributes of the unedited garment that somebody has said; the others are predicted.
            text: what else it should be like, in words, where the index's embedder reads any.
            explain: say what each part of the query adds to a hit's score (``Found.parts``).

        Raises:
            UncertainCutOut: ``photo`` is a photo, and its garment could not be cut out with certainty.
            UserError: the edit, its strength, what is known, the filter or k is not valid here, or words are given to
                an embedder that reads none.
        """
        import torch

        from amgan.editing.editor import weakened

        watch = _Stopwatch()
        canonical = self.schema.canonical(edit) if edit else {}
        if only_on and not canonical:
            raise UserError(f"Only on the {only_on} says where a colour edit may draw, and no edit is asked for.")
        if isinstance(photo, CutOut):
            cutout = photo
        else:
            cutout = self.cut_out(photo, keep_source=True)
            if not cutout.trusted:
                raise UncertainCutOut(cutout)
            watch.lap("cut-out")
        image = torch.from_numpy(np.ascontiguousarray(cutout.image)).permute(2, 0, 1)[None]  # (1, 3, H, W)
        edited = self.editor.edit(image, canonical, only_on) if canonical else _untouched(image)
        seen = weakened(edited, image, strength).image
        watch.lap("edit")
        features, probabilities = self.representation.embed(torch.cat([image, seen]))  # (2, D), (2, N)
        watch.lap("embed")
        predicted, confidence = self.representation.describe(probabilities[0])
        said = {self.schema.resolve_attribute(n): self.schema.resolve_value(n, v) for n, v in (known or {}).items()}
        probabilities[0] = target_probabilities(probabilities[0], said, self.schema)
        target = target_probabilities(probabilities[0], canonical, self.schema)
        target = strength * target + (1 - strength) * probabilities[0]
        if only_on:  # with red sleeves alone a garment is not red: what it is then, the edited picture says
            for part in (self.schema.slices[self.schema.index(name)] for name in canonical):
                target[part] = probabilities[1, part]
        words = self.representation.embed_text([text])[0] if text.strip() else None
        how = (self.schema, weights or self.weights, self.representation.twins, words)
        queries = [query_parts(features[0], probabilities[0], (), *how)]
        if canonical:
            queries.append(query_parts(features[1], target, canonical, *how))
        hits = [self.nearest(compose(parts), k, filter, exclude) for parts in queries]
        if explain:
            hits = [self.explained(found, parts) for found, parts in zip(hits, queries, strict=True)]
        watch.lap("search")
        return SearchResult(
            edit=canonical,
            only_on=only_on,
            cutout=cutout,
            predicted=predicted,
            confidence=confidence,
            edited=edited,
            strength=strength,
            hits=hits[-1],
            unedited_hits=hits[0],
            seconds=watch.seconds,
        )

    def nearest(
        self, vector: np.ndarray, k: int, filter: Filter | None = None, exclude: Collection[str] = ()
    ) -> list[Found]:
        """The k nearest to a composed query, items with a name (``names_of``) in ``exclude`` passed over, however many
        copies of them the catalogue holds. Of a product with several photos (its column ``product``) the nearest is
        the hit."""
        passed_over: set[str] = set()  # points; the store leaves them out of the next search
        wanted = min(k + len(exclude), MAX_K)
        while True:
            hits = self.store.search(vector, wanted, filter, exclude=passed_over)
            excluded = {h.id for h in hits if h.id in exclude or not set(names_of(h.payload)).isdisjoint(exclude)}
            excluded |= repeated_products(h for h in hits if h.id not in excluded)
            kept = [h for h in hits if h.id not in excluded]
            if len(kept) >= k or len(hits) < wanted or not excluded:
                return [self._found(h, rank) for rank, h in enumerate(kept[:k], 1)]
            passed_over |= excluded
            wanted = min(2 * wanted, MAX_K)

    def explained(self, hits: Sequence[Found], parts: Mapping[str, np.ndarray]) -> list[Found]:
        """Hits with what each of a query's parts (``query_parts``) adds to their scores."""
        vectors = self.store.vectors([point_id(hit.file_name) for hit in hits])
        out = []
        for hit in hits:
            vector = vectors.get(point_id(hit.file_name))
            shares = {} if vector is None else {name: float(part @ vector) for name, part in parts.items()}
            out.append(replace(hit, parts=shares))
        return out

    def item(self, id: str) -> Payload:
        """What the index knows of a catalogue item, by its point id. Raises UserError when there is none."""
        payloads = self.store.retrieve([id])
        if id not in payloads:
            raise UserError(f"The catalogue has no item {id!r}; it may have been indexed again since.")
        return payloads[id]

    def item_cutout(self, payload: Payload, keep_source: bool = False) -> CutOut:
        """A catalogue item's garment, cut out as for the index. Raises UserError when its photo is not to be had."""
        if self.root is None:
            raise UserError("Where the catalogue's photos lie is not known; name their folder (--catalogue FOLDER).")
        photos = CataloguePhotos(self.root)
        mask = photos.mask(payload)
        return self.cut_out(read_image(photos.photo(payload)), None if mask is None else read_mask(mask), keep_source)

    def photo_of(self, payload: Payload) -> Place | None:
        """Where a catalogue item's photo lies, as far as is known; None where the index names one that is none of the
        catalogue's."""
        return _photo_of(self.root, payload)

    def _found(self, hit: Hit, rank: int) -> Found:
        p = hit.payload
        return Found(
            rank=rank,
            item_id=str(p.get("item_id", hit.id)),
            file_name=str(p.get("file_name", "")),
            find_photo=partial(_photo_of, self.root, p),
            score=float(hit.score),
            predicted=dict(p.get("predicted") or {}),
            confidence=dict(p.get("confidence") or {}),
            given=dict(p.get("given") or {}),
            details=details_of(p),
        )

    def close(self) -> None:
        """Release the store: its memory, its connection."""
        self.store.close()


def _photo_of(root: Path | None, payload: Payload) -> Place | None:
    try:
        return CataloguePhotos(root).photo(payload) if root else None
    except UserError:
        return None


class _Stopwatch:
    """Seconds of one stage after another."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """The time since the last call was this stage's."""
        now = time.perf_counter()
        self.seconds[stage], self._last = now - self._last, now


def _untouched(image: torch.Tensor) -> EditResult:
    import torch

    from amgan.editing.editor import EditResult

    return EditResult(image, torch.zeros(len(image), 1, *image.shape[-2:]), image)
