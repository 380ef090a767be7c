"""A query: the edited picture and the wanted attributes, weighed into one vector.

Generated pictures are weak queries alone: they live a little apart from photographs. So the query names the wanted
attributes as well::

    q = [ w_image f(edited) ; w_wanted a(target) ] / (w_image + w_wanted)

    target_m = one-hot of the wanted value     where attribute m is edited
               p_m of the unedited photo       where it is kept

Catalogue vectors hold the unit blocks f and a, so the inner product with q is the weighted mean of two similarities,
and the weights can differ from query to query. ``image=0`` is the wanted-attribute prototype alone, ``wanted=0`` the
picture alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from amgan.errors import UserError
from amgan.schema import AttributeSchema
from retrieval.attributes import attribute_block


@dataclass(frozen=True)
class QueryWeights:
    """How much the picture and the wanted attributes count; only their ratio matters. UserError on unusable ones."""

    image: float = 1.0
    wanted: float = 1.0

    def __post_init__(self) -> None:
        for name, value in (("image", self.image), ("wanted", self.wanted)):
            if not math.isfinite(value) or value < 0:
                raise UserError(f"The {name} weight is {value}; weights are numbers from 0 up, for example 1.")
        if self.image + self.wanted <= 0:
            raise UserError("Both query weights are 0, so nothing would be compared; set at least one above 0.")


# Equal. On validation edits of the garment photos the edited query's top-k accuracy hardly moves while the wanted
# attributes' share lies between 0.3 and 0.7 (top-1 0.61 to 0.63, top-10 0.94 to 0.95), and falls at both ends in top-1.
DEFAULT_WEIGHTS = QueryWeights()


def target_probabilities(predicted: np.ndarray, edit: Mapping[str, str], schema: AttributeSchema) -> np.ndarray:
    """What is wanted, as distributions.

    Args:
        predicted: the teacher's probabilities for the unedited photo, float (N,).
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


def compose(
    image: np.ndarray, target: np.ndarray, schema: AttributeSchema, weights: QueryWeights = DEFAULT_WEIGHTS
) -> np.ndarray:
    """The query vector.

    Args:
        image: unit features of the (edited) picture, float32 (D,).
        target: wanted distributions, float32 (N,), see ``target_probabilities``.

    Returns:
        float32 (D + N,). Its inner product with a catalogue vector lies between -1 and 1.
    """
    total = weights.image + weights.wanted
    blocks = [weights.image / total * image, weights.wanted / total * attribute_block(target, schema)]
    return np.concatenate(blocks).astype(np.float32)
