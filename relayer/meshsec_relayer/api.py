"""The HTTP interface of a relayer: what it does, what each packet waits for, and orders."""

from collections.abc import Iterator

import msgspec
from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_relayer.engine.boundary import Image
from meshsec_relayer.engine.reports import packets, reasons, status, trace
from meshsec_relayer.metrics import Metrics
from meshsec_relayer.orders import ORDERS, read_order
from meshsec_relayer.runner import Runner
from meshsec_relayer.store import reborn
from meshsec_sdk.answers import PROMETHEUS, REFUSALS, BodyLimit, Endpoint, answer
from meshsec_sdk.documents import JSON, Operation, document
from meshsec_sdk.problems import BAD_PARAMETER, check_query, json_body, read_body
from meshsec_sdk.quantities import duration

BODY_LIMIT = 262_144
"""Bytes of an order; an image is the longest."""
LONGEST_FREEZE = 60
"""Seconds."""


class Freeze(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `freeze`."""

    duration: str


class Life(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `restore`."""

    image: Image
    generation: int
    """Of all chains, now."""


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
        return Response(metrics.text(), media_type=PROMETHEUS)

    @app.post("/v1/freeze")
    async def freeze(request: Request) -> Response:
        """Send nothing more for a while (`0s` ends it); answer with the durable image once nothing is under way."""
        text = read_body(await request.body(), Freeze).duration
        nanoseconds = duration(text)
        if nanoseconds is None or nanoseconds > LONGEST_FREEZE * SECOND:
            raise Rejected(BAD_PARAMETER, name="duration", found=text[:50], expected=f"such as 5s, at most {LONGEST_FREEZE}s")
        return answer(await runner.freeze(nanoseconds / SECOND))

    @app.post("/v1/restore")
    async def restore(request: Request) -> Response:
        """Begin a new life from an image that `freeze` gave, on chains that went back to that moment."""
        asked = read_body(await request.body(), Life)
        runner.restore(reborn(asked.image, asked.generation))
        return answer(status(engine))

    for name, order in ORDERS.items():
        app.post(f"/v1/{name}", description=order.help, name=name)(_order(runner, name))
    app.openapi = lambda: document(app.title, app.version, _operations(app))  # type: ignore[method-assign]
    return app


def _operations(app: FastAPI) -> Iterator[Operation]:
    """List the routes of an application as what is published of them."""
    bodies: dict[str, type[msgspec.Struct]] = {f"/v1/{name}": order.parameters for name, order in ORDERS.items()}
    bodies.update({"/v1/freeze": Freeze, "/v1/restore": Life})
    for route in app.routes:
        if isinstance(route, APIRoute):
            media = PROMETHEUS if route.path == "/metrics" else JSON
            for method in sorted(route.methods or ()):
                yield Operation(method, route.path, route.description, bodies.get(route.path), media=media)


async def _no_query(request: Request) -> None:
    check_query(request.query_params, ())


def _order(runner: Runner, name: str) -> Endpoint:
    async def take(request: Request) -> Response:
        runner.order(read_order(name, json_body(await request.body() or b"{}")))
        return answer(status(runner.engine))

    return take
