"""The service against its own OpenAPI document: whatever is sent, no fault, and every answer as it is described."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance  # no schema says what is a photo
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from retrieval.service.app import create_app
from retrieval.service.keys import Keys
from tests.tiny_service import ITEM, make_served

KEY = "a-key-for-the-tests-0123456789"
OPERATIONS = [
    ("POST", "/v1/search"),
    ("POST", "/v1/edits"),
    ("POST", "/v1/cut-outs"),
    ("GET", "/v1/items/{item}"),
    ("GET", "/v1/attributes"),
    ("GET", "/v1/pictures/{id}"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
]
QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True, "database": None}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[schemathesis.BaseSchema]:
    app = create_app(make_served(tmp_path_factory.mktemp("served"), keys=Keys([f"tester {KEY}"], "the test")))

    async def running(
        scope: Scope, receive: Receive, send: Send
    ) -> None:  # schemathesis ends the lifespan of each call
        if scope["type"] == "http":
            await app(scope, receive, send)
            return
        for state in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{state}.complete"})

    with TestClient(app):
        yield schemathesis.openapi.from_asgi("/openapi.json", running)


def send_anything(api: schemathesis.BaseSchema, method: str, path: str, examples: int, known: bool) -> None:
    """Requests that the document allows and ones that it forbids. ``known``: about an item that there is, so that they
    get past the door."""

    @settings(max_examples=examples, **QUIET)
    @given(case=api[path][method].as_strategy())
    def send(case: schemathesis.Case) -> None:
        if known and isinstance(case.body, dict) and case.media_type == "application/json":
            case.body = {k: v for k, v in case.body.items() if k not in ("photo", "mask", "say")} | {"item": ITEM}
            if "edits" in case.body:
                case.body["edits"] = {"color": "blue"}
        case.call_and_validate(headers={"Authorization": f"Bearer {KEY}"}, excluded_checks=[positive_data_acceptance])

    send()


def test_all_operations_are_tried(api: schemathesis.BaseSchema) -> None:
    found = {(o.ok().method.upper(), o.ok().path) for o in api.get_all_operations()}
    assert found == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_answers_are_as_described(api: schemathesis.BaseSchema, method: str, path: str) -> None:
    send_anything(api, method, path, 12, known=False)
    if method == "POST":
        send_anything(api, method, path, 8, known=True)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_answers_are_as_described_for_long(api: schemathesis.BaseSchema, method: str, path: str) -> None:
    send_anything(api, method, path, 600, known=False)
    if method == "POST":
        send_anything(api, method, path, 600, known=True)
