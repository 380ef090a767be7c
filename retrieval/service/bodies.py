"""What requests ask and what answers hold: the models behind the OpenAPI document.

Every request about a garment is JSON, or ``multipart/form-data`` with the photo as a file ``photo``, its mask as
``mask`` and the same JSON as ``query``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from retrieval.query import DEFAULT_WEIGHTS

DEEPEST = 1000  # hits that can be paged through

Word = Annotated[str, Field(min_length=1, max_length=200)]
Edits = Annotated[
    dict[Word, Word],
    Field(max_length=16, description="Wanted values by attribute; `GET /v1/attributes` says which there are."),
]
Region = Annotated[
    Literal["sleeve", "torso"] | None, Field(description="The part that a colour edit is kept to; null: all of it.")
]
Size = Annotated[
    Literal["model", "source"],
    Field(description="`model`: as the search sees it. `source`: about the photo's own size, up to 2,048 pixels."),
]


class Asked(BaseModel):
    """A garment: an item of the catalogue, or a photo."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    item: str | None = Field(
        None, min_length=1, max_length=1024, description="An item's `id` or `item_id`, in place of a photo."
    )
    photo: str | None = Field(
        None,
        description="The photo in base64, where it does not come as a file: JPEG, PNG, WebP, AVIF, TIFF, GIF, BMP.",
    )
    mask: str | None = Field(
        None, description="The garment's mask in base64, white on the garment; usually not needed."
    )
    accept_cutout: bool = Field(
        False, description="Go on even where the garment may not have been found in the photo (`uncertain-cut-out`)."
    )


class CutOutRequest(Asked):
    model_config = ConfigDict(json_schema_extra={"examples": [{"item": "images/shirt-17"}]})

    size: Size = "model"


class EditRequest(Asked):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"item": "images/shirt-17", "edits": {"color": "red"}, "region": "sleeve"}]}
    )

    edits: Edits = Field(min_length=1)
    region: Region = None
    size: Size = "source"


class SearchRequest(Asked):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"item": "images/shirt-17", "edits": {"sleeve": "long"}, "k": 8},
                {"item": "images/shirt-17", "say": "long sleeves, in navy"},
                {
                    "item": "images/shirt-17",
                    "edits": {"sleeve": "long", "color": "navy"},
                    "filter": {"kind": ["shirt", "polo"]},
                    "weights": {"image": 0.5, "wanted": 2},
                    "page": 2,
                    "picture": "source",
                    "unedited": True,
                },
            ]
        }
    )

    edits: Edits = Field(default={})
    region: Region = None
    say: str | None = Field(
        None,
        min_length=1,
        max_length=500,
        description="In place of `edits` and `region`: what should change, in a shopper's own words (English, Korean, "
        "Chinese).",
    )
    strength: float = Field(1.0, ge=0, le=1, description="How much of the edit is searched for; 1 is all of it.")
    known: dict[Word, Word] = Field(
        default={},
        max_length=32,
        description="Attributes of the garment as it is, as somebody says; of an item the catalogue's own count too.",
    )
    k: int = Field(10, ge=1, le=100, description="Hits on a page.")
    page: int = Field(1, ge=1, le=DEEPEST, description=f"From 1; no further than {DEEPEST:,} hits.")
    filter: dict[Word, Word | Annotated[list[Word], Field(min_length=1, max_length=64)]] = Field(
        default={},
        max_length=32,
        description="Only garments whose attributes have one of these values: those predicted; with `given.` before "
        "the attribute those the catalogue states; with `label.` these where there are any, else those predicted.",
    )
    weights: dict[Word, Annotated[float, Field(ge=0, le=1000)]] = Field(
        default={},
        max_length=16,
        description=f"How much each part of the query counts; those not named keep what was fitted for "
        f"the index (`fit-query-weights`), else their default: "
        f"{', '.join(f'{name} {value:g}' for name, value in vars(DEFAULT_WEIGHTS).items())}.",
    )
    picture: Size | Literal["none"] = Field(
        "model", description="The edited picture in the answer; `none` leaves it out."
    )
    text: str = Field(
        "",
        max_length=500,
        description="What else hits should be like, in words; the index's embedder must read text.",
    )
    unedited: bool = Field(False, description="Also what the garment finds without the edit.")
    explain: bool = Field(False, description="Say what each part of the query adds to a hit's score.")


class Garment(BaseModel):
    """What the catalogue knows of an item."""

    id: str = Field(description="A UUID; stays the same as long as the photo's name does.")
    item_id: str = Field(description="The photo's name without its ending.")
    predicted: dict[str, str] = Field(description="Attributes as the index's network sees them.")
    confidence: dict[str, float] = Field(description="How sure it is, 0 to 1.")
    given: dict[str, str] = Field(description="Attributes that the catalogue states.")
    details: dict[str, str] = Field(description="What else it states: name, brand, price, currency, url, …")
    url: str | None = Field(description="Of the item's page, where the catalogue has a usable one.")
    picture: str = Field(description="Address of its photo, relative to the service; `?width=` makes it smaller.")


class Hit(Garment):
    rank: int = Field(description="From 1, over all pages.")
    score: float = Field(description="Similarity to the query, at most 1.")
    parts: dict[str, float] = Field(
        description="What the query's parts add to it: image, twin, text, wanted, kept; empty without `explain`."
    )


class CutOutFacts(BaseModel):
    """How the garment was found in the photo."""

    method: str
    confidence: float = Field(description="0 to 1.")
    trusted: bool
    problems: list[str] = Field(description="Sentences on what speaks against it.")


class CutOutAnswer(BaseModel):
    cutout: CutOutFacts
    predicted: dict[str, str]
    picture: str = Field(description="The garment on white, as a `data:` address.")
    mask: str = Field(description="White on the garment, as a `data:` address.")


class EditAnswer(BaseModel):
    edits: dict[str, str] = Field(description="In the catalogue's own words.")
    region: str | None
    cutout: CutOutFacts
    picture: str = Field(description="The edited garment on white, as a `data:` address.")
    mask: str = Field(description="What the network painted anew, white, as a `data:` address.")
    changed: float = Field(description="Share of the picture that was painted anew, 0 to 1.")


class LeftOut(BaseModel):
    """Words of `say` that ask for nothing that could be done."""

    words: str
    reason: str


class SearchAnswer(BaseModel):
    edits: dict[str, str] = Field(description="In the catalogue's own words.")
    region: str | None
    left_out: list[LeftOut] = Field(description="Of `say`, what was not understood or cannot be done.")
    predicted: dict[str, str] = Field(description="Attributes of the garment before the edit.")
    cutout: CutOutFacts
    picture: str | None = Field(description="The edited garment on white, as a `data:` address.")
    hits: list[Hit]
    unedited_hits: list[Hit] | None = Field(description="Where they were asked for.")
    page: int
    next_page: int | None = Field(description="Null on the last page.")
    version: str = Field(description="Of the index that answered.")


class AttributeFacts(BaseModel):
    name: str
    values: dict[str, int] = Field(description="Values, with how many items are predicted to have them.")
    edits: list[str] = Field(description="Values that can be asked for; none where it is only known.")


class AttributesAnswer(BaseModel):
    attributes: list[AttributeFacts]
    regions: list[str] = Field(description="Parts that a colour edit can be kept to.")
    items: int = Field(description="Garments in the catalogue.")
    version: str = Field(description="Of the index.")


class Health(BaseModel):
    status: str


class Readiness(BaseModel):
    status: str
    collection: str
    version: str


@dataclass(frozen=True)
class Query:
    """A request about a garment as it came: its JSON, still to be read, and the files beside it."""

    json: bytes
    photo: bytes | None = None
    mask: bytes | None = None


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """The ``requestBody`` of an operation, in both of its forms."""
    schema = model.model_json_schema()
    examples = {f"example {i}": {"value": e} for i, e in enumerate(schema.pop("examples", []), 1)}
    beside = {k: v for k, v in schema["properties"].items() if k not in ("item", "photo", "mask")}
    query = {"type": "object", "properties": beside, "additionalProperties": False}
    query |= {"required": schema["required"]} if "required" in schema else {}
    file = {"type": "string", "format": "binary"}
    form = {
        "type": "object",
        "properties": {"photo": file, "mask": file, "query": query},
        "required": ["photo", *(["query"] if "required" in schema else [])],
        "additionalProperties": False,
    }
    return {
        "required": True,
        "content": {
            "application/json": {"schema": schema, "examples": examples},
            "multipart/form-data": {"schema": form, "encoding": {"query": {"contentType": "application/json"}}},
        },
    }
