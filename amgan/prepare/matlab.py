"""Variables of MATLAB files, one at a time: columns of whole numbers, and cells of text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from amgan.errors import UserError


def read_numbers(path: Path, variable: str) -> np.ndarray:
    """Whole numbers, int64 (n,), of a variable (1, n) or (n, 1).

    Raises:
        UserError: the file or the variable cannot be read, or holds something else.
    """
    values = _load(path, variable)
    if values.dtype.kind not in "iufb" or values.size != max(values.shape, default=0) or not values.size:
        raise UserError(f"{path}: {variable} is {values.dtype} {values.shape}; it should be one column of numbers.")
    values = values.ravel()
    if not np.isfinite(values).all() or (values != np.round(values)).any():
        raise UserError(f"{path}: {variable} holds numbers that are not whole.")
    return values.astype(np.int64)


def read_cells(path: Path, variable: str) -> list[str]:
    """The texts of a cell array (1, n) or (n, 1), empty where a cell is. Raises UserError as ``read_numbers``."""
    values = _load(path, variable)
    if values.dtype != object or values.size != max(values.shape, default=0):
        raise UserError(f"{path}: {variable} is {values.dtype} {values.shape}; it should be one column of texts.")
    return [_text(cell, path, variable) for cell in values.ravel()]


def _text(cell: Any, path: Path, variable: str) -> str:
    """The text in a cell, which releases wrap in more cells, and write as letters in a row or in a column."""
    while isinstance(cell, np.ndarray) and cell.dtype == object and cell.size == 1:
        cell = cell.ravel()[0]
    if isinstance(cell, np.ndarray) and cell.dtype.kind == "U":
        return "".join(cell.ravel().tolist()).strip()
    if isinstance(cell, np.ndarray) and not cell.size:
        return ""
    raise UserError(f"{path}: {variable} holds something else than texts.")


def _load(path: Path, variable: str) -> np.ndarray:
    try:
        from scipy.io import loadmat
    except ImportError:
        raise UserError(f"Reading {path.name} needs scipy: pip install 'amgan[datasets]' brings it.") from None
    try:
        found = loadmat(path, variable_names=[variable])
    except NotImplementedError:
        raise UserError(f"{path} is a MATLAB 7.3 file, unlike the release; save it with -v7.") from None
    except Exception as error:  # a damaged file raises whatever the parser trips over
        raise UserError(f"{path} is no MATLAB file, or is cut off ({error}); download it again.") from None
    if variable not in found:
        raise UserError(f"{path} has no variable {variable}; it may be cut off, or of another release.")
    return np.asarray(found[variable])
