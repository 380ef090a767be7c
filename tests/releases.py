"""Writes data sets in the formats that their authors released, with drawn garments, at any size: for the tests of
``amgan prepare``, and for ``scripts/measure_prepare.py``."""

from __future__ import annotations

import csv
import functools
import shutil
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import h5py
import numpy as np
from scipy.io import savemat

from amgan.prepare.shopping100k import FILES, VALUES
from amgan.testing import RGB, draw_garment

SIDE = 128
# As ids count them: the names that only the captions tell.
COLOURS = (
    *("blue", "black", "white", "red", "gray", "green", "yellow", "pink", "purple", "orange", "brown", "navy", "beige"),
    *("khaki", "cream", "maroon", "multi"),
)
SLEEVES = ("long", "short", "sleeveless", "3/4")
SLEEVE_WORDS = {
    "long": "long-sleeved",
    "short": "short-sleeved",
    "sleeveless": "sleeveless",
    "3/4": "three-quarter sleeved",
}
CATEGORIES = (
    *("Dress", "Tee", "Blouse", "Tank", "Sweater", "Top", "Cardigan", "Jacket", "Romper", "Jumpsuit", "Coat", "Blazer"),
    *("Hoodie", "Kimono", "Poncho", "Skirt", "Shorts", "Jeans", "Robe"),
)
PAINT = (*RGB,)


@functools.cache
def picture(sleeve: str, color: str, side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A drawn garment, uint8 (side, side, 3), and its mask."""
    return draw_garment(sleeve, color, side, seed)


@functools.cache
def jpeg(k: int, side: int = 96, floor: bool = False) -> bytes:
    """One of a hundred drawn garments as a JPEG file, on white or on a floor of wood."""
    image, mask = picture(SLEEVES[k % 4], PAINT[k % len(PAINT)], side, k % 5)
    if floor:
        wood = np.array([176, 132, 84]) + np.random.default_rng(k).normal(0, 8, (side, side, 1))
        image = np.where(mask[..., None] > 0, image, wood.clip(0, 255).astype(np.uint8))
    return cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()


def person(i: int) -> tuple[np.ndarray, np.ndarray]:
    """An upright picture float32 (3, 128, 128) of 0 to 1, and its marks uint8 (128, 128): a head above a garment."""
    image, mask = picture(SLEEVES[i % 4], PAINT[i % len(PAINT)], SIDE, i % 3)
    image, marks = image.copy(), np.where(mask > 0, 3, 0).astype(np.uint8)
    marks[4:14, 54:74], marks[14:22, 56:72] = 1, 2
    image[4:22, 54:74] = (90, 60, 40)
    return image.transpose(2, 0, 1).astype(np.float32) / 255, marks


def write_deepfashion(folder: Path, count: int, swapped: bool = True, column: bool = True) -> Path:
    """DeepFashion-Synthesis as released: ``swapped`` axes, ids from 1, cells in cells.

    Args:
        column: the indices are (n, 1), not (1, n); both have been seen.
    """
    (folder / "supervision_signals").mkdir(parents=True)
    (folder / "benchmark").mkdir()
    people = [person(i) for i in range(min(count, 60))]
    mean = np.mean([p for p, _ in people], axis=0, dtype=np.float32)

    def turned(array: np.ndarray) -> np.ndarray:
        return array.swapaxes(-1, -2) if swapped else array

    with h5py.File(folder / "supervision_signals" / "G2.h5", "w") as file:
        file["ih_mean"] = turned(mean)
        ih = file.create_dataset("ih", (count, 3, SIDE, SIDE), np.float32)
        marks = file.create_dataset("b_", (count, 1, SIDE, SIDE), np.float32)
        for begin in range(0, count, 60):
            stop = min(begin + 60, count)
            ih[begin:stop] = np.stack([turned(people[i % 60][0] - mean) for i in range(begin, stop)])
            marks[begin:stop, 0] = np.stack([turned(people[i % 60][1]) for i in range(begin, stop)])
    rng = np.random.default_rng(0)
    color, sleeve, category = (rng.integers(1, k + 1, count) for k in (17, 4, 19))
    for ids, k in ((color, 17), (sleeve, 4), (category, 19)):
        ids[:k] = np.arange(1, k + 1)[:count]
    gender = np.arange(count) % 2
    captions, names = [], []
    for i in range(count):
        who = ("lady", "gentleman")[gender[i]]
        colour = "multicolored" if (name := COLOURS[color[i] - 1]) == "multi" else name.replace("gray", "grey")
        words = [colour, SLEEVE_WORDS[SLEEVES[sleeve[i] - 1]], CATEGORIES[category[i] - 1].lower()]
        if i % 7 == 3:
            words[0] = "plain"  # says nothing of the colour
        if i % 11 == 5:
            words[0] = "black"  # the label and the caption disagree
        captions.append(f"the {who} was wearing a {' '.join(words)}.")
        names.append(f"img/Drawn_{CATEGORIES[category[i] - 1]}/img_{i + 1:08d}.jpg")
    as_column = {"color_": color, "sleeve_": sleeve, "cate_new": category, "gender_": gender}
    savemat(
        folder / "benchmark" / "language_original.mat",
        {k: v[:, None].astype(np.float64) for k, v in as_column.items()}
        | {"engJ": cells(captions), "nameList": cells(names), "img_root": "img/"},
    )
    order = rng.permutation(count) + 1
    cut = count * 70_000 // 78_979
    indices = {"train_ind": order[:cut], "test_ind": order[cut:], "test_set_pair_ind": order[cut:][::-1]}
    savemat(folder / "benchmark" / "ind.mat", {k: v[:, None] if column else v[None] for k, v in indices.items()})
    return folder


def cells(texts: Sequence[str]) -> np.ndarray:
    """A MATLAB cell array (n, 1) of texts."""
    out = np.empty((len(texts), 1), dtype=object)
    out[:, 0] = list(texts)
    return out


def labels_of(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Positions of values by attribute of Shopping100k, int (count,), a fifth of them -1."""
    rng = np.random.default_rng(seed)
    labels = {name: rng.integers(0, len(values), count) for name, values in VALUES.items()}
    for name, known in labels.items():
        known[rng.random(count) < 0.2] = -1
        known[: len(VALUES[name])] = np.arange(len(VALUES[name]))[:count]
    return labels


def write_pictures(folder: Path, names: Sequence[str]) -> None:
    for k, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(k % 100))


def shopping_paths(count: int) -> list[str]:
    return [f"{('Women', 'Men')[k % 2]}_{k % 13}/{k:06d}.jpg" for k in range(count)]


def write_shopping100k(
    folder: Path, count: int, first: int = 0, with_paths: bool = True, named: bool = False, packed: bool = False
) -> Path:
    """Shopping100k: Images and Attributes.

    Args:
        first: from what labels count.
        with_paths: each line begins with the picture; else ``Attributes/images.txt`` has them.
        named: labels are the values' names.
        packed: as ``Shopping100k.zip``, all below a folder; the archive is returned.
    """
    top = folder / "Shopping100k"
    paths, labels = shopping_paths(count), labels_of(count)
    write_pictures(top / "Images", paths)
    (top / "Attributes").mkdir()
    for name, known in labels.items():
        text = ["-1" if k < 0 else VALUES[name][k] if named else str(k + first) for k in known.tolist()]
        lines = [f"{p} {t}" for p, t in zip(paths, text, strict=True)] if with_paths else text
        (top / FILES[name]).write_text("\n".join(lines) + "\n")
    if not with_paths:
        (top / "Attributes" / "images.txt").write_text("\n".join(paths) + "\n")
    if not packed:
        return top
    archive = folder / "Shopping100k.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(top.rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(folder))
    shutil.rmtree(top)
    return archive


def write_adde(folder: Path, train: int, test: int, queries: int = 20) -> tuple[Path, Path]:
    """ADDE's split files of Shopping100k, and a folder of the pictures that they name."""
    splits, images = folder / "splits" / "Shopping100k", folder / "Shopping100k" / "Images"
    splits.mkdir(parents=True)
    paths, labels = shopping_paths(train + test), labels_of(train + test)
    write_pictures(images, paths)
    np.savetxt(splits / "attr_num.txt", [len(v) for v in VALUES.values()], fmt="%d")
    hot = np.concatenate([np.eye(len(VALUES[n]) + 1, dtype=int)[labels[n]][:, :-1] for n in VALUES], axis=1)
    for split, rows in (("train", slice(train)), ("test", slice(train, None))):
        (splits / f"imgs_{split}.txt").write_text("\n".join(paths[rows]) + "\n")
        np.savetxt(splits / f"labels_{split}.txt", hot[rows], fmt="%d")
    rng = np.random.default_rng(1)
    references = rng.integers(0, test, queries)
    target, change = hot[train:][references].copy(), np.zeros((queries, hot.shape[1]), int)
    start = sum(len(VALUES[n]) for n in ("category", "collar"))  # the colour's values
    for q, r in enumerate(references):
        old, new = labels["color"][train + r], int(rng.integers(19))
        new = (new + 1) % 19 if new == old else new
        change[q, start + new] = 1
        if old >= 0:
            change[q, start + old] = -1
        target[q] += change[q]
    np.savetxt(splits / "ref_test.txt", references, fmt="%d")
    np.savetxt(splits / "indfull_test.txt", change, fmt="%d")
    np.savetxt(splits / "gt_test.txt", target, fmt="%d")
    return splits, images


def write_clothing(folder: Path, count: int, side: int = 160) -> Path:
    """The clothing dataset's images.csv and images."""
    words = ("T-Shirt", "Longsleeve", "Pants", "Shirt", "Polo", "Not sure", "Undershirt", "Hoodie", "Top", "Shoes")
    images = folder / "images"
    images.mkdir(parents=True)
    with (folder / "images.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image", "sender_id", "label", "kids"])
        for k in range(count):
            name = str(uuid.UUID(int=k * 2**64 + k))
            writer.writerow([name, k % 300, words[k % len(words)], k % 9 == 0])
            (images / f"{name}.jpg").write_bytes(jpeg(k % 100, side, floor=True))
    return folder
