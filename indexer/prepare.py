"""A few photos of a catalogue, from their files to garments on white; this much runs in several threads at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from amgan.errors import PhotoError
from amgan.photos import CutOut, DecodeLimits, Segmenter
from amgan.photos.cutout import cut_out_several
from amgan.photos.registry import CLASSICAL
from indexer.catalogue import Item
from indexer.fetching import Fetcher
from indexer.opening import Opened, Wanted, open_photo, with_name
from indexer.refusals import Refusal
from retrieval.stores.base import Payload

# Ends of reasons, of the photo's and of the mask's, that may be gone tomorrow: disk and machine had no time or room.
_PASSING = ("unreadable", "out-of-memory", "too-slow", "decoder-died", "error")

# What of a stored payload says whether an item must be embedded again, or only told anew.
COMPARED = ("sha256", "mask_sha256", "cutout", "mask_file_name", "given", "details")


@dataclass(frozen=True)
class Prepared:
    """A garment ready to embed; hashes are SHA-256 of the files' bytes, in hex."""

    item: Item
    sha256: str
    mask_sha256: str | None
    cutout: CutOut


@dataclass(frozen=True)
class Unchanged:
    """The index holds this very photo and mask already; ``changes`` is what of its payload is said otherwise now."""

    item: Item
    changes: Payload = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """``size``: the side of a cut-out in pixels. ``keep_uncertain``: index what may be cut out wrongly. ``segmenter``:
    the encoder's own. ``fetcher``: has photos that are named by address. ``opener``: opens a photo, in this process or,
    of ``Decoders``, in another."""

    size: int
    keep_uncertain: bool = False
    limits: DecodeLimits = field(default_factory=DecodeLimits)
    segmenter: Segmenter | None = None
    opener: Callable[[Wanted], Opened] = open_photo
    fetcher: Fetcher = field(default_factory=Fetcher)


@dataclass(frozen=True)
class _Read:
    """A photo to be cut out, or cut out already, by its mask."""

    item: Item
    opened: Opened


Outcome = Prepared | Unchanged | Refusal


def prepare_several(
    entries: Sequence[tuple[Item, Payload | None]], settings: Settings
) -> tuple[list[Outcome], dict[str, float]]:
    """Read, compare and decode, then cut out together; never raises. Also returns the seconds by stage."""
    start = time.perf_counter()
    read = [_read(item, known, settings) for item, known in entries]
    between = time.perf_counter()
    uncut = [r.opened for r in read if isinstance(r, _Read) and r.opened.photo is not None]
    cuts = iter(_cut_out_together(uncut, settings))
    outcomes: list[Outcome] = [
        _decided(r, r.opened.cutout or next(cuts), settings) if isinstance(r, _Read) else r for r in read
    ]
    return outcomes, {"reading": between - start, "cutting out": time.perf_counter() - between}


def _refusal(item: Item, error: Exception) -> Refusal:
    if isinstance(error, PhotoError):
        return Refusal(item.file_name, error.reason, str(error))
    # One odd photo in a million must not end the run.
    sentence = f"{item.file_name} could not be prepared ({type(error).__name__}: {error})."
    return Refusal(item.file_name, "error", sentence)


def _cut_out_together(uncut: Sequence[Opened], settings: Settings) -> Sequence[CutOut | Exception]:
    segmenter = settings.segmenter or CLASSICAL
    try:
        photos = [u.photo for u in uncut if u.photo is not None]
        return cut_out_several(photos, [u.shape for u in uncut], settings.size, segmenter)
    except Exception as error:  # of one photo, but which?
        if len(uncut) == 1:
            return [error]
        return [cut for u in uncut for cut in _cut_out_together([u], settings)]


def _read(item: Item, known: Payload | None, settings: Settings) -> _Read | Unchanged | Refusal:
    try:
        return _opened(item, known, settings)
    except Exception as error:
        return _refusal(item, error)


def _opened(item: Item, known: Payload | None, settings: Settings) -> _Read | Unchanged:
    accepted = known is not None and _is_accepted(known, settings.keep_uncertain)
    sums = (known.get("sha256"), known.get("mask_sha256")) if known is not None and accepted else (None, None)
    wanted = Wanted(
        item.photo, item.file_name, item.mask, item.mask_file_name, *sums, size=settings.size, limits=settings.limits
    )
    if item.address:
        settings.fetcher(item.address, item.photo.file)
    opened = settings.opener(wanted)
    if known is not None and opened.unchanged:
        return Unchanged(item, {k: v for k, v in said_of(item).items() if (known.get(k) or None) != (v or None)})
    return _Read(item, opened)


def _decided(read: _Read, cutout: CutOut | Exception, settings: Settings) -> Prepared | Refusal:
    name = read.item.file_name
    if isinstance(cutout, PhotoError):
        return _refusal(read.item, with_name(cutout, name))
    if isinstance(cutout, Exception):
        return _refusal(read.item, cutout)
    if read.opened.cutout is None and not cutout.trusted and not settings.keep_uncertain:
        # A wrong cut would be served as a wrong garment; whoever wants it can say so.
        sentence = (
            f"{name}: it is not certain that the garment was cut out correctly. {' '.join(cutout.problems)} "
            "Name a mask in the metadata (mask_file_name), or index it all the same with --keep-uncertain."
        )
        return Refusal(name, "cut-out-uncertain", sentence)
    return Prepared(read.item, read.opened.sha256, read.opened.mask_sha256, cutout)


def not_readable_now(item: Item, refusal: Refusal) -> bool:
    """Whether a refusal speaks of the disk or the machine, not of the garment; see ``indexer.catalogue``."""
    if refusal.reason.endswith("missing"):
        return item.behind_dead_link()
    return refusal.reason.endswith(_PASSING)


def said_of(item: Item) -> Payload:
    """What a payload holds of the catalogue's own words, which may change without the picture."""
    return {"mask_file_name": item.mask_file_name, "given": item.given, "details": item.details}


def _is_accepted(known: Payload, keep_uncertain: bool) -> bool:
    """Whether what the index holds would be taken in today: a run with other options may have made it."""
    cutout = known.get("cutout") or {}
    return bool(keep_uncertain or cutout.get("trusted") or cutout.get("method") == "given")
