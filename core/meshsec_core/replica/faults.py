"""How a validator may misbehave: kinds of faults, each a frozen value with its parameters, and what they add up to.

Everything that names faults is fed from `FAULTS`: orders of a chain, worlds, the command line, stories and the manual. A further
kind is a class here, and where it does something new a field of `Conduct`.

Faults live in memory: who starts again is honest. Only `double-sign` ever signs past the guard.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from meshsec_core.consensus.guard import STEP_PRECOMMIT, STEP_PREVOTE, STEP_PROPOSE
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND, Address

UNKNOWN_FAULT = "dev/unknown-fault"
BAD_FAULT = "dev/bad-fault"

LONGEST = 365 * 86_400 * SECOND
"""Nanoseconds; no delay is longer and no clock is further off."""

Duration = Annotated[int, Meta(ge=0, le=LONGEST, extra={"kind": "duration"})]
Shift = Annotated[int, Meta(ge=-LONGEST, le=LONGEST, extra={"kind": "signed duration"})]
Account = Annotated[Address, Meta(extra={"kind": "account"})]
Seed = Annotated[
    int,
    Meta(ge=0, le=2**32, description="of what is drawn; a world draws one from its own seed", extra={"kind": "count"}),
]
Doubled = Literal["precommit", "prevote", "proposal"]

_STEPS: Mapping[Doubled, int] = {"proposal": STEP_PROPOSE, "prevote": STEP_PREVOTE, "precommit": STEP_PRECOMMIT}


class Conduct(msgspec.Struct, frozen=True):
    """What a validator does at one height; the default is what an honest one does."""

    up: bool = True
    """It hears and speaks."""
    lateness: int = 0
    """How long others wait for what it says, nanoseconds."""
    loses: int = 0
    """Which part of what it says each of the others does not hear at first, percent."""
    jitter: int = 0
    """Below how many nanoseconds, besides `lateness`, each thing it says is on its way."""
    seed: int = 0
    """Decides what is lost, and how long things are on their way."""
    repeats: bool = False
    """Others hear everything twice."""
    shift: int = 0
    """How far its clock is ahead, nanoseconds."""
    forgets: bool = False
    """It never stays locked."""
    shuns: tuple[Address, ...] = ()
    """Whose transactions its proposals leave out."""
    bad_app_hash: bool = False
    """Its proposals lie about the state."""
    doubles: int = 0
    """Step (as the guard counts) in which it signs two things the next time; 0 is none."""


HONEST = Conduct()


class Down(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Silence a validator: it neither hears nor says anything.

    Its power is missing: at a third of the power the chain halts. Missing too many blocks is slashed as downtime.
    """


class Flap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Take a validator down and up in turns, beginning with down.

    Commits miss it for whole phases. Phases are counted in blocks: a chain that they halt stays halted until it is healed.
    """

    blocks: Annotated[int, Meta(ge=1, le=1_000_000, description="how many blocks each phase lasts", extra={"kind": "count"})] = 1


class Slow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Let others hear a validator only after a delay of logical time; it hears them at once.

    With less than a third of the power its votes come too late for commits, and its proposals fail their round. Where its votes
    are needed blocks take at least twice the delay, and rounds last until they arrive.
    """

    delay: Annotated[Duration, Meta(description="how long everything it says is on its way, such as `500ms`")]


class Drop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lose a part of what a validator says, drawn for each message and each hearer; who has missed it hears it 100 ms later.

    As gossip does, the network says again what was lost, so rounds take longer and nothing is missed for ever. While less than a
    third of the power is concerned, commits do without its votes.
    """

    percent: Annotated[int, Meta(ge=1, le=100, description="which part is lost, in percent", extra={"kind": "count"})] = 20
    seed: Seed = 0


class Duplicate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Let others hear everything twice that a validator says.

    A vote counts once for each validator however often it comes: blocks, times and slashes are as without the fault.
    """


class Reorder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keep each message of a validator on its way for a time of its own, so that later ones overtake earlier ones.

    Votes may come before the proposal that they are for, and those of a later round before those of an earlier one. The
    protocol needs no order; where its votes are needed, blocks wait for them.
    """

    within: Annotated[Duration, Meta(description="no message is longer on its way, such as `500ms`")]
    seed: Seed = 0


class DoubleSign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Make a validator sign two things in one step, once.

    Two votes are evidence: the validator is slashed and never votes again. Two proposals split the vote and cost a round, but no
    evidence of CometBFT's speaks of them, so nobody is slashed.
    """

    vote: Annotated[
        Doubled,
        Meta(
            description="what it doubles: a `precommit` or `prevote` for a block, or a `proposal`, of which every other "
            "validator hears the second one first"
        ),
    ] = "precommit"


class Amnesia(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Make a validator forget what it is locked on, so that it may vote for another block in a later round.

    Below a third of the power the locks of the others keep agreement. No single pair of votes shows it, so nobody is slashed.
    """


class Censor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Make a validator's proposals leave out the transactions that an account has signed.

    The account waits until somebody else proposes; if all validators censor it, for ever.
    """

    address: Annotated[Account, Meta(description="whose transactions: an address, or a development name")]


class BadAppHash(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Make a validator's proposals carry a wrong app hash.

    Everybody prevotes nil and the next round has another proposer, so each of its turns costs a round. If every validator does
    it, the height never ends.
    """


class ClockSkew(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shift a validator's clock: its votes and proposals carry a wrong time.

    A block's time is the median of its commit's times, weighted by power: below half of the power that signed it stays between
    honest clocks. Nobody signs a time that is not after the block's.
    """

    shift: Annotated[Shift, Meta(description="how far its clock is ahead, such as `90s` or `-5m`")]


Fault = Down | Flap | Slow | Drop | Duplicate | Reorder | DoubleSign | Amnesia | Censor | BadAppHash | ClockSkew

FAULTS: Mapping[str, type[Fault]] = {
    "down": Down,
    "flap": Flap,
    "slow": Slow,
    "drop": Drop,
    "duplicate": Duplicate,
    "reorder": Reorder,
    "double-sign": DoubleSign,
    "amnesia": Amnesia,
    "censor": Censor,
    "bad-app-hash": BadAppHash,
    "clock-skew": ClockSkew,
}
"""The one registry: kind to its class."""

DOUBLE_SIGN = "double-sign"


class Parameter(msgspec.Struct, frozen=True):
    """One parameter of a kind."""

    name: str
    kind: str
    """`count`, `duration`, `signed duration`, `account`, or what may be chosen, divided by ` | `."""
    help: str
    default: str | None
    """As text; None if it must be given."""


def fault_class(kind: str) -> type[Fault]:
    """Return the class of a kind.

    Raises:
        Rejected: `dev/unknown-fault` with what is known.
    """
    if kind not in FAULTS:
        raise Rejected(UNKNOWN_FAULT, fault=kind[:100], known=", ".join(FAULTS))
    return FAULTS[kind]


def parameters(kind: str) -> tuple[Parameter, ...]:
    """Return what a kind takes, read off its fields.

    Raises:
        Rejected: `dev/unknown-fault`.
    """
    found = []
    for field in msgspec.structs.fields(fault_class(kind)):
        options, metas = get_args(field.type)[0], get_args(field.type)[1:]
        help_text = "".join(meta.description or "" for meta in metas)
        named = [meta.extra["kind"] for meta in metas if meta.extra]
        default = None if field.required else str(field.default)
        found.append(Parameter(field.name, named[0] if named else " | ".join(get_args(options)), help_text, default))
    return tuple(found)


def read_fault(kind: str, given: Mapping[str, Any]) -> Fault:
    """Read a fault.

    Args:
        given: parameters by name: numbers (also as texts), texts.

    Raises:
        Rejected: `dev/unknown-fault`, or `dev/bad-fault` with what the kind takes.
    """
    wanted = fault_class(kind)
    try:
        return msgspec.convert(dict(given), wanted, strict=False)
    except msgspec.ValidationError as error:
        takes = "; ".join(f"{item.name} ({item.kind}): {item.help}" for item in parameters(kind))
        raise Rejected(BAD_FAULT, fault=kind, detail=str(error)[:200], takes=takes or "no parameters") from None


def bend(conduct: Conduct, fault: Fault, age: int) -> Conduct:
    """Return what a fault leaves of a conduct, so many blocks after it began."""
    match fault:
        case Down():
            return replace(conduct, up=False)
        case Flap(blocks):
            return replace(conduct, up=conduct.up and age // blocks % 2 == 1)
        case Slow(delay):
            return replace(conduct, lateness=delay)
        case Drop(percent, seed):
            return replace(conduct, loses=percent, seed=seed)
        case Duplicate():
            return replace(conduct, repeats=True)
        case Reorder(within, seed):
            return replace(conduct, jitter=within, seed=seed)
        case DoubleSign(vote):
            return replace(conduct, doubles=_STEPS[vote])
        case Amnesia():
            return replace(conduct, forgets=True)
        case Censor(address):
            return replace(conduct, shuns=(address,))
        case BadAppHash():
            return replace(conduct, bad_app_hash=True)
        case ClockSkew(shift):
            return replace(conduct, shift=shift)


def conduct_of(faults: Iterable[tuple[Fault, int]], height: int) -> Conduct:
    """Return what faults, each with the height at which it began, add up to at a height."""
    conduct = HONEST
    for fault, since in faults:
        conduct = bend(conduct, fault, height - since)
    return conduct
