"""A light client as its keeper sees it: what it knows, and the headers that bring it to a height at which something can be
proven.

One update is enough as long as validators that the client trusts still hold enough power; otherwise the way is halved until it
is. What is planned here rests on the node's word; the client's own chain verifies it.
"""

import msgspec

from meshsec_core.ibc.client import CLIENTS, CONSENSUS_STATES, CreateClient, UpdateClient
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.merkle.ics23 import NESTED_SPECS
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.ibc import (
    CLIENT_STATE_URL,
    CONSENSUS_STATE_URL,
    HEADER_URL,
    ClientHeader,
    ClientState,
    ConsensusState,
    Fraction,
    Height,
    any_decode,
    any_encode,
    revision_of,
)
from meshsec_core.kernel.wire.proto import M, decode, encode
from meshsec_core.kernel.wire.tendermint import FLAG_COMMIT, Commit, Header, SignedHeader, ValidatorSet
from meshsec_relayer.engine.answers import ProtoAnswer
from meshsec_relayer.engine.chain import Chain
from meshsec_relayer.engine.proofs import listed, stored
from meshsec_relayer.engine.tasks import Task, Until, get

CLIENT_GONE = "relayer/client-gone"
CLIENT_FROZEN = "relayer/client-frozen"
CLIENT_EXPIRED = "relayer/client-expired"
CLIENT_TOO_YOUNG = "relayer/client-too-young"

REFRESH_PART = 3
"""A client is refreshed when a third of its trusting period has passed since the newest header it knows: a jump of half the
period between two looks is survived."""

REMEMBERED_SETS = 8


class TrustParams(msgspec.Struct, frozen=True):
    """Rules of the clients that a relayer creates. Times in nanoseconds."""

    trusting_period: int = 14 * 24 * 3_600 * SECOND
    unbonding_period: int = 21 * 24 * 3_600 * SECOND
    max_clock_drift: int = 30 * SECOND
    trust_numerator: int = 1
    trust_denominator: int = 3

    def matches(self, state: ClientState) -> bool:
        """Tell whether a client has these rules."""
        level = Fraction(self.trust_numerator, self.trust_denominator)
        rules = (state.trust_level, state.trusting_period, state.unbonding_period, state.max_clock_drift)
        return rules == (level, self.trusting_period, self.unbonding_period, self.max_clock_drift)


def signed_header(chain: Chain, height: int) -> Task[SignedHeader]:
    """Fetch a header with the commit that decided it."""
    answer = yield from get(chain.name, f"/v1/commits/{height}", ProtoAnswer)
    return decode(SignedHeader, answer.proto)


def validator_set(chain: Chain, height: int) -> Task[ValidatorSet]:
    """Fetch the set that votes at a height."""
    answer = yield from get(chain.name, f"/v1/validators?height={height}", ProtoAnswer)
    return decode(ValidatorSet, answer.proto)


def creation(subject: Chain, params: TrustParams) -> Task[CreateClient]:
    """Make the message that creates a client of a chain from its tip."""
    header = (yield from signed_header(subject, subject.height)).header
    return creation_at(header, params)


def creation_at(header: Header, params: TrustParams) -> CreateClient:
    """Make the message that creates a client of the chain of a header, from that header."""
    state = ClientState(
        chain_id=header.chain_id,
        trust_level=Fraction(params.trust_numerator, params.trust_denominator),
        trusting_period=params.trusting_period,
        unbonding_period=params.unbonding_period,
        max_clock_drift=params.max_clock_drift,
        frozen_height=Height(),
        latest_height=Height(revision_of(header.chain_id), header.height),
        proof_specs=NESTED_SPECS,
    )
    consensus = ConsensusState(header.time, header.app_hash, header.next_validators_hash)
    return CreateClient(any_encode(CLIENT_STATE_URL, encode(state)), any_encode(CONSENSUS_STATE_URL, encode(consensus)))


def unwrap(raw: bytes, kind: type[M]) -> M:
    """Read a value inside google.protobuf.Any, whatever it calls itself."""
    return decode(kind, any_decode(raw)[1])


class Known(msgspec.Struct, frozen=True):
    """A header that a client knows."""

    height: int
    time: int
    next_hash: bytes


class Past(msgspec.Struct, frozen=True):
    """A header of the past with what makes a client believe it."""

    common: int
    """The height below it, known to the client, on which client and chain agree."""
    updates: tuple[UpdateClient, ...]
    """What the client must learn before."""
    header: ClientHeader


class LightClient:
    """The client on `host` that follows `subject`."""

    def __init__(self, host: Chain, subject: Chain, client_id: str) -> None:
        self.host = host
        self.subject = subject
        self.id = client_id
        self.latest = 0
        """Height of the newest header that it knows or that is on its way."""
        self.time = 0
        """Time of that header, nanoseconds."""
        self.trusting_period = 0
        self.stale = True
        """Whether the chain must be asked again what the client knows."""
        self.wanted = False
        """Whether somebody has asked for a refresh."""
        self.due_since: int | None = None
        """Since when a refresh has been due, on the relayer's clock."""
        self._refusal = ""
        """Why it could not be used when the chain was last asked."""
        self._trust = Fraction(1, 3)
        self._next_hash = b""
        self._sets: dict[bytes, ValidatorSet] = {}

    def read(self) -> Task[ConsensusState]:
        """Ask the host what the client knows; return the newest state.

        Raises:
            Rejected: `relayer/client-gone`, `relayer/client-frozen`, or `relayer/client-expired` by the host's clock.
        """
        self.stale = False  # whatever happens from here on makes it stale again
        try:
            return (yield from self._read())
        except Rejected:
            self.stale = self.stale or not self._refusal
            raise

    def _read(self) -> Task[ConsensusState]:
        self._refusal = ""
        raw = yield from stored(self.host, CLIENTS.key(self.id))
        if raw is None:
            raise self._unusable(CLIENT_GONE)
        state = unwrap(raw, ClientState)
        if not state.frozen_height.is_zero:
            raise self._unusable(CLIENT_FROZEN)
        known = yield from stored(self.host, CONSENSUS_STATES.key(self.id, state.latest_height))
        consensus = None if known is None else unwrap(known, ConsensusState)
        if consensus is None or consensus.timestamp + state.trusting_period <= self.host.time:
            raise self._unusable(CLIENT_EXPIRED)
        self.latest, self.time = state.latest_height.height, consensus.timestamp
        self.trusting_period, self._trust = state.trusting_period, state.trust_level
        self._next_hash = consensus.next_validators_hash
        self._sets.clear()
        return consensus

    def _unusable(self, code: str) -> Rejected:
        """Note why the client cannot be used; it is asked again once something has happened to it."""
        self._refusal = code
        return Rejected(code, chain=self.host.name, client=self.id)

    @property
    def ailment(self) -> str:
        """Why nothing can be proven to the client until governance recovers it; empty if it lives, as far as is known."""
        if self._refusal or self.stale or not self.trusting_period:
            return self._refusal
        return CLIENT_EXPIRED if self.expires_at <= self.host.time else ""

    def honest(self) -> Task[bool]:
        """Tell whether a client, which anyone may have created, says of its newest height what the followed chain says itself.

        Raises:
            Rejected: see `read`.
        """
        known = yield from self.read()
        if self.latest > self.subject.height:
            looks = self.subject.looks
            yield Until(lambda: self.subject.looks > looks, f"a look at {self.subject.name}, which may be further than it was")
        if self.latest > self.subject.height:
            return False
        header = (yield from signed_header(self.subject, self.latest)).header
        said = ConsensusState(header.time, header.app_hash, header.next_validators_hash)
        return known == said

    @property
    def refresh_due(self) -> bool:
        """Tell whether the client should learn a header soon, and there is one to learn."""
        age = max(self.host.time, self.subject.time) - self.time
        if self.stale or self.ailment or not self.trusting_period:
            return False
        worn = age * REFRESH_PART >= self.trusting_period or self.latest < self.subject.fading
        return self.subject.height > self.latest and (self.wanted or worn)

    @property
    def expires_at(self) -> int:
        """Time of the host at which nothing can be proven to the client any more, nanoseconds."""
        return self.time + self.trusting_period

    def reach(self, height: int) -> Task[tuple[int, tuple[UpdateClient, ...]]]:
        """Return a height, at least this one, at which proofs can be made, and the updates that must come before them.

        The client is taken to know what is returned here; set `stale` if the updates do not take effect.

        Raises:
            Rejected: see `read`; or a node does not answer.
        """
        if self.stale:
            yield from self.read()
        elif self.ailment:
            raise Rejected(self.ailment, chain=self.host.name, client=self.id)
        if height <= self.latest and self.latest > self.subject.lowest_provable:
            return self.latest, ()
        self.stale = True  # until all updates have been put together
        self.wanted = False
        known = Known(self.latest, self.time, self._next_hash)
        headers = yield from self._way(known, max(height, self.subject.height))
        newest = headers[-1].signed_header.header
        self.latest, self.time, self._next_hash = newest.height, newest.time, newest.next_validators_hash
        self.stale = False
        return self.latest, tuple(self.update(header) for header in headers)

    def past_header(self, height: int) -> Task[Past]:
        """Return a header of a height, made believable by one that the client knows below it and the chain confirms.

        Raises:
            Rejected: `relayer/client-too-young` if there is none such; or a node does not answer.
        """
        known = yield from self._agreed_below(height)
        headers = yield from self._way(known, height)
        return Past(known.height, tuple(self.update(header) for header in headers[:-1]), headers[-1])

    def _agreed_below(self, height: int) -> Task[Known]:
        """Return the greatest height below another on which client and chain agree: of what it knows, something may be a lie."""
        (found,) = yield from listed(self.host, CONSENSUS_STATES.key(self.id, ""))
        heights = {Height.parse(name).height: raw for name, raw in found.items() if name.count("/") == 0}
        for below in sorted((known for known in heights if known < min(height, self.subject.height + 1)), reverse=True):
            said = unwrap(heights[below], ConsensusState)
            header = (yield from signed_header(self.subject, below)).header
            if said == ConsensusState(header.time, header.app_hash, header.next_validators_hash):
                return Known(below, said.timestamp, said.next_validators_hash)
        raise Rejected(CLIENT_TOO_YOUNG, chain=self.host.name, client=self.id, height=height)

    def update(self, header: ClientHeader) -> UpdateClient:
        """Return the message that shows the client a header."""
        return UpdateClient(self.id, any_encode(HEADER_URL, encode(header)))

    def _way(self, known: Known, target: int) -> Task[list[ClientHeader]]:
        """Return headers up to a height, each made believable by the one before."""
        way: list[ClientHeader] = []
        ahead = [target]
        while ahead:
            goal = ahead[-1]
            signed = yield from signed_header(self.subject, goal)
            trusted = yield from self._set(known.height + 1, known.next_hash)
            if goal > known.height + 1 and not _enough(trusted, signed.commit, self._trust):
                ahead.append(known.height + (goal - known.height) // 2)  # rounds down; at least the next height
                continue
            validators = yield from self._set(goal, signed.header.validators_hash)
            way.append(ClientHeader(signed, validators, self.subject.proof_height(known.height), trusted))
            known = Known(goal, signed.header.time, signed.header.next_validators_hash)
            ahead.pop()
        return way

    def _set(self, height: int, expected: bytes) -> Task[ValidatorSet]:
        """Return the set of a height; sets of one hash are fetched once."""
        found = self._sets.get(expected)
        if found is None:
            found = yield from validator_set(self.subject, height)
            if len(self._sets) >= REMEMBERED_SETS:
                self._sets.clear()
            self._sets[expected] = found
        return found


def _enough(trusted: ValidatorSet, commit: Commit, level: Fraction) -> bool:
    """Tell whether validators that are trusted signed a commit with more than the trust level of their power, rounded down."""
    signers = {signature.address for signature in commit.signatures if signature.flag == FLAG_COMMIT}
    power = sum(validator.power for validator in trusted.validators if validator.address in signers)
    total = sum(validator.power for validator in trusted.validators)
    return power > total * level.numerator // level.denominator
