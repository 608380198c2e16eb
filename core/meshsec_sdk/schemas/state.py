"""What a chain knows: paths and values with their proofs, and accounts."""

from typing import Any

from pydantic import Field

from meshsec_sdk.schemas.shape import Base64, Decimal, Shape


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
