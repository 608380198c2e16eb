"""Mesh Security at size: a slash that reaches ten thousand users, an epoch of 150 validators, stake that crosses in numbers.

State is written as messages would leave it; what is measured runs as in a block, the new state root included.
"""

from collections.abc import Callable, Iterator
from functools import partial

from meshsec.bench.figure import Figure, busy_seconds, figure
from meshsec.bench.meshes import sized
from meshsec.mesh import Bond, StakeRemote
from meshsec.world.sim import SimWorld
from meshsec_core.app import App
from meshsec_core.kernel.crypto import sha256
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.store.overlay import Overlay
from meshsec_core.kernel.types import ONE_BPS, ONE_E18, Address, LinkId, ValidatorId
from meshsec_core.modules import bank
from meshsec_core.runtime.module import Block, Ctx
from meshsec_core.security.mesh.account import Account, Lien
from meshsec_core.security.mesh.consumer import epoch
from meshsec_core.security.mesh.consumer.state import LINKS as BORROWED
from meshsec_core.security.mesh.consumer.state import REQUESTS, Link, LinkParams, Request
from meshsec_core.security.mesh.links import Phase
from meshsec_core.security.mesh.provider import sweep
from meshsec_core.security.mesh.provider.state import (
    LENT,
    LINKS,
    POOLS,
    STAKES,
    VAULT,
    VAULTS,
    Authority,
    Fault,
    FaultKind,
    Lent,
)
from meshsec_core.security.mesh.ranges import Range
from meshsec_core.security.mesh.rewards import Pool
from meshsec_core.security.mesh.stake import Stake
from meshsec_sdk.client import Client
from meshsec_sdk.mesh_file import topology
from meshsec_sdk.wallet import Wallet

MILLISECONDS = 1e3
FRACTION_BPS = 1_000
COLLATERAL = 10_000
LENT_EACH = 9_500
"""What each user lends over each link: so much that a slash on one link cuts the others."""
PATIENCE = 1_000


def measure(users: int = 10_000, validators: int = 50, epoch_validators: int = 150, stakes: int = 300) -> Iterator[Figure]:
    """Measure `mesh-security.slash_ms` (all of it) and `.slash_block_ms` (its longest block), `.epoch_ms`, and
    `.cross_stakes_per_s`, from a user's message until the stake counts and its answer is home.

    Args:
        users: that lend to the validator that fails, over three links each.
        validators: of each consumer; one of them is lent to by everybody.
        epoch_validators: of the chain whose epoch is measured.
        stakes: that cross at once.
    """
    yield from slash(users, validators)
    yield _epoch(epoch_validators)
    yield _cross(stakes)


class _Blocks:
    """Makes blocks of one application without consensus."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.time = app.view().time

    def make(self, step: Callable[[Ctx], object] | None = None) -> None:
        """Run a step in a block, then what the model settles at its end, and commit."""
        overlay = Overlay(self.app.state)
        height = self.app.state.height + 1
        ctx = Ctx(overlay, Block(self.app.genesis.chain_id, height, self.time), self.app.machine)
        if step is not None:
            step(ctx)
        sweep.run(ctx)
        self.app.state.commit(height, self.app.state.preview(overlay.changes))


def slash(users: int, validators: int) -> Iterator[Figure]:
    """Measure a slash that reaches users who lend over three links each."""
    blocks = _Blocks(SimWorld("star:4").nodes["osmosis"].replica.app)
    links = [LinkId(name) for (name,), _ in LINKS.items(blocks.app.state)]
    names = [ValidatorId(f"valoper1{index:04d}") for index in range(validators)]
    blocks.make(lambda ctx: _lend(ctx, users, links, names))
    fault = Fault(FaultKind.DOUBLE_SIGN, 1, 0, blocks.app.state.height, blocks.time, Authority.EVIDENCE, 0)
    charge = sweep.Charge(links[0], names[0], fault, FRACTION_BPS * (ONE_E18 // ONE_BPS), FRACTION_BPS)
    took = [busy_seconds(blocks.make, lambda ctx: sweep.charge(ctx, charge))]
    while sweep.has_work(blocks.app.state):
        took.append(busy_seconds(blocks.make))
    slashed = sum(account.collateral < COLLATERAL for _, account in VAULTS.items(blocks.app.state))
    if slashed != users:
        raise InvariantViolated(f"{slashed} of {users} users were slashed")
    yield figure("mesh-security.slash_ms", [sum(took) * MILLISECONDS], "ms")
    yield figure("mesh-security.slash_block_ms", [max(took) * MILLISECONDS], "ms")


def _lend(ctx: Ctx, users: int, links: list[LinkId], validators: list[ValidatorId]) -> None:
    """Write users who lend to the first validator of the first link, and to any one of the others."""
    pools: dict[tuple[LinkId, ValidatorId], int] = {}
    for number in range(users):
        user = Address(f"osmo1{sha256(str(number).encode()).hex()[:38]}")
        VAULTS.put(ctx.store, user, Account(COLLATERAL, {link: Lien(Range.of(LENT_EACH), FRACTION_BPS) for link in links}))
        for at, link in enumerate(links):
            validator = validators[0 if at == 0 else (number + at) % len(validators)]
            STAKES.put(ctx.store, link, validator, user, Stake(bonded=LENT_EACH))
            LENT.put(ctx.store, user, link, Lent((validator,)))
            pools[link, validator] = pools.get((link, validator), 0) + LENT_EACH
    for (link, validator), total in pools.items():
        POOLS.put(ctx.store, link, validator, Pool(total))
    bank.mint(ctx, ctx.module_account(VAULT), ctx.denom, users * COLLATERAL)


def _epoch(validators: int) -> Figure:
    spec = sized(topology("pair"), "juno", validators)
    blocks = _Blocks(SimWorld(spec, connect=False).nodes["juno"].replica.app)
    name, took = LinkId("channel-0"), []

    def wish(ctx: Ctx, amount: int) -> None:
        for record in ctx.machine.queries["staking/validators"](blocks.app.view()):
            REQUESTS.put(ctx.store, name, record.operator, Request(tokens=amount))

    blocks.make(lambda ctx: _borrow(ctx, name))
    for amount in (1_000, 2_000, 500):
        blocks.make(partial(wish, amount=amount))
        took.append(busy_seconds(blocks.make, lambda ctx: epoch.run(ctx, name)))
    if sum(request.bonded for _, request in REQUESTS.items(blocks.app.state, name)) != 500 * validators:
        raise InvariantViolated("the epoch has not bonded what was asked for")
    return figure("mesh-security.epoch_ms", [max(took) * MILLISECONDS], "ms")


def _borrow(ctx: Ctx, name: LinkId) -> None:
    """Write an open link."""
    link = Link(ctx.chain_id, "07-tendermint-0", "connection-0", "channel-0", Phase.OPEN, LinkParams(max_cap=10**15))
    BORROWED.put(ctx.store, name, link)


def _cross(stakes: int) -> Figure:
    world = SimWorld("pair")
    world.osmosis.user("alice").send(Bond(stakes))
    target = world.juno.find_validator("val-0")["operator"]
    link = world.osmosis.get("/v1/mesh/provider/links")[0]["link"]
    with Client(world.osmosis.transport) as client:
        wallet = Wallet.named(client, "alice")
        for _ in range(stakes):
            client.submit(wallet.sign(StakeRemote(link, target, 1)))
    took = busy_seconds(world.mine, 2) + busy_seconds(world.relay)
    held = world.juno.get("/v1/mesh/consumer/links")[0]
    if int(held["requested"]) != stakes:
        raise InvariantViolated(f"{held['requested']} of {stakes} stakes have crossed")
    return figure("mesh-security.cross_stakes_per_s", [stakes / took], "stakes/s")
