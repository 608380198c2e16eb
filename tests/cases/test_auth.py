"""A transaction counts once, on one chain, for the owner of its key; everything else is refused before it costs much."""

from typing import Any

import msgspec
import pytest

from harness import Chain, key_of
from meshsec_core.kernel import crypto
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ChainId, Denom
from meshsec_core.modules.auth import AUTH, Account, authenticate, sequence
from meshsec_core.modules.bank import BANK, Send
from meshsec_core.modules.staking.module import STAKING, Delegate
from meshsec_core.runtime.module import Ctx, Machine, Module, Msg
from meshsec_core.runtime.tx import ReadTx, Tx, make_tx, read_tx

UOSMO = Denom("uosmo")


class Ferry(Msg, frozen=True, tag="ibc/Ferry"):
    """Stands for a relayer's message."""


RELAYED: Module[Any] = Module("relayed", handlers={Ferry: lambda ctx, msg: None})


def chain_with(min_fee: int = 0) -> Chain:
    return Chain((AUTH, BANK, STAKING, RELAYED), balances={"alice": 1_000}, modules_genesis={"auth": {"min_fee": min_fee}})


def signed(chain: Chain, *msgs: Msg, sequence: int = 0, fee: int = 0, chain_id: str = "osmo-1", signer: str = "alice") -> ReadTx:
    raw = make_tx(key_of(signer), chain.prefix, ChainId(chain_id), sequence, msgs, fee=fee)
    return read_tx(raw, chain.machine)


def pay(chain: Chain, amount: int = 1) -> Send:
    return Send(chain.address("bob"), UOSMO, amount)


def refused(chain: Chain, read: ReadTx) -> str:
    before = chain.snapshot()
    with pytest.raises(Rejected) as refusal, chain.ctx.branch() as branch:
        authenticate(branch, read)
    assert chain.snapshot() == before
    return refusal.value.code


def forged(read: ReadTx, **changes: Any) -> ReadTx:
    return msgspec.structs.replace(read, tx=msgspec.structs.replace(read.tx, **changes))


def test_a_signed_transaction_counts_once() -> None:
    chain = chain_with()
    read = signed(chain, pay(chain))

    authenticate(chain.ctx, read)

    assert sequence(chain.state, chain.address("alice")) == 1
    assert refused(chain, read) == "auth/wrong-sequence"
    authenticate(chain.ctx, signed(chain, pay(chain), sequence=1))
    chain.check_laws()


def test_sequences_have_no_gaps() -> None:
    chain = chain_with()

    assert refused(chain, signed(chain, pay(chain), sequence=1)) == "auth/wrong-sequence"


def test_a_transaction_of_another_chain_is_refused() -> None:
    chain = chain_with()

    assert refused(chain, signed(chain, pay(chain), chain_id="juno-1")) == "auth/wrong-chain"


def test_nobody_signs_for_another() -> None:
    chain = chain_with()
    read = signed(chain, pay(chain))

    assert refused(chain, forged(read, signer=chain.address("bob"))) == "auth/wrong-key"
    assert refused(chain, forged(read, pub_key=key_of("bob").public_key)) == "auth/wrong-key"


def test_a_signature_covers_every_byte() -> None:
    chain = chain_with()
    read = signed(chain, pay(chain))
    flipped = bytes([read.tx.signature[0] ^ 1]) + read.tx.signature[1:]
    other = signed(chain, pay(chain, 2))

    assert refused(chain, forged(read, signature=flipped)) == "auth/bad-signature"
    assert refused(chain, forged(read, signature=b"")) == "auth/bad-signature"
    assert refused(chain, msgspec.structs.replace(read, sign_bytes=other.sign_bytes)) == "auth/bad-signature"


def test_a_transaction_without_messages_is_refused() -> None:
    chain = chain_with()

    assert refused(chain, signed(chain)) == "auth/no-messages"


def test_the_fee_goes_to_the_fee_collector() -> None:
    chain = chain_with(min_fee=10)

    authenticate(chain.ctx, signed(chain, pay(chain), fee=12))

    assert (chain.balance("alice"), chain.balance(chain.ctx.module_account("fees"))) == (988, 12)
    chain.check_laws()


def test_the_minimum_fee_is_enough_and_one_less_is_not() -> None:
    chain = chain_with(min_fee=10)

    assert refused(chain, signed(chain, pay(chain), fee=9)) == "auth/fee-too-low"
    authenticate(chain.ctx, signed(chain, pay(chain), fee=10))


def test_a_fee_beyond_the_balance_is_refused_and_does_not_use_up_the_sequence() -> None:
    chain = chain_with()

    assert refused(chain, signed(chain, pay(chain), fee=1_001)) == "bank/insufficient-funds"


@pytest.mark.parametrize("fee", [-1, 2**128])
def test_what_is_no_fee_is_refused(fee: int) -> None:
    chain = chain_with()

    assert refused(chain, signed(chain, pay(chain), fee=fee)) == "auth/bad-fee"


def test_relaying_is_free_unless_something_else_travels_along() -> None:
    chain = chain_with(min_fee=10)

    assert refused(chain, signed(chain, Ferry(), pay(chain))) == "auth/fee-too-low"
    authenticate(chain.ctx, signed(chain, Ferry(), Ferry()))


def test_the_signature_is_the_last_thing_that_is_verified() -> None:
    """What can be refused cheaply never reaches the verifier."""
    chain = chain_with(min_fee=10)
    asked: list[bytes] = []

    def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
        asked.append(message)
        return crypto.verify(public_key, message, signature)

    machine = Machine(chain.machine.modules, prefix="osmo", denom=UOSMO, verify=verify)
    ctx = Ctx(chain.state, chain.ctx.block, machine)
    cheap = [
        signed(chain, pay(chain), fee=10, chain_id="juno-1"),
        signed(chain, pay(chain), fee=9),
        signed(chain, pay(chain), fee=10, sequence=5),
        signed(chain, fee=10),
    ]
    for read in cheap:
        with pytest.raises(Rejected):
            authenticate(ctx, read)
    assert asked == []
    good = signed(chain, pay(chain), fee=10)
    authenticate(ctx, good)
    assert asked == [good.sign_bytes]


def test_an_account_is_shown_blank_before_its_first_transaction() -> None:
    chain = chain_with()
    alice = chain.address("alice")

    assert chain.query("auth/account", address=alice) == Account(0, b"")
    authenticate(chain.ctx, signed(chain, Delegate(chain.validator(0), 1)))
    assert chain.query("auth/account", address=alice) == Account(1, key_of("alice").public_key)


def test_the_signed_bytes_are_the_transaction_without_its_signature() -> None:
    chain = chain_with()
    read = signed(chain, pay(chain))

    assert isinstance(read.tx, Tx)
    assert crypto.verify(key_of("alice").public_key, read.sign_bytes, read.tx.signature)
    assert b'"signature"' not in read.sign_bytes
