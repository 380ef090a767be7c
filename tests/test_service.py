"""The whole API over a small real index, with small real networks, in this process."""

from __future__ import annotations

import base64
import io
import json
import logging
import re
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from httpx import Response
from PIL import Image
from starlette.testclient import TestClient

from amgan.errors import UserError
from retrieval.service.app import create_app
from retrieval.service.keys import Keys
from retrieval.service.live import LiveCatalogue
from retrieval.service.settings import Limits, Settings
from retrieval.stores import connect
from tests.tiny_catalogue import SCHEMA, draw_shirt
from tests.tiny_service import GENEROUS, ITEM, make_served, png

FULL, WIDGET = "full-key-0123456789abcdef", "widget-key-0123456789abcdef"
SHOP = "https://shop.example"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return make_served(tmp_path_factory.mktemp("served"), origins=(SHOP,), watch=0.1)


@pytest.fixture(scope="module")
def client(served: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(served)) as client:
        yield client


@pytest.fixture
def one_store(served: Settings, client: TestClient, tmp_path: Path) -> Settings:
    """The same over a copy of the index, for tests that change it or close it."""
    for folder in ("catalogue", "index"):
        shutil.copytree(Path(served.store).parent / folder, tmp_path / folder)
    return Settings(str(tmp_path / "index"), "shirts", catalogue=str(tmp_path / "catalogue"), limits=GENEROUS)


def problem(response: Response, status: int, code: str) -> dict:
    """The problem that an answer is; it has the form of RFC 9457 and names nothing of this machine."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status and body["code"] == code and body["type"] == f"urn:amgan:problem:{code}"
    assert body["title"] and body["detail"].endswith((".", "?")), body
    assert body["request_id"] == response.headers["x-request-id"]
    assert "/tmp" not in response.text and "index" not in body["detail"].split("/openapi")[0].split("index has")[0]
    return body


def picture_of(address: str) -> Image.Image:
    head, _, body = address.partition(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(body)))


def search(client: TestClient, **asked) -> dict:
    response = client.post("/v1/search", json=asked)
    assert response.status_code == 200, response.text
    return response.json()


def test_an_answer_says_what_took_its_time(client: TestClient) -> None:
    answer = client.post("/v1/search", json={"item": ITEM, "edits": {"sleeve": "long"}})
    times = re.fullmatch(r"edit;dur=([\d.]+), embed;dur=([\d.]+), search;dur=([\d.]+)", answer.headers["server-timing"])
    assert times and all(float(time) > 0 for time in times.groups())


def test_an_item_is_edited_and_the_real_ones_are_found(client: TestClient) -> None:
    found = search(client, item=ITEM, edits={"sleeve": "long"}, k=4, unedited=True)
    assert found["edits"] == {"sleeve": "long"}
    assert [h["rank"] for h in found["hits"]] == [1, 2, 3, 4]
    assert found["hits"][0]["predicted"] == {"sleeve": "long", "color": "red"}
    assert ITEM not in {h["item_id"] for h in found["hits"] + found["unedited_hits"]}, "the query itself was found"
    assert picture_of(found["picture"]).size == (32, 32)
    scores = [h["score"] for h in found["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert not any(h["parts"] for h in found["hits"])
    for h in search(client, item=ITEM, edits={"sleeve": "long"}, explain=True)["hits"]:
        assert set(h["parts"]) == {"image", "wanted", "kept"}
        assert abs(sum(h["parts"].values()) - h["score"]) < 1e-4


def test_an_uploaded_photo_as_a_file_and_as_base64_find_the_same(client: TestClient) -> None:
    photo, query = png(draw_shirt("short", "red", 100)), {"edits": {"colour": "Blue"}, "k": 3, "picture": "none"}
    as_file = client.post("/v1/search", files={"photo": photo}, data={"query": json.dumps(query)})
    text = base64.b64encode(photo).decode()
    assert as_file.status_code == 200 and as_file.json()["picture"] is None
    assert as_file.json()["edits"] == {"color": "blue"}
    for written in (
        text,
        f"data:image/png;base64,{text}",
        "\n".join(text[i : i + 76] for i in range(0, len(text), 76)),
    ):
        assert search(client, photo=written, **query) == as_file.json()


def test_pages_go_on_where_the_last_one_ended(client: TestClient) -> None:
    whole = search(client, item=ITEM, k=30, picture="none")
    assert len(whole["hits"]) == 29 and whole["next_page"] is None
    paged, page = [], 1
    while page:
        part = search(client, item=ITEM, k=8, page=page, picture="none")
        paged += part["hits"]
        page = part["next_page"]
    assert paged == whole["hits"]
    problem(client.post("/v1/search", json={"item": ITEM, "k": 100, "page": 11}), 422, "invalid")


def test_filter_weights_and_region_are_obeyed(client: TestClient) -> None:
    only = search(client, item=ITEM, filter={"color": ["blue", "Green"], "sleeve": "long"}, k=30)
    assert {(h["predicted"]["sleeve"], h["predicted"]["color"]) for h in only["hits"]} == {
        ("long", "blue"),
        ("long", "green"),
    }
    assert search(client, item=ITEM, filter={"given.color": "blue"}, k=30)["hits"][0]["given"] == {"color": "blue"}
    edit = {"item": ITEM, "edits": {"color": "blue"}, "k": 5}
    alike, wanted = (
        search(client, **edit, weights=w)["hits"] for w in ({"image": 1, "wanted": 0, "kept": 0}, {"wanted": 50})
    )
    assert [h["id"] for h in alike] != [h["id"] for h in wanted]
    assert search(client, **edit, region="sleeve")["region"] == "sleeve"


def test_a_shoppers_own_words(client: TestClient) -> None:
    by_words = search(client, item=ITEM, say="Long sleeves, please", k=5)
    assert by_words["edits"] == {"sleeve": "long"}
    assert by_words["hits"] == search(client, item=ITEM, edits={"sleeve": "long"}, k=5)["hits"]
    partly = search(client, item=ITEM, say="in blue with a unicorn", k=1)
    assert partly["edits"] == {"color": "blue"} and "unicorn" in partly["left_out"][0]["words"]
    weak = search(client, item=ITEM, edits={"sleeve": "long"}, strength=0.0, k=5, known={"color": "green"})
    assert weak["hits"] != by_words["hits"] and weak["predicted"]["color"] != "green"


def test_what_the_catalogue_states_of_an_item_counts_as_known(client: TestClient) -> None:
    stated = search(client, item=ITEM, k=5)["hits"]
    assert stated == search(client, item=ITEM, k=5, known={"color": "red"})["hits"]
    assert stated != search(client, item=ITEM, k=5, known={"color": "green"})["hits"]


def test_an_edit_comes_as_json_or_as_a_picture(client: TestClient) -> None:
    asked = {"item": ITEM, "edits": {"color": "green"}}
    answer = client.post("/v1/edits", json=asked).json()
    shown = picture_of(answer["picture"])
    assert shown.size == picture_of(answer["mask"]).size and shown.width > 32, "not at the photo's own size"
    assert 0 <= answer["changed"] <= 1
    small = client.post("/v1/edits", json=asked | {"size": "model"}, headers={"accept": "image/png"})
    assert small.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(small.content)).size == (32, 32)
    again = picture_of(search(client, **asked, k=1)["picture"])
    same, other = (
        np.abs(np.asarray(again.convert("RGB"), float) - np.asarray(p.convert("RGB").resize((32, 32)), float)).mean()
        for p in (Image.open(io.BytesIO(small.content)), draw_shirt("short", "green"))
    )
    assert same < other / 2, "a search shows another edit"  # WebP loses a little


def test_a_cut_out_says_how_far_to_trust_it(client: TestClient) -> None:
    strip = draw_shirt("short", "red", 192).crop((20, 60, 180, 110))  # of a garment
    files = {"photo": png(strip)}
    doubtful = client.post("/v1/cut-outs", files=files).json()
    assert not doubtful["cutout"]["trusted"] and doubtful["cutout"]["problems"]
    refused = problem(client.post("/v1/search", files=files), 422, "uncertain-cut-out")
    assert refused["problems"] == doubtful["cutout"]["problems"] and picture_of(refused["picture"]).size == (32, 32)
    taken = client.post("/v1/search", files=files, data={"query": '{"accept_cutout": true}'})
    assert taken.status_code == 200 and not taken.json()["cutout"]["trusted"]
    whole = Image.new("L", strip.size, 0)
    whole.paste(255, (10, 5, 150, 45))
    masked = client.post("/v1/cut-outs", files={"photo": png(strip), "mask": png(whole)}).json()
    assert masked["cutout"]["method"] == "given"
    sure = client.post("/v1/cut-outs", json={"item": ITEM}).json()
    assert sure["cutout"]["trusted"] and picture_of(sure["picture"]).size == (32, 32)


def test_items_are_found_by_each_of_their_names(client: TestClient) -> None:
    item = client.get("/v1/items/images%2Fshort%20red%20%26%2096").json()
    assert item["item_id"] == ITEM and item["predicted"] == {"sleeve": "short", "color": "red"}
    assert client.get(f"/v1/items/{item['id']}").json() == item
    assert client.get("/v1/items/images/short red %26 96.png").json() == item
    problem(client.get("/v1/items/nothing/of/that/name"), 404, "not-found")
    problem(client.get("/v1/items/00000000-0000-0000-0000-000000000000"), 404, "not-found")


def test_pictures_are_small_and_kept_by_browsers(client: TestClient) -> None:
    address = search(client, item=ITEM, k=1)["hits"][0]["picture"]
    first = client.get(address, params={"width": 60})
    assert first.status_code == 200 and first.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(first.content)).width <= 160
    assert "max-age" in first.headers["cache-control"]
    again = client.get(address, params={"width": 60}, headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304 and not again.content
    assert client.get(address).headers["etag"] != first.headers["etag"], "another width is another picture"
    problem(client.get("/v1/pictures/00000000-0000-0000-0000-000000000000"), 404, "not-found")
    problem(client.get(address, params={"width": "wide"}), 422, "invalid")


def test_attributes_are_counted(client: TestClient) -> None:
    answer = client.get("/v1/attributes").json()
    assert [a["name"] for a in answer["attributes"]] == list(SCHEMA.names)
    assert answer["attributes"][0]["values"] == {"sleeveless": 10, "short": 10, "long": 10}
    assert answer["attributes"][1]["edits"] == ["black", "red", "blue", "green"], "nobody can ask for multi"
    assert answer["items"] == 30 and answer["regions"] == ["sleeve", "torso"]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"item": ITEM, "edits": {"sleeve": "lang"}}, "long"),
        ({"item": ITEM, "edits": {"hat": "red"}}, "sleeve"),
        ({"item": ITEM, "region": "sleeve"}, "no edit is asked for"),
        ({"item": ITEM, "edits": {"sleeve": "long"}, "region": "torso"}, "sleeve"),
        ({"item": ITEM, "filter": {"color": "mauve"}}, "red"),
        ({"item": ITEM, "weights": {"picture": 1}}, "image, wanted, kept"),
        ({"item": ITEM, "weights": {"image": 0, "wanted": 0, "kept": 0}}, "All query weights are 0"),
        ({"item": ITEM, "weights": {"image": 1e-46, "wanted": 0, "kept": 0}}, "All query weights are 0"),
        ({"item": ITEM, "k": 0}, "k:"),
        ({"item": ITEM, "colour": "red"}, "colour:"),
        ({"item": ITEM, "photo": "AAAA"}, "not both"),
        ({"item": ITEM, "mask": "AAAA"}, "has its own"),
        ({}, "Name either"),
        ({"item": ITEM, "strength": 1.5}, "strength:"),
        ({"item": ITEM, "known": {"sleeve": "lang"}}, "long"),
        ({"item": ITEM, "say": "hello"}, "name nothing to change"),
        ({"item": ITEM, "say": "in blue", "edits": {"sleeve": "long"}}, "either in words"),
    ],
)
def test_mistakes_are_explained(client: TestClient, asked: dict, says: str) -> None:
    assert says in problem(client.post("/v1/search", json=asked), 422, "invalid")["detail"]


def test_bodies_that_are_no_request(client: TestClient) -> None:
    json_type = {"content-type": "application/json"}
    for body in (b"", b"{", b"[]", b'{"item": NaN}', b"\xff\xfe", b'{"k":' * 5000, b'{"item": "\\ud800"}'):
        problem(client.post("/v1/search", content=body, headers=json_type), 422, "invalid")
    problem(
        client.post("/v1/search", content=b"x", headers={"content-type": "text/plain"}), 415, "unsupported-media-type"
    )
    problem(client.post("/v1/search", content=b"x"), 415, "unsupported-media-type")
    broken = {"content-type": "multipart/form-data; boundary=b"}
    problem(client.post("/v1/search", content=b"--c\r\nnothing", headers=broken), 400, "bad-request")
    problem(client.post("/v1/search", content=b"", headers={"content-type": "multipart/form-data"}), 400, "bad-request")
    problem(client.post("/v1/search", files={"picture": b"x"}), 422, "invalid")
    problem(client.get("/v2/search"), 404, "not-found")
    problem(client.get("/v1/search"), 405, "method-not-allowed")


def test_photos_that_are_none(client: TestClient) -> None:
    whole = png(draw_shirt("short", "red"))
    for data, reason in ((b"", "empty"), (b"hello", "not-an-image"), (whole[: len(whole) // 2], "truncated")):
        answer = problem(client.post("/v1/search", files={"photo": data}), 422, "photo")
        assert answer["reason"] == reason and answer["detail"].startswith("The photo ")
    assert problem(client.post("/v1/search", json={"photo": "=no="}), 422, "photo")["reason"] == "not-base64"
    tall = png(Image.new("RGB", (16, 4000), "white"))
    problem(client.post("/v1/search", files={"photo": tall}), 422, "photo")
    bad_mask = {"photo": whole, "mask": b"x"}
    assert problem(client.post("/v1/search", files=bad_mask), 422, "photo")["detail"].startswith("The mask ")


def test_request_ids_come_back_and_into_the_log(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="amgan.service"):
        answer = client.get("/v1/attributes", headers={"x-request-id": "shop-42"})
        other = client.get("/v1/attributes", headers={"x-request-id": "bad id\t{}"})
    assert answer.headers["x-request-id"] == "shop-42"
    assert other.headers["x-request-id"] != "bad id\t{}"
    fields = [r.fields for r in caplog.records if getattr(r, "fields", {}).get("request_id") == "shop-42"]
    assert fields[0]["route"] == "/v1/attributes" and fields[0]["status"] == 200 and fields[0]["ms"] > 0


def test_metrics_count_requests_and_edits(client: TestClient) -> None:
    def value(name: str) -> float:
        text = client.get("/metrics").text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))

    asked = 'amgan_requests_total{method="POST",route="/v1/edits",status="200"}'
    before, edits = value(asked), value("amgan_edits_per_pass_sum")
    client.post("/v1/edits", json={"item": ITEM, "edits": {"color": "green"}, "size": "model"})
    assert value(asked) == before + 1 and value("amgan_edits_per_pass_sum") == edits + 1
    assert value("process_resident_memory_bytes") > 1e6
    assert value('amgan_index_info{collection="shirts",version="shirts"}') == 1


def test_pages_of_listed_origins_alone_may_call(client: TestClient) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "x-api-key,content-type"}
    allowed = client.options("/v1/search", headers=asked | {"origin": SHOP})
    assert allowed.status_code == 200 and allowed.headers["access-control-allow-origin"] == SHOP
    refused = client.options("/v1/search", headers=asked | {"origin": "https://elsewhere.example"})
    assert "access-control-allow-origin" not in refused.headers
    wrong = client.post("/v1/search", json={}, headers={"origin": SHOP})
    assert wrong.headers["access-control-allow-origin"] == SHOP, "a page could not read what was wrong"


def keyed(app: FastAPI, key: str | None = None, **headers: str) -> TestClient:
    return TestClient(app, headers=headers | ({"authorization": f"Bearer {key}"} if key else {}))


def test_keys(one_store: Settings) -> None:
    keys = Keys([f"backend {FULL} # may do anything", "", f"widget {WIDGET} items"], "the test")
    app = create_app(replace(one_store, keys=keys, limits=GENEROUS))
    photo = {"photo": png(draw_shirt("short", "red"))}
    with TestClient(app) as nobody:
        for headers in (
            {},
            {"authorization": "Bearer wrong"},
            {"x-api-key": "wrong"},
            {"authorization": f"Basic {FULL}"},
        ):
            for answer in (nobody.get("/v1/attributes", headers=headers), nobody.get("/metrics", headers=headers)):
                assert problem(answer, 401, "unauthorized") and answer.headers["www-authenticate"] == "Bearer"
            problem(nobody.post("/v1/search", headers=headers, json={"item": ITEM}), 401, "unauthorized")
        assert nobody.get("/healthz").status_code == nobody.get("/readyz").status_code == 200
        for client in (keyed(app, FULL), keyed(app, **{"x-api-key": FULL})):
            assert client.post("/v1/search", files=photo).status_code == 200
        page = keyed(app, WIDGET)
        assert page.post("/v1/search", json={"item": ITEM, "k": 1}).status_code == 200
        for path in ("/v1/search", "/v1/edits", "/v1/cut-outs"):
            query = {"query": '{"edits": {"color": "red"}}'} if path != "/v1/cut-outs" else {}
            problem(page.post(path, files=photo, data=query), 403, "not-allowed")
        picture = page.post("/v1/search", json={"item": ITEM, "k": 1}).json()["hits"][0]["picture"]
        assert nobody.get(picture).status_code == 200, "a page's <img> cannot send a key"
        assert "securitySchemes" in nobody.get("/openapi.json").json()["components"]


def test_limits_of_size_and_rate(one_store: Settings) -> None:
    limits = Limits(body_bytes=20_000, pixels=200 * 200, rate=0.5, burst=8)
    app = create_app(replace(one_store, limits=limits))
    with TestClient(app) as client:
        large = b"x" * 20_001
        problem(
            client.post("/v1/search", content=large, headers={"content-type": "application/json"}), 413, "too-large"
        )
        unsized = (large[i : i + 1000] for i in range(0, len(large), 1000))  # chunked: no length is stated
        problem(
            client.post("/v1/search", content=unsized, headers={"content-type": "application/json"}), 413, "too-large"
        )
        many = png(Image.new("RGB", (201, 200), "white"))
        assert problem(client.post("/v1/search", files={"photo": many}), 422, "photo")["reason"] == "too-large"
        answers = [client.post("/v1/search", json={"item": ITEM, "k": 1}) for _ in range(8)]
        assert [a.status_code for a in answers].count(200) >= 5
        refused = problem(answers[-1], 429, "too-many-requests") and answers[-1].headers["retry-after"]
        assert 1 <= int(refused) <= 3


class Slow:
    """Stands in the way of the store's searches until it is let go."""

    def __init__(self, app: FastAPI) -> None:
        self.go, self.waiting = threading.Event(), threading.Semaphore(0)
        store = app.state.service.live._current.searcher.store
        inner = store.search

        def search(*args, **options):
            self.waiting.release()
            assert self.go.wait(30)
            return inner(*args, **options)

        store.search = search


def in_background(client: TestClient, count: int) -> tuple[list[Response], list[threading.Thread]]:
    answers: list[Response] = []
    ask = lambda: answers.append(client.post("/v1/search", json={"item": ITEM, "k": 1}))  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    return answers, threads


def test_a_full_queue_refuses_at_once_and_the_loop_stays_free(one_store: Settings) -> None:
    limits = Limits(workers=1, queue=2, rate=1000, burst=1000, seconds=60)
    app = create_app(replace(one_store, limits=limits))
    with TestClient(app) as client:
        slow = Slow(app)
        answers, threads = in_background(client, 3)
        assert slow.waiting.acquire(timeout=30)
        deadline = time.monotonic() + 10
        while app.state.service.work.pending < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (
            client.post("/v1/search", content=b"x" * 10**6, headers={"content-type": "text/plain"}).status_code == 503
        )
        busy = client.post("/v1/search", json={"item": ITEM})
        assert problem(busy, 503, "busy") and int(busy.headers["retry-after"]) >= 1
        assert client.get("/healthz").status_code == 200
        assert client.get(f"/v1/items/{ITEM.replace('&', '%26')}").status_code == 200, "reading waits for searches"
        slow.go.set()
        for thread in threads:
            thread.join(30)
        assert [a.status_code for a in answers] == [200] * 3
        assert app.state.service.work.pending == 0


def test_what_takes_too_long_is_answered_in_time_and_leaves_the_queue(one_store: Settings) -> None:
    limits = Limits(workers=1, queue=5, rate=1000, burst=1000, seconds=0.5)
    app = create_app(replace(one_store, limits=limits))
    with TestClient(app) as client:
        slow = Slow(app)
        start = time.monotonic()
        answers, threads = in_background(client, 3)
        for thread in threads:
            thread.join(30)
        assert time.monotonic() - start < 10
        for answer in answers:
            assert problem(answer, 503, "timed-out") and answer.headers["retry-after"]
        slow.go.set()
        deadline = time.monotonic() + 10
        while app.state.service.work.pending and time.monotonic() < deadline:
            time.sleep(0.01)
        assert app.state.service.work.pending == 0
        assert slow.waiting.acquire(timeout=1) and not slow.waiting.acquire(timeout=0.2), "it was searched for nobody"
        assert client.post("/v1/search", json={"item": ITEM, "k": 1}).status_code == 200


def test_a_store_that_fails_is_not_the_callers_fault(one_store: Settings, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(one_store)
    with TestClient(app) as client:
        app.state.service.live._current.searcher.store._store.close()
        with caplog.at_level(logging.ERROR, logger="amgan.service"):
            answer = client.post("/v1/search", json={"item": ITEM})
        assert problem(answer, 503, "catalogue-unavailable") and answer.headers["retry-after"]
        assert any("was closed" in str(getattr(r, "fields", "")) for r in caplog.records), "the log does not say why"


def test_faults_are_answered_without_their_words(one_store: Settings, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(replace(one_store, origins=(SHOP,)))
    with TestClient(app) as client:
        app.state.service.answers.attributes = lambda: 1 / 0
        answer = client.get("/v1/attributes", headers={"origin": SHOP})
        problem(answer, 500, "internal")
        assert "division" not in answer.text and answer.headers["access-control-allow-origin"] == SHOP
        assert any(r.exc_info for r in caplog.records)


def test_a_photo_that_is_gone_is_said_without_its_path(one_store: Settings) -> None:
    (Path(one_store.store).parent / "catalogue" / "images" / "short red & 96.png").unlink()
    with TestClient(create_app(one_store)) as client:
        problem(client.post("/v1/search", json={"item": ITEM}), 404, "not-found")
        id = client.get(f"/v1/items/{ITEM.replace('&', '%26')}").json()["id"]
        problem(client.get(f"/v1/pictures/{id}"), 404, "not-found")


def test_a_new_version_of_the_index_is_seen_without_a_restart(one_store: Settings) -> None:
    folder = Path(one_store.store).parent
    shutil.copytree(folder / "index" / "shirts", folder / "index" / "shirts.v2")
    location = connect(one_store.store)
    location.set_alias("shop", "shirts")
    app = create_app(replace(one_store, collection="shop", watch=0.05))
    with TestClient(app) as client:
        slow = Slow(app)
        answers, threads = in_background(client, 1)
        assert slow.waiting.acquire(timeout=30)
        old = app.state.service.live._current
        location.set_alias("shop", "shirts.v2")
        deadline = time.monotonic() + 30
        while client.get("/readyz").json()["version"] != "shirts.v2" and time.monotonic() < deadline:
            time.sleep(0.05)
        assert client.post("/v1/search", json={"item": ITEM, "k": 1}).json()["version"] == "shirts.v2"
        assert client.get("/v1/attributes").json()["version"] == "shirts.v2"
        assert old.users == 1 and old.replaced
        slow.go.set()
        threads[0].join(30)
        assert answers[0].json()["version"] == "shirts", "a request that began with the old version ends with it"
        deadline = time.monotonic() + 10
        while not old.searcher.store._store._closed and time.monotonic() < deadline:
            time.sleep(0.01)
        assert old.searcher.store._store._closed


def test_an_index_that_cannot_be_opened_leaves_the_one_that_serves(
    one_store: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(one_store.store).parent
    shutil.copytree(folder / "index" / "shirts", folder / "index" / "shirts.v2")
    location, tried = connect(one_store.store), []

    def refuse(self: LiveCatalogue) -> None:
        tried.append(time.monotonic())
        raise (UserError("no such weights") if len(tried) % 2 else MemoryError())

    location.set_alias("shop", "shirts")
    app = create_app(replace(one_store, collection="shop", watch=0.02))
    with TestClient(app) as client:
        monkeypatch.setattr(LiveCatalogue, "_open", refuse)
        monkeypatch.setattr("retrieval.service.live._AGAIN_SECONDS", 0.3)
        location.set_alias("shop", "shirts.v2")
        deadline = time.monotonic() + 30
        while len(tried) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(tried) >= 3 and tried[2] - tried[0] >= 0.6
        assert client.get("/readyz").status_code == 200
        assert client.post("/v1/search", json={"item": ITEM, "k": 1}).json()["version"] == "shirts"
        monkeypatch.undo()
        while client.get("/readyz").json()["version"] != "shirts.v2" and time.monotonic() < deadline:
            time.sleep(0.05)
        assert client.get("/readyz").json()["version"] == "shirts.v2"


@pytest.mark.thorough
def test_what_an_indexer_writes_meanwhile_is_found(one_store: Settings) -> None:
    with TestClient(create_app(one_store)) as client:
        hits = search(client, item=ITEM, k=30)["hits"]
        gone = hits[0]["id"]
        location = connect(one_store.store)
        writer = location.open("shirts", write=True)
        assert writer.delete_missing({r.id for r in writer.scroll(keys=[])} - {gone}) == 1
        writer.finalize()
        writer.close()
        left = search(client, item=ITEM, k=30)["hits"]
        assert [h["id"] for h in left] == [h["id"] for h in hits[1:]]
        problem(client.get(f"/v1/items/{gone}"), 404, "not-found")
