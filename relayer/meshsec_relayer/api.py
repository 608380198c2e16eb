"""The HTTP interface of a relayer: what it does, what each packet waits for, and orders."""

from collections.abc import Awaitable, Callable

import msgspec
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_relayer.engine.reports import packets, reasons, status, trace
from meshsec_relayer.metrics import Metrics
from meshsec_relayer.orders import ORDERS, read_order
from meshsec_relayer.runner import Runner

MALFORMED_BODY = "http/malformed-body"
BODY_TOO_LARGE = "http/body-too-large"

BODY_LIMIT = 16_384
"""Bytes of an order."""

_STATUS = {"packet/not-found": 404, "http/not-found": 404, BODY_TOO_LARGE: 413, MALFORMED_BODY: 400, "codec/malformed": 400}

Endpoint = Callable[[Request], Awaitable[Response]]


def build_app(runner: Runner) -> FastAPI:
    """Build the application that serves one relayer."""
    app = FastAPI(title=f"meshsec relayer {runner.engine.config.id}", redoc_url=None)
    engine, metrics = runner.engine, Metrics(runner.engine)

    @app.get("/healthz")
    async def healthz() -> Response:
        """Tell that the process answers."""
        return _spell({"alive": True})

    @app.get("/readyz")
    async def readyz() -> Response:
        """Tell whether every chain answers and every path is open; otherwise 503 and why not."""
        found = reasons(engine)
        return _spell({"ready": not found, "reasons": found}, 503 if found else 200)

    @app.get("/v1/status")
    async def show_status() -> Response:
        """Show chains, paths with their channels, orders in force, and how many packets are under way."""
        return _spell(status(engine))

    @app.get("/v1/packets")
    async def show_packets() -> Response:
        """List the packets under way, and what each waits for."""
        return _spell({"packets": packets(engine)})

    @app.get("/v1/packets/{packet}/trace")
    async def show_trace(packet: str) -> Response:
        """Tell a packet's story; its id is `chain:port:channel:sequence`, named after the end that sent it."""
        return _spell(trace(engine, packet))

    @app.get("/metrics")
    async def show_metrics() -> Response:
        """Show what Prometheus asks for."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    for name, (_, help_text) in ORDERS.items():
        app.post(f"/v1/{name}", description=help_text, name=name)(_order(runner, name))
    app.add_exception_handler(Rejected, _refuse)
    app.add_exception_handler(HTTPException, _refuse_http)
    return app


def _order(runner: Runner, name: str) -> Endpoint:
    async def take(request: Request) -> Response:
        raw = await request.body()
        if len(raw) > BODY_LIMIT:
            raise Rejected(BODY_TOO_LARGE, limit=BODY_LIMIT)
        try:
            parameters = msgspec.json.decode(raw) if raw else None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Rejected(MALFORMED_BODY, detail=str(error)[:200]) from None
        runner.order(read_order(name, parameters))
        return _spell(status(runner.engine))

    return take


def _spell(value: object, code: int = 200) -> Response:
    return Response(codec.encode(value), code, media_type="application/json")


async def _refuse(request: Request, error: Exception) -> Response:  # noqa: ARG001
    if not isinstance(error, Rejected):
        raise error
    facts = {name: str(value) for name, value in error.facts.items()}
    return _spell({"code": error.code, "message": str(error), "facts": facts}, _STATUS.get(error.code, 422))


async def _refuse_http(request: Request, error: Exception) -> Response:
    status_code = error.status_code if isinstance(error, HTTPException) else 500
    code = {404: "http/not-found", 405: "http/method-not-allowed"}.get(status_code, "http/refused")
    facts = {"path": request.url.path[:200], "method": request.method}
    return _spell({"code": code, "message": code.rpartition("/")[2].replace("-", " "), "facts": facts}, status_code)
