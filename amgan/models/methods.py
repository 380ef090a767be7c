"""The methods that can be trained and loaded, by name: a new one is a file and a line here."""

from __future__ import annotations

from importlib import import_module

from amgan.errors import UserError
from amgan.models.interface import Method

METHODS = {
    "amgan": "amgan.models.amgan.method:Amgan",
    "stargan": "amgan.models.rivals.stargan:Stargan",
    "ganimation": "amgan.models.rivals.ganimation:Ganimation",
    "sagan": "amgan.models.rivals.sagan:Sagan",
}


def find_method(name: str) -> type[Method]:
    """The class of that name. Raises UserError."""
    if name not in METHODS:
        raise UserError(f"Unknown model {name!r}. Valid: {', '.join(METHODS)}.")
    module, _, attribute = METHODS[name].partition(":")
    return getattr(import_module(module), attribute)
