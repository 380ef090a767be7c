"""The cache of what takes long to make: whole entries or none, and never in the way; cut-outs as its first user."""

import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from amgan.cache import Cache, Entry, cache_folder, content_key
from amgan.data import cutouts, digests
from amgan.data.digests import Digests
from amgan.data.garments import Garments, contents_hash, load_garments
from amgan.data.imagefolder import read_imagefolder
from amgan.errors import PhotoError
from amgan.photos.classical import Classical
from amgan.synth.folder import SynthFolder, write_synth
from amgan.testing import draw_catalogue

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


# --- Cut-outs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """The user's caches."""
    monkeypatch.setenv("AMGAN_CACHE", str(tmp_path / "home"))
    monkeypatch.setattr(digests, "SETTLED", -1e12)  # files are as fresh as the test
    return tmp_path / "home"


@pytest.fixture
def garments_folder(tmp_path) -> Path:
    return draw_catalogue(tmp_path / "data", 6, split=("train",))


def load(folder: Path, size: int = 32, progress: bool = False) -> Garments:
    data = read_imagefolder(folder)
    return load_garments(data, data.records, size, progress)


def equal(a: Garments, b: Garments) -> bool:
    return a.item_ids == b.item_ids and all(
        torch.equal(getattr(a, k), getattr(b, k)) for k in ("images", "masks", "labels")
    )


@pytest.fixture
def cut(monkeypatch) -> list:
    """What was cut out by hand since the test began."""
    calls: list = []
    cut_out, frame_at = cutouts.cut_out, cutouts.frame_at

    def counted(function):
        return lambda *args, **options: calls.append(args[0]) or function(*args, **options)

    monkeypatch.setattr(cutouts, "cut_out", counted(cut_out))
    monkeypatch.setattr(cutouts, "frame_at", counted(frame_at))
    return calls


def test_garments_are_cut_out_once(home, garments_folder, cut, capsys, monkeypatch):
    first = load(garments_folder, progress=True)
    assert len(cut) == 6 and "0 of 6 cut-outs came from the cache" in capsys.readouterr().out
    again = load(garments_folder, progress=True)
    assert len(cut) == 6 and "6 of 6 cut-outs came from the cache" in capsys.readouterr().out
    monkeypatch.setenv("AMGAN_CACHE", "off")
    plain = load(garments_folder)
    assert len(cut) == 12
    assert equal(first, plain) and equal(again, plain)


def test_whatever_a_cut_depends_on_makes_it_anew(home, garments_folder, cut, monkeypatch):
    load(garments_folder)
    picture, mask = garments_folder / "images" / "0000.png", garments_folder / "masks" / "0001.png"
    picture.write_bytes((garments_folder / "images" / "0003.png").read_bytes())
    load(garments_folder)
    assert len(cut) == 7
    pixels = np.asarray(Image.open(mask)).copy()
    pixels[40:50] = 0
    Image.fromarray(pixels).save(mask)
    load(garments_folder)
    assert len(cut) == 8
    load(garments_folder, size=48)
    assert len(cut) == 14
    monkeypatch.setattr(Classical, "identity", "classical (99)")
    load(garments_folder)
    assert len(cut) == 20
    monkeypatch.setattr(cutouts, "PREPARATION", "framed otherwise")
    assert equal(load(garments_folder), load(garments_folder))
    assert len(cut) == 26


def test_pictures_that_cannot_be_used_are_remembered_too(home, tmp_path, cut, capsys):
    folder = draw_catalogue(tmp_path / "data", 3, split=("train",))
    random = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    Image.fromarray(random).save(folder / "images" / "noise.png")
    Image.new("RGB", (60, 60), "white").save(folder / "images" / "white.png")
    (folder / "images" / "broken.png").write_bytes(b"nothing")
    with (folder / "metadata.csv").open("a", encoding="utf-8") as file:
        file.writelines(f"images/{name}.png,,short,red,train\n" for name in ("noise", "white", "broken"))
    first = load(folder)
    said = capsys.readouterr().out
    assert "Left out 3 of 6" in said and "images/noise.png: the garment could not be cut out with confidence" in said
    assert len(cut) == 5
    assert equal(load(folder), first) and len(cut) == 5
    assert capsys.readouterr().out == said


def test_a_damaged_cut_out_is_made_again(home, garments_folder, cut):
    first = load(garments_folder)
    for path in (home / "cutouts").rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    for path in (home / "digests").rglob("*.safetensors"):
        path.write_bytes(b"?")
    assert equal(load(garments_folder), first) and len(cut) == 12
    assert equal(load(garments_folder), first) and len(cut) == 12


def test_a_cache_that_cannot_be_written_is_said_and_borne(tmp_path, garments_folder, cut, capsys, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("AMGAN_CACHE", str(tmp_path / "file"))
    assert len(load(garments_folder)) == len(load(garments_folder)) == 6
    assert len(cut) == 12
    assert f"could not be kept for the next start: {tmp_path / 'file'}" in capsys.readouterr().out


def test_processes_that_start_together_share_the_work_and_agree(home, garments_folder, cut, monkeypatch):
    plain = load(garments_folder)
    monkeypatch.setenv("WORLD_SIZE", "4")
    for rank in range(4):
        monkeypatch.setenv("RANK", str(rank))
        assert equal(load(garments_folder), plain)
    assert len(cut) == 6


def test_true_edits_are_kept_too(home, tmp_path, cut):
    folder = tmp_path / "made"
    assert list(write_synth(folder, SynthFolder(3, 0, 32, 2), 1))
    first = load(folder)
    made = len(cut)
    again = load(folder)
    assert len(cut) == made == len(first) + len(first.truths)
    assert torch.equal(again.truths.images, first.truths.images) and torch.equal(again.truths.masks, first.truths.masks)


# --- Digests ----------------------------------------------------------------------------------------------------------


def hash_of(folder: Path, count: int | None = None) -> str:
    data = read_imagefolder(folder)
    return contents_hash(data, data.records[:count])


def test_the_contents_hash_notices_changed_pictures_and_masks(home, garments_folder):
    first = hash_of(garments_folder)
    assert hash_of(garments_folder) == first != hash_of(garments_folder, 5)
    changed = {first}
    for path in ("images/0002.png", "masks/0002.png"):
        file = garments_folder / path
        data, times = file.read_bytes(), file.stat()
        file.write_bytes(data[:-20] + b"?" + data[-19:])  # the same size, and soon the same time
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        changed.add(hash_of(garments_folder))
        file.unlink()
        changed.add(hash_of(garments_folder))
        file.write_bytes(data)
        assert hash_of(garments_folder) == first
    assert len(changed) == 5


def test_files_are_not_read_again_unless_they_may_have_changed(home, garments_folder, monkeypatch):
    read: list[Path] = []
    real = digests.read_file
    monkeypatch.setattr(digests, "read_file", lambda path, *rest: read.append(path) or real(path, *rest))
    first = hash_of(garments_folder)
    assert len(read) == 12
    assert hash_of(garments_folder) == first and len(read) == 12
    (garments_folder / "images" / "0000.png").touch()
    assert hash_of(garments_folder) == first and len(read) == 13
    monkeypatch.setenv("AMGAN_CACHE", "off")
    assert hash_of(garments_folder) == first and len(read) == 25


def test_a_file_that_was_written_just_now_is_not_remembered(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a")
    cache = Cache(tmp_path / "cache")
    sums = Digests(tmp_path, cache)
    fresh = sums.of("a.png")
    sums.save()
    assert not (tmp_path / "cache").exists()
    hour_ago = time.time() - 3600
    os.utime(tmp_path / "a.png", (hour_ago, hour_ago))  # its change of state is of now all the same
    assert Digests(tmp_path, cache).of("a.png") == fresh
    with pytest.raises(PhotoError, match="does not exist"):
        sums.of("b.png")
