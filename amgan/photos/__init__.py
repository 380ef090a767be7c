"""From any photo to a garment on white in the frame that the networks know: decode, cut out, frame."""

from amgan.photos.cutout import CutOut, cut_out
from amgan.photos.decode import DecodeLimits, read_image, read_mask
from amgan.photos.framing import Framed, Placement, frame, frame_at
from amgan.photos.listing import list_photos

__all__ = [
    "CutOut",
    "DecodeLimits",
    "Framed",
    "Placement",
    "cut_out",
    "frame",
    "frame_at",
    "list_photos",
    "read_image",
    "read_mask",
]
