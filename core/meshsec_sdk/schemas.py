"""The HTTP API's answers and bodies as pydantic models: what OpenAPI publishes and what tests check answers against.

Amounts, sequences, heights and times are decimal strings in JSON; bytes are base64, hashes and addresses of validators lower hex.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Decimal = Annotated[str, Field(pattern=r"^-?[0-9]+$", examples=["42"])]
Base64 = Annotated[str, Field(json_schema_extra={"contentEncoding": "base64"})]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Shape(BaseModel):
    """Base of all shapes: what is not named is not there."""

    model_config = ConfigDict(extra="forbid")


class Problem(Shape):
    """Every error."""

    code: str = Field(examples=["staking/unknown-validator"])
    message: str
    facts: dict[str, str]


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


class SignedTx(Shape):
    """A signed transaction; any spelling of JSON is taken, signatures cover the canonical one."""

    chain_id: str
    signer: str
    sequence: Decimal
    fee: Decimal
    memo: str
    msgs: list[dict[str, Any]]
    pub_key: Base64
    signature: Base64


class TxAccepted(Shape):
    """A transaction waits for a block."""

    hash: Hash
    height: Decimal


class Accusation(Shape):
    """Proof of a validator's fault."""

    evidence: Base64 = Field(description="CometBFT `Evidence` message.")


class EvidenceAccepted(Shape):
    """Evidence waits for a block, or a block carries it already."""

    hash: Hash
    height: Decimal


class TxBatch(Shape):
    """Many signed transactions."""

    txs: list[SignedTx]


class TxRefused(Problem):
    """Why one transaction of a batch was refused."""

    index: Decimal


class BatchAccepted(Shape):
    """What became of a batch at the door."""

    accepted: list[Hash]
    refused: list[TxRefused]
    height: Decimal


class Order(Shape):
    """Messages that a named user wants; names are understood where addresses, validators and links are meant."""

    sender: str = Field(alias="from", examples=["alice"])
    msgs: list[dict[str, Any]] = Field(examples=[[{"@type": "bank/Send", "to": "bob", "denom": "uosmo", "amount": "5"}]])
    fee: Decimal = "0"
    memo: str = ""
    sequence: Decimal | None = Field(None, description="To sign with; the next one by default.")


class Simulated(Shape):
    """What messages would do."""

    code: str
    facts: dict[str, str]
    gas_used: Decimal
    events: list[Event]
    msgs: list[str]
    signer: str


class StateEntry(Shape):
    """A path and its value."""

    path: str
    value: Base64
    json_: Any = Field(alias="json")


class StatePage(Shape):
    """Paths under a prefix."""

    height: Decimal
    entries: list[StateEntry]
    next: str | None


class StateValue(Shape):
    """A value after a height; its proof is checked against the header of `proof_height`."""

    path: str
    height: Decimal
    value: Base64 | None
    json_: Any = Field(alias="json")
    proof: Base64 | None
    proof_height: Decimal


class StateWanted(Shape):
    """Paths to read after one height."""

    paths: list[str]
    height: Decimal | None = None
    prove: bool = False


class ProvenEntry(Shape):
    """A path, its value, and the proof of either if it was asked for."""

    path: str
    value: Base64 | None
    proof: Base64 | None


class StateValues(Shape):
    """Values after a height in the order they were asked for; proofs are checked against the header of `proof_height`."""

    height: Decimal
    entries: list[ProvenEntry]
    proof_height: Decimal


class Account(Shape):
    """An account."""

    address: str
    sequence: Decimal
    next_sequence: Decimal
    balances: dict[str, Decimal]


class Balances(Shape):
    """An account's coins."""

    address: str
    balances: dict[str, Decimal]
    spendable: dict[str, Decimal]


class Mine(Shape):
    """How many blocks to make."""

    blocks: Decimal = "1"


class Clock(Shape):
    """How far to move logical time: one of the two."""

    advance: str | None = Field(None, examples=["21d"])
    offset: Decimal | None = None


class Mode(Shape):
    """When blocks are made."""

    mode: str = Field(examples=["auto"])
    block_time: str | None = Field(None, examples=["500ms"])


class Fault(Shape):
    """Which validator misbehaves, all without a name, and how; further fields are parameters of the kind."""

    kind: str = Field(examples=["double-sign"])
    validator: str | None = Field(default=None, examples=["val-0"])


class Partition(Shape):
    """Between which validators messages pass."""

    groups: list[list[str]] = Field(examples=[[["val-0", "val-1"], ["val-2", "val-3"]]])


class Fork(Shape):
    """Who makes another future of the chain, and what it is called."""

    validators: list[str]
    name: str = "fork"
    late: bool = Field(default=False, description="Decide its first block in another round than 0.")


class EndFork(Shape):
    """Which branch to forget."""

    name: str


class Branch(Shape):
    """Another future of a chain."""

    name: str
    path: str = Field(description="Before every path that is asked of it.")
    base: Decimal = Field(description="The last height that it has in common with the chain.")
    height: Decimal
    validators: list[str] = Field(description="Who makes it.")


class Branches(Shape):
    """The other futures of a chain."""

    branches: list[Branch]


class SetBalance(Shape):
    """What an account is to hold."""

    address: str
    amount: Decimal
    denom: str = Field(default="", description="The chain's own coin by default.")


class Heal(Shape):
    """Whose faults end; all without a name."""

    validator: str | None = None


class Rest(Shape):
    """How long no block is decided."""

    duration: str = Field(examples=["2s"])


class NamedSnapshot(Shape):
    """Under which name the chain is saved."""

    name: str = Field(examples=["before"])


class Revert(Shape):
    """Where to go, and what other chains give up and take up again."""

    name: str
    generation: Decimal | None = Field(None, description="The new one; by default the next.")
    offset: Decimal | None = Field(None, description="Of the clock, nanoseconds; by default the time is that of the snapshot.")
    abandoned: list[Base64] = []
    revived: list[Base64] = []


class Lift(Shape):
    """What another chain has signed again."""

    marks: list[Base64]
