"""Does an edit do what was asked, and does it find the right garments: metrics, protocols, reports."""

from retrieval.evaluation.summary import score_edits

__all__ = ["score_edits"]
