"""A service over the small drawn catalogue, for the tests of the API, of the widget and of load."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from retrieval.service.settings import Limits, Settings
from tests.tiny_catalogue import make_catalogue, make_index, make_weights

ITEM = "images/short red & 96"  # of the drawn catalogue, by its item_id
GENEROUS = Limits(rate=1000, burst=1000, workers=2, seconds=60)


def make_served(folder: Path, **changes) -> Settings:
    """An index of the drawn catalogue, and the settings that serve it."""
    make_index(folder / "index", make_catalogue(folder / "catalogue"), make_weights(folder / "weights"))
    return Settings(str(folder / "index"), "shirts", **({"limits": GENEROUS} | changes))


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
