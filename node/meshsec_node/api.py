"""The HTTP face of a chain: an application factory that registers the one table of routes, and what only a server can do.

Bad input is answered with 4xx in one shape, `{code, message, facts}`: routes raise `Rejected` and never catch.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Mount
from starlette.routing import Route as HttpRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from meshsec_core.kernel.errors import Rejected
from meshsec_core.runtime.module import Machine
from meshsec_node.orders import ORDERS, WAIT_SECONDS, Order
from meshsec_node.runner import Runner
from meshsec_node.storage import DiskFailed
from meshsec_node.stream import latest, read_since, stream
from meshsec_node.version import VERSION
from meshsec_node.views import txs
from meshsec_node.views.chain import receipt_fields
from meshsec_node.views.forks import find_branch
from meshsec_node.views.routes import NOT_DEVELOPMENT, Reply, Request, Route, check_request
from meshsec_node.views.table import routes_of
from meshsec_sdk.answers import PROMETHEUS, REFUSALS, Audience, BodyLimit, Endpoint, answer, refuse, strict
from meshsec_sdk.problems import BAD_PARAMETER


def build_app(runner: Runner) -> FastAPI:
    """Build the application that serves one chain."""
    routes: list[HttpRoute | Mount] = [
        HttpRoute(route.path, _endpoint(runner, route), methods=[route.method]) for route in routes_of(runner.replica.machine)
    ]
    routes[:0] = [
        HttpRoute(path, strict(_order(runner, order)), methods=[method]) for (method, path), (order, _) in ORDERS.items()
    ]
    routes.append(HttpRoute("/v1/events", strict(_events(runner), "since", "only")))
    if runner.base is None:
        routes.append(Mount("/branches/{branch}", app=_branches(runner)))
    routes.append(HttpRoute("/metrics", strict(_metrics(runner))))
    title = f"meshsec {runner.replica.genesis.chain_id}"
    app = FastAPI(
        title=title,
        version=VERSION,
        routes=list(routes),
        redoc_url=None,
        exception_handlers={**REFUSALS, DiskFailed: _given_up(runner)},
    )
    app.router.redirect_slashes = False
    app.add_middleware(BodyLimit, limit=runner.settings.body_limit)
    app.openapi = lambda: _document(app.title, runner.replica.machine)  # type: ignore[method-assign]
    return app


def _given_up(runner: Runner) -> Callable[[HttpRequest, Any], Coroutine[Any, Any, Response]]:
    async def give_up(http: HttpRequest, failure: DiskFailed) -> Response:  # noqa: ARG001
        """Answer with what the disk said, and end."""
        runner.give_up(failure.refusal)
        return refuse(failure.refusal)

    return give_up


def _branches(runner: Runner) -> ASGIApp:
    """Hand what is asked of a branch to the branch, in development only."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if not runner.development:
            raise Rejected(NOT_DEVELOPMENT, path=scope["path"][:200])
        name = scope["path_params"]["branch"]
        find_branch(runner, name)
        branch = runner.branches[name]
        if branch.face is None:
            branch.face = build_app(branch)
        await branch.face(scope, receive, send)

    return serve


def _document(title: str, machine: Machine) -> dict[str, Any]:
    """Write the OpenAPI document; the shapes cost a chain 50 ms and some MiB, so they are loaded only when somebody asks."""
    from meshsec_node.openapi import document

    return document(title, machine)


def _endpoint(runner: Runner, route: Route) -> Endpoint:
    """Serve one entry of the table."""

    async def endpoint(http: HttpRequest) -> Response:
        request = await _read(http)
        check_request(route, runner, request)
        if route.view is txs.submit:
            return _spell(await _submit(runner, request))
        if route.view is txs.batch:
            await runner.ahead.verify(runner.replica.app.reader.read, txs.split(request.body))
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
    audience = Audience()

    async def follow(http: HttpRequest) -> Response:
        text = http.query_params.get("since") or http.headers.get("last-event-id")
        return audience.answer(http, stream(runner, read_since(text, latest(runner)), http.query_params.get("only")))

    return follow


def _metrics(runner: Runner) -> Endpoint:
    async def metrics(http: HttpRequest) -> Response:  # noqa: ARG001
        runner.metrics.waiting.set(runner.replica.waiting)
        runner.metrics.ready.set(not runner.reasons())
        runner.metrics.holds(runner.replica.state.keys())
        return Response(runner.metrics.text(), media_type=PROMETHEUS)

    return metrics


async def _read(http: HttpRequest) -> Request:
    body = await http.body() if http.method == "POST" else b""
    return Request(dict(http.path_params), dict(http.query_params), body)


def _spell(reply: Reply) -> Response:
    return answer(reply.body, reply.status)
