"""One height in progress: proposals and votes of all validators hosted here, wave by wave, until a block is decided.

Validators that were in one state and hear the same are in one state again, so that is computed once for all of them: a height
without trouble counts each vote once, however many hear it. Whom a fault lets hear something else has a state of its own.
"""

from collections.abc import Callable, Iterator

import msgspec
from msgspec.structs import replace

from meshsec_core.consensus.commits import make_commit
from meshsec_core.consensus.guard import STEP_PRECOMMIT, STEP_PREVOTE, STEP_PROPOSE
from meshsec_core.consensus.step import (
    Cast,
    Conflict,
    Decide,
    NewRound,
    Propose,
    Proposed,
    Reminded,
    Schedule,
    Start,
    State,
    TimedOut,
    Transition,
    Voted,
    opening,
    step,
    step_all,
)
from meshsec_core.consensus.step import Effect as StepEffect
from meshsec_core.consensus.step import Event as StepEvent
from meshsec_core.consensus.step import Timer as TimerKind
from meshsec_core.consensus.timeouts import LOCAL
from meshsec_core.consensus.votes import NO_BLOCK, Choice, check_proposal, check_vote, choice_of, is_quorum
from meshsec_core.kernel.crypto import Verify, sha256
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.hashes import proposal_sign_bytes, vote_sign_bytes
from meshsec_core.kernel.wire.tendermint import PRECOMMIT, PREVOTE, Block, BlockId, Commit, Proposal, Vote
from meshsec_core.replica.chain import MILLISECOND, Tip, seal
from meshsec_core.replica.doubles import rival_block, rival_id
from meshsec_core.replica.events import ARRIVAL, RESENT, Deliver, SetTimer, Timer
from meshsec_core.replica.events import Proposed as Message
from meshsec_core.replica.faults import DOUBLE_SIGN
from meshsec_core.replica.network import Network
from meshsec_core.replica.voter import Voter

RESEND = SECOND // 10  # exact
"""Logical time after which the network says again what somebody has missed: CometBFT's `peer_gossip_sleep_duration`."""

STEPS = {PREVOTE: STEP_PREVOTE, PRECOMMIT: STEP_PRECOMMIT}


class Said(msgspec.Struct, frozen=True, gc=False):
    """Something genuine that was said at this height, known by its number from then on."""

    speaker: bytes
    """Consensus address."""
    event: StepEvent
    vote: Vote | None = None
    """If it is one."""


Steps = dict[tuple[State, tuple[int, ...]], Transition]
"""What follows from a state and what is heard in it, by number."""


class Height:
    """Votes and blocks of one height. The replica feeds it and makes its wave durable before handing it back."""

    def __init__(
        self,
        tip: Tip,
        voters: tuple[Voter, ...],
        build: Callable[[Voter], Block],
        accepts: Callable[[Block], bool],
        verify: Verify,
        network: Network,
    ) -> None:
        self.tip = tip
        self.number = tip.height + 1
        self._voters = voters
        self._by_address = {voter.address: voter for voter in voters}
        for voter in voters:
            voter.state, voter.missed = None, []
        self._started = step(State(tip.validators), Start())
        self._build = build
        self._accepts = accepts
        self._verify = verify
        self._network = network
        self._verdicts: dict[BlockId, bool] = {}
        self._said: list[Said] = []
        self._held: dict[int, None] = {}
        """Numbers of what slow validators said and nobody else has heard yet."""
        self._lost: dict[int, None] = {}
        """Numbers of what somebody may have missed and nothing has said again yet."""
        self._rivals: dict[int, None] = {}
        """Numbers of proposals that are not the first of their round."""
        self.now = 0
        self.blocks: dict[BlockId, Block] = {}
        self._sealed: dict[Block, tuple[BlockId, bytes]] = {}
        self.decision: Decide | None = None
        self._decider: Voter | None = None
        self._cast_votes: dict[tuple[int, int, int], tuple[Vote, ...]] = {}
        """Votes by (kind, round, position), one for each block or nil: an equivocator counts towards all it voted for."""
        self.conflicts: list[tuple[Vote, Vote]] = []
        self._proposals: list[Message] = []
        self._votes: list[Vote] = []
        self._timers: list[SetTimer] = []

    # inputs

    def join(self, voter: Voter) -> None:
        """Let a voter of this height take part: it starts, and hears what has been said."""
        if voter.address not in self._by_address:
            return
        voter.missed = list(range(len(self._said)))
        self._go(voter, self._started)
        for said in self._said:
            self._remind(voter, said)
        if self._said:
            self.spread()

    def deliver(self, wave: Deliver) -> None:
        """Verify each message once and tell every voter that it reaches; what does not verify is dropped."""
        before = len(self._said)
        for message in wave.proposals:
            if self._is_genuine(message):
                self._say(Said(message.proposer, self._proposed(message.proposal)))
        for vote in wave.votes:
            if self._counts(vote):
                self._say(Said(vote.address, Voted(vote.kind, vote.round, vote.index, choice_of(vote.block_id)), vote))
        for voter in self._voters:
            voter.missed += range(before, len(self._said))
        self.spread()

    def fire(self, timer: Timer) -> None:
        """Let a voter lose patience, or what a slow one said arrive."""
        if timer.kind in (ARRIVAL, RESENT):
            (self._held if timer.kind == ARRIVAL else self._lost).pop(timer.round, None)
            self.spread()
            return
        voter = self._by_address.get(timer.voter)
        if voter is not None and voter.state is not None and voter.conduct.up:
            self._feed(voter, TimedOut(TimerKind(timer.kind), timer.round))

    def release(self, speaker: bytes) -> None:
        """Let everything arrive that a validator said."""
        for kept in (self._held, self._lost):
            for number in [number for number in kept if self._said[number].speaker == speaker]:
                del kept[number]

    def spread(self) -> None:
        """Tell every voter that is up what reaches it and what it has not heard, in the order in which it was said."""
        known: Steps = {}
        repeated = {voter.address for voter in self._voters if voter.conduct.repeats}
        for voter in self._voters:
            if voter.state is None or not voter.conduct.up or not voter.missed:
                continue
            heard, voter.missed = voter.missed, []
            if self._held or self._lost or not self._network.whole:
                voter.missed = [number for number in heard if not self._reaches(number, voter)]
                heard = [number for number in heard if self._reaches(number, voter)]
            heard = self._as_heard(voter, heard)
            if repeated:
                heard = [again for number in heard for again in [number] * (1 + (self._said[number].speaker in repeated))]
            self._hear(voter, tuple(heard), known)

    # outputs

    @property
    def round(self) -> int:
        """The latest round that a voter is in; -1 before anyone is."""
        return max((voter.state.round for voter in self._voters if voter.state is not None), default=-1)

    @property
    def votes(self) -> Iterator[Vote]:
        """Every vote that counted."""
        return (vote for cast in self._cast_votes.values() for vote in cast)

    def take_wave(self) -> tuple[Deliver | None, list[SetTimer]]:
        """Return what was said and scheduled since the last call."""
        wave = Deliver(tuple(self._proposals), tuple(self._votes)) if self._proposals or self._votes else None
        timers, self._proposals, self._votes, self._timers = self._timers, [], [], []
        return wave, timers

    def seal(self, block: Block) -> tuple[BlockId, bytes]:
        """Return a block's id and bytes, computed once for equal blocks."""
        sealed = self._sealed.get(block)
        if sealed is None:
            sealed = self._sealed[block] = seal(block)
        return sealed

    def commit_of(self, decision: Decide) -> Commit:
        """Build the commit from all precommits of the deciding round that the first to decide has heard.

        A slow validator that decides first hears itself at once; its own vote is on its way all the same, and left out unless the
        block needs it.
        """
        missed = () if self._decider is None else self._decider.missed
        heard = {number: said.vote for number, said in enumerate(self._said) if said.vote is not None and number not in missed}
        votes = {number: vote for number, vote in heard.items() if vote.kind == PRECOMMIT and vote.round == decision.round}
        arrived = [vote for number, vote in votes.items() if number not in self._held]
        powers, total = self.tip.validators.roster.powers, self.tip.validators.total_power
        enough = is_quorum(sum(powers[vote.index] for vote in arrived if vote.block_id == decision.block), total)
        chosen = arrived if enough else votes.values()
        return make_commit(self.tip.validators, self.number, decision.round, decision.block, chosen)

    # messages

    def _say(self, said: Said) -> None:
        number, event = len(self._said), said.event
        if isinstance(event, Proposed):
            earlier = (other.event for other in self._said if isinstance(other.event, Proposed))
            if any(other.round == event.round and other.block != event.block for other in earlier):
                self._rivals[number] = None
        self._said.append(said)
        speaker = self._by_address.get(said.speaker)
        if speaker is None:
            return
        self._remind(speaker, said)
        way = speaker.conduct.lateness
        if speaker.conduct.jitter:
            way += self._draw(speaker, number) % speaker.conduct.jitter
        if way:
            self._held[number] = None
            self._timers.append(SetTimer(Timer(said.speaker, self.number, number, ARRIVAL), way))
        if speaker.conduct.loses:
            self._lost[number] = None
            self._timers.append(SetTimer(Timer(said.speaker, self.number, number, RESENT), way + RESEND))

    def _reaches(self, number: int, hearer: Voter) -> bool:
        speaker = self._said[number].speaker
        if speaker == hearer.address:
            return True
        if number in self._held or (number in self._lost and self._misses(number, hearer)):
            return False
        return self._network.hears(speaker, hearer.address)

    def _misses(self, number: int, hearer: Voter) -> bool:
        """Tell whether a lossy network keeps something from somebody at first."""
        speaker = self._by_address[self._said[number].speaker]
        return self._draw(speaker, number, hearer.address) % 100 < speaker.conduct.loses

    def _draw(self, speaker: Voter, number: int, hearer: bytes = b"") -> int:
        """Return a number that only the seed of the speaker's fault, and what is asked, decide."""
        asked = f"{speaker.conduct.seed}/{self.number}/{number}/".encode()
        return int.from_bytes(sha256(asked + speaker.address + hearer)[:8])

    def _as_heard(self, voter: Voter, numbers: list[int]) -> list[int]:
        """Let every other validator hear rival proposals first: the best that a double proposer can do to split the vote."""
        if not self._rivals or (self.tip.validators.index_of(voter.address) or 0) % 2 == 0:
            return numbers
        return sorted(numbers, key=lambda number: number not in self._rivals)

    def _is_genuine(self, message: Message) -> bool:
        if message.proposal.height != self.number or self.seal(message.block)[0] != message.proposal.block_id:
            return False
        try:
            check_proposal(message.proposal, self.tip.chain_id, self.tip.validators, self._verify)
        except Rejected:
            return False
        self.blocks[message.proposal.block_id] = message.block
        return True

    def _counts(self, vote: Vote) -> bool:
        if vote.height != self.number:
            return False
        try:
            check_vote(vote, self.tip.chain_id, self.tip.validators, self._verify)
        except Rejected:
            return False
        place = (vote.kind, vote.round, vote.index)
        cast = self._cast_votes.get(place, ())
        if any(vote.block_id == other.block_id for other in cast):
            return False
        self._cast_votes[place] = (*cast, vote)
        if cast:
            self.conflicts.append((cast[0], vote))
        return True

    def _proposed(self, proposal: Proposal) -> Proposed:
        identity = proposal.block_id
        verdict = self._verdicts.get(identity)
        if verdict is None:
            verdict = self._verdicts[identity] = self._accepts(self.blocks[identity])
        return Proposed(proposal.round, identity, proposal.pol_round, verdict)

    def _remind(self, voter: Voter, said: Said) -> None:
        """Let a voter that has started again hold what it has precommitted, before it hears anything else of that time."""
        event = said.event
        if not isinstance(event, Voted) or event.kind != PRECOMMIT or event.block is None or voter.address != said.speaker:
            return
        if voter.state is not None and event.round > voter.state.locked_round:
            self._feed(voter, Reminded(event.round, event.block))

    def _hear(self, voter: Voter, numbers: tuple[int, ...], known: Steps) -> None:
        """Let a voter hear things one after another."""
        if voter.state is None:
            return
        if voter.conduct.forgets:
            for number in numbers:
                self._feed(voter, self._said[number].event)
            return
        heard = (voter.state, numbers)
        if heard not in known:
            known[heard] = step_all(voter.state, [self._said[number].event for number in numbers])
        self._go(voter, known[heard])

    def _feed(self, voter: Voter, event: StepEvent) -> None:
        if voter.state is not None:
            self._go(voter, step(voter.state, event))

    def _go(self, voter: Voter, transition: Transition) -> None:
        """Put a voter into a state, and do what it asks for on the way there."""
        state, effects = transition
        if voter.conduct.forgets:
            state = replace(state, locked_round=-1, locked_block=None, valid_round=-1, valid_block=None)
        voter.state = state
        for effect in effects:
            self._carry_out(voter, effect)

    def _carry_out(self, voter: Voter, effect: StepEffect | Propose) -> None:
        match effect:
            case NewRound():
                self._carry_out(voter, opening(effect, self.tip.validators, self._index(voter)))
            case Propose():
                self._propose(voter, effect)
            case Cast():
                self._cast(voter, effect)
            case Schedule():
                timer = Timer(voter.address, self.number, effect.round, effect.timer)
                self._timers.append(SetTimer(timer, LOCAL.of(effect.timer, effect.round)))
            case Decide():
                self._decide(voter, effect)
            case Conflict():
                pass  # conflicts are found where votes are counted, once for all voters

    def _index(self, voter: Voter) -> int:
        index = self.tip.validators.index_of(voter.address)
        if index is None:
            raise InvariantViolated("a voter outside the set takes part")
        return index

    def _decide(self, voter: Voter, decision: Decide) -> None:
        if self.decision is None:
            self.decision, self._decider = decision, voter
        elif self.decision.block != decision.block:
            raise InvariantViolated(f"two blocks are decided at height {self.number}")

    # signatures

    def _propose(self, voter: Voter, wish: Propose) -> None:
        block = self._build(voter) if wish.block is None else self.blocks[wish.block]
        proposal = self._proposal(voter, wish, block)
        signed = voter.sign(
            self.number, wish.round, STEP_PROPOSE, proposal_sign_bytes(self.tip.chain_id, proposal), proposal.time
        )
        if signed is None:
            return
        time, signature = signed
        self._proposals.append(Message(replace(proposal, time=time, signature=signature), block, voter.address))
        if voter.conduct.doubles == STEP_PROPOSE and wish.block is None:
            voter.spend(DOUBLE_SIGN, self.number)
            rival = rival_block(block, self.tip.validators)
            proposal = self._proposal(voter, wish, rival)
            signature = voter.key.sign(proposal_sign_bytes(self.tip.chain_id, proposal))
            self._proposals.append(Message(replace(proposal, signature=signature), rival, voter.address))

    def _proposal(self, voter: Voter, wish: Propose, block: Block) -> Proposal:
        time = self._time_after(voter, block.header.time)
        return Proposal(self.number, wish.round, wish.pol_round, self.seal(block)[0], time)

    def _cast(self, voter: Voter, wish: Cast) -> None:
        vote = self._vote(voter, wish, wish.block)
        signed = voter.sign(self.number, wish.round, STEPS[wish.kind], self._sign_bytes(vote), vote.time)
        if signed is None:
            return
        time, signature = signed
        self._votes.append(replace(vote, time=time, signature=signature))
        if voter.conduct.doubles == STEPS[wish.kind] and wish.block is not None:
            voter.spend(DOUBLE_SIGN, self.number)
            other = self._vote(voter, wish, rival_id(wish.block))
            self._votes.append(replace(other, signature=voter.key.sign(self._sign_bytes(other))))

    def _vote(self, voter: Voter, wish: Cast, choice: Choice) -> Vote:
        known = self.blocks.get(choice) if choice is not None else None
        time = self._time_after(voter, self.tip.time if known is None else known.header.time)
        block = NO_BLOCK if choice is None else choice
        return Vote(wish.kind, self.number, wish.round, block, time, voter.address, self._index(voter))

    def _sign_bytes(self, vote: Vote) -> bytes:
        return vote_sign_bytes(self.tip.chain_id, vote.kind, vote.height, vote.round, choice_of(vote.block_id), vote.time)

    def _time_after(self, voter: Voter, time: int) -> int:
        return max(self.now + voter.conduct.shift, time + MILLISECOND)
