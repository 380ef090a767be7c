"""Pictures as they leave the service."""

from __future__ import annotations

import base64
import io

import numpy as np
import torch
from PIL import Image

FORMATS = {"image/webp": "WEBP", "image/png": "PNG", "image/jpeg": "JPEG"}
WIDTHS = (160, 320, 640, 1280)  # of catalogue photos; few, so that they are made once
QUALITY = 88


def encode(picture: Image.Image, media_type: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, FORMATS[media_type], quality=QUALITY)
    return buffer.getvalue()


def data_address(picture: Image.Image, media_type: str = "image/webp") -> str:
    """The picture inside an address, so that an answer is whole and no machine has to remember it."""
    return f"data:{media_type};base64,{base64.b64encode(encode(picture, media_type)).decode('ascii')}"


def of_tensor(image: torch.Tensor) -> Image.Image:
    """uint8 (3, H, W) to a picture."""
    return Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))


def of_mask(mask: torch.Tensor) -> Image.Image:
    """float (H, W), 0 to 1, to a grey picture."""
    return Image.fromarray((mask.clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy())


def width_at_least(width: int) -> int:
    """The smallest width on offer that is not smaller, or the largest."""
    return next((w for w in WIDTHS if w >= width), WIDTHS[-1])


def accepted(accept: str) -> str | None:
    """The picture type that an ``Accept`` header names first, None where it takes JSON."""
    for part in accept.lower().split(","):
        media_type = part.partition(";")[0].strip()
        if media_type in FORMATS:
            return media_type
        if media_type in ("application/json", "*/*"):
            return None
    return None
