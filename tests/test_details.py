"""A catalogue's other columns: what they are called, and how they come back with a hit."""

import json
import shutil

import numpy as np
import pytest

from indexer.build import index
from indexer.catalogue import Catalogue
from indexer.prepare import Settings
from retrieval.cli import main
from retrieval.details import detail_names, details_of, name_of, price_of, web_address
from retrieval.search import Searcher, names_of
from retrieval.stores import connect
from retrieval.stores.base import Point, point_id
from retrieval.stores.memory import MemoryLocation
from tests.fake_encoder import SCHEMA, FakeEncoder, draw_catalogue
from tests.test_forged import Editor
from tests.tiny_catalogue import make_catalogue, make_index, make_weights


def test_usual_columns_by_one_name_and_the_others_by_their_own():
    found = detail_names(["Product_Title", "BRAND", "Sale Price", "price", "link", "Style ID", "Größe"])
    assert found == {
        "Product_Title": "name",
        "BRAND": "brand",
        "Sale Price": "Sale Price",
        "price": "price",
        "link": "url",
        "Style ID": "product",
        "Größe": "Größe",
    }
    assert detail_names(["title", "name"]) == {"title": "title", "name": "name"}
    assert detail_names(["link", "product url"]) == {"link": "url", "product url": "product url"}


def test_only_addresses_that_a_page_may_link_to():
    assert web_address({"url": " https://shop.example/a?b=1 "}) == "https://shop.example/a?b=1"
    for bad in ("javascript:alert(1)", "data:text/html,x", "//x.example", "http://", "http://[::1", "https://a b/", ""):
        assert web_address({"url": bad}) is None, bad
    assert web_address({}) is None


def test_prices_names_and_what_a_stranger_stored():
    assert price_of({"price": "12.50", "currency": "EUR"}) == "12.50 EUR"
    assert price_of({"price": "12.50 EUR", "currency": "EUR"}) == "12.50 EUR"
    assert price_of({"currency": "EUR"}) == ""
    assert name_of({"brand": "Acme", "name": "Jumper"}) == "Acme: Jumper"
    assert name_of({"brand": "Acme", "name": "Acme Jumper"}) == "Acme Jumper"
    assert details_of({"details": {"price": 3, "x": None}}) == {"price": "3", "x": "None"}
    assert details_of({"details": "nonsense"}) == {}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    root = tmp_path_factory.mktemp("details")
    make_index(root / "index", make_catalogue(root / "catalogue"), make_weights(root / "weights"))
    store = connect(root / "index").open("shirts", write=True)
    details = {"name": "Shirt\t[b]1[/b]", "price": "5", "currency": "EUR", "url": "https://x.example", "fit": "slim"}
    store.set_payload({r.id: {"details": details} for r in store.scroll([])})
    store.finalize()
    store.close()
    yield root
    shutil.rmtree(root, ignore_errors=True)


def searched(shop, monkeypatch, capsys, *options):
    photo = shop / "catalogue" / "images" / "short red & 96.png"
    line = ["search-catalog", photo, "--store", shop / "index", "--collection", "shirts", "-k", 2, *options]
    monkeypatch.setattr("sys.argv", [str(part) for part in line])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_they_come_back_with_hits(shop, monkeypatch, capsys):
    hits = json.loads(searched(shop, monkeypatch, capsys, "--json"))["hits"]
    assert [h["details"]["fit"] for h in hits] == ["slim", "slim"]
    line = searched(shop, monkeypatch, capsys).splitlines()[0]
    assert line.split("\t")[-4:] == [r"name=Shirt\t[b]1[/b]", "price=5", "currency=EUR", "url=https://x.example"]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "160")
    table = searched(shop, monkeypatch, capsys)
    assert "5 EUR" in table and "[b]1[/b]" in table


@pytest.mark.parametrize("kind", ["memory", "edge"])
def test_one_product_with_several_photos_is_one_hit(tmp_path, kind):
    """25 photos of the nearest product, two of the next, and garments that name no product."""
    encoder = FakeEncoder()
    store = (MemoryLocation() if kind == "memory" else connect(tmp_path)).create("x", encoder.identity, SCHEMA)
    products = ["jumper"] * 25 + ["shirt"] * 2 + [None] * 3
    points = []
    for i, product in enumerate(products):
        vector = np.zeros(encoder.identity.dimensions, np.float32)
        vector[:2] = np.cos(i / 50), np.sin(i / 50)
        payload = {"item_id": str(i), "file_name": f"{i}.png", "details": {"product": product} if product else {}}
        points.append(Point(point_id(f"{i}.png"), vector, payload))
    store.upsert(points)
    store.finalize()
    searcher = Searcher(store, encoder, Editor(), None)
    assert [f.item_id for f in searcher.nearest(points[0].vector, 3)] == ["0", "25", "27"]
    assert [f.rank for f in searcher.nearest(points[0].vector, 10)] == [1, 2, 3, 4, 5]
    assert [f.item_id for f in searcher.nearest(points[0].vector, 2, exclude=["0", "25"])] == ["1", "26"]
    itself = names_of(points[0].payload)
    assert [f.item_id for f in searcher.nearest(points[0].vector, 2, exclude=itself)] == ["25", "27"]
    store.close()


def test_a_missing_attribute_is_predicted_and_a_given_one_stands(tmp_path):
    draw_catalogue(tmp_path, 2)
    (tmp_path / "metadata.csv").write_text("file_name,sleeve\n0/0.png,long\n1/1.png,\n")
    location = MemoryLocation()
    for encoder in (FakeEncoder("a"), FakeEncoder("b")):  # predicted anew by other weights, too
        index(Catalogue(tmp_path, SCHEMA), location, "shop", encoder, Settings(32))
    searcher = Searcher(location.open("shop"), encoder, Editor(), tmp_path)
    found = {f.item_id: f for f in searcher.nearest(np.ones(encoder.identity.dimensions, np.float32), 2)}
    stated, missing = found["0/0"].to_dict()["attributes"], found["1/1"].to_dict()["attributes"]
    assert (stated["sleeve"]["value"], stated["sleeve"]["origin"]) == ("long", "given")
    assert missing["sleeve"] == {"value": found["1/1"].predicted["sleeve"], "probability": 1.0, "origin": "predicted"}
    assert stated["color"]["origin"] == missing["color"]["origin"] == "predicted"
    assert missing["color"]["probability"] == 0.75
