"""Inflation is exact over any steps, and silent in between."""

import pytest

from harness import Chain
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.modules import bank
from meshsec_core.modules.auth import AUTH
from meshsec_core.modules.bank import BANK
from meshsec_core.modules.mint import MINT, YEAR, MintParams
from meshsec_core.modules.staking.module import STAKING

MODULES = (AUTH, BANK, STAKING, MINT)
DAY = 24 * 3600 * SECOND


def chain_with(**params: int) -> Chain:
    return Chain(MODULES, balances={"alice": 6_000_000}, modules_genesis={"mint": params})


def minted(chain: Chain) -> int:
    fees = chain.balance(chain.ctx.module_account("fees"))
    assert bank.supply(chain.state, chain.machine.denom) == 10_000_000 + fees
    return fees


def test_a_year_mints_the_yearly_rate_of_the_supply() -> None:
    chain = chain_with()

    chain.block(YEAR - SECOND)

    assert minted(chain) == 700_000


def test_nothing_is_minted_where_inflation_is_none() -> None:
    chain = chain_with(inflation_bps=0)
    before = chain.snapshot()

    chain.block(YEAR)

    assert minted(chain) == 0
    chain.block()
    assert {key for key in chain.snapshot() if key not in before} == set()


def test_what_a_division_leaves_counts_next_time() -> None:
    """At 7 % of 10,000,000 a second mints 0.022 units: 45 seconds mint none, 46 mint one, and a day of seconds 1,917."""
    chain = chain_with(interval=0)

    chain.blocks(44)
    assert minted(chain) == 0
    chain.block()
    assert minted(chain) == 1
    chain.block(DAY - 46 * SECOND)
    assert minted(chain) == 700_000 * DAY // YEAR == 1_917


def test_steps_of_any_length_mint_no_more_than_one_long_step_of_the_supply_they_make() -> None:
    """One unit at a time the supply stays the same between units, so ten small steps and one large one agree to the unit."""
    small, large = chain_with(interval=0), chain_with(interval=0)

    for _ in range(9):
        small.block(DAY // 100)
    large.block(9 * (DAY // 100))

    assert minted(small) == minted(large) == 700_000 * (9 * (DAY // 100) + SECOND) // YEAR


def test_coins_are_minted_at_most_once_per_interval() -> None:
    chain = chain_with(interval=60 * SECOND, inflation_bps=100_000)
    chain.blocks(58)
    assert minted(chain) == 0
    before = chain.snapshot()
    chain.blocks(1, time_step=SECOND - 1)
    assert chain.snapshot() == before

    chain.block(1)
    assert minted(chain) == 10_000_000 * 10 * 60 * SECOND // YEAR == 190


def test_a_supply_at_its_limit_grows_no_more() -> None:
    chain = Chain(MODULES, balances={"alice": bank.MAX_AMOUNT - 4_000_005})

    chain.block(YEAR)
    chain.block(YEAR)

    assert chain.balance(chain.ctx.module_account("fees")) == 5
    chain.check_laws()


@pytest.mark.parametrize("params", [{"inflation_bps": -1}, {"inflation_bps": 100_001}, {"interval": -1}])
def test_rules_that_cannot_work_are_refused(params: dict[str, int]) -> None:
    with pytest.raises(Rejected) as refusal:
        chain_with(**params)
    assert refusal.value.code == "mint/bad-params"


def test_readers_see_the_rate() -> None:
    assert chain_with(inflation_bps=5).query("mint/params") == MintParams(inflation_bps=5)
