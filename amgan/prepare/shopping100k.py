"""Shopping100k (Ak et al., "Efficient Multi-Attribute Similarity Learning", WACV 2018), as its author released it.

``Shopping100k.zip``, packed or unpacked: ``Images/…`` (100,586 pictures) and ``Attributes/NAME.txt`` for twelve
attributes, 151 values. A line of each file is a picture with its label, ``PATH LABEL``, or the label alone, with the
paths in a file of their own; the pictures come in the same order in all of them. A label is a number, or a value's
name; -1 is missing or inapplicable. Whether numbers count from 0 or from 1 shows in the largest and the smallest.

Split: the paper's, 2,000 pictures at random for testing and the rest for training. Which ones was not published; here
they are those with the smallest SHA-256 of their path, and the next 2,000 are for validation, which the paper had not.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from amgan.data.names import relative_name
from amgan.errors import UserError
from amgan.prepare.release import Item, name_hash, schema_of
from amgan.prepare.sources import Source
from amgan.schema import UNKNOWN, AttributeSchema
from amgan.spelling import plain

# In the order of ADDE's attr_num.txt; the names of genders and sports were never published.
VALUES: dict[str, tuple[str, ...]] = {
    "category": (
        *("coat", "jacket", "suit", "shirt", "t-shirt", "jumper", "shorts", "trouser", "jean", "swimming", "jumpsuit"),
        *("pyjamas", "tracksuit bottoms", "tracksuit", "skirt", "dress"),
    ),
    "collar": (
        *("buttondown", "cutaway", "high", "hood", "kent", "lapel", "lined", "mandarin", "polo", "round", "shawl"),
        *("turndown", "v-neck", "peter pan", "volant", "shirt", "chin"),
    ),
    "color": (
        *("maroon", "black", "white", "charcoal", "indigo", "navy", "pink", "light blue", "blue", "beige", "orange"),
        *("yellow", "red", "purple", "brown", "olive", "green", "gray", "multi"),
    ),
    "fabric": (
        *("canvas", "crocheted", "denim", "fleece", "hardshell", "jersey", "jersey lace", "lace", "mesh"),
        *("mesh jersey", "rib", "softshell", "sweat", "leather"),
    ),
    "fastening": (
        *("zip", "back closure", "belt", "button", "covered", "hook", "laces", "no closure", "front", "others"),
    ),
    "fit": (
        *("bootcut", "flared", "high waist", "jeggings", "large", "loose", "low", "oversize", "regular", "skinny"),
        *("slim", "small", "straight", "tailered", "tapered"),
    ),
    "gender": ("gender-1", "gender-2"),
    "neckline": (
        *("boat", "backless", "cache-coeur", "henley", "low v-neck", "low round", "off-the-shoulder", "round"),
        *("square", "v-neck", "envelope"),
    ),
    "pattern": (
        *("animal", "burnout", "camouflage", "checked", "colour gradient", "colourful", "floral", "herringbone"),
        *("marl", "paisley", "photo", "pinstriped", "plain", "polka dot", "print", "striped"),
    ),
    "pocket": ("side", "cargo", "flap", "napoleon", "belt", "sleeve", "zip"),
    "sleeve": ("3/4", "spaghetti", "sleeveless", "elbow", "extra long", "extra short", "long", "short", "strapless"),
    "sport": tuple(f"sport-{k}" for k in range(1, 16)),
}
FILES = {name: f"Attributes/{'sleevelen' if name == 'sleeve' else name}.txt" for name in VALUES}
PICTURES = ("Images/", "images/", "")  # where paths of the labels begin
TEST, VALIDATION = 2000, 2000
FEWEST = 5  # of fewer pictures than five times TEST a fifth is for testing, and a twentieth for validation
_PICTURE = re.compile(r"(?P<path>.+?\.(?:jpe?g|png|webp|gif|bmp))(?:\s*[,;\t]\s*|\s+|$)(?P<label>.*)", re.IGNORECASE)


class Shopping100k:
    """See `amgan.prepare.release.Release`."""

    columns = ()

    def __init__(self, source: Path, images: Path | None) -> None:
        self.source = Source(source, "Images and Attributes of Shopping100k")
        top = next((t for f in FILES.values() if (t := self.source.folder_of(f)) is not None), None)
        if top is None:
            raise UserError(f"{source} has none of the label files of Shopping100k, such as {FILES['color']}.")
        self.files = {name: top + file for name, file in FILES.items() if self.source.has(top + file)}
        missing = [FILES[name] for name in VALUES if name not in self.files]
        self.sentences = (f"{source} lacks {', '.join(missing)}; those attributes are left out.",) if missing else ()
        self.sources = tuple(dict.fromkeys(self.source.path_of(f) for f in self.files.values()))
        self.schema: AttributeSchema = schema_of({name: VALUES[name] for name in self.files})
        self.paths = self._file_of_paths(top)
        self.names = [[plain(v) for v in VALUES[name]] for name in self.files]
        self.first, self.test_below, self.validation_below, self.count = self._survey()
        self.pictures = self.source if images is None else Source(images, "the pictures of Shopping100k")
        self.below = place_of(self.pictures, next(self._rows())[1])

    def __len__(self) -> int:
        return self.count

    def items(self, start: int) -> Iterator[Item]:
        for _, path, labels in islice(self._rows(), start, None):
            hashed = name_hash(path) >> 192
            split = "test" if hashed < self.test_below else "val" if hashed < self.validation_below else "train"
            cells = {
                a.name: a.values[index] if index != UNKNOWN else ""
                for a, index in zip(self.schema.attributes, self._indices(labels), strict=True)
            }
            yield Item(f"images/{path}", split, cells, partial(self._place, path))

    def finish(self, out: Path) -> None:
        """Nothing more."""

    def _place(self, path: str, out: Path) -> Mapping[str, str]:
        self.pictures.place(self.below + path, out / "images" / path)
        return {}

    def _rows(self) -> Iterator[tuple[int, str, list[str]]]:
        """Line number, path and labels of each picture, one line of every file at a time. Raises UserError."""
        readers = [self.source.lines(file) for file in self.files.values()]
        paths = None if self.paths is None else self.source.lines(self.paths)
        files = list(self.files.values())
        while True:
            lines = [next(r, None) for r in readers]
            named = None if paths is None else next(paths, None)
            if all(line is None for line in lines) and named is None:
                return
            for file, line in zip(files, lines, strict=True):
                if line is None or (paths is not None and named is None):
                    raise UserError(
                        f"{self.source.where(file)} has not as many lines as the others; each picture needs one."
                    )
            numbered = [line for line in lines if line is not None]
            number = numbered[0][0]
            found = [_PICTURE.fullmatch(text) for _, text in numbered] if paths is None else []
            if paths is None:
                labels = [m["label"] if m else "" for m in found]
                given = {m["path"] if m else "" for m in found}
                if len(given) != 1 or "" in given or "" in labels:
                    raise UserError(
                        f"{self.source.where(files[0])}, line {number}: the files of Attributes do not all name the "
                        "same picture there, with a label each."
                    )
                path = given.pop()
            else:
                labels, path = [text for _, text in numbered], named[1] if named else ""
            yield number, _below(path, self.source.where(files[0]), number), labels

    def _indices(self, labels: list[str]) -> list[int]:
        """Positions of labels among their values, UNKNOWN where missing."""
        out = []
        for names, label in zip(self.names, labels, strict=True):
            number = _whole(label)
            if number is None:
                out.append(names.index(plain(label)))
            else:
                out.append(UNKNOWN if number == -1 else number - self.first)
        return out

    def _survey(self) -> tuple[int, int, int, int]:
        """From which number labels count, the splits' bounds among the hashes of paths, and how many pictures there
        are. Raises UserError."""
        hashes, lowest, last = array("Q"), None, False
        for number, path, labels in self._rows():
            for file, names, label in zip(self.files.values(), self.names, labels, strict=True):
                value = _whole(label)
                if value == -1 or (value is None and plain(label) in names):
                    continue
                if value is None or not 0 <= value <= len(names):
                    raise UserError(
                        f"{self.source.where(file)}, line {number}: {label!r} is no label; {len(names)} values are "
                        "known, and -1."
                    )
                lowest = value if lowest is None else min(lowest, value)
                last = last or value == len(names)
            hashes.append(name_hash(path) >> 192)  # the first 64 bits
        if not hashes:
            raise UserError(f"{self.source.where(next(iter(self.files.values())))} is empty.")
        if lowest == 0 and last:
            raise UserError(
                "The labels of Attributes run from 0 to the number of values; they should count from 0 or from 1."
            )
        if lowest is not None and lowest > 0 and not last:
            raise UserError("The labels of Attributes have neither a 0 nor a largest value: from which do they count?")
        ordered = np.sort(np.frombuffer(hashes, dtype=np.uint64))
        if (ordered[1:] == ordered[:-1]).any():
            raise UserError(f"{self.source.path}: the files of Attributes name a picture twice.")
        n = len(ordered)
        test = min(TEST, n // FEWEST)
        validation = min(VALIDATION, n // (4 * FEWEST))
        bounds = [int(ordered[min(k, n - 1)]) for k in (test, test + validation)]
        return int(lowest != 0 and last), bounds[0], bounds[1], n

    def _file_of_paths(self, top: str) -> str | None:
        """The file that names the pictures, where the label files do not. Raises UserError."""
        first = next(iter(self.files.values()))
        line = next(self.source.lines(first), None)
        if line is None or _PICTURE.fullmatch(line[1]):
            return None
        for folder in ("Attributes", ""):
            within = f"{top}{folder}".rstrip("/")
            for name in self.source.files_in(within):
                file = f"{within}/{name}" if within else name
                if name.endswith(".txt") and file not in self.files.values():
                    found = next(self.source.lines(file), (0, ""))[1]
                    if (m := _PICTURE.fullmatch(found)) and not m["label"]:
                        return file
        raise UserError(
            f"{self.source.where(first)} has labels without pictures, and no other text file names these, one a line."
        )


def place_of(pictures: Source, first: str) -> str:
    """What stands before the paths of labels among the pictures, see ``PICTURES``. Raises UserError."""
    for folder in PICTURES:
        if (top := pictures.folder_of(f"{folder}{first}")) is not None:
            return f"{top}{folder}"
    raise UserError(
        f"The first picture, {first}, is not in {pictures.path}, nor in its Images; say by --images where it is."
    )


def _below(path: str, where: str, number: int) -> str:
    """A path of the labels below the folder of pictures."""
    try:
        name = relative_name(path)
    except UserError as error:
        raise UserError(f"{where}, line {number}: {error}") from None
    return name.removeprefix("Images/").removeprefix("images/")


def _whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
