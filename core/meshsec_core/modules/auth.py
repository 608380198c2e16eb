"""Who sent a transaction: one key, one sequence, one fee.

Law: a signed transaction takes effect at most once, on one chain, and only by the owner of its signer's key.
"""

from typing import Any

import msgspec

from meshsec_core.kernel.crypto import account, address_of
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.store.windows import Item, Map
from meshsec_core.kernel.types import Address
from meshsec_core.modules import bank
from meshsec_core.runtime.authority import set_params
from meshsec_core.runtime.module import Ctx, Module, Msg, View
from meshsec_core.runtime.tx import ReadTx

FEES = "fees"
"""Module account that collects fees and newly minted coins until they are distributed."""

WRONG_CHAIN = "auth/wrong-chain"
WRONG_KEY = "auth/wrong-key"
WRONG_SEQUENCE = "auth/wrong-sequence"
BAD_SIGNATURE = "auth/bad-signature"
BAD_FEE = "auth/bad-fee"
FEE_TOO_LOW = "auth/fee-too-low"
NO_MESSAGES = "auth/no-messages"


class AuthParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a transaction costs."""

    min_fee: int = 0
    """Base units per transaction."""
    free: tuple[str, ...] = ("ibc/",)
    """A transaction is free if the types of all its messages begin with one of these, so that relayers need no coins."""


class Account(msgspec.Struct, frozen=True):
    """What is known of a signer."""

    sequence: int
    """What its next transaction must carry."""
    pub_key: bytes


PARAMS: Item[AuthParams] = Item("auth/params", AuthParams)
ACCOUNTS: Map[Account] = Map("auth/accounts", Account)
"""Address to account; absent until its first transaction."""


def sequence(store: Reader, address: Address) -> int:
    """Return the sequence that an account's next transaction must carry."""
    found = ACCOUNTS.find(store, address)
    return 0 if found is None else found.sequence


def authenticate(ctx: Ctx, read: ReadTx) -> None:
    """Verify who signed a transaction, then count it and take its fee. Cheap checks come before the signature.

    Raises:
        Rejected: `auth/wrong-chain`, `auth/wrong-key`, `auth/no-messages`, `auth/bad-fee`, `auth/fee-too-low`,
            `auth/wrong-sequence`, `auth/bad-signature`, `bank/insufficient-funds`; the transaction does not count.
    """
    tx = read.tx
    if tx.chain_id != ctx.chain_id:
        raise Rejected(WRONG_CHAIN, found=tx.chain_id[:100], expected=ctx.chain_id)
    if tx.signer != account(ctx.prefix, address_of(tx.pub_key)):
        raise Rejected(WRONG_KEY, signer=tx.signer[:100])
    if not read.msgs:
        raise Rejected(NO_MESSAGES)
    _check_fee(ctx, read)
    expected = sequence(ctx.store, tx.signer)
    if tx.sequence != expected:
        raise Rejected(WRONG_SEQUENCE, found=str(tx.sequence)[:50], expected=expected)
    if not ctx.verify(tx.pub_key, read.sign_bytes, tx.signature):
        raise Rejected(BAD_SIGNATURE, signer=tx.signer)
    ACCOUNTS.put(ctx.store, tx.signer, Account(expected + 1, tx.pub_key))
    if tx.fee:
        bank.send(ctx, tx.signer, ctx.module_account(FEES), ctx.denom, tx.fee)


def _check_fee(ctx: Ctx, read: ReadTx) -> None:
    fee = read.tx.fee
    if not 0 <= fee <= bank.MAX_AMOUNT:
        raise Rejected(BAD_FEE, fee=str(fee)[:50])
    params = PARAMS.get(ctx.store)
    if fee < params.min_fee and not all(str(type(msg).__struct_config__.tag).startswith(params.free) for msg in read.msgs):
        raise Rejected(FEE_TOO_LOW, fee=fee, minimum=params.min_fee)


class SetParams(Msg, frozen=True, tag="auth/SetParams"):
    """Change what a transaction costs; governance alone may."""

    changes: dict[str, Any]
    """Rule to its new value; what is not named stays."""


def on_set_params(ctx: Ctx, msg: SetParams) -> None:
    """Change fees from the next transaction on.

    Raises:
        Rejected: `gov/unauthorized`, `codec/malformed`, `auth/bad-fee`.
    """
    set_params(ctx, "auth", PARAMS, msg, check_params)


def check_params(params: AuthParams) -> None:
    """Refuse a minimum that is no amount: `auth/bad-fee`."""
    if not 0 <= params.min_fee <= bank.MAX_AMOUNT:
        raise Rejected(BAD_FEE, fee=str(params.min_fee)[:50])


def init(ctx: Ctx, genesis: AuthParams) -> None:
    """Write the rules.

    Raises:
        Rejected: `auth/bad-fee`.
    """
    check_params(genesis)
    PARAMS.put(ctx.store, genesis)
    bank.reserve(ctx, FEES)


def query_account(view: View, address: Address) -> Account:
    """Show an account's sequence and key; both are blank before its first transaction."""
    return ACCOUNTS.find(view.store, address) or Account(0, b"")


def accounts_belong_to_their_keys(view: View) -> None:
    """Check that every account is the one of its key and has sent something.

    Raises:
        InvariantViolated: one is not.
    """
    for (address,), known in ACCOUNTS.items(view.store):
        if address != account(view.machine.prefix, address_of(known.pub_key)) or known.sequence < 1:
            raise InvariantViolated(f"account {address} does not belong to its key")


AUTH: Module[AuthParams] = Module(
    "auth",
    handlers={SetParams: on_set_params},
    genesis=AuthParams,
    init=init,
    queries={"account": query_account},
    laws={"accounts belong to their keys": accounts_belong_to_their_keys},
    stores=("auth",),
)
"""Signers and their sequences."""
