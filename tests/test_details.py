"""A catalogue's other columns: what they are called, and how they come back with a hit."""

import json
import shutil

import pytest

from retrieval.cli import main
from retrieval.details import detail_names, details_of, name_of, price_of, web_address
from retrieval.stores import connect
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
    store = connect(root / "index").open("shirts")
    details = {"name": "Shirt\t[b]1[/b]", "price": "5", "currency": "EUR", "url": "https://x.example", "fit": "slim"}
    store.set_payload({r.id: {"details": details} for r in store.scroll([])})
    store.flush()
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
