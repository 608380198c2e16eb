"""The HTTP interface of a relayer: what it does, what each packet waits for, and orders."""

from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.responses import Response

from meshsec_relayer.engine.reports import packets, reasons, status, trace
from meshsec_relayer.metrics import Metrics
from meshsec_relayer.orders import ORDERS, read_order
from meshsec_relayer.runner import Runner
from meshsec_sdk.answers import REFUSALS, BodyLimit, Endpoint, answer
from meshsec_sdk.problems import check_query, json_body

BODY_LIMIT = 16_384
"""Bytes of an order."""


def build_app(runner: Runner) -> FastAPI:
    """Build the application that serves one relayer."""
    app = FastAPI(
        title=f"meshsec relayer {runner.engine.config.id}",
        redoc_url=None,
        exception_handlers=REFUSALS,
        dependencies=[Depends(_no_query)],
    )
    app.router.redirect_slashes = False
    app.add_middleware(BodyLimit, limit=BODY_LIMIT)
    engine, metrics = runner.engine, Metrics(runner.engine)

    @app.get("/healthz")
    async def healthz() -> Response:
        """Tell that the process answers."""
        return answer({"alive": True})

    @app.get("/readyz")
    async def readyz() -> Response:
        """Tell whether every chain answers and every path is open; otherwise 503 and why not."""
        found = reasons(engine)
        return answer({"ready": not found, "reasons": found}, 503 if found else 200)

    @app.get("/v1/status")
    async def show_status() -> Response:
        """Show chains, paths with their channels, orders in force, and how many packets are under way."""
        return answer(status(engine))

    @app.get("/v1/packets")
    async def show_packets() -> Response:
        """List the packets under way, and what each waits for."""
        return answer({"packets": packets(engine)})

    @app.get("/v1/packets/{packet}/trace")
    async def show_trace(packet: str) -> Response:
        """Tell a packet's story; its id is `chain:port:channel:sequence`, named after the end that sent it."""
        return answer(trace(engine, packet))

    @app.get("/metrics")
    async def show_metrics() -> Response:
        """Show what Prometheus asks for."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    for name, order in ORDERS.items():
        app.post(f"/v1/{name}", description=order.help, name=name)(_order(runner, name))
    return app


async def _no_query(request: Request) -> None:
    check_query(request.query_params, ())


def _order(runner: Runner, name: str) -> Endpoint:
    async def take(request: Request) -> Response:
        runner.order(read_order(name, json_body(await request.body() or b"{}")))
        return answer(status(runner.engine))

    return take
