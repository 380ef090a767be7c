"""The split files of ADDE (Hou et al., ICCV 2021; github.com/amzn/fashion-attribute-disentanglement, ``splits/NAME``).

``attr_num.txt``                 values of each attribute
``imgs_train.txt, imgs_test.txt``     a picture's path a line
``labels_train.txt, labels_test.txt`` 0 and 1 for each value, a picture a line; a block of zeros is a missing label
``ref_test.txt, indfull_test.txt, gt_test.txt`` the queries; they are kept, with ``imgs_test.txt``, in ``queries/``

The pictures come from the data set itself (``--images``): Shopping100k, or DeepFashion's category and attribute
prediction. All files lie in Git LFS: a clone without it has pointers. Where the numbers of values are Shopping100k's
the names are its own; elsewhere values are numbered. One in twenty of train is for validation: ADDE chose its epoch on
test.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from amgan.data.names import relative_name
from amgan.errors import UserError
from amgan.prepare.release import Item, name_hash, schema_of, validation_split
from amgan.prepare.shopping100k import VALUES, place_of
from amgan.prepare.sources import Source

COUNTS, SPLITS = "attr_num.txt", ("train", "test")
QUERIES = ("imgs_test.txt", "ref_test.txt", "indfull_test.txt", "gt_test.txt")
DEEPFASHION = ("category", "texture", "shape")  # 202 values


class Adde:
    """See `amgan.prepare.release.Release`."""

    columns = ()
    sentences = ()

    def __init__(self, source: Path, images: Path | None) -> None:
        if not source.is_dir():
            raise UserError(
                f"{source} is not a folder; give splits/Shopping100k or splits/DeepFashion of ADDE's clone."
            )
        if images is None:
            raise UserError("ADDE's files name pictures of another data set; say by --images where these are.")
        self.files = Source(source, "ADDE's split files")
        self.values = _values(self.files)
        self.schema = schema_of(self.values)
        self.ends = np.cumsum([len(v) for v in self.values.values()])
        self.counts = self._survey()
        for query in QUERIES[1:]:
            if self.files.has(query):
                next(self.files.lines(query), None)  # raises on a pointer
        labels = [f"{kind}_{split}.txt" for split in SPLITS for kind in ("imgs", "labels")]
        self.sources = tuple(source / name for name in (COUNTS, *labels))
        self.pictures = Source(images, "the pictures that ADDE's files name")
        self.below = place_of(self.pictures, next(self._rows("train"))[1])

    def __len__(self) -> int:
        return sum(self.counts.values())

    def items(self, start: int) -> Iterator[Item]:
        return islice(self._all(), start, None)

    def finish(self, out: Path) -> None:
        """The query files, which count in the lines of ``imgs_test.txt``."""
        if all(self.files.has(query) for query in QUERIES):
            for query in QUERIES:
                self.files.place(query, out / "queries" / query)

    def _all(self) -> Iterator[Item]:
        for split in SPLITS:
            for _, path, labels in self._rows(split):
                yield Item(f"images/{path}", validation_split(split, path), labels, partial(self._place, path))

    def _place(self, path: str, out: Path) -> Mapping[str, str]:
        self.pictures.place(self.below + path, out / "images" / path)
        return {}

    def _rows(self, split: str) -> Iterator[tuple[int, str, dict[str, str]]]:
        """Line number, path and labels by attribute of each picture of a split. Raises UserError."""
        paths, labels = self.files.lines(f"imgs_{split}.txt"), self.files.lines(f"labels_{split}.txt")
        where = self.files.where(f"labels_{split}.txt")
        while True:
            path, line = next(paths, None), next(labels, None)
            if path is None and line is None:
                return
            if path is None or line is None:
                raise UserError(f"{where} has not as many lines as imgs_{split}.txt; one for each picture is needed.")
            number, text = line
            try:
                name = relative_name(path[1])
            except UserError as error:
                raise UserError(f"{self.files.where(f'imgs_{split}.txt')}, line {number}: {error}") from None
            yield number, name, self._decoded(text, f"{where}, line {number}")

    def _decoded(self, text: str, where: str) -> dict[str, str]:
        bits = text.split()
        if len(bits) != self.ends[-1]:
            raise UserError(f"{where}: {len(bits)} numbers; {COUNTS} has {self.ends[-1]} values.")
        if not set(bits) <= {"0", "1"}:
            raise UserError(
                f"{where}: a label is 0 or 1 for each value; there is {sorted(set(bits) - {'0', '1'})[0]!r}."
            )
        labels = dict.fromkeys(self.values, "")
        for at in (i for i, bit in enumerate(bits) if bit == "1"):
            m = int(np.searchsorted(self.ends, at, side="right"))
            name, values = list(self.values.items())[m]
            if labels[name]:
                raise UserError(f"{where}: two values of the {name}; a picture has one of them, or none.")
            labels[name] = values[at - int(self.ends[m])]  # from the end
        return labels

    def _survey(self) -> dict[str, int]:
        """How many pictures each split has. Raises UserError where a line is wrong or a picture is named twice."""
        counts, hashes = {}, array("Q")
        for split in SPLITS:
            before = len(hashes)
            for _, path, _ in self._rows(split):
                hashes.append(name_hash(path) >> 192)
            counts[split] = len(hashes) - before
            if not counts[split]:
                raise UserError(f"{self.files.where(f'imgs_{split}.txt')} is empty.")
        if len(np.unique(np.frombuffer(hashes, dtype=np.uint64))) != len(hashes):
            raise UserError(f"{self.files.path}: imgs_train.txt and imgs_test.txt name a picture twice.")
        return counts


def _values(files: Source) -> dict[str, tuple[str, ...]]:
    """Attributes with their values, in the order of the labels. Raises UserError."""
    words = [word for _, line in files.lines(COUNTS) for word in line.replace(",", " ").strip("[]").split()]
    if not words or not all(word.isdigit() and int(word) > 1 for word in words):
        raise UserError(f"{files.where(COUNTS)} should be whole numbers above 1: how many values each attribute has.")
    counts = [int(word) for word in words]
    if counts == [len(v) for v in VALUES.values()]:
        return VALUES
    names = DEEPFASHION if len(counts) == len(DEEPFASHION) else [f"attribute-{m + 1}" for m in range(len(counts))]
    return {name: tuple(f"{name}-{k + 1}" for k in range(count)) for name, count in zip(names, counts, strict=True)}
