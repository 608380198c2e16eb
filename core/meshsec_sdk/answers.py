"""How our HTTP interfaces answer: in canonical JSON, refusals in one shape. Routes raise `Rejected` and never catch."""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk import token
from meshsec_sdk.problems import (
    BODY_TOO_LARGE,
    INTERNAL,
    MALFORMED_HTTP,
    NO_METHOD,
    NO_ROUTE,
    TOKEN_MISSING,
    TOKEN_WRONG,
    TOO_MANY_STREAMS,
    check_query,
    problem,
    status_of,
)

EVENT_STREAM = "text/event-stream"
PROMETHEUS = "text/plain; version=0.0.4"
"""Media type of what Prometheus reads."""

MOST_READERS = 256
"""Streams of events that a process serves at once; each holds a connection and is told of every block."""

Endpoint = Callable[[Request], Awaitable[Response]]


def answer(body: object, status: int = 200) -> Response:
    """Spell an answer in canonical JSON."""
    return Response(codec.encode(body), status, media_type="application/json")


def refuse(refusal: Rejected, status: int | None = None) -> Response:
    """Spell a refusal; the status is that of its code unless one is given."""
    return answer(problem(refusal), status_of(refusal.code) if status is None else status)


class Audience:
    """Those who read one kind of server-sent events, up to a limit.

    Args:
        limit: how many at once.
    """

    def __init__(self, limit: int = MOST_READERS) -> None:
        self.limit = limit
        self.readers = 0

    def answer(self, request: Request, pieces: AsyncIterator[bytes]) -> Response:
        """Answer with events; HEAD gets the headers alone, or its connection would wait for a body for ever.

        Raises:
            Rejected: `http/too-many-streams`.
        """
        headers = {"cache-control": "no-store"}
        if request.method == "HEAD":
            return Response(headers=headers, media_type=EVENT_STREAM)
        if self.readers >= self.limit:
            raise Rejected(TOO_MANY_STREAMS, limit=self.limit)
        return StreamingResponse(self._counted(pieces), headers=headers, media_type=EVENT_STREAM)

    async def _counted(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self.readers += 1
        try:
            async for piece in pieces:
                yield piece
        finally:
            self.readers -= 1


def strict(endpoint: Endpoint, *known: str) -> Endpoint:
    """Serve a route that takes no query parameters but the known ones; others are refused."""

    async def checked(request: Request) -> Response:
        check_query(request.query_params, known)
        return await endpoint(request)

    return checked


async def _refuse(request: Request, error: Exception) -> Response:  # noqa: ARG001
    if not isinstance(error, Rejected):
        raise error
    return refuse(error)


async def _refuse_http(request: Request, error: Exception) -> Response:
    """Answer for what never reached a route."""
    status = error.status_code if isinstance(error, HTTPException) else 400
    code = {404: NO_ROUTE, 405: NO_METHOD}.get(status, MALFORMED_HTTP)
    return refuse(Rejected(code, path=request.url.path[:200], method=request.method[:20]), status)


async def _fail(request: Request, error: Exception) -> Response:
    """Answer for a bug of ours; the log has the rest."""
    structlog.get_logger().error("request failed", path=request.url.path[:200], exc_info=error)
    return refuse(Rejected(INTERNAL, kind=type(error).__name__))


REFUSALS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    Rejected: _refuse,
    HTTPException: _refuse_http,
    Exception: _fail,
}
"""Exception handlers of an application."""


class BodyLimit:
    """Refuses bodies above a limit as they arrive, whatever their announced length."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, but count the body's bytes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"")
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            if announced.isdigit() and int(announced[:20]) > self._limit:
                raise Rejected(BODY_TOO_LARGE, limit=self._limit)
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise Rejected(BODY_TOO_LARGE, limit=self._limit)
            return message

        await self._app(scope, counted, send)


_READS = ("GET", "HEAD", "OPTIONS")
_DEVELOPMENT = "/v1/dev/"


def guarded(app: ASGIApp) -> ASGIApp:
    """Return an application that takes orders from those alone who show the token; the same one if there is none."""
    known = token.bearer().get("authorization", "").encode()
    if not known:
        return app

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        reads = scope["type"] != "http" or (scope["method"] in _READS and _DEVELOPMENT not in scope["path"])
        shown = b"" if reads else dict(scope["headers"]).get(b"authorization", b"")
        if reads or hmac.compare_digest(shown, known):
            await app(scope, receive, send)
            return
        expected = {"expected": "Authorization: Bearer …", "hint": f"set {token.VARIABLE}"}
        refusal = Rejected(TOKEN_WRONG, **expected) if shown else Rejected(TOKEN_MISSING, **expected)
        await refuse(refusal)(scope, receive, send)

    return guard
