"""The HTTP face of a chain: an application factory that registers the one table of routes, and what only a server can do.

Bad input is answered with 4xx in one shape, `{code, message, facts}`: routes raise `Rejected` and never catch.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as HttpRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_node.orders import ORDERS, WAIT_SECONDS, Order
from meshsec_node.runner import Runner
from meshsec_node.stream import read_since, stream
from meshsec_node.version import VERSION
from meshsec_node.views import txs
from meshsec_node.views.chain import receipt_fields
from meshsec_node.views.routes import (
    BAD_PARAMETER,
    BODY_TOO_LARGE,
    MALFORMED_HTTP,
    NO_METHOD,
    NO_ROUTE,
    NOT_DEVELOPMENT,
    Reply,
    Request,
    Route,
    check_request,
    problem,
    status_of,
)
from meshsec_node.views.table import ROUTES

INTERNAL = "node/internal"

Endpoint = Callable[[HttpRequest], Awaitable[Response]]


def build_app(runner: Runner) -> FastAPI:
    """Build the application that serves one chain."""
    routes = [HttpRoute(route.path, _endpoint(runner, route), methods=[route.method]) for route in ROUTES]
    routes[:0] = [HttpRoute(path, _order(runner, order), methods=[method]) for (method, path), (order, _) in ORDERS.items()]
    routes.append(HttpRoute("/v1/events", _events(runner), methods=["GET"]))
    routes.append(HttpRoute("/metrics", _metrics(runner), methods=["GET"]))
    app = FastAPI(title=f"meshsec {runner.replica.genesis.chain_id}", version=VERSION, routes=list(routes), redoc_url=None)
    app.router.redirect_slashes = False
    app.add_exception_handler(Rejected, _refuse)
    app.add_exception_handler(HTTPException, _refuse_http)
    app.add_exception_handler(Exception, _fail)
    app.add_middleware(BodyLimit, limit=runner.settings.body_limit)
    app.openapi = lambda: _document(app.title)  # type: ignore[method-assign]
    return app


def _document(title: str) -> dict[str, Any]:
    """Write the OpenAPI document; the shapes cost a chain 50 ms and some MiB, so they are loaded only when somebody asks."""
    from meshsec_node.openapi import document

    return document(title)


def _endpoint(runner: Runner, route: Route) -> Endpoint:
    """Serve one entry of the table."""

    async def endpoint(http: HttpRequest) -> Response:
        request = await _read(http)
        check_request(route, runner, request)
        if route.view is txs.submit:
            return _spell(await _submit(runner, request))
        if route.view is txs.batch:
            await runner.verify_ahead(txs.split(request.body))
        return _spell(route.view(runner, request))

    return endpoint


def _order(runner: Runner, order: Order) -> Endpoint:
    """Serve an order, in development only."""

    async def endpoint(http: HttpRequest) -> Response:
        if not runner.development:
            raise Rejected(NOT_DEVELOPMENT, path=http.url.path[:200])
        return _spell(await order(runner, await _read(http)))

    return endpoint


async def _submit(runner: Runner, request: Request) -> Reply:
    wait = request.query.get("wait")
    if wait not in (None, "commit"):
        raise Rejected(BAD_PARAMETER, name="wait", found=wait[:50], expected="commit")
    accepted = txs.submit(runner, request)
    if wait is None:
        return accepted
    receipt = await runner.receipt_of(bytes.fromhex(accepted.body["hash"]), WAIT_SECONDS)
    return accepted if receipt is None else Reply(receipt_fields(receipt))


def _events(runner: Runner) -> Endpoint:
    async def events(http: HttpRequest) -> Response:
        text = http.query_params.get("since") or http.headers.get("last-event-id")
        since = read_since(text, runner.replica.height)
        return StreamingResponse(stream(runner, since), media_type="text/event-stream", headers={"cache-control": "no-store"})

    return events


def _metrics(runner: Runner) -> Endpoint:
    async def metrics(http: HttpRequest) -> Response:  # noqa: ARG001
        runner.metrics.waiting.set(runner.replica.waiting)
        runner.metrics.ready.set(not runner.reasons())
        return Response(runner.metrics.text(), media_type="text/plain; version=0.0.4")

    return metrics


async def _read(http: HttpRequest) -> Request:
    body = await http.body() if http.method == "POST" else b""
    return Request(dict(http.path_params), dict(http.query_params), body)


def _spell(reply: Reply) -> Response:
    return Response(codec.encode(reply.body), reply.status, media_type="application/json")


async def _refuse(http: HttpRequest, refusal: Exception) -> Response:  # noqa: ARG001
    if not isinstance(refusal, Rejected):
        raise refusal
    return _spell(Reply(problem(refusal), status_of(refusal.code)))


async def _refuse_http(http: HttpRequest, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 400
    facts = {"path": http.url.path[:200], "method": http.method}
    match status:
        case 404:
            refusal = Rejected(NO_ROUTE, **facts)
        case 405:
            refusal = Rejected(NO_METHOD, **facts)
        case _:
            refusal = Rejected(MALFORMED_HTTP, **facts)
    return _spell(Reply(problem(refusal), status))


async def _fail(http: HttpRequest, error: Exception) -> Response:
    """Answer for a bug of ours; the log has the rest."""
    structlog.get_logger().error("request failed", path=http.url.path[:200], exc_info=error)
    return _spell(Reply(problem(Rejected(INTERNAL, kind=type(error).__name__)), 500))


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
