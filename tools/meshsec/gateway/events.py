"""The events of all chains as one stream of server-sent events, resumable.

The id of every entry tells how far each chain has been read: `osmosis:0-12-3;juno:0-9-1`, in the words of the chains' own ids. A
reader that comes back with it misses nothing and sees nothing twice; chains that it does not name start at their latest block.
Entries of one chain keep their order; between chains there is none. `gateway/silent` and `gateway/heard` tell that a chain's
stream broke and that it is back; they are not part of history.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress

import httpx
import msgspec

from meshsec.gateway.upstream import Upstream
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.client import Status
from meshsec_sdk.problems import BAD_PARAMETER

KEEP_ALIVE_SECONDS = 15.0
SILENCE_SECONDS = 40.0
"""Chains say something more often; after so long a stream counts as broken."""
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
"""Seconds between two tries to reach a chain, doubled from the first to the longest."""
QUEUED = 1_000
"""Entries that may wait for a slow reader; the chains' streams then wait too."""

SILENT = "gateway/silent"
HEARD = "gateway/heard"
RESET = "reset"
"""A chain says that what it has told above a height is void: it has gone back."""

_POSITION = re.compile(r"[0-9]{1,19}(-[0-9]{1,19}-[0-9]{1,9})?")


class Entry(msgspec.Struct, frozen=True):
    """Something that happened on a chain."""

    chain: str
    """Short name."""
    id: str
    """The chain's own id; empty for what the gateway itself says."""
    type: str
    data: bytes
    """A JSON object with the chain's short name in `chain`."""


def read_positions(text: str | None, chains: Iterable[str]) -> dict[str, str]:
    """Read the id of an entry, or heights in its place: chain to what it has been read up to.

    Raises:
        Rejected: `http/bad-parameter`.
    """
    found: dict[str, str] = {}
    for part in (text or "").split(";"):
        name, _, position = part.partition(":")
        if part and (name not in chains or _POSITION.fullmatch(position) is None):
            raise Rejected(BAD_PARAMETER, name="since", found=part[:100], expected="an event id such as osmosis:0-12-3;juno:9")
        if part:
            found[name] = position
    return found


def spell_positions(positions: Mapping[str, str]) -> str:
    """Spell an id."""
    return ";".join(f"{name}:{position}" for name, position in positions.items())


class Merge:
    """The streams of several chains read at once, each from where it was left.

    Args:
        chains: what to read.
        positions: chain to what it has been read up to; the rest start at the latest block, or at `back` blocks before.
        back: that many blocks before the latest one.
    """

    def __init__(self, chains: Mapping[str, Upstream], positions: Mapping[str, str], back: int = 0) -> None:
        self.positions = dict(positions)
        self._chains = chains
        self._back = back
        self._queue: asyncio.Queue[Entry | None] = asyncio.Queue(QUEUED)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Find out where to start on the chains that have no position yet, and start to read."""
        missing = [chain for name, chain in self._chains.items() if name not in self.positions]
        for chain, height in zip(missing, await asyncio.gather(*map(_height, missing)), strict=True):
            if height is not None:
                self.positions[chain.name] = str(max(0, height - self._back))
        self._tasks = [asyncio.create_task(self._follow(chain)) for chain in self._chains.values()]

    def stop(self) -> None:
        """Let go of the chains and end `entries`."""
        for task in self._tasks:
            task.cancel()
        while True:
            try:
                self._queue.put_nowait(None)
                return
            except asyncio.QueueFull:
                self._queue.get_nowait()

    async def entries(self) -> AsyncIterator[Entry | None]:
        """Yield entries as they come, and None after a while without any; `positions` is kept at the last one."""
        while True:
            try:
                entry = await asyncio.wait_for(self._queue.get(), KEEP_ALIVE_SECONDS)
            except TimeoutError:
                yield None
                continue
            if entry is None:
                return
            if entry.id:
                self.positions[entry.chain] = entry.id
            yield entry

    async def _follow(self, chain: Upstream) -> None:
        """Read one chain's stream for ever, over all its deaths."""
        read = self.positions.get(chain.name)
        heard, pause = True, FIRST_PAUSE
        while True:
            try:
                async for entry in _stream(chain, read):
                    if not heard:
                        await self._queue.put(_told(chain.name, HEARD, ""))
                    heard, pause = True, FIRST_PAUSE
                    if entry is not None:
                        read = entry.id
                        await self._queue.put(entry)
                reason = "the stream has ended"
            except Rejected as refusal:
                reason = str(refusal.facts.get("reason", refusal.code))
            if heard:
                await self._queue.put(_told(chain.name, SILENT, reason))
            heard = False
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


async def _height(chain: Upstream) -> int | None:
    with suppress(Rejected):
        return (await chain.get("/v1/status", Status)).height
    return None


def _told(chain: str, kind: str, reason: str) -> Entry:
    return Entry(chain, "", kind, codec.encode({"chain": chain, "reason": reason}))


async def _stream(chain: Upstream, since: str | None) -> AsyncIterator[Entry | None]:
    """Yield the entries of one connection behind a position, and None for a sign of life.

    Raises:
        Rejected: the chain does not answer, breaks off, or refuses.
    """
    path = "/v1/events" + ("" if since is None else f"?since={since}")
    answer = await chain.open("GET", path, {"accept": "text/event-stream"}, b"", SILENCE_SECONDS)
    try:
        if answer.status_code != 200:
            raise chain.silent(f"status {answer.status_code}: {(await answer.aread())[:200].decode(errors='replace')}")
        rest = b""
        async for piece in answer.aiter_raw():
            *blocks, rest = (rest + piece).split(b"\n\n")
            for block in blocks:
                yield _read(chain.name, block)
    except httpx.HTTPError as error:
        raise chain.broken(error, SILENCE_SECONDS) from None
    finally:
        await answer.aclose()


def _read(chain: str, block: bytes) -> Entry | None:
    fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line and not line.startswith(b":"))
    data = fields.get(b"data", b"")
    if not data.startswith(b"{"):
        return None
    named = b'{"chain":"%s",%s' % (chain.encode(), data[1:])
    identity, kind = (fields.get(name, b"").decode(errors="replace") for name in (b"id", b"event"))
    return Entry(chain, identity, kind, named)


class Streams:
    """Every merged stream that is being read."""

    def __init__(self, chains: Mapping[str, Upstream]) -> None:
        self._chains = chains
        self._open: dict[Merge, None] = {}
        self._stopped = False

    def __len__(self) -> int:
        return len(self._open)

    def stop(self) -> None:
        """End all of them."""
        self._stopped = True
        for merge in self._open:
            merge.stop()

    async def read(self, positions: Mapping[str, str]) -> AsyncIterator[bytes]:
        """Yield server-sent events behind positions, for as long as somebody reads."""
        merge = Merge(self._chains, positions)
        self._open[merge] = None
        try:
            await merge.start()
            if self._stopped:
                return
            yield f"id: {spell_positions(merge.positions)}\n\n".encode()
            async for entry in merge.entries():
                yield b": still here\n\n" if entry is None else _spell(entry, merge.positions)
        finally:
            merge.stop()
            del self._open[merge]


def _spell(entry: Entry, positions: Mapping[str, str]) -> bytes:
    name = f"id: {spell_positions(positions)}\n" if entry.id else ""
    return f"{name}event: {entry.type}\ndata: ".encode() + entry.data + b"\n\n"


_NOTABLE = ("mesh/", "staking/", "slashing/")
_ALSO = (
    "ibc_transfer",
    "fungible_token_packet",
    "timeout_packet",
    "client_misbehaviour",
    "recover_client",
    "channel_close_init",
    "channel_close_confirm",
)
_NOISE = ("mesh/epoch", "staking/power", "staking/delegate", "staking/undelegate")
"""Written for every step of virtual stake; the mesh's own events tell it better."""


class Happening(msgspec.Struct, frozen=True):
    """A notable event."""

    chain: str
    height: int
    type: str
    attributes: dict[str, str]
    time: int = 0
    """Of its block, nanoseconds."""


class _Block(msgspec.Struct, frozen=True):
    time: int
    again: tuple[bytes, ...] = ()


class _Reset(msgspec.Struct, frozen=True):
    height: int


class Recent:
    """The last notable events of all chains, for readers who come late.

    Args:
        chains: what to read.
        again: is told of a chain what it has signed again since a revert.
        back: blocks before the latest in which to look at the start.
        keep: how many are kept.
    """

    def __init__(
        self,
        chains: Mapping[str, Upstream],
        again: Callable[[str, tuple[bytes, ...]], None] = lambda _chain, _marks: None,
        back: int = 300,
        keep: int = 100,
    ) -> None:
        self._again = again
        self._merge = Merge(chains, {}, back)
        self._kept: deque[Happening] = deque(maxlen=keep)
        self._times: dict[str, int] = {}

    async def run(self) -> None:
        """Read until `stop`."""
        await self._merge.start()
        async for entry in self._merge.entries():
            if entry is not None:
                with suppress(msgspec.MsgspecError):
                    self._note(entry)

    def _note(self, entry: Entry) -> None:
        if entry.type == "block":
            block = codec.load(entry.data, _Block)
            self._times[entry.chain] = block.time
            if block.again:
                self._again(entry.chain, block.again)
        elif entry.type == RESET:
            left = codec.load(entry.data, _Reset).height
            kept = [event for event in self._kept if event.chain != entry.chain or event.height <= left]
            self._kept.clear()
            self._kept.extend(kept)
        elif _is_notable(entry.type):
            found = codec.load(entry.data, Happening)
            self._kept.append(msgspec.structs.replace(found, time=self._times.get(entry.chain, 0)))

    def stop(self) -> None:
        """End `run`."""
        self._merge.stop()

    @property
    def events(self) -> tuple[Happening, ...]:
        """What is kept, oldest first."""
        return tuple(sorted(self._kept, key=lambda event: event.time))


def _is_notable(kind: str) -> bool:
    return kind in _ALSO or (kind.startswith(_NOTABLE) and kind not in _NOISE)
