"""The application: its addresses, who may use them, and what the OpenAPI document says of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any

import torch
from fastapi import Depends, FastAPI, Header, Request
from fastapi import Path as InPath
from fastapi import Query as InQuery
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.responses import Response

from retrieval.service import bodies
from retrieval.service.answers import Answers
from retrieval.service.bodies import Query
from retrieval.service.gate import Limited, Observed
from retrieval.service.keys import ANYONE, Caller
from retrieval.service.live import LiveCatalogue
from retrieval.service.observing import Metrics
from retrieval.service.pictures import FORMATS, WIDTHS, accepted
from retrieval.service.problems import Problem, ProblemDetails, add_handlers, documented
from retrieval.service.rate import RateLimiter
from retrieval.service.settings import Settings
from retrieval.service.work import Workers

WIDGET = Path(__file__).parent / "widget"
READING = 0.1  # what it costs of a caller's rate, against a search
DESCRIPTION = """Find a catalogue's garments by what should be different: *this one, but long-sleeved*.

A request names a garment, by the item of the catalogue or by a photo, and the attributes that are wanted; the service
edits the picture and searches with the result. Errors are `application/problem+json` (RFC 9457) with a stable `code`.
Every answer carries `X-Request-ID`."""
WORK = ("invalid", "photo", "uncertain-cut-out", "bad-request", "not-allowed", "not-found", "too-large")
WORK += ("unsupported-media-type",)
GUARDED = ("unauthorized", "too-many-requests", "busy", "timed-out", "catalogue-unavailable", "not-ready")

_bearer = HTTPBearer(auto_error=False, description="An API key.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same, in a header of its own.")


def widget() -> str:
    """The widget's script, its styles in it: a page loads one file."""
    style = (WIDGET / "widget.css").read_text(encoding="utf-8")
    return (WIDGET / "widget.js").read_text(encoding="utf-8").replace('"widget.css"', json.dumps(style), 1)


class Service:
    """What the application's operations share."""

    def __init__(self, settings: Settings) -> None:
        limits = settings.limits
        self.settings, self.metrics = settings, Metrics()
        self.live = LiveCatalogue(settings, self.metrics.batches.observe)
        self.answers = Answers(self.live, limits)
        # Each worker a share of the processors: together they use all of them, and do not get in each other's way.
        share = max(1, torch.get_num_threads() // limits.workers)
        self.work = Workers("work", limits.workers, limits.queue, share)
        self.reading = Workers("reading", 2, 4 * limits.queue)
        self.rate = RateLimiter(limits.rate, limits.burst)
        self.widget = widget()

    def caller(self, request: Request, key: str | None) -> Caller:
        """Who asks. Raises Problem for a missing or wrong key, and for one who asks too often."""
        reading = request.method == "GET"
        address = request.client.host if request.client else ""
        keys = self.settings.keys
        caller = ANYONE if keys is None else keys.find(key) if key else None
        self.rate.spend(f"{caller.name if caller else ''} {address}", READING if reading else 1.0)
        if caller is None:
            raise Problem(
                "unauthorized",
                "Give a valid API key: Authorization: Bearer KEY, or X-API-Key: KEY.",
                {"WWW-Authenticate": "Bearer"},
            )
        request.state.caller = caller
        return caller

    def show(self) -> bytes:
        """The metrics, for Prometheus."""
        self.metrics.queued.labels("work").set(self.work.pending)
        self.metrics.queued.labels("reading").set(self.reading.pending)
        self.metrics.show_index(self.settings.collection, self.live.version)
        return generate_latest(self.metrics.registry)

    def close(self) -> None:
        self.work.close()
        self.reading.close()
        self.live.close()


async def _caller(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    header: Annotated[str | None, Depends(_header)],
) -> Caller:
    return request.app.state.service.caller(request, bearer.credentials if bearer else header)


Known = Annotated[Caller, Depends(_caller)]
ItemName = Annotated[
    str, InPath(max_length=1024, description="An item's `id` or `item_id`.", examples=["images/shirt-17"])
]


def create_app(settings: Settings) -> FastAPI:
    """The service, its catalogue open. Close it by ending its lifespan, as servers do.

    Raises:
        UserError: as ``open_catalogue``.
    """
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="Search by edited garment",
        description=DESCRIPTION,
        version=installed_version("amgan"),
        lifespan=lifespan,
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.service = service
    add_handlers(app)
    app.add_middleware(Limited, limits=settings.limits)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
            expose_headers=["Retry-After", "X-Request-ID"],
            max_age=3600,
        )
    app.add_middleware(Observed, metrics=service.metrics)
    _add_garments(app, service)
    _add_catalogue(app, service)
    _add_operations(app, service)
    _document(app)
    return app


def _add_garments(app: FastAPI, service: Service) -> None:
    """The operations that take a photo or an item."""

    def post(path: str, asked: type[BaseModel], answered: type[BaseModel], pictures: bool) -> Callable[..., Any]:
        responses = documented(*WORK, *GUARDED)
        types = {t: {"schema": {"type": "string", "format": "binary"}} for t in FORMATS} if pictures else {}
        responses[200] = {"content": types} if types else {}
        return app.post(
            path, tags=["garments"], response_model=answered, responses=responses,
            openapi_extra={"requestBody": bodies.body_of(asked)},
        )  # fmt: skip

    @post("/v1/search", bodies.SearchRequest, bodies.SearchAnswer, pictures=False)
    async def search(request: Request, caller: Known) -> Response:
        """Edit a garment and find the catalogue's nearest to the result; without edits, the most similar ones."""
        query = await _read(request, service.work)
        return await service.work.run(lambda: service.answers.search(query, caller))

    @post("/v1/edits", bodies.EditRequest, bodies.EditAnswer, pictures=True)
    async def edit(request: Request, caller: Known) -> Response:
        """Edit a garment. `Accept: image/webp`, `image/png` or `image/jpeg` gives the picture alone."""
        query, wanted = await _read(request, service.work), accepted(request.headers.get("accept", ""))
        return await service.work.run(lambda: service.answers.edit(query, caller, wanted))

    @post("/v1/cut-outs", bodies.CutOutRequest, bodies.CutOutAnswer, pictures=True)
    async def cut_out(request: Request, caller: Known) -> Response:
        """Cut a garment out of its photo, with how far to trust that. `Accept` as for `/v1/edits`."""
        query, wanted = await _read(request, service.work), accepted(request.headers.get("accept", ""))
        return await service.work.run(lambda: service.answers.cut_out(query, caller, wanted))


def _add_catalogue(app: FastAPI, service: Service) -> None:
    """The operations that read the catalogue."""

    @app.get(
        "/v1/items/{item:path}", tags=["catalogue"], response_model=bodies.Garment,
        responses=documented("not-found", "invalid", *GUARDED),
    )  # fmt: skip
    async def item(item: ItemName, caller: Known) -> Response:
        """What the catalogue knows of an item."""
        return await service.reading.run(lambda: service.answers.item(item))

    @app.get(
        "/v1/attributes", tags=["catalogue"], response_model=bodies.AttributesAnswer, responses=documented(*GUARDED)
    )
    async def attributes(caller: Known) -> Response:
        """The attributes of the catalogue, how many items have each value, and which can be asked for."""
        return await service.reading.run(service.answers.attributes)

    @app.get(
        "/v1/pictures/{id}", tags=["catalogue"], response_class=Response,
        responses={
            200: {"content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}}},
            304: {"description": "The picture of that `If-None-Match` is still the same."},
            **documented("not-found", "invalid", "too-many-requests", "busy", "timed-out", "catalogue-unavailable"),
        },
    )  # fmt: skip
    async def picture(
        request: Request,
        id: Annotated[str, InPath(max_length=64, description="An item's `id`.")],
        width: Annotated[
            int, InQuery(ge=1, le=WIDTHS[-1], description=f"At most; one of {', '.join(map(str, WIDTHS))} is made.")
        ] = 320,
        if_none_match: Annotated[str | None, Header(max_length=1000)] = None,
    ) -> Response:
        """An item's photo. It needs no key, for pages show it."""
        address = request.client.host if request.client else ""
        service.rate.spend(f"pictures {address}", READING)
        return await service.reading.run(lambda: service.answers.picture(id, width, if_none_match))


def _add_operations(app: FastAPI, service: Service) -> None:
    """What operators and pages need beside the API."""

    @app.get("/healthz", tags=["operation"], response_model=bodies.Health)
    async def healthz() -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["operation"], response_model=bodies.Readiness, responses=documented("not-ready"))
    async def readyz() -> dict[str, str]:
        """The catalogue is open and its store answers."""
        if not service.live.reachable:
            raise Problem("not-ready", "The catalogue's store does not answer.", {"Retry-After": "5"})
        return {"status": "ready", "collection": service.settings.collection, "version": service.live.version}

    @app.get(
        "/metrics", tags=["operation"], response_class=Response,
        responses={
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
            **documented("unauthorized", "too-many-requests"),
        },
    )  # fmt: skip
    async def metrics(caller: Known) -> Response:
        """Counters for Prometheus."""
        return Response(service.show(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/widget.js", tags=["operation"], include_in_schema=False)
    async def widget_script() -> Response:
        headers = {"Cache-Control": "public, max-age=3600", "Cross-Origin-Resource-Policy": "cross-origin"}
        return Response(service.widget, media_type="text/javascript; charset=utf-8", headers=headers)


def _document(app: FastAPI) -> None:
    """Let the OpenAPI document know the form of problems, which no route names as its answer, and nothing of keys where
    there are none."""
    make, keyless = app.openapi, app.state.service.settings.keys is None

    def openapi() -> dict[str, Any]:
        document = make()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.setdefault("ProblemDetails", ProblemDetails.model_json_schema())
        if keyless:
            document["components"].pop("securitySchemes", None)
            for operation in (o for path in document["paths"].values() for o in path.values()):
                operation.pop("security", None)
        return document

    app.openapi = openapi


async def _read(request: Request, work: Workers) -> Query:
    """A request's body, of either form. Raises Problem."""
    with work.place():
        return await _body(request)


async def _body(request: Request) -> Query:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        return Query(await request.body())
    if media_type != "multipart/form-data":
        raise Problem(
            "unsupported-media-type", "Send application/json, or multipart/form-data with the photo as a file."
        )
    async with request.form(max_files=2, max_fields=1, max_part_size=2**20) as form:
        parts: dict[str, bytes] = {}
        for name, value in form.multi_items():
            if name not in ("photo", "mask", "query") or name in parts:
                raise Problem("invalid", "The form has the parts photo, mask and query, each at most once.")
            parts[name] = await value.read() if isinstance(value, UploadFile) else value.encode()
    if "photo" not in parts:
        raise Problem("invalid", "The form has no part photo; send JSON where the garment is an item of the catalogue.")
    return Query(parts.get("query", b"{}"), parts["photo"], parts.get("mask"))
