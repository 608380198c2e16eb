"""A relayer that lies about everything, 20,000 times, to a mesh whose honest relayer keeps working: it harms nobody.

`python -m pytest -s tests/worlds/test_byzantine.py` prints how many lies of each kind were tried and what they were refused with.
"""

import pytest

from by_hand import CLIENT, update
from byzantine.front import Front
from byzantine.headers import accuse, signed_by, traitors
from byzantine.lies import KINDS
from byzantine.siege import DAMAGED, NO_OP, PAIR, Siege, told
from meshes import held, supply
from meshsec_core.kernel.wire.ibc import voucher_denom
from meshsec_core.runtime.module import Msg

EACH = 2_500
HARMLESS = {"an old message again", "old messages in another order", "an old message with another part"}
"""What may all be answered with "that is known"; every other kind must be refused, and not only for coming late."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_lies_by_the_thousand_change_nothing_and_honest_traffic_arrives(seed: int) -> None:
    """Given honest users and an honest relayer on two chains
    When somebody else submits lies of every kind, alone in a block and beside the honest relayer's transactions
    Then each is refused by name or without effect, every block leaves the state that it would leave without them,
    and whatever the users sent has arrived
    """
    siege = Siege(seed)
    siege.hold(EACH)
    print(told(siege.tally))

    assert siege.tally.total() >= EACH
    for kind in (*KINDS, DAMAGED):
        codes = {code for of, code in siege.tally if of == kind}
        refused = sum(count for (of, code), count in siege.tally.items() if of == kind and code != NO_OP)
        assert codes if kind in HARMLESS else refused >= 5, kind

    world = siege.world
    world.settle()
    for here, there in (PAIR, PAIR[::-1]):
        chain, other = world.chain(here), world.chain(there)
        assert [client["status"] for client in chain.query("ibc", "clients")] == ["active"]
        ends = [(end["port_id"], end["channel_id"]) for end in chain.query("ibc", "channels") if end["state"] == "OPEN"]
        waiting = [chain.query("ibc", "packets", port_id=port, channel_id=name)["sequences"] for port, name in ends]
        assert waiting == [[]] * len(waiting)
        escrow = held(chain)[siege.channels[here], chain.names.denom]
        assert escrow >= siege.sent[here]
        assert supply(other, voucher_denom(f"transfer/{siege.channels[there]}/{chain.names.denom}")) == escrow


def test_a_siege_notices_what_takes_effect() -> None:
    siege = Siege(0)

    def the_truth(front: Front) -> tuple[Msg, ...]:
        return (front.news(),)

    siege.world.mine(2)
    with pytest.raises(AssertionError, match="consensusStates"):
        siege.storm(3, kinds={"the truth": the_truth})


@pytest.mark.parametrize("how", ["as an accusation", "as a header"])
def test_two_headers_of_one_height_signed_by_all_freeze_the_client_and_touch_nothing_else(how: str) -> None:
    siege = Siege(0)
    front = siege.fronts[0]
    front.look()
    known = front.known()
    true = front.header(known[-1], known[-2])
    forged = signed_by(traitors(front), true, own_set=False)
    before = front.everything()
    assert front.say(accuse(true, forged) if how == "as an accusation" else update(forged)) == ""
    after = front.everything()
    assert {path for path in after if after[path] != before.get(path)} == {f"ibc/clients/{CLIENT}/clientState"}
    assert set(after) == set(before)
    assert [client["status"] for client in front.target.query("ibc", "clients")] == ["frozen"]
