"""What a query wants and keeps, said in a sentence, for embedders that read text."""

from __future__ import annotations

import numpy as np

from amgan.evaluation.edits import EditPlan, predicted_labels
from retrieval.embedding import TextEmbedder
from retrieval.evaluation.rows import wanted_attributes
from retrieval.prompts import caption


def embed_sentences(reader: TextEmbedder, plan: EditPlan, predictions: np.ndarray) -> np.ndarray:
    """Features (Q, D) of a sentence of what each query wants and keeps."""
    likeliest = predicted_labels(plan.schema, wanted_attributes(plan, predictions))
    captions = [caption(plan.schema.decode(row)) for row in likeliest]
    different = {c: i for i, c in enumerate(dict.fromkeys(captions))}
    return reader.embed_text(list(different))[[different[c] for c in captions]]
