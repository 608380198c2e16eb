"""The stories, told by real processes: what holds in the simulation holds over sockets, disks and kills."""

from pathlib import Path
from typing import Any

import pytest

from meshsec import ProcessWorld, mesh
from meshsec.scenario.document import read
from meshsec.scenario.run import play
from meshsec_core.kernel.errors import Rejected
from meshsec_sdk.errors import OutcomeUnknown, TxRejected

STORIES = Path(__file__).parents[2] / "tools" / "scenarios"


CHOSEN = ("smoke", "nato", "fork", "rewind", "relayer_outage")
"""Stories that `make test` plays on processes; it plays all of them in the simulation."""

TOLD = [pytest.param(file.stem, marks=() if file.stem in CHOSEN else pytest.mark.slow) for file in sorted(STORIES.glob("*.yaml"))]


@pytest.mark.parametrize("story", TOLD)
def test_a_story_comes_out_to_the_unit(story: str) -> None:
    scenario = read(STORIES / f"{story}.yaml")
    with ProcessWorld(scenario.mesh, seed=scenario.seed) as world:
        outcome = play(scenario, world)
    assert outcome.failed_step is None
    assert (outcome.passed, len(outcome.steps)) == (True, len(scenario.steps) + 1 + bool(scenario.expect))


def test_a_world_of_processes_is_played_with_like_any_other() -> None:
    """Given alice lends 80 of her 100 million to juno while packets that carry stake are held back
    When they are let go, a message is refused, a validator is silenced, and three weeks pass
    Then stake arrives only once it may, refusals carry their code, three of four voters suffice, and light clients live
    """
    with ProcessWorld("pair") as world:
        alice = world.osmosis.user("alice")
        with world.hold_packets(kind="stake"):
            alice.send(mesh.Bond(100_000_000), mesh.StakeRemote("juno", "juno/val-0", 80_000_000))
            world.relay()
            assert world.juno.find_validator("val-0")["power"] == "100000000"
        world.settle()
        assert world.juno.find_validator("val-0")["power"] == "180000000"

        with pytest.raises(TxRejected) as refusal:
            alice.send(mesh.Unbond(30_000_000))
        assert refusal.value.code == "mesh/claims-locked"

        world.fault("down", "juno/val-3")
        height = world.juno.height
        world.mine(3)
        assert world.juno.height >= height + 3
        world.heal()

        before = world.juno.time
        world.advance("21d")
        assert world.juno.time - before >= 21 * 86_400 * 10**9
        alice.send(mesh.StakeRemote("juno", "juno/val-0", 5_000_000))
        world.settle()
        assert world.juno.find_validator("val-0")["power"] == "185000000"
        with pytest.raises(Rejected) as unknown:
            world.crash("atlantis")
        assert unknown.value.code == "world/unknown-chain"


@pytest.mark.slow
def test_a_transaction_whose_answer_is_lost_is_sent_again_and_takes_effect_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with ProcessWorld("pair") as world:
        alice, send = world.osmosis.user("alice"), world.osmosis.transport.post
        sent: list[Any] = []

        def lossy(path: str, body: Any) -> tuple[int, Any]:
            sent.append(body)
            answer = send(path, body)
            if len(sent) == 1:
                raise OutcomeUnknown("the answer is lost")
            return answer

        monkeypatch.setattr(world.osmosis.transport, "post", lossy)
        alice.send(mesh.Bond(5))
        assert sent[0] == sent[1]
        assert (len(sent), alice.balance()) == (2, 1_000_000_000 - 5)


@pytest.mark.slow
def test_a_transaction_for_a_chain_without_a_quorum_is_not_waited_for() -> None:
    with ProcessWorld("pair") as world:
        world.fault("down", "juno/val-0")
        world.fault("down", "juno/val-1")
        with pytest.raises(TxRejected) as refusal:
            world.juno.user("bob").send(mesh.Bond(5))
        assert refusal.value.code == "tx/not-included"
        world.mine()
        world.heal()
        world.relay()
        assert world.juno.user("bob").balance() == 1_000_000_000 - 5
