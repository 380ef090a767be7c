"""The ``amgan`` command: train, edit, export, synth, prepare, weights."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from amgan.commandline import HELP, SEGMENTER, Json, Version, print_json, run
from amgan.shipped import ValuesInHelp, settings, shipped_values

app = typer.Typer(
    name="amgan",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings=HELP,
)


@app.callback()
def amgan(version: Version = False) -> None:
    """Change a garment's attributes in its photo."""


TRAIN = """
Examples:

amgan train --data garments --preset small --out runs/photos

amgan train --data garments --model stargan --preset small --out runs/stargan

amgan train --data garments --model classifier --role judge --out runs/photos

amgan train --data garments --preset small --extra synth --minutes 100 --out runs/photos

amgan train --data synth --go-on synthetic --minutes 100 --out runs/synthetic

amgan train --data garments --model segmenter --extra more --out runs/photos
"""


@app.command(epilog=TRAIN)
def train(
    data: Annotated[
        Path,
        typer.Option(
            help="Labelled folder: metadata.csv, pictures, attributes.json; labels.csv. "
            "Or the word synth: pairs are drawn while training goes on, for an editor."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Run folder. The same command again resumes it.")],
    model: Annotated[
        str,
        typer.Option(
            help="amgan, or a rival of the paper: stargan, ganimation, sagan; classifier, segmenter, or embedder."
        ),
    ] = "amgan",
    role: Annotated[str, typer.Option(help="Of a classifier: teacher, or judge.")] = "teacher",
    preset: Annotated[
        str,
        typer.Option(
            help="paper, ours (both for a GPU), small, paper-64 (the paper's at 64 px; both for two CPU cores), "
            "tiny (a dry run)."
        ),
    ] = "small",
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--config",
            "-c",
            help="Change a setting of the preset: name=value, or STAGE:name=value for one stage. May be repeated.",
        ),
    ] = None,
    stage: Annotated[
        str | None, typer.Option(help="Train this stage of the preset alone; --dry-run shows its stages.")
    ] = None,
    attributes: Annotated[
        Path | None, typer.Option(help="Schema file; attributes.json of the data when not given.")
    ] = None,
    warm_start: Annotated[
        str | None,
        typer.Option(
            help="Weights to start from: what both schemas name is carried over, by attribute and value. "
            "A folder that training wrote also gives its critics, for the same schema."
        ),
    ] = None,
    extra: Annotated[
        Path | None,
        typer.Option(
            help="A folder with true edits (amgan synth) that takes part of each batch of AMGAN, or the word synth; "
            "for a segmenter photos without masks."
        ),
    ] = None,
    edit: Annotated[
        list[str] | None,
        typer.Option(
            help="An attribute that is edited, or NAME=VALUE,VALUE for some of its values; the others are only known. "
            "May be repeated; default: all."
        ),
    ] = None,
    go_on: Annotated[
        str | None,
        typer.Option(
            help="Weights whose training goes on, in the place of --preset: their settings, networks, teacher and "
            "judge, and images counted on."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="For synth: processes that draw; half of the processors when not given.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="End after so long, by itself, with learning rates at zero, validated and saved. The same command "
            "goes on for as long again.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda.")] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the configuration and leave.")] = False,
) -> None:
    """Train AMGAN, one of its rivals, its classifiers, or the network that cuts garments out. Classifiers that an
    editor's training lacks are trained first."""
    started = time.monotonic()
    from amgan.training.budget import limited
    from amgan.training.command import TrainOptions, train_command

    options = TrainOptions(
        data=data,
        out=out,
        model=model,
        role=role,
        preset=preset,
        settings=tuple(set_ or ()),
        attributes=attributes,
        warm_start=warm_start,
        stage=stage,
        extra=extra,
        edit=tuple(edit or ()),
        workers=workers,
        go_on=go_on,
        device=device,
        dry_run=dry_run,
    )
    with limited(minutes, started):
        train_command(options)


EDIT = """
Examples:

amgan edit shirt.jpg --set sleeve=long --set color=red --out edited

amgan edit photos/*.jpg --set color=navy --only-on torso --size source --json --out edited

Exit status: 0 all photos edited; 1 some photos refused, each with the reason, and the others edited; 2 a mistake, such
as a photo that does not exist or an edit that the weights do not know, and nothing edited; 130 interrupted.
"""


@app.command(epilog=EDIT, cls=ValuesInHelp)
def edit(
    photos: Annotated[list[Path], typer.Argument(help="Photos of one garment each.")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")],
    set_: Annotated[list[str], typer.Option("--set", help="attribute=value. May be repeated.")],
    weights: Annotated[
        str, typer.Option(help="A shipped name, a folder, hf-hub:org/name, or NAME:… of another package's editor.")
    ] = "photos",
    only_on: Annotated[str | None, typer.Option(help="Edit the colour on this part only: sleeve, or torso.")] = None,
    mask: Annotated[Path | None, typer.Option(help="The garment's mask, for a single photo: white is garment.")] = None,
    accept_cutout: Annotated[
        bool, typer.Option("--accept-cutout", help="Go on where the cut-out is uncertain.")
    ] = False,
    size: Annotated[
        str, typer.Option(help="Of all four pictures: the model's, or source, the photo's own (2,048 pixels at most).")
    ] = "model",
    segmenter: Annotated[str | None, typer.Option(help=SEGMENTER)] = None,
    as_json: Json = False,
) -> None:
    """Edit photos. Writes, per photo, STEM.input.png (cut out, as the model sees it, or the same at the photo's own
    size), STEM.png (edited), STEM.mask.png (the model's attention) and STEM.garment.png (the cut-out's mask)."""
    from amgan.editing.edit_command import edit_command

    result = edit_command(photos, out, set_, weights, only_on, mask, accept_cutout, as_json, size, segmenter)
    if as_json:
        print_json(result, indent=None)
    if result["refused"]:
        raise typer.Exit(1)


EXPORT = """
Examples:

amgan export photos --out photos-openvino

amgan export runs/mine --format onnx --out mine-onnx

amgan edit shirt.jpg --weights photos-openvino --set color=red --out edited
"""


@app.command(epilog=EXPORT)
def export(
    weights: Annotated[str, typer.Argument(help="A shipped name, a folder, or hf-hub:org/name.")],
    out: Annotated[
        Path, typer.Option(help="Folder for the network and export.json; --weights and load_editor take it.")
    ],
    format_: Annotated[str, typer.Option("--format", help="openvino, or onnx.")] = "openvino",
    as_json: Json = False,
) -> None:
    """Save weights' editor for OpenVINO (needs the extra fast) or ONNX Runtime (onnx), and say how far its edits are
    from PyTorch's."""
    from amgan.editing.export_command import export_command

    result = export_command(weights, out, format_)
    if as_json:
        print_json(result, indent=None)
    else:
        d = result["difference_in_grey_levels"]
        print(f"Saved {out}; edits differ by {d['mean']:.2f} of 256 grey levels, 1 ‰ by {d['nearly_all']:.0f}.")


SYNTH = """
Examples:

amgan synth --count 2000 --out catalogue

amgan synth --count 14000 --seed 1000000 --counterfactuals 1 --usual --size 160 --out training
"""


@app.command(epilog=SYNTH)
def synth(
    count: Annotated[int, typer.Option(help="How many garments.")],
    out: Annotated[Path, typer.Option(help="Folder. The same command again completes it.")],
    seed: Annotated[int, typer.Option(help="Seed of the first. Weights are trained on seeds from 1,000,000 on.")] = 0,
    size: Annotated[int, typer.Option(help="Side in pixels, 32 to 1,024.")] = 128,
    counterfactuals: Annotated[
        int, typer.Option(help="True edits to render of each garment, for training; at most all that it can have.")
    ] = 0,
    usual: Annotated[
        bool,
        typer.Option("--usual", help="True edits whose details, where the picture does not show them, are usual ones."),
    ] = False,
    split: Annotated[str, typer.Option(help="auto (85 : 5 : 10 by the seed), or train, val or test for all.")] = "auto",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; as many as processors when not given.")] = None,
) -> None:
    """Draw labelled garments with exact masks: a catalogue to try things on, and to measure with."""
    from amgan.synth.command import synth_command

    synth_command(count, out, seed, size, counterfactuals, usual, split, workers)


PREPARE = """
Examples:

amgan prepare shopping100k Shopping100k.zip --out shopping100k

amgan prepare deepfashion-synthesis data_release --out deepfashion

amgan prepare adde fashion-attribute-disentanglement/splits/Shopping100k --images Shopping100k.zip --out adde

amgan prepare clothing-dataset clothing-dataset --out clothing

Names: deepfashion-synthesis (folder with G2.h5, language_original.mat, ind.mat; needs the extra datasets),
shopping100k (archive or folder with Images and Attributes), adde (folder with attr_num.txt, imgs_train.txt, …, in
Git LFS), clothing-dataset (folder with images.csv and images).
"""


@app.command(epilog=PREPARE)
def prepare(
    name: Annotated[str, typer.Argument(help="deepfashion-synthesis, shopping100k, adde, or clothing-dataset.")],
    source: Annotated[Path, typer.Argument(help="The data set as it was released: a folder, or an archive.")],
    out: Annotated[Path, typer.Option(help="Labelled folder. The same command again goes on.")],
    images: Annotated[
        Path | None, typer.Option(help="Folder or archive of the pictures, where these lie elsewhere, as adde's do.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; at most four when not given.")] = None,
) -> None:
    """Make a labelled folder, as train and the others take it, from a released data set: pictures, labels, its split,
    masks where it has some. Pictures that are files already are linked where the disk allows that, else copied."""
    from amgan.prepare.command import prepare_command

    prepare_command(name, source, out, images, workers)


WEIGHTS = """
Examples:

amgan weights

amgan weights runs/mine --json
"""


@app.command(epilog=WEIGHTS)
def weights(
    name: Annotated[
        str | None, typer.Argument(help="A shipped name, a folder, or hf-hub:org/name. None: all shipped ones.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the attributes of weights, and their values: what --set and --filter take."""
    known = shipped_values()
    if name in known:
        known = {name: known[name]}
    elif name is not None:
        from amgan.editing.editor import load_editor

        known = {name: load_editor(name).schema.to_dict()}
    if as_json:
        print_json(known, indent=None)
    else:
        print(
            "\n\n".join(
                "\n".join([name, *(f"  {line}" for line in settings(values))]) for name, values in known.items()
            )
        )


def main() -> None:
    """The console script."""
    run(app)


if __name__ == "__main__":
    main()
