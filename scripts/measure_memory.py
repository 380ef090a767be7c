"""What takes a page's memory: megabytes after each thing that it loads, one after the other.

python scripts/measure_memory.py index shop
python scripts/measure_memory.py index shop --json

An index that `index-catalog` filled from a folder is opened as the page opens it; one of its garments is changed and
searched. ``own`` is memory that nobody else can have; ``files`` are pages of libraries and of the index, which the
system shares between processes and takes back when it needs room.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, TypedDict

import typer

from amgan.commandline import Json, print_json, run
from amgan.errors import UserError

KEYS = ("Rss", "Anonymous")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def measure(
    store: Annotated[str, typer.Argument(help="The index: a folder, or a server's URL.")],
    collection: Annotated[str, typer.Argument(help="Its name.")],
    json_: Json = False,
) -> None:
    rows = [now("Python")]

    import streamlit  # noqa: F401

    rows.append(now("Streamlit"))

    import torch  # noqa: F401

    rows.append(now("PyTorch"))

    import timm  # noqa: F401
    import torchvision  # noqa: F401

    rows.append(now("torchvision, timm, and torch's compiler, which torchvision imports"))

    from retrieval.catalogue import LateSearcher, open_catalogue

    searcher = open_catalogue(store, collection, late=True)
    rows.append(now("the index, opened"))

    if isinstance(searcher, LateSearcher):
        searcher.load()
    rows.append(now("the networks"))

    from amgan.editing.editor import load_editor

    searcher.editor = load_editor(searcher.representation.weights, "fastest")
    rows.append(now("the fastest editor"))

    record = next(iter(searcher.store.scroll(batch=1)))
    cutout = searcher.item_cutout(record.payload, keep_source=True)
    name = searcher.schema.editable[0]
    searcher.find_similar(cutout, {name: searcher.schema.values(name)[0]}, 20)
    rows.append(now("an edit and its search"))
    searcher.close()
    if json_:
        print_json({"rows": rows})
        return
    print(f"{'':72}   own   files  together (MB)")
    for row in rows:
        print(f"{row['after']:72}{row['own']:6}{row['files']:8}{row['own'] + row['files']:8}")


class Row(TypedDict):
    after: str
    own: int
    files: int


def now(after: str) -> Row:
    """This process's resident memory, in megabytes. Raises UserError where the system does not say."""
    try:
        text = Path("/proc/self/smaps_rollup").read_text()
    except OSError:
        raise UserError("Only Linux says what a process's memory is taken by.") from None
    resident, own = (int(re.findall(rf"^{key}:\s+(\d+)", text, re.MULTILINE)[0]) // 1024 for key in KEYS)
    return {"after": after, "own": own, "files": resident - own}


if __name__ == "__main__":
    run(app)
