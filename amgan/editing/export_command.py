"""``amgan export``: the editor of a weights folder, saved for a runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amgan.editing.runtimes import export
from amgan.files import naming, writable_folder
from amgan.weights import load_generator


def export_command(weights: str, out: Path, runtime: str) -> dict[str, Any]:
    """See ``amgan export --help``. Raises UserError."""
    writable_folder(out)
    generator, config, identity = load_generator(weights)
    with naming(out):
        found = export(generator, config.image_size, identity, runtime, out)
    return {"weights": weights, "runtime": runtime, "out": str(out), "difference_in_grey_levels": found.to_dict()}
