"""What a chain remembers of the branches that a revert has given up, and what may not rest on them."""

import pytest
from msgspec.structs import replace

from meshsec.world.sim_chain import SimChain
from meshsec_core.consensus.evidence import make_duplicate_vote
from meshsec_core.ibc.client import UpdateClient
from meshsec_core.kernel.crypto import PrivateKey, address_of
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.hashes import vote_sign_bytes
from meshsec_core.kernel.wire.ibc import HEADER_URL, MISBEHAVIOUR_URL, ClientHeader, ClientMisbehaviour, Height, any_encode
from meshsec_core.kernel.wire.proto import encode
from meshsec_core.kernel.wire.tendermint import (
    PRECOMMIT,
    BlockId,
    PartSetHeader,
    SignedHeader,
    ValidatorSet,
    Vote,
    encode_evidence,
)
from meshsec_core.modules.slashing import SubmitEvidence
from meshsec_core.replica.generations import Abandoned, compare, cross_over, generations, height_since
from meshsec_core.replica.storage import MemoryStorage, Table
from meshsec_core.runtime.module import Msg
from meshsec_core.runtime.tx import make_tx
from meshsec_sdk import names
from meshsec_sdk.mesh_file import consensus_keys, genesis_of, topology

PAIR = topology("pair")
OSMOSIS = PAIR.chain("osmosis")
GENESIS = genesis_of(PAIR, "osmosis")
KEYS = consensus_keys(OSMOSIS)
NO_SET = ValidatorSet(())


class Chain:
    """A simulated chain that can go to images of itself."""

    def __init__(self) -> None:
        self.sim = SimChain(OSMOSIS, GENESIS, PAIR)
        self.now = GENESIS.time

    def blocks(self, count: int, seconds: int = 1) -> None:
        for _ in range(count):
            self.now += seconds * SECOND
            self.sim.make_block(self.now)

    def save(self) -> tuple[MemoryStorage, int]:
        return self.sim.storage.image.copy(), self.now

    def go(self, saved: tuple[MemoryStorage, int]) -> None:
        there = saved[0].copy()
        fork = compare("osmosis-1", self.sim.storage.image, there)
        number = self.sim.replica.generation + 1
        cross_over(self.sim.storage.image, there, number, fork.height, (fork.abandoned, fork.revived))
        self.sim.restart(there)
        self.now = saved[1]

    def signed(self, height: int) -> SignedHeader:
        found = self.sim.replica.commit(height)
        assert found is not None
        return found

    def refused(self, *msgs: Msg) -> str:
        """Submit messages; return the code with which they are refused, if they are."""
        sequence = self.sim.replica.next_sequence(names.address("alice", OSMOSIS.names))
        raw = make_tx(names.key_of("alice", "osmosis"), "osmo", GENESIS.chain_id, sequence, msgs)
        try:
            self.sim.submit(raw)
        except Rejected as refusal:
            return refusal.code
        return ""


def cast(key: PrivateKey, height: int, block: bytes, number: int) -> Vote:
    """Sign a vote by hand."""
    place = BlockId(block, PartSetHeader(1, bytes(32))) if block else BlockId(b"", PartSetHeader(0, b""))
    vote = Vote(PRECOMMIT, height, number, place, GENESIS.time, b"", 0)
    choice = place if block else None
    signature = key.sign(vote_sign_bytes("osmosis-1", PRECOMMIT, height, number, choice, GENESIS.time))
    return replace(vote, address=address_of(key.public_key), signature=signature)


def accuse(chain: Chain, height: int, first: bytes, second: bytes, name: str = "val-0", number: int = 0) -> SubmitEvidence:
    """Make evidence of two precommits of a validator, for blocks or for nil."""
    validators = chain.sim.replica.validators_at(height)
    assert validators is not None
    one, two = (cast(KEYS[name], height, block, number) for block in (first, second))
    return SubmitEvidence(encode_evidence(make_duplicate_vote(one, two, validators, chain.now)))


def update(*headers: SignedHeader) -> UpdateClient:
    said = [ClientHeader(header, NO_SET, Height(1, 1), NO_SET) for header in headers]
    if len(said) == 1:
        return UpdateClient("07-tendermint-0", any_encode(HEADER_URL, encode(said[0])))
    return UpdateClient("07-tendermint-0", any_encode(MISBEHAVIOUR_URL, encode(ClientMisbehaviour(*said))))


@pytest.fixture
def twice() -> tuple[Chain, list[SignedHeader]]:
    """A chain that made blocks 4 to 6, went back to 3, and made others; and the first ones."""
    chain = Chain()
    chain.blocks(3)
    saved = chain.save()
    chain.blocks(3)
    first = [chain.signed(height) for height in (4, 5, 6)]
    chain.go(saved)
    chain.blocks(3, seconds=2)
    assert chain.signed(5).commit.block_id != first[1].commit.block_id
    return chain, first


def test_double_sign_evidence_of_votes_from_before_and_after_a_revert_is_refused(twice: tuple[Chain, list[SignedHeader]]) -> None:
    chain, first = twice
    before, after = first[1].commit.block_id.hash, chain.signed(5).commit.block_id.hash
    assert chain.refused(accuse(chain, 5, before, after)) == "dev/abandoned-branch"
    assert chain.refused(accuse(chain, 5, after, b"\x09" * 32)) == ""


def test_headers_of_an_abandoned_branch_and_their_children_are_refused_in_any_company(
    twice: tuple[Chain, list[SignedHeader]],
) -> None:
    chain, first = twice
    child = replace(chain.signed(6), header=replace(chain.signed(6).header, last_block_id=first[1].commit.block_id))
    for headers in ((first[2],), (child,), (chain.signed(5), first[1]), (first[1], chain.signed(5))):
        assert chain.refused(update(*headers)) == "dev/abandoned-branch"
    assert chain.refused(update(chain.signed(5))) == ""
    assert chain.refused(update(chain.signed(6), chain.signed(5))) == ""


def test_votes_that_no_block_remembers_are_remembered_too() -> None:
    """Given the proposer of round 0 is away, so that all others vote nil in that round before they decide in the next
    When the chain goes back, and a block of round 0 is voted for instead
    Then evidence of the nil vote and the new vote is refused
    """
    chain = Chain()
    chain.blocks(3)
    saved = chain.save()
    proposer = chain.sim.replica.tip.validators.proposer.address
    silent = next(voter.name for voter in chain.sim.replica.voters if voter.address == proposer)
    chain.sim.replica.fault("down", silent)
    chain.blocks(1)
    assert chain.signed(4).commit.round == 1
    chain.go(saved)
    chain.blocks(1)
    assert chain.signed(4).commit.round == 0
    block = chain.signed(4).commit.block_id.hash
    honest = "val-1" if silent == "val-0" else "val-0"
    assert chain.refused(accuse(chain, 4, b"", block, honest)) == "dev/abandoned-branch"
    assert chain.refused(accuse(chain, 4, b"", block, honest, 7)) == ""


def test_a_height_in_progress_is_abandoned_as_well() -> None:
    chain = Chain()
    chain.blocks(3)
    saved = chain.save()
    for name in ("val-0", "val-1"):
        chain.sim.replica.fault("down", name)
    chain.blocks(1)
    assert chain.sim.replica.height == 3
    waves = len(list(chain.sim.storage.scan(Table.WAL)))
    assert waves > 0
    fork = compare("osmosis-1", chain.sim.storage.image, saved[0])
    assert (fork.height, fork.revived) == (3, ())
    assert fork.abandoned


def test_a_branch_that_is_taken_up_again_is_not_abandoned_any_more() -> None:
    """Given a snapshot deep on one branch, and a revert below it that starts another
    When the chain goes to that snapshot
    Then what the first branch signed counts again, and what the second did is abandoned
    """
    chain = Chain()
    chain.blocks(2)
    low = chain.save()
    chain.blocks(3)
    high = chain.save()
    first = chain.signed(5)
    chain.go(low)
    chain.blocks(3, seconds=2)
    second = chain.signed(5)
    assert chain.refused(update(first)) == "dev/abandoned-branch"
    chain.go(high)
    assert chain.signed(5) == first
    assert chain.refused(update(second)) == "dev/abandoned-branch"
    assert chain.refused(update(first)) == ""
    assert generations(chain.sim.storage) == ((1, 2), (2, 3))


def test_whoever_signs_the_very_same_again_abandons_it_no_more(twice: tuple[Chain, list[SignedHeader]]) -> None:
    """The first block behind a snapshot has its time from before; with the same transactions it is the same block."""
    chain, first = twice
    assert chain.signed(4).commit.block_id == first[0].commit.block_id
    assert chain.refused(update(first[0])) == ""
    mark = first[0].commit.block_id.hash
    assert chain.sim.replica.abandoned.again == {4: [mark]}
    stranger = Abandoned(chain.sim.storage, "juno-1")
    chain.sim.restart()
    assert chain.sim.replica.abandoned.again == stranger.again == {4: [mark]}
    assert chain.refused(update(first[0])) == ""


def test_what_another_chain_signs_again_is_believed_once_it_is_told(twice: tuple[Chain, list[SignedHeader]]) -> None:
    chain, first = twice
    chain.sim.storage.apply(chain.sim.replica.abandoned.lift([first[1].commit.block_id.hash, b"nothing of ours"]))
    chain.sim.restart()
    assert chain.refused(update(first[1])) == ""
    assert chain.refused(update(first[2])) == "dev/abandoned-branch"


def test_what_was_abandoned_once_stays_abandoned_through_further_reverts() -> None:
    chain = Chain()
    chain.blocks(3)
    start = chain.save()
    left = []
    for seconds in (1, 2, 3):
        chain.blocks(3, seconds)
        left.append(chain.signed(6))
        chain.go(start)
    assert [chain.refused(update(header)) for header in left] == ["dev/abandoned-branch"] * 3


def test_a_revert_to_where_the_chain_stands_abandons_nothing_and_starts_a_generation() -> None:
    chain = Chain()
    chain.blocks(3)
    chain.go(chain.save())
    assert (chain.sim.replica.generation, len(chain.sim.replica.abandoned)) == (1, 0)
    assert chain.refused(update(chain.signed(3))) == ""


@pytest.mark.parametrize(
    ("generation", "height", "holds"),
    [(0, 90, 40), (1, 90, 40), (2, 90, 70), (3, 90, 90), (0, 10, 10), (2, 60, 60)],
)
def test_what_was_read_in_a_generation_holds_up_to_the_lowest_fork_since(generation: int, height: int, holds: int) -> None:
    assert height_since(((1, 80), (2, 40), (3, 70)), generation, height) == holds


def test_guards_go_back_with_the_chain_so_that_it_can_sign_again() -> None:
    chain = Chain()
    chain.blocks(3)
    saved = chain.save()
    guards = dict(saved[0].scan(Table.GUARDS))
    chain.blocks(5)
    chain.go(saved)
    assert dict(chain.sim.storage.scan(Table.GUARDS)) == guards
    chain.blocks(1)
    assert chain.sim.replica.height == 4
