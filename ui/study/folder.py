"""A study on disk.

::

    STUDY/study.json       what the page knows: comparisons, and the names of their pictures
    STUDY/key.json         whose picture is whose: read by the report, and by nothing else
    STUDY/pictures/        one WebP per picture, lossless, its name drawn at random
    STUDY/answers.sqlite   participants and what they answered
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from amgan.errors import UserError
from ui.study.design import Trial, session

FORMAT = 1


@dataclass(frozen=True)
class Comparison:
    """One edit of one photo by every editor.

    Attributes:
        attribute: the edited one.
        change: the edit in words.
        photo: name of the unedited picture.
        orders: the edited pictures' names in each order that they are shown in.
    """

    attribute: str
    change: str
    photo: str
    orders: list[list[str]]


@dataclass(frozen=True)
class Study:
    """A study without its key: whoever holds this cannot tell the editors apart.

    Attributes:
        id: stands for the study; its answers bear it.
        seed: sessions are drawn from.
        repeats: comparisons that each participant meets a second time.
    """

    folder: Path
    id: str
    seed: int
    repeats: int
    comparisons: list[Comparison]

    def session(self, slot: int) -> list[Trial]:
        """See ``ui.study.design.session``."""
        orders = len(self.comparisons[0].orders)
        return session(self.seed, slot, len(self.comparisons), orders, self.repeats)

    def pictures(self, trial: Trial) -> list[str]:
        """The names of a trial's pictures, in the order of their positions."""
        return self.comparisons[trial.comparison].orders[trial.order]

    def picture(self, name: str) -> bytes:
        return (self.folder / "pictures" / f"{name}.webp").read_bytes()


def write_study(study: Study, key: dict[str, Any]) -> None:
    """Write ``study.json`` and ``key.json`` into the study's folder. Raises OSError."""
    values = {k: v for k, v in asdict(study).items() if k != "folder"}
    for name, content in (("key.json", key), ("study.json", {"format": FORMAT, **values})):
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        (study.folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")


def read_study(folder: Path) -> Study:
    """A study that ``user-study new`` made. Raises UserError."""
    values = _read(folder, "study.json")
    try:
        if values["format"] != FORMAT:
            raise UserError(f"{folder} is a study of format {values['format']}; this version reads {FORMAT}.")
        comparisons = [Comparison(**c) for c in values["comparisons"]]
        return Study(folder, values["id"], values["seed"], values["repeats"], comparisons)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{folder / 'study.json'} is not what `user-study new` writes: {error}.") from None


def read_key(study: Study) -> dict[str, Any]:
    """Whose picture is whose: ``editors`` (name to identity), ``pictures`` (picture to editor's name), ``data`` and
    what else the report tells. Raises UserError."""
    key = _read(study.folder, "key.json")
    if key.get("study") != study.id or not isinstance(key.get("pictures"), dict):
        raise UserError(f"{study.folder / 'key.json'} belongs to another study.")
    return key


def _read(folder: Path, name: str) -> dict[str, Any]:
    try:
        values = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} holds no {name}; make a study first: user-study new … --out {folder}") from None
    except ValueError as error:
        raise UserError(f"{folder / name} is damaged: {error}.") from None
    if not isinstance(values, dict):
        raise UserError(f"{folder / name} is not what `user-study new` writes.")
    return values
