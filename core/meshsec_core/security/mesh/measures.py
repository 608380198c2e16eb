"""What security is worth, in figures of one chain: where power comes from, and what a fault would cost now."""

import msgspec

from meshsec_core.kernel.types import ONE_BPS, LinkId, ValidatorId
from meshsec_core.modules import slashing
from meshsec_core.modules.staking import state as staking
from meshsec_core.runtime.module import Query, View
from meshsec_core.security.mesh.consumer import views as borrowing
from meshsec_core.security.mesh.provider.state import POOLS, STAKES, VAULTS, get_link


class Power(msgspec.Struct, frozen=True):
    """A chain's bonded tokens by source."""

    native: int
    virtual: dict[LinkId, int]
    """Per link that this chain borrows over."""


class AtStake(msgspec.Struct, frozen=True):
    """What a double sign of one validator would cost now."""

    validator: ValidatorId
    here: int
    """On the chain of the validator, in its tokens: native and virtual stake."""


class LentAtStake(msgspec.Struct, frozen=True):
    """What a double sign of a consumer's validator would cost the users of this chain."""

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


def query_at_stake(view: View, validator: str) -> AtStake:
    """Show what a double sign of this chain's validator would cost here; rounds down, as the slash does.

    Raises:
        Rejected: `staking/unknown-validator`.
    """
    record = staking.get_validator(view.store, ValidatorId(validator))
    return AtStake(record.operator, record.tokens * slashing.params(view.store).double_sign_slash_bps // ONE_BPS)


def query_lent_at_stake(view: View, consumer: str, validator: str) -> LentAtStake:
    """Show what a double sign of a consumer's validator would cost the users here, propagation not counted.

    Raises:
        Rejected: `mesh/unknown-link`.
    """
    link = get_link(view.store, LinkId(consumer))
    fraction = link.rules.double_sign_bps if link.rules is not None else 0
    loss = 0
    for (user,), stake in STAKES.items(view.store, consumer, validator):
        lien = VAULTS.get(view.store, user).liens.get(consumer)
        if lien is not None:
            loss += stake.range.high * min(fraction, lien.ratio_bps) // ONE_BPS
    pool = POOLS.get(view.store, consumer, validator)
    return LentAtStake(LinkId(consumer), ValidatorId(validator), pool.total + pool.adding, loss)


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
    "at-stake": query_at_stake,
    "lent-at-stake": query_lent_at_stake,
    "leverage": query_leverage,
}
