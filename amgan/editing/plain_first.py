"""A pattern laid on a garment that has another: first that one is taken off.

A generator that was taught designs on plain cloth lays stripes on what it sees, and a print shows through them. So the
garment is made plain, where it is not; what says that is how far the plain one is from the photo, light left out. Much
creased cloth counts as patterned.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import torch
from torch import Tensor

from amgan.attributes import PLAIN, asked_of, kind
from amgan.editing.in_place import RIM, SEEN, WIDE
from amgan.editing.shapes import blur_within, disc, find_ground
from amgan.pixels import to_hwc
from amgan.schema import AttributeSchema

OTHER, SHARE = 8.0, 0.03  # distance in Lab from which cloth was changed, and the share of it in a patterned garment


def lays_designs(generator: torch.nn.Module) -> bool:
    """Whether a generator, of any method, says of itself that its patterns are for plain cloth."""
    return bool(getattr(generator, "designs", False))


def made_plain_first(schema: AttributeSchema, part: Mapping[str, str]) -> dict[str, str] | None:
    """The edit to make before this one, if the garment turns out to be patterned; None where there is none to make."""
    for name, value in part.items():
        brings_cloth = kind(name).whole_cloth and not kind(name).recoloured
        if brings_cloth and value != PLAIN and PLAIN in asked_of(schema.attributes[schema.index(name)]):
            return {name: PLAIN}
    return None


def were_patterned(photos: Tensor, plain: Tensor) -> Tensor:
    """Whether garments had something on them that is gone: bool (B,).

    Args:
        photos, plain: uint8 (B, 3, H, W), garments on white and the same made plain.
    """
    pairs = zip(photos.cpu(), plain.cpu(), strict=True)
    return torch.tensor([_was_patterned(to_hwc(a), to_hwc(b)) for a, b in pairs], dtype=torch.bool)


def _was_patterned(photo: np.ndarray, plain: np.ndarray) -> bool:
    x, y = (picture.astype(np.float32) / 255 for picture in (photo, plain))
    garment = (~find_ground(x)).astype(np.uint8)
    cloth, inner = (cv2.erode(garment, disc(2 * rim + 1)) > 0 for rim in (1, RIM))
    if not inner.any():
        return False
    off = cv2.cvtColor(x, cv2.COLOR_RGB2LAB) - cv2.cvtColor(y, cv2.COLOR_RGB2LAB)
    far = np.linalg.norm(blur_within(off, cloth, SEEN) - blur_within(off, cloth, WIDE), axis=2)
    return bool((far[inner] > OTHER).mean() > SHARE)
