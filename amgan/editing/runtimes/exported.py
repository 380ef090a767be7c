"""A network saved for a runtime: a folder with the network and ``export.json``, which says what it is.

The card holds sums of the files, so that a damaged folder is noticed before anything in it runs.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amgan.editing.plain_first import lays_designs
from amgan.editing.runtimes.agreement import Difference, difference_from_eager
from amgan.editing.runtimes.engines import ENGINES, Engine, Network
from amgan.errors import UserError
from amgan.files import write_atomic
from amgan.models.amgan.generator import Generator
from amgan.schema import AttributeSchema
from amgan.weights.reading import image_size_in, read_object

CARD = "export.json"
FORMAT = 2  # count up when older folders can no longer be read


@dataclass(frozen=True)
class Exported:
    """A saved network, loaded.

    Attributes:
        engine: what runs it.
        identity: of the weights.
        difference: from PyTorch's float32, as measured when it was saved.
        designs: see ``Generator``.
    """

    network: Network
    engine: str
    schema: AttributeSchema
    image_size: int
    identity: str
    difference: dict[str, float]
    designs: bool


def installed(name: str) -> Engine:
    """The engine of that name. Raises UserError when there is none, or what it needs is not installed."""
    if name not in ENGINES:
        raise UserError(f"Unknown runtime {name!r}. Valid: {', '.join(ENGINES)}.")
    engine = ENGINES[name]
    if engine.missing:
        raise UserError(
            f"The runtime {name} needs {', '.join(engine.missing)}; pip install 'amgan[{engine.extra}]' brings it."
        )
    return engine


def export(generator: Generator, image_size: int, identity: str, name: str, folder: Path) -> Difference:
    """Save a generator for an engine, and measure how far its edits are from float32.

    The folder appears whole or not at all; one that is an export already is replaced. Not beside threads that use
    networks: see engines.py.

    Raises:
        UserError: what the engine needs is not installed, or the folder holds something else.
    """
    engine = installed(name)
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / CARD).is_file())):
        raise UserError(f"{folder} is not empty and holds no export; name another folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
        draft = Path(scratch) / "draft"
        draft.mkdir()
        engine.save(generator, image_size, draft)
        found = difference_from_eager(engine.load(draft), generator, image_size)
        _write_card(draft, name, generator, image_size, identity, found)
        if folder.exists():
            shutil.rmtree(folder)
        draft.rename(folder)
    return found


def _write_card(
    folder: Path, name: str, generator: Generator, image_size: int, identity: str, found: Difference
) -> None:
    """``export.json`` beside the files that are in the folder."""
    card = {
        "format": FORMAT,
        "engine": name,
        "identity": identity,
        "schema": generator.schema.to_dict(),
        "designs": lays_designs(generator),
        "image_size": image_size,
        "difference_in_grey_levels": found.to_dict(),
        "versions": {n: importlib.metadata.version(n) for n in ("torch", *ENGINES[name].needs)},
        "files": {p.name: _sum(p) for p in sorted(folder.iterdir()) if p.name != CARD},
    }
    write_atomic(folder / CARD, json.dumps(card, indent=1) + "\n")


def load_exported(folder: Path) -> Exported:
    """What ``export`` saved. Raises UserError when it is damaged, or its runtime is not installed."""
    try:
        card: dict[str, Any] = read_object(folder / CARD)
        name, sums = card["engine"], card["files"]
        if card["format"] != FORMAT:
            raise UserError(f"{folder} was exported by another version of this program; export it again.")
        engine = installed(name)
        if not sums or any(_sum(folder / Path(file).name) != digest for file, digest in sums.items()):
            raise ValueError("a file is not what was saved")
        schema = AttributeSchema.from_dict(card["schema"])
        size, found = image_size_in(card, folder / CARD), dict(card["difference_in_grey_levels"])
        network = engine.load(folder)
        return Exported(network, name, schema, size, str(card["identity"]), found, bool(card["designs"]))
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise UserError(f"The export in {folder} is damaged ({error}); export it again.") from None


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
