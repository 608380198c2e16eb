"""What holds of clients and channels on one chain, whatever relayers say. `laws` is what holds across chains."""

from collections.abc import Iterator

from meshsec_core.ibc.channel import CHANNELS, NEXT_ACKNOWLEDGE, NEXT_RECEIVE, NEXT_SEND
from meshsec_core.ibc.client import CLIENTS, CONSENSUS_STATES, known_heights
from meshsec_core.ibc.packet import ACKNOWLEDGEMENTS, COMMITMENTS, RECEIPTS
from meshsec_core.ibc.paths import Slot
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.wire.ibc import ORDER_ORDERED, Channel, Height
from meshsec_core.runtime.module import View

End = tuple[str, str]
"""Port and channel."""


def clients_know_their_latest_height(view: View) -> None:
    """Check that every client has the state of its latest height, none above, and a time beside each.

    Raises:
        InvariantViolated: one has not.
    """
    clients = CLIENTS.key("")[: -len("/clientState")]
    states = CONSENSUS_STATES.key("", "").partition("//")[2]
    for key, _ in view.store.scan(clients):
        name, _, rest = key.removeprefix(clients).partition("/")
        if rest != "clientState":
            continue
        times = dict(known_heights(view.store, name))
        prefix = f"{clients}{name}/{states}"
        stored = {Height.parse(path.removeprefix(prefix)) for path, _ in view.store.scan(prefix)}
        latest = CLIENTS.get(view.store, name).latest_height
        if stored != set(times) or max(times, default=None) != latest:
            raise InvariantViolated(f"{name} is at {latest} and knows {sorted(stored)}, with times of {sorted(times)}")
        for height, time in times.items():
            if CONSENSUS_STATES.get(view.store, name, height).timestamp != time:
                raise InvariantViolated(f"{name} has two times of {height}")


def sequences_agree(view: View) -> None:
    """Check that packets under way were sent, that what was answered was received, and that ordered channels keep their order.

    Raises:
        InvariantViolated: a sequence is where it cannot be.
    """
    prefix = CHANNELS.key("", "")[: -len("/channels/")]
    for key, _ in view.store.scan(prefix):
        port, _, channel_id = key.removeprefix(prefix).partition("/channels/")
        _check_channel(view.store, (port, channel_id), CHANNELS.get(view.store, port, channel_id))


def _check_channel(store: Reader, end: End, channel: Channel) -> None:
    send, receive, acknowledge = (counter.get(store, *end) for counter in (NEXT_SEND, NEXT_RECEIVE, NEXT_ACKNOWLEDGE))
    under_way, received, answered = (set(_numbers(store, slot, end)) for slot in (COMMITMENTS, RECEIPTS, ACKNOWLEDGEMENTS))
    if channel.ordering == ORDER_ORDERED:
        good = (
            not received
            and all(number < receive for number in answered)
            and all(acknowledge <= number for number in under_way)
            and acknowledge <= send
        )
    else:
        good = answered <= received and receive == acknowledge == 1
    if not good or not all(0 < number < send for number in under_way):
        raise InvariantViolated(
            f"{'/'.join(end)} would send {send}, receive {receive}, hear of {acknowledge}; "
            f"under way {sorted(under_way)}, received {sorted(received)}, answered {sorted(answered)}"
        )


def _numbers(store: Reader, slot: Slot[bytes], end: End) -> Iterator[int]:
    prefix = slot.key(*end, "")
    return (int(key.removeprefix(prefix)) for key, _ in store.scan(prefix))


LAWS = {
    "clients know their latest height": clients_know_their_latest_height,
    "sequences agree": sequences_agree,
}
