"""The laws of clients and channels on one chain notice what no relayer can bring about."""

from collections.abc import Callable

import pytest

from ibc_events import sent
from ibc_probe import Say
from ibc_rig import Rig
from meshsec_core.ibc.channel import NEXT_ACKNOWLEDGE, NEXT_RECEIVE, NEXT_SEND
from meshsec_core.ibc.client import CLIENTS, CONSENSUS_STATES, TIMES
from meshsec_core.ibc.connection import ORDERED, UNORDERED
from meshsec_core.ibc.packet import ACKNOWLEDGEMENTS, COMMITMENTS, RECEIPTS
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.store.overlay import Overlay
from meshsec_core.kernel.types import SECOND

CLIENT = "07-tendermint-0"
END = ("probe", "channel-0")
Break = Callable[[Overlay], None]


def talked(ordering: str) -> Rig:
    """Two packets each way: the first of each is settled, the second was received and not acknowledged yet."""
    rig = Rig()
    rig.open("probe", ordering)
    for chain in (rig.a, rig.b):
        for number in range(2):
            timeout = rig.other(chain).ctx.time + 600 * SECOND
            packet = sent(chain.send("alice", Say("channel-0", b"hello", timeout_timestamp=timeout)))
            if number:
                rig.deliver(packet, rig.other(chain))
            else:
                rig.relay(packet, chain)
    return rig


@pytest.mark.parametrize("ordering", [ORDERED, UNORDERED])
def test_honest_traffic_keeps_the_laws(ordering: str) -> None:
    rig = talked(ordering)
    rig.a.check_laws()
    rig.b.check_laws()


def known(store: Overlay) -> str:
    """The latest height that the client knows."""
    return str(CLIENTS.get(store, CLIENT).latest_height)


BOTH: dict[str, Break] = {
    "a packet under way that was never sent": lambda s: COMMITMENTS.put(s, *END, 3, b"\1" * 32),
    "a counter that went back": lambda s: NEXT_SEND.put(s, *END, 2),
    "a client without its latest state": lambda s: CONSENSUS_STATES.delete(s, CLIENT, known(s)),
    "a state without a time": lambda s: TIMES.delete(s, CLIENT, f"{1:020d}-{int(known(s)[2:]):020d}"),
    "another time than the state's": lambda s: TIMES.put(s, CLIENT, f"{1:020d}-{int(known(s)[2:]):020d}", 1),
}
WHERE_ORDERED: dict[str, Break] = {
    "a receipt": lambda s: RECEIPTS.put(s, *END, 1, b"\1"),
    "an answer to what was not received": lambda s: ACKNOWLEDGEMENTS.put(s, *END, 3, b"\1" * 32),
    "a packet that is acknowledged and under way": lambda s: COMMITMENTS.put(s, *END, 1, b"\1" * 32),
    "more answers than packets": lambda s: NEXT_ACKNOWLEDGE.put(s, *END, 4),
}
WHERE_UNORDERED: dict[str, Break] = {
    "an answer to what was not received": lambda s: RECEIPTS.delete(s, *END, 2),
    "a turn": lambda s: NEXT_RECEIVE.put(s, *END, 2),
    "a turn of answers": lambda s: NEXT_ACKNOWLEDGE.put(s, *END, 2),
}
CASES = [
    *((ORDERED, name, change) for name, change in (BOTH | WHERE_ORDERED).items()),
    *((UNORDERED, name, change) for name, change in (BOTH | WHERE_UNORDERED).items()),
]


@pytest.mark.parametrize(("ordering", "_what", "change"), CASES, ids=[f"{order}: {name}" for order, name, _ in CASES])
def test_what_cannot_be_breaks_a_law(ordering: str, _what: str, change: Break) -> None:
    rig = talked(ordering)
    change(rig.a.state)
    with pytest.raises(InvariantViolated):
        rig.a.check_laws()
