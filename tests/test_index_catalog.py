"""The command ``index-catalog`` from outside: output, exit status, signals, kills."""

import contextlib
import csv
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as parquet
import pytest
from typer.testing import CliRunner

import indexer.cli
from amgan.errors import UserError
from retrieval.stores import connect
from tests.fake_encoder import FakeEncoder, draw_catalogue

POSIX = pytest.mark.skipif(os.name != "posix", reason="sends signals the POSIX way")


@pytest.fixture
def command(monkeypatch):
    import retrieval.representation

    monkeypatch.setattr(retrieval.representation, "Representation", FakeEncoder)

    def run(*args):
        return CliRunner().invoke(indexer.cli.app, [str(a) for a in args])

    return run


def started(seconds, *args):
    """The command as a process of its own, each batch taking at least so many seconds."""
    line = [sys.executable, "-m", "tests.fake_encoder", str(seconds), *map(str, args)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def contents(store, name="shop"):
    opened = connect(store).open(name)
    found = {r.id: (r.payload, r.vector.tolist()) for r in opened.scroll(vectors=True)}
    opened.close()
    return found


def points_in(store):
    """How many garments a running command has stored so far, as far as can be seen from outside: its shard's size."""
    blocks = 0
    for folder, _, names in os.walk(store):  # passes over folders that vanish meanwhile, as Path.rglob does not
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                blocks += os.stat(os.path.join(folder, name)).st_blocks
    return blocks


def test_a_run_in_words_and_in_json(command, tmp_path, monkeypatch):
    photos, store = draw_catalogue(tmp_path / "photos", 5), tmp_path / "store"
    (photos / "broken.jpg").write_bytes(b"")
    result = command(photos, "--store", store, "--collection", "shop")
    assert result.exit_code == 0
    assert "5 indexed, 0 unchanged, 0 removed, 1 refused of 6" in result.stdout
    assert "1 refused: empty" in result.stdout
    assert f"--store {store} --collection shop" in result.stdout
    listed = [json.loads(line) for line in (store / "shop.failures.jsonl").read_text().splitlines()]
    assert listed == [
        {
            "file_name": "broken.jpg",
            "reason": "empty",
            "message": "broken.jpg is empty (0 bytes); copy or download it again.",
        }
    ]
    assert parquet.read_table(store / "shop.failures.parquet").to_pylist() == listed
    monkeypatch.setattr("indexer.refusals.find_spec", lambda name: None)  # pyarrow is not installed
    result = command(photos, "--store", store, "--collection", "shop", "--json", "--failures", tmp_path / "f.jsonl")
    with (tmp_path / "f.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == listed
    summary = json.loads(result.stdout)
    assert (summary["indexed"], summary["unchanged"], summary["refused"]) == (0, 5, {"empty": 1})
    assert summary["failures"] == str(tmp_path / "f.jsonl")
    assert summary["identity"]["weights_hash"] == "hash of photos"


def test_a_second_run_does_not_disturb_the_first(command, tmp_path):
    photos, store = draw_catalogue(tmp_path / "photos", 2), tmp_path / "store"
    (photos / "broken.jpg").write_bytes(b"")
    options = (photos, "--store", store, "--collection", "shop")
    command(*options)
    listed = store / "shop.failures.jsonl"
    before = listed.read_text()
    with connect(store).writing("shop"):
        assert "Another index-catalog" in str(command(*options).exception)
    assert listed.read_text() == before != ""
    (photos / "broken.jpg").unlink()
    assert command(*options).exit_code == 0
    assert listed.read_text() == ""
    assert "f.jsonl cannot be written" in str(command(*options, "--failures", "/proc/no/f.jsonl").exception)


def test_where_the_store_is_no_folder_the_list_of_failures_lies_here_and_the_run_says_so(
    command, tmp_path, monkeypatch
):
    photos, listed = draw_catalogue(tmp_path / "photos", 2), tmp_path / "here" / "listed.failures.jsonl"
    listed.parent.mkdir()
    monkeypatch.chdir(listed.parent)
    options = (photos, "--store", ":memory:", "--collection", "listed")
    assert str(listed) in command(*options).stdout
    assert listed.read_text() == ""
    (photos / "broken.jpg").write_bytes(b"")
    assert f"Each with a sentence in {listed}" in command(*options).stdout
    assert "broken.jpg is empty" in listed.read_text()


def test_strict_ends_with_one_but_indexes(command, tmp_path):
    photos, store = draw_catalogue(tmp_path / "photos", 3), tmp_path / "store"
    options = ("--store", store, "--collection", "shop", "--strict")
    assert command(photos, *options).exit_code == 0
    (photos / "broken.jpg").write_bytes(b"")
    assert command(photos, *options).exit_code == 1
    assert len(contents(store)) == 3


@pytest.mark.parametrize(
    "args", [(), ("x",), ("x", "--store", "s"), ("x", "--store", "s", "--collection", "c", "--batch", "0")]
)
def test_wrong_usage_ends_with_two(command, args):
    assert command(*args).exit_code == 2


def test_a_users_mistakes_are_sentences(command, tmp_path):
    photos = draw_catalogue(tmp_path / "photos", 1)
    for args, sentence in (
        ((tmp_path / "no", "--store", tmp_path / "s", "--collection", "shop"), "not a folder"),
        ((photos, "--store", tmp_path / "s", "--collection", "a/b"), "not a collection name"),
        ((photos, "--store", "ftp://x", "--collection", "shop"), "http://localhost:6333"),
    ):
        result = command(*args)
        assert isinstance(result.exception, UserError)  # which the console script prints, ending with 2
        assert sentence in str(result.exception)


def test_a_mistake_from_outside(tmp_path):
    process = started(0, tmp_path / "no", "--store", tmp_path / "s", "--collection", "shop", "--json")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("Error: ") or "Error: " in err
    assert "Traceback" not in err


def test_help_says_how_it_ends(command):
    result = command("--help")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "130 interrupted" in text
    assert "--keep-uncertain" in text


@pytest.mark.thorough
@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interruption_keeps_what_is_done(tmp_path, number):
    photos, store = draw_catalogue(tmp_path / "photos", 60), tmp_path / "store"
    options = (photos, "--store", store, "--collection", "shop", "--batch", "4", "--json")
    process = started(0.3, *options)
    deadline = time.monotonic() + 300
    while not any(store.glob("*/about.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(number)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    stopped = json.loads(out)
    assert stopped["interrupted"]
    assert stopped["indexed"] < 60
    again = started(0, *options)
    summary = json.loads(again.communicate(timeout=300)[0])
    assert (summary["unchanged"], summary["indexed"]) == (stopped["indexed"], 60 - stopped["indexed"])
    assert len(contents(store)) == 60


@pytest.mark.thorough
@POSIX
@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_and_run_again_equals_a_clean_run(tmp_path, kills):
    """Each kill at another moment of a run that is started over again."""
    n = 24 if kills == 2 else 60
    photos = draw_catalogue(tmp_path / "photos", n)
    clean, killed = tmp_path / "clean", tmp_path / "killed"
    assert started(0, photos, "--store", clean, "--collection", "shop").wait(300) == 0
    rng = random.Random(0)
    for _ in range(kills):
        process = started(0.15, photos, "--store", killed, "--collection", "shop", "--batch", "4")
        started_at = points_in(killed)
        deadline = time.monotonic() + 300
        while points_in(killed) == started_at and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 1.2))
        process.kill()
        process.communicate()
    process = started(0, photos, "--store", killed, "--collection", "shop", "--json")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert json.loads(out)["total"] == n
    expected, found = contents(clean), contents(killed)
    assert found.keys() == expected.keys()
    for id, (payload, vector) in expected.items():
        assert found[id][0] == payload
        np.testing.assert_allclose(found[id][1], vector, rtol=1e-6)
    assert connect(clean).collections() == connect(killed).collections()


@POSIX
@pytest.mark.slow
def test_killed_while_another_embedder_takes_over(tmp_path):
    photos, store = draw_catalogue(tmp_path / "photos", 40), tmp_path / "store"
    options = ("--store", store, "--collection", "shop", "--batch", "4")
    assert started(0, photos, *options).wait(300) == 0
    old, serving = contents(store), connect(store).aliases()["shop"]
    rng = random.Random(1)
    for _ in range(6):
        process = started(0.1, photos, *options, "--weights", "b")
        time.sleep(rng.uniform(0.5, 4))
        process.kill()
        process.communicate()
        if connect(store).aliases()["shop"] == serving:
            assert contents(store) == old  # it serves until the other is whole
    assert started(0, photos, *options, "--weights", "b").wait(300) == 0
    assert connect(store).describe("shop").identity == FakeEncoder("b").identity
    assert len(contents(store)) == 40


def test_sound_odd_and_broken_files(command, tmp_path):
    from scripts.make_broken_photos import make

    folder = tmp_path / "odd"
    expected = make(folder)
    result = command(folder, "--store", tmp_path / "store", "--collection", "odd", "--json")
    assert result.exit_code == 0
    lines = (tmp_path / "store" / "odd.failures.jsonl").read_text(encoding="utf-8").splitlines()
    refused = {r["file_name"]: r for r in map(json.loads, lines)}
    indexed = {payload["file_name"] for payload, _ in contents(tmp_path / "store", "odd").values()}
    assert {name: r["reason"] for name, r in refused.items()} == {
        name: e["reason"] for name, e in expected.items() if e["expect"] == "refused"
    }
    assert indexed == {name for name, e in expected.items() if e["expect"] == "indexed"}
    for name, r in refused.items():
        assert r["message"].startswith(name)
        assert r["message"].endswith((".", "--keep-uncertain."))
    summary = json.loads(result.stdout)
    assert (summary["indexed"], sum(summary["refused"].values())) == (len(indexed), len(refused))


def test_a_log_is_told_rate_and_time_left(command, tmp_path, monkeypatch):
    monkeypatch.setattr(indexer.cli, "_LINE_SECONDS", 0)
    photos = draw_catalogue(tmp_path / "photos", 5)
    result = command(photos, "--store", ":memory:", "--collection", "told", "--failures", tmp_path / "f.jsonl")
    assert re.search(r"5 of 5, \d+\.\d a second, 0:00:\d\d left\n", result.stderr)
