"""Weights from anybody: what a configuration says is held to what the tensors' headers say, before a network is built.

A weights folder may come from the hub or by mail. Its JSON is small and says how large a network is to be; its tensors
say how large it can be. So the numbers are checked first, then the shapes, read from the files' headers, and only what
fits is built and filled. Tensors that are not finite are refused: a picture made with them is black.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from amgan.errors import UserError
from amgan.schema import AttributeSchema

T = TypeVar("T", bound=nn.Module)

CONFIG = "config.json"
LARGEST_JSON = 4 << 20  # bytes; ours have a few thousand
MOST_TENSORS = 20_000  # the networks here have hundreds
IMAGE_SIZES = (16, 1024)  # sides in pixels; as training allows them
KINDS = {int: "a whole number", str: "text", dict: "an object"}


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises UserError where it is missing, too large, nested too deeply, or no object."""
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise UserError(f"{path} is larger than {LARGEST_JSON >> 20} MB, which no description of weights is.")
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
    except RecursionError:
        raise UserError(f"{path} is damaged: it is nested too deeply.") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged: it is not valid JSON ({error}).") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} is damaged: it holds no JSON object.")
    return values


def image_size_in(values: Mapping[str, Any], path: Path) -> int:
    """``image_size`` of a configuration. Raises UserError where it is missing or no size that a picture here has."""
    size, (low, high) = _value(values, "image_size", int, path), IMAGE_SIZES
    if not low <= size <= high:
        raise UserError(f"{path}: image_size is {size}; it must lie between {low} and {high}.")
    return size


def _value(values: Mapping[str, Any], key: str, kind: type, path: Path) -> Any:
    value = values.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        found = f"is {str(value)[:40]!r}" if key in values else "is missing"
        raise UserError(f"{path}: {key} {found}; it must be {KINDS[kind]}.")
    return value


@dataclass(frozen=True)
class SavedPart:
    """One network of a weights folder, not read yet but for its configuration and its tensors' headers.

    Attributes:
        weights, part: as they were named.
        folder: where it lies.
        config: of ``config.json``.
        files: with the tensors.
        shapes: of each tensor, by name.
    """

    weights: str | Path
    part: str
    folder: Path
    config: dict[str, Any]
    files: tuple[Path, ...]
    shapes: dict[str, tuple[int, ...]]

    @classmethod
    def open(cls, weights: str | Path, folder: Path) -> SavedPart:
        """The part in ``folder``, whose name is the part's. Raises UserError where it is missing or damaged."""
        files = sorted(folder.glob("model*.safetensors"))
        for path in (folder / CONFIG, files[0] if files else folder / "model.safetensors"):
            if not path.is_file():
                raise UserError(f"The weights {weights} have no {folder.name}: {path.name} is missing in {folder}.")
        config = read_object(folder / CONFIG)
        return cls(weights, folder.name, folder, config, tuple(files), header_shapes(files))

    def text(self, key: str) -> str:
        """Raises UserError, as those below do, where the configuration has no such value."""
        return str(_value(self.config, key, str, self.folder / CONFIG))

    def object(self, key: str) -> dict[str, Any]:
        return dict(_value(self.config, key, dict, self.folder / CONFIG))

    def share(self, key: str) -> float:
        """A number from 0 to 1; 0 where the configuration, an older one, does not have it."""
        value = self.config.get(key, 0.0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise UserError(f"{self.folder / CONFIG}: {key} must be a number from 0 to 1, not {value!r}.")
        return float(value)

    @property
    def image_size(self) -> int:
        return image_size_in(self.config, self.folder / CONFIG)

    @property
    def schema(self) -> AttributeSchema:
        try:
            return AttributeSchema.from_dict(self.object("schema"))
        except UserError as error:
            raise UserError(f"{self.folder / CONFIG}: {str(error).removeprefix(f'{self.folder / CONFIG}: ')}") from None

    def rows(self, key: str, tensor: str) -> int:
        """A size that the configuration and the first dimension of a tensor have to agree on."""
        size = _value(self.config, key, int, self.folder / CONFIG)
        self.require_rows(tensor, size, key)
        return size

    def require_rows(self, tensor: str, size: int, what: str) -> None:
        """Raises UserError unless a tensor's first dimension is ``size``."""
        shape = self.shapes.get(tensor, (0,))
        if not shape or shape[0] != size:
            raise self.misfit(f"{what} is {size} and {tensor} has {shape[0] if shape else 0} rows")

    def misfit(self, how: str) -> UserError:
        return UserError(f"The {self.part} of {self.weights} does not fit its configuration: {how}.")

    def built(self, make: Callable[[], T], rehearse: bool = True) -> T:
        """The network that the configuration asks for, filled, in eval mode, frozen.

        Args:
            make: builds it, with random weights.
            rehearse: build it first without memory, on PyTorch's meta device, and compare shapes. Not needed where
                nothing in the configuration decides how large the network is.

        Raises:
            UserError: names or shapes differ, the files are damaged, or a tensor is not finite.
        """
        if rehearse:
            with torch.device("meta"):
                expected = {name: tuple(t.shape) for name, t in make().state_dict().items()}
            self._require(expected)
        network = make()
        self._require({name: tuple(t.shape) for name, t in network.state_dict().items()})
        network.load_state_dict(self.tensors())
        network.eval().requires_grad_(False)
        return network

    def _require(self, expected: Mapping[str, tuple[int, ...]]) -> None:
        for name in sorted({*expected, *self.shapes}):
            mine, theirs = expected.get(name), self.shapes.get(name)
            if mine != theirs:
                raise self.misfit(f"{name} should be {_times(mine)} and is {_times(theirs)}")

    def tensors(self) -> dict[str, Tensor]:
        """All of them, numbers with a fraction as float32. Raises UserError where they are damaged or not finite."""
        try:
            tensors = {k: v for file in self.files for k, v in load_file(file).items()}
        except (OSError, ValueError, SafetensorError) as error:
            raise UserError(f"The {self.part} in {self.folder} is damaged: {error}.") from None
        tensors = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
        for name, tensor in tensors.items():
            if not bool(torch.isfinite(tensor).all()):
                raise UserError(
                    f"The {self.part} of {self.weights} cannot be used: {name} holds NaN or infinity. Training that "
                    "diverged leaves such weights; take an earlier snapshot, or other weights."
                )
        return tensors

    @property
    def identity(self) -> str:
        """Hash of configuration and tensors."""
        digest = hashlib.sha256(json.dumps(self.config, sort_keys=True).encode())
        for file in self.files:
            digest.update(file.read_bytes())
        return digest.hexdigest()[:16]


def header_shapes(files: list[Path]) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor in safetensors files, by name; the tensors are not read. Raises UserError."""
    shapes: dict[str, tuple[int, ...]] = {}
    for file in files:
        try:
            with safe_open(file, "pt") as opened:
                names = list(opened.keys())
                if len(names) > MOST_TENSORS:
                    raise UserError(f"{file} holds {len(names):,} tensors; {MOST_TENSORS:,} are the most.")
                shapes |= {name: tuple(opened.get_slice(name).get_shape()) for name in names}
        except (OSError, ValueError, SafetensorError) as error:
            raise UserError(f"{file} is damaged: {error}.") from None
    return shapes


def _times(shape: tuple[int, ...] | None) -> str:
    if shape is None:
        return "absent"
    return " x ".join(map(str, shape)) or "one number"
