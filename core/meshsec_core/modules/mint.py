"""New coins at a yearly rate that only governance changes, paid into the fee collector.

Law: over any time the coins minted are the sum of `supply × rate × elapsed time`, to the unit: what a division leaves is carried.
"""

from typing import Any

import msgspec

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.windows import Item
from meshsec_core.kernel.types import ONE_BPS, SECOND
from meshsec_core.modules import bank
from meshsec_core.modules.auth import FEES
from meshsec_core.runtime.authority import set_params
from meshsec_core.runtime.module import Ctx, Module, Msg, View

BAD_PARAMS = "mint/bad-params"

YEAR = 365 * 24 * 3600 * SECOND
"""A year of inflation, in nanoseconds."""
MAX_INFLATION_BPS = 10 * ONE_BPS


class MintParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How fast the supply grows."""

    inflation_bps: int = 700
    """Per year, of the supply at the time; 0 mints nothing."""
    interval: int = 60 * SECOND
    """Coins are minted for at least so long at once (nanoseconds), so that an empty block writes nothing."""


class Minted(msgspec.Struct, frozen=True):
    """Up to when coins have been minted."""

    time: int
    """Nanoseconds."""
    remainder: int
    """What the last division left, in base units × 10^4 × nanoseconds."""


PARAMS: Item[MintParams] = Item("mint/params", MintParams)
MINTED: Item[Minted] = Item("mint/minted", Minted)


def begin_block(ctx: Ctx) -> None:
    """Mint what is due since the last time. Floor; the remainder counts next time, so the length of steps changes nothing."""
    params = PARAMS.get(ctx.store)
    if params.inflation_bps == 0:
        return
    if ctx.time - MINTED.get(ctx.store).time >= max(params.interval, 1):
        _mint(ctx, params)


def _mint(ctx: Ctx, params: MintParams) -> None:
    last = MINTED.get(ctx.store)
    elapsed = ctx.time - last.time
    supply = bank.supply(ctx.store, ctx.denom)
    amount, remainder = divmod(supply * params.inflation_bps * elapsed + last.remainder, ONE_BPS * YEAR)
    MINTED.put(ctx.store, Minted(ctx.time, remainder))
    amount = min(amount, bank.MAX_AMOUNT - supply)
    if amount:
        bank.mint(ctx, ctx.module_account(FEES), ctx.denom, amount)


class SetParams(Msg, frozen=True, tag="mint/SetParams"):
    """Change how fast the supply grows; governance alone may."""

    changes: dict[str, Any]
    """Rule to its new value; what is not named stays."""


def on_set_params(ctx: Ctx, msg: SetParams) -> None:
    """Mint what is due by the rate so far, then change it.

    Raises:
        Rejected: `gov/unauthorized`, `codec/malformed`, `mint/bad-params`.
    """
    before = PARAMS.get(ctx.store)
    set_params(ctx, "mint", PARAMS, msg, check_params)
    _mint(ctx, before)


def init(ctx: Ctx, genesis: MintParams) -> None:
    """Write the rules; minting starts with the genesis time.

    Raises:
        Rejected: `mint/bad-params`.
    """
    check_params(genesis)
    PARAMS.put(ctx.store, genesis)
    MINTED.put(ctx.store, Minted(ctx.time, 0))


def check_params(params: MintParams) -> None:
    """Refuse a negative rate or interval, and more than tenfold a year: `mint/bad-params`."""
    if not 0 <= params.inflation_bps <= MAX_INFLATION_BPS or params.interval < 0:
        raise Rejected(BAD_PARAMS, inflation_bps=str(params.inflation_bps)[:50], interval=str(params.interval)[:50])


def query_params(view: View) -> MintParams:
    """Show how fast the supply grows."""
    return PARAMS.get(view.store)


MINT: Module[MintParams] = Module(
    "mint",
    handlers={SetParams: on_set_params},
    genesis=MintParams,
    init=init,
    begin_block=begin_block,
    queries={"params": query_params},
    stores=("mint",),
)
"""Inflation."""
