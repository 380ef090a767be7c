"""What every request passes on its way in and out: an id, a log line, and the limits on its size and time."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retrieval.service.observing import Metrics
from retrieval.service.problems import Problem, problem_of
from retrieval.service.settings import Limits

log = logging.getLogger("amgan.service")
_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")


class Observed:
    """Gives each request an id, its own if it brings one (``X-Request-ID``), and writes down how it went."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"")
        request_id = given.decode() if _ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        start, status, sent = time.perf_counter(), 0, 0

        async def answer(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            else:
                sent += len(message.get("body", b""))
            await send(message)

        with self.metrics.running.track_inprogress():
            try:
                await self.app(scope, receive, answer)
            finally:
                self._note(scope, request_id, status, time.perf_counter() - start, sent)

    def _note(self, scope: Scope, request_id: str, status: int, seconds: float, sent: int) -> None:
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in ("GET", "POST", "HEAD", "OPTIONS") else "other"
        self.metrics.requests.labels(method, route, str(status)).inc()
        self.metrics.seconds.labels(method, route).observe(seconds)
        fields: dict[str, Any] = {"request_id": request_id, "method": method, "route": route, "status": status}
        fields |= {"ms": round(1000 * seconds, 1), "bytes": sent}
        if "caller" in scope["state"]:
            fields["caller"] = scope["state"]["caller"].name
        log.info("request", extra={"fields": fields})


class Limited:
    """Ends requests that are too large or take too long, and answers for whatever nobody else caught."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False
        left = self.limits.body_bytes

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise self._too_large()
            return message

        async def answer(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            if _stated_length(scope) > left:
                raise self._too_large()
            async with asyncio.timeout(self.limits.seconds):
                await self.app(scope, counted, answer)
        except Exception as error:
            if begun:
                raise
            problem = self._timed_out() if isinstance(error, TimeoutError) else problem_of(error)
            await problem.response(Request(scope).state.request_id)(scope, receive, send)

    def _too_large(self) -> Problem:
        megabytes = self.limits.body_bytes / 2**20
        return Problem("too-large", f"A request may hold {megabytes:.3g} MB; send a smaller photo.")

    def _timed_out(self) -> Problem:
        return Problem(
            "timed-out", f"It was not done within {self.limits.seconds:g} seconds; come back.", {"Retry-After": "5"}
        )


def _stated_length(scope: Scope) -> int:
    stated = dict(scope["headers"]).get(b"content-length", b"0")
    return int(stated) if stated.isdigit() else 0
