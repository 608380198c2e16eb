"""Transactions: canonical JSON, signed by one Ed25519 key.

Sign-bytes are the canonical bytes of the same object without `signature`; the hash is SHA-256 of the canonical bytes of it all.
"""

from typing import Any

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.crypto import PrivateKey, account, address_of, sha256
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import Address, ChainId
from meshsec_core.runtime.module import UNKNOWN_MESSAGE, Machine, Msg

TOO_LARGE = "tx/too-large"
MAX_BYTES = 1_048_576
"""Largest transaction that is looked at."""


class Tx(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signed transaction as it travels; messages are plain JSON objects until they are read."""

    chain_id: ChainId
    signer: Address
    sequence: int
    fee: int
    """In base units of the chain's denomination."""
    memo: str
    msgs: tuple[dict[str, Any], ...]
    pub_key: bytes
    signature: bytes


class ReadTx(msgspec.Struct, frozen=True):
    """A transaction whose spelling and messages have been read; its signature has not been verified."""

    tx: Tx
    raw: bytes
    hash: bytes
    sign_bytes: bytes
    msgs: tuple[Msg, ...]


def sign_bytes(tx: Tx) -> bytes:
    """Return what the signature covers."""
    fields = codec.plain(tx)
    del fields["signature"]
    return codec.encode(fields)


def read_tx(raw: bytes, machine: Machine) -> ReadTx:
    """Read canonical bytes into a transaction.

    Raises:
        Rejected: `tx/too-large`, `codec/malformed`, `tx/not-canonical`, `tx/unknown-message`.
    """
    if len(raw) > MAX_BYTES:
        raise Rejected(TOO_LARGE, bytes=len(raw), limit=MAX_BYTES)
    tx = codec.decode(raw, Tx)
    msgs = tuple(read_msg(spelled, machine) for spelled in tx.msgs)
    if [codec.plain(msg) for msg in msgs] != list(tx.msgs):
        raise Rejected(codec.NOT_CANONICAL)
    return ReadTx(tx, raw, sha256(raw), sign_bytes(tx), msgs)


def read_msg(spelled: Any, machine: Machine) -> Msg:
    """Read one message of any spelling.

    Raises:
        Rejected: `tx/unknown-message`, `codec/malformed`.
    """
    tag = spelled.get("@type") if isinstance(spelled, dict) else None
    kind = machine.messages.get(tag) if isinstance(tag, str) else None
    if kind is None:
        owner = str(tag).partition("/")[0]
        beside = [each for each in machine.messages if each.startswith(f"{owner}/")]
        known = beside or {each.partition("/")[0] for each in machine.messages}
        raise Rejected(UNKNOWN_MESSAGE, type=str(tag)[:100], known=", ".join(sorted(known))[:2000])
    return codec.convert(spelled, kind)


def make_tx(
    key: PrivateKey, prefix: str, chain_id: ChainId, sequence: int, msgs: tuple[Msg, ...], *, fee: int = 0, memo: str = ""
) -> bytes:
    """Build and sign a transaction; return its canonical bytes."""
    unsigned = Tx(
        chain_id=chain_id,
        signer=account(prefix, address_of(key.public_key)),
        sequence=sequence,
        fee=fee,
        memo=memo,
        msgs=tuple(codec.plain(msg) for msg in msgs),
        pub_key=key.public_key,
        signature=b"",
    )
    return codec.encode(msgspec.structs.replace(unsigned, signature=key.sign(sign_bytes(unsigned))))
