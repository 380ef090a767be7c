"""The garment embedder: one pass gives what a garment looks like, as a unit vector, and which attributes it has.

It starts from an ImageNet network and is fine-tuned (``amgan.training.embedder``). Its vector says cut, print and weave
and leaves the colour out, as far as training can make it: two photos of one shirt in red and in blue lie together. What
colour a garment has, the attributes say. Of colour the deep maps of an ImageNet network know little, so the features
hold the shares of the picture's colours as well; and what a colour is called is said half by the network, which knows
light and prints, and half by the pixels (``named_shares``).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from amgan.attributes import where
from amgan.models.backbones import make_backbone
from amgan.models.blocks import laid_out_as
from amgan.photos.colour_names import PALETTE_NAMES, named_shares
from amgan.pixels import to_float, to_hwc
from amgan.schema import AttributeSchema


class ColourShares(nn.Module):
    """How much of a picture has which colour: softly counted in ``steps``^3 places of the RGB cube, on a coarse
    picture."""

    def __init__(self, steps: int = 5, side: int = 32) -> None:
        super().__init__()
        line = torch.linspace(-1, 1, steps, device="cpu")  # also where the rest is built without memory
        self.side, self.width = side, float(line[1] - line[0]) / 2
        self.register_buffer("places", torch.cartesian_prod(line, line, line), persistent=False)  # (K, 3)
        self.channels = steps**3

    def forward(self, x: Tensor) -> Tensor:
        """Pictures in [-1, 1], (B, 3, H, W), to square roots of shares, float32 (B, K); the shares sum to 1."""
        with torch.autocast(x.device.type, enabled=False):
            pixels = F.adaptive_avg_pool2d(x.float(), self.side).flatten(2).transpose(1, 2)  # (B, P, 3)
            # Gaussian weights of the squared distance; what depends on the pixel alone cancels in the softmax.
            near = 2 * pixels @ self.places.T - self.places.square().sum(1)
            shares = (near / (2 * self.width**2)).softmax(2).mean(1)
        return (shares + 1e-5).sqrt()


class GarmentEmbedder(nn.Module):
    """Backbone, global average pooling at three depths beside the colours' shares, and two linear layers on all of
    that: N logits, and D numbers that are brought to unit length.

    Args:
        from_pixels: of a colour's probability, the share that the pixels say, 0..1; nothing in schemas whose colours
            have other names than ``PALETTE_NAMES``.

    Attributes:
        identity: content hash of weights and configuration; set when loaded from or saved to a folder.
    """

    def __init__(
        self,
        schema: AttributeSchema,
        backbone: str = "efficientnet_lite0",
        image_size: int = 128,
        dimensions: int = 256,
        pretrained: bool = False,
        from_pixels: float = 0.0,
    ) -> None:
        super().__init__()
        self.schema, self.from_pixels = schema, from_pixels
        self.backbone_name, self.image_size, self.dimensions = backbone, image_size, dimensions
        self.identity = "untrained"
        self.backbone = make_backbone(backbone, image_size, pretrained)
        self.colours = ColourShares()
        with torch.no_grad():
            training = self.backbone.training
            maps = self.backbone.eval()(torch.zeros(1, 3, image_size, image_size))
            self.backbone.train(training)
        self.feature_dim = sum(m.shape[1] for m in maps.values()) + self.colours.channels
        self.norm = nn.BatchNorm1d(self.feature_dim)  # depths differ in scale
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(self.feature_dim, schema.n_values)
        self.projection = nn.Linear(self.feature_dim, dimensions)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits float32 (B, N) and unit vectors float32 (B, D) of pictures in [-1, 1], resized to what the network was
        trained at."""
        size = (self.image_size, self.image_size)
        if x.shape[-2:] != size:
            x = laid_out_as(F.interpolate(x, size=size, mode="bilinear", antialias=True, align_corners=False), x)
        pooled = [m.float().mean((2, 3)) for m in self.backbone(x).values()]
        features = self.norm(torch.cat([*pooled, self.colours(x)], dim=1))
        with torch.autocast(x.device.type, enabled=False):
            return self.head(self.dropout(features)), F.normalize(self.projection(features), dim=1)

    @torch.inference_mode()
    def predict_and_embed(self, images: Tensor, batch: int = 64) -> tuple[Tensor, Tensor]:
        """Probabilities float32 (B, N), softmax within each attribute's slice, and unit vectors float32 (B, D) of
        pictures uint8 (B, 3, H, W)."""
        probabilities, vectors = [torch.zeros(0, self.schema.n_values)], [torch.zeros(0, self.dimensions)]
        device = self.head.weight.device
        for part in images.split(batch):
            if len(part):
                logits, unit = self(to_float(part.to(device)).contiguous(memory_format=torch.channels_last))
                shares = [logits[:, s].softmax(1) for s in self.schema.slices]
                probabilities.append(self._with_pixels(torch.cat(shares, dim=1).cpu(), part))
                vectors.append(unit.cpu())
        return torch.cat(probabilities), torch.cat(vectors)

    def _with_pixels(self, probabilities: Tensor, images: Tensor) -> Tensor:
        """Probabilities (b, N), those of colours mixed with what the pixels of pictures uint8 (b, 3, H, W) say."""
        for m in where(self.schema, "recoloured") if self.from_pixels else []:
            values, s = self.schema.attributes[m].values, self.schema.slices[m]
            if set(PALETTE_NAMES) <= set(values):
                named = [named_shares(to_hwc(image)) for image in images]
                seen = torch.tensor(np.array([[shares.get(v, 0.0) for v in values] for shares in named]))
                probabilities[:, s] += self.from_pixels * (seen.to(probabilities) - probabilities[:, s])
        return probabilities


def same_garment_loss(vectors: Tensor, targets: Tensor, temperature: float = 0.1) -> Tensor:
    """Cross-entropy between which pictures should be near and which are: of each picture, the softmax of its cosines
    with the others (InfoNCE, van den Oord et al. 2018, where one other is right).

    Args:
        vectors: of unit length, float32 (B, D).
        targets: float (B, B), each row a distribution over the other pictures.
    """
    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    near = (vectors @ vectors.T / temperature).masked_fill(itself, -torch.inf).log_softmax(1)
    return -(targets * near.masked_fill(itself, 0)).sum(1).mean()


def near_targets(garment: Tensor, labels: Tensor, which: list[int], alike: float, sharpness: float = 8.0) -> Tensor:
    """Which pictures should be near each, float32 (B, B), rows sum to 1: first those of the same garment; a share
    ``alike`` goes to other garments, by how many of their known attributes agree.

    Args:
        garment: int64 (B,), which garment each picture shows; each at least twice.
        labels: int64 (B, M), -1 where unknown.
        which: indices of the attributes that count: those that are not colour.
        sharpness: e to this power is the weight of full agreement against none.
    """
    mine = labels[:, which]  # (B, m)
    known = (mine[:, None] >= 0) & (mine[None] >= 0)
    agreement = (known & (mine[:, None] == mine[None])).sum(2) / known.sum(2).clamp(min=1)
    same = garment[:, None] == garment[None]
    others = (sharpness * agreement).exp().masked_fill(same, 0)
    others = others / others.sum(1, keepdim=True).clamp(min=1e-12)
    itself = torch.eye(len(garment), dtype=torch.bool, device=garment.device)
    own = (same & ~itself).float()
    own = own / own.sum(1, keepdim=True).clamp(min=1)
    targets = (1 - alike) * own + alike * others
    return targets / targets.sum(1, keepdim=True).clamp(min=1e-12)
