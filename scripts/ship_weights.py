"""Put a training run's weights among the shipped ones, in fp16, with a card that says where they come from.

python scripts/ship_weights.py runs/photos --name photos --data "1,557 flat-lay photos (CC0)"
python scripts/ship_weights.py runs/photos --name photos --report report/report.json     # adds the scores
"""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from amgan.commandline import run
from amgan.files import write_atomic

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
SHIPPED = Path(__file__).resolve().parent.parent / "amgan" / "weights"
REBUILT = {"model", "backbone", "image_size", "dimensions", "from_pixels", "schema", "config"}  # written anew by save_*


def run_facts(folder: Path, part: str) -> dict[str, Any]:
    """What a part's config.json says beside how to rebuild the network."""
    config = json.loads((folder / part / "config.json").read_text(encoding="utf-8"))
    facts = {k: v for k, v in config.items() if k not in REBUILT}
    if "command" in facts:
        facts["command"] = without_places(facts["command"])
    return facts


def without_places(command: str) -> str:
    """A command in which folders of this machine bear their last name alone: nobody else has them."""
    words = shlex.split(command)
    return shlex.join(Path(word).name if Path(word).is_absolute() else word for word in words)


def ship(run: Path, name: str) -> None:
    """Copy a run to the shipped folder: editor, teacher and judge, with the critics, where it has them, for later runs
    to warm up from; its segmenter and its embedder, where it has one, in the place of an earlier one. Of a run without
    an editor, those alone."""
    from amgan.weights import (  # torch takes seconds
        load_classifier,
        load_cut_out_network,
        load_garment_embedder,
        load_generator,
        save_classifier,
        save_embedder,
        save_generator,
        save_segmenter,
    )

    target = SHIPPED / name
    if (run / "segmenter").is_dir():
        save_segmenter(target, load_cut_out_network(run), run_facts(run, "segmenter"))
    if (run / "embedder").is_dir():
        save_embedder(target, load_garment_embedder(run), run_facts(run, "embedder"))
    if not (run / "editor").is_dir() and any((run / part).is_dir() for part in ("segmenter", "embedder")):
        return
    for role in ("teacher", "judge"):
        save_classifier(target, role, load_classifier(run, role), run_facts(run, role))
    generator, config, _ = load_generator(run)
    save_generator(target, generator, config, run_facts(run, "editor"))
    shutil.rmtree(target / "critics", ignore_errors=True)
    if (run / "critics").is_dir():
        shutil.copytree(run / "critics", target / "critics")


def write_card(name: str, data: str | None, remarks: str | None, report: Path | None) -> None:
    """Write ``card.json`` and a readable ``README.md``; what is not given stays as it was."""
    from amgan.weights import weights_card, weights_folder

    folder = weights_folder(name)
    card = weights_card(name)
    editor, teacher, judge = (run_facts(folder, part) for part in ("editor", "teacher", "judge"))
    schema = json.loads((folder / "editor" / "config.json").read_text(encoding="utf-8"))["schema"]
    if card.get("validation", {}).get("editor") != editor["validation"]:
        card.pop("test", None)  # it was measured on other weights
    card |= {
        "name": name,
        "data": data or card.get("data", ""),
        "remarks": remarks or card.get("remarks", ""),
        "data_hash": editor["data"],
        "attributes": schema,
        "command": editor.get("command", ""),
        "training": {
            "preset": editor["preset"],
            "kimg": editor["kimg"],
            "seconds": editor["seconds"],
            "teacher_kimg": teacher["validation"]["kimg"],
            "judge_kimg": judge["validation"]["kimg"],
        },
        "validation": {"editor": editor["validation"], "teacher": teacher["validation"], "judge": judge["validation"]},
    }
    if (folder / "embedder").is_dir():
        embedder = run_facts(folder, "embedder")
        card["validation"]["embedder"] = embedder["validation"]
        card["embedder_command"] = embedder.get("command", "")
    if report is not None:
        card["test"] = headline(json.loads(report.read_text(encoding="utf-8")))
    write_atomic(folder / "card.json", json.dumps(card, indent=1) + "\n")
    write_atomic(folder / "README.md", readable(card))


def headline(report: dict[str, Any]) -> dict[str, float]:
    """The figures of an evaluation report that a card shows, by what they measure."""
    found: dict[str, float] = {}
    for attribute, scores in report["edits"]["edited"].items():
        for column in ("accepted", "kept", "colour_pixels", "mask_iou", "change_outside", "detail_kept", "stray"):
            if column in scores["macro"]:
                found[f"{attribute}: {column}"] = scores["macro"][column]["mean"]
    tables = report["protocols"].get("C", report["protocols"]["A"])
    searched = tables.get("embedder", tables["teacher"])
    for row, scores in searched["rows"].items():
        found[f"top-10, {row}"] = scores["hit"]["10"]["mean"]
    for attribute, table in searched.get("first ten", {}).items():
        shares = table["rows"]["edited + wanted + kept"]
        found[f"first ten, {attribute} edited: wanted"] = shares["wanted"]
        for name, share in shares["kept"].items():
            found[f"first ten, {attribute} edited: {name} kept"] = share
    return {k: round(v, 4) for k, v in found.items()}


def readable(card: dict[str, Any]) -> str:
    """The card as Markdown."""
    from amgan.schema import AttributeSchema

    lines = [f"# Weights `{card['name']}`", "", card["data"], "", "| attribute | values | edited |"]
    lines.append("| --- | --- | --- |")
    for a in AttributeSchema.from_dict(card["attributes"]).attributes:
        edited = ", ".join(a.settable or ("yes",)) if a.editable else "known only"
        lines.append(f"| {a.name} | {', '.join(a.values)} | {edited} |")
    training = card["training"]
    lines += [
        "",
        f"Trained by `{card['command']}` (preset `{training['preset']}`): {training['kimg']:g} thousand images in "
        f"{training['seconds'] / 60:.0f} minutes on two CPU cores; teacher {training['teacher_kimg']:g}, judge "
        f"{training['judge_kimg']:g} thousand images.",
        "",
        *([card["remarks"], ""] if card.get("remarks") else []),
    ]
    if "test" in card:
        lines += ["On the test split, which no weights saw:", "", "| measure | value |", "| --- | --- |"]
        lines += [f"| {k} | {v:.3f} |" if isinstance(v, float) else f"| {k} | {v} |" for k, v in card["test"].items()]
        lines += ["", f"Measured by `evaluate-retrieval FOLDER --weights {card['name']} --out REPORT`.", ""]
    return "\n".join(lines)


@app.command(help=__doc__)
def main(
    run: Annotated[Path, typer.Argument(help="Run folder of amgan train.")],
    name: Annotated[str, typer.Option(help="Name among the shipped weights.")],
    data: Annotated[str | None, typer.Option(help="A sentence on what they were trained on.")] = None,
    remarks: Annotated[str | None, typer.Option(help="What else a reader must know.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="report.json of evaluate-retrieval.", exists=True, dir_okay=False)
    ] = None,
) -> None:
    ship(run, name)
    write_card(name, data, remarks, report)


if __name__ == "__main__":
    run(app)
