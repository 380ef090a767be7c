"""A server over a real wire: keys, TLS, outages, deadlines, Ctrl-C; and the URLs and settings that lead to it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from amgan.errors import UserError
from retrieval.stores import connect
from retrieval.stores.address import Making, parse
from retrieval.stores.filters import filtered_fields
from retrieval.stores.server import ServerLocation
from retrieval.stores.stopping import stop_when
from tests.qdrant_loopback import Loopback
from tests.test_stores import IDENTITY, SCHEMA, points

QUICK = (0.05, 0.05)


@pytest.fixture
def server(tmp_path):
    running = Loopback(tmp_path / "server")
    yield running
    running.stop()


@pytest.fixture
def dripping():
    """An HTTP server that sends one byte of an answer every tenth of a second, for ever."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve():
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(connection,), daemon=True).start()

    def drip(connection):
        with connection:
            try:
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{"
                )
                while not over.wait(0.1):
                    connection.sendall(b" ")
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    over.set()
    listener.close()


def test_an_outage_is_waited_for_and_nothing_is_lost(server):
    store = ServerLocation(server.url, waits=QUICK).create("shop", IDENTITY, SCHEMA)
    server.failing = 2
    store.upsert(points(20))
    assert store.count() == 20
    server.failing = 3
    with pytest.raises(UserError, match=r"cannot be reached \(the node is starting\)"):
        store.search(np.ones(6, np.float32), 3)
    assert len(store.search(np.ones(6, np.float32), 3)) == 3


def test_payload_indexes_come_before_vectors(server):
    store = ServerLocation(server.url).create("shop", IDENTITY, SCHEMA)
    store.upsert(points(5))
    assert server.calls.count("CreateFieldIndex") == len(filtered_fields(SCHEMA))
    assert max(i for i, c in enumerate(server.calls) if c == "CreateFieldIndex") < server.calls.index("Upsert")
    server.collections["shop"].indexed.clear()
    with pytest.raises(UserError, match="Index required"):  # strict mode: refused in place of slow
        store.count({"sleeve": "long"})


def test_a_key_is_asked_for_and_sent(server, monkeypatch):
    server.key = "s3cret"
    for key in ("", "wrong"):
        monkeypatch.setenv("QDRANT_API_KEY", key)
        with pytest.raises(UserError, match=r"wants a key, or another one.*QDRANT_API_KEY"):
            ServerLocation(server.url, waits=QUICK).aliases()
    monkeypatch.setenv("QDRANT_API_KEY", "s3cret")
    assert ServerLocation(server.url).aliases() == {}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
def test_tls_with_a_certificate_of_ones_own(tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    asked = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    made = ["openssl", *asked.split(), "-addext", names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    running = Loopback(tmp_path / "server", tls=(key.read_bytes(), certificate.read_bytes()))
    try:
        with pytest.raises(UserError, match="cannot be reached"):  # signed by nobody that is known
            ServerLocation(running.url, waits=()).aliases()
        monkeypatch.setenv("QDRANT_CA_FILE", str(certificate))
        store = ServerLocation(running.url).create("shop", IDENTITY, SCHEMA)
        store.upsert(points(3))
        assert store.count() == 3
        with pytest.raises(UserError, match=r"cannot be reached|did not answer"):
            ServerLocation(running.url.replace("grpcs", "grpc"), waits=()).aliases()
    finally:
        running.stop()
    monkeypatch.setenv("QDRANT_CA_FILE", str(key))
    with pytest.raises(UserError, match="holds no certificate"):
        connect("https://localhost")


@pytest.mark.parametrize("kind", ["silent", "dripping"])
def test_one_deadline_for_a_whole_call(kind, server, dripping, monkeypatch):
    monkeypatch.setenv("QDRANT_TIMEOUT", "0.7")
    server.delay = 30
    start = time.monotonic()
    with pytest.raises(UserError, match=r"did not answer in time.*QDRANT_TIMEOUT"):
        ServerLocation(server.url if kind == "silent" else dripping).aliases()
    assert time.monotonic() - start < 3
    server.delay = 0


def test_a_wait_ends_when_the_command_is_told_to_stop(dripping):
    told = threading.Event()
    threading.Timer(0.3, told.set).start()
    start = time.monotonic()
    with stop_when(told.is_set), pytest.raises(KeyboardInterrupt):
        ServerLocation(dripping).aliases()
    assert time.monotonic() - start < 2.5


@pytest.mark.thorough
@pytest.mark.skipif(os.name != "posix", reason="signals the POSIX way")
def test_the_first_ctrl_c_ends_a_wait(dripping):
    code = """
        import signal, sys, time
        from retrieval.stores.server import ServerLocation
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        location = ServerLocation(sys.argv[1])
        print("ready", flush=True)
        try:
            location.aliases()
        except KeyboardInterrupt:
            print(time.monotonic(), flush=True)  # the whole machine's clock
            raise
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), dripping], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.readline() == b"ready\n"
    time.sleep(0.3)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    ended = process.communicate(timeout=10)[0]
    assert float(ended) - start < 2
    assert process.returncode != 0


@pytest.mark.parametrize(
    "url",
    ["http://localhost:99999", "http://[::1", "http://", "http://h:x", "grpc://", "http://a b", "https://:6333"],
)
def test_odd_urls_are_sentences(url):
    with pytest.raises(UserError, match=r"is not a server's URL.*http://localhost:6333"):
        connect(url)


@pytest.mark.parametrize(
    "url",
    ["https://me:hunter2@host", "https://host?api-key=hunter2", "ftp://me:hunter2@host", "http://me:hunter2@[::1"],
)
def test_secrets_in_urls_are_refused_and_not_printed(url):
    with pytest.raises(UserError) as refused:
        connect(url)
    assert "hunter2" not in str(refused.value)


def test_a_key_goes_unencrypted_only_where_that_is_allowed():
    key = {"QDRANT_API_KEY": "s3cret"}
    for host in ("localhost", "127.0.0.1", "[::1]"):
        assert parse(f"http://{host}", key).key == "s3cret"
    for scheme in ("http", "grpc"):
        with pytest.raises(UserError, match=f"{scheme}://shop.example:633[34] unencrypted.*QDRANT_PLAIN_KEY=1"):
            parse(f"{scheme}://shop.example", key)
        assert parse(f"{scheme}://shop.example", key | {"QDRANT_PLAIN_KEY": "1"}).key == "s3cret"
    assert parse("grpcs://shop.example", key).encrypted


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("QDRANT_API_KEY", "schlüssel", "characters that no key has"),
        ("QDRANT_TIMEOUT", "soon", "number of seconds"),
        ("QDRANT_TIMEOUT", "nan", "number of seconds"),
        ("QDRANT_TIMEOUT", "0", "number of seconds"),
        ("QDRANT_CA_FILE", "/nowhere.pem", "cannot be read"),
        ("QDRANT_PLAIN_KEY", "yes", "valid: 1, 0"),
        ("QDRANT_SHARDS", "-1", "whole number from 1"),
        ("QDRANT_REPLICAS", "two", "whole number from 1"),
        ("QDRANT_QUANTIZATION", "int4", "valid: int8"),
        ("QDRANT_ON_DISK", "true", "valid: 1, 0"),
    ],
)
def test_settings_that_are_not_valid(name, value, sentence):
    with pytest.raises(UserError, match=f"{name}.*{sentence}"):
        Making.from_environment({name: value})
        parse("http://host.example", {"QDRANT_API_KEY": "k"} | {name: value})


def test_how_collections_are_made(server, monkeypatch):
    for name, value in (("SHARDS", "6"), ("REPLICAS", "2"), ("ON_DISK", "1"), ("QUANTIZATION", "int8")):
        monkeypatch.setenv(f"QDRANT_{name}", value)
    store = ServerLocation(server.url).create("shop", IDENTITY, SCHEMA)
    asked = server.collections["shop"].request
    vectors = asked.vectors_config.params
    assert (asked.shard_number, asked.replication_factor, asked.on_disk_payload) == (6, 2, True)
    assert (vectors.on_disk, vectors.hnsw_config.on_disk) == (True, True)
    assert vectors.quantization_config.HasField("scalar")
    store.upsert(points(10))
    assert len(store.search(np.ones(6, np.float32), 3)) == 3
