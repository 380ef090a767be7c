"""Catalogue entries that are not in the index, why, and the file that lists them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from amgan.errors import UserError


@dataclass(frozen=True)
class Refusal:
    """``reason`` is a stable code to count by, ``message`` the sentence for a person."""

    file_name: str
    reason: str
    message: str


class RefusalsFile:
    """JSON lines ``{"file_name", "reason", "message"}``, one per entry refused in this run, written as they come.

    The list of the run before is replaced at the first refusal, or at the end when there was none; a run that could not
    begin, because another is under way, leaves it alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO | None = None

    def add(self, refusal: Refusal) -> None:
        """Raises UserError when the disk refuses."""
        self._write(json.dumps(asdict(refusal), ensure_ascii=False) + "\n")

    def _write(self, text: str) -> None:
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("w", encoding="utf-8", buffering=1)
            self._file.write(text)
        except OSError as error:
            raise UserError(f"Cannot write the list of failures to {self.path}: {error.strerror or error}.") from None

    def __enter__(self) -> RefusalsFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is None:
            self._write("")
        if self._file is not None:
            self._file.close()
