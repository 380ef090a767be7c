"""The target alpha* of the attention mask.

The paper takes the class activation map of the picture's present value and has no rule for a region that must grow.
Three targets can be chosen:

- ``source``: the paper's, CAM of the present value on x.
- ``union``: the larger of that and the CAM of the wanted value on the reference: where a sleeve is, or shall be.
- ``masks``: a CAM is coarse, so garment masks complete it where the training data has them: the whole garment for
  attributes of all the cloth, the difference of the two silhouettes for attributes of the outline, ``union`` for the
  rest.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from amgan.attributes import kind
from amgan.models.interface import EditBatch
from amgan.pixels import dilate, open_mask
from amgan.schema import AttributeSchema


def attention_target(
    schema: AttributeSchema, kind_of_target: str, batch: EditBatch, cams: tuple[Tensor, Tensor] | None
) -> Tensor:
    """The target of a batch's masks: where source and reference differ, in the rows whose reference is the true edit;
    elsewhere one of the three above.

    Args:
        kind_of_target: ``source``, ``union`` or ``masks``.
        cams: of the ``guessed_rows``, (u, M, h, w) each: those of the present values on the sources, and of the wanted
            values on the references. None where no edited attribute needs them.

    Returns:
        alpha*, float (B, 1, S, S) in [0, 1].
    """
    rows = batch.guessed_rows
    if not len(rows):
        return true_target(batch.source, batch.reference)
    edited, maps = batch.edited[rows], None
    if cams is not None:
        asked = edited & _of_parts(schema).to(edited.device) if kind_of_target == "masks" else edited
        maps = cam_target(*cams, asked, batch.source.shape[-1], kind_of_target != "source")
    if kind_of_target == "masks":
        maps = mask_target(schema, batch.source_mask[rows], batch.reference_mask[rows], edited, maps)
    assert maps is not None
    if len(rows) == len(batch.source):
        return maps
    return true_target(batch.source, batch.reference).index_copy(0, rows, maps)


def cam_target(source: Tensor, reference: Tensor, edited: Tensor, size: int, union: bool) -> Tensor:
    """``source`` or ``union``.

    Args:
        source: CAMs of the present values on x, (B, M, h, w).
        reference: CAMs of the wanted values on the reference, (B, M, h, w).
        edited: bool (B, M).

    Returns:
        (B, 1, size, size) in [0, 1]: over several edited attributes the largest.
    """
    maps = torch.maximum(source, reference) if union else source
    maps = (maps * edited[:, :, None, None]).amax(1, keepdim=True)
    return F.interpolate(maps, size=(size, size), mode="bilinear", align_corners=False)


def mask_target(
    schema: AttributeSchema, source: Tensor, reference: Tensor, edited: Tensor, cams: Tensor | None
) -> Tensor:
    """``masks``.

    Args:
        source, reference: garment masks in 0..1, (B, 1, S, S), before and after the edit.
        edited: bool (B, M).
        cams: ``cam_target`` of the remaining attributes, (B, 1, S, S), when there are any.
    """
    radius = max(1, source.shape[-1] // 64)
    # Two shirts never lie quite alike: slivers along the outline are no part of a sleeve.
    outline = dilate(open_mask((source - reference).abs().round(), radius), radius)
    target = torch.zeros_like(source) if cams is None else cams
    after_outline = dilate(source, 1)  # the garment's soft edge belongs to its colour
    for i, name in enumerate(schema.names):
        if kind(name).outline:
            pick = edited[:, i, None, None, None].float()
            target = torch.maximum(target, outline * pick)
            after_outline = torch.maximum(after_outline, dilate(reference, 1) * pick)
    for i, name in enumerate(schema.names):
        if kind(name).whole_cloth:
            target = torch.maximum(target, after_outline * edited[:, i, None, None, None].float())
    return target


def true_target(source: Tensor, reference: Tensor) -> Tensor:
    """Where a picture and its true edit differ, (B, 1, S, S) of 0 and 1; both (B, 3, S, S) in [-1, 1]."""
    differs = ((source - reference).abs().amax(1, keepdim=True) > 0.08).float()  # 10 of 255
    return -dilate(-dilate(differs, 1), 1)  # closed: cloth that happens to stay alike is changed too


def needs_cam(schema: AttributeSchema, attention: str) -> bool:
    """Whether any attribute that is edited takes its target from class activation maps."""
    edited = torch.tensor([a.editable for a in schema.attributes])
    return attention != "masks" or bool((_of_parts(schema) & edited).any())


def _of_parts(schema: AttributeSchema) -> Tensor:
    """Bool (M,): attributes of which masks do not say where they are."""
    return torch.tensor([not (kind(name).outline or kind(name).whole_cloth) for name in schema.names])
