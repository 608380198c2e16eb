"""What security is worth, in figures of one chain: where power comes from, and what a fault would cost now."""

import msgspec

from meshsec_core.ibc import client, transfer
from meshsec_core.ibc.channel import client_of
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_BPS, ONE_E18, Address, ChainId, Denom, LinkId, ValidatorId, ceil_div
from meshsec_core.modules import slashing
from meshsec_core.modules.staking import state as staking
from meshsec_core.runtime.module import Query, View
from meshsec_core.security.mesh.consumer import views as borrowing
from meshsec_core.security.mesh.packets import BAD_AMOUNT, DOUBLE_SIGN, DOWNTIME
from meshsec_core.security.mesh.provider import policy
from meshsec_core.security.mesh.provider.book import Key
from meshsec_core.security.mesh.provider.payout import pending_rewards
from meshsec_core.security.mesh.provider.state import POOLS, RESERVES, STAKES, VAULTS, Policy, get_link, validators_of
from meshsec_core.security.mesh.rewards import Division, Split, divide

UNKNOWN_FAULT = "mesh/unknown-fault"


class Power(msgspec.Struct, frozen=True):
    """A chain's bonded tokens by source."""

    native: int
    virtual: dict[LinkId, int]
    """Per link that this chain borrows over."""


class Corruption(msgspec.Struct, frozen=True):
    """What it takes to stop this chain, or to forge it: a third of the power stops it, two thirds sign anything."""

    bonded: int
    buy_third: int
    """Tokens that an outsider must bond to hold a third; rounds up."""
    buy_two_thirds: int
    bribe_third: int
    """How many validators, the largest first, hold at least a third."""
    bribe_two_thirds: int
    burn_third: int
    """What their double sign would burn here, in this chain's tokens: native and virtual stake."""
    burn_two_thirds: int


class Concentration(msgspec.Struct, frozen=True):
    """How unequal power is; 10000 means that one holds it all."""

    validators_bps: int
    """Sum of the squares of the validators' shares, rounded down."""
    sources_bps: int
    """The same over who backs them: native stake and every provider."""


class AtRisk(msgspec.Struct, frozen=True):
    """What a neighbour could take from here by showing forged packets: the coins that stand for its vouchers."""

    chain: ChainId
    channel: str
    denom: Denom
    amount: int


class Earning(msgspec.Struct, frozen=True):
    """What a re-staker may expect of one validator."""

    consumer: LinkId
    validator: ValidatorId
    stake: int
    share_e18: int
    """Of every reward for the validator's virtual stake, behind what its operator takes; rounds down."""
    pending: int
    """Credited and not withdrawn, in consumer tokens."""


class Restaker(msgspec.Struct, frozen=True):
    """What one user stands to lose and to earn."""

    collateral: int
    most_loss: int
    """If one fault happens on every link at once, at home included."""
    losses: dict[str, int]
    """Per link, if it alone has a fault: its lien by its ratio, rounded up."""
    earnings: tuple[Earning, ...]


class Outcome(msgspec.Struct, frozen=True):
    """Who would get what of one reward under one policy of an operator, in consumer tokens."""

    split: Split
    commission_bps: int
    here: int
    """To the operator's node on this chain."""
    there: int
    """To its node on the consumer."""
    restakers: dict[Address, int]
    """By who lends to it: what they could withdraw more than now, in whole tokens."""


class AtStake(msgspec.Struct, frozen=True):
    """What a fault of one validator would cost now."""

    validator: ValidatorId
    here: int
    """On the chain of the validator, in its tokens: native and virtual stake."""
    native: int
    """Of it, coins of this chain. The rest is virtual: what it costs is lost by lenders elsewhere."""


class LentAtStake(msgspec.Struct, frozen=True):
    """What a fault of a consumer's validator would cost the users of this chain."""

    consumer: LinkId
    validator: ValidatorId
    stake: int
    loss: int
    """In this chain's tokens: each user's share rounds down."""


class Leverage(msgspec.Struct, frozen=True):
    """How often collateral is used."""

    collateral: int
    lent: int
    """All liens together."""
    slashable: int
    """What one fault on every link of every user at once would cost."""


def query_power(view: View) -> Power:
    """Show where a chain's power comes from."""
    backed = [each for each in borrowing.backing(view) if each.bonded]
    links = sorted({link for each in backed for link in each.virtual})
    return Power(sum(each.native for each in backed), {link: sum(each.virtual.get(link, 0) for each in backed) for link in links})


def query_corruption(view: View) -> Corruption:
    """Show what it takes to hold a third or two thirds of the power."""
    powers = _powers(view)
    bonded = sum(powers)
    fraction = slashing.params(view.store).double_sign_slash_bps
    third, two_thirds = _largest(powers, 1), _largest(powers, 2)
    return Corruption(
        bonded,
        ceil_div(bonded, 2),  # x of bonded + x is a third
        2 * bonded,
        len(third),
        len(two_thirds),
        sum(tokens * fraction // ONE_BPS for tokens in third),
        sum(tokens * fraction // ONE_BPS for tokens in two_thirds),
    )


def query_concentration(view: View) -> Concentration:
    """Show how unequal power is."""
    power = query_power(view)
    return Concentration(_squares(_powers(view)), _squares([power.native, *power.virtual.values()]))


def query_at_risk(view: View) -> tuple[AtRisk, ...]:
    """List what each neighbour could take from here: the value that its security must be worth."""
    found = []
    for (channel, denom), amount in transfer.ESCROWS.items(view.store):
        chain = client.client_chain_id(view.store, client_of(view.store, transfer.PORT, channel))
        found.append(AtRisk(chain, channel, Denom(denom), amount))
    return tuple(found)


def query_restaker(view: View, user: Address) -> Restaker:
    """Show what a user stands to lose and to earn."""
    account = VAULTS.get(view.store, user)
    earnings = []
    for link in account.liens:
        for validator in validators_of(view.store, user, LinkId(link)):
            key = Key(LinkId(link), validator, user)
            stake, total = STAKES.get(view.store, *key).bonded, POOLS.get(view.store, link, validator).total
            left = ONE_BPS - policy.taken(view.store, key.link, validator, view.time)
            share = stake * ONE_E18 * left // (total * ONE_BPS) if total else 0
            earnings.append(Earning(key.link, validator, stake, share, pending_rewards(view.store, key)))
    losses = {link: ceil_div(lien.range.high * lien.ratio_bps, ONE_BPS) for link, lien in account.liens.items()}
    return Restaker(account.collateral, account.slashable.high, losses, tuple(earnings))


def query_reward_policies(
    view: View, consumer: LinkId, validator: ValidatorId, reward: str, commission_bps: str = "0"
) -> tuple[Outcome, ...]:
    """Show for each policy who would get what if a validator's stake earned a reward now; each is tried on the side.

    `commission_bps` is what `per-link` would take; the others take what the operator's validator here does.

    Raises:
        Rejected: `mesh/unknown-link`, `mesh/not-joined`, `mesh/bad-amount`.
    """
    earned = _number(reward)
    get_link(view.store, consumer)
    here, larger = policy.node_here(view.store, consumer, validator), policy.here_is_larger(view.store, consumer, validator)
    pool, reserve = POOLS.get(view.store, consumer, validator), RESERVES.get(view.store, consumer)
    stakes = {Address(user): stake.settle(pool.points_e18) for (user,), stake in STAKES.items(view.store, consumer, validator)}
    outcomes = []
    for split in Split:
        rate = policy.commission(view.store, here, Policy(split, min(_number(commission_bps), ONE_BPS)))
        part = divide(earned, split, rate, here_is_larger=larger) if pool.total else Division(0, 0, 0)
        after = pool.distribute(part.lenders + reserve) if pool.total else pool
        gains = {user: stake.settle(after.points_e18).whole - stake.whole for user, stake in stakes.items() if stake.bonded}
        outcomes.append(Outcome(split, rate, part.here, part.there, gains))
    return tuple(outcomes)


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 38:
        raise Rejected(BAD_AMOUNT, amount=text[:50])
    return int(text)


def query_at_stake(view: View, validator: ValidatorId, fault: str = DOUBLE_SIGN) -> AtStake:
    """Show what a fault of this chain's validator would cost here; both figures round down, as the slash does.

    Raises:
        Rejected: `staking/unknown-validator`, `mesh/unknown-fault`.
    """
    record = staking.get_validator(view.store, validator)
    rules = slashing.params(view.store)
    fraction = _of_fault(fault, rules.double_sign_slash_bps, rules.downtime_slash_bps)
    native = next(each.native for each in borrowing.backing(view) if each.validator == record.operator)
    return AtStake(record.operator, record.tokens * fraction // ONE_BPS, native * fraction // ONE_BPS)


def query_lent_at_stake(view: View, consumer: LinkId, validator: ValidatorId, fault: str = DOUBLE_SIGN) -> LentAtStake:
    """Show what a fault of a consumer's validator would cost the users here, propagation not counted. Caps do not lower it.

    Raises:
        Rejected: `mesh/unknown-link`, `mesh/unknown-fault`.
    """
    rules = get_link(view.store, consumer).rules
    fraction = 0 if rules is None else _of_fault(fault, rules.harshest_bps, rules.downtime_bps)
    loss = 0
    for (user,), stake in STAKES.items(view.store, consumer, validator):
        lien = VAULTS.get(view.store, user).liens.get(consumer)
        if lien is not None:
            loss += stake.range.high * min(fraction, lien.ratio_bps) // ONE_BPS
    pool = POOLS.get(view.store, consumer, validator)
    return LentAtStake(consumer, validator, pool.total + pool.adding, loss)


def _of_fault(fault: str, double_sign_bps: int, downtime_bps: int) -> int:
    match fault:
        case "double-sign":
            return double_sign_bps
        case "downtime":
            return downtime_bps
        case _:
            raise Rejected(UNKNOWN_FAULT, fault=fault[:50], known=f"{DOUBLE_SIGN}, {DOWNTIME}")


def _powers(view: View) -> list[int]:
    """Return the tokens of the bonded validators, largest first."""
    return sorted((each.tokens for each in borrowing.backing(view) if each.bonded), reverse=True)


def _largest(powers: list[int], thirds: int) -> list[int]:
    """Return the fewest of them that hold so many thirds of all."""
    total, held = sum(powers), 0
    for count, tokens in enumerate(powers):
        if 3 * held >= thirds * total:
            return powers[:count]
        held += tokens
    return powers


def _squares(parts: list[int]) -> int:
    total = sum(parts)
    return sum(part * part for part in parts) * ONE_BPS // (total * total) if total else 0


def query_leverage(view: View) -> Leverage:
    """Show how much is lent on how much collateral."""
    accounts = [account for _, account in VAULTS.items(view.store)]
    return Leverage(
        sum(account.collateral for account in accounts),
        sum(lien.range.high for account in accounts for lien in account.liens.values()),
        sum(account.slashable.high for account in accounts),
    )


MEASURES: dict[str, Query] = {
    "power": query_power,
    "corruption": query_corruption,
    "concentration": query_concentration,
    "at-risk": query_at_risk,
    "restaker": query_restaker,
    "reward-policies": query_reward_policies,
    "at-stake": query_at_stake,
    "lent-at-stake": query_lent_at_stake,
    "leverage": query_leverage,
}
