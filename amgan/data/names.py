"""Names of files in a list: where they may lead, and how they are written."""

from __future__ import annotations

import re

from amgan.errors import PhotoError

# "C:" and "\" mean one thing on Windows and another elsewhere; a data set has to mean the same everywhere.
_ABSOLUTE = re.compile(r"/|\\|[A-Za-z]:")


def relative_name(text: str) -> str:
    """A file name as a list gives it, in the form that data sets and indexes keep: ``"./a//b.jpg "`` is ``"a/b.jpg"``.

    Only the text is judged. A link inside the folder may lead out of it: whoever lays one wants it followed, while a
    list may come from anywhere.

    Raises:
        PhotoError: "outside", the name leaves the folder; "bad-name", it is no name that every machine reads alike. The
            message is a sentence without the place of the name.
    """
    text = text.strip()
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if _ABSOLUTE.match(text) or ".." in parts or "..\\" in text:
        raise PhotoError("outside", f"{_shown(text)} leaves the folder; file names are relative to it.")
    if "\\" in text:
        raise PhotoError("bad-name", f"{_shown(text)} holds a backslash; write / between folders.")
    if "\0" in text or (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)):
        raise PhotoError("bad-name", f"{_shown(text)} is not a possible file name.")
    if not parts:
        raise PhotoError("bad-name", f"{_shown(text)} names the folder itself, not a file in it.")
    return "/".join(parts)


def item_id(file_name: str) -> str:
    """What a garment is called in reports and indexes: its relative name without the ending."""
    start = file_name.rfind("/") + 2  # a leading dot begins no ending
    dot = file_name.rfind(".", start)
    return file_name[:dot] if start <= dot < len(file_name) - 1 else file_name


def _shown(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:100] + "…")
