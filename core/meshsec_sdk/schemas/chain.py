"""Where a chain stands, its blocks, who votes on them, and what they did."""

from pydantic import Field

from meshsec_sdk.schemas.shape import Base64, Decimal, Hash, Shape


class Alive(Shape):
    """The process answers."""

    alive: bool


class Ready(Shape):
    """Whether the chain makes blocks, and why not."""

    ready: bool
    reasons: list[str]


class Status(Shape):
    """Where the chain stands."""

    chain_id: str
    name: str
    prefix: str
    denom: str
    height: Decimal
    time: Decimal = Field(description="Header time of the last block, nanoseconds.")
    app_hash: str = Field(description="Root of the state after `height`.")
    block_hash: str
    validators_hash: str
    block_mode: str
    engine: str
    earliest_height: Decimal = Field(description="The first block that is kept.")
    earliest_state: Decimal = Field(description="The lowest height whose state can be read and proven.")
    waiting: Decimal = Field(description="Transactions in the mempool.")
    quiet: bool = Field(description="No block is under way, and none is due but for the passing of time.")
    version: str
    generation: Decimal
    development: bool
    models: dict[str, str]
    ready: bool
    reasons: list[str]
    faults: list[str] = Field(description="What has been broken on purpose, such as `slow: val-0, val-2`.")


class Event(Shape):
    """Something that happened."""

    type: str
    attributes: dict[str, str]


class BlockEvent(Event):
    """Something that happened in a block, in or outside of a transaction."""

    tx: Hash | None


class Receipt(Shape):
    """What became of a transaction; an empty code means that all its messages took effect."""

    hash: Hash
    height: Decimal
    index: Decimal
    signer: str
    msgs: list[str]
    code: str
    facts: dict[str, str]
    gas_used: Decimal
    events: list[Event]


class Results(Shape):
    """What a block did."""

    receipts: list[Receipt]
    begin_events: list[Event]
    end_events: list[Event]


class TxSummary(Shape):
    """A transaction in a block's list."""

    hash: Hash
    code: str
    signer: str
    msgs: list[str]


class PartSetHeader(Shape):
    """Names a block's parts."""

    total: Decimal
    hash: str


class BlockId(Shape):
    """Names a block."""

    hash: str
    parts: PartSetHeader


class Header(Shape):
    """A CometBFT header; hashes in lower hex."""

    version_block: Decimal
    version_app: Decimal
    chain_id: str
    height: Decimal
    time: Decimal
    last_block_id: BlockId
    last_commit_hash: str
    data_hash: str
    validators_hash: str
    next_validators_hash: str
    consensus_hash: str
    app_hash: str
    last_results_hash: str
    evidence_hash: str
    proposer_address: str


class CommitSig(Shape):
    """One validator's part in a commit."""

    flag: Decimal
    address: str
    time: Decimal
    signature: Base64


class Commit(Shape):
    """The precommits that decided a block."""

    height: Decimal
    round: Decimal
    block_id: BlockId
    signatures: list[CommitSig]


class Block(Shape):
    """A block and what it did."""

    height: Decimal
    hash: Hash
    time: Decimal
    header: Header
    txs: list[TxSummary]
    evidence: list[Base64] = Field(description="CometBFT `Evidence` messages: double votes and attacks on light clients.")
    last_commit: Commit
    results: Results
    events: list[BlockEvent]


class BlockTxs(Shape):
    """The transactions of a block as they were sent."""

    height: Decimal
    txs: list[Base64] = Field(description="Canonical JSON of each, in the order of the block's receipts.")


class ReadableSignedHeader(Shape):
    """A header and its commit, for people."""

    header: Header
    commit: Commit


class SignedHeader(Shape):
    """What a light client verifies; `proto` is the protobuf of the whole."""

    height: Decimal
    signed_header: ReadableSignedHeader
    proto: Base64


class Validator(Shape):
    """A member of a validator set."""

    address: str
    public_key: Base64
    name: str
    operator: str | None
    power: Decimal
    priority: Decimal
    native: Decimal | None = Field(description="Power of its own; null once the state behind the set is no longer kept.")
    virtual: dict[str, Decimal] | None = Field(description="Power lent, by link; null as above.")


class Validators(Shape):
    """A validator set."""

    height: Decimal
    validators: list[Validator]
    total_power: Decimal
    proposer: str
    hash: Hash
    proto: Base64
