"""Hashes of what the shipped weights do: edits, embeddings, hits, reports. A change of structure leaves them equal.

    python scripts/fingerprint.py --photos garments --out after.json
    PYTHONPATH=OLD_CHECKOUT python scripts/fingerprint.py --photos garments --out before.json
    python scripts/fingerprint.py --compare before.json --out after.json

Everything is asked of the commands, in processes of their own, so that the same script serves old and new code. Of a
report what names times, versions, paths and the weights' card is left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from amgan.commandline import run
from amgan.errors import UserError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
EDITS = (
    ("synthetic", ("sleeve=long",), ()),
    ("synthetic", ("collar=hood", "color=red"), ()),
    ("photos", ("sleeve=sleeveless", "color=navy"), ()),
    ("photos", ("sleeve=long",), ()),
    ("photos", ("color=green",), ("--only-on", "torso", "--size", "source")),
)
PASSING = {"times", "libraries", "folder", "weights", "command", "machine"}
SAME = {"AMGAN_RUNTIME": "eager", "AMGAN_CACHE": "off", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "2"}
EMBED = """
import hashlib, sys, numpy as np, torch
from amgan import cut_out, read_image
from retrieval.embedders import load_embedder
cuts = [cut_out(read_image(p), None, 128).image for p in sys.argv[2:]]
images = torch.from_numpy(np.stack(cuts)).permute(0, 3, 1, 2).contiguous()
print([hashlib.sha256(a.tobytes()).hexdigest() for a in load_embedder(sys.argv[1]).predict_and_embed(images)])
"""


@app.command(help=__doc__)
def fingerprint(
    out: Annotated[Path, typer.Option(help="The hashes, as JSON.")],
    photos: Annotated[Path | None, typer.Option(help="A labelled folder of photos, for the weights photos.")] = None,
    count: Annotated[int, typer.Option(help="How many garments to draw, and photos to take.", min=4)] = 40,
    compare: Annotated[Path | None, typer.Option(help="Only compare these hashes with --out.")] = None,
) -> None:
    if compare is not None:
        old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (compare, out))
        differing = [name for name in old.keys() | new.keys() if old.get(name) != new.get(name)]
        if differing:
            raise UserError(f"{len(differing)} of {len(old)} differ: {', '.join(sorted(differing))}.")
        print(f"All {len(old)} are equal.")
        return
    with tempfile.TemporaryDirectory() as scratch:
        hashes = taken(Path(scratch), photos.resolve() if photos else None, count)
    out.write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")


def taken(folder: Path, photos: Path | None, count: int) -> dict[str, str]:
    """All hashes, by what they are of."""
    drawn, hashes = folder / "drawn", {}
    command("amgan.cli", "synth", "--count", count, "--seed", 5, "--split", "test", "--out", drawn)
    hashes["drawn garments"] = of_files(drawn.rglob("*.png"))
    sources = {"synthetic": (drawn, sorted((drawn / "images").iterdir())[:count])}
    if photos is not None:
        sources["photos"] = photos, sorted((photos / "images").iterdir())[: 20 * count : 20]
    for number, (weights, settings, more) in enumerate(EDITS):
        if weights in sources:
            edited, wanted = folder / f"edits-{number}", [part for s in settings for part in ("--set", s)]
            given = ["--weights", weights, "--accept-cutout", *wanted, *more]
            command("amgan.cli", "edit", *sources[weights][1], *given, "--out", edited, accepted=(0, 1))
            hashes[f"edits: {weights} {' '.join((*settings, *more))}"] = of_files(edited.rglob("*.png"))
    for weights, (data, pictures) in sources.items():
        hashes[f"embeddings: {weights}"] = hashed(python("-c", EMBED, weights, *pictures).encode())
        report = folder / f"report-{weights}"
        where = (data, "--weights", weights, "--split", "test", "--limit", count, "--out", report)
        command("retrieval.evaluation.cli", *where)
        lasting = without_passing(json.loads((report / "report.json").read_text(encoding="utf-8")))
        hashes[f"report: {weights}"] = hashed(json.dumps(lasting, sort_keys=True).encode())
        hashes[f"sheet: {weights}"] = of_files([report / "sheet.png"])
    index = ("--store", folder / "index", "--collection", "drawn")
    command("indexer.cli", drawn, *index, "--weights", "synthetic")
    found = command("retrieval.cli", sources["synthetic"][1][0], "--set", "sleeve=long", *index, "--json")
    hits = [(hit["file_name"], hit["score"]) for hit in json.loads(found)["hits"]]
    hashes["hits: synthetic"] = hashed(json.dumps(hits).encode())
    return hashes


def command(module: str, *arguments: object, accepted: tuple[int, ...] = (0,)) -> str:
    return python("-m", module, *arguments, accepted=accepted)


def python(*arguments: object, accepted: tuple[int, ...] = (0,)) -> str:
    line = [sys.executable, "-P", *map(str, arguments)]  # -P: not this folder's code before PYTHONPATH's
    done = subprocess.run(line, env={**os.environ, **SAME}, capture_output=True, text=True, check=False)
    if done.returncode not in accepted:
        raise UserError(f"{' '.join(line[2:5])} … ends with {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


def without_passing(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_passing(v) for k, v in value.items() if k not in PASSING}
    return [without_passing(v) for v in value] if isinstance(value, list) else value


def of_files(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def hashed(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    run(app)
