"""How a cut-out garment is put into the square frame that every network sees.

Scale by the larger side would make a long-sleeved shirt smaller than a T-shirt: scale would give the sleeve away, and
an edit would have to resize the whole garment. So the scale comes from the garment's height, collar to hem, and the
torso is anchored: the same place for every garment, with white on all sides where sleeves can grow.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from amgan.errors import PhotoError

# Count up when the same photo and mask give another frame, or other pixels in it; tests/golden_cut_outs.py.
FRAMING = "framed by its height (1)"
BODY_HEIGHT = 0.66  # collar to hem, as a share of the frame
BODY_TOP = 0.15  # where the collar sits, likewise
MARGIN = 0.02  # white that is kept at the sides
LARGEST = 2048  # pixels a side of a frame with the photo's own pixels: more than a screen shows of one garment


@dataclass(frozen=True)
class Placement:
    """Where the frame lies in the source: ``source = frame * scale + offset``, in pixels (x, y).

    Attributes:
        scale: source pixels for one pixel of the frame.
        offset: source position (x, y) of the frame's upper left corner; negative when the frame reaches beyond the
            photo.
        size: side of the square frame in pixels.
    """

    scale: float
    offset: tuple[float, float]
    size: int

    def matrix(self) -> np.ndarray:
        """Affine ``float64 (2, 3)`` from frame to source pixel coordinates (pixel centres at half)."""
        shift = (self.scale - 1) / 2  # OpenCV counts from pixel centres
        return np.array([[self.scale, 0, self.offset[0] + shift], [0, self.scale, self.offset[1] + shift]])


@dataclass(frozen=True)
class Framed:
    """A garment on white: ``image`` uint8 (size, size, 3), ``mask`` uint8 (size, size) of 0 and 255, and its
    placement."""

    image: np.ndarray
    mask: np.ndarray
    placement: Placement


def place(mask: np.ndarray, size: int) -> Placement:
    """The frame for a garment mask ``uint8 (H, W)``. Raises PhotoError when the mask is empty.

    The body's axis is the median column of the garment's lower half, its height the extent of the columns around that
    axis: sleeves that hang lower than the hem, or lie higher than the collar, do not count.
    """
    garment = mask > 127
    rows = np.count_nonzero(garment, axis=1)  # pixels in each
    if not rows.any():
        raise PhotoError("empty-mask", "The garment's mask is empty; nothing is left to cut out.")
    columns = np.flatnonzero(garment.any(axis=0))
    left, right = int(columns[0]), int(columns[-1])
    highest, lowest = np.flatnonzero(rows)[[0, -1]].tolist()
    lower_half = garment[int(np.ceil(_quantile(rows, 0.5))) :]
    axis = _quantile(np.count_nonzero(lower_half, axis=0), 0.5) + 0.5
    near = max(1.0, 0.12 * (right - left + 1))
    central = garment[:, np.abs(np.arange(garment.shape[1]) + 0.5 - axis) <= near]
    body = np.count_nonzero(central, axis=1)
    if not body.any():
        body = rows
    # A stray row must not set the scale.
    top, bottom = _quantile(body, 0.005), _quantile(body, 0.995) + 1
    scale = max((bottom - top) / (BODY_HEIGHT * size), 1e-3)
    # Garments wider or taller than the frame are shrunk until they fit: a cut sleeve is worse than a smaller shirt.
    half = (0.5 - MARGIN) * size
    reach = max(axis - left, right + 1 - axis) / half
    rise = (top - highest) / ((BODY_TOP - MARGIN) * size)
    drop = (lowest + 1 - top) / ((1 - BODY_TOP - MARGIN) * size)
    scale = float(max(scale, reach, rise, drop))
    return Placement(scale, (axis - scale * size / 2, top - scale * BODY_TOP * size), size)


def _quantile(counts: np.ndarray, share: float) -> float:
    """`numpy.quantile` of numbers of which 0, 1, 2… occur ``counts`` times each, without sorting them."""
    up_to = np.cumsum(counts)
    position = share * (up_to[-1] - 1)
    low, high = np.searchsorted(up_to, (np.floor(position), np.ceil(position)), side="right").tolist()
    return low + (high - low) * float(position % 1)


def frame(rgb: np.ndarray, mask: np.ndarray, size: int = 128) -> Framed:
    """Cut a garment out onto white and put it into a square frame.

    Args:
        rgb: photo, uint8 (H, W, 3).
        mask: garment mask, uint8 (H, W), 0 or 255.
        size: side of the frame in pixels.
    """
    return frame_at(rgb, mask, place(mask, size))


def frame_at(rgb: np.ndarray, mask: np.ndarray, placement: Placement) -> Framed:
    """Cut a garment out onto white and frame it as another was framed: a true edit as what it is an edit of.

    Args:
        rgb: photo, uint8 (H, W, 3).
        mask: garment mask, uint8 (H, W), 0 or 255.
        placement: of the other, in a photo of the same size.
    """
    # Composite before resampling, with a soft edge half a frame pixel wide, so that no background bleeds in.
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.5, 0.35 * placement.scale)).astype(np.float32)[..., None] / 255
    soft = np.minimum(soft * 2, 1) * (mask[..., None] > 127)
    white = rgb * soft + 255.0 * (1 - soft)
    image = resample(white, placement, 255)
    alpha = resample(mask.astype(np.float32), placement, 0)
    return Framed(
        np.clip(image + 0.5, 0, 255).astype(np.uint8), np.where(alpha > 127, 255, 0).astype(np.uint8), placement
    )


def frame_at_source(rgb: np.ndarray, mask: np.ndarray, placement: Placement, cut: bool = True) -> Framed:
    """What `placement` frames, with the photo's own pixels: not resampled, so the frame moves by up to half of one.

    Args:
        rgb: the whole photo, uint8 (H, W, 3).
        mask: of the garment, uint8 (h, w) in the photo's proportions, 0 or 255.
        placement: with a scale above 1; below, the photo has fewer pixels than the frame.
        cut: put the garment on white; a shot on white needs no cutting.

    Returns:
        A frame of ``round(size * scale)`` pixels a side; of 2,048 at most, to which larger photos are shrunk.
    """
    ratio = min(1.0, LARGEST / (placement.size * placement.scale))
    side = round(placement.size * placement.scale * ratio)
    whole = rgb.shape[:2]
    if ratio < 1:
        shape = (max(1, round(whole[1] * ratio)), max(1, round(whole[0] * ratio)))
        rgb = cv2.resize(rgb, shape, interpolation=cv2.INTER_AREA)
    left, top = (round(o * ratio) for o in placement.offset)
    image = np.full((side, side, 3), 255, np.uint8)
    rows, columns = (slice(max(0, o), max(0, o + side)) for o in (top, left))  # a slice may end beyond the photo
    shown = rgb[rows, columns]
    y, x = rows.start - top, columns.start - left
    image[y : y + shown.shape[0], x : x + shown.shape[1]] = shown
    placement = Placement(1 / ratio, (left / ratio, top / ratio), side)
    soft = _soft_outline(mask, whole, placement)
    if cut:
        image = (image * soft[..., None] + 255 * (1 - soft[..., None]) + 0.5).astype(np.uint8)
    return Framed(image, np.where(soft > 0, 255, 0).astype(np.uint8), placement)


def _soft_outline(mask: np.ndarray, shape: tuple[int, ...], placement: Placement) -> np.ndarray:
    """A mask of a photo (H, W), framed: float32 (size, size) in [0, 1]. Its outline shows none of the mask's pixels.

    It is smoothed over the mask's pixels, then made steep again: a pixel or so from white to garment, inside the
    outline, so that no background shows.
    """
    share = np.array([[mask.shape[1] / shape[1]], [mask.shape[0] / shape[0]]])  # mask pixels for one of the photo
    step = float(share.mean()) * placement.scale  # mask pixels for one of the frame
    sigma = 1.2 * max(1.0, step)
    smooth = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), sigma)
    matrix = placement.matrix() * share
    matrix[:, 2:] += (share - 1) / 2
    smooth = cv2.warpAffine(
        smooth, matrix, (placement.size, placement.size), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    )
    return np.clip((smooth - 0.5) * np.float32(np.sqrt(2 * np.pi) * sigma / step), 0, 1)


def resample(source: np.ndarray, placement: Placement, fill: float) -> np.ndarray:
    """Float ``(H, W)`` or ``(H, W, C)`` through a placement to ``(size, size[, C])``, area-averaged when shrinking."""
    matrix = placement.matrix()
    if placement.scale > 1:  # cv2 does not average over area in a warp: shrink first
        height, width = source.shape[:2]
        small = cv2.resize(
            source,
            (max(1, round(width / placement.scale)), max(1, round(height / placement.scale))),
            interpolation=cv2.INTER_AREA,
        )
        ratio = np.array([[small.shape[1] / width], [small.shape[0] / height]])
        matrix = matrix * ratio
        matrix[:, 2:] += (ratio - 1) / 2
        source = small
    return cv2.warpAffine(
        source,
        matrix,
        (placement.size, placement.size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(fill,) * 4,
    )


def shrink(picture: np.ndarray, side: int) -> np.ndarray:
    """Uint8 (H, W) or (H, W, 3) with its longer side brought down to `side` pixels, where it is longer."""
    height, width = picture.shape[:2]
    ratio = side / max(height, width)
    if ratio >= 1:
        return np.ascontiguousarray(picture)
    shape = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return cv2.resize(picture, shape, interpolation=cv2.INTER_AREA)


def binary(mask: np.ndarray) -> np.ndarray:
    """Uint8 (H, W) of any values to 0 and 255."""
    return np.where(mask > 127, 255, 0).astype(np.uint8)
