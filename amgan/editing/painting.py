"""New cloth at the photo's own size: an outline as steep as a cut-out's, and the garment's own texture laid along it.

The generator gives its place, colour and shading (``amgan.editing.grown``), the photo its cloth
(``amgan.editing.pieces``) or, where that bears a print, what is finer (``amgan.editing.cloth``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import cv2
import numpy as np

from amgan.editing.cloth import FOLDS, WEAVE, quilt, sample
from amgan.editing.filled import Filled
from amgan.editing.grown import Edges, Grown, Laid
from amgan.editing.main_colour import as_even, lab_of, moved
from amgan.editing.pieces import Piece, Side, cut_pieces, even
from amgan.editing.shapes import FAINT, Box, large_box, middle_and_reach, resized, whiteness
from amgan.editing.tailoring import Lines, hem_light, seam_light
from amgan.editing.taken import Taken

OUTLINE = 1.5  # pixels of the photo from ground to cloth, about as in a cut-out
CRISP = 2.5  # and across an edge of a pattern
FINE = 0.6  # standard deviation in the model's pixels: what is finer, those do not show
STRONGEST = 0.08  # of 1: what is stronger is no weave, but a button or a line of a print
REACH = 2  # pixels of the model that are looked at around one to enlarge it
LIGHTEST, SEEN = 0.95, 5000  # quantile of the garment's cloth, by channel; and of how many pixels
ELONGATED = 2  # axes' variances, long over short, from which cloth is laid along the long one

Lay = Callable[["_Part"], np.ndarray]
"""Of a part of new cloth its colours, float32 (a, b, 3)."""


class Painted(NamedTuple):
    """A part of the picture: its box, the pixels there, float32 (a, b, 3) in [0, 1], and how much of them is new,
    float32 (a, b, 1)."""

    box: Box
    image: np.ndarray
    share: np.ndarray


def paint_grown(grown: Grown, photo: np.ndarray, edited: np.ndarray) -> Iterator[Painted]:
    """The new cloth, part by part.

    Args:
        grown: of the small picture.
        photo: float32 (S, S, 3) in [0, 1].
        edited: the edit as it was enlarged so far, the same shape.
    """
    size = photo.shape[0]
    scale = size / grown.near.shape[0]
    parts = [_Part(grown, box, scale, size) for box in grown.boxes]
    lay = _by_the_piece(grown, photo, parts, scale) or _quilted(grown, photo, parts, scale)
    lightest = _lightest(photo, grown.own)
    for part in parts:
        colour = np.minimum(lay(part), lightest)
        yield _compose(grown, part, photo[part.box], edited[part.box], colour)


def _lightest(photo: np.ndarray, own: np.ndarray) -> np.ndarray:
    """What new cloth is no lighter than, RGB (3,): on white it would be gone."""
    pixels = photo[resized(own, len(photo))]
    step = max(1, len(pixels) // SEEN)
    return np.quantile(pixels[::step], LIGHTEST, axis=0).astype(np.float32) if len(pixels) else np.ones(3, np.float32)


def _by_the_piece(grown: Grown, photo: np.ndarray, parts: list[_Part], scale: float) -> Lay | None:
    """Each part in a piece of the garment's side; None where that gives none."""
    needed = [(p.side, p.extent[0] / scale, p.extent[1] / scale) for p in parts if grown.aside]
    pieces = cut_pieces(photo, grown.own, _plain(grown), needed)
    if not pieces:
        return None
    whole = even(grown.colour, grown.cover > 0.5)

    def lay(part: _Part) -> np.ndarray:
        piece = pieces[part.side]
        colour = part.enlarge(_as_piece(whole, piece, grown, part), cv2.INTER_CUBIC)
        return _laid(part, colour, piece.sheet(*part.extent), float(piece.mean.mean()))

    return lay


def _quilted(grown: Grown, photo: np.ndarray, parts: list[_Part], scale: float) -> Lay:
    """Each part in the generator's colours, with what of the cloth's texture these are too coarse for."""
    there, tinted = resized(_plain(grown), len(photo)), grown.plain is None
    cloth = sample(photo, there, scale, FOLDS, tinted) or sample(photo, there, scale, WEAVE, tinted)
    sheet = None if cloth is None else quilt(cloth, *(max(p.extent[i] for p in parts) for i in (0, 1)))

    def lay(part: _Part) -> np.ndarray:
        colour = part.enlarge(grown.colour, cv2.INTER_CUBIC)
        return colour if cloth is None or sheet is None else _laid(part, colour, sheet, float(cloth.means.mean()))

    return lay


def _plain(grown: Grown) -> np.ndarray:
    return grown.own if grown.plain is None else grown.plain


def account(before: np.ndarray, after: np.ndarray, mask: np.ndarray, raw: np.ndarray) -> None:
    """Mask and raw picture, in place, made such that after = before + mask (raw - before); float32 (h, w, 3 or 1) in
    [0, 1]. The mask never sinks."""
    # As much of the mask as colours from 0 to 1 need.
    needed = np.where(after > before, (after - before) / (1 - before + 1e-6), (before - after) / (before + 1e-6))
    np.maximum(mask, needed.max(2, keepdims=True).clip(0, 1), out=mask)
    raw[:] = np.clip(before + (after - before) / np.maximum(mask, 1e-3), 0, 1)


def _laid(part: _Part, colour: np.ndarray, sheet: np.ndarray, mean: float) -> np.ndarray:
    """Cloth of that mean, of RGB in [0, 1], with its detail laid along the part, in light and shade."""
    return colour + part.lay(sheet) * _light(colour, mean)


def _light(colour: np.ndarray, mean: float) -> np.ndarray:
    """How much of a cloth's detail shows in such light and shade, (a, b, 1), by the mean of RGB where it is from."""
    light = cv2.transform(colour, np.full((1, 3), 1 / (3 * max(mean, 0.02))))
    return np.clip(light, 0.5, 2)[..., None]


def _as_piece(colour: np.ndarray, piece: Piece, grown: Grown, part: _Part) -> np.ndarray:
    """The generator's colours, (h, w, 3), with the mean of the piece that is laid on them, and no more shade."""
    new = np.zeros(grown.own.shape, bool)
    new[part.small_box] = True
    new &= (grown.cover > 0.5) & (grown.near > 0.5) & ~grown.own
    if not new.any():
        return colour
    mean = lab_of(piece.mean)
    by, whole = mean - lab_of(np.median(colour[new], axis=0)), colour.copy()
    around = tuple(slice(max(0, s.start - REACH), s.stop + REACH) for s in part.small_box)
    whole[around] = as_even(moved(colour[around], by), mean, piece.like)
    return whole


def crispen(laid: Laid, photo: np.ndarray, image: np.ndarray) -> None:
    """A pattern that was laid on the garment's own cloth gets steep edges, and the photo's weave and folds, in place.

    Args:
        laid: of the small picture.
        photo, image: float32 (S, S, 3) in [0, 1], the latter the edit as it was enlarged so far.
    """
    edges, size, side = laid.edges, len(image), len(laid.lost)
    whole = _Window((slice(0, side), slice(0, side)), size / side, size)
    # Carried along the photo's edges, a pattern that is no edge of it runs into dots where its lines cross.
    image += whole.enlarge(laid.painted)[..., None] * (whole.enlarge(laid.picture, cv2.INTER_CUBIC) - image)
    dark, light = whole.enlarge(edges.dark), whole.enlarge(edges.light)
    place = np.clip(whole.enlarge(edges.place, cv2.INTER_CUBIC), 0, 1)
    steeper = whole.enlarge(edges.weight) * (_steep_place(edges, whole) - place)
    image += steeper[..., None] * (light - dark)
    fine = (photo - cv2.GaussianBlur(photo, (0, 0), FINE * whole.scale)).mean(2)
    image += (whole.enlarge(laid.lost) * np.clip(fine, -STRONGEST, STRONGEST))[..., None]
    np.clip(image, 0, 1, out=image)


def weave(filled: Filled, photo: np.ndarray, image: np.ndarray) -> None:
    """What was painted smooth within the garment gets the texture of its other cloth, in place.

    Args:
        filled: of the small picture.
        photo, image: see ``crispen``.
    """
    size = len(photo)
    window = _Window(filled.box, size / len(filled.plain), size)
    cloth = sample(photo, resized(filled.plain, size), window.scale, WEAVE)
    if cloth is None:
        return
    pixels = image[window.box]
    detail = quilt(cloth, *pixels.shape[:2]) * _light(pixels, float(cloth.means.mean()))
    pixels += window.enlarge(filled.lost)[..., None] * detail
    np.clip(pixels, 0, 1, out=pixels)


def clear_haze(taken: Taken, photo: np.ndarray, edited: np.ndarray) -> None:
    """Whole cloth beside what was taken away, in place: the photo's, with the edit's colours.

    Args:
        taken: of the small picture.
        photo, edited: see ``paint_grown``.
    """
    for window in _windows(taken, photo):
        near = window.enlarge(taken.near * taken.old)[..., None]
        pixels = edited[window.box]
        pixels += near * (np.clip(photo[window.box] + window.enlarge(taken.change), 0, 1) - pixels)


def cut_away(taken: Taken, image: np.ndarray, mask: np.ndarray) -> None:
    """White beyond the outline, in place, and a mask (S, S, 1) that says so."""
    for window in _windows(taken, image):
        gone = window.enlarge(taken.near)[..., None] * (1 - window.steep(taken.cover, taken.slope))
        pixels = image[window.box]
        pixels += gone * (1 - pixels)
        np.maximum(mask[window.box], gone, out=mask[window.box])


def _windows(taken: Taken, image: np.ndarray) -> Iterator[_Window]:
    size = image.shape[0]
    return (_Window(box, size / taken.near.shape[0], size) for box in taken.boxes)


def _compose(grown: Grown, part: _Part, photo: np.ndarray, edited: np.ndarray, colour: np.ndarray) -> Painted:
    """New cloth behind the garment that stays, on white."""
    # How much of each pixel is the photo's garment: at its outline by how dark it is.
    there = (1 - whiteness(photo)) / np.maximum(part.enlarge(grown.darkness), FAINT)
    there = np.clip(np.maximum(there, part.enlarge(grown.inside)), 0, 1)[..., None]
    again, near = part.enlarge(grown.repainted)[..., None], part.enlarge(grown.near)[..., None]
    lines = None if grown.lines is None else Lines(*(part.enlarge(a) for a in grown.lines))
    if lines is not None:
        colour = colour * hem_light(lines, part.scale)[..., None]
    new = 1 + part.cover * (colour - 1)
    # At the old outline, there F + (1 - there) 1 becomes there F + (1 - there) new; never darker than both.
    behind = np.maximum(photo + new - 1, np.minimum(cv2.erode(photo, np.ones((5, 5))), new))
    kept = behind + there * (edited - behind)
    after = kept + again * (new - kept)
    if lines is not None:
        after *= seam_light(lines, part.scale)[..., None]
    after = edited + near * (after - edited)
    return Painted(part.box, np.clip(after, 0, 1), near * np.maximum(again, part.cover * (1 - there)))


def _steep_place(edges: Edges, window: _Window) -> np.ndarray:
    """Between the two sides of an edge, 0 to 1, with the way from one to the other as short as in a photo."""
    steps = (window.enlarge(edges.place, cv2.INTER_CUBIC) - 0.5) / window.enlarge(edges.slope)
    return np.clip(steps * (window.scale / CRISP) + 0.5, 0, 1)


class _Window:
    """A box of the small picture, in the large one; ``box`` is in pixels of the photo."""

    def __init__(self, box: Box, scale: float, size: int) -> None:
        self.scale = scale
        self.box = rows, columns = large_box(box, scale, size)
        self._corner, self._size = (
            np.array([columns.start, rows.start]),
            (columns.stop - columns.start, rows.stop - rows.start),
        )

    def enlarge(self, a: np.ndarray, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
        """What of float32 (h, w) or (h, w, C) lies in the box, at the large picture's size."""
        shift = (self._corner + 0.5) / self.scale - 0.5
        return self._warp(a, np.column_stack([np.eye(2) / self.scale, shift]), interpolation, cv2.BORDER_REPLICATE)

    def steep(self, cover: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """How much of each pixel is cloth, with an outline as steep as a cut-out's, float32 (a, b, 1)."""
        steps = (self.enlarge(cover, cv2.INTER_CUBIC) - 0.5) / self.enlarge(slope) * (self.scale / OUTLINE)
        return np.clip(steps + 0.5, 0, 1)[..., None]

    def _warp(self, a: np.ndarray, matrix: np.ndarray, interpolation: int, border: int) -> np.ndarray:
        a = np.ascontiguousarray(a, np.float32)
        return cv2.warpAffine(a, matrix, self._size, flags=interpolation | cv2.WARP_INVERSE_MAP, borderMode=border)


class _Part(_Window):
    """A part's box in the large picture, its outline and how its cloth lies.

    Attributes:
        cover: float32 (a, b, 1), how much of each pixel is cloth.
        small_box: in the small picture.
        side: of the garment.
        extent: of the cloth along and across, in pixels of the photo.
    """

    def __init__(self, grown: Grown, box: Box, scale: float, size: int) -> None:
        super().__init__(box, scale, size)
        self.small_box = box
        self.side: Side = "left" if box[1].start + box[1].stop < 2 * middle_and_reach(grown.own)[0] else "right"
        self.cover = self.steep(grown.cover, grown.slope)
        y, x = np.nonzero(((grown.cover > 0.1) & (grown.near > 0.1))[box])
        points = np.stack([x + box[1].start, y + box[0].start], 1) * scale  # (n, 2)
        along = np.array([0.0, 1.0])
        variances, axes = np.linalg.eigh(np.cov(points.T)) if len(points) > 2 else (np.ones(2), np.eye(2))
        if variances[1] > ELONGATED * variances[0]:
            along = axes[:, 1] * (1 if axes[1, 1] >= 0 else -1)
        self._axes = np.array([[along[1], -along[0]], along])  # across, along
        reach = points @ self._axes.T if len(points) else np.zeros((1, 2))
        self._origin = reach.min(0) - 2 * scale
        self.extent = tuple(int(n) for n in (np.ptp(reach, axis=0) + 5 * scale)[::-1])

    def lay(self, sheet: np.ndarray) -> np.ndarray:
        """Of a sheet of cloth (H, W, 3) what lies in the box, (a, b, 3)."""
        return self._warp(
            sheet,
            np.column_stack([self._axes, self._axes @ self._corner - self._origin]),
            cv2.INTER_CUBIC,
            cv2.BORDER_REFLECT,
        )
