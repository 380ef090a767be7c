"""Whether a picture file stops before its own end, by its structure, without decoding it.

Decoders are lenient here: a JPEG padded with zeros by a broken download decodes without complaint to a photo with a
grey lower half. Every strict prefix of the formats below is recognised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# 0xFF followed by anything but a stuffed zero, a restart marker, another fill byte.
_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])")
_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN = 0xD8, 0xD9, 0xDA


def cut_short(data: bytes, format_name: str) -> bool:
    """True when a file of this format (Pillow's name) lacks its end; False for formats without a mark of their end."""
    if format_name in ("JPEG", "MPO"):
        return _jpeg(data)
    if format_name == "PNG":
        return _png(data)
    if format_name == "WEBP":
        return len(data) < 12 or len(data) < int.from_bytes(data[4:8], "little") + 8
    return False


def _jpeg(data: bytes) -> bool:
    """Segments by their lengths, so that the thumbnail inside the EXIF segment cannot lend the photo its end marker."""
    return _END_OF_IMAGE not in _jpeg_markers(data)


def _jpeg_markers(data: bytes) -> Iterator[int]:
    """The markers of a JPEG in order, up to its end."""
    position = 0
    while match := _JPEG_MARKER.search(data, position):
        marker, position = match[1][0], match.end()
        yield marker
        if marker == _END_OF_IMAGE:
            return
        if marker != _START_OF_IMAGE:
            position += int.from_bytes(data[position : position + 2], "big")


def jpeg_scans(data: bytes) -> int:
    """How many passes over the picture a JPEG asks for."""
    return sum(marker == _START_OF_SCAN for marker in _jpeg_markers(data))


def _png(data: bytes) -> bool:
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        position += 12 + length
        if kind == b"IEND":
            return position > len(data)
    return True
