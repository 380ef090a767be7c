"""Catalogues that are no folder of files: shards, tables of any name, web addresses."""

import contextlib
import errno
import functools
import io
import json
import os
import socket
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from amgan.errors import PhotoError, UserError
from amgan.photos import DecodeLimits, cut_out, read_image
from indexer.build import index
from indexer.catalogue import Catalogue
from indexer.fetching import Fetcher, file_name_of
from indexer.pipeline import Hooks
from indexer.prepare import Settings
from indexer.refusals import Refusal, RefusalsFile
from retrieval.photos import _members
from retrieval.search import Searcher
from retrieval.sheet import thumbnail
from retrieval.stores import connect
from retrieval.stores.memory import MemoryLocation
from tests.fake_encoder import SCHEMA, FakeEncoder, draw_catalogue, draw_garment


def run(catalogue, location, **settings):
    refusals = []
    hooks = Hooks(refused=refusals.append)
    found = Catalogue(catalogue, SCHEMA)
    summary = index(found, location, "shop", FakeEncoder(), Settings(32, **settings), 4, 2, hooks)
    assert found.count() == summary.total
    records = {r.payload["file_name"]: r for r in location.open("shop").scroll(vectors=True)}
    return summary, records, {r.file_name: r.reason for r in refusals}


def add(shard, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    shard.addfile(info, io.BytesIO(data))


@pytest.fixture
def shards(tmp_path):
    """Six garments in two shards, and what does not belong there."""
    photos, folder = draw_catalogue(tmp_path / "photos", 6), tmp_path / "shards"
    folder.mkdir()
    for i in range(2):
        with tarfile.open(folder / f"{i}.tar", "w") as shard:
            for j in range(3 * i, 3 * i + 3):
                columns = {"title": f"Jumper {j}", "price": 9.5, "sleeve": "long", "tags": ["a"]}
                add(shard, f"a/{j:05d}.png", (photos / str(j % 3) / f"{j}.png").read_bytes())
                add(shard, f"a/{j:05d}.json", json.dumps(columns).encode())
            link = tarfile.TarInfo("a/99999.png")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            shard.addfile(link)
            add(shard, "b/1.json", b"[]")
            add(shard, "../evil.png", b"x")
    return folder


def test_shards(shards, tmp_path):
    location = MemoryLocation()
    summary, records, refused = run(shards, location)
    assert summary.indexed == 6
    wrong = {"b/1": "bad-columns", "../evil.png": "outside"}
    assert refused == {f"{i}.tar/{name}": reason for i in range(2) for name, reason in wrong.items()}
    payload = records["1.tar/a/00004.png"].payload
    assert payload["details"] == {"name": "Jumper 4", "price": "9.5", "tags": '["a"]'}
    assert payload["given"] == {"sleeve": "long"}
    plain = run(tmp_path / "photos", MemoryLocation())[1]
    assert (records["1.tar/a/00004.png"].vector == plain["1/4.png"].vector).all()
    assert run(shards, location)[0].unchanged == 6
    assert run(shards / "1.tar", MemoryLocation())[0].indexed == 3
    (shards / "1.tar").write_bytes((shards / "1.tar").read_bytes()[:3000])
    with pytest.raises(UserError, match="cannot be read as an uncompressed tar file"):
        run(shards, location)
    assert len(list(location.open("shop").scroll([]))) == 6


def test_a_shard_behind_a_dead_link_stays_in_the_index(shards, tmp_path):
    location, away = MemoryLocation(), tmp_path / "1.tar"
    (shards / "1.tar").rename(away)
    (shards / "1.tar").symlink_to(away)
    assert run(shards, location)[0].indexed == 6
    away.rename(tmp_path / "2.tar")
    summary, records, _ = run(shards, location)
    assert (summary.unchanged, summary.kept, summary.removed, len(records)) == (3, 3, 0, 6)
    (shards / "1.tar").unlink()
    assert run(shards, location)[0].removed == 3


def test_text_that_is_not_utf_8_is_refused_and_listed(shards, tmp_path):
    with tarfile.open(shards / "0.tar", "a") as shard:
        for i, columns in enumerate((b'{"name": "x\\ud83d"}', b'{"\\ud83d": 1}', b'{"tags": ["\\ud83d"]}')):
            add(shard, f"c/{i}.png", (tmp_path / "photos/0/0.png").read_bytes())
            add(shard, f"c/{i}.json", columns)
        for name in (b"t\xe9.json", b"th\xe9.txt", b"\xe9.png"):
            add(shard, os.fsdecode(name), b"[]")
    location, listed = connect(tmp_path / "store"), tmp_path / "failures.jsonl"
    with RefusalsFile(listed) as file:
        hooks = Hooks(file.add)
        summary = index(Catalogue(shards, SCHEMA), location, "shop", FakeEncoder(), Settings(32), hooks=hooks)
        file.add(Refusal("x.png", "error", os.fsdecode(b"caf\xe9")))
    assert summary.indexed == 6
    assert summary.refused == {"bad-columns": 3 + 1 + 2, "no-photo": 1, "bad-name": 1, "outside": 2}
    rows = [json.loads(line) for line in listed.read_text("utf-8").splitlines()]
    assert parquet.read_table(listed.with_suffix(".parquet")).to_pylist() == rows
    assert {"0.tar/th\\xe9", "0.tar/\\xe9.png"} < {row["file_name"] for row in rows}
    assert rows[-1]["message"] == "caf\\udce9"


class Editor:
    schema, image_size = SCHEMA, 32


def test_photos_and_masks_are_read_from_where_they_lie_in_shards(shards, tmp_path):
    masked, left = shards / "2.tar", np.zeros((72, 64), np.uint8)
    left[10:62, 18:32] = 255
    mask = io.BytesIO()
    Image.fromarray(left).save(mask, "PNG")
    with tarfile.open(masked, "w") as shard:
        add(shard, "a/7.png", (tmp_path / "photos/0/0.png").read_bytes())
        add(shard, "a/7.mask.png", mask.getvalue())
    location = MemoryLocation()
    run(shards, location)
    shop = location.open("shop")
    searcher = Searcher(shop, FakeEncoder(), Editor(), shards)
    payloads = {r.payload["file_name"]: r.payload for r in shop.scroll()}
    for j in range(6):
        place, photo = searcher.photo_of(payloads[f"{j // 3}.tar/a/{j:05d}.png"]), tmp_path / f"photos/{j % 3}/{j}.png"
        assert place.read(DecodeLimits(), "a photo") == photo.read_bytes()
    assert searcher.item_cutout(payloads["0.tar/a/00000.png"]).method == "white"
    cut = searcher.item_cutout(payloads["2.tar/a/7.png"])
    assert cut.method == "given" and (cut.mask == cut_out(read_image(tmp_path / "photos/0/0.png"), left, 32).mask).all()
    _members.cache_clear()
    hits = searcher.nearest(next(shop.scroll(vectors=True)).vector, 7)
    assert _members.cache_info().currsize == 0  # a search reads no shard
    assert all(thumbnail(hit) is not None and hit.file is None for hit in hits)

    with tarfile.open(masked, "w") as shard:  # packed anew, in another order
        add(shard, "a/8.png", (tmp_path / "photos/2/2.png").read_bytes())
        add(shard, "a/7.png", (tmp_path / "photos/0/0.png").read_bytes())
    assert searcher.item_cutout(payloads["2.tar/a/7.png"]).method == "white"
    with tarfile.open(masked, "w") as shard:
        add(shard, "a/8.png", (tmp_path / "photos/2/2.png").read_bytes())
    with pytest.raises(UserError, match=r"2\.tar has no a/7\.png any more; index the catalogue again"):
        searcher.item_cutout(payloads["2.tar/a/7.png"])
    for names in (("./a/8.png", "../9.png"), ("a/8.png", "./a/8.png")):  # as `tar cf 2.tar .` names them; one is twice
        with tarfile.open(masked, "w") as shard:
            for name, photo in zip(names, ("2/2.png", "0/0.png"), strict=True):
                add(shard, name, (tmp_path / "photos" / photo).read_bytes())
        payload = run(shards, MemoryLocation())[1]["2.tar/a/8.png"].payload
        assert searcher.photo_of(payload).read(DecodeLimits(), "a photo") == (tmp_path / "photos/2/2.png").read_bytes()
    masked.unlink()
    assert searcher.photo_of({"file_name": "2.tar/../../secret.png"}) is None
    with pytest.raises(PhotoError, match=r"2\.tar"):
        searcher.item_cutout(payloads["2.tar/a/7.png"])


def test_a_table_of_any_name(tmp_path):
    draw_catalogue(tmp_path, 3)
    rows = pyarrow.table({"file_name": [f"{i}/{i}.png" for i in range(3)], "brand": ["Acme"] * 3})
    parquet.write_table(rows, tmp_path / "spring.parquet")
    summary, records, _ = run(tmp_path / "spring.parquet", MemoryLocation())
    assert summary.indexed == 3
    assert records["1/1.png"].payload["details"] == {"brand": "Acme"}


class Shop(BaseHTTPRequestHandler):
    """Photos by path, and every way to go wrong."""

    def __init__(self, *args, photo, asked):
        self.photo, self.asked = photo, asked
        super().__init__(*args)

    def do_GET(self):
        self.asked.append(self.path)
        if self.path.startswith("/away/"):
            steps = int(self.path.rpartition("/")[2])
            self.send_response(302)
            self.send_header("Location", f"/away/{steps - 1}" if steps else "/a.png")
            self.end_headers()
        elif self.path == "/inside.png":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
        elif self.path == "/drips.png":
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                self.wfile.write(b"x")
                time.sleep(0.05)
        elif self.headers.get("If-None-Match") == '"1"':
            self.send_response(304)
            self.end_headers()
        elif self.path.partition("?")[0].endswith(".png"):
            self.send_response(200)
            self.send_header("ETag", '"1"')
            self.end_headers()
            self.wfile.write(self.photo if self.path != "/huge.png" else bytes(5000))
        else:
            self.send_error(int(self.path[1:]))

    def log_message(self, *_):
        pass


@pytest.fixture
def shop(tmp_path):
    draw_garment(tmp_path / "sent.png", 1)
    asked = []
    handler = functools.partial(Shop, photo=(tmp_path / "sent.png").read_bytes(), asked=asked)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_photos_by_address_are_fetched_once_and_asked_about_later(tmp_path, shop):
    address, asked = shop
    folder, location = tmp_path / "catalogue", MemoryLocation()
    folder.mkdir()
    lines = [f"{address}/a.png,Jumper", f"{address}/b.png?size=2,Shirt", f"{address}/404,Gone", f"{address}/503,Later"]
    (folder / "metadata.csv").write_text("image_link,title\n" + "\n".join(lines) + "\n")
    allowed = Fetcher(private=True)
    summary, records, refused = run(folder, location, fetcher=allowed)
    assert sorted(refused.values()) == ["url-missing", "url-unreadable"]
    payload = records[file_name_of(f"{address}/a.png")].payload
    assert payload["details"] == {"name": "Jumper", "photo_url": f"{address}/a.png"}
    assert (folder / payload["file_name"]).read_bytes() == (tmp_path / "sent.png").read_bytes()
    asked.clear()
    summary, *_ = run(folder, location, fetcher=allowed)
    assert (summary.unchanged, sorted(asked)) == (2, ["/404", "/503"])
    summary, *_ = run(folder, location, fetcher=Fetcher(private=True, fresh=0))
    assert summary.unchanged == 2 and "/a.png" in asked


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/huge.png", "too-large"),
        ("/drips.png", "url-unreadable"),
        ("/inside.png", "url-refused"),
        ("/away/9", "url-refused"),
        ("/404", "url-missing"),
        ("/500", "url-unreadable"),
    ],
)
def test_limits_of_fetching(shop, tmp_path, path, reason):
    begun = time.monotonic()
    with pytest.raises(PhotoError) as caught:
        Fetcher(private=True, max_bytes=4000, seconds=1)(shop[0] + path, tmp_path / "f" / "x.png")
    assert caught.value.reason == reason
    assert time.monotonic() - begun < 3
    assert not (tmp_path / "f" / "x.png").exists()


def test_a_server_that_sends_a_byte_of_its_headers_now_and_then_is_left(tmp_path):
    server = socket.create_server(("127.0.0.1", 0))

    def crawl():
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.0 200 OK\r\nX-Long: ")
            for _ in range(60):
                time.sleep(0.1)
                connection.sendall(b"a")

    crawling = threading.Thread(target=crawl)
    crawling.start()
    begun = time.monotonic()
    with server, pytest.raises(PhotoError, match="it takes more than 1 seconds") as caught:
        Fetcher(private=True, seconds=1.0)(f"http://127.0.0.1:{server.getsockname()[1]}/a.png", tmp_path / "x.png")
    assert caught.value.reason == "url-unreadable" and time.monotonic() - begun < 4
    assert not (tmp_path / "x.png").exists()
    crawling.join()


def test_redirects_are_followed(shop, tmp_path):
    Fetcher(private=True)(f"{shop[0]}/away/3", tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes() == (tmp_path / "sent.png").read_bytes()


def test_a_disk_that_takes_no_photo_refuses_it_for_now(tmp_path, shop, monkeypatch):
    file = tmp_path / "f" / "x.png"
    (tmp_path / "f").write_bytes(b"")  # a file where the folder should be
    with pytest.raises(PhotoError, match=r"a\.png cannot be kept in .*f: .+") as caught:
        Fetcher(private=True)(f"{shop[0]}/a.png", file)
    assert caught.value.reason == "url-unreadable"
    (tmp_path / "f").unlink()
    Fetcher(private=True)(f"{shop[0]}/a.png", file)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(PhotoError, match="No space left on device") as caught:
            Fetcher(private=True)(f"{shop[0]}/b.png", tmp_path / "f" / "y.png")
    assert caught.value.reason == "url-unreadable"
    assert sorted(p.name for p in file.parent.iterdir()) == ["x.png", "x.png.json"]  # and no draft
    monkeypatch.setattr("indexer.fetching.write_atomic", full)
    Fetcher(private=True, fresh=0)(f"{shop[0]}/a.png", file)  # unchanged, and only the note cannot be written


INSIDE = ("127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254")


@pytest.mark.parametrize("host", [*INSIDE, "[::1]", "0.0.0.0", "2130706433"])
def test_the_own_network_is_not_asked(tmp_path, host):
    with pytest.raises(PhotoError) as caught:
        Fetcher(seconds=1)(f"http://{host}:9/a.png", tmp_path / "x.png")
    assert caught.value.reason in ("url-refused", "url-unreadable")
    assert host not in INSIDE or caught.value.reason == "url-refused"


@pytest.mark.parametrize("address", ["http://", "http://[::1", "https://a b/", "http://x:99999/"])
def test_odd_addresses(tmp_path, address):
    with pytest.raises(PhotoError) as caught:
        Fetcher(seconds=1)(address, tmp_path / "x.png")
    assert caught.value.reason in ("url-refused", "url-unreadable")
