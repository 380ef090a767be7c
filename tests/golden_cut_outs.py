"""Drawn photos and the cut-outs that each version of cutting out makes of them, in tests/data/golden_cut_outs.json.

Whoever changes how garments are cut out or framed counts up the version beside what was changed (the ``identity`` of
``Classical`` or ``GivenMask``, or ``FRAMING``), so that indexes and caches notice, and then runs

    python -m tests.golden_cut_outs

which puts the cut-outs of the new version in the place of the old ones. It refuses to do so under a version that is
there already.

Versions of OpenCV differ in last bits, and GrabCut then in a few pixels: 4.10, 4.12 and 5.0 in up to one of two
thousand. So masks may differ from the golden ones by MASK of the garment's pixels, and colours, averaged over blocks of
8 x 8 pixels, by COLOUR levels in the mean of all blocks.
"""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from amgan.photos import PREPARATION, CutOut, cut_out
from amgan.photos.classical import Classical

FILE = Path(__file__).parent / "data" / "golden_cut_outs.json"
SIZE, BLOCK = 128, 8
MASK, COLOUR, CONFIDENCE, SCALE = 0.003, 0.15, 0.01, 0.003

Picture = tuple[np.ndarray, np.ndarray]  # photo uint8 (H, W, 3) and its true mask uint8 (H, W) of 0 and 255


def version() -> str:
    """Of everything that decides how garments are cut out."""
    return f"{Classical.identity}; {PREPARATION}"


def noise(height: int, width: int, seed: int) -> np.ndarray:
    """Float (H, W) in [-1, 1], from integers alone: the same with every version of numpy."""
    y, x = np.mgrid[:height, :width].astype(np.uint32)
    h = x * np.uint32(374761393) + y * np.uint32(668265263) + np.uint32(seed * 2654435761 % 2**32)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(1274126177)
    return (h >> np.uint32(16)).astype(np.float64) / 32767.5 - 1


def garment(height: int, width: int, sleeve: float) -> np.ndarray:
    """A shirt's true mask; `sleeve` is its length as a share of the photo's width."""
    y, x = np.mgrid[:height, :width]
    y, x = (y + 0.5) / height, np.abs((x + 0.5) / width - 0.5)
    torso = (x < 0.19 + 0.03 * (y - 0.15)) & (y > 0.16) & (y < 0.86) & ((x > 0.07) | (y > 0.21))
    along = (x - 0.17) * 0.8 + (y - 0.19) * 0.6
    across = (y - 0.19) * 0.8 - (x - 0.17) * 0.6
    arm = (along > -0.05) & (along < sleeve) & (across > -0.02) & (across < 0.14 - 0.1 * along)
    return np.where(torso | arm, 255, 0).astype(np.uint8)


def picture(
    cloth: tuple[int, int, int],
    ground: tuple[int, int, int],
    sleeve: float = 0.16,
    size: tuple[int, int] = (220, 176),
    grain: tuple[float, float] = (10, 12),
    stripes: tuple[int, int, int] | None = None,
    boards: float = 0,
    seed: int = 0,
) -> Picture:
    """A photo of a shirt on a ground, both with grain, the shirt perhaps striped, the ground perhaps of boards."""
    height, width = size
    mask = garment(height, width, sleeve)
    y, x = np.mgrid[:height, :width]
    pixels = np.zeros((height, width, 3)) + ground
    pixels += (grain[1] * noise(height, width, seed) + boards * ((x // 23) % 3 - 1))[..., None]
    shirt = np.zeros((height, width, 3)) + cloth
    if stripes is not None:
        shirt[(y // 9) % 2 == 0] = stripes
    shirt += (grain[0] * noise(height, width, seed + 1) + 12 * (0.5 - np.abs(x / width - 0.5)))[..., None]
    inside = (mask > 0)[..., None]
    photo = np.clip(np.where(inside, shirt, pixels), 0, 255).astype(np.uint8)
    return cv2.blur(photo, (3, 3)), mask


RED, NAVY, WHITE, GREEN, CREAM = (176, 40, 48), (38, 44, 78), (236, 236, 236), (70, 120, 80), (226, 214, 190)
BROWN, GREY = (128, 92, 66), (140, 140, 144)
FLOOR, SHEET, WOOD = (150, 122, 92), (170, 176, 182), (120, 96, 70)

PICTURES: dict[str, tuple[Picture, bool]] = {  # and whether the mask is given
    "red on white": (picture(RED, (252, 252, 252), grain=(6, 0)), False),
    "navy on light grey": (picture(NAVY, (238, 238, 240), 0.4, grain=(4, 1)), False),
    "white on white": (picture((241, 241, 241), (255, 255, 255), grain=(0, 0)), False),
    "red on a floor": (picture(RED, FLOOR), False),
    "green on wood": (picture(GREEN, WOOD, 0.35, boards=22, grain=(14, 16), seed=2), False),
    "striped, quick": (picture(RED, SHEET, 0.16, stripes=WHITE, boards=4, seed=4), False),
    "striped, thorough": (picture(RED, FLOOR, 0.36, stripes=NAVY, boards=8, grain=(12, 14), seed=11), False),
    "striped, blurred": (picture(GREY, FLOOR, 0.36, stripes=WHITE, boards=20, grain=(12, 14), seed=11), False),
    "striped, blurred, on a sheet": (
        picture(GREY, SHEET, 0.36, stripes=NAVY, boards=8, grain=(12, 14), seed=11),
        False,
    ),
    "striped, in doubt": (picture(BROWN, FLOOR, 0.36, stripes=NAVY, boards=8, grain=(12, 14), seed=11), False),
    "brown on a floor": (picture(BROWN, FLOOR, 0.18, boards=8, grain=(12, 14), seed=11), False),
    "white on a sheet": (picture(WHITE, SHEET, 0.32, boards=12, grain=(16, 18), seed=5), False),
    "brown on wood": (picture(BROWN, WOOD, 0.24, boards=14, grain=(12, 14), seed=6), False),
    "cream on a floor, large": (picture(CREAM, FLOOR, 0.38, size=(760, 620), boards=18, seed=7), False),
    "given": (picture(GREEN, WOOD, 0.35, boards=22, seed=8), True),
    "given, wide sleeves": (picture(NAVY, NAVY, 0.42, size=(300, 420), seed=9), True),
}


def cut_outs() -> dict[str, CutOut]:
    """By the name of the picture."""
    return {
        name: cut_out(
            Image.fromarray(photo),
            cv2.resize(mask, None, fx=0.2, fy=0.2, interpolation=cv2.INTER_AREA) if given else None,
            SIZE,
        )
        for name, ((photo, mask), given) in PICTURES.items()
    }


def blocks(image: np.ndarray) -> np.ndarray:
    """Mean colours of blocks, float (SIZE / BLOCK, SIZE / BLOCK, 3)."""
    side = SIZE // BLOCK
    return image.reshape(side, BLOCK, side, BLOCK, 3).mean((1, 3))


def difference(cutout: CutOut, golden: dict) -> str:
    """What differs by more than other versions of OpenCV may; empty where nothing does."""
    mask = np.unpackbits(np.frombuffer(_unpacked(golden["mask"]), np.uint8)).reshape(SIZE, SIZE)
    colours = np.frombuffer(_unpacked(golden["colours"]), np.uint16).reshape(SIZE // BLOCK, SIZE // BLOCK, 3)
    found = {
        "method": cutout.method != golden["method"],
        "confidence": abs(cutout.confidence - golden["confidence"]) > CONFIDENCE,
        "scale": abs(cutout.placement.scale / golden["scale"] - 1) > SCALE,
        "mask": np.sum((cutout.mask > 0) != mask) > MASK * mask.sum(),
        "colours": np.abs(blocks(cutout.image) - colours / 2).mean() > COLOUR,
    }
    return ", ".join(name for name, differs in found.items() if differs)


def main() -> None:
    stored = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    if version() == stored.get("version"):
        raise SystemExit(f"There are golden cut-outs of this version; count it up first.\n{__doc__}")
    golden = {
        name: {
            "method": c.method,
            "confidence": round(c.confidence, 4),
            "scale": round(c.placement.scale, 5),
            "mask": _packed(np.packbits(c.mask > 0).tobytes()),
            "colours": _packed((2 * blocks(c.image)).round().astype(np.uint16).tobytes()),
        }
        for name, c in cut_outs().items()
    }
    FILE.write_text(json.dumps({"version": version(), "cut_outs": golden}, indent=1) + "\n", encoding="utf-8")


def _packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode()


def _unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


if __name__ == "__main__":
    main()
