"""Hands requests on to a chain or relayer as they came, and their answers back as they came.

Streams of events flow through as they are written; every other answer is read as a whole first, so that one that breaks off
becomes a clear problem and not half an answer.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from meshsec.gateway.metrics import Metrics
from meshsec.gateway.upstream import Upstream
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.answers import EVENT_STREAM

_OF_A_CONNECTION = frozenset(
    {
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that speak of one connection and not of the message (RFC 9110, 7.6.1)."""


class Proxy:
    """Serves everything under a prefix such as `/chains/osmosis`.

    Args:
        find: returns who a name stands for, or refuses.
        metrics: counts what is handed on.
    """

    def __init__(self, find: Callable[[str], Upstream], metrics: Metrics) -> None:
        self._find = find
        self._metrics = metrics
        self._open: dict[httpx.Response, None] = {}
        self._closing: list[asyncio.Future[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        request = Request(scope, receive)
        upstream = self._find(request.path_params["name"])
        try:
            response = await self._hand_on(request, upstream)
        except Rejected:
            self._metrics.proxied(upstream.kind, upstream.name, 503)
            raise
        self._metrics.proxied(upstream.kind, upstream.name, response.status_code)
        await response(scope, receive, send)

    async def _hand_on(self, request: Request, upstream: Upstream) -> Response:
        headers = {name: value for name, value in request.headers.items() if name not in _OF_A_CONNECTION}
        body = await request.body()
        answer = await upstream.open(request.method, _target(request.scope), headers, body)
        kept = {name: value for name, value in answer.headers.items() if name not in _OF_A_CONNECTION}
        if answer.headers.get("content-type", "").startswith(EVENT_STREAM):
            return StreamingResponse(self._pieces(answer), answer.status_code, kept)
        return Response(await upstream.whole(answer), answer.status_code, kept)

    async def _pieces(self, answer: httpx.Response) -> AsyncIterator[bytes]:
        """Yield a stream's bytes; when it breaks off it ends, and the reader comes back with its last id."""
        self._open[answer] = None
        try:
            async for piece in answer.aiter_raw():
                yield piece
        except httpx.HTTPError:
            return
        finally:
            self._open.pop(answer, None)
            await answer.aclose()

    def stop(self) -> None:
        """End the streams that flow through."""
        self._closing = [asyncio.ensure_future(answer.aclose()) for answer in self._open]


def _target(scope: Scope) -> str:
    """Return path and query behind `/chains/{name}`, spelled as they came."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    rest = raw.split(b"?", 1)[0].split(b"/", 3)[3:]
    query: bytes = scope["query_string"]
    return ("/" + (rest[0] if rest else b"").decode("latin-1")) + ("?" + query.decode("latin-1") if query else "")
