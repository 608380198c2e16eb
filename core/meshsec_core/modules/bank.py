"""Coins: who holds how much of what. Balances move, and only `mint` and `burn` change a supply.

Laws: the supply of a denomination is the sum of its balances; no balance is negative or kept at zero.
An account may be permanently locked: its locked coins can be bonded (staked, put into a vault) but never sent, and they
come back locked.
"""

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.crypto import bech32_decode
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.store.windows import Map
from meshsec_core.kernel.types import Address, Denom
from meshsec_core.runtime.genesis import Genesis
from meshsec_core.runtime.module import Ctx, Module, Msg, View

MAX_AMOUNT = 2**128 - 1
"""Largest amount and largest supply of one denomination."""

INSUFFICIENT_FUNDS = "bank/insufficient-funds"
BAD_AMOUNT = "bank/bad-amount"
RESERVED_ACCOUNT = "bank/reserved-account"
SUPPLY_TOO_LARGE = "bank/supply-too-large"

BALANCES: Map[int] = Map("bank/balances", int, parts=2)
"""(address, denomination) to base units; absent where zero."""
SUPPLIES: Map[int] = Map("bank/supply", int, default=0)
"""Denomination to base units in existence; absent where zero."""


class Lock(msgspec.Struct, frozen=True):
    """How much of an account is permanently locked, and where its bonded coins came from."""

    locked: int
    bonded_locked: int = 0
    """Locked coins that are bonded now; the account holds `locked - bonded_locked` that it cannot send."""
    bonded_free: int = 0
    """Coins beyond the lock that are bonded now; they come back before the locked ones do."""


LOCKS: Map[Lock] = Map("bank/locks", Lock, parts=2)
"""(address, denomination) to the permanent lock."""
RESERVED: Map[str] = Map("bank/reserved", str)
"""Address to the name of the module account behind it; users cannot send there."""


class BankGenesis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The section `bank` of a genesis document; the balances themselves stand at its top."""

    locks: dict[Address, dict[Denom, int]] = {}
    """How much of the first balances is permanently locked."""


class Send(Msg, frozen=True, tag="bank/Send"):
    """Move coins from the signer to another account."""

    to: Address
    denom: Denom
    amount: int


def balance(store: Reader, address: Address, denom: Denom) -> int:
    """Return what an account holds, locked coins included."""
    return BALANCES.find(store, address, denom) or 0


def balances(store: Reader, address: Address) -> dict[Denom, int]:
    """Return all that an account holds, by denomination, ascending."""
    return {Denom(denom): amount for (denom,), amount in BALANCES.items(store, address)}


def supply(store: Reader, denom: Denom) -> int:
    """Return how much of a denomination exists."""
    return SUPPLIES.get(store, denom)


def spendable(store: Reader, address: Address, denom: Denom) -> int:
    """Return what an account can send: its balance without the locked coins in it."""
    held = balance(store, address, denom)
    found = LOCKS.find(store, address, denom)
    return held if found is None else max(0, held - (found.locked - found.bonded_locked))


def check_amount(amount: int) -> None:
    """Refuse what is no amount of coins.

    Raises:
        Rejected: `bank/bad-amount` unless 0 < amount < 2^128.
    """
    if not 0 < amount <= MAX_AMOUNT:
        raise Rejected(BAD_AMOUNT, amount=str(amount)[:50])


def send(ctx: Ctx, source: Address, target: Address, denom: Denom, amount: int) -> None:
    """Move free coins between accounts.

    Raises:
        Rejected: `bank/bad-amount`; `bank/insufficient-funds` if the free coins of the source do not suffice.
    """
    _move(ctx, source, target, denom, amount, spendable(ctx.store, source, denom))


def bond(ctx: Ctx, owner: Address, pool: Address, denom: Denom, amount: int) -> None:
    """Move coins into a module's pool; locked coins may go there, and go first.

    Raises:
        Rejected: `bank/bad-amount`, `bank/insufficient-funds`.
    """
    _move(ctx, owner, pool, denom, amount, balance(ctx.store, owner, denom))
    lock = LOCKS.find(ctx.store, owner, denom)
    if lock is not None:
        locked = min(max(0, lock.locked - lock.bonded_locked), amount)
        LOCKS.put(ctx.store, owner, denom, Lock(lock.locked, lock.bonded_locked + locked, lock.bonded_free + amount - locked))


def unbond(ctx: Ctx, pool: Address, owner: Address, denom: Denom, amount: int) -> None:
    """Move coins back that `bond` had taken; free coins come back first, locked ones come back locked.

    Raises:
        Rejected: `bank/bad-amount`, `bank/insufficient-funds`.
    """
    send(ctx, pool, owner, denom, amount)
    lock = LOCKS.find(ctx.store, owner, denom)
    if lock is not None:
        free = min(lock.bonded_free, amount)
        locked = min(lock.bonded_locked, amount - free)
        LOCKS.put(ctx.store, owner, denom, Lock(lock.locked, lock.bonded_locked - locked, lock.bonded_free - free))


def mint(ctx: Ctx, target: Address, denom: Denom, amount: int) -> None:
    """Create coins.

    Raises:
        Rejected: `bank/bad-amount`; `bank/supply-too-large` if the supply would reach 2^128.
    """
    check_amount(amount)
    total = supply(ctx.store, denom) + amount
    if total > MAX_AMOUNT:
        raise Rejected(SUPPLY_TOO_LARGE, denom=denom)
    SUPPLIES.put(ctx.store, denom, total)
    _put(ctx, target, denom, balance(ctx.store, target, denom) + amount)
    ctx.emit("bank/mint", to=target, denom=denom, amount=amount)


def burn(ctx: Ctx, source: Address, denom: Denom, amount: int) -> None:
    """Destroy free coins of an account.

    Raises:
        Rejected: `bank/bad-amount`, `bank/insufficient-funds`.
    """
    check_amount(amount)
    _require(ctx, source, denom, amount, spendable(ctx.store, source, denom))
    _put(ctx, source, denom, balance(ctx.store, source, denom) - amount)
    left = supply(ctx.store, denom) - amount
    if left:
        SUPPLIES.put(ctx.store, denom, left)
    else:
        SUPPLIES.delete(ctx.store, denom)
    ctx.emit("bank/burn", source=source, denom=denom, amount=amount)


def set_balance(ctx: Ctx, address: Address, denom: Denom, amount: int) -> None:
    """Make an account hold so much, by creating or destroying coins. No message does so: it is what a forger of state does.

    Raises:
        Rejected: `bank/bad-amount`, `bank/insufficient-funds` if what would go is locked, `bank/supply-too-large`.
    """
    if not 0 <= amount <= MAX_AMOUNT:
        raise Rejected(BAD_AMOUNT, amount=str(amount)[:50])
    held = balance(ctx.store, address, denom)
    if amount > held:
        mint(ctx, address, denom, amount - held)
    elif amount < held:
        burn(ctx, address, denom, held - amount)


def lock(ctx: Ctx, address: Address, denom: Denom, amount: int) -> None:
    """Lock coins of an account for ever, on top of what is locked already.

    Raises:
        Rejected: `bank/bad-amount`; `bank/insufficient-funds` if it has fewer free coins.
    """
    check_amount(amount)
    _require(ctx, address, denom, amount, spendable(ctx.store, address, denom))
    before = LOCKS.find(ctx.store, address, denom) or Lock(0)
    LOCKS.put(ctx.store, address, denom, msgspec.structs.replace(before, locked=before.locked + amount))
    ctx.emit("bank/lock", address=address, denom=denom, amount=amount)


def reserve(ctx: Ctx, name: str) -> Address:
    """Return a module's account and refuse users' transfers to it from now on."""
    address = ctx.module_account(name)
    RESERVED.put(ctx.store, address, name)
    return address


def refuse_reserved(store: Reader, address: Address) -> None:
    """Refuse to let a user pay into a module's account, whose balance its module accounts for.

    Raises:
        Rejected: `bank/reserved-account`.
    """
    name = RESERVED.find(store, address)
    if name is not None:
        raise Rejected(RESERVED_ACCOUNT, address=address, module=name)


def _move(ctx: Ctx, source: Address, target: Address, denom: Denom, amount: int, available: int) -> None:
    check_amount(amount)
    _require(ctx, source, denom, amount, available)
    _put(ctx, source, denom, balance(ctx.store, source, denom) - amount)
    _put(ctx, target, denom, balance(ctx.store, target, denom) + amount)
    ctx.emit("bank/transfer", source=source, to=target, denom=denom, amount=amount)


def _require(ctx: Ctx, source: Address, denom: Denom, amount: int, available: int) -> None:
    if amount > available:
        held = balance(ctx.store, source, denom)
        raise Rejected(INSUFFICIENT_FUNDS, address=source, denom=denom, needed=amount, available=available, held=held)


def _put(ctx: Ctx, address: Address, denom: Denom, amount: int) -> None:
    if amount:
        BALANCES.put(ctx.store, address, denom, amount)
    else:
        BALANCES.delete(ctx.store, address, denom)


def on_send(ctx: Ctx, msg: Send) -> None:
    """Move the signer's free coins.

    Raises:
        Rejected: `crypto/bad-address`, `bank/reserved-account`, `bank/bad-amount`, `bank/insufficient-funds`; nothing moves.
    """
    bech32_decode(ctx.prefix, msg.to)
    refuse_reserved(ctx.store, msg.to)
    send(ctx, ctx.signer, msg.to, msg.denom, msg.amount)


def init(ctx: Ctx, genesis: Genesis) -> None:
    """Create the first coins and lock what is to be locked.

    Raises:
        Rejected: `codec/malformed`, `crypto/bad-address`, `bank/bad-amount`; `bank/insufficient-funds` if a lock exceeds
            its balance.
    """
    section = codec.convert(genesis.modules.get("bank", {}), BankGenesis)
    for address, coins in sorted(genesis.balances.items()):
        bech32_decode(ctx.prefix, address)
        for denom, amount in sorted(coins.items()):
            mint(ctx, address, denom, amount)
    for address, coins in sorted(section.locks.items()):
        for denom, amount in sorted(coins.items()):
            lock(ctx, address, denom, amount)


class Coins(msgspec.Struct, frozen=True):
    """An account's coins as readers see them."""

    address: Address
    balances: dict[Denom, int]
    spendable: dict[Denom, int]


class Supply(msgspec.Struct, frozen=True):
    """How much of a denomination exists."""

    denom: Denom
    amount: int


def query_balances(view: View, address: Address) -> Coins:
    """Show what an account holds and what of it can be sent."""
    held = balances(view.store, address)
    return Coins(address, held, {denom: spendable(view.store, address, denom) for denom in held})


def query_supply(view: View, denom: str) -> Supply:
    """Show how much of a denomination exists."""
    return Supply(Denom(denom), supply(view.store, Denom(denom)))


def supply_is_the_sum_of_balances(view: View) -> None:
    """Check that every coin lies in exactly one account.

    Raises:
        InvariantViolated: a supply differs from the sum of its balances, or a balance is not positive.
    """
    found: dict[str, int] = {}
    for (address, denom), amount in BALANCES.items(view.store):
        if amount <= 0:
            raise InvariantViolated(f"{address} holds {amount}{denom}")
        found[denom] = found.get(denom, 0) + amount
    recorded = {denom: amount for (denom,), amount in SUPPLIES.items(view.store)}
    if found != recorded:
        raise InvariantViolated(f"supplies {recorded} differ from the sums of balances {found}")


BANK: Module[BankGenesis] = Module(
    "bank",
    handlers={Send: on_send},
    init=init,
    queries={"balances": query_balances, "supply": query_supply},
    laws={"supply is the sum of balances": supply_is_the_sum_of_balances},
    stores=("bank",),
)
"""Coins of every denomination, vouchers of other chains included."""
