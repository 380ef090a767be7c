"""Twins: catalogue garments as the editor draws them with the attributes that they have, G(x, own attributes).

Generated and real pictures live a little apart in feature space. An index that holds f(twin) beside f(x) compares an
edited query with pictures of its own kind. A garment's own attributes are the predicted ones, so that a twin depends on
the photo and the networks alone.
"""

from __future__ import annotations

import numpy as np
import torch

from amgan.attributes import asked_of
from amgan.editing.editor import Editor
from amgan.schema import AttributeSchema, Edit


def own_attributes(probabilities: np.ndarray, schema: AttributeSchema, editor: AttributeSchema) -> Edit:
    """The edit that asks for what a garment has already: its likeliest value of each attribute that the editor can set,
    those left out that nobody can ask for.

    Args:
        probabilities: of the values of ``schema``, float (N,).
    """
    edit: Edit = {}
    for attribute, part in zip(schema.attributes, schema.slices, strict=True):
        value, name = attribute.values[int(np.argmax(probabilities[part]))], editor.find_attribute(attribute.name)
        if name in editor.editable:
            own = editor.find_value(name, value)
            if own in asked_of(editor.attributes[editor.index(name)]):
                edit[name] = own
    return edit


def draw_twins(
    editor: Editor, images: torch.Tensor, probabilities: np.ndarray, schema: AttributeSchema
) -> torch.Tensor:
    """Twins of cut-outs uint8 (B, 3, H, W), of the same shape; a garment without any attribute to ask for stays as it
    is.

    Args:
        probabilities: predicted for them, float (B, N).
    """
    edits = [own_attributes(row, schema, editor.schema) for row in probabilities]
    asked = [i for i, edit in enumerate(edits) if edit]
    twins = images.clone()
    if asked:
        twins[asked] = editor.edit(images[asked], [edits[i] for i in asked]).image.to(images.device)
    return twins
