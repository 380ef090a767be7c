"""What a user reads when a server is down, slow, protected, or not a Qdrant server."""

import contextlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from amgan.errors import UserError
from retrieval.stores.server import ServerLocation
from tests.test_stores import IDENTITY, SCHEMA

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
                with contextlib.suppress(BrokenPipeError):  # who asked has given up
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


@pytest.mark.parametrize(
    "answer", [{"hello": "world"}, [1, 2], {"result": {"aliases": 3}, "status": "ok", "time": 0}, {"result": "x"}]
)
def test_not_a_qdrant_server(stub, answer):
    stub.answers = [(200, answer)]
    with pytest.raises(UserError, match="is not a Qdrant server"):
        ServerLocation(stub.url, waits=QUICK).aliases()
    assert stub.requests == 1


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
