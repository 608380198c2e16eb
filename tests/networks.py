"""A network of vote machines under an adversary that sees everything: messages are late, lost, repeated, reordered and cut off,
timers fire early, machines crash and come back with nothing but what they signed, some lie.

What an honest machine has said reaches every other one in the end (gossip), at the latest when the network heals.
"""

from functools import cache
from random import Random

from machines import validator_set
from meshsec_core.consensus.guard import STEP_PRECOMMIT, STEP_PREVOTE, STEP_PROPOSE, LastSigned, guard
from meshsec_core.consensus.step import (
    Cast,
    Conflict,
    Decide,
    Event,
    NewRound,
    Propose,
    Proposed,
    Reminded,
    Schedule,
    Start,
    State,
    TimedOut,
    Voted,
    opening,
    step,
)
from meshsec_core.consensus.votes import Choice, is_quorum
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.hashes import proposal_sign_bytes, vote_sign_bytes
from meshsec_core.kernel.wire.tendermint import PRECOMMIT, PREVOTE, BlockId, PartSetHeader, Proposal

STEPS = {PREVOTE: STEP_PREVOTE, PRECOMMIT: STEP_PRECOMMIT}


@cache
def spelled(kind: int, number: int, block: Choice, pol_round: int = -1) -> bytes:
    """What is signed for a vote, or (kind 0) for a proposal."""
    if kind:
        return vote_sign_bytes("chain-1", kind, 1, number, block, 1)
    assert block is not None
    return proposal_sign_bytes("chain-1", Proposal(1, number, pol_round, block, 1))


class Network:
    """Honest machines and liars of one height; every choice is drawn from the seed."""

    def __init__(self, seed: int, powers: tuple[int, ...], liars: tuple[int, ...] = ()) -> None:
        self.random = Random(seed)
        self.validators = validator_set(*powers)
        self.liars = liars
        self.honest = [index for index in range(len(powers)) if index not in liars]
        self.machines = {index: State(self.validators) for index in self.honest}
        self.said: list[Event] = []
        self.pending: dict[int, list[Event]] = {index: [] for index in self.honest}
        self.timers: dict[int, list[TimedOut]] = {index: [] for index in self.honest}
        self.decided: dict[int, BlockId] = {}
        self.validity: dict[BlockId, bool] = {}
        self.last: dict[int, LastSigned] = {}
        self.groups: dict[int, int] = {}
        self.victim = -1
        self.accused: set[int] = set()
        for index in self.honest:
            self.feed(index, Start())

    @property
    def undecided(self) -> list[int]:
        return [index for index in self.honest if index not in self.decided]

    def feed(self, index: int, event: Event) -> None:
        self.machines[index], effects = step(self.machines[index], event)
        for effect in effects:
            match opening(effect, self.validators, index) if isinstance(effect, NewRound) else effect:
                case Cast(kind, number, block):
                    if self.signs(index, number, STEPS[kind], spelled(kind, number, block)):
                        self.say(Voted(kind, number, index, block))
                case Propose(number, block, pol_round):
                    block = block or self.new_block(index, number, valid=True)
                    if self.signs(index, number, STEP_PROPOSE, spelled(0, number, block, pol_round)):
                        self.say(Proposed(number, block, pol_round, True))
                case Schedule(timer, number):
                    self.timers[index].append(TimedOut(timer, number))
                case Decide(_, block):
                    self.decided[index] = block
                case Conflict(_, _, liar):
                    self.accused.add(liar)

    def signs(self, index: int, number: int, step_number: int, content: bytes) -> bool:
        """Ask the guard, which alone survives a crash."""
        try:
            repeated = guard(self.last.get(index), 1, number, step_number, content)
        except Rejected:
            return False
        if repeated is None:
            self.last[index] = LastSigned(1, number, step_number, content, b"")
        return True

    def double_votes(self) -> list[tuple[int, int, int]]:
        """(validator, kind, round) where an honest one signed two different votes."""
        cast: dict[tuple[int, int, int], set[Choice]] = {}
        for event in self.said:
            if isinstance(event, Voted) and event.index in self.honest:
                cast.setdefault((event.index, event.kind, event.round), set()).add(event.block)
        return [place for place, blocks in cast.items() if len(blocks) > 1]

    def crash(self, index: int) -> None:
        """Take everything from a machine but its guard; it is told what it signed, and hears some of what was said once more."""
        self.machines[index] = State(self.validators)
        self.timers[index] = []
        self.pending[index] = [event for event in self.said if self.random.random() < 0.8]
        own: list[Event] = []
        for event in self.said:
            if isinstance(event, Voted) and event.index == index:
                own += [Reminded(event.round, event.block)] if event.kind == PRECOMMIT and event.block is not None else []
                own.append(event)
        for event in self.random.choice(([Start(), *own], [*own, Start()])):
            self.feed(index, event)

    def partition(self) -> None:
        """Cut the honest into two groups, or join them again."""
        self.groups = {index: self.random.randrange(2) for index in self.honest} if self.random.random() < 0.7 else {}

    def speaker(self, event: Event) -> int | None:
        """Who said something."""
        match event:
            case Voted():
                return event.index
            case Proposed():
                return self.validators.at_round(event.round).proposer_index
            case _:
                return None

    def reaches(self, event: Event, index: int) -> bool:
        """Whether the network lets a message pass; liars talk to everybody."""
        speaker = self.speaker(event)
        return speaker not in self.groups or self.groups[speaker] == self.groups[index]

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
            if luck < 0.01:
                self.crash(index)
            elif luck < 0.02:
                self.partition()
            elif luck < 0.1 and self.liars:
                self.lie()
            elif luck < 0.2 and timers:
                self.feed(index, timers.pop(self.random.randrange(len(timers))))
            elif pending:
                event = pending[self.random.randrange(len(pending))]
                if not self.reaches(event, index):
                    continue
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

    def attack(self, rounds: int) -> None:
        """Try to have two blocks decided: in each round let one machine decide if that is news, and the others see all but the
        vote that decides; then have some crash, or all find nothing to vote for, and give them something else.
        """
        for _ in range(rounds):
            if not self.undecided:
                return
            self.victim = self.random.choice(self.undecided)
            number = max(self.machines[index].round for index in self.undecided)
            self._tempt(number)
            if silent := self.random.random() < 0.3:
                self._end_patience()
            for index in self.undecided:
                self._hear_all(index, PREVOTE)
            self._end_patience()
            for index in self.undecided:
                self._conspire(PREVOTE, index, nil=silent)
                self._hear_all(index, PREVOTE)
            self._conspire(PRECOMMIT, self.victim)
            self._hear_all(self.victim, PRECOMMIT)
            for index in self.undecided:
                for liar in self.liars:
                    self.say(Voted(PRECOMMIT, self.machines[index].round, liar, None), [index])
                self._hear_all(index, PRECOMMIT)
                if self.random.random() < 0.3:
                    self.crash(index)
            self._end_patience()
            self._end_patience()

    def _tempt(self, number: int) -> None:
        """Where it is a liar's turn, propose something new, or two things."""
        liar = self.validators.at_round(number).proposer_index
        if liar not in self.liars:
            return
        half = self.random.sample(self.honest, len(self.honest) // 2) if self.random.random() < 0.5 else self.honest
        for hearers in (half, [index for index in self.honest if index not in half]):
            block, pol_round = self.new_block(liar, number, valid=True), self.random.choice((-1, number - 1))
            self.say(Proposed(number, block, pol_round, True), hearers)

    def _conspire(self, kind: int, index: int, *, nil: bool = False) -> None:
        """Let all liars vote as one machine needs it: for what it has voted for, for what is proposed to it, or nil."""
        machine = self.machines[index]
        ballot = machine.ballots.get(machine.round)
        if ballot is None:
            return
        votes = ballot.prevotes if kind == PREVOTE else ballot.precommits
        choice = votes.votes.get(index) or (ballot.proposal.block if ballot.proposal else None)
        for liar in self.liars if choice is not None or nil else ():
            self.say(Voted(kind, machine.round, liar, None if nil else choice), [index])

    def _hear_all(self, index: int, kind: int) -> None:
        """Deliver proposals and votes of one kind (of all kinds to precommit), but from others no precommit that would decide."""
        again = True
        while again and index in self.undecided:
            waiting, self.pending[index] = self.pending[index], []
            again = False
            for event in waiting:
                held = isinstance(event, Voted) and event.kind == PRECOMMIT and (kind == PREVOTE or self._decides(index, event))
                if held:
                    self.pending[index].append(event)
                else:
                    self.feed(index, event)
                    again = True

    def _decides(self, index: int, event: Voted) -> bool:
        if index == self.victim and event.block not in self.decided.values():
            return False
        ballot = self.machines[index].ballots.get(event.round)
        behind = 0 if ballot is None else ballot.precommits.behind(event.block)
        roster = self.validators.roster
        return event.block is not None and is_quorum(behind + roster.powers[event.index], roster.total_power)

    def heal(self, rounds: int) -> None:
        """Bring everything that was ever said to everybody, in order; timers fire only when nothing is under way."""
        self.groups = {}
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
