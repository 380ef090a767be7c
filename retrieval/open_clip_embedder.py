"""``open_clip`` models as embedders: by architecture and tag, from the hub, or from a local folder or file.

Only safetensors are loaded: a pickled checkpoint can run code. The pixels are prepared here, from uint8 tensors in
batches, the way the model's own configuration says (size, interpolation, crop, mean and deviation).
"""

from __future__ import annotations

import difflib
import hashlib
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.transforms.v2 import functional as V

from amgan.errors import UserError
from amgan.weights.reading import header_shapes, read_object
from retrieval.embedding import EmbedderIdentity, checked_images, unit_rows

CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILE = "open_clip_model.safetensors"
DEFAULT_TAG = "laion2b_s34b_b79k"  # the usual general-purpose weights, where an architecture has them
LARGEST_SIDE = 2048  # of a network's input, in pixels
ROOM = 1.5  # how many more numbers a network may have than its file: positions are interpolated, heads may be left out


@dataclass(frozen=True)
class Checkpoint:
    """A model that is on this disk.

    Attributes:
        name: how it is asked for again.
        architecture: what ``open_clip.create_model`` takes, ``local-dir:`` folders included.
        weights: the safetensors file.
        options: further arguments of ``open_clip.create_model``.
    """

    name: str
    architecture: str
    weights: Path
    options: dict = field(default_factory=dict)


class OpenClipEmbedder:
    """The two towers of an open_clip model: pictures and words in one space.

    Args:
        name: ``ARCHITECTURE``, ``ARCHITECTURE:TAG``, ``ARCHITECTURE:FILE.safetensors``, ``hf-hub:org/name``,
            ``local-dir:FOLDER``, a folder, or a safetensors file next to an ``open_clip_config.json``.
        device, bf16: as in ``PredictingEmbedder``.
        batch_size: pictures per pass; larger inputs are split.
        fetch: whether what is not on this disk may be downloaded.

    Raises:
        UserError: unknown name, weights that cannot be downloaded here, weights that are no safetensors or do not fit.
    """

    def __init__(
        self, name: str, device: str = "cpu", bf16: bool = False, batch_size: int = 64, fetch: bool = True
    ) -> None:
        if find_spec("open_clip") is None:
            raise UserError(
                f"The embedder {name!r} needs open_clip, which is not installed: pip install 'amgan[clip]'."
            )
        checkpoint = find_checkpoint(name, fetch)
        self.model = _create(checkpoint).to(device).eval()
        self._pixels = PixelPreparation.of(self.model.visual.preprocess_cfg)
        self._device, self._bf16, self._batch_size = device, bf16, batch_size
        self.image_size: int = max(self._pixels.size)
        self.identity = EmbedderIdentity(f"open_clip:{checkpoint.name}", _sha256(checkpoint.weights), str(self._pixels))
        self._architecture = checkpoint.architecture
        self.dimensions: int = self.embed(torch.zeros(1, 3, 8, 8, dtype=torch.uint8)).shape[1]

    @torch.inference_mode()
    def embed(self, images: torch.Tensor) -> np.ndarray:
        """uint8 (B, 3, H, W) to float32 (B, D), unit length."""
        if len(images) == 0:
            return np.zeros((0, self.dimensions), np.float32)
        vectors = []
        for batch in checked_images(images).split(self._batch_size):
            with torch.autocast(self._device.split(":")[0], torch.bfloat16, enabled=self._bf16):
                vectors.append(unit_rows(self.model.encode_image(self._pixels(batch.to(self._device)))))
        return np.concatenate(vectors)

    @torch.inference_mode()
    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """Texts to float32 (T, D), unit length. Raises UserError where the model's tokenizer is not on this machine."""
        tokens = self._tokenizer(list(texts))
        vectors = [unit_rows(self.model.encode_text(part.to(self._device))) for part in tokens.split(self._batch_size)]
        return np.concatenate([np.zeros((0, self.dimensions), np.float32), *vectors])

    @cached_property
    def _tokenizer(self) -> Any:
        import open_clip

        try:
            return open_clip.get_tokenizer(self._architecture)
        except Exception as error:  # of transformers, which some models need, or of the hub
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(f"{self.identity.model} cannot read text here: {first_line}") from None


@dataclass(frozen=True)
class PixelPreparation:
    """uint8 pictures of any size to a network's input, as open_clip's own evaluation transform does with PIL."""

    size: tuple[int, int]  # height, width
    mode: str  # "shortest" and crop, "longest" and pad, "squash"
    interpolation: str  # "bicubic", "bilinear"
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fill: int

    @classmethod
    def of(cls, config: dict) -> PixelPreparation:
        """From the ``preprocess_cfg`` that open_clip attaches to a model."""
        size = config["size"]
        size = (int(size), int(size)) if isinstance(size, int) else (int(size[0]), int(size[1]))
        if not all(1 <= side <= LARGEST_SIDE for side in size):
            raise UserError(f"A network's pictures have sides of 1 to {LARGEST_SIDE} pixels, not {size[0]}x{size[1]}.")
        mean, std = (tuple(round(float(v), 8) for v in config[k]) for k in ("mean", "std"))
        mode, interpolation = config.get("resize_mode") or "shortest", config.get("interpolation") or "bicubic"
        return cls(size, mode, interpolation, mean, std, int(config.get("fill_color") or 0))

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 (B, 3, H, W) to float32 (B, 3, *size), normalised."""
        ratios = (self.size[0] / images.shape[-2], self.size[1] / images.shape[-1])
        ratio = min(ratios) if self.mode == "longest" else max(ratios)
        if self.mode == "squash":
            resized = self.size
        elif self.mode == "shortest" and self.size[0] == self.size[1]:
            resized = tuple(max(s, int(n * ratio + 1e-9)) for n, s in zip(images.shape[-2:], self.size, strict=True))
        else:
            resized = tuple(max(1, round(n * ratio)) for n in images.shape[-2:])
        how = V.InterpolationMode.BILINEAR if self.interpolation == "bilinear" else V.InterpolationMode.BICUBIC
        out = V.resize(images, list(resized), interpolation=how, antialias=True)
        if self.mode == "longest":
            dy, dx = self.size[0] - resized[0], self.size[1] - resized[1]
            out = V.pad(out, [dx // 2, dy // 2, dx - dx // 2, dy - dy // 2], fill=self.fill)
        else:
            out = V.center_crop(out, list(self.size))
        return V.normalize(out.float() / 255, list(self.mean), list(self.std))

    def __str__(self) -> str:
        mean, std = ("/".join(f"{v:g}" for v in values) for values in (self.mean, self.std))
        size = "x".join(str(s) for s in self.size)
        return f"{size} px, {self.interpolation}, {self.mode} side, mean {mean}, deviation {std}, fill {self.fill}"


def find_checkpoint(name: str, fetch: bool = True) -> Checkpoint:
    """Where the model of that name lies on this disk, downloaded first where it has to be and ``fetch`` allows it.
    Raises UserError."""
    import open_clip

    if name.startswith("hf-hub:"):
        repository = name.removeprefix("hf-hub:")
        _download(repository, CONFIG_FILE, name, fetch)
        weights = _download(repository, WEIGHTS_FILE, name, fetch)  # the hub's cache puts both into one folder
        return Checkpoint(name, f"local-dir:{weights.parent}", weights)
    path = Path(name.removeprefix("local-dir:"))
    if name.startswith("local-dir:") or path.exists():
        return _local(path.resolve())
    architecture, _, source = name.partition(":")
    architecture = architecture.replace("/", "-")
    if architecture not in open_clip.list_models():
        close = difflib.get_close_matches(architecture, open_clip.list_models(), n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise UserError(
            f"{name!r} is neither a file, a folder nor an open_clip architecture.{hint} "
            "Valid: ViT-B-32, ViT-B-32:TAG, ViT-B-32:FILE.safetensors, hf-hub:org/name, local-dir:FOLDER."
        )
    if source and Path(source).is_file():
        weights = _require_safetensors(Path(source).resolve())
        return Checkpoint(f"{architecture}:{weights}", architecture, weights)
    return _by_tag(architecture, source, fetch)


def _by_tag(architecture: str, tag: str, fetch: bool) -> Checkpoint:
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if not tags:
        raise UserError(
            f"open_clip publishes no weights for {architecture}; give a file: {architecture}:FILE.safetensors."
        )
    tag = tag or (DEFAULT_TAG if DEFAULT_TAG in tags else tags[0])
    config = get_pretrained_cfg(architecture, tag)
    if not config:
        raise UserError(f"{tag!r} is neither a file nor a tag of {architecture}. Valid tags: {', '.join(tags)}.")
    name = f"{architecture}:{tag}"
    repository, _, file = config.get("hf_hub", "").rpartition("/")
    if not repository:
        raise UserError(
            f"{name} is published as a pickle only, which is not loaded; choose another tag: {', '.join(tags)}."
        )
    file = str(Path(file).with_suffix(".safetensors")) if file else WEIGHTS_FILE
    weights = _download(repository, file, name, fetch)
    keys = ("mean", "std", "interpolation", "resize_mode")
    options: dict = {"force_preprocess_cfg": {k: config[k] for k in keys if k in config}}
    # OpenAI's weights were trained with QuickGELU, which the plain architecture name does not say.
    if config.get("quick_gelu"):
        options["force_quick_gelu"] = True
    return Checkpoint(name, architecture, weights, options)


def _local(path: Path) -> Checkpoint:
    """A folder in open_clip's own format, or its weights file."""
    folder = path if path.is_dir() else path.parent
    if not path.exists():
        raise UserError(f"There is no model at {path}; an open_clip folder holds {CONFIG_FILE} and {WEIGHTS_FILE}.")
    if not (folder / CONFIG_FILE).is_file():
        raise UserError(f"{folder} lacks {CONFIG_FILE}. For weights alone, name the architecture: ViT-B-32:{path}.")
    files = sorted(folder.glob("*.safetensors"), key=lambda p: (p.name != WEIGHTS_FILE, p.name))
    if path.is_file():
        files = [_require_safetensors(path)]
    if not files:
        raise UserError(
            f"{folder} holds no safetensors weights ({WEIGHTS_FILE}); pickled ones (.bin, .pt) are not loaded."
        )
    if path.is_dir():
        return Checkpoint(f"local-dir:{folder}", f"local-dir:{folder}", files[0])
    return Checkpoint(f"local-dir:{path}", f"local-dir:{folder}", files[0])


def _require_safetensors(path: Path) -> Path:
    if path.suffix != ".safetensors":
        raise UserError(
            f"{path} is not a safetensors file; pickled weights are not loaded, since a pickle can run code."
        )
    return path


def _download(repository: str, file: str, name: str, fetch: bool) -> Path:
    """One file of a hub repository, from the local cache where it is there. Raises UserError."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(repository, file, local_files_only=not fetch))
    except Exception as error:  # the hub's client raises its own, requests', urllib3's and OSError
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            raise UserError(f"The repository of {name} has no {file}; only safetensors weights are loaded.") from None
        if not fetch:
            raise UserError(
                f"The index names the model {name}, which is not on this machine, and what an index names is not "
                f"downloaded unasked. If you trust it, fetch it yourself: hf download {repository} {file}"
            ) from None
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{name} cannot be downloaded here: {first_line} Give a local file instead: --embedder "
            "ARCHITECTURE:FILE.safetensors, or local-dir:FOLDER for a folder in open_clip's format."
        ) from None


def _create(checkpoint: Checkpoint) -> Any:
    """The model with its weights. Raises UserError where they are broken or of another architecture."""
    import open_clip
    from open_clip.factory import load_checkpoint

    logging.disable(logging.WARNING)  # open_clip warns that no weights are loaded, since they are in the next line
    try:
        # The weights come from exactly the file that was found, never from whatever else lies in its folder.
        options = {"load_weights": False, "pretrained_text": False, **checkpoint.options}
        _require_room(checkpoint, options)
        model = open_clip.create_model(checkpoint.architecture, **options)
        load_checkpoint(model, str(checkpoint.weights))
        if not all(bool(torch.isfinite(p).all()) for p in model.parameters()):
            raise UserError("its weights hold NaN or infinity.")
    except Exception as error:  # a stranger's configuration can make open_clip raise anything, assertions included
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"The open_clip model {checkpoint.name} cannot be loaded: {first_line}") from error
    finally:
        logging.disable(logging.NOTSET)
    return model


def _require_room(checkpoint: Checkpoint, options: dict) -> None:
    """Raises UserError where the network asked for is much larger than its file: a stranger's configuration may ask for
    more than there is memory. It is built on PyTorch's meta device, which takes none."""
    import open_clip

    folder = checkpoint.architecture.removeprefix("local-dir:")
    if folder == checkpoint.architecture:
        return  # one that open_clip itself describes
    shapes = header_shapes([checkpoint.weights])
    depth = _deepest(read_object(Path(folder) / CONFIG_FILE))
    if depth > len(shapes):
        raise UserError(f"its configuration asks for {depth:,} layers, and its file has {len(shapes):,} tensors.")
    with torch.device("meta"):
        tensors = open_clip.create_model(checkpoint.architecture, device="meta", **options).state_dict().values()
    asked, there = sum(t.numel() for t in tensors), sum(math.prod(shape) for shape in shapes.values())
    if asked > ROOM * there:
        raise UserError(f"its configuration asks for {asked:,} numbers, and its file has {there:,}.")


def _deepest(config: Any) -> int:
    """The largest number of layers that a configuration names anywhere."""
    if not isinstance(config, dict):
        return 0
    own = [n for key in ("layers", "depth") for n in np.ravel(config.get(key, 0)).tolist() if isinstance(n, int)]
    return max([*own, *map(_deepest, config.values())], default=0)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
