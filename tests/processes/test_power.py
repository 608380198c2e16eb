"""Processes that lose power at a chosen write: they come back at the height of their last whole one and contradict nobody."""

from collections.abc import Iterator

import httpx
import pytest

from meshsec.world.process import ProcessWorld
from meshsec_sdk.errors import OutcomeUnknown, TxRejected


@pytest.fixture(scope="module")
def world() -> Iterator[ProcessWorld]:
    with ProcessWorld("pair") as started:
        yield started


def pid(world: ProcessWorld) -> int:
    return world.home.running().children["juno"]


def test_a_process_dies_before_the_write_that_was_named_and_comes_back_with_all_that_anybody_saw(world: ProcessWorld) -> None:
    before, block, process = world.juno.height, world.juno.get("/v1/blocks/latest"), pid(world)
    for writes in (1, 3):
        world.fault("lose-writes", "juno", writes=writes)
        assert pid(world) != process
        process = pid(world)
    assert world.juno.get(f"/v1/blocks/{before}") == world.juno.get(f"/v1/blocks/{block['height']}") == block
    world.mine(2)
    assert [found["jailed"] for found in world.juno.query("staking", "validators")] == [False] * 4
    world.check_laws()


def test_a_process_that_dies_before_a_commit_has_not_made_the_block(world: ProcessWorld) -> None:
    """Given juno makes blocks on order alone
    When it loses power before the commit of the third block from now
    Then it comes back two blocks further, and goes on
    """
    world.juno.post("/v1/dev/block-mode", {"mode": "manual"})
    before = world.juno.height
    world.fault("crash-before-commit", "juno", blocks=3)
    seen = world.juno.height
    assert before + 2 <= seen <= before + 3, "the supervisor starts it in automatic mode again, which may make one"
    world.mine(1)
    assert world.juno.height > seen
    world.check_laws()


def test_a_power_cut_to_come_is_healed_like_any_fault(world: ProcessWorld) -> None:
    process = pid(world)
    world.juno.post("/v1/dev/cut-power", {"batch": "40"})
    world.heal()
    world.mine(30)
    assert pid(world) == process


def test_who_asks_for_no_write_is_told_so(world: ProcessWorld) -> None:
    answer = httpx.post(f"{world.home.running().endpoints.chains['juno']}/v1/dev/cut-power", json={"batch": "0"})
    assert (answer.status_code, answer.json()["code"]) == (400, "http/bad-parameter")


def test_a_transfer_that_waits_when_the_power_fails_is_there_once_or_not_at_all(world: ProcessWorld) -> None:
    bob = world.juno.balance("bob")
    world.juno.post("/v1/dev/cut-power", {"batch": "1", "commit": True})
    sent = True
    try:
        world.juno.send("alice", {"@type": "bank/Send", "to": "bob", "denom": "ujuno", "amount": "5"})
    except (OutcomeUnknown, TxRejected):
        sent = False
    assert world.juno.balance("bob") - bob in ((5,) if sent else (0, 5))
    world.settle()
