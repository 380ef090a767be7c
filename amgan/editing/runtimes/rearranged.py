"""The generator's function with fewer operations: the same z and alpha, to rounding.

What is saved: the condition's planes are constant, so the stem's convolution over them is a small table; an enlarged
picture has equal pixels, so enlarging and convolving is one transposed convolution with 4/9 of the products; picture,
mask and gate are one convolution, because processors compute output channels by sixteen whether they are wanted or not.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from amgan.models.amgan.generator import Block, Generator, Norm
from amgan.models.blocks import cloth_colour


class Rearranged(nn.Module):
    """Pictures in [-1, 1], float (B, 3, S, S), and conditions (B, N + M), to z (B, 3, S, S) and alpha (B, 1, S, S).

    Args:
        generator: in eval mode. Some of its layers are used, others replaced by copies: it should not change later.
        image_size: S.
    """

    def __init__(self, generator: Generator, image_size: int) -> None:
        super().__init__()
        g = self.generator = generator
        self.inner_stride = g.inner_stride
        picture = 3 * g.inner_stride**2  # channels; the condition's planes follow
        self.stem = _conv(g.stem.weight[:, :picture], g.stem.bias, padding=g.stem.kernel_size[0] // 2)
        self.register_buffer("table", _plane_table(g.stem.weight[:, picture:]))  # (N + M, c, k, k)
        self.register_buffer("classes", _border_classes(image_size // g.inner_stride, g.stem.kernel_size[0]))
        self.up1 = Enlarging(g.up1, 4 * g.stem.out_channels)
        self.up2 = Enlarging(g.up2, 2 * g.stem.out_channels)
        self.blocks = [b for b in g.blocks if isinstance(b, Block)]  # the generator's own
        self.heads = Heads([h for h in (g.picture, g.mask, g.gate) if h is not None])
        self.norms = nn.ModuleDict(
            {name.replace(".", "-"): _norm(norm) for name, norm in g.named_modules() if isinstance(norm, Norm)}
        )

    def forward(self, x: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        g, norm = self.generator, self.norms
        h = self.stem(F.pixel_unshuffle(x, self.inner_stride) if self.inner_stride > 1 else x)
        planes = (m @ self.table.flatten(1)).unflatten(1, self.table.shape[1:])  # (B, c, k, k)
        h = h + planes.index_select(2, self.classes).index_select(3, self.classes)
        h0 = F.relu(norm["stem_norm"](h, m))
        h1 = F.relu(norm["down1_norm"](g.down1(h0), m))
        h = F.relu(norm["down2_norm"](g.down2(h1), m))
        colour = cloth_colour(x)
        if g.context is not None:
            m = torch.cat([m, F.relu(g.context(torch.cat([colour, h.mean((2, 3))], dim=1)))], dim=1)
        if g.prior is not None:
            m = torch.cat([m, g.prior(m)[:, : g.code]], dim=1)
        motifs = g.motifs(x, m) if g.motifs is not None else None
        for i, block in enumerate(self.blocks):
            inner = F.relu(norm[f"blocks-{i}-norm1"](block.conv1(h), m))
            h = h + norm[f"blocks-{i}-norm2"](block.conv2(inner), m)
        h = F.relu(norm["up1_norm"](self.up1(h, h1), m))
        h = self.up2(h, h0)
        if motifs is not None:
            h = h + g.coarse_motifs(F.pixel_unshuffle(motifs, self.inner_stride))
        h = F.relu(norm["up2_norm"](h, m))
        if g.unfold is not None:
            h = F.relu(F.pixel_shuffle(g.unfold(h), self.inner_stride))
        if g.head is not None:
            beside = [x] if g.context is None else [x, colour[:, :, None, None].expand_as(x)]
            h = g.head(torch.cat([h, *beside], dim=1))
            h = F.relu(h if motifs is None else h + g.fine_motifs(motifs))
        return g.paint(self.heads(h), x, colour)


class Enlarging(nn.Module):
    """Twice the size by repeating pixels, then a 3x3 convolution of that and the encoder's features, as one sum."""

    def __init__(self, conv: nn.Conv2d, enlarged: int) -> None:
        super().__init__()
        w = conv.weight[:, :enlarged].transpose(0, 1)  # (in, out, 3, 3)
        # Along one axis, output 2i sees w0 of pixel i - 1 and w1 + w2 of pixel i; output 2i + 1 sees w0 + w1 of pixel i
        # and w2 of pixel i + 1.
        taps = torch.tensor([[0, 0, 1.0], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
        self.enlarge = nn.ConvTranspose2d(enlarged, conv.out_channels, 4, 2, 1, bias=conv.bias is not None)
        self.enlarge.weight.data = torch.einsum("ka,ioab,lb->iokl", taps, w, taps).contiguous()
        if conv.bias is not None and self.enlarge.bias is not None:
            self.enlarge.bias.data = conv.bias.data.clone()
        self.skip = _conv(conv.weight[:, enlarged:], None, 1) if conv.in_channels > enlarged else None

    def forward(self, x: Tensor, encoded: Tensor) -> Tensor:
        large = self.enlarge(x)
        return large if self.skip is None else large + self.skip(encoded)


class Heads(nn.Module):
    """Several convolutions of one input as one. Large kernels make 2x2 pixels at once, with stride 2: four times the
    channels of a quarter of the pixels fill the processor's sixteen."""

    def __init__(self, convs: list[nn.Conv2d]) -> None:
        super().__init__()
        weight = torch.cat([c.weight for c in convs])
        bias = torch.cat([c.bias for c in convs if c.bias is not None])
        n, channels, k, _ = weight.shape
        self.fold = 2 if k > 3 else 1
        if self.fold == 2:
            wide = weight.new_zeros(n, 2, 2, channels, k + 1, k + 1)
            for a in range(2):
                for b in range(2):
                    wide[:, a, b, :, a : a + k, b : b + k] = weight
            weight, bias = wide.flatten(0, 2), bias.repeat_interleave(4)
        self.conv = _conv(weight, bias, k // 2, self.fold)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.conv(x), 2) if self.fold == 2 else self.conv(x)


class ChannelNorm(nn.Module):
    """Norm over channels in whatever layout the runtime keeps; layer_norm would have it turned around."""

    def __init__(self, norm: Norm) -> None:
        super().__init__()
        self.modulation = norm.modulation

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.modulation(condition)[:, :, None, None].chunk(2, dim=1)
        x = x - x.mean(1, keepdim=True)
        return x * torch.rsqrt((x * x).mean(1, keepdim=True) + 1e-5) * (1 + scale) + shift


def _norm(norm: Norm) -> nn.Module:
    return norm if norm.instance is not None else ChannelNorm(norm)


def _conv(weight: Tensor, bias: Tensor | None, padding: int, stride: int = 1) -> nn.Conv2d:
    out, channels, k, _ = weight.shape
    conv = nn.Conv2d(channels, out, k, stride, padding, bias=bias is not None)
    conv.weight.data = weight.detach().clone()
    if bias is not None and conv.bias is not None:
        conv.bias.data = bias.detach().clone()
    return conv


def _plane_table(weight: Tensor) -> Tensor:
    """What each plane of ones adds, at the k rows and columns that differ: those that touch the border, and the middle.

    Args:
        weight: of the stem, for the planes only, (c, N + M, k, k).

    Returns:
        (N + M, c, k, k).
    """
    planes, k = weight.shape[1], weight.shape[2]
    ones = torch.eye(planes, device=weight.device)[:, :, None, None].expand(-1, -1, k, k)
    return F.conv2d(ones, weight.detach(), padding=k // 2)


def _border_classes(side: int, k: int) -> Tensor:
    """Which of the table's k rows is each of a picture's rows, int64 (side,)."""
    half = k // 2
    row = torch.arange(side)
    return torch.where(row < half, row, torch.where(row >= side - half, row - side + k, half))
