"""What is sent to a chain to be in a block, and what is said at the door."""

from typing import Any

from pydantic import Field

from meshsec_sdk.schemas.chain import Event
from meshsec_sdk.schemas.shape import Base64, Decimal, Hash, Problem, Shape


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


class Accusation(Shape):
    """Proof of a validator's fault."""

    evidence: Base64 = Field(description="CometBFT `Evidence` message.")


class EvidenceAccepted(Shape):
    """Evidence waits for a block, or a block carries it already."""

    hash: Hash
    height: Decimal
