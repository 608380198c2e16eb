"""Headers of osmosis that osmosis did not decide, signed by its own validators, and juno's client that is shown them."""

from typing import Any

from msgspec.structs import replace

from meshsec_core.ibc.client import UpdateClient, get_client
from meshsec_core.kernel.crypto import address_of
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.hashes import header_hash, vote_sign_bytes
from meshsec_core.kernel.wire.ibc import HEADER_URL, ClientHeader, any_encode
from meshsec_core.kernel.wire.proto import encode
from meshsec_core.kernel.wire.tendermint import PRECOMMIT, BlockId, CommitSig, PartSetHeader, SignedHeader
from meshsec_sdk.mesh_file import consensus_keys
from relay_rig import Pair

CLIENT = "07-tendermint-0"
LIARS = 3


def header(rig: Pair, height: int) -> ClientHeader:
    """The true header of a height of osmosis, to be believed by what juno's client knows."""
    replica = rig.nodes["osmosis"].replica
    signed, trusted = replica.commit(height), get_client(rig.nodes["juno"].replica.state, CLIENT).latest_height
    assert signed is not None
    own, known = replica.validators_at(height), replica.validators_at(trusted.height + 1)
    assert own is not None
    assert known is not None
    return ClientHeader(signed, own.to_wire(), trusted, known.to_wire())


def forge(rig: Pair, true: ClientHeader, **changes: Any) -> ClientHeader:
    """Let three of osmosis' four validators sign another header."""
    keys = {address_of(key.public_key): key for key in consensus_keys(rig.mesh.chain("osmosis")).values()}
    lie = replace(true.signed_header.header, **changes)
    block_id = BlockId(header_hash(lie), PartSetHeader(1, b"p" * 32))
    time = lie.time + SECOND
    signed = vote_sign_bytes(lie.chain_id, PRECOMMIT, lie.height, 0, block_id, time)
    votes = (replace(vote, time=time, signature=keys[vote.address].sign(signed)) for vote in true.signed_header.commit.signatures)
    signatures = (*list(votes)[:LIARS], CommitSig())
    commit = replace(true.signed_header.commit, height=lie.height, round=0, block_id=block_id, signatures=signatures)
    return replace(true, signed_header=SignedHeader(lie, commit))


def lunatic(rig: Pair) -> ClientHeader:
    return forge(rig, header(rig, rig.nodes["osmosis"].replica.height), app_hash=b"\x66" * 32)


def equivocation(rig: Pair) -> ClientHeader:
    true = header(rig, rig.nodes["osmosis"].replica.height)
    return forge(rig, true, time=true.signed_header.header.time + 1)


def equivocation_that_leaves_the_same_words(rig: Pair) -> ClientHeader:
    """Another block of the same time, behind the same state: the client takes from it what it would take from the true one."""
    return forge(rig, header(rig, rig.nodes["osmosis"].replica.height), data_hash=b"\x66" * 32)


def ahead_of_the_chain(rig: Pair) -> ClientHeader:
    """A block of a height that the chain reaches two seconds later than the block says."""
    true = header(rig, rig.nodes["osmosis"].replica.height)
    later = true.signed_header.header
    return forge(rig, true, height=later.height + 3, time=later.time + SECOND, app_hash=b"\x66" * 32)


def far_ahead_of_the_chain(rig: Pair) -> ClientHeader:
    true = header(rig, rig.nodes["osmosis"].replica.height)
    later = true.signed_header.header
    return forge(rig, true, height=later.height + 1_000, time=later.time + 5 * SECOND)


def show(rig: Pair, shown: ClientHeader) -> dict[str, Any]:
    message = UpdateClient(CLIENT, any_encode(HEADER_URL, encode(shown)))
    receipt = rig.send("juno", "erin", message)
    assert receipt["code"] == ""
    return receipt


def frozen(rig: Pair) -> bool:
    return not get_client(rig.nodes["juno"].replica.state, CLIENT).frozen_height.is_zero
