"""What is filtered by and counted: the attributes that the networks predict, and those that the catalogue states."""

from __future__ import annotations

import re

from amgan.errors import UserError
from amgan.schema import AttributeSchema
from retrieval.stores.base import Filter, VectorStore

KINDS = ("predicted", "given")
LABEL = "label"  # of filters alone: what people are shown


def facets(store: VectorStore, filter: Filter | None = None, kind: str = "predicted") -> dict[str, dict[str, int]]:
    """For each attribute its values and how many items have them, most frequent first; the store counts.

    An attribute that is filtered by is counted as if it were not, so that its other values can be chosen too.
    """
    counts = {}
    for name in store.schema.names:
        others = {
            key: values
            for key, values in (filter or {}).items()
            if resolve_key(key.removeprefix(f"{LABEL}."), store.schema)[1] != name
        }
        counts[name] = store.facet(f"{kind}.{name}", others)
    return counts


def json_path(kind: str, attribute: str) -> str:
    """The payload path of an attribute in the engines' syntax, quoted where the name is not a plain word."""
    plain = re.fullmatch(r"[A-Za-z0-9_-]+", attribute)
    return f"{kind}.{attribute}" if plain else f'{kind}."{attribute}"'


def filtered_fields(schema: AttributeSchema) -> list[str]:
    """The payload paths that are filtered and counted, so that engines index them before vectors come."""
    return [json_path(kind, name) for kind in KINDS for name in schema.names]


def resolve_key(key: str, schema: AttributeSchema) -> tuple[str, str]:
    """``"sleeve"`` or ``"given.sleeve"`` to (kind, attribute). Raises UserError with the valid attributes."""
    kind, dot, name = key.partition(".")
    if not dot or kind not in KINDS:
        kind, name = "predicted", key
    return kind, schema.resolve_attribute(name)


def resolve_filter(filter: Filter | None, schema: AttributeSchema) -> list[tuple[str, str, list[str]]]:
    """A filter as canonical (kind, attribute, values). Raises UserError on unknown attributes or values, or none."""
    conditions = []
    for key, wanted in (filter or {}).items():
        labels = key.startswith(f"{LABEL}.")
        kind, attribute = resolve_key(key.removeprefix(f"{LABEL}."), schema)
        kind = LABEL if labels else kind
        values = [wanted] if isinstance(wanted, str) else list(wanted)
        if not values:
            raise UserError(f"The filter names no value for {key!r}; valid: {', '.join(schema.values(attribute))}.")
        conditions.append((kind, attribute, [schema.resolve_value(attribute, v) for v in values]))
    return conditions
