"""Lies about what the other chain decided: headers it did not make, and accusations of chains that did nothing wrong."""

from msgspec.structs import replace

from by_hand import CLIENT, update
from byzantine.front import Front, Lies
from byzantine.mutants import damaged
from meshsec_core.ibc.client import UpdateClient
from meshsec_core.kernel.crypto import PrivateKey, address_of
from meshsec_core.kernel.wire.hashes import header_hash, validators_hash, vote_sign_bytes
from meshsec_core.kernel.wire.ibc import MISBEHAVIOUR_URL, ClientHeader, ClientMisbehaviour, Height, any_encode
from meshsec_core.kernel.wire.proto import encode
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
from meshsec_core.runtime.module import Msg
from meshsec_sdk.mesh_file import consensus_keys

POWER = 10**9


def accuse(first: ClientHeader, second: ClientHeader) -> UpdateClient:
    """Return the message that shows a client two headers."""
    return UpdateClient(CLIENT, any_encode(MISBEHAVIOUR_URL, encode(ClientMisbehaviour(first, second))))


def signed_by(keys: list[PrivateKey], true: ClientHeader, *, own_set: bool, app_hash: bytes = b"\x66" * 32) -> ClientHeader:
    """Return a header that the chain did not make, signed with these keys.

    Args:
        own_set: whether the keys claim to be the whole validator set, or sign as members of the true one.
    """
    if own_set:
        keys = sorted(keys, key=lambda key: address_of(key.public_key))
        members = tuple(Validator(address_of(key.public_key), key.public_key, POWER, 0) for key in keys)
        said = ValidatorSet(members, members[0], POWER * len(members))
    else:
        said = true.validator_set
    header = replace(true.signed_header.header, validators_hash=validators_hash(said.validators), app_hash=app_hash)
    block_id = BlockId(header_hash(header), PartSetHeader(1, bytes(32)))
    raw = vote_sign_bytes(header.chain_id, PRECOMMIT, header.height, 0, block_id, header.time)
    by_address = {address_of(key.public_key): key for key in keys}
    signatures = tuple(
        CommitSig(FLAG_COMMIT, member.address, header.time, by_address[member.address].sign(raw))
        if member.address in by_address
        else CommitSig()
        for member in said.validators
    )
    commit = Commit(header.height, 0, block_id, signatures)
    return replace(true, signed_header=SignedHeader(header, commit), validator_set=said)


def traitors(front: Front) -> list[PrivateKey]:
    """Return the consensus keys of the source."""
    return list(consensus_keys(front.from_node.spec).values())


def strangers(front: Front) -> list[PrivateKey]:
    """Return keys that no chain knows."""
    return [PrivateKey(front.chance.randbytes(32)) for _ in range(front.chance.randrange(1, 5))]


def _new(front: Front) -> ClientHeader | None:
    """A true header that the client does not know."""
    known = front.known()
    heights = range(known[-1] + 1, front.source.height + 1)
    return front.header(front.chance.choice(heights)) if heights else None


def a_header_with_another_part(front: Front) -> tuple[Msg, ...] | None:
    """Of what the first signatures, without which there is no quorum, and the hashes cover."""
    true = _new(front)
    if true is None:
        return None
    mutants = front.mutants.but("priority", "flag")
    signed, commit = true.signed_header, true.signed_header.commit
    at = front.chance.randrange(2)
    signature = mutants.of(commit.signatures[at])
    members = true.validator_set.validators
    trusted = true.trusted_validators
    lies = (
        lambda: replace(true, signed_header=replace(signed, header=mutants.of(signed.header))),
        lambda: _with(true, replace(commit, block_id=mutants.of(commit.block_id))),
        lambda: _with(true, replace(commit, round=commit.round + 1)),
        lambda: _with(true, replace(commit, height=commit.height + front.chance.choice((-1, 1)))),
        lambda: _with(true, replace(commit, signatures=(*commit.signatures[:at], signature, *commit.signatures[at + 1 :]))),
        lambda: _with(true, replace(commit, signatures=commit.signatures[:-1])),
        lambda: _with(true, replace(commit, signatures=(*commit.signatures, commit.signatures[0]))),
        lambda: replace(true, validator_set=replace(true.validator_set, validators=mutants.of(members))),
        lambda: replace(true, trusted_validators=replace(trusted, validators=mutants.of(trusted.validators))),
        lambda: replace(true, trusted_height=Height(1, front.chance.choice((0, front.source.height + 5, 2**63)))),
        lambda: replace(true, trusted_height=Height(2, true.trusted_height.height)),
    )
    return (update(front.chance.choice(lies)()),)


def _with(true: ClientHeader, commit: Commit) -> ClientHeader:
    return replace(true, signed_header=replace(true.signed_header, commit=commit))


def a_header_with_half_the_power(front: Front) -> tuple[Msg, ...] | None:
    true = _new(front)
    if true is None:
        return None
    signatures = list(true.signed_header.commit.signatures)
    for at in front.chance.sample(range(len(signatures)), 2):
        signatures[at] = CommitSig()
    return (update(_with(true, replace(true.signed_header.commit, signatures=tuple(signatures)))),)


def a_header_with_swapped_signatures(front: Front) -> tuple[Msg, ...] | None:
    true = _new(front)
    if true is None:
        return None
    first, second, *rest = true.signed_header.commit.signatures
    mixed = (replace(first, signature=second.signature), replace(second, signature=first.signature), *rest)
    lies = (mixed, (second, first, *rest), (first, first, *rest), (second, second, *rest))
    return (update(_with(true, replace(true.signed_header.commit, signatures=front.chance.choice(lies)))),)


def a_header_by_strangers(front: Front) -> tuple[Msg, ...] | None:
    true = _new(front)
    if true is None:
        return None
    lie = signed_by(strangers(front), true, own_set=True, app_hash=front.chance.randbytes(32))
    return (update(replace(lie, trusted_validators=lie.validator_set) if front.chance.random() < 0.3 else lie),)


def a_header_by_a_traitor(front: Front) -> tuple[Msg, ...] | None:
    """A quarter of the power, in a set that it claims to be, or half of it as what it is: a third would have to be trusted."""
    true = _new(front)
    if true is None:
        return None
    keys = traitors(front)
    if front.chance.random() < 0.5:
        return (update(signed_by(front.chance.sample(keys, 2), true, own_set=False)),)
    return (update(signed_by([front.chance.choice(keys), *strangers(front)], true, own_set=True)),)


def a_header_with_damaged_bytes(front: Front) -> tuple[Msg, ...] | None:
    """Of a height that the client knows: whatever the bytes turn into, nothing is to be learned from them."""
    updates = [msg for msg in front.delivered if isinstance(msg, UpdateClient)]
    if not updates:
        return None
    true = front.chance.choice(updates)
    return (replace(true, client_message=damaged(front.chance, true.client_message)),)


def _known(front: Front) -> ClientHeader:
    """A header that the client knows, to be believed by one below it."""
    known = front.known()
    at = front.chance.randrange(1, len(known))
    return front.header(known[at], known[at - 1])


def an_accusation_without_a_conflict(front: Front) -> tuple[Msg, ...] | None:
    first, second = sorted((_known(front), _known(front)), key=lambda header: header.signed_header.header.height)
    if first.signed_header.header.height == second.signed_header.header.height:
        return (accuse(first, second),)
    return (accuse(second, first) if front.chance.random() < 0.7 else accuse(first, second),)


def an_accusation_by_liars(front: Front) -> tuple[Msg, ...] | None:
    true, keys = _known(front), traitors(front)
    lies = (
        signed_by(strangers(front), true, own_set=True),
        signed_by([front.chance.choice(keys), *strangers(front)], true, own_set=True),
        signed_by(front.chance.sample(keys, 2), true, own_set=False),
        replace(true, signed_header=replace(true.signed_header, header=front.mutants.of(true.signed_header.header))),
    )
    lie = front.chance.choice(lies)
    return (accuse(true, lie) if front.chance.random() < 0.5 else accuse(lie, true),)


HEADER_LIES: Lies = (
    a_header_with_another_part,
    a_header_with_half_the_power,
    a_header_with_swapped_signatures,
    a_header_by_strangers,
    a_header_by_a_traitor,
    a_header_with_damaged_bytes,
    an_accusation_without_a_conflict,
    an_accusation_by_liars,
)
