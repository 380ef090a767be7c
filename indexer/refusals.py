"""Catalogue entries that are not in the index, why, and the file that lists them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from amgan.errors import UserError


@dataclass(frozen=True)
class Refusal:
    """``reason`` is a stable code to count by, ``message`` the sentence for a person."""

    file_name: str
    reason: str
    message: str


class RefusalsFile:
    """JSON lines ``{"file_name", "reason", "message"}``, one per entry refused in this run, written as they come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise UserError(f"Cannot write the list of failures to {path}: {error.strerror or error}.") from None

    def add(self, refusal: Refusal) -> None:
        try:
            self._file.write(json.dumps(asdict(refusal), ensure_ascii=False) + "\n")
        except OSError as error:
            raise UserError(f"Cannot write the list of failures to {self.path}: {error.strerror or error}.") from None

    def __enter__(self) -> RefusalsFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
