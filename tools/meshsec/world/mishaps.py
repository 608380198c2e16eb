"""Faults that strike more than the validators of one chain: whole chains, relayers and their packets, markets and users.

One table for the Python interface, the command line, stories and the manual, beside that of validators
(`meshsec_core.replica.faults`). Each is made of what anybody can do to a mesh.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import msgspec
from msgspec import Meta

from meshsec.world.forks import client_of
from meshsec.world.ways import channel_to
from meshsec_core.ibc.packet import RecvPacket
from meshsec_core.ibc.transfer import PORT
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_E18, SECOND
from meshsec_core.kernel.wire.ibc import Height, Packet
from meshsec_core.replica.faults import BAD_FAULT
from meshsec_relayer.orders import ORDERS, Nothing
from meshsec_sdk import names
from meshsec_sdk.errors import TxRejected

if TYPE_CHECKING:
    from meshsec.world.base import World
    from meshsec.world.chain import Chain

THIEF = "erin"
FORGED = 1_000_000
"""Sequence of a packet that nobody sent."""
HOUR = 3_600 * SECOND

NO_MAKER = "world/no-market-maker"

RELAYER = "relayer"
RELAYER_ORDERS = {
    **{f"relayer-{order}": order for order in ("pause", "hold", "drop", "delay", "duplicate", "reorder", "line")},
    "relayer-stale-client": "neglect",
}
"""Orders of a relayer that are faults; the rest are its daily work, and what undoes these."""


class Writes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Before which write."""

    writes: Annotated[int, Meta(ge=1, description="before which durable write from now the power fails; 1 if left out")] = 1


class Blocks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Before which block."""

    blocks: Annotated[int, Meta(ge=1, description="before the commit of which block from now; 1 if left out")] = 1


class Lunacy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is signed although nothing leads there."""

    validators: Annotated[str, Meta(description="who signs, such as `val-0,val-1,val-2`; two thirds of the power are believed")]
    address: Annotated[str, Meta(description="who is to hold what nobody has sent: a development name or an address")]
    amount: Annotated[int, Meta(ge=0, description="what it is to hold, base units of the chain's coin")]
    name: Annotated[str, Meta(description="the branch is called `<chain>~<name>`; `lunatic` if left out")] = "lunatic"


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What trades."""

    base: Annotated[str, Meta(description="the coin that is priced, such as `uosmo`")]
    quote: Annotated[str, Meta(description="the coin in which it is priced, such as `ujuno`")]


class Shock(Pair, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """By how much a price jumps."""

    factor: Annotated[str, Meta(description="what the last price is multiplied by, such as `0.25`")]


class Lie(Pair, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A price."""

    price: Annotated[str, Meta(description="what is said: base units of `quote` for one of `base`, such as `1000`")]


class Share(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of it."""

    percent: Annotated[int, Meta(ge=1, le=100, description="of what each user has staked and lent; 100 if left out")] = 100


class Other(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose packet is forged."""

    of: Annotated[str, Meta(description="the chain that never sent it, such as `osmosis`")]


class Mishap(msgspec.Struct, frozen=True):
    """One entry of the table."""

    help: str
    """What it does, in one sentence."""
    target: str
    """Whom it strikes."""
    parameters: type[msgspec.Struct]
    strike: Callable[["World", str, Any], Any]
    """Is given the world, the target and the parameters."""


def strike(world: "World", kind: str, target: str, given: Mapping[str, Any]) -> Any:
    """Let a fault of this table happen; return what it says. Numbers may be spelled as amounts are: `7_000_000`.

    Raises:
        Rejected: `dev/bad-fault`, and what the parts of the fault refuse.
    """
    mishap = MISHAPS[kind]
    try:
        asked = msgspec.convert({name: _number(value) for name, value in given.items()}, mishap.parameters, strict=False)
    except msgspec.ValidationError as error:
        takes = ", ".join(mishap.parameters.__struct_fields__)
        raise Rejected(BAD_FAULT, fault=kind, detail=str(error)[:200], takes=takes or "no parameters") from None
    return mishap.strike(world, target, asked)


def _number(value: Any) -> Any:
    return value.replace("_", "") if isinstance(value, str) and value.replace("_", "").isdecimal() else value


def _halt(world: "World", target: str, _: Nothing) -> None:
    world.fault("down", world.own_chain(target).name)


def _lose_writes(world: "World", target: str, given: Writes) -> None:
    world.crash(world.own_chain(target).name, given.writes)


def _crash_before_commit(world: "World", target: str, given: Blocks) -> None:
    world.crash(world.own_chain(target).name, given.blocks, commit=True)


def _lunatic(world: "World", target: str, given: Lunacy) -> dict[str, str]:
    branch = world.fork(world.own_chain(target).name, names.listed(given.validators), given.name)
    world.set_balance(branch.name, given.address, given.amount)
    return {"branch": branch.name}


def _order(order: str) -> Callable[["World", str, Any], Any]:
    def give(world: "World", target: str, given: msgspec.Struct) -> Any:
        kind, _, only = target.partition("/")
        return world.relayer(order, codec.plain(given), only or (None if kind == RELAYER else kind))

    return give


def _forge(world: "World", target: str, given: Other) -> dict[str, str]:
    victim, other = world.own_chain(target), world.own_chain(given.of)
    height = codec.convert(victim.query("ibc", "client", client_id=client_of(victim, other))["latest_height"], Height)
    here, there = channel_to(victim, other.name), channel_to(other, victim.name)
    ours = f"ibc/nextSequenceSend/ports/{PORT}/channels/{there}"
    proof = other.get(f"/v1/state/{quote(ours)}?prove=true&height={height.height - 1}")["proof"]
    thief = victim.user(THIEF)
    sent = {"denom": other.names.denom, "amount": "1000000", "sender": other.user(THIEF).address, "receiver": thief.address}
    packet = Packet(FORGED, PORT, there, PORT, here, codec.encode({**sent, "memo": ""}), Height(), world.logical_time() + HOUR)
    try:
        thief.send(RecvPacket(packet, codec.convert(proof, bytes), height))
    except TxRejected as refusal:
        return {"refused": refusal.code}
    return {"refused": ""}


def _price_shock(world: "World", target: str, given: Shock) -> Any:
    market = world.own_chain(target)
    last = market.query("prices", "price", base=given.base, quote=given.quote)["price_e18"]
    return _quote(market, given, int(last) * _e18("price-shock", given.factor) // ONE_E18)  # floor


def _oracle_lie(world: "World", target: str, given: Lie) -> Any:
    return _quote(world.own_chain(target), given, _e18("oracle-lie", given.price))


def _quote(market: "Chain", pair: Pair, price_e18: int) -> Any:
    """Let the market's first maker with a development key say a price."""
    makers = market.query("prices", "makers")
    for user in names.USERS:
        if market.user(user).address in makers:
            market.send(user, {"@type": "prices/Quote", "base": pair.base, "quote": pair.quote, "price_e18": str(price_e18)})
            return {"price_e18": str(price_e18), "maker": user}
    raise Rejected(NO_MAKER, chain=market.name, expected="a development user among `params: {prices: {makers: …}}`")


def _e18(kind: str, text: str) -> int:
    """Read a positive number with up to 18 decimals, exactly."""
    try:
        number = Decimal(text) * ONE_E18
    except InvalidOperation:
        number = Decimal(0)
    if not number.is_finite() or number <= 0 or number != int(number):
        raise Rejected(BAD_FAULT, fault=kind, found=text[:50], expected="a number above 0 such as 0.25")
    return int(number)


def _mass_unbond(world: "World", target: str, given: Share) -> dict[str, str]:
    """Take back a share of each stake of each user, rounded down, at home and on every chain that it is lent to."""
    chain, moved = world.own_chain(target), 0
    consumers = [link.consumer for link in world.spec.links if link.provider == chain.name and link.model == "mesh"]
    for user in names.USERS:
        staked = chain.query("staking", "delegations", delegator=chain.user(user).address)
        asked = [{"@type": "staking/Undelegate", "validator": name, "amount": amount} for name, amount in staked.items()]
        for consumer in consumers:
            link = world.own_chain(consumer).names.chain_id
            lent = chain.query("mesh/provider", "stakes", user=chain.user(user).address, consumer=link)
            asked += [
                {"@type": "mesh/Unstake", "consumer": link, "validator": each["validator"], "amount": each["stake"]["low"]}
                for each in lent
            ]
        parts = [{**each, "amount": str(int(each["amount"]) * given.percent // 100)} for each in asked]  # floor
        wanted = [each for each in parts if int(each["amount"])]
        if wanted:
            chain.send(user, *wanted)
            moved += sum(int(each["amount"]) for each in wanted)
    return {"unbonding": str(moved)}


MISHAPS: Mapping[str, Mishap] = {
    "halt": Mishap("Halt a chain: none of its validators hears or says anything.", "a chain such as `juno`", Nothing, _halt),
    "lose-writes": Mishap(
        "Cut a chain's power before one of its next durable writes; nothing of it is written, and it starts again.",
        "a chain such as `juno`",
        Writes,
        _lose_writes,
    ),
    "crash-before-commit": Mishap(
        "Cut a chain's power when a block is decided and nothing of what it does is durable yet; it starts again.",
        "a chain such as `juno`",
        Blocks,
        _crash_before_commit,
    ),
    "lunatic": Mishap(
        "Let validators sign a block whose state no execution gives: an account holds what nobody has sent.",
        "a chain such as `juno`",
        Lunacy,
        _lunatic,
    ),
    **{
        kind: Mishap(
            ORDERS[order].help, "`relayer` for all, or one such as `relayer/main`", ORDERS[order].parameters, _order(order)
        )
        for kind, order in RELAYER_ORDERS.items()
    },
    "relayer-forge": Mishap(
        "Let a relayer deliver a transfer that was never sent, with a true proof of something else; say why it is refused.",
        "the chain that is to believe it, such as `juno`",
        Other,
        _forge,
    ),
    "price-shock": Mishap(
        "Let a market's maker multiply the last price of a pair.", "the market's chain such as `axelar`", Shock, _price_shock
    ),
    "oracle-lie": Mishap(
        "Let a market's maker say a price at which nobody trades.", "the market's chain such as `axelar`", Lie, _oracle_lie
    ),
    "mass-unbond": Mishap(
        "Let every user take back a share of what is staked on a chain, and lent from it.",
        "a chain such as `osmosis`",
        Share,
        _mass_unbond,
    ),
}
"""Kind to what it does."""
