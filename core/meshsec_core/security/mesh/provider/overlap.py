"""Operators who validate on both ends of a link, and answer on this one for what they do on the other.

An operator shows that two identities are one by two signatures: of the account that operates here, on the transaction, and of
the consensus key over there, on a text that names both. Where the terms of a link say so, a fault that is proven there costs
the operator's own stake here the same part.

Source: the articles on mesh security: validator overlap and correlated slashing.
"""

from meshsec_core.kernel import codec
from meshsec_core.kernel.crypto import address_of
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ChainId, LinkId, ValidatorId
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.slash import slash_delegator
from meshsec_core.runtime.module import Ctx, Msg
from meshsec_core.security.mesh.history import State
from meshsec_core.security.mesh.provider.state import HISTORIES, OVERLAPS, Overlap, get_link, live_link

NOT_THE_SAME = "mesh/not-the-same-operator"
ALREADY_OVERLAPS = "mesh/already-overlaps"


class LinkIdentity(Msg, frozen=True, tag="mesh/LinkIdentity"):
    """Declare that the signer's validator here and a consumer's validator are run by one operator."""

    consumer: LinkId
    validator: ValidatorId
    """Over there."""
    signature: bytes
    """Of its consensus key, over `identity_bytes`."""


def identity_bytes(provider: ChainId, operator: ValidatorId, consumer: ChainId, validator: ValidatorId) -> bytes:
    """Return what the consensus key on the consumer signs."""
    return codec.encode(
        {"@type": "mesh/identity", "provider": provider, "operator": operator, "consumer": consumer, "validator": validator}
    )


def link_identity(ctx: Ctx, msg: LinkIdentity) -> None:
    """Write down that two validators are one operator's; it cannot be taken back.

    Raises:
        Rejected: `mesh/unknown-link`, `mesh/link-not-open`, `staking/unknown-validator` if the signer operates none,
            `mesh/already-overlaps`, `mesh/not-the-same-operator` unless the key of that validator has signed.
    """
    link = live_link(ctx.store, msg.consumer)
    operator = staking.operated_by(ctx.prefix, ctx.signer)
    staking.get_validator(ctx.store, operator)
    if OVERLAPS.has(ctx.store, msg.consumer, msg.validator):
        raise Rejected(ALREADY_OVERLAPS, validator=msg.validator[:100])
    record = HISTORIES.get(ctx.store, msg.consumer, msg.validator).latest
    signed = identity_bytes(ctx.chain_id, operator, link.consumer, msg.validator)
    known = record.state is not State.UNKNOWN and record.public_key
    if not known or not ctx.verify(record.public_key, signed, msg.signature):
        raise Rejected(NOT_THE_SAME, operator=operator, validator=msg.validator[:100])
    OVERLAPS.put(ctx.store, msg.consumer, msg.validator, Overlap(operator, address_of(record.public_key)))
    ctx.emit("mesh/identity-linked", operator=operator, consumer=msg.consumer, validator=msg.validator)


def answer_here(ctx: Ctx, name: LinkId, validator: ValidatorId, address: bytes, fraction_bps: int, since: int) -> None:
    """Take a part of the self-bond of whoever runs a guilty validator over there, if the link's terms say so; also of what has
    left it since the fault. Users who delegate to the operator lose nothing.

    The key that is guilty must be the one that joined the identities: a consumer can give a validator another key, and let
    that sign what it likes.
    """
    joined = OVERLAPS.find(ctx.store, name, validator)
    if joined is None or joined.address != address or not get_link(ctx.store, name).terms.correlated:
        return
    operator = joined.operator
    account = staking.owner(ctx.prefix, operator)
    lost = slash_delegator(ctx, account, operator, fraction_bps, since)
    ctx.emit("mesh/correlated-slash", operator=operator, consumer=name, validator=validator, amount=lost)
