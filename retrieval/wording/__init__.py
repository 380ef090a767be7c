"""A shopper's own words to an edit: "long sleeves, in navy" is ``{"sleeve": "long", "color": "navy"}``.

    wording = understand("same in dark red without the hood", schema)
    wording.edit        {"color": "maroon", "collar": "round"}
    wording.unused      what was not understood, or cannot be done, with the reason

No network reads the text: a vocabulary (English, Korean, Chinese), the schema's own words, and a few rules about the
words around them. So it says the same anywhere, and knows what it did not understand.
"""

from retrieval.wording.reading import LONGEST, REASONS, Meant, Part, Reason, Unused, Wording, understand

__all__ = ["LONGEST", "REASONS", "Meant", "Part", "Reason", "Unused", "Wording", "understand"]
