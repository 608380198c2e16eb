"""Nothing that a relayer says is believed without proof: every lie is refused by its name and leaves no trace."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from by_hand import Hand, update
from meshes import state, transfer
from meshsec.world.sim import SimWorld
from meshsec_core.ibc.packet import ACKNOWLEDGEMENTS, RECEIPTS, Acknowledgement, error_acknowledgement
from meshsec_core.ibc.timeout import Timeout
from meshsec_core.ibc.transfer import SUCCESS
from meshsec_core.kernel.crypto import PrivateKey, address_of
from meshsec_core.kernel.types import SECOND, Address, Denom
from meshsec_core.kernel.wire.hashes import header_hash, validators_hash, vote_sign_bytes
from meshsec_core.kernel.wire.ibc import ClientHeader, Height
from meshsec_core.kernel.wire.tendermint import (
    FLAG_COMMIT,
    PRECOMMIT,
    BlockId,
    Commit,
    CommitSig,
    PartSetHeader,
    SignedHeader,
    Validator,
    ValidatorSet,
)
from meshsec_core.modules.bank import Send
from meshsec_core.runtime.module import Msg

AMOUNT = 5_000
WATCHED = ("bank/", "distribution/", "ibc/", "mesh/", "slashing/", "staking/", "transfer/")


class Sent(Hand):
    """A transfer has been sent, the target's client knows a header that proves it, and the honest relayer is away."""

    def __init__(self, world: SimWorld) -> None:
        super().__init__(world)
        world.relayer("stop")
        transfer(world, "osmosis", "juno", AMOUNT)
        self.packet = self.sent()
        world.mine()
        self.before = self.known()[-1]
        self.height = self.source.height
        assert self.say(update(self.header(self.height))) == ""
        world.mine(3)

    def next_header(self) -> ClientHeader:
        """A true header that the client does not know yet, several blocks above what it knows."""
        return self.header(self.source.height)


@pytest.fixture
def hand(mesh_world: SimWorld) -> Sent:
    return Sent(mesh_world)


def richer(hand: Sent) -> Msg:
    data = hand.packet.data.replace(b'"5000"', b'"9000"')
    return hand.receive(replace(hand.packet, data=data), hand.height)


def to_somebody_else(hand: Sent) -> Msg:
    bob, erin = (hand.target.user(name).address.encode() for name in ("bob", "erin"))
    return hand.receive(replace(hand.packet, data=hand.packet.data.replace(bob, erin)), hand.height)


def never_late(hand: Sent) -> Msg:
    return hand.receive(replace(hand.packet, timeout_timestamp=hand.packet.timeout_timestamp + 1), hand.height)


def over_another_channel(hand: Sent) -> Msg:
    return hand.receive(replace(hand.packet, source_channel="channel-7"), hand.height, b"\x0a\x00")


def never_sent(hand: Sent) -> Msg:
    return hand.receive(replace(hand.packet, sequence=2), hand.height)


def under_another_key(hand: Sent) -> Msg:
    other = f"nextSequenceSend/ports/transfer/channels/{hand.packet.source_channel}"
    return hand.receive(hand.packet, hand.height, hand.proof(other, hand.height))


def from_before_it_was_sent(hand: Sent) -> Msg:
    return hand.receive(hand.packet, hand.before)


def proven_by_another_height(hand: Sent) -> Msg:
    true = hand.receive(hand.packet, hand.height)
    return replace(true, proof_height=Height(1, hand.before))


def proven_by_an_unknown_height(hand: Sent) -> Msg:
    return hand.receive(hand.packet, hand.height + 1)


def proven_by_nothing(hand: Sent) -> Msg:
    return hand.receive(hand.packet, hand.height, b"")


LIES: list[tuple[Callable[[Sent], Msg], str]] = [
    (richer, "proof/wrong-value"),
    (to_somebody_else, "proof/wrong-value"),
    (never_late, "proof/wrong-value"),
    (over_another_channel, "ibc/wrong-counterparty"),
    (never_sent, "proof/wrong-kind"),
    (under_another_key, "proof/wrong-key"),
    (from_before_it_was_sent, "proof/wrong-kind"),
    (proven_by_another_height, "proof/wrong-root"),
    (proven_by_an_unknown_height, "ibc/unknown-consensus-state"),
    (proven_by_nothing, "proof/wrong-levels"),
]


@pytest.mark.parametrize(("lie", "code"), LIES, ids=[lie.__name__ for lie, _ in LIES])
def test_a_lie_about_a_packet_is_refused_and_the_truth_is_still_believed(
    hand: Sent, lie: Callable[[Sent], Msg], code: str
) -> None:
    before = state(hand.target, hand.world, WATCHED)
    assert hand.say(lie(hand)) == code
    assert state(hand.target, hand.world, WATCHED) == before
    assert hand.say(hand.receive(hand.packet, hand.height)) == ""
    (held,) = hand.target.query("transfer", "denoms")
    assert hand.target.user("bob").balance(held["denom"]) == AMOUNT


@pytest.mark.parametrize("position", range(0, 600, 37))
def test_a_proof_with_one_bit_turned_proves_nothing(hand: Sent, position: int) -> None:
    before = state(hand.target, hand.world, WATCHED)
    true = hand.receive(hand.packet, hand.height)
    raw = bytearray(true.proof_commitment)
    raw[position % len(raw)] ^= 1
    code = hand.say(replace(true, proof_commitment=bytes(raw)))
    assert code.startswith(("proof/", "wire/")), code
    assert state(hand.target, hand.world, WATCHED) == before


def test_a_packet_that_is_delivered_again_is_refused_at_the_door_and_in_company_succeeds_and_changes_nothing(hand: Sent) -> None:
    true = hand.receive(hand.packet, hand.height)
    assert hand.say(true) == ""
    before = state(hand.target, hand.world, WATCHED)
    height = hand.target.height
    assert hand.say(true) == "ibc/redundant"
    assert hand.say(true, true, sender="dave") == "ibc/redundant"
    assert hand.say(update(hand.next_header()), replace(true, proof_commitment=b"anything")) == "ibc/redundant"
    assert hand.target.height == height
    company = Send(Address(hand.target.user("dave").address), Denom("ujuno"), 1)
    assert hand.say(true, company, replace(true, proof_commitment=b"anything"), sender="dave") == ""
    assert state(hand.target, hand.world, WATCHED) == before


def test_two_relayers_who_deliver_at_once_both_keep_their_place_and_one_of_them_changes_nothing(hand: Sent) -> None:
    true = hand.receive(hand.packet, hand.height)
    posted = [hand.post(true, sender=sender) for sender in ("dave", "erin")]
    later = hand.post(Send(Address(hand.target.user("erin").address), Denom("ujuno"), 1), sender="erin")
    hand.world.mine(2)
    assert [hand.target.get(f"/v1/txs/{tx_hash}")["code"] for tx_hash in (*posted, later)] == ["", "", ""]
    (held,) = hand.target.query("transfer", "denoms")
    assert hand.target.user("bob").balance(held["denom"]) == AMOUNT


def resign(header: ClientHeader, signatures: tuple[CommitSig, ...]) -> ClientHeader:
    commit = replace(header.signed_header.commit, signatures=signatures)
    return replace(header, signed_header=replace(header.signed_header, commit=commit))


def half_the_power(hand: Sent) -> ClientHeader:
    header = hand.next_header()
    signatures = header.signed_header.commit.signatures
    return resign(header, (*signatures[:2], CommitSig(), CommitSig()))


def another_root(hand: Sent) -> ClientHeader:
    header = hand.next_header()
    changed = replace(header.signed_header.header, app_hash=bytes(32))
    return replace(header, signed_header=replace(header.signed_header, header=changed))


def swapped_signatures(hand: Sent) -> ClientHeader:
    header = hand.next_header()
    first, second, *rest = header.signed_header.commit.signatures
    mixed = replace(first, signature=second.signature), replace(second, signature=first.signature)
    return resign(header, (*mixed, *rest))


def validators_of_my_own(hand: Sent) -> ClientHeader:
    return forge(hand, hand.next_header())


def validators_of_my_own_next_door(hand: Sent) -> ClientHeader:
    return forge(hand, hand.header(hand.height + 1))


def trusted_set_of_my_own(hand: Sent) -> ClientHeader:
    forged = forge(hand, hand.next_header())
    return replace(forged, trusted_validators=forged.validator_set)


def forge(hand: Sent, true: ClientHeader) -> ClientHeader:
    """A header of the liar's own making, signed by all of the liar's own validators."""
    keys = sorted((PrivateKey(bytes([seed]) * 32) for seed in range(1, 5)), key=lambda key: address_of(key.public_key))
    members = tuple(Validator(address_of(key.public_key), key.public_key, 10**9, 0) for key in keys)
    header = replace(true.signed_header.header, validators_hash=validators_hash(members), app_hash=b"\x66" * 32)
    block_id = BlockId(header_hash(header), PartSetHeader(1, bytes(32)))
    time = header.time + 1
    signed = vote_sign_bytes(header.chain_id, PRECOMMIT, header.height, 0, block_id, time)
    signatures = tuple(CommitSig(FLAG_COMMIT, address_of(key.public_key), time, key.sign(signed)) for key in keys)
    commit = Commit(header.height, 0, block_id, signatures)
    return replace(true, signed_header=SignedHeader(header, commit), validator_set=ValidatorSet(members, members[0], 4 * 10**9))


def from_juno_itself(hand: Sent) -> ClientHeader:
    other = Hand(hand.world, "juno", "osmosis")
    theirs = other.header(hand.target.height)
    return replace(theirs, trusted_height=Height(1, hand.height), trusted_validators=hand.validators(hand.height + 1))


def trusting_an_unknown_height(hand: Sent) -> ClientHeader:
    return replace(hand.next_header(), trusted_height=Height(1, hand.height + 1))


HEADERS: list[tuple[Callable[[Sent], ClientHeader], str]] = [
    (half_the_power, "light/insufficient-power"),
    (another_root, "light/wrong-commit"),
    (swapped_signatures, "light/bad-signature"),
    (validators_of_my_own, "light/insufficient-trust"),
    (validators_of_my_own_next_door, "light/unannounced-validators"),
    (trusted_set_of_my_own, "light/wrong-trusted-validators"),
    (from_juno_itself, "light/wrong-chain"),
    (trusting_an_unknown_height, "ibc/unknown-consensus-state"),
]


@pytest.mark.parametrize(("lie", "code"), HEADERS, ids=[lie.__name__ for lie, _ in HEADERS])
def test_a_header_that_the_chain_did_not_make_teaches_a_client_nothing(
    hand: Sent, lie: Callable[[Sent], ClientHeader], code: str
) -> None:
    before = state(hand.target, hand.world, WATCHED)
    assert hand.say(update(lie(hand))) == code
    assert state(hand.target, hand.world, WATCHED) == before
    assert hand.say(update(hand.next_header())) == ""


def test_a_lie_in_a_transaction_takes_the_truth_beside_it_down(hand: Sent) -> None:
    before = state(hand.target, hand.world, WATCHED)
    assert hand.say(hand.receive(hand.packet, hand.height), never_sent(hand)) == "proof/wrong-kind"
    assert state(hand.target, hand.world, WATCHED) == before


class Sender(Hand):
    """The way back: the chain that sent the packet is told what became of it."""

    def __init__(self, hand: Sent) -> None:
        super().__init__(hand.world, "juno", "osmosis")
        self.packet = hand.packet
        end = self.packet.destination_port, self.packet.destination_channel, self.packet.sequence
        self.receipt, self.answer = RECEIPTS.path(*end).decode(), ACKNOWLEDGEMENTS.path(*end).decode()
        self.world.mine()
        self.height = self.source.height
        assert self.say(update(self.header(self.height))) == ""

    def lies(self) -> list[tuple[Msg, str]]:
        at, absent = Height(1, self.height), self.proof(self.receipt, self.height)
        unanswered = self.proof(self.answer, self.height)
        other = replace(self.packet, data=self.packet.data.replace(b'"5000"', b'"9000"'))
        refusal = error_acknowledgement("bank/reserved-account")
        late = replace(self.packet, timeout_timestamp=1)
        return [
            (Acknowledgement(self.packet, refusal, unanswered, at), "proof/wrong-kind"),
            (Acknowledgement(self.packet, SUCCESS, b"", at), "proof/wrong-levels"),
            (Acknowledgement(other, refusal, unanswered, at), "ibc/commitment-mismatch"),
            (Timeout(self.packet, absent, at, 0), "ibc/timeout-not-reached"),
            (Timeout(late, absent, at, 0), "ibc/commitment-mismatch"),
        ]


def test_what_was_sent_cannot_be_taken_back_by_a_lie_about_its_fate(hand: Sent) -> None:
    """Given a transfer under way that has neither arrived nor timed out
    When somebody claims that it was refused, or late, or another one
    Then the sender's chain gives nothing back
    """
    back = Sender(hand)
    before = state(back.target, back.world, WATCHED)
    for lie, code in back.lies():
        assert back.say(lie) == code
        assert state(back.target, back.world, WATCHED) == before


def test_what_arrived_cannot_be_taken_back_by_a_late_timeout(hand: Sent) -> None:
    """Given a transfer that has arrived, whose acknowledgement nobody brought
    When its timeout has passed and somebody claims that it never arrived
    Then the claim is refused, and the coins exist once
    """
    old = Sender(hand).height
    assert hand.say(hand.receive(hand.packet, hand.height)) == ""
    hand.world.now += 3_600 * SECOND
    hand.world.mine(2)
    back = Sender(hand)
    before = state(back.target, back.world, WATCHED)
    claims = [
        (Timeout(back.packet, back.proof(back.receipt, back.height), Height(1, back.height), 0), "proof/wrong-kind"),
        (Timeout(back.packet, back.proof(back.receipt, old), Height(1, old), 0), "ibc/timeout-not-reached"),
        (Timeout(back.packet, back.proof(back.receipt, old), Height(1, back.height), 0), "proof/wrong-root"),
    ]
    for claim, code in claims:
        assert back.say(claim) == code
        assert state(back.target, back.world, WATCHED) == before
