"""Snapshots and reverts of the whole mesh: all chains, all relayers and the clock in one step, whoever dies meanwhile.

Relayers are frozen and chains rest while it happens, both for a limited time only, so that nothing stays frozen if this process
dies. To save is: every chain writes its rows under a name that is new, then one file says that the snapshot is there. To revert
is: one file says what is going to happen, then every chain goes, then every relayer. Both can be repeated from the beginning.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from secrets import token_hex
from typing import TypeVar

import msgspec
import structlog

from meshsec.gateway.upstream import BROKEN_ANSWER, PATIENCE_SECONDS, UNREACHABLE_CHAIN, UNREACHABLE_RELAYER, Upstream
from meshsec.kept import Kept, Revert, Shelf, check_name
from meshsec.rest import ChainStatus
from meshsec_core.kernel.errors import Rejected
from meshsec_core.replica.generations import Fork
from meshsec_relayer.engine.boundary import Image

UNFINISHED = "snapshot/unfinished"
NO_DIRECTORY = "snapshot/no-directory"

STILL = "10s"
"""Longest time for which chains and relayers are kept still by one save or revert."""
QUIET_SECONDS = 2.0
"""How long a save waits for blocks that are due; then chains are saved in the middle of their work."""
LOOK_SECONDS = 0.005
FINISH_SECONDS = 20.0
"""How long a revert waits for a chain or relayer that is away; then it goes on behind the answer."""
AGAIN_SECONDS = 0.1

_AWAY = (UNREACHABLE_CHAIN, UNREACHABLE_RELAYER, BROKEN_ANSWER)
_OURS = "mesh."
"""How the names begin under which chains keep their part of a snapshot of the mesh."""

T = TypeVar("T")


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a snapshot is to be called."""

    name: str


class Listed(msgspec.Struct, frozen=True):
    """A snapshot, for people."""

    name: str
    now: int
    """Logical time, nanoseconds."""
    heights: dict[str, int]
    away: tuple[str, ...] = ()
    """Relayers of which nothing is known, because they were away."""


class Reverted(msgspec.Struct, frozen=True):
    """Where a mesh has gone."""

    name: str
    generation: int
    heights: dict[str, int]
    away: tuple[str, ...] = ()
    """Relayers that were away when it was saved."""
    warnings: tuple[str, ...] = ()


class _Saved(msgspec.Struct, frozen=True):
    height: int
    now: int


class _Shown(msgspec.Struct, frozen=True):
    fork: Fork


class _Names(msgspec.Struct, frozen=True):
    snapshots: tuple[str, ...]


class _Where(msgspec.Struct, frozen=True):
    height: int
    generation: int


class Rewind:
    """Saves and reverts one mesh.

    Args:
        chains: of the mesh.
        relayers: of the mesh.
        shelf: where snapshots are kept; without one every order is refused.
        turn: is held by whoever moves the mesh as a whole.
    """

    def __init__(
        self, chains: Mapping[str, Upstream], relayers: Mapping[str, Upstream], shelf: Shelf | None, turn: asyncio.Lock
    ) -> None:
        self._chains = chains
        self._relayers = relayers
        self._kept = shelf
        self._turn = turn
        self._finishing: asyncio.Task[None] | None = None
        self._lifting: set[asyncio.Task[None]] = set()

    @property
    def _shelf(self) -> Shelf:
        if self._kept is None:
            raise Rejected(NO_DIRECTORY, hint="start the gateway with a directory")
        return self._kept

    @property
    def unfinished(self) -> str:
        """The snapshot to which a revert is under way; empty if there is none."""
        under_way = self._kept.revert if self._kept is not None and not self._turn.locked() else None
        return under_way.kept.name if under_way is not None else ""

    def list(self) -> tuple[Listed, ...]:
        """Return all snapshots by name."""
        return tuple(_listed(self._shelf.get(name)) for name in self._shelf.names())

    async def save(self, name: str) -> Listed:
        """Save the mesh under a name, in place of a snapshot of that name; nothing is kept if it fails.

        Raises:
            Rejected: `http/bad-parameter`, `snapshot/unfinished`, `gateway/unreachable-chain`, or why a chain refuses.
        """
        on_chains = f"{_OURS}{check_name(name)}.{token_hex(4)}"
        async with self._turn:
            self._check_finished()
            images = await self._freeze()
            try:
                await self._quiet()
                await self._rest(STILL)
                order = {"name": on_chains}
                saved = await self._each(lambda chain: chain.post("/v1/dev/snapshot", order, _Saved, PATIENCE_SECONDS))
                heights = {chain: found.height for chain, found in saved.items()}
                kept = Kept(name, on_chains, max(found.now for found in saved.values()), heights, images)
                self._shelf.put(kept)
            finally:
                await self._go_on(images)
                await self._tidy()
        return _listed(kept)

    async def revert(self, name: str) -> Reverted:
        """Bring the mesh back to a snapshot.

        Raises:
            Rejected: `snapshot/not-found`, `gateway/unreachable-chain`, or why a chain refuses: nothing has changed;
                `snapshot/unfinished` if a chain or relayer died on the way and does not return: it is finished when it does.
        """
        async with self._turn:
            self._check_finished()
            kept = self._shelf.get(name)
            images = await self._freeze()
            try:
                await self._rest(STILL)
                self._shelf.revert = decided = await self._decide(kept)
                done = asyncio.ensure_future(self._carry_out(decided))
                return await asyncio.wait_for(asyncio.shield(done), FINISH_SECONDS)
            except TimeoutError:
                self._finishing = asyncio.ensure_future(_quietly(done))
                raise self._not_finished(name) from None
            finally:
                await self._go_on(images)

    async def delete(self, name: str) -> None:
        """Forget a snapshot.

        Raises:
            Rejected: `snapshot/not-found`, `snapshot/unfinished`.
        """
        async with self._turn:
            self._check_finished()
            self._shelf.get(name)
            self._shelf.drop(name)
            await self._tidy()

    async def finish(self) -> None:
        """Finish the revert that an earlier life of this process has decided."""
        under_way = self._kept.revert if self._kept is not None else None
        if under_way is not None:
            async with self._turn:
                try:
                    await self._carry_out(under_way)
                except Rejected as refusal:
                    structlog.get_logger().error("revert", snapshot=under_way.kept.name, refused=refusal.code, **refusal.texts)

    def lift(self, chain: str, marks: tuple[bytes, ...]) -> None:
        """Tell the other chains what one has signed again."""

        async def tell(other: Upstream) -> None:
            with suppress(Rejected):
                await other.post("/v1/dev/lift", {"marks": marks}, dict, PATIENCE_SECONDS)

        for name, other in self._chains.items():
            if name != chain:
                task = asyncio.ensure_future(tell(other))
                self._lifting.add(task)
                task.add_done_callback(self._lifting.discard)

    def stop(self) -> None:
        """End what is done behind the answers."""
        for task in (*self._lifting, *([self._finishing] if self._finishing is not None else [])):
            task.cancel()

    # steps

    def _check_finished(self) -> None:
        under_way = self._shelf.revert
        if under_way is not None:
            raise self._not_finished(under_way.kept.name)

    def _not_finished(self, name: str) -> Rejected:
        return Rejected(UNFINISHED, name=name, hint="a process is away: the revert is finished as soon as it is back")

    async def _decide(self, kept: Kept) -> Revert:
        path = f"/v1/dev/snapshots/{kept.on_chains}"
        shown = await self._each(lambda chain: chain.get(path, _Shown, PATIENCE_SECONDS))
        where = await self._each(lambda chain: chain.get("/v1/status", _Where))
        return Revert(
            kept,
            1 + max(found.generation for found in where.values()),
            kept.now - time.time_ns(),
            tuple(mark for found in shown.values() for mark in found.fork.abandoned),
            tuple(mark for found in shown.values() for mark in found.fork.revived),
        )

    async def _carry_out(self, decided: Revert) -> Reverted:
        """Bring every chain and every relayer to where they are to be; those that are there already stay."""
        kept = decided.kept
        order = {
            "name": kept.on_chains,
            "generation": decided.generation,
            "offset": decided.offset,
            "abandoned": decided.abandoned,
            "revived": decided.revived,
        }
        where = await self._each(lambda chain: _insist(lambda: chain.post("/v1/dev/revert", order, _Where, PATIENCE_SECONDS)))
        lives = {name: image for name, image in kept.relayers.items() if image is not None}
        told = await asyncio.gather(*(self._restore(name, image, decided.generation) for name, image in lives.items()))
        self._shelf.revert = None
        heights = {name: found.height for name, found in where.items()}
        return Reverted(kept.name, decided.generation, heights, _listed(kept).away, tuple(line for line in told if line))

    async def _restore(self, name: str, image: Image, generation: int) -> str:
        """Give a relayer a new life; one that is away starts over by itself when it sees the new generation."""
        try:
            await self._relayers[name].post("/v1/restore", {"image": image, "generation": generation}, dict)
        except Rejected as refusal:
            return f"relayer {name} starts over: {refusal.code}"
        return ""

    async def _freeze(self) -> dict[str, Image | None]:
        async def freeze(relayer: Upstream) -> Image | None:
            try:
                await relayer.get("/v1/status", dict)  # an order to one that is away would wait for it, and freeze it later
                return await relayer.post("/v1/freeze", {"duration": STILL}, Image)
            except Rejected as refusal:
                if refusal.code in _AWAY:
                    return None
                raise

        return dict(zip(self._relayers, await asyncio.gather(*map(freeze, self._relayers.values())), strict=True))

    async def _rest(self, duration: str) -> None:
        await self._each(lambda chain: chain.post("/v1/dev/rest", {"duration": duration}, dict))

    async def _quiet(self) -> None:
        """Wait until no block is due."""
        deadline = asyncio.get_running_loop().time() + QUIET_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            found = await self._each(lambda chain: chain.get("/v1/status", ChainStatus))
            if all(status.quiet or not status.ready or status.block_mode == "manual" for status in found.values()):
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _go_on(self, images: Mapping[str, Image | None]) -> None:
        """Let chains and the relayers that were frozen go on; whoever does not hear it does so by itself after a while."""

        async def thaw(upstream: Upstream) -> None:
            with suppress(Rejected):
                path = "/v1/dev/rest" if upstream.kind == "chain" else "/v1/freeze"
                await upstream.post(path, {"duration": "0s"}, dict)

        frozen = [self._relayers[name] for name, image in images.items() if image is not None]
        await asyncio.gather(*map(thaw, (*self._chains.values(), *frozen)))

    async def _tidy(self) -> None:
        """Have the chains forget what belongs to no snapshot any more."""
        known = {self._shelf.get(name).on_chains for name in self._shelf.names()}

        async def tidy(chain: Upstream) -> None:
            with suppress(Rejected):
                found = await chain.get("/v1/dev/snapshots", _Names)
                for name in found.snapshots:
                    if name.startswith(_OURS) and name not in known:
                        await chain.exchange("DELETE", f"/v1/dev/snapshots/{name}")

        await asyncio.gather(*map(tidy, self._chains.values()))

    async def _each(self, ask: Callable[[Upstream], Awaitable[T]]) -> dict[str, T]:
        found = await asyncio.gather(*map(ask, self._chains.values()))
        return dict(zip(self._chains, found, strict=True))


async def _insist(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask whoever may be away until it answers."""
    while True:
        try:
            return await ask()
        except Rejected as refusal:
            if refusal.code not in _AWAY:
                raise
        await asyncio.sleep(AGAIN_SECONDS)


async def _quietly(work: Awaitable[object]) -> None:
    with suppress(Rejected):
        await work


def _listed(kept: Kept) -> Listed:
    away: Iterable[str] = (name for name, image in kept.relayers.items() if image is None)
    return Listed(kept.name, kept.now, kept.heights, tuple(away))
