"""Whoever has stake decides: deposits, votes and counts to the unit, and what a decision does or leaves undone."""

from typing import Any

import pytest

from harness import Chain
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.store.overlay import Overlay
from meshsec_core.kernel.types import SECOND
from meshsec_core.modules import bank
from meshsec_core.modules.auth import AUTH
from meshsec_core.modules.bank import BANK, Send
from meshsec_core.modules.distribution import DISTRIBUTION
from meshsec_core.modules.gov import course, state
from meshsec_core.modules.gov.course import MAX_MSGS, TITLE_LENGTH
from meshsec_core.modules.gov.module import GOV, Deposit, Submit, Vote, VoteWeighted
from meshsec_core.modules.gov.state import MAX_PERIOD, Option, Params, Status, Tally
from meshsec_core.modules.mint import MINT
from meshsec_core.modules.slashing import SLASHING
from meshsec_core.modules.staking.module import STAKING, CreateValidator, Delegate, Undelegate
from meshsec_core.modules.staking.slash import Fault, slash
from meshsec_core.modules.staking.validator import jail
from meshsec_core.runtime.module import Ctx, Event, Msg

MODULES = (AUTH, BANK, STAKING, SLASHING, MINT, DISTRIBUTION, GOV)
FUNDS = 10_000
DEPOSIT = 100
DEPOSIT_PERIOD = 20 * SECOND
VOTING_PERIOD = 10 * SECOND
YES, NO, ABSTAIN, VETO = Option.YES, Option.NO, Option.ABSTAIN, Option.NO_WITH_VETO


def chain_of(*bonds: int, **params: int) -> Chain:
    """A chain whose validators have these self-bonds, and whose gov account has 1,000 to spend."""
    rules = {"min_deposit": DEPOSIT, "deposit_period": DEPOSIT_PERIOD, "voting_period": VOTING_PERIOD, **params}
    chain = Chain(
        MODULES,
        validators=bonds or (1_000, 1_000, 1_000),
        balances={"alice": FUNDS, "bob": FUNDS, "carol": FUNDS, "treasurer": 1_000},
        modules_genesis={"mint": {"inflation_bps": 0}, "gov": rules},
    )
    chain.send("treasurer", Send(chain.ctx.module_account("gov"), chain.machine.denom, 1_000))
    return chain


def pay(chain: Chain, amount: int, to: str = "dave") -> Send:
    return Send(chain.address(to), chain.machine.denom, amount)


def propose(chain: Chain, *msgs: Msg, deposit: int = DEPOSIT, by: str = "alice") -> int:
    events = chain.send(by, Submit("a proposal", tuple(codec.plain(msg) for msg in msgs), deposit))
    return int(next(dict(event.attributes)["proposal"] for event in events if event.type == "gov/submit"))


def vote(chain: Chain, number: int, **said: Option) -> None:
    """Vote by name; `val_0` is the operator of the first validator."""
    for name, option in said.items():
        chain.send(name.replace("_", "-"), Vote(number, option))


def close(chain: Chain) -> list[Event]:
    """Let the voting period pass; return the events of the block that closes it."""
    chain.block(VOTING_PERIOD)
    events = chain.end()
    chain._begin(SECOND, (), ())
    chain.check_laws()
    return events


def proposal(chain: Chain, number: int) -> state.Proposal:
    found = chain.query("gov/proposal", proposal=number)  # type: ignore[arg-type]
    assert found.id == number
    return found.proposal  # type: ignore[no-any-return]


def tally(chain: Chain, number: int) -> tuple[Any, str]:
    found = chain.query("gov/tally", proposal=number)  # type: ignore[arg-type]
    return found.tally, found.code


def outcome(chain: Chain, number: int) -> tuple[Status, str]:
    found = proposal(chain, number)
    return found.status, found.code


def test_an_accepted_proposal_runs_in_the_chains_name_and_deposits_come_home() -> None:
    chain = chain_of()
    number = propose(chain, pay(chain, 30), pay(chain, 12, to="bob"))
    assert chain.balance("alice") == FUNDS - DEPOSIT
    vote(chain, number, val_0=YES, val_1=YES)
    events = close(chain)

    assert outcome(chain, number) == (Status.PASSED, "")
    assert proposal(chain, number).tally == Tally(yes=2_000, no=0, abstain=0, no_with_veto=0, bonded=3_000)
    assert (chain.balance("dave"), chain.balance("bob"), chain.balance("alice")) == (30, FUNDS + 12, FUNDS)
    assert chain.balance(chain.ctx.module_account("gov")) == 1_000 - 42
    assert [event.type for event in events] == ["bank/transfer"] * 3 + ["gov/closed"]
    assert not [key for key in chain.snapshot() if key.startswith(("gov/votes", "gov/deposits", "gov/queue"))]


def test_nothing_happens_before_the_voting_period_is_over() -> None:
    chain = chain_of()
    number = propose(chain, pay(chain, 30))
    vote(chain, number, val_0=YES, val_1=YES, val_2=YES)
    chain.block(VOTING_PERIOD - 1)
    chain.block(1)
    assert (outcome(chain, number), chain.balance("dave")) == ((Status.VOTING, ""), 0)
    chain.block()
    assert (outcome(chain, number), chain.balance("dave")) == ((Status.PASSED, ""), 30)


def test_a_message_that_is_refused_reverts_its_proposal_and_no_other() -> None:
    chain = chain_of()
    first = propose(chain, pay(chain, 30), pay(chain, 971), pay(chain, 1))
    second = propose(chain, pay(chain, 5), by="bob")
    for number in (first, second):
        vote(chain, number, val_0=YES, val_1=YES)
    events = close(chain)

    assert outcome(chain, first) == (Status.FAILED, "bank/insufficient-funds")
    assert outcome(chain, second) == (Status.PASSED, "")
    assert chain.balance("dave") == 5
    assert (chain.balance("alice"), chain.balance("bob")) == (FUNDS, FUNDS)
    sent = [dict(event.attributes)["amount"] for event in events if event.type == "bank/transfer"]
    assert sent == ["100", "100", "5"]
    refused = [dict(event.attributes) for event in events if event.type == "gov/refused"]
    assert [(each["proposal"], each["code"]) for each in refused] == [("1", "bank/insufficient-funds")]
    assert "needed=971" in refused[0]["said"]


def test_a_refusal_may_speak_of_anything() -> None:
    """The facts of these refusals are called `proposal` and `type`, like parts of an event."""
    chain = chain_of()
    number = propose(chain, Vote(99, YES))
    vote(chain, number, val_0=YES, val_1=YES)
    found = state.PROPOSALS.get(chain.state, number)
    gone = propose(chain, pay(chain, 1))
    vote(chain, gone, val_0=YES, val_1=YES)
    forgotten = ({**found.msgs[0], "@type": "old/Forgotten"},)
    state.PROPOSALS.put(chain.state, gone, state.Proposal(**{**_fields(found), "msgs": forgotten}))
    close(chain)
    assert outcome(chain, number) == (Status.FAILED, "gov/unknown-proposal")
    assert outcome(chain, gone) == (Status.FAILED, "tx/unknown-message")


def _fields(found: state.Proposal) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__struct_fields__}


def test_a_proposal_cannot_spend_deposits_nor_can_anybody_pay_into_them() -> None:
    chain = chain_of()
    number = propose(chain, pay(chain, 1_001), deposit=5_000)
    held = propose(chain, by="bob", deposit=DEPOSIT - 1)
    vote(chain, number, val_0=YES, val_1=YES)
    close(chain)
    assert outcome(chain, number) == (Status.FAILED, "bank/insufficient-funds")
    assert outcome(chain, held) == (Status.DEPOSIT, "")
    with pytest.raises(Rejected) as refusal:
        chain.send("bob", Send(chain.ctx.module_account("gov/deposits"), chain.machine.denom, 1))
    assert refusal.value.code == "bank/reserved-account"


def test_a_proposal_may_propose_but_cannot_touch_itself_any_more() -> None:
    chain = chain_of()
    inner = Submit("inner", (codec.plain(pay(chain, 3)),), DEPOSIT)
    number = propose(chain, inner)
    itself = propose(chain, Deposit(2, 1))
    for each in (number, itself):
        vote(chain, each, val_0=YES, val_1=YES)
    close(chain)
    assert outcome(chain, number) == (Status.PASSED, "")
    assert outcome(chain, itself) == (Status.FAILED, "gov/not-open")
    assert (proposal(chain, 3).proposer, proposal(chain, 3).status) == (chain.ctx.module_account("gov"), Status.VOTING)
    vote(chain, 3, val_0=YES, val_2=YES)
    close(chain)
    assert chain.balance("dave") == 3
    assert chain.balance(chain.ctx.module_account("gov")) == 997


def test_delegators_speak_for_themselves_and_validators_for_the_rest() -> None:
    """Given val-0 with 600 of its own, 200 of alice, 150 of bob; val-1 with 300, and 50 of alice
    When val-0 votes yes, alice no, and val-1 not at all
    Then yes has 600 + bob's 150, no has alice's 200 + 50
    """
    chain = chain_of(600, 300)
    chain.send("alice", Delegate(chain.validator(0), 200), Delegate(chain.validator(1), 50))
    chain.send("bob", Delegate(chain.validator(0), 150))
    chain.block()
    number = propose(chain)
    vote(chain, number, val_0=YES, alice=NO)
    assert tally(chain, number)[0] == Tally(yes=750, no=250, abstain=0, no_with_veto=0, bonded=1_300)
    vote(chain, number, bob=ABSTAIN)
    assert tally(chain, number)[0] == Tally(yes=600, no=250, abstain=150, no_with_veto=0, bonded=1_300)
    vote(chain, number, val_1=VETO)
    assert tally(chain, number)[0] == Tally(yes=600, no=250, abstain=150, no_with_veto=300, bonded=1_300)
    assert chain.query("gov/votes", proposal=number) == {  # type: ignore[arg-type]
        chain.address(name): {option: 10_000}
        for name, option in {"val-0": YES, "alice": NO, "bob": ABSTAIN, "val-1": VETO}.items()
    }


def test_an_operator_who_also_delegates_to_others_speaks_for_that_stake_once() -> None:
    chain = chain_of(600, 300)
    chain.send("alice", Send(chain.address("val-0"), chain.machine.denom, 40))
    chain.send("val-0", Delegate(chain.validator(1), 40))
    chain.block()
    number = propose(chain)
    vote(chain, number, val_0=YES, val_1=NO)
    assert tally(chain, number)[0] == Tally(yes=640, no=300, abstain=0, no_with_veto=0, bonded=940)


def test_what_slashes_leave_to_nobody_is_the_validators_to_vote_with() -> None:
    """Given val-0 with 10 tokens of its own and 1 each of alice and bob, cut from 12 to 11
    Then each 1 is worth 11/12, floor 0, and 10 are worth 9: two tokens are nobody's, and val-0 votes with them
    """
    chain = chain_of(10, 100)
    for name in ("alice", "bob"):
        chain.send(name, Delegate(chain.validator(0), 1))
    chain.block()
    slash(chain.ctx, chain.validator(0), Fault("downtime", chain.ctx.height, 0, 1, 10_000))
    number = propose(chain)
    vote(chain, number, alice=NO)
    assert tally(chain, number)[0] == Tally(yes=0, no=0, abstain=0, no_with_veto=0, bonded=111)
    vote(chain, number, val_0=YES)
    assert tally(chain, number)[0] == Tally(yes=11, no=0, abstain=0, no_with_veto=0, bonded=111)


def test_only_bonded_stake_counts_and_as_it_is_when_votes_are_counted() -> None:
    chain = chain_of(500, 500, 500)
    chain.send("alice", Delegate(chain.validator(0), 70), Delegate(chain.validator(2), 30))
    chain.block()
    number = propose(chain)
    vote(chain, number, alice=NO, val_2=YES, val_0=YES, bob=VETO)
    assert tally(chain, number)[0] == Tally(yes=1_000, no=100, abstain=0, no_with_veto=0, bonded=1_600)
    jail(chain.ctx, chain.validator(2))
    chain.send("alice", Undelegate(chain.validator(0), 60))
    chain.send("bob", Delegate(chain.validator(1), 7))
    close(chain)
    assert proposal(chain, number).tally == Tally(yes=500, no=10, abstain=0, no_with_veto=7, bonded=1_017)


def test_a_validator_that_never_had_power_has_no_vote() -> None:
    chain = Chain(MODULES, validators=(500,), balances={"alice": FUNDS}, modules_genesis={"staking": {"max_validators": 1}})
    chain.send("alice", CreateValidator("small", bytes(31) + b"\x01", 0, 10))
    chain.block()
    number = propose(chain, deposit=1)
    with pytest.raises(Rejected) as refusal:
        vote(chain, number, alice=YES)
    assert refusal.value.code == "gov/not-voting"
    state.PARAMS.put(chain.state, Params(min_deposit=2))
    chain.send("alice", Deposit(number, 1))
    vote(chain, number, alice=YES)
    assert tally(chain, number) == (Tally(yes=0, no=0, abstain=0, no_with_veto=0, bonded=500), "gov/no-quorum")


def test_the_last_word_counts() -> None:
    chain = chain_of(10, 10)
    number = propose(chain)
    vote(chain, number, val_0=NO)
    vote(chain, number, val_0=YES)
    chain.send("val-1", VoteWeighted(number, {YES: 5_000, NO: 5_000}))
    chain.send("val-1", Vote(number, ABSTAIN))
    assert tally(chain, number)[0] == Tally(yes=10, no=0, abstain=10, no_with_veto=0, bonded=20)


def test_split_votes_are_shown_rounded_down_and_decide_by_every_part_of_a_token() -> None:
    chain = chain_of(1, 1)
    for share, expected in ((5_000, "gov/no-majority"), (5_001, "")):
        number = propose(chain)
        for name in ("val-0", "val-1"):
            chain.send(name, VoteWeighted(number, {YES: share, NO: 10_000 - share}))
        assert tally(chain, number) == (Tally(yes=1, no=0 if share > 5_000 else 1, abstain=0, no_with_veto=0, bonded=2), expected)
    number = propose(chain)
    chain.send("val-0", VoteWeighted(number, {YES: 4_000, NO: 1_000, ABSTAIN: 3_000, VETO: 2_000}))
    assert tally(chain, number) == (Tally(yes=0, no=0, abstain=0, no_with_veto=0, bonded=2), "")


@pytest.mark.parametrize(
    ("bonds", "said", "expected"),
    [
        ((3_340, 6_660), {"val_0": YES}, (Status.PASSED, "")),
        ((3_339, 6_661), {"val_0": YES}, (Status.REJECTED, "gov/no-quorum")),
        ((3_340, 6_660), {"val_0": ABSTAIN}, (Status.REJECTED, "gov/no-majority")),
        ((3_339, 6_661), {"val_0": VETO}, (Status.REJECTED, "gov/no-quorum")),
        ((5_000, 5_000), {"val_0": YES, "val_1": NO}, (Status.REJECTED, "gov/no-majority")),
        ((5_001, 5_000), {"val_0": YES, "val_1": NO}, (Status.PASSED, "")),
        ((5_000, 5_001), {"val_0": YES, "val_1": NO}, (Status.REJECTED, "gov/no-majority")),
        ((2, 1, 9_997), {"val_0": YES, "val_1": NO, "val_2": ABSTAIN}, (Status.PASSED, "")),
        ((6_660, 3_340), {"val_0": YES, "val_1": VETO}, (Status.PASSED, "")),
        ((6_659, 3_341), {"val_0": YES, "val_1": VETO}, (Status.REJECTED, "gov/vetoed")),
        ((6_660, 3_340, 1), {"val_0": ABSTAIN, "val_1": VETO, "val_2": YES}, (Status.REJECTED, "gov/no-majority")),
        ((6_659, 3_341), {"val_0": ABSTAIN, "val_1": VETO}, (Status.REJECTED, "gov/vetoed")),
        ((1_000, 1_000), {}, (Status.REJECTED, "gov/no-quorum")),
    ],
)
def test_quorum_is_reached_and_veto_and_threshold_are_exceeded_by_one_unit(
    bonds: tuple[int, ...], said: dict[str, Option], expected: tuple[Status, str]
) -> None:
    chain = chain_of(*bonds)
    supply = bank.supply(chain.state, chain.machine.denom)
    number = propose(chain, pay(chain, 30), deposit=DEPOSIT + 1)
    chain.send("bob", Deposit(number, 7))
    vote(chain, number, **said)
    standing = tally(chain, number)
    close(chain)

    assert outcome(chain, number) == expected
    assert tally(chain, number) == standing == (proposal(chain, number).tally, expected[1])
    burned = DEPOSIT + 8 if expected[1] == "gov/vetoed" else 0
    assert bank.supply(chain.state, chain.machine.denom) == supply - burned
    kept = (DEPOSIT + 1, 7) if burned else (0, 0)
    assert (chain.balance("alice"), chain.balance("bob")) == (FUNDS - kept[0], FUNDS - kept[1])
    assert chain.balance("dave") == (30 if expected[0] is Status.PASSED else 0)


def test_a_quorum_of_zero_still_takes_a_vote() -> None:
    chain = chain_of(quorum_bps=0, threshold_bps=0)
    silent, spoken = propose(chain), propose(chain)
    chain.send("carol", Delegate(chain.validator(0), 1))
    vote(chain, silent, bob=YES)
    vote(chain, spoken, carol=YES)
    close(chain)
    assert outcome(chain, silent) == (Status.REJECTED, "gov/no-quorum")
    assert outcome(chain, spoken) == (Status.PASSED, "")


def test_the_vote_begins_with_the_deposit_that_suffices_and_takes_more() -> None:
    chain = chain_of()
    number = propose(chain, deposit=60)
    opened = chain.ctx.time
    assert (proposal(chain, number).status, proposal(chain, number).due) == (Status.DEPOSIT, opened + DEPOSIT_PERIOD)
    chain.send("bob", Deposit(number, 39))
    chain.block(5 * SECOND)
    assert proposal(chain, number).status is Status.DEPOSIT
    chain.send("alice", Deposit(number, 1))
    assert (proposal(chain, number).status, proposal(chain, number).due) == (Status.VOTING, opened + 5 * SECOND + VOTING_PERIOD)
    chain.block()
    chain.send("carol", Deposit(number, 1_000))
    assert proposal(chain, number).due == opened + 5 * SECOND + VOTING_PERIOD
    held = {chain.address("alice"): 61, chain.address("bob"): 39, chain.address("carol"): 1_000}
    assert chain.query("gov/deposits", proposal=number) == held  # type: ignore[arg-type]
    assert proposal(chain, number).deposit == 1_100
    assert chain.balance(chain.ctx.module_account("gov/deposits")) == 1_100
    chain.check_laws()
    close(chain)
    assert [chain.balance(name) for name in ("alice", "bob", "carol")] == [FUNDS] * 3


def test_a_proposal_without_enough_deposits_expires_and_gives_them_back() -> None:
    chain = chain_of()
    number = propose(chain, pay(chain, 30), deposit=60)
    chain.send("bob", Deposit(number, 39))
    with pytest.raises(Rejected) as refusal:
        vote(chain, number, val_0=YES)
    assert refusal.value.code == "gov/not-voting"
    chain.block(DEPOSIT_PERIOD)
    with pytest.raises(Rejected) as refusal:
        chain.send("bob", Deposit(number, 1))
    assert refusal.value.code == "gov/not-open"
    chain.block()
    assert (outcome(chain, number), proposal(chain, number).tally) == ((Status.EXPIRED, ""), None)
    assert (chain.balance("alice"), chain.balance("bob"), chain.balance("dave")) == (FUNDS, FUNDS, 0)
    chain.check_laws()


def test_deposits_and_votes_are_taken_until_just_before_their_time() -> None:
    chain = chain_of()
    number = propose(chain, deposit=DEPOSIT - 1)
    chain.block(DEPOSIT_PERIOD - 1)
    chain.send("alice", Deposit(number, 1))
    chain.block(VOTING_PERIOD - 1)
    vote(chain, number, val_0=YES)
    chain.block(1)
    for late in (Vote(number, NO), VoteWeighted(number, {NO: 10_000}), Deposit(number, 1)):
        with pytest.raises(Rejected) as refusal:
            chain.send("val-0" if not isinstance(late, Deposit) else "alice", late)
        assert refusal.value.code == ("gov/not-open" if isinstance(late, Deposit) else "gov/not-voting")
    chain.block()
    assert proposal(chain, number).tally == Tally(yes=1_000, no=0, abstain=0, no_with_veto=0, bonded=3_000)


def test_the_earliest_is_closed_first_whatever_its_number() -> None:
    chain = chain_of()
    slow, fast = propose(chain, deposit=1), propose(chain, by="bob")
    chain.block(VOTING_PERIOD)
    chain.block()
    assert [proposal(chain, each).status for each in (slow, fast)] == [Status.DEPOSIT, Status.REJECTED]
    third = propose(chain)
    chain.block(100 * SECOND)
    closed = [dict(event.attributes)["proposal"] for event in chain.end() if event.type == "gov/closed"]
    assert closed == [str(slow), str(third)]
    assert state.NEXT_DUE.get(chain.state) == 0


@pytest.mark.parametrize(
    ("by", "msg", "code"),
    [
        ("alice", Submit("", (), DEPOSIT), "gov/bad-title"),
        ("alice", Submit("x" * (TITLE_LENGTH + 1), (), DEPOSIT), "gov/bad-title"),
        ("alice", Submit("x", ({"@type": "bank/Send"},) * (MAX_MSGS + 1), DEPOSIT), "gov/too-many-messages"),
        ("alice", Submit("x", ({"@type": "bank/Sned"},), DEPOSIT), "tx/unknown-message"),
        ("alice", Submit("x", ({},), DEPOSIT), "tx/unknown-message"),
        ("alice", Submit("x", ({"@type": "bank/Send", "to": "y"},), DEPOSIT), "codec/malformed"),
        ("alice", Submit("x", (), 0), "bank/bad-amount"),
        ("alice", Submit("x", (), -1), "bank/bad-amount"),
        ("alice", Submit("x", (), FUNDS), "bank/insufficient-funds"),
        ("bob", Deposit(1, 0), "bank/bad-amount"),
        ("bob", Deposit(1, FUNDS + 1), "bank/insufficient-funds"),
        ("bob", Deposit(2, 1), "gov/unknown-proposal"),
        ("bob", Vote(2, YES), "gov/unknown-proposal"),
        ("bob", Vote(-1, YES), "gov/unknown-proposal"),
        ("bob", VoteWeighted(1, {}), "gov/bad-shares"),
        ("bob", VoteWeighted(1, {YES: 9_999}), "gov/bad-shares"),
        ("bob", VoteWeighted(1, {YES: 5_000, NO: 5_001}), "gov/bad-shares"),
        ("bob", VoteWeighted(1, {YES: 10_001, NO: -1}), "gov/bad-shares"),
        ("bob", VoteWeighted(1, {YES: 10_000, NO: 0}), "gov/bad-shares"),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_no_trace(by: str, msg: Msg, code: str) -> None:
    chain = chain_of()
    propose(chain)
    before = chain.snapshot()
    with pytest.raises(Rejected) as refusal:
        chain.send(by, msg)
    assert refusal.value.code == code
    assert chain.snapshot() == before


def test_the_largest_proposal_is_taken_and_messages_are_kept_in_their_one_spelling() -> None:
    chain = chain_of()
    loose = {"@type": "bank/Send", "to": chain.address("dave"), "denom": "uosmo", "amount": 1}
    chain.send("alice", Submit("x" * TITLE_LENGTH, (loose,) * MAX_MSGS, DEPOSIT))
    assert proposal(chain, 1).msgs == ({**loose, "amount": "1"},) * MAX_MSGS
    vote(chain, 1, val_0=YES, val_1=YES)
    close(chain)
    assert chain.balance("dave") == MAX_MSGS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_deposit", 0),
        ("min_deposit", 2**128),
        ("deposit_period", 0),
        ("voting_period", 0),
        ("voting_period", MAX_PERIOD + 1),
        ("quorum_bps", -1),
        ("threshold_bps", 10_001),
        ("veto_bps", 10_001),
    ],
)
def test_rules_that_cannot_work_are_refused(field: str, value: int) -> None:
    with pytest.raises(Rejected) as refusal:
        chain_of(**{field: value})
    assert (refusal.value.code, refusal.value.facts) == ("gov/bad-params", {"field": field})


def test_readers_see_the_rules_and_proposals_by_status() -> None:
    chain = chain_of()
    assert chain.query("gov/params") == Params(DEPOSIT, DEPOSIT_PERIOD, VOTING_PERIOD)
    waiting, open_ = propose(chain, deposit=1), propose(chain)
    assert [each.id for each in chain.query("gov/proposals")] == [waiting, open_]
    assert [each.id for each in chain.query("gov/proposals", status="voting")] == [open_]
    assert chain.query("gov/proposals", status="passed") == ()
    for name in ("proposal", "deposits", "votes", "tally"):
        with pytest.raises(Rejected) as refusal:
            chain.query(f"gov/{name}", proposal=9)  # type: ignore[arg-type]
        assert refusal.value.code == "gov/unknown-proposal"


def test_a_block_in_which_nothing_is_due_reads_one_value_however_many_proposals_wait() -> None:
    chain = chain_of()
    for _ in range(50):
        propose(chain, deposit=1)
    block = Overlay(chain.state)
    course.end_block(Ctx(block, chain.ctx.block, chain.machine))
    assert (block.operations, block.changes) == (1, {})


@pytest.mark.parametrize("broken", ["balance", "deposit", "queue", "next", "overdue"])
def test_the_laws_notice_what_does_not_add_up(broken: str) -> None:
    chain = chain_of()
    number = propose(chain)
    chain.check_laws()
    found = proposal(chain, number)
    match broken:
        case "balance":
            depository = chain.ctx.module_account("gov/deposits")
            bank.send(chain.ctx, depository, chain.address("bob"), chain.machine.denom, 1)
        case "deposit":
            state.PROPOSALS.put(chain.state, number, state.Proposal(**{**_fields(found), "deposit": 99}))
        case "queue":
            state.QUEUE.delete(chain.state, found.due, number)
        case "next":
            state.NEXT_DUE.put(chain.state, found.due + 1)
        case "overdue":
            chain.ctx.block = chain.ctx.block.__class__(chain.ctx.chain_id, chain.ctx.height, found.due)
            with pytest.raises(InvariantViolated):
                next(law for name, law in GOV.laws.items() if "queue" in name)(chain.view())
            return
    with pytest.raises(InvariantViolated):
        chain.check_laws()
