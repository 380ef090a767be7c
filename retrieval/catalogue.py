"""Open an index for searching: its store, the networks that it names, and the folder of its photos."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from amgan.errors import UserError
from amgan.schema import AttributeSchema
from amgan.shipped import editor_values
from retrieval.query import QueryWeights
from retrieval.search import Searcher
from retrieval.stores import open_store
from retrieval.stores.base import VectorStore

if TYPE_CHECKING:  # see retrieval.search
    from amgan.editing.editor import Editor
    from retrieval.representation import Representation

Networks = tuple["Representation", "Editor"]


class LateSearcher(Searcher):
    """A catalogue that can be looked through at once; its networks are loaded when something first needs them.

    Args:
        store: an open collection.
        schema: its attributes, those editable that the editor will be able to edit.
        load: loads the networks; called once, however many threads ask, and again only where it failed.
    """

    def __init__(
        self, store: VectorStore, schema: AttributeSchema, load: Callable[[], Networks], root: Path | None
    ) -> None:
        self.store, self.schema, self.root = store, schema, root
        self.weights = QueryWeights.of_notes(store.notes)
        self._load, self._lock, self._loaded = load, threading.Lock(), False

    def load(self) -> None:
        """Have the networks, now. Raises UserError."""
        with self._lock:
            if not self._loaded:
                super().__init__(self.store, *self._load(), self.root)
                self._loaded = True

    def __getattr__(self, name: str) -> object:
        """Of what is not there yet."""
        if name not in ("representation", "editor"):
            raise AttributeError(name)
        self.load()
        return self.__dict__[name]


def open_catalogue(
    store: str | Path,
    collection: str,
    weights: str | None = None,
    catalogue: str | Path | None = None,
    device: str = "cpu",
    editor: str | None = None,
    late: bool = False,
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
        late: load the networks when they are first needed, or asked for by ``LateSearcher.load``: a catalogue can be
            looked through without them. (Those of another package, or of a hub, are loaded at once all the same.)

    Raises:
        UserError: no such index, or its networks cannot be had or have changed.
    """
    opened = open_store(str(store), collection)

    def load() -> Networks:
        from amgan.devices import pick_device
        from amgan.editing.editor import load_editor
        from retrieval.representation import Representation

        place = str(pick_device(device))
        representation = Representation.of_index(opened.identity, weights, place)
        representation.schema.require_same(opened.schema, "the weights", "the index")
        return representation, load_editor(
            editor or representation.weights, "remembered" if place == "cpu" else "eager"
        )

    try:
        root = _root(opened, catalogue)
        values = editor_values(editor or weights or opened.identity.weights) if late else None
        if values is None:
            return Searcher(opened, *load(), root)
        schema = opened.schema.edited_by(AttributeSchema.from_dict(values))
        return LateSearcher(opened, schema, load, root)
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
