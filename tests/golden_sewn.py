"""Drawn shirts with other sleeves, and what each version of the sewing rule makes of them: tests/data/golden_sewn.json.

Whoever changes the rule counts up ``amgan.lessons.sewing.VERSION``, so that what was sewn before and kept on disk is
sewn again, and then runs

    python -m tests.golden_sewn

It refuses to do so under a version that is there already.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import torch

from amgan.lessons.real_sleeves import RealSleeve, find_sleeves
from amgan.lessons.sewing import VERSION
from amgan.lessons.sewn_garments import Task, sew_one
from amgan.pixels import to_hwc

FILE = Path(__file__).parent / "data" / "golden_sewn.json"
SIZE, BLOCK = 96, 8
# Last bits differ between processors. They round a pixel's levels up or down; and where an edge runs straight through
# the middles of a row of pixels, they decide whether that row is in the mask, and cloth in the picture.
TOLERANCE = {"picture": 0.05, "mask": (BLOCK + 1) / BLOCK**2}  # in the mean of a block: levels, shares
LENGTHS = {"sleeveless": 0.0, "short": 0.35, "long": 1.0}
CASES = {  # present, wanted
    "grown": ("short", "long"),
    "begun": ("sleeveless", "short"),
    "cut": ("long", "short"),
    "like a real one": ("short", "long"),
    "in place": ("long", "3/4"),
    "bare": ("short", "sleeveless"),
}


def shirt(sleeve: str, cloth: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """A shirt whose cloth darkens downwards: image uint8 (3, S, S) on white and mask bool (1, S, S)."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillPoly(mask, [np.array([(36, 14), (60, 14), (65, 19), (66, 84), (30, 84), (31, 19)])], 1)
    length = LENGTHS[sleeve]
    arm = np.array([(17, 19), (17, 34), (17 + 18 * length, 34 + 34 * length), (17 + 26 * length, 19 + 42 * length)])
    for side in (-1, 1) if length else ():
        cv2.fillPoly(mask, [np.round(arm * [side, 1] + [SIZE // 2, 0]).astype(np.int32)], 1)
    shade = np.linspace(1.1, 0.8, SIZE)[:, None, None] * np.array(cloth)
    image = np.where(mask[..., None] > 0, np.clip(shade, 0, 255), 255).astype(np.uint8)
    return torch.from_numpy(image).permute(2, 0, 1).contiguous(), torch.from_numpy(mask > 0)[None]


def real_sleeves() -> tuple[RealSleeve, ...]:
    """Of a long-sleeved shirt."""
    image, mask = shirt("long", (90, 120, 60))
    return tuple(find_sleeves(to_hwc(image), mask[0].numpy(), long=True))


def block_means() -> dict[str, dict[str, list[list[float]]]]:
    """Each case sewn: means over 8 x 8 pixels of its picture, over all colours, and of its mask."""
    out = {}
    for name, (present, wanted) in CASES.items():
        cut_along = shirt("short", (0, 0, 0))[1] if present == "long" else None
        real = real_sleeves()[0] if "real" in name else None
        made = sew_one(Task(*shirt(present, (190, 40, 60)), LENGTHS[present] > 0, wanted, cut_along, None, real))
        assert made is not None
        picture, mask = made[0].numpy().mean(0), made[1][0].numpy()
        out[name] = {"picture": _means(picture).round(2).tolist(), "mask": _means(mask).round(3).tolist()}
    return out


def _means(picture: np.ndarray) -> np.ndarray:
    return picture.reshape(SIZE // BLOCK, BLOCK, SIZE // BLOCK, BLOCK).mean((1, 3))


def main() -> None:
    now = {"version": VERSION, "block_means": block_means()}
    if FILE.exists() and (old := json.loads(FILE.read_text(encoding="utf-8")))["version"] == VERSION:
        print(f"Version {VERSION} is there already{'' if old == now else ', and it is another: count it up'}.")
        return
    text = json.dumps(now).replace("[[", "[\n  [").replace("], [", "],\n  [")
    FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
