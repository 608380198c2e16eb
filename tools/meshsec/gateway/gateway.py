"""What a gateway is made of: connections to every chain and relayer, streams, snapshots and the clock."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from meshsec.gateway.clock import MeshClock
from meshsec.gateway.events import Recent, Streams
from meshsec.gateway.metrics import Metrics
from meshsec.gateway.proxy import Proxy
from meshsec.gateway.rewind import Rewind
from meshsec.gateway.settings import GatewaySettings
from meshsec.gateway.snapshot import Snapshots
from meshsec.gateway.upstream import UNKNOWN_CHAIN, UNKNOWN_RELAYER, Upstream
from meshsec.kept import Shelf
from meshsec_core.kernel.errors import Rejected

IDLE_CONNECTIONS = 64
IDLE_SECONDS = 20.0
"""How many connections are kept open between requests, and for how long."""


class Gateway:
    """One running gateway. Use it as an async context manager."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=IDLE_CONNECTIONS, keepalive_expiry=IDLE_SECONDS)
        secure = any(url.startswith("https:") for url in (*settings.chains.values(), *settings.relayers.values()))
        self._http = httpx.AsyncClient(limits=limits, trust_env=False, verify=secure, follow_redirects=False)
        chains = {chain.name: settings.chains[chain.name] for chain in settings.mesh.chains}
        self.chains = self._upstreams("chain", chains)
        self.relayers = self._upstreams("relayer", settings.relayers)
        self.streams = Streams(self.chains)
        self.recent = Recent(self.chains, self._signed_again)
        self.snapshots = Snapshots(settings.mesh, self.chains, self.relayers, self.recent)
        self.clock = MeshClock(self.chains, self.relayers)
        shelf = Shelf(Path(settings.home)) if settings.home else None
        self.rewind = Rewind(self.chains, self.relayers, shelf, self.clock.turn)
        self.metrics = Metrics(self.streams)
        self.to_chain = Proxy(self.chain, self.metrics)
        self.to_relayer = Proxy(self.relayer, self.metrics)
        self._tasks: list[asyncio.Task[None]] = []

    def _upstreams(self, kind: str, urls: Mapping[str, str]) -> dict[str, Upstream]:
        return {name: Upstream(kind, name, url, self._http) for name, url in urls.items()}

    def _signed_again(self, chain: str, marks: tuple[bytes, ...]) -> None:
        self.rewind.lift(chain, marks)

    def chain(self, name: str) -> Upstream:
        """Return a chain by short name or chain id.

        Raises:
            Rejected: `gateway/unknown-chain`.
        """
        for chain in self.settings.mesh.chains:
            if name in (chain.name, chain.names.chain_id):
                return self.chains[chain.name]
        raise Rejected(UNKNOWN_CHAIN, chain=name[:100], known=", ".join(self.chains))

    def relayer(self, name: str) -> Upstream:
        """Return a relayer by id.

        Raises:
            Rejected: `gateway/unknown-relayer`.
        """
        if name not in self.relayers:
            raise Rejected(UNKNOWN_RELAYER, relayer=name[:100], known=", ".join(self.relayers))
        return self.relayers[name]

    def stop(self) -> None:
        """End every stream of events."""
        self.streams.stop()
        self.recent.stop()
        self.rewind.stop()
        self.to_chain.stop()
        self.to_relayer.stop()

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self.recent.run()), asyncio.create_task(self.rewind.finish())]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()
