"""The provider's end of a link as an IBC application: who may open it, and which packet goes where.

Only the consumer opens a link. One light client carries one link at a time, so that a consumer is lent to once.
"""

# ruff: noqa: ARG001 - the callbacks take what ICS-26 hands them

from msgspec.structs import replace

from meshsec_core.ibc import client
from meshsec_core.ibc.connection import get_connection
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import LinkId
from meshsec_core.kernel.wire.ibc import Packet
from meshsec_core.runtime.module import Ctx, Port
from meshsec_core.security.mesh.links import Phase, check_proposal, flush, tell_consumer_again
from meshsec_core.security.mesh.packets import (
    CONSUMER_PORT,
    PROVIDER_PORT,
    Burn,
    Distribute,
    DistributeBatch,
    InternalUnstake,
    Short,
    Stake,
    TransferRewards,
    Unstake,
    ValsetUpdate,
    answer,
    read_answer,
    read_to_consumer,
    read_to_provider,
)
from meshsec_core.security.mesh.provider import closing, lending, payout, reports
from meshsec_core.security.mesh.provider.state import CLIENTS, GENESIS, LINKS, Link, get_link
from meshsec_core.security.mesh.versions import negotiate, parse

OPEN_INIT_DISALLOWED = "mesh/open-init-disallowed"
OPEN_ACK_DISALLOWED = "mesh/open-ack-disallowed"
LINK_EXISTS = "mesh/link-exists"


def on_open_init(ctx: Ctx, ordering: str, connection: str, port: str, channel: str, counterparty_port: str, version: str) -> str:
    """Refuse: the consumer opens."""
    raise Rejected(OPEN_INIT_DISALLOWED, port=port)


def on_open_try(
    ctx: Ctx,
    ordering: str,
    connection: str,
    port: str,
    channel: str,
    counterparty_port: str,
    counterparty_channel: str,
    counterparty_version: str,
) -> str:
    """Accept a consumer: nobody's approval is needed to be lent to; users choose.

    Raises:
        Rejected: `mesh/not-unordered`, `mesh/wrong-port`, `mesh/link-exists`, or the version.
    """
    check_proposal(ordering, counterparty_port, CONSUMER_PORT)
    client_id = get_connection(ctx.store, connection).client_id
    other = CLIENTS.find(ctx.store, client_id)
    if other is not None and LINKS.get(ctx.store, other).phase.is_live:
        raise Rejected(LINK_EXISTS, link=other)
    agreed = negotiate(parse(counterparty_version))
    consumer = client.client_chain_id(ctx.store, client_id)
    genesis = GENESIS.get(ctx.store)
    terms = genesis.links.get(consumer, genesis.terms)
    link = Link(consumer, client_id, connection, counterparty_channel, Phase.OPENING, terms)
    LINKS.put(ctx.store, channel, link)
    return agreed.spell()


def on_open_ack(ctx: Ctx, port: str, channel: str, counterparty_channel: str, counterparty_version: str) -> None:
    """Refuse: this end never proposes."""
    raise Rejected(OPEN_ACK_DISALLOWED, port=port)


def on_open_confirm(ctx: Ctx, port: str, channel: str) -> None:
    """Open the link, unless another one of the same client was faster.

    Raises:
        Rejected: `mesh/link-exists`.
    """
    link = LINKS.get(ctx.store, channel)
    other = CLIENTS.find(ctx.store, link.client)
    if other is not None and LINKS.get(ctx.store, other).phase.is_live:
        raise Rejected(LINK_EXISTS, link=other)
    CLIENTS.put(ctx.store, link.client, channel)
    LINKS.put(ctx.store, channel, replace(link, phase=Phase.OPEN))
    ctx.emit("mesh/link-open", side="provider", link=channel, chain=link.consumer)


def on_receive(ctx: Ctx, packet: Packet) -> bytes:
    """Apply what the consumer says; a refusal becomes an error acknowledgement."""
    link = LinkId(packet.destination_channel)
    get_link(ctx.store, link)
    said = read_to_provider(packet.data)
    match said:
        case ValsetUpdate():
            reply = answer(reports.on_valset_update(ctx, link, said))
        case InternalUnstake():
            reply = answer(reports.on_internal_unstake(ctx, link, said))
        case Distribute():
            reply = answer(payout.on_distribute(ctx, link, said))
        case DistributeBatch():
            reply = answer(payout.on_distribute_batch(ctx, link, said))
    flush(ctx, PROVIDER_PORT, link)
    return reply


def on_acknowledge(ctx: Ctx, packet: Packet, acknowledgement: bytes) -> None:
    """Settle a transaction by the consumer's answer."""
    link = LinkId(packet.source_channel)
    _settle(ctx, link, packet, accepted=read_answer(acknowledgement, Short) is not None)
    flush(ctx, PROVIDER_PORT, link)


def on_timeout(ctx: Ctx, packet: Packet) -> None:
    """Undo a transaction that never arrived; a burn must arrive, so it is sent again."""
    link = LinkId(packet.source_channel)
    said = read_to_consumer(packet.data)
    if isinstance(said, Burn):
        tell_consumer_again(ctx, link, packet.data)
    else:
        _settle(ctx, link, packet, accepted=False)
    flush(ctx, PROVIDER_PORT, link)


def _settle(ctx: Ctx, link: LinkId, packet: Packet, *, accepted: bool) -> None:
    said = read_to_consumer(packet.data)
    match said:
        case Stake():
            lending.on_stake_answered(ctx, link, said, accepted)
        case Unstake():
            lending.on_unstake_answered(ctx, link, said, accepted)
        case TransferRewards():
            payout.on_transfer_answered(ctx, said, accepted)
        case Burn():
            ctx.emit("mesh/burn-answered", consumer=link, accepted=accepted, rows=len(said.rows))


PORT = Port(
    on_open_init=on_open_init,
    on_open_try=on_open_try,
    on_open_ack=on_open_ack,
    on_open_confirm=on_open_confirm,
    on_close_init=closing.on_close_init,
    on_close_confirm=closing.on_close_confirm,
    on_receive=on_receive,
    on_acknowledge=on_acknowledge,
    on_timeout=on_timeout,
)
"""`mesh-provider`."""
