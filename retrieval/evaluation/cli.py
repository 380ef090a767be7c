"""``evaluate-retrieval``: measure weights on a labelled folder and write the report."""

from __future__ import annotations

import json
import re
import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from amgan.commandline import HELP, SEGMENTER, Version, print_json, run
from amgan.files import writable_folder
from retrieval.query import QueryWeights

EPILOG = """
Examples:

evaluate-retrieval garments --weights photos --out out/report

evaluate-retrieval garments --weights runs/mine --split val --limit 100 --out out/quick --json

amgan synth --count 2000 --split test --out drawn && evaluate-retrieval drawn --weights runs/mine --out out/exact

evaluate-retrieval garments --weights runs/amgan --weights runs/stargan --measure-with photos --out out/compared

evaluate-retrieval garments --weights photos --embedder ViT-B-32:laion2b_s34b_b79k --out out/report

Exit status: 0 done; 2 a mistake, such as weights of other attributes than the folder's; 130 interrupted.
"""

app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)


@app.command(epilog=EPILOG, context_settings=HELP)
def evaluate(
    folder: Annotated[
        Path, typer.Argument(help="Labelled photos: metadata file, pictures, masks.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option(help="Where report.json, report.md, report.html and pictures go.", show_default=False)
    ],
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="A shipped name, a folder, or hf-hub:org/name; photos when not given. Repeat to compare several."
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(help="The split to measure; 'all' for every record, as in a folder without splits.")
    ] = "test",
    limit: Annotated[
        int | None, typer.Option(help="Only the first so many photos by the SHA-256 of their id.", min=2)
    ] = None,
    embedder: Annotated[
        list[str] | None,
        typer.Option(help="Search with this embedder too, beside teacher and judge; repeat for several."),
    ] = None,
    measure_with: Annotated[
        str | None,
        typer.Option(help="Weights whose teacher and judge measure; the first ones' when not given."),
    ] = None,
    weight_image: Annotated[
        float, typer.Option(help="How much the picture counts in fused queries.", min=0)
    ] = QueryWeights().image,
    weight_wanted: Annotated[
        float, typer.Option(help="How much the wanted attributes count there.", min=0)
    ] = QueryWeights().wanted,
    weight_kept: Annotated[
        float, typer.Option(help="How much the attributes count there that are not edited.", min=0)
    ] = QueryWeights().kept,
    weight_twin: Annotated[
        float, typer.Option(help="How much twins count there; 0: half of the picture's weight in the rows with twins.")
    ] = QueryWeights().twin,
    weight_text: Annotated[
        float, typer.Option(help="How much a sentence counts there, where an --embedder reads text.", min=0)
    ] = QueryWeights().text,
    twins: Annotated[
        bool, typer.Option("--twins", help="Measure twins too: the gallery as the editor draws it (docs/QUERY.md).")
    ] = False,
    with_source: Annotated[
        bool, typer.Option("--with-source", help="Leave the query's own photo in the gallery of protocol A.")
    ] = False,
    queries: Annotated[
        Path | None, typer.Option(help="Folder with ADDE's query files, which take the place of all edits.")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="Labelled folder whose training photos make the prototypes; FOLDER when not given."),
    ] = None,
    segmenter: Annotated[str | None, typer.Option(help=SEGMENTER)] = None,
    sheet: Annotated[int, typer.Option(help="Photos on the example sheet.", min=1)] = 12,
    batch: Annotated[int, typer.Option(help="Edits per pass.", min=1)] = 32,
    rounds: Annotated[int, typer.Option(help="Bootstrap draws for the intervals.", min=0)] = 1000,
    json_: Annotated[
        bool, typer.Option("--json", help="Print the report as one JSON object and nothing else.")
    ] = False,
    version: Version = False,
) -> None:
    """Edit every photo of a split to every other value, score the edits, search with them (protocols A and B), and
    write a report; of several weights a comparison with paired differences, and a report on each in a folder of its
    name.

    Of a folder that `amgan synth` made, each garment is edited once, and the edit is compared with the true picture and
    has to find the one true garment among its siblings (protocol C).
    """
    from retrieval.evaluation.comparison import compare
    from retrieval.evaluation.measurement import example_sheet, measure, methods_sheet
    from retrieval.evaluation.report import compose_summary, to_json, write_report
    from retrieval.evaluation.report_comparison import compose_short, write_comparison
    from retrieval.evaluation.subject import Settings

    writable_folder(out)
    fused = QueryWeights(weight_image, weight_wanted, weight_kept, weight_twin, weight_text)
    settings = Settings(
        split,
        limit,
        measure_with,
        tuple(embedder or ()),
        fused,
        batch,
        rounds,
        segmenter,
        with_source,
        queries,
        reference,
        twins,
    )
    with redirect_stdout(sys.stderr):  # progress and remarks; standard output is for the result
        measured = measure(folder, weights or ["photos"], settings)
        command = shlex.join(["evaluate-retrieval", *sys.argv[1:]])
        for method in measured.methods.values():
            method.report["command"] = command
        several, written = len(measured.methods) > 1, []
        for name, method in measured.methods.items():
            where = out / re.sub(r"[^\w.-]+", "_", name) if several else out
            written = write_report(where, method.report, example_sheet(measured, name, sheet))
        report = measured.report
        if several:
            report = compare(measured, rounds)
            written = write_comparison(out, report, methods_sheet(measured, sheet))
    if json_:
        print_json(json.loads(to_json(report)))  # by way of JSON, which turns NaN into null
    else:
        print(compose_short(report) if several else compose_summary(report))
        print("Written: " + ", ".join(str(p) for p in written if p.suffix in (".json", ".md", ".html")))


def main() -> None:
    """The console script."""
    run(app)


if __name__ == "__main__":
    main()
