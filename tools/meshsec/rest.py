"""Tells whether a mesh of processes is at rest: nothing due on any chain, and nothing left to do for any relayer."""

import subprocess
import time
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from meshsec.home import Home, Running
from meshsec.launch import Launch, hear, hear_listening
from meshsec.world.base import STUCK
from meshsec.world.chain import accepted
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.transport import UNREACHABLE, HttpTransport, Transport

AUTO = "auto"
LOOK_SECONDS = 0.02
"""Between two looks at the mesh."""
PATIENCE_SECONDS = 60.0
"""After so long without coming to rest a mesh is called stuck."""


class ChainStatus(msgspec.Struct, frozen=True):
    """What is asked of a chain's status."""

    height: int
    quiet: bool
    ready: bool
    block_mode: str
    reasons: tuple[str, ...] = ()


class Seen(msgspec.Struct, frozen=True):
    """What is asked of a relayer about a chain."""

    scanned: int


class RelayerStatus(msgspec.Struct, frozen=True):
    """What is asked of a relayer's status."""

    ready: bool
    idle: bool
    pending: int
    chains: dict[str, Seen]
    waits_for: tuple[str, ...]


def await_ready(process: subprocess.Popen[bytes], home: Home, launch: Launch) -> Running:
    """Wait until a mesh that was just begun is ready: chains make blocks, channels are open, relayers idle, the page is served.

    Whatever the block mode is to be, chains make blocks on demand until then.

    Raises:
        Rejected: what the supervisor or a process was refused, `world/stuck`.
    """
    hear_listening(process)
    running = home.running()
    urls = running.endpoints
    chains = {name: HttpTransport(url) for name, url in urls.chains.items()}
    relayers = {name: HttpTransport(url) for name, url in urls.relayers.items()}
    gateway = HttpTransport(urls.gateway)
    try:
        mesh, watch = Mesh(chains, relayers), partial(hear, process, 0)
        if launch.block_mode != AUTO:
            Mesh(chains, {}).wait(watch=watch)
            _set_mode(chains, AUTO, launch.block_time)
        mesh.wait(ready=True, watch=watch)
        if launch.block_mode != AUTO:
            _set_mode(chains, launch.block_mode, launch.block_time)
        accepted(*gateway.get("/healthz"))
    finally:
        for transport in (*chains.values(), *relayers.values(), gateway):
            transport.close()
    return running


def _set_mode(chains: Mapping[str, Transport], mode: str, block_time: int) -> None:
    for transport in chains.values():
        accepted(*transport.post("/v1/dev/block-mode", {"mode": mode, "block_time": block_time}))


class Mesh:
    """The HTTP interfaces of a mesh.

    Args:
        chains: short name to interface.
        relayers: id to interface.
    """

    def __init__(self, chains: Mapping[str, Transport], relayers: Mapping[str, Transport]) -> None:
        self.chains = chains
        self.relayers = relayers

    def wait(self, *, ready: bool = False, seconds: float = PATIENCE_SECONDS, watch: Callable[[], object] = lambda: None) -> None:
        """Wait until the mesh is at rest.

        Args:
            ready: wait also until every path of every relayer is open.
            seconds: how long.
            watch: is called between two looks.

        Raises:
            Rejected: `world/stuck` with what it waits for; or what `watch` raises.
        """
        deadline = time.monotonic() + seconds
        while waits := self._look(ready=ready):
            if time.monotonic() > deadline:
                raise Rejected(STUCK, waits="; ".join(waits)[:1000], seconds=int(seconds))
            watch()
            time.sleep(LOOK_SECONDS)

    def _look(self, *, ready: bool) -> list[str]:
        try:
            return self.look(ready=ready)
        except Rejected as refusal:
            if refusal.code != UNREACHABLE:
                raise
            return [f"{refusal.facts['url']} does not answer"]

    def look(self, *, ready: bool) -> list[str]:
        """Return what the mesh waits for; nothing if it is at rest."""
        before = self._statuses()
        waits = [f"{name} makes blocks" for name, status in before.items() if status.ready and not status.quiet]
        waits += [f"{name}: {'; '.join(status.reasons)}" for name, status in before.items() if ready and not status.ready]
        for name, transport in self.relayers.items():
            report = codec.convert(accepted(*transport.get("/v1/status")), RelayerStatus)
            behind = [chain for chain, status in before.items() if report.chains[chain].scanned < status.height]
            if not report.idle or behind or (ready and not report.ready):
                what = f"reads {', '.join(behind)}" if behind else f"works on {report.pending} packets"
                waits.append(f"relayer {name} {what if report.ready else 'opens channels'}")
                self._mine_for(report, before)
        if not waits and self._heights(self._statuses()) != self._heights(before):
            return ["new blocks"]
        return waits

    def _mine_for(self, report: RelayerStatus, statuses: Mapping[str, ChainStatus]) -> None:
        """Make the blocks that a relayer waits for, on chains that make none by themselves."""
        for chain in report.waits_for:
            if statuses[chain].block_mode == "manual":
                accepted(*self.chains[chain].post("/v1/dev/mine", {"blocks": 1}))

    def _statuses(self) -> dict[str, ChainStatus]:
        return {name: codec.convert(accepted(*found.get("/v1/status")), ChainStatus) for name, found in self.chains.items()}

    def _heights(self, statuses: Mapping[str, ChainStatus]) -> list[tuple[str, int]]:
        return [(name, status.height) for name, status in statuses.items()]
