"""The service over an index with twins, whose fitted weights it takes."""

from __future__ import annotations

from pathlib import Path

from fastapi.testclient import TestClient

from retrieval.query import NOTE, QueryWeights
from retrieval.service.app import create_app
from retrieval.stores import connect
from tests.test_service import GENEROUS, ITEM, Settings, problem, search
from tests.tiny_catalogue import make_catalogue, make_index, make_weights


def test_fitted_weights_count_and_a_request_may_name_others(tmp_path: Path) -> None:
    catalogue, weights = make_catalogue(tmp_path / "catalogue"), make_weights(tmp_path / "weights")
    make_index(tmp_path / "index", catalogue, weights, twins=True)
    location = connect(str(tmp_path / "index"))
    store = location.open("shirts", write=True)
    store.set_notes({**store.notes, NOTE: QueryWeights(0.2, 1, 1, twin=0.8).to_note()})
    store.close()
    location.close()
    settings = Settings(str(tmp_path / "index"), "shirts", catalogue=str(catalogue), limits=GENEROUS)
    asked = {"item": ITEM, "edits": {"color": "blue"}, "k": 5}
    with TestClient(create_app(settings)) as client:
        usual, same, other = (
            [h["score"] for h in search(client, **asked, weights=w)["hits"]]
            for w in ({}, {"image": 0.2, "twin": 0.8}, {"image": 1, "twin": 0})
        )
        words = problem(client.post("/v1/search", json={**asked, "text": "with a hood"}), 422, "invalid")
    assert usual == same != other
    assert str(tmp_path) not in words["detail"]
