"""Configurations: frozen, typed dataclasses, grouped, and strict about names, types, ranges and settings that would do
nothing.

A configuration is a dataclass whose fields are settings, or groups of settings that are such dataclasses themselves.
Setting names are unique over the groups, so that ``lr=2e-4`` says as much as ``optimisation.lr=2e-4``.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from amgan.errors import UserError

C = TypeVar("C")


def setting(default: Any, low: float = -math.inf, high: float = math.inf, above: float | None = None) -> Any:
    """A dataclass field with a default and a range: from ``low`` to ``high``, or above ``above``."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high, "above": above})


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a setting lies in a configuration."""

    group: str | None
    field: dataclasses.Field
    hint: Any


def places(cls: type) -> dict[str, Place]:
    """Every setting of a configuration class by its name."""
    out: dict[str, Place] = {}
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            inner = typing.get_type_hints(hint)
            out |= {f.name: Place(field.name, f, inner[f.name]) for f in dataclasses.fields(hint)}
        else:
            out[field.name] = Place(None, field, hint)
    return out


def changed(config: C, **values: Any) -> C:
    """The configuration with some settings changed, by their names, whatever their group.

    Raises:
        UserError: an unknown name, a value of the wrong type or out of range.
    """
    known = places(type(config))
    groups: dict[str | None, dict[str, Any]] = {}
    for name, value in values.items():
        if name not in known:
            raise UserError(f"Unknown setting {name!r}.{_close(name, known)}")
        _check(name, value, known[name])
        groups.setdefault(known[name].group, {})[name] = value
    new = {g: dataclasses.replace(getattr(config, g), **v) for g, v in groups.items() if g is not None}
    return dataclasses.replace(config, **new, **groups.get(None, {}))  # type: ignore[type-var]


def override(config: C, settings: Iterable[str]) -> C:
    """Change a configuration by texts ``name=value`` or ``group.name=value``.

    Raises:
        UserError: a text of another form, an unknown name, a value that does not fit, or a setting that does nothing
            with the others as they are.
    """
    new, idle = apply(config, settings)
    refuse_idle(idle)
    return new


def apply(config: C, settings: Iterable[str]) -> tuple[C, dict[str, str]]:
    """``override``, but those of the settings that do nothing are returned, with the reason, and not refused."""
    known = places(type(config))
    values: dict[str, Any] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"{text!r} is not of the form name=value. Valid names: {', '.join(known)}.")
        group, _, short = name.rpartition(".")
        if short not in known or (group and group != known[short].group):
            raise UserError(f"Unknown setting {name!r}.{_close(short, known)}")
        values[short] = _parsed(value, known[short].hint, short)
    config = changed(config, **values)
    idle = idle_settings(config)
    return config, {name: idle[name] for name in values if name in idle}


def refuse_idle(idle: Mapping[str, str]) -> None:
    """Raises UserError where there is a setting that does nothing."""
    for name, why in idle.items():
        raise UserError(f"The setting {name} does nothing here: {why}. Leave it out, or change that.")


def from_dict(cls: type[C], values: Mapping[str, Any]) -> C:
    """A configuration from what ``to_dict`` gave. Raises UserError on an unknown name or a value that does not fit."""
    return changed(cls(), **flat(values))


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """What ``to_dict`` gave, without the groups."""
    out: dict[str, Any] = {}
    for name, value in values.items():
        out |= value if isinstance(value, Mapping) else {name: value}
    return out


def to_dict(config: Any) -> dict[str, Any]:
    """The configuration as plain values, group by group, without the settings that do nothing."""
    idle, out = idle_settings(config), {}
    for name, place in places(type(config)).items():
        if name not in idle:
            owner = config if place.group is None else getattr(config, place.group)
            inside = out if place.group is None else out.setdefault(place.group, {})
            inside[name] = getattr(owner, name)
    return out


def idle_settings(config: Any) -> dict[str, str]:
    """The settings that do nothing with the others as they are, and why."""
    return config.idle() if hasattr(config, "idle") else {}


def _check(name: str, value: Any, place: Place) -> None:
    if not _fits(value, place.hint):
        raise UserError(f"Setting {name} cannot be {value!r}; it needs {_described(place.hint)}.")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    rule = place.field.metadata
    low, high = float(rule.get("low", -math.inf)), float(rule.get("high", math.inf))
    above: float | None = rule.get("above")
    # A whole number of JSON may have more digits than a float has room for, so it is compared and never converted.
    most = 2**63 if isinstance(value, int) else math.inf
    if not low <= value <= high or not abs(value) < most or (above is not None and value <= above):
        if above is not None:
            bounds = f"above {above:g}"
        else:
            bounds = "finite" if low == -math.inf and high == math.inf else f"at least {low:g}" * (low > -math.inf)
        bounds += f" and at most {high:g}" * (high < math.inf)
        raise UserError(f"Setting {name} cannot be {value!r}; it needs {_described(place.hint)}, {bounds}.")


def _close(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"{f' Did you mean {close[0]!r}?' if close else ''} Valid: {', '.join(known)}."


def _parsed(text: str, hint: Any, name: str) -> Any:
    if hint is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if typing.get_origin(hint) is typing.Literal:  # texts or whole numbers
        return next((choice for choice in typing.get_args(hint) if str(choice) == text), text)
    for kind in (int, float):
        if hint is kind:
            try:
                return kind(text)
            except ValueError:
                raise UserError(f"Setting {name} cannot be {text!r}; it needs {_described(hint)}.") from None
    return text


def _fits(value: Any, hint: Any) -> bool:
    if typing.get_origin(hint) is typing.Literal:
        return value in typing.get_args(hint)
    if typing.get_origin(hint) is types.UnionType:
        return any(_fits(value, h) for h in typing.get_args(hint))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _described(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}.get(hint, str(hint))
