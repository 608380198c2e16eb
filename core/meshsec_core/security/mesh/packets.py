"""The eight packets of a link, four in each direction, and what their acknowledgements say. All are canonical JSON.

Every packet may arrive late or long after others; each carries what the other side needs to apply it exactly.

Source: mesh-security packages/apis/src/ibc/packet.rs.
"""

import re
from typing import Any, TypeVar

import msgspec

from meshsec_core.ibc.packet import result_acknowledgement
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND, Address, Denom, LinkId, ValidatorId

BAD_NAME = "mesh/bad-name"
BAD_PACKET = "mesh/bad-packet"
BAD_AMOUNT = "mesh/bad-amount"

PROVIDER_PORT = "mesh-provider"
CONSUMER_PORT = "mesh-consumer"

PROVIDER_TIMEOUT = 600 * SECOND
REPORT_TIMEOUT = 86_400 * SECOND
CONSUMER_TIMEOUT = 3_600 * SECOND

MAX_AMOUNT = 2**128 - 1

_NAME = re.compile(r"[a-z0-9]{1,100}")

DOUBLE_SIGN = "double-sign"
DOWNTIME = "downtime"


class Coin(msgspec.Struct, frozen=True):
    """An amount of one denomination, in base units."""

    denom: Denom
    amount: int


class _Packet(msgspec.Struct, frozen=True, tag_field="@type"):
    """A packet's kind is in `@type`."""


class Stake(_Packet, frozen=True, tag="stake"):
    """Provider to consumer: count more stake for a validator."""

    delegator: Address
    validator: ValidatorId
    stake: Coin
    tx_id: int


class Unstake(_Packet, frozen=True, tag="unstake"):
    """Provider to consumer: count less."""

    delegator: Address
    validator: ValidatorId
    unstake: Coin
    tx_id: int


class BurnRow(msgspec.Struct, frozen=True):
    """What has been cut from one stake, in provider tokens."""

    delegator: Address
    validator: ValidatorId
    amount: int


class Reduced(msgspec.Struct, frozen=True):
    """Provider tokens cut from stake that the consumer counts."""

    validator: ValidatorId
    amount: int
    later: bool = False
    """The amount is only what was reported: what is cut of it will be told by burns, and when all has been."""


class Burn(_Packet, frozen=True, tag="burn"):
    """Provider to consumer: this stake is gone. Never refused."""

    denom: Denom
    rows: tuple[BurnRow, ...]
    answered: tuple[Reduced, ...] = ()
    """Slashes that were reported and whose cuts have all been told: the amounts are as reported."""


class Earned(msgspec.Struct, frozen=True):
    """Over which link rewards were earned: this one, or one before it that is closed."""

    there: LinkId
    """Its name on the provider."""
    here: LinkId
    """Its name on the consumer."""


class TransferRewards(_Packet, frozen=True, tag="transfer_rewards"):
    """Provider to consumer: pay rewards that the delegator has earned."""

    rewards: Coin
    recipient: Address
    tx_id: int
    delegator: Address
    """With the validator: whose claim this is, for the way back."""
    validator: ValidatorId
    earned: Earned


class Named(msgspec.Struct, frozen=True):
    """A validator and the consensus key that it signs with."""

    validator: ValidatorId
    public_key: bytes


class Slashed(msgspec.Struct, frozen=True):
    """What a fault on the consumer cost this link's virtual stake."""

    validator: ValidatorId
    infraction_height: int
    infraction_time: int
    """Nanoseconds."""
    power: int
    """Consensus power at the infraction."""
    slash_amount: Coin
    """In provider tokens."""
    slash_ratio_bps: int
    """The nominal part, for stake that was already unbonding."""
    reason: str
    """`double-sign` or `downtime`."""


class ValsetUpdate(_Packet, frozen=True, tag="valset_update"):
    """Consumer to provider: what happened to the validators; the first one names them all."""

    height: int
    time: int
    """Nanoseconds."""
    denom: Denom
    """What rewards are paid in."""
    double_sign_bps: int
    downtime_bps: int
    unbonding_time: int
    """The consumer's own, in nanoseconds."""
    additions: tuple[Named, ...] = ()
    removals: tuple[ValidatorId, ...] = ()
    updated: tuple[Named, ...] = ()
    jailed: tuple[ValidatorId, ...] = ()
    unjailed: tuple[ValidatorId, ...] = ()
    tombstoned: tuple[ValidatorId, ...] = ()
    slashed: tuple[Slashed, ...] = ()


class InternalUnstake(_Packet, frozen=True, tag="internal_unstake"):
    """Consumer to provider: this stake is no longer wanted; it is free at once."""

    delegator: Address
    validator: ValidatorId
    normalize_amount: Coin
    """In consumer tokens."""
    inverted_amount: Coin
    """In provider tokens, as the consumer has it written down."""


class Distribute(_Packet, frozen=True, tag="distribute"):
    """Consumer to provider: rewards of one validator's virtual stake are set aside."""

    validator: ValidatorId
    rewards: Coin


class Reward(msgspec.Struct, frozen=True):
    """Rewards of one validator's virtual stake, in consumer tokens."""

    validator: ValidatorId
    reward: int


class DistributeBatch(_Packet, frozen=True, tag="distribute_batch"):
    """Consumer to provider: rewards of several validators."""

    rewards: tuple[Reward, ...]
    denom: Denom


ToConsumer = Stake | Unstake | Burn | TransferRewards
ToProvider = ValsetUpdate | InternalUnstake | Distribute | DistributeBatch


class Done(msgspec.Struct, frozen=True):
    """An acknowledgement that has nothing to add."""


class Credited(msgspec.Struct, frozen=True):
    """What of rewards goes to the validators that have earned them, by their operators' policies; the consumer pays it."""

    operators: tuple[Reward, ...] = ()


class Short(msgspec.Struct, frozen=True):
    """What a burn could not find yet; it is kept as debt."""

    short: tuple[BurnRow, ...] = ()


class Refusal(msgspec.Struct, frozen=True):
    """An entry of a report that could not be applied."""

    validator: ValidatorId
    code: str


class Applied(msgspec.Struct, frozen=True):
    """What a validator-set report has done."""

    slashed: tuple[Reduced, ...] = ()
    refused: tuple[Refusal, ...] = ()


class Released(msgspec.Struct, frozen=True):
    """How much of an internal unstake the provider has let go, in provider tokens."""

    amount: int
    left: int
    """What the consumer may still count for the delegator: what is leaving already, and what has not been answered yet."""


class _Answer(msgspec.Struct, frozen=True):
    result: bytes | None = None
    error: str | None = None


A = TypeVar("A")


def answer(value: Done | Credited | Short | Applied | Released) -> bytes:
    """Spell an acknowledgement of success."""
    return result_acknowledgement(codec.encode(value))


def read_answer(acknowledgement: bytes, kind: type[A]) -> A | None:
    """Return what a successful acknowledgement says; None for an error, or for anything that cannot be read."""
    try:
        envelope = codec.read(acknowledgement, _Answer)
        return None if envelope.result is None else codec.read(envelope.result, kind)
    except Rejected:
        return None


def read_to_consumer(data: bytes) -> ToConsumer:
    """Read a packet for the consumer; unknown fields are let pass.

    Raises:
        Rejected: `mesh/bad-packet`.
    """
    packet: ToConsumer = _read(data, ToConsumer)
    return packet


def read_to_provider(data: bytes) -> ToProvider:
    """Read a packet for the provider; unknown fields are let pass.

    Raises:
        Rejected: `mesh/bad-packet`.
    """
    packet: ToProvider = _read(data, ToProvider)
    return packet


def _read(data: bytes, kind: Any) -> Any:
    try:
        return codec.read(data, kind)
    except Rejected:
        raise Rejected(BAD_PACKET, bytes=len(data)) from None


def check_name(text: str) -> None:
    """Refuse what cannot be a bech32 address: names from the other chain become parts of keys.

    Raises:
        Rejected: `mesh/bad-name`.
    """
    if not _NAME.fullmatch(text):
        raise Rejected(BAD_NAME, name=text[:100])


def check_amount(amount: int) -> None:
    """Refuse what is no amount.

    Raises:
        Rejected: `mesh/bad-amount` unless 0 < amount < 2^128.
    """
    if not 0 < amount <= MAX_AMOUNT:
        raise Rejected(BAD_AMOUNT, amount=str(amount)[:50])
