"""An edit as the page shows it, and as it is saved."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
import streamlit as st
import torch
from PIL import Image

from amgan.editing.editor import EditResult, Region, weakened
from amgan.editing.source_size import at_source_size
from amgan.photos import CutOut
from retrieval.sheet import MASK_TINT, tensor_picture
from ui.resources import data_address

SHOWN = 640  # pixels a side of a garment beside its edit: what a telephone's screen has


@dataclass(frozen=True)
class Pictures:
    """What is shown of a garment and its edit, as ``data:`` addresses of one size; ``changed`` is the share of the
    picture that the network changed."""

    before: str
    after: str | None = None
    mask: str | None = None
    changed: float = 0.0


@st.cache_resource(max_entries=100, show_spinner=False)
def pictures(
    _cutout: CutOut,
    _edited: EditResult | None,
    collection: str,
    garment: str,
    edit: Mapping[str, str],
    only_on: Region | None,
) -> Pictures:
    """Before, the whole edit after it, and where it was edited; keyed as ``results``."""
    cutout = _shown(_cutout)
    before = (cutout.source or cutout).image
    if _edited is None or not edit:
        return Pictures(data_address(_enlarged(before)))
    after = at_source_size(_edited, cutout)
    tint = np.empty((*after.mask.shape[2:], 4), np.uint8)
    tint[..., :3] = MASK_TINT.astype(np.uint8)
    tint[..., 3] = (255 * after.mask[0, 0].numpy()).round()
    edited = np.ascontiguousarray(np.moveaxis(after.image[0].numpy(), 0, -1))
    return Pictures(
        data_address(_enlarged(before)),
        data_address(_enlarged(edited)),
        data_address(Image.fromarray(tint).resize((SHOWN // 2, SHOWN // 2), Image.Resampling.BILINEAR)),
        float(_edited.mask.mean()),
    )


def _shown(cutout: CutOut) -> CutOut:
    """The same with a source no larger than is shown: an edit is carried to it in a fraction of the time."""
    source = cutout.source
    if source is None or source.image.shape[0] <= SHOWN:
        return cutout
    side = (max(SHOWN, cutout.image.shape[0]),) * 2
    image = cv2.resize(source.image, side, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(source.mask, side, interpolation=cv2.INTER_NEAREST)
    return replace(cutout, source=replace(source, image=image, mask=mask))


def _enlarged(image: np.ndarray) -> Image.Image:
    """At the size that is shown: browsers enlarge less smoothly."""
    return Image.fromarray(image).resize((SHOWN, SHOWN), Image.Resampling.LANCZOS)


def edit_png(cutout: CutOut, edited: EditResult, strength: float) -> bytes:
    """An edit at the photo's own size, as the file that is downloaded."""
    whole = at_source_size(edited, cutout)
    source = torch.from_numpy(np.ascontiguousarray((cutout.source or cutout).image)).permute(2, 0, 1)[None]
    buffer = io.BytesIO()
    tensor_picture(weakened(whole, source, strength).image[0].numpy()).save(buffer, "PNG")
    return buffer.getvalue()
