"""Votes are counted as a plain reading of the rules counts them, whoever stakes, votes, splits, or is slashed."""

from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from harness import Chain
from meshsec_core.kernel import codec
from meshsec_core.modules.auth import AUTH
from meshsec_core.modules.bank import BANK, Send
from meshsec_core.modules.distribution import DISTRIBUTION
from meshsec_core.modules.gov.module import GOV, Submit, VoteWeighted
from meshsec_core.modules.gov.state import Option, Status
from meshsec_core.modules.mint import MINT
from meshsec_core.modules.slashing import SLASHING
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.module import STAKING, Delegate
from meshsec_core.modules.staking.slash import Fault, slash
from meshsec_core.modules.staking.validator import jail

MODULES = (AUTH, BANK, STAKING, SLASHING, MINT, DISTRIBUTION, GOV)
DELEGATORS = ("alice", "bob", "carol")
OPERATORS = ("val-0", "val-1", "val-2")
VOTERS = (*DELEGATORS, *OPERATORS)
DEPOSIT = 10


def _shares(cuts: list[int]) -> dict[Option, int]:
    edges = [0, *sorted(cuts), 10_000]
    parts = [high - low for low, high in pairwise(edges)]
    return {option: part for option, part in zip(Option, parts, strict=True) if part}


ballots = st.lists(st.sampled_from((0, 1, 3_333, 3_340, 5_000, 9_999, 10_000)), min_size=3, max_size=3).map(_shares)
stakes = st.lists(st.tuples(st.sampled_from(VOTERS), st.integers(0, 2), st.integers(1, 40)), max_size=8)
votes = st.lists(st.tuples(st.sampled_from(VOTERS), ballots), max_size=8)
faults = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 10_000)), max_size=2)


def expected(chain: Chain, said: dict[str, dict[Option, int]]) -> tuple[dict[Option, Fraction], int]:
    """The plain reading: every token of a bonded validator is voted by its owner, or else by the validator."""
    counted = dict.fromkeys(Option, Fraction(0))
    bonded = 0
    for index, operator in enumerate(OPERATORS):
        record = staking.get_validator(chain.state, chain.validator(index))
        if record.status is not staking.Status.BONDED:
            continue
        bonded += record.tokens
        owned = staking.delegators_of(chain.state, record.operator)
        owners = [(name, owned.pop(chain.address(name), 0)) for name in VOTERS]
        assert owned == {}
        nobodys = record.tokens - sum(tokens for _, tokens in owners)
        for name, tokens in [*owners, (operator, nobodys)]:
            for option, share in said.get(name, said.get(operator, {})).items():
                counted[option] += Fraction(tokens * share, 10_000)
    return counted, bonded


@settings(max_examples=60, deadline=None)
@given(stakes=stakes, votes=votes, faults=faults, away=st.integers(0, 3))
def test_a_count_and_its_outcome_are_those_of_the_plain_rules(
    stakes: list[tuple[str, int, int]],
    votes: list[tuple[str, dict[Option, int]]],
    faults: list[tuple[int, int]],
    away: int,
) -> None:
    chain = Chain(
        MODULES,
        validators=(50, 31, 20),
        balances=dict.fromkeys(VOTERS, 1_000),
        modules_genesis={"mint": {"inflation_bps": 0}, "gov": {"min_deposit": DEPOSIT}},
    )
    chain.send("alice", Send(chain.ctx.module_account("gov"), chain.machine.denom, 5))
    for name, index, amount in stakes:
        chain.send(name, Delegate(chain.validator(index), amount))
    chain.block()
    for index, fraction in faults:
        slash(chain.ctx, chain.validator(index), Fault("downtime", chain.ctx.height, 0, 20, fraction))
    if away < 3:
        jail(chain.ctx, chain.validator(away))
    chain.block()
    supply = chain.query("bank/supply", denom="uosmo").amount
    held = chain.balance("bob")
    payment = codec.plain(Send(chain.address("dave"), chain.machine.denom, 5))
    chain.send("bob", Submit("pay dave", (payment,), DEPOSIT))
    for name, shares in votes:
        chain.send(name, VoteWeighted(1, shares))
    counted, bonded = expected(chain, dict(votes))
    chain.block(60 * 10**9)
    chain.block()
    chain.check_laws()

    found = chain.query("gov/proposals")[0].proposal
    assert [found.tally.yes, found.tally.no, found.tally.abstain, found.tally.no_with_veto, found.tally.bonded] == [
        *(counted[option].__floor__() for option in (Option.YES, Option.NO, Option.ABSTAIN, Option.NO_WITH_VETO)),
        bonded,
    ]
    voted = sum(counted.values())
    quorate = voted > 0 and voted >= Fraction(3_340, 10_000) * bonded
    vetoed = quorate and counted[Option.NO_WITH_VETO] > Fraction(3_340, 10_000) * voted
    passed = quorate and not vetoed and counted[Option.YES] > (voted - counted[Option.ABSTAIN]) / 2
    assert found.status is (Status.PASSED if passed else Status.REJECTED)
    assert chain.balance("dave") == (5 if passed else 0)
    assert chain.balance("bob") == held - (DEPOSIT if vetoed else 0)
    assert chain.query("bank/supply", denom="uosmo").amount == supply - (DEPOSIT if vetoed else 0)
