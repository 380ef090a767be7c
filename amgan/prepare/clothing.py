"""The CC0 "Clothing dataset" of Alexey Grigorev and others (github.com/alexeygrigorev/clothing-dataset, or Kaggle).

``images.csv`` (``image,sender_id,label,kids``: the name of a picture without its ending, who sent it, one of twenty
words, True or False) and a folder of JPEGs. Upper-body garments are kept. The sleeve follows from the word, where it
can; the colour is that of most pixels under the mask; the mask is the classical segmenter's, and a photo whose mask
covers less than 15 % or more than 80 % is left out. Photos are brought to 256 pixels.

Split by the SHA-256 of the name: of a hundred residues 63 are train, 7 val, 30 test. The photographs that shipped
weights were trained on and measured with are of this data set; by this rule none of those is in another split here.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from amgan.errors import PhotoError, UserError
from amgan.photos import read_image
from amgan.photos.classical import Classical
from amgan.photos.colour_names import PALETTE_NAMES, name_colour
from amgan.photos.framing import binary, shrink
from amgan.prepare.release import Item, name_hash
from amgan.prepare.sources import Source
from amgan.prepare.writing import save_jpeg, save_png
from amgan.schema import AttributeSchema

LABELS = "images.csv"
FOLDERS = ("images", "images_compressed", "images_original")  # GitHub's, then Kaggle's
HEADER = ["image", "sender_id", "label", "kids"]
# What is kept, with the sleeve that the word implies; of shirts and blouses it says nothing.
SLEEVES = {
    "T-Shirt": "short",
    "Polo": "short",
    "Longsleeve": "long",
    "Hoodie": "long",
    "Undershirt": "sleeveless",
    "Top": "sleeveless",
    "Shirt": "",
    "Blouse": "",
}
OTHERS = frozenset(
    ("Blazer", "Body", "Dress", "Hat", "Not sure", "Other", "Outwear", "Pants", "Shoes", "Shorts", "Skip", "Skirt")
)
SIDE = 256  # pixels
COVERED = 0.15, 0.80  # share of the photo that a mask may cover
TEST_BELOW, VALIDATION_BELOW = 30, 37  # of a hundred residues


class ClothingDataset:
    """See `amgan.prepare.release.Release`."""

    columns = ("mask_file_name", "category", "color_share", "kids")

    def __init__(self, source: Path, images: Path | None) -> None:
        self.source = Source(source, "images.csv and images")
        top = self.source.folder_of(LABELS)
        if top is None:
            raise UserError(f"{source} has no {LABELS}; give a clone of clothing-dataset, or Kaggle's download.")
        self.labels = top + LABELS
        self.schema = AttributeSchema.from_dict(
            {"sleeve": ["sleeveless", "short", "long"], "color": list(PALETTE_NAMES)}
        )
        self.sources = (self.source.path_of(self.labels),)
        self.count, self.sentences = self._survey()
        self.pictures = self.source if images is None else Source(images, "the photos of clothing-dataset")
        self.folder = self._folder("" if images is not None else top)

    def __len__(self) -> int:
        return self.count

    def items(self, start: int) -> Iterator[Item]:
        return islice((self._item(*row) for _, row in self._rows() if row[1] in SLEEVES), start, None)

    def finish(self, out: Path) -> None:
        """Nothing more."""

    def _item(self, image: str, label: str, kids: str) -> Item:
        residue = name_hash(image) % 100
        split = "test" if residue < TEST_BELOW else "val" if residue < VALIDATION_BELOW else "train"
        cells = {"sleeve": SLEEVES[label], "category": label.lower(), "kids": kids.lower()}
        return Item(f"images/{image}.jpg", split, cells, partial(self._make, image))

    def _make(self, image: str, out: Path) -> Mapping[str, str]:
        name = f"{self.folder}{image}.jpg"
        if not self.pictures.has(name):
            raise PhotoError("missing", f"{self.pictures.where(name)} does not exist.")
        with self.pictures.open(name) as file:
            photo = shrink(np.asarray(read_image(file, name=self.pictures.where(name))), SIDE)
        mask = garment_mask(photo)
        share = float((mask > 0).mean())
        if not COVERED[0] <= share <= COVERED[1]:
            raise PhotoError("mask", f"{self.pictures.where(name)}: the garment found covers {share:.0%} of the photo.")
        colour = name_colour(photo, mask)
        save_png(out / "masks" / f"{image}.png", mask)
        save_jpeg(out / "images" / f"{image}.jpg", photo)
        return {"mask_file_name": f"masks/{image}.png", "color": colour.name, "color_share": f"{colour.share:.2f}"}

    def _rows(self) -> Iterator[tuple[int, tuple[str, str, str]]]:
        """Line number, and image, label and kids of each row. Raises UserError."""
        where = self.source.where(self.labels)
        for number, line in self.source.lines(self.labels):
            cells = next(csv.reader([line]))
            if number == 1:
                if cells != HEADER:
                    raise UserError(f"{where}, line 1: the columns are {cells}; the release has {HEADER}.")
                continue
            if len(cells) != len(HEADER):
                raise UserError(f"{where}, line {number}: {len(cells)} cells where the header has {len(HEADER)}.")
            image, _, label, kids = (cell.strip() for cell in cells)
            if not image or not set(image) <= set("0123456789abcdefABCDEF-_"):
                raise UserError(f"{where}, line {number}: {image!r} is no picture's name; in the release it is a UUID.")
            if label not in SLEEVES and label not in OTHERS:
                raise UserError(f"{where}, line {number}: the label {label!r} is none of the release's twenty.")
            if kids not in ("True", "False"):
                raise UserError(f"{where}, line {number}: kids is {kids!r}; it is True or False.")
            yield number, (image, label, kids)

    def _survey(self) -> tuple[int, tuple[str, ...]]:
        """How many upper-body garments there are, and sentences. Raises UserError."""
        others: Counter[str] = Counter()
        lines: dict[int, int] = {}
        for number, (image, label, _) in self._rows():
            if (before := lines.setdefault(name_hash(image) >> 192, number)) != number:
                raise UserError(f"{self.source.where(self.labels)}: lines {before} and {number} name {image} both.")
            others[label] += label in OTHERS
        count = len(lines) - others.total()
        if not count:
            raise UserError(f"{self.source.where(self.labels)} lists no upper-body garment.")
        words = ", ".join(f"{n:,} {label}" for label, n in others.most_common() if n)
        return count, ((f"Not upper-body garments, and not read: {words}.",) if words else ())

    def _folder(self, top: str) -> str:
        for folder in (*(f"{top}{f}/" for f in FOLDERS), top):
            if any(self.pictures.has(f"{folder}{image}.jpg") for _, (image, _, _) in islice(self._rows(), 100)):
                return folder
        raise UserError(
            f"None of the first pictures of {LABELS} is in {self.pictures.path} or its folders {', '.join(FOLDERS)}."
        )


def garment_mask(photo: np.ndarray) -> np.ndarray:
    """The garment, uint8 (H, W) of 0 and 255, in a photo uint8 (H, W, 3). Raises PhotoError where none is found."""
    found = Classical().segment(photo).mask
    return binary(cv2.resize(found, photo.shape[1::-1], interpolation=cv2.INTER_LINEAR))
