"""What staking keeps, and how it is read.

All staked coins lie in one account, `staking`. A delegation is a number of tokens and the number of cuts it has seen: it is worth
`tokens × after // before` for every later cut of its validator, in order. So delegating and undelegating are exact to the unit, a
slash is the same work however many delegators there are, and only its owner and slashes change what a delegation is worth. What
the floors of a slash leave over stays with the validator, owned by nobody; it is burned when the last delegator leaves.
"""

from enum import StrEnum

import msgspec

from meshsec_core.kernel.crypto import account, address_of, bech32_decode, operator
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.store.windows import Item, Map
from meshsec_core.kernel.types import ONE_BPS, SECOND, Address, ValidatorId

POOL = "staking"
"""Module account that holds every staked and every unbonding coin."""

UNKNOWN_VALIDATOR = "staking/unknown-validator"


class Status(StrEnum):
    """Whether a validator signs blocks, or when it last did."""

    BONDED = "bonded"
    UNBONDING = "unbonding"
    UNBONDED = "unbonded"


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules of staking on this chain."""

    unbonding_time: int = 21 * 24 * 3600 * SECOND
    """Nanoseconds."""
    max_validators: int = 100
    power_reduction: int = 1
    """Tokens per unit of consensus power."""
    max_entries: int = 100
    """Unbonding entries per delegator and validator, and redelegations per delegator, source and target."""
    evidence_age_blocks: int = 100_000
    """Past powers are kept for this many blocks and the unbonding time, whichever is longer."""
    slashed_to_community: bool = False
    """Slashed coins go to the community pool instead of being destroyed."""


class Validator(msgspec.Struct, frozen=True):
    """A validator; it is never forgotten, so its id and its key name it for life."""

    operator: ValidatorId
    name: str
    public_key: bytes
    """Ed25519 consensus key."""
    commission_bps: int
    tokens: int = 0
    """All that is delegated to it, in base units."""
    cuts: int = 0
    """How often its tokens have been slashed."""
    status: Status = Status.UNBONDED
    jailed: bool = False
    tombstoned: bool = False
    unbonding_height: int = 0
    """Height at which it left the active set, while unbonding."""
    unbonding_time: int = 0
    """When it will be unbonded, nanoseconds, while unbonding."""


class Cut(msgspec.Struct, frozen=True):
    """One slash of a validator's tokens."""

    before: int
    after: int


class Delegation(msgspec.Struct, frozen=True):
    """Tokens as they were after `cuts` cuts of the validator."""

    tokens: int
    cuts: int


class Unbonding(msgspec.Struct, frozen=True):
    """Coins on their way back; slashable until they are due if their stake was there at the infraction."""

    initial: int
    """What was undelegated, base units."""
    balance: int
    """What is still to be paid."""
    height: int
    """When the stake left."""
    time: int
    """The same in nanoseconds."""
    due: int
    """When it is paid, nanoseconds."""


class Redelegation(msgspec.Struct, frozen=True):
    """Stake that has moved to another validator and still answers for the one it left."""

    target: ValidatorId
    initial: int
    height: int
    time: int
    """Of that height, nanoseconds."""
    due: int


class Active(msgspec.Struct, frozen=True):
    """A member of the active set."""

    operator: ValidatorId
    public_key: bytes
    power: int


class ActiveSet(msgspec.Struct, frozen=True):
    """Who signs: strongest first, ties by operator. In force two heights after the block that wrote it."""

    members: tuple[Active, ...]


PARAMS: Item[Params] = Item("staking/params", Params)
VALIDATORS: Map[Validator] = Map("staking/validators", Validator)
CONSENSUS: Map[str] = Map("staking/consensus", str)
"""Consensus address (hex) to operator."""
CUTS: Map[Cut] = Map("staking/cuts", Cut, parts=2)
"""(validator, ordinal from 0) to the cut."""
DELEGATIONS: Map[Delegation] = Map("staking/delegations", Delegation, parts=2)
"""(delegator, validator)."""
DELEGATORS: Map[bool] = Map("staking/delegators", bool, parts=2)
"""(validator, delegator): the index behind DELEGATIONS."""
UNBONDINGS: Map[Unbonding] = Map("staking/unbondings", Unbonding, parts=3)
"""(validator, delegator, id)."""
UNBONDINGS_OF: Map[str] = Map("staking/unbondings-of", str, parts=2)
"""(delegator, id) to validator."""
REDELEGATIONS: Map[Redelegation] = Map("staking/redelegations", Redelegation, parts=3)
"""(source validator, delegator, id)."""
RECEIVED: Map[str] = Map("staking/received", str, parts=3)
"""(delegator, target validator, id) to the source validator of a redelegation that is not due yet."""
BONDED: Item[int] = Item("staking/bonded", int, default=0)
"""Tokens of all bonded validators."""
VOICES: Map[int] = Map("staking/voices", int)
"""Delegator to the part of its stake that counts in governance, basis points; absent if all of it does."""
ACTIVE: Item[ActiveSet] = Item("staking/active", ActiveSet, default=ActiveSet(()))
PENDING: Map[bool] = Map("staking/pending", bool)
"""`active-set` is there while something may have changed the active set since it was last written."""
ACTIVE_SET = "active-set"
NEXT_ID: Item[int] = Item("staking/next-id", int, default=1)


def params(store: Reader) -> Params:
    """Return the rules in force."""
    return PARAMS.get(store)


def find_validator(store: Reader, validator: ValidatorId) -> Validator | None:
    """Return a validator, or None."""
    return VALIDATORS.find(store, validator)


def get_validator(store: Reader, validator: ValidatorId) -> Validator:
    """Return a validator.

    Raises:
        Rejected: `staking/unknown-validator`.
    """
    found = VALIDATORS.find(store, validator)
    if found is None:
        raise Rejected(UNKNOWN_VALIDATOR, validator=str(validator)[:100])
    return found


def by_consensus_address(store: Reader, address: bytes) -> ValidatorId | None:
    """Return who signs blocks with a consensus address, or ever did."""
    found = CONSENSUS.find(store, address.hex())
    return None if found is None else ValidatorId(found)


def consensus_address(validator: Validator) -> bytes:
    """Return the 20-byte address of a validator's consensus key."""
    return address_of(validator.public_key)


def owner(prefix: str, validator: ValidatorId) -> Address:
    """Return the account that operates a validator."""
    return account(prefix, bech32_decode(prefix + "valoper", validator))


def operated_by(prefix: str, address: Address) -> ValidatorId:
    """Return the id of the validator that an account operates, or would."""
    return operator(prefix, bech32_decode(prefix, address))


def validators(store: Reader) -> list[Validator]:
    """Return all validators, by operator."""
    return [validator for _, validator in VALIDATORS.items(store)]


def bonded_tokens(store: Reader) -> int:
    """Return the tokens of all bonded validators."""
    return BONDED.get(store)


def power(tokens: int, rules: Params) -> int:
    """Return the consensus power of tokens; floor, so no power is without stake."""
    return tokens // rules.power_reduction


def active_set(store: Reader) -> tuple[Active, ...]:
    """Return the active set, strongest first."""
    return ACTIVE.get(store).members


def active_powers(store: Reader) -> tuple[tuple[bytes, int], ...]:
    """Return (consensus public key, power) of the active set, strongest first."""
    return tuple((member.public_key, member.power) for member in active_set(store))


def settled(store: Reader, validator: Validator, delegation: Delegation) -> Delegation:
    """Return a delegation as it is after all cuts of its validator."""
    return settled_until(store, validator.operator, delegation, validator.cuts)


def settled_until(store: Reader, validator: ValidatorId, delegation: Delegation, cuts: int) -> Delegation:
    """Return a delegation as it was after the first `cuts` cuts; each floors, so that delegators never own more than there is."""
    tokens = delegation.tokens
    for ordinal in range(delegation.cuts, cuts):
        cut = CUTS.get(store, validator, ordinal)
        tokens = tokens * cut.after // cut.before
    return Delegation(tokens, max(cuts, delegation.cuts))


def delegation_value(store: Reader, delegator: Address, validator: ValidatorId) -> int:
    """Return what a delegation is worth: exactly what can be undelegated."""
    delegation = DELEGATIONS.find(store, delegator, validator)
    if delegation is None:
        return 0
    return settled(store, VALIDATORS.get(store, validator), delegation).tokens


def voiceless(store: Reader) -> dict[ValidatorId, int]:
    """Return the tokens that do not count in governance, by validator. Ceiling: a voice never weighs more than it may."""
    found: dict[ValidatorId, int] = {}
    for (delegator,), voice_bps in VOICES.items(store):
        for validator, tokens in delegations_of(store, Address(delegator)).items():
            found[validator] = found.get(validator, 0) + tokens - tokens * voice_bps // ONE_BPS
    return found


def delegations_of(store: Reader, delegator: Address) -> dict[ValidatorId, int]:
    """Return what a delegator's stake is worth, by validator, ascending; worthless ones are left out."""
    found: dict[ValidatorId, int] = {}
    for (identity,), delegation in DELEGATIONS.items(store, delegator):
        tokens = settled(store, VALIDATORS.get(store, identity), delegation).tokens
        if tokens:
            found[ValidatorId(identity)] = tokens
    return found


def delegators_of(store: Reader, validator: ValidatorId) -> dict[Address, int]:
    """Return what each delegator's stake with a validator is worth, ascending by address."""
    record = get_validator(store, validator)
    return {
        Address(delegator): settled(store, record, DELEGATIONS.get(store, delegator, validator)).tokens
        for (delegator,), _ in DELEGATORS.items(store, validator)
    }


def unbondings_of(store: Reader, delegator: Address) -> list[tuple[ValidatorId, int, Unbonding]]:
    """Return a delegator's coins on their way back as (validator, id, entry), oldest first."""
    return [
        (ValidatorId(validator), int(number), UNBONDINGS.get(store, validator, delegator, int(number)))
        for (number,), validator in UNBONDINGS_OF.items(store, delegator)
    ]
