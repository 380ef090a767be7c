"""Change a garment's attributes in its photo.

    from amgan import cut_out, load_editor, read_image

The paper: Ak, Lim, Tham, Kassim, "Attribute Manipulation Generative Adversarial Networks for Fashion Images", ICCV
2019.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amgan.editing.editor import Editor, EditResult, NoEdit, load_editor
    from amgan.editing.source_size import at_source_size, edit_cut_out
    from amgan.errors import PhotoError, UserError
    from amgan.photos import CutOut, cut_out, read_image, read_mask
    from amgan.schema import AttributeSchema
    from amgan.weights import load_classifier

__all__ = [
    "AttributeSchema",
    "CutOut",
    "EditResult",
    "Editor",
    "NoEdit",
    "PhotoError",
    "UserError",
    "at_source_size",
    "cut_out",
    "edit_cut_out",
    "load_classifier",
    "load_editor",
    "read_image",
    "read_mask",
]

_HOMES = {
    "amgan.editing.editor": ("EditResult", "Editor", "NoEdit", "load_editor"),
    "amgan.errors": ("PhotoError", "UserError"),
    "amgan.photos": ("CutOut", "cut_out", "read_image", "read_mask"),
    "amgan.schema": ("AttributeSchema",),
    "amgan.editing.source_size": ("at_source_size", "edit_cut_out"),
    "amgan.weights": ("load_classifier",),
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: torch takes seconds, which `--help` and a typing error need not wait for.
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module 'amgan' has no attribute {name!r}")
