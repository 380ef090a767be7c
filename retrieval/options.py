"""Options that several commands take alike: which index, and where what it names is now."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Store = Annotated[str, typer.Option(help="The index: a folder, or a Qdrant server's URL.", envvar="AMGAN_STORE")]
Collection = Annotated[str, typer.Option(help="Its name, as given to index-catalog.", envvar="AMGAN_COLLECTION")]
Catalogue = Annotated[
    Path | None, typer.Option(help="The catalogue's folder, if it was moved.", envvar="AMGAN_CATALOGUE")
]
Weights = Annotated[
    str | None, typer.Option(help="The weights, if they are not where the index says.", envvar="AMGAN_WEIGHTS")
]
EditorName = Annotated[
    str | None,
    typer.Option(
        help="Edit with these weights, of any method, or with NAME:… of another package, instead of the index's.",
        envvar="AMGAN_EDITOR",
    ),
]
