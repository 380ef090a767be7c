"""What a user reads when a store is down, busy, damaged or not ours."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from amgan.errors import UserError
from retrieval.stores import connect
from retrieval.stores.base import Point, point_id
from retrieval.stores.server import ServerLocation
from tests.test_stores import IDENTITY, SCHEMA, points

QUICK = (0.01, 0.01)  # two more tries, without the waits


class Stub:
    """An HTTP server on the loopback that answers every request as it is told."""

    def __init__(self):
        self.answers = []  # (status, body), the last one for ever
        self.requests = 0
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self):
                status, body = stub.answers[min(stub.requests, len(stub.answers) - 1)]
                stub.requests += 1
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if status == "hang":
                    time.sleep(body)
                    status, body = 200, {}
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _answer

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def stub():
    server = Stub()
    yield server
    server.close()


def ok(result):
    return 200, {"result": result, "status": "ok", "time": 0.0}


def test_connection_refused():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(UserError, match=f"{url} cannot be reached .*[Rr]efused.*Is it running"):
        ServerLocation(url, waits=QUICK).open("shop")


def test_a_failing_server_is_tried_again_then_named(stub):
    stub.answers = [(500, {"status": {"error": "disk is full"}})]
    with pytest.raises(UserError, match=r"keeps failing \(status 500.*disk is full"):
        ServerLocation(stub.url, waits=QUICK).aliases()
    assert stub.requests == 3


def test_a_server_that_comes_back_is_not_noticed(stub):
    stub.answers = [(503, {}), (429, {}), ok({"aliases": [{"alias_name": "shop", "collection_name": "shop.1"}]})]
    assert ServerLocation(stub.url, waits=QUICK).aliases() == {"shop": "shop.1"}


def test_a_slow_server(stub):
    from qdrant_client import QdrantClient

    stub.answers = [("hang", 3)]
    client = QdrantClient(url=stub.url, timeout=1, check_compatibility=False)
    with pytest.raises(UserError, match="did not answer in time"):
        ServerLocation(stub.url, client, waits=()).aliases()


def test_a_protected_server(stub):
    stub.answers = [(401, {"status": {"error": "no key"}})]
    with pytest.raises(UserError, match="QDRANT_API_KEY"):
        ServerLocation(stub.url, waits=QUICK).aliases()
    assert stub.requests == 1  # asking again would not help


def test_a_refused_request(stub):
    stub.answers = [(400, {"status": {"error": "bad vector name"}})]
    with pytest.raises(UserError, match=r"refused the request \(status 400.*bad vector name"):
        ServerLocation(stub.url, waits=QUICK).aliases()


def test_not_a_qdrant_server(stub):
    stub.answers = [(200, {"hello": "world"})]
    with pytest.raises(UserError, match="is not a Qdrant server"):
        ServerLocation(stub.url, waits=QUICK).aliases()


def test_a_url_without_a_host():
    with pytest.raises(UserError, match="not a server's URL"):
        connect("http://")


def test_a_foreign_collection_is_refused():
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    client.create_collection("shop", vectors_config=models.VectorParams(size=3, distance=models.Distance.COSINE))
    location = ServerLocation("http://stand-in", client)
    with pytest.raises(UserError, match="not made by index-catalog"):
        location.open("shop")
    location.create("mine", IDENTITY, SCHEMA)
    with pytest.raises(UserError, match="is a collection on"):
        location.set_alias("shop", "mine")


def filled(folder):
    store = connect(folder).create("shop", IDENTITY, SCHEMA)
    store.upsert(points(20))
    store.flush()
    return store


def test_a_second_process_is_told_who_holds_the_folder(tmp_path):
    store = filled(tmp_path)
    code = f"from retrieval.stores import open_store; open_store({str(tmp_path)!r}, 'shop')"
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "UserError: The collection 'shop'" in second.stderr
    assert "open in another process" in second.stderr
    store.close()
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_closed_store_says_so(tmp_path):
    store = filled(tmp_path)
    store.close()
    store.close()
    with pytest.raises(UserError, match="was closed"):
        store.count()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not valid JSON"),
        ("{}", "not made by index-catalog"),
        ('{"format": 99, "identity": {}, "schema": []}', "format 99"),
        ('{"format": 1, "identity": {}, "schema": []}', "cannot be read"),
        ('{"format": 1, "identity": {}, "schema": 3}', "cannot be read"),
    ],
)
def test_damaged_descriptions(tmp_path, text, sentence):
    filled(tmp_path).close()
    (tmp_path / "shop" / "about.json").write_text(text)
    with pytest.raises(UserError, match=sentence):
        connect(tmp_path).open("shop")


def test_damaged_aliases(tmp_path):
    filled(tmp_path).close()
    for text in ("[", "[1]", '{"shop": 3}'):
        (tmp_path / "aliases.json").write_text(text)
        with pytest.raises(UserError, match=r"aliases\.json"):
            connect(tmp_path).open("shop")
    (tmp_path / "aliases.json").write_text('{"shop": "../../etc"}')
    with pytest.raises(UserError, match="not a collection name"):
        connect(tmp_path).open("shop")


def test_a_shard_without_its_files(tmp_path):
    filled(tmp_path).close()
    (tmp_path / "shop" / "shard").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"The collection 'shop' in .* failed"):
        connect(tmp_path).open("shop")


def test_what_a_killed_create_left_is_made_anew(tmp_path):
    filled(tmp_path).close()
    (tmp_path / "shop" / "about.json").unlink()  # written last, so this is how such a kill looks
    location = connect(tmp_path)
    assert location.describe("shop") is None
    store = location.create("shop", IDENTITY, SCHEMA)
    assert store.count() == 0
    store.close()


def test_a_folder_that_cannot_be_written():
    with pytest.raises(UserError, match="Cannot create /proc/"):
        connect("/proc/amgan-store").create("shop", IDENTITY, SCHEMA)


@pytest.mark.skipif(os.name != "posix", reason="kills a process the POSIX way")
def test_what_was_flushed_survives_sigkill(tmp_path):
    code = f"""
        import numpy as np, time
        from retrieval.stores import connect
        from tests.test_stores import IDENTITY, SCHEMA, points
        store = connect({str(tmp_path)!r}).create("shop", IDENTITY, SCHEMA)
        for start in range(0, 10**6, 16):
            store.upsert(points(16, start))
            store.flush()
            print(start + 16, flush=True)
    """
    writer = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    promised = 0
    for line in writer.stdout:
        promised = int(line)
        if promised >= 80:
            break
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    store = connect(tmp_path).open("shop")
    assert store.count() >= promised
    assert store.retrieve([point_id("79.jpg")])
    store.upsert([Point(point_id("x"), np.ones(6, np.float32), {})])
    store.finalize()
    store.close()
