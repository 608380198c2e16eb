"""One height of one validator's vote machine: Algorithm 1 of arXiv:1807.04938 as a pure, total function.

The host signs, verifies, executes, delivers and keeps time: it feeds events in and carries effects out. Every event has been
checked before it comes here (signature, membership, the proposer's right to propose). Own votes count when the host delivers them
back. The machine does not know whose it is, so validators that have heard the same are in the same state.

Laws: a validator prevotes and precommits at most once per round; once locked it prevotes another block only on proof of a later
polka (L28); it never unlocks on a quorum of nil; it decides only a block it knows to be valid, on a quorum of precommits of one
round. A machine that starts again and is reminded of what it signed holds the lock that its precommits speak of.

Three liberties that keep the proof: a known block serves the rules of every round, whichever round's proposal brought it (a polka
implies that an honest validator saw the proposal); only votes count towards skipping to a later round; proposals whose
proof-of-lock round is not before their own round are ignored.

Source: arXiv:1807.04938, Algorithm 1 (L = its line numbers).
"""

from collections.abc import Iterable, Mapping
from enum import Enum, StrEnum

import msgspec

from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.consensus.votes import Choice, Tally, is_blocking, is_quorum
from meshsec_core.kernel.wire.tendermint import PRECOMMIT, PREVOTE, BlockId


class Phase(Enum):
    """Where a validator stands within its round."""

    PROPOSE = "propose"
    PREVOTE = "prevote"
    PRECOMMIT = "precommit"
    DECIDED = "decided"


class Timer(StrEnum):
    """What a validator loses patience with."""

    PROPOSE = "propose"
    PREVOTE = "prevote"
    PRECOMMIT = "precommit"


class Start(msgspec.Struct, frozen=True, gc=False):
    """The height begins."""


class Proposed(msgspec.Struct, frozen=True, gc=False):
    """The proposal of a round and its whole block arrived."""

    round: int
    block: BlockId
    pol_round: int
    """Round of the polka that the proposer shows for the block, or -1."""
    valid: bool
    """Whether the application accepts the block."""


class Voted(msgspec.Struct, frozen=True, gc=False):
    """A vote arrived."""

    kind: int
    """PREVOTE or PRECOMMIT."""
    round: int
    index: int
    """The voter's position in the validator set."""
    block: Choice


class TimedOut(msgspec.Struct, frozen=True, gc=False):
    """A scheduled timer fired."""

    timer: Timer
    round: int


class Reminded(msgspec.Struct, frozen=True, gc=False):
    """The validator has precommitted a block, which a machine that has started again does not know."""

    round: int
    block: BlockId


Event = Start | Proposed | Voted | TimedOut | Reminded


class NewRound(msgspec.Struct, frozen=True, gc=False):
    """A round begins: what a validator does then depends on whose turn it is (`opening`)."""

    round: int
    valid_block: Choice
    valid_round: int


class Propose(msgspec.Struct, frozen=True, gc=False):
    """Propose in this round: the valid block with its round, or a new block if there is none."""

    round: int
    block: Choice
    pol_round: int


class Cast(msgspec.Struct, frozen=True, gc=False):
    """Sign a vote and send it to all, this validator included."""

    kind: int
    round: int
    block: Choice


class Schedule(msgspec.Struct, frozen=True, gc=False):
    """Start a timer."""

    timer: Timer
    round: int


class Conflict(msgspec.Struct, frozen=True, gc=False):
    """A validator voted twice in one step: evidence."""

    kind: int
    round: int
    index: int
    first: Choice
    second: Choice


class Decide(msgspec.Struct, frozen=True, gc=False):
    """The height is decided; nothing follows."""

    round: int
    block: BlockId


Effect = NewRound | Cast | Schedule | Conflict | Decide


class Ballot(msgspec.Struct, frozen=True, gc=False):
    """What is known of one round."""

    proposal: Proposed | None = None
    """The first one; only its block matters of any other."""
    prevotes: Tally = Tally()
    precommits: Tally = Tally()
    prevote_timer: bool = False
    """L34 has fired."""
    precommit_timer: bool = False
    """L47 has fired."""
    polka: bool = False
    """L36 has fired."""


class State(msgspec.Struct, frozen=True, gc=False, eq=False):
    """Everything the machine knows. Rounds are -1 where there is none. Two states are the same only if they are one object."""

    validators: ValidatorSet
    """The set of the height, at round 0."""
    phase: Phase = Phase.PROPOSE
    round: int = -1
    locked_round: int = -1
    locked_block: Choice = None
    valid_round: int = -1
    valid_block: Choice = None
    ballots: Mapping[int, Ballot] = {}
    blocks: Mapping[BlockId, bool] = {}
    """Known blocks and whether they are valid."""


Transition = tuple[State, tuple[Effect, ...]]

_EMPTY = Ballot()
_change = msgspec.structs.replace


def step(state: State, event: Event) -> Transition:
    """Apply one event; return the next state and the effects it causes, in order. Total and deterministic."""
    if state.phase is Phase.DECIDED:
        return state, ()
    match event:
        case Voted():
            return _voted(state, event)
        case Proposed():
            return _proposed(state, event)
        case TimedOut():
            return _timed_out(state, event)
        case Start():
            return _start(state)
        case Reminded():
            return _remember(state, event.round, event.block), ()


def step_all(state: State, events: Iterable[Event]) -> Transition:
    """Apply events one after another; return the last state and all effects."""
    caused: list[Effect] = []
    for event in events:
        state, effects = step(state, event)
        caused += effects
    return state, tuple(caused)


def opening(begun: NewRound, validators: ValidatorSet, index: int) -> Propose | Schedule:
    """Return what a validator does as a round begins.

    Args:
        begun: the round.
        validators: the set of the height, at round 0.
        index: its position there.
    """
    if validators.at_round(begun.round).proposer_index == index:
        return Propose(begun.round, begun.valid_block, begun.valid_round)  # L14
    return Schedule(Timer.PROPOSE, begun.round)  # L21


def _start(state: State) -> Transition:
    if state.round >= 0:
        return state, ()
    total_power = state.validators.roster.total_power
    ahead = [number for number, ballot in state.ballots.items() if is_blocking(_heard(state, ballot), total_power)]
    return _start_round(state, max(ahead, default=0))


def _voted(state: State, event: Voted) -> Transition:
    number, index, block = event.round, event.index, event.block
    roster = state.validators.roster
    if number < 0 or not 0 <= index < len(roster.powers):
        return state, ()
    ballot = state.ballots.get(number, _EMPTY)
    is_prevote = event.kind == PREVOTE
    before = ballot.prevotes if is_prevote else ballot.precommits
    tally = before.add(index, roster.powers[index], block)
    if tally is before:
        return state, ()
    effects: tuple[Effect, ...] = ()
    if index in tally.others and index not in before.others:
        effects = (Conflict(event.kind, number, index, tally.votes[index], block),)
    ballot = _change(ballot, prevotes=tally) if is_prevote else _change(ballot, precommits=tally)
    state = _change(state, ballots={**state.ballots, number: ballot})
    if not is_prevote and block is not None and _decides(state, ballot, block):  # L49
        return _decide(state, number, block, effects)
    if state.round < 0:
        return state, effects
    if number > state.round:
        skips = is_blocking(_heard(state, ballot), roster.total_power)  # L55
        return _start_round(state, number, effects) if skips else (state, effects)
    if is_quorum(tally.power, roster.total_power):
        return _advance(state, effects)
    return state, effects


def _remember(state: State, number: int, block: BlockId) -> State:
    """Hold what an own precommit says (L38 to L43)."""
    if number > state.locked_round:
        state = _change(state, locked_round=number, locked_block=block)
    if number > state.valid_round:
        state = _change(state, valid_round=number, valid_block=block)
    return state


def _proposed(state: State, event: Proposed) -> Transition:
    number, block = event.round, event.block
    if not -1 <= event.pol_round < number:
        return state, ()
    ballot = state.ballots.get(number, _EMPTY)
    if ballot.proposal is not None and block in state.blocks:
        return state, ()
    if ballot.proposal is None:
        ballot = _change(ballot, proposal=event)
    blocks = state.blocks if block in state.blocks else {**state.blocks, block: event.valid}
    state = _change(state, ballots={**state.ballots, number: ballot}, blocks=blocks)
    for decided, cast in state.ballots.items():
        if _decides(state, cast, block):  # L49
            return _decide(state, decided, block, ())
    return _advance(state, ())


def _timed_out(state: State, event: TimedOut) -> Transition:
    if event.round != state.round:
        return state, ()
    match event.timer, state.phase:
        case Timer.PROPOSE, Phase.PROPOSE:  # L57
            return _advance(*_cast(state, PREVOTE, None, ()))
        case Timer.PREVOTE, Phase.PREVOTE:  # L61
            return _advance(*_cast(state, PRECOMMIT, None, ()))
        case Timer.PRECOMMIT, _:  # L65
            return _start_round(state, state.round + 1)
        case _:
            return state, ()


def _start_round(state: State, number: int, effects: tuple[Effect, ...] = ()) -> Transition:
    state = _change(state, round=number, phase=Phase.PROPOSE)  # L11
    return _advance(state, (*effects, NewRound(number, state.valid_block, state.valid_round)))


def _advance(state: State, effects: tuple[Effect, ...]) -> Transition:
    """Apply every rule of the current round that holds, in the order of the phases."""
    number, total_power = state.round, state.validators.roster.total_power
    ballot = state.ballots.get(number)
    if ballot is None:
        return state, effects
    if state.phase is Phase.PROPOSE and ballot.proposal is not None and _is_proven(state, ballot.proposal):
        choice = ballot.proposal.block if _may_prevote(state, ballot.proposal) else None
        state, effects = _cast(state, PREVOTE, choice, effects)
    if state.phase is not Phase.PROPOSE and is_quorum(ballot.prevotes.power, total_power):
        state, ballot, effects = _count_prevotes(state, ballot, effects)
    if not ballot.precommit_timer and is_quorum(ballot.precommits.power, total_power):  # L47
        state = _keep(state, _change(ballot, precommit_timer=True))
        effects = (*effects, Schedule(Timer.PRECOMMIT, number))
    return state, effects


def _count_prevotes(state: State, ballot: Ballot, effects: tuple[Effect, ...]) -> tuple[State, Ballot, tuple[Effect, ...]]:
    number, total_power = state.round, state.validators.roster.total_power
    prevotes = ballot.prevotes
    if not ballot.polka:
        valid = (block for block, is_valid in state.blocks.items() if is_valid)
        block = next((block for block in valid if is_quorum(prevotes.behind(block), total_power)), None)
        if block is not None:  # L36
            ballot = _change(ballot, polka=True)
            state = _change(_keep(state, ballot), valid_round=number, valid_block=block)
            if state.phase is Phase.PREVOTE:
                state = _change(state, locked_round=number, locked_block=block)
                state, effects = _cast(state, PRECOMMIT, block, effects)
    if state.phase is Phase.PREVOTE:
        if is_quorum(prevotes.behind(None), total_power):  # L44
            state, effects = _cast(state, PRECOMMIT, None, effects)
        elif not ballot.prevote_timer:  # L34
            ballot = _change(ballot, prevote_timer=True)
            state = _keep(state, ballot)
            effects = (*effects, Schedule(Timer.PREVOTE, number))
    return state, ballot, effects


def _cast(state: State, kind: int, choice: Choice, effects: tuple[Effect, ...]) -> Transition:
    phase = Phase.PREVOTE if kind == PREVOTE else Phase.PRECOMMIT
    return _change(state, phase=phase), (*effects, Cast(kind, state.round, choice))


def _decide(state: State, number: int, block: BlockId, effects: tuple[Effect, ...]) -> Transition:
    return _change(state, phase=Phase.DECIDED), (*effects, Decide(number, block))


def _keep(state: State, ballot: Ballot) -> State:
    return _change(state, ballots={**state.ballots, state.round: ballot})


def _is_proven(state: State, proposal: Proposed) -> bool:
    """Tell whether the proposal shows no polka (L22) or one that has been seen (L28)."""
    if proposal.pol_round < 0:
        return True
    earlier = state.ballots.get(proposal.pol_round, _EMPTY)
    return is_quorum(earlier.prevotes.behind(proposal.block), state.validators.roster.total_power)


def _may_prevote(state: State, proposal: Proposed) -> bool:
    """Tell whether the lock allows the proposed block: L23 for a new one, L29 for one with a later polka."""
    if not state.blocks[proposal.block]:
        return False
    return state.locked_round <= proposal.pol_round or state.locked_block == proposal.block


def _decides(state: State, ballot: Ballot, block: BlockId) -> bool:
    known = state.blocks.get(block, False)
    return known and is_quorum(ballot.precommits.behind(block), state.validators.roster.total_power)


def _heard(state: State, ballot: Ballot) -> int:
    """Return the power of everybody who voted in a round, each counted once."""
    powers = state.validators.roster.powers
    return sum(powers[index] for index in {**ballot.prevotes.votes, **ballot.precommits.votes})
