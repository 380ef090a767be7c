"""Attribute classifiers with class activation maps.

Two are trained. The *teacher* is frozen while AMGAN trains: its class activation maps (Zhou et al., CVPR 2016) teach
the attention mask and its features make the perceptual loss. The *judge* scores edits; it has another architecture and
another seed and is never in a loss.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from amgan.models.backbones import TimmBackbone, make_backbone
from amgan.models.blocks import laid_out_as
from amgan.pixels import to_float
from amgan.schema import AttributeSchema


class AttributeClassifier(nn.Module):
    """Backbone, global average pooling, one linear layer of N logits (softmax within each attribute's slice).

    Attributes:
        identity: content hash of weights and configuration; set when loaded from or saved to a folder.
    """

    def __init__(
        self, schema: AttributeSchema, backbone: str = "small", image_size: int = 128, pretrained: bool = False
    ) -> None:
        super().__init__()
        self.schema = schema
        self.backbone_name = backbone
        self.image_size = image_size
        self.identity = "untrained"
        self.backbone = make_backbone(backbone, image_size, pretrained)
        with torch.no_grad():
            training = self.backbone.training
            maps = self.backbone.eval()(torch.zeros(1, 3, image_size, image_size))
            self.backbone.train(training)
        self.feature_channels = {name: m.shape[1] for name, m in maps.items()}
        self.feature_dim = self.feature_channels["last"]
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(self.feature_dim, schema.n_values)

    def features(self, x: Tensor) -> dict[str, Tensor]:
        """Picture in [-1, 1], float (B, 3, H, W), resized to what the network was trained at, to feature maps
        ``early``, ``middle``, ``last`` and ``pooled`` (B, D)."""
        if x.shape[-1] != self.image_size or x.shape[-2] != self.image_size:
            small = F.interpolate(
                x, size=(self.image_size, self.image_size), mode="bilinear", antialias=True, align_corners=False
            )
            x = laid_out_as(small, x)
        maps = self.backbone(x)
        return {**maps, "pooled": maps["last"].mean((2, 3))}

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float32 (B, N), of pictures in [-1, 1]."""
        return self.head(self.dropout(self.features(x)["pooled"])).float()

    def cam(self, last: Tensor, labels: Tensor) -> Tensor:
        """Class activation maps (Zhou et al. 2016, equation 2), each scaled to 0..1.

        Args:
            last: the last feature map, (B, D, h, w).
            labels: int64 (B, M); an unknown label's map is zero.

        Returns:
            float32 (B, M, h, w).
        """
        maps = []
        for i, part in enumerate(self.schema.slices):
            weight = self.head.weight[part][labels[:, i].clamp(min=0)]  # (B, D)
            cam = torch.einsum("bdhw,bd->bhw", last.float(), weight.float())
            maps.append(_scaled(cam) * (labels[:, i] >= 0).float()[:, None, None])
        return torch.stack(maps, dim=1)

    def locate(self, x: Tensor, last: Tensor, labels: Tensor) -> Tensor:
        """Where in a picture each of its labels is seen, scaled to 0..1: ``cam``, or, where every place of the last
        maps has seen the whole picture and their class activation maps say nothing, LayerCAM of the early ones (Jiang
        et al., IEEE TIP 2021): those features, each place by how much it speaks for the value before the others.

        Args:
            x: the pictures, float (B, 3, H, W) in [-1, 1].
            last: their last feature maps.
            labels: int64 (B, M); an unknown label's map is zero.

        Returns:
            float32 (B, M, h, w).
        """
        if not isinstance(self.backbone, TimmBackbone):
            return self.cam(last, labels)
        with torch.enable_grad():
            maps = self.features(x.detach().requires_grad_(True))
            logits, early = self.head(maps["pooled"]).float(), maps["early"]
            found = [torch.zeros_like(early[:, 0], dtype=torch.float32)] * len(self.schema.slices)
            for i, part in enumerate(self.schema.slices):
                known = labels[:, i] >= 0
                if known.any():
                    wanted = logits[:, part].gather(1, labels[:, i, None].clamp(min=0))[:, 0]
                    score = ((wanted - logits[:, part].mean(1)) * known).sum()
                    (slope,) = torch.autograd.grad(score, early, retain_graph=True)
                    found[i] = _scaled((slope.relu() * early).sum(1).relu().float()) * known.float()[:, None, None]
        return torch.stack(found, dim=1).detach()

    def _batches(self, images: Tensor, batch: int = 64) -> Iterator[dict[str, Tensor]]:
        device = self.head.weight.device
        for part in images.split(batch):
            yield self.features(to_float(part.to(device)).contiguous(memory_format=torch.channels_last))

    def _probabilities(self, pooled: Tensor) -> Tensor:
        logits = self.head(pooled).float()
        return torch.cat([logits[:, part].softmax(1) for part in self.schema.slices], dim=1)

    @torch.inference_mode()
    def predict(self, images: Tensor) -> Tensor:
        """Probabilities, float32 (B, N), softmax within each attribute's slice, of pictures uint8 (B, 3, H, W)."""
        return self.predict_and_embed(images)[0]

    @torch.inference_mode()
    def embed(self, images: Tensor) -> Tensor:
        """Pooled features of unit length, float32 (B, D), of pictures uint8 (B, 3, H, W)."""
        return self.predict_and_embed(images)[1]

    @torch.inference_mode()
    def predict_and_embed(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """``predict`` and ``embed`` in one pass."""
        if len(images) == 0:
            return torch.zeros(0, self.schema.n_values), torch.zeros(0, self.feature_dim)
        pooled = torch.cat([maps["pooled"].float() for maps in self._batches(images)])
        return self._probabilities(pooled).cpu(), F.normalize(pooled, dim=1).cpu()


def _scaled(maps: Tensor) -> Tensor:
    """Maps (B, h, w), each from 0 to 1."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp(min=1e-6)


def classification_loss(
    schema: AttributeSchema, logits: Tensor, labels: Tensor, count: float | None = None, smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy within each attribute's slice, averaged over the known labels. Unknown ones are left out.

    Args:
        logits: (B, N).
        labels: int64 (B, M).
        count: what the sum is divided by; the number of known labels here when not given.
    """
    total = logits.new_zeros(())
    for i, part in enumerate(schema.slices):
        total = total + F.cross_entropy(
            logits[:, part], labels[:, i], ignore_index=-1, reduction="sum", label_smoothing=smoothing
        )
    return total / ((labels >= 0).sum().clamp(min=1) if count is None else count)
