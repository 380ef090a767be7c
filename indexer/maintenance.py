"""``index-catalog status | verify | rollback``: what serves, whether it can be trusted, and the way back."""

from __future__ import annotations

import typer

from amgan.commandline import HELP, Json, print_json
from retrieval.options import Collection, Store

COMMANDS = ("status", "verify", "rollback")
EPILOG = """
Examples:

index-catalog status --store out/index --collection shop

index-catalog verify --store out/index --collection shop

index-catalog rollback --store http://localhost:6333 --collection shop

Exit status: 0 done; 2 wrong usage, or what was asked about cannot be trusted or does not exist, in a sentence.
"""

app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)


@app.callback(epilog=EPILOG, context_settings=HELP)
def maintenance() -> None:
    """Look after an index: its versions, their soundness, and the way back to the one before."""


@app.command(epilog=EPILOG, context_settings=HELP)
def status(store: Store, collection: Collection, json_: Json = False) -> None:
    """Show the version that serves, the one before it, and any that no run finished."""
    from indexer.versions import status as versions
    from retrieval.stores import connect

    location = connect(store)
    found = versions(location, collection)
    location.close()
    if json_:
        print_json({"store": store, "collection": collection, "versions": [v.to_dict() for v in found]})
        return
    for version in found:
        points = "? garments" if version.points is None else f"{version.points} garments"
        print(f"{version.role:10} {version.name}  {points}, finished {version.finished or 'never'}")
        print(f"{'':10} by {version.embedder}, cut out by {version.segmenter or 'an earlier version'}")
        if version.catalogue:
            print(f"{'':10} from {version.catalogue}")
        if version.problem:
            print(f"{'':10} {version.problem}")


@app.command(epilog=EPILOG, context_settings=HELP)
def verify(store: Store, collection: Collection, json_: Json = False) -> None:
    """Count the serving version's garments, compare its files with what was written, and hold its searches to exact
    ones."""
    from indexer.versions import serving, verify_serving
    from retrieval.stores import connect

    location = connect(store)
    found = verify_serving(location, collection)
    name = serving(location, collection)
    location.close()
    if json_:
        print_json({"store": store, "collection": collection, "version": name, **vars(found)})
    else:
        print(f"{name} is sound: {found.points} garments, recall {found.recall:.3f} of {found.canaries} exact searches")


@app.command(epilog=EPILOG, context_settings=HELP)
def rollback(store: Store, collection: Collection, json_: Json = False) -> None:
    """Have the version before serve again, after verifying it; the same again goes forward."""
    from indexer.versions import roll_back
    from retrieval.stores import connect

    location = connect(store)
    before, now = roll_back(location, collection)
    location.close()
    if json_:
        print_json({"store": store, "collection": collection, "served": before, "serves": now})
    else:
        print(f"{now} serves {collection!r} again; {before} is kept. Pages that are open see it when they look again.")
