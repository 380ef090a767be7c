"""Attributes and values of the shipped weights, for help texts: read without torch, which takes seconds to import."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from typer.core import TyperCommand

from amgan.attributes import asked_of
from amgan.schema import AttributeSchema

WEIGHTS = Path(__file__).parent / "weights"
Values = Mapping[str, Sequence[str] | Mapping[str, Any]]
"""Attribute to its values, in order, as ``amgan.schema.AttributeSchema.to_dict`` writes them."""


def shipped_values() -> dict[str, Values]:
    """Of each of the shipped weights, by name."""
    cards = sorted(WEIGHTS.glob("*/editor/config.json"))
    return {path.parent.parent.name: json.loads(path.read_text(encoding="utf-8"))["schema"] for path in cards}


def editor_values(weights: str | Path) -> Values | None:
    """Of the editor of weights that are shipped, or lie in a folder; None where they are elsewhere, or cannot be
    read."""
    for folder in (WEIGHTS / weights, Path(weights)):
        try:
            return json.loads((folder / "editor" / "config.json").read_text(encoding="utf-8"))["schema"]
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return None


def settings(values: Values) -> list[str]:
    """One line an attribute: ``sleeve = sleeveless, short, long``, and last what only a filter can ask for."""
    lines = []
    for a in AttributeSchema.from_dict(values).attributes:
        asked = asked_of(a)
        if not asked:
            lines.append(f"{a.name}, known, only in filters: {', '.join(a.values)}")
            continue
        others = [value for value in a.values if value not in asked]
        lines.append(f"{a.name} = {', '.join(asked)}" + (f"; only in filters: {', '.join(others)}" if others else ""))
    return lines


class ValuesInHelp(TyperCommand):
    """A command whose help ends with what can be set, and is read when it is asked for."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Called for ``--help``."""
        parts = [self.epilog or ""]
        for name, values in shipped_values().items():
            parts += [f"Attributes and values of the weights {name}:", *settings(values)]
        parts.append("Those of other weights: amgan weights FOLDER")
        self.epilog = "\n\n".join(parts)
        super().format_help(ctx, formatter)
