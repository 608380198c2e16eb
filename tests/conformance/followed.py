"""A chain whose validator set changes in every way, as a light client is shown it; and lies about it, for strangers to refuse."""

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import msgspec

from meshsec.mesh import Bond, StakeRemote, Unstake
from meshsec.world.sim import SimWorld
from meshsec_core.consensus import light
from meshsec_core.consensus.light import Rules, TrustedState, Untrusted
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel.crypto import PrivateKey, address_of, verify
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire import tendermint as wire
from meshsec_core.kernel.wire.hashes import header_hash, validators_hash, vote_sign_bytes
from meshsec_core.kernel.wire.proto import encode
from meshsec_core.modules.staking.module import Delegate, Undelegate
from meshsec_sdk.mesh_file import consensus_keys

CHAIN = "juno-1"
MILLION = 1_000_000
PERIOD = 14 * 86_400 * SECOND
DRIFT = 10 * SECOND

changed = msgspec.structs.replace


@dataclass(frozen=True)
class Followed:
    """Blocks of one chain from height 1, and the keys that signed them by address."""

    blocks: tuple[wire.LightBlock, ...]
    keys: dict[bytes, PrivateKey]
    evidence: tuple[wire.Evidence, ...]
    """All that is in its blocks."""

    def block(self, height: int) -> wire.LightBlock:
        return self.blocks[height - 1]

    def commit(self, height: int) -> wire.Commit:
        return self.block(height).signed_header.commit

    @property
    def now(self) -> int:
        """Some seconds after the last block."""
        return self.blocks[-1].signed_header.header.time + 5 * SECOND

    @property
    def changes(self) -> list[int]:
        """Heights whose set has other powers or members than the one before."""
        hashes = [block.signed_header.header.validators_hash for block in self.blocks]
        return [at + 2 for at, (old, new) in enumerate(pairwise(hashes)) if old != new]


def live(world: SimWorld) -> None:
    """What happens to the chain: delegations, virtual stake from another chain, an absence, two double signs, stake withdrawn."""
    juno, osmosis = world.juno.user("alice"), world.osmosis.user("alice")
    juno.send(Delegate("juno/val-0", 300 * MILLION))
    world.mine(2)
    osmosis.send(Bond(200 * MILLION), StakeRemote("juno", "juno/val-1", 80 * MILLION))
    world.settle()
    for guilty in ("juno/val-3", "juno/val-2"):
        world.fault("double-sign", guilty)
        world.mine(3)
        world.settle()
    world.fault("down", "juno/val-1")
    world.mine(3)
    world.heal("juno/val-1")
    world.advance("1d")
    osmosis.send(Unstake("juno", "juno/val-1", 30 * MILLION))
    world.settle()
    juno.send(Undelegate("juno/val-0", 100 * MILLION))
    world.mine(4)


@cache
def followed() -> Followed:
    """The chain, made once for all tests of a process."""
    with SimWorld("pair") as world:
        live(world)
        node = world.nodes["juno"]
        blocks, evidence = [], []
        for height in range(1, node.replica.height + 1):
            signed, validators = node.replica.commit(height), node.replica.validators_at(height)
            assert signed is not None
            assert validators is not None
            blocks.append(wire.LightBlock(signed, validators.to_wire()))
            block = node.replica.block(height)
            assert block is not None
            evidence += block.evidence
        keys = {address_of(key.public_key): key for key in consensus_keys(node.spec).values()}
        return Followed(tuple(blocks), keys, tuple(evidence))


def resigned(block: wire.LightBlock, keys: dict[bytes, PrivateKey], **fields: object) -> wire.LightBlock:
    """The block with another header, signed anew by everybody who had signed it. A field `round` is the commit's."""
    signed = block.signed_header
    commit = changed(signed.commit, round=fields.pop("round", signed.commit.round))
    header = changed(signed.header, **fields)
    block_id = changed(commit.block_id, hash=header_hash(header))
    signatures = tuple(
        one
        if one.flag != wire.FLAG_COMMIT
        else changed(
            one,
            signature=keys[one.address].sign(
                vote_sign_bytes(header.chain_id, wire.PRECOMMIT, commit.height, commit.round, block_id, one.time)
            ),
        )
        for one in commit.signatures
    )
    return changed(block, signed_header=wire.SignedHeader(header, changed(commit, block_id=block_id, signatures=signatures)))


@dataclass(frozen=True)
class Step:
    """An update of a light client: from a header that it trusts to a block that it is shown."""

    what: str
    trusted: wire.SignedHeader
    trusted_next: wire.ValidatorSet
    block: wire.LightBlock
    now: int

    def line(self) -> str:
        return json.dumps(
            {
                "trusted": encode(self.trusted).hex(),
                "trusted_next": encode(self.trusted_next).hex(),
                "header": encode(self.block.signed_header).hex(),
                "validators": encode(self.block.validators).hex(),
                "now": str(self.now),
                "period": str(PERIOD),
                "drift": str(DRIFT),
            }
        )

    def our_verdict(self) -> str:
        """What our own light client says: `accepted`, `distrusted` or `refused`."""
        header = self.trusted.header
        trusted = TrustedState(header.height, header.time, header.next_validators_hash)
        try:
            untrusted = Untrusted(self.block.signed_header, ValidatorSet.from_wire(self.block.validators))
            rules = Rules(header.chain_id, PERIOD, DRIFT)
            light.verify(trusted, untrusted, ValidatorSet.from_wire(self.trusted_next), rules, self.now, verify)
        except Rejected as refusal:
            return "distrusted" if refusal.code == light.INSUFFICIENT_TRUST else "refused"
        return "accepted"


def step(chain: Followed, trusted: int, target: int) -> Step:
    """The honest update between two heights."""
    known = chain.block(trusted).signed_header
    return Step(f"{trusted} to {target}", known, chain.block(trusted + 1).validators, chain.block(target), chain.now)


def honest_steps(chain: Followed) -> list[Step]:
    """Every update to a next height, and every one that skips between changes of the set, absences, or by chance."""
    last = len(chain.blocks)
    short = [at for at in range(1, last + 1) if any(one.flag != wire.FLAG_COMMIT for one in chain.commit(at).signatures)]
    near = {height + offset for height in (2, *chain.changes) for offset in (-1, 0, 1)} | {*short, last}
    dice = random.Random(1)
    pairs = {(at, at + 1) for at in range(1, last)} | {(low, high) for low in near for high in near if low < high <= last}
    pairs |= {tuple(sorted(dice.sample(range(1, last + 1), 2))) for _ in range(200)}
    return [step(chain, low, high) for low, high in sorted(pairs)]


def flipped(raw: bytes, dice: random.Random) -> bytes:
    """Bytes with one bit changed; 32 bytes of chance for none."""
    if not raw:
        return dice.randbytes(32)
    at = dice.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ 1 << dice.randrange(8)]) + raw[at + 1 :]


def bent_headers(dice: random.Random, header: wire.Header) -> Iterator[tuple[str, wire.Header]]:
    """Headers that differ in one field."""
    for field in header.__struct_fields__:
        value = getattr(header, field)
        match value:
            case bytes():
                yield field, changed(header, **{field: flipped(value, dice)})
            case int():
                yield field, changed(header, **{field: value + 1})
            case str():
                yield field, changed(header, **{field: value + "1"})
            case _:
                yield field, changed(header, **{field: changed(value, hash=flipped(value.hash, dice))})


def bent_commits(dice: random.Random, commit: wire.Commit, other: wire.Commit) -> Iterator[tuple[str, wire.Commit]]:
    """Commits that do not show what they should, in what every verifier reads: it may stop when it has seen enough."""
    signed = [at for at, one in enumerate(commit.signatures) if one.flag == wire.FLAG_COMMIT]
    first, last = signed[0], signed[-1]

    def with_signatures(changes: dict[int, wire.CommitSig]) -> wire.Commit:
        return changed(commit, signatures=tuple(changes.get(at, one) for at, one in enumerate(commit.signatures)))

    one = commit.signatures[first]
    yield "signature", with_signatures({first: changed(one, signature=flipped(one.signature, dice))})
    yield "signature cut", with_signatures({first: changed(one, signature=one.signature[:-1])})
    yield "time of a signature", with_signatures({first: changed(one, time=one.time + 1)})
    yield "address of a signature", with_signatures({first: changed(one, address=flipped(one.address, dice))})
    if first != last:
        others = commit.signatures[last]
        crossed = {first: changed(one, signature=others.signature), last: changed(others, signature=one.signature)}
        yield "signatures crossed", with_signatures(crossed)
        yield "one signer twice", with_signatures({first: others})
        yield "too few signatures", with_signatures(dict.fromkeys(signed[:-1], wire.CommitSig()))
    yield "no signature", with_signatures(dict.fromkeys(signed, wire.CommitSig()))
    for_nil = {at: changed(commit.signatures[at], flag=wire.FLAG_NIL) for at in signed}
    yield "all for nil", with_signatures(for_nil)
    yield "one signature more", changed(commit, signatures=(*commit.signatures, wire.CommitSig()))
    yield "one signature less", changed(commit, signatures=commit.signatures[:-1])
    yield "no signatures at all", changed(commit, signatures=())
    yield "round", changed(commit, round=commit.round + 1)
    yield "height", changed(commit, height=commit.height + 1)
    yield "block", changed(commit, block_id=changed(commit.block_id, hash=flipped(commit.block_id.hash, dice)))
    parts = commit.block_id.parts
    yield "parts", changed(commit, block_id=changed(commit.block_id, parts=changed(parts, hash=flipped(parts.hash, dice))))
    yield "another block's commit", other


def bent_sets(dice: random.Random, validators: wire.ValidatorSet) -> Iterator[tuple[str, wire.ValidatorSet]]:
    """Sets that the header does not name: another power, a member less or more, keys exchanged."""
    members = validators.validators

    def made(changed_members: Iterable[wire.Validator]) -> wire.ValidatorSet:
        kept = tuple(sorted(changed_members, key=lambda one: (-one.power, one.address)))
        return wire.ValidatorSet(kept, kept[0], sum(one.power for one in kept))

    at = dice.randrange(len(members))
    yield "power", made(changed(one, power=one.power + (at == place)) for place, one in enumerate(members))
    yield "member missing", made(one for place, one in enumerate(members) if place != at)
    stranger = PrivateKey(dice.randbytes(32)).public_key
    yield "stranger", made((*members, wire.Validator(address_of(stranger), stranger, 1, 0)))
    replaced = changed(members[at], public_key=stranger, address=address_of(stranger))
    yield "member replaced", made(replaced if place == at else one for place, one in enumerate(members))


def by_strangers(dice: random.Random, block: wire.LightBlock) -> wire.LightBlock:
    """The block as a set of strangers with the same powers would have it: in itself without fault."""
    keys = [PrivateKey(dice.randbytes(32)) for _ in block.validators.validators]
    members = sorted(
        (
            wire.Validator(address_of(key.public_key), key.public_key, one.power, 0)
            for key, one in zip(keys, block.validators.validators, strict=True)
        ),
        key=lambda one: (-one.power, one.address),
    )
    signed = block.signed_header
    time = signed.header.time
    signatures = tuple(wire.CommitSig(wire.FLAG_COMMIT, one.address, time, b"") for one in members)
    strange = wire.LightBlock(
        wire.SignedHeader(signed.header, changed(signed.commit, signatures=signatures)),
        wire.ValidatorSet(tuple(members), members[0], block.validators.total_power),
    )
    by_address = {address_of(key.public_key): key for key in keys}
    return resigned(strange, by_address, validators_hash=validators_hash(members))


def lies_about(dice: random.Random, honest: Step, other: wire.LightBlock) -> Iterator[Step]:
    """Updates that no light client may accept, all made from one that it should."""
    block = honest.block
    signed = block.signed_header

    def told(what: str, **changes: object) -> Step:
        return replace(honest, what=f"{honest.what}: {what}", **changes)

    for field, header in bent_headers(dice, signed.header):
        bent = changed(signed, header=header)
        yield told(f"header's {field}", block=changed(block, signed_header=bent))
        sealed = changed(signed.commit, block_id=changed(signed.commit.block_id, hash=header_hash(header)))
        yield told(f"header's {field}, sealed", block=changed(block, signed_header=wire.SignedHeader(header, sealed)))
    for what, commit in bent_commits(dice, signed.commit, other.signed_header.commit):
        yield told(f"commit: {what}", block=changed(block, signed_header=changed(signed, commit=commit)))
    for what, validators in bent_sets(dice, block.validators):
        yield told(f"set: {what}", block=changed(block, validators=validators))
        sealed_header = changed(signed.header, validators_hash=validators_hash(validators.validators))
        sealed = changed(signed.commit, block_id=changed(signed.commit.block_id, hash=header_hash(sealed_header)))
        named = wire.LightBlock(wire.SignedHeader(sealed_header, sealed), validators)
        yield told(f"set: {what}, sealed", block=named)
    yield told("signed by strangers", block=by_strangers(dice, block))
    yield told("the trusted header is too old", now=honest.trusted.header.time + PERIOD)
    yield told("from the future", now=signed.header.time - DRIFT)
    yield told("backwards", trusted=signed, block=changed(block, signed_header=honest.trusted))
    yield told("on the spot", trusted=signed)


def lies(chain: Followed, honest: list[Step], count: int) -> list[Step]:
    """Lies about some of the updates that a light client accepts."""
    dice = random.Random(2)
    accepted = [one for one in honest if one.our_verdict() == "accepted"]
    return [lie for one in dice.sample(accepted, count) for lie in lies_about(dice, one, dice.choice(chain.blocks[:-1]))]
