"""From any photo to a garment on white in the frame that the networks know: decode, cut out, frame."""

from amgan.photos.cutout import PREPARATION, CutOut, cut_out
from amgan.photos.decode import DecodeLimits, read_image, read_mask
from amgan.photos.framing import Framed, Placement, frame, frame_at
from amgan.photos.listing import list_photos
from amgan.photos.registry import load_segmenter
from amgan.photos.segmenter import Segmentation, Segmenter

__all__ = [
    "PREPARATION",
    "CutOut",
    "DecodeLimits",
    "Framed",
    "Placement",
    "Segmentation",
    "Segmenter",
    "cut_out",
    "frame",
    "frame_at",
    "list_photos",
    "load_segmenter",
    "read_image",
    "read_mask",
]
