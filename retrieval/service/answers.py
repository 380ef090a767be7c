"""The work behind each operation, done in worker threads: parse, cut out, edit, search, and write the answer."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
import time
from functools import lru_cache
from typing import Any, cast

import torch
from PIL import Image
from starlette.responses import Response

from amgan.attributes import asked_of
from amgan.editing.editor import REGIONS, EditResult, check_edits, finds_sleeves
from amgan.editing.editor import Region as EditorRegion
from amgan.editing.source_size import at_source_size
from amgan.errors import PhotoError
from amgan.photos import CutOut, read_image
from amgan.photos.decode import Place
from retrieval.details import details_of, web_address
from retrieval.query import QueryWeights
from retrieval.results import Found
from retrieval.search import Searcher
from retrieval.service import bodies
from retrieval.service.bodies import Query
from retrieval.service.garments import choose, find_item, item_photo, parse
from retrieval.service.keys import Caller
from retrieval.service.live import LiveCatalogue, Version
from retrieval.service.pictures import data_address, encode, of_mask, of_tensor, width_at_least
from retrieval.service.problems import Problem, as_problems
from retrieval.service.settings import Limits
from retrieval.stores.base import point_id
from retrieval.stores.filters import resolve_filter
from retrieval.wording import REASONS, understand

_COUNTED_SECONDS = 60.0  # for which counts of attributes are believed
_THUMBNAILS = 512  # about 20 KB each, the widest 400 KB


class Answers:
    """What a service answers; every method is safe in several threads at once and raises Problem or StoreFailed."""

    def __init__(self, live: LiveCatalogue, limits: Limits) -> None:
        self.live, self.limits = live, limits
        self._counted: tuple[str, float, bytes] = ("", 0.0, b"")
        self._counting = threading.Lock()
        self._thumbnail = lru_cache(_THUMBNAILS)(_thumbnail)

    def search(self, query: Query, caller: Caller) -> Response:
        asked = parse(bodies.SearchRequest, query, caller)
        last = asked.k * asked.page
        if last > bodies.DEEPEST:
            raise Problem("invalid", f"Page {asked.page} of {asked.k} hits lies beyond {bodies.DEEPEST:,} hits.")
        with self.live.use() as version:
            searcher = version.searcher
            wanted = _wanted(searcher, asked)
            with as_problems():
                resolve_filter(asked.filter, searcher.store.schema)
                weights = _weights(asked.weights, searcher.weights)
            chosen = choose(searcher, asked, query, self.limits.decode, keep_source=asked.picture == "source")
            with as_problems():
                result = searcher.find_similar(
                    chosen.cutout,
                    wanted.edit,
                    last + 1,  # one more tells whether there is another page
                    asked.filter,
                    weights,
                    wanted.region,
                    chosen.exclude,
                    asked.strength,
                    chosen.given | asked.known,
                    asked.text,
                    asked.explain,
                )
            picture = None
            if wanted.edit and asked.picture != "none":
                picture = data_address(of_tensor(_at(asked.picture, result.edited, chosen.cutout).image[0]))
            page = slice(last - asked.k, last)
            more = len(result.hits) > last and last + asked.k <= bodies.DEEPEST
            answer = _json(
                bodies.SearchAnswer(
                    edits=result.edit,
                    region=result.only_on,
                    left_out=wanted.left_out,
                    predicted=result.predicted,
                    cutout=_facts(result.cutout),
                    picture=picture,
                    hits=[_hit(h) for h in result.hits[page]],
                    unedited_hits=[_hit(h) for h in result.unedited_hits[page]] if asked.unedited else None,
                    page=asked.page,
                    next_page=asked.page + 1 if more else None,
                    version=version.name,
                )
            )
            spent = (f"{stage};dur={1000 * seconds:.1f}" for stage, seconds in result.seconds.items())
            answer.headers["Server-Timing"] = ", ".join(spent)
            return answer

    def edit(self, query: Query, caller: Caller, picture_type: str | None) -> Response:
        asked = parse(bodies.EditRequest, query, caller)
        with self.live.use() as version:
            searcher = version.searcher
            edit = _checked(searcher, asked.edits, asked.region)
            cutout = choose(searcher, asked, query, self.limits.decode, keep_source=asked.size == "source").cutout
            image = torch.from_numpy(cutout.image.copy()).permute(2, 0, 1)[None]  # (1, 3, H, W)
            with as_problems():
                made = searcher.editor.edit(image, edit, cast("EditorRegion | None", asked.region))
        shown = _at(asked.size, made, cutout)
        picture = of_tensor(shown.image[0])
        if picture_type:
            return Response(encode(picture, picture_type), media_type=picture_type)
        return _json(
            bodies.EditAnswer(
                edits=edit,
                region=asked.region,
                cutout=_facts(cutout),
                picture=data_address(picture),
                mask=data_address(of_mask(shown.mask[0, 0])),
                changed=round(float(made.mask.mean()), 4),
            )
        )

    def cut_out(self, query: Query, caller: Caller, picture_type: str | None) -> Response:
        asked = parse(bodies.CutOutRequest, query, caller)
        with self.live.use() as version:
            searcher = version.searcher
            keep = asked.size == "source"
            cutout = choose(searcher, asked, query, self.limits.decode, keep_source=keep, confirm=False).cutout
            image = torch.from_numpy(cutout.image.copy()).permute(2, 0, 1)[None]  # (1, 3, H, W)
            representation = searcher.representation
            predicted = representation.describe(representation.embed(image)[1][0])[0]
        shown = cutout.source or cutout
        picture = Image.fromarray(shown.image)
        if picture_type:
            return Response(encode(picture, picture_type), media_type=picture_type)
        return _json(
            bodies.CutOutAnswer(
                cutout=_facts(cutout),
                predicted=predicted,
                picture=data_address(picture),
                mask=data_address(Image.fromarray(shown.mask)),
            )
        )

    def item(self, name: str) -> Response:
        with self.live.use() as version:
            id, payload = find_item(version.searcher, name)
        return _json(bodies.Garment(**_garment(id, payload.get("item_id"), payload, details_of(payload))))

    def picture(self, id: str, width: int, seen: str | None) -> Response:
        """An item's photo; ``seen`` is the ``If-None-Match`` that came along."""
        width = width_at_least(width)
        with self.live.use() as version:
            _, payload = find_item(version.searcher, id)
            place = item_photo(version.searcher, payload)
        mark = hashlib.sha256(f"{payload.get('sha256')} {payload.get('file_name')} {width}".encode()).hexdigest()[:24]
        headers = {"ETag": f'"{mark}"', "Cache-Control": "public, max-age=86400"}
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"  # a shop's pages lie elsewhere
        if seen is not None and mark in seen:
            return Response(status_code=304, headers=headers)
        try:
            data = self._thumbnail(place, mark, width)
        except PhotoError as error:
            raise Problem("not-found", "The photo of this item is not to be had here.") from error
        return Response(data, media_type="image/webp", headers=headers)

    def attributes(self) -> Response:
        with self.live.use() as version, self._counting:
            name, then, answer = self._counted
            if name != version.name or time.monotonic() - then > _COUNTED_SECONDS:
                answer = _attributes(version).model_dump_json().encode()
                self._counted = (version.name, time.monotonic(), answer)
        return Response(answer, media_type="application/json")


def _attributes(version: Version) -> bodies.AttributesAnswer:
    searcher = version.searcher
    facts = []
    for attribute in searcher.schema.attributes:
        counts = searcher.store.facet(attribute.name)
        values = {value: counts.get(value, 0) for value in attribute.values}
        facts.append(bodies.AttributeFacts(name=attribute.name, values=values, edits=asked_of(attribute)))
    edited = searcher.editor.schema
    regional = "color" in edited.editable and finds_sleeves(edited)
    return bodies.AttributesAnswer(
        attributes=facts,
        regions=list(REGIONS) if regional else [],
        items=searcher.store.count(),
        version=version.name,
    )


@dataclasses.dataclass(frozen=True)
class _Wanted:
    """What a search asks to change: a canonical edit, where, and which of the shopper's words ask for nothing."""

    edit: dict[str, str]
    region: EditorRegion | None
    left_out: list[bodies.LeftOut]


def _wanted(searcher: Searcher, asked: bodies.SearchRequest) -> _Wanted:
    """Raises Problem for an edit that cannot be made, and for words that name none."""
    if asked.say is None:
        edit = _checked(searcher, asked.edits, asked.region)
        return _Wanted(edit, cast("EditorRegion | None", asked.region), [])
    if asked.edits or asked.region:
        raise Problem("invalid", "Say what should change either in words (say) or by attribute (edits, region).")
    with as_problems():
        wording = understand(asked.say, searcher.schema)
    left_out = [bodies.LeftOut(words=u.words, reason=REASONS[u.reason]) for u in wording.unused]
    if not wording.edit:
        can = "; ".join(f"{a.name}: {', '.join(asked_of(a))}" for a in searcher.schema.attributes if a.editable)
        raise Problem(
            "invalid",
            f"The words name nothing to change. What can be set: {can}.",
            left_out=[u.model_dump() for u in left_out],
        )
    return _Wanted(_checked(searcher, wording.edit, wording.only_on), wording.only_on, left_out)


def _checked(searcher: Searcher, edits: dict[str, str], region: str | None) -> dict[str, str]:
    """The canonical edit. Raises Problem for one that cannot be made."""
    if region and not edits:
        raise Problem("invalid", f"Only on the {region} says where a colour edit may draw, and no edit is asked for.")
    with as_problems():
        edit = searcher.schema.canonical(edits) if edits else {}
        if edit:
            check_edits(searcher.editor.schema, 1, edit, region)
    return edit


def _weights(given: dict[str, float], usual: QueryWeights) -> QueryWeights:
    known = [field.name for field in dataclasses.fields(QueryWeights)]
    for name in given:
        if name not in known:
            raise Problem("invalid", f"There is no weight {name!r}; there are {', '.join(known)}.")
    return dataclasses.replace(usual, **cast("dict[str, Any]", given))


def _at(size: str, made: EditResult, cutout: CutOut) -> EditResult:
    return at_source_size(made, cutout) if size == "source" else made


def _facts(cutout: CutOut) -> bodies.CutOutFacts:
    return bodies.CutOutFacts(
        method=cutout.method,
        confidence=round(float(cutout.confidence), 4),
        trusted=cutout.trusted,
        problems=list(cutout.problems),
    )


def _hit(found: Found) -> bodies.Hit:
    known = {"predicted": found.predicted, "confidence": found.confidence, "given": found.given}
    garment = _garment(point_id(found.file_name), found.item_id, known, found.details)
    return bodies.Hit(rank=found.rank, **found.rounded, **garment)


def _garment(id: str, item_id: Any, payload: dict[str, Any], details: dict[str, str]) -> dict[str, Any]:
    return {
        "id": id,
        "item_id": str(item_id or id),
        "predicted": dict(payload.get("predicted") or {}),
        "confidence": dict(payload.get("confidence") or {}),
        "given": dict(payload.get("given") or {}),
        "details": details,
        "url": web_address(details),
        "picture": f"/v1/pictures/{id}",
    }


def _thumbnail(place: Place, mark: str, width: int) -> bytes:
    """A photo, whole, at most that wide; ``mark`` changes when the photo does."""
    picture = read_image(place)
    picture.thumbnail((width, 4 * width), Image.Resampling.LANCZOS, reducing_gap=3)
    return encode(picture, "image/webp")


def _json(answer: Any) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")
