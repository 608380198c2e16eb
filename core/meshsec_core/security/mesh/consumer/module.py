"""The borrowing side as a module."""

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_BPS
from meshsec_core.modules.staking.signals import (
    DelegationChanging,
    ValidatorBonded,
    ValidatorJailed,
    ValidatorSlashed,
    ValidatorTombstoned,
    ValidatorUnbonding,
    ValidatorUnjailed,
)
from meshsec_core.runtime.module import Ctx, Module
from meshsec_core.security.mesh.consumer import closing, epoch, feed, governance, laws, valset, views
from meshsec_core.security.mesh.consumer.channel import PORT
from meshsec_core.security.mesh.consumer.governance import CloseLink, OpenLink, SetLinkParams, SetMaxCap, SetPriceFeed
from meshsec_core.security.mesh.consumer.state import GENESIS, ConsumerGenesis
from meshsec_core.security.mesh.links import BAD_PARAMS
from meshsec_core.security.mesh.packets import CONSUMER_PORT


def init(ctx: Ctx, genesis: ConsumerGenesis) -> None:
    """Admit the providers that the genesis names.

    Raises:
        Rejected: `mesh/bad-params`, `mesh/invalid-price`, `mesh/invalid-discount`, `mesh/total-cap-exceeded`.
    """
    if not 0 <= genesis.local_floor_bps <= ONE_BPS:
        raise Rejected(BAD_PARAMS, field="local_floor_bps")
    if genesis.total_max_cap < 0:
        raise Rejected(BAD_PARAMS, field="total_max_cap")
    GENESIS.put(ctx.store, genesis)
    for provider, params in sorted(genesis.links.items()):
        governance.admit(ctx, provider, params)


def begin_block(ctx: Ctx) -> None:
    """Report what happened to validators in the block before."""
    valset.report(ctx)


def end_block(ctx: Ctx) -> None:
    """Ask for prices, run the epochs that are due, close what has been unwound."""
    feed.ask_due(ctx)
    epoch.run_due(ctx)
    closing.close_unwound(ctx)


CONSUMER: Module[ConsumerGenesis] = Module(
    "mesh/consumer",
    handlers={
        OpenLink: governance.open_link,
        CloseLink: governance.close_link,
        SetMaxCap: governance.set_max_cap,
        SetPriceFeed: governance.set_price_feed,
        SetLinkParams: governance.set_link_params,
    },
    genesis=ConsumerGenesis,
    init=init,
    begin_block=begin_block,
    end_block=end_block,
    hooks={
        DelegationChanging: valset.on_delegation_changing,
        ValidatorBonded: valset.on_bonded,
        ValidatorUnbonding: valset.on_unbonding,
        ValidatorJailed: valset.on_jailed,
        ValidatorUnjailed: valset.on_unjailed,
        ValidatorTombstoned: valset.on_tombstoned,
        ValidatorSlashed: valset.on_slashed,
    },
    ports={CONSUMER_PORT: PORT, feed.FEED_PORT: feed.PORT},
    queries=views.QUERIES,
    laws=laws.LAWS,
    stores=("mesh",),
)
"""The borrowing side of Mesh Security."""
