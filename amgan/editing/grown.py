"""What an edit painted where the photo shows no cloth, or other cloth: a grown sleeve, and the short one under it.

Read off at the model's size, from the photo's white ground, the generator's mask and its picture; no mask of the
garment is asked. ``amgan.editing.painting`` carries it to the photo's size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from amgan.editing.main_colour import FEWEST, as_even, lab_of, moved, of_colour, sleeves_colour
from amgan.editing.shapes import (
    FAINT,
    WHITE,
    Box,
    blur_within,
    boxes,
    dilate,
    disc,
    evened,
    gradient,
    mean_darkness,
    middle_and_reach,
    opened,
    slope,
    touching,
    whiteness,
)
from amgan.editing.tailoring import Lines, find_gaps, find_lines

LEAST = 0.02  # alpha below which nothing was painted
PAINTED = 0.3  # alpha from which a pixel is the generator's
FOLLOWS = (0.1, 0.35)  # response to the photo's shading: below, painted anew; above, recoloured
ASIDE = 0.25  # of the garment's width from its middle: sleeves lie farther out
SIDE = 0.3  # of what stays of the garment, from its middle: sleeves are cut from there
SPACE = 4  # pixels around new cloth that are looked after too
AROUND = 3.0  # standard deviation, in pixels, over which its colours go on into gaps
WHOLE, LAID = 0.5, 0.08  # of the garment is painted, and of that are new edges: from here on a pattern was laid on it
BETWEEN = 9  # pixels from one stripe to the next, where a generator may have painted the stripes alone
BARE = 11  # pixels: no white stripe is so wide
STRIPE = (0.12, 0.24)  # of 1, light to dark within 5 pixels: from here on an edge of a pattern, no fold


class Edges(NamedTuple):
    """A blurred pattern, to be made crisp: of each pixel the colours on the dark and on the light side of the edge,
    (h, w, 3), its own place between them, 0 to 1, (h, w), that place's slope per pixel, and how much of an edge it is,
    0 to 1."""

    dark: np.ndarray
    light: np.ndarray
    place: np.ndarray
    slope: np.ndarray
    weight: np.ndarray


class Laid(NamedTuple):
    """A pattern that lies on the garment's own cloth: the picture with it, (h, w, 3), how far that is painted, its
    edges, and how much of the photo's fine detail the enlarged edit lacks, float32 (h, w) from 0 to 1."""

    picture: np.ndarray
    painted: np.ndarray
    edges: Edges
    lost: np.ndarray


class Grown(NamedTuple):
    """What is new, at the model's size; float32 (h, w) unless said.

    Attributes:
        near: 1 at new cloth and around it, 0 where nothing is done.
        cover: how much of each pixel is cloth afterwards; its level 0.5 is the outline.
        slope: of ``cover`` across the outline, per pixel.
        colour: (h, w, 3), the new cloth's, continued beyond its outline.
        repainted: how far the photo's garment is painted anew there, so that nothing of it stays.
        inside: 1 well inside the photo's garment.
        darkness: of the photo's garment around there, 0 to 1.
        own: bool, cloth of the photo that stays.
        plain: bool, that of it which has the main colour; None where no colour is most of it.
        aside: whether all of it lies beside the garment, as sleeves do and hoods do not.
        boxes: of the parts, in pixels.
        lines: of seams and hems; None of what does not lie beside.
    """

    near: np.ndarray
    cover: np.ndarray
    slope: np.ndarray
    colour: np.ndarray
    repainted: np.ndarray
    inside: np.ndarray
    darkness: np.ndarray
    own: np.ndarray
    plain: np.ndarray | None
    aside: bool
    boxes: list[Box]
    lines: Lines | None


def find_grown(
    x: np.ndarray, y: np.ndarray, alpha: np.ndarray, ground: np.ndarray, response: np.ndarray
) -> Grown | None:
    """What an edit painted anew, or None where it only changed the garment that was there.

    Args:
        x, y: the photo and the edited picture, float32 (h, w, 3) in [0, 1], on white.
        alpha: float32 (h, w), the generator's mask.
        ground: bool (h, w), the white around the photo's garment.
        response: float32 (h, w), see ``amgan.photos.guided.response``.
    """
    cover, colour = _cover(y, ground, alpha)
    new = opened(ground & (cover > 0.5), 5)  # a colour edit's rim is no new cloth
    if not new.any():
        return None
    cloth = (~ground).astype(np.float32)
    aside = _aside(new, cloth)
    gaps = find_gaps(cover, ground, new) if aside else np.zeros_like(ground)
    if gaps.any():
        colour = np.where(gaps[..., None], blur_within(colour, new, AROUND), colour)
        cover, new = np.maximum(cover, gaps), new | gaps
    # Parts of the garment that touch it and were painted without the photo's shading: a short sleeve under a long one.
    joined = touching((alpha > 0.5) & ~ground | (dilate(new, 5) > 0), new) & ~ground
    solid = cv2.erode(cloth, np.ones((5, 5))) > 0
    stays = solid & (alpha < 0.5)
    side = stays & _at_the_sides(stays)
    main = sleeves_colour(x[stays], x[side]) if aside else None
    if main is not None:
        unlike = 1.0  # the whole sleeve, in the garment's cloth
    else:
        weight = joined * cv2.erode(cloth, disc(5)) + 1e-4  # the outline itself is shared by all
        response = cv2.GaussianBlur(response * weight, (0, 0), 5) / cv2.GaussianBlur(weight, (0, 0), 5)
        unlike = np.clip((FOLLOWS[1] - response) / (FOLLOWS[1] - FOLLOWS[0]), 0, 1)
    repainted = (alpha * joined * unlike).astype(np.float32)
    repainted = cv2.GaussianBlur(np.where(ground, dilate(repainted, 5), repainted), (0, 0), 0.7)
    near = cv2.GaussianBlur(np.maximum(dilate(new, 2 * SPACE + 1), dilate(repainted > 0.2, 5)), (0, 0), 1)
    near *= dilate((alpha > LEAST) | gaps, 3)  # what was not painted stays

    own = solid & (repainted < 0.1) & (alpha < 0.5)
    plain = None
    if main is not None:
        plain = own & of_colour(y, main)
        like = plain & side if (plain & side).sum() >= FEWEST else plain
        colour = _as_light(colour, new & (cover > 0.9), main, y[like])
    # On the ground, specks of haze are no cloth; under the garment that stays, new cloth goes on.
    cover *= ~ground | touching(ground & (cover > 0.02), new)
    cover = np.where(ground | (dilate(repainted, 5) > 0.02), cover, dilate(cover * ground, 7))
    cover = evened(cover)
    inside, parts = cv2.erode(cloth, np.ones((3, 3))), boxes(near)
    sleeve = (cover > 0.5) & (near > 0.5) & (ground | (repainted > 0.5))
    lines = find_lines(sleeve, repainted, inside, parts) if aside else None
    return Grown(
        near,
        cover,
        slope(cover),
        colour,
        repainted,
        inside,
        mean_darkness((1 - whiteness(x)) * cloth),
        own,
        plain,
        aside,
        parts,
        lines,
    )


def _as_light(colour: np.ndarray, new: np.ndarray, main: np.ndarray, like: np.ndarray) -> np.ndarray:
    """New cloth's colours, (h, w, 3), of which the generator paints an average, with the garment's main one, Lab (3,),
    as their median where the cloth is ``new``, bool (h, w), and in light and shade like that, (n, 3)."""
    inner = cv2.erode(new.astype(np.uint8), disc(3)) > 0
    if not inner.any():
        return colour
    return as_even(moved(colour, main - lab_of(np.median(colour[inner], axis=0))), main, like)


def _at_the_sides(there: np.ndarray) -> np.ndarray:
    """Whether columns are far from the middle of what is there, bool (h, w): bool (w,)."""
    middle, reach = middle_and_reach(there)
    return np.abs(np.arange(there.shape[1]) - middle) > SIDE * reach


def _aside(new: np.ndarray, cloth: np.ndarray) -> bool:
    """Whether every part of new cloth, bool (h, w), has its middle beside that of the garment, float32 (h, w)."""
    middle, reach = middle_and_reach(cloth)
    _, _, _, middles = cv2.connectedComponentsWithStats(new.astype(np.uint8))
    return bool(cloth.any() and (np.abs(middles[1:, 0] - middle) > ASIDE * reach).all())


def _cover(y: np.ndarray, ground: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much of each pixel is cloth, float32 (h, w): 0.5 where it is half as dark as the cloth that lies inwards. And
    the picture, (h, w, 3), with that cloth's colour where a pixel shows less of it.

    Inwards, not beside it: a pale stripe has as much of an outline as a dark one.
    """
    painted = (1 - whiteness(y)) * (~ground | (alpha > PAINTED))
    both = np.dstack([y, painted])
    there = (painted > FAINT).astype(np.float32)
    body = cv2.GaussianBlur(there, (0, 0), 2)
    best = both
    for inwards in _uphill(both, cv2.GaussianBlur(there, (0, 0), 4), (1, 2, 3, 4), 0.02):  # in the middle is no way
        best = np.where(inwards[..., 3:] > best[..., 3:], inwards, best)
    cover = painted / np.maximum(best[..., 3], FAINT)
    deep = np.clip((body - 0.9) / 0.07, 0, 1) * np.clip(painted / FAINT - 1, 0, 1)  # shading and stripes, no outline
    cover = np.clip(np.maximum(cover, deep), 0, 1)
    lacking = np.clip((1 - cover) * 5, 0, 1)[..., None]
    return cover, cv2.GaussianBlur(y + lacking * (best[..., :3] - y), (0, 0), 0.5)


def _uphill(picture: np.ndarray, hill: np.ndarray, steps: Sequence[int], least: float) -> Iterator[np.ndarray]:
    """A picture (h, w, C) as it is so many pixels up the steepest way of a hill (h, w), or down: for each step one.
    Where that is less steep than ``least``, steps are shorter."""
    dx, dy = gradient(hill.astype(np.float32))
    steep = np.maximum(np.hypot(dx, dy), np.float32(least))
    rows, columns = np.indices(hill.shape, dtype=np.float32)
    for k in steps:
        at = columns + k * dx / steep, rows + k * dy / steep
        yield cv2.remap(picture, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def find_laid(x: np.ndarray, y: np.ndarray, alpha: np.ndarray, ground: np.ndarray, response: np.ndarray) -> Laid | None:
    """The pattern that an edit laid on the garment's own cloth; None where it laid none. See ``find_grown``."""
    stripes, alpha = alpha, cv2.morphologyEx(alpha, cv2.MORPH_CLOSE, disc(BETWEEN))
    cloth = (cv2.erode((~ground).astype(np.uint8), disc(3)) > 0) & (alpha > PAINTED)
    if not cloth.any() or cloth.sum() < WHOLE * (~ground).sum():
        return None
    bare = opened(~ground & (whiteness(y) >= WHITE), BARE)  # wider than a white stripe: a sleeve was taken off
    if bare.sum() > LAID * (~ground).sum():
        return None
    old = _steep(_span(x, cloth))
    weight = np.clip(_steep(_span(y, cloth)) - old, 0, 1) * np.clip((alpha - PAINTED) / (0.9 - PAINTED), 0, 1) * cloth
    if (weight > 0.5).sum() < LAID * cloth.sum():
        return None
    edges = _edges(y, cloth)
    weight = np.where(cloth, weight, dilate(weight.astype(np.float32), 5)).astype(np.float32)
    # Across the outline is no detail, and a pattern that the photo had is none that should come back.
    lost = (np.clip(1 - response, 0, 1) * alpha * cloth * (1 - old)).astype(np.float32)
    within = cv2.erode((~ground).astype(np.uint8), disc(5)) > 0
    painted = cv2.GaussianBlur((dilate(stripes, 3) * within).astype(np.float32), (0, 0), 0.7)
    return Laid(y, painted, edges._replace(weight=cv2.GaussianBlur(weight, (0, 0), 1)), lost)


def _span(picture: np.ndarray, cloth: np.ndarray) -> np.ndarray:
    """From the darkest to the lightest cloth within two pixels, float32 (h, w)."""
    grey = cv2.GaussianBlur(picture.mean(2), (0, 0), 0.5)
    lightest = cv2.dilate(np.where(cloth, grey, -1.0), disc(5))
    darkest = cv2.erode(np.where(cloth, grey, 2.0), disc(5))
    return np.maximum(lightest - darkest, 0)


def _steep(span: np.ndarray) -> np.ndarray:
    """How much of an edge of a pattern that is, 0 to 1."""
    return np.clip((span - STRIPE[0]) / (STRIPE[1] - STRIPE[0]), 0, 1)


def _edges(colour: np.ndarray, cloth: np.ndarray) -> Edges:
    """Of the pattern in a picture (h, w, 3), where it is cloth, bool (h, w): white ground is no side of it. The sides
    of an edge lie across it: looked for all around, those of a check would be found beyond its corners."""
    grey = cv2.GaussianBlur(colour.mean(2), (0, 0), 0.5)
    dark = light = both = np.dstack([colour, grey, cloth]).astype(np.float32)
    for there in _uphill(both, cv2.GaussianBlur(grey, (0, 0), 0.7), (-2, -1, 1, 2), 1e-6):
        valid = there[..., 4:] > 0.99
        dark = np.where(valid & (there[..., 3:4] < dark[..., 3:4]), there, dark)
        light = np.where(valid & (there[..., 3:4] > light[..., 3:4]), there, light)
    span = light[..., 3] - dark[..., 3]
    place = (grey - dark[..., 3]) / np.maximum(span, 1e-3)
    weight = cv2.GaussianBlur(_steep(span), (0, 0), 1)
    dark, light = (cv2.GaussianBlur(a[..., :3], (0, 0), 0.7) for a in (dark, light))
    return Edges(dark, light, place, slope(place), weight)
