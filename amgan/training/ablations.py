"""The paper's ablations (section 4.4), as settings: what ``amgan train -c`` takes, for any preset.

The paper takes parts away one after the other: first D_C, then the perceptual loss too, then the attention loss too;
and it tries the class activation map itself as the mask, with the first two off. The targets of the attention that can
be chosen here are rows of their own. docs/METHODS.md lists what comes out for each preset.
"""

from __future__ import annotations

from amgan.config import apply
from amgan.errors import UserError
from amgan.training.presets import Preset

_NO_CROP = ("crops=false",)
_NO_PERCEPTUAL = (*_NO_CROP, "percep=0", "eye_percep=0")
TEACHER = "TEACHER"  # stands for the backbone of the preset's teacher
ABLATIONS: dict[str, tuple[str, ...]] = {
    "no-crop-critic": _NO_CROP,
    "no-perceptual": _NO_PERCEPTUAL,
    "no-attention": (*_NO_PERCEPTUAL, "att=0", "balanced=false"),
    "cam-mask": (*_NO_PERCEPTUAL, f"cam={TEACHER}"),
    "target-source": ("attention=source",),
    "target-union": ("attention=union",),
    "target-masks": ("attention=masks",),
}


def ablation(name: str, chosen: Preset, teacher: str | None = None) -> list[str]:
    """The settings of an ablation of AMGAN for a preset, without those that do nothing in any of its stages.

    Args:
        teacher: the run's, as the setting ``cam`` names it, where it is not the preset's.

    Raises:
        UserError: there is no such ablation.
    """
    if name not in ABLATIONS:
        raise UserError(f"Unknown ablation {name!r}. Valid: {', '.join(ABLATIONS)}.")
    settings = [text.replace(TEACHER, teacher or chosen.teacher.backbone) for text in ABLATIONS[name]]
    idle = [apply(config, settings)[1] for config in chosen.of("amgan").stages.values()]
    return [text for text in settings if not all(text.partition("=")[0] in stage for stage in idle)]
