"""The heist, in two acts on one mesh: a cheap chain's validators forge it and rob a neighbour, without Mesh Security and with it.

All amounts are whole millions, so that every fraction of 5 % is exact. In the second act the thieves have more power in absolute
numbers and the same part of it, so that nothing but the price of the theft differs.
"""

from collections.abc import Callable

import msgspec

from meshsec import mesh
from meshsec.demo import figures
from meshsec.demo.figures import BACKER, HONEST, LENDER, THIEF, THIEVES, Amounts, Security
from meshsec.world import forks
from meshsec.world.base import World
from meshsec.world.chain import Branch
from meshsec.world.ways import denom_of
from meshsec_core.kernel.types import LinkId, ValidatorId

MILLION = 1_000_000
BRIDGED = 40 * MILLION
"""What alice sends to bob of juno, and the thieves steal."""
LENT = 200 * MILLION
"""What is lent to each of juno's validators in the second act."""
BACKED = 20 * MILLION
"""What carol stakes at home with each of the thieves in the second act."""

SNAPSHOT = "before-the-heist"
MOST_BLOCKS = 30
"""Blocks that the guilty are given to pay."""


class Act(msgspec.Struct, frozen=True):
    """One act: what the measures said, and what then happened."""

    title: str
    security: Security
    computed: Amounts
    measured: Amounts

    @property
    def agrees(self) -> bool:
        """Whether every figure came out as it was computed."""
        return self.computed == self.measured


class Heist(msgspec.Struct, frozen=True):
    """The whole story."""

    acts: tuple[Act, ...]

    @property
    def agrees(self) -> bool:
        """Whether every figure of every act came out as it was computed."""
        return all(act.agrees for act in self.acts)


def cost(amounts: Amounts) -> int:
    """Return what the theft cost the thieves and those who backed them; one unit of juno's coin is worth one of osmosis'."""
    return amounts.own_stake + amounts.backed + amounts.lent


def profit(amounts: Amounts) -> int:
    """Return what is left of the loot."""
    return amounts.stolen - cost(amounts)


Tell = Callable[[str, str], None]
"""(headline, words) of something that has just happened; the world is as the words say while it is told."""


def play(world: World, tell: Tell) -> Heist:
    """Play both acts on a fresh pair of chains."""
    _bridge(world, tell)
    world.snapshot(SNAPSHOT)
    alone = _act(world, tell, "Act 1, alone")
    world.revert(SNAPSHOT)
    tell(
        "Rewind", "The whole mesh goes back to the moment before the theft: chains, packets, keys, clock. It has never happened."
    )
    _secure(world, tell)
    secured = _act(world, tell, "Act 2, secured")
    return Heist((alone, secured))


def _bridge(world: World, tell: Tell) -> None:
    tell(
        "Two chains",
        "osmosis is large, juno is cheap. Each follows the other with a light client, which believes whatever validators "
        "with two thirds of the other chain's power sign. That is all that protects what they send each other.",
    )
    order = {"channel": figures.transfer_channel(world), "denom": "uosmo", "amount": str(BRIDGED)}
    receiver = world.juno.user("bob").address
    world.osmosis.send("alice", {"@type": "transfer/Transfer", **order, "receiver": receiver})
    world.settle()
    tell(
        "A bridge",
        f"alice sends {_m(BRIDGED)} uosmo to bob of juno. osmosis keeps her coins in escrow; bob holds vouchers for them on "
        "juno. Whoever brings vouchers home is paid out of the escrow. (One ujuno is worth one uosmo in this story.)",
    )


def _secure(world: World, tell: Tell) -> None:
    """Switch Mesh Security on: users of both chains put collateral behind juno's validators."""
    before = figures.security(world)
    dave = world.osmosis.user(LENDER)
    dave.send(mesh.Bond(LENT * len(THIEVES)), *(_lend(name) for name in THIEVES))
    world.osmosis.user("alice").send(mesh.Bond(LENT), _lend(HONEST))
    carol = world.juno.user(BACKER)
    stakes = (mesh.StakeLocal(ValidatorId(f"juno/{name}"), BACKED) for name in THIEVES)
    carol.send(mesh.Bond(BACKED * len(THIEVES)), *stakes)
    world.settle()
    after = figures.security(world)
    tell(
        "Mesh Security on",
        f"For a share of juno's rewards {LENDER} and alice of osmosis lend {_m(LENT)} to each of juno's validators, and {BACKER} "
        f"of juno adds {_m(BACKED)} to each of the first three. No coin leaves its chain; all of it can be slashed. Juno's power "
        f"rises from {_m(before.bonded)} to {_m(after.bonded)}: to buy a third of it now takes {_m(after.buy_third)} instead of "
        f"{_m(before.buy_third)}, two thirds {_m(after.buy_two_thirds)} instead of {_m(before.buy_two_thirds)}. Whoever wants to "
        "forge juno must bring this stake, or take those down who trusted them with it.",
    )


def _lend(name: str) -> mesh.StakeRemote:
    return mesh.StakeRemote(LinkId("juno"), ValidatorId(f"juno/{name}"), LENT)


def _act(world: World, tell: Tell, title: str) -> Act:
    _refresh(world)
    security, computed = figures.security(world), figures.forecast(world)
    tell(
        f"{title}: does it pay?",
        f"Before anything happens the chains' own measures say: {_m(computed.stolen)} can be stolen, and {_m(cost(computed))} of "
        "the thieves and their backers would burn for it. The theft "
        f"{'pays' if profit(computed) > 0 else 'does not pay'}: {_signed(profit(computed))}.",
    )
    before = figures.holdings(world)
    branch = _steal(world, tell)
    _punish(world, branch, charged=computed.lent > 0)
    after = figures.holdings(world)
    measured = figures.difference(before, after)
    tell("The price", _punished(measured))
    return Act(title, security, computed, measured)


def _refresh(world: World) -> None:
    """Have osmosis learn juno's newest header.

    A chain slashes a fork by the power that its makers had at the last header which both sides share and the victim knew, so
    stake that came later would not pay in full.
    """
    world.relayer("update-client", {"host": "osmosis", "subject": "juno"})
    world.relay()


def _steal(world: World, tell: Tell) -> Branch:
    """Fork juno, forge vouchers there, and have osmosis pay for them; return the branch."""
    world.relayer("stop")
    branch = world.fork("juno", THIEVES)
    voucher = denom_of(world.juno, "osmosis/uosmo")
    loot = figures.escrow(world.osmosis)
    world.set_balance(branch.name, THIEF, loot, voucher)
    tell(
        "The fork",
        "Nobody honest watches for a while. Three of juno's four validators sign a second future of their chain, in which "
        f"{THIEF} owns {_m(loot)} of vouchers that nobody ever sent her.",
    )
    order = {"channel": figures.transfer_channel_back(world), "denom": voucher, "amount": str(loot)}
    branch.send(THIEF, {"@type": "transfer/Transfer", **order, "receiver": world.osmosis.user(THIEF).address})
    forks.deliver(world, branch, world.osmosis, THIEF)
    tell(
        "The theft",
        f"{THIEF} shows osmosis the forged header, with every signature that a light client asks for, and brings her vouchers "
        f"home. osmosis pays {_m(loot)} to her. The escrow is empty; bob's vouchers are worth nothing.",
    )
    return branch


def _punish(world: World, branch: Branch, *, charged: bool) -> None:
    """Let the honest relayer return, and wait until all who signed both futures have paid.

    If they have not after some blocks they will not; then the figures say so.
    """
    world.mine(max(1, branch.height + 1 - world.juno.height))  # only what juno has made itself shows that the branch lies
    world.relayer("start")
    for _ in range(MOST_BLOCKS):
        if _is_punished(world, charged=charged):
            break
        world.mine()
        world.relay()
    world.heal()


def _is_punished(world: World, *, charged: bool) -> bool:
    juno = {found["name"]: found for found in world.juno.query("staking", "validators")}
    client = world.osmosis.query("ibc", "client", client_id=forks.client_of(world.osmosis, world.juno))
    faults = world.osmosis.query("mesh/provider", "slashes", consumer="juno")
    paid = sum(int(each["fault"]["amount"]) > 0 for each in faults)
    return (
        client["status"] == "frozen"
        and all(juno[name]["tombstoned"] for name in THIEVES)
        and (paid == len(THIEVES) or not charged)
    )


def _punished(measured: Amounts) -> str:
    lines = [
        "The honest relayer is back. It shows osmosis both headers, which freezes the light client, and juno what its validators "
        f"signed. They lose 5 % of their own stake, {_m(measured.own_stake)}, and never vote again."
    ]
    if measured.lent or measured.backed:
        lines.append(
            f"osmosis verifies the signatures itself and burns {_m(measured.lent)} of {LENDER}'s collateral; juno burns "
            f"{_m(measured.backed)} of {BACKER}'s. Who lent to the honest fourth validator loses nothing."
        )
    lines.append(f"Stolen {_m(measured.stolen)}, cost {_m(cost(measured))}: {_signed(profit(measured))}.")
    return " ".join(lines)


def _m(units: int) -> str:
    """Spell an amount in millions, or to the unit if it is none."""
    return f"{units:,}" if units % MILLION else f"{units // MILLION:,} M"


def _signed(units: int) -> str:
    return f"a gain of {_m(units)}" if units > 0 else f"a loss of {_m(-units)}"
