"""A relayer that watches what light clients are told: whoever fools one with the validators' own signatures is found out."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from forgery import (
    CLIENT,
    LIARS,
    ahead_of_the_chain,
    equivocation,
    equivocation_that_leaves_the_same_words,
    far_ahead_of_the_chain,
    forge,
    frozen,
    header,
    lunatic,
    show,
)
from meshsec_core.ibc.client import CLIENTS, CONSENSUS_STATES, CreateClient, get_client
from meshsec_core.kernel.wire.ibc import ClientHeader, ConsensusState, Height
from meshsec_core.kernel.wire.proto import encode
from meshsec_core.kernel.wire.tendermint import (
    LightClientAttackEvidence,
)
from meshsec_core.modules.gov.module import Submit, Vote
from meshsec_core.modules.gov.state import Params
from meshsec_relayer.engine import reports
from meshsec_relayer.engine.boundary import Pause, Resume
from relay_rig import VOUCHER, Pair, transfer, waits_for


@pytest.fixture
def open_pair() -> Pair:
    found = Pair()
    found.settle()
    return found


ATTACKS = [lunatic, equivocation, equivocation_that_leaves_the_same_words, ahead_of_the_chain, far_ahead_of_the_chain]


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.__name__ for attack in ATTACKS])
def test_a_client_that_is_told_what_the_chain_did_not_decide_is_frozen_by_the_relayer(
    open_pair: Pair, attack: Callable[[Pair], ClientHeader]
) -> None:
    rig = open_pair
    rig.mine(5)
    show(rig, attack(rig))
    assert not frozen(rig)
    rig.settle()
    assert frozen(rig)
    counters = rig.courier.engine.meters.counters
    labels = (("chain", "juno"), ("counterparty", "osmosis"))
    assert counters["client_misbehaviours_submitted_total"] == {labels: 1}
    assert [log.event for log in rig.logs if log.event in ("misbehaviour", "client-frozen")] == ["misbehaviour", "client-frozen"]
    rig.mine(2)
    assert attacks_punished(rig) == [LIARS]


def attacks_punished(rig: Pair) -> list[int]:
    """Return, for every attack that osmosis has taken evidence of into a block, how many validators it names."""
    replica = rig.nodes["osmosis"].replica
    blocks = (replica.block(height) for height in range(1, replica.height + 1))
    found = [item for block in blocks if block for item in block.evidence if isinstance(item, LightClientAttackEvidence)]
    return [len(item.byzantine_validators) for item in found]


def test_a_client_that_somebody_else_has_frozen_is_told_to_the_chain_all_the_same(open_pair: Pair) -> None:
    """Given a client that knows a true height, and is shown another header of it: it freezes by itself."""
    rig = open_pair
    rig.mine(5)
    true = header(rig, rig.nodes["osmosis"].replica.height)
    lie = lunatic(rig)
    show(rig, true)
    show(rig, lie)
    assert frozen(rig)
    rig.settle()
    rig.mine(2)
    assert attacks_punished(rig) == [LIARS]
    assert "client_misbehaviours_submitted_total" not in rig.courier.engine.meters.counters


def test_a_path_goes_on_by_itself_once_governance_has_recovered_its_client(open_pair: Pair) -> None:
    rig = open_pair
    rig.mine(5)
    transfer(rig)
    show(rig, lunatic(rig))
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 0
    for _ in range(3):
        rig.mine()
        rig.courier.run_once(rig.now)

    state = get_client(rig.nodes["juno"].replica.state, CLIENT)
    signed = rig.nodes["osmosis"].replica.commit(rig.nodes["osmosis"].replica.height)
    assert signed is not None
    living = replace(state, frozen_height=Height(), latest_height=Height(1, signed.header.height))
    consensus = ConsensusState(signed.header.time, signed.header.app_hash, signed.header.next_validators_hash)
    assert rig.send("juno", "erin", CreateClient(CLIENTS.encode(living), CONSENSUS_STATES.encode(consensus)))["code"] == ""
    recover = {"@type": "ibc/RecoverClient", "subject": CLIENT, "substitute": "07-tendermint-1"}
    assert rig.send("juno", "erin", Submit("recover", (recover,), Params().min_deposit))["code"] == ""
    for number in range(4):
        assert rig.send("juno", f"val-{number}", Vote(1, "yes"))["code"] == ""
    rig.mine(2, seconds=61)
    rig.mine(2)
    assert not frozen(rig)
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 1_000
    assert reports.reasons(rig.courier.engine) == []


def test_a_true_header_from_somebody_else_accuses_nobody(open_pair: Pair) -> None:
    rig = open_pair
    rig.mine(5)
    show(rig, header(rig, rig.nodes["osmosis"].replica.height - 1))
    rig.settle()
    assert not frozen(rig)
    assert "client_misbehaviours_submitted_total" not in rig.courier.engine.meters.counters
    assert not any(docket.waiting for _, docket in rig.courier.engine.dockets)


def test_a_lie_above_a_lie_is_found_out_by_what_lies_below_both(open_pair: Pair) -> None:
    """Given two lies while the relayer is paused, the second trusting the first
    When it goes on
    Then the client freezes, although the greatest height that it knows below the second is the first
    """
    rig = open_pair
    rig.courier.order(Pause())
    rig.mine(5)
    first = lunatic(rig)
    show(rig, first)
    rig.mine(3)
    trusted = Height(1, first.signed_header.header.height)
    second = forge(rig, replace(header(rig, rig.nodes["osmosis"].replica.height), trusted_height=trusted), app_hash=b"\x67" * 32)
    show(rig, second)
    rig.courier.order(Resume())
    rig.settle()
    assert frozen(rig)


def test_a_lie_that_was_told_while_the_relayer_was_away_is_found_out_when_it_returns(open_pair: Pair) -> None:
    rig = open_pair
    rig.mine(5)
    show(rig, lunatic(rig))
    rig.mine(3)
    rig.restart()
    rig.settle()
    assert frozen(rig)


def test_a_lie_that_could_not_be_answered_before_a_kill_is_answered_after_it(open_pair: Pair) -> None:
    rig = open_pair
    rig.courier.order(Pause())
    rig.mine(5)
    show(rig, lunatic(rig))
    for _ in range(50):
        rig.mine()
        rig.courier.run_once(rig.now)
    assert not frozen(rig)
    rig.restart()
    rig.courier.order(Resume())
    rig.settle()
    assert frozen(rig)


def test_a_path_whose_client_is_frozen_says_so_and_comes_to_rest(open_pair: Pair) -> None:
    rig = open_pair
    rig.mine(5)
    packet = transfer(rig)
    show(rig, lunatic(rig))
    rig.settle()
    engine = rig.courier.engine
    assert engine.idle
    assert waits_for(rig, packet) == "client 07-tendermint-0 on juno to be recovered by governance: relayer/client-frozen"
    assert reports.reasons(engine) == ["osmosis-juno: client 07-tendermint-0 on juno: relayer/client-frozen"]
    assert reports.status(engine).paths["osmosis-juno"].clients["juno"].ailment == "relayer/client-frozen"
    height = rig.nodes["osmosis"].replica.height
    rig.restart()
    rig.settle()
    assert waits_for(rig, packet) == "client 07-tendermint-0 on juno to be recovered by governance: relayer/client-frozen"
    assert rig.nodes["osmosis"].replica.height - height < 5


def test_a_chain_that_answers_nonsense_about_itself_crashes_nobody(open_pair: Pair) -> None:
    """Given a node that serves rubbish for every header
    When somebody tells a client something
    Then the relayer cannot tell what is true, accuses nobody, and gives up with an error in its log
    """
    rig = open_pair
    rig.mine(5)
    shown = header(rig, rig.nodes["osmosis"].replica.height)
    rubbish = iter([b"", b"\x00\xff", b"\x0a\x7f", b"text"] * 100)

    def forge_(chain: str, path: str, answer: tuple[int, Any]) -> tuple[int, Any]:
        if (chain, path.split("/")[2]) == ("osmosis", "commits"):
            return 200, {"height": "1", "proto": next(rubbish).hex()}
        return answer

    rig.forges = forge_
    show(rig, shown)
    rig.settle()
    assert not frozen(rig)
    assert "client-watch-given-up" in [log.event for log in rig.logs]


def test_a_relayer_whose_own_node_shows_another_fork_freezes_the_client_too(open_pair: Pair) -> None:
    """Given a client that follows one branch, and a node that shows another one of the same validators: somebody lies, and no
    client can tell who.
    """
    rig = open_pair
    rig.mine(5)
    shown = header(rig, rig.nodes["osmosis"].replica.height)
    other = forge(rig, shown, app_hash=b"\x66" * 32)
    height = shown.signed_header.header.height

    def branch(chain: str, path: str, answer: tuple[int, Any]) -> tuple[int, Any]:
        if (chain, path) == ("osmosis", f"/v1/commits/{height}"):
            return 200, {"height": str(height), "proto": b64encode(encode(other.signed_header)).decode()}
        return answer

    rig.forges = branch
    show(rig, shown)
    rig.settle()
    assert frozen(rig)
    known = CONSENSUS_STATES.get(rig.nodes["juno"].replica.state, CLIENT, Height(1, height))
    assert known.root == shown.signed_header.header.app_hash
