"""Open an index for searching: its store, the networks that it names, and the folder of its photos."""

from __future__ import annotations

from pathlib import Path

from amgan.devices import pick_device
from amgan.editing.editor import load_editor
from amgan.errors import UserError
from retrieval.representation import Representation
from retrieval.search import Searcher
from retrieval.stores import open_store
from retrieval.stores.base import VectorStore


def open_catalogue(
    store: str | Path,
    collection: str,
    weights: str | None = None,
    catalogue: str | Path | None = None,
    device: str = "cpu",
    editor: str | None = None,
) -> Searcher:
    """A catalogue that ``index-catalog`` filled, ready to be searched with edited garments.

    The networks are those that the index names, so that queries and catalogue compare.

    Args:
        store: the index's folder, or a Qdrant server's URL.
        collection: its name.
        weights: where the weights are now, if not where the index says; other weights are refused.
        catalogue: where the photos are now, if not where the index says.
        device: where the networks run: auto, cpu, cuda.
        editor: what draws the edits, as ``load_editor`` takes it: weights of any method, or an editor of another
            package. None means the editor of the index's weights.

    Raises:
        UserError: no such index, or its networks cannot be had or have changed.
    """
    device = str(pick_device(device))
    opened = open_store(str(store), collection)
    try:
        representation = Representation.of_index(opened.identity, weights, device)
        representation.schema.require_same(opened.schema, "the weights", "the index")
        drawing = load_editor(editor or representation.weights, "remembered" if device == "cpu" else "eager")
        return Searcher(opened, representation, drawing, _root(opened, catalogue))
    except BaseException:
        opened.close()
        raise


def _root(store: VectorStore, catalogue: str | Path | None) -> Path | None:
    """The folder of the photos: as given, else as the index says where that still exists."""
    if catalogue is not None:
        if not Path(catalogue).is_dir():
            raise UserError(
                f"There is no folder {catalogue}; --catalogue names the folder that holds the catalogue's photos."
            )
        return Path(catalogue)
    noted = store.notes.get("catalogue")
    return Path(noted) if noted and Path(noted).is_dir() else None
