"""Filling an index, again and again, from catalogues of every kind."""

import csv
import json
import os

import numpy as np
import pytest
from PIL import Image

from amgan.errors import UserError
from amgan.schema import AttributeSchema
from indexer.build import index, physical_name
from indexer.catalogue import Catalogue, Item
from indexer.pipeline import Hooks, fill
from indexer.prepare import Settings
from indexer.refusals import Refusal
from retrieval.stores import connect, open_store
from retrieval.stores.base import point_id
from retrieval.stores.memory import MemoryLocation
from tests.fake_encoder import SCHEMA, FakeEncoder, draw_catalogue, draw_garment


def run(folder, location, encoder=None, keep_uncertain=False, batch=4, **hooks):
    refusals = []
    summary = index(
        Catalogue(folder, SCHEMA),
        location,
        "shop",
        encoder or FakeEncoder(),
        Settings(32, keep_uncertain),
        batch,
        threads=2,
        hooks=Hooks(refused=refusals.append, **hooks),
    )
    return summary, {r.file_name: r.reason for r in refusals}


def contents(location):
    store = location.open("shop")
    found = {r.payload["file_name"]: (r.payload, r.vector) for r in store.scroll(vectors=True)}
    store.close()
    return found


def counts(summary):
    return summary.indexed, summary.unchanged, summary.removed, sum(summary.refused.values())


def write_rows(folder, rows, attributes=None):
    columns = list(dict.fromkeys(k for row in rows for k in row))
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    if attributes:
        (folder / "attributes.json").write_text(json.dumps(attributes))


def test_index_then_search(tmp_path):
    folder, location = draw_catalogue(tmp_path / "photos", 10), connect(tmp_path / "store")
    encoder = FakeEncoder()
    summary, refused = run(folder, location, encoder)
    assert counts(summary) == (10, 0, 0, 0)
    assert (summary.total, summary.switched, summary.interrupted, refused) == (10, True, False, {})
    assert encoder.batches == [4, 4, 2]
    assert set(summary.seconds) >= {"reading", "waiting", "embedding", "storing", "finishing", "total"}
    store = open_store(tmp_path / "store", "shop")
    record = next(r for r in store.scroll(vectors=True) if r.payload["file_name"] == "1/7.png")
    hit = store.search(record.vector, 1)[0]
    assert hit.id == record.id == point_id("1/7.png")
    payload = record.payload
    assert payload["item_id"] == "1/7"
    assert payload["predicted"]["sleeve"] in SCHEMA.values("sleeve")
    assert payload["confidence"]["color"] == 0.75
    assert payload["given"] == {}
    assert payload["mask_file_name"] is None
    assert payload["cutout"]["method"] == "white"
    assert payload["cutout"]["trusted"] is True
    assert store.notes.keys() == {"catalogue", "finished", "points"}
    assert (store.notes["catalogue"], store.notes["points"]) == (str(folder.resolve()), "10")
    assert store.facet("sleeve").keys() <= set(SCHEMA.values("sleeve"))
    store.close()


def test_running_again_embeds_only_what_changed(tmp_path):
    folder, location = draw_catalogue(tmp_path / "photos", 9), connect(tmp_path / "store")
    run(folder, location)
    before = contents(location)
    encoder = FakeEncoder()
    summary, _ = run(folder, location, encoder)
    assert (counts(summary), encoder.batches, summary.switched) == ((0, 9, 0, 0), [], False)
    draw_garment(folder / "0" / "0.png", 100)
    (folder / "1" / "1.png").unlink()
    draw_garment(folder / "new.png", 101)
    os.utime(folder / "2" / "2.png", (0, 0))  # dates do not matter, bytes do
    summary, _ = run(folder, location)
    assert counts(summary) == (2, 7, 1, 0)
    after = contents(location)
    assert after.keys() == before.keys() - {"1/1.png"} | {"new.png"}
    assert not np.allclose(after["0/0.png"][1], before["0/0.png"][1])
    assert np.array_equal(after["2/2.png"][1], before["2/2.png"][1])


def test_changed_labels_and_masks_count_as_changes(tmp_path):
    draw_catalogue(tmp_path, 2)
    mask = Image.new("L", (64, 72))
    mask.paste(255, (18, 14, 47, 61))
    mask.save(tmp_path / "mask.png")
    rows = [
        {"file_name": "0/0.png", "mask_file_name": "", "sleeve": "long"},
        {"file_name": "1/1.png", "mask_file_name": "mask.png", "sleeve": ""},
    ]
    location = MemoryLocation()
    write_rows(tmp_path, rows)
    assert counts(run(tmp_path, location)[0]) == (2, 0, 0, 0)
    assert contents(location)["1/1.png"][0]["cutout"]["method"] == "given"
    assert contents(location)["0/0.png"][0]["given"] == {"sleeve": "long"}
    rows[0]["sleeve"] = "short-sleeved"
    write_rows(tmp_path, rows)
    encoder = FakeEncoder()
    summary, _ = run(tmp_path, location, encoder)
    assert (summary.updated, counts(summary), encoder.batches) == (1, (0, 1, 0, 0), [])  # the picture is as it was
    assert contents(location)["0/0.png"][0]["given"] == {"sleeve": "short"}
    mask.paste(0, (18, 50, 47, 61))
    mask.save(tmp_path / "mask.png")
    assert counts(run(tmp_path, location)[0]) == (1, 1, 0, 0)
    assert counts(run(tmp_path, location)[0]) == (0, 2, 0, 0)


def test_other_columns_travel_and_change_without_embedding_again(tmp_path):
    draw_catalogue(tmp_path, 3)
    shirt = {"Title": "Wool jumper", "vendor": "Acme", "Price": "12.50", "pricecurrency": "EUR", "Fit": "slim"}
    rows = [{"file_name": f"{i}/{i}.png", "colour": "grey", "split": "test", **shirt} for i in range(3)]
    rows[1] |= {"Title": "", "link": "https://shop.example/1"}
    write_rows(tmp_path, rows)
    location = connect(tmp_path / "store")
    run(tmp_path, location)
    details = {"name": "Wool jumper", "brand": "Acme", "price": "12.50", "currency": "EUR", "Fit": "slim"}
    told = {name: payload["details"] for name, (payload, _) in contents(location).items()}
    without = {k: v for k, v in details.items() if k != "name"}
    assert told == {
        "0/0.png": details,
        "1/1.png": without | {"url": "https://shop.example/1"},
        "2/2.png": details,
    }
    before = contents(location)
    rows[0] |= {"Price": "9.99", "Fit": ""}
    rows[2]["Title"] = "x" * 2001
    write_rows(tmp_path, rows)
    encoder = FakeEncoder()
    summary, _ = run(tmp_path, location, encoder)
    assert (summary.updated, summary.unchanged, encoder.batches) == (2, 1, [])
    assert "1 cells of the column 'Title' are longer than 2000" in summary.warnings[-1]
    after = contents(location)
    assert after["0/0.png"][0]["details"] == {**{k: v for k, v in details.items() if k != "Fit"}, "price": "9.99"}
    assert after["2/2.png"][0]["details"] == without
    assert after["0/0.png"][0]["predicted"] == before["0/0.png"][0]["predicted"]
    assert np.array_equal(after["0/0.png"][1], before["0/0.png"][1])
    assert run(tmp_path, location)[0].unchanged == 3


def test_a_mask_that_moved_is_noted(tmp_path):
    draw_catalogue(tmp_path, 1)
    mask = Image.new("L", (64, 72))
    mask.paste(255, (18, 14, 47, 61))
    mask.save(tmp_path / "old.png")
    location = MemoryLocation()
    write_rows(tmp_path, [{"file_name": "0/0.png", "mask_file_name": "old.png"}])
    run(tmp_path, location)
    (tmp_path / "old.png").rename(tmp_path / "new.png")
    write_rows(tmp_path, [{"file_name": "0/0.png", "mask_file_name": "new.png"}])
    assert run(tmp_path, location)[0].updated == 1
    assert contents(location)["0/0.png"][0]["mask_file_name"] == "new.png"


@pytest.mark.thorough
def test_other_weights_take_over_only_when_whole(tmp_path):
    folder, location = draw_catalogue(tmp_path / "photos", 12), connect(tmp_path / "store")
    a, b = FakeEncoder("a"), FakeEncoder("b")
    run(folder, location, a)
    steps = iter(range(10**6))
    summary, _ = run(folder, location, b, stop=lambda: next(steps) > 6)
    assert summary.interrupted
    assert not summary.switched
    assert location.describe("shop").identity == a.identity
    assert len(contents(location)) == 12
    half = location.open(physical_name("shop", b), write=True)
    done = half.count()
    half.close()
    assert 0 < done < 12
    summary, _ = run(folder, location, b)
    assert counts(summary) == (12 - done, done, 0, 0)
    assert summary.switched
    assert location.describe("shop").identity == b.identity
    assert set(location.collections()) == {physical_name("shop", b), physical_name("shop", a)}  # the old one is kept
    run(folder, location, FakeEncoder("b"))
    run(folder, location, FakeEncoder("c"))
    assert set(location.collections()) == {physical_name("shop", FakeEncoder("c")), physical_name("shop", b)}


def test_an_old_index_that_is_being_searched_serves_on(tmp_path):
    folder, location = draw_catalogue(tmp_path / "photos", 3), connect(tmp_path / "store")
    run(folder, location, FakeEncoder("a"))
    searching = location.open("shop")
    run(folder, location, FakeEncoder("b"))
    run(folder, location, FakeEncoder("c"))
    assert len([*searching.scroll()]) == searching.count() == 3
    searching.close()


def test_a_neighbour_with_a_similar_name_is_left_alone(tmp_path):
    folder, location = draw_catalogue(tmp_path / "photos", 3), connect(tmp_path / "store")
    settings = Settings(32)
    index(Catalogue(folder, SCHEMA), location, "shop.0123456789", FakeEncoder("a"), settings)
    run(folder, location, FakeEncoder("a"))
    run(folder, location, FakeEncoder("b"))
    assert set(location.aliases()) == {"shop", "shop.0123456789"}
    assert location.open("shop.0123456789").count() == 3


def test_a_stopped_first_run_goes_on(tmp_path):
    folder, location = draw_catalogue(tmp_path / "photos", 12), connect(tmp_path / "store")
    steps = iter(range(10**6))
    summary, _ = run(folder, location, stop=lambda: next(steps) > 8)
    assert summary.interrupted
    with pytest.raises(UserError, match="no collection 'shop'"):
        location.open("shop")
    summary, _ = run(folder, location)
    assert summary.unchanged == 8
    assert len(contents(location)) == 12


def test_two_indexers_at_once(tmp_path):
    folder, location = draw_catalogue(tmp_path / "photos", 3), connect(tmp_path / "store")
    with location.writing("shop"), pytest.raises(UserError, match="Another index-catalog"):
        run(folder, location)
    run(folder, location)
    searching = location.open("shop")
    draw_catalogue(folder, 4)
    assert run(folder, location)[0].indexed == 1  # waits for nobody who searches
    assert searching.count() == 4
    searching.close()


def test_refused_photos_are_listed_and_leave_the_index(tmp_path):
    folder, location = draw_catalogue(tmp_path, 4), MemoryLocation()
    run(folder, location)
    (folder / "0" / "0.png").write_bytes(b"")
    (folder / "1" / "1.png").write_bytes((folder / "1" / "1.png").read_bytes()[:60])
    (folder / "page.jpg").write_text("<html>not found</html>")
    summary, refused = run(folder, location)
    assert refused == {"0/0.png": "empty", "1/1.png": "truncated", "page.jpg": "not-an-image"}
    assert counts(summary) == (0, 2, 2, 3)
    assert set(contents(location)) == {"0/3.png", "2/2.png"}


def test_nothing_usable_leaves_the_index_as_it_was(tmp_path):
    folder, location = draw_catalogue(tmp_path / "photos", 3), MemoryLocation()
    run(folder, location)
    for photo in folder.rglob("*.png"):
        photo.write_bytes(b"")
    with pytest.raises(UserError, match=r"all 3 entries were refused \(3 empty\)"):
        run(folder, location)
    assert len(contents(location)) == 3
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="holds no photos"):
        run(tmp_path / "none", location)
    assert len(contents(location)) == 3


@pytest.mark.parametrize("listed", [False, True])
def test_a_disk_that_goes_away_does_not_empty_the_index(tmp_path, listed):
    folder, location = draw_catalogue(tmp_path / "photos", 9), MemoryLocation()
    (folder / "!.png").symlink_to(tmp_path / "nowhere.png")  # the first by name, and never there
    if listed:
        photos = sorted(folder.glob("*/*.png"))
        write_rows(folder, [{"file_name": p.relative_to(folder).as_posix()} for p in photos])
    run(folder, location)

    def unmount(tally):
        if folder.exists():
            folder.rename(tmp_path / "away")

    with pytest.raises(UserError, match="The index stays as it was"):
        run(folder, location, batch=1, progress=unmount)
    assert len(contents(location)) == 9
    (tmp_path / "away").rename(folder)
    (folder / "0/3.png").unlink()
    assert run(folder, location)[0].removed == 1


@pytest.mark.parametrize("reason", ["unreadable", "out-of-memory", "too-slow", "decoder-died", "error"])
def test_unreadable_photos_stay_as_they_were(tmp_path, monkeypatch, reason):
    import amgan.photos.decode
    from amgan.errors import PhotoError

    folder, location, read_file = draw_catalogue(tmp_path, 3), MemoryLocation(), amgan.photos.decode.read_file
    run(folder, location)

    def failing(path, limits, name):
        if path.name == "0.png":
            raise PhotoError(reason, f"{name} cannot be read.") if reason != "error" else MemoryError
        return read_file(path, limits, name)

    monkeypatch.setattr(amgan.photos.decode, "read_file", failing)
    draw_garment(folder / "new.png", 9)
    summary, refused = run(folder, location)
    assert refused == {"0/0.png": reason}
    assert (summary.removed, summary.indexed, len(contents(location))) == (0, 1, 4)


def test_an_uncertain_cut_is_refused_unless_asked_for(tmp_path):
    folder, location = draw_catalogue(tmp_path / "photos", 2), MemoryLocation()
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")
    summary, refused = run(folder, location)
    assert refused == {"noise.png": "cut-out-uncertain"}
    summary, refused = run(folder, location, keep_uncertain=True)
    assert (summary.indexed, refused) == (1, {})
    assert contents(location)["noise.png"][0]["cutout"]["trusted"] is False
    summary, refused = run(folder, location)  # and without the option it goes again
    assert refused == {"noise.png": "cut-out-uncertain"}
    assert summary.removed == 1


def test_an_error_of_any_kind_in_one_photo_does_not_end_the_run(tmp_path, monkeypatch):
    import indexer.opening

    folder, read_reduced = draw_catalogue(tmp_path, 5), indexer.opening.read_reduced

    def odd(data, side, limits, name, complaints):
        if name == "1/4.png":
            raise RuntimeError("surprise")
        return read_reduced(data, side, limits, name, complaints)

    monkeypatch.setattr(indexer.opening, "read_reduced", odd)
    summary, refused = run(folder, MemoryLocation())
    assert refused == {"1/4.png": "error"}
    assert summary.indexed == 4


def test_a_broken_embedder_ends_the_run_with_a_sentence(tmp_path):
    class Broken(FakeEncoder):
        def encode(self, images):
            vectors, probabilities = super().encode(images)
            return vectors * np.nan, probabilities

    with pytest.raises(UserError, match="NaN"):
        run(draw_catalogue(tmp_path, 3), MemoryLocation(), Broken())


def test_only_a_few_batches_are_in_memory(tmp_path):
    draw_garment(tmp_path / "a.png", 1)
    (tmp_path / "link").mkdir()
    asked, most = 0, 0

    def entries():
        nonlocal asked
        for i in range(200):
            os.link(tmp_path / "a.png", tmp_path / "link" / f"{i}.png")
            asked += 1
            yield Item(tmp_path, f"link/{i}.png")

    class Watching(FakeEncoder):
        def encode(self, images):
            nonlocal most
            most = max(most, asked - sum(self.batches))
            return super().encode(images)

    encoder = Watching()
    store = MemoryLocation().create("x", encoder.identity, SCHEMA)
    tally = fill(entries(), store, encoder, Settings(32), batch=5, threads=2)
    assert tally.indexed == 200
    assert most <= 5 * 5


def listed(folder, **kwargs):
    catalogue = Catalogue(folder, SCHEMA, **kwargs)
    entries = list(catalogue)
    assert catalogue.count() == len(entries)
    items = {e.file_name: e for e in entries if isinstance(e, Item)}
    return catalogue, items, {e.file_name: e.reason for e in entries if isinstance(e, Refusal)}


def test_metadata_rows_good_and_bad(tmp_path):
    write_rows(
        tmp_path,
        [
            {"file_name": "a b/é.jpg", "sleeve": "long", "colour": "grey", "price": "12", "mask_file_name": "m/1.png"},
            {"file_name": "./c.jpg", "sleeve": "", "colour": "turquoise"},
            {"file_name": "c.jpg", "sleeve": "long"},
            {"file_name": "../secret.jpg"},
            {"file_name": "/etc/passwd.jpg"},
            {"file_name": "d.jpg", "mask_file_name": "../../m.png"},
            {"file_name": " "},
        ],
    )
    catalogue, items, refused = listed(tmp_path)
    assert items.keys() == {"a b/é.jpg", "c.jpg"}
    first = items["a b/é.jpg"]
    assert (first.item_id, first.given, first.mask.file) == (
        "a b/é",
        {"sleeve": "long", "color": "gray"},
        tmp_path / "m/1.png",
    )
    assert items["c.jpg"].given == {}
    assert catalogue.noticed.unknown_labels == {"color=turquoise": 1}
    assert refused == {
        "c.jpg": "duplicate",
        "../secret.jpg": "outside",
        "/etc/passwd.jpg": "outside",
        "d.jpg": "outside",
        "line 8": "no-file-name",
    }


def test_labels_beside_the_metadata_are_joined(tmp_path):
    write_rows(tmp_path, [{"file_name": "a.jpg", "sleeve": "long", "colour": "red"}, {"file_name": "./b.jpg"}])
    (tmp_path / "labels.csv").write_text("file_name,sleeve,kind\n./a.jpg,short,tee\nb.jpg,3/4,tee\nc.jpg,long,tee\n")
    catalogue, items, refused = listed(tmp_path)
    assert {k: v.given for k, v in items.items()} == {"a.jpg": {"sleeve": "short", "color": "red"}, "b.jpg": {}}
    assert catalogue.noticed.unknown_labels == {"sleeve=3/4": 1} and not refused
    (tmp_path / "labels.csv").write_text("file_name,sleeve,sleeves\na.jpg,short,long\n")
    with pytest.raises(UserError, match=r"labels\.csv, line 2: The columns 'sleeve' and 'sleeves' both give"):
        listed(tmp_path)


def test_attributes_say_which_columns_are_labels(tmp_path):
    write_rows(tmp_path, [{"file_name": "a.jpg", "sleeve": "long", "color": "red"}], {"color": ["red", "blue"]})
    assert listed(tmp_path)[1]["a.jpg"].given == {"color": "red"}
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"sleeve": ["short", "long"]}))
    assert listed(tmp_path, attributes=other)[1]["a.jpg"].given == {"sleeve": "long"}
    with pytest.raises(UserError, match="No attribute schema"):
        Catalogue(tmp_path, SCHEMA, tmp_path / "missing.json")
    assert AttributeSchema.load(other).names == ("sleeve",)


def test_jsonl_and_parquet(tmp_path):
    rows = [{"file_name": "a.jpg", "color": "red", "price": 3}, {"file_name": "b.jpg", "color": None}]
    (tmp_path / "metadata.jsonl").write_text("\n\n".join(json.dumps(r) for r in rows))
    _, items, _ = listed(tmp_path)
    assert {k: v.given for k, v in items.items()} == {"a.jpg": {"color": "red"}, "b.jpg": {}}
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    (tmp_path / "metadata.jsonl").unlink()
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "metadata.parquet")
    _, items, _ = listed(tmp_path)
    assert {k: v.given for k, v in items.items()} == {"a.jpg": {"color": "red"}, "b.jpg": {}}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.csv", b"name,sleeve\na.jpg,long\n"),
        ("metadata.csv", b"file_name\n\xff\xfe\x00.jpg\n"),
        ("metadata.jsonl", b'{"file_name": "a.jpg"\n'),
        ("metadata.jsonl", b"[1, 2]\n"),
        ("metadata.parquet", b"PAR1 not really"),
    ],
)
def test_broken_metadata_is_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        list(Catalogue(tmp_path, SCHEMA))


def test_a_plain_folder_with_odd_names(tmp_path):
    names = ["ünï/ços ‘1’.png", "a\nb.png", "x" * 200 + ".PNG", "-rf.jpg", "spaces  two .jpeg"]
    for name in names:
        draw_garment(tmp_path / name, 1) if "\n" not in name else (tmp_path / name).write_bytes(b"")
    unlike = [" a.jpg", "x\\y.jpg", "c:d.jpg"]  # by which a photo would not be found again
    for name in unlike:
        draw_garment(tmp_path / name, 1)
    (tmp_path / "notes.txt").write_text("not a photo")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "loop").symlink_to(tmp_path)
    bad = os.fsencode(tmp_path) + b"/caf\xe9.png"
    try:
        with open(bad, "wb"):
            pass
    except OSError:
        bad = None  # this file system takes no such names
    _, items, refused = listed(tmp_path)
    assert set(items) == set(names)
    assert refused == dict.fromkeys([*unlike, *([] if bad is None else ["caf\\xe9.png"])], "bad-name")
    with pytest.raises(UserError, match="not a folder"):
        Catalogue(tmp_path / "nowhere", SCHEMA)
