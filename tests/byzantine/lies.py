"""The kinds of lies, each a function from what is true to messages that must change nothing; None where the moment offers none.

A lie is never true by chance: every part that is changed is one that a proof or a signature has to cover. What anyone may do in
his own name (create a client, propose a connection, bring an unknown true header) is asked for only in a way that is refused.
"""

from msgspec.structs import replace

from by_hand import CLIENT, update
from byzantine.front import Front, Lie
from byzantine.handshakes import HANDSHAKE_LIES, OWN_RIGHT
from byzantine.headers import HEADER_LIES
from byzantine.mutants import damaged
from meshsec_core.ibc.client import UpdateClient
from meshsec_core.ibc.packet import ACKNOWLEDGEMENTS, COMMITMENTS, RECEIPTS, Acknowledgement, RecvPacket, error_acknowledgement
from meshsec_core.ibc.timeout import Timeout
from meshsec_core.ibc.transfer import SUCCESS
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.state import State
from meshsec_core.kernel.wire.ibc import Height, ack_commitment, packet_commitment
from meshsec_core.kernel.wire.ics23 import MerkleProof, NonExistenceProof
from meshsec_core.kernel.wire.proto import decode
from meshsec_core.runtime.module import Msg


def own_proof(path: bytes, value: bytes) -> bytes:
    """Return a flawless proof from a state of the liar's own making."""
    state = State(("ibc",))
    prepared = state.preview({f"ibc/{path.decode()}": value, "ibc/made": b"up"})
    state.commit(1, prepared)
    return state.prove(f"ibc/{path.decode()}", 1)[1]


# packets


def a_packet_with_another_part(front: Front) -> tuple[Msg, ...] | None:
    true = front.one(front.to_deliver())
    return true and (replace(true, packet=front.mutants.of(true.packet)),)


def a_packet_with_another_proof(front: Front) -> tuple[Msg, ...] | None:
    true = front.one(front.to_deliver())
    return true and (replace(true, proof_commitment=front.mutants.of(true.proof_commitment, "proof_commitment")),)


def a_packet_with_damaged_bytes(front: Front) -> tuple[Msg, ...] | None:
    true = front.one(front.to_deliver())
    raw = true and damaged(front.chance, true.proof_commitment)
    return None if true is None or raw in (None, true.proof_commitment) else (replace(true, proof_commitment=raw),)


def a_packet_proven_by_something_else(front: Front) -> tuple[Msg, ...] | None:
    true = front.one(front.to_deliver())
    if true is None:
        return None
    packet = true.packet
    there = (packet.source_port, packet.source_channel)
    paths = [
        f"nextSequenceSend/ports/{packet.source_port}/channels/{packet.source_channel}",
        f"channelEnds/ports/{packet.source_port}/channels/{packet.source_channel}",
        COMMITMENTS.path(*there, packet.sequence + front.chance.choice((1, -1, 2))).decode(),
        RECEIPTS.path(*there, packet.sequence).decode(),
        f"clients/{CLIENT}/clientState",
    ]
    return (replace(true, proof_commitment=front.proof(front.chance.choice(paths), front.latest)),)


def a_packet_proven_by_another_height(front: Front) -> tuple[Msg, ...] | None:
    true = front.one(front.to_deliver())
    if true is None:
        return None
    height = front.chance.choice(front.other_heights(front.latest))
    return (replace(true, proof_height=front.chance.choice((Height(1, height), Height(0, front.latest), Height(2, height)))),)


def a_packet_that_was_never_sent(front: Front) -> tuple[Msg, ...] | None:
    true = front.one([msg for msg in front.delivered if isinstance(msg, RecvPacket)] + front.to_deliver())
    if true is None:
        return None
    data = front.chance.choice((true.packet.data, true.packet.data.replace(b'"amount":"', b'"amount":"9')))
    packet = replace(true.packet, sequence=10**6 + front.chance.randrange(10**6), data=data)
    path = COMMITMENTS.path(packet.source_port, packet.source_channel, packet.sequence)
    honest = front.proof(path.decode(), front.latest)
    proof = front.chance.choice((honest, own_proof(path, packet_commitment(packet)), b"", true.proof_commitment))
    return (RecvPacket(replace(packet, timeout_timestamp=2**63), proof, Height(1, front.latest)),)


def a_packet_before_the_header_that_proves_it(front: Front) -> tuple[Msg, ...] | None:
    """In one transaction: the packet, then the header; nothing of it may stay. If the packet had arrived, the header could."""
    true, height = front.one(front.to_deliver()), front.source.height
    if true is None or height in front.known() or not front.alone:
        return None
    return (front.receive(true.packet, height), update(front.header(height)))


def a_packet_whose_header_is_withheld(front: Front) -> tuple[Msg, ...] | None:
    true, height = front.one(front.to_deliver()), front.source.height
    return None if true is None or height in front.known() else (front.receive(true.packet, height),)


# acknowledgements


def an_answer_with_another_part(front: Front) -> tuple[Msg, ...] | None:
    true = front.one(front.to_answer())
    return true and (front.mutants.but("proof_height").of(true),)


def an_answer_that_was_not_given(front: Front) -> tuple[Msg, ...] | None:
    true = front.one(front.to_answer())
    if true is None:
        return None
    others = (SUCCESS, error_acknowledgement("bank/insufficient-funds"), b"", b"{}", true.acknowledgement + b" ")
    lie = front.chance.choice([answer for answer in others if answer != true.acknowledgement])
    path = ACKNOWLEDGEMENTS.path(true.packet.destination_port, true.packet.destination_channel, true.packet.sequence)
    return (replace(true, acknowledgement=lie, proof_acked=own_proof(path, ack_commitment(lie))),)


def an_answer_to_what_has_not_arrived(front: Front) -> tuple[Msg, ...] | None:
    waiting = front.one(front.to_take_back(late=False))
    if waiting is None:
        return None
    answer = front.chance.choice((SUCCESS, error_acknowledgement("bank/reserved-account")))
    return (Acknowledgement(waiting.packet, answer, waiting.proof_unreceived, waiting.proof_height),)


# timeouts


def a_timeout_that_has_not_come(front: Front) -> tuple[Msg, ...] | None:
    true = front.one(front.to_take_back(late=False))
    return true and (replace(true, next_sequence_recv=front.chance.choice((0, 1, 2**63))),)


def a_timeout_that_has_another_part(front: Front) -> tuple[Msg, ...] | None:
    """Of a packet whose time is over. Nothing covers the next sequence, which unordered channels have no use for, nor the key
    that a proof of absence claims to be about: its neighbours say what is absent.
    """
    true = front.one(front.to_take_back(late=True))
    if true is None:
        return None
    lie = front.mutants.but("proof_height", "next_sequence_recv").of(true)
    same = replace(lie, proof_unreceived=b"") == replace(true, proof_unreceived=b"")
    return None if same and _neighbours(lie.proof_unreceived) == _neighbours(true.proof_unreceived) else (lie,)


def _neighbours(proof: bytes) -> tuple[object, ...]:
    try:
        found = decode(MerkleProof, proof).proofs
    except Rejected:
        return ()
    return tuple((level.left, level.right) if isinstance(level, NonExistenceProof) else level for level in found)


def a_timeout_of_what_arrived(front: Front) -> tuple[Msg, ...] | None:
    packet = front.one(front.arrived())
    if packet is None:
        return None
    path = RECEIPTS.path(packet.destination_port, packet.destination_channel, packet.sequence).decode()
    height = front.chance.choice(front.known())
    return (Timeout(packet, front.proof(path, height), Height(1, height), front.chance.choice((0, 1))),)


# what was true once, and no message at all


def an_old_message_again(front: Front) -> tuple[Msg, ...] | None:
    old = front.one([msg for msg in front.delivered if not isinstance(msg, OWN_RIGHT)])
    return old and (old,)


def old_messages_in_another_order(front: Front) -> tuple[Msg, ...] | None:
    old = [msg for msg in front.delivered if not isinstance(msg, OWN_RIGHT)]
    return tuple(front.chance.sample(old, 3)) if len(old) >= 3 else None


def an_old_message_with_another_part(front: Front) -> tuple[Msg, ...] | None:
    true = front.said(UpdateClient, RecvPacket, Acknowledgement, Timeout)
    if isinstance(true, UpdateClient):
        return (replace(true, client_message=front.mutants.of(true.client_message, "client_message")),)
    return true and (front.mutants.of(true),)


KINDS: dict[str, Lie] = {
    lie.__name__.replace("_", " "): lie
    for lie in (
        a_packet_with_another_part,
        a_packet_with_another_proof,
        a_packet_with_damaged_bytes,
        a_packet_proven_by_something_else,
        a_packet_proven_by_another_height,
        a_packet_that_was_never_sent,
        a_packet_before_the_header_that_proves_it,
        a_packet_whose_header_is_withheld,
        an_answer_with_another_part,
        an_answer_that_was_not_given,
        an_answer_to_what_has_not_arrived,
        a_timeout_that_has_not_come,
        a_timeout_that_has_another_part,
        a_timeout_of_what_arrived,
        an_old_message_again,
        old_messages_in_another_order,
        an_old_message_with_another_part,
        *HANDSHAKE_LIES,
        *HEADER_LIES,
    )
}
