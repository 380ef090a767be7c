"""A small shop of drawn garments whose product pages carry the widget: static pages, and a catalogue to index.

python examples/shop/make_shop.py --out shop
index-catalog shop/catalogue --store shop-index --collection shop --weights synthetic
serve-catalog --store shop-index --collection shop --origin http://localhost:8000
python -m http.server 8000 --directory shop
"""

from __future__ import annotations

import csv
import random
import shutil
from html import escape
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from amgan.commandline import run
from amgan.errors import UserError
from amgan.files import writable_folder, write_atomic

HERE = Path(__file__).parent
BRANDS = ("Nordhus", "Tessuto", "Calle 9", "Mirae", "Old Harbour")
SLEEVES = {"spaghetti": "spaghetti-strap", "extra short": "cap-sleeved", "3/4": "three-quarter-sleeved"}
BARE = ("strapless", "sleeveless")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def make_shop(
    out: Annotated[Path, typer.Option(help="The shop's folder.")] = Path("shop"),
    count: Annotated[int, typer.Option(help="How many garments it sells.", min=12)] = 300,
    size: Annotated[int, typer.Option(help="Side of their pictures in pixels.")] = 256,
    site: Annotated[str, typer.Option(help="Where the shop will be.")] = "http://localhost:8000",
    service: Annotated[str, typer.Option(help="Where serve-catalog will be.")] = "http://localhost:8080",
    key: Annotated[str, typer.Option(help="The widget's API key, where the service asks for one.")] = "",
    lang: Annotated[str, typer.Option(help="The language of the pages: en, ko, zh.")] = "en",
) -> None:
    from amgan.synth.folder import SynthFolder, write_synth

    if lang not in ("en", "ko", "zh"):
        raise UserError(f"The widget has no texts in {lang!r}; it has en, ko and zh.")
    writable_folder(out)
    for _ in write_synth(out / "catalogue", SynthFolder(count, size=size, split="test")):
        pass
    garments = [described(row, site.rstrip("/")) for row in labels(out / "catalogue" / "metadata.csv")]
    write_metadata(out / "catalogue" / "metadata.csv", garments)
    widget = {"service": escape(service.rstrip("/")), "key": escape(key), "lang": lang}
    write_pages(out, garments, widget)
    print(f"{out / 'index.html'}: {count} garments, to be served at {site}. To index: {out / 'catalogue'}")


def labels(metadata: Path) -> list[dict[str, str]]:
    with metadata.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def described(row: dict[str, str], site: str) -> dict[str, str]:
    """A garment's row with what a shop knows beside its attributes: name, brand, price and page."""
    chance = random.Random(row["seed"])
    pattern = "" if row["pattern"] == "plain" else f" {row['pattern']}"
    kind = "hoodie" if row["collar"] == "hood" else "polo" if row["collar"] == "polo" else "top"
    sleeves = row["sleeve"] if row["sleeve"] in BARE else f"{row['sleeve'].replace(' ', '-')}-sleeved"
    name = f"{SLEEVES.get(row['sleeve'], sleeves)} {row['color']}{pattern} {kind}".capitalize()
    stem = Path(row["file_name"]).stem
    more = {"name": name, "brand": chance.choice(BRANDS), "price": f"{chance.randrange(19, 90)}.90", "currency": "EUR"}
    return row | more | {"url": f"{site}/items/{stem}.html"}


def write_metadata(path: Path, garments: list[dict[str, str]]) -> None:
    scratch = path.with_suffix(".part")
    with scratch.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(garments[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(garments)
    scratch.replace(path)


def write_pages(out: Path, garments: list[dict[str, str]], widget: dict[str, str]) -> None:
    (out / "items").mkdir(exist_ok=True)
    shutil.copyfile(HERE / "shop.css", out / "shop.css")
    item, front = (Template((HERE / name).read_text(encoding="utf-8")) for name in ("item.html", "index.html"))
    cards = []
    for row in garments:
        shown = {name: escape(text) or "–" for name, text in row.items()} | {"page": Path(row["url"]).name}
        shown["item"] = escape(row["file_name"].rpartition(".")[0])
        write_atomic(out / "items" / shown["page"], item.substitute(shown, **widget))
        cards.append(
            '<li><a href="items/{page}"><img src="catalogue/{file_name}" alt="" loading="lazy">'
            "<span>{name}</span> <b>€{price}</b></a></li>".format(**shown)
        )
    write_atomic(out / "index.html", front.substitute(cards="\n".join(cards), **widget))


if __name__ == "__main__":
    run(app)
