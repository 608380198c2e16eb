"""Lies about clients, connections and channels: ends that nobody opened, answered, confirmed or closed."""

from msgspec.structs import replace

from by_hand import CLIENT
from byzantine.front import Front, Lies
from meshsec_core.ibc.channel import (
    CHANNELS,
    ORDERING_NAMES,
    ChannelCloseConfirm,
    ChannelCloseInit,
    ChannelOpenAck,
    ChannelOpenConfirm,
    ChannelOpenInit,
    ChannelOpenTry,
)
from meshsec_core.ibc.client import CreateClient
from meshsec_core.ibc.connection import (
    CONNECTIONS,
    ConnectionOpenAck,
    ConnectionOpenConfirm,
    ConnectionOpenInit,
    ConnectionOpenTry,
)
from meshsec_core.ibc.timeout import TimeoutOnClose
from meshsec_core.kernel.wire.ibc import (
    CLIENT_STATE_URL,
    CONSENSUS_STATE_URL,
    STATE_INIT,
    STATE_TRYOPEN,
    ClientState,
    ConsensusState,
    Fraction,
    Height,
    Version,
    any_decode,
    any_encode,
)
from meshsec_core.kernel.wire.proto import decode, encode
from meshsec_core.runtime.module import Msg

STEPS = (
    *(ConnectionOpenTry, ConnectionOpenAck, ConnectionOpenConfirm),
    *(ChannelOpenTry, ChannelOpenAck, ChannelOpenConfirm),
)
OWN_RIGHT = (CreateClient, ConnectionOpenInit, ChannelOpenInit, ConnectionOpenTry, ChannelOpenTry)
"""What takes effect however often it is said: an end of his own that anyone may open."""


def open_ends(front: Front) -> None:
    """Leave on the target, honestly, a connection and two channels that wait for somebody to go on."""
    channel = ChannelOpenInit("transfer", "ORDER_UNORDERED", "connection-0", "transfer")
    assert front.say(ConnectionOpenInit(CLIENT, CLIENT), channel, channel, sender="bob") == ""


def true_steps(front: Front) -> list[Msg]:
    """Return the next steps of handshakes that the target would take now."""
    past, height = front.from_node.replica.state.at(front.latest - 1), Height(1, front.latest)
    found: list[Msg] = []
    for path, _ in past.scan("ibc/channelEnds/"):
        _, _, _, port, _, name = path.split("/")
        end = CHANNELS.find(past, port, name)
        assert end is not None
        proof = front.proof(path.removeprefix("ibc/"), front.latest)
        there = end.counterparty
        if end.state == STATE_INIT:
            hop = CONNECTIONS.get(past, end.connection_hops[0]).counterparty.connection_id
            order = ORDERING_NAMES[end.ordering]
            found.append(ChannelOpenTry(there.port_id, order, hop, port, name, end.version, proof, height))
        elif end.state == STATE_TRYOPEN:
            found.append(ChannelOpenAck(there.port_id, there.channel_id, name, end.version, proof, height))
    for path, _ in past.scan("ibc/connections/"):
        name = path.removeprefix("ibc/connections/")
        line = CONNECTIONS.get(past, name)
        proof = front.proof(path.removeprefix("ibc/"), front.latest)
        far = line.counterparty
        if line.state == STATE_INIT:
            found.append(ConnectionOpenTry(far.client_id, line.client_id, name, line.versions, proof, height))
        elif line.state == STATE_TRYOPEN:
            found.append(ConnectionOpenAck(far.connection_id, name, line.versions[0], proof, height))
    return found


def answer_ends(front: Front) -> None:
    """Answer on the target, honestly, one of each kind of end that waits on the source."""
    steps = true_steps(front)
    tries = [next(step for step in steps if isinstance(step, kind)) for kind in (ConnectionOpenTry, ChannelOpenTry)]
    assert front.say(*tries, sender="bob") == ""


def a_step_with_another_part(front: Front) -> tuple[Msg, ...] | None:
    true = front.one(true_steps(front))
    return true and (front.mutants.but("proof_height").of(true),)


def a_step_proven_by_something_else(front: Front) -> tuple[Msg, ...] | None:
    true = front.one(true_steps(front))
    if true is None:
        return None
    proofs = [field for field in true.__struct_fields__ if field.startswith("proof_") and field != "proof_height"]
    paths = [f"clients/{CLIENT}/clientState", "connections/connection-0", "connections/connection-77", "nextChannelSequence"]
    return (replace(true, **{proofs[0]: front.proof(front.chance.choice(paths), front.latest)}),)


def a_step_that_nobody_took(front: Front) -> tuple[Msg, ...] | None:
    """Answers to ends that wait on the target, proven by ends of the source that belong to others."""
    height, chance = Height(1, front.latest), front.chance
    ends = [(port, name) for port in ("transfer", "mesh-provider", "mesh-consumer") for name in _channels(front, port)]
    port, name = chance.choice(ends)
    proof = front.proof(CHANNELS.path(port, name).decode(), front.latest)
    channel, line = f"channel-{chance.randrange(6)}", f"connection-{chance.randrange(4)}"
    line_proof = front.proof(CONNECTIONS.path(line).decode(), front.latest)
    version = Version("1", ("ORDER_ORDERED", "ORDER_UNORDERED"))
    waiting = [step for step in true_steps(front) if isinstance(step, ChannelOpenAck | ConnectionOpenAck)]
    truth = {getattr(step, "channel_id", getattr(step, "connection_id", "")) for step in waiting}
    lies: list[Msg] = [
        ChannelOpenAck("transfer", channel, name, "ics20-1", proof, height),
        ChannelOpenConfirm("transfer", channel, proof, height),
        ChannelCloseConfirm("transfer", channel, proof, height),
        ConnectionOpenAck(line, line, version, line_proof, height),
        ConnectionOpenConfirm(line, line_proof, height),
    ]
    lie = chance.choice(lies)
    return None if getattr(lie, "channel_id", getattr(lie, "connection_id", "")) in truth else (lie,)


def _channels(front: Front, port: str) -> list[str]:
    prefix = f"ibc/channelEnds/ports/{port}/channels/"
    return [path.removeprefix(prefix) for path, _ in front.from_node.replica.state.scan(prefix)]


def an_old_step_with_another_part(front: Front) -> tuple[Msg, ...] | None:
    true = front.said(*STEPS)
    return true and (front.mutants.but("proof_height").of(true),)


def an_old_step_proven_by_another_height(front: Front) -> tuple[Msg, ...] | None:
    true = front.said(*STEPS)
    if true is None:
        return None
    known = true.proof_height.height  # type: ignore[attr-defined]
    heights = front.other_heights(known) if known in front.known() else [0, 2**64 - 1]
    return (replace(true, proof_height=Height(1, front.chance.choice(heights))),)


def a_closing_that_did_not_happen(front: Front) -> tuple[Msg, ...] | None:
    true = front.one(front.to_take_back(late=False))
    if true is None:
        return None
    packet, height = true.packet, Height(1, front.latest)
    end = f"channelEnds/ports/{packet.destination_port}/channels/{packet.destination_channel}"
    closing = front.chance.choice((front.proof(end, front.latest), true.proof_unreceived, b""))
    own = packet.source_port, packet.source_channel
    claims: tuple[Msg, ...] = (
        TimeoutOnClose(packet, true.proof_unreceived, closing, height, 0),
        ChannelCloseConfirm(*own, closing, height),
        ChannelCloseInit(*own),
    )
    return (front.chance.choice(claims),)


def a_client_that_can_never_be_safe(front: Front) -> tuple[Msg, ...] | None:
    found = front.said(CreateClient)
    if not isinstance(found, CreateClient):
        return None
    state = decode(ClientState, any_decode(found.client_state)[1])
    latest = decode(ConsensusState, any_decode(found.consensus_state)[1])
    latest = replace(latest, timestamp=front.to_node.replica.tip.time)
    number = front.chance.randrange(1, 10**6)
    bad_states = (
        replace(state, trust_level=Fraction(number, 3 * number + 1)),
        replace(state, trust_level=Fraction(number + 1, number)),
        replace(state, trust_level=Fraction(1, 0)),
        replace(state, trusting_period=0),
        replace(state, trusting_period=state.unbonding_period + number),
        replace(state, max_clock_drift=0),
        replace(state, unbonding_period=-number),
        replace(state, latest_height=Height(number + 1, 5)),
        replace(state, latest_height=Height(1, 0)),
        replace(state, frozen_height=Height(0, number)),
        replace(state, proof_specs=()),
        replace(state, proof_specs=front.mutants.of(state.proof_specs)),
        replace(state, chain_id="x" * (50 + number % 100)),
        replace(state, chain_id=" " * (number % 9)),
        replace(state, chain_id="juno-2"),
    )
    bad_times = (
        replace(latest, root=latest.root[:-1]),
        replace(latest, root=b""),
        replace(latest, next_validators_hash=latest.next_validators_hash + b"\x00"),
        replace(latest, timestamp=latest.timestamp - state.trusting_period - number),
        replace(latest, timestamp=0),
    )
    if front.chance.random() < 0.7:
        state = front.chance.choice(bad_states)
    else:
        latest = front.chance.choice(bad_times)
    urls = front.chance.choice(((CLIENT_STATE_URL, CONSENSUS_STATE_URL),) * 9 + ((CONSENSUS_STATE_URL, CLIENT_STATE_URL),))
    return (CreateClient(any_encode(urls[0], encode(state)), any_encode(urls[1], encode(latest))),)


def a_proposal_that_cannot_be(front: Front) -> tuple[Msg, ...] | None:
    chance = front.chance
    word = chance.choice(("", "/", "a b", "x" * 65, "connection-77", "07-tendermint-77", "channel-0", "é"))
    version = Version(chance.choice(("2", "", "1")), chance.choice((("ORDER_ODD",), ())))
    port = chance.choice(("transfer", "mesh-provider", "mesh-consumer"))
    proposals = (
        ConnectionOpenInit("07-tendermint-77", CLIENT),
        ConnectionOpenInit(word, CLIENT),
        ConnectionOpenInit(CLIENT, "x"),
        ConnectionOpenInit(CLIENT, CLIENT, counterparty_prefix=chance.choice(("", "a/b", "x" * 129))),
        ConnectionOpenInit(CLIENT, CLIENT, version=version),
        ChannelOpenInit("transfer", "ORDER_ORDERED", "connection-0", "transfer"),
        ChannelOpenInit(port, chance.choice(("", "ORDER_NONE", "unordered")), "connection-0", port),
        ChannelOpenInit(port, "ORDER_UNORDERED", chance.choice(("connection-77", "")), port),
        ChannelOpenInit(f"bank-{word}", "ORDER_UNORDERED", "connection-0", "transfer"),
        ChannelOpenInit("transfer", "ORDER_UNORDERED", "connection-0", "x"),
        ChannelOpenInit("transfer", "ORDER_UNORDERED", "connection-0", "transfer", f"ics20-{word or 2}"),
    )
    return (chance.choice(proposals),)


HANDSHAKE_LIES: Lies = (
    a_step_with_another_part,
    a_step_proven_by_something_else,
    a_step_that_nobody_took,
    an_old_step_with_another_part,
    an_old_step_proven_by_another_height,
    a_closing_that_did_not_happen,
    a_client_that_can_never_be_safe,
    a_proposal_that_cannot_be,
)
