"""``search-catalog``: edit a garment and find the catalogue's garments that match the result."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from amgan.attributes import asked_of
from amgan.commandline import HELP, Json, Version, print_json, run
from amgan.errors import UserError
from amgan.files import writable_picture
from amgan.shipped import ValuesInHelp
from retrieval.details import SHOWN, name_of, price_of
from retrieval.options import Catalogue, Collection, EditorName, Store, Weights
from retrieval.query import DEFAULT_WEIGHTS

if TYPE_CHECKING:  # --help must not wait for torch
    from amgan.editing.editor import Region
    from amgan.schema import AttributeSchema
    from retrieval.results import SearchResult
    from retrieval.wording import Wording

EPILOG = r"""
Examples:

search-catalog shirt.jpg --set sleeve=long --store out/index --collection garments

search-catalog shirt.jpg --set color=red --only-on torso --filter sleeve=short -k 20 --out sheet.png ...

search-catalog shirt.jpg --set sleeve=long --set color=navy --json --store http://localhost:6333 --collection shop

search-catalog shirt.jpg --say "long sleeves, in navy" --store out/index --collection garments

search-catalog shirt.jpg --set color=red --store out/index --collection garments | cut -f 3

On a terminal the hits are a table. Written into a file or a pipe they are one line each, with tabs between rank, score,
file name, attribute=value of each predicted attribute, and name=, brand=, price=, currency= and url= where the
catalogue says them; a tab or a line break in a name is written as \t or \n. With --json each hit has all the
catalogue's columns, as "details".

Any number of searches, pages and services share an index, also while index-catalog brings it up to date. One in a
folder that cannot be written is searched in a temporary copy. Exit status: 0 done, even if nothing was found; 2 a
mistake; 130 interrupted.
"""

WEIGHT = "How much {} counts; default: as fitted for the index (fit-query-weights), else as docs/QUERY.md says."

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)


@app.command(epilog=EPILOG, context_settings=HELP, cls=ValuesInHelp)
def search(
    photo: Annotated[Path, typer.Argument(help="The garment's photo: JPEG, PNG, WebP, …", show_default=False)],
    store: Store,
    collection: Collection,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="ATTRIBUTE=VALUE", help="What to change; repeat for several. None: find similar."
        ),
    ] = None,
    say: Annotated[
        str | None,
        typer.Option(help="What to change, in your own words (English, Korean, Chinese): 'long sleeves, in navy'."),
    ] = None,
    k: Annotated[int, typer.Option("-k", "--top", help="How many garments to find.", min=1, max=1000)] = 10,
    only_on: Annotated[str | None, typer.Option(help="Keep a colour edit to 'sleeve' or 'torso'.")] = None,
    mask: Annotated[Path | None, typer.Option(help="The garment's mask, white on the garment.")] = None,
    accept_cutout: Annotated[
        bool, typer.Option("--accept-cutout", help="Search even if the cut-out looks wrong.")
    ] = False,
    filter_: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", metavar="ATTRIBUTE=VALUE", help="Only such garments (predicted attributes); repeat for several."
        ),
    ] = None,
    text: Annotated[
        str, typer.Option(help="What else it should be like, in words, where the index's embedder reads text.")
    ] = "",
    weight_image: Annotated[float | None, typer.Option(help=WEIGHT.format("the edited picture"), min=0)] = None,
    weight_wanted: Annotated[float | None, typer.Option(help=WEIGHT.format("the wanted attributes"), min=0)] = None,
    weight_kept: Annotated[float | None, typer.Option(help=WEIGHT.format("what is not edited"), min=0)] = None,
    weight_twin: Annotated[float | None, typer.Option(help=WEIGHT.format("the index's twins"), min=0)] = None,
    weight_text: Annotated[float | None, typer.Option(help=WEIGHT.format("--text"), min=0)] = None,
    catalogue: Catalogue = None,
    weights: Weights = None,
    editor: EditorName = None,
    explain: Annotated[bool, typer.Option(help="Say what each part of the query adds to a hit's score.")] = False,
    json_: Json = False,
    out: Annotated[Path | None, typer.Option(help="Save a picture: query, edit, mask and hits.")] = None,
    version: Version = False,
) -> None:
    """Edit a garment in its photo, then find the catalogue's garments that look like the result."""
    only_such = parse_filter(filter_ or [])
    given = {"image": weight_image, "wanted": weight_wanted, "kept": weight_kept, "twin": weight_twin}
    chosen = {name: value for name, value in {**given, "text": weight_text}.items() if value is not None}
    replace(DEFAULT_WEIGHTS, **chosen)  # what is no weight is said before anything is loaded
    if out is not None:
        writable_picture(out)
        if photo.exists() and out.exists() and out.samefile(photo):
            raise UserError(f"--out would overwrite the photo {photo}; give another name.")
    remarks = Console(stderr=True)
    with remarks.status("Loading the index and its networks …"):
        from amgan.photos import read_image, read_mask
        from retrieval.catalogue import open_catalogue

        image, garment = read_image(photo), read_mask(mask) if mask else None
        searcher = open_catalogue(store, collection, weights, catalogue, editor=editor)
    try:
        said = understood(say, searcher.schema, remarks) if say is not None else None
        settings = [*(set_ or []), *(f"{name}={value}" for name, value in (said.edit if said else {}).items())]
        edit = searcher.schema.parse_edit(settings) if settings else {}
        cutout = searcher.cut_out(image, garment, keep_source=out is not None)
        if not cutout.trusted and not accept_cutout:
            raise UserError(
                f"It is not certain that the garment was cut out of {photo} correctly. {' '.join(cutout.problems)} "
                "Give its mask with --mask FILE, or search all the same with --accept-cutout."
            )
        result = searcher.find_similar(
            cutout,
            edit,
            k,
            filter=only_such,
            weights=replace(searcher.weights, **chosen),
            # The editor refuses what is no region.
            only_on=cast("Region | None", only_on or (said.only_on if said else None)),
            text=text,
            explain=explain,
            exclude=[hashlib.sha256(photo.read_bytes()).hexdigest()],
        )
    finally:
        searcher.close()
    if out:
        from retrieval.sheet import save_picture, search_sheet

        save_picture(search_sheet(result), out)
    if json_:
        print_json(_as_dict(photo, result, said, out))
        return
    if sys.stdout.isatty():
        Console().print(_table(result))
    else:
        for line in _lines(result):
            print(line)
    if not result.hits:
        remarks.print("Nothing found; a filter may leave nothing over.", style="yellow")
    if out:
        remarks.print(f"Saved {out}", highlight=False, soft_wrap=True, markup=False)


def understood(text: str, schema: AttributeSchema, remarks: Console) -> Wording:
    """The edit that ``--say`` asks for; what was left out, or only comes near, is remarked. Raises UserError when there
    is nothing to edit."""
    from retrieval.wording import REASONS, understand

    wording = understand(text, schema)
    left_out = "; ".join(f"“{u.words}” ({REASONS[u.reason]})" for u in wording.unused)
    if not wording.edit:
        can = "; ".join(f"{a.name}: {', '.join(asked_of(a))}" for a in schema.attributes if a.editable)
        raise UserError(
            f"--say {text!r} names nothing to change{': ' + left_out if left_out else ''}. What can be set: {can}."
        )
    for meant in wording.meant:
        if not meant.exact:
            remarks.print(
                f"“{meant.words}” was taken as {meant.attribute}={meant.value}.", highlight=False, markup=False
            )
    if left_out:
        remarks.print(f"Left out: {left_out}.", style="yellow", highlight=False, markup=False)
    return wording


def parse_filter(settings: list[str]) -> dict[str, list[str]]:
    """``["color=red", "color=blue"]`` to ``{"color": ["red", "blue"]}``; ``given.color`` means the stated one."""
    wanted: dict[str, list[str]] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise UserError(f"The filter {setting!r} is not of the form attribute=value, for example color=red.")
        wanted.setdefault(key.strip(), []).append(value.strip())
    return wanted


def _as_dict(photo: Path, result: SearchResult, said: Wording | None, out: Path | None) -> dict[str, Any]:
    return {
        "photo": str(photo),
        "said": asdict(said) if said else None,
        "edit": result.edit,
        "only_on": result.only_on,
        "predicted": result.predicted,
        "cutout": {
            "method": result.cutout.method,
            "confidence": round(float(result.cutout.confidence), 4),
            "problems": list(result.cutout.problems),
        },
        "hits": [h.to_dict() for h in result.hits],
        "unedited_hits": [h.to_dict() for h in result.unedited_hits],
        "sheet": str(out) if out else None,
    }


def _table(result: SearchResult) -> Table:
    """Rank, file, attributes with the wanted ones in green, score."""
    title = ", ".join(f"{k} → {v}" for k, v in result.edit.items()) or "Similar garments"
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("#", justify="right")
    table.add_column("File", overflow="fold")
    for name in result.predicted:
        table.add_column(name.capitalize())
    named, priced = (any(say(h.details) for h in result.hits) for say in (name_of, price_of))
    if named:
        table.add_column("Name", overflow="fold")
    if priced:
        table.add_column("Price", justify="right")
    table.add_column("Score", justify="right")
    parts = list(result.hits[0].parts) if result.hits else []
    for name in parts:
        table.add_column(f"of {name}", justify="right")
    for found in result.hits:
        values = [
            Text(
                found.predicted.get(name, "–"),
                "green" if name in result.wanted and found.predicted.get(name) == result.wanted[name] else "",
            )
            for name in result.predicted
        ]
        said = [Text(say(found.details)) for say, there in ((name_of, named), (price_of, priced)) if there]
        shares = [f"{found.parts[name]:.3f}" for name in parts if name in found.parts]
        table.add_row(str(found.rank), Text(found.file_name), *values, *said, f"{found.score:.3f}", *shares)
    return table


def _lines(result: SearchResult) -> Iterator[str]:
    """A hit a line, for other programs: whole names, whatever the width."""
    for found in result.hits:
        values = (f"{name}={value}" for name, value in found.predicted.items())
        said = (f"{name}={found.details[name]}" for name in SHOWN if name in found.details)
        parts = (f"score.{name}={share:.3f}" for name, share in found.parts.items())
        cells = (str(found.rank), f"{found.score:.3f}", found.file_name, *values, *parts, *said)
        yield "\t".join(cell.translate(_ESCAPES) for cell in cells)


def main() -> None:
    """The console script."""
    run(app)


if __name__ == "__main__":
    main()
