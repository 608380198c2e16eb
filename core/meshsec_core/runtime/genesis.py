"""The genesis document: everything a chain starts from. Its canonical bytes name the chain's first state."""

from typing import Any

import msgspec

from meshsec_core.kernel.types import Address, ChainId, Denom, ValidatorId

VERSION = "1"
"""Version of the document. Another one is refused: `genesis/version`."""


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
