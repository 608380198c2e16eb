"""What the heist takes and costs: computed before it happens from the measures that chains answer, and counted afterwards.

Both are amounts of base units. The two are taken in different ways on purpose: a forecast asks `mesh/measures` only, holdings are
balances, delegations, collateral and supplies.
"""

import msgspec

from meshsec.world.base import World
from meshsec.world.chain import Chain
from meshsec.world.ways import channel_to

THIEVES = ("val-0", "val-1", "val-2")
"""Three of the four validators of the cheap chain: more than two thirds of its power."""
HONEST = "val-3"
THIEF = "erin"
BACKER = "carol"
"""Backs the thieves on their own chain, with collateral that is staked there."""
LENDER = "dave"
"""Backs them from the other chain, with collateral that is lent to them."""


class Amounts(msgspec.Struct, frozen=True):
    """Who gains and who loses, in base units of the chain's coin named in the field."""

    stolen: int
    """Gained by the thief on osmosis."""
    own_stake: int
    """Lost by the thieves on juno, out of what they bonded themselves."""
    backed: int
    """Lost by their backers on juno."""
    lent: int
    """Lost by their backers on osmosis."""
    burned_juno: int
    """Gone from the chain, whoever held it; virtual stake is no coin and not counted."""
    burned_osmosis: int


class Security(msgspec.Struct, frozen=True):
    """What it takes to get hold of juno, by its own measure."""

    bonded: int
    buy_third: int
    buy_two_thirds: int


class Holdings(msgspec.Struct, frozen=True):
    """What everybody has at a moment."""

    loot: int
    escrow: int
    own_stake: int
    backing: int
    lending: int
    coins_juno: int
    """Supply without virtual stake."""
    coins_osmosis: int


def security(world: World) -> Security:
    """Ask juno what a third and two thirds of its power cost."""
    found = world.juno.query("mesh/measures", "corruption")
    return Security(int(found["bonded"]), int(found["buy_third"]), int(found["buy_two_thirds"]))


def forecast(world: World) -> Amounts:
    """Compute from the measures what a theft by the thieves would take and cost now."""
    osmosis, juno = world.osmosis, world.juno
    risks = osmosis.query("mesh/measures", "at-risk")
    stolen = sum(int(each["amount"]) for each in risks if each["chain"] == juno.names.chain_id)
    here = sum(_measured(juno, "at-stake", "native", validator=f"juno/{name}") for name in THIEVES)
    backed = int(juno.query("mesh/measures", "restaker", user=BACKER)["losses"].get("local", "0"))
    lent = sum(_measured(osmosis, "lent-at-stake", "loss", consumer="juno", validator=f"juno/{name}") for name in THIEVES)
    return Amounts(stolen, here - backed, backed, lent, here, lent)


def holdings(world: World) -> Holdings:
    """Count what everybody has."""
    osmosis, juno = world.osmosis, world.juno
    return Holdings(
        osmosis.balance(THIEF),
        escrow(osmosis),
        sum(self_bond(juno, name) for name in THIEVES),
        collateral(juno, BACKER),
        collateral(osmosis, LENDER),
        coins(juno),
        coins(osmosis),
    )


def difference(before: Holdings, after: Holdings) -> Amounts:
    """Return what has been gained and lost between two moments."""
    return Amounts(
        after.loot - before.loot,
        before.own_stake - after.own_stake,
        before.backing - after.backing,
        before.lending - after.lending,
        before.coins_juno - after.coins_juno,
        before.coins_osmosis - after.coins_osmosis,
    )


def escrow(chain: Chain) -> int:
    """Return how much of a chain's own coin waits for its vouchers to come home."""
    found = chain.query("transfer", "escrows")
    return sum(int(each["amount"]) for each in found if each["denom"] == chain.names.denom)


def collateral(chain: Chain, user: str) -> int:
    """Return a user's collateral."""
    return int(chain.query("mesh/provider", "vault", user=user)["collateral"])


def self_bond(chain: Chain, validator: str) -> int:
    """Return what a validator's operator has delegated."""
    return sum(int(tokens) for tokens in chain.query("staking", "delegations", delegator=validator).values())


def coins(chain: Chain) -> int:
    """Return the supply of a chain's coin, without the virtual stake that stands for coins of others."""
    denom = chain.names.denom
    supply = int(chain.query("bank", "supply", denom=denom)["amount"])
    return supply - sum(int(link["virtual"]) for link in chain.query("mesh/consumer", "links"))


def vouchers(world: World) -> int:
    """Return what bob holds on juno for alice's coins."""
    return world.juno.balance("bob", "osmosis/uosmo")


def transfer_channel(world: World) -> str:
    """Return osmosis' channel for coins to juno."""
    return channel_to(world.osmosis, "juno")


def transfer_channel_back(world: World) -> str:
    """Return juno's channel for coins to osmosis; a branch has it too."""
    return channel_to(world.juno, "osmosis")


def _measured(chain: Chain, measure: str, field: str, **of: str) -> int:
    return int(chain.query("mesh/measures", measure, **of)[field])
