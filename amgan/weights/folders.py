"""Weights folders: ``editor/ teacher/ judge/ segmenter/ embedder/`` of safetensors and readable JSON, and ``card.json``
with where they come from. A folder that training wrote also has ``critics/``, from which a later run warms up.

A name is looked for among the shipped ones, then as a folder, then (``hf-hub:org/name``) on the Hugging Face hub.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import save_torch_state_dict
from torch import nn

from amgan.config import from_dict, to_dict
from amgan.errors import UserError
from amgan.files import write_atomic
from amgan.models.backbones import is_fixed
from amgan.models.classifier import AttributeClassifier
from amgan.models.embedder import GarmentEmbedder
from amgan.models.methods import find_method
from amgan.models.segmenter import CutOutNetwork
from amgan.schema import AttributeSchema
from amgan.weights.reading import SavedPart, image_size_in, read_object

SHIPPED = Path(__file__).parent
PARTS = ("editor", "teacher", "judge", "embedder")
SEGMENTER = "segmenter"  # weights need not have one; garments are then cut out without a network
SHARD = 14_000_000  # bytes; larger networks are saved in several files, as the hub's libraries do


def shipped() -> list[str]:
    """Names of the weights in this installation."""
    return sorted(p.name for p in SHIPPED.iterdir() if any((p / part / "config.json").is_file() for part in PARTS))


def weights_folder(weights: str | Path) -> Path:
    """Where named weights lie on disk. Raises UserError with what would be valid."""
    text = str(weights)
    if text in shipped():
        return SHIPPED / text
    if text.startswith("hf-hub:"):
        return _download(text.removeprefix("hf-hub:"))
    folder = Path(weights)
    if folder.is_dir():
        parts = (*PARTS, SEGMENTER)
        if not any((folder / part / "config.json").is_file() for part in parts):
            raise UserError(
                f"{folder} holds no weights: none of {', '.join(p + '/config.json' for p in parts)} is there."
            )
        return folder
    raise UserError(
        f"Unknown weights {text!r}. Valid: a shipped name ({', '.join(shipped()) or 'none here'}), "
        "a folder that training wrote, or hf-hub:organisation/name."
    )


def on_this_machine(weights: str) -> str:
    """Weights that somebody else named, an index for example, without a download: of hub weights the folder where an
    earlier download put them. Raises UserError where there was none."""
    if not weights.startswith("hf-hub:"):
        return weights
    try:
        return str(_download(weights.removeprefix("hf-hub:"), fetch=False))
    except UserError:
        raise UserError(
            f"The weights {weights} are not on this machine, and what an index names is not downloaded unasked. If you "
            f"trust them, name them yourself: --weights {weights}"
        ) from None


def _download(repository: str, fetch: bool = True) -> Path:
    from huggingface_hub import snapshot_download

    try:
        patterns = ["*.json", "*.safetensors"]
        return Path(snapshot_download(repository, allow_patterns=patterns, local_files_only=not fetch))
    except Exception as error:  # the hub raises its own, its HTTP library's and OS errors
        raise UserError(f"Weights {repository!r} cannot be had from the hub: {str(error).splitlines()[0]}") from None


def push_to_hub(weights: str | Path, repository: str, private: bool = False) -> str:
    """Upload a weights folder to the hub; returns its address. Needs a login (``hf auth login``)."""
    from huggingface_hub import HfApi

    folder = weights_folder(weights)
    api = HfApi()
    api.create_repo(repository, private=private, exist_ok=True)
    return str(
        api.upload_folder(repo_id=repository, folder_path=folder, allow_patterns=["*.json", "*.safetensors", "*.md"])
    )


def weights_card(weights: str | Path) -> dict[str, Any]:
    """The card: data, command, time, scores. Empty when the folder has none."""
    path = weights_folder(weights) / "card.json"
    return read_object(path) if path.is_file() else {}


def frame_size(weights: str | Path) -> int:
    """Side in pixels of the frame that garments are cut out into for these weights: the editor's, or a classifier's
    where there is no editor. Classifiers resize from it, so catalogue and edited query reach them the same way."""
    folder = weights_folder(weights)
    for part in PARTS:
        path = folder / part / "config.json"
        if path.is_file():
            values = read_object(path)
            inner = values.get("config", values)
            return image_size_in(inner if isinstance(inner, dict) else {}, path)
    raise UserError(f"The weights {weights} hold none of {', '.join(PARTS)}.")


def _write_part(
    folder: Path, part: str, tensors: dict[str, torch.Tensor], config: dict[str, Any], kind: torch.dtype | None
) -> None:
    target = folder / part
    target.mkdir(parents=True, exist_ok=True)
    tensors = {
        k: (v.to(kind) if kind is not None and v.is_floating_point() else v).detach().cpu().contiguous()
        for k, v in tensors.items()
    }
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        save_torch_state_dict(tensors, scratch, max_shard_size=SHARD)
        old = {p.name for p in target.glob("model*.safetensors*")}  # with the index of several files
        new = {p.name for p in Path(scratch).iterdir()}
        for name in new:
            (Path(scratch) / name).chmod(0o644)  # scratch files are private
            (Path(scratch) / name).replace(target / name)
        for name in old - new:
            (target / name).unlink()
    write_atomic(target / "config.json", json.dumps(config, indent=1) + "\n")


def _open(weights: str | Path, part: str) -> SavedPart:
    return SavedPart.open(weights, weights_folder(weights) / part)


def save_classifier(
    folder: Path, role: str, network: AttributeClassifier, extra: dict[str, Any], half: bool = True
) -> None:
    """Write ``folder/role/``. ``extra`` (preset, data, scores …) goes into its config.json beside what rebuilds the
    network."""
    config = {
        "model": "classifier",
        "backbone": network.backbone_name,
        "image_size": network.image_size,
        "schema": network.schema.to_dict(),
        **extra,
    }
    _write_part(folder, role, network.state_dict(), config, torch.float16 if half else None)


def load_classifier(weights: str | Path, role: str = "teacher") -> AttributeClassifier:
    """The ``teacher`` or ``judge`` of named weights, in eval mode, frozen. Raises UserError."""
    saved = _open(weights, role)
    schema, backbone, size = saved.schema, saved.text("backbone"), saved.image_size
    saved.require_rows("head.weight", schema.n_values, "the number of values in its schema")
    network = saved.built(lambda: AttributeClassifier(schema, backbone, size), rehearse=not is_fixed(backbone))
    network.identity = saved.identity
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def save_segmenter(folder: Path, network: CutOutNetwork, extra: dict[str, Any]) -> None:
    """Write ``folder/segmenter/``. ``extra`` (data, scores …) goes into its config.json."""
    config = {"model": "cut-out", "image_size": network.image_size, **extra}
    _write_part(folder, SEGMENTER, network.state_dict(), config, torch.float16)


def has_segmenter(weights: str | Path) -> bool:
    """Whether named weights have a network that cuts garments out. Raises UserError where there are no such weights."""
    return (weights_folder(weights) / SEGMENTER / "config.json").is_file()


def load_cut_out_network(weights: str | Path) -> CutOutNetwork:
    """The network that cuts garments out, of named weights, in eval mode, frozen. Raises UserError."""
    saved = _open(weights, SEGMENTER)
    size = saved.image_size
    network = saved.built(lambda: CutOutNetwork(size), rehearse=False)
    network.identity = saved.identity
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def save_embedder(folder: Path, network: GarmentEmbedder, extra: dict[str, Any], half: bool = True) -> None:
    """Write ``folder/embedder/``. ``extra`` as in ``save_classifier``."""
    config = {
        "model": "embedder",
        "backbone": network.backbone_name,
        "image_size": network.image_size,
        "dimensions": network.dimensions,
        "from_pixels": network.from_pixels,
        "schema": network.schema.to_dict(),
        **extra,
    }
    _write_part(folder, "embedder", network.state_dict(), config, torch.float16 if half else None)


def has_embedder(weights: str | Path) -> bool:
    """Whether named weights have an embedder of their own. Raises UserError where there are no such weights."""
    return (weights_folder(weights) / "embedder" / "config.json").is_file()


def load_garment_embedder(weights: str | Path) -> GarmentEmbedder:
    """The embedder of named weights, in eval mode, frozen. Raises UserError."""
    saved = _open(weights, "embedder")
    schema, backbone, size = saved.schema, saved.text("backbone"), saved.image_size
    saved.require_rows("head.weight", schema.n_values, "the number of values in its schema")
    dimensions = saved.rows("dimensions", "projection.weight")
    from_pixels = saved.share("from_pixels")
    network = saved.built(
        lambda: GarmentEmbedder(schema, backbone, size, dimensions, from_pixels=from_pixels),
        rehearse=not is_fixed(backbone),
    )
    network.identity = saved.identity
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def save_generator(
    folder: Path, network: nn.Module, config: Any, extra: dict[str, Any], model: str = "amgan", half: bool = True
) -> None:
    """Write ``folder/editor/``: a generator of ``model`` (see ``amgan.models.methods``), and the settings that had an
    effect."""
    schema: AttributeSchema = network.schema  # type: ignore[assignment]
    values = {"model": model, "schema": schema.to_dict(), "config": to_dict(config), **extra}
    _write_part(folder, "editor", network.state_dict(), values, torch.float16 if half else None)


def load_generator(weights: str | Path) -> tuple[Any, Any, str]:
    """Generator in eval mode, its training configuration, and its content hash. Raises UserError."""
    saved = _open(weights, "editor")
    method, schema = find_method(saved.text("model")), saved.schema
    config = from_dict(method.Config, saved.object("config"))
    network = saved.built(lambda: method.make_generator(schema, config))
    return network.to(memory_format=torch.channels_last), config, saved.identity  # type: ignore[call-overload]


def save_critics(folder: Path, networks: Mapping[str, nn.Module], schema: AttributeSchema) -> None:
    """Write ``folder/critics/``: what only training needs, in bfloat16, by the names of ``networks``. Without networks
    there is no such folder."""
    if not networks:
        shutil.rmtree(folder / "critics", ignore_errors=True)
        return
    tensors = {f"{name}.{k}": v for name, network in networks.items() for k, v in network.state_dict().items()}
    _write_part(folder, "critics", tensors, {"schema": schema.to_dict()}, torch.bfloat16)


def load_critics(weights: str | Path, networks: Mapping[str, nn.Module], schema: AttributeSchema) -> list[str]:
    """Fill those networks that the weights have under the same name, for the same schema, in the same shape; returns
    their names. The weights need not have any."""
    if not (weights_folder(weights) / "critics" / "config.json").is_file():
        return []
    saved = _open(weights, "critics")
    if saved.schema != schema:
        return []
    tensors = saved.tensors()
    filled = []
    for name, network in networks.items():
        theirs = {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
        shapes = {k: v.shape for k, v in network.state_dict().items()}
        if shapes and shapes == {k: v.shape for k, v in theirs.items()}:
            network.load_state_dict(theirs)
            filled.append(name)
    return filled
