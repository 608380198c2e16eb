"""What the engine reads in a chain's HTTP answers: only the fields it needs, as typed values."""

import msgspec


class StatusAnswer(msgspec.Struct, frozen=True):
    """GET /v1/status."""

    chain_id: str
    height: int
    time: int
    """Header time of the last block, nanoseconds."""
    earliest_height: int = 1
    earliest_state: int = 0
    """The lowest height whose state can still be proven."""
    generation: str = "0"


class AcceptedAnswer(msgspec.Struct, frozen=True):
    """POST /v1/txs."""

    height: int
    """Of the last block when the transaction was taken; it is in none up to there."""


class EventAnswer(msgspec.Struct, frozen=True):
    """One event of a block."""

    type: str
    attributes: dict[str, str]
    tx: str | None = None
    """Hash of the transaction it happened in, if any."""


class ReceiptAnswer(msgspec.Struct, frozen=True):
    """What became of a transaction."""

    hash: str
    height: int
    code: str
    facts: dict[str, str] = {}
    signer: str = ""
    events: tuple[object, ...] = ()
    """As they came; only those of one's own transactions are read, as `EventAnswer`."""


class ResultsAnswer(msgspec.Struct, frozen=True):
    """What a block did."""

    receipts: tuple[ReceiptAnswer, ...] = ()


class BlockAnswer(msgspec.Struct, frozen=True):
    """GET /v1/blocks/{height}."""

    height: int
    results: ResultsAnswer
    events: tuple[EventAnswer, ...]
    """All of them, in order; those of refused transactions are not among them."""
    time: int = 0
    """Of its header, nanoseconds."""
    evidence: tuple[bytes, ...] = ()
    """Validators' faults that the block carries the proof of: CometBFT `Evidence` messages."""


class TransactionsAnswer(msgspec.Struct, frozen=True):
    """GET /v1/blocks/{height}/txs."""

    txs: tuple[bytes, ...]
    """Canonical JSON of each, in the order of the block's receipts."""


class ProtoAnswer(msgspec.Struct, frozen=True):
    """GET /v1/commits/{height} and /v1/validators: the value in protobuf."""

    height: int
    proto: bytes


class StateAnswer(msgspec.Struct, frozen=True):
    """GET /v1/state/{path}, and one entry of POST /v1/state."""

    value: bytes | None = None
    proof: bytes | None = None


class StatesAnswer(msgspec.Struct, frozen=True):
    """POST /v1/state: an entry for each path that was named, in that order."""

    entries: tuple[StateAnswer, ...]


class ItemAnswer(msgspec.Struct, frozen=True):
    """One row of a listing."""

    path: str
    value: bytes


class ListingAnswer(msgspec.Struct, frozen=True):
    """GET /v1/state?prefix=."""

    entries: tuple[ItemAnswer, ...]
    next: str | None = None
    """Where the next page starts, if there is one."""


class AccountAnswer(msgspec.Struct, frozen=True):
    """GET /v1/accounts/{address}."""

    sequence: int
    """What the next transaction would carry if none waited for a block."""
    next_sequence: int
    """What the next transaction must carry, with those that wait for a block counted."""
    balances: dict[str, int] = {}
    """Base units by denomination."""
