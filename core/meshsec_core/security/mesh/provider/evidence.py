"""Evidence beats trust: two conflicting votes of a consumer's validator, verified here, slash whoever lent to it; so do
two conflicting blocks, for everybody who signed both.

What the consumer says about its validators is not asked for the verdict: the header of the height of the votes is
verified by this chain's light client of the consumer, and the key must lie in that header's validator set. Reports only
say whose key it is.

Source: mesh-security-sdk branches vuong/handle-misbehaviour and vuong/handle-consumer-misbehaviour; age is not a defence.
"""

from typing import NamedTuple

from meshsec_core.consensus.attack import signed_both
from meshsec_core.consensus.evidence import verify_double_vote
from meshsec_core.ibc import client
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_BPS, ONE_E18, LinkId, ValidatorId
from meshsec_core.kernel.wire.ibc import HEADER_URL, ClientHeader, any_decode
from meshsec_core.kernel.wire.proto import decode
from meshsec_core.kernel.wire.tendermint import (
    DuplicateVoteEvidence,
    LightBlock,
    LightClientAttackEvidence,
    decode_evidence,
)
from meshsec_core.runtime.module import Ctx, Msg
from meshsec_core.security.mesh.history import Change, Entry
from meshsec_core.security.mesh.provider.overlap import answer_here
from meshsec_core.security.mesh.provider.reports import FAULT_CHARGED, write_change
from meshsec_core.security.mesh.provider.state import (
    KEYS,
    LINK_NOT_SYNCED,
    Authority,
    Fault,
    FaultKind,
    Link,
    get_link,
)
from meshsec_core.security.mesh.provider.sweep import Charge, charge, is_charged

NOBODY_GUILTY = "mesh/nobody-guilty"
WRONG_HEADER = "mesh/wrong-header"
KEY_NOT_IN_SET = "mesh/key-not-in-set"
UNKNOWN_KEY = "mesh/unknown-key"


class SubmitEvidence(Msg, frozen=True, tag="mesh/SubmitEvidence"):
    """Prove that a consumer's validators signed two blocks of one height. Anyone may."""

    consumer: LinkId
    evidence: bytes
    """CometBFT `Evidence` message with a duplicate vote or an attack on light clients."""
    header: bytes
    """google.protobuf.Any of a 07-tendermint Header of the height of the votes, or of the block that the attack contradicts,
    on a height that the client knows."""


def submit_evidence(ctx: Ctx, msg: SubmitEvidence) -> None:
    """Verify a double sign and charge it: its fraction of all stake on the validator, in flight and unbonding included.

    Raises:
        Rejected: `mesh/unknown-link`, `mesh/link-not-synced`, `mesh/wrong-header`, `mesh/key-not-in-set`, `mesh/unknown-key`,
            `mesh/fault-charged`, `mesh/nobody-guilty`, `evidence/…`, `wire/…`, or the client does not believe the header;
            nothing is charged.
    """
    link = get_link(ctx.store, msg.consumer)
    if link.rules is None:
        raise Rejected(LINK_NOT_SYNCED, link=msg.consumer)
    evidence = decode_evidence(msg.evidence)
    if isinstance(evidence, DuplicateVoteEvidence):
        _charge_votes(ctx, link, msg, evidence)
    else:
        _charge_attack(ctx, link, msg, evidence)


def _charge_attack(ctx: Ctx, link: Link, msg: SubmitEvidence, evidence: LightClientAttackEvidence) -> None:
    """Charge who signed both blocks; which of them is the chain's need not be known, and what the evidence says of guilt is not
    asked for. The fault is as old as the earlier of them, so that a late forgery lets nobody go who left after its height."""
    conflicting = evidence.conflicting_block
    header = _header(ctx, link, msg.header, conflicting.signed_header.header.height)
    believed = LightBlock(header.signed_header, header.validator_set)
    charged = 0
    for member in signed_both(believed, conflicting, link.consumer, ctx.verify):
        found = KEYS.find(ctx.store, msg.consumer, member.address.hex())
        told = header.signed_header.header
        time = min(told.time, conflicting.signed_header.header.time)
        if found is not None and not is_charged(ctx, msg.consumer, ValidatorId(found), FaultKind.DOUBLE_SIGN, told.height):
            charge_double_sign(ctx, Guilty(msg.consumer, ValidatorId(found), member.address), told.height, time)
            charged += 1
    if not charged:
        raise Rejected(NOBODY_GUILTY, height=header.signed_header.header.height)


def _charge_votes(ctx: Ctx, link: Link, msg: SubmitEvidence, evidence: DuplicateVoteEvidence) -> None:
    height, address = evidence.vote_a.height, evidence.vote_a.address
    header = _header(ctx, link, msg.header, height)
    public_key = _key(header, address)
    verify_double_vote(evidence, link.consumer, public_key, ctx.verify)
    found = KEYS.find(ctx.store, msg.consumer, address.hex())
    if found is None:
        raise Rejected(UNKNOWN_KEY, address=address.hex())
    guilty = Guilty(msg.consumer, ValidatorId(found), address)
    charge_double_sign(ctx, guilty, height, header.signed_header.header.time)


class Guilty(NamedTuple):
    """Whose key has signed two blocks."""

    link: LinkId
    validator: ValidatorId
    address: bytes
    """Of the key."""


def charge_double_sign(ctx: Ctx, guilty: Guilty, height: int, time: int) -> None:
    """Slash for a proven double sign, once for ever, and write the validator off. The consumer is told what is gone.

    Raises:
        Rejected: `mesh/fault-charged`.
    """
    kind = FaultKind.DOUBLE_SIGN
    link, validator, address = guilty
    if is_charged(ctx, link, validator, kind, height):
        raise Rejected(FAULT_CHARGED, validator=validator, height=height)
    terms = get_link(ctx.store, link)
    fraction = min(terms.rules.harshest_bps, terms.ratio_bps) if terms.rules is not None else 0
    fault = Fault(kind, height, time, ctx.height, ctx.time, Authority.EVIDENCE, 0)
    charge(ctx, Charge(link, validator, fault, fraction * (ONE_E18 // ONE_BPS), fraction))
    write_change(ctx, link, validator, Entry(height, Change.TOMBSTONED, time))
    answer_here(ctx, link, validator, address, fraction, time)


def _header(ctx: Ctx, link: Link, raw: bytes, height: int) -> ClientHeader:
    url, value = any_decode(raw)
    if url != HEADER_URL:
        raise Rejected(WRONG_HEADER, type=url[:100])
    header = decode(ClientHeader, value)
    if header.signed_header.header.height != height:
        raise Rejected(WRONG_HEADER, height=header.signed_header.header.height, expected=height)
    client.verify_signed(ctx, link.client, header)
    return header


def _key(header: ClientHeader, address: bytes) -> bytes:
    for validator in header.validator_set.validators:
        if validator.address == address:
            return validator.public_key
    raise Rejected(KEY_NOT_IN_SET, address=address.hex())
