"""Going on from weights, shipped ones for example: with their own settings, networks, teacher and judge, and images
counted on."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from amgan.config import changed
from amgan.errors import UserError
from amgan.training import budget
from amgan.training.classifier import ClassifierConfig
from amgan.training.journal import Progress
from amgan.training.presets import Preset
from amgan.weights import load_generator, weights_folder
from amgan.weights.reading import CONFIG, read_object

ENDLESS = 100_000.0  # kimg more than there were: time ends the training


@dataclass(frozen=True)
class Earlier:
    """What weights say of the training that they come from.

    Attributes:
        name: of the weights.
        model, preset: of that training.
        config: its settings.
        edits: what it edited, as ``AttributeSchema.editing`` takes it; edits_some: not all that it knew.
        progress: how far it was.
    """

    name: str
    model: str
    preset: str
    config: Any
    edits: tuple[str, ...]
    edits_some: bool
    progress: Progress

    @classmethod
    def of(cls, weights: str) -> Earlier:
        """Raises UserError where the weights do not say it."""
        generator, config, _ = load_generator(weights)
        facts = read_object(weights_folder(weights) / "editor" / CONFIG)
        try:
            kimg, seconds = float(facts["kimg"]), float(facts["seconds"])
        except (LookupError, TypeError, ValueError):
            raise UserError(
                f"The weights {weights} do not say how many images they were trained on; start from them with "
                "--warm-start."
            ) from None
        progress = Progress(seconds=seconds, step=round(kimg * 1000 / config.optimisation.batch))
        preset = str(facts.get("preset", ""))
        edits = generator.schema.edits
        some = edits != generator.schema.names
        return cls(weights, facts["model"], preset, config, edits, some, progress)

    def stages(self, settings: tuple[str, ...]) -> Preset:
        """The one stage that goes on. Without a ``kimg`` among the settings, time has to be limited."""
        config = self.config
        if not any(s.partition("=")[0].rpartition(".")[2] == "kimg" for s in settings):
            if budget.current() is None:
                raise UserError(f"For how long shall the training of {self.name} go on? Say --minutes, or -c kimg=….")
            done = self.progress.step * config.optimisation.batch / 1000
            config = changed(config, kimg=done + ENDLESS)
        return Preset({"all": config}, ClassifierConfig(), ClassifierConfig())

    def begun(self, config: Any) -> Progress:
        """How far it was, in steps of this configuration."""
        images = self.progress.step * self.config.optimisation.batch
        return replace(self.progress, step=round(images / config.optimisation.batch))

    def copy_classifiers(self, out: Path, roles: tuple[str, ...]) -> None:
        """Teacher and judge, where the run has none yet."""
        out.mkdir(parents=True, exist_ok=True)
        for role in roles:
            if (out / role).is_dir():
                continue
            source, draft = weights_folder(self.name) / role, Path(tempfile.mkdtemp(prefix=f".{role}.", dir=out))
            try:
                shutil.copytree(source, draft, dirs_exist_ok=True)
                draft.rename(out / role)
            except OSError:
                if not (out / role).is_dir():  # else another process of this training was first
                    raise
            finally:
                shutil.rmtree(draft, ignore_errors=True)
