"""One suite over every vector store.

The server's adapter runs against QDRANT_URL when that is set. Always, it also runs over the wire against a server on
the loopback (``tests/qdrant_loopback.py``): Qdrant's gRPC services in front of its own engine.
"""

import os
import uuid
from dataclasses import dataclass

import numpy as np
import pytest

from amgan.errors import UserError
from amgan.schema import AttributeSchema
from retrieval.identity import Block, IndexIdentity
from retrieval.stores import connect, open_store, qdrant
from retrieval.stores.base import Point, point_id
from retrieval.stores.exact import ExactStore
from retrieval.stores.filters import facets
from retrieval.stores.memory import MemoryLocation
from retrieval.stores.qdrant import search_ef

SCHEMA = AttributeSchema.from_dict({"sleeve": ["sleeveless", "short", "3/4", "long"], "neck shape": ["v", "round"]})
IDENTITY = IndexIdentity("teacher:tiny", "abc", "white, 32 px", 6, (Block("image", 4), Block("attributes", 2)))
SLEEVES = ("long", "short", "3/4")


@dataclass
class Place:
    """A kind of store that a test can leave and come back to."""

    kind: str
    make: object

    def location(self):
        return self.make()


KINDS = ["edge", "server on loopback", "memory", "exact", *(["server"] if os.environ.get("QDRANT_URL") else [])]


@pytest.fixture(params=KINDS)
def place(request, tmp_path):
    if request.param == "edge":
        yield Place("edge", lambda: connect(tmp_path / "store"))
    elif request.param in ("memory", "exact"):
        kept = MemoryLocation(ExactStore) if request.param == "exact" else MemoryLocation()
        yield Place(request.param, lambda: kept)
    else:
        from retrieval.stores.server import ServerLocation
        from tests.qdrant_loopback import Loopback

        loopback = None if request.param == "server" else Loopback(tmp_path / "server")
        kept = ServerLocation(loopback.url if loopback else os.environ["QDRANT_URL"])
        yield Place(request.param, lambda: kept)
        if loopback is not None:
            kept.close()
            loopback.stop()
        else:
            for name in kept.collections():
                if name.startswith("amgan-test"):
                    kept._call(lambda c, name=name: c.delete_collection(name))


@pytest.fixture
def name():
    return f"amgan-test-{uuid.uuid4().hex[:8]}"


def points(n, start=0, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(start + n, 6)).astype(np.float32)
    return [
        Point(
            point_id(f"{i}.jpg"),
            vectors[i],
            {
                "item_id": str(i),
                "file_name": f"{i}.jpg",
                "sha256": f"{i:064x}",
                "predicted": {"sleeve": SLEEVES[i % 3], "neck shape": "v" if i % 2 else "round"},
                "given": {"sleeve": "long"} if i % 4 == 0 else {},
                "confidence": {"sleeve": 0.5},
                "mask_file_name": None,
                "cutout": {"method": "given", "confidence": 1.0, "problems": []},
            },
        )
        for i in range(start, start + n)
    ]


def filled(place, name, n=30):
    store = place.location().create(name, IDENTITY, SCHEMA)
    store.upsert(points(n))
    store.finalize()
    return store


def test_search_is_by_inner_product_best_first(place, name):
    store, items = filled(place, name), points(30)
    query = np.array([2, -1, 0.5, 0, 3, 0], np.float32)  # not of unit length: blocks carry weights
    scores = np.array([p.vector for p in items]) @ query
    expected = [items[i].id for i in np.argsort(-scores)[:7]]
    for exact in (False, True):
        hits = store.search(query, 7, exact=exact)
        assert [h.id for h in hits] == expected
        np.testing.assert_allclose([h.score for h in hits], np.sort(scores)[::-1][:7], rtol=1e-5)
    assert hits[0].payload == next(p.payload for p in items if p.id == expected[0])
    assert len(store.search(query, 100)) == 30
    store.close()


def test_filters(place, name):
    store, query = filled(place, name), np.ones(6, np.float32)

    def found(filter):
        hits = store.search(query, 100, filter)
        assert store.count(filter) == len(hits)
        return sorted(int(h.payload["item_id"]) for h in hits)

    assert found({"sleeve": "long"}) == list(range(0, 30, 3))
    assert found({"sleeve": ["short", "3/4"]}) == [i for i in range(30) if i % 3]
    assert found({"predicted.sleeve": "long", "neck shape": "v"}) == list(range(3, 30, 6))
    assert found({"given.sleeve": "long"}) == list(range(0, 30, 4))
    assert found({"label.sleeve": "long"}) == [i for i in range(30) if i % 4 == 0 or i % 3 == 0]
    assert found({"label.sleeve": "short", "neck shape": "v"}) == [i for i in range(1, 30, 2) if i % 3 == 1]
    assert found({"label.sleeve": ["short", "long"], "label.neck shape": "round"}) == [
        i for i in range(0, 30, 2) if i % 4 == 0 or i % 3 < 2
    ]
    assert found({"Sleeves": "three-quarter"}) == list(range(2, 30, 3))  # as people write it
    assert found({"sleeve": "sleeveless"}) == []
    for wrong, hint in (
        ({"colour": "red"}, "Valid: sleeve"),
        ({"sleeve": "lng"}, "long"),
        ({"sleeve": []}, "no value"),
    ):
        with pytest.raises(UserError, match=hint):
            store.search(query, 3, wrong)
    store.close()


def test_upsert_twice_keeps_one_and_replaces(place, name):
    store = filled(place, name, 10)
    store.upsert(points(10))
    changed = points(1)[0]
    store.upsert([Point(changed.id, np.full(6, 9, np.float32), changed.payload | {"sha256": "new"})])
    store.upsert([])
    store.flush()
    assert store.count() == 10
    assert store.retrieve([changed.id])[changed.id]["sha256"] == "new"
    assert store.search(np.ones(6, np.float32), 1)[0].id == changed.id
    store.close()


def test_set_payload_keeps_the_rest_and_the_vector(place, name):
    store, items = filled(place, name, 5), points(5)
    changes = {"given": {"sleeve": "short"}, "details": {"price": "9.99"}, "mask_file_name": "m.png"}
    store.set_payload({items[1].id: changes, items[3].id: {"given": {}}})
    store.set_payload({})
    store.flush()
    found = store.retrieve([p.id for p in items])
    assert found[items[1].id] == items[1].payload | changes
    assert found[items[3].id]["given"] == {}
    assert found[items[2].id] == items[2].payload
    assert (store.count(), store.count({"given.sleeve": "short"})) == (5, 1)
    assert store.search(items[1].vector, 1)[0].id == items[1].id
    store.close()


def test_retrieve_some_keys_of_known_ids(place, name):
    store, items = filled(place, name, 5), points(5)
    got = store.retrieve([items[1].id, items[3].id, point_id("never.jpg")], ["sha256", "given"])
    assert got == {i.id: {"sha256": i.payload["sha256"], "given": i.payload["given"]} for i in (items[1], items[3])}
    assert store.retrieve([items[2].id]) == {items[2].id: items[2].payload}
    assert store.retrieve([]) == {}
    store.close()


def test_vectors_of_known_ids(place, name):
    store, items = filled(place, name), points(30)
    got = store.vectors([items[1].id, items[3].id, point_id("never.jpg")])
    assert got.keys() == {items[1].id, items[3].id}
    for item in (items[1], items[3]):
        np.testing.assert_array_equal(got[item.id], item.vector)
    assert store.vectors([]) == {}
    store.close()


def test_scroll_visits_each_item_once_over_many_pages(place, name):
    store, items = filled(place, name, 30), {p.id: p for p in points(30)}
    records = list(store.scroll(["item_id"], vectors=True, batch=7))
    assert sorted(r.id for r in records) == sorted(items)
    for r in records:
        assert r.payload == {"item_id": items[r.id].payload["item_id"]}
        np.testing.assert_allclose(r.vector, items[r.id].vector, rtol=1e-6)
    assert all(r.vector is None and r.payload == {} for r in store.scroll([]))
    assert next(iter(store.scroll())).payload.keys() == points(1)[0].payload.keys()
    store.close()


def test_scroll_goes_by_id_through_what_a_filter_leaves(place, name):
    store, items = filled(place, name, 30), sorted(points(30), key=lambda p: p.id)
    assert [r.id for r in store.scroll([], batch=7)] == [p.id for p in items]
    assert [r.id for r in store.scroll([], batch=7, start=items[11].id)] == [p.id for p in items[11:]]
    short = [p.id for p in items if p.payload["predicted"]["sleeve"] == "short"]
    assert [r.id for r in store.scroll([], batch=4, filter={"sleeve": "short"})] == short
    assert [r.id for r in store.scroll([], filter={"sleeve": "short"}, start=short[3])] == short[3:]
    assert list(store.scroll([], filter={"sleeve": "sleeveless"})) == []
    store.close()


def test_facet_counts_values(place, name):
    store = filled(place, name, 30)
    assert store.facet("sleeve") == {"long": 10, "short": 10, "3/4": 10}
    assert store.facet("given.sleeve") == {"long": 8}
    assert store.facet("sleeve", {"neck shape": "v", "given.sleeve": "long"}) == {}
    assert store.facet("neck shape", {"sleeve": "long"}) == {"round": 5, "v": 5}
    with pytest.raises(UserError, match="Unknown attribute"):
        store.facet("price")
    store.close()


def test_points_are_left_out_of_a_search(place, name):
    store, query = filled(place, name), np.ones(6, np.float32)
    best = [h.id for h in store.search(query, 30)]
    assert [h.id for h in store.search(query, 5, exclude=best[:12])] == best[12:17]
    long = [h.id for h in store.search(query, 30, {"sleeve": "long"})]
    left = store.search(query, 30, {"sleeve": "long"}, exact=True, exclude={*long[:3], point_id("never.jpg")})
    assert [h.id for h in left] == long[3:]
    store.close()


def test_facets_leave_out_the_filter_on_their_own_attribute(place, name):
    store = filled(place, name, 30)
    counts = facets(store, {"sleeve": "long"})
    assert counts == {"sleeve": {"long": 10, "short": 10, "3/4": 10}, "neck shape": {"v": 5, "round": 5}}
    assert facets(store)["neck shape"] == {"v": 15, "round": 15}
    assert facets(store, {"label.neck shape": "v"}, "given")["sleeve"] == {}
    store.close()


def test_delete_missing(place, name):
    store, items = filled(place, name, 30), points(30)
    keep = {p.id for p in items[:20]} | {point_id("not there.jpg")}
    assert store.delete_missing(keep) == 10
    store.flush()
    assert store.count() == 20
    assert {r.id for r in store.scroll([])} == {p.id for p in items[:20]}
    assert store.search(items[25].vector, 1)[0].id != items[25].id
    assert store.delete_missing(keep) == 0
    assert store.delete_missing(set()) == 20
    assert store.search(items[0].vector, 3) == []
    store.close()


def test_open_again_with_everything(place, name):
    store = filled(place, name)
    store.set_notes({"catalogue": "/data/shop"})
    store.verify()
    store.close()
    store = place.location().open(name)
    assert (store.name, store.identity, store.schema, store.count()) == (name, IDENTITY, SCHEMA, 30)
    assert store.notes == {"catalogue": "/data/shop"}
    info = store.info()
    assert (info.collection, info.points, info.identity, info.schema) == (name, 30, IDENTITY, SCHEMA)
    store.close()
    store = place.location().open(name, write=True)
    store.upsert(points(5, start=30))
    store.flush()
    store.close()
    store = place.location().open(name, write=True)  # as the next run of index-catalog does
    assert store.count() == 35
    store.finalize()
    store.close()
    about = place.location().describe(name)
    assert (about.identity, about.schema, about.notes) == (IDENTITY, SCHEMA, {"catalogue": "/data/shop"})
    store = place.location().open(name)
    assert store.count() == 35
    store.close()


def test_alias_switches_and_guards(place, name):
    location, old, new = place.location(), f"{name}.old", f"{name}.new"
    for physical, n in ((old, 3), (new, 5)):
        store = location.create(physical, IDENTITY, SCHEMA)
        store.upsert(points(n))
        store.finalize()
        store.close()
    location.set_alias(name, old)
    for physical, n in ((old, 3), (new, 5), (new, 5)):
        location.set_alias(name, physical)
        assert place.location().aliases()[name] == physical
        store = place.location().open(name)
        assert (store.name, store.count()) == (physical, n)
        store.close()
    assert location.describe(name).identity == IDENTITY
    assert {old, new} <= set(location.collections())
    with pytest.raises(UserError, match="alias"):
        location.drop(new)
    location.drop(old)
    location.drop(old)
    assert old not in location.collections()
    with pytest.raises(UserError, match="no collection"):
        location.set_alias(name, old)
    assert location.aliases()[name] == new


def test_what_does_not_exist_or_exists_already(place, name):
    location = place.location()
    assert location.describe(name) is None
    with pytest.raises(UserError, match="no collection"):
        location.open(name)
    location.create(name, IDENTITY, SCHEMA).close()
    with pytest.raises(UserError, match="exists already"):
        location.create(name, IDENTITY, SCHEMA)
    for wrong in ("", "a/b", "../x", "a b", ".hidden", "x" * 200):
        with pytest.raises(UserError, match="not a collection name"):
            location.create(wrong, IDENTITY, SCHEMA)


def test_wrong_vectors_are_refused(place, name):
    store, nan = filled(place, name, 3), np.full(6, np.nan, np.float32)
    for vector, sentence in ((np.ones(5, np.float32), "6 values, but one of 5"), (nan, "NaN")):
        with pytest.raises(UserError, match=sentence):
            store.upsert([Point(point_id("x.jpg"), vector, {})])
        with pytest.raises(UserError, match=sentence):
            store.search(vector, 3)
    for k in (0, -1, 10**6):
        with pytest.raises(UserError, match="between 1 and"):
            store.search(np.ones(6, np.float32), k)
    assert store.count() == 3
    store.close()


def test_another_identity_is_refused_with_what_differs():
    for field, value in (("weights_hash", "other"), ("preprocessing", "64 px"), ("embedder", "teacher:renamed")):
        other = IndexIdentity.from_dict(IDENTITY.to_dict() | {field: value})
        assert IDENTITY.same_vectors(other) == (field == "embedder")
        if field != "embedder":
            with pytest.raises(UserError, match=field.replace("_", " ")):
                IDENTITY.require_same(other, "these weights", "the index")
    with pytest.raises(UserError, match="add up"):
        IndexIdentity("a", "b", "c", 7, (Block("image", 4),))
    with pytest.raises(UserError, match="cannot be read"):
        IndexIdentity.from_dict({"embedder": "a"})


def test_point_ids_are_stable_uuids():
    assert point_id("é/a b.jpg") == point_id("é/a b.jpg") != point_id("é/a c.jpg")
    assert uuid.UUID(point_id("a.jpg")).version == 5


def test_connect_names_what_is_valid(tmp_path):
    for wrong in ("", "ftp://host", "postgres://x"):
        with pytest.raises(UserError, match="http://localhost:6333"):
            connect(wrong)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is a file"):
        connect(tmp_path / "file")
    with pytest.raises(UserError, match="index-catalog FOLDER"):
        open_store(tmp_path / "none", "shop")
    store = connect(":memory:").create("amgan-test-shared", IDENTITY, SCHEMA)
    assert open_store(":memory:", "amgan-test-shared") is store


def test_the_exact_referee_agrees_with_edge_on_what_it_copies(tmp_path, name):
    store = filled(Place("edge", lambda: connect(tmp_path)), name, 40)
    referee, queries = ExactStore.copy_of(store), np.random.default_rng(1).normal(size=(5, 6)).astype(np.float32)
    ids, scores = referee.search_many(queries, 4)
    for query, row, values in zip(queries, ids, scores, strict=True):
        hits = store.search(query, 4)
        assert [h.id for h in hits] == row
        np.testing.assert_allclose([h.score for h in hits], values, rtol=1e-5)
    store.close()


def test_a_search_among_more_garments_keeps_more_candidates(place, name, monkeypatch):
    assert [search_ef(k, n) for k, n in ((10, 2_000), (10, 150_000), (10, 1_000_000), (10, 10**9))] == [
        1024,
        1171,
        7812,
        8192,
    ]
    assert search_ef(9000, 2_000) == 18_000
    if place.kind in ("memory", "exact"):
        return  # nothing approximate
    asked = []
    monkeypatch.setattr(qdrant, "search_ef", lambda k, garments: asked.append((k, garments)) or 1024)
    store = place.location().create(name, IDENTITY, SCHEMA)
    store.upsert(points(30))
    store.flush()
    store.search(np.ones(6, np.float32), 7)
    store.search(np.ones(6, np.float32), 5)
    store.close()
    assert asked == [(7, 30), (5, 30)]
