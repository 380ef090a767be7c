"""A folder's store: many who search beside one who writes, full disks, damaged files, and what killed runs leave."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading

import numpy as np
import pytest
import qdrant_edge as edge

from amgan.errors import UserError
from indexer.versions import verify_serving
from retrieval.stores import connect, files, versions
from retrieval.stores.base import About, Point, point_id
from tests.test_stores import IDENTITY, SCHEMA, points

ONES = np.ones(6, np.float32)


def filled(folder, n=20):
    store = connect(folder).create("shop", IDENTITY, SCHEMA)
    store.upsert(points(n))
    store.finalize()
    return store


def python(code, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def data_file(folder, name="chunk_0.mmap", version="v1"):
    return next((folder / "shop" / version).rglob(name))


SEARCH = """
    import sys
    import numpy as np
    from retrieval.stores import open_store
    store = open_store(sys.argv[1], "shop")
    print(len(store.search(np.ones(6, np.float32), 10)), store.count())
    store.close()
"""


@pytest.mark.thorough
def test_many_search_while_one_writes(tmp_path):
    filled(tmp_path).close()
    readers = [connect(tmp_path).open("shop") for _ in range(8)]
    processes = [python(SEARCH, tmp_path) for _ in range(2)]
    writer = connect(tmp_path).open("shop", write=True)
    writer.upsert(points(5, start=20))
    assert [len(r.search(ONES, 30)) for r in readers] == [20] * 8  # what is not whole yet is not shown
    assert writer.count() == 25
    scrolled = readers[0].scroll(batch=4)
    next(scrolled)
    for process in processes:
        output, errors = process.communicate()
        assert output == "10 20\n", errors
    writer.finalize()
    assert [r.count() for r in readers] == [25] * 8  # without being opened again
    assert len(list(scrolled)) == 19  # a list that is being read stays what it was
    assert [p.name for p in (tmp_path / "shop").glob("v*")] == ["v2"]
    assert writer.delete_missing({p.id for p in points(3)}) == 22
    writer.finalize()
    writer.close()
    assert readers[3].count() == 3
    for reader in readers:
        reader.close()


def test_an_update_that_changes_nothing_writes_nothing(tmp_path):
    filled(tmp_path).close()
    before = (tmp_path / "shop" / versions.CURRENT).read_text()
    writer = connect(tmp_path).open("shop", write=True)
    assert writer.delete_missing({p.id for p in points(20)}) == 0
    writer.finalize()
    writer.close()
    assert (tmp_path / "shop" / versions.CURRENT).read_text() == before


def test_two_cannot_write(tmp_path):
    store = filled(tmp_path)
    with pytest.raises(UserError, match="Another index-catalog is filling 'shop'"):
        connect(tmp_path).open("shop", write=True)
    with pytest.raises(UserError, match="Another index-catalog is filling 'shop'"):
        connect(tmp_path).drop("shop")
    reader = connect(tmp_path).open("shop")
    for write in (lambda: reader.upsert(points(1)), reader.finalize, lambda: reader.delete_missing(set())):
        with pytest.raises(UserError, match="open to be searched, not written"):
            write()
    store.close()
    connect(tmp_path).open("shop", write=True).close()


def test_what_is_searched_can_be_dropped(tmp_path):
    filled(tmp_path).close()
    reader = connect(tmp_path).open("shop")
    connect(tmp_path).drop("shop")
    assert not (tmp_path / "shop").exists()
    assert len(reader.search(ONES, 30)) == reader.count() == 20
    reader.close()


def test_not_filled_yet(tmp_path):
    writer = connect(tmp_path).create("shop", IDENTITY, SCHEMA)
    writer.upsert(points(3))
    with pytest.raises(UserError, match="being filled for the first time"):
        connect(tmp_path).open("shop")
    writer.close()


def test_a_copy_goes_away_with_its_reader_or_its_process(tmp_path, monkeypatch):
    filled(tmp_path / "store").close()
    monkeypatch.setattr(versions.os, "access", lambda path, mode, effective_ids: False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    reader = connect(tmp_path / "store").open("shop")
    place = next((tmp_path / "temporary").glob("*/copies"))
    assert reader.count() == 20
    assert len(list(place.glob("*/shard"))) == 1
    (place / "dead" / "shard").mkdir(parents=True)
    (place / "dead.lock").touch()  # as a killed process leaves it
    second = connect(tmp_path / "store").open("shop")
    assert len(list(place.glob("*/shard"))) == 2
    assert not (place / "dead").exists()
    reader.close()
    second.close()
    assert list(place.iterdir()) == []


def test_a_closed_store_says_so(tmp_path):
    filled(tmp_path).close()
    for write in (True, False):
        store = connect(tmp_path).open("shop", write=write)
        store.close()
        store.close()
        with pytest.raises(UserError, match="was closed"):
            store.count()


def legacy(folder, n=20):
    """A store as it was before there were versions: one shard, with a log that the engine locks."""
    shard = folder / "shop" / "shard"
    shard.mkdir(parents=True)
    parameters = edge.EdgeVectorParams(size=6, distance=edge.Distance.Dot)
    engine = edge.EdgeShard.create(str(shard), edge.EdgeConfig(vectors=parameters))
    rows = [edge.Point(p.id, p.vector.tolist(), p.payload) for p in points(n)]
    engine.update(edge.UpdateOperation.upsert_points(rows))
    engine.close()
    files.write_json(folder / "shop" / "about.json", About(IDENTITY, SCHEMA).to_dict())


def test_a_store_of_an_earlier_version_is_searched_and_renewed(tmp_path):
    legacy(tmp_path)
    readers = [connect(tmp_path).open("shop") for _ in range(2)]
    assert [r.count() for r in readers] == [20, 20]
    writer = connect(tmp_path).open("shop", write=True)
    assert writer.retrieve([point_id("3.jpg")], ["sha256"]) == {point_id("3.jpg"): {"sha256": f"{3:064x}"}}
    writer.upsert(points(1, start=20))
    writer.finalize()
    writer.close()
    assert [r.count() for r in readers] == [21, 21]
    assert readers[0].facet("sleeve") == {"long": 7, "short": 7, "3/4": 7}
    assert not (tmp_path / "shop" / "shard").exists()
    best = max(points(21), key=lambda p: float(p.vector @ ONES))
    assert readers[0].search(ONES, 1)[0].id == best.id


def test_aliases_of_many_indexers_at_once(tmp_path):
    filled(tmp_path).close()

    def switch(thread):
        for i in range(10):
            connect(tmp_path).set_alias(f"{thread}.{i}", "shop")

    threads = [threading.Thread(target=switch, args=(t,)) for t in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(connect(tmp_path).aliases()) == 40


def test_what_killed_runs_left_is_swept(tmp_path):
    filled(tmp_path).close()
    home = tmp_path / "shop"
    for left in ("v1/temp_segments/x", "v2.copying/segments", "v0/segments", "v7/segments"):
        (home / left).mkdir(parents=True)
    (tmp_path / "shop.0123456789" / "v1").mkdir(parents=True)  # a drop that was killed
    (tmp_path / "shop.of-another").mkdir()
    with connect(tmp_path).writing("shop"):
        connect(tmp_path).open("shop", write=True).close()
    assert sorted(p.name for p in home.iterdir()) == ["about.json", versions.CURRENT, "v1"]
    assert not (home / "v1" / "temp_segments").exists()
    assert not (tmp_path / "shop.0123456789").exists()
    assert (tmp_path / "shop.of-another").exists()


def test_a_full_disk_is_said_before_anything_is_written(tmp_path, monkeypatch):
    filled(tmp_path).close()
    monkeypatch.setattr(files, "room", lambda folder: 10_000_000)
    writer = connect(tmp_path).open("shop", write=True)
    for write in (lambda: writer.upsert(points(5, start=20)), lambda: writer.delete_missing(set())):
        with pytest.raises(UserError, match=r"is full: 10 MB are left and .* MB are needed"):
            write()
    writer.close()
    with pytest.raises(UserError, match="is full"):
        connect(tmp_path).create("other", IDENTITY, SCHEMA)
    assert connect(tmp_path).open("shop").count() == 20
    monkeypatch.setattr(versions, "room", lambda folder: 0)  # not even what opening takes: then in a copy elsewhere
    with pytest.raises(UserError, match="is full"):
        connect(tmp_path).open("shop")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="mounts a small disk")
def test_a_disk_that_fills_up(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=260m", "tmpfs", str(disk)], check=True)
    try:
        filled(disk).close()
        code = """
            import os
            import sys
            from retrieval.stores import connect
            from amgan.errors import UserError
            from tests.test_stores import points
            store = connect(sys.argv[1]).open("shop", write=True)
            try:
                for start in range(20, 10**6, 500):
                    batch = points(500, start)
                    for point in batch:
                        point.payload["note"] = os.urandom(4000).hex()
                    store.upsert(batch)
            except UserError as error:
                print(error)
        """
        process = python(code, disk)
        output, errors = process.communicate()
        assert "is full" in output and process.returncode == 0, errors
        assert connect(disk).open("shop").count() == 20
        with (disk / "rest").open("wb", buffering=0) as rest, pytest.raises(OSError, match="No space left"):
            while True:
                rest.write(bytes(100_000))
        reader = connect(disk).open("shop")  # now in a copy on another disk
        assert len(reader.search(ONES, 30)) == 20
        (disk / "rest").unlink()
        subprocess.run(["mount", "-o", "remount,size=900m", str(disk)], check=True)
        writer = connect(disk).open("shop", write=True)
        assert writer.count() > 20
        assert writer.delete_missing({p.id for p in points(10)}) > 10
        writer.finalize()
        assert reader.count() == 10
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.thorough
def test_damaged_files_are_named(tmp_path):
    filled(tmp_path).close()
    kept = tmp_path.parent / f"{tmp_path.name}-kept"
    shutil.copytree(tmp_path, kept)
    bytes_ = data_file(tmp_path).read_bytes()
    for damage, sentence in (
        (lambda f: f.write_bytes(bytes_[: len(bytes_) // 2]), "has [0-9]+ bytes in place of [0-9]+"),
        (lambda f: f.write_bytes(b"\0" * 40 + bytes_[40:]), "is not as it was written"),
        (lambda f: f.unlink(), "is missing"),
    ):
        damage(data_file(tmp_path))
        for write in (False, True):
            with pytest.raises(UserError, match=rf"'shop' in .* is damaged: .*{sentence}.*run the same index-catalog"):
                connect(tmp_path).open("shop", write=write)
        shutil.rmtree(tmp_path / "shop")
        shutil.copytree(kept / "shop", tmp_path / "shop")
    current = tmp_path / "shop" / versions.CURRENT
    values = json.loads(current.read_text())
    for wrong, sentence in (
        (values | {"points": 21}, "holds 20 garments in place of 21"),
        ({}, "does not say which version"),
        ([1], "does not say which version"),
        (values | {"files": 3}, "does not say which version"),
    ):
        current.write_text(json.dumps(wrong))
        with pytest.raises(UserError, match=sentence):
            connect(tmp_path).open("shop")
    connect(tmp_path).drop("shop")  # which a damaged one can be too
    filled(tmp_path).close()


def test_a_large_version_is_hashed_by_verify_alone(tmp_path, monkeypatch):
    store = filled(tmp_path)
    monkeypatch.setattr(versions, "_CHECKED_AT_ONCE", 1000)
    file = data_file(tmp_path)
    with file.open("r+b") as damaged:
        damaged.write(b"\1")
    reader = connect(tmp_path).open("shop")
    for each in (reader, store):
        with pytest.raises(UserError, match="is not as it was written"):
            each.verify()
    reader.close()
    store.close()
    location = connect(tmp_path)
    location.set_alias("jumpers", "shop")
    with pytest.raises(UserError, match="is not as it was written"):
        verify_serving(location, "jumpers")


def test_a_disk_that_is_full_at_the_last_step_is_what_is_said(tmp_path, monkeypatch):
    def full(*_):
        raise UserError("The disk is full.")

    store = connect(tmp_path).create("shop", IDENTITY, SCHEMA)
    store.upsert(points(5))
    monkeypatch.setattr(versions, "publish", full)
    with pytest.raises(UserError, match="The disk is full"), contextlib.closing(store):
        store.finalize()


@pytest.mark.parametrize("name", ["mutable_id_tracker.mappings", "segment.json", "tracker.dat", "config.json"])
def test_what_a_stopped_run_wrote_is_written_again_where_it_is_damaged(tmp_path, name):
    filled(tmp_path).close()
    writer = connect(tmp_path).open("shop", write=True)
    writer.upsert(points(5, start=20))
    writer.close()
    data_file(tmp_path, name, "v2").write_bytes(b"\xff" * 1000)
    with contextlib.suppress(UserError):  # damage that shows only when it is used, in a sentence
        writer = connect(tmp_path).open("shop", write=True)
        writer.upsert(points(25))
        writer.finalize()
        assert writer.count() == 25
        writer.close()
    assert connect(tmp_path).open("shop").count() in (20, 25)


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


def test_what_a_killed_create_left_is_made_anew(tmp_path):
    filled(tmp_path).close()
    (tmp_path / "shop" / "about.json").unlink()  # written last, so this is how such a kill looks
    location = connect(tmp_path)
    assert location.describe("shop") is None
    store = location.create("shop", IDENTITY, SCHEMA)
    assert store.count() == 0
    store.close()


def test_a_folder_that_cannot_be_written():
    with pytest.raises(UserError, match="Cannot write /proc/"):
        connect("/proc/amgan-store").create("shop", IDENTITY, SCHEMA)


@pytest.mark.skipif(os.name != "posix", reason="kills a process the POSIX way")
def test_what_was_flushed_survives_sigkill(tmp_path):
    writer = python(
        """
        import sys
        from retrieval.stores import connect
        from tests.test_stores import IDENTITY, SCHEMA, points
        store = connect(sys.argv[1]).create("shop", IDENTITY, SCHEMA)
        for start in range(0, 10**6, 16):
            store.upsert(points(16, start))
            store.flush()
            print(start + 16, flush=True)
        """,
        tmp_path,
    )
    promised = 0
    for line in writer.stdout:
        promised = int(line)
        if promised >= 80:
            break
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    store = connect(tmp_path).open("shop", write=True)
    assert store.count() >= promised
    assert store.retrieve([point_id("79.jpg")])
    store.upsert([Point(point_id("x"), ONES, {})])
    store.finalize()
    store.close()
