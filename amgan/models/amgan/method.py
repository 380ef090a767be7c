"""AMGAN in training: one forward pass, L_D and L_G.

A batch's way: ``forward`` edits the sources; ``critic_loss`` compares the edits with photographs; ``generator_loss``
adds up what the edits lack. Losses and their sums are in losses.py, the target of the attention in attention.py.
"""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from amgan.attributes import new_cloth, where
from amgan.errors import UserError
from amgan.models.amgan.attention import attention_target, needs_cam
from amgan.models.amgan.cam_mask import CamMasked
from amgan.models.amgan.config import AmganConfig
from amgan.models.amgan.critics import Critics, EyeMaps, Maps, make_critics
from amgan.models.amgan.crop import crop, edit_boxes, moved, squared
from amgan.models.amgan.encoder import PairEncoder, code_divergence
from amgan.models.amgan.generator import Generator, PairCode
from amgan.models.amgan.losses import (
    GeneratorTerms,
    attention_loss,
    cycle_consistency,
    detail_loss,
    discriminator_loss,
    eye_distance,
    generator_loss,
    pair_loss,
    perceptual_loss,
    region_weight,
)
from amgan.models.blocks import laid_out_as
from amgan.models.classifier import AttributeClassifier
from amgan.models.eye import Eye
from amgan.models.interface import EditBatch, Generated, Terms, make_condition
from amgan.models.precision import autocast, autocast_for_gradients
from amgan.schema import UNKNOWN, AttributeSchema

CROP_MARGIN = 0.1  # around the edit, in shares of its size, in what D_C sees through the eye


class Amgan:
    """See ``amgan.models.interface.Method``."""

    name: ClassVar[str] = "amgan"
    Config: ClassVar[type] = AmganConfig

    def __init__(
        self, schema: AttributeSchema, config: AmganConfig, teacher: AttributeClassifier, device: torch.device
    ) -> None:
        self.schema, self.config, self.device = schema, config, device
        self.teacher: AttributeClassifier = teacher.to(device).eval().requires_grad_(False)
        self.generator = self.make_generator(schema, config).to(device)
        if isinstance(self.generator, CamMasked):
            self._take_teacher(self.generator)
        self.eye: Eye | None = Eye(config.critics.eye).to(device) if config.has_eye else None
        self.critics: Critics | None = make_critics(self.teacher, config, self.eye) if config.has_critics else None
        self.critic_steps = config.critics.critic_steps if config.has_critics else 0
        self.encoder: PairEncoder | None = PairEncoder(config.generator.code) if config.generator.code else None
        layout = torch.channels_last if config.optimisation.channels_last else torch.contiguous_format
        frozen = (self.teacher,) if self.eye is None else (self.teacher, self.eye)
        for network in (*frozen, self.generator, *self.generator_networks().values(), *self._critics()):
            network.to(device, memory_format=layout)  # type: ignore[call-overload]
        # What is differentiated twice, the critics, is never compiled: that loses the penalty's gradients.
        compiled = torch.compile if config.optimisation.compile else lambda f: f
        self.generate, self.features = compiled(self.generator), compiled(self.teacher.features)

    @staticmethod
    def make_generator(schema: AttributeSchema, config: AmganConfig) -> Generator | CamMasked:
        generator, cam = Generator.from_config(schema, config.generator), config.cam_teacher
        return CamMasked(generator, AttributeClassifier(schema, *cam)) if cam else generator

    def _take_teacher(self, generator: CamMasked) -> None:
        """The teacher itself is the one whose maps are the mask. Raises UserError where it is of another kind."""
        wanted, given = (f"{t.backbone_name} at {t.image_size} px" for t in (generator.teacher, self.teacher))
        if wanted != given:
            raise UserError(f"Setting cam, the teacher's backbone, asks for {wanted}, and the teacher is {given}.")
        generator.teacher.load_state_dict(self.teacher.state_dict())

    def generator_networks(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder} if self.encoder is not None else {}

    def critic_networks(self) -> dict[str, nn.Module]:
        return self.critics.networks() if self.critics is not None else {}

    def _critics(self) -> list[nn.Module]:
        return list(self.critic_networks().values())

    def autocast(self) -> torch.autocast:
        return autocast(self.device, self.config.optimisation.bf16)

    # --- Forward ------------------------------------------------------------------------------------------------------

    def forward(self, batch: EditBatch) -> Outputs:
        """x*, α and z of the sources; with the code of the true edit where there is one, for half of the rows."""
        condition = make_condition(self.schema, batch.wanted, batch.edited)
        with self.autocast():
            if self.encoder is None:
                return Outputs(self, batch, self.generate(batch.source, condition))
            mean, logvar = self.encoder(batch.source, batch.reference)
            # Half of the rows are drawn as edits will be, at what is to be expected; and so is a mere change of colour,
            # lest the condition be read off the code.
            used = (batch.aligned > 0) & (batch.mix < 0.5) & (batch.recoloured == 0)
            code = PairCode(mean, logvar, used, batch.noise)
            return Outputs(self, batch, self.generate(batch.source, condition, code), code)

    # --- Critics ------------------------------------------------------------------------------------------------------

    def critic_loss(self, batch: EditBatch, outputs: Outputs, step: int) -> tuple[Tensor, Terms]:
        """L_D."""
        assert self.critics is not None, "nothing asks a critic"
        return discriminator_loss(self.config.losses, self.critics.critic_terms(batch, outputs, step))

    # --- Generator ----------------------------------------------------------------------------------------------------

    def generator_loss(self, batch: EditBatch, outputs: Outputs) -> tuple[Tensor, Terms]:
        """L_G. Terms without weight are not computed."""
        w, edited, counts = self.config.losses, outputs.edited, batch.counts
        terms = GeneratorTerms(*self._critics_terms(batch, outputs))
        teaches = self.config.teaches_mask
        target = self.attention_target(batch, outputs) if teaches or w.balanced else None
        weight = region_weight(target) if target is not None and w.balanced else None
        if w.cyc:
            terms.cyc = self._cycle(batch, edited)
        if teaches and target is not None:
            terms.att = attention_loss(edited.mask, target, self._taught_rows(batch), weight, w.mask_loss)
        if w.percep:
            features = outputs.edited_features, outputs.reference_features
            terms.percep = perceptual_loss(*features, w.percep_maps, batch.aligned)
        if w.pair and self.config.lessons.pairs:
            open_detail = batch.open_detail if w.pair_blur else None
            compared = edited.image, batch.reference, batch.aligned, counts.aligned
            terms.pair = pair_loss(*compared, weight, open_detail, w.pair_blur)
        if w.eye_percep and self.eye is not None:
            seen = outputs.edited_maps, outputs.reference_maps
            texture = batch.new_cloth if new_cloth(self.schema) else None
            terms.eye = eye_distance(*seen, batch.aligned, counts.aligned, texture)
        if w.detail:
            garment = batch.source_mask
            terms.detail = detail_loss(edited.image, batch.source, garment, batch.recoloured, counts.recoloured)
        if outputs.code is not None:
            terms.kl = self._divergence(outputs)
        total, logged = generator_loss(w, terms)
        return total, logged | {"G/alpha": edited.mask.detach().mean()}

    def _critics_terms(self, batch: EditBatch, outputs: Outputs) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """L_adv^G and L_cls^G by critic. The critics' own gradients are not wanted here."""
        if self.critics is None:
            return {}, {}
        w = self.config.losses
        for network in self._critics():
            network.requires_grad_(False)
        adv, cls = self.critics.generator_terms(batch, outputs)
        for network in self._critics():
            network.requires_grad_(True)
        return adv if w.adv else {}, cls if w.cls else {}

    def _cycle(self, batch: EditBatch, edited: Generated) -> Tensor:
        """L_cyc of the rows from which there is a way back, by their share of the batch."""
        rows = batch.cycle_rows
        if not len(rows):
            return batch.source.new_zeros(())  # logged too: every process has to log the same losses
        condition = make_condition(self.schema, batch.labels[rows], batch.edited[rows])
        with self.autocast():
            back: Generated = self.generate(edited.image[rows], condition)
        return len(rows) / len(batch.source) * cycle_consistency(batch.source[rows], back.image)

    def _divergence(self, outputs: Outputs) -> Tensor:
        code, prior = outputs.code, outputs.edited.prior
        assert code is not None and prior is not None
        return (code_divergence(code.mean, code.logvar, prior) * code.used).mean()

    @torch.no_grad()
    def attention_target(self, batch: EditBatch, outputs: Outputs) -> Tensor:
        """α*, float (B, 1, S, S)."""
        rows, cams = batch.guessed_rows, None
        if self._needs_cams and len(rows):
            source, reference = outputs.batch_features.source["last"], outputs.reference_features["last"][rows]
            before, after = (v[rows].masked_fill(~batch.edited[rows], UNKNOWN) for v in (batch.labels, batch.wanted))
            cams = (
                self.teacher.locate(batch.source[rows], source, before),
                self.teacher.locate(batch.reference[rows], reference, after),
            )
        return attention_target(self.schema, self.config.losses.attention, batch, cams)

    def _taught_rows(self, batch: EditBatch) -> Tensor:
        """Float (B,), 1 in rows that teach the mask. Where pairs say how sleeves grow, the outline of another garment,
        of another width and lying otherwise, does not: from its difference mittens are learnt."""
        if self.config.losses.attention != "masks" or not self.config.lessons.pairs:
            return batch.changed
        guessed = batch.edited[:, where(self.schema, "outline")].any(1) & (batch.aligned == 0)
        return batch.changed * ~guessed

    @property
    def _needs_cams(self) -> bool:
        w = self.config.losses
        return (self.config.teaches_mask or w.balanced) and needs_cam(self.schema, w.attention)


def look(eye: Eye, pictures: Tensor, views: dict[str, Tensor], side: int) -> EyeMaps:
    """What an eye sees of pictures (B, 3, S, S): by view, cut out of them by boxes (B, 4) and brought to ``side``."""
    seen = torch.cat([crop(pictures, boxes, side) for boxes in views.values()])
    maps = eye(seen.contiguous(memory_format=torch.channels_last))
    parts = [m.chunk(len(views)) for m in maps]
    return {view: [part[i] for part in parts] for i, view in enumerate(views)}


class BatchFeatures(NamedTuple):
    """The teacher's features of all references, and of ``EditBatch.guessed_rows`` those of the sources, and of the
    photographs (of none where nothing asks for them)."""

    reference: Maps
    source: Maps
    photo: Maps


class Outputs:
    """What ``Amgan.forward`` made of a batch. The teacher's features are computed when a loss first asks, once.

    Attributes:
        edited: x*, α, z.
        code: the code of each row's true edit, where there are codes.
    """

    def __init__(self, method: Amgan, batch: EditBatch, edited: Generated, code: PairCode | None = None) -> None:
        self._method, self._batch, self.edited, self.code = method, batch, edited, code

    # --- What the eye sees --------------------------------------------------------------------------------------------

    @cached_property
    def views(self) -> dict[str, Tensor]:
        """Boxes (B, 4) in pixels: the whole picture, and around the edit, both moved a little."""
        real, c, size = self._batch.real, self._method.config.critics, self._batch.source.shape[-1]
        assert real is not None
        whole = torch.tensor([0.0, 0.0, size, size], device=real.jitter.device).expand(len(real.jitter), 4)
        boxes = {"I": whole}
        if c.crops:
            boxes["C"] = squared(edit_boxes(self.edited.mask), CROP_MARGIN)
        return {view: moved(box, real.jitter, c.jitter) for view, box in boxes.items()}

    @cached_property
    def edited_maps(self) -> EyeMaps:
        """Of the edited pictures."""
        m = self._method
        assert m.eye is not None
        with autocast_for_gradients(m.device, m.config.optimisation.bf16, m.eye):
            return self._look(self.edited.image)

    @cached_property
    def real_maps(self) -> EyeMaps:
        """Of the real garments."""
        assert self._batch.real is not None
        with self._method.autocast(), torch.no_grad():
            return self._look(self._batch.real.pictures)

    @cached_property
    def reference_maps(self) -> EyeMaps:
        """Of the references that are exact results; in other rows of the real garments."""
        assert self._batch.real is not None
        rows = self._batch.real.rows
        if not len(rows):
            return self.real_maps
        with self._method.autocast(), torch.no_grad():
            seen = self._look(self._batch.reference[rows], rows)
        return {
            view: [m.index_copy(0, rows, s) for m, s in zip(maps, seen[view], strict=True)]
            for view, maps in self.real_maps.items()
        }

    def _look(self, pictures: Tensor, rows: Tensor | None = None) -> EyeMaps:
        assert self._method.eye is not None
        views = self.views if rows is None else {view: boxes[rows] for view, boxes in self.views.items()}
        return look(self._method.eye, pictures, views, self._method.config.critics.eye_size)

    # --- What the teacher sees ----------------------------------------------------------------------------------------

    @cached_property
    def batch_features(self) -> BatchFeatures:
        """Of the pictures that the batch brought: all references, and of sources and photographs those rows that need
        them."""
        batch, m, rows = self._batch, self._method, self._batch.guessed_rows
        # Where source and reference are alike but for the edit no map is needed, and the reference is what the critic
        # takes for real. Elsewhere that is the photograph. It is the source, too, unless a lesson dyed or printed that.
        alike = m._needs_cams and not m.config.lessons.pairs
        sources = rows if m._needs_cams else rows[:0]
        photos = rows if m.config.critics_of_features and not alike else rows[:0]
        pictures = batch.reference, batch.source[sources], batch.photos[photos]
        with m.autocast(), torch.no_grad():
            maps = m.features(laid_out_as(torch.cat(pictures), batch.source))
        split = {k: v.split([len(p) for p in pictures]) for k, v in maps.items()}
        reference, source, photo = ({k: parts[i] for k, parts in split.items()} for i in range(3))
        return BatchFeatures(reference, source, source if alike else photo)

    @cached_property
    def edited_features(self) -> Maps:
        """Of the edited pictures."""
        m = self._method
        with autocast_for_gradients(m.device, m.config.optimisation.bf16, m.teacher):
            return m.features(self.edited.image)

    @property
    def reference_features(self) -> Maps:
        """Of the references."""
        return self.batch_features.reference

    @property
    def real_features(self) -> Maps:
        """Of what the critic of features takes for real: true edits, else photographs."""
        reference, _, photo = self.batch_features
        rows = self._batch.guessed_rows
        return {name: of.index_copy(0, rows, photo[name]) for name, of in reference.items()}
