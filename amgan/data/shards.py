"""Catalogues in WebDataset shards: ``.tar`` files whose members of one key, one behind the other, are one garment.

    000017.jpg  000017.json  000017.mask.png     photo, columns as a JSON object, mask (these two where there are any)

Nothing is unpacked: a photo is read from where it lies in its shard.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from amgan.errors import UserError
from amgan.photos.decode import Place, display_name
from amgan.photos.listing import SUFFIXES

_COLUMNS_AT_MOST = 2**20  # bytes of a JSON member


@dataclass
class Sample:
    """One garment: its name ``shard.tar/000017.jpg``, where photo and mask lie, and its columns as text.

    ``problem`` says why it cannot be used: a reason and a sentence.
    """

    name: str
    photo: Place | None = None
    mask: Place | None = None
    cells: dict[str, str] = field(default_factory=dict)
    problem: tuple[str, str] | None = None


def find_shards(catalogue: Path) -> list[Path]:
    """The shards that a catalogue consists of: itself, or those directly in the folder."""
    if catalogue.is_file():
        return [catalogue] if catalogue.suffix == ".tar" else []
    return [p for p in _named(catalogue) if os.path.isfile(p)]


def unseen_shards(folder: Path) -> list[Path]:
    """What is there by name only: links that lead nowhere now, as to a disk that is not mounted."""
    return [p for p in _named(folder) if not os.path.exists(p)]


def _named(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*.tar") if not p.name.startswith("."))


def samples(shard: Path) -> Iterator[Sample]:
    """The garments of a shard, in its order. Raises UserError when it is no whole tar file."""
    try:
        with tarfile.open(shard, "r:") as file:  # not compressed: photos are, and one must be found without the others
            current: tuple[str, Sample] | None = None
            for member in file:
                if not member.isreg():
                    continue  # a link could lead anywhere
                folder, _, base = member.name.rpartition("/")
                stem, _, ending = base.partition(".")
                key = f"{folder}/{stem}" if folder else stem
                if current is None or current[0] != key:
                    if current is not None:
                        yield _whole(current[1])
                    current = key, Sample(f"{shard.name}/{key}")
                _add(current[1], file, shard, member, ending.lower())
            if current is not None:
                yield _whole(current[1])
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UserError(f"{shard} cannot be read as an uncompressed tar file: {error}.") from None


def _add(sample: Sample, file: tarfile.TarFile, shard: Path, member: tarfile.TarInfo, ending: str) -> None:
    place = Place(shard, member.offset_data, member.size)
    if f".{ending}" in SUFFIXES:
        if sample.photo is None:
            sample.photo, sample.name = place, f"{sample.name}.{ending}"
    elif ending.startswith("mask.") and f".{ending.removeprefix('mask.')}" in SUFFIXES:
        sample.mask = place
    elif ending == "json":
        try:
            data = file.extractfile(member)
            text = data.read(_COLUMNS_AT_MOST + 1) if data else b""
            values = json.loads(text) if len(text) <= _COLUMNS_AT_MOST else None
            if not isinstance(values, dict):
                raise ValueError
            cells = {str(k): _text(v) for k, v in values.items()}
            "".join((*cells, *cells.values())).encode()  # half a character can be neither printed nor stored
            sample.cells = cells
        except (ValueError, RecursionError):
            shown = f"{display_name(sample.name)}: {display_name(member.name)}"
            sample.problem = ("bad-columns", f"{shown} is not one JSON object of at most 1 MB and whole characters.")


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _whole(sample: Sample) -> Sample:
    if sample.photo is None and sample.problem is None:
        shown = display_name(sample.name)
        sample.problem = ("no-photo", f"{shown} has no photo; it lies beside its other members as .jpg or .png.")
    return sample
