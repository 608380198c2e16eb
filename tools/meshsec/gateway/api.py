"""The routes of a gateway. Errors have the one shape of the whole project, `{code, message, facts}`; routes never catch."""

from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from meshsec.gateway.clock import Advance
from meshsec.gateway.events import read_positions
from meshsec.gateway.gateway import Gateway
from meshsec.gateway.registry import registry
from meshsec.gateway.rewind import Named
from meshsec.gateway.upstream import PATIENCE_SECONDS
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_node.version import VERSION
from meshsec_sdk import names
from meshsec_sdk.answers import PROMETHEUS, REFUSALS, Audience, BodyLimit, Endpoint, answer, strict
from meshsec_sdk.documents import JSON, Operation, document
from meshsec_sdk.problems import BAD_PARAMETER, read_body

PAGE = Path(__file__).parent / "page"
_MEDIA = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_PAGE_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
}


class Drip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the faucet is asked for."""

    chain: str
    address: str
    """Bech32, or a development name such as `alice`."""
    amount: int
    """Base units of the chain's coin."""


def build_app(gateway: Gateway) -> Starlette:
    """Build the application that serves one mesh."""
    routes = [
        *(Route(f"/page/{file.name}" if file.name != "index.html" else "/", _file(file)) for file in sorted(PAGE.iterdir())),
        *(Route(path, strict(endpoint, *query), methods=[method]) for method, path, endpoint, query in _routes(gateway)),
        Route("/chains/{name}", gateway.to_chain),
        Route("/chains/{name}/{path:path}", gateway.to_chain),
        Route("/relayers/{name}", gateway.to_relayer),
        Route("/relayers/{name}/{path:path}", gateway.to_relayer),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(BodyLimit, limit=gateway.settings.body_limit)],
        exception_handlers=REFUSALS,
    )
    app.router.redirect_slashes = False
    return app


def _document(gateway: Gateway) -> Endpoint:
    async def show(http: Request) -> Response:  # noqa: ARG001
        """Show this document."""
        bodies: dict[str, type[msgspec.Struct]] = {"/faucet": Drip, "/v1/clock": Advance, "/v1/snapshots": Named}
        operations = [
            Operation(
                method, path, (endpoint.__doc__ or "").strip(), bodies.get(path) if method == "POST" else None, query, media
            )
            for method, path, endpoint, query in _routes(gateway)
            if (media := PROMETHEUS if path == "/metrics" else JSON) and path != "/v1/events"
        ]
        return answer(document("meshsec gateway", VERSION, operations))

    return show


def _routes(gateway: Gateway) -> list[tuple[str, str, Endpoint, tuple[str, ...]]]:
    """List the gateway's own routes: method, path, what answers, and the query parameters it knows."""
    return [
        ("GET", "/openapi.json", _document(gateway), ()),
        ("GET", "/registry", _registry(gateway), ()),
        ("POST", "/faucet", _faucet(gateway), ()),
        ("GET", "/healthz", _healthz, ()),
        ("GET", "/readyz", _readyz(gateway), ()),
        ("GET", "/metrics", _metrics(gateway), ()),
        ("GET", "/v1/mesh", _mesh(gateway), ()),
        ("GET", "/v1/events", _events(gateway), ("since",)),
        ("GET", "/v1/clock", _clock(gateway), ()),
        ("POST", "/v1/clock", _advance(gateway), ()),
        ("GET", "/v1/snapshots", _snapshots(gateway), ()),
        ("POST", "/v1/snapshots", _save(gateway), ()),
        ("POST", "/v1/snapshots/{name}/revert", _revert(gateway), ()),
        ("DELETE", "/v1/snapshots/{name}", _delete(gateway), ()),
    ]


def _file(file: Path) -> Endpoint:
    content, media = file.read_bytes(), _MEDIA[file.suffix]

    async def page(http: Request) -> Response:  # noqa: ARG001
        return Response(content, headers=_PAGE_HEADERS, media_type=media)

    return page


async def _healthz(http: Request) -> Response:  # noqa: ARG001
    """Tell that the process answers."""
    return answer({"alive": True})


def _readyz(gateway: Gateway) -> Endpoint:
    async def readyz(http: Request) -> Response:  # noqa: ARG001
        """Tell whether every chain makes blocks and every relayer serves its paths; otherwise 503 and why not."""
        glance = await gateway.snapshots.take()
        reasons = [f"{name}: {_why(chain.reasons)}" for name, chain in glance.chains.items() if not chain.ready]
        reasons += [f"relayer {relayer.id}: {_why(relayer.reasons)}" for relayer in glance.relayers if not relayer.ready]
        if gateway.rewind.unfinished:
            reasons.append(f"the revert to {gateway.rewind.unfinished} is not finished")
        return answer({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    return readyz


def _why(reasons: tuple[str, ...]) -> str:
    return "; ".join(reasons) or "not ready"


def _registry(gateway: Gateway) -> Endpoint:
    async def show(http: Request) -> Response:
        """Show chains, ids, coins, keys, links, channels and addresses."""
        return answer(await registry(gateway, str(http.base_url).rstrip("/")))

    return show


def _mesh(gateway: Gateway) -> Endpoint:
    async def mesh(http: Request) -> Response:  # noqa: ARG001
        """Show the whole mesh at one glance."""
        return answer(await gateway.snapshots.take())

    return mesh


def _events(gateway: Gateway) -> Endpoint:
    audience = Audience()

    async def follow(http: Request) -> Response:
        """Stream the events of all chains behind `?since=` or `Last-Event-ID`."""
        text = http.query_params.get("since") or http.headers.get("last-event-id")
        return audience.answer(http, gateway.streams.read(read_positions(text, gateway.chains)))

    return follow


def _clock(gateway: Gateway) -> Endpoint:
    async def clock(http: Request) -> Response:  # noqa: ARG001
        """Show the mesh's clock."""
        return answer(await gateway.clock.read())

    return clock


def _advance(gateway: Gateway) -> Endpoint:
    async def advance(http: Request) -> Response:
        """Move the clock of every chain, keeping light clients alive; answer when it is done."""
        return answer(await gateway.clock.advance(read_body(await http.body(), Advance)))

    return advance


def _snapshots(gateway: Gateway) -> Endpoint:
    async def snapshots(http: Request) -> Response:  # noqa: ARG001
        """List the snapshots of the mesh."""
        return answer({"snapshots": gateway.rewind.list()})

    return snapshots


def _save(gateway: Gateway) -> Endpoint:
    async def save(http: Request) -> Response:
        """Save the whole mesh under a name."""
        return answer(await gateway.rewind.save(read_body(await http.body(), Named).name))

    return save


def _revert(gateway: Gateway) -> Endpoint:
    async def revert(http: Request) -> Response:
        """Bring the whole mesh back to a snapshot."""
        return answer(await gateway.rewind.revert(http.path_params["name"]))

    return revert


def _delete(gateway: Gateway) -> Endpoint:
    async def delete(http: Request) -> Response:
        """Forget a snapshot."""
        await gateway.rewind.delete(http.path_params["name"])
        return answer({"deleted": http.path_params["name"]})

    return delete


def _faucet(gateway: Gateway) -> Endpoint:
    async def faucet(http: Request) -> Response:
        """Send coins from the faucet; answer with the receipt."""
        asked = read_body(await http.body(), Drip)
        if not 0 < asked.amount < 2**63:
            raise Rejected(BAD_PARAMETER, name="amount", found=str(asked.amount)[:50], expected="1 or more base units")
        chain = gateway.chain(asked.chain)
        denom = gateway.settings.mesh.chain(chain.name).names.denom
        send = {"@type": "bank/Send", "to": asked.address, "denom": denom, "amount": asked.amount}
        order = codec.encode({"from": names.FAUCET, "msgs": [send]})
        status, receipt = await chain.exchange("POST", "/v1/dev/send", order, PATIENCE_SECONDS)
        return Response(receipt, status, media_type="application/json")

    return faucet


def _metrics(gateway: Gateway) -> Endpoint:
    async def metrics(http: Request) -> Response:  # noqa: ARG001
        """Show what Prometheus asks for."""
        return Response(gateway.metrics.text(), media_type=PROMETHEUS)

    return metrics
