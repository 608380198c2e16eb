"""The consumer's end of a link as an IBC application: only this end opens, and only for a provider that was admitted."""

# ruff: noqa: ARG001 - the callbacks take what ICS-26 hands them

from msgspec.structs import replace

from meshsec_core.ibc import client
from meshsec_core.ibc.connection import get_connection
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import LinkId
from meshsec_core.kernel.wire.ibc import Packet
from meshsec_core.modules import bank
from meshsec_core.runtime.module import Ctx, Port
from meshsec_core.security.mesh.consumer import closing, collect, requests, unwind, valset
from meshsec_core.security.mesh.consumer.pricing import follow_feed
from meshsec_core.security.mesh.consumer.state import (
    ADMITTED,
    LINKED,
    LINKS,
    Link,
    get_link,
    give_voice,
    refuse_second,
    reward_account,
    stake_account,
)
from meshsec_core.security.mesh.links import Phase, check_proposal, flush, tell_provider_again
from meshsec_core.security.mesh.packets import (
    CONSUMER_PORT,
    PROVIDER_PORT,
    Applied,
    Burn,
    Credited,
    Distribute,
    DistributeBatch,
    InternalUnstake,
    Released,
    Reward,
    Stake,
    TransferRewards,
    Unstake,
    ValsetUpdate,
    answer,
    read_answer,
    read_to_consumer,
    read_to_provider,
)
from meshsec_core.security.mesh.versions import OURS, check_answer, negotiate, parse

OPEN_TRY_DISALLOWED = "mesh/open-try-disallowed"
OPEN_CONFIRM_DISALLOWED = "mesh/open-confirm-disallowed"
NOT_ADMITTED = "mesh/not-admitted"


def on_open_init(ctx: Ctx, ordering: str, connection: str, port: str, channel: str, counterparty_port: str, version: str) -> str:
    """Propose a link to a provider that governance or the genesis has admitted.

    Raises:
        Rejected: `mesh/not-unordered`, `mesh/wrong-port`, `mesh/not-admitted`, `mesh/already-linked`, or the version.
    """
    check_proposal(ordering, counterparty_port, PROVIDER_PORT)
    client_id = get_connection(ctx.store, connection).client_id
    provider = client.client_chain_id(ctx.store, client_id)
    params = ADMITTED.find(ctx.store, provider)
    if params is None or params.connection not in ("", connection):
        raise Rejected(NOT_ADMITTED, provider=provider, connection=connection)
    refuse_second(ctx.store, provider)
    agreed = OURS if version == "" else negotiate(parse(version))
    LINKS.put(ctx.store, channel, Link(provider, client_id, connection, "", Phase.OPENING, params))
    return agreed.spell()


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
    """Refuse: this end opens."""
    raise Rejected(OPEN_TRY_DISALLOWED, port=port)


def on_open_ack(ctx: Ctx, port: str, channel: str, counterparty_channel: str, counterparty_version: str) -> None:
    """Open the link and report all validators.

    Raises:
        Rejected: `mesh/already-linked` if another channel of the same provider was faster, or the version.
    """
    check_answer(parse(counterparty_version))
    name, link = LinkId(channel), get_link(ctx.store, LinkId(channel))
    refuse_second(ctx.store, link.provider)
    LINKED.put(ctx.store, link.provider, channel)
    opened = replace(link, counterparty=counterparty_channel, phase=Phase.OPEN)
    LINKS.put(ctx.store, channel, opened)
    give_voice(ctx, name, opened)
    follow_feed(ctx, name)
    bank.reserve(ctx, stake_account(name))
    bank.reserve(ctx, reward_account(name))
    valset.report_all(ctx, name)
    ctx.emit("mesh/link-open", side="consumer", link=channel, chain=link.provider)


def on_open_confirm(ctx: Ctx, port: str, channel: str) -> None:
    """Refuse: this end never answers a proposal."""
    raise Rejected(OPEN_CONFIRM_DISALLOWED, port=port)


def on_receive(ctx: Ctx, packet: Packet) -> bytes:
    """Apply what the provider asks; a refusal becomes an error acknowledgement."""
    link = LinkId(packet.destination_channel)
    get_link(ctx.store, link)
    said = read_to_consumer(packet.data)
    match said:
        case Stake():
            reply = answer(requests.on_stake(ctx, link, said))
        case Unstake():
            reply = answer(requests.on_unstake(ctx, link, said))
        case Burn():
            reply = answer(requests.on_burn(ctx, link, said))
        case TransferRewards():
            reply = answer(requests.on_transfer_rewards(ctx, link, said))
    flush(ctx, CONSUMER_PORT, link)
    return reply


def on_acknowledge(ctx: Ctx, packet: Packet, acknowledgement: bytes) -> None:
    """Learn what the provider did."""
    link = LinkId(packet.source_channel)
    said = read_to_provider(packet.data)
    match said:
        case ValsetUpdate():
            valset.on_answered(ctx, link, said, read_answer(acknowledgement, Applied))
        case InternalUnstake():
            unwind.on_answered(ctx, link, said, read_answer(acknowledgement, Released))
        case DistributeBatch():
            collect.on_answered(ctx, link, said, read_answer(acknowledgement, Credited))
        case Distribute():
            batch = DistributeBatch((Reward(said.validator, said.rewards.amount),), said.rewards.denom)
            collect.on_answered(ctx, link, batch, read_answer(acknowledgement, Credited))
    flush(ctx, CONSUMER_PORT, link)


def on_timeout(ctx: Ctx, packet: Packet) -> None:
    """Send the packet again: everything the consumer says must be heard."""
    tell_provider_again(ctx, LinkId(packet.source_channel), packet.data)


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
"""`mesh-consumer`."""
