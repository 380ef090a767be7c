"""The cache of what takes long to make: whole entries or none, and never in the way."""

import json
import os
import threading
from pathlib import Path

import pytest
import torch

from amgan.data.cache import Cache, Entry, cache_folder, content_key

TENSORS = {
    "image": torch.arange(48, dtype=torch.uint8).reshape(3, 4, 4),
    "at": torch.tensor([[3, -1]]),
    "mask": torch.tensor([True, False]),
    "none": torch.empty(0, 3),
}
NOTE = {"confidence": 0.1 + 0.2, "problems": ["The cut is “odd”."], "placement": None}


def the_entry(cache: Cache) -> Path:
    (path,) = cache.folder.rglob("*.safetensors")
    return path


def same(a: Entry, b: Entry) -> bool:
    return (
        dict(a.note) == dict(b.note)
        and a.tensors.keys() == b.tensors.keys()
        and all(torch.equal(a.tensors[k], b.tensors[k]) and a.tensors[k].dtype == b.tensors[k].dtype for k in a.tensors)
    )


def test_an_entry_comes_back_as_it_was(tmp_path):
    cache, key = Cache(tmp_path / "cache"), content_key("a", 1)
    assert cache.read(key) is None
    cache.write(key, Entry({**TENSORS, "image": TENSORS["image"].permute(1, 2, 0)}, NOTE))  # not contiguous
    again = Cache(tmp_path / "cache").read(key)
    assert same(again, Entry({**TENSORS, "image": TENSORS["image"].permute(1, 2, 0)}, NOTE))
    cache.write(key, Entry({}, {"n": 2}))
    assert same(cache.read(key), Entry({}, {"n": 2}))
    assert cache.read(content_key("a", 2)) is None


def test_keys_tell_their_parts_apart():
    parts = [("ab", "c"), ("a", "bc"), ("abc",), ("1",), (1,), (1.5,), (None,), (True,), ()]
    assert len({content_key(*p) for p in parts}) == len(parts)


@pytest.mark.parametrize("damage", ["cut", "empty", "value", "note", "folder", "renamed"])
def test_a_damaged_entry_counts_as_none_and_can_be_written_again(tmp_path, damage):
    cache, key = Cache(tmp_path), content_key("x")
    entry = Entry(TENSORS, NOTE)
    cache.write(key, entry)
    path = the_entry(cache)
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[:-5])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "value":
        path.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    elif damage == "note":
        path.write_bytes(data.replace(b"odd", b"even"[:3]))
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:  # another key's entry under this one's name
        other = content_key("y")
        (tmp_path / other[:2]).mkdir(exist_ok=True)
        os.replace(path, tmp_path / other[:2] / path.name.replace(key, other))
        assert cache.read(other) is None
    assert cache.read(key) is None
    cache.write(key, entry)
    assert (cache.read(key) is None) == (damage == "folder")  # nothing is deleted that is no entry


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file" / "cache")
    assert cache.read("00") is None
    cache.write("00", Entry(TENSORS))
    assert str(tmp_path) in cache.failure


def test_a_full_disk_leaves_no_draft(tmp_path, monkeypatch):
    def half(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    cache = Cache(tmp_path)
    monkeypatch.setattr(Path, "write_bytes", half)
    cache.write("00ff", Entry(TENSORS))
    assert cache.failure.endswith("No space left on device")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_many_writers_of_one_entry(tmp_path):
    cache, key = Cache(tmp_path), content_key("same")
    bad = []

    def work() -> None:
        for _ in range(20):
            cache.write(key, Entry(TENSORS, NOTE))
            if not same(cache.read(key), Entry(TENSORS, NOTE)):
                bad.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not bad and cache.failure is None
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [f"{key}.safetensors"]


def test_where_it_lies(monkeypatch, tmp_path):
    monkeypatch.delenv("AMGAN_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "amgan"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "amgan"
    monkeypatch.setenv("AMGAN_CACHE", str(tmp_path / "own"))
    assert Cache.at_home("sewn").folder == tmp_path / "own" / "sewn"
    monkeypatch.setenv("AMGAN_CACHE", "OFF")
    off = Cache.at_home("sewn")
    off.write("00", Entry(TENSORS))
    assert off.folder is None and off.read("00") is None and off.failure is None


def test_entries_are_safetensors_with_json_alone(tmp_path):
    cache = Cache(tmp_path)
    cache.write("00", Entry(TENSORS, NOTE))
    data = the_entry(cache).read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert json.loads(header["__metadata__"]["note"]) == NOTE
