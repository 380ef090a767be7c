"""What a garment is said to be: by the shop, by a prediction, or by whoever looks at the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ui.texts import Texts

FIRST = ("sleeve", "color")  # of the attributes, where there are such


@dataclass(frozen=True)
class Label:
    """One attribute of a garment.

    Attributes:
        origin: ``given`` by the shop, ``predicted``, or set by ``hand``.
        predicted, confidence: what the network sees, and how sure it is (0 to 1).
    """

    value: str
    origin: str
    predicted: str | None = None
    confidence: float | None = None


def labels_of(
    predicted: Mapping[str, str],
    confidence: Mapping[str, float],
    given: Mapping[str, str],
    source: str = "given",
    by_hand: Mapping[str, str] | None = None,
) -> dict[str, Label]:
    """The labels of a garment: what was set by hand, else the shop's, else predictions.

    Args:
        source: ``predicted`` passes the shop's over.
    """
    labels = {}
    for name in dict.fromkeys([*predicted, *given]):
        seen, sure = predicted.get(name), confidence.get(name)
        if by_hand and name in by_hand:
            labels[name] = Label(by_hand[name], "hand", seen, sure)
        elif given.get(name) and source == "given":
            labels[name] = Label(given[name], "given", seen, sure)
        elif seen:
            labels[name] = Label(seen, "predicted", seen, sure)
    return labels


def in_words(label: Label, name: str, texts: Texts) -> str:
    """``Sleeves: long (84 % sure)``, with what the network sees where the shop says otherwise."""
    places = {"attribute": texts.attribute(name), "value": texts.value(name, label.value)}
    percent = "" if label.confidence is None else f"{label.confidence:.0%}".rstrip("%")
    if label.origin == "predicted":
        return texts("hits.guessed", **places, percent=percent) if percent else f"{places['attribute']}: {label.value}"
    if label.predicted and label.predicted != label.value:
        return texts("hits.guessed_too", **places, other=texts.value(name, label.predicted), percent=percent or "?")
    return texts("hits.said", **places)


def described(labels: Mapping[str, Label], texts: Texts) -> str:
    """All labels as one text: ``short, gray``."""
    return ", ".join(texts.value(name, labels[name].value) for name in in_order(labels))


def in_order(attributes: Iterable[str]) -> list[str]:
    """Names of attributes as people look for them: sleeves and colour first."""
    return sorted(attributes, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
