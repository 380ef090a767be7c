"""The generator: a StarGAN body that returns a picture z and an attention mask alpha; x* = alpha z + (1 - alpha) x
(equation 1)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from amgan.attributes import PLAIN, new_cloth
from amgan.errors import UserError
from amgan.models.amgan.config import GeneratorConfig
from amgan.models.amgan.motifs import MIXED, Motifs
from amgan.models.blocks import cloth_colour, conv_of_planes, laid_out_as
from amgan.models.interface import Generated
from amgan.schema import AttributeSchema

CONTEXT = 32  # numbers in which the whole picture is summed up


class PairCode(NamedTuple):
    """Codes that were read off pairs (see encoder.py), for training.

    Attributes:
        mean, logvar: (B, code).
        used: bool (B,), which rows use them; the others take the prior's mean.
        noise: normal, (B, code).
    """

    mean: Tensor
    logvar: Tensor
    used: Tensor
    noise: Tensor


def _conv_beside_planes(conv: nn.Conv2d, x: Tensor, numbers: Tensor | None, start: int = 0) -> Tensor:
    """The part of a convolution that sees x (B, C, H, W), from channel ``start`` on, and constant planes of ``numbers``
    (B, N) behind it."""
    end, k = start + x.shape[1], conv.kernel_size[0]
    own = F.conv2d(x, conv.weight[:, start:end], conv.bias, padding=k // 2)
    return own if numbers is None else own + conv_of_planes(numbers, conv.weight[:, end:], *x.shape[2:]).to(own.dtype)


def _together(convs: list[nn.Conv2d], x: Tensor) -> Tensor:
    """Convolutions of one size and one input as one, their channels in a row: few channels cost as much as sixteen."""
    weight, biases = torch.cat([c.weight for c in convs]), [c.bias for c in convs if c.bias is not None]
    return F.conv2d(x, weight, torch.cat(biases), padding=convs[0].kernel_size[0] // 2)


def _asking_for_motifs(schema: AttributeSchema, motifs_for: str) -> list[int] | None:
    """Which numbers of a condition, of 0 or 1, ask for motifs: None where all edits have them."""
    if motifs_for == "edits":
        return None
    patterns = new_cloth(schema)
    if motifs_for == "patterns":
        return [schema.n_values + i for i in patterns]
    return [
        schema.slices[i].start + v
        for i in patterns
        for v, value in enumerate(schema.attributes[i].values)
        if value != PLAIN
    ]


class Norm(nn.Module):
    """Instance normalisation (the paper's), or normalisation over channels with scale and shift from the condition.

    Instance normalisation takes out of a feature map whatever is constant over the picture, and with it most of a
    condition given as constant planes and much of a plain garment's colour. Normalising each pixel over its channels
    keeps both.
    """

    def __init__(self, channels: int, condition: int | None) -> None:
        super().__init__()
        self.instance = nn.InstanceNorm2d(channels, affine=True) if condition is None else None
        if condition is not None:
            self.modulation = nn.Linear(condition, 2 * channels)
            nn.init.normal_(self.modulation.weight, std=0.02)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        if self.instance is not None:
            return self.instance(x)
        scale, shift = self.modulation(condition)[:, :, None, None].chunk(2, dim=1)
        # The last dimension of a channels-last tensor is its channels: no copy is made.
        x = F.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2]).permute(0, 3, 1, 2)
        return torch.addcmul(shift, x, 1 + scale)


class Block(nn.Module):
    """conv3 - norm - ReLU - conv3 - norm, added to its input."""

    def __init__(self, channels: int, condition: int | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = Norm(channels, condition)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = Norm(channels, condition)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = F.relu(self.norm1(self.conv1(x), condition))
        return x + self.norm2(self.conv2(h), condition)


class Generator(nn.Module):
    """StarGAN's body (stem, two halvings, residual blocks, two doublings) with a picture head and a mask head.

    Args:
        schema: N values and M attributes; the condition has N + M numbers, given as constant planes beside the picture.
        channels: of the first layer.
        blocks: residual blocks at the lowest resolution.
        inner_stride: 2 folds 2x2 pixels into channels first, so that the body works at half the resolution.
        skips: carry encoder features, and the picture itself, to the decoder, so that prints and folds survive; the
            condition then scales and shifts every normalisation too.
        code: how many numbers say what an edit leaves open (see encoder.py); they need ``skips``.
        blank: how readily new cloth starts from the garment's colour where the picture is white; needs ``context``.
        motifs: learned pictures that the edit mixes (see motifs.py); they need ``skips``.
        motifs_for: ``patterns``: none of them where no attribute that brings new cloth is edited. ``designs``: nor
            where plain cloth is asked for, whose mask they would tie to a place.

    Attributes:
        designs: whether its patterns are designs for plain cloth, through which others would show.
    """

    def __init__(
        self,
        schema: AttributeSchema,
        channels: int = 64,
        blocks: int = 6,
        inner_stride: int = 1,
        skips: bool = False,
        context: bool = False,
        code: int = 0,
        blank: float = 0.0,
        motifs: int = 0,
        motifs_for: Literal["edits", "patterns", "designs"] = "edits",
    ) -> None:
        super().__init__()
        if code and not skips:
            raise UserError("A code reaches the picture through the skips' normalisations: code needs skips=true.")
        if motifs and not skips:
            raise UserError("Motifs are mixed by the skips' condition: motifs needs skips=true.")
        asking = _asking_for_motifs(schema, motifs_for)
        if motifs and asking == []:
            raise UserError(f"No pattern can be edited by these weights: motifs_for={motifs_for} needs one that can.")
        self.schema = schema
        self.code = code
        self.designs = bool(motifs) and motifs_for == "designs"
        self.blank = blank
        self.inner_stride = inner_stride
        self.skips = skips
        c, planes = channels, schema.n_values + schema.n_attributes
        modulated = planes if skips else None
        late = planes + (CONTEXT if context else 0) + code if skips else None
        self.stem = nn.Conv2d(
            3 * inner_stride**2 + planes, c, 7 if inner_stride == 1 else 5, padding="same", bias=skips
        )
        self.stem_norm = Norm(c, modulated)
        self.down1 = nn.Conv2d(c, 2 * c, 4, stride=2, padding=1, bias=skips)
        self.down1_norm = Norm(2 * c, modulated)
        self.down2 = nn.Conv2d(2 * c, 4 * c, 4, stride=2, padding=1, bias=skips)
        self.down2_norm = Norm(4 * c, modulated)
        self.blocks = nn.ModuleList(Block(4 * c, late) for _ in range(blocks))
        # Upsample, then convolve: transposed convolutions left a checkerboard.
        self.up1 = nn.Conv2d(4 * c + (2 * c if skips else 0), 2 * c, 3, padding=1, bias=skips)
        self.up1_norm = Norm(2 * c, late)
        self.up2 = nn.Conv2d(2 * c + (c if skips else 0), c, 3, padding=1, bias=skips)
        self.up2_norm = Norm(c, late)
        head = c if inner_stride == 1 else c // 2
        self.unfold = nn.Conv2d(c, head * inner_stride**2, 3, padding=1) if inner_stride > 1 else None
        self.head = nn.Conv2d(head + 3 + (3 if context else 0), head, 3, padding=1) if skips else None
        self.picture = nn.Conv2d(head, 3, 7 if not skips else 3, padding="same")
        self.mask = nn.Conv2d(head, 1, 7 if not skips else 3, padding="same")
        self.context = nn.Linear(3 + 4 * c, CONTEXT) if skips and context else None
        self.gate = nn.Conv2d(head, 1, 3, padding=1) if skips and context else None
        if self.gate is not None:
            nn.init.zeros_(self.gate.weight)
            nn.init.constant_(self.gate.bias, -2.5)  # type: ignore[arg-type]
        # What the code is expected to be, given the edit and the garment (a conditional prior, Sohn et al. 2015).
        self.prior = nn.Linear((late or 0) - code, 2 * code) if code else None
        if self.prior is not None:
            nn.init.zeros_(self.prior.weight)
            nn.init.zeros_(self.prior.bias)
        self.motifs = Motifs(motifs, late or 0, asking) if motifs else None
        if self.motifs is not None:  # nothing at first, so that weights without them can be gone on from
            self.coarse_motifs = nn.Conv2d(MIXED * inner_stride**2, c, 3, padding=1, bias=False)
            self.fine_motifs = nn.Conv2d(MIXED, head, 3, padding=1, bias=False)
            nn.init.zeros_(self.coarse_motifs.weight)
            nn.init.zeros_(self.fine_motifs.weight)

    @classmethod
    def from_config(cls, schema: AttributeSchema, config: GeneratorConfig) -> Generator:
        c = config
        return cls(
            schema, c.channels, c.blocks, c.inner_stride, c.skips, c.context, c.code, c.blank, c.motifs, c.motifs_for
        )

    def forward(self, x: Tensor, condition: Tensor, code: PairCode | None = None) -> Generated:
        """Pictures in [-1, 1], float (B, 3, S, S), conditions (B, N + M) of ``make_condition``, and codes of
        pairs; the prior's mean, the typical edit, when not given."""
        m = condition
        h = F.pixel_unshuffle(x, self.inner_stride) if self.inner_stride > 1 else x
        h0 = F.relu(self.stem_norm(_conv_beside_planes(self.stem, laid_out_as(h, x), m), m))  # (B, c, S/i, S/i)
        h1 = F.relu(self.down1_norm(self.down1(h0), m))  # (B, 2c, S/2i, S/2i)
        h = F.relu(self.down2_norm(self.down2(h1), m))  # (B, 4c, S/4i, S/4i)
        colour = cloth_colour(x.float())  # (B, 3)
        if self.context is not None:
            m = torch.cat([m, F.relu(self.context(torch.cat([colour, h.float().mean((2, 3))], dim=1)))], dim=1)
        prior = None
        if self.prior is not None:
            prior = self.prior(m).float()
            m = torch.cat([m, self._drawn_code(prior, code).to(m.dtype)], dim=1)
        motifs = None  # (B, MIXED, S, S)
        if self.motifs is not None and self.motifs.needed(m):
            motifs = laid_out_as(self.motifs(x, m), x)
        for block in self.blocks:
            h = block(h, m)
        h = F.interpolate(h, scale_factor=2.0)
        h = F.relu(self.up1_norm(self.up1(torch.cat([h, h1], 1) if self.skips else h), m))
        h = F.interpolate(h, scale_factor=2.0)
        h = self.up2(torch.cat([h, h0], 1) if self.skips else h)
        if motifs is not None:
            h = h + self.coarse_motifs(F.pixel_unshuffle(motifs, self.inner_stride))
        h = F.relu(self.up2_norm(h, m))
        if self.unfold is not None:
            h = F.relu(F.pixel_shuffle(self.unfold(h), self.inner_stride))
        if self.head is not None:
            c = h.shape[1]
            # Two convolutions: nothing has to be copied together, and x mostly needs no gradient.
            of_x = _conv_beside_planes(self.head, x, colour if self.context is not None else None, c)
            if motifs is not None:
                of_x = of_x + self.fine_motifs(motifs)
            h = F.relu(F.conv2d(h, self.head.weight[:, :c], padding=1) + of_x)
        heads = [self.picture, self.mask] if self.gate is None else [self.picture, self.mask, self.gate]
        raw, mask = self.paint(_together(heads, h).float(), x.float(), colour)
        return Generated(mask * raw + (1 - mask) * x.float(), mask, raw, prior)

    def paint(self, heads: Tensor, x: Tensor, colour: Tensor) -> tuple[Tensor, Tensor]:
        """z and alpha from what the heads say, (B, 3 + 1 (+ 1), S, S), the picture, and its cloth's colour (B, 3)."""
        picture, mask = heads[:, :3], torch.sigmoid(heads[:, 3:4])
        if self.skips:
            # The picture head changes what is there instead of painting it anew: what it leaves alone stays sharp.
            # Where there is nothing yet, on white, the gate lets it start from the cloth's colour. White is where tanh
            # is flat and hardly anything is learnt, so there it starts so by itself (``blank``).
            start = torch.atanh(0.98 * x)
            if self.gate is not None:
                gate = heads[:, 4:5]
                if self.blank:
                    gate = gate + self.blank * ((x.amin(1, keepdim=True) - 0.85) / 0.15).clamp(min=0)
                start = torch.lerp(start, torch.atanh(0.98 * colour)[:, :, None, None], torch.sigmoid(gate))
            picture = picture + start
        return torch.tanh(picture), mask

    def _drawn_code(self, prior: Tensor, code: PairCode | None) -> Tensor:
        mean, _ = prior.chunk(2, dim=1)
        if code is None:
            return mean
        drawn = code.mean + code.noise * (code.logvar / 2).exp()  # the reparametrisation trick
        return torch.where(code.used[:, None], drawn, mean)
