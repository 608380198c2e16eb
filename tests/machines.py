"""Vote machines under test: one driven by hand, with blocks and validators that read well."""

from meshsec_core.consensus.step import (
    Cast,
    Effect,
    Event,
    NewRound,
    Phase,
    Propose,
    Proposed,
    Start,
    State,
    TimedOut,
    Timer,
    Voted,
    opening,
    step,
)
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel.crypto import address_of
from meshsec_core.kernel.wire.tendermint import PRECOMMIT, PREVOTE, BlockId, PartSetHeader

A = BlockId(b"A" * 32, PartSetHeader(1, b"a" * 32))
B = BlockId(b"B" * 32, PartSetHeader(1, b"b" * 32))
NIL = None


def validator_set(*powers: int) -> ValidatorSet:
    """A set with these powers at positions 0, 1, …; powers must not rise. With equal powers, position r proposes in round r."""
    keys = sorted((bytes([seed]) * 32 for seed in range(1, len(powers) + 1)), key=address_of)
    return ValidatorSet.genesis(zip(keys, powers, strict=True))


class Machine:
    """One validator's machine; every call returns the effects it caused."""

    def __init__(self, *powers: int, me: int = 3, start: bool = True) -> None:
        self.me = me
        self.state = State(validator_set(*(powers or (1, 1, 1, 1))))
        if start:
            self.feed(Start())

    def feed(self, *events: Event) -> tuple[Effect | Propose, ...]:
        caused: list[Effect | Propose] = []
        for event in events:
            self.state, effects = step(self.state, event)
            caused += [
                opening(effect, self.state.validators, self.me) if isinstance(effect, NewRound) else effect for effect in effects
            ]
        return tuple(caused)

    def proposal(self, number: int, block: BlockId, pol_round: int = -1, *, valid: bool = True) -> tuple[Effect | Propose, ...]:
        return self.feed(Proposed(number, block, pol_round, valid))

    def prevotes(self, number: int, block: BlockId | None, *voters: int) -> tuple[Effect | Propose, ...]:
        return self.feed(*(Voted(PREVOTE, number, voter, block) for voter in voters))

    def precommits(self, number: int, block: BlockId | None, *voters: int) -> tuple[Effect | Propose, ...]:
        return self.feed(*(Voted(PRECOMMIT, number, voter, block) for voter in voters))

    def timeout(self, timer: Timer, number: int) -> tuple[Effect | Propose, ...]:
        return self.feed(TimedOut(timer, number))

    def go_to_round(self, number: int) -> tuple[Effect | Propose, ...]:
        """Fail the current round: nobody else precommits anything, and patience ends."""
        effects: tuple[Effect | Propose, ...] = ()
        while self.state.round < number:
            effects = self.timeout(Timer.PRECOMMIT, self.state.round)
        return effects

    def lock(self, number: int, block: BlockId) -> None:
        """Let the proposal and the polka of the current round lock this machine on a block."""
        self.proposal(number, block)
        self.prevotes(number, block, 0, 1, 2)
        assert (self.state.locked_round, self.state.locked_block, self.state.phase) == (number, block, Phase.PRECOMMIT)


def prevote(number: int, block: BlockId | None) -> Cast:
    return Cast(PREVOTE, number, block)


def precommit(number: int, block: BlockId | None) -> Cast:
    return Cast(PRECOMMIT, number, block)
