"""A query: the edited picture, what the edit asks for, and what it leaves as it was, weighed into one vector.

Generated pictures are weak queries alone: they live a little apart from photographs. So the query names attributes as
well, those that are edited and those that are kept, each with a weight of its own. Its score of a garment is ::

    s = ( w_image  f(edited) . f  +  w_twin f(edited) . f(twin)  +  w_text t . f
        + w_wanted mean over edited m of cos(q_m, p_m)
        + w_kept   mean over kept m of cos(q_m, p_m) ) / (the sum of the weights)

    q_m = one-hot of the wanted value     where attribute m is edited
          p_m of the unedited photo       where it is kept
    t   = what the embedder's text tower makes of words, where it has one and words are given

Catalogue vectors hold the unit blocks f, f(twin) where there are twins, and
a = [p_1/|p_1| ; ... ; p_M/|p_M|] / sqrt(M), a sum over the attributes. So s is an inner product with one vector, and
the weights can differ from query to query. What was not edited is predicted from the photo itself: the edited picture
would say the same less surely. A twin is the garment drawn by the editor with its own attributes (``retrieval.twins``):
generated compares with generated.

A part that is missing leaves its weight to its neighbour: the twin's to the picture where the index has none, or where
nothing was edited and the query is a photograph; that of wanted or kept attributes to the other. Without words there is
no w_text.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np

from amgan.errors import UserError
from amgan.schema import AttributeSchema
from retrieval.attributes import attribute_block

NOTE = "query_weights"  # under which an index keeps weights that were fitted for it
_LEAST, _MOST = 1e-6, 1e6  # of all, and of one: float32 bears their products


@dataclass(frozen=True)
class QueryWeights:
    """How much each part counts; only their ratios matter. UserError on unusable ones.

    Attributes:
        image, twin: the edited picture, against the catalogue's pictures and against their twins.
        wanted, kept: the attributes that are edited, and the others.
        text: words, where there are any.
    """

    image: float = 0.5
    wanted: float = 1.0
    kept: float = 1.0
    twin: float = 0.0
    text: float = 1.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value <= _MOST:
                raise UserError(f"The {name} weight is {value}; weights are numbers from 0 to {_MOST:g}, such as 1.")
        if self.total() < _LEAST:
            raise UserError("All query weights are 0, so nothing would be compared; set at least one above 0.")

    @property
    def picture(self) -> float:
        """Of the edited picture, whatever it is compared with."""
        return self.image + self.twin

    def total(self, text: bool = False) -> float:
        """The sum, without or with words."""
        return self.picture + self.wanted + self.kept + (self.text if text else 0.0)

    def with_picture(self, weight: float) -> QueryWeights:
        """With another ``picture``, divided between pictures and twins as it was."""
        twins = self.twin / self.picture if self.picture else 0.0
        return replace(self, image=(1 - twins) * weight, twin=twins * weight)

    def to_note(self) -> str:
        """As an index keeps them, under ``NOTE``."""
        return json.dumps(asdict(self))

    @classmethod
    def of_notes(cls, notes: Mapping[str, str]) -> QueryWeights:
        """Those that were fitted for an index, else the default ones. Raises UserError where they cannot be read."""
        if NOTE not in notes:
            return DEFAULT_WEIGHTS
        try:
            return cls(**{str(name): float(value) for name, value in dict(json.loads(notes[NOTE])).items()})
        except (TypeError, ValueError, OverflowError, RecursionError):
            raise UserError(
                "The query weights that the index keeps cannot be read; fit them again with fit-query-weights."
            ) from None


# Chosen on colour edits of the validation photos, searched for among validation and training photos, for what is wanted
# and what is kept together (`fit-query-weights garments --weights photos --edited color --also train`, 1,914
# queries): wanted colour 0.90, kept kind 0.57, sleeve 0.48, collar 0.40, fastening 0.67, pattern 0.29. Half as much
# wanted finds 0.80 in the colour and keeps kind 0.73, collar 0.51; twice as much 0.95 and 0.50, 0.36. Given labels in
# place of predictions hardly keep more where they find as much: there are not as many red hoodies.
DEFAULT_WEIGHTS = QueryWeights()


def target_probabilities(predicted: np.ndarray, edit: Mapping[str, str], schema: AttributeSchema) -> np.ndarray:
    """What is wanted, as distributions.

    Args:
        predicted: the probabilities predicted for the unedited photo, float (N,).
        edit: canonical edit; may be empty.

    Returns:
        float32 (N,): one-hot for edited attributes, the prediction for kept ones.
    """
    target = np.array(predicted, dtype=np.float32)
    for attribute, value in edit.items():
        s = schema.slices[schema.index(attribute)]
        target[s] = 0
        target[s.start + schema.values(attribute).index(value)] = 1
    return target


def value_weights(edited: Collection[str], schema: AttributeSchema, weights: QueryWeights) -> np.ndarray:
    """What the cosine of each attribute counts, repeated for its values, float32 (N,); over the attributes they sum to
    the wanted and the kept weight.

    Args:
        edited: canonical names.
    """
    wanted = np.array([name in edited for name in schema.names])
    each = np.zeros(schema.n_attributes)
    if wanted.all() or not wanted.any():
        each[:] = (weights.wanted + weights.kept) / len(each)
    else:
        each[wanted], each[~wanted] = weights.wanted / wanted.sum(), weights.kept / (~wanted).sum()
    return np.repeat(each, [len(a.values) for a in schema.attributes]).astype(np.float32)


def weighted_attributes(target: np.ndarray, per_value: np.ndarray, schema: AttributeSchema) -> np.ndarray:
    """The attribute part of queries, float32 (..., N): its inner product with a catalogue's unit block is the sum of
    the attributes' cosines, each times its weight.

    Args:
        target: distributions, float (..., N), see ``target_probabilities``.
        per_value: float (..., N), see ``value_weights``.
    """
    return attribute_block(target, schema) * per_value * np.float32(schema.n_attributes)  # both blocks hold 1/sqrt(M)


def query_parts(
    image: np.ndarray,
    target: np.ndarray,
    edited: Collection[str],
    schema: AttributeSchema,
    weights: QueryWeights = DEFAULT_WEIGHTS,
    twins: bool = False,
    text: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """What the query vector is the sum of, so that a score can be told apart.

    Args:
        image: unit features of the (edited) picture, float32 (D,).
        target: wanted distributions, float32 (N,), see ``target_probabilities``.
        edited: canonical names of the attributes that were edited; empty for a query by the photo as it is.
        twins: whether the catalogue's vectors hold a block of twins.
        text: unit features of words, float32 (D,).

    Returns:
        Vectors of the query's length by what they compare: ``image``, ``twin``, ``text``, ``wanted`` and ``kept``,
        those that there are. The inner product of each with a catalogue vector is its share in the score.
    """
    generated = twins and len(edited) > 0
    attributes = weighted_attributes(target, value_weights(edited, schema, weights), schema)
    is_wanted = np.repeat([name in edited for name in schema.names], [len(a.values) for a in schema.attributes])
    start = (2 if twins else 1) * len(image)
    placed = {"image": (0, (weights.image if generated else weights.picture) * image)}
    if generated:
        placed["twin"] = (len(image), weights.twin * image)
    if text is not None:
        placed["text"] = (0, weights.text * text)
    if is_wanted.any():
        placed["wanted"] = (start, np.where(is_wanted, attributes, 0))
    if not is_wanted.all():
        placed["kept"] = (start, np.where(is_wanted, 0, attributes))
    parts = {}
    for name, (at, values) in placed.items():
        parts[name] = np.zeros(start + len(attributes), np.float32)
        parts[name][at : at + len(values)] = values / weights.total(text is not None)
    return parts


def compose(parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """The query vector, the sum of its ``query_parts``.

    Returns:
        float32 (D + N,), or (2 D + N,) with twins. Its inner product with a catalogue vector lies between -1 and 1.
    """
    return np.stack(list(parts.values())).sum(0)
