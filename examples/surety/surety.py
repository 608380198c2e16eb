"""Surety: people of one chain stand surety for the validators of another.

Coins behind a validator give it voting power over there. If it signs two blocks of one height, everybody behind it loses a fixed
share, which the chain where the coins lie decides: the borrower says who is guilty, and cannot say what that costs. Whoever gives
notice counts no more at once, and stays liable until the notice has run out.

Laws: the pot holds what stands and what leaves; when nothing is on its way, both chains agree on what stands behind whom.
"""

# ruff: noqa: ARG001, ARG005 - callbacks take what they are handed

import msgspec

from meshsec_core.ibc import channel, client, connection, packet
from meshsec_core.kernel import codec
from meshsec_core.kernel.crypto import address_of, module_account
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.store.windows import Item, Map
from meshsec_core.kernel.types import ONE_BPS, ONE_E18, SECOND, Address, ChainId, LinkId, ValidatorId, ceil_div
from meshsec_core.kernel.wire.ibc import Height, Packet
from meshsec_core.modules import bank
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.signals import ValidatorTombstoned
from meshsec_core.runtime.law import Law, Views
from meshsec_core.runtime.module import Ctx, Module, Msg, Port, View
from meshsec_core.security.model import Offer, Powers, Sections, SecurityModel

LENDER, BORROWER, VERSION = "surety-provider", "surety-consumer", "surety-1"
"""Ports of the two ends of a link, and the version that they speak."""
POT = "surety"
"""The account that holds all coins."""


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the lending chain decides: `params: {surety/provider: {share_bps: 500}}` in a mesh file."""

    share_bps: int = 1_000
    """What a fault costs."""
    notice: int = 21 * 86_400 * SECOND
    """Nanoseconds for which whoever leaves stays liable."""


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the borrowing chain accepts from one lender."""

    max_cap: int
    """Most power over the link, all validators together."""
    price_e18: int
    """Power for one coin of the lender, times 10^18."""


class Admitted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From whom a chain borrows."""

    links: dict[ChainId, Terms] = {}


class Surety(msgspec.Struct, frozen=True):
    """One user's coins behind one validator."""

    standing: int = 0
    leaving: int = 0
    free_at: int = 0
    """Nanoseconds: until then what leaves is liable. Another notice starts it afresh."""


class Heard(msgspec.Struct, frozen=True):
    """What stands behind a validator, as the borrower was told."""

    coins: int = 0
    sequence: int = 0
    """Of the packet that said so; an older one changes nothing."""


RULES: Item[Rules] = Item("surety/rules", Rules)
ADMITTED: Map[Terms] = Map("surety/admitted", Terms)
LINKS: Map[ChainId] = Map("surety/links", str, parts=2)  # type: ignore[arg-type]
"""Port and link to the partner at its other end."""
SURETIES: Map[Surety] = Map("surety/sureties", Surety, parts=3, default=Surety())
"""By link, validator and user."""
CHARGED: Map[bool] = Map("surety/charged", bool, parts=2)
"""Link and validator whose sureties have paid."""
BACKING: Map[Heard] = Map("surety/backing", Heard, parts=2, default=Heard())
"""By link and validator."""
UNTOLD: Map[bool] = Map("surety/untold", bool, parts=3)
"""Port, link and validator of which the other end has yet to hear."""


class Pledge(Msg, frozen=True, tag="surety/Pledge"):
    """Stand surety for a validator of another chain."""

    consumer: LinkId
    """The chain that borrows."""
    validator: ValidatorId
    """Such as `juno/val-0`."""
    amount: int
    """Base units."""


class GiveNotice(Msg, frozen=True, tag="surety/GiveNotice"):
    """Stop standing surety; the coins are free when the notice has run out."""

    consumer: LinkId
    validator: ValidatorId
    amount: int


class Reclaim(Msg, frozen=True, tag="surety/Reclaim"):
    """Take back the coins whose notice has run out."""

    consumer: LinkId
    validator: ValidatorId


class Stands(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Packet to the borrower: so much stands behind a validator now."""

    validator: ValidatorId
    coins: int


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Packet to the lender: a validator has double-signed."""

    validator: ValidatorId


# the chain that lends


def pledge(ctx: Ctx, msg: Pledge) -> None:
    """Put coins into the pot: `surety/unknown-link`, `surety/guilty`, and what the bank refuses."""
    if not LINKS.has(ctx.store, LENDER, msg.consumer):
        raise Rejected("surety/unknown-link", link=msg.consumer[:100])
    if CHARGED.has(ctx.store, msg.consumer, msg.validator):
        raise Rejected("surety/guilty", validator=msg.validator[:100])
    bank.send(ctx, ctx.signer, ctx.module_account(POT), ctx.denom, msg.amount)
    held = SURETIES.get(ctx.store, msg.consumer, msg.validator, ctx.signer)
    _put(ctx, (msg.consumer, msg.validator, ctx.signer), held.standing + msg.amount, held.leaving, held.free_at)


def give_notice(ctx: Ctx, msg: GiveNotice) -> None:
    """Let coins count no more; they pay for faults until the notice has run out: `surety/bad-amount`."""
    held = SURETIES.get(ctx.store, msg.consumer, msg.validator, ctx.signer)
    if not 0 < msg.amount <= held.standing:
        raise Rejected("surety/bad-amount", amount=msg.amount, standing=held.standing)
    free_at = ctx.time + RULES.get(ctx.store).notice
    _put(ctx, (msg.consumer, msg.validator, ctx.signer), held.standing - msg.amount, held.leaving + msg.amount, free_at)


def reclaim(ctx: Ctx, msg: Reclaim) -> None:
    """Pay out what is free: `surety/nothing-free`."""
    held = SURETIES.get(ctx.store, msg.consumer, msg.validator, ctx.signer)
    if held.leaving == 0 or ctx.time < held.free_at:
        raise Rejected("surety/nothing-free", leaving=held.leaving, free_at=held.free_at)
    _put(ctx, (msg.consumer, msg.validator, ctx.signer), held.standing, 0, 0)
    bank.send(ctx, ctx.module_account(POT), ctx.signer, ctx.denom, held.leaving)


def on_fault(ctx: Ctx, link: str, validator: str) -> None:
    """Charge everybody behind a validator, once for ever; also whose notice still runs."""
    if CHARGED.has(ctx.store, link, validator):
        raise Rejected("surety/already-charged", validator=validator[:100])
    CHARGED.put(ctx.store, link, validator, True)
    burned = 0
    for (user,), held in SURETIES.items(ctx.store, link, validator):
        stays, leaves = _cut(ctx.store, held.standing), _cut(ctx.store, held.leaving) if ctx.time < held.free_at else 0
        _put(ctx, (link, validator, user), held.standing - stays, held.leaving - leaves, held.free_at)
        burned += stays + leaves
    if burned:
        bank.burn(ctx, ctx.module_account(POT), ctx.denom, burned)
    ctx.emit("surety/charged", link=link, validator=validator, burned=burned)


def _put(ctx: Ctx, key: tuple[str, str, str], standing: int, leaving: int, free_at: int) -> None:
    if standing + leaving:
        SURETIES.put(ctx.store, *key, Surety(standing, leaving, free_at))
    else:
        SURETIES.delete(ctx.store, *key)
    UNTOLD.put(ctx.store, LENDER, *key[:2], True)


def _cut(store: Reader, coins: int) -> int:
    return ceil_div(coins * RULES.get(store).share_bps, ONE_BPS)  # up, or many small pledges would pay less than a large one


def _standing(store: Reader, link: str, validator: str) -> int:
    return sum(held.standing for _, held in SURETIES.items(store, link, validator))


# the chain that borrows


def on_tombstoned(ctx: Ctx, signal: ValidatorTombstoned) -> None:
    """Note whose sureties are to pay."""
    for (link,), _ in LINKS.items(ctx.store, BORROWER):
        UNTOLD.put(ctx.store, BORROWER, link, signal.validator, True)


def lent(store: Reader) -> dict[ValidatorId, dict[str, int]]:
    """Return, per validator, the power that each link lends it: rounded down, and scaled to the cap."""
    found: dict[ValidatorId, dict[str, int]] = {}
    for (link,), lender in LINKS.items(store, BORROWER):
        terms = ADMITTED.get(store, lender)
        worth = {name: heard.coins * terms.price_e18 // ONE_E18 for (name,), heard in BACKING.items(store, link)}
        wanted = max(sum(worth.values()), 1)
        for name, power in worth.items():
            found.setdefault(ValidatorId(name), {})[link] = power * min(wanted, terms.max_cap) // wanted
    return found


def shape_power(store: Reader, powers: Powers) -> Powers:
    """Add what is lent to those who vote anyhow: a pledge makes nobody a validator."""
    added = {name: sum(links.values()) for name, links in lent(store).items()}
    operators = {key: staking.by_consensus_address(store, address_of(key)) for key, _ in powers}
    return tuple((key, power + added.get(operators[key] or ValidatorId(""), 0)) for key, power in powers)


# both ends of a link


def tell(ctx: Ctx) -> None:
    """Say what the other end has yet to hear; what cannot be sent now, because the client is dead, is tried again later."""
    for (port, link, name), _ in UNTOLD.items(ctx.store):
        validator = ValidatorId(name)
        said = Stands(validator, _standing(ctx.store, link, name)) if port == LENDER else Fault(validator)
        try:
            with ctx.branch() as inner:
                packet.send_packet(inner, port, link, codec.encode(said), Height(), ctx.time + 3_600 * SECOND)
        except Rejected:
            continue
        UNTOLD.delete(ctx.store, port, link, name)


def on_receive(ctx: Ctx, got: Packet) -> bytes:
    """Hear the other end; a refusal becomes an error acknowledgement."""
    link = got.destination_channel
    if got.destination_port == LENDER:
        on_fault(ctx, link, codec.decode(got.data, Fault).validator)
    else:
        said = codec.decode(got.data, Stands)
        if got.sequence > BACKING.get(ctx.store, link, said.validator).sequence:
            BACKING.put(ctx.store, link, said.validator, Heard(said.coins, got.sequence))
    return packet.result_acknowledgement(b"1")


def on_timeout(ctx: Ctx, sent: Packet) -> None:
    """Say it again, as it stands by then."""
    kind: type[Stands | Fault] = Stands if sent.source_port == LENDER else Fault
    UNTOLD.put(ctx.store, sent.source_port, sent.source_channel, codec.decode(sent.data, kind).validator, True)


def propose(ctx: Ctx, ordering: str, hop: str, port: str, link: str, their_port: str, version: str) -> str:
    """Let the borrower propose a link to a lender that its genesis admits."""
    lender = client.client_chain_id(ctx.store, connection.get_connection(ctx.store, hop).client_id)
    if (port, their_port) != (BORROWER, LENDER) or not ADMITTED.has(ctx.store, lender):
        raise Rejected("surety/not-admitted", chain=lender, port=port)
    return VERSION


def accept(ctx: Ctx, ordering: str, hop: str, port: str, link: str, their_port: str, their_link: str, version: str) -> str:
    """Let anybody borrow: nobody's coins are lent but by themselves."""
    if (port, their_port, version) != (LENDER, BORROWER, VERSION):
        raise Rejected("surety/bad-channel", port=port, version=version[:100])
    return VERSION


def opened(ctx: Ctx, port: str, link: str, *theirs: str) -> None:
    """Take a link into use; a second one to the same chain is refused."""
    partner = client.client_chain_id(ctx.store, channel.client_of(ctx.store, port, link))
    if partner in [chain for _, chain in LINKS.items(ctx.store, port)]:
        raise Rejected("surety/already-linked", chain=partner)
    LINKS.put(ctx.store, port, link, partner)


def refuse_to_close(ctx: Ctx, port: str, link: str) -> None:
    """Refuse: coins stand on it."""
    raise Rejected("surety/stays-open", link=link)


PORT = Port(
    on_open_init=propose,
    on_open_try=accept,
    on_open_ack=opened,
    on_open_confirm=opened,
    on_close_init=refuse_to_close,
    on_close_confirm=refuse_to_close,
    on_receive=on_receive,
    on_acknowledge=lambda ctx, sent, answer: None,
    on_timeout=on_timeout,
)


# what is seen from outside, and what must hold


def query_sureties(view: View, user: Address) -> dict[str, Surety]:
    """Show a user's coins by link and validator."""
    return {f"{link} {name}": held for (link, name, owner), held in SURETIES.items(view.store) if owner == user}


def query_at_stake(view: View, consumer: LinkId, validator: ValidatorId) -> dict[str, int]:
    """Show what stands behind a validator, and what a double sign would burn of it."""
    held = [each.standing for _, each in SURETIES.items(view.store, consumer, validator)]
    return {"standing": sum(held), "loss": sum(_cut(view.store, coins) for coins in held)}


def pot_is_full(view: View) -> None:
    """The pot holds what stands and what leaves, to the unit."""
    owed = sum(held.standing + held.leaving for _, held in SURETIES.items(view.store))
    found = bank.balance(view.store, module_account(view.machine.prefix, POT), view.machine.denom)
    if found != owed:
        raise InvariantViolated(f"the pot holds {found} and owes {owed}")


def both_ends_agree(views: Views) -> None:
    """What a borrower counts is what stands on its lender."""
    for chain_id in sorted(views):
        here = views[chain_id].store
        for (link,), lender in LINKS.items(here, BORROWER):
            there = views[lender].store
            lending = next(name for (name,), borrower in LINKS.items(there, LENDER) if borrower == chain_id)
            counted = {name: heard.coins for (name,), heard in BACKING.items(here, link) if heard.coins}
            names = sorted({name for (name, _), held in SURETIES.items(there, lending) if held.standing})
            if counted != {name: _standing(there, lending, name) for name in names}:
                raise InvariantViolated(f"{chain_id} counts {counted} behind {names}")


def set_rules(ctx: Ctx, rules: Rules) -> None:
    """Write the lender's rules: `surety/bad-params`."""
    if not 0 <= rules.share_bps <= ONE_BPS or rules.notice < 0:
        raise Rejected("surety/bad-params", share_bps=rules.share_bps, notice=rules.notice)
    RULES.put(ctx.store, rules)
    bank.reserve(ctx, POT)


def admit(ctx: Ctx, given: Admitted) -> None:
    """Admit the lenders that the mesh file links to this chain."""
    for lender, terms in sorted(given.links.items()):
        ADMITTED.put(ctx.store, lender, terms)


def sections(offer: Offer) -> Sections:
    """Turn a link of the mesh file into the terms that its borrower accepts."""
    price = offer.price_e18 * (ONE_BPS - offer.discount_bps) // ONE_BPS
    return Sections(consumer={"links": {offer.provider: {"max_cap": offer.max_cap, "price_e18": price}}})


SURETY = SecurityModel(
    name="surety",
    source="the oldest security there is: somebody who answers for somebody else",
    provider=Module(
        "surety/provider",
        handlers={Pledge: pledge, GiveNotice: give_notice, Reclaim: reclaim},
        genesis=Rules,
        init=set_rules,
        end_block=tell,
        ports={LENDER: PORT},
        queries={"sureties": query_sureties},
        laws={"the pot is full": pot_is_full},
        stores=("surety",),
    ),
    consumer=Module(
        "surety/consumer",
        genesis=Admitted,
        init=admit,
        hooks={ValidatorTombstoned: on_tombstoned},
        ports={BORROWER: PORT},
        stores=("surety",),
    ),
    shape_power=shape_power,
    laws=(Law("both ends agree", always=False, check=both_ends_agree),),
    measures={"at-stake": query_at_stake},
    sections=sections,
    lent=lambda view: lent(view.store),
)
"""The one name that `pyproject.toml` registers."""
