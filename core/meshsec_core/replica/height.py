"""One height in progress: proposals and votes of all validators hosted here, wave by wave, until a block is decided."""

from collections.abc import Callable

from msgspec.structs import replace

from meshsec_core.consensus.commits import make_commit
from meshsec_core.consensus.guard import STEP_PRECOMMIT, STEP_PREVOTE, STEP_PROPOSE
from meshsec_core.consensus.step import Cast, Decide, Propose, Proposed, Schedule, Start, State, TimedOut, Voted, step
from meshsec_core.consensus.step import Event as StepEvent
from meshsec_core.consensus.step import Timer as TimerKind
from meshsec_core.consensus.timeouts import LOCAL
from meshsec_core.consensus.votes import NO_BLOCK, Choice, check_proposal, check_vote, choice_of
from meshsec_core.kernel.crypto import Verify, sha256
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.wire.hashes import proposal_sign_bytes, vote_sign_bytes
from meshsec_core.kernel.wire.tendermint import PRECOMMIT, PREVOTE, Block, BlockId, Commit, PartSetHeader, Proposal, Vote
from meshsec_core.replica.chain import MILLISECOND, Tip, seal
from meshsec_core.replica.events import Deliver, SetTimer, Timer
from meshsec_core.replica.events import Proposed as Message
from meshsec_core.replica.voter import Voter

STEPS = {PREVOTE: STEP_PREVOTE, PRECOMMIT: STEP_PRECOMMIT}


class Height:
    """Votes and blocks of one height. The replica feeds it and makes its wave durable before handing it back."""

    def __init__(
        self,
        tip: Tip,
        voters: tuple[Voter, ...],
        build: Callable[[bytes], Block],
        accepts: Callable[[Block], bool],
        verify: Verify,
    ) -> None:
        self.tip = tip
        self.number = tip.height + 1
        self._voters = voters
        self._build = build
        self._accepts = accepts
        self._verify = verify
        self._verdicts: dict[BlockId, bool] = {}
        self._heard: list[StepEvent] = []
        self.now = 0
        self.blocks: dict[BlockId, Block] = {}
        self._sealed: dict[Block, tuple[BlockId, bytes]] = {}
        self.decision: Decide | None = None
        self.votes: dict[tuple[int, int, int], tuple[Vote, ...]] = {}
        """Votes by (kind, round, position), one for each block or nil: an equivocator counts towards all it voted for."""
        self.conflicts: list[tuple[Vote, Vote]] = []
        self._proposals: list[Message] = []
        self._votes: list[Vote] = []
        self._timers: list[SetTimer] = []

    # inputs

    def join(self, voter: Voter) -> None:
        """Let a voter take part: it starts, and hears what has been said at this height."""
        voter.state = State(self.tip.validators, self.tip.validators.index_of(voter.address))
        self._feed(voter, Start())
        for event in self._heard:
            self._feed(voter, event)

    def deliver(self, wave: Deliver) -> None:
        """Verify each message once and tell every voter that is up; what does not verify is dropped."""
        heard: list[StepEvent] = [self._proposed(message.proposal) for message in wave.proposals if self._is_genuine(message)]
        heard += [Voted(vote.kind, vote.round, vote.index, choice_of(vote.block_id)) for vote in wave.votes if self._counts(vote)]
        self._heard += heard
        for voter in self._voters:
            if not voter.down:
                for event in heard:
                    self._feed(voter, event)

    def fire(self, timer: Timer) -> None:
        """Let a voter lose patience."""
        for voter in self._voters:
            if voter.address == timer.voter and voter.state is not None and not voter.down:
                self._feed(voter, TimedOut(TimerKind(timer.kind), timer.round))

    # outputs

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
        """Build the commit from all precommits heard in the deciding round."""
        heard = [cast for (kind, number, _), cast in self.votes.items() if kind == PRECOMMIT and number == decision.round]
        votes = [vote for cast in heard for vote in cast]
        return make_commit(self.tip.validators, self.number, decision.round, decision.block, votes)

    # messages

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
        cast = self.votes.get(place, ())
        if all(vote.block_id != other.block_id for other in cast):
            self.votes[place] = (*cast, vote)
            if cast:
                self.conflicts.append((cast[0], vote))
        return True

    def _proposed(self, proposal: Proposal) -> Proposed:
        identity = proposal.block_id
        verdict = self._verdicts.get(identity)
        if verdict is None:
            verdict = self._verdicts[identity] = self._accepts(self.blocks[identity])
        return Proposed(proposal.round, identity, proposal.pol_round, verdict)

    def _feed(self, voter: Voter, event: StepEvent) -> None:
        if voter.state is None:
            return
        voter.state, effects = step(voter.state, event)
        for effect in effects:
            match effect:
                case Cast():
                    self._cast(voter, effect)
                case Schedule():
                    timer = Timer(voter.address, self.number, effect.round, effect.timer)
                    self._timers.append(SetTimer(timer, LOCAL.of(effect.timer, effect.round)))
                case Propose():
                    self._propose(voter, effect)
                case Decide():
                    self._decide(effect)
                case _:
                    pass  # conflicts are found where votes are counted, once for all voters

    def _decide(self, decision: Decide) -> None:
        if self.decision is not None and self.decision.block != decision.block:
            raise InvariantViolated(f"two blocks are decided at height {self.number}")
        self.decision = self.decision or decision

    # signatures

    def _propose(self, voter: Voter, wish: Propose) -> None:
        block = self._build(voter.address) if wish.block is None else self.blocks[wish.block]
        identity = self.seal(block)[0]
        proposal = Proposal(self.number, wish.round, wish.pol_round, identity, self._time_after(block.header.time))
        sign_bytes = proposal_sign_bytes(self.tip.chain_id, proposal)
        signed = voter.sign(self.number, wish.round, STEP_PROPOSE, sign_bytes, proposal.time)
        if signed is not None:
            time, signature = signed
            self._proposals.append(Message(replace(proposal, time=time, signature=signature), block, voter.address))

    def _cast(self, voter: Voter, wish: Cast) -> None:
        vote = self._vote(voter, wish, wish.block)
        signed = voter.sign(self.number, wish.round, STEPS[wish.kind], self._sign_bytes(vote), vote.time)
        if signed is None:
            return
        time, signature = signed
        self._votes.append(replace(vote, time=time, signature=signature))
        if voter.double_signs and wish.block is not None and wish.kind == PRECOMMIT:
            voter.double_signs = False
            other = self._vote(voter, wish, _conflicting(wish.block))
            self._votes.append(replace(other, signature=voter.key.sign(self._sign_bytes(other))))

    def _vote(self, voter: Voter, wish: Cast, choice: Choice) -> Vote:
        known = self.blocks.get(choice) if choice is not None else None
        time = self._time_after(self.tip.time if known is None else known.header.time)
        index = self.tip.validators.index_of(voter.address)
        if index is None:
            raise InvariantViolated("a voter outside the set voted")
        return Vote(wish.kind, self.number, wish.round, NO_BLOCK if choice is None else choice, time, voter.address, index)

    def _sign_bytes(self, vote: Vote) -> bytes:
        return vote_sign_bytes(self.tip.chain_id, vote.kind, vote.height, vote.round, choice_of(vote.block_id), vote.time)

    def _time_after(self, time: int) -> int:
        return max(self.now, time + MILLISECOND)


def _conflicting(block: BlockId) -> BlockId:
    return BlockId(sha256(b"equivocation" + block.hash), PartSetHeader(1, sha256(b"parts" + block.hash)))
