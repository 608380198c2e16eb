"""The whole mesh at one glance, for the page and for people: chains with their powers, links, packets under way, what happened.

A process that does not answer is shown as it is: down, with the last that was heard of it.
"""

import asyncio
from collections.abc import Mapping

import msgspec

from meshsec.gateway.events import Happening, Recent, spell_positions
from meshsec.gateway.upstream import Upstream
from meshsec_core.kernel.errors import Rejected
from meshsec_relayer.engine.reports import PacketReport, StatusReport
from meshsec_sdk.client import Status, Validator
from meshsec_sdk.mesh_file import ChainSpec, LinkSpec, MeshSpec
from meshsec_sdk.problems import NO_ROUTE

FRESH_SECONDS = 0.2
"""How long a snapshot is handed out again before the next look."""
MOST_PACKETS = 200

UNSERVED = ("query/unknown", NO_ROUTE)


class Staker(msgspec.Struct, frozen=True):
    """A validator as staking knows it, in the set or not."""

    operator: str
    name: str
    tokens: int
    status: str
    jailed: bool
    tombstoned: bool


class Borrowing(msgspec.Struct, frozen=True):
    """A link as the consumer knows it."""

    link: str
    """The consumer's channel."""
    provider: str
    """Chain id."""
    counterparty: str
    """The provider's channel."""
    phase: str
    requested: int
    """Lent, in the provider's base units."""
    virtual: int
    """What the last epoch made of it, in the consumer's base units."""


class _Set(msgspec.Struct, frozen=True):
    validators: tuple[Validator, ...]


class _Packets(msgspec.Struct, frozen=True):
    packets: tuple[PacketReport, ...]


class Member(msgspec.Struct, frozen=True):
    """A validator of a chain."""

    name: str
    operator: str
    status: str
    """`bonded`, `unbonding` or `unbonded`."""
    jailed: bool
    tombstoned: bool
    tokens: int
    """Everything staked with it, base units."""
    power: int
    """With which it votes now; 0 outside the set."""
    native: int
    virtual: dict[str, int]
    """Lent power by provider chain."""


class ChainNow(msgspec.Struct, frozen=True):
    """A chain."""

    chain_id: str
    denom: str
    up: bool
    """Whether its process answers."""
    ready: bool
    reasons: tuple[str, ...]
    """Why it is not up, or not ready."""
    height: int = 0
    time: int = 0
    """Header time of the last block, nanoseconds."""
    block_mode: str = ""
    power: int = 0
    native: int = 0
    virtual: dict[str, int] = {}
    """Lent power by provider chain."""
    validators: tuple[Member, ...] = ()
    faults: tuple[str, ...] = ()
    """What has been broken on purpose, such as `slow: val-0, val-2`."""


class LinkNow(msgspec.Struct, frozen=True):
    """One chain lends security to another."""

    provider: str
    consumer: str
    model: str
    open: bool
    provider_channel: str
    consumer_channel: str
    max_cap: int
    lent: int
    """In the provider's base units."""
    virtual: int
    """In the consumer's base units."""


class RelayerNow(msgspec.Struct, frozen=True):
    """A relayer."""

    id: str
    up: bool
    ready: bool
    reasons: tuple[str, ...]
    idle: bool = False
    paused: bool = False
    pending: int = 0
    """Packets under way."""
    packets: tuple[PacketReport, ...] = ()
    """The first of them."""
    faults: tuple[str, ...] = ()
    """What has been broken on purpose, such as `pause` or `line: juno (30 % lost)`."""


class Glance(msgspec.Struct, frozen=True):
    """The whole mesh."""

    cursor: str
    """Id from which the event stream goes on."""
    time: int
    """Header time of the latest block of all, nanoseconds."""
    chains: dict[str, ChainNow]
    pairs: tuple[tuple[str, str], ...]
    """Chains that a connection joins."""
    links: tuple[LinkNow, ...]
    relayers: tuple[RelayerNow, ...]
    events: tuple[Happening, ...]
    """The last notable ones, oldest first."""


class _Seen(msgspec.Struct, frozen=True):
    """What was last heard of a chain."""

    now: ChainNow
    borrowing: tuple[Borrowing, ...]


class Snapshots:
    """Takes snapshots; readers who come at the same time share one."""

    def __init__(self, mesh: MeshSpec, chains: Mapping[str, Upstream], relayers: Mapping[str, Upstream], recent: Recent) -> None:
        self._mesh = mesh
        self._chains = chains
        self._relayers = relayers
        self._recent = recent
        self._seen: dict[str, _Seen] = {}
        self._turn = asyncio.Lock()
        self._last: tuple[float, Glance] | None = None

    async def take(self) -> Glance:
        """Return the mesh as it is now."""
        async with self._turn:
            now = asyncio.get_running_loop().time()
            if self._last is not None and now - self._last[0] < FRESH_SECONDS:
                return self._last[1]
            glance = await self._look()
            self._last = (asyncio.get_running_loop().time(), glance)
            return glance

    async def _look(self) -> Glance:
        looks = asyncio.gather(*(self._chain(spec, self._chains[spec.name]) for spec in self._mesh.chains))
        relayers = asyncio.gather(*(_relayer(relayer) for relayer in self._relayers.values()))
        seen = dict(zip(self._chains_in_order(), await looks, strict=True))
        chains = {name: found.now for name, found in seen.items()}
        return Glance(
            spell_positions({name: str(chain.height) for name, chain in chains.items() if chain.height}),
            max(chain.time for chain in chains.values()),
            chains,
            self._mesh.pairs(),
            tuple(self._link(link, seen[link.consumer].borrowing) for link in self._mesh.links),
            tuple(await relayers),
            self._recent.events,
        )

    def _chains_in_order(self) -> list[str]:
        return [spec.name for spec in self._mesh.chains]

    async def _chain(self, spec: ChainSpec, chain: Upstream) -> _Seen:
        before = self._seen.get(spec.name)
        try:
            status = await chain.get("/v1/status", Status)
            if before is not None and before.now.height == status.height:
                now = msgspec.structs.replace(
                    before.now,
                    up=True,
                    ready=status.ready,
                    reasons=status.reasons,
                    block_mode=status.block_mode,
                    faults=status.faults,
                )
                found = _Seen(now, before.borrowing)
            else:
                found = await self._read(spec, chain, status)
        except Rejected as refusal:
            reasons = (str(refusal.facts.get("reason", refusal.code)),)
            if before is None:
                return _Seen(ChainNow(spec.names.chain_id, spec.names.denom, False, False, reasons), ())
            return _Seen(msgspec.structs.replace(before.now, up=False, ready=False, reasons=reasons), before.borrowing)
        self._seen[spec.name] = found
        return found

    async def _read(self, spec: ChainSpec, chain: Upstream, status: Status) -> _Seen:
        members, stakers, borrowing = await asyncio.gather(
            chain.get("/v1/validators", _Set), chain.get("/v1/staking/validators", tuple[Staker, ...]), _borrowing(chain)
        )
        lenders = {each.link: self._name(each.provider) for each in borrowing}
        known = {member.operator or member.address: member for member in members.validators}
        rows = [_member(staker, known.pop(staker.operator, None), lenders) for staker in stakers]
        virtual: dict[str, int] = {}
        for row in rows:
            for lender, power in row.virtual.items():
                virtual[lender] = virtual.get(lender, 0) + power
        power = sum(row.power for row in rows)
        order = {validator.name: index for index, validator in enumerate(spec.validators)}
        rows.sort(key=lambda row: (order.get(row.name, len(order)), row.name))
        now = ChainNow(
            status.chain_id,
            status.denom,
            True,
            status.ready,
            status.reasons,
            status.height,
            status.time,
            status.block_mode,
            power,
            power - sum(virtual.values()),
            virtual,
            tuple(rows),
            status.faults,
        )
        return _Seen(now, borrowing)

    def _name(self, chain_id: str) -> str:
        return next((chain.name for chain in self._mesh.chains if chain.names.chain_id == chain_id), chain_id)

    def _link(self, link: LinkSpec, borrowing: tuple[Borrowing, ...]) -> LinkNow:
        named = (found for found in borrowing if self._name(found.provider) == link.provider and found.phase == "open")
        found = next(named, None)
        return LinkNow(
            link.provider,
            link.consumer,
            link.model,
            found is not None,
            found.counterparty if found else "",
            found.link if found else "",
            link.max_cap,
            found.requested if found else 0,
            found.virtual if found else 0,
        )


def _member(staker: Staker, voting: Validator | None, lenders: Mapping[str, str]) -> Member:
    lent = (voting.virtual or {}) if voting is not None else {}
    virtual: dict[str, int] = {}
    for link, part in lent.items():
        if part:
            lender = lenders.get(link, link)
            virtual[lender] = virtual.get(lender, 0) + part
    power = voting.power if voting is not None else 0
    return Member(
        staker.name,
        staker.operator,
        staker.status,
        staker.jailed,
        staker.tombstoned,
        staker.tokens,
        power,
        power - sum(virtual.values()),
        virtual,
    )


async def _borrowing(chain: Upstream) -> tuple[Borrowing, ...]:
    try:
        return await chain.get("/v1/mesh/consumer/links", tuple[Borrowing, ...])
    except Rejected as refusal:
        if refusal.code in UNSERVED:
            return ()
        raise


async def _relayer(relayer: Upstream) -> RelayerNow:
    try:
        report, listed = await asyncio.gather(relayer.get("/v1/status", StatusReport), relayer.get("/v1/packets", _Packets))
    except Rejected as refusal:
        return RelayerNow(relayer.name, False, False, (str(refusal.facts.get("reason", refusal.code)),))
    reasons = [f"{name}: {chain.problem}" for name, chain in report.chains.items() if chain.problem]
    reasons += [f"{name}: {path.problem or 'opening'}" for name, path in report.paths.items() if not path.ready]
    return RelayerNow(
        report.id,
        True,
        report.ready,
        tuple(reasons),
        report.idle,
        report.paused,
        report.pending,
        listed.packets[:MOST_PACKETS],
        report.faults,
    )
