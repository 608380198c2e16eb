"""Faults of validators in chains of `mesh_rig`: slashes as staking makes them, and evidence that a provider can verify."""

from msgspec.structs import replace

from harness import Chain
from mesh_rig import Link, know, validator_set
from meshsec_core.consensus.evidence import make_duplicate_vote
from meshsec_core.kernel.crypto import PrivateKey, address_of, sha256
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.hashes import consensus_hash, data_hash, header_hash, vote_sign_bytes
from meshsec_core.kernel.wire.ibc import HEADER_URL, ClientHeader, ConsensusState, Height, any_encode
from meshsec_core.kernel.wire.proto import encode
from meshsec_core.kernel.wire.tendermint import (
    BLOCK_PROTOCOL,
    FLAG_COMMIT,
    PRECOMMIT,
    BlockId,
    Commit,
    CommitSig,
    DuplicateVoteEvidence,
    Header,
    LightBlock,
    LightClientAttackEvidence,
    PartSetHeader,
    SignedHeader,
    Vote,
    encode_evidence,
)
from meshsec_core.modules.slashing import charge_double_sign
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.slash import Fault, slash
from meshsec_core.modules.staking.validator import jail
from meshsec_core.security.mesh.provider.evidence import SubmitEvidence
from meshsec_core.security.mesh.provider.overlap import LinkIdentity, identity_bytes


def downtime(chain: Chain, index: int, fraction_bps: int | None = None, height: int | None = None) -> None:
    """Slash and jail a validator for downtime, as the slashing module does."""
    validator = chain.validator(index)
    record = staking.get_validator(chain.state, validator)
    rules = staking.params(chain.state)
    fraction = fraction_bps if fraction_bps is not None else chain.query("slashing/params").downtime_slash_bps
    at = chain.ctx.height if height is None else height
    with chain.ctx.branch() as branch:
        slash(branch, validator, Fault("downtime", at, chain.ctx.time, record.tokens // rules.power_reduction, fraction))
        jail(branch, validator)
    chain.events.extend(branch.events)


def double_sign(chain: Chain, index: int) -> None:
    """Let a chain punish its validator for a double sign at this height."""
    with chain.ctx.branch() as branch:
        charge_double_sign(branch, chain.validator(index), chain.ctx.height, chain.ctx.time)
    chain.events.extend(branch.events)


def block_id(text: bytes) -> BlockId:
    """Name a block that does not exist."""
    return BlockId(sha256(text), PartSetHeader(1, sha256(b"parts of " + text)))


def vote(chain: Chain, key: PrivateKey, block: BlockId, height: int, chain_id: str | None = None) -> Vote:
    """Sign a precommit for a block."""
    time = chain.ctx.time
    signed = vote_sign_bytes(chain_id or chain.ctx.chain_id, PRECOMMIT, height, 0, block, time)
    index = validator_set(chain).index_of(address_of(key.public_key))
    return Vote(PRECOMMIT, height, 0, block, time, address_of(key.public_key), index or 0, key.sign(signed))


def double_vote(chain: Chain, index: int, height: int | None = None) -> DuplicateVoteEvidence:
    """Make a validator sign two blocks of one height."""
    at = chain.ctx.height if height is None else height
    key = chain.consensus_key(index)
    votes = (vote(chain, key, block_id(b"one"), at), vote(chain, key, block_id(b"other"), at))
    return make_duplicate_vote(*votes, validator_set(chain), chain.ctx.time)


def signed_header(
    chain: Chain, height: int, round_number: int = 0, absent: tuple[int, ...] = (), **changes: object
) -> SignedHeader:
    """Make a header of a height and have all validators sign it, but for those who are absent."""
    validators = validator_set(chain)
    header = Header(
        version_block=BLOCK_PROTOCOL,
        version_app=0,
        chain_id=chain.ctx.chain_id,
        height=height,
        time=chain.ctx.time,
        last_block_id=block_id(b"last"),
        last_commit_hash=sha256(b"commit"),
        data_hash=data_hash(()),
        validators_hash=validators.hash,
        next_validators_hash=validators.hash,
        consensus_hash=consensus_hash(22_020_096, -1),
        app_hash=sha256(b"state"),
        last_results_hash=sha256(b""),
        evidence_hash=sha256(b""),
        proposer_address=validators.proposer.address,
    )
    header = replace(header, **changes)  # type: ignore[arg-type]
    name = BlockId(header_hash(header), PartSetHeader(1, sha256(b"parts")))
    keys = {key.public_key: key for key in (chain.consensus_key(index) for index in range(len(chain.bonds)))}
    signatures = []
    away = {address_of(chain.consensus_key(index).public_key) for index in absent}
    for member in validators.validators:
        if member.address in away:
            signatures.append(CommitSig())
            continue
        time = header.time + SECOND
        signed = vote_sign_bytes(header.chain_id, PRECOMMIT, height, round_number, name, time)
        signatures.append(CommitSig(FLAG_COMMIT, member.address, time, keys[member.public_key].sign(signed)))
    return SignedHeader(header, Commit(height, round_number, name, tuple(signatures)))


def evidence_for(link: Link, evidence: DuplicateVoteEvidence, height: int | None = None) -> SubmitEvidence:
    """Show the provider two votes and the header of their height, on the height before, which its client is given to know."""
    consumer, at = link.consumer, evidence.vote_a.height if height is None else height
    know_height(link, at - 1)
    wire = validator_set(consumer).to_wire()
    header = ClientHeader(signed_header(consumer, at), wire, Height(1, at - 1), wire)
    return SubmitEvidence(link.lent, encode_evidence(evidence), any_encode(HEADER_URL, encode(header)))


def attack_on(link: Link, **how: object) -> SubmitEvidence:
    """Show the provider the block of this height and another one that contradicts it; `how` is what `signed_header` takes."""
    consumer, at = link.consumer, link.consumer.ctx.height
    know_height(link, at - 1)
    wire = validator_set(consumer).to_wire()
    header = ClientHeader(signed_header(consumer, at), wire, Height(1, at - 1), wire)
    other = LightBlock(signed_header(consumer, at, **how), wire)  # type: ignore[arg-type]
    evidence = LightClientAttackEvidence(other, at - 1, (), validator_set(consumer).total_power, consumer.ctx.time)
    return SubmitEvidence(link.lent, encode_evidence(evidence), any_encode(HEADER_URL, encode(header)))


def know_height(link: Link, height: int) -> None:
    """Let the provider's client know a height of the consumer, with the present validators."""
    name = link.provider.query("mesh/provider/link", link=link.lent).client
    state = ConsensusState(link.consumer.ctx.time - SECOND, sha256(b"root"), validator_set(link.consumer).hash)
    know(link.provider, name, Height(1, height), state)


def identity(link: Link, here: int, there: int, key: int | None = None) -> LinkIdentity:
    """Join a validator of the provider with one of the consumer, signed by that one's key, or by another's."""
    text = identity_bytes(
        link.provider.ctx.chain_id, link.provider.validator(here), link.consumer.ctx.chain_id, link.validator(there)
    )
    signature = link.consumer.consensus_key(there if key is None else key).sign(text)
    return LinkIdentity(link.lent, link.validator(there), signature)
