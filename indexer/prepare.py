"""One photo of a catalogue, from its file to a garment on white; this much runs in several threads at once."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field

from amgan.errors import PhotoError
from amgan.photos import CutOut, DecodeLimits, Segmenter, cut_out, read_image, read_mask
from amgan.photos.decode import read_file
from indexer.catalogue import Item
from indexer.refusals import Refusal
from retrieval.stores.base import Payload

# What of a stored payload says whether an item must be embedded again.
COMPARED = ("sha256", "mask_sha256", "given", "cutout")


@dataclass(frozen=True)
class Prepared:
    """A garment ready to embed; hashes are SHA-256 of the files' bytes, in hex."""

    item: Item
    sha256: str
    mask_sha256: str | None
    cutout: CutOut


@dataclass(frozen=True)
class Unchanged:
    """The index holds this very photo, mask and labels already."""

    item: Item


@dataclass(frozen=True)
class Settings:
    """``size``: the side of a cut-out in pixels. ``keep_uncertain``: index what may be cut out wrongly. ``segmenter``:
    the encoder's own."""

    size: int
    keep_uncertain: bool = False
    limits: DecodeLimits = field(default_factory=DecodeLimits)
    segmenter: Segmenter | None = None


def prepare(item: Item, known: Payload | None, settings: Settings) -> tuple[Prepared | Unchanged | Refusal, float]:
    """Read, compare, decode and cut out; never raises. Also returns the seconds it took."""
    start = time.perf_counter()
    try:
        outcome = _prepare(item, known, settings)
    except PhotoError as error:
        outcome = Refusal(item.file_name, error.reason, str(error))
    except Exception as error:  # one odd photo in a million must not end the run
        sentence = f"{item.file_name} could not be prepared ({type(error).__name__}: {error})."
        outcome = Refusal(item.file_name, "error", sentence)
    return outcome, time.perf_counter() - start


def _prepare(item: Item, known: Payload | None, settings: Settings) -> Prepared | Unchanged | Refusal:
    limits, name = settings.limits, item.file_name
    data = read_file(item.file, limits, name)
    sha256, mask_data, mask_sha256 = hashlib.sha256(data).hexdigest(), None, None
    if item.mask_file is not None:
        try:
            mask_data = read_file(item.mask_file, limits, f"{name}: its mask {item.mask_file_name}")
        except PhotoError as error:
            raise PhotoError(f"mask-{error.reason}", str(error)) from None
        mask_sha256 = hashlib.sha256(mask_data).hexdigest()
    if known is not None and _is_current(item, known, sha256, mask_sha256, settings.keep_uncertain):
        return Unchanged(item)
    image, mask = read_image(data, limits, name), None
    if mask_data is not None:
        try:
            mask = read_mask(mask_data, limits, f"{name}: its mask {item.mask_file_name}")
        except PhotoError as error:
            raise PhotoError(f"mask-{error.reason}", str(error)) from None
    try:
        cutout = cut_out(image, mask, settings.size, segmenter=settings.segmenter)
    except PhotoError as error:  # speaks of "the photo", not knowing its name
        raise PhotoError(error.reason, f"{name}: {error}") from None
    if mask is None and not cutout.trusted and not settings.keep_uncertain:
        # A wrong cut would be served as a wrong garment; whoever wants it can say so.
        sentence = (
            f"{name}: it is not certain that the garment was cut out correctly. {' '.join(cutout.problems)} "
            "Name a mask in the metadata (mask_file_name), or index it all the same with --keep-uncertain."
        )
        return Refusal(name, "cut-out-uncertain", sentence)
    return Prepared(item, sha256, mask_sha256, cutout)


def _is_current(item: Item, known: Payload, sha256: str, mask_sha256: str | None, keep_uncertain: bool) -> bool:
    cutout = known.get("cutout") or {}
    accepted = keep_uncertain or cutout.get("trusted") or cutout.get("method") == "given"
    same = (known.get("sha256"), known.get("mask_sha256"), known.get("given")) == (sha256, mask_sha256, item.given)
    return bool(same and accepted)
