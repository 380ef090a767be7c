"""``serve-catalog`` as a process: how it starts, what it logs, how it ends; and the parts that make it bear load."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from amgan.editing.editor import EditResult, NoEdit
from amgan.errors import UserError
from retrieval.service.batching import BatchedEditor
from retrieval.service.cli import app
from retrieval.service.keys import Keys
from retrieval.service.problems import Problem
from retrieval.service.rate import RateLimiter
from retrieval.service.settings import Limits, check_origins
from tests.browser.conftest import free_port
from tests.tiny_catalogue import SCHEMA
from tests.tiny_service import ITEM, make_served


def ask(port: int, method: str, path: str, body: dict | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": "application/json"} if body else {}
    connection.request(method, path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.thorough
def test_it_serves_logs_and_ends_when_all_is_answered(tmp_path: Path, root: Path) -> None:
    settings, port = make_served(tmp_path), free_port()
    command = [sys.executable, "-m", "retrieval.service.cli", "--store", settings.store, "--collection", "shirts"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen([*command, f"--port={port}"], cwd=root, stderr=log, env=os.environ)
    answers: list[tuple[int, bytes]] = []
    try:
        for _ in range(600):
            assert server.poll() is None, (tmp_path / "log").read_text()
            try:
                if ask(port, "GET", "/readyz")[0] == 200:
                    break
            except OSError:
                time.sleep(0.1)
        search = {"item": ITEM, "edits": {"sleeve": "long"}, "picture": "source"}
        threads = [
            threading.Thread(target=lambda: answers.append(ask(port, "POST", "/v1/search", search))) for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        metrics = ""
        while "amgan_work_pending" not in metrics or 'amgan_work_pending{pool="work"} 0.0' in metrics:
            metrics = ask(port, "GET", "/metrics")[1].decode()
            time.sleep(0.02)
            if not any(t.is_alive() for t in threads):
                break
        server.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(30)
        assert server.wait(30) == 0
    finally:
        server.kill()
    assert [status for status, _ in answers] == [200] * 6, "running requests were not answered"
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]  # every line is JSON
    requests = [line for line in lines if line["event"] == "request" and line["route"] == "/v1/search"]
    assert len(requests) == 6 and all(r["status"] == 200 and r["request_id"] and r["ms"] > 0 for r in requests)
    assert not any("traceback" in line for line in lines)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--host", "0.0.0.0"], "--keys FILE, or say --no-keys"),
        (["--keys", "missing"], "missing cannot be used"),
        (["--keys", "short"], "shorter than 16 characters"),
        (["--keys", "empty"], "holds no key"),
        (["--keys", "odd"], "Line 2 of odd is not of the form"),
        (["--keys", "good", "--no-keys"], "leave one of them out"),
        (["--origin", "shop.example"], "no origin"),
        ([], "no collection 'shop'"),
    ],
)
def test_what_it_refuses_to_start_with(
    options: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "short": "me abc",
        "empty": "# none\n",
        "odd": "me 0123456789abcdef\nyou 0123456789abcdef photos",
        "good": "me 0123456789abcdef",
    }.items():
        Path(name).write_text(text)
    done = CliRunner().invoke(app, ["--store", "index", "--collection", "shop", *options])
    assert isinstance(done.exception, UserError) and says in str(done.exception), done


def test_keys_and_origins_are_read_as_written() -> None:
    keys = Keys(["a 0123456789abcdef", "b fedcba9876543210 items"], "here")
    assert keys.find("0123456789abcdef").uploads and not keys.find("fedcba9876543210").uploads
    assert keys.find("0123456789abcdeF") is None and keys.find("") is None and keys.find("\udcff") is None
    assert "0123456789abcdef" not in repr(vars(keys))
    assert check_origins([" https://Shop.Example/ ", "http://localhost:8000"]) == (
        "https://shop.example",
        "http://localhost:8000",
    )
    for wrong in ("https://shop.example/page", "ftp://a", "https://", "https://a:b", "https://u@a"):
        with pytest.raises(UserError, match="no origin"):
            check_origins([wrong])
    with pytest.raises(UserError, match="has to be above 0"):
        Limits(seconds=0)


def test_the_rate_lets_bursts_through_and_forgets() -> None:
    now = 0.0
    limiter = RateLimiter(2, 3, most=2, clock=lambda: now)
    for _ in range(3):
        limiter.spend("a")
    with pytest.raises(Problem, match="come back in 1 s"):
        limiter.spend("a")
    limiter.spend("b")
    now = 0.5
    limiter.spend("a")
    with pytest.raises(Problem):
        limiter.spend("a", 0.1)
    limiter.spend("c")
    limiter.spend("d")
    assert len(limiter._buckets) == 2
    limiter.spend("a")  # forgotten


COLOURS = list(SCHEMA.values("color"))


class Counting(NoEdit):
    """Marks each picture with its edit, and waits at the first pass until it is let go."""

    def __init__(self) -> None:
        super().__init__(SCHEMA, 8)
        self.passes: list[list[dict[str, str]]] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def edit(self, images, edits, only_on=None) -> EditResult:
        self.passes.append(edits)
        self.begun.set()
        assert self.go.wait(20)
        if any("sleeve" in e for e in edits):
            raise RuntimeError("this one cannot be drawn")
        marks = torch.tensor([COLOURS.index(e["color"]) for e in edits], dtype=torch.uint8)
        made = images + marks[:, None, None, None]
        return EditResult(made, torch.zeros(len(images), 1, 8, 8), made)


def test_edits_that_wait_go_together_each_to_its_caller_and_faults_to_their_own() -> None:
    inner, sizes = Counting(), []
    editor = BatchedEditor(inner, most=4, made=sizes.append)
    results: dict[int, object] = {}
    colours = ["black", "red", "blue", "green", None, "red", "blue"]

    def call(i: int, only_on=None) -> None:
        picture = torch.full((1, 3, 8, 8), 10 * i, dtype=torch.uint8)
        try:
            edit = {"color": colours[i]} if colours[i] else {"sleeve": "long"}
            results[i] = int(editor.edit(picture, edit, only_on).image[0, 0, 0, 0])
        except Exception as error:
            results[i] = str(error)

    threads = [threading.Thread(target=call, args=(0,))]
    threads[0].start()
    assert inner.begun.wait(10)
    for i in range(1, 7):  # while the first pass is under way, in this order
        threads.append(threading.Thread(target=call, args=(i, "torso" if i == 6 else None)))
        threads[-1].start()
        deadline = time.monotonic() + 10
        while editor._queue.qsize() < i and time.monotonic() < deadline:
            time.sleep(0.001)
    inner.go.set()
    for thread in threads:
        thread.join(20)
    editor.close()
    expected = {i: 10 * i + COLOURS.index(colour) for i, colour in enumerate(colours) if colour}
    assert results == expected | {4: "this one cannot be drawn"}
    assert sizes[:2] == [1, 4], "those that waited did not go together"
    assert sizes[2:] == [1, 1, 1, 1, 1, 1], "after a fault each goes alone; another region is another pass"
    with pytest.raises(UserError, match="Unknown color"):
        editor.edit(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), {"color": "mauve"})
