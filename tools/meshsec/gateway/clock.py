"""The mesh-wide clock: all chains move together, in jumps that keep light clients alive.

A header's time lags one block behind the clock, so every chain makes two blocks after each jump; then the relayers refresh their
clients before the next one. A jump is half of the trusting period (14 days by default), so no client expires on the way.
"""

import asyncio
from collections.abc import Mapping

import msgspec

from meshsec.gateway.upstream import PATIENCE_SECONDS, Upstream
from meshsec.rest import ChainStatus
from meshsec.world.jumps import LONGEST, jumps
from meshsec_core.kernel.errors import Rejected
from meshsec_relayer.engine.reports import StatusReport
from meshsec_sdk.problems import BAD_PARAMETER
from meshsec_sdk.quantities import duration

CLIENTS_WOULD_EXPIRE = "clock/clients-would-expire"

MOST_JUMPS = 2_000
LOOK_SECONDS = 0.03
"""Between two looks at a relayer that is busy."""
QUIET_SECONDS = 20.0
"""How long to wait for a relayer that works without end."""
UNREADY_SECONDS = 2.0
"""How long to wait for one that cannot serve all its paths: the others are served meanwhile."""


class Advance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to move the clock."""

    advance: str
    """A duration such as `21d`, nanoseconds, or blocks such as `5blocks`."""
    relay: bool = True
    """Let the relayers finish what is in flight before the first jump."""
    keep_alive: bool = True
    """Cut the way into jumps and let the relayers refresh their clients after each; else it is one jump."""


class ChainClock(msgspec.Struct, frozen=True):
    """The clock as one chain has it."""

    offset: int
    """Logical time minus wall time, nanoseconds."""
    now: int
    """Logical time, nanoseconds."""
    height: int


class Mined(msgspec.Struct, frozen=True):
    """A chain after some blocks."""

    height: int


class Reading(msgspec.Struct, frozen=True):
    """The mesh's clock."""

    offset: int
    """Of the chain that is furthest ahead; the others follow with the next jump."""
    now: int
    chains: dict[str, ChainClock]
    warnings: tuple[str, ...] = ()
    """What did not go as it should while the clock was moved."""


class MeshClock:
    """Moves time on every chain of a mesh."""

    def __init__(self, chains: Mapping[str, Upstream], relayers: Mapping[str, Upstream]) -> None:
        self._chains = chains
        self._relayers = relayers
        self.turn = asyncio.Lock()
        """Is held by whoever moves the mesh as a whole."""

    async def read(self, warnings: tuple[str, ...] = ()) -> Reading:
        """Read the clock of every chain.

        Raises:
            Rejected: `gateway/unreachable-chain`, or what a chain refuses with.
        """
        read = await asyncio.gather(*(chain.get("/v1/dev/clock", ChainClock) for chain in self._chains.values()))
        ahead = max(read, key=lambda clock: clock.offset)
        return Reading(ahead.offset, ahead.now, dict(zip(self._chains, read, strict=True)), warnings)

    async def advance(self, asked: Advance) -> Reading:
        """Move the clock of the whole mesh; one caller at a time.

        Raises:
            Rejected: `http/bad-parameter`; `gateway/unreachable-chain` before anything has moved; `clock/clients-would-expire`
                with how far it got.
        """
        blocks, nanoseconds = _amount(asked.advance)
        async with self.turn:
            start = await self.read()
            warnings: dict[str, None] = {}
            if blocks:
                path, body = "/v1/dev/mine", {"blocks": blocks}
                await asyncio.gather(*(chain.post(path, body, Mined, PATIENCE_SECONDS) for chain in self._chains.values()))
                return await self.read()
            if asked.relay:
                await self._quiet(warnings)
            moved = 0
            for jump in jumps(nanoseconds, keep_alive=asked.keep_alive):
                if asked.keep_alive:
                    await self._check_clients(jump, moved)
                moved += jump
                await self._move(start.offset + moved, warnings)
                if asked.keep_alive:
                    await self._quiet(warnings)
            return await self.read(tuple(warnings))

    async def _move(self, offset: int, warnings: dict[str, None]) -> None:
        """Set every chain's clock; each makes two blocks, unless it cannot make any."""

        async def move(chain: Upstream) -> None:
            status = await chain.get("/v1/status", ChainStatus)
            seconds = PATIENCE_SECONDS if status.ready else UNREADY_SECONDS
            try:
                await chain.post("/v1/dev/clock", {"offset": offset}, ChainClock, seconds)
            except Rejected as refusal:
                if status.ready:
                    raise
                warnings[f"{chain.name} makes no blocks: {'; '.join(status.reasons) or refusal.code}"] = None

        await asyncio.gather(*map(move, self._chains.values()))

    async def _quiet(self, warnings: dict[str, None]) -> None:
        """Wait until no chain has a block due, and every relayer that works has read all blocks and has nothing left to do."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while True:
            before = await self._statuses()
            busy = [name for name, status in before.items() if status.ready and not status.quiet]
            patience = QUIET_SECONDS
            for name, relayer in self._relayers.items():
                report = await _report(relayer)
                if report is None or report.paused:
                    said = "is paused" if report else "does not answer"
                    warnings[f"relayer {name} {said}: it refreshes no clients"] = None
                    continue
                behind = any(report.chains[chain].scanned < status.height for chain, status in before.items())
                if behind or not report.idle:
                    busy.append(f"relayer {name}")
                    patience = QUIET_SECONDS if report.ready else UNREADY_SECONDS
                    await self._mine_for(report, before)
            if not busy and _heights(await self._statuses()) == _heights(before):
                return
            if loop.time() - begun > patience:
                warnings[f"{', '.join(busy) or 'the mesh'} did not come to rest"] = None
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _mine_for(self, report: StatusReport, statuses: Mapping[str, ChainStatus]) -> None:
        """Make the blocks that a relayer waits for, on chains that make none by themselves."""
        for name in report.waits_for:
            if statuses[name].block_mode == "manual":
                await self._chains[name].post("/v1/dev/mine", {"blocks": 1}, Mined, PATIENCE_SECONDS)

    async def _check_clients(self, jump: int, moved: int) -> None:
        """Refuse a jump that would let a client expire.

        Raises:
            Rejected: `clock/clients-would-expire`.
        """
        for relayer in self._relayers.values():
            report = await _report(relayer)
            if report is None or report.paused:
                continue
            for path in report.paths.values():
                for host, client in path.clients.items():
                    now = report.chains[host].time
                    if path.ready and now < client.expires_at <= now + jump:
                        raise Rejected(
                            CLIENTS_WOULD_EXPIRE,
                            chain=host,
                            client=client.id,
                            advanced=moved,
                            hint='look at the relayer, or ask with "keep_alive": false',
                        )

    async def _statuses(self) -> dict[str, ChainStatus]:
        found = await asyncio.gather(*(chain.get("/v1/status", ChainStatus) for chain in self._chains.values()))
        return dict(zip(self._chains, found, strict=True))


async def _report(relayer: Upstream) -> StatusReport | None:
    try:
        return await relayer.get("/v1/status", StatusReport)
    except Rejected:
        return None


def _heights(statuses: Mapping[str, ChainStatus]) -> list[int]:
    return [status.height for status in statuses.values()]


def _amount(text: str) -> tuple[int, int]:
    """Return (blocks, nanoseconds) of which one is zero.

    Raises:
        Rejected: `http/bad-parameter`.
    """
    blocks = text.removesuffix("blocks").strip()
    if blocks != text and blocks.isdecimal() and len(blocks) < 5:
        return int(blocks), 0
    found = int(text) if text.isdecimal() and len(text) < 20 else duration(text)
    if found is None or found > MOST_JUMPS * LONGEST:
        raise Rejected(BAD_PARAMETER, name="advance", found=text[:50], expected="such as 90s, 12h, 21d (up to 10000d) or 5blocks")
    return 0, found
