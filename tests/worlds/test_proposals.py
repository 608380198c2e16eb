"""A chain's stakers decide, by proposals, whom they borrow security from and how much."""

from typing import Any

import pytest

from meshes import Watched
from meshsec.mesh import Bond, StakeRemote, Unbond, WithdrawUnbonded
from meshsec.world.chain import Chain
from meshsec_core.modules.gov.state import Params
from meshsec_sdk.errors import TxRejected
from meshsec_sdk.mesh_file import USER_COINS

MILLION = 1_000_000
DEPOSIT = Params().min_deposit
VOTERS = ("val-0", "val-1", "val-2")


@pytest.fixture
def lent() -> Watched:
    """Alice of osmosis lends 80 million to juno/val-0 and 20 million to juno/val-1."""
    world = Watched("pair")
    alice = world.osmosis.user("alice")
    alice.send(Bond(100 * MILLION), *(StakeRemote("juno", f"juno/val-{n}", m * MILLION) for n, m in ((0, 80), (1, 20))))
    world.settle()
    assert powers(world.juno) == [180 * MILLION, 120 * MILLION, 100 * MILLION, 100 * MILLION]
    return world


def powers(chain: Chain) -> list[int]:
    return [int(chain.find_validator(f"val-{index}")["power"]) for index in range(4)]


def propose(chain: Chain, *msgs: dict[str, Any]) -> str:
    receipt = chain.send("alice", {"@type": "gov/Submit", "title": "a proposal", "msgs": list(msgs), "deposit": str(DEPOSIT)})
    return next(str(event["attributes"]["proposal"]) for event in receipt.events if event["type"] == "gov/submit")


def vote(chain: Chain, number: str, **said: str) -> None:
    for name, option in said.items():
        chain.send(name.replace("_", "-"), {"@type": "gov/Vote", "proposal": number, "option": option})


def test_validators_vote_a_provider_out_and_everything_it_lent_comes_home(lent: Watched) -> None:
    """Given juno borrows 100 million from osmosis
    When 380 of juno's 500 million say that the cap shall be zero
    Then only juno's own power is left, and alice, once it is unbonded, has all her stake back
    """
    number = propose(lent.juno, {"@type": "mesh/SetMaxCap", "link": "osmosis", "max_cap": 0})
    vote(lent.juno, number, val_0="yes", val_2="yes", val_3="yes", val_1="no_with_veto")
    lent.settle()
    assert powers(lent.juno)[0] == 180 * MILLION
    assert lent.juno.get(f"/v1/gov/tally?proposal={number}") == {
        "tally": {
            "yes": str(380 * MILLION),
            "no": "0",
            "abstain": "0",
            "no_with_veto": str(120 * MILLION),
            "bonded": str(500 * MILLION),
        },
        "code": "",
    }
    lent.advance("2m")
    lent.settle()

    assert lent.juno.get(f"/v1/gov/proposal?proposal={number}")["proposal"]["status"] == "passed"
    assert powers(lent.juno) == [100 * MILLION] * 4
    assert lent.juno.query("mesh/consumer", "delegations", link="osmosis") == []
    assert lent.juno.user("alice").balance() == USER_COINS
    lent.advance("21d")
    alice = lent.osmosis.user("alice")
    alice.send(WithdrawUnbonded("juno"), Unbond(100 * MILLION))
    assert alice.balance() == USER_COINS


def test_a_veto_keeps_the_provider_and_burns_the_deposit(lent: Watched) -> None:
    number = propose(lent.juno, {"@type": "mesh/SetMaxCap", "link": "osmosis", "max_cap": 0})
    vote(lent.juno, number, val_0="no_with_veto", val_1="yes", val_2="yes", val_3="yes")
    lent.advance("2m")
    lent.settle()
    found = lent.juno.get(f"/v1/gov/proposal?proposal={number}")["proposal"]
    assert (found["status"], found["code"]) == ("rejected", "gov/vetoed")
    assert powers(lent.juno)[:2] == [180 * MILLION, 120 * MILLION]
    assert lent.juno.user("alice").balance() == USER_COINS - DEPOSIT


def test_a_proposal_that_fails_halfway_changes_no_terms(lent: Watched) -> None:
    caps = {"@type": "mesh/SetMaxCap", "link": "osmosis", "max_cap": 0}
    number = propose(lent.juno, caps, {"@type": "mesh/SetMaxCap", "link": "channel-99", "max_cap": 0})
    vote(lent.juno, number, **dict.fromkeys((name.replace("-", "_") for name in VOTERS), "yes"))
    lent.advance("2m")
    lent.settle()
    found = lent.juno.get(f"/v1/gov/proposal?proposal={number}")["proposal"]
    assert (found["status"], found["code"]) == ("failed", "mesh/unknown-link")
    assert powers(lent.juno)[:2] == [180 * MILLION, 120 * MILLION]
    assert lent.juno.user("alice").balance() == USER_COINS


def test_nobody_but_the_chain_itself_changes_terms(lent: Watched) -> None:
    with pytest.raises(TxRejected) as refusal:
        lent.juno.send("val-0", {"@type": "mesh/SetMaxCap", "link": "osmosis", "max_cap": "0"})
    assert refusal.value.code == "gov/unauthorized"
    with pytest.raises(TxRejected) as refusal:
        propose(lent.juno, {"@type": "mesh/SetMaxCap", "link": "atlantis", "max_cap": 0})
    assert refusal.value.code == "dev/unknown-link"
