"""Calls of a Qdrant server: tried again while it is busy or restarting, within one deadline, failing in sentences."""

from __future__ import annotations

import random
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import grpc
from pydantic import ValidationError
from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from amgan.errors import UserError
from retrieval.stores.address import Address
from retrieval.stores.stopping import stopping

T = TypeVar("T")

WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds between tries; every call here may safely be made twice
_MESSAGE_BYTES = 64 << 20  # of one gRPC answer: 10,000 hits with their payloads
_GRACE = 1.0  # seconds that a call may still take once the command was told to stop
_TURN = 0.1


def client_of(address: Address) -> QdrantClient:
    """A client that asks nothing yet. Raises UserError where the certificate is not one."""
    options: dict[str, Any] = {"grpc.max_receive_message_length": _MESSAGE_BYTES, "grpc.max_send_message_length": -1}
    verify: ssl.SSLContext | bool = True
    if address.certificate:
        options["root_certificates"] = address.certificate
        try:
            verify = ssl.create_default_context(cadata=address.certificate.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise UserError(f"QDRANT_CA_FILE holds no valid certificate ({error}).") from None
    warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")  # see address.parse
    return QdrantClient(
        host=f"[{address.host}]" if ":" in address.host else address.host,
        port=None if address.grpc else address.port,
        grpc_port=address.port,
        prefer_grpc=address.grpc,
        https=address.encrypted,
        prefix=address.path or None,
        api_key=address.key,
        timeout=max(1, round(address.timeout)),
        grpc_options=options,
        verify=verify,
        check_compatibility=False,  # would ask the server now, and warn instead of saying that it is down
    )


class Connection:
    """Calls of one client.

    Args:
        url: as it may be printed.
        timeout: seconds that a call may take, all its tries together.
        waits: seconds between tries, each up to a quarter longer, so that many clients do not come back at once.
    """

    def __init__(self, url: str, client: QdrantClient, timeout: float = 60, waits: Sequence[float] = WAITS) -> None:
        self.url, self.client, self._timeout, self._waits = url, client, timeout, waits

    def __call__(self, action: Callable[[QdrantClient], T]) -> T:
        deadline = time.monotonic() + self._timeout
        for wait in (*self._waits, None):
            try:
                return self._within(deadline, lambda: action(self.client))
            except Exception as error:
                problem, passing = _problem(error, self.url)
                if problem is None:
                    raise
                rest = deadline - time.monotonic()
                if wait is None or not passing or rest <= wait:
                    raise problem from None
                _pause(wait * random.uniform(1, 1.25))
        raise AssertionError("unreachable")

    def _within(self, deadline: float, action: Callable[[], T]) -> T:
        """Run a call in a thread of its own, as a client's time-outs are for each byte, and blind to Ctrl-C."""
        answer: list[T] = []
        failure: list[BaseException] = []
        done = threading.Event()

        def run() -> None:
            try:
                answer.append(action())
            except BaseException as error:  # handed to the thread that waits
                failure.append(error)
            done.set()

        threading.Thread(target=run, name="store", daemon=True).start()  # a daemon: nobody waits for it at the end
        give_up = None
        while not done.wait(max(0, min(_TURN, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                raise TimeoutError
            if give_up is None and stopping():
                give_up = time.monotonic() + _GRACE
            if give_up is not None and time.monotonic() > give_up:
                raise KeyboardInterrupt
        if failure:
            raise failure[0]
        return answer[0]


def _pause(seconds: float) -> None:
    end = time.monotonic() + seconds
    while (rest := end - time.monotonic()) > 0:
        if stopping():
            raise KeyboardInterrupt
        time.sleep(min(_TURN, rest))


def _problem(error: Exception, url: str) -> tuple[UserError | None, bool]:
    """The sentence for what a client raised, and whether the same call may succeed in a moment; None where that is a
    mistake of ours."""
    if isinstance(error, TimeoutError):
        return _slow(url), False
    if isinstance(error, grpc.RpcError):
        return _of_grpc(error, url)
    if isinstance(error, ResourceExhaustedResponse):
        return UserError(f"The Qdrant server at {url} is overloaded ({error}). Run the same command again later."), True
    if isinstance(error, UnexpectedResponse):
        return _of_status(error, url)
    if isinstance(error, ResponseHandlingException):
        return _of_answer(error.source, url)
    if isinstance(error, AssertionError | ValidationError):  # the first: an answer holds nothing
        return _foreign(url), False
    if isinstance(error, ApiException | ValueError):  # ValueError: the client's in-process engine refuses that way
        return UserError(f"The Qdrant server at {url} refused the request: {error}."), False
    return None, False


def _slow(url: str) -> UserError:
    return UserError(
        f"The Qdrant server at {url} did not answer in time. Is it overloaded? Run the same command again, or set "
        "QDRANT_TIMEOUT to more seconds."
    )


def _foreign(url: str) -> UserError:
    return UserError(
        f"What answers at {url} is not a Qdrant server, or one of another version: its answer has another shape than "
        "Qdrant's. Check the address."
    )


def _unreachable(url: str, why: str) -> UserError:
    return UserError(f"The Qdrant server at {url} cannot be reached ({why}). Is it running, and is the address right?")


def _protected(url: str) -> UserError:
    return UserError(
        f"The Qdrant server at {url} wants a key, or another one; set the environment variable QDRANT_API_KEY to it."
    )


def _of_answer(source: Exception, url: str) -> tuple[UserError, bool]:
    if isinstance(source, ValidationError | ValueError):
        return _foreign(url), False
    text = str(source).strip() or type(source).__name__
    if "timed out" in text.lower() or "timeout" in type(source).__name__.lower():
        return _slow(url), True
    return _unreachable(url, text), True


def _of_status(error: UnexpectedResponse, url: str) -> tuple[UserError, bool]:
    status = error.status_code or 0
    if status in (401, 403):
        return _protected(url), False
    said = error.content.decode("utf-8", "replace").strip()[:300] if error.content else error.reason_phrase
    if status in (408, 425, 429) or status >= 500:
        return UserError(f"The Qdrant server at {url} keeps failing (status {status}: {said}). See its log."), True
    return UserError(f"The Qdrant server at {url} refused the request (status {status}: {said})."), False


def _of_grpc(error: grpc.RpcError, url: str) -> tuple[UserError, bool]:
    code, said = error.code(), str(error.details() or "")[:300]  # type: ignore[attr-defined]
    if code is grpc.StatusCode.UNAVAILABLE:
        return _unreachable(url, said), True
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return _slow(url), True
    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return _protected(url), False
    if code in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNKNOWN):
        return _foreign(url), False
    if code in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED, grpc.StatusCode.INTERNAL):
        return UserError(f"The Qdrant server at {url} keeps failing ({code.name}: {said}). See its log."), True
    return UserError(f"The Qdrant server at {url} refused the request ({code.name}: {said})."), False
