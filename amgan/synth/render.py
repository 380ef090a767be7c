"""One garment from a seed and its attributes, and the same garment with an attribute changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from amgan.errors import UserError
from amgan.synth.body import SLEEVE_LENGTH, Body
from amgan.synth.canvas import PARTS, Canvas
from amgan.synth.cloth import make_cloth
from amgan.synth.collars import BEHIND, FRONT, Neck, neck
from amgan.synth.draw import Mask, Points, curve, mirror, points, rectangle, ribbon, soften, stream, wave
from amgan.synth.fastenings import FASTEN
from amgan.synth.light import Camera, Light
from amgan.synth.values import BARE, check, draw_labels, edited_labels, hidden_details, possible_values

RENDERER_VERSION = 2  # raised whenever a seed's pictures change
SIZES = (32, 1024)
CHANGED = 10  # of 255: a true region is where any channel differs by more
USUAL = 0  # the seed whose details are the usual ones
DETAILS = ("pattern", "collar", "fastening", "sleeve", "arms")


@dataclass(frozen=True)
class Item:
    """A garment: everything about it follows from these."""

    seed: int
    labels: dict[str, str]


@dataclass(frozen=True)
class Rendered:
    """A product shot.

    Attributes:
        image: uint8 (S, S, 3), sRGB, the garment on white with a soft shadow.
        mask: uint8 (S, S) of 0 and 255, the garment.
        parts: per part of ``PARTS`` that is seen, uint8 (S, S) of 0 and 255; disjoint.
    """

    image: np.ndarray
    mask: np.ndarray
    parts: dict[str, np.ndarray]


@dataclass(frozen=True)
class Counterfactual:
    """What an edit of an item truly gives.

    Attributes:
        item: the same seed with the labels after the edit.
        rendered: its picture.
        region: uint8 (S, S) of 0 and 255, where it differs from the item's own picture, inside either garment.
    """

    item: Item
    rendered: Rendered
    region: np.ndarray


def draw_item(seed: int) -> Item:
    """The garment of a seed: attributes drawn independently, common values more often."""
    return Item(seed, draw_labels(seed))


def possible_edits(item: Item) -> dict[str, tuple[str, ...]]:
    """Per attribute the values, other than the item's own, that this garment can be given."""
    return possible_values(item.labels)


def counterfactual(item: Item, edit: Mapping[str, str], size: int = 128, usual: bool = False) -> Counterfactual:
    """The same garment, pose, light and camera with the edit applied. Raises UserError on what cannot be drawn.

    Args:
        usual: details that nothing in the item's picture tells are the usual ones, not the seed's: so the picture is
            what an edit can be asked for, and to learn from.
    """
    after = Item(item.seed, edited_labels(item.labels, edit))
    details = [d for name in edit for d in hidden_details(item.labels, name)] if usual else []
    before, rendered = render(item.seed, item.labels, size), render(after.seed, after.labels, size, details)
    return Counterfactual(after, rendered, true_region(before, rendered))


def true_region(before: Rendered, after: Rendered) -> np.ndarray:
    """Where two renders of one seed differ, uint8 (S, S) of 0 and 255; shadows on the background do not count."""
    differs = np.abs(before.image.astype(np.int16) - after.image).max(2) > CHANGED
    garment = (before.mask > 0) | (after.mask > 0)
    region = np.where(differs & garment, 255, 0).astype(np.uint8)
    # Holes and crumbs of a pixel are where old and new happen to agree.
    box = np.ones((3, 3), np.uint8)
    region = cv2.morphologyEx(cv2.morphologyEx(region, cv2.MORPH_CLOSE, box), cv2.MORPH_OPEN, box)
    return np.where(garment, region, 0).astype(np.uint8)


def render(seed: int, labels: Mapping[str, str], size: int = 128, usual: Collection[str] = ()) -> Rendered:
    """Draw a garment.

    Args:
        seed: everything that is not an attribute: cut, pose, folds, cloth, light, camera.
        labels: a value for every attribute of ``SCHEMA`` (a garment without shoulders has no collar).
        size: side in pixels, 32 to 1,024. The garment is the same at every size.
        usual: which of ``DETAILS`` (how wide stripes are, which buttons, where arms point) are the usual ones, not the
            seed's.

    Raises:
        UserError: a label is missing, unknown, or goes with none of the others; or the size is out of range.
    """
    labels = check(labels)
    if not SIZES[0] <= size <= SIZES[1]:
        raise UserError(f"Cannot render at {size} px; valid: {SIZES[0]} to {SIZES[1]}.")
    # Small pictures are drawn at twice their size: a button is two pixels wide there.
    inner = size * 2 if size <= 256 else size
    style = {name: USUAL if name in usual else seed for name in DETAILS}
    body = Body.draw(seed)
    if "sleeve" in usual:
        body = body.with_usual_arms(seen="arms" not in usual)
    cloth = make_cloth(seed, labels["color"], labels["pattern"], inner, style["pattern"])
    camera = Camera.draw(seed)
    light = Light.draw(seed, body, 0.9 if cloth.material == "satin" else 0.0, style["sleeve"])
    canvas = Canvas(inner, body, cloth, light, camera.background)
    _paint(canvas, seed, labels, style)
    return _photograph(canvas, camera, size)


def _paint(canvas: Canvas, seed: int, labels: Mapping[str, str], style: Mapping[str, int]) -> None:
    """Paint the garment's parts; ``style`` are the seeds that decide each attribute's details."""
    body, sleeve = canvas.body, labels["sleeve"]
    collar = labels.get("collar", "round")
    opening = neck(style["collar"], body, collar)
    collar_draws = stream(style["collar"], "collar")
    front_draws = stream(style["fastening"], "fastening")
    if sleeve in BARE:
        top = float(body.bare_top(sleeve)[:, 1].max()) - 0.004
        _bare_back(canvas, sleeve)
    else:
        top = opening.depth
        canvas.paint("inside", [opening.inside()], "trim", tone=0.66, folds=None, edge=(0.02, 0.25))
        if collar in BEHIND:
            BEHIND[collar](canvas, opening, stream(style["collar"], "collar"))
    over = stream(seed, "order").random() < 0.7  # sleeves lie on the body, or under it
    if not over:
        _sleeves(canvas, style["sleeve"], sleeve)
    _torso(canvas, seed, sleeve, opening)
    if over:
        _sleeves(canvas, style["sleeve"], sleeve)
    _pockets(canvas, seed, sleeve)
    if labels["fastening"] in FASTEN:
        FASTEN[labels["fastening"]](canvas, top, front_draws, collar == "polo")
    if sleeve in BARE:
        edge = body.bare_top(sleeve)
        canvas.paint("torso", [ribbon(edge, 0.012)], "trim", tone=0.97, lift=0.002, folds=None, edge=(0.005, 0.15))
        if sleeve == "spaghetti":
            canvas.paint("sleeves", body.straps(), "trim", lift=0.002, folds=None, edge=(0.004, 0.2))
    else:
        FRONT[collar](canvas, opening, collar_draws)


def _bare_back(canvas: Canvas, sleeve: str) -> None:
    """The back's upper edge, seen inside a garment without shoulders."""
    body = canvas.body
    side, y = body.chest * 0.96, body.armpit_y - 0.008
    back = curve([(-side, y), (0, y - 0.012), (side, y)], 8)
    canvas.paint(
        "inside", [np.vstack([back, points((side, y + 0.05), (-side, y + 0.05))])], "trim", tone=0.66, folds=None
    )


def _torso(canvas: Canvas, seed: int, sleeve: str, opening: Neck) -> None:
    body = canvas.body
    g = stream(seed, "torso")
    outline = body.torso(sleeve, opening.whole)
    factor = None
    if body.pose == "ghost":  # a body inside: light falls off towards its sides
        across = canvas.x / body.chest
        factor = 1.03 - 0.3 * np.minimum(across * across, 1.2) ** 1.5
    canvas.paint("torso", [outline], "torso", lift=0.004, edge=(0.03, 0.2), factor=factor)
    rib, depth = g.random() < 0.3, g.uniform(0.028, 0.05)
    low = body.lower_edge()
    if rib and body.hem_curve < 0.015:
        band = np.vstack([low, (low - (0, depth))[::-1]])
        inside = canvas.mask(outline)
        ribs = 1 + 0.13 * wave(canvas.x / 0.0105)
        canvas.paint("torso", [band], "trim", tone=0.97, factor=ribs, edge=(0.008, 0.15), within=inside)
        canvas.tone([ribbon(low - (0, depth), 0.004)], 0.74, inside)
    else:
        canvas.tone([ribbon(low - (0, 0.017), 0.0028)], 0.8)
    if sleeve in BARE:
        return
    hole = body.armhole(sleeve)
    shoulder = np.vstack([opening.right[-1:], hole[:1]])
    canvas.seam(shoulder + (0, 0.004), 0.84)
    if sleeve == "sleeveless":
        for side in (hole, mirror(hole)):
            canvas.paint(
                "torso",
                [ribbon(side - (np.sign(side[0, 0]) * 0.004, 0), 0.011)],
                "trim",
                tone=0.94,
                folds=None,
                edge=(0.005, 0.15),
            )
        canvas.seam(hole - (0.012, 0), 0.8)


def _sleeves(canvas: Canvas, seed: int, sleeve: str) -> None:
    if sleeve not in SLEEVE_LENGTH:
        return
    g = stream(seed, "sleeves")
    share, body = SLEEVE_LENGTH[sleeve], canvas.body
    flare, cuff, rolled = g.choice([0.0, 0.0, 0.02, 0.06]), int(g.integers(4)), g.random() < 0.25
    if sleeve == "extra short":
        flare, rolled = 0.12, False
    for k, arm in enumerate(body.arms):
        left = bool(k)
        outline = arm.sleeve(share, flare)
        outline = mirror(outline) if left else outline
        canvas.paint("sleeves", [outline], "sleeve", lift=0.005, folds="sleeves", edge=(0.032, 0.26), arm=(arm, left))
        _cuff(canvas, arm.cut, left, share, flare, cuff, rolled)
    hole = body.armhole(sleeve)
    canvas.seam(hole, 0.7, 0.004)


def _cuff(canvas: Canvas, cut, left: bool, share: float, flare: float, kind: int, rolled: bool) -> None:
    """How a sleeve ends: a hem, a rib, a cuff with a button, or rolled up."""

    def band(width: float, at: float = share) -> Points:
        shape = cut(at, width, flare)
        return mirror(shape) if left else shape

    long = share >= 0.7
    if long and kind == 1:
        canvas.paint("sleeves", [band(0.045)], "trim", tone=0.95, lift=0.003, folds=None, edge=(0.018, 0.3))
        canvas.tone([_edge(band(0.045))], 0.7)
    elif long and kind == 2:
        canvas.paint("sleeves", [band(0.05)], "trim", tone=1.02, lift=0.003, folds="sleeves", edge=(0.012, 0.2))
        canvas.tone([_edge(band(0.05))], 0.62)
    elif not long and rolled:
        canvas.paint("sleeves", [band(0.026)], "trim", tone=1.04, lift=0.005, folds="sleeves", edge=(0.012, 0.25))
    elif not long and (kind == 1 or canvas.cloth.contrast_trim is not None):
        canvas.paint("sleeves", [band(0.018)], "trim", tone=0.95, lift=0.002, folds=None, edge=(0.01, 0.2))
    else:
        canvas.tone([_edge(band(0.016))], 0.78)


def _edge(band: Points) -> Points:
    """A line along the upper end of a band around the sleeve."""
    half = len(band) // 2
    return ribbon(np.vstack([band[0], band[-1]]) if half else band, 0.0038)


def _pockets(canvas: Canvas, seed: int, sleeve: str) -> None:
    """A chest pocket or two, or a kangaroo pocket, on some garments: by the seed alone, so that no edit adds or takes
    one."""
    g = stream(seed, "pockets")
    chance, both, wide = g.random(), g.random() < 0.4, g.uniform(0.032, 0.04)
    body = canvas.body
    inside = canvas.mask(body.torso(sleeve, points((-body.neck, 0), (body.neck, 0))))
    if chance < 0.1:
        y, low = body.hem_y - 0.2, body.hem_y - 0.045
        half, slant = body.hem * 0.62, body.hem * 0.34
        pocket = points((-slant, y), (slant, y), (half, low - 0.05), (half, low), (-half, low), (-half, low - 0.05))
        canvas.paint("pocket", [pocket], "torso", tone=1.01, lift=0.003, edge=(0.012, 0.12), within=inside)
        canvas.tone([ribbon(np.vstack([pocket, pocket[:1]]), 0.0042)], 0.7, inside)
    elif chance < 0.3:
        x, y = body.chest * 0.5, body.armpit_y
        for left in (False, True) if both else (False,):
            pocket = points((x - wide, y), (x + wide, y), (x + wide, y + 0.07), (x, y + 0.086), (x - wide, y + 0.07))
            hem = rectangle(x - wide, y + 0.012, x + wide, y + 0.016)
            pocket, hem = (mirror(pocket), mirror(hem)) if left else (pocket, hem)
            canvas.paint("pocket", [pocket], "torso", lift=0.002, edge=(0.01, 0.08), within=inside)
            canvas.tone([ribbon(np.vstack([pocket, pocket[:1]]), 0.0042)], 0.68, inside)
            canvas.tone([hem], 0.8, inside)


def _photograph(canvas: Canvas, camera: Camera, size: int) -> Rendered:
    """Lay the garment down on its background, a little askew, and take the picture."""
    inner = canvas.size
    towards = canvas.light.towards
    x, y = camera.warp(inner)
    ground = soften(canvas.cover, 0.014)
    move = np.array([[1, 0, -towards[0] * 0.012 * inner], [0, 1, -towards[1] * 0.012 * inner]], np.float32)
    ground = cv2.warpAffine(ground, move, (inner, inner)).astype(np.float32) * (camera.shadow / 255)
    cover = canvas.cover.astype(np.float32)[..., None] / 255
    # What is not covered is background, and only that is shaded from the ground up.
    picture = canvas.picture * (1 - (ground[..., None] * (1 - cover)))
    picture = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    garment = cv2.remap(canvas.cover, x, y, cv2.INTER_LINEAR)
    part = cv2.remap(canvas.part, x, y, cv2.INTER_NEAREST)
    if inner != size:
        picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
        garment = cv2.resize(garment, (size, size), interpolation=cv2.INTER_AREA)
        part = part[::2, ::2]
    mask = np.where(garment > 127, 255, 0).astype(np.uint8)
    # A pixel at the soft edge belongs to the part beside it.
    part = np.where(part > 0, part, cv2.dilate(part, np.ones((5, 5), np.uint8)))
    parts = {}
    for i, name in enumerate(PARTS):
        seen: Mask = np.where((part == i + 1) & (mask > 0), 255, 0).astype(np.uint8)
        if seen.any():
            parts[name] = seen
    return Rendered(camera.develop(picture), mask, parts)
