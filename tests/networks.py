"""A network of vote machines under an adversary: messages are late, lost, repeated and reordered, timers fire early, some lie.

What an honest machine has heard reaches every other one in the end (gossip), at the latest when the network heals.
"""

from random import Random

from machines import validator_set
from meshsec_core.consensus.step import (
    Cast,
    Conflict,
    Decide,
    Event,
    Propose,
    Proposed,
    Schedule,
    Start,
    State,
    TimedOut,
    Voted,
    step,
)
from meshsec_core.kernel.wire.tendermint import PRECOMMIT, PREVOTE, BlockId, PartSetHeader


class Network:
    """Honest machines and liars of one height; every choice is drawn from the seed."""

    def __init__(self, seed: int, powers: tuple[int, ...], liars: tuple[int, ...] = ()) -> None:
        self.random = Random(seed)
        self.validators = validator_set(*powers)
        self.liars = liars
        self.honest = [index for index in range(len(powers)) if index not in liars]
        self.machines = {index: State(self.validators, index) for index in self.honest}
        self.said: list[Event] = []
        self.pending: dict[int, list[Event]] = {index: [] for index in self.honest}
        self.timers: dict[int, list[TimedOut]] = {index: [] for index in self.honest}
        self.decided: dict[int, BlockId] = {}
        self.validity: dict[BlockId, bool] = {}
        self.voted: set[tuple[int, int, int]] = set()
        self.accused: set[int] = set()
        for index in self.honest:
            self.feed(index, Start())

    @property
    def undecided(self) -> list[int]:
        return [index for index in self.honest if index not in self.decided]

    def feed(self, index: int, event: Event) -> None:
        self.machines[index], effects = step(self.machines[index], event)
        for effect in effects:
            match effect:
                case Cast(kind, number, block):
                    assert (index, kind, number) not in self.voted, "an honest validator voted twice in a step"
                    self.voted.add((index, kind, number))
                    self.say(Voted(kind, number, index, block))
                case Propose(number, block, pol_round):
                    block = block or self.new_block(index, number, valid=True)
                    self.say(Proposed(number, block, pol_round, True))
                case Schedule(timer, number):
                    self.timers[index].append(TimedOut(timer, number))
                case Decide(_, block):
                    self.decided[index] = block
                case Conflict(_, _, liar):
                    self.accused.add(liar)

    def new_block(self, proposer: int, number: int, *, valid: bool) -> BlockId:
        name = f"{proposer}/{number}/{len(self.validity)}".encode()
        block = BlockId(name.ljust(32, b"."), PartSetHeader(1, name.ljust(32, b"/")))
        self.validity[block] = valid
        return block

    def say(self, event: Event, hearers: list[int] | None = None) -> None:
        self.said.append(event)
        for index in self.honest if hearers is None else hearers:
            self.pending[index].append(event)

    def lie(self) -> None:
        """Let a liar tell some machines something that its key and its turns allow."""
        liar = self.random.choice(self.liars)
        number = self.random.randint(0, max(machine.round for machine in self.machines.values()) + 1)
        hearers = self.random.sample(self.honest, self.random.randint(1, len(self.honest)))
        known = list(self.validity)
        if self.validators.at_round(number).proposer_index == liar and self.random.random() < 0.5:
            block = self.random.choice(known) if known and self.random.random() < 0.5 else None
            block = block or self.new_block(liar, number, valid=self.random.random() < 0.8)
            self.say(Proposed(number, block, self.random.randint(-1, number - 1), self.validity[block]), hearers)
        else:
            choice = self.random.choice([*known, None])
            self.say(Voted(self.random.choice((PREVOTE, PRECOMMIT)), number, liar, choice), hearers)

    def run_any_order(self, steps: int) -> None:
        """Deliver single messages in any order, some twice, some not at all, between timers and lies."""
        for _ in range(steps):
            if not self.undecided:
                return
            index = self.random.choice(self.undecided)
            pending, timers, luck = self.pending[index], self.timers[index], self.random.random()
            if luck < 0.1 and self.liars:
                self.lie()
            elif luck < 0.2 and timers:
                self.feed(index, timers.pop(self.random.randrange(len(timers))))
            elif pending:
                event = pending[self.random.randrange(len(pending))]
                if luck < 0.9:
                    pending.remove(event)
                if luck > 0.25:
                    self.feed(index, event)

    def run_waves(self, rounds: int) -> None:
        """Let proposals, prevotes and precommits each reach some machines in time and others late; then patience ends."""
        for _ in range(rounds):
            for reaches in ((0.7, 1.0), (0.5, 0.8, 1.0), (0.9, 1.0)):
                reach, favoured = self.random.choice(reaches), self.random.sample(self.honest, self.random.randint(0, 3))
                for index in self.undecided:
                    for liar in self.liars:
                        self.whisper(liar, index, favoured=index in favoured)
                    self._hear_some(index, reach)
                self._end_patience()

    def _hear_some(self, index: int, reach: float) -> None:
        waiting, self.pending[index] = self.pending[index], []
        for event in waiting:
            late = not isinstance(event, Start | TimedOut) and event.round < self.machines[index].round
            if self.random.random() < (0.2 if late else reach):
                self.feed(index, event)
            else:
                self.pending[index].append(event)

    def whisper(self, liar: int, index: int, *, favoured: bool) -> None:
        """Let a liar help one machine over a threshold, or hinder it, while others hear something else."""
        machine = self.machines[index]
        ballot = machine.ballots.get(machine.round)
        proposal = ballot.proposal if ballot else None
        if favoured and proposal:
            self.say(Voted(PREVOTE, machine.round, liar, proposal.block), [index])
            self.say(Voted(PRECOMMIT, machine.round, liar, proposal.block), [index])
        elif self.random.random() < 0.3:
            self.say(Voted(self.random.choice((PREVOTE, PRECOMMIT)), machine.round, liar, None), [index])
        if self.random.random() < 0.2:
            self.lie()

    def heal(self, rounds: int) -> None:
        """Bring everything that was ever said to everybody, in order; timers fire only when nothing is under way."""
        heard = dict.fromkeys(self.honest, 0)
        for _ in range(3 * rounds):
            while any(heard[index] < len(self.said) for index in self.undecided):
                for index in self.undecided:
                    if heard[index] < len(self.said):
                        heard[index] += 1
                        self.feed(index, self.said[heard[index] - 1])
            if not self.undecided:
                return
            self._end_patience()

    def _end_patience(self) -> None:
        for index in self.undecided:
            timers, self.timers[index] = self.timers[index], []
            for timer in timers:
                self.feed(index, timer)
