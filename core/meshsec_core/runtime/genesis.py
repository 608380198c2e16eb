"""The genesis document: everything a chain starts from. Its canonical bytes name the chain's first state."""

import re
from typing import Any

import msgspec

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import Address, ChainId, Denom, ValidatorId

VERSION = "1"
"""Version of the document. Another one is refused: `genesis/version`."""

BAD_VALUE = "genesis/bad-value"
UNKNOWN_MODEL = "genesis/unknown-model"

MAX_TIME = 2**62
"""Nanoseconds; later times would not fit the formats that carry them."""

_CHAIN_ID = re.compile(r"[a-z][a-z0-9-]{0,39}-[1-9][0-9]{0,8}")
_PREFIX = re.compile(r"[a-z][a-z0-9]{1,15}")
_DENOM = re.compile(r"[a-zA-Z][a-zA-Z0-9/:._-]{2,127}")


class GenesisValidator(msgspec.Struct, frozen=True):
    """A validator that is bonded from the first block."""

    name: str
    """Such as `val-0`."""
    operator: ValidatorId
    public_key: bytes
    """Ed25519 consensus key, 32 bytes."""
    tokens: int
    """Self-bond in base units; delegated by the operator's account."""


class Genesis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a chain starts from."""

    chain_id: ChainId
    prefix: str
    denom: Denom
    time: int
    """Nanoseconds since the epoch."""
    validators: tuple[GenesisValidator, ...]
    balances: dict[Address, dict[Denom, int]]
    modules: dict[str, dict[str, Any]] = {}
    """Module name to the fields of its genesis struct that differ from the defaults."""
    models: dict[str, str] = {}
    """Shared-security models that the chain runs: name to fingerprint."""
    max_txs: int = 1_000
    """Transactions per block."""
    max_bytes: int = 1_048_576
    """Bytes of transactions per block."""
    version: str = VERSION


def check(genesis: Genesis) -> None:
    """Refuse a document whose names could not stand in state keys, or whose limits leave no room for a transaction.

    Raises:
        Rejected: `genesis/bad-value`.
    """
    named = (("chain_id", genesis.chain_id, _CHAIN_ID), ("prefix", genesis.prefix, _PREFIX), ("denom", genesis.denom, _DENOM))
    denoms = (("balances", denom, _DENOM) for coins in genesis.balances.values() for denom in coins)
    for field, text, pattern in (*named, *denoms):
        if pattern.fullmatch(text) is None:
            raise Rejected(BAD_VALUE, field=field, found=text[:100], expected=pattern.pattern)
    for field, number, least in (("time", genesis.time, 0), ("max_txs", genesis.max_txs, 1), ("max_bytes", genesis.max_bytes, 1)):
        if not least <= number < MAX_TIME:
            raise Rejected(BAD_VALUE, field=field, found=number, expected=f"from {least} to {MAX_TIME - 1}")
