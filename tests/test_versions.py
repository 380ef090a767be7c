"""The versions of a collection: verified before they serve, kept after, gone back to."""

import json
import sys

import numpy as np
import pytest

import indexer.cli
from amgan.errors import UserError
from indexer.build import index, physical_name
from indexer.catalogue import Catalogue
from indexer.prepare import Settings
from indexer.versions import roll_back, status, verify, verify_serving
from retrieval.stores import connect
from retrieval.stores.base import Hit, Point, point_id
from retrieval.stores.memory import MemoryLocation, MemoryStore
from tests.fake_encoder import SCHEMA, FakeEncoder, draw_catalogue


def fill(folder, location, weights="a"):
    return index(Catalogue(folder, SCHEMA), location, "shop", FakeEncoder(weights), Settings(32), batch=8, threads=1)


class Forgetful(MemoryStore):
    """Its approximate search overlooks what is nearest."""

    def search(self, vector, k, filter=None, exact=False) -> list[Hit]:
        found = super().search(vector, k + 3, filter, exact)
        return found[:k] if exact or "b" not in self.identity.weights_hash.split() else found[3:]


def test_a_version_that_fails_its_canaries_does_not_take_over(tmp_path):
    folder, location = draw_catalogue(tmp_path, 20), MemoryLocation(Forgetful)
    assert fill(folder, location).verified.recall == 1.0
    serving = location.aliases()["shop"]
    with pytest.raises(UserError, match=r"find 0\.\d+ of what an exact search finds"):
        fill(folder, location, "b")
    assert location.aliases()["shop"] == serving


def test_a_store_that_lost_some_or_mixed_them_up_is_not_trusted(tmp_path):
    encoder, location = FakeEncoder(), MemoryLocation()
    store = location.create("x", encoder.identity, SCHEMA)
    vectors = np.random.default_rng(0).normal(size=(12, encoder.identity.dimensions)).astype(np.float32)
    store.upsert([Point(point_id(str(i)), v, {}) for i, v in enumerate(vectors)])
    verify(store, 12).require("x")
    with pytest.raises(UserError, match="holds 12 garments where 13 were written"):
        verify(store, 13).require("x")
    store.search = lambda vector, k, filter=None, exact=False: [Hit("y", 0.0, {})]
    with pytest.raises(UserError, match="not found by its own vector"):
        verify(store, 12)


@pytest.mark.thorough
def test_back_and_forth(tmp_path):
    folder, location = draw_catalogue(tmp_path / "photos", 5), connect(tmp_path / "store")
    fill(folder, location)
    with pytest.raises(UserError, match="no version before"):
        roll_back(location, "shop")
    fill(folder, location, "b")
    a, b = (physical_name("shop", FakeEncoder(w)) for w in "ab")
    assert [(v.name, v.role, v.points) for v in status(location, "shop")] == [(b, "serving", 5), (a, "previous", 5)]
    assert roll_back(location, "shop") == (b, a)
    assert location.open("shop").identity == FakeEncoder("a").identity
    assert roll_back(location, "shop") == (a, b)
    (folder / "0" / "0.png").unlink()
    assert fill(folder, location, "b").removed == 1  # in place, and the way back stays
    assert roll_back(location, "shop") == (b, a)
    assert verify_serving(location, "shop").points == 5  # as it was when it served
    assert fill(folder, location, "a").removed == 1


def test_an_unfinished_one_is_shown_and_swept_when_another_is_whole(tmp_path):
    folder, location = draw_catalogue(tmp_path / "photos", 4), connect(tmp_path / "store")
    fill(folder, location)
    location.create("shop.0123456789", FakeEncoder("z").identity, SCHEMA).close()
    (unfinished,) = status(location, "shop")[1:]
    assert (unfinished.role, unfinished.points, unfinished.finished) == ("unfinished", None, None)
    assert unfinished.problem  # nothing of it can be searched yet
    fill(folder, location)
    assert len(status(location, "shop")) == 1


def call(monkeypatch, capsys, *line):
    monkeypatch.setattr(sys, "argv", ["index-catalog", *map(str, line)])
    with pytest.raises(SystemExit) as ended:
        indexer.cli.main()
    out, err = capsys.readouterr()
    return ended.value.code or 0, out, err


def test_the_commands(tmp_path, monkeypatch, capsys):
    folder, store = draw_catalogue(tmp_path / "photos", 4), tmp_path / "store"
    for weights in "ab":
        fill(folder, connect(store), weights)
    where = ("--store", store, "--collection", "shop")
    code, out, _ = call(monkeypatch, capsys, "status", *where)
    assert (code, out.count("4 garments")) == (0, 2)
    assert "serving" in out and "previous" in out and str(folder) in out
    code, out, _ = call(monkeypatch, capsys, "verify", *where, "--json")
    assert (code, json.loads(out)["recall"], json.loads(out)["points"]) == (0, 1.0, 4)
    code, out, _ = call(monkeypatch, capsys, "rollback", *where)
    assert code == 0 and "serves 'shop' again" in out
    assert json.loads(call(monkeypatch, capsys, "status", *where, "--json")[1])["versions"][0]["embedder"] == "fake:a"
    code, out, err = call(monkeypatch, capsys, "status", "--store", store, "--collection", "shoes")
    assert (code, out) == (2, "") and "no collection 'shoes'" in err
    code, out, _ = call(monkeypatch, capsys, "rollback", "--help")
    assert code == 0 and "Exit status" in out


def test_a_folder_that_is_named_like_a_command_is_a_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "status").mkdir()
    code, _, err = call(monkeypatch, capsys, "status", "--store", tmp_path / "s", "--collection", "a/b")
    assert code == 2 and "not a collection name" in err  # index-catalog's own
