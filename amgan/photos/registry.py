"""Segmenters by name."""

from __future__ import annotations

from importlib.metadata import entry_points

from amgan.errors import UserError
from amgan.photos.classical import Classical
from amgan.photos.rembg import NAME as REMBG
from amgan.photos.rembg import Rembg
from amgan.photos.segmenter import LEARNED, Segmenter

ENTRY_POINT_GROUP = "amgan.segmenters"
CLASSICAL = Classical()
DEFAULT = Classical.name


def load_segmenter(name: str = DEFAULT) -> Segmenter:
    """The segmenter of that name.

    Args:
        name: ``classical``; ``rembg`` or ``rembg:MODEL``; or ``NAME`` or ``NAME:ARGUMENT`` of the entry-point group
            ``amgan.segmenters``, whose entry point is a callable that takes the argument (or an empty string) and
            returns a `Segmenter`.

    That of weights is loaded with them, see ``amgan.weights.segmenters``.

    Raises:
        UserError: there is none of that name, or what it needs is not installed.
    """
    if name == Classical.name:
        return CLASSICAL
    prefix, _, argument = name.partition(":")
    if prefix == REMBG:
        return Rembg(argument)
    points = entry_points(group=ENTRY_POINT_GROUP)
    for point in points:
        if point.name == prefix:
            segmenter = point.load()(argument)
            if not isinstance(segmenter, Segmenter):
                raise UserError(f"The segmenter {name!r} lacks identity or segment; its package must add them.")
            return segmenter
    valid = ", ".join([Classical.name, LEARNED, REMBG, *sorted(p.name for p in points)])
    raise UserError(f"There is no segmenter {name!r}. Valid: {valid}.")


def name_of(identity: str) -> str:
    """The name that an identity, ``NAME (VERSION)``, is loaded by."""
    return identity.rpartition(" (")[0] or identity
