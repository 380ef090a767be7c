"""``index-catalog --ray``: a cluster of two processors, in front of a server, and processes killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import socket
import tarfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
from typer.testing import CliRunner

import indexer.cli
import indexer.cluster
from amgan.errors import UserError
from amgan.photos import load_segmenter
from amgan.schema import AttributeSchema
from amgan.testing import tiny_weights
from indexer.build import index, physical_name
from indexer.catalogue import Catalogue, Item
from indexer.parts import Networks, Part, Plan, Reader
from indexer.pipeline import fill
from indexer.prepare import Settings
from indexer.ray_data import _plan
from indexer.stages import Embed, Prepare, Upsert
from retrieval.representation import Representation
from retrieval.stores import connect
from tests.fake_encoder import draw_catalogue, draw_garment
from tests.qdrant_loopback import Loopback

SCHEMA = AttributeSchema.from_dict({"sleeve": ["short", "long"], "color": ["red", "blue"]})
BATCH = 4


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    weights = tiny_weights(tmp_path_factory.mktemp("networks") / "tiny", SCHEMA)
    return Networks(str(weights), segmenter="classical")


@pytest.fixture(scope="module")
def encoder(networks):
    return Representation(networks.weights, segmenter=networks.segmenter)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where lists of failures go, and from where stages go


@pytest.fixture
def server(tmp_path):
    running = Loopback(tmp_path / "server")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def cluster():
    """Of this process, or the one that RAY_ADDRESS names."""
    ray = pytest.importorskip("ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    room = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": 2, "object_store_memory": 100 * 2**20}
    ray.init(os.environ.get("RAY_ADDRESS", "local"), include_dashboard=False, log_to_driver=False, **room)
    yield ray
    ray.shutdown()


def command(networks, server, collection, folder, *more):
    named = ["--weights", networks.weights, "--segmenter", networks.segmenter, "--batch", BATCH]
    line = [folder, "--store", server.url, "--collection", collection, *named, *more]
    return CliRunner().invoke(indexer.cli.app, [str(part) for part in line])


def contents(server, collection):
    store = connect(server.url).open(collection)
    return {r.id: (r.payload, r.vector) for r in store.scroll(vectors=True)}


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    for id, (payload, vector) in wanted.items():
        said = found[id][0]
        confidences = [said.pop("confidence"), payload.pop("confidence")]
        assert said == payload
        assert confidences[0] == pytest.approx(confidences[1], abs=1e-4)
        np.testing.assert_allclose(found[id][1], vector, atol=1e-4)


def of_stage(name):
    """The processes of a stage on this machine."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            title = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if title.startswith("ray::") and f"Map({name})" in title:
            found.append(int(process.name))
    return found


def kill_each(server, killed, over):
    """One process of each stage, while there is work for it: parts to prepare, parts to embed, parts to write."""
    begun = {"Prepare": lambda: server.calls.count("Get") > 8, "Embed": lambda: True}
    begun["Upsert"] = lambda: server.calls.count("Upsert") > 1
    for stage, ready in begun.items():
        while not over.is_set():
            if (found := of_stage(stage)) and ready():
                os.kill(found[0], signal.SIGKILL)
                killed[stage] = found[0]
                break
            time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes in /proc")
@pytest.mark.slow
def test_processes_are_killed_and_nothing_is_lost_or_there_twice(cluster, server, networks, tmp_path):
    shop = draw_catalogue(tmp_path / "shop", 48)
    (shop / "broken.jpg").write_bytes(b"\xff\xd8 no photo")
    plain = command(networks, server, "plain", shop)
    assert plain.exit_code == 0, plain.output
    killed, over = {}, threading.Event()
    server.delay, server.calls[:] = 0.2, []
    killer = threading.Thread(target=kill_each, args=(server, killed, over))
    killer.start()
    listed = tmp_path / "failures.jsonl"
    result = command(networks, server, "spread", shop, "--ray", "local", "--json", "--failures", listed)
    over.set()
    killer.join()
    server.delay = 0
    assert result.exit_code == 0, result.output
    assert killed.keys() == {"Prepare", "Embed", "Upsert"}
    summary = json.loads(result.stdout)
    # What had been written when its process died is found in the index and, done again, counts as unchanged.
    assert summary["indexed"] + summary["unchanged"] == 48
    assert (summary["total"], sum(summary["refused"].values()), summary["switched"]) == (49, 1, True)
    assert summary["verified"]["points"] == summary["verified"]["expected"] == 48
    assert [row["file_name"] for row in parquet.read_table(listed.with_suffix(".parquet")).to_pylist()] == [
        "broken.jpg"
    ]
    assert_same(contents(server, "spread"), contents(server, "plain"))


@pytest.mark.slow
def test_a_run_brings_up_to_date_what_one_machine_filled(cluster, server, networks, tmp_path):
    shop = draw_catalogue(tmp_path / "shop", 13)
    rows = [{"file_name": f"{i % 3}/{i}.png", "color": "red", "price": str(i), "fabric": "linen"} for i in range(13)]
    table = shop / "metadata.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(rows[:12]), table)
    assert command(networks, server, "shop", shop).exit_code == 0
    draw_garment(shop / "0/0.png", 99)  # other bytes
    rows[1] |= {"price": "99", "color": "purple"}  # other words, one of them unknown
    del rows[2]
    parquet.write_table(pyarrow.Table.from_pylist(rows), table)  # one more at the end
    result = command(networks, server, "shop", shop, "--ray", "local", "--strict")
    assert result.exit_code == 0, result.output
    assert "2 indexed, 1 updated, 9 unchanged, 1 removed, 0 refused of 12" in result.stdout
    assert "1 labels left out, unknown to the weights: color=purple" in result.stdout
    assert "Verified: 12 garments" in result.stdout
    assert command(networks, server, "anew", shop).exit_code == 0
    assert_same(contents(server, "shop"), contents(server, "anew"))


# What follows needs no cluster.


def planned(catalogue, server, encoder, networks, collection="shop", **changes) -> Plan:
    physical = physical_name(collection, encoder)
    settings = Settings(encoder.image_size)
    plan = _plan(catalogue, server.url, physical, encoder, settings, BATCH, networks, "cpu")
    return replace(plan, **changes)


def begin(stage, number):
    return None


def entries(reader, parts):
    return [[e.file_name for e in reader.part(n)] for n in parts]


def write_shard(photos: Path, shard: Path) -> None:
    with tarfile.open(shard, "w") as file:
        for photo in sorted(photos.rglob("*.png")):
            file.add(photo, f"{photo.stem}.png")


@pytest.mark.parametrize("kind", ["folder", "parquet", "shards"])
def test_the_stages_do_as_one_process_does(kind, server, encoder, networks, tmp_path):
    shop = draw_catalogue(tmp_path / "shop", 11)
    if kind == "parquet":
        rows = [{"file_name": p.relative_to(shop).as_posix(), "brand": "Ours"} for p in sorted(shop.rglob("*.png"))]
        parquet.write_table(pyarrow.Table.from_pylist([*rows, {"file_name": "0/gone.png"}]), shop / "metadata.parquet")
    if kind == "shards":
        (tmp_path / "shards").mkdir()
        write_shard(shop, tmp_path / "shards" / "a.tar")
        shop = tmp_path / "shards"
    location, catalogue = connect(server.url), Catalogue(shop, encoder.schema)
    settings = Settings(encoder.image_size, segmenter=encoder.segmenter)

    def staged(catalogue, store, encoder, settings, batch, threads, hooks):
        from indexer.pipeline import Tally
        from indexer.ray_data import _count

        plan, tally = planned(catalogue, server, encoder, networks), Tally()
        reader = Reader(plan, 3)
        stages = Prepare(plan, reader.begin, reader.part), Embed(plan, reader.begin), Upsert(plan, reader.begin)
        for number in (1, 0, 2):
            row = {"number": number}
            for stage in stages:
                row = stage(row)
            assert row["part"].problem is None
            _count(row["part"], tally, hooks)
        return tally

    summary = index(catalogue, location, "shop", encoder, settings, BATCH, fill=staged)
    plain = index(catalogue, location, "plain", encoder, settings, BATCH, fill=fill)
    assert summary.indexed == plain.indexed == 11
    assert summary.refused == plain.refused == ({"missing": 1} if kind == "parquet" else {})
    assert_same(contents(server, "shop"), contents(server, "plain"))


def test_the_reader_gives_parts_in_any_order_and_again(server, encoder, networks, tmp_path, monkeypatch):
    shop = draw_catalogue(tmp_path / "shop", 11)
    names = [e.file_name for e in Catalogue(shop, encoder.schema) if isinstance(e, Item)]
    reader = Reader(planned(Catalogue(shop, encoder.schema), server, encoder, networks), 2)
    assert entries(reader, (1, 0, 1)) == [names[BATCH:], names[:BATCH], names[BATCH:]]  # the last has all the rest
    monkeypatch.setattr("indexer.parts._KEPT", 1)
    reader = Reader(planned(Catalogue(shop, encoder.schema), server, encoder, networks), 3)
    assert entries(reader, (2, 0)) == [names[2 * BATCH :], names[:BATCH]]  # read again from the beginning
    (shop / "metadata.csv").write_text(
        "file_name,sleeve\n" + "".join(f"{name},short\n" for name in names[:9]) + "a,b,c\n"
    )
    reader = Reader(planned(Catalogue(shop, encoder.schema), server, encoder, networks), 3)
    assert isinstance(reader.part(2), str)  # a sentence


def test_a_machine_that_does_not_see_the_catalogue_ends_the_run(server, encoder, networks, tmp_path):
    shop = draw_catalogue(tmp_path / "shop", 5)
    catalogue, location = Catalogue(shop, encoder.schema), connect(server.url)
    plan = planned(catalogue, server, encoder, networks)
    location.create(plan.physical, encoder.identity, encoder.schema)
    reader = Reader(plan, 2)
    other = replace(plan, a_file=(tmp_path / "elsewhere.png", 17))
    assert "does not see" in Prepare(other, reader.begin, reader.part)({"number": 0})["part"].problem
    stage = Prepare(plan, reader.begin, reader.part)
    assert stage({"number": 0})["part"].problem is None
    for photo in shop.rglob("*.png"):
        photo.unlink()  # the disk is gone, and the first part had been read
    broken = stage({"number": 1})
    assert "does not see" in broken["part"].problem
    assert Upsert(plan, reader.begin)(Embed(plan, reader.begin)(broken))["part"].problem == broken["part"].problem


def test_a_machine_with_other_networks_ends_the_run(server, encoder, networks, tmp_path):
    shop = draw_catalogue(tmp_path / "shop", 2)
    plan = planned(Catalogue(shop, encoder.schema), server, encoder, networks)
    weights = tiny_weights(tmp_path / "other", SCHEMA, seed=1)
    there = replace(plan, networks=replace(networks, weights=str(weights)))
    assert "another embedder" in Embed(there, begin)({"part": Part(0)})["part"].problem
    assert load_segmenter("classical").identity == plan.identity.segmenter
    there = replace(plan, identity=replace(plan.identity, segmenter="scissors"))
    assert "another segmenter" in Prepare(there, begin, Reader(plan, 1).part)({"number": 0})["part"].problem


def test_a_server_that_does_not_answer_is_a_sentence(server, encoder, networks, tmp_path, monkeypatch):
    monkeypatch.setenv("QDRANT_TIMEOUT", "60")  # which the stage sets, and this puts back
    plan = planned(Catalogue(draw_catalogue(tmp_path / "shop", 2), encoder.schema), server, encoder, networks)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"grpc://127.0.0.1:{free.getsockname()[1]}"
    there = replace(plan, store=nobody, environment={"QDRANT_TIMEOUT": "0.5"})
    assert "cannot be reached" in Upsert(there, begin)({"part": Part(0)})["part"].problem


def test_a_part_that_kills_whoever_takes_it_up_ends_the_run(server, encoder, networks, tmp_path):
    plan = planned(Catalogue(draw_catalogue(tmp_path / "shop", 2), encoder.schema), server, encoder, networks)
    reader = Reader(plan, 1)
    for _ in range(5):  # and each time the process dies
        assert reader.begin("embed", 0) is None
    problem = Embed(plan, reader.begin)({"part": Part(0)})["part"].problem
    assert "was to embed entries 0 to 3 of the catalogue ended 5 times" in problem
    assert reader.begin("write", 0) is None


def refused(*more):
    with pytest.raises(UserError) as error:
        CliRunner().invoke(indexer.cli.app, [str(part) for part in more], catch_exceptions=False)
    return str(error.value)


def test_a_folder_is_no_store_for_many_machines(tmp_path):
    shop = draw_catalogue(tmp_path / "shop", 1)
    for store in (tmp_path / "index", ":memory:"):
        sentence = refused(shop, "--store", store, "--collection", "shop", "--ray", "local")
        assert sentence.startswith(f"Many machines cannot write in {store}")
    assert not (tmp_path / "index").exists()


def test_without_ray_a_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("indexer.cluster.find_spec", lambda name: None)
    line = (draw_catalogue(tmp_path / "shop", 1), "--store", "http://localhost:6333", "--collection", "shop")
    assert "pip install 'amgan[ray]'" in refused(*line, "--ray", "local")


@pytest.mark.parametrize("silent", [False, True])
def test_an_address_where_no_cluster_is(silent, tmp_path, monkeypatch):
    monkeypatch.setattr("indexer.cluster.find_spec", lambda name: True)
    monkeypatch.setattr("indexer.cluster._SECONDS", 1)
    line = (draw_catalogue(tmp_path / "shop", 1), "--store", "http://localhost:6333", "--collection", "shop", "--ray")
    for odd in ("10.0.0.5", "ray://10.0.0.5:10001", "a b:1"):
        assert "is not the address of a Ray cluster" in refused(*line, odd)
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        if silent:  # something listens there, and never says what a cluster would
            somebody.listen()
        start = time.monotonic()
        address = f"127.0.0.1:{somebody.getsockname()[1]}"
        assert f"No Ray cluster answers at {address} within 1 s." in refused(*line, address)
    assert time.monotonic() - start < 10
