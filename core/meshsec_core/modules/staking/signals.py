"""What staking tells other modules, in the same step in which it happens."""

from dataclasses import dataclass

from meshsec_core.kernel.types import Address, ValidatorId
from meshsec_core.runtime.module import Signal


@dataclass(frozen=True, slots=True)
class ValidatorCreated(Signal):
    """A validator exists; it may not be bonded yet."""

    validator: ValidatorId


@dataclass(frozen=True, slots=True)
class ValidatorBonded(Signal):
    """A validator enters the active set."""

    validator: ValidatorId


@dataclass(frozen=True, slots=True)
class ValidatorUnbonding(Signal):
    """A validator leaves the active set."""

    validator: ValidatorId


@dataclass(frozen=True, slots=True)
class ValidatorJailed(Signal):
    """A validator may not be bonded until it is unjailed."""

    validator: ValidatorId


@dataclass(frozen=True, slots=True)
class ValidatorUnjailed(Signal):
    """A validator may be bonded again; it is bonded only if its power suffices."""

    validator: ValidatorId


@dataclass(frozen=True, slots=True)
class ValidatorTombstoned(Signal):
    """A validator double-signed and can never come back."""

    validator: ValidatorId
    height: int
    """Infraction height."""
    time: int
    """Infraction time, nanoseconds."""


@dataclass(frozen=True, slots=True)
class DelegationChanging(Signal):
    """A delegation is about to change; rewards up to now belong to the old shares."""

    delegator: Address
    validator: ValidatorId


@dataclass(frozen=True, slots=True)
class ValidatorSlashed(Signal):
    """A validator's tokens have been cut, and with them those of its delegators, unbonding and redelegated ones included.

    A delegation that was worth `v` is worth `v × tokens_after // tokens_before`; `slash.loss` says what one delegator has lost.
    """

    validator: ValidatorId
    reason: str
    """`double-sign` or `downtime`."""
    height: int
    """Infraction height."""
    time: int
    """Infraction time, nanoseconds; 0 if unknown."""
    power: int
    """Consensus power at the infraction."""
    fraction_bps: int
    tokens_before: int
    tokens_after: int
    ordinal: int
    """Number of this cut among the validator's cuts, from 0; it has left a mark only if `tokens_after < tokens_before`."""
    unbonding_cuts: tuple[tuple[Address, int], ...]
    """(delegator, tokens) cut from unbonding entries that were slashable at the infraction."""
    redelegation_cuts: tuple[tuple[Address, ValidatorId, int], ...]
    """(delegator, destination validator, tokens) cut from stake that has left by redelegation."""
    burned: int
    """All tokens that this slash took, from wherever: destroyed, or sent to the community pool if the chain says so."""
