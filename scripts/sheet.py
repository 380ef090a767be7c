"""A sheet of photos × edits: the first photos of a split by the SHA-256 of their id, the same edits for all.

python scripts/sheet.py ../shared/data/garments --weights photos --photos 12 --out sheet.png
python scripts/sheet.py FOLDER --set color=red --set "sleeve=long,color=navy" --no-masks --out sheet.png
python scripts/sheet.py FOLDER --weights photos --compare OTHER_RUN --out both.png
python scripts/sheet.py drawn --weights synthetic --size source --tile 256 --out large.png
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amgan.commandline import run

if TYPE_CHECKING:  # --help must not wait for torch
    from amgan.data.imagefolder import ImageFolder, Record
    from amgan.photos import CutOut

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def sheet(
    folder: Annotated[Path, typer.Argument(help="Labelled photos.", show_default=False)],
    weights: Annotated[str, typer.Option(help="A shipped name, a folder, or hf-hub:org/name.")] = "photos",
    compare: Annotated[list[str] | None, typer.Option(help="Further weights, below; repeat for several.")] = None,
    split: Annotated[str, typer.Option(help="The split; 'all' takes every record.")] = "test",
    photos: Annotated[int, typer.Option(help="How many photos.", min=1)] = 12,
    edits: Annotated[int, typer.Option(help="How many edits, where --set names none.", min=1)] = 8,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="EDIT", help="An edit; commas join several attributes. Repeat.")
    ] = None,
    masks: Annotated[bool, typer.Option(help="Show the generator's own mask below each edit.")] = True,
    tile: Annotated[
        int | None, typer.Option(help="Side of a picture in pixels. [default: the weights' own]", min=16, max=1024)
    ] = None,
    size: Annotated[
        str, typer.Option(help="What is shown: the model's pictures, or source, at the photo's own size.")
    ] = "model",
    out: Annotated[Path, typer.Option(help="Where the picture goes.")] = Path("sheet.png"),
) -> None:
    # Imported here, because torch takes seconds, which --help need not wait for.
    from amgan.data.garments import load_garments
    from amgan.data.imagefolder import read_within
    from amgan.editing.editor import load_editor
    from amgan.editing.source_size import check_size
    from amgan.evaluation.sheet import make_sheet, sheet_edits, stack_sheets
    from retrieval.evaluation.records import chosen_records
    from retrieval.sheet import save_picture

    at_source = check_size(size) == "source"
    pages = []
    for name in [weights, *(compare or [])]:
        editor = load_editor(name)
        data = read_within(folder, editor.schema, f"the weights {name}")
        records = {record.item_id: record for record in chosen_records(data, split, photos)}
        items = load_garments(data, list(records.values()), editor.image_size, progress=False)
        # Photos that cannot be used are no items.
        cutouts = [_cut_out(data, records[i], editor.image_size) for i in items.item_ids] if at_source else None
        wanted = [editor.schema.parse_edit(s.split(",")) for s in set_ or []] or sheet_edits(editor.schema, edits)
        pages.append((name, make_sheet(editor, items, wanted, masks, tile, cutouts)))
    page = pages[0][1] if len(pages) == 1 else stack_sheets(pages)
    save_picture(page, out)
    print(f"Saved {out}: {len(items)} photos × {len(wanted)} edits, {page.width} × {page.height} pixels")


def _cut_out(data: ImageFolder, record: Record, side: int) -> CutOut:
    from amgan.photos import cut_out, read_image, read_mask

    mask = read_mask(data.root / record.mask_file_name) if record.mask_file_name else None
    return cut_out(read_image(data.root / record.file_name), mask, side, keep_source=True)


def main() -> None:
    run(app)


if __name__ == "__main__":
    main()
