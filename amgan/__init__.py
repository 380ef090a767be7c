"""Change a garment's attributes in its photo.

    from amgan import cut_out, load_editor, read_image

The paper: Ak, Lim, Tham, Kassim, "Attribute Manipulation Generative Adversarial Networks for Fashion Images", ICCV 2019.
"""

from amgan.editor import Editor, EditResult, NoEdit, load_editor
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
    "cut_out",
    "load_classifier",
    "load_editor",
    "read_image",
    "read_mask",
]
