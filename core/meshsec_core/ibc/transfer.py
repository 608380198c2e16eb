"""ICS-20: coins that cross. What leaves home is held in escrow by its channel; the other chain mints vouchers for it.

Laws: a channel's escrow account holds of every denomination at least what was sent over the channel and has not come back,
which is the most that comes out of it; across both chains that equals the vouchers in existence plus what is in flight. A
refused or timed-out transfer is undone exactly.

Source: cosmos/ibc spec/app/ics-020-fungible-token-transfer; ibc-go modules/apps/transfer.
"""

import re

import msgspec

from meshsec_core.ibc import packet as ibc_packet
from meshsec_core.ibc.connection import UNORDERED
from meshsec_core.kernel import codec
from meshsec_core.kernel.crypto import account, bech32_decode
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.store.windows import Map
from meshsec_core.kernel.types import Address, Denom
from meshsec_core.kernel.wire.ibc import Height, Packet, escrow_address, voucher_denom
from meshsec_core.modules import bank
from meshsec_core.runtime.module import Ctx, Module, Msg, Port, View

UNKNOWN_DENOM = "transfer/unknown-denom"
BAD_DATA = "transfer/bad-data"
BAD_AMOUNT = "transfer/bad-amount"
BAD_VERSION = "transfer/bad-version"
BAD_CHANNEL = "transfer/bad-channel"
CANNOT_CLOSE = "transfer/cannot-close"
ESCROW_TOO_SMALL = "transfer/escrow-too-small"
TOO_LONG = "transfer/too-long"

PORT = "transfer"
VERSION = "ics20-1"
VOUCHER = "ibc/"
MAX_RECEIVER = 2_048
MAX_MEMO = 32_768
MAX_DENOM = 1_024
SUCCESS = ibc_packet.result_acknowledgement(b"\x01")

_AMOUNT = re.compile(r"[1-9][0-9]{0,77}")
_HOPS = re.compile(r"(?:[^/]+/channel-[0-9]+/)+")


class Trace(msgspec.Struct, frozen=True):
    """Where a voucher came from."""

    path: str
    """Every port and channel it crossed, the last first, then its name at home: `transfer/channel-0/uosmo`."""


TRACES: Map[Trace] = Map("transfer/denoms", Trace)
"""Upper-case hex behind `ibc/` to the voucher's way."""
ESCROWS: Map[int] = Map("transfer/escrows", int, parts=2, default=0)
"""(channel, denomination) to base units that were sent over the channel and have not come back; absent where zero."""


class Transfer(Msg, frozen=True, tag="transfer/Transfer"):
    """Send coins of the signer to an account of another chain."""

    channel: str
    denom: Denom
    amount: int
    receiver: Address
    """As the other chain spells it."""
    timeout_height: Height = Height()
    """Of the other chain; zero for none."""
    timeout_timestamp: int = 0
    """Block time of the other chain in nanoseconds; 0 for none."""
    memo: str = ""
    timeout: int = 0
    """From now, in nanoseconds, if no timestamp is named; ten minutes if no timeout is named at all."""


class TokenPacket(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A transfer as it travels, in ICS-20's JSON."""

    amount: str
    denom: str
    receiver: str
    sender: str
    memo: str = ""


_read_json = msgspec.json.Decoder(TokenPacket).decode


def read_tokens(data: bytes) -> tuple[TokenPacket, int]:
    """Return what a packet moves, and the amount.

    Raises:
        Rejected: `transfer/bad-data`, `transfer/bad-amount`.
    """
    try:
        tokens = _read_json(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(BAD_DATA, detail=str(error)[:200]) from None
    if not 0 < len(tokens.denom) <= MAX_DENOM or tokens.denom.endswith("/"):
        raise Rejected(BAD_DATA, denom=tokens.denom[:100])
    if _AMOUNT.fullmatch(tokens.amount) is None:
        raise Rejected(BAD_AMOUNT, amount=tokens.amount[:100])
    return tokens, int(tokens.amount)


def escrow(prefix: str, channel_id: str) -> Address:
    """Return the account that holds what left over a channel."""
    return account(prefix, escrow_address(PORT, channel_id))


def path_of(store: Reader, denom: Denom) -> str:
    """Return how a denomination is spelled in packets.

    Raises:
        Rejected: `transfer/unknown-denom`.
    """
    if not denom.startswith(VOUCHER):
        if not denom or "/" in denom:
            raise Rejected(UNKNOWN_DENOM, denom=denom[:100])
        return denom
    trace = TRACES.find(store, denom.removeprefix(VOUCHER))
    if trace is None:
        raise Rejected(UNKNOWN_DENOM, denom=denom[:100])
    return trace.path


def denom_of(store: Reader, path: str) -> Denom:
    """Return the denomination on this chain of what packets spell as `path`."""
    voucher = voucher_denom(path)
    return Denom(voucher if TRACES.has(store, voucher.removeprefix(VOUCHER)) else path)


def transfer(ctx: Ctx, msg: Transfer) -> None:
    """Lock the signer's coins in the channel's escrow, or burn vouchers that go back where they came from, and send the
    packet.

    Raises:
        Rejected: `transfer/unknown-denom`, `transfer/too-long`, the bank's codes, and those of `send_packet`; nothing moves.
    """
    if len(msg.receiver) > MAX_RECEIVER or len(msg.memo) > MAX_MEMO:
        raise Rejected(TOO_LONG, receiver=len(msg.receiver), memo=len(msg.memo))
    path = path_of(ctx.store, msg.denom)
    if path.startswith(f"{PORT}/{msg.channel}/"):
        bank.burn(ctx, ctx.signer, msg.denom, msg.amount)
    else:
        _hold(ctx, msg.channel, ctx.signer, msg.denom, msg.amount)
    tokens = TokenPacket(str(msg.amount), path, msg.receiver, ctx.signer, msg.memo)
    timeout = ibc_packet.timeout_time(ctx, msg.timeout_height, msg.timeout_timestamp, msg.timeout)
    ibc_packet.send_packet(ctx, PORT, msg.channel, codec.encode(tokens), msg.timeout_height, timeout)
    ctx.emit("ibc_transfer", sender=ctx.signer, receiver=msg.receiver, amount=msg.amount, denom=msg.denom, memo=msg.memo)
    ctx.emit("message", module="transfer")


def on_receive(ctx: Ctx, packet: Packet) -> bytes:
    """Release coins that come home, or mint vouchers for coins that are strangers here.

    Raises:
        Rejected: `transfer/bad-data`, `transfer/bad-amount`, `transfer/escrow-too-small`, `crypto/bad-address`,
            `bank/reserved-account`, `bank/supply-too-large`; becomes an error acknowledgement.
    """
    tokens, amount = read_tokens(packet.data)
    receiver = Address(tokens.receiver)
    bech32_decode(ctx.prefix, receiver)
    bank.refuse_reserved(ctx.store, receiver)
    home = f"{packet.source_port}/{packet.source_channel}/"
    if tokens.denom.startswith(home):
        denom = denom_of(ctx.store, tokens.denom.removeprefix(home))
        _release(ctx, packet.destination_channel, receiver, denom, amount)
    else:
        denom = _mint(ctx, f"{packet.destination_port}/{packet.destination_channel}/{tokens.denom}", receiver, amount)
    _emit(ctx, tokens, denom=denom, success="true")
    return SUCCESS


def on_acknowledge(ctx: Ctx, packet: Packet, acknowledgement: bytes) -> None:
    """Give the coins back if the other chain refused them."""
    tokens, amount = read_tokens(packet.data)
    refusal = ibc_packet.refusal_in(acknowledgement)
    if refusal is None:
        _emit(ctx, tokens, success="true")
        return
    _give_back(ctx, packet, tokens, amount)
    _emit(ctx, tokens, error=refusal)


def on_timeout(ctx: Ctx, packet: Packet) -> None:
    """Give the coins back."""
    tokens, amount = read_tokens(packet.data)
    denom = _give_back(ctx, packet, tokens, amount)
    ctx.emit("timeout", refund_receiver=tokens.sender, refund_denom=denom, refund_amount=amount)
    ctx.emit("message", module="transfer")


def _give_back(ctx: Ctx, packet: Packet, tokens: TokenPacket, amount: int) -> Denom:
    sender = Address(tokens.sender)
    if tokens.denom.startswith(f"{packet.source_port}/{packet.source_channel}/"):
        return _mint(ctx, tokens.denom, sender, amount)
    denom = denom_of(ctx.store, tokens.denom)
    _release(ctx, packet.source_channel, sender, denom, amount)
    return denom


def _hold(ctx: Ctx, channel_id: str, owner: Address, denom: Denom, amount: int) -> None:
    bank.send(ctx, owner, escrow(ctx.prefix, channel_id), denom, amount)
    ESCROWS.put(ctx.store, channel_id, denom, ESCROWS.get(ctx.store, channel_id, denom) + amount)


def _release(ctx: Ctx, channel_id: str, owner: Address, denom: Denom, amount: int) -> None:
    left = ESCROWS.get(ctx.store, channel_id, denom) - amount
    if left < 0:
        raise Rejected(ESCROW_TOO_SMALL, channel=channel_id, denom=denom[:100], held=left + amount, amount=amount)
    bank.send(ctx, escrow(ctx.prefix, channel_id), owner, denom, amount)
    if left:
        ESCROWS.put(ctx.store, channel_id, denom, left)
    else:
        ESCROWS.delete(ctx.store, channel_id, denom)


def _mint(ctx: Ctx, path: str, owner: Address, amount: int) -> Denom:
    denom = Denom(voucher_denom(path))
    name = denom.removeprefix(VOUCHER)
    if not TRACES.has(ctx.store, name):
        TRACES.put(ctx.store, name, Trace(path))
        ctx.emit("denomination_trace", denom=denom, path=path)
    bank.mint(ctx, owner, denom, amount)
    return denom


def _emit(ctx: Ctx, tokens: TokenPacket, **more: str) -> None:
    ctx.emit(
        "fungible_token_packet",
        **{
            "sender": tokens.sender,
            "receiver": tokens.receiver,
            "denom": tokens.denom,
            "amount": tokens.amount,
            "memo": tokens.memo,
            **more,
        },
    )
    ctx.emit("message", module="transfer")


def _agree(ordering: str, port_id: str, version: str) -> str:
    """Refuse any channel but an unordered one from the transfer port."""
    if ordering != UNORDERED or port_id != PORT:
        raise Rejected(BAD_CHANNEL, ordering=ordering, port=port_id)
    if version != VERSION:
        raise Rejected(BAD_VERSION, version=version[:100], expected=VERSION)
    return VERSION


def on_open_init(_ctx: Ctx, ordering: str, _hop: str, port_id: str, _channel_id: str, _their_port: str, version: str) -> str:
    """Propose `ics20-1`: `transfer/bad-channel`, `transfer/bad-version`."""
    return _agree(ordering, port_id, version or VERSION)


def on_open_try(
    _ctx: Ctx, ordering: str, _hop: str, port_id: str, _channel_id: str, _their_port: str, _their_channel: str, version: str
) -> str:
    """Agree to `ics20-1`: `transfer/bad-channel`, `transfer/bad-version`."""
    return _agree(ordering, port_id, version)


def on_open_ack(_ctx: Ctx, _port_id: str, _channel_id: str, _their_channel: str, version: str) -> None:
    """Insist on `ics20-1`: `transfer/bad-version`."""
    if version != VERSION:
        raise Rejected(BAD_VERSION, version=version[:100], expected=VERSION)


def on_open_confirm(_ctx: Ctx, _port_id: str, _channel_id: str) -> None:
    """Nothing is left to agree on."""


def on_close_init(_ctx: Ctx, _port_id: str, channel_id: str) -> None:
    """Refuse: nobody may strand what is in escrow. `transfer/cannot-close`."""
    raise Rejected(CANNOT_CLOSE, channel=channel_id)


def on_close_confirm(_ctx: Ctx, _port_id: str, _channel_id: str) -> None:
    """Accept that the other chain has closed; escrow stays until vouchers can come back another way."""


class Denomination(msgspec.Struct, frozen=True):
    """A voucher as readers see it."""

    denom: Denom
    path: str
    base: str
    """Its name on the chain where it was made."""


class Escrow(msgspec.Struct, frozen=True):
    """What a channel holds of one denomination."""

    channel: str
    denom: Denom
    amount: int
    account: Address


def query_denoms(view: View) -> tuple[Denomination, ...]:
    """List all vouchers that ever were on this chain."""
    return tuple(
        Denomination(Denom(VOUCHER + name), trace.path, _HOPS.sub("", trace.path, count=1))
        for (name,), trace in TRACES.items(view.store)
    )


def query_escrows(view: View) -> tuple[Escrow, ...]:
    """List what is held for vouchers on other chains."""
    return tuple(
        Escrow(channel, Denom(denom), amount, escrow(view.machine.prefix, channel))
        for (channel, denom), amount in ESCROWS.items(view.store)
    )


def escrow_accounts_hold_what_left(view: View) -> None:
    """Check that every escrow account holds what was sent over its channel and has not come back.

    It may hold more, since anyone can give it coins; nobody gets those out.

    Raises:
        InvariantViolated: it holds less.
    """
    for (channel, denom), amount in ESCROWS.items(view.store):
        held = bank.balance(view.store, escrow(view.machine.prefix, channel), Denom(denom))
        if held < amount:
            raise InvariantViolated(f"the escrow of {channel} holds {held}{denom}, {amount} left over it")


TRANSFER: Module[None] = Module(
    "transfer",
    handlers={Transfer: transfer},
    ports={
        PORT: Port(
            on_open_init=on_open_init,
            on_open_try=on_open_try,
            on_open_ack=on_open_ack,
            on_open_confirm=on_open_confirm,
            on_close_init=on_close_init,
            on_close_confirm=on_close_confirm,
            on_receive=on_receive,
            on_acknowledge=on_acknowledge,
            on_timeout=on_timeout,
        )
    },
    queries={"denoms": query_denoms, "escrows": query_escrows},
    laws={"escrow accounts hold what left": escrow_accounts_hold_what_left},
    stores=("transfer",),
)
"""Coins of this chain on others, and coins of others here."""
