"""API keys: who calls, and what that caller may ask for.

A keys file has a line for each caller, ``name key`` or ``name key items``; ``#`` begins a comment. ``items`` is for
keys that a page shows to everybody, such as the widget's: they search with what is in the catalogue, not with photos.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from amgan.errors import UserError
from amgan.files import refusal

ITEMS = "items"
SHORTEST = 16  # characters, so that none can be found by trying


@dataclass(frozen=True)
class Caller:
    """Who calls; ``uploads`` is whether photos may be sent."""

    name: str
    uploads: bool = True


ANYONE = Caller("anyone")


class Keys:
    """The keys of a service. Only their SHA-256 sums are kept.

    Args:
        lines: of a keys file.
        where: what messages call it.

    Raises:
        UserError: a line is not of that form, a key is too short, or there is none.
    """

    def __init__(self, lines: Iterable[str], where: str) -> None:
        self._callers: list[tuple[bytes, Caller]] = []
        for number, line in enumerate(lines, 1):
            parts = line.partition("#")[0].split()
            if not parts:
                continue
            if (
                len(parts) not in (2, 3)
                or parts[2:] not in ([], [ITEMS])
                or not re.fullmatch(r"[\w.-]{1,64}", parts[0])
            ):
                raise UserError(f"Line {number} of {where} is not of the form 'name key' or 'name key {ITEMS}'.")
            if len(parts[1]) < SHORTEST or not parts[1].isascii():
                raise UserError(
                    f"The key on line {number} of {where} is shorter than {SHORTEST} characters, or not ASCII; make "
                    "one with: openssl rand -hex 24"
                )
            self._callers.append((_digest(parts[1]), Caller(parts[0], uploads=len(parts) == 2)))
        if not self._callers:
            raise UserError(f"{where} holds no key; write a line 'name key', the key made with: openssl rand -hex 24")

    @classmethod
    def read(cls, path: Path) -> Keys:
        """The keys of a file. Raises UserError."""
        try:
            return cls(path.read_text(encoding="utf-8").splitlines(), str(path))
        except OSError as error:
            raise refusal(error, path) from None
        except UnicodeDecodeError:
            raise UserError(f"The keys file {path} is not UTF-8 text.") from None

    def find(self, key: str) -> Caller | None:
        """Whose key it is; the time that takes says nothing about how much of it is right."""
        given, found = _digest(key), None
        for digest, caller in self._callers:  # all of them, whichever it is
            if hmac.compare_digest(digest, given):
                found = caller
        return found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
