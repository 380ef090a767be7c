"""An ablation of the paper: the class activation map itself is the mask, and nothing learns where to edit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from amgan.models.amgan.attention import cam_target
from amgan.models.amgan.generator import Generator, PairCode
from amgan.models.classifier import AttributeClassifier
from amgan.models.interface import Generated
from amgan.schema import UNKNOWN


class CamMasked(nn.Module):
    """A generator whose z is blended by the class activation map of what the picture shows: x* = CAM z + (1 − CAM) x.

    The paper's map is that of the present value. An editor knows no labels, so it is the value that the teacher sees;
    over several edited attributes the largest. The teacher is part of this network, and saved with it.

    Args:
        generator: its mask is not used.
        teacher: frozen; ``teacher.image_size`` is the pictures' side.
    """

    def __init__(self, generator: Generator, teacher: AttributeClassifier) -> None:
        super().__init__()
        self.generator, self.teacher = generator, teacher.eval().requires_grad_(False)
        self.schema, self.code, self.inner_stride = generator.schema, generator.code, generator.inner_stride

    def train(self, mode: bool = True) -> CamMasked:
        """The teacher stays as it is."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, x: Tensor, condition: Tensor, code: PairCode | None = None) -> Generated:
        """As ``Generator.forward``."""
        made, mask = self.generator(x, condition, code), self.mask(x, condition)
        return made._replace(image=mask * made.raw + (1 - mask) * x.float(), mask=mask)

    def mask(self, x: Tensor, condition: Tensor) -> Tensor:
        """The map of pictures (B, 3, S, S) for the attributes that conditions (B, N + M) edit, (B, 1, S, S) in 0..1."""
        # Some maps are gradients, which inference mode would not have.
        with torch.inference_mode(False), torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            x, edited = x.detach().float().clone(), condition[:, self.schema.n_values :] > 0
            features = self.teacher.features(x)
            logits = self.teacher.head(features["pooled"])
            seen = torch.stack([logits[:, part].argmax(1) for part in self.schema.slices], 1)
            maps = self.teacher.locate(x, features["last"], seen.masked_fill(~edited, UNKNOWN))
            return cam_target(maps, maps, edited, x.shape[-1], union=False)
