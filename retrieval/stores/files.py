"""Files that are whole or absent, and locks that a killed process lets go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import portalocker

from amgan.errors import UserError
from amgan.files import replace_text


def write_json(path: Path, values: Any) -> None:
    """Replace a JSON file in one step that survives a loss of power. Raises UserError when the disk refuses."""
    try:
        replace_text(path, json.dumps(values, indent=1))
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror or error}.") from None


def read_json(path: Path) -> Any:
    """None when the file is missing. Raises UserError when it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from None
    except RecursionError:
        raise UserError(f"{path} is not valid JSON (nested too deeply); restore it, or delete the store.") from None
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}); restore it, or delete the store.") from None


@contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file while the block runs; the system frees it when the process dies.

    Raises:
        UserError: at once, when another process holds it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror or error}.") from None
    with file:
        try:
            portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
        except (portalocker.exceptions.LockException, OSError):
            raise UserError(f"Another index-catalog is filling {what}; wait until it ends, or stop it.") from None
        yield
