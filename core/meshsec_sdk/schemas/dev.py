"""Orders that only a chain in development takes."""

from pydantic import Field

from meshsec_sdk.schemas.shape import Base64, Decimal, Shape


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


class Heal(Shape):
    """Whose faults end; all without a name."""

    validator: str | None = None


class Rest(Shape):
    """How long no block is decided."""

    duration: str = Field(examples=["2s"])


class CutPower(Shape):
    """Before which durable write the process dies."""

    batch: Decimal = Field("1", description="The how manyeth from now.")
    commit: bool = Field(default=False, description="Count those alone that make a block durable.")


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


class NamedSnapshot(Shape):
    """Under which name the chain is saved."""

    name: str = Field(examples=["before"])


class Revert(Shape):
    """Where to go, and what other chains give up and take up again."""

    name: str
    generation: Decimal | None = Field(None, description="The new one; by default the next.")
    offset: Decimal | None = Field(None, description="Of the clock, nanoseconds; by default the time is that of the snapshot.")
    abandoned: list[Base64] = Field([])
    revived: list[Base64] = Field([])


class Lift(Shape):
    """What another chain has signed again."""

    marks: list[Base64]
