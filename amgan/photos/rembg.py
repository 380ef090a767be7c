"""Garment masks by rembg (github.com/danielgatis/rembg, MIT), for who has installed it: many networks by name, among
them ``u2net_cloth_seg`` and ``birefnet-general``. It downloads a network when that is first used."""

from __future__ import annotations

import importlib
import threading
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from amgan.errors import UserError
from amgan.photos.classical import whole
from amgan.photos.framing import binary
from amgan.photos.segmenter import Segmentation, judged

NAME = "rembg"


class Rembg:
    """A segmenter that asks rembg for the foreground.

    Args:
        model: one of rembg's, ``u2net`` where it is empty.

    Raises:
        UserError: rembg is not installed, or knows no such model.
    """

    def __init__(self, model: str = "") -> None:
        try:
            rembg: Any = importlib.import_module(NAME)
        except ImportError:
            raise UserError("The segmenter rembg needs the package rembg: pip install 'rembg[cpu]'.") from None
        try:
            release = version(NAME)
        except PackageNotFoundError:
            release = "unknown version"
        self._rembg = rembg
        try:
            self._session = rembg.new_session(model or "u2net")
        except Exception as error:  # an unknown name, a failed download, whatever its runtime raises
            raise UserError(f"rembg cannot use the model {model or 'u2net'!r}: {error}.") from None
        self._lock = threading.Lock()
        self.identity = f"{NAME}{f':{model}' if model else ''} ({release})"

    def segment(self, photo: np.ndarray) -> Segmentation:
        """See ``Segmenter``."""
        with self._lock:
            share = self._rembg.remove(photo, session=self._session, only_mask=True)
        mask = np.asarray(share)
        return judged(photo, whole(binary(mask if mask.ndim == 2 else mask.max(2))), NAME)
