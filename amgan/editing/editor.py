"""Editing: pictures and wanted attributes in, edited pictures and the generator's attention out.

``Editor`` is what page, search and reports speak to. Outside editors register under the entry-point group
``amgan.editors``: a callable that takes the text after ``NAME:`` and returns an Editor.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import cv2
import numpy as np
import torch
from torch import Tensor

from amgan.attributes import PLAIN, asked_of, in_turn, kind
from amgan.editing.in_place import taken_off_in_place
from amgan.editing.loose import without_loose
from amgan.editing.own_cloth import in_own_cloth
from amgan.editing.plain_first import lays_designs, made_plain_first, were_patterned
from amgan.editing.room import half_widths, runs_out, squeezed, stretched
from amgan.editing.runtimes import CARD, Network, eager, find_fastest, load_exported, remembered
from amgan.editing.set_at_once import set_at_once
from amgan.editing.shorter import SHORTER, ends_cut_off, stayed_long
from amgan.editing.sides import left_out, with_other_side
from amgan.errors import UserError
from amgan.models.amgan.generator import Generator
from amgan.models.interface import Generated, before_blending, make_condition
from amgan.pixels import to_float, to_uint8
from amgan.schema import UNKNOWN, AttributeSchema
from amgan.weights import load_generator

Region = Literal["sleeve", "torso"]
Runtime = Literal["eager", "remembered", "fastest"]
REGIONS: tuple[Region, ...] = ("sleeve", "torso")
ENTRY_POINT_GROUP = "amgan.editors"
VERSION = 8  # count up when edits change with the same weights: it is part of the identity, so twins are drawn anew
BARE = "sleeveless"  # the mask of this edit finds the sleeves

# Below this the attention of the sleeve edit is no sleeve. The paper zeroes what is below 0.9; masks trained on
# silhouettes are nearly binary, and half keeps their edge.
SLEEVE_THRESHOLD = 0.5


@dataclass(frozen=True)
class EditResult:
    """Edited pictures.

    Attributes:
        image: x*, uint8 (B, 3, H, W).
        mask: the generator's attention alpha, float32 (B, 1, H, W) in [0, 1], from the picture alone.
        raw: z before blending, uint8 (B, 3, H, W).
        steps: where parts of the edit were made in turn, what each made of the picture that the one before had left.
    """

    image: Tensor
    mask: Tensor
    raw: Tensor
    steps: tuple[EditResult, ...] = ()

    def rows(self, which: slice) -> EditResult:
        """Some of the pictures."""
        steps = tuple(step.rows(which) for step in self.steps)
        return EditResult(self.image[which], self.mask[which], self.raw[which], steps)

    @staticmethod
    def joined(x: Tensor, steps: Sequence[EditResult]) -> EditResult:
        """Several edits in turn as one, of pictures ``x``, uint8 (B, 3, H, W): image = x + mask (raw - x). A step whose
        mask is 0 changes nothing."""
        mask = 1 - torch.stack([1 - step.mask for step in steps]).prod(0)
        after = steps[-1].image
        raw = before_blending(x.float(), after.float(), mask).round().clamp(0, 255).to(torch.uint8)
        edited = torch.stack([step.mask.flatten(1).any(1) for step in steps])  # (steps, B)
        for step, here in zip(steps, edited, strict=True):
            alone = here & (edited.sum(0) == 1)
            raw[alone] = step.raw[alone]
        return EditResult(after, mask, raw, tuple(steps))


@runtime_checkable
class Editor(Protocol):
    """Whatever edits cut-out garments.

    Attributes:
        schema: the attributes it can set.
        image_size: side of its pictures in pixels.
        identity: changes whenever its edits may.
    """

    schema: AttributeSchema
    image_size: int
    identity: str

    def edit(
        self, images: Tensor, edits: Mapping[str, str] | Sequence[Mapping[str, str]], only_on: Region | None = None
    ) -> EditResult:
        """Edit pictures uint8 (B, 3, H, W) of garments cut out on white; one edit for all, or one each. Raises
        UserError."""
        ...


def check_edits(
    schema: AttributeSchema,
    count: int,
    edits: Mapping[str, str] | Sequence[Mapping[str, str]],
    only_on: str | None = None,
) -> list[dict[str, str]]:
    """What every editor checks first: the canonical edit of each of ``count`` pictures.

    Args:
        edits: one for all, or one each.
        only_on: the part of the garment that is edited; there the colour alone can be set.

    Raises:
        UserError: too many or too few edits, one that the schema does not have, or one that ``only_on`` rules out.
    """
    if isinstance(edits, Mapping):
        edits = [edits] * count
    if len(edits) != count:
        raise UserError(f"{count} pictures need {count} edits, or one for all; {len(edits)} were given.")
    canonical = [schema.canonical(e) for e in edits]
    if only_on is not None:
        if only_on not in REGIONS:
            raise UserError(f"Unknown region {only_on!r}. Valid: {', '.join(REGIONS)}.")
        for edit in canonical:
            if "sleeve" in edit:
                raise UserError(
                    f"An edit only on the {only_on} cannot change the sleeve itself; do it in a second edit."
                )
            if not any(kind(name).recoloured for name in edit):
                setting = ", ".join(f"{name}={value}" for name, value in edit.items())
                raise UserError(f"Only the colour can be edited on the {only_on} alone, and {setting} sets no color.")
    return canonical


def weakened(edited: EditResult, images: Tensor, strength: float) -> EditResult:
    """A part of an edit: x + strength (x* - x), with the mask that says so.

    Args:
        edited: of these pictures, at any size.
        images: x, uint8 (B, 3, H, W).
        strength: from 0, which gives the pictures as they are, to 1, the whole edit.

    Raises:
        UserError: no such strength.
    """
    if not 0 <= strength <= 1:
        raise UserError(f"The strength of an edit is {strength}; it lies between 0 and 1, the whole edit.")
    if strength == 1:
        return edited
    image = torch.lerp(images.float(), edited.image.float(), strength).round().to(torch.uint8)
    return EditResult(image, strength * edited.mask, edited.raw)


class NoEdit:
    """Returns the pictures as they are: the row that every table is framed by."""

    def __init__(self, schema: AttributeSchema, image_size: int) -> None:
        self.schema, self.image_size, self.identity = schema, image_size, "no-edit"

    def edit(
        self, images: Tensor, edits: Mapping[str, str] | Sequence[Mapping[str, str]], only_on: Region | None = None
    ) -> EditResult:
        check_edits(self.schema, len(images), edits, only_on)
        return EditResult(images, torch.zeros(len(images), 1, *images.shape[2:]), images)


class NetworkEditor:
    """A network of any runtime as an Editor.

    Args:
        network: see ``amgan.editing.runtimes.engines``; it runs on ``device``.
        identity: of its weights.
        runtime: its name, which changes nothing but the speed: ``identity`` is the same in all.
        batch: pictures per forward pass.
        designs: its patterns are laid on plain cloth; see ``amgan.editing.plain_first``.
    """

    def __init__(
        self,
        network: Network,
        schema: AttributeSchema,
        image_size: int,
        identity: str,
        runtime: str = "eager",
        device: torch.device | str = "cpu",
        batch: int = 32,
        designs: bool = False,
    ) -> None:
        self.network = network
        self.schema = schema
        self.image_size = image_size
        self.identity = f"{identity} ({VERSION})"
        self.runtime = runtime
        self.device = device
        self.batch = batch
        self.designs = designs

    def edit(
        self, images: Tensor, edits: Mapping[str, str] | Sequence[Mapping[str, str]], only_on: Region | None = None
    ) -> EditResult:
        """See ``Editor.edit``. ``only_on`` limits a colour edit to the sleeves or to all but them (paper, section
        3.4)."""
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1:] != (3, self.image_size, self.image_size):
            raise UserError(
                f"The editor needs uint8 pictures (B, 3, {self.image_size}, {self.image_size}); "
                f"these are {images.dtype} {tuple(images.shape)}. cut_out(photo, size={self.image_size}) makes them."
            )
        wanted = check_edits(self.schema, len(images), edits, only_on)
        if only_on is not None and not finds_sleeves(self.schema):
            raise UserError(f"Editing a region needs weights that can set sleeve={BARE}: its mask finds the sleeves.")
        if not len(images):
            return EditResult(images, torch.zeros(0, 1, *images.shape[2:]), images)
        # A generator paints new sleeves in the colours that it sees, and recolours cloth that is there: so in turn.
        parts = [in_turn(edit) for edit in wanted]
        steps: list[EditResult] = []
        for turn in range(max(1, *map(len, parts))):
            now = [part[turn] if turn < len(part) else {} for part in parts]
            before = steps[-1].image if steps else images
            plain = self._plain_first(before, now)
            if plain is not None:
                steps.append(plain)
                before = plain.image
            steps.append(self._edit_all(before, now, only_on))
        return steps[0] if len(steps) == 1 else EditResult.joined(images.cpu(), steps)

    def _plain_first(self, images: Tensor, edits: list[dict[str, str]]) -> EditResult | None:
        """Garments that are to get another pattern than they have made plain, others as they are; None for none."""
        asked = [made_plain_first(self.schema, edit) or {} for edit in edits]
        if not self.designs or not any(asked):
            return None
        made = self._edit_all(images, asked, None)
        there = were_patterned(images, made.image)
        if not bool(there.any()):
            return None
        before = images.cpu()
        image, raw = (torch.where(there[:, None, None, None], a, before) for a in (made.image, made.raw))
        return EditResult(image, made.mask * there[:, None, None, None], raw)

    def _edit_all(self, images: Tensor, edits: list[dict[str, str]], only_on: Region | None) -> EditResult:
        """In batches, to the host; a picture without an edit stays as it is."""
        asked = [i for i, edit in enumerate(edits) if edit]
        before = images.cpu()
        result = EditResult(before.clone(), torch.zeros(len(images), 1, *images.shape[2:]), before.clone())
        for start in range(0, len(asked), self.batch):
            rows = asked[start : start + self.batch]
            made = self._edit(images[rows], [edits[i] for i in rows], only_on)
            result.image[rows] = to_uint8(made.image).cpu()
            result.mask[rows] = made.mask.cpu()
            result.raw[rows] = to_uint8(made.raw).cpu()
        return result

    @torch.inference_mode()
    def _edit(self, images: Tensor, edits: list[dict[str, str]], only_on: str | None) -> Generated:
        x = to_float(images.to(self.device)).contiguous(memory_format=torch.channels_last)
        made = self._sewn_in(x, edits, self._shortened(x, edits, self._both_sides(x, edits)))
        result = self._in_place(x, edits, self._once_more(x, edits, made))
        if only_on is None:
            return result
        sleeves = self._forward(x, [{"sleeve": BARE}] * len(images)).mask
        if bool((sleeves == 1).all()):
            raise UserError("Editing a region needs weights whose mask finds the sleeves; these repaint everything.")
        sleeves = from_the_shoulders(torch.where(sleeves < SLEEVE_THRESHOLD, 0.0, sleeves))
        mask = result.mask * (sleeves if only_on == "sleeve" else 1 - sleeves)
        return Generated.blended(x, mask, result.raw)

    def _both_sides(self, x: Tensor, edits: list[dict[str, str]]) -> Generated:
        """The edit, with a sleeve on the side that the generator left out."""
        made = self._forward(x, edits)
        outline = torch.tensor([any(kind(name).outline for name in edit) for edit in edits], device=x.device)
        if not bool(outline.any()):
            return made
        made = self._within_the_frame(x, edits, made, outline)
        side = left_out(x, made.image) * outline
        rows = side.nonzero()[:, 0]
        if not len(rows):
            return made
        mirrored = self._forward(x[rows].flip(3), [edits[i] for i in rows.tolist()])
        return made.with_rows(rows, with_other_side(x[rows], made.rows(rows), mirrored, side[rows]))

    def _within_the_frame(self, x: Tensor, edits: list[dict[str, str]], made: Generated, outline: Tensor) -> Generated:
        """The edit, and where sleeves run out of the frame beside a wide garment, that of the garment squeezed."""
        rows = (runs_out(x, made.image) & outline).nonzero()[:, 0]
        if not len(rows):
            return made
        half = half_widths(x[rows])
        again = self._forward(squeezed(x[rows], half), [edits[i] for i in rows.tolist()])
        mask, raw = stretched(again.mask, half), stretched(again.raw, half)
        return made.with_rows(rows, Generated.blended(x[rows], mask, raw))

    def _shortened(self, x: Tensor, edits: list[dict[str, str]], made: Generated) -> Generated:
        """The edit, with sleeves that it left long cut off in part."""
        rows = [i for i, edit in enumerate(edits) if SHORTER.get(edit.get("sleeve", "")) in _sleeves(self.schema)]
        if not rows:
            return made
        short = self._both_sides(x[rows], [{**edits[i], "sleeve": SHORTER[edits[i]["sleeve"]]} for i in rows])
        long = stayed_long(x[rows], made.image[rows], short.image).nonzero()[:, 0]
        if not len(long):
            return made
        at = torch.tensor(rows, device=x.device)[long]
        return made.with_rows(at, ends_cut_off(x[at], short.rows(long)))

    def _sewn_in(self, x: Tensor, edits: list[dict[str, str]], made: Generated) -> Generated:
        """The edit, with sleeves that it grew in the garment's own cloth, and no piece of any in the air."""
        rows = [i for i, edit in enumerate(edits) if any(kind(name).outline for name in edit)]
        if not rows:
            return made
        at = torch.tensor(rows, device=x.device)
        return made.with_rows(at, without_loose(x[at], in_own_cloth(x[at], made.rows(at))))

    def _once_more(self, x: Tensor, edits: list[dict[str, str]], made: Generated) -> Generated:
        """The edit, and where it only sets the colour or takes a pattern off the same once more of its own result: one
        pass can leave a tinge of a strong colour, and traces of a pattern on sleeves and sides."""
        rows = [i for i, edit in enumerate(edits) if all(kind(n).recoloured or v == PLAIN for n, v in edit.items())]
        if not rows:
            return made
        at = torch.tensor(rows, device=x.device)
        once = made.rows(at)
        again = self._forward(once.image, [edits[i] for i in rows])
        colours = [_colour_alone(edits[i]) for i in rows]
        missed = (~set_at_once(once, again, colours)).nonzero()[:, 0]
        return made.with_rows(at[missed], again.rows(missed).after(x[at[missed]], once.rows(missed)))

    def _in_place(self, x: Tensor, edits: list[dict[str, str]], made: Generated) -> Generated:
        """The edit, and where it only takes a print off the rest as it was."""
        rows = [i for i, edit in enumerate(edits) if all(v == PLAIN for v in edit.values())]
        if not rows:
            return made
        at = torch.tensor(rows, device=x.device)
        return made.with_rows(at, taken_off_in_place(x[at], made.rows(at)))

    def _forward(self, x: Tensor, edits: list[dict[str, str]]) -> Generated:
        labels = torch.full((len(edits), self.schema.n_attributes), UNKNOWN)
        for row, edit in zip(labels, edits, strict=True):
            for name, value in edit.items():
                row[self.schema.names.index(name)] = self.schema.values(name).index(value)
        labels = labels.to(x.device)
        raw, mask = self.network(x, make_condition(self.schema, labels, labels != UNKNOWN))
        if not bool(torch.isfinite(raw).all() and torch.isfinite(mask).all()):
            raise UserError("The edited picture is not finite numbers; the editor's weights are broken. Take others.")
        return Generated.blended(x, mask, raw)


def finds_sleeves(schema: AttributeSchema) -> bool:
    """Whether weights that edit so can set the colour of sleeves alone: the mask that takes sleeves off finds them."""
    return BARE in _sleeves(schema)


def _colour_alone(edit: Mapping[str, str]) -> str | None:
    """The colour that an edit sets, where it sets nothing else."""
    (name, value), *more = edit.items()
    return value if kind(name).recoloured and not more else None


def _sleeves(schema: AttributeSchema) -> list[str]:
    """The values of the sleeve that can be drawn."""
    return asked_of(schema.attributes[schema.index("sleeve")]) if "sleeve" in schema.names else []


def from_the_shoulders(sleeves: Tensor) -> Tensor:
    """A mask of sleeves, float (B, 1, S, S), without what hangs together with nothing in the upper half of the frame:
    corners of the hem."""
    out = sleeves.clone()
    for mask in out[:, 0]:
        parts = cv2.connectedComponents((mask > 0).cpu().numpy().astype(np.uint8))[1]
        upper = np.unique(parts[: len(parts) // 2])
        mask *= torch.from_numpy(np.isin(parts, upper)).to(mask)
    return out


class GeneratorEditor(NetworkEditor):
    """AMGAN's generator in PyTorch as an Editor.

    Args:
        generator: in eval mode; its device is where edits run.
        batch: pictures per forward pass.
    """

    def __init__(self, generator: Generator, image_size: int, identity: str, batch: int = 32) -> None:
        device = next(generator.parameters()).device
        super().__init__(
            eager(generator), generator.schema, image_size, identity, "eager", device, batch, lays_designs(generator)
        )


def load_editor(weights: str | Path, runtime: Runtime = "eager") -> Editor:
    """An editor by name: shipped weights, a folder, ``hf-hub:org/name``, a folder that ``amgan export`` wrote, or
    ``NAME:…`` of a registered outside editor.

    Args:
        runtime: ``"eager"`` is PyTorch in float32, whose figures can be had again anywhere; ``"remembered"`` what was
            found fastest on this machine before, else eager; ``"fastest"`` has that found first where nobody did, by
            a process of its own, which takes up to a minute (see ``amgan.editing.runtimes``).
            $AMGAN_RUNTIME=eager turns both off.

    Raises:
        UserError: no such weights, or they are damaged; an outside package fails, or what it gives is no Editor.
    """
    if (entry := _entry_point(weights)) is not None:
        return _from_entry_point(entry, str(weights).partition(":")[2])
    if (Path(weights) / CARD).is_file():
        saved = load_exported(Path(weights))
        return NetworkEditor(
            saved.network, saved.schema, saved.image_size, saved.identity, saved.engine, designs=saved.designs
        )
    generator, config, identity = load_generator(weights)
    if runtime != "eager" and os.environ.get("AMGAN_RUNTIME") != "eager":
        found = remembered(generator, identity)
        if found is None and runtime == "fastest":
            find_fastest(weights)
            found = remembered(generator, identity)
        if found is not None:
            name, network = found
            designs = lays_designs(generator)
            return NetworkEditor(network, generator.schema, config.image_size, identity, name, designs=designs)
    return GeneratorEditor(generator, config.image_size, identity)


def is_outside(weights: str | Path) -> bool:
    """Whether a name is that of an editor of another package, which has no weights folder."""
    return _entry_point(weights) is not None


def _entry_point(weights: str | Path) -> EntryPoint | None:
    return next(iter(entry_points(group=ENTRY_POINT_GROUP, name=str(weights).partition(":")[0])), None)


def _from_entry_point(entry: EntryPoint, argument: str) -> Editor:
    try:
        editor = entry.load()(argument)
    except UserError:
        raise
    except Exception as error:  # whatever another package's code may do
        raise UserError(
            f"The editor {entry.name!r} of the package {_package(entry)} cannot be used: "
            f"{type(error).__name__}: {error}."
        ) from error
    if not isinstance(editor, Editor):
        raise UserError(
            f"The editor {entry.name!r} lacks schema, image_size, identity or edit; its package, {_package(entry)}, "
            "must add them."
        )
    return editor


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.module
