"""Rules of modules change by governance alone: what is named changes, the rest stays, and what cannot be is refused."""

from typing import Any

import pytest

from harness import Chain
from ibc_events import attributes, refused
from meshsec_core.kernel import codec
from meshsec_core.kernel.types import SECOND
from meshsec_core.modules import auth, mint
from meshsec_core.modules.auth import AUTH
from meshsec_core.modules.bank import BANK
from meshsec_core.modules.distribution import DISTRIBUTION
from meshsec_core.modules.gov import module as gov
from meshsec_core.modules.gov.module import GOV, Submit, Vote
from meshsec_core.modules.gov.state import PARAMS, Option, Status
from meshsec_core.modules.mint import MINT, MINTED, YEAR, Minted, MintParams
from meshsec_core.modules.slashing import SLASHING
from meshsec_core.modules.staking.module import STAKING
from meshsec_core.runtime.module import Event, Msg

MODULES = (AUTH, BANK, STAKING, SLASHING, MINT, DISTRIBUTION, GOV)


@pytest.fixture
def chain() -> Chain:
    """Four validators with a million each, and 10,000 of alice's that are staked nowhere."""
    return Chain(
        MODULES,
        balances={"alice": 10_000},
        modules_genesis={
            "mint": {"inflation_bps": 0, "interval": 0},
            "gov": {"min_deposit": 100, "voting_period": 10 * SECOND},
        },
    )


def total(chain: Chain) -> int:
    return int(chain.query("bank/supply", denom="uosmo").amount)


def decree(chain: Chain, msg: Msg) -> list[Event]:
    return chain.send(chain.ctx.module_account("gov"), msg)


def test_a_proposal_changes_how_proposals_are_decided(chain: Chain) -> None:
    """Given a quorum of a third and a proposal to ask for two thirds and double the voting period
    When it passes by the old rules, and a second proposal gets as many votes
    Then what was not named is as before, and the second one lacks a quorum
    """
    before = PARAMS.get(chain.state)
    spelled = codec.plain(gov.SetParams({"quorum_bps": "6700", "voting_period": str(20 * SECOND)}))
    for number in (1, 2):
        chain.send("alice", Submit("decide with more", (spelled,), 100))
        for voter in ("val-0", "val-1"):
            chain.send(voter, Vote(number, Option.YES))
        chain.block(PARAMS.get(chain.state).voting_period)
        chain.block()
        if number == 1:
            after = PARAMS.get(chain.state)
            assert (after.quorum_bps, after.voting_period, after.min_deposit) == (6_700, 20 * SECOND, before.min_deposit)
    found = [chain.query("gov/proposal", proposal=number).proposal for number in (1, 2)]  # type: ignore[arg-type]
    assert [(each.status, each.code) for each in found] == [(Status.PASSED, ""), (Status.REJECTED, "gov/no-quorum")]
    chain.check_laws()


def test_a_new_rate_of_inflation_counts_from_the_block_that_sets_it(chain: Chain) -> None:
    """Given a year without inflation
    When governance sets 10 % a year, half a year later 20 %, and half a year later 0
    Then nothing is minted for the first year, then 5 %, then 10 % of what there is by then, then nothing
    """
    found = [total(chain)]
    for rate, step in (("1000", YEAR), ("2000", YEAR // 2), ("0", YEAR // 2)):
        chain.block(step)
        decree(chain, mint.SetParams({"inflation_bps": rate}))
        assert MINTED.get(chain.state) == Minted(chain.ctx.time, 0)
        found.append(total(chain))
    chain.block(YEAR)
    assert [*found, total(chain)] == [4_010_000, 4_010_000, 4_210_500, 4_631_550, 4_631_550]
    chain.check_laws()


def test_fees_change_and_the_event_says_what(chain: Chain) -> None:
    events = decree(chain, auth.SetParams({"min_fee": "7"}))
    assert attributes(events, "auth/params") == {"min_fee": "7"}
    assert auth.PARAMS.get(chain.state) == auth.AuthParams(min_fee=7)


@pytest.mark.parametrize(
    ("msg", "code"),
    [
        (gov.SetParams({"quorum_bps": "10001"}), "gov/bad-params"),
        (gov.SetParams({"voting_period": "0"}), "gov/bad-params"),
        (gov.SetParams({"quorum": "1"}), "codec/malformed"),
        (gov.SetParams({"quorum_bps": "many"}), "codec/malformed"),
        (mint.SetParams({"inflation_bps": "100001"}), "mint/bad-params"),
        (mint.SetParams({"interval": "-1"}), "mint/bad-params"),
        (auth.SetParams({"min_fee": "-1"}), "auth/bad-fee"),
    ],
)
def test_rules_that_cannot_be_are_refused(chain: Chain, msg: Msg, code: str) -> None:
    with refused(chain, code):
        decree(chain, msg)


@pytest.mark.parametrize("kind", [gov.SetParams, mint.SetParams, auth.SetParams])
def test_nobody_but_governance_changes_rules(chain: Chain, kind: Any) -> None:
    with refused(chain, "gov/unauthorized"):
        chain.send("alice", kind({}))
    assert decree(chain, kind({}))
    assert mint.PARAMS.get(chain.state) == MintParams(inflation_bps=0, interval=0)
