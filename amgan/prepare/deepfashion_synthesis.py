"""DeepFashion-Synthesis (Zhu et al., "Be Your Own Prada", ICCV 2017; github.com/zhusz/ICCV17-fashionGAN).

``supervision_signals/G2.h5`` (needs the DeepFashion agreement)
    ``/ih`` float (N, 3, 128, 128): pictures less their mean. ``/ih_mean``, 3·128·128 numbers. ``/b_`` (N, 1, 128, 128):
    0 background, 1 hair, 2 face, 3 upper clothes, 4 lower clothes, 5 legs, 6 arms. In all of them the last two axes are
    swapped: width before height, as the authors' ``permute(1, 2, 4, 3)`` says. Whether a file is like that shows in
    where the heads are. N = 78,979; 15.5 GB of float32.
``benchmark/language_original.mat``
    ``color_`` 1..17, ``sleeve_`` 1..4, ``cate_new`` 1..19 (all from 1), ``gender_`` 0 or 1, (N, 1) each; ``engJ``
    captions and ``nameList`` picture names, cells in cells. Names of the ids were never published
    (`amgan.prepare.captions`).
``benchmark/ind.mat``
    ``train_ind`` and ``test_ind``, from 1, (1, n) or (n, 1). This split is kept; one in twenty of train is for
    validation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from amgan.errors import UserError
from amgan.files import write_atomic
from amgan.prepare.captions import CATEGORIES, COLOURS, GENDERS, SLEEVES, Name, derive_names, unnamed
from amgan.prepare.matlab import read_cells, read_numbers
from amgan.prepare.release import Item, validation_split
from amgan.prepare.sources import only_file
from amgan.prepare.writing import save_png
from amgan.schema import AttributeSchema

if TYPE_CHECKING:
    import h5py

FOLDERS = (
    *("", "benchmark", "supervision_signals", "test_phase_inputs", "Anno", "Img"),
    *("data_release/benchmark", "data_release/supervision_signals", "data_release/test_phase_inputs"),
)
IDS = {
    "sleeve": ("sleeve_", 1, 4),
    "color": ("color_", 1, 17),
    "category": ("cate_new", 1, 19),
    "gender": ("gender_", 0, 2),
}
WORDS = {"sleeve": SLEEVES, "color": COLOURS, "category": CATEGORIES, "gender": GENDERS}
HEAD, GARMENT, CLASSES = (1, 2), (3, 4), 7  # of the garment the first that covers enough
SMALLEST = 0.01  # share of the picture from which a garment counts as marked
SIDE = 128
BLOCK = 16  # pictures read at once; 3 MB
LOOK = 64  # pictures looked at when opening
CLEAR = 0.75  # share of pictures that must agree which way is up


class DeepFashionSynthesis:
    """See `amgan.prepare.release.Release`."""

    columns = ("mask_file_name", "picture", "caption")

    def __init__(self, source: Path, images: Path | None) -> None:
        if images is not None:
            raise UserError("deepfashion-synthesis has its pictures in G2.h5; leave --images out.")
        language = only_file(source, "language_original.mat", FOLDERS)
        indices = only_file(source, "ind.mat", FOLDERS)
        self.path = only_file(source, "G2.h5", FOLDERS)
        self.sources = (language, indices, self.path)
        self.captions = read_cells(language, "engJ")
        self.pictures = read_cells(language, "nameList")
        self.file, self.mean = _open(self.path)
        self.count = len(self.file["ih"])
        if not self.count == len(self.captions) == len(self.pictures):
            raise UserError(
                f"{self.path} has {self.count} pictures and {language} {len(self.captions)} captions and "
                f"{len(self.pictures)} names; they are of different releases, or one is cut off."
            )
        self.ids = {name: self._read_ids(language, *IDS[name], name) for name in IDS}
        self.splits = _read_splits(indices, self.count)
        self.names = {name: self._derive(name) for name in IDS}
        self.schema = AttributeSchema.from_dict({k: [n.name for n in names] for k, names in self.names.items()})
        self.swapped, doubt = which_way_up(self.file["b_"])
        without = int((self.splits == "").sum())
        outside = (
            f"{without:,} pictures are in neither train_ind nor test_ind; they have no split." if without else None
        )
        sentences = (doubt, outside, *(unnamed(k, names) for k, names in self.names.items()))
        self.sentences = tuple(s for s in sentences if s)

    def __len__(self) -> int:
        return self.count

    def items(self, start: int) -> Iterator[Item]:
        for begin in range(start, self.count, BLOCK):
            stop = min(begin + BLOCK, self.count)
            pictures, marks = self._block(begin, stop)
            for i in range(begin, stop):
                yield self._item(i, pictures[i - begin], marks[i - begin, 0])

    def finish(self, out: Path) -> None:
        """``names.json``: how each id came by its name."""
        table = {
            attribute: [
                {"id": k, "name": n.name, "share": n.share, "captions": n.captions}
                for k, n in enumerate(names, start=IDS[attribute][1])
            ]
            for attribute, names in self.names.items()
        }
        write_atomic(out / "names.json", json.dumps(table, indent=1) + "\n")

    def _item(self, i: int, picture: np.ndarray, marks: np.ndarray) -> Item:
        name = f"{i + 1:05d}"  # as the authors count
        labels = {a: self.schema.values(a)[int(self.ids[a][i]) - IDS[a][1]] for a in IDS}
        mask = garment_of(marks)

        def make(out: Path) -> Mapping[str, str]:
            if mask is not None:
                save_png(out / "masks" / f"{name}.png", mask)
            save_png(out / "images" / f"{name}.png", picture)
            return {"mask_file_name": "" if mask is None else f"masks/{name}.png"}

        cells = {**labels, "picture": self.pictures[i], "caption": self.captions[i]}
        return Item(f"images/{name}.png", validation_split(str(self.splits[i]), name), cells, make)

    def _block(self, begin: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Pictures uint8 (n, 128, 128, 3) RGB, upright, and marks uint8 (n, 1, 128, 128)."""
        try:
            less_mean, marks = self.file["ih"][begin:stop], self.file["b_"][begin:stop]
        except OSError as error:
            raise UserError(f"{self.path} cannot be read at picture {begin + 1}: {error}; download it again.") from None
        if not np.isfinite(less_mean).all():
            raise UserError(f"{self.path}: there are numbers that are none in pictures {begin + 1} to {stop}.")
        if not np.isin(marks, range(CLASSES)).all():
            raise UserError(f"{self.path}: /b_ of pictures {begin + 1} to {stop} has marks beyond 0 to {CLASSES - 1}.")
        pictures = np.clip(less_mean + self.mean, 0, 1) * 255
        order = (0, 3, 2, 1) if self.swapped else (0, 2, 3, 1)
        marks = marks.astype(np.uint8)
        return np.rint(pictures).astype(np.uint8).transpose(order), marks.swapaxes(2, 3) if self.swapped else marks

    def _read_ids(self, path: Path, variable: str, first: int, count: int, attribute: str) -> np.ndarray:
        ids = read_numbers(path, variable)
        if len(ids) != self.count:
            raise UserError(f"{path}: {variable} has {len(ids)} numbers; there are {self.count} pictures.")
        low, high = int(ids.min()), int(ids.max())
        if low < first or high >= first + count:
            raise UserError(
                f"{path}: {variable} runs from {low} to {high}; the {attribute} of the release is counted from {first} "
                f"to {first + count - 1}."
            )
        return ids

    def _derive(self, attribute: str) -> tuple[Name, ...]:
        texts: Iterator[str] = iter(self.captions)
        if attribute == "category":  # "img/Sheer_Pleated-Front_Blouse/img_00000001.jpg" says it as well
            folders = (Path(p).parent.name.rsplit("_", 1)[-1] for p in self.pictures)
            texts = (f"{c} {f}" for c, f in zip(self.captions, folders, strict=True))
        _, first, count = IDS[attribute]
        return derive_names(attribute, self.ids[attribute], count, texts, WORDS[attribute], first)


def garment_of(marks: np.ndarray) -> np.ndarray | None:
    """The garment's mask, uint8 of 0 and 255, from marks uint8 (H, W): upper clothes, or lower ones where those cover
    less than a hundredth of the picture; None where these do too."""
    for mark in GARMENT:
        mask = marks == mark
        if mask.mean() >= SMALLEST:
            return np.where(mask, 255, 0).astype(np.uint8)
    return None


def which_way_up(marks: h5py.Dataset) -> tuple[bool, str | None]:
    """Whether width stands before height, from where the heads of the first pictures are, and a sentence where they do
    not say.

    Raises:
        UserError: the pictures stand on their heads.
    """
    votes = []
    for picture in np.asarray(marks[:LOOK])[:, 0]:
        head, garment = np.argwhere(np.isin(picture, HEAD)), np.argwhere(np.isin(picture, GARMENT))
        if len(head) and len(garment):
            votes.append(garment.mean(axis=0) - head.mean(axis=0))  # how far below the head, along either axis
    if not votes:
        return True, "No head is marked in the first pictures; they are taken to lie on their side, as released."
    away = np.array(votes)
    sideways = np.abs(away[:, 1]) > np.abs(away[:, 0])
    swapped = bool(sideways.mean() >= 0.5)
    if np.median(away[:, int(swapped)]) < 0:
        raise UserError(
            "In /b_ of G2.h5 heads lie below the clothes: the pictures stand upside down, unlike the release."
        )
    if max(sideways.mean(), 1 - sideways.mean()) < CLEAR:
        return True, "Where the heads are marked does not say which way is up; taken to lie on its side, as released."
    return swapped, None if swapped else "G2.h5 is upright already, unlike the release; it is taken as it is."


def _open(path: Path) -> tuple[h5py.File, np.ndarray]:
    """The file, and its mean float32 (1, 3, 128, 128) as it lies there. Raises UserError."""
    try:
        import h5py
    except ImportError:
        raise UserError("Reading G2.h5 needs h5py, which is not installed: pip install 'amgan[datasets]'.") from None
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise UserError(f"{path} is no HDF5 file, or is cut off ({error}); download it again.") from None
    if missing := [name for name in ("ih", "ih_mean", "b_") if not isinstance(file.get(name), h5py.Dataset)]:
        hint = "; G1.h5 has the marks alone" if missing == ["ih", "ih_mean"] else ""
        raise UserError(f"{path} lacks /{', /'.join(missing)}; it has {', '.join(file) or 'nothing'}{hint}.")
    images, marks, mean = file["ih"], file["b_"], file["ih_mean"]
    if images.shape[1:] != (3, SIDE, SIDE) or marks.shape != (len(images), 1, SIDE, SIDE) or not len(images):
        raise UserError(
            f"{path}: /ih is {images.shape} and /b_ {marks.shape}; the release has (N, 3, 128, 128) and "
            "(N, 1, 128, 128)."
        )
    if images.dtype.kind != "f":
        raise UserError(f"{path}: /ih holds {images.dtype}, so no mean was taken off; the release holds floats.")
    if mean.size != 3 * SIDE * SIDE:
        raise UserError(f"{path}: /ih_mean is {mean.shape}; the release has 3 x 128 x 128 numbers.")
    average = np.asarray(mean, dtype=np.float32).reshape(1, 3, SIDE, SIDE)
    sample = np.asarray(images[:LOOK]) + average
    outside = float(((sample < -0.1) | (sample > 1.1)).mean())
    if outside > 0.05:
        raise UserError(
            f"{path}: /ih + /ih_mean should lie between 0 and 1, and {outside:.0%} of the first pictures does not; "
            "were they scaled to 255, or is the mean not taken off?"
        )
    return file, average


def _read_splits(path: Path, count: int) -> np.ndarray:
    """The split of each picture, text (N,). Raises UserError."""
    splits = np.full(count, "", dtype="<U5")
    for name in ("train", "test"):
        numbers = read_numbers(path, f"{name}_ind")
        if numbers.min() < 1 or numbers.max() > count:
            raise UserError(
                f"{path}: {name}_ind runs from {numbers.min()} to {numbers.max()}; it counts the {count} pictures from "
                "1."
            )
        if len(np.unique(numbers)) != len(numbers) or (splits[numbers - 1] != "").any():
            raise UserError(f"{path}: {name}_ind names a picture twice, or one that is in train_ind too.")
        splits[numbers - 1] = name
    return splits
