"""Attribute distributions as one block of unit length::

    a = [ p_1/|p_1| ; ... ; p_M/|p_M| ] / sqrt(M)                                            float32 (N,)

where p_m is the distribution over the values of attribute m. Each attribute is made unit length first, so that each
weighs the same however many values it has and however sure the classifier is; then ``a . b`` is the mean over the
attributes of the cosine
between their distributions: 1 where all agree, 0 where none does.
"""

from __future__ import annotations

import numpy as np

from amgan.schema import AttributeSchema


def attribute_block(probabilities: np.ndarray, schema: AttributeSchema) -> np.ndarray:
    """Distributions float (..., N), one per attribute side by side, to the unit block a, float32 (..., N)."""
    block = np.array(probabilities, dtype=np.float32)
    for s in schema.slices:
        block[..., s] /= np.maximum(np.linalg.norm(block[..., s], axis=-1, keepdims=True), 1e-12)
    return block / np.float32(np.sqrt(schema.n_attributes))
